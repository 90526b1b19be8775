//! Who may come in, how often, and who a client is taken for.

use super::{Directive, H, HSL, HSLX, Module, ONE, ONE_OR_TWO, ONE_TO_THREE, SL, SOME, TWO, rows};

const NO_AUTH_REQUEST: &str = "Encke does not ask other locations for leave yet: a request that nginx \
     would have turned away would get in";
const NO_AUTH_JWT: &str =
    "Encke does not check tokens yet: a request that nginx would have turned away would get in";
const NO_SECURE_LINK: &str =
    "Encke does not check signed links yet: a request that nginx would have found to be forged would pass";
const NO_REFERER: &str = "Encke does not check Referer yet: a request that nginx would have found to come \
     from elsewhere would pass";
const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";
const NO_USERID: &str = "the cookie only numbers browsers for statistics; nothing in Encke depends on it";

/// Access control and identity beyond `allow`, `deny` and `auth_basic`.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_auth_request_module", directives: AUTH_REQUEST },
    Module { name: "ngx_http_auth_jwt_module", directives: AUTH_JWT },
    Module { name: "ngx_http_secure_link_module", directives: SECURE_LINK },
    Module { name: "ngx_http_referer_module", directives: REFERER },
    Module { name: "ngx_http_userid_module", directives: USERID },
];

const AUTH_REQUEST: &[Directive] = &rows![
    Refused "auth_request", HSL, ONE, "off", NO_AUTH_REQUEST,
        "Lets a request in only if a request made inside is answered 2xx.";
    Refused "auth_request_set", HSL, TWO, "", NO_AUTH_REQUEST,
        "Sets a variable when the request made inside was answered.";
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
