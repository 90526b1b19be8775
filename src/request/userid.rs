//! The cookie of `userid`: read, made, written.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

use crate::config::builtin::Builtin;
use crate::config::model::{Severity, UseridConf, UseridExpires, UseridMode};
use crate::config::variable::{Meaning, Variable};

use super::evaluation::Evaluation;
use super::{RequestCtx, date};

/// Sixteen bytes, as four numbers of the machine's order.
type Uid = [u32; 4];

/// The longest cookie that is a number: 16 bytes in base64 without the `=`.
const LENGTH: usize = 22;

/// Without `=` at the end, and with any bits in what the last letter has too many.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is known of a request's cookie, found out on first use.
#[derive(Clone, Debug, Default)]
pub struct UidState {
    got: OnceLock<Option<Got>>,
    set: OnceLock<Option<Uid>>,
}

/// The cookie that came.
#[derive(Clone, Copy, Debug)]
struct Got {
    uid: Uid,
    /// What stands where a mark would.
    mark: [u8; 2],
}

/// A cookie to be sent, but for the time it is sent at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UidCookie {
    /// `NAME=VALUE`.
    value: Vec<u8>,
    expires: UseridExpires,
    /// Domain, path, flags.
    attributes: Vec<u8>,
    p3p: Box<[u8]>,
}

impl UidCookie {
    /// Headers of an answer sent now.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let expires = match self.expires {
            UseridExpires::Off => String::new(),
            UseridExpires::Max => "; expires=Thu, 31-Dec-37 23:55:55 GMT".to_owned(),
            UseridExpires::In(seconds) => {
                format!("; expires={}", date::format_cookie(date::now().saturating_add(seconds)))
            }
        };
        let cookie = [&*self.value, expires.as_bytes(), &self.attributes].concat();
        let p3p = (!self.p3p.is_empty()).then(|| ("P3P", self.p3p.to_vec()));
        std::iter::once(("Set-Cookie", cookie)).chain(p3p)
    }
}

impl RequestCtx {
    /// The cookie the answer sets, if it sets one.
    pub fn uid_cookie(&self) -> Option<UidCookie> {
        let conf = &self.conf.userid;
        if conf.mode < UseridMode::V1 {
            return None;
        }
        let uid = self.uid_to_set()?;
        let mut text = STANDARD.encode(bytes(uid)).into_bytes();
        if let (Some(mark), Some(place)) = (conf.mark, text.get_mut(LENGTH)) {
            *place = mark;
        }
        let value = [&*conf.name, b"=", &text].concat();
        Some(UidCookie { value, expires: conf.expires, attributes: attributes(conf), p3p: conf.p3p.clone() })
    }

    /// `$uid_got`.
    pub(super) fn uid_got(&self) -> Option<Vec<u8>> {
        let conf = &self.conf.userid;
        (conf.mode != UseridMode::Off).then_some(())?;
        self.got_uid().map(|got| shown(conf, got.uid))
    }

    /// `$uid_set`.
    pub(super) fn uid_set(&self) -> Option<Vec<u8>> {
        let conf = &self.conf.userid;
        (conf.mode >= UseridMode::V1).then_some(())?;
        self.uid_to_set().map(|uid| shown(conf, uid))
    }

    fn got_uid(&self) -> Option<Got> {
        *self.uid.got.get_or_init(|| {
            let cookie = self.cookie(&self.conf.userid.name)?;
            if cookie.len() < LENGTH {
                self.complain_of_cookie("too short");
                return None;
            }
            let Ok(decoded) = BASE64.decode(&cookie[..LENGTH]) else {
                self.complain_of_cookie("invalid");
                return None;
            };
            let at = |place: usize| cookie.get(place).copied().unwrap_or_default();
            let got = Got { uid: numbers(&decoded), mark: [at(LENGTH), at(LENGTH + 1)] };
            // As in nginx, a number that ends in zeros is none.
            Some(got).filter(|got| got.uid[3] != 0)
        })
    }

    fn complain_of_cookie(&self, how: &str) {
        let cookies = self.http(b"cookie").unwrap_or_default();
        let cookies = String::from_utf8_lossy(&cookies);
        self.log(Severity::Error, &format!("client sent {how} userid cookie \"{cookies}\""));
    }

    /// A new number; the one that came if only its mark is wrong; `None` if nothing is to be sent.
    fn uid_to_set(&self) -> Option<Uid> {
        *self.uid.set.get_or_init(|| {
            let conf = &self.conf.userid;
            match self.got_uid().filter(|_| !self.resets_uid()) {
                Some(got) => {
                    let mark = conf.mark.map(|mark| [mark, b'=']);
                    mark.filter(|mark| *mark != got.mark).map(|_| got.uid)
                }
                None => Some(self.new_uid(conf)),
            }
        })
    }

    /// `$uid_reset`: neither empty nor `0`; `log` says so in the log, too.
    fn resets_uid(&self) -> bool {
        let variables = &self.config.variables;
        let is_reset = |index: &usize| {
            let known = self.values.is_known(*index);
            known || !matches!(variables.meaning(*index), Meaning::Builtin(_))
        };
        let Some(index) = variables.find(Builtin::UidReset).filter(is_reset) else { return false };
        let value = Evaluation::new(self).value(&Variable::Named(index));
        let resets = !matches!(value.as_deref(), None | Some(b"" | b"0"));
        if value.as_deref() == Some(b"log")
            && let Some(got) = self.got_uid()
        {
            let got = String::from_utf8_lossy(&shown(&self.conf.userid, got.uid)).into_owned();
            self.log(Severity::Notice, &format!("userid cookie \"{got}\" was reset"));
        }
        resets
    }

    fn new_uid(&self, conf: &UseridConf) -> Uid {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = lower(now.as_secs());
        let start = *START.get_or_init(|| ((now.subsec_micros() / 20) << 16) | (std::process::id() & 0xffff));
        if conf.mode == UseridMode::V1 {
            let number = NEXT_V1.fetch_add(0x100, Ordering::Relaxed);
            return [conf.service.unwrap_or(0), seconds, start, number];
        }
        // A counter in its upper bytes, and the version in the last two.
        let counter = NEXT.fetch_add(0x100, Ordering::Relaxed);
        let number = (counter & 0x00ff_ff00) | 0x0300_0002;
        let address = || match self.connection.local.ip() {
            Some(std::net::IpAddr::V4(ip)) => ip.to_bits(),
            Some(std::net::IpAddr::V6(ip)) => u32::try_from(ip.to_bits() & u128::from(u32::MAX)).unwrap_or(0),
            None => 0,
        };
        [conf.service.unwrap_or_else(address), seconds, start, number].map(u32::to_be)
    }
}

/// Half of what tells the processes of one machine apart; the other half is the second.
static START: OnceLock<u32> = OnceLock::new();
static NEXT: AtomicU32 = AtomicU32::new(0x0303_0302);
static NEXT_V1: AtomicU32 = AtomicU32::new(1);

fn lower(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

fn bytes(uid: Uid) -> Vec<u8> {
    uid.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Uid {
    let number =
        |at: usize| bytes.get(at..at + 4).and_then(|part| part.try_into().ok()).map_or(0, u32::from_ne_bytes);
    [number(0), number(4), number(8), number(12)]
}

/// `NAME=` and the four numbers, hexadecimal.
fn shown(conf: &UseridConf, uid: Uid) -> Vec<u8> {
    let numbers: String = uid.iter().map(|number| format!("{number:08X}")).collect();
    [&*conf.name, b"=", numbers.as_bytes()].concat()
}

fn attributes(conf: &UseridConf) -> Vec<u8> {
    let mut text = Vec::new();
    let mut add = |name: &str, value: &[u8]| {
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(value);
    };
    if let Some(domain) = &conf.domain {
        add("; domain=", domain);
    }
    add("; path=", &conf.path);
    if conf.flags.secure {
        add("; secure", b"");
    }
    if conf.flags.httponly {
        add("; httponly", b"");
    }
    if let Some(samesite) = conf.flags.samesite {
        add("; samesite=", samesite.as_bytes());
    }
    text
}
