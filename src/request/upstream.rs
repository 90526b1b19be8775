//! What is known of the servers behind that a request went to: `$upstream_*`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::builtin::{Builtin, Family};

/// Shared by the request, its log lines and the answer that is still on its way.
#[derive(Clone, Debug, Default)]
pub struct UpstreamRecord(Arc<Mutex<Record>>);

/// All that the variables tell.
#[derive(Debug, Default)]
pub struct Record {
    /// One for each server that was tried.
    pub tries: Vec<Try>,
    /// Headers of the last answer, as spelled, in order.
    pub headers: Vec<Header>,
    /// Its trailers.
    pub trailers: Vec<Header>,
    /// `$proxy_host`.
    pub host: Option<Box<str>>,
    /// `$proxy_port`.
    pub port: Option<Box<str>>,
    /// The next try belongs to another `proxy_pass`: the request was sent elsewhere inside the server.
    pub redirected: bool,
}

/// A header as spelled, and its value.
pub type Header = (Box<str>, Box<[u8]>);

/// One server that was tried.
#[derive(Clone, Debug, Default)]
pub struct Try {
    /// Its address, or the name of the group where no server was to be had.
    pub addr: String,
    /// The status of its answer, or what its failure is answered with; 0 while there is none.
    pub status: u16,
    /// How long connecting took.
    pub connect: Option<Duration>,
    /// When the head of its answer had come.
    pub header: Option<Duration>,
    /// When all had come.
    pub response: Option<Duration>,
    /// Bytes of the body.
    pub length: u64,
    /// Bytes sent to it.
    pub sent: u64,
    /// Bytes that came from it.
    pub received: u64,
    /// The first of another `proxy_pass` than the one before.
    pub redirected: bool,
}

impl UpstreamRecord {
    /// The record, locked for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a server is tried.
    pub fn begin(&self, addr: String) {
        let mut record = self.lock();
        let redirected = std::mem::take(&mut record.redirected) && !record.tries.is_empty();
        record.tries.push(Try { addr, redirected, ..Try::default() });
        record.headers.clear();
        record.trailers.clear();
    }

    /// Changes what is known of the last try.
    pub fn update(&self, change: impl FnOnce(&mut Try)) {
        if let Some(last) = self.lock().tries.last_mut() {
            change(last);
        }
    }

    /// Notes that the request is sent elsewhere inside the server.
    pub fn redirect(&self) {
        let mut record = self.lock();
        (record.host, record.port, record.redirected) = (None, None, true);
    }

    /// The value of a variable; `None` where no server was asked.
    pub fn value(&self, variable: Builtin) -> Option<Vec<u8>> {
        let record = self.lock();
        let each = |show: &dyn Fn(&Try) -> String| {
            let mut text = String::new();
            for (at, one) in record.tries.iter().enumerate() {
                if at > 0 {
                    text.push_str(if one.redirected { " : " } else { ", " });
                }
                text.push_str(&show(one));
            }
            (!record.tries.is_empty()).then(|| text.into_bytes())
        };
        let time = |time: Option<Duration>| {
            time.map_or_else(
                || "-".to_owned(),
                |time| format!("{}.{:03}", time.as_secs(), time.subsec_millis()),
            )
        };
        match variable {
            Builtin::UpstreamAddr => each(&|one| one.addr.clone()),
            Builtin::UpstreamStatus => {
                each(&|one| if one.status == 0 { "-".to_owned() } else { one.status.to_string() })
            }
            Builtin::UpstreamConnectTime => each(&|one| time(one.connect)),
            Builtin::UpstreamHeaderTime => each(&|one| time(one.header)),
            Builtin::UpstreamResponseTime => each(&|one| time(one.response)),
            Builtin::UpstreamResponseLength => each(&|one| one.length.to_string()),
            Builtin::UpstreamBytesSent => each(&|one| one.sent.to_string()),
            Builtin::UpstreamBytesReceived => each(&|one| one.received.to_string()),
            _ => None,
        }
    }

    /// The value of a member of a family of variables; its name is in lower case.
    pub fn member(&self, family: Family, name: &[u8]) -> Option<Vec<u8>> {
        let record = self.lock();
        match family {
            Family::UpstreamHttp => find(&record.headers, name),
            Family::UpstreamTrailer => find(&record.trailers, name),
            Family::UpstreamCookie => record.headers.iter().find_map(|(header, value)| {
                let (own, rest) = value.split_at_checked(name.len())?;
                let cookie = rest.strip_prefix(b"=").filter(|_| own.eq_ignore_ascii_case(name))?;
                let end = cookie.iter().position(|byte| *byte == b';').unwrap_or(cookie.len());
                header.eq_ignore_ascii_case("set-cookie").then(|| cookie[..end].to_vec())
            }),
            _ => None,
        }
    }
}

/// All headers of a name, joined; `_` in the name stands for `-`.
fn find(headers: &[Header], name: &[u8]) -> Option<Vec<u8>> {
    let same = |header: &str| {
        let fits = |(a, b): (u8, &u8)| a.eq_ignore_ascii_case(b) || (a == b'-' && *b == b'_');
        header.len() == name.len() && header.bytes().zip(name).all(fits)
    };
    // nginx 1.22 tells of the first only.
    headers.iter().find(|(header, _)| same(header)).map(|(_, value)| value.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_separated_by_commas_and_other_passes_by_colons() {
        let record = UpstreamRecord::default();
        assert_eq!(record.value(Builtin::UpstreamAddr), None);
        for addr in ["a", "b"] {
            record.begin(addr.to_owned());
        }
        record.lock().redirected = true;
        record.begin("c".to_owned());
        record.update(|last| (last.status, last.connect) = (200, Some(Duration::from_millis(1005))));
        let text = |variable| String::from_utf8(record.value(variable).unwrap()).unwrap();
        let member = |family, name: &[u8]| String::from_utf8(record.member(family, name).unwrap()).unwrap();
        assert_eq!(text(Builtin::UpstreamAddr), "a, b : c");
        assert_eq!(text(Builtin::UpstreamStatus), "-, - : 200");
        assert_eq!(text(Builtin::UpstreamConnectTime), "-, - : 1.005");
        record.lock().headers.push(("Set-Cookie".into(), (*b"A=b; Path=/").into()));
        assert_eq!(member(Family::UpstreamCookie, b"a"), "b");
        assert_eq!(member(Family::UpstreamHttp, b"set_cookie"), "A=b; Path=/");
    }
}
