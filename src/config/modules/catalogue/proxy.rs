//! Passing requests on. What `proxy_*`, `fastcgi_*`, `uwsgi_*`, `scgi_*`, `grpc_*` and `memcached_*` have in
//! common is written once, for any prefix.

use super::{
    Directive, H, HSL, Module, ONE, ONE_TO_FOUR, ONE_TO_THREE, SOME, TWO, TWO_UP, count, join, rows,
};

/// Settings of connections to a server behind; all six families have them.
macro_rules! connection_rows {
    ($prefix:literal, $reason:expr) => {
        rows![$prefix =>
            Refused "_bind", HSL, ONE_OR_TWO, "", $reason,
                "Local address of connections to the server behind.";
            Refused "_buffer_size", HSL, ONE, "4k|8k", $reason,
                "Buffer for the first part of what the server behind answers.";
            Refused "_connect_timeout", HSL, ONE, "60s", $reason,
                "How long connecting to the server behind may take.";
            Refused "_next_upstream", HSL, SOME, "error timeout", $reason,
                "When a request goes to the next server.";
            Refused "_next_upstream_timeout", HSL, ONE, "0", $reason,
                "How long a request may go from server to server.";
            Refused "_next_upstream_tries", HSL, ONE, "0", $reason,
                "How many servers a request may go to.";
            Refused "_read_timeout", HSL, ONE, "60s", $reason,
                "How long the server behind may be silent.";
            Refused "_send_timeout", HSL, ONE, "60s", $reason,
                "How long the server behind may take nothing.";
            Refused "_socket_keepalive", HSL, ONE, "off", $reason,
                "Lets the kernel probe connections to the server behind.";
        ]
    };
}

/// Settings of headers and errors; all but `memcached_*`.
macro_rules! header_rows {
    ($prefix:literal, $reason:expr) => {
        rows![$prefix =>
            Refused "_hide_header", HSL, ONE, "", $reason,
                "A header of the server behind that clients do not get.";
            Refused "_ignore_headers", HSL, SOME, "", $reason,
                "Headers of the server behind that are not acted upon.";
            Refused "_intercept_errors", HSL, ONE, "off", $reason,
                "Whether error_page also answers for errors of the server behind.";
            Refused "_pass_header", HSL, ONE, "", $reason,
                "A header of the server behind that clients get all the same.";
        ]
    };
}

/// Settings of bodies and buffers; `proxy_*`, `fastcgi_*`, `uwsgi_*` and `scgi_*`.
macro_rules! body_rows {
    ($prefix:literal, $reason:expr) => {
        rows![$prefix =>
            Refused "_buffering", HSL, ONE, "on", $reason,
                "Whether answers are read ahead of the client.";
            Refused "_buffers", HSL, TWO, "8 4k|8k", $reason,
                "Number and size of buffers for an answer.";
            Refused "_busy_buffers_size", HSL, ONE, "8k|16k", $reason,
                "How much may be on its way to the client while an answer is read.";
            Refused "_force_ranges", HSL, ONE, "off", $reason,
                "Answers requests for byte ranges whether or not the server behind can.";
            Refused "_ignore_client_abort", HSL, ONE, "off", $reason,
                "Goes on when the client has gone.";
            Refused "_limit_rate", HSL, ONE, "0", $reason,
                "How many bytes per second are read from the server behind.";
            Accepted(size) "_max_temp_file_size", HSL, ONE, "1024m", TEMP_FILES,
                "Greatest size of a temporary file for an answer.";
            Refused "_pass_request_body", HSL, ONE, "on", $reason,
                "Whether the request's body is passed on.";
            Refused "_pass_request_headers", HSL, ONE, "on", $reason,
                "Whether the request's headers are passed on.";
            Refused "_request_buffering", HSL, ONE, "on", $reason,
                "Whether a request's body is read whole before it is passed on.";
            Refused "_store", HSL, ONE, "off", $reason,
                "Keeps answers as files.";
            Refused "_store_access", HSL, ONE_TO_THREE, "user:rw", $reason,
                "Permissions of those files.";
            Accepted(size) "_temp_file_write_size", HSL, ONE, "8k|16k", TEMP_FILES,
                "How much is written to a temporary file at once.";
            Accepted(once) "_temp_path", HSL, ONE_TO_FOUR, "", TEMP_FILES,
                "Where temporary files for answers are written.";
        ]
    };
}

/// Settings of a cache; `proxy_*`, `fastcgi_*`, `uwsgi_*` and `scgi_*`.
macro_rules! cache_rows {
    ($prefix:literal, $reason:expr) => {
        rows![$prefix =>
            Refused "_cache", HSL, ONE, "off", $reason,
                "The zone in which answers are kept.";
            Refused "_cache_background_update", HSL, ONE, "off", $reason,
                "Answers with a stale copy while a new one is fetched.";
            Refused "_cache_bypass", HSL, SOME, "", $reason,
                "When the cache is not asked.";
            Refused "_cache_key", HSL, ONE, "", $reason,
                "What a kept answer is found by.";
            Refused "_cache_lock", HSL, ONE, "off", $reason,
                "Lets one request at a time fetch the same answer.";
            Refused "_cache_lock_age", HSL, ONE, "5s", $reason,
                "After which time another request may fetch it.";
            Refused "_cache_lock_timeout", HSL, ONE, "5s", $reason,
                "How long a request waits for another's answer.";
            Refused "_cache_max_range_offset", HSL, ONE, "", $reason,
                "From which offset on byte ranges are not kept.";
            Refused "_cache_methods", HSL, SOME, "GET HEAD", $reason,
                "Methods whose answers are kept.";
            Refused "_cache_min_uses", HSL, ONE, "1", $reason,
                "After how many requests an answer is kept.";
            Refused "_cache_path", H, TWO_UP, "", $reason,
                "Directory and zone of a cache.";
            Refused "_cache_purge", HSL, SOME, "", $reason,
                "Which requests remove a kept answer (commercial subscription, ngx_cache_purge).";
            Refused "_cache_revalidate", HSL, ONE, "off", $reason,
                "Asks whether an expired answer is still good.";
            Refused "_cache_use_stale", HSL, SOME, "off", $reason,
                "When an expired answer may be sent.";
            Refused "_cache_valid", HSL, SOME, "", $reason,
                "How long answers are kept, by status.";
            Refused "_no_cache", HSL, SOME, "", $reason,
                "When an answer is not kept.";
        ]
    };
}

/// Settings of TLS to the server behind; `proxy_*`, `uwsgi_*` and `grpc_*`.
macro_rules! tls_rows {
    ($prefix:literal, $reason:expr) => {
        rows![$prefix =>
            Refused "_ssl_certificate", HSL, ONE, "", $reason,
                "File with the certificate shown to the server behind.";
            Refused "_ssl_certificate_key", HSL, ONE, "", $reason,
                "File with that certificate's key.";
            Refused "_ssl_ciphers", HSL, ONE, "DEFAULT", $reason,
                "Ciphers for connections to the server behind.";
            Refused "_ssl_conf_command", HSL, TWO, "", $reason,
                "Sets an OpenSSL command for those connections.";
            Refused "_ssl_crl", HSL, ONE, "", $reason,
                "File with certificates of servers behind that were taken back.";
            Refused "_ssl_name", HSL, ONE, "", $reason,
                "Name the certificate of the server behind must have.";
            Refused "_ssl_password_file", HSL, ONE, "", $reason,
                "File with pass phrases of keys.";
            Refused "_ssl_protocols", HSL, SOME, "TLSv1 TLSv1.1 TLSv1.2", $reason,
                "Versions of TLS for connections to the server behind.";
            Refused "_ssl_server_name", HSL, ONE, "off", $reason,
                "Tells the server behind which name is asked for.";
            Refused "_ssl_session_reuse", HSL, ONE, "on", $reason,
                "Resumes sessions with the server behind.";
            Refused "_ssl_trusted_certificate", HSL, ONE, "", $reason,
                "Authorities that sign certificates of servers behind.";
            Refused "_ssl_verify", HSL, ONE, "off", $reason,
                "Checks the certificate of the server behind.";
            Refused "_ssl_verify_depth", HSL, ONE, "1", $reason,
                "How long its chain of certificates may be.";
        ]
    };
}
pub(super) use {body_rows, cache_rows, connection_rows, header_rows, tls_rows};

/// Why files for answers of a server behind do not matter.
pub(super) const TEMP_FILES: &str = "Encke writes no answers to temporary files";
const NO_CACHE: &str =
    "Encke keeps no answers of servers behind yet: they would be asked more often than the file says";
const NO_STORE: &str =
    "Encke writes no answers to files yet: files that nginx would have written would be missing";
const NO_TLS: &str = "Encke speaks no TLS to servers behind yet: a request that nginx would have encrypted would go in the clear";
const NO_RANGES: &str = "Encke cuts no ranges out of answers yet: clients would get whole ones";
const LOWAT: &str = "nginx ignores it on Linux, too";
const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";

/// What of `proxy_*` is not in [`proxy`](super::super::proxy).
pub(super) const MODULES: &[Module] =
    &[Module { name: "ngx_http_proxy_module: not here", directives: &join::<{ count(PROXY) }>(PROXY) }];

const PROXY: &[&[Directive]] = &[
    &cache_rows!("proxy", NO_CACHE),
    &tls_rows!("proxy", NO_TLS),
    &rows!["proxy" =>
        Refused "_cache_convert_head", HSL, ONE, "on", NO_CACHE,
            "Turns HEAD into GET for the cache.";
        Refused "_force_ranges", HSL, ONE, "off", NO_RANGES,
            "Answers requests for byte ranges whether or not the server behind can.";
        Accepted(number) "_headers_hash_bucket_size", HSL, ONE, "64", HASHES,
            "Bucket size of the table of headers.";
        Accepted(number) "_headers_hash_max_size", HSL, ONE, "512", HASHES,
            "Size of the table of headers.";
        Accepted(size) "_max_temp_file_size", HSL, ONE, "1024m", TEMP_FILES,
            "Greatest size of a temporary file for an answer.";
        Accepted(size) "_send_lowat", HSL, ONE, "0", LOWAT,
            "Least number of bytes to send at once, on systems that can.";
        Refused "_store", HSL, ONE, "off", NO_STORE,
            "Keeps answers as files.";
        Refused "_store_access", HSL, ONE_TO_THREE, "user:rw", NO_STORE,
            "Permissions of those files.";
        Accepted(size) "_temp_file_write_size", HSL, ONE, "8k|16k", TEMP_FILES,
            "How much is written to a temporary file at once.";
        Accepted(once) "_temp_path", HSL, ONE_TO_FOUR, "", TEMP_FILES,
            "Where temporary files for answers are written.";
    ],
];
