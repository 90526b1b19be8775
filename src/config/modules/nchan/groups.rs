//! Groups of channels, the status page.

use super::super::super::builder::{Builder, Outcome};
use super::super::super::call::Call;
use super::super::super::model::{Dialect, PushHandler};
use super::super::{NONE, ONE, done};
use super::messages::{count, size};
use super::roles::{claim, group_location};
use super::{Arity, Directive, L, SL, fill, flag};

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done(
        "nchan_channel_group_accounting", SL, ONE, "off",
        "Whether the channels, subscribers and messages of each group are counted. No limit of a group works without.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_accounting, flag),
    ),
    done(
        "nchan_group_location", L, Arity::between(0, 3), "get set delete",
        "Tells about a group (GET, `get`), sets its limits (POST, `set`), deletes its channels (DELETE, `delete`).",
        group_location,
    ),
    done(
        "nchan_group_max_channels", L, ONE, "0",
        "How many channels the group may have. 0 is no limit. May be a variable.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_max_channels, count),
    ),
    done(
        "nchan_group_max_subscribers", L, ONE, "0",
        "How many subscribers the group may have. 0 is no limit. May be a variable.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_max_subscribers, count),
    ),
    done(
        "nchan_group_max_messages", L, ONE, "0",
        "How many messages the group may store. 0 is no limit. May be a variable.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_max_messages, count),
    ),
    done(
        "nchan_group_max_messages_memory", L, ONE, "0",
        "How many bytes the messages of the group may take. 0 is no limit. May be a variable.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_max_messages_memory, size),
    ),
    done(
        "nchan_group_max_messages_disk", L, ONE, "0",
        "How many bytes the messages of the group may take in files. No message is kept in a file.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.group_max_messages_disk, size),
    ),
    done("nchan_stub_status", L, NONE, "", "Answers with counts of messages, channels and subscribers.", stub_status),
];

fn stub_status(b: &mut Builder<'_>, _: &Call<'_>) -> Outcome {
    claim(b, Dialect::Nchan, PushHandler::StubStatus);
    Ok(())
}
