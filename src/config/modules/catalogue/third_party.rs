//! Well-known modules by others.

use super::{
    Directive, H, HSL, HSLI, HSLX, LI, Module, NONE, ONE, ONE_OR_TWO, ONE_TO_FOUR, ONE_TO_THREE, SOME, TWO,
    TWO_UP, UP_TO_ONE, rows,
};

const NO_FIREWALL: &str =
    "Encke does not know this module: a request that nginx would have turned away would get in";
const NO_STATUS: &str = "Encke does not know this module: whoever watches the counters would not get them";
const NO_TRAFFIC_LIMIT: &str =
    "Encke does not know this module: a limit that nginx would have kept would not hold";
const NO_UPLOAD: &str = "Encke does not know this module: a file that nginx would have stored would not be";
const NO_REDIS: &str = "Encke does not know this module: a request that nginx would have answered from \
     Redis would stay unanswered";
const NO_SUBSTITUTION: &str =
    "Encke does not know this module: words that nginx would have replaced in answers would be sent";
const NO_LISTING: &str = "Encke serves no files yet: a directory that nginx would have listed would get 404";
const NO_DAV: &str =
    "Encke does not know this module: a request that nginx would have carried out would not be";
const NO_PRECOMPRESSED: &str =
    "Encke serves no files yet: a compressed file that nginx would have sent would not be looked for";
const NO_BROTLI: &str =
    "answers are sent as they are, or with gzip; every client that takes Brotli takes those";

/// By module.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ModSecurity-nginx", directives: MODSECURITY },
    Module { name: "ngx_http_auth_pam_module", directives: AUTH_PAM },
    Module { name: "nginx-module-vts", directives: VTS },
    Module { name: "ngx_brotli", directives: BROTLI },
    Module { name: "nginx-upload-module", directives: UPLOAD },
    Module { name: "nginx-upload-progress-module", directives: UPLOAD_PROGRESS },
    Module { name: "ngx_http_redis", directives: REDIS },
    Module { name: "ngx_http_substitutions_filter_module", directives: SUBS },
    Module { name: "ngx-fancyindex", directives: FANCYINDEX },
    Module { name: "nginx-dav-ext-module", directives: DAV_EXT },
];

const MODSECURITY: &[Directive] = &rows!["modsecurity" =>
    Refused "", HSL, ONE, "off", NO_FIREWALL,
        "Checks requests and answers by rules.";
    Refused "_rules", HSL, ONE, "", NO_FIREWALL,
        "Rules, written here.";
    Refused "_rules_file", HSL, ONE, "", NO_FIREWALL,
        "File with rules.";
    Refused "_rules_remote", HSL, TWO, "", NO_FIREWALL,
        "Key and address of rules.";
    Refused "_transaction_id", HSL, SOME, "", NO_FIREWALL,
        "Name of a request in the log of rules.";
    Refused "_use_error_log", HSL, ONE, "on", NO_FIREWALL,
        "Whether rules write to the error log.";
];

const AUTH_PAM: &[Directive] = &rows!["auth_pam" =>
    Refused "", HSLX, ONE, "off", NO_FIREWALL,
        "Asks for a password and has PAM check it.";
    Refused "_service_name", HSLX, ONE, "nginx", NO_FIREWALL,
        "Name of the PAM service.";
    Refused "_set_pam_env", HSLX, ONE, "off", NO_FIREWALL,
        "Tells PAM about the request.";
];

const VTS: &[Directive] = &rows!["vhost_traffic_status" =>
    Refused "", HSL, ONE, "off", NO_STATUS,
        "Counts requests and bytes.";
    Refused "_average_method", HSL, ONE_OR_TWO, "AMM 60s", NO_STATUS,
        "How averages are taken.";
    Refused "_bypass_limit", HSL, ONE, "off", NO_STATUS,
        "Makes an exception from limits.";
    Refused "_bypass_stats", HSL, ONE, "off", NO_STATUS,
        "Does not count here.";
    Refused "_display", HSL, UP_TO_ONE, "", NO_STATUS,
        "Answers with the counters.";
    Refused "_display_format", HSL, ONE, "json", NO_STATUS,
        "Format of that answer.";
    Refused "_display_jsonp", HSL, ONE, "ngx_http_vhost_traffic_status_jsonp_callback", NO_STATUS,
        "Function name for JSONP.";
    Refused "_display_sum_key", HSL, ONE, "*", NO_STATUS,
        "Name of the sum.";
    Refused "_dump", H, ONE_OR_TWO, "", NO_STATUS,
        "File in which the counters are kept.";
    Refused "_filter", HSL, ONE, "on", NO_STATUS,
        "Counts by keys.";
    Refused "_filter_by_host", HSL, ONE, "off", NO_STATUS,
        "Counts by Host.";
    Refused "_filter_by_set_key", HSL, ONE_OR_TWO, "", NO_STATUS,
        "Counts by a key.";
    Refused "_filter_check_duplicate", HSL, ONE, "on", NO_STATUS,
        "Counts a key only once.";
    Refused "_filter_max_node", H, SOME, "0", NO_STATUS,
        "How many keys are counted.";
    Refused "_histogram_buckets", HSL, SOME, "", NO_STATUS,
        "Times by which answers are sorted.";
    Refused "_limit", HSL, ONE, "on", NO_TRAFFIC_LIMIT,
        "Keeps the limits.";
    Refused "_limit_check_duplicate", HSL, ONE, "on", NO_TRAFFIC_LIMIT,
        "Looks at a key's limit only once.";
    Refused "_limit_traffic", HSL, ONE_OR_TWO, "", NO_TRAFFIC_LIMIT,
        "Limits traffic.";
    Refused "_limit_traffic_by_set_key", HSL, ONE_TO_FOUR, "", NO_TRAFFIC_LIMIT,
        "Limits traffic by a key.";
    Refused "_set_by_filter", HSLI, TWO, "", NO_STATUS,
        "Sets a variable to a counter.";
    Refused "_stats_by_upstream", HSL, ONE, "on", NO_STATUS,
        "Counts by server behind.";
    Refused "_zone", H, UP_TO_ONE, "shared:vhost_traffic_status:1m", NO_STATUS,
        "Shared memory for the counters.";
];

const BROTLI: &[Directive] = &rows!["brotli" =>
    Accepted(flag) "", HSLI, ONE, "off", NO_BROTLI,
        "Compresses answers with Brotli.";
    Accepted(buffers) "_buffers", HSL, TWO, "32 4k|16 8k", NO_BROTLI,
        "Number and size of buffers of the compressor.";
    Accepted(number) "_comp_level", HSL, ONE, "6", NO_BROTLI,
        "How hard to compress.";
    Accepted(size) "_min_length", HSL, ONE, "20", NO_BROTLI,
        "Least size of an answer that is compressed.";
    Refused "_static", HSL, ONE, "off", NO_PRECOMPRESSED,
        "Sends FILE.br in place of FILE to clients that take it.";
    Accepted "_types", HSL, SOME, "text/html", NO_BROTLI,
        "Types of answers that are compressed.";
    Accepted(size) "_window", HSL, ONE, "512k", NO_BROTLI,
        "Window of the compressor.";
];

const UPLOAD: &[Directive] = &rows!["upload_" =>
    Refused "add_header", HSLI, TWO, "", NO_UPLOAD,
        "A header of the answer.";
    Refused "aggregate_form_field", HSLI, TWO, "", NO_UPLOAD,
        "A field that depends on the whole file.";
    Refused "buffer_size", HSLI, ONE, "", NO_UPLOAD,
        "Buffer for writing.";
    Refused "cleanup", HSLI, SOME, "", NO_UPLOAD,
        "Statuses after which the files are removed.";
    Refused "limit_rate", HSLI, ONE, "0", NO_UPLOAD,
        "How many bytes per second are taken.";
    Refused "max_file_size", HSLI, ONE, "0", NO_UPLOAD,
        "Greatest size of a file.";
    Refused "max_output_body_len", HSLI, ONE, "100k", NO_UPLOAD,
        "Greatest size of the new body.";
    Refused "max_part_header_len", HSLI, ONE, "512", NO_UPLOAD,
        "Greatest size of a part's header.";
    Refused "pass", HSLI, ONE, "", NO_UPLOAD,
        "Location that gets the request with files taken out.";
    Refused "pass_args", HSLI, ONE, "off", NO_UPLOAD,
        "Passes the arguments on.";
    Refused "pass_form_field", HSLI, ONE, "", NO_UPLOAD,
        "Fields that are passed on.";
    Refused "resumable", HSLI, ONE, "off", NO_UPLOAD,
        "Takes files in several requests.";
    Refused "set_form_field", HSLI, TWO, "", NO_UPLOAD,
        "A field of the new body.";
    Refused "state_store", HSLI, ONE_TO_FOUR, "", NO_UPLOAD,
        "Where the state of unfinished files is kept.";
    Refused "store", HSLI, ONE_TO_FOUR, "", NO_UPLOAD,
        "Where files are stored.";
    Refused "store_access", HSLI, ONE_TO_THREE, "user:rw", NO_UPLOAD,
        "Permissions of files.";
    Refused "tame_arrays", HSLI, ONE, "off", NO_UPLOAD,
        "Takes brackets off names of fields.";
];

const UPLOAD_PROGRESS: &[Directive] = &rows![
    Refused "report_uploads", HSL, ONE, "", NO_STATUS,
        "Answers with the progress of an upload.";
    Refused "track_uploads", HSL, TWO, "", NO_STATUS,
        "Follows the progress of uploads.";
    Refused "upload_progress", H, TWO, "", NO_STATUS,
        "Shared memory for the progress of uploads.";
    Refused "upload_progress_content_type", HSL, ONE, "text/javascript", NO_STATUS,
        "Type of the report.";
    Refused "upload_progress_header", HSL, ONE, "X-Progress-ID", NO_STATUS,
        "Header with the name of an upload.";
    Refused "upload_progress_java_output", HSL, NONE, "", NO_STATUS,
        "Reports as JavaScript.";
    Refused "upload_progress_json_output", HSL, NONE, "", NO_STATUS,
        "Reports as JSON.";
    Refused "upload_progress_jsonp_output", HSL, NONE, "", NO_STATUS,
        "Reports as JSONP.";
    Refused "upload_progress_jsonp_parameter", HSL, ONE, "callback", NO_STATUS,
        "Argument with the function name for JSONP.";
    Refused "upload_progress_template", HSL, TWO, "", NO_STATUS,
        "Text of the report for a state.";
];

const REDIS: &[Directive] = &rows!["redis_" =>
    Refused "bind", HSL, ONE, "", NO_REDIS,
        "Local address of connections to Redis.";
    Refused "buffer_size", HSL, ONE, "4k|8k", NO_REDIS,
        "Buffer for a value.";
    Refused "connect_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long connecting may take.";
    Refused "gzip_flag", HSL, ONE, "", NO_REDIS,
        "Says that values are compressed.";
    Refused "next_upstream", HSL, SOME, "error timeout", NO_REDIS,
        "When to ask the next server.";
    Refused "pass", LI, ONE, "", NO_REDIS,
        "Answers with values from Redis.";
    Refused "read_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long Redis may be silent.";
    Refused "send_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long Redis may take nothing.";
];

const SUBS: &[Directive] = &rows!["subs_" =>
    Refused "buffers", HSL, TWO, "", NO_SUBSTITUTION,
        "Number and size of buffers.";
    Refused "filter", HSL, TWO_UP, "", NO_SUBSTITUTION,
        "Replaces a string or a regular expression in answers.";
    Refused "filter_bypass", HSL, SOME, "", NO_SUBSTITUTION,
        "When nothing is replaced.";
    Refused "filter_types", HSL, SOME, "text/html", NO_SUBSTITUTION,
        "Types of answers that are looked at.";
    Refused "line_buffer_size", HSL, TWO, "", NO_SUBSTITUTION,
        "Greatest length of a line.";
];

const FANCYINDEX: &[Directive] = &rows!["fancyindex" =>
    Refused "", HSL, ONE, "off", NO_LISTING,
        "Lists directories.";
    Refused "_css_href", HSL, ONE, "", NO_LISTING,
        "Style sheet of a listing.";
    Refused "_default_sort", HSL, ONE, "name", NO_LISTING,
        "What a listing is sorted by.";
    Refused "_directories_first", HSL, ONE, "on", NO_LISTING,
        "Lists directories before files.";
    Refused "_exact_size", HSL, ONE, "on", NO_LISTING,
        "Shows sizes to the byte.";
    Refused "_footer", HSL, ONE_OR_TWO, "", NO_LISTING,
        "File below a listing.";
    Refused "_header", HSL, ONE_OR_TWO, "", NO_LISTING,
        "File above a listing.";
    Refused "_hide_parent_dir", HSL, ONE, "off", NO_LISTING,
        "Leaves the way up out.";
    Refused "_hide_symlinks", HSL, ONE, "off", NO_LISTING,
        "Leaves links out.";
    Refused "_ignore", HSL, SOME, "", NO_LISTING,
        "Files that are left out.";
    Refused "_localtime", HSL, ONE, "off", NO_LISTING,
        "Shows times in the local zone.";
    Refused "_name_length", HSL, ONE, "50", NO_LISTING,
        "Greatest length of a name.";
    Refused "_show_dotfiles", HSL, ONE, "off", NO_LISTING,
        "Lists files whose name begins with a dot.";
    Refused "_show_path", HSL, ONE, "on", NO_LISTING,
        "Shows the path.";
    Refused "_time_format", HSL, ONE, "%Y-%b-%d %H:%M", NO_LISTING,
        "Format of times.";
];

const DAV_EXT: &[Directive] = &rows![
    Refused "dav_ext_lock", HSL, ONE, "", NO_DAV,
        "Zone for locks of WebDAV.";
    Refused "dav_ext_lock_zone", H, ONE_OR_TWO, "", NO_DAV,
        "Shared memory for locks of WebDAV.";
    Refused "dav_ext_methods", HSL, SOME, "off", NO_DAV,
        "WebDAV methods that are allowed: PROPFIND, OPTIONS, LOCK, UNLOCK.";
];
