//! The modules of OpenResty, but for Lua.

use super::{
    ANY, Directive, HS, HSL, HSLI, HTTP_REWRITE, LI, Module, NONE, ONE, ONE_OR_TWO, SOME, THREE, TWO,
    TWO_OR_THREE, TWO_UP, rows,
};

const NO_HEADERS: &str = "Encke does not know this module: headers that nginx would have set or removed \
     would be wrong (add_header works)";
const NO_ECHO: &str =
    "Encke does not know this module: what nginx would have answered would be missing (return works)";
const NO_REDIS: &str = "Encke does not know this module: a request that nginx would have answered from \
     Redis would stay unanswered";
const NO_MEMC: &str = "Encke does not know this module: a request that nginx would have answered from \
     memcached would stay unanswered";
const NO_CACHE: &str = "Encke does not know this module: an answer that nginx would have kept or taken \
     from a cache would not be";
const NO_VARIABLES: &str =
    "Encke does not know this module: a variable that nginx would have set would not be";

/// By module.
pub(super) const MODULES: &[Module] = &[
    Module { name: "headers-more-nginx-module", directives: HEADERS_MORE },
    Module { name: "echo-nginx-module", directives: ECHO },
    Module { name: "redis2-nginx-module", directives: REDIS2 },
    Module { name: "memc-nginx-module", directives: MEMC },
    Module { name: "srcache-nginx-module", directives: SRCACHE },
    Module { name: "set-misc-nginx-module", directives: SET_MISC },
    Module { name: "ngx_devel_kit", directives: DEVEL_KIT },
];

const HEADERS_MORE: &[Directive] = &rows!["more_" =>
    Refused "clear_headers", HSLI, SOME, "", NO_HEADERS,
        "Removes headers of answers.";
    Refused "clear_input_headers", HSLI, SOME, "", NO_HEADERS,
        "Removes headers of requests.";
    Refused "set_headers", HSLI, SOME, "", NO_HEADERS,
        "Sets headers of answers.";
    Refused "set_input_headers", HSLI, SOME, "", NO_HEADERS,
        "Sets headers of requests.";
];

const ECHO: &[Directive] = &rows!["echo" =>
    Refused "", LI, ANY, "", NO_ECHO,
        "Answers with a text.";
    Refused "_abort_parent", LI, NONE, "", NO_ECHO,
        "Ends the request around this one.";
    Refused "_after_body", LI, ANY, "", NO_ECHO,
        "Puts a text behind an answer.";
    Refused "_before_body", LI, ANY, "", NO_ECHO,
        "Puts a text in front of an answer.";
    Refused "_blocking_sleep", LI, ONE, "", NO_ECHO,
        "Sleeps, and the worker with it.";
    Refused "_duplicate", LI, TWO_UP, "", NO_ECHO,
        "Answers with a text many times.";
    Refused "_end", LI, NONE, "", NO_ECHO,
        "Ends a loop.";
    Refused "_exec", LI, ONE_OR_TWO, "", NO_ECHO,
        "Goes to another location.";
    Refused "_flush", LI, NONE, "", NO_ECHO,
        "Sends what is there.";
    Refused "_foreach_split", LI, TWO_UP, "", NO_ECHO,
        "Begins a loop over parts of a text.";
    Refused "_location", LI, ONE_OR_TWO, "", NO_ECHO,
        "Answers with what another location answers.";
    Refused "_location_async", LI, ONE_OR_TWO, "", NO_ECHO,
        "The same, without waiting in between.";
    Refused "_read_request_body", LI, NONE, "", NO_ECHO,
        "Reads the request's body.";
    Refused "_request_body", LI, NONE, "", NO_ECHO,
        "Answers with the request's body.";
    Refused "_reset_timer", LI, NONE, "", NO_ECHO,
        "Restarts $echo_timer_elapsed.";
    Refused "_sleep", LI, ONE, "", NO_ECHO,
        "Sleeps.";
    Refused "_status", LI, ONE, "200", NO_ECHO,
        "Status of the answer.";
    Refused "_subrequest", LI, TWO_UP, "", NO_ECHO,
        "Makes a request inside.";
    Refused "_subrequest_async", LI, TWO_UP, "", NO_ECHO,
        "The same, without waiting in between.";
];

const REDIS2: &[Directive] = &rows!["redis2_" =>
    Refused "bind", HSL, ONE, "", NO_REDIS,
        "Local address of connections to Redis.";
    Refused "buffer_size", HSL, ONE, "4k|8k", NO_REDIS,
        "Buffer for replies.";
    Refused "connect_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long connecting may take.";
    Refused "literal_raw_query", LI, ONE, "", NO_REDIS,
        "A query as it goes over the wire.";
    Refused "next_upstream", HSL, SOME, "error timeout", NO_REDIS,
        "When to ask the next server.";
    Refused "pass", LI, ONE, "", NO_REDIS,
        "Asks Redis.";
    Refused "query", LI, SOME, "", NO_REDIS,
        "A query.";
    Refused "raw_queries", LI, TWO, "", NO_REDIS,
        "Several queries as they go over the wire.";
    Refused "raw_query", LI, ONE, "", NO_REDIS,
        "A query as it goes over the wire, with variables.";
    Refused "read_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long Redis may be silent.";
    Refused "send_timeout", HSL, ONE, "60s", NO_REDIS,
        "How long Redis may take nothing.";
];

const MEMC: &[Directive] = &rows!["memc_" =>
    Refused "buffer_size", HSL, ONE, "4k|8k", NO_MEMC,
        "Buffer for replies.";
    Refused "cmds_allowed", HSLI, SOME, "", NO_MEMC,
        "Commands that are allowed.";
    Refused "connect_timeout", HSL, ONE, "60s", NO_MEMC,
        "How long connecting may take.";
    Refused "flags_to_last_modified", LI, ONE, "off", NO_MEMC,
        "Takes a value's flags for its time.";
    Refused "ignore_client_abort", LI, ONE, "off", NO_MEMC,
        "Goes on when the client has gone.";
    Refused "next_upstream", HSL, SOME, "error timeout", NO_MEMC,
        "When to ask the next server.";
    Refused "pass", LI, ONE, "", NO_MEMC,
        "Asks memcached.";
    Refused "read_timeout", HSL, ONE, "60s", NO_MEMC,
        "How long memcached may be silent.";
    Refused "send_timeout", HSL, ONE, "60s", NO_MEMC,
        "How long memcached may take nothing.";
    Refused "upstream_fail_timeout", HSL, ONE, "", NO_MEMC,
        "Obsolete: the server directive.";
    Refused "upstream_max_fails", HSL, ONE, "", NO_MEMC,
        "Obsolete: the server directive.";
];

const SRCACHE: &[Directive] = &rows!["srcache_" =>
    Refused "buffer", HSLI, ONE, "4k|8k", NO_CACHE,
        "Buffer for an answer.";
    Refused "default_expire", HSLI, ONE, "60s", NO_CACHE,
        "How long an answer is kept unless it says so.";
    Refused "fetch", HSLI, TWO_OR_THREE, "", NO_CACHE,
        "Location that looks up answers.";
    Refused "fetch_skip", HSLI, ONE, "0", NO_CACHE,
        "When not to look.";
    Refused "header_buffer_size", HSLI, ONE, "4k|8k", NO_CACHE,
        "Buffer for headers.";
    Refused "ignore_content_encoding", HSL, ONE, "off", NO_CACHE,
        "Keeps compressed answers, too.";
    Refused "max_expire", HSLI, ONE, "0", NO_CACHE,
        "Longest time to keep an answer.";
    Refused "methods", HSL, SOME, "GET HEAD", NO_CACHE,
        "Methods whose answers are kept.";
    Refused "request_cache_control", HSL, ONE, "off", NO_CACHE,
        "Heeds Cache-Control of requests.";
    Refused "response_cache_control", HSL, ONE, "on", NO_CACHE,
        "Heeds Cache-Control of answers.";
    Refused "store", HSLI, TWO_OR_THREE, "", NO_CACHE,
        "Location that keeps answers.";
    Refused "store_hide_header", HSL, ONE, "", NO_CACHE,
        "A header that is not kept.";
    Refused "store_max_size", HSLI, ONE, "0", NO_CACHE,
        "Greatest size of an answer that is kept.";
    Refused "store_no_cache", HSL, ONE, "off", NO_CACHE,
        "Keeps answers with no-cache, too.";
    Refused "store_no_store", HSL, ONE, "off", NO_CACHE,
        "Keeps answers with no-store, too.";
    Refused "store_pass_header", HSL, ONE, "", NO_CACHE,
        "A header that is kept all the same.";
    Refused "store_private", HSL, ONE, "off", NO_CACHE,
        "Keeps private answers, too.";
    Refused "store_ranges", HSL, ONE, "off", NO_CACHE,
        "Keeps partial answers, too.";
    Refused "store_skip", HSLI, ONE, "0", NO_CACHE,
        "When not to keep an answer.";
    Refused "store_statuses", HSLI, SOME, "200 301 302", NO_CACHE,
        "Statuses of answers that are kept.";
];

const SET_MISC: &[Directive] = &rows!["set_" =>
    Refused "base32_alphabet", HTTP_REWRITE, ONE, "", NO_VARIABLES,
        "Letters of base32.";
    Refused "base32_padding", HTTP_REWRITE, ONE, "on", NO_VARIABLES,
        "Fills base32 up.";
    Refused "decode_base32", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Decodes base32.";
    Refused "decode_base64", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Decodes base64.";
    Refused "decode_base64url", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Decodes base64url.";
    Refused "decode_hex", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Decodes hexadecimal.";
    Refused "encode_base32", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Encodes as base32.";
    Refused "encode_base64", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Encodes as base64.";
    Refused "encode_base64url", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Encodes as base64url.";
    Refused "encode_hex", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Encodes as hexadecimal.";
    Refused "escape_uri", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Escapes for a URI.";
    Refused "formatted_gmt_time", HTTP_REWRITE, TWO, "", NO_VARIABLES,
        "Sets a variable to the time in GMT.";
    Refused "formatted_local_time", HTTP_REWRITE, TWO, "", NO_VARIABLES,
        "Sets a variable to the local time.";
    Refused "hashed_upstream", HTTP_REWRITE, THREE, "", NO_VARIABLES,
        "Chooses from a list by a key.";
    Refused "hmac_sha1", HTTP_REWRITE, THREE, "", NO_VARIABLES,
        "Signs with HMAC-SHA1.";
    Refused "hmac_sha256", HTTP_REWRITE, THREE, "", NO_VARIABLES,
        "Signs with HMAC-SHA256.";
    Refused "if_empty", HTTP_REWRITE, TWO, "", NO_VARIABLES,
        "Sets a variable if it is empty.";
    Refused "local_today", HTTP_REWRITE, ONE, "", NO_VARIABLES,
        "Sets a variable to today's date.";
    Refused "md5", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Takes the MD5.";
    Refused "misc_base32_padding", HTTP_REWRITE, ONE, "on", NO_VARIABLES,
        "Old name of set_base32_padding.";
    Refused "quote_json_str", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Quotes for JSON.";
    Refused "quote_pgsql_str", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Quotes for PostgreSQL.";
    Refused "quote_sql_str", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Quotes for SQL.";
    Refused "random", HTTP_REWRITE, THREE, "", NO_VARIABLES,
        "Sets a variable to a random number.";
    Refused "rotate", HTTP_REWRITE, THREE, "", NO_VARIABLES,
        "Sets a variable to numbers in turn.";
    Refused "secure_random_alphanum", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Sets a variable to random letters and digits.";
    Refused "secure_random_lcalpha", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Sets a variable to random small letters.";
    Refused "sha1", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Takes the SHA-1.";
    Refused "unescape_uri", HTTP_REWRITE, ONE_OR_TWO, "", NO_VARIABLES,
        "Undoes escapes of a URI.";
];

const DEVEL_KIT: &[Directive] = &rows![
    Refused "upstream_list", HS, TWO_UP, "", NO_VARIABLES,
        "A list for set_hashed_upstream.";
];
