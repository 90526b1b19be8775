//! HTTP dates: written as RFC 1123, read as nginx reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// Seconds since 1970 of the wall clock; 0 before that.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// `Mon, 23 Nov 2026 05:57:38 GMT`. Times outside of the years 1970 to 9999 are moved to the nearest end.
pub fn format(seconds: i64) -> String {
    const LAST: i64 = 253_402_300_799;
    let seconds = u64::try_from(seconds.clamp(0, LAST)).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// `Mon, 23-Nov-26 05:57:38 GMT`, as nginx dates cookies: two digits of the year up to 2037.
pub fn format_cookie(seconds: i64) -> String {
    let text = format(seconds);
    let words: Vec<&str> = text.split(' ').collect();
    let [day, date, month, year, time, zone] = words[..] else { return text };
    let year = if year > "2037" { year } else { year.get(2..).unwrap_or(year) };
    format!("{day} {date}-{month}-{year} {time} {zone}")
}

/// Reads RFC 1123, RFC 850 and asctime dates, seconds since 1970. As in nginx the name of the day is not looked
/// at, and what follows the time is ignored; anything it cannot read, or before 1970, is `None`.
pub fn parse(text: &[u8]) -> Option<i64> {
    let comma = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let rest = text[comma + 1..].trim_ascii_start();
    if rest.first()?.is_ascii_digit() {
        match rest.get(2)? {
            b' ' => rfc1123(rest),
            b'-' => rfc850(rest),
            _ => None,
        }
    } else {
        asctime(rest)
    }
}

/// `06 Nov 1994 08:49:37 GMT`
fn rfc1123(text: &[u8]) -> Option<i64> {
    seconds(number(text.get(7..11)?)?, month(text.get(3..6)?)?, number(text.get(..2)?)?, text.get(12..20)?)
}

/// `06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8]) -> Option<i64> {
    let year = number(text.get(7..9)?)?;
    let year = if year < 70 { year + 2000 } else { year + 1900 };
    seconds(year, month(text.get(3..6)?)?, number(text.get(..2)?)?, text.get(10..18)?)
}

/// `Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let day = number(text.get(4..6)?.trim_ascii_start())?;
    seconds(number(text.get(16..20)?)?, month(text.get(..3)?)?, day, text.get(7..15)?)
}

/// Seconds until the next time the local clock shows `time`, seconds after midnight.
pub fn until_local_time(time: u32) -> i64 {
    let now = chrono::Timelike::num_seconds_from_midnight(&chrono::Local::now().time());
    (i64::from(time) - i64::from(now)).rem_euclid(86_400)
}

fn month(name: &[u8]) -> Option<i64> {
    MONTHS.iter().position(|month| month[..] == *name).and_then(|index| i64::try_from(index + 1).ok())
}

fn number(digits: &[u8]) -> Option<i64> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

fn seconds(year: i64, month: i64, day: i64, time: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = time else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if hour > 23 || minute > 59 || second > 59 || !(1..=days_in_month).contains(&day) {
        return None;
    }
    let total = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    (total >= 0).then_some(total)
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn what_follows_the_time_is_ignored() {
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 +0100"), Some(784_111_777));
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT; length=10"), Some(784_111_777));
        assert_eq!(parse(b"Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
    }

    #[test]
    fn unreadable_dates_are_none() {
        for text in [
            "yesterday",
            "",
            "0",
            "1700000000",
            "Mon, 31 Feb 2020 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn written_dates_can_be_read_again() {
        for seconds in [0, 1, 784_111_777, 1_700_000_000, 253_402_300_799] {
            assert_eq!(parse(format(seconds).as_bytes()), Some(seconds));
        }
    }
}
