//! The rest of nginx's core, events and http core modules; what concerns files is in `files`.

use super::{BLOCK, Directive, E, H, HSL, HSLI, M, Module, ONE, SOME, TWO_OR_THREE, rows};

const EVENT_LOOP: &str =
    "it tunes nginx's event loop; Encke has its own, and connections are accepted all the same";
const NO_DISK_THREADS: &str =
    "Encke reads and writes no files that would need threads or asynchronous disk access";
const DEBUGGING: &str = "it only helps to debug nginx's own code; no request is answered differently";
const ACCELERATOR: &str = "it names a hardware accelerator for TLS; keys and ciphers are the same without it";
const CERTIFICATES: &str = "it saves time at reloads with TLS; the same certificates are read without it";
const PROCESS: &str = "it belongs to nginx's own process model; no request is answered differently";
const HASHES: &str = "it sizes a hash table of nginx; Encke's tables grow as needed";
const WRITING: &str = "it tunes when bytes are handed to the kernel; the same bytes are sent without it";
const PROTOCOL_BLOCK: &str = "Encke serves HTTP only: ports that nginx would have opened in this block, \
     with its limits, would be missing";
const POST_ACTION: &str = "Encke does not do this yet: the request that nginx would have made after each \
     answer would never be made";

/// `main`, `events`, `stream`, `mail` and the http core.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_core_module", directives: MAIN },
    Module { name: "ngx_event_core_module", directives: EVENTS },
    Module { name: "ngx_http_core_module", directives: HTTP_CORE },
    Module { name: "ngx_google_perftools_module", directives: PERFTOOLS },
    Module { name: "blocks of other protocols", directives: PROTOCOLS },
];

const MAIN: &[Directive] = &rows![
    Accepted(debug_points) "debug_points", M, ONE, "", DEBUGGING,
        "Stops or aborts nginx when it finds an error in itself.";
    Accepted(once) "lock_file", M, ONE, "logs/nginx.lock", PROCESS,
        "Names the file for accept_mutex on systems that need one.";
    Accepted(once) "ssl_engine", M, ONE, "", ACCELERATOR,
        "Names the hardware accelerator that TLS uses.";
    Accepted(flag) "ssl_object_cache_inheritable", M, ONE, "on", CERTIFICATES,
        "Keeps certificates that were read when the configuration is reloaded.";
    Accepted "thread_pool", M, TWO_OR_THREE, "default threads=32 max_queue=65536", NO_DISK_THREADS,
        "Names a pool of threads for reading and sending files.";
    Accepted(millis) "timer_resolution", M, ONE, "", EVENT_LOOP,
        "Looks at the clock only this often.";
];

const EVENTS: &[Directive] = &rows![
    Accepted(flag) "accept_mutex", E, ONE, "off", EVENT_LOOP,
        "Lets workers accept connections in turn.";
    Accepted(millis) "accept_mutex_delay", E, ONE, "500ms", EVENT_LOOP,
        "How long a worker waits before it tries to accept again.";
    Accepted(number) "epoll_events", E, ONE, "512", EVENT_LOOP,
        "How many events are taken from the kernel at once.";
    Accepted(number) "worker_aio_requests", E, ONE, "32", NO_DISK_THREADS,
        "How many asynchronous disk operations a worker may have under way.";
];

const HTTP_CORE: &[Directive] = &rows![
    Accepted "early_hints", HSL, SOME, "",
        "what servers behind say early is not passed on; the answers are the same without it",
        "When 103 (Early Hints) of a server behind is passed on.";
    Refused "post_action", HSLI, ONE, "", POST_ACTION,
        "Makes a request inside after each answer.";
    Accepted(size) "postpone_output", HSL, ONE, "1460", WRITING,
        "Holds bytes back until there are this many.";
    Accepted(size) "send_lowat", HSL, ONE, "0", WRITING,
        "Least number of bytes to send at once, on systems that can.";
    Accepted(number) "server_names_hash_bucket_size", H, ONE, "32|64|128", HASHES,
        "Bucket size of the table of server names.";
    Accepted(number) "server_names_hash_max_size", H, ONE, "512", HASHES,
        "Size of the table of server names.";
    Accepted(size) "subrequest_output_buffer_size", HSL, ONE, "4k|8k",
        "it sizes a buffer for requests made inside; Encke's answers are not bounded by it",
        "Buffer for the answer of a request made inside.";
    Accepted(flag) "tcp_nopush", HSL, ONE, "off", WRITING,
        "Sends headers and the beginning of a file in one packet.";
    Accepted(number) "types_hash_bucket_size", HSL, ONE, "64", HASHES,
        "Bucket size of the table of types.";
    Accepted(number) "types_hash_max_size", HSL, ONE, "1024", HASHES,
        "Size of the table of types.";
    Accepted(number) "variables_hash_bucket_size", H, ONE, "64", HASHES,
        "Bucket size of the table of variables.";
    Accepted(number) "variables_hash_max_size", H, ONE, "1024", HASHES,
        "Size of the table of variables.";
];

const PERFTOOLS: &[Directive] = &rows![
    Accepted(once) "google_perftools_profiles", M, ONE, "", DEBUGGING,
        "Where profiles of the workers are written.";
];

const PROTOCOLS: &[Directive] = &rows![
    Refused "mail", M, BLOCK, "", PROTOCOL_BLOCK,
        "Mail servers: IMAP, POP3 and SMTP.";
    Refused "rtmp", M, BLOCK, "", PROTOCOL_BLOCK,
        "Video streaming servers (nginx-rtmp-module).";
    Refused "stream", M, BLOCK, "", PROTOCOL_BLOCK,
        "TCP and UDP proxies.";
];
