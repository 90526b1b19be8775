//! Who may come in, how often, and who a client is taken for.

use super::{Directive, H, HSL, HSLX, Module, ONE, ONE_OR_TWO, ONE_TO_THREE, SL, SOME, THREE, TWO, rows};

const NO_AUTH_JWT: &str =
    "Encke does not check tokens yet: a request that nginx would have turned away would get in";
const NO_LIMIT_REQ: &str = "Encke does not limit the rate of requests yet: a request that nginx would have \
     delayed or turned away would get in";
const NO_LIMIT_CONN: &str = "Encke does not limit connections per key yet: a connection that nginx would \
     have turned away would get in";
const NO_REAL_IP: &str = "Encke does not take addresses from headers yet: allow, deny and the logs would \
     see the proxy's address where nginx would have seen the client's";
const NO_SECURE_LINK: &str =
    "Encke does not check signed links yet: a request that nginx would have found to be forged would pass";
const NO_REFERER: &str = "Encke does not check Referer yet: a request that nginx would have found to come \
     from elsewhere would pass";
const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";
const NO_USERID: &str = "the cookie only numbers browsers for statistics; nothing in Encke depends on it";

/// Access control and identity beyond `allow`, `deny` and `auth_basic`.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_auth_jwt_module", directives: AUTH_JWT },
    Module { name: "ngx_http_limit_req_module", directives: LIMIT_REQ },
    Module { name: "ngx_http_limit_conn_module", directives: LIMIT_CONN },
    Module { name: "ngx_http_realip_module", directives: REALIP },
    Module { name: "ngx_http_secure_link_module", directives: SECURE_LINK },
    Module { name: "ngx_http_referer_module", directives: REFERER },
    Module { name: "ngx_http_userid_module", directives: USERID },
];

const AUTH_JWT: &[Directive] = &rows![
    Refused "auth_jwt", HSLX, ONE_OR_TWO, "off", NO_AUTH_JWT,
        "Lets a request in only with a valid JSON Web Token (commercial subscription).";
    Refused "auth_jwt_claim_set", H, SOME, "", NO_AUTH_JWT,
        "Sets a variable to a claim of the token (commercial subscription).";
    Refused "auth_jwt_header_set", H, SOME, "", NO_AUTH_JWT,
        "Sets a variable to a header of the token (commercial subscription).";
    Refused "auth_jwt_key_cache", HSL, ONE, "0", NO_AUTH_JWT,
        "How long keys are kept (commercial subscription).";
    Refused "auth_jwt_key_file", HSLX, ONE, "", NO_AUTH_JWT,
        "File with the keys (commercial subscription).";
    Refused "auth_jwt_key_request", HSLX, ONE, "", NO_AUTH_JWT,
        "Location that answers with the keys (commercial subscription).";
    Refused "auth_jwt_leeway", HSL, ONE, "0s", NO_AUTH_JWT,
        "How far clocks may differ (commercial subscription).";
    Refused "auth_jwt_require", HSLX, SOME, "", NO_AUTH_JWT,
        "Further conditions for a token (commercial subscription).";
    Refused "auth_jwt_type", HSLX, ONE, "signed", NO_AUTH_JWT,
        "Kind of token: signed, encrypted or nested (commercial subscription).";
];

const LIMIT_REQ: &[Directive] = &rows![
    Refused "limit_req", HSL, ONE_TO_THREE, "", NO_LIMIT_REQ,
        "Limits the rate of requests per key of a zone.";
    Refused "limit_req_dry_run", HSL, ONE, "off", NO_LIMIT_REQ,
        "Counts requests over the limit and lets them in.";
    Refused "limit_req_log_level", HSL, ONE, "error", NO_LIMIT_REQ,
        "Log level for requests that are turned away.";
    Refused "limit_req_status", HSL, ONE, "503", NO_LIMIT_REQ,
        "Status for requests that are turned away.";
    Refused "limit_req_zone", H, THREE, "", NO_LIMIT_REQ,
        "Names a zone: key, memory and rate.";
];

const LIMIT_CONN: &[Directive] = &rows![
    Refused "limit_conn", HSL, TWO, "", NO_LIMIT_CONN,
        "Limits the number of connections per key of a zone.";
    Refused "limit_conn_dry_run", HSL, ONE, "off", NO_LIMIT_CONN,
        "Counts connections over the limit and lets them in.";
    Refused "limit_conn_log_level", HSL, ONE, "error", NO_LIMIT_CONN,
        "Log level for connections that are turned away.";
    Refused "limit_conn_status", HSL, ONE, "503", NO_LIMIT_CONN,
        "Status for connections that are turned away.";
    Refused "limit_conn_zone", H, TWO, "", NO_LIMIT_CONN,
        "Names a zone: key and memory.";
    Refused "limit_zone", H, THREE, "", NO_LIMIT_CONN,
        "Old name of limit_conn_zone, gone since nginx 1.7.6.";
];

const REALIP: &[Directive] = &rows![
    Refused "real_ip_header", HSL, ONE, "X-Real-IP", NO_REAL_IP,
        "Header that holds the client's address.";
    Refused "real_ip_recursive", HSL, ONE, "off", NO_REAL_IP,
        "Skips all trusted addresses of the header.";
    Refused "set_real_ip_from", HSL, ONE, "", NO_REAL_IP,
        "Proxies whose header is trusted.";
];

const SECURE_LINK: &[Directive] = &rows![
    Refused "secure_link", HSL, ONE, "", NO_SECURE_LINK,
        "Where checksum and lifetime of a link are taken from.";
    Refused "secure_link_md5", HSL, ONE, "", NO_SECURE_LINK,
        "What the checksum is made of.";
    Refused "secure_link_secret", HSL, ONE, "", NO_SECURE_LINK,
        "Secret word of links in the older form.";
];

const REFERER: &[Directive] = &rows![
    Accepted(number) "referer_hash_bucket_size", SL, ONE, "64", HASHES,
        "Bucket size of the table of referers.";
    Accepted(number) "referer_hash_max_size", SL, ONE, "2048", HASHES,
        "Size of the table of referers.";
    Refused "valid_referers", SL, SOME, "", NO_REFERER,
        "Values of Referer that leave $invalid_referer empty.";
];

const USERID: &[Directive] = &rows![
    Accepted(userid) "userid", HSL, ONE, "off", NO_USERID,
        "Gives each browser a cookie with a number.";
    Accepted(once) "userid_domain", HSL, ONE, "none", NO_USERID,
        "Domain of the cookie.";
    Accepted(userid_expires) "userid_expires", HSL, ONE, "off", NO_USERID,
        "Lifetime of the cookie.";
    Accepted "userid_flags", HSL, ONE_TO_THREE, "off", NO_USERID,
        "Flags of the cookie: secure, httponly, samesite.";
    Accepted(once) "userid_mark", HSL, ONE, "off", NO_USERID,
        "A mark by which the module knows its own cookies.";
    Accepted(once) "userid_name", HSL, ONE, "uid", NO_USERID,
        "Name of the cookie.";
    Accepted(once) "userid_p3p", HSL, ONE, "none", NO_USERID,
        "P3P header sent with the cookie.";
    Accepted(once) "userid_path", HSL, ONE, "/", NO_USERID,
        "Path of the cookie.";
    Accepted(number) "userid_service", HSL, ONE, "", NO_USERID,
        "Number of this server within the cookie.";
];
