//! RFC 6455 and RFC 7692 as a table: what a client sends, and what it has to get.
//!
//! The location publishes what a client sends to the channel that it subscribes to, so each message comes back: in its
//! order, but perhaps behind a pong that was asked for later, and not if the socket is closed first. Every case is
//! played twice: sent at once, and (if it is short) byte by byte.

use std::thread;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::agreement::script::frame;
use crate::harness::{Conf, Connection, PATIENCE, Server};

/// `client_max_body_size` of the location.
const LIMIT: usize = 200_000;
/// Cases that are longer than this are not sent byte by byte.
const SHORT: usize = 300;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const RSV1: u8 = 0x40;

/// What is sent behind everything, to see whether the socket still works.
const LAST: &[u8] = b"are you still there";

struct Case {
    name: String,
    offer: &'static str,
    sent: Vec<u8>,
    expected: Vec<Frame>,
}

/// A frame of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Frame {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    /// Decompressed.
    Compressed(Vec<u8>),
    Pong(Vec<u8>),
    /// With that code and any reason; 0: without.
    Close(u16),
}
use Frame::{Binary, Close, Compressed, Pong, Text};

#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn case(&mut self, name: impl Into<String>, frames: &[(u8, &[u8])], expected: Vec<Frame>) {
        self.raw(name, frames.iter().flat_map(|(first, payload)| frame(*first, payload)).collect(), expected);
    }

    fn raw(&mut self, name: impl Into<String>, sent: Vec<u8>, expected: Vec<Frame>) {
        self.0.push(Case { name: name.into(), offer: "", sent, expected });
    }

    /// With `permessage-deflate`.
    fn deflate(&mut self, name: &str, offer: &'static str, frames: &[(u8, &[u8])], expected: Vec<Frame>) {
        self.case(name, frames, expected);
        self.0.last_mut().expect("it was just added").offer = offer;
    }
}

fn text(text: &str) -> Frame {
    Text(text.into())
}

// === the table ===

fn lengths(table: &mut Table) {
    for length in [0, 1, 2, 124, 125, 126, 127, 128, 1000, 65_535, 65_536, 65_537, LIMIT] {
        let body = vec![b'*'; length];
        table.case(format!("text of {length} bytes"), &[(TEXT, &body)], vec![Text(body.clone())]);
        let body = vec![0xfe; length];
        table.case(format!("binary of {length} bytes"), &[(BINARY, &body)], vec![Binary(body.clone())]);
    }
    let body = vec![b'*'; LIMIT + 1];
    table.case("text above the limit", &[(TEXT, &body)], vec![Close(1009)]);
    table.case("binary above the limit", &[(BINARY, &body)], vec![Close(1009)]);
    let (half, rest) = body.split_at(LIMIT / 2);
    table.case("fragments above the limit", &[(0x01, half), (0x80, rest)], vec![Close(1009)]);
    let announced = [&[TEXT, 0xff][..], &(1u64 << 40).to_be_bytes(), &[0; 4]].concat();
    table.raw("a terabyte is announced", announced, vec![Close(1009)]);
    let negative = [&[TEXT, 0xff][..], &(1u64 << 63).to_be_bytes(), &[0; 4]].concat();
    table.raw("length with the highest bit", negative, vec![Close(1002)]);
    let ping = [&[PING, 0xff][..], &5u64.to_be_bytes(), &[0; 4], b"hello"].concat();
    table.raw("ping with a length of eight bytes", ping, vec![Close(1002)]);
    let ping = [&[PING, 0xfe][..], &5u16.to_be_bytes(), &[0; 4], b"hello"].concat();
    table.raw("ping with a length of two bytes", ping, vec![Close(1002)]);
}

fn reserved(table: &mut Table) {
    for bit in [0x40, 0x20, 0x10, 0x70] {
        for (name, first) in
            [("text", TEXT), ("binary", BINARY), ("ping", PING), ("pong", PONG), ("close", CLOSE)]
        {
            table.case(
                format!("reserved bits {bit:02x} on {name}"),
                &[(first | bit, b"a")],
                vec![Close(1002)],
            );
        }
        let frames: [(u8, &[u8]); 2] = [(0x01, b"a"), (0x80 | bit, b"b")];
        table.case(format!("reserved bits {bit:02x} on a continuation"), &frames, vec![Close(1002)]);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        table.case(format!("opcode {opcode}"), &[(0x80 | opcode, b"a")], vec![Close(1002)]);
        let frames: [(u8, &[u8]); 2] = [(TEXT, b"one"), (0x80 | opcode, b"")];
        table.case(format!("opcode {opcode} behind a message"), &frames, vec![text("one"), Close(1002)]);
    }
    table.raw("unmasked text", vec![TEXT, 1, b'a'], vec![Close(1002)]);
    table.raw("unmasked ping", vec![PING, 0], vec![Close(1002)]);
    table.raw("unmasked close", vec![CLOSE, 0], vec![Close(1002)]);
    table.raw("a mask of zeros", vec![TEXT, 0x81, 0, 0, 0, 0, b'a'], vec![text("a")]);
}

fn control(table: &mut Table) {
    for length in [0, 1, 2, 124, 125] {
        let payload = vec![0xfe; length];
        table.case(format!("ping of {length} bytes"), &[(PING, &payload)], vec![Pong(payload.clone())]);
    }
    table.case("ping of 126 bytes", &[(PING, &[b'a'; 126])], vec![Close(1002)]);
    table.case("pong of 126 bytes", &[(PONG, &[b'a'; 126])], vec![Close(1002)]);
    table.case("close of 126 bytes", &[(CLOSE, &[3, 0xe8].repeat(63))], vec![Close(1002)]);
    for (name, first) in [("ping", 0x09), ("pong", 0x0a), ("close", 0x08)] {
        table.case(format!("fragmented {name}"), &[(first, b"")], vec![Close(1002)]);
    }
    table.case("pong that nobody asked for", &[(PONG, b"hey"), (TEXT, b"a")], vec![text("a")]);
    let pings: Vec<Vec<u8>> = (0..10).map(|number| format!("ping {number}").into_bytes()).collect();
    let frames: Vec<(u8, &[u8])> = pings.iter().map(|ping| (PING, &ping[..])).collect();
    table.case("ten pings", &frames, pings.iter().cloned().map(Pong).collect());
    table.case(
        "ping between messages",
        &[(TEXT, b"a"), (PING, b"p"), (TEXT, b"b")],
        vec![text("a"), Pong(b"p".into()), text("b")],
    );
}

fn fragments(table: &mut Table) {
    let hello = || vec![text("hello")];
    table.case("two fragments", &[(0x01, b"hel"), (0x80, b"lo")], hello());
    table.case("three fragments", &[(0x01, b"h"), (0x00, b"ell"), (0x80, b"o")], hello());
    table.case(
        "a fragment for each byte",
        &[(0x01, b"h"), (0, b"e"), (0, b"l"), (0, b"l"), (0x80, b"o")],
        hello(),
    );
    table.case("empty fragments", &[(0x01, b""), (0, b"hello"), (0, b""), (0x80, b"")], hello());
    table.case("nothing but empty fragments", &[(0x01, b""), (0, b""), (0x80, b"")], vec![text("")]);
    table.case("binary fragments", &[(0x02, &[0xff]), (0x80, &[0])], vec![Binary(vec![0xff, 0])]);
    let pong = || Pong(b"p".into());
    table.case(
        "ping between fragments",
        &[(0x01, b"hel"), (PING, b"p"), (0x80, b"lo")],
        vec![pong(), text("hello")],
    );
    table.case("pong between fragments", &[(0x01, b"hel"), (PONG, b"p"), (0x80, b"lo")], hello());
    let frames: [(u8, &[u8]); 5] = [(0x01, b"h"), (PING, b"p"), (0, b"ell"), (PING, b"p"), (0x80, b"o")];
    table.case("two pings between fragments", &frames, vec![pong(), pong(), text("hello")]);
    table.case("close between fragments", &[(0x01, b"hel"), (CLOSE, &[3, 0xe8])], vec![Close(1000)]);
    table.case("last continuation of nothing", &[(0x80, b"a")], vec![Close(1002)]);
    table.case("continuation of nothing", &[(0x00, b"a")], vec![Close(1002)]);
    table.case("continuation behind a message", &[(TEXT, b"a"), (0x80, b"b")], vec![text("a"), Close(1002)]);
    table.case(
        "continuation behind fragments",
        &[(0x01, b"a"), (0x80, b"b"), (0x80, b"c")],
        vec![text("ab"), Close(1002)],
    );
    table.case("text among fragments", &[(0x01, b"a"), (TEXT, b"b")], vec![Close(1002)]);
    table.case("binary among fragments", &[(0x01, b"a"), (BINARY, b"b")], vec![Close(1002)]);
    table.case("fragment among fragments", &[(0x01, b"a"), (0x01, b"b")], vec![Close(1002)]);
    let long: Vec<u8> = (0..100_000u32).map(|number| b'a' + (number % 26) as u8).collect();
    let pieces: Vec<&[u8]> = long.chunks(1000).collect();
    let first = |at| match at {
        0 => 0x01,
        at if at + 1 == pieces.len() => 0x80,
        _ => 0,
    };
    let frames: Vec<(u8, &[u8])> = pieces.iter().enumerate().map(|(at, piece)| (first(at), *piece)).collect();
    table.case("a hundred fragments", &frames, vec![Text(long.clone())]);
}

fn utf8(table: &mut Table) {
    let valid = [
        "\u{0}",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10000}",
        "\u{3ffff}",
        "\u{10ffff}",
        "\u{feff}a",
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "日本語",
        "😀👩‍🚀",
    ];
    for valid in valid {
        table.case(format!("UTF-8 {valid:?}"), &[(TEXT, valid.as_bytes())], vec![text(valid)]);
    }
    let smile = "a😀b".as_bytes();
    for at in 1..smile.len() {
        let (first, rest) = smile.split_at(at);
        table.case(format!("UTF-8 cut at {at}"), &[(0x01, first), (0x80, rest)], vec![Text(smile.into())]);
    }
    let invalid: [&[u8]; 22] = [
        b"\x80",
        b"\xbf",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xc3",
        b"\xc3(",
        b"\xe0\x80\x80",
        b"\xe0\x9f\xbf",
        b"\xe2\x82",
        b"\xe2(\xa1",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\x80",
        b"\xf0\x8f\xbf\xbf",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x84\x80\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"good\xffbad",
    ];
    for invalid in invalid {
        table.case(format!("no UTF-8: {invalid:02x?}"), &[(TEXT, invalid)], vec![Close(1007)]);
        table.case(format!("binary {invalid:02x?}"), &[(BINARY, invalid)], vec![Binary(invalid.into())]);
    }
    table.case("no UTF-8 in the last fragment", &[(0x01, b"a"), (0x80, b"\xff")], vec![Close(1007)]);
    table.case("no UTF-8 in the first fragment", &[(0x01, b"\xff"), (0x80, b"a")], vec![Close(1007)]);
    table.case("UTF-8 that does not go on", &[(0x01, b"\xc3"), (0x80, b"a")], vec![Close(1007)]);
    table.case("no UTF-8 behind a message", &[(TEXT, b"a"), (TEXT, b"\xff")], vec![text("a"), Close(1007)]);
}

fn closing(table: &mut Table) {
    let with = |code: u16, reason: &[u8]| [&code.to_be_bytes(), reason].concat();
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        table.case(format!("close {code}"), &[(CLOSE, &with(code, b""))], vec![Close(code)]);
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        table.case(format!("invalid close {code}"), &[(CLOSE, &with(code, b""))], vec![Close(1002)]);
    }
    table.case("close without a code", &[(CLOSE, b"")], vec![Close(0)]);
    table.case("close with half a code", &[(CLOSE, b"\x03")], vec![Close(1002)]);
    table.case("close with a reason", &[(CLOSE, &with(1000, b"bye"))], vec![Close(1000)]);
    table.case("close with the longest reason", &[(CLOSE, &with(1000, &[b'a'; 123]))], vec![Close(1000)]);
    table.case(
        "close with a reason in UTF-8",
        &[(CLOSE, &with(1000, "tschüß".as_bytes()))],
        vec![Close(1000)],
    );
    table.case("close with a reason that is no UTF-8", &[(CLOSE, &with(1000, b"\xff"))], vec![Close(1007)]);
    table.case("text behind close", &[(CLOSE, &with(1000, b"")), (TEXT, b"a")], vec![Close(1000)]);
    table.case("ping behind close", &[(CLOSE, &with(1000, b"")), (PING, b"a")], vec![Close(1000)]);
    table.case("two closes", &[(CLOSE, &with(1000, b"")), (CLOSE, &with(1001, b""))], vec![Close(1000)]);
    table.case(
        "close behind a message",
        &[(TEXT, b"a"), (CLOSE, &with(1000, b""))],
        vec![text("a"), Close(1000)],
    );
}

/// Examples of RFC 7692, 7.2.3, and what goes wrong with them.
fn compression(table: &mut Table) {
    const PLAIN: &str = "permessage-deflate";
    const FORGETS: &str = "permessage-deflate; client_no_context_takeover";
    const C_TEXT: u8 = TEXT | RSV1;
    let hello: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored: &[u8] = &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks: &[u8] = &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let (first, rest) = hello.split_at(3);
    let said = || vec![text("Hello")];
    table.deflate("compressed", PLAIN, &[(C_TEXT, hello)], said());
    table.deflate("compressed in fragments", PLAIN, &[(0x41, first), (0x80, rest)], said());
    table.deflate("compressed, stored block", PLAIN, &[(C_TEXT, stored)], said());
    table.deflate("compressed, last block", PLAIN, &[(C_TEXT, last_block)], said());
    table.deflate("compressed, two blocks", PLAIN, &[(C_TEXT, two_blocks)], said());
    table.deflate(
        "compressed with what was before",
        PLAIN,
        &[(C_TEXT, hello), (C_TEXT, again)],
        vec![text("Hello"); 2],
    );
    table.deflate(
        "compressed behind a last block",
        PLAIN,
        &[(C_TEXT, last_block), (C_TEXT, hello)],
        vec![text("Hello"); 2],
    );
    table.deflate(
        "compressed with what was forgotten",
        FORGETS,
        &[(C_TEXT, hello), (C_TEXT, again)],
        vec![text("Hello"), Close(1007)],
    );
    table.deflate(
        "compressed twice without a window",
        FORGETS,
        &[(C_TEXT, hello), (C_TEXT, hello)],
        vec![text("Hello"); 2],
    );
    table.deflate(
        "plain among compressed",
        PLAIN,
        &[(C_TEXT, hello), (TEXT, b"plain"), (C_TEXT, again)],
        vec![text("Hello"), text("plain"), text("Hello")],
    );
    table.deflate("compressed nothing", PLAIN, &[(C_TEXT, &[0])], vec![text("")]);
    table.deflate(
        "ping among compressed fragments",
        PLAIN,
        &[(0x41, first), (PING, b"p"), (0x80, rest)],
        vec![Pong(b"p".into()), text("Hello")],
    );
    table.deflate("compressed binary", PLAIN, &[(BINARY | RSV1, hello)], vec![Binary(b"Hello".into())]);
    table.deflate("compressed ping", PLAIN, &[(PING | RSV1, hello)], vec![Close(1002)]);
    table.deflate("compressed close", PLAIN, &[(CLOSE | RSV1, &[3, 0xe8])], vec![Close(1002)]);
    table.deflate("compressed continuation", PLAIN, &[(0x41, first), (0x80 | RSV1, rest)], vec![Close(1002)]);
    table.deflate("other reserved bits", PLAIN, &[(TEXT | 0x20, hello)], vec![Close(1002)]);
    table.deflate("compressed junk", PLAIN, &[(C_TEXT, &[0xff, 0xff, 0xff])], vec![Close(1007)]);
    let mut compress = Compress::new(Compression::default(), false);
    table.deflate(
        "compressed no UTF-8",
        PLAIN,
        &[(C_TEXT, &squeeze(&mut compress, b"\xff\xfe"))],
        vec![Close(1007)],
    );
    let bomb = squeeze(&mut Compress::new(Compression::best(), false), &vec![0; 50_000_000]);
    table.deflate("compressed fifty megabytes", PLAIN, &[(BINARY | RSV1, &bomb)], vec![Close(1009)]);
    let most = vec![b'a'; LIMIT];
    let squeezed = squeeze(&mut Compress::new(Compression::best(), false), &most);
    table.deflate("compressed up to the limit", PLAIN, &[(C_TEXT, &squeezed)], vec![Text(most)]);
    for bits in 9..=15 {
        let mut compress = Compress::new_with_window_bits(Compression::default(), false, bits);
        let bodies: Vec<String> = (0..5).map(|number| format!("{number} hello ").repeat(2000)).collect();
        let squeezed: Vec<Vec<u8>> =
            bodies.iter().map(|body| squeeze(&mut compress, body.as_bytes())).collect();
        let frames: Vec<(u8, &[u8])> = squeezed.iter().map(|body| (C_TEXT, &body[..])).collect();
        let expected = bodies.iter().map(|body| text(body)).collect();
        table.deflate(&format!("five messages in a window of {bits} bits"), PLAIN, &frames, expected);
    }
}

/// A message as a client compresses it.
fn squeeze(compress: &mut Compress, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 1000);
    compress.compress_vec(body, &mut out, FlushCompress::Sync).expect("there is room");
    out.truncate(out.len() - 4);
    out
}

// === the play ===

fn server() -> Server {
    let inside = format!(
        "client_max_body_size {LIMIT}; nchan_subscriber_first_message newest;
         location = /echo {{ nchan_pubsub; nchan_channel_id $arg_id; }}
         location = /deflate {{ nchan_pubsub; nchan_channel_id $arg_id; nchan_deflate_message_for_websocket on; }}"
    );
    Server::start(Conf::server(inside))
}

fn open(server: &Server, target: &str, offer: &str) -> (Connection, String) {
    let mut connection = server.connect();
    let extensions =
        if offer.is_empty() { String::new() } else { format!("Sec-WebSocket-Extensions: {offer}\r\n") };
    connection.send(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    ));
    let response = connection.receive(PATIENCE).into_response();
    assert_eq!(response.status(), 101, "{target}");
    let agreed = response.header("Sec-WebSocket-Extensions").unwrap_or_default().to_owned();
    (connection, agreed)
}

/// What a socket said.
#[derive(Default)]
struct Said {
    messages: Vec<Frame>,
    controls: Vec<Frame>,
}

impl Said {
    fn push(&mut self, frame: Frame) {
        let is_message = matches!(frame, Text(_) | Binary(_) | Compressed(_));
        if is_message { self.messages.push(frame) } else { self.controls.push(frame) }
    }
}

/// Frames up to the answer to the last ping and so many messages, or up to the end.
fn read_frames(connection: &mut Connection, messages: usize, context: &str) -> Said {
    let mut said = Said::default();
    let mut unread = Vec::new();
    let mut last = false;
    while !matches!(said.controls.last(), Some(Close(_))) {
        if let Some((frame, length)) = read_frame(&unread) {
            unread.drain(..length);
            if frame == Pong(LAST.into()) {
                last = true;
            } else {
                said.push(frame);
            }
            continue;
        }
        if last && said.messages.len() >= messages {
            assert!(unread.is_empty(), "nothing follows the last frame");
            return said;
        }
        let bytes = connection.receive_bytes(PATIENCE);
        assert!(!bytes.is_empty(), "{context}: no more came behind {:?}", short(&said.controls));
        unread.extend(bytes);
    }
    assert!(unread.is_empty(), "nothing follows a close");
    assert!(connection.watch(PATIENCE).is_some(), "the server closes the connection");
    said
}

fn read_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(second < 0x80, "a server's frames have no mask");
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        length => (2, usize::from(length)),
    };
    let payload = bytes.get(head..head + length)?.to_vec();
    let frame = match first {
        TEXT => Text(payload),
        BINARY => Binary(payload),
        PONG => Pong(payload),
        CLOSE => close(&payload),
        0xc1 => Compressed(inflate(&payload)),
        other => panic!("the server sent a frame {other:02x}"),
    };
    Some((frame, head + length))
}

fn close(payload: &[u8]) -> Frame {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else { return Close(0) };
    assert!(payload.len() <= 125 && std::str::from_utf8(reason).is_ok());
    Close(u16::from_be_bytes(*code))
}

fn inflate(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 20);
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    Decompress::new(false).decompress_vec(&input, &mut out, FlushDecompress::Sync).expect("it is compressed");
    out
}

fn play(server: &Server, number: usize, case: &Case, bytewise: bool) {
    let (mut connection, _) = open(server, &format!("/echo?id={number}-{bytewise}"), case.offer);
    let sent = [&case.sent[..], &frame(PING, LAST)].concat();
    if bytewise {
        sent.iter().for_each(|byte| connection.send([*byte]));
    } else {
        // While it sends, a client has to read: what comes back may be more than fits in between.
        connection.send(&sent);
    }
    let mut expected = Said::default();
    case.expected.iter().cloned().for_each(|frame| expected.push(frame));
    let context = format!("{} (bytewise: {bytewise})", case.name);
    let said = read_frames(&mut connection, expected.messages.len(), &context);
    assert_eq!(short(&said.controls), short(&expected.controls), "{context}");
    if matches!(expected.controls.last(), Some(Close(_))) {
        expected.messages.truncate(said.messages.len());
    }
    assert_eq!(short(&said.messages), short(&expected.messages), "{context}");
}

/// Long payloads by their length and beginning.
fn short(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| format!("{frame:?}"))
        .map(|text| format!("{} {:.120}", text.len(), text))
        .collect()
}

#[test]
fn frames_are_taken_and_refused_by_the_rfc() {
    let mut table = Table::default();
    for part in [lengths, reserved, control, fragments, utf8, closing, compression] {
        part(&mut table);
    }
    let Table(cases) = table;
    assert!(cases.len() > 200, "only {} cases", cases.len());
    let server = server();
    let numbered: Vec<(usize, &Case)> = cases.iter().enumerate().collect();
    thread::scope(|scope| {
        for part in numbered.chunks(cases.len() / 8) {
            let server = &server;
            scope.spawn(move || {
                for (number, case) in part {
                    play(server, *number, case, false);
                    if case.sent.len() <= SHORT {
                        play(server, *number, case, true);
                    }
                }
            });
        }
    });
}

#[test]
fn compression_is_agreed_on_by_the_rfc() {
    let server = server();
    let cases = [
        ("", ""),
        ("permessage-deflate", "permessage-deflate"),
        ("foo, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=11", "permessage-deflate; client_max_window_bits=11"),
        (
            "permessage-deflate; client_max_window_bits=\"11\"",
            "permessage-deflate; client_max_window_bits=11",
        ),
        ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=9", ""),
        ("permessage-deflate; server_max_window_bits=9, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; server_max_window_bits=7", ""),
        ("permessage-deflate; server_max_window_bits=16", ""),
        ("permessage-deflate; server_max_window_bits", ""),
        ("permessage-deflate; client_max_window_bits=16", ""),
        ("permessage-deflate; server_no_context_takeover=1", ""),
        ("permessage-deflate; unknown", ""),
        ("permessage-bzip2", ""),
    ];
    for (offer, agreed) in cases {
        assert_eq!(open(&server, "/echo?id=a", offer).1, agreed, "{offer}");
    }
}

#[test]
fn messages_are_compressed_for_those_who_agreed() {
    let server = server();
    let body = "hello ".repeat(1000);
    let (mut with, _) = open(&server, "/deflate?id=a", "permessage-deflate");
    let (mut without, _) = open(&server, "/deflate?id=a", "");
    for round in 0..3 {
        let body = format!("{round} {body}");
        with.send(frame(TEXT, body.as_bytes()));
        for (socket, expected) in [(&mut with, Compressed(body.clone().into())), (&mut without, text(&body))]
        {
            let mut unread = Vec::new();
            let got = loop {
                unread.extend(socket.receive_bytes(PATIENCE));
                if let Some((frame, _)) = read_frame(&unread) {
                    break frame;
                }
            };
            assert_eq!(got, expected);
        }
    }
}
