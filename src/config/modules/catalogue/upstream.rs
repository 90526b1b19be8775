//! Groups of servers behind.

use super::{ANY, Directive, H, L, Module, NONE, ONE, ONE_BLOCK, ONE_OR_TWO, SOME, U, rows};

/// Why these are refused.
pub(super) const NO_UPSTREAM: &str =
    "Encke does not do this yet: requests would be sent to other servers than the file says";

/// What of other products and modules stands in an `upstream` block.
pub(super) const MODULES: &[Module] =
    &[Module { name: "ngx_http_upstream_module: not here", directives: UPSTREAM }];

const UPSTREAM: &[Directive] = &rows![
    Refused "least_time", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Chooses the server that answers fastest (commercial subscription).";
    Refused "ntlm", U, NONE, "", NO_UPSTREAM,
        "Keeps connections with NTLM authentication apart (commercial subscription).";
    Refused "queue", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Lets requests wait for a server (commercial subscription).";
    Refused "state", U, ONE, "", NO_UPSTREAM,
        "File in which the group is kept (commercial subscription).";
    Refused "sticky", U, SOME, "", NO_UPSTREAM,
        "Sends a client to the same server again (commercial subscription).";
    Refused "sticky_cookie_insert", U, SOME, "", NO_UPSTREAM,
        "Obsolete: sticky cookie.";
    Refused "fair", U, ANY, "", NO_UPSTREAM,
        "Chooses the server with the least to do (nginx-upstream-fair).";
    Refused "upstream_fair_shm_size", H, ONE, "", NO_UPSTREAM,
        "Shared memory of nginx-upstream-fair.";
    Refused "health_check", L, ANY, "", NO_UPSTREAM,
        "Asks the servers of a group how they are (commercial subscription).";
    Refused "match", H, ONE_BLOCK, "", NO_UPSTREAM,
        "What a healthy server answers (commercial subscription).";
];
