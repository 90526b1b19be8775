//! The request as it is passed on: its head, written as nginx writes it, and its body.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue as Value, Method, Request};
use http_body_util::channel::Channel;

use crate::config::model::{HeaderValue, ProxyConf};
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body::{self, Begun, Rest};
use crate::request::body_file::BodyFile;

use super::super::screen;
use super::target::Target;

/// How much of a body is waited for before it is passed on, bytes. A longer one goes on while it comes.
const MOST_BUFFERED: usize = 1 << 20;

/// A request that is ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    /// Its head.
    pub head: Bytes,
    method: Method,
    uri: String,
    body: OutgoingBody,
    /// How far a body is that is passed on while it comes.
    progress: Arc<Progress>,
    /// The length of the whole request, where it is known.
    length: Option<u64>,
}

/// How far a body is that is passed on while it comes.
#[derive(Debug, Default)]
pub struct Progress {
    /// The client is waited for.
    waits: AtomicBool,
    /// All of it was handed on.
    done: AtomicBool,
    /// The answer to a body that turned out not to be acceptable.
    refused: Mutex<Option<Answer>>,
}

/// Whom a request waits for while it is sent and answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The client has to send more.
    Client,
    /// The server behind has to take more.
    Sending,
    /// The server behind has to answer.
    Reading,
}

/// A body that is passed on.
#[derive(Debug)]
enum OutgoingBody {
    /// There is none.
    None,
    /// In memory: it can be sent again.
    Whole(Bytes),
    /// In a file: it can be sent again.
    Stored(Arc<BodyFile>),
    /// Its beginning; the rest is still on its way.
    Coming(Bytes, Rest, Option<u64>),
    /// Was on its way, and is with the first server.
    Consumed,
}

/// Makes the request.
///
/// # Errors
/// The answer for a client whose body is not acceptable.
pub async fn make(ctx: &RequestCtx, conf: &ProxyConf, target: &Target) -> Result<Outgoing, Answer> {
    let announced = ctx.header("content-length").and_then(|value| std::str::from_utf8(value).ok());
    let announced = announced.and_then(|text| text.trim().parse::<u64>().ok());
    let is_chunked = ctx.headers.contains_key("transfer-encoding") && ctx.depth == 0;
    // HTTP/1.0 knows no chunks: the length has to be known before.
    let enough = match (conf.request_buffering, conf.http11) {
        (true, _) if !is_chunked || conf.http11 => MOST_BUFFERED,
        (false, _) if !is_chunked || conf.http11 => 0,
        _ => usize::MAX,
    };
    if conf.set_body.is_some() || !conf.pass_request_body {
        body::read_aside(ctx).await?;
    }
    let set_body = conf.set_body.as_ref().map(|template| ctx.render(template));
    let (body, length) = match set_body {
        Some(bytes) => {
            let length = length_of(&bytes);
            (OutgoingBody::Whole(bytes.into()), Some(length))
        }
        None if !conf.pass_request_body => (OutgoingBody::None, announced),
        None => match body::begin(ctx, enough).await? {
            Begun::Whole(bytes) if bytes.is_empty() => {
                (OutgoingBody::None, announced.or(is_chunked.then_some(0)))
            }
            Begun::Whole(bytes) => {
                let length = length_of(&bytes);
                (OutgoingBody::Whole(bytes), Some(length))
            }
            Begun::Stored(file) => {
                let length = file.length();
                (OutgoingBody::Stored(file), Some(length))
            }
            Begun::Partly(first, rest) => (OutgoingBody::Coming(first, rest, announced), announced),
        },
    };
    let chunked = matches!(body, OutgoingBody::Coming(.., None));
    let method = conf.method.as_ref().map(|template| ctx.render(template));
    let method = match method {
        Some(method) => Method::from_bytes(&method).map_err(|_| Answer::error(500))?,
        None => ctx.method.clone(),
    };
    let head = head(ctx, conf, &method, &target.uri, length, chunked);
    let uri = String::from_utf8_lossy(&target.uri).into_owned();
    let length = match &body {
        OutgoingBody::None => Some(0),
        OutgoingBody::Whole(bytes) => Some(length_of(bytes)),
        OutgoingBody::Stored(file) => Some(file.length()),
        OutgoingBody::Coming(..) | OutgoingBody::Consumed => None,
    };
    let length = length.map(|length| length + length_of(&head));
    Ok(Outgoing { head, method, uri, body, progress: Arc::default(), length })
}

fn head(
    ctx: &RequestCtx,
    conf: &ProxyConf,
    method: &Method,
    uri: &[u8],
    length: Option<u64>,
    chunked: bool,
) -> Bytes {
    let version: &[u8] = if conf.http11 { b" HTTP/1.1\r\n" } else { b" HTTP/1.0\r\n" };
    let mut head = [method.as_str().as_bytes(), b" ", uri, version].concat();
    for header in conf.set_headers.iter() {
        let value = match &header.value {
            HeaderValue::Text(template) => ctx.render(template),
            HeaderValue::BodyLength => {
                length.filter(|_| !chunked).map_or_else(String::new, |length| length.to_string()).into_bytes()
            }
            HeaderValue::BodyChunked => if chunked { "chunked" } else { "" }.as_bytes().to_vec(),
        };
        if !value.is_empty() {
            line(&mut head, header.name.as_bytes(), &value);
        }
    }
    if conf.pass_request_headers {
        let is_set = |name: &[u8]| {
            conf.set_headers.iter().any(|header| header.name.as_bytes().eq_ignore_ascii_case(name))
        };
        for (name, value) in screen::headers_of(&ctx.head) {
            // Those that were dropped for their odd names are not passed on either.
            let kept = http::HeaderName::from_bytes(name).is_ok_and(|name| ctx.headers.contains_key(name));
            if kept && !is_set(name) {
                line(&mut head, name, value);
            }
        }
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

fn line(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    head.extend_from_slice(name);
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

impl Outgoing {
    /// The URL at a server, for log lines.
    pub fn url(&self, server: &str) -> String {
        let colon = if server.starts_with("unix:") { ":" } else { "" };
        format!("http://{server}{colon}{}", self.uri)
    }

    /// Tells whom the request waits for, by the bytes that were sent of it.
    pub fn waiting(&self) -> impl Fn(u64) -> Waiting + use<> {
        let (length, progress) = (self.length, Arc::clone(&self.progress));
        move |sent| match length {
            Some(length) if sent < length => Waiting::Sending,
            Some(_) => Waiting::Reading,
            None if progress.waits.load(Ordering::Relaxed) => Waiting::Client,
            None if progress.done.load(Ordering::Relaxed) => Waiting::Reading,
            None => Waiting::Sending,
        }
    }

    /// Whether the body went to a server and cannot be sent to another one.
    pub fn is_consumed(&self) -> bool {
        matches!(self.body, OutgoingBody::Consumed)
    }

    /// The answer for a client whose body turned out not to be acceptable.
    pub fn refused(&self) -> Option<Answer> {
        self.progress.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The request as hyper needs it for its own bookkeeping, with the body.
    pub fn hyper_request(&mut self, ctx: &Arc<RequestCtx>) -> Request<Body> {
        let (body, length) = match std::mem::replace(&mut self.body, OutgoingBody::Consumed) {
            OutgoingBody::None => {
                self.body = OutgoingBody::None;
                (super::empty(), None)
            }
            OutgoingBody::Whole(bytes) => {
                self.body = OutgoingBody::Whole(bytes.clone());
                let length = length_of(&bytes);
                (Body::from(bytes), Some(Some(length)))
            }
            OutgoingBody::Stored(file) => {
                self.body = OutgoingBody::Stored(Arc::clone(&file));
                (file.body(), Some(Some(file.length())))
            }
            OutgoingBody::Coming(first, rest, length) => (self.stream(ctx, first, rest), Some(length)),
            OutgoingBody::Consumed => (super::empty(), None),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        match length {
            None => {}
            Some(Some(length)) => {
                request.headers_mut().insert("content-length", Value::from(length));
            }
            Some(None) => {
                request.headers_mut().insert("transfer-encoding", Value::from_static("chunked"));
            }
        }
        request
    }

    /// A body that follows the client's.
    fn stream(&self, ctx: &Arc<RequestCtx>, first: Bytes, rest: Rest) -> Body {
        let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
        let (ctx, progress) = (Arc::clone(ctx), Arc::clone(&self.progress));
        tokio::spawn(async move {
            if !first.is_empty() && sender.send_data(first).await.is_err() {
                return;
            }
            let pumped = pump(&ctx, rest, &mut sender, &progress).await;
            progress.done.store(true, Ordering::Relaxed);
            if let Err(answer) = pumped {
                *progress.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                sender.abort(std::io::Error::other("the client's body is not acceptable"));
            }
        });
        Body::new(body)
    }
}

async fn pump(
    ctx: &RequestCtx,
    mut rest: Rest,
    sender: &mut http_body_util::channel::Sender<Bytes, std::io::Error>,
    progress: &Progress,
) -> Result<(), Answer> {
    loop {
        progress.waits.store(true, Ordering::Relaxed);
        let data = rest.next(ctx).await;
        progress.waits.store(false, Ordering::Relaxed);
        let Some(data) = data? else { return Ok(()) };
        if sender.send_data(data).await.is_err() {
            // The server behind has had enough.
            return Ok(());
        }
    }
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
