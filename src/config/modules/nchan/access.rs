//! Origins, hooks, events.

use super::super::{HSLI, ONE, done, refused};
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
    told_later("nchan_subscribe_request"),
    told_later("nchan_unsubscribe_request"),
    refused(
        "nchan_publisher_upstream_request", SLI, ONE,
        "messages cannot be shown to another location before they are published yet",
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

const fn told_later(name: &'static str) -> Directive {
    refused(name, SLI, ONE, "other locations are not told of subscribers yet")
}
