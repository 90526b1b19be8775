//! Who may come in, how often, and who a client is taken for.

use super::{Directive, H, HSL, HSLX, Module, ONE, ONE_OR_TWO, SOME, rows};

const NO_AUTH_JWT: &str =
    "Encke does not check tokens yet: a request that nginx would have turned away would get in";

/// Access control and identity beyond `allow`, `deny` and `auth_basic`.
pub(super) const MODULES: &[Module] = &[Module { name: "ngx_http_auth_jwt_module", directives: AUTH_JWT }];

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
