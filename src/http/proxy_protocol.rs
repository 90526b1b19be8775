//! The PROXY protocol, versions 1 and 2: what a proxy says of the client before the client's first bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;

use crate::config::model::Severity;
use crate::log;
use crate::request::proxied::Proxied;

use super::origin::Origin;
use super::stream::Stream;

/// The longest header of version 1.
const MOST_V1: usize = 107;
/// Most bytes of a header of version 2, with all that it says besides the addresses.
const MOST_V2: usize = 4096;
/// What a header of version 2 begins with.
const SIGNATURE: &[u8] = ppp::v2::PROTOCOL_PREFIX;

/// What the first bytes of a connection come to.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    /// A header of that length. Without addresses, the proxy speaks for itself or for a client that has none.
    Header(usize, Option<Box<Proxied>>),
    /// More has to come.
    Partial,
    /// No header.
    Broken,
}

/// Whether a connection has to begin with a header.
pub fn is_awaited(origin: &Origin) -> bool {
    origin.awaits_first().is_some()
        && origin.site.hosts(origin.listen, &origin.connection.local).proxy_protocol
}

/// Reads the header, notes in `origin` what it says, and returns what was read behind it. `None` when the connection
/// has to be closed: no header, or not within `client_header_timeout`.
pub async fn read(stream: &mut Stream, origin: &mut Origin) -> Option<Bytes> {
    let timeout = origin.default_server().client_header_timeout;
    let (proxied, rest) = match tokio::time::timeout(timeout, receive(stream)).await {
        Ok(Ok(Ok(read))) => read,
        Ok(Ok(Err(bytes))) => {
            tell(origin, &bytes);
            return None;
        }
        Ok(Err(_)) | Err(_) => return None,
    };
    if proxied.is_some() {
        let connection = (*origin.connection).clone();
        origin.connection = Arc::new(crate::request::Connection { proxied, ..connection });
    }
    Some(rest)
}

/// The client, and where it connected to.
type Pair = (SocketAddr, SocketAddr);

type Received = Result<(Option<Box<Proxied>>, Bytes), BytesMut>;

async fn receive(stream: &mut Stream) -> io::Result<Received> {
    // Room for what comes behind a broken header: unread bytes would reset the connection.
    let mut bytes = BytesMut::with_capacity(MOST_V2);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse(&bytes) {
            Parsed::Header(length, proxied) => return Ok(Ok((proxied, bytes.split_off(length).freeze()))),
            Parsed::Broken => return Ok(Err(bytes)),
            Parsed::Partial => bytes.reserve(MOST_V2),
        }
    }
}

fn tell(origin: &Origin, bytes: &[u8]) {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(&line[..line.len().min(MOST_V1)]);
    let connection = &origin.connection;
    let (client, local) = (connection.remote.address_text(), connection.local.text());
    let message = format!("*{} broken header: \"{line}\" while reading PROXY protocol", connection.serial);
    let context = format!(", client: {client}, server: {local}");
    let logs = &origin.default_server().conf.log.error;
    log::write_error(logs, Severity::Error, message.as_bytes(), context.as_bytes());
}

fn parse(bytes: &[u8]) -> Parsed {
    let begins = |prefix: &[u8]| prefix.starts_with(&bytes[..bytes.len().min(prefix.len())]);
    if begins(SIGNATURE) {
        parse_v2(bytes)
    } else if begins(b"PROXY ") {
        parse_v1(bytes)
    } else {
        Parsed::Broken
    }
}

fn parse_v1(bytes: &[u8]) -> Parsed {
    let start = &bytes[..bytes.len().min(MOST_V1)];
    let Some(end) = start.windows(2).position(|pair| pair == b"\r\n") else {
        return if start.len() < MOST_V1 { Parsed::Partial } else { Parsed::Broken };
    };
    let length = end + 2;
    // Whatever follows this word has no meaning.
    if bytes.starts_with(b"PROXY UNKNOWN") {
        return Parsed::Header(length, None);
    }
    let Ok(header) = ppp::v1::Header::try_from(&bytes[..length]) else { return Parsed::Broken };
    let proxied: Option<Pair> = match header.addresses {
        ppp::v1::Addresses::Unknown => None,
        ppp::v1::Addresses::Tcp4(of) => Some((
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        ppp::v1::Addresses::Tcp6(of) => Some((
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
    };
    Parsed::Header(length, proxied.map(|pair| boxed(pair, &[])))
}

fn parse_v2(bytes: &[u8]) -> Parsed {
    let Some([version, kind, high, low]) = bytes.get(SIGNATURE.len()..SIGNATURE.len() + 4) else {
        return Parsed::Partial;
    };
    let length = SIGNATURE.len() + 4 + usize::from(u16::from_be_bytes([*high, *low]));
    if version >> 4 != 2 || length > MOST_V2 {
        return Parsed::Broken;
    }
    let Some(header) = bytes.get(..length) else { return Parsed::Partial };
    // The proxy speaks for itself, or what it passes on is not TCP.
    if version & 15 != 1 || kind & 15 != 1 || !matches!(kind >> 4, 1 | 2) {
        return Parsed::Header(length, None);
    }
    let Ok(header) = ppp::v2::Header::try_from(header) else { return Parsed::Broken };
    let pair: Option<Pair> = match header.addresses {
        ppp::v2::Addresses::IPv4(of) => Some((
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        ppp::v2::Addresses::IPv6(of) => Some((
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        _ => None,
    };
    Parsed::Header(length, pair.map(|pair| boxed(pair, header.tlv_bytes())))
}

fn boxed((source, destination): Pair, fields: &[u8]) -> Box<Proxied> {
    Box::new(Proxied { source, destination, fields: fields.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxied(source: &str, destination: &str) -> Option<Box<Proxied>> {
        Some(boxed((source.parse().unwrap(), destination.parse().unwrap()), &[]))
    }

    fn v2(command: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[0x20 | command, kind], &length, rest].concat()
    }

    #[test]
    fn headers_of_both_versions() {
        let four = [&[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 1, 0][..], &[4, 0, 1, 9]].concat();
        let with_field =
            Proxied { fields: [4, 0, 1, 9].into(), ..*proxied("1.2.3.4:80", "5.6.7.8:256").unwrap() };
        let cases: [(Vec<u8>, Option<Box<Proxied>>); 7] = [
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 80 256\r\n".to_vec(), proxied("1.2.3.4:80", "5.6.7.8:256")),
            (b"PROXY TCP6 ::1 ::2 1 2\r\n".to_vec(), proxied("[::1]:1", "[::2]:2")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN what ever\r\n".to_vec(), None),
            (v2(1, 0x11, &four), Some(Box::new(with_field))),
            (v2(0, 0x11, &four), None),
            (v2(1, 0x31, &[0; 216]), None),
        ];
        for (bytes, expected) in cases {
            let with_rest = [&bytes[..], b"GET /\xff"].concat();
            assert_eq!(parse(&with_rest), Parsed::Header(bytes.len(), expected));
            for cut in 1..bytes.len() {
                assert_eq!(parse(&bytes[..cut]), Parsed::Partial, "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_broken_at_once() {
        let long = format!("PROXY TCP4 {}", "1".repeat(120));
        let cases: [&[u8]; 7] = [
            b"GET / HTTP/1.1\r\n",
            b"PROXY TCP4 1.2.3.4\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80 70000\r\n",
            b"PROXY TCP5 1.2.3.4 5.6.7.8 80 80\r\n",
            b"PROXYTCP4",
            long.as_bytes(),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        ];
        for bytes in cases {
            assert_eq!(parse(bytes), Parsed::Broken, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(parse(&v2(1, 0x11, &[0; 5000])), Parsed::Broken);
    }
}
