//! Variables made from others, status pages, and what is left.

use super::{
    ANY, Directive, H, HSL, HSLI, L, Module, NONE, ONE, ONE_BLOCK, ONE_OR_TWO, SL, SOME, THREE, TWO_UP, rows,
};

const NO_VARIABLES: &str =
    "Encke does not do this yet: what is decided by its variables would be decided otherwise than by nginx";
const NO_STATUS: &str = "Encke does not do this yet: whoever watches the counters would not get them";
const NO_LOG: &str = "Encke does not do this yet: lines that nginx would have written would be missing";
const NO_REDIRECT: &str = "Encke does not do this yet: a request that nginx would have sent to another \
     location would stay where it is";
const NO_OIDC: &str =
    "Encke does not log users in by OpenID yet: a request that nginx would have turned away would get in";

/// The remaining modules.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_geoip_module", directives: GEOIP },
    Module { name: "ngx_http_keyval_module", directives: KEYVAL },
    Module { name: "ngx_http_api_module", directives: API },
    Module { name: "ngx_http_session_log_module", directives: SESSION_LOG },
    Module { name: "ngx_http_internal_redirect_module", directives: INTERNAL_REDIRECT },
    Module { name: "ngx_http_oidc_module", directives: OIDC },
];

const GEOIP: &[Directive] = &rows![
    Refused "geoip_city", H, ONE_OR_TWO, "", NO_VARIABLES,
        "Database for variables about the client's city.";
    Refused "geoip_country", H, ONE_OR_TWO, "", NO_VARIABLES,
        "Database for variables about the client's country.";
    Refused "geoip_org", H, ONE_OR_TWO, "", NO_VARIABLES,
        "Database for variables about the client's provider.";
    Refused "geoip_proxy", H, ONE, "", NO_VARIABLES,
        "Proxies whose X-Forwarded-For is trusted.";
    Refused "geoip_proxy_recursive", H, ONE, "off", NO_VARIABLES,
        "Skips all trusted addresses of the header.";
    Refused "geoip2", H, ONE_BLOCK, "", NO_VARIABLES,
        "Database for variables about the client (ngx_http_geoip2_module).";
    Refused "geoip2_proxy", H, ONE, "", NO_VARIABLES,
        "Proxies whose X-Forwarded-For is trusted (ngx_http_geoip2_module).";
    Refused "geoip2_proxy_recursive", H, ONE, "off", NO_VARIABLES,
        "Skips all trusted addresses of the header (ngx_http_geoip2_module).";
];

const KEYVAL: &[Directive] = &rows![
    Refused "keyval", H, THREE, "", NO_VARIABLES,
        "A variable whose value is looked up in a zone (commercial subscription).";
    Refused "keyval_zone", H, SOME, "", NO_VARIABLES,
        "A zone of keys and values (commercial subscription).";
];

const API: &[Directive] = &rows![
    Refused "api", L, ANY, "", NO_STATUS,
        "Answers with state and counters, and changes them (commercial subscription).";
    Refused "status", L, NONE, "", NO_STATUS,
        "Answers with counters (commercial subscription).";
    Refused "status_format", HSL, ONE_OR_TWO, "json", NO_STATUS,
        "Format of the counters (commercial subscription).";
    Refused "status_zone", HSLI, ONE, "", NO_STATUS,
        "Counts requests of this place (commercial subscription).";
    Refused "upstream_conf", L, NONE, "", NO_STATUS,
        "Changes groups of servers behind (commercial subscription).";
];

const SESSION_LOG: &[Directive] = &rows![
    Refused "session_log", HSL, ONE, "off", NO_LOG,
        "Writes a line per session (commercial subscription).";
    Refused "session_log_format", H, TWO_UP, "", NO_LOG,
        "Format of those lines (commercial subscription).";
    Refused "session_log_zone", H, SOME, "", NO_LOG,
        "File and zone of those lines (commercial subscription).";
];

const INTERNAL_REDIRECT: &[Directive] = &rows![
    Refused "internal_redirect", SL, ONE, "", NO_REDIRECT,
        "Sends requests to another location (commercial subscription).";
];

const OIDC: &[Directive] = &rows![
    Refused "auth_oidc", HSL, ONE, "off", NO_OIDC,
        "Lets users in who are logged in by OpenID Connect (commercial subscription).";
    Refused "oidc_provider", H, ONE_BLOCK, "", NO_OIDC,
        "Who logs users in (commercial subscription).";
];
