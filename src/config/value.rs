//! Values of directives, with nginx's exact grammar.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `on` or `off`, in any case.
pub fn flag(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"on") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"off") {
        Some(false)
    } else {
        None
    }
}

/// Digits only, at most 2^63 - 1.
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let value = text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    signed(value)
}

/// Digits with at most `decimals` of them behind a point, as a whole number of the smallest unit.
pub fn fixed(text: &[u8], decimals: usize) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, &[][..]),
    };
    if fraction.len() > decimals || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    number(&[whole, fraction, &vec![b'0'; decimals - fraction.len()]].concat())
}

/// Digits and `k` or `m`.
pub fn size(text: &[u8]) -> Option<u64> {
    scaled(text, false)
}

/// Digits and `k`, `m` or `g`: the size of something that could be a file.
pub fn offset(text: &[u8]) -> Option<u64> {
    scaled(text, true)
}

/// Digits, perhaps with a decimal point, and `k`, `m` or `g`: how Nchan writes sizes.
pub fn decimal_size(text: &[u8]) -> Option<u64> {
    let (digits, scale) = match text.split_last() {
        Some((b'k' | b'K', digits)) => (digits, 1u128 << 10),
        Some((b'm' | b'M', digits)) => (digits, 1 << 20),
        Some((b'g' | b'G', digits)) => (digits, 1 << 30),
        _ => (text, 1),
    };
    let point = digits.iter().position(|byte| *byte == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let part = |digits: &[u8]| if digits.is_empty() { Some(0) } else { number(digits).map(u128::from) };
    let below = part(fraction)? * scale / 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let bytes = part(whole)?.checked_mul(scale)?.checked_add(below)?;
    signed(u64::try_from(bytes).ok()?)
}

fn scaled(text: &[u8], giga: bool) -> Option<u64> {
    let (digits, scale) = match text.split_last() {
        Some((b'k' | b'K', digits)) => (digits, 1 << 10),
        Some((b'm' | b'M', digits)) => (digits, 1 << 20),
        Some((b'g' | b'G', digits)) if giga => (digits, 1 << 30),
        _ => (text, 1),
    };
    signed(number(digits)?.checked_mul(scale)?)
}

/// nginx counts in signed integers.
fn signed(value: u64) -> Option<u64> {
    i64::try_from(value).is_ok().then_some(value)
}

/// A time in whole seconds: `10`, `1h30m`, `"1h 30m"`; units y M w d h m s.
pub fn seconds(text: &[u8]) -> Option<u64> {
    time(text, &SECOND_UNITS, 1)
}

/// A time in milliseconds: units w d h m s ms; a bare number is seconds.
pub fn millis(text: &[u8]) -> Option<u64> {
    time(text, &MILLI_UNITS, 1000)
}

/// A unit and how many of the smallest kept part of a second it is; largest first.
type Unit = (&'static [u8], u64);

const SECOND_UNITS: [Unit; 7] = [
    (b"y", 365 * 86_400),
    (b"M", 30 * 86_400),
    (b"w", 7 * 86_400),
    (b"d", 86_400),
    (b"h", 3_600),
    (b"m", 60),
    (b"s", 1),
];

const MILLI_UNITS: [Unit; 6] = [
    (b"w", 7 * 86_400_000),
    (b"d", 86_400_000),
    (b"h", 3_600_000),
    (b"m", 60_000),
    (b"s", 1_000),
    (b"ms", 1),
];

/// Numbers with units, each unit at most once and in falling order. As in nginx, blanks may follow a unit, a number
/// without a unit ends the order (`"10 5"` is fifteen seconds), and a unit may lack its number once one was given.
fn time(text: &[u8], units: &[Unit], second: u64) -> Option<u64> {
    if !text.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let bare_until = units.iter().position(|(name, _)| *name == b"s")?;
    let (mut rest, mut next_unit, mut total) = (text, 0, 0u64);
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
        let value = if digits.is_empty() { 0 } else { number(digits)? };
        let (unit, behind) = behind.split_at(unit_length(behind));
        let scale = if unit.is_empty() && behind.is_empty() {
            second
        } else if unit.is_empty() {
            // A blank: the number meant seconds, and no unit may follow.
            (next_unit <= bare_until).then_some(())?;
            next_unit = units.len();
            second
        } else {
            let index =
                units.iter().position(|(name, _)| *name == unit).filter(|index| *index >= next_unit)?;
            next_unit = index + 1;
            units[index].1
        };
        total = total.checked_add(value.checked_mul(scale)?)?;
        rest = behind.trim_ascii_start();
    }
    signed(total)
}

/// How many bytes at the beginning of `rest` are a unit, known or not.
fn unit_length(rest: &[u8]) -> usize {
    match rest {
        [] | [b' ', ..] => 0,
        [b'm', b's', ..] => 2,
        _ => 1,
    }
}

/// An address. As in nginx, parts of IPv4 addresses may begin with zeros, or be missing.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if text.contains(':') {
        return text.parse().ok().map(IpAddr::V6);
    }
    let parts: Vec<u8> = text
        .split('.')
        .map(|part| number(&[b"0", part.as_bytes()].concat())?.try_into().ok())
        .collect::<Option<_>>()?;
    <[u8; 4]>::try_from(parts).ok().map(IpAddr::from)
}

/// A network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
    /// Whether bits behind the prefix were set.
    pub low_bits: bool,
}

/// An address, or a network as `ADDRESS/BITS`.
pub fn network(text: &[u8]) -> Option<Network> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(number(bits.as_bytes())?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = bits.unwrap_or(u64::from(width));
    let prefix = u8::try_from(prefix).ok().filter(|prefix| *prefix <= width)?;
    let masked = mask(address, prefix);
    Some(Network { address: masked, prefix, low_bits: masked != address })
}

/// An address with only its first `prefix` bits.
pub fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let bits = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & bits).into()
        }
        IpAddr::V6(v6) => {
            let bits = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_ignore_case_and_take_nothing_else() {
        assert_eq!(flag(b"on"), Some(true));
        assert_eq!(flag(b"OFF"), Some(false));
        for bad in ["yes", "1", "", "onn"] {
            assert_eq!(flag(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_are_digits_up_to_the_largest_signed_one() {
        assert_eq!(number(b"0010"), Some(10));
        assert_eq!(number(b"9223372036854775807"), Some(i64::MAX as u64));
        for bad in ["", "-1", "1.5", "10k", "1e3", "$x", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn numbers_with_a_point_are_counted_in_the_last_decimal() {
        let cases = [("50", 5_000), ("12.5", 1_250), ("0.01", 1), ("5.", 500), (".5", 50)];
        for (text, expected) in cases {
            assert_eq!(fixed(text.as_bytes(), 2), Some(expected), "{text}");
        }
        for bad in ["", ".", "0.001", "-5", "1.2.3", "x"] {
            assert_eq!(fixed(bad.as_bytes(), 2), None, "{bad}");
        }
    }

    #[test]
    fn sizes_take_k_and_m_and_offsets_g() {
        assert_eq!(size(b"1k"), Some(1024));
        assert_eq!(size(b"2M"), Some(2 << 20));
        assert_eq!(size(b"1g"), None);
        assert_eq!(offset(b"1G"), Some(1 << 30));
        assert_eq!(size(b"9007199254740991k"), Some(9_007_199_254_740_991 * 1024));
        for bad in ["", "k", "1kb", "1.5m", "-1", "9007199254740992k", "1 k"] {
            assert_eq!(size(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn decimal_sizes_take_a_point() {
        assert_eq!(decimal_size(b"1.5g"), Some(3 << 29));
        assert_eq!(decimal_size(b".5m"), Some(1 << 19));
        assert_eq!(decimal_size(b"1.M"), Some(1 << 20));
        assert_eq!(decimal_size(b"10"), Some(10));
        for bad in
            ["", ".", "k", "1t", "1 m", "1mb", "1.5.5m", "-1", "99999999999g", "0.99999999999999999999"]
        {
            assert_eq!(decimal_size(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn times_in_seconds() {
        let cases: [(&str, u64); 12] = [
            ("10", 10),
            ("10s", 10),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("1h30", 3630),
            ("1M", 30 * 86_400),
            ("1y", 365 * 86_400),
            ("1y1M1w1d1h1m1s", 31_536_000 + 2_592_000 + 604_800 + 86_400 + 3_661),
            ("10 5", 15),
            ("1hs", 3600),
            ("1h m", 3600),
            ("5 ", 5),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text.as_bytes()), Some(expected), "{text}");
        }
        for bad in ["", "-1", "1.5", "500ms", "1x", "1H", "1h1h", "1m1h", "s", "5 5m", "$arg_t", "1 h"] {
            assert_eq!(seconds(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn times_in_milliseconds() {
        let cases: [(&str, u64); 7] = [
            ("10", 10_000),
            ("1s5ms", 1_005),
            ("1m5ms", 60_005),
            ("5ms", 5),
            ("1w", 604_800_000),
            ("1h  5", 3_605_000),
            (" 5", 5_000),
        ];
        for (text, expected) in cases {
            assert_eq!(millis(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(millis(b"9223372036854775"), Some(9_223_372_036_854_775_000));
        for bad in ["1M", "1y", "9223372036854776", "15250284452471w", "1h1d", "5S", "5s5s5", ""] {
            assert_eq!(millis(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn addresses_are_read_as_loosely_as_by_nginx() {
        let cases = [("010.0.0.1", "10.0.0.1"), ("1..2.3", "1.0.2.3"), ("...", "0.0.0.0"), ("::A", "::a")];
        for (text, expected) in cases {
            assert_eq!(address(text.as_bytes()), expected.parse().ok(), "{text}");
        }
        for bad in ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4x", "[::1]", "1.2.3.4:80"] {
            assert_eq!(address(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn networks_are_masked() {
        let loopback = network(b"127.0.0.1/8").unwrap();
        assert_eq!(
            (loopback.address.to_string().as_str(), loopback.prefix, loopback.low_bits),
            ("127.0.0.0", 8, true)
        );
        assert_eq!(network(b"::1").unwrap().prefix, 128);
        assert_eq!(network(b"0.0.0.0/0").unwrap().prefix, 0);
        for bad in ["1.2.3", "1.2.3.4/33", "1.2.3.4/", "[::1]", "all", "10.0.0.0/255.0.0.0", "::1/129"] {
            assert_eq!(network(bad.as_bytes()), None, "{bad}");
        }
    }
}
