//! The table of nginx's variables: every name has a row, like directives.

/// What becomes of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It holds what nginx's holds.
    Done,
    /// It exists and is always empty; why.
    Empty(&'static str),
}

/// When the value of a variable is settled, and who else may define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Known with the request.
    Fixed,
    /// Settled only with the answer.
    Late,
    /// Known with the request; `set`, `map` and their kin may define it, too.
    Open,
}

/// What is known of a built-in variable before any request.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinRow {
    /// The variable itself.
    pub variable: Builtin,
    /// Its name without the `$`.
    pub name: &'static str,
    /// The nginx module it comes from, without `ngx_http_` and `_module`.
    pub module: &'static str,
    /// When its value is settled.
    pub kind: Kind,
    /// What becomes of it.
    pub support: Support,
    /// What it holds, for the docs.
    pub doc: &'static str,
}

macro_rules! builtins {
    ($($module:literal: $($variant:ident $name:literal $kind:ident $doc:literal;)*)*) => {
        /// A variable every request has; its value is computed by `request::vars`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Builtin {
            $($(#[doc = $doc] $variant,)*)*
            /// One that is always empty.
            Empty,
        }

        const DONE: &[BuiltinRow] = &[
            $($(BuiltinRow {
                variable: Builtin::$variant,
                name: $name,
                module: $module,
                kind: Kind::$kind,
                support: Support::Done,
                doc: $doc,
            },)*)*
        ];
    };
}

builtins! {
    "core":
    Args "args" Open "arguments of the request line, raw";
    BinaryRemoteAddr "binary_remote_addr" Fixed "the client's address, 4 or 16 bytes";
    BodyBytesSent "body_bytes_sent" Late "bytes of the answer without its header";
    BytesSent "bytes_sent" Late "bytes of the whole answer";
    Connection "connection" Fixed "serial number of the connection";
    ConnectionRequests "connection_requests" Fixed "requests made on the connection so far";
    ConnectionTime "connection_time" Late "age of the connection, seconds with milliseconds";
    ContentLength "content_length" Fixed "the request's Content-Length";
    ContentType "content_type" Fixed "the request's Content-Type";
    DocumentRoot "document_root" Fixed "root or alias in force";
    DocumentUri "document_uri" Fixed "same as $uri";
    Host "host" Fixed "host of the request line, else of the Host header, else the server's name";
    Hostname "hostname" Fixed "name of this machine";
    Https "https" Fixed "on over TLS, else empty";
    IsArgs "is_args" Fixed "a question mark if there are arguments";
    IsRequestPort "is_request_port" Fixed ": if there is $request_port";
    LimitRate "limit_rate" Open "0 unless set";
    Msec "msec" Late "current time in seconds with milliseconds";
    NginxVersion "nginx_version" Fixed "version of nginx whose behaviour is followed";
    Pid "pid" Fixed "number of the process";
    Pipe "pipe" Fixed "p if the request was pipelined, else .";
    ProxyProtocolAddr "proxy_protocol_addr" Fixed "the client's address, from the PROXY protocol";
    ProxyProtocolPort "proxy_protocol_port" Fixed "the client's port, from the PROXY protocol";
    ProxyProtocolServerAddr "proxy_protocol_server_addr" Fixed "the address the client connected to, from the PROXY protocol";
    ProxyProtocolServerPort "proxy_protocol_server_port" Fixed "the port the client connected to, from the PROXY protocol";
    QueryString "query_string" Fixed "same as $args";
    RealpathRoot "realpath_root" Fixed "root in force, links resolved";
    RemoteAddr "remote_addr" Fixed "the client's address";
    RemotePort "remote_port" Fixed "the client's port";
    RemoteUser "remote_user" Fixed "user name of Basic authentication";
    Request "request" Fixed "the request line as it came";
    RequestBody "request_body" Fixed "the request's body, where a location reads it and it fits into client_body_buffer_size";
    RequestBodyFile "request_body_file" Fixed "the file of the request's body, where client_body_in_file_only has one written";
    RequestCompletion "request_completion" Late "OK if the request was answered, else empty";
    RequestFilename "request_filename" Fixed "path of the file for the request";
    RequestId "request_id" Fixed "16 random bytes, hexadecimal";
    RequestLength "request_length" Fixed "bytes of the request";
    RequestMethod "request_method" Fixed "method of the request";
    RequestPort "request_port" Fixed "port of the request line, else of the Host header";
    RequestTime "request_time" Late "seconds with milliseconds since the first bytes of the request";
    RequestUri "request_uri" Fixed "the request's URI as it came";
    Scheme "scheme" Fixed "http";
    ServerAddr "server_addr" Fixed "address the connection came to";
    ServerName "server_name" Fixed "first name of the server in force";
    ServerPort "server_port" Fixed "port the connection came to";
    ServerProtocol "server_protocol" Fixed "HTTP/1.0 or HTTP/1.1";
    Status "status" Late "status of the answer";
    TimeIso8601 "time_iso8601" Late "current local time, ISO 8601";
    TimeLocal "time_local" Late "current local time in the log format";
    Uri "uri" Fixed "path of the request, decoded and normalized, as rewritten";

    "browser":
    AncientBrowser "ancient_browser" Open "`ancient_browser_value` for a browser that is not modern";
    ModernBrowser "modern_browser" Open "`modern_browser_value` for a modern browser";
    Msie "msie" Open "1 for any Internet Explorer";

    "fastcgi":
    FastcgiScriptName "fastcgi_script_name" Fixed "same as $uri";

    "proxy":
    ProxyAddXForwardedFor "proxy_add_x_forwarded_for" Fixed "X-Forwarded-For of the request, and the client's address";
    ProxyHost "proxy_host" Open "host and port that `proxy_pass` names";
    ProxyPort "proxy_port" Open "port that `proxy_pass` names";

    "limit_conn":
    LimitConnStatus "limit_conn_status" Fixed "PASSED, REJECTED or REJECTED_DRY_RUN";

    "limit_req":
    LimitReqStatus "limit_req_status" Fixed "PASSED, DELAYED, REJECTED, DELAYED_DRY_RUN or REJECTED_DRY_RUN";

    "realip":
    RealipRemoteAddr "realip_remote_addr" Fixed "the address the connection came from";
    RealipRemotePort "realip_remote_port" Fixed "the port the connection came from";

    "referer":
    InvalidReferer "invalid_referer" Open "empty if the Referer is one of `valid_referers`, else 1";

    "secure_link":
    SecureLink "secure_link" Fixed "1 for a true link, 0 for one that is out of date, else empty; the link with `secure_link_secret`";
    SecureLinkExpires "secure_link_expires" Fixed "end of the link's lifetime";

    "ssi":
    DateGmt "date_gmt" Late "current time, as SSI writes it";
    DateLocal "date_local" Late "current local time, as SSI writes it";

    "stub_status":
    ConnectionsActive "connections_active" Fixed "open connections";
    ConnectionsReading "connections_reading" Fixed "connections in the middle of a request's head";
    ConnectionsWaiting "connections_waiting" Fixed "connections that wait for a request";
    ConnectionsWriting "connections_writing" Fixed "connections with a request under way";

    "upstream":
    UpstreamAddr "upstream_addr" Late "addresses of the servers that were asked";
    UpstreamBytesReceived "upstream_bytes_received" Late "bytes that came from each of them";
    UpstreamBytesSent "upstream_bytes_sent" Late "bytes that were sent to each of them";
    UpstreamConnectTime "upstream_connect_time" Late "how long connecting took, seconds with milliseconds";
    UpstreamHeaderTime "upstream_header_time" Late "time until the answer's head had come";
    UpstreamResponseLength "upstream_response_length" Late "bytes of the answer's body";
    UpstreamResponseTime "upstream_response_time" Late "time until all of the answer had come";
    UpstreamStatus "upstream_status" Late "statuses of their answers";

    "userid":
    UidGot "uid_got" Fixed "name and value of the cookie that came";
    UidReset "uid_reset" Open "if not empty, the cookie is given anew";
    UidSet "uid_set" Fixed "name and value of the cookie that is sent";
    "nchan":
    NchanChannelId "nchan_channel_id" Open "the channel, the first of several, without its group";
    NchanChannelId1 "nchan_channel_id1" Open "same as $nchan_channel_id";
    NchanChannelId2 "nchan_channel_id2" Open "the second of several channels";
    NchanChannelId3 "nchan_channel_id3" Open "the third of several channels";
    NchanChannelId4 "nchan_channel_id4" Open "the fourth of several channels";
    NchanSubscriberType "nchan_subscriber_type" Open "longpoll, intervalpoll, websocket, eventsource, http-chunked, http-multipart or http-raw-stream";
    NchanPublisherType "nchan_publisher_type" Open "http or websocket";
    NchanPrevMessageId "nchan_prev_message_id" Open "the subscriber's position when it came, 0:0 without one";
    NchanMessageId "nchan_message_id" Open "id of the message that was published or received";
    NchanChannelEvent "nchan_channel_event" Open "what happened to the channel";
    NchanChannelSubscriberLastSeen "nchan_channel_subscriber_last_seen" Open "when a subscriber was last there, seconds since 1970";
    NchanChannelSubscriberCount "nchan_channel_subscriber_count" Open "subscribers of the channel";
    NchanChannelMessageCount "nchan_channel_message_count" Open "messages stored in the channel";
    NchanVersion "nchan_version" Open "version of Nchan whose behaviour is followed";
    NchanStubStatusChannels "nchan_stub_status_channels" Open "channels there are";
    NchanStubStatusSubscribers "nchan_stub_status_subscribers" Open "subscribers there are";
    NchanStubStatusStoredMessages "nchan_stub_status_stored_messages" Open "messages that are stored";
    NchanStubStatusSharedMemoryUsed "nchan_stub_status_shared_memory_used" Open "memory that messages and channels take, in kilobytes with a K";
    NchanStubStatusTotalPublishedMessages "nchan_stub_status_total_published_messages" Open "messages published since the start";
    NchanStubStatusIpcAlertsInTransit "nchan_stub_status_ipc_alerts_in_transit" Open "notices on their way between workers";
    NchanStubStatusIpcQueuedAlerts "nchan_stub_status_ipc_queued_alerts" Open "notices between workers that have to wait";
    NchanStubStatusTotalIpcAlertsSent "nchan_stub_status_total_ipc_alerts_sent" Open "notices sent between workers";
    NchanStubStatusTotalIpcAlertsReceived "nchan_stub_status_total_ipc_alerts_received" Open "notices received between workers";
    NchanStubStatusTotalIpcSendDelay "nchan_stub_status_total_ipc_send_delay" Open "seconds for which notices had to wait";
    NchanStubStatusTotalIpcReceiveDelay "nchan_stub_status_total_ipc_receive_delay" Open "seconds for which notices were on their way";
    NchanStubStatusRedisPendingCommands "nchan_stub_status_redis_pending_commands" Open "0: there is no Redis";
    NchanStubStatusRedisConnectedServers "nchan_stub_status_redis_connected_servers" Open "0: there is no Redis";
    NchanStubStatusRedisUnhealthyUpstreams "nchan_stub_status_redis_unhealthy_upstreams" Open "0: there is no Redis";
    NchanStubStatusTotalRedisCommandsSent "nchan_stub_status_total_redis_commands_sent" Open "0: there is no Redis";
}

/// Names that exist and are empty, with the module and the reason; `Open` ones can be defined.
const EMPTY: &[(&str, Kind, &str, &[&str])] = &[
    (
        "core",
        Kind::Fixed,
        "there is no way without `unsafe` to ask the system for them",
        &["tcpinfo_rcv_space", "tcpinfo_rtt", "tcpinfo_rttvar", "tcpinfo_snd_cwnd"],
    ),
    ("fastcgi", Kind::Fixed, "servers behind are spoken to in HTTP only", &["fastcgi_path_info"]),
    ("gzip", Kind::Fixed, "the ratio is not kept", &["gzip_ratio"]),
    (
        "proxy",
        Kind::Fixed,
        "they are nginx's own, for the head it sends to a server behind",
        &["proxy_internal_body_length", "proxy_internal_chunked"],
    ),
    ("slice", Kind::Fixed, "answers are not fetched in slices", &["slice_range"]),
    (
        "ssl",
        Kind::Open,
        NO_TLS,
        &[
            "ssl_alpn_protocol",
            "ssl_cipher",
            "ssl_ciphers",
            "ssl_client_cert",
            "ssl_client_escaped_cert",
            "ssl_client_fingerprint",
            "ssl_client_i_dn",
            "ssl_client_i_dn_legacy",
            "ssl_client_raw_cert",
            "ssl_client_s_dn",
            "ssl_client_s_dn_legacy",
            "ssl_client_serial",
            "ssl_client_v_end",
            "ssl_client_v_remain",
            "ssl_client_v_start",
            "ssl_client_verify",
            "ssl_curve",
            "ssl_curves",
            "ssl_early_data",
            "ssl_protocol",
            "ssl_server_name",
            "ssl_session_id",
            "ssl_session_reused",
        ],
    ),
    (
        "upstream",
        Kind::Fixed,
        "answers of servers behind are not cached",
        &["upstream_cache_etag", "upstream_cache_last_modified", "upstream_cache_status"],
    ),
    ("v2", Kind::Fixed, "there is no HTTP/2", &["http2"]),
];

const NO_TLS: &str = "there is no TLS";

impl Builtin {
    /// Whether it tells of the servers behind that a request went to.
    pub const fn is_upstream(self) -> bool {
        matches!(
            self,
            Self::UpstreamAddr
                | Self::UpstreamBytesReceived
                | Self::UpstreamBytesSent
                | Self::UpstreamConnectTime
                | Self::UpstreamHeaderTime
                | Self::UpstreamResponseLength
                | Self::UpstreamResponseTime
                | Self::UpstreamStatus
        )
    }
}

/// Every built-in variable, those that are empty included.
pub fn all() -> impl Iterator<Item = BuiltinRow> {
    let empty = EMPTY.iter().flat_map(|(module, kind, reason, names)| {
        names.iter().map(|name| BuiltinRow {
            variable: Builtin::Empty,
            name,
            module,
            kind: *kind,
            support: Support::Empty(reason),
            doc: "",
        })
    });
    DONE.iter().copied().chain(empty)
}

/// The row of a built-in variable; `name` in lower case.
pub fn find(name: &str) -> Option<BuiltinRow> {
    all().find(|row| row.name == name)
}

/// Whether its value is settled only with the answer.
pub fn is_late(builtin: Builtin) -> bool {
    // Can be set like the rest of Nchan's, but waits for the answer that holds it.
    builtin == Builtin::NchanMessageId
        || DONE.iter().any(|row| row.variable == builtin && row.kind == Kind::Late)
}

impl Builtin {
    /// Whether its value is a matter of who made the connection, or of which one it is.
    pub const fn is_of_connection(self) -> bool {
        use Builtin as B;
        matches!(
            self,
            B::Connection
                | B::RemoteAddr
                | B::RemotePort
                | B::BinaryRemoteAddr
                | B::RealipRemoteAddr
                | B::RealipRemotePort
                | B::ProxyProtocolAddr
                | B::ProxyProtocolPort
                | B::ProxyProtocolServerAddr
                | B::ProxyProtocolServerPort
                | B::ProxyAddXForwardedFor
        )
    }

    /// Whether its value is a matter of the connection and of the bytes of the request, length and body aside, and what
    /// each request has of its own (validators, ids of events, keys of WebSockets):
    /// another request with the same bytes finds the same. Those that nobody needs for channels or logs need not be here.
    pub const fn is_settled(self) -> bool {
        use Builtin as B;
        let is_of_request = matches!(
            self,
            B::Args
                | B::QueryString
                | B::IsArgs
                | B::Uri
                | B::DocumentUri
                | B::Request
                | B::RequestUri
                | B::RequestMethod
                | B::Host
                | B::Hostname
                | B::Scheme
                | B::Https
                | B::ServerProtocol
                | B::NginxVersion
                | B::Pid
                | B::ServerAddr
                | B::ServerName
                | B::ServerPort
                | B::ContentType
                | B::RemoteUser
                | B::RequestPort
                | B::IsRequestPort
                | B::LimitConnStatus
                | B::LimitReqStatus
                | B::AncientBrowser
                | B::ModernBrowser
                | B::Msie
                | B::InvalidReferer
                | B::NchanVersion
        );
        is_of_request || self.is_of_connection()
    }
}

/// Variables of which each name that begins so is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `$arg_NAME`.
    Arg,
    /// `$cookie_NAME`.
    Cookie,
    /// `$http_NAME`.
    Http,
    /// `$proxy_protocol_tlv_NAME`.
    ProxyProtocolTlv,
    /// `$sent_http_NAME`.
    SentHttp,
    /// `$sent_trailer_NAME`.
    SentTrailer,
    /// `$upstream_cookie_NAME`.
    UpstreamCookie,
    /// `$upstream_http_NAME`.
    UpstreamHttp,
    /// `$upstream_trailer_NAME`.
    UpstreamTrailer,
}

impl Family {
    /// Whether values are settled only with the answer.
    pub const fn is_late(self) -> bool {
        match self {
            Self::Arg | Self::Cookie | Self::Http | Self::ProxyProtocolTlv => false,
            Self::SentHttp | Self::SentTrailer => true,
            Self::UpstreamCookie | Self::UpstreamHttp | Self::UpstreamTrailer => true,
        }
    }
}

impl Family {
    /// As [`Builtin::is_settled`], for the member of this name.
    pub fn is_settled(self, name: &[u8]) -> bool {
        match self {
            Self::Arg | Self::Cookie | Self::ProxyProtocolTlv => true,
            Self::Http => !matches!(
                name,
                b"if_modified_since"
                    | b"if_none_match"
                    | b"last_event_id"
                    | b"sec_websocket_key"
                    | b"content_length"
            ),
            _ => false,
        }
    }
}

/// A row of the table of families.
#[derive(Clone, Copy, Debug)]
pub struct FamilyRow {
    /// Which.
    pub family: Family,
    /// The beginning of their names.
    pub prefix: &'static str,
    /// The nginx module it comes from.
    pub module: &'static str,
    /// What they hold, for the docs.
    pub doc: &'static str,
}

/// Every family.
pub const FAMILIES: &[FamilyRow] = &[
    family(Family::Arg, "arg_", "core", "the argument of that name, raw"),
    family(Family::Cookie, "cookie_", "core", "the cookie of that name"),
    family(Family::Http, "http_", "core", "the request header of that name, lower case with `_` for `-`"),
    family(Family::SentHttp, "sent_http_", "core", "the header of that name in the answer"),
    family(
        Family::ProxyProtocolTlv,
        "proxy_protocol_tlv_",
        "core",
        "a further field of the PROXY protocol's second version, by its name (`alpn`, `authority`, `unique_id`, \
         `netns`, `ssl`, `ssl_version`, `ssl_cn`, `ssl_cipher`, `ssl_sig_alg`, `ssl_key_alg`, `ssl_verify`) or its \
         number (`0x05`, `ssl_0x21`)",
    ),
    family(Family::SentTrailer, "sent_trailer_", "core", "the field of that name behind the answer's body"),
    family(
        Family::UpstreamCookie,
        "upstream_cookie_",
        "upstream",
        "the cookie of that name that the server behind set",
    ),
    family(
        Family::UpstreamHttp,
        "upstream_http_",
        "upstream",
        "the header of that name in the answer of the server behind",
    ),
    family(
        Family::UpstreamTrailer,
        "upstream_trailer_",
        "upstream",
        "the trailer of that name in the answer of the server behind",
    ),
];

const fn family(family: Family, prefix: &'static str, module: &'static str, doc: &'static str) -> FamilyRow {
    FamilyRow { family, prefix, module, doc }
}

/// Members of families that nginx has rows of their own for, and that nothing else may define.
const FIXED_MEMBERS: &[&str] = &[
    "http_cookie",
    "http_host",
    "http_referer",
    "http_user_agent",
    "http_via",
    "http_x_forwarded_for",
    "sent_http_cache_control",
    "sent_http_connection",
    "sent_http_content_length",
    "sent_http_content_type",
    "sent_http_keep_alive",
    "sent_http_last_modified",
    "sent_http_link",
    "sent_http_location",
    "sent_http_transfer_encoding",
];

/// Whether a variable of that name (lower case) can be defined by a configuration.
pub fn is_open(name: &str) -> bool {
    !FIXED_MEMBERS.contains(&name) && find(name).is_none_or(|row| row.kind == Kind::Open)
}
