//! Origins, hooks, events.

use super::super::{HSLI, ONE, done};
use super::{Directive, EVENT_TEXT, SLI, fill, flag, replace, template};

/// The rows.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[Directive] = &[
    done(
        "nchan_access_control_allow_origin", HSLI, ONE, "$http_origin",
        "Origins that may read answers, separated by blanks; `*` for all. Others are answered 403. The default allows \
         every origin, with credentials.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.allow_origin, template),
    ),
    done(
        "nchan_access_control_allow_credentials", HSLI, ONE, "on",
        "Whether browsers may send credentials with requests from other origins.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.allow_credentials, flag),
    ),
    done(
        "nchan_authorize_request", SLI, ONE, "",
        "A location that is asked before anything happens: the request goes on when it answers 200 to 298.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.authorize, template),
    ),
    done(
        "nchan_subscribe_request", SLI, ONE, "",
        "A location that is told of each subscriber that came, but for those that poll. Its answer is not looked at.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.subscribe_hook, template),
    ),
    done(
        "nchan_unsubscribe_request", SLI, ONE, "",
        "A location that is told of each subscriber that went, but for those that poll. Its answer is not looked at.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.unsubscribe_hook, template),
    ),
    done(
        "nchan_publisher_upstream_request", SLI, ONE, "",
        "A location that gets each message before it is published: 200 to 202 publish its answer, 304 the message as it \
         was, 204 nothing. Any other status is a refusal.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.publisher_upstream, template),
    ),
    done(
        "nchan_channel_events_channel_id", SLI, ONE, "",
        "The channel, of group `meta`, that is told what happens to the channels of this location.",
        |b, call| {
            // The text it is told by default is Nchan's, whoever's the roles are.
            b.http.speaks_nchan = true;
            replace(b, call, |conf| &mut conf.nchan.events_channel_id, template)
        },
    ),
    done(
        "nchan_channel_event_string", SLI, ONE, EVENT_TEXT,
        "What it is told. May hold variables.",
        |b, call| fill(b, call, |conf| &mut conf.nchan.event_text, template),
    ),
];
