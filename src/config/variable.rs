//! Names of variables: the built-in ones (one row each), families such as `$arg_*`, and those a configuration makes.

use std::collections::HashMap;

macro_rules! builtins {
    ($($variant:ident $name:literal $late:literal $doc:literal;)*) => {
        /// A variable every request has; its value is computed by `request::vars`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Builtin { $(#[doc = $doc] $variant,)* }

        /// One row per built-in variable.
        pub const BUILTINS: &[BuiltinRow] = &[
            $(BuiltinRow { variable: Builtin::$variant, name: $name, late: $late, doc: $doc },)*
        ];
    };
}

/// What is known of a built-in variable before any request.
#[derive(Clone, Copy, Debug)]
pub struct BuiltinRow {
    /// The variable itself.
    pub variable: Builtin,
    /// Its name without the `$`.
    pub name: &'static str,
    /// Whether its value is settled only once the answer is known (for log lines of parked subscribers).
    pub late: bool,
    /// What it holds, for the docs.
    pub doc: &'static str,
}

builtins! {
    Args "args" false "arguments of the request line, raw";
    BinaryRemoteAddr "binary_remote_addr" false "the client's address, 4 or 16 bytes";
    BodyBytesSent "body_bytes_sent" true "bytes of the answer without its header";
    BytesSent "bytes_sent" true "bytes of the whole answer";
    Connection "connection" false "serial number of the connection";
    ConnectionRequests "connection_requests" false "requests made on the connection so far";
    ConnectionTime "connection_time" true "age of the connection, seconds with milliseconds";
    ContentLength "content_length" false "the request's Content-Length";
    ContentType "content_type" false "the request's Content-Type";
    DocumentRoot "document_root" false "root or alias in force";
    DocumentUri "document_uri" false "same as $uri";
    Host "host" false "host of the request line, else of the Host header, else the server's name";
    Hostname "hostname" false "name of this machine";
    Https "https" false "on over TLS, else empty";
    IsArgs "is_args" false "a question mark if there are arguments";
    LimitRate "limit_rate" false "always 0 unless set";
    Msec "msec" true "current time in seconds with milliseconds";
    NginxVersion "nginx_version" false "version of nginx whose behaviour is followed";
    Pid "pid" false "number of the process";
    Pipe "pipe" false "p if the request was pipelined, else .";
    ProxyAddXForwardedFor "proxy_add_x_forwarded_for" false "the request's X-Forwarded-For with the client's address behind it";
    ProxyHost "proxy_host" false "host and port that proxy_pass names";
    ProxyPort "proxy_port" false "port that proxy_pass names";
    ProxyProtocolAddr "proxy_protocol_addr" false "empty: the PROXY protocol is not spoken";
    QueryString "query_string" false "same as $args";
    RealpathRoot "realpath_root" false "root in force, links resolved";
    RemoteAddr "remote_addr" false "the client's address";
    RemotePort "remote_port" false "the client's port";
    RemoteUser "remote_user" false "user name of Basic authentication";
    Request "request" false "the request line as it came";
    RequestBody "request_body" false "the request's body, where it was read";
    RequestBodyFile "request_body_file" false "empty: bodies are not kept in files";
    RequestCompletion "request_completion" true "OK if the request was answered, else empty";
    RequestFilename "request_filename" false "path of the file for the request";
    RequestId "request_id" false "16 random bytes, hexadecimal";
    RequestLength "request_length" false "bytes of the request";
    RequestMethod "request_method" false "method of the request";
    RequestTime "request_time" true "seconds with milliseconds since the first bytes of the request";
    RequestUri "request_uri" false "the request's URI as it came";
    Scheme "scheme" false "http";
    ServerAddr "server_addr" false "address the connection came to";
    ServerName "server_name" false "first name of the server in force";
    ServerPort "server_port" false "port the connection came to";
    ServerProtocol "server_protocol" false "HTTP/1.0 or HTTP/1.1";
    Status "status" true "status of the answer";
    TimeIso8601 "time_iso8601" true "current local time, ISO 8601";
    TimeLocal "time_local" true "current local time in the log format";
    Uri "uri" false "path of the request, decoded and normalized, as rewritten";
}

/// A reference to a variable, resolved when the configuration is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// One of [`BUILTINS`].
    Builtin(Builtin),
    /// `$arg_NAME`; the name in lower case.
    Arg(Box<[u8]>),
    /// `$cookie_NAME`.
    Cookie(Box<[u8]>),
    /// `$http_NAME`: the header name in lower case with `_` for `-`.
    Http(Box<[u8]>),
    /// `$sent_http_NAME`, spelled likewise.
    SentHttp(Box<[u8]>),
    /// `$upstream_*`: what is known of the servers behind.
    Upstream(UpstreamField),
    /// `$1` to `$9`: a group of the last regular expression that matched.
    Capture(u8),
    /// Made by `set` or by a named group: index into the request's user variables.
    User(usize),
}

impl Variable {
    /// Whether its value is settled only once the answer is known.
    pub fn is_late(&self) -> bool {
        match self {
            Self::Builtin(builtin) => BUILTINS.iter().any(|row| row.variable == *builtin && row.late),
            Self::SentHttp(_) | Self::Upstream(_) => true,
            _ => false,
        }
    }
}

/// What a `$upstream_*` variable tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UpstreamField {
    Addr,
    BytesReceived,
    BytesSent,
    CacheStatus,
    ConnectTime,
    HeaderTime,
    ResponseLength,
    ResponseTime,
    Status,
    /// `$upstream_http_NAME`: lower case, `_` for `-`.
    Http(Box<[u8]>),
    /// `$upstream_cookie_NAME`.
    Cookie(Box<[u8]>),
    /// `$upstream_trailer_NAME`, spelled like `Http`.
    Trailer(Box<[u8]>),
}

impl UpstreamField {
    /// The field of a variable's name, given in lower case and as written.
    fn of(lower: &str, name: &str) -> Option<Self> {
        let rest = lower.strip_prefix("upstream_")?;
        let bytes = |rest: &str| rest.as_bytes().into();
        Some(match rest {
            "addr" => Self::Addr,
            "bytes_received" => Self::BytesReceived,
            "bytes_sent" => Self::BytesSent,
            "cache_status" => Self::CacheStatus,
            "connect_time" => Self::ConnectTime,
            "header_time" => Self::HeaderTime,
            "response_length" => Self::ResponseLength,
            "response_time" => Self::ResponseTime,
            "status" => Self::Status,
            _ => match rest.split_once('_')? {
                ("http", header) => Self::Http(bytes(header)),
                ("trailer", header) => Self::Trailer(bytes(header)),
                ("cookie", _) => Self::Cookie(bytes(name.get("upstream_cookie_".len()..)?)),
                _ => return None,
            },
        })
    }
}

/// All variables of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    names: Vec<String>,
    defined: Vec<bool>,
    index: HashMap<String, usize>,
}

impl Variables {
    /// Names of the user variables, by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The user variable of that name, made if it is new. Names of variables ignore case, as in nginx.
    pub fn define(&mut self, name: &str) -> usize {
        let user = self.reference(name);
        self.defined[user] = true;
        user
    }

    /// Resolves a name without its `$` (captures have none: `${1}` is a variable named `1`). A name that nothing defines yet becomes a user variable that must be
    /// defined by the end of the configuration; see [`Variables::undefined`].
    pub fn resolve(&mut self, name: &str) -> Variable {
        let lower = name.to_ascii_lowercase();
        if let Some(row) = builtin(&lower) {
            return Variable::Builtin(row.variable);
        }
        let family = |prefix: &str| lower.strip_prefix(prefix).map(|rest| rest.as_bytes().into());
        if self.index.contains_key(&lower) {
            return Variable::User(self.reference(&lower));
        }
        if let Some(field) = UpstreamField::of(&lower, name) {
            Variable::Upstream(field)
        } else if let Some(rest) = family("arg_") {
            Variable::Arg(rest)
        } else if let Some(rest) = family("http_") {
            Variable::Http(rest)
        } else if let Some(rest) = family("sent_http_") {
            Variable::SentHttp(rest)
        } else if let Some(rest) = name.get(7..).filter(|_| lower.starts_with("cookie_")) {
            Variable::Cookie(rest.as_bytes().into())
        } else {
            Variable::User(self.reference(&lower))
        }
    }

    /// Names that were used and never defined, in order of use: nginx's `unknown "x" variable`.
    pub fn undefined(&self) -> impl Iterator<Item = &str> {
        self.names.iter().zip(&self.defined).filter(|(_, defined)| !**defined).map(|(name, _)| name.as_str())
    }

    fn reference(&mut self, name: &str) -> usize {
        let name = name.to_ascii_lowercase();
        *self.index.entry(name.clone()).or_insert_with(|| {
            self.names.push(name);
            self.defined.push(false);
            self.names.len() - 1
        })
    }
}

/// The row of a built-in variable; `name` in lower case.
pub fn builtin(name: &str) -> Option<&'static BuiltinRow> {
    BUILTINS.iter().find(|row| row.name == name)
}
