//! Password files of `auth_basic_user_file`: crypt(3) in all its forms, Apache's apr1, `{SHA}`, `{SSHA}`, `{PLAIN}`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// What a password file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// User and password fit.
    Right,
    /// The user's password is another one.
    WrongPassword,
    /// There is no such user.
    UnknownUser,
}

/// Looks a user up. The file is read anew for each request, as nginx does.
///
/// # Errors
/// When the file cannot be read.
pub fn check(path: &[u8], user: &[u8], password: &[u8]) -> io::Result<Verdict> {
    let text = std::fs::read(OsStr::from_bytes(path))?;
    // The passwords end with a zero for those who wrote the hashes.
    let password = password.split(|byte| *byte == 0).next().unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    let mut hashes = lines.filter_map(|line| line.strip_prefix(user)?.strip_prefix(b":"));
    // A third field, as in /etc/passwd, is not part of the hash.
    let ends = |byte: &u8| matches!(byte, b':' | b'\r');
    Ok(match hashes.next().map(|rest| rest.split(ends).next().unwrap_or_default()) {
        None => Verdict::UnknownUser,
        Some(hash) if verify(password, hash) => Verdict::Right,
        Some(_) => Verdict::WrongPassword,
    })
}

fn verify(password: &[u8], hash: &[u8]) -> bool {
    if let Some(plain) = hash.strip_prefix(b"{PLAIN}") {
        return same(plain, password);
    }
    if let Some(encoded) = hash.strip_prefix(b"{SHA}") {
        return STANDARD.decode(encoded).is_ok_and(|sum| same(&sum, &Sha1::digest(password)));
    }
    if let Some(encoded) = hash.strip_prefix(b"{SSHA}") {
        return STANDARD.decode(encoded).is_ok_and(|bytes| verify_salted(password, &bytes));
    }
    let Ok(hash) = std::str::from_utf8(hash) else { return false };
    if let Some(rest) = hash.strip_prefix("$apr1$") {
        let (salt, sum) = rest.split_once('$').unwrap_or((rest, ""));
        return same(apr1(password, salt.as_bytes()).as_bytes(), sum.as_bytes());
    }
    pwhash::unix::verify(password, hash)
}

/// 20 bytes of SHA-1 over password and salt, then the salt.
fn verify_salted(password: &[u8], bytes: &[u8]) -> bool {
    let Some((sum, salt)) = bytes.split_at_checked(20) else { return false };
    same(sum, &Sha1::new().chain_update(password).chain_update(salt).finalize())
}

/// Compares without telling by its time how much was equal.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Apache's variant of the MD5 crypt: 1,000 rounds, and an alphabet of its own.
fn apr1(password: &[u8], salt: &[u8]) -> String {
    const ROUNDS: usize = 1000;
    let salt = &salt[..salt.len().min(8)];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(b"$apr1$").chain_update(salt);
    for chunk in password.chunks(16) {
        first.update(&inner[..chunk.len()]);
    }
    let mut length = password.len();
    while length > 0 {
        first.update(if length & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut sum = first.finalize();
    for round in 0..ROUNDS {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        next.update(if odd { password } else { &sum[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &sum[..] } else { password });
        sum = next.finalize();
    }
    encode_apr1(&sum)
}

fn encode_apr1(sum: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const TRIPLES: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];
    let mut text = String::with_capacity(22);
    let mut push = |mut value: u32, characters: usize| {
        for _ in 0..characters {
            text.push(char::from(ALPHABET[(value & 63) as usize]));
            value >>= 6;
        }
    };
    for [high, middle, low] in TRIPLES {
        push(u32::from(sum[high]) << 16 | u32::from(sum[middle]) << 8 | u32::from(sum[low]), 4);
    }
    push(u32::from(sum[11]), 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_verified() {
        let hashes = [
            "$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00",
            "{PLAIN}password",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
        ];
        for hash in hashes {
            assert!(verify(b"password", hash.as_bytes()), "{hash}");
            assert!(!verify(b"Password", hash.as_bytes()), "{hash}");
        }
    }

    #[test]
    fn salted_sha1_is_verified() {
        let sum = Sha1::new().chain_update("secret").chain_update(b"pepper").finalize();
        let hash = format!("{{SSHA}}{}", STANDARD.encode([&sum[..], b"pepper"].concat()));
        assert!(verify(b"secret", hash.as_bytes()));
        assert!(!verify(b"Secret", hash.as_bytes()));
    }

    #[test]
    fn broken_hashes_fit_nothing() {
        for hash in ["", "$", "$apr1$", "{SSHA}", "{SSHA}AAAA", "{SHA}?", "$2y$10$short", "$6$", "xx"] {
            assert!(!verify(b"", hash.as_bytes()), "{hash}");
            assert!(!verify(b"password", hash.as_bytes()), "{hash}");
        }
    }
}
