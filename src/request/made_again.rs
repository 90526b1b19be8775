//! What log lines tell of a request that comes again, where that is not what they told of it the last time.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::config::builtin::{Builtin, Family};
use crate::config::variable::{Meaning, Variable};

use super::{Connection, RequestCtx, vars};

/// What another request may say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Its validators.
    Validators,
    /// Those, and length and body.
    Body,
    /// Those, and arguments that are all the same to the location but for the channel's id.
    Arguments,
}

/// A value that is found anew in each request.
#[derive(Clone, Debug)]
pub enum Anew {
    Number,
    Connection,
    RemoteAddr,
    RemotePort,
    BinaryRemoteAddr,
    Length,
    Id,
    Pipe,
    ContentLength,
    Since,
    Tag,
    EventId,
    SocketKey,
    Line,
    Target,
    Args,
    IsArgs,
    Arg(Box<[u8]>),
    /// The same in a variable that `set` copied it to, which is never without a value.
    Copied(Box<[u8]>),
}

/// One request.
#[derive(Debug)]
pub struct Made {
    /// When it came.
    pub started: Instant,
    /// By which connection.
    pub connection: Arc<Connection>,
    /// Which one of its connection it is.
    number: u64,
    /// Bytes of head and body.
    length: u64,
    /// It came together with the one before.
    pipelined: bool,
    /// Where more is asked for than that.
    words: Option<Box<Words>>,
}

#[derive(Debug)]
struct Words {
    head: Box<[u8]>,
    id: OnceLock<String>,
}

impl Anew {
    /// For a variable that has to be; `None` for one that is the same as long as nothing volatile is behind it.
    pub fn of(ctx: &RequestCtx, variable: &Variable, differs: Differs) -> Option<Self> {
        let meaning = match variable {
            Variable::Builtin(builtin) => return Self::of_builtin(ctx, *builtin, differs),
            Variable::Named(index) if !ctx.values.is_known(*index) => ctx.config.variables.meaning(*index),
            Variable::Named(index) if differs == Differs::Arguments => {
                return ctx.argument_held(*index).map(|(_, name)| Self::Copied(name.into()));
            }
            Variable::Named(_) | Variable::Capture(_) => return None,
        };
        match meaning {
            Meaning::Builtin(builtin) => Self::of_builtin(ctx, *builtin, differs),
            Meaning::Family(Family::Arg, name) if differs == Differs::Arguments => {
                Some(Self::Arg(name.clone()))
            }
            Meaning::Family(Family::Http, name) => match &**name {
                b"content_length" => Some(Self::ContentLength),
                b"if_modified_since" => Some(Self::Since),
                b"if_none_match" => Some(Self::Tag),
                b"last_event_id" => Some(Self::EventId),
                b"sec_websocket_key" => Some(Self::SocketKey),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_builtin(ctx: &RequestCtx, builtin: Builtin, differs: Differs) -> Option<Self> {
        use Builtin as B;
        match builtin {
            B::ConnectionRequests => Some(Self::Number),
            B::Connection => Some(Self::Connection),
            // Whom a proxy names is found on the whole way.
            B::RemoteAddr | B::RemotePort | B::BinaryRemoteAddr if ctx.remote_replaced => None,
            B::RemoteAddr => Some(Self::RemoteAddr),
            B::RemotePort => Some(Self::RemotePort),
            B::BinaryRemoteAddr => Some(Self::BinaryRemoteAddr),
            B::RequestLength => Some(Self::Length),
            B::RequestId => Some(Self::Id),
            B::Pipe => Some(Self::Pipe),
            B::ContentLength => Some(Self::ContentLength),
            _ if differs != Differs::Arguments => None,
            B::Request => Some(Self::Line),
            B::RequestUri => Some(Self::Target),
            B::Args | B::QueryString => Some(Self::Args),
            B::IsArgs => Some(Self::IsArgs),
            _ => None,
        }
    }

    /// Whether it is found in the head, or has to be kept.
    pub fn needs_words(&self) -> bool {
        use Anew as A;
        let is_of_connection =
            matches!(self, A::Number | A::Connection | A::RemoteAddr | A::RemotePort | A::BinaryRemoteAddr);
        !is_of_connection && !matches!(self, A::Length | A::Pipe)
    }

    /// The value in a request.
    pub fn value<'m>(&self, made: &'m Made) -> Option<Cow<'m, [u8]>> {
        let number = |number: u64| Some(Cow::Owned(number.to_string().into_bytes()));
        let (words, remote) = (made.words.as_deref(), &made.connection.remote);
        let head = words.map_or(&[][..], |words| &words.head);
        let found = match self {
            Self::Number => return number(made.number),
            Self::Connection => return number(made.connection.serial),
            Self::RemoteAddr => return Some(Cow::Owned(remote.address_text().into_bytes())),
            Self::RemotePort => return Some(Cow::Owned(vars::port_text(remote).into_bytes())),
            Self::BinaryRemoteAddr => return Some(Cow::Owned(vars::binary_address(remote))),
            Self::Length => return number(made.length),
            Self::Pipe => Some(if made.pipelined { &b"p"[..] } else { b"." }),
            Self::Id => words.map(|words| words.id.get_or_init(vars::random_id).as_bytes()),
            Self::ContentLength => header(head, b"content-length"),
            Self::Since => header(head, b"if-modified-since"),
            Self::Tag => header(head, b"if-none-match"),
            Self::EventId => header(head, b"last-event-id"),
            Self::SocketKey => header(head, b"sec-websocket-key"),
            Self::Line => Some(line(head)),
            Self::Target => Some(target(head)),
            Self::Args => Some(arguments(head)).filter(|arguments| !arguments.is_empty()),
            Self::IsArgs => Some(if arguments(head).is_empty() { &b""[..] } else { b"?" }),
            Self::Arg(name) => vars::argument(arguments(head), name),
            Self::Copied(name) => Some(vars::argument(arguments(head), name).unwrap_or_default()),
        };
        found.map(Cow::Borrowed)
    }
}

impl Made {
    /// The request that was made now, or began at `since`, as the `number`th of its connection.
    pub fn new(
        connection: &Arc<Connection>,
        number: u64,
        bytes: &[u8],
        since: Option<Instant>,
        keeps_words: bool,
    ) -> Self {
        let words = || Box::new(Words { head: head(bytes).into(), id: OnceLock::new() });
        Self {
            started: since.unwrap_or_else(Instant::now),
            connection: Arc::clone(connection),
            number,
            length: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            // What did goes the whole way.
            pipelined: false,
            words: keeps_words.then(words),
        }
    }

    /// The first one, which went the whole way. It has no body.
    pub fn first(ctx: &RequestCtx, keeps_words: bool) -> Self {
        let mut made = Self::new(&ctx.connection, ctx.number, &ctx.head, Some(ctx.started), keeps_words);
        made.pipelined = ctx.pipelined;
        if let (Some(words), Some(id)) = (&made.words, ctx.id.get()) {
            let _ = words.id.set(id.clone());
        }
        made
    }
}

/// With the empty line.
fn head(bytes: &[u8]) -> &[u8] {
    let mut length = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    &bytes[..length]
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

fn line(head: &[u8]) -> &[u8] {
    lines(head).next().unwrap_or_default()
}

/// The target in a head: what is between the first space of the request line and the last.
pub fn target(head: &[u8]) -> &[u8] {
    let line = line(head);
    let mut spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
    let (first, last) = (spaces.next(), spaces.next_back());
    first.zip(last).map_or(&[], |(first, last)| &line[first + 1..last])
}

/// Behind the question mark, up to a fragment.
fn arguments(head: &[u8]) -> &[u8] {
    let target = target(head).split(|byte| *byte == b'#').next().unwrap_or_default();
    target.iter().position(|byte| *byte == b'?').map_or(&[], |mark| &target[mark + 1..])
}

/// The first header of that name (lower case).
fn header<'h>(head: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    lines(head).skip(1).find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
    })
}
