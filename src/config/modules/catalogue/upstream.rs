//! Groups of servers behind.

use super::{ANY, Directive, H, L, Module, NONE, ONE, ONE_BLOCK, ONE_OR_TWO, SOME, U, UP_TO_TWO, rows};

/// Why nothing of an `upstream` block works.
pub(super) const NO_UPSTREAM: &str =
    "Encke does not proxy yet: requests that nginx would have sent to these servers would go nowhere";

/// The `upstream` block and what stands in it.
pub(super) const MODULES: &[Module] = &[Module { name: "ngx_http_upstream_module", directives: UPSTREAM }];

const UPSTREAM: &[Directive] = &rows![
    Refused "server", U, SOME, "", NO_UPSTREAM,
        "A server of the group.";
    Refused "hash", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Chooses the server by a key.";
    Refused "ip_hash", U, NONE, "", NO_UPSTREAM,
        "Chooses the server by the client's address.";
    Refused "keepalive", U, ONE, "", NO_UPSTREAM,
        "How many unused connections to the servers are kept.";
    Refused "least_conn", U, NONE, "", NO_UPSTREAM,
        "Chooses the server with the fewest connections.";
    Refused "least_time", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Chooses the server that answers fastest (commercial subscription).";
    Refused "ntlm", U, NONE, "", NO_UPSTREAM,
        "Keeps connections with NTLM authentication apart (commercial subscription).";
    Refused "queue", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Lets requests wait for a server (commercial subscription).";
    Refused "random", U, UP_TO_TWO, "", NO_UPSTREAM,
        "Chooses any server, or the better of any two.";
    Refused "state", U, ONE, "", NO_UPSTREAM,
        "File in which the group is kept (commercial subscription).";
    Refused "sticky", U, SOME, "", NO_UPSTREAM,
        "Sends a client to the same server again (commercial subscription).";
    Refused "sticky_cookie_insert", U, SOME, "", NO_UPSTREAM,
        "Obsolete: sticky cookie.";
    Refused "zone", U, ONE_OR_TWO, "", NO_UPSTREAM,
        "Shared memory for the state of the group.";
    Refused "fair", U, ANY, "", NO_UPSTREAM,
        "Chooses the server with the least to do (nginx-upstream-fair).";
    Refused "upstream_fair_shm_size", H, ONE, "", NO_UPSTREAM,
        "Shared memory of nginx-upstream-fair.";
    Refused "health_check", L, ANY, "", NO_UPSTREAM,
        "Asks the servers of a group how they are (commercial subscription).";
    Refused "match", H, ONE_BLOCK, "", NO_UPSTREAM,
        "What a healthy server answers (commercial subscription).";
];
