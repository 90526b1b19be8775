//! TLS, HTTP/2 and HTTP/3.

use super::{Directive, H, HS, HSL, Module, ONE, ONE_OR_TWO, SOME, TWO, rows};

const NO_TLS: &str =
    "Encke does not speak TLS yet: what nginx would have encrypted would be readable on the way";
/// Debian's own file sets some of these for every server, encrypted or not.
const NO_TLS_SERVER: &str = "it is about connections to servers that listen with `ssl`, and there are none: \
     Encke does not start with one";
const NO_CLIENT_CERTIFICATES: &str = "Encke does not speak TLS yet: a client that nginx would have turned \
     away without a certificate would get in";
const NO_HTTP2: &str =
    "Encke does not speak HTTP/2 yet: clients that nginx would have served by it would not be";
const NO_HTTP3: &str =
    "Encke does not speak HTTP/3 yet: clients that nginx would have served by it would not be";
const NO_PUSHED_FILES: &str =
    "browsers have given up HTTP/2 push; a client asks for what it was not sent, and gets the same";

/// Encryption and the protocols above it.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_ssl_module", directives: SSL },
    Module { name: "ngx_http_v2_module", directives: HTTP2 },
    Module { name: "ngx_http_v3_module", directives: HTTP3 },
];

const SSL: &[Directive] = &rows![
    Refused "ssl", HS, ONE, "off", NO_TLS,
        "Old way to write `listen ... ssl`.";
    Accepted(size) "ssl_buffer_size", HS, ONE, "16k", NO_TLS_SERVER,
        "Size of the pieces that are encrypted.";
    Refused "ssl_certificate", HS, ONE, "", NO_TLS,
        "File with the server's certificate.";
    Refused "ssl_certificate_key", HS, ONE, "", NO_TLS,
        "File with the certificate's key.";
    Accepted(once) "ssl_ciphers", HS, ONE, "HIGH:!aNULL:!MD5", NO_TLS_SERVER,
        "Ciphers that may be used.";
    Refused "ssl_client_certificate", HS, ONE, "", NO_CLIENT_CERTIFICATES,
        "Authorities that sign certificates of clients.";
    Refused "ssl_conf_command", HS, TWO, "", NO_TLS,
        "Sets an OpenSSL command.";
    Refused "ssl_crl", HS, ONE, "", NO_CLIENT_CERTIFICATES,
        "File with certificates of clients that were taken back.";
    Accepted(once) "ssl_dhparam", HS, ONE, "", NO_TLS_SERVER,
        "File with parameters for DHE ciphers.";
    Refused "ssl_early_data", HS, ONE, "off", NO_TLS,
        "Takes requests before the handshake is complete.";
    Accepted(once) "ssl_ecdh_curve", HS, ONE, "auto", NO_TLS_SERVER,
        "Curves for ECDHE ciphers.";
    Refused "ssl_ocsp", HS, ONE, "off", NO_CLIENT_CERTIFICATES,
        "Asks whether certificates of clients are still good.";
    Refused "ssl_ocsp_cache", HS, ONE, "off", NO_CLIENT_CERTIFICATES,
        "Keeps what was answered about certificates of clients.";
    Refused "ssl_ocsp_responder", HS, ONE, "", NO_CLIENT_CERTIFICATES,
        "Whom to ask about certificates of clients.";
    Refused "ssl_password_file", HS, ONE, "", NO_TLS,
        "File with pass phrases of keys.";
    Accepted(flag) "ssl_prefer_server_ciphers", HS, ONE, "off", NO_TLS_SERVER,
        "Whether the server's order of ciphers counts.";
    Accepted(once) "ssl_protocols", HS, SOME, "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3", NO_TLS_SERVER,
        "Versions of TLS that may be used.";
    Refused "ssl_reject_handshake", HS, ONE, "off",
        "Encke does not speak TLS yet: a handshake that nginx would have refused would not be",
        "Refuses every handshake in this server.";
    Accepted(once) "ssl_session_cache", HS, ONE_OR_TWO, "none", NO_TLS_SERVER,
        "Where sessions are kept.";
    Refused "ssl_session_ticket_key", HS, ONE, "", NO_TLS,
        "File with the key of session tickets.";
    Accepted(flag) "ssl_session_tickets", HS, ONE, "on", NO_TLS_SERVER,
        "Whether sessions are resumed by tickets.";
    Accepted(seconds) "ssl_session_timeout", HS, ONE, "5m", NO_TLS_SERVER,
        "How long a session may be resumed.";
    Refused "ssl_stapling", HS, ONE, "off", NO_TLS,
        "Sends proof that the certificate is still good.";
    Refused "ssl_stapling_file", HS, ONE, "", NO_TLS,
        "File with that proof.";
    Refused "ssl_stapling_responder", HS, ONE, "", NO_TLS,
        "Whom to ask for that proof.";
    Refused "ssl_stapling_verify", HS, ONE, "off", NO_TLS,
        "Checks that proof before it is sent.";
    Refused "ssl_trusted_certificate", HS, ONE, "", NO_TLS,
        "Authorities for checking, whose names are not sent to clients.";
    Refused "ssl_verify_client", HS, ONE, "off", NO_CLIENT_CERTIFICATES,
        "Asks clients for a certificate.";
    Refused "ssl_verify_depth", HS, ONE, "1", NO_CLIENT_CERTIFICATES,
        "How long a client's chain of certificates may be.";
];

const HTTP2: &[Directive] = &rows![
    Refused "http2", HS, ONE, "off", NO_HTTP2,
        "Speaks HTTP/2 (nginx 1.25.1 and later).";
    Refused "http2_body_preread_size", HS, ONE, "64k", NO_HTTP2,
        "How much of a request's body may come before it is asked for.";
    Refused "http2_chunk_size", HSL, ONE, "8k", NO_HTTP2,
        "Size of the pieces an answer is cut into.";
    Refused "http2_idle_timeout", HS, ONE, "3m", NO_HTTP2,
        "Obsolete: keepalive_timeout.";
    Accepted(number) "http2_max_concurrent_pushes", HS, ONE, "10", NO_PUSHED_FILES,
        "How many pushes a connection may have at once.";
    Refused "http2_max_concurrent_streams", HS, ONE, "128", NO_HTTP2,
        "How many requests a connection may have at once.";
    Refused "http2_max_field_size", HS, ONE, "4k", NO_HTTP2,
        "Obsolete: large_client_header_buffers.";
    Refused "http2_max_header_size", HS, ONE, "16k", NO_HTTP2,
        "Obsolete: large_client_header_buffers.";
    Refused "http2_max_requests", HS, ONE, "1000", NO_HTTP2,
        "Obsolete: keepalive_requests.";
    Refused "http2_pool_size", HS, ONE, "4k", NO_HTTP2,
        "First size of a connection's memory pool.";
    Accepted "http2_push", HSL, ONE, "off", NO_PUSHED_FILES,
        "Sends another file along with an answer.";
    Accepted(flag) "http2_push_preload", HSL, ONE, "off", NO_PUSHED_FILES,
        "Sends the files along that a Link header names.";
    Refused "http2_recv_buffer_size", H, ONE, "256k", NO_HTTP2,
        "Size of a worker's input buffer.";
    Refused "http2_recv_timeout", HS, ONE, "30s", NO_HTTP2,
        "Obsolete: client_header_timeout.";
    Refused "http2_streams_index_size", HS, ONE, "32", NO_HTTP2,
        "Size of the table of a connection's requests.";
];

const HTTP3: &[Directive] = &rows![
    Refused "http3", HS, ONE, "on", NO_HTTP3,
        "Speaks HTTP/3 (nginx 1.25.0 and later).";
    Refused "http3_hq", HS, ONE, "off", NO_HTTP3,
        "Speaks HTTP/0.9 over QUIC, for tests (nginx 1.25.0 and later).";
    Refused "http3_max_concurrent_streams", HS, ONE, "128", NO_HTTP3,
        "How many requests a connection may have at once (nginx 1.25.0 and later).";
    Refused "http3_stream_buffer_size", HS, ONE, "64k", NO_HTTP3,
        "Buffer of a stream (nginx 1.25.0 and later).";
    Refused "quic_active_connection_id_limit", HS, ONE, "2", NO_HTTP3,
        "How many identifiers of a connection are kept (nginx 1.25.0 and later).";
    Refused "quic_bpf", super::M, ONE, "off", NO_HTTP3,
        "Finds the worker of a packet in the kernel (nginx 1.25.0 and later).";
    Refused "quic_gso", HS, ONE, "off", NO_HTTP3,
        "Sends several packets in one call (nginx 1.25.0 and later).";
    Refused "quic_host_key", HS, ONE, "", NO_HTTP3,
        "File with the key of tokens (nginx 1.25.0 and later).";
    Refused "quic_retry", HS, ONE, "off", NO_HTTP3,
        "Checks a client's address first (nginx 1.25.0 and later).";
];
