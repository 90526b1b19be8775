//! The opening handshake: what is asked for, what is agreed on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use sha1::{Digest as _, Sha1};

use crate::config::model::DeflateConf;
use crate::request::RequestCtx;
use crate::request::answer::Answer;

use super::deflate::Deflate;

/// Nchan's subprotocol: messages with their ids.
pub const META: &str = "ws+meta.nchan";

/// What RFC 6455 appends to a key before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const ACCEPT: &str = "Sec-WebSocket-Accept";

/// A handshake that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// `Sec-WebSocket-Accept`.
    accept: String,
    /// The client speaks [`META`].
    pub meta: bool,
    /// Compression, if agreed on.
    pub deflate: Option<Deflate>,
    /// `Sec-WebSocket-Extensions`.
    extensions: Option<String>,
}

/// Whether a request wants to become a WebSocket: `Upgrade: websocket`, and `Connection` with `upgrade` in it.
pub fn is_asked_for(ctx: &RequestCtx) -> bool {
    let upgrade = ctx.header(header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let connection = upgrade.then(|| ctx.headers.get_all(header::CONNECTION));
    let mut words =
        connection.into_iter().flatten().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// Judges a handshake.
///
/// # Errors
/// Nchan's answers to broken ones: 400 with a text.
pub fn accept(ctx: &RequestCtx, conf: DeflateConf) -> Result<Handshake, Answer> {
    let refuse = |text: &'static str| Err(Answer::text(400, *b"text/plain", text));
    match ctx.header("sec-websocket-version") {
        None => return refuse("No Sec-Websocket-Version header present"),
        Some(b"13") => {}
        Some(_) => {
            return refuse("Unsupported websocket protocol version (only version 13 is supported)");
        }
    }
    let Some(key) = ctx.header("sec-websocket-key").filter(|key| !key.is_empty()) else {
        return refuse("No Sec-Websocket-Key header present");
    };
    let accept = accept_value(key);
    let offers = ctx.headers.get_all("sec-websocket-extensions").into_iter();
    let offers = offers.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut agreed = offers.filter_map(|offer| agree(&String::from_utf8_lossy(offer), conf));
    let (deflate, extensions) = agreed.next().unzip();
    Ok(Handshake { accept, meta: speaks_meta(ctx), deflate, extensions })
}

/// Puts another client's key into the headers of a handshake.
pub fn accept_another(answer: &mut Answer, key: &[u8]) {
    let mut headers = answer.headers.iter_mut();
    if let Some((_, value)) = headers.find(|(name, _)| *name == ACCEPT) {
        *value = accept_value(key).into_bytes();
    }
}

fn accept_value(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

/// Only when it is the client's first choice, as in Nchan.
fn speaks_meta(ctx: &RequestCtx) -> bool {
    let offered = ctx.header("sec-websocket-protocol").unwrap_or_default();
    offered.split(|byte| *byte == b',').next().is_some_and(|first| first.trim_ascii() == META.as_bytes())
}

impl Handshake {
    /// Headers of the 101 behind `Connection` and those for other origins.
    pub fn headers(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut headers: Vec<(&'static str, Vec<u8>)> = Vec::new();
        if self.meta {
            headers.push(("Sec-WebSocket-Protocol", META.into()));
        }
        if let Some(extensions) = &self.extensions {
            headers.push(("Sec-WebSocket-Extensions", extensions.as_bytes().to_vec()));
        }
        headers.push((ACCEPT, self.accept.as_bytes().to_vec()));
        headers.push(("Upgrade", b"websocket".to_vec()));
        headers
    }
}

/// What an offer comes to: parameters agreed on and the answer to them; `None` for one that is declined.
fn agree(offer: &str, conf: DeflateConf) -> Option<(Deflate, String)> {
    let mut parameters = offer.split(';').map(str::trim);
    if parameters.next() != Some("permessage-deflate") {
        return None;
    }
    let mut answer = String::from("permessage-deflate");
    let mut deflate = Deflate { client_no_context_takeover: false };
    for parameter in parameters {
        let (name, value) = parameter
            .split_once('=')
            .map_or((parameter, None), |(name, value)| (name.trim(), Some(value.trim().trim_matches('"'))));
        let bits = value.and_then(|value| value.parse::<u8>().ok()).filter(|bits| (8..=15).contains(bits));
        match (name, value, bits) {
            ("server_no_context_takeover", None, _) => answer.push_str("; server_no_context_takeover"),
            ("client_no_context_takeover", None, _) => {
                deflate.client_no_context_takeover = true;
                answer.push_str("; client_no_context_takeover");
            }
            // A smaller window would need each message compressed twice.
            ("server_max_window_bits", _, Some(bits)) if bits < conf.window => return None,
            ("server_max_window_bits", _, Some(_)) => {
                answer.push_str(&format!("; server_max_window_bits={}", conf.window));
            }
            // Whatever the client's window is, ours for reading is the largest there is.
            ("client_max_window_bits", None, _) => {}
            ("client_max_window_bits", _, Some(bits)) => {
                answer.push_str(&format!("; client_max_window_bits={bits}"));
            }
            _ => return None,
        }
    }
    Some((deflate, answer))
}
