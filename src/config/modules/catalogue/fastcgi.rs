//! Other protocols to servers behind: FastCGI, uwsgi, SCGI, gRPC, memcached.

use super::proxy::{TEMP_FILES, body_rows, cache_rows, connection_rows, header_rows, tls_rows};
use super::{
    Directive, H, HSL, LI, Module, ONE, ONE_OR_TWO, ONE_TO_FOUR, ONE_TO_THREE, SOME, TWO, TWO_OR_THREE,
    TWO_UP, count, join, rows,
};

const NO_FASTCGI: &str =
    "Encke does not speak FastCGI yet: a request that nginx would have given to the program would not be";
const NO_UWSGI: &str =
    "Encke does not speak uwsgi yet: a request that nginx would have given to the program would not be";
const NO_SCGI: &str =
    "Encke does not speak SCGI yet: a request that nginx would have given to the program would not be";
const NO_GRPC: &str =
    "Encke does not speak gRPC yet: a request that nginx would have passed on would stay unanswered";
const NO_MEMCACHED: &str = "Encke does not ask memcached yet: a request that nginx would have answered \
     from it would stay unanswered";

/// One module per protocol.
pub(super) const MODULES: &[Module] = &[
    Module { name: "ngx_http_fastcgi_module", directives: &join::<{ count(FASTCGI) }>(FASTCGI) },
    Module { name: "ngx_http_uwsgi_module", directives: &join::<{ count(UWSGI) }>(UWSGI) },
    Module { name: "ngx_http_scgi_module", directives: &join::<{ count(SCGI) }>(SCGI) },
    Module { name: "ngx_http_grpc_module", directives: &join::<{ count(GRPC) }>(GRPC) },
    Module { name: "ngx_http_memcached_module", directives: &join::<{ count(MEMCACHED) }>(MEMCACHED) },
];

const FASTCGI: &[&[Directive]] = &[
    &connection_rows!("fastcgi", NO_FASTCGI),
    &header_rows!("fastcgi", NO_FASTCGI),
    &body_rows!("fastcgi", NO_FASTCGI),
    &cache_rows!("fastcgi", NO_FASTCGI),
    &rows!["fastcgi" =>
        Refused "_catch_stderr", HSL, ONE, "", NO_FASTCGI,
            "Takes an answer for an error if the program wrote this to its error output.";
        Refused "_index", HSL, ONE, "", NO_FASTCGI,
            "File that answers for a directory.";
        Refused "_keep_conn", HSL, ONE, "off", NO_FASTCGI,
            "Keeps connections to the program open.";
        Refused "_param", HSL, TWO_OR_THREE, "", NO_FASTCGI,
            "A parameter of the program.";
        Refused "_pass", LI, ONE, "", NO_FASTCGI,
            "Gives requests to a FastCGI program.";
        Refused "_send_lowat", HSL, ONE, "0", NO_FASTCGI,
            "Least number of bytes to send at once, on systems that can.";
        Refused "_split_path_info", HSL, ONE, "", NO_FASTCGI,
            "Regular expression that splits the path into program and rest.";
    ],
];

const UWSGI: &[&[Directive]] = &[
    &connection_rows!("uwsgi", NO_UWSGI),
    &header_rows!("uwsgi", NO_UWSGI),
    &body_rows!("uwsgi", NO_UWSGI),
    &cache_rows!("uwsgi", NO_UWSGI),
    &tls_rows!("uwsgi", NO_UWSGI),
    &rows!["uwsgi" =>
        Refused "_modifier1", HSL, ONE, "0", NO_UWSGI,
            "First modifier of a packet.";
        Refused "_modifier2", HSL, ONE, "0", NO_UWSGI,
            "Second modifier of a packet.";
        Refused "_param", HSL, TWO_OR_THREE, "", NO_UWSGI,
            "A parameter of the program.";
        Refused "_pass", LI, ONE, "", NO_UWSGI,
            "Gives requests to a uwsgi program.";
        Refused "_string", HSL, ONE, "", NO_UWSGI,
            "String sent along with a request.";
    ],
];

const SCGI: &[&[Directive]] = &[
    &connection_rows!("scgi", NO_SCGI),
    &header_rows!("scgi", NO_SCGI),
    &body_rows!("scgi", NO_SCGI),
    &cache_rows!("scgi", NO_SCGI),
    &rows!["scgi" =>
        Refused "_param", HSL, TWO_OR_THREE, "", NO_SCGI,
            "A parameter of the program.";
        Refused "_pass", LI, ONE, "", NO_SCGI,
            "Gives requests to an SCGI program.";
    ],
];

const GRPC: &[&[Directive]] = &[
    &connection_rows!("grpc", NO_GRPC),
    &header_rows!("grpc", NO_GRPC),
    &tls_rows!("grpc", NO_GRPC),
    &rows!["grpc" =>
        Refused "_pass", LI, ONE, "", NO_GRPC,
            "Passes requests on to a gRPC server.";
        Refused "_set_header", HSL, TWO, "Content-Length $content_length", NO_GRPC,
            "A header of the request that is passed on.";
    ],
];

const MEMCACHED: &[&[Directive]] = &[
    &connection_rows!("memcached", NO_MEMCACHED),
    &rows!["memcached" =>
        Refused "_gzip_flag", HSL, ONE, "", NO_MEMCACHED,
            "Flag that says a value is compressed.";
        Refused "_pass", LI, ONE, "", NO_MEMCACHED,
            "Answers with values from memcached.";
    ],
];
