use super::super::super::directive::{Status, all};
use super::*;

fn rows() -> impl Iterator<Item = &'static Directive> {
    MODULES.iter().flat_map(|module| module.directives)
}

fn reason(row: &Directive) -> &'static str {
    match row.status {
        Status::Done => "",
        Status::Accepted(reason) | Status::Refused(reason) => reason,
    }
}

/// `a`, `b` and so on of `PREFIX_a`, `PREFIX_b`, with the prefix and the underscore put in front.
fn family(prefix: &'static str, suffixes: &'static [&'static str]) -> impl Iterator<Item = String> {
    suffixes.iter().map(move |suffix| format!("{prefix}_{suffix}"))
}

#[test]
fn no_name_stands_twice_in_one_context() {
    let rows: Vec<_> = all().collect();
    let twice: Vec<_> = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| rows[..i].iter().map(move |other| (row, other)))
        .filter(|(row, other)| row.name == other.name && row.contexts.intersects(other.contexts))
        .map(|(row, _)| row.name)
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[test]
fn every_row_says_where_it_stands_and_what_nginx_does() {
    for row in rows() {
        assert!(row.contexts != Contexts::NONE, "{}", row.name);
        assert!(row.doc.ends_with('.'), "{}: {:?}", row.name, row.doc);
        assert!(row.arity.min <= row.arity.max, "{}", row.name);
        assert!(
            row.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        );
    }
}

#[test]
fn every_row_has_a_reason_that_is_part_of_a_sentence() {
    for row in rows() {
        let reason = reason(row);
        assert!(!reason.is_empty(), "{}", row.name);
        assert!(!reason.ends_with(['.', ' ', ',', ';', ':']), "{}: {reason:?}", row.name);
        assert!(!reason.contains("  "), "{}: {reason:?}", row.name);
        assert!(!reason.contains('\n'), "{}: {reason:?}", row.name);
    }
}

#[test]
fn nothing_of_the_catalogue_claims_to_work() {
    assert!(rows().all(|row| row.status != Status::Done));
}

#[test]
fn every_module_has_a_name_and_rows() {
    for module in MODULES {
        assert!(!module.name.is_empty() && !module.directives.is_empty(), "{:?}", module.name);
    }
    let mut names: Vec<_> = MODULES.iter().map(|module| module.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MODULES.len());
}

/// What keeps somebody out, limits, encrypts, routes or answers: to leave it out would open something up.
#[test]
fn what_protects_limits_encrypts_routes_or_answers_is_never_merely_accepted() {
    const NAMES: &[&str] = &[
        // who gets in
        "auth_request",
        "auth_request_set",
        "auth_jwt",
        "auth_jwt_key_file",
        "auth_jwt_require",
        "auth_oidc",
        "auth_pam",
        "auth_delay",
        "secure_link",
        "secure_link_md5",
        "secure_link_secret",
        "valid_referers",
        "set_real_ip_from",
        "real_ip_header",
        "real_ip_recursive",
        "disable_symlinks",
        "modsecurity",
        "modsecurity_rules",
        "modsecurity_rules_file",
        "access_by_lua",
        "access_by_lua_block",
        "access_by_lua_file",
        "perl",
        // how much
        "limit_req",
        "limit_req_zone",
        "limit_req_status",
        "limit_conn",
        "limit_conn_zone",
        "limit_conn_status",
        "limit_rate",
        "limit_rate_after",
        "limit_zone",
        "keepalive_time",
        "max_headers",
        "max_ranges",
        "worker_rlimit_nofile",
        "worker_shutdown_timeout",
        "vhost_traffic_status_limit_traffic",
        "upload_max_file_size",
        // encryption
        "ssl",
        "ssl_certificate",
        "ssl_certificate_key",
        "ssl_client_certificate",
        "ssl_conf_command",
        "ssl_crl",
        "ssl_ocsp",
        "ssl_reject_handshake",
        "ssl_stapling",
        "ssl_trusted_certificate",
        "ssl_verify_client",
        "ssl_verify_depth",
        "lua_ssl_trusted_certificate",
        "lua_ssl_verify_depth",
        "js_fetch_verify",
        "http2_max_concurrent_streams",
        // where to
        "resolver",
        "upstream",
        "server",
        "map",
        "geo",
        "geoip_country",
        "geoip2",
        "split_clients",
        "mirror",
        "post_action",
        "rewrite_by_lua_block",
        "set_by_lua",
        "js_set",
        "perl_set",
        "stream",
        "mail",
        // what is answered
        "root",
        "alias",
        "index",
        "try_files",
        "autoindex",
        "random_index",
        "dav_methods",
        "empty_gif",
        "flv",
        "mp4",
        "stub_status",
        "ssi",
        "sub_filter",
        "add_before_body",
        "add_after_body",
        "add_trailer",
        "image_filter",
        "xslt_stylesheet",
        "slice",
        "source_charset",
        "charset_map",
        "gzip_static",
        "gunzip",
        "content_by_lua",
        "content_by_lua_block",
        "content_by_lua_file",
        "header_filter_by_lua_block",
        "body_filter_by_lua_block",
        "js_content",
        "js_header_filter",
        "js_body_filter",
        "more_set_headers",
        "more_clear_headers",
        "more_set_input_headers",
        "echo",
        "upload_pass",
        "upload_store",
        "redis_pass",
        "redis2_pass",
        "memc_pass",
        "vhost_traffic_status_display",
        "push_stream_publisher",
        "push_stream_subscriber",
        "push_stream_authorized_channels_only",
    ];
    const PASS: &[&str] = &["pass", "bind", "read_timeout", "connect_timeout", "next_upstream"];
    const VERIFY: &[&str] =
        &["ssl_verify", "ssl_verify_depth", "ssl_trusted_certificate", "ssl_crl", "ssl_protocols"];
    const HEADER: &[&str] =
        &["hide_header", "pass_header", "intercept_errors", "limit_rate", "cache", "store"];

    let families =
        ["proxy", "fastcgi", "uwsgi", "scgi", "grpc", "memcached"].into_iter().flat_map(|p| family(p, PASS));
    let tls = ["proxy", "uwsgi", "grpc"].into_iter().flat_map(|p| family(p, VERIFY));
    let headers = ["proxy", "fastcgi", "uwsgi", "scgi"].into_iter().flat_map(|p| family(p, HEADER));
    for name in NAMES.iter().map(ToString::to_string).chain(families).chain(tls).chain(headers) {
        let mut found = all().filter(|row| row.name == name).peekable();
        assert!(found.peek().is_some(), "{name} is not in the table");
        assert!(found.all(|row| !matches!(row.status, Status::Accepted(_))), "{name} is merely accepted");
    }
}

/// A name that belongs to these groups has to be looked at before it may be accepted.
#[test]
fn accepted_rows_are_none_that_look_like_protection() {
    const SUSPECT: &[&str] = &[
        "auth", "allow", "deny", "limit", "verify", "trusted", "cert", "secure", "crl", "cipher", "protocol",
        "_pass",
    ];
    const LOOKED_AT: &[&str] = &[
        "worker_rlimit_core",
        "lua_regex_match_limit",
        // Without `listen ... ssl`, which is refused, they are for nobody.
        "ssl_ciphers",
        "ssl_prefer_server_ciphers",
        "ssl_protocols",
    ];
    let suspects: Vec<_> = rows()
        .filter(|row| matches!(row.status, Status::Accepted(_)))
        .map(|row| row.name)
        .filter(|name| SUSPECT.iter().any(|word| name.contains(word)) && !LOOKED_AT.contains(name))
        .collect();
    assert!(suspects.is_empty(), "{suspects:?}");
}
