//! Programs inside the server: Lua (OpenResty) and njs.

use super::{
    BLOCK, Directive, H, HS, HSL, HSLI, LI, LIX, Module, ONE, ONE_BLOCK, ONE_OR_TWO, ONE_TO_THREE, REWRITE,
    SOME, TWO, TWO_UP, U, rows,
};

const NO_LUA: &str =
    "Encke runs no Lua: what the program would have decided, changed or answered would not be";
const NO_JS: &str =
    "Encke runs no JavaScript: what the program would have decided, changed or answered would not be";
const PREPARATION: &str = "it only prepares for programs, and those are refused where they would run";
const PROGRAM_TLS: &str =
    "Encke runs no programs: connections that they would have made or checked by this setting are not made";

/// Modules that run programs.
pub(super) const MODULES: &[Module] = &[
    Module { name: "lua-nginx-module", directives: LUA },
    Module { name: "lua-nginx-module: settings", directives: LUA_SETTINGS },
    Module { name: "ngx_http_js_module", directives: JS },
];

/// Programs by phase, each as a string, a block or a file.
const LUA: &[Directive] = &rows![
    Refused "access_by_lua", HSLI, ONE, "", NO_LUA, "Decides who gets in.";
    Refused "access_by_lua_block", HSLI, BLOCK, "", NO_LUA, "Decides who gets in.";
    Refused "access_by_lua_file", HSLI, ONE, "", NO_LUA, "Decides who gets in.";
    Refused "access_by_lua_no_postpone", H, ONE, "off", NO_LUA,
        "Runs access_by_lua before the other access checks.";
    Refused "balancer_by_lua_block", U, BLOCK, "", NO_LUA, "Chooses the server behind.";
    Refused "balancer_by_lua_file", U, ONE, "", NO_LUA, "Chooses the server behind.";
    Refused "body_filter_by_lua", HSLI, ONE, "", NO_LUA, "Changes bodies of answers.";
    Refused "body_filter_by_lua_block", HSLI, BLOCK, "", NO_LUA, "Changes bodies of answers.";
    Refused "body_filter_by_lua_file", HSLI, ONE, "", NO_LUA, "Changes bodies of answers.";
    Refused "content_by_lua", LI, ONE, "", NO_LUA, "Answers requests.";
    Refused "content_by_lua_block", LI, BLOCK, "", NO_LUA, "Answers requests.";
    Refused "content_by_lua_file", LI, ONE, "", NO_LUA, "Answers requests.";
    Refused "exit_worker_by_lua_block", H, BLOCK, "", NO_LUA, "Runs when a worker ends.";
    Refused "exit_worker_by_lua_file", H, ONE, "", NO_LUA, "Runs when a worker ends.";
    Refused "header_filter_by_lua", HSLI, ONE, "", NO_LUA, "Changes headers of answers.";
    Refused "header_filter_by_lua_block", HSLI, BLOCK, "", NO_LUA, "Changes headers of answers.";
    Refused "header_filter_by_lua_file", HSLI, ONE, "", NO_LUA, "Changes headers of answers.";
    Refused "init_by_lua", H, ONE, "", NO_LUA, "Runs when the file is read.";
    Refused "init_by_lua_block", H, BLOCK, "", NO_LUA, "Runs when the file is read.";
    Refused "init_by_lua_file", H, ONE, "", NO_LUA, "Runs when the file is read.";
    Refused "init_worker_by_lua", H, ONE, "", NO_LUA, "Runs when a worker starts.";
    Refused "init_worker_by_lua_block", H, BLOCK, "", NO_LUA, "Runs when a worker starts.";
    Refused "init_worker_by_lua_file", H, ONE, "", NO_LUA, "Runs when a worker starts.";
    Refused "log_by_lua", HSLI, ONE, "", NO_LUA, "Runs when a request is logged.";
    Refused "log_by_lua_block", HSLI, BLOCK, "", NO_LUA, "Runs when a request is logged.";
    Refused "log_by_lua_file", HSLI, ONE, "", NO_LUA, "Runs when a request is logged.";
    Refused "rewrite_by_lua", HSLI, ONE, "", NO_LUA, "Runs after the rewrite directives.";
    Refused "rewrite_by_lua_block", HSLI, BLOCK, "", NO_LUA, "Runs after the rewrite directives.";
    Refused "rewrite_by_lua_file", HSLI, ONE, "", NO_LUA, "Runs after the rewrite directives.";
    Refused "rewrite_by_lua_no_postpone", H, ONE, "off", NO_LUA,
        "Runs rewrite_by_lua before the rewrite directives.";
    Refused "server_rewrite_by_lua_block", HS, BLOCK, "", NO_LUA, "Runs before the location is chosen.";
    Refused "server_rewrite_by_lua_file", HS, ONE, "", NO_LUA, "Runs before the location is chosen.";
    Refused "set_by_lua", REWRITE, TWO_UP, "", NO_LUA, "Sets a variable.";
    Refused "set_by_lua_block", REWRITE, ONE_BLOCK, "", NO_LUA, "Sets a variable.";
    Refused "set_by_lua_file", REWRITE, TWO_UP, "", NO_LUA, "Sets a variable.";
    Refused "ssl_certificate_by_lua_block", HS, BLOCK, "", NO_LUA, "Chooses a certificate.";
    Refused "ssl_certificate_by_lua_file", HS, ONE, "", NO_LUA, "Chooses a certificate.";
    Refused "ssl_client_hello_by_lua_block", HS, BLOCK, "", NO_LUA, "Runs when a handshake begins.";
    Refused "ssl_client_hello_by_lua_file", HS, ONE, "", NO_LUA, "Runs when a handshake begins.";
    Refused "ssl_session_fetch_by_lua_block", H, BLOCK, "", NO_LUA, "Looks up sessions.";
    Refused "ssl_session_fetch_by_lua_file", H, ONE, "", NO_LUA, "Looks up sessions.";
    Refused "ssl_session_store_by_lua_block", H, BLOCK, "", NO_LUA, "Keeps sessions.";
    Refused "ssl_session_store_by_lua_file", H, ONE, "", NO_LUA, "Keeps sessions.";
];

const LUA_SETTINGS: &[Directive] = &rows!["lua_" =>
    Accepted(once) "capture_error_log", H, ONE, "", PREPARATION, "Keeps lines of the error log for programs.";
    Accepted(flag) "check_client_abort", HSLI, ONE, "off", PREPARATION,
        "Tells programs that the client has gone.";
    Accepted(flag) "code_cache", HSLI, ONE, "on", PREPARATION, "Keeps programs loaded.";
    Accepted(flag) "http10_buffering", HSLI, ONE, "on", PREPARATION, "Gathers answers to HTTP/1.0 requests.";
    Accepted "load_resty_core", H, ONE, "on", PREPARATION, "Loads the core library.";
    Accepted(number) "malloc_trim", H, ONE, "1000", PREPARATION, "Gives memory back after so many requests.";
    Accepted(number) "max_pending_timers", H, ONE, "1024", PREPARATION, "How many timers may wait.";
    Accepted(number) "max_running_timers", H, ONE, "256", PREPARATION, "How many timers may run.";
    Accepted(flag) "need_request_body", HSLI, ONE, "off", PREPARATION, "Reads bodies before programs run.";
    Accepted(once) "package_cpath", H, ONE, "", PREPARATION, "Where libraries in C are looked for.";
    Accepted(once) "package_path", H, ONE, "", PREPARATION, "Where libraries in Lua are looked for.";
    Accepted(number) "regex_cache_max_entries", H, ONE, "1024", PREPARATION, "How many expressions are kept.";
    Accepted(number) "regex_match_limit", H, ONE, "0", PREPARATION, "How hard expressions may try.";
    Accepted(flag) "sa_restart", H, ONE, "on", PREPARATION, "Restarts system calls after signals.";
    Accepted "shared_dict", H, TWO, "", PREPARATION, "Shared memory for programs.";
    Accepted(size) "socket_buffer_size", HSLI, ONE, "4k|8k", PREPARATION, "Buffer of programs' connections.";
    Accepted(millis) "socket_connect_timeout", HSLI, ONE, "60s", PREPARATION, "How long connecting may take.";
    Accepted(millis) "socket_keepalive_timeout", HSLI, ONE, "60s", PREPARATION,
        "How long a connection is kept.";
    Accepted(flag) "socket_log_errors", HSLI, ONE, "on", PREPARATION, "Logs errors of programs' connections.";
    Accepted(number) "socket_pool_size", HSLI, ONE, "30", PREPARATION, "How many connections are kept.";
    Accepted(millis) "socket_read_timeout", HSLI, ONE, "60s", PREPARATION, "How long to wait when reading.";
    Accepted(size) "socket_send_lowat", HSLI, ONE, "0", PREPARATION, "Least number of bytes to send at once.";
    Accepted(millis) "socket_send_timeout", HSLI, ONE, "60s", PREPARATION, "How long to wait when writing.";
    Refused "ssl_ciphers", HSL, ONE, "DEFAULT", PROGRAM_TLS, "Ciphers of programs' connections.";
    Refused "ssl_conf_command", HSL, TWO, "", PROGRAM_TLS,
        "Sets an OpenSSL command for programs' connections.";
    Refused "ssl_crl", HSL, ONE, "", PROGRAM_TLS, "File with certificates that were taken back.";
    Refused "ssl_protocols", HSL, SOME, "", PROGRAM_TLS, "Versions of TLS of programs' connections.";
    Refused "ssl_trusted_certificate", HSL, ONE, "", PROGRAM_TLS, "Authorities that programs trust.";
    Refused "ssl_verify_depth", HSL, ONE, "1", PROGRAM_TLS, "How long a chain of certificates may be.";
    Accepted(number) "thread_cache_max_entries", H, ONE, "1024", PREPARATION, "How many threads are kept.";
    Accepted(flag) "transform_underscores_in_response_headers", HSLI, ONE, "on", PREPARATION,
        "Turns underscores in names of headers into hyphens.";
    Accepted(flag) "use_default_type", HSLI, ONE, "on", PREPARATION,
        "Gives programs' answers the default type.";
    Accepted(number) "worker_thread_vm_pool_size", H, ONE, "10", PREPARATION,
        "How many interpreters are kept.";
];

const JS: &[Directive] = &rows!["js_" =>
    Refused "body_filter", LIX, ONE_OR_TWO, "", NO_JS, "Changes bodies of answers.";
    Refused "content", LIX, ONE, "", NO_JS, "Answers requests.";
    Accepted(size) "fetch_buffer_size", HSL, ONE, "16k", PREPARATION, "Buffer of programs' requests.";
    Refused "fetch_ciphers", HSL, ONE, "", PROGRAM_TLS, "Ciphers of programs' requests.";
    Accepted(size) "fetch_max_response_buffer_size", HSL, ONE, "1m", PREPARATION,
        "Greatest size of what they get.";
    Refused "fetch_protocols", HSL, SOME, "", PROGRAM_TLS, "Versions of TLS of programs' requests.";
    Accepted(millis) "fetch_timeout", HSL, ONE, "60s", PREPARATION, "How long programs' requests may take.";
    Refused "fetch_trusted_certificate", HSL, ONE, "", PROGRAM_TLS, "Authorities that programs trust.";
    Refused "fetch_verify", HSL, ONE, "on", PROGRAM_TLS, "Checks certificates of whom programs ask.";
    Refused "fetch_verify_depth", HSL, ONE, "100", PROGRAM_TLS, "How long a chain of certificates may be.";
    Refused "header_filter", LIX, ONE, "", NO_JS, "Changes headers of answers.";
    Accepted "import", HSL, ONE_TO_THREE, "", PREPARATION, "Loads a program.";
    Accepted "include", H, ONE, "", PREPARATION, "Loads a program (gone since njs 0.4.0).";
    Accepted "path", HSL, ONE, "", PREPARATION, "Where programs are looked for.";
    Accepted "preload_object", HSL, ONE_TO_THREE, "", PREPARATION, "Loads data for programs.";
    Refused "set", HSL, TWO, "", NO_JS, "Sets a variable.";
    Accepted "shared_dict_zone", H, SOME, "", PREPARATION, "Shared memory for programs (njs 0.8.0).";
    Refused "periodic", LI, SOME, "", NO_JS, "Runs a program again and again (njs 0.8.1).";
    Refused "var", HSL, ONE_OR_TWO, "", NO_JS, "Declares a variable that programs set.";
];
