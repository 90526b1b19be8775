//! Serving files: root, index, listings, caches of open files, uploads by WebDAV.

use super::{Directive, HSL, HSLI, L, Module, NONE, ONE, ONE_TO_THREE, SOME, TWO, rows};

const NO_DAV: &str =
    "Encke does not do this yet: a file that nginx would have stored, moved or deleted would not be";
const NO_VIDEO: &str =
    "Encke does not do this yet: a part of a video that nginx would have sent would be missing";
const FILE_TUNING: &str = "it tunes how nginx reads and sends files; no answer depends on it";

/// The http core's part in files, and the modules that find, list or store them.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_core_module: files", directives: CORE },
    Module { name: "ngx_http_dav_module", directives: DAV },
    Module { name: "ngx_http_flv_module", directives: FLV },
    Module { name: "ngx_http_mp4_module", directives: MP4 },
];

const CORE: &[Directive] = &rows![
    Accepted(aio) "aio", HSL, ONE, "off", FILE_TUNING,
        "Reads files asynchronously or with threads.";
    Accepted(flag) "aio_write", HSL, ONE, "off", FILE_TUNING,
        "Writes temporary files with threads.";
    Accepted(off_or_offset) "directio", HSL, ONE, "off", FILE_TUNING,
        "Reads files of this size and above past the page cache.";
    Accepted(offset) "directio_alignment", HSL, ONE, "512", FILE_TUNING,
        "Alignment of reads past the page cache.";
    Accepted(flag) "open_file_cache_events", HSL, ONE, "off", FILE_TUNING,
        "Notices changed files by kernel events.";
    Accepted(flag) "sendfile", HSLI, ONE, "off", FILE_TUNING,
        "Sends files without copying them through the process.";
    Accepted(size) "sendfile_max_chunk", HSL, ONE, "2m", FILE_TUNING,
        "How much of a file is sent in one call.";
];

const DAV: &[Directive] = &rows![
    Refused "create_full_put_path", HSL, ONE, "off", NO_DAV,
        "Creates directories that a PUT needs.";
    Refused "dav_access", HSL, ONE_TO_THREE, "user:rw", NO_DAV,
        "Permissions of files that are created.";
    Refused "dav_methods", HSL, SOME, "off", NO_DAV,
        "WebDAV methods that are allowed: PUT, DELETE, MKCOL, COPY, MOVE.";
    Refused "min_delete_depth", HSL, ONE, "0", NO_DAV,
        "How deep a path must be to be deleted.";
];

const FLV: &[Directive] = &rows![
    Refused "flv", L, NONE, "", NO_VIDEO,
        "Sends parts of FLV files by position.";
];

const MP4: &[Directive] = &rows![
    Refused "mp4", L, NONE, "", NO_VIDEO,
        "Sends parts of MP4 files by time.";
    Refused "mp4_buffer_size", HSL, ONE, "512k", NO_VIDEO,
        "First size of the buffer for an MP4 file.";
    Refused "mp4_limit_rate", HSL, ONE, "off", NO_VIDEO,
        "Sends a video only as fast as it is played (commercial subscription).";
    Refused "mp4_limit_rate_after", HSL, ONE, "60s", NO_VIDEO,
        "How much of a video is sent before mp4_limit_rate begins (commercial subscription).";
    Refused "mp4_max_buffer_size", HSL, ONE, "10m", NO_VIDEO,
        "Largest size of the buffer for an MP4 file.";
    Refused "mp4_start_key_frame", HSL, ONE, "off", NO_VIDEO,
        "Begins parts of a video at a key frame.";
    Refused "hls", L, NONE, "", NO_VIDEO,
        "Cuts MP4 files into HTTP Live Streaming (commercial subscription).";
    Refused "hls_buffers", HSL, TWO, "8 2m", NO_VIDEO,
        "Buffers for HTTP Live Streaming (commercial subscription).";
    Refused "hls_forward_args", HSL, ONE, "off", NO_VIDEO,
        "Adds a playlist request's arguments to its fragments (commercial subscription).";
    Refused "hls_fragment", HSL, ONE, "5s", NO_VIDEO,
        "Length of a fragment (commercial subscription).";
    Refused "hls_mp4_buffer_size", HSL, ONE, "512k", NO_VIDEO,
        "First size of the buffer for an MP4 file (commercial subscription).";
    Refused "hls_mp4_max_buffer_size", HSL, ONE, "10m", NO_VIDEO,
        "Largest size of the buffer for an MP4 file (commercial subscription).";
    Refused "f4f", L, NONE, "", NO_VIDEO,
        "Serves Adobe HTTP Dynamic Streaming (commercial subscription).";
    Refused "f4f_buffer_size", HSL, ONE, "512k", NO_VIDEO,
        "Buffer for index files of f4f (commercial subscription).";
];
