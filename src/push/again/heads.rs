//! Heads that came lately. Most requests of a worker have one of very few: what such a request says is found by comparing, without
//! taking it apart and making a digest of it.

use super::request::{Own, Request, is_clean, number, trim};

/// How often in a row a head is not the one that came, before another takes its place: clients of two kinds shall not take it in
/// turn.
const PATIENCE: u8 = 8;

/// Heads of one worker.
#[derive(Debug, Default)]
pub struct Heads {
    subscribers: Last,
    publishers: Last,
}

/// A head that came twice in a row.
#[derive(Debug, Default)]
struct Last {
    head: Option<Head>,
    /// How many others came since it did.
    misses: u8,
    /// The digest of the last one of them.
    other: Option<u64>,
}

/// A head.
#[derive(Debug)]
struct Head {
    digest: u64,
    lines: usize,
    /// All of it, with the empty line, but for what may differ.
    text: Box<[u8]>,
    gaps: Box<[Gap]>,
}

/// A place in the text where something is that may differ.
#[derive(Debug)]
struct Gap {
    at: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Arguments,
    Length,
    Since,
    Tag,
    EventId,
    SocketKey,
}

impl Heads {
    /// The same as [`Request::read`].
    pub fn read<'a>(&mut self, request: &'a [u8]) -> Option<Request<'a>> {
        match request.first() {
            Some(b'P') => self.publishers.read(request),
            _ => self.subscribers.read(request),
        }
    }
}

impl Last {
    fn read<'a>(&mut self, request: &'a [u8]) -> Option<Request<'a>> {
        if let Some(read) = self.head.as_ref().and_then(|head| head.read(request)) {
            self.misses = 0;
            return Some(read);
        }
        let read = Request::read(request)?;
        self.misses = self.misses.saturating_add(1);
        // Where every client has another head, none is worth being kept.
        let came_before = self.other.replace(read.digest) == Some(read.digest);
        if came_before && (self.head.is_none() || self.misses > PATIENCE) {
            *self = Self { head: Some(Head::of(request, &read)), ..Self::default() };
        }
        Some(read)
    }
}

impl Head {
    fn of(request: &[u8], read: &Request<'_>) -> Self {
        let head = &request[..request.len() - read.body.len()];
        let place = |part: &[u8]| part.as_ptr().addr() - head.as_ptr().addr();
        let has_arguments = head[..place(read.arguments)].ends_with(b"?");
        let (own, validators) = (&read.own, &read.own.validators);
        let parts = [
            (What::Arguments, Some(read.arguments).filter(|_| has_arguments)),
            (What::Length, own.length),
            (What::Since, validators.since),
            (What::Tag, validators.tag),
            (What::EventId, validators.event_id),
            (What::SocketKey, own.socket_key),
        ];
        let mut parts: Vec<_> = parts.into_iter().filter_map(|(what, part)| Some((what, part?))).collect();
        parts.sort_by_key(|(_, part)| place(part));
        let (mut text, mut gaps, mut from) = (Vec::new(), Vec::new(), 0);
        for (what, part) in parts {
            text.extend_from_slice(&head[from..place(part)]);
            gaps.push(Gap { at: text.len(), what });
            from = place(part) + part.len();
        }
        text.extend_from_slice(&head[from..]);
        Self { digest: read.digest, lines: read.lines, text: text.into(), gaps: gaps.into() }
    }

    /// Reads a request that has this head. `None` for any other, and for one that has to be looked at more closely.
    fn read<'a>(&self, request: &'a [u8]) -> Option<Request<'a>> {
        let (own, length) = (Own::default(), None);
        let Self { digest, lines, .. } = *self;
        let mut read = Request { bytes: request, digest, arguments: &[], own, length, lines, body: request };
        let mut from = 0;
        for Gap { at, what } in &self.gaps {
            let rest = read.body.strip_prefix(&self.text[from..*at])?;
            // What does not go on behind that with the text is looked at more closely.
            let end = if matches!(what, What::Arguments) { b' ' } else { b'\r' };
            let (value, rest) = rest.split_at(memchr::memchr2(end, b'\n', rest)?);
            let (own, clean) = (&mut read.own, Some(trim(value)).filter(|value| is_clean(value)));
            match what {
                What::Arguments => read.arguments = value,
                What::Length => own.length = Some(clean?),
                What::Since => own.validators.since = Some(clean?),
                What::Tag => own.validators.tag = Some(clean?),
                What::EventId => own.validators.event_id = Some(clean?),
                What::SocketKey => own.socket_key = Some(clean?),
            }
            (read.body, from) = (rest, *at);
        }
        read.body = read.body.strip_prefix(&self.text[from..])?;
        if let Some(digits) = read.own.length {
            read.length = Some(number(digits)?);
        }
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUESTS: [&str; 29] = [
        "POST /pub?id=a HTTP/1.1\r\nHost: a\r\nContent-Length:\t5\r\n\r\nhello",
        "POST /pub?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\n\r\nhello",
        "GET /sub?id=a HTTP/1.1\r\nHost: a\nIf-Modified-Since: x\r\nIf-None-Match: 1\t\r\n\r\n",
        "GET /sub?id=a HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: yy\r\nIf-None-Match: 22\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-Modified-Since:   yy \r\nIf-None-Match:22\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-None-Match: 22\r\nIf-Modified-Since: yy\r\n\r\nmore",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nif-none-match: 22\r\nIf-Modified-Since: yy\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-None-Match: \r\nIf-Modified-Since: yy\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-None-Match: 2\n2\r\nIf-Modified-Since: yy\r\n\r\n",
        "GET /sub?id=bc HTTP/1.1\r\nHost: a\r\nIf-None-Match: 2\r2\r\nIf-Modified-Since: yy\r\n\r\n",
        "GET /sub?id=a b HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub?id=a\n HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub?id=?a? HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub? HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: x\r\nIf-None-Match: 1\r\nContent-Length: 0\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 1:2\r\nUpgrade: websocket\r\nSec-WebSocket-Key: abc\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 3\r\nUpgrade: websocket\r\nSec-WebSocket-Key: d e\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 3\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\rb\r\n\r\n",
        "GET /sub HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 3\t4\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n",
        "POST /pub?id=a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhelloworld",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nCookie: a\r\n\r\nhello",
        "POST /pub?id=abc HTTP/1.1\r\nHost: a\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    ];

    fn what_it_says<'a>(read: &Request<'a>) -> [Option<&'a [u8]>; 8] {
        let Own { validators, socket_key, length } = read.own;
        let [since, tag, event_id] = [validators.since, validators.tag, validators.event_id];
        [Some(read.bytes), Some(read.arguments), since, tag, event_id, socket_key, length, Some(read.body)]
    }

    #[test]
    fn comparing_comes_to_what_taking_apart_does() {
        let mut found = 0;
        for first in REQUESTS {
            let Some(head) = Request::read(first.as_bytes()).map(|read| Head::of(first.as_bytes(), &read))
            else {
                continue;
            };
            for request in REQUESTS {
                let Some(read) = head.read(request.as_bytes()) else { continue };
                let anew = Request::read(request.as_bytes()).expect(request);
                assert_eq!(
                    (read.digest, read.length, read.lines),
                    (anew.digest, anew.length, anew.lines),
                    "{first} {request}"
                );
                assert_eq!(what_it_says(&read), what_it_says(&anew), "{first} {request}");
                found += 1;
            }
        }
        assert!(found > REQUESTS.len(), "{found}");
    }

    #[test]
    fn a_head_that_comes_twice_is_kept_until_it_comes_no_more() {
        let mut last = Last::default();
        let mut is_kept = |cookie: &str| {
            let text = format!("GET /sub?id=a HTTP/1.1\r\nCookie: {cookie}\r\nIf-None-Match: 1\r\n\r\n");
            last.read(text.as_bytes()).expect("a whole head");
            last.head.as_ref().is_some_and(|head| head.read(text.as_bytes()).is_some())
        };
        assert_eq!(["a", "b", "a", "a"].map(&mut is_kept), [false, false, false, true]);
        assert_eq!(["b", "b", "b", "a"].map(&mut is_kept), [false, false, false, true]);
        let tries = (1..).find(|_| is_kept("b"));
        assert_eq!((tries, is_kept("a"), is_kept("b")), (Some(usize::from(PATIENCE) + 1), false, true));
    }
}
