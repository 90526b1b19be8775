//! HTTP dates: written as RFC 1123, read as nginx reads them.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// Seconds since 1970 of the wall clock; 0 before that.
pub fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |time| time.tv_sec().max(0))
}

thread_local! {
    /// Nearly all dates are those of this second, or of the last message: also those that clients send back.
    static LAST: Cell<[Option<(i64, Text)>; 2]> = const { Cell::new([None; 2]) };
}

/// `Mon, 23 Nov 2026 05:57:38 GMT`. Times outside of the years 1970 to 9999 are moved to the nearest end.
pub fn format(seconds: i64) -> Text {
    /// The last second of 9999.
    const END: i64 = 253_402_300_799;
    let seconds = seconds.clamp(0, END);
    let slot = usize::from(seconds & 1 == 1);
    let mut last = LAST.get();
    if let Some((_, text)) = last[slot].filter(|(second, _)| *second == seconds) {
        return text;
    }
    let text = Text::new(seconds);
    last[slot] = Some((seconds, text));
    LAST.set(last);
    text
}

/// Bytes of a date.
const TEXT: usize = 29;

/// A date as it is written in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text([u8; TEXT]);

impl Text {
    fn new(seconds: i64) -> Self {
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        // It has this length in all of these years.
        Self(text.as_bytes().try_into().unwrap_or([b' '; TEXT]))
    }

    /// It as a string.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Mon, 23-Nov-26 05:57:38 GMT`, as nginx dates cookies: two digits of the year up to 2037.
pub fn format_cookie(seconds: i64) -> String {
    let text = format(seconds);
    let words: Vec<&str> = text.as_str().split(' ').collect();
    let [day, date, month, year, time, zone] = words[..] else { return text.to_string() };
    let year = if year > "2037" { year } else { year.get(2..).unwrap_or(year) };
    format!("{day} {date}-{month}-{year} {time} {zone}")
}

/// Reads RFC 1123, RFC 850 and asctime dates, seconds since 1970. As in nginx the name of the day is not looked
/// at, that of the month hardly, and what follows the time is ignored; anything it cannot read, or before 1970, is
/// `None`.
pub fn parse(text: &[u8]) -> Option<i64> {
    let last = LAST.get();
    if let Some((second, _)) = last.iter().flatten().find(|(_, last)| last.0 == *text) {
        return Some(*second);
    }
    parse_anew(text)
}

fn parse_anew(text: &[u8]) -> Option<i64> {
    let end_of_day = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let rest = &text[end_of_day + 1..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let rest = &rest[spaces..];
    if text[end_of_day] == b' ' {
        return asctime(rest);
    }
    match rest {
        [d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', time @ ..] => {
            seconds(number(&[*y1, *y2, *y3, *y4])?, month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?, time)
        }
        [d1, d2, b'-', m1, m2, m3, b'-', y1, y2, b' ', time @ ..] => {
            let year = number(&[*y1, *y2])?;
            let year = if year < 70 { year + 2000 } else { year + 1900 };
            seconds(year, month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?, time)
        }
        _ => None,
    }
}

/// `Nov  6 08:49:37 1994`, the day with a space in front, a zero, or neither.
fn asctime(text: &[u8]) -> Option<i64> {
    let (name, rest) = text.split_first_chunk::<3>()?;
    let (day, rest) = match rest {
        [_, b' ', day, b' ', rest @ ..] | [_, day, b' ', rest @ ..] => (number(&[*day])?, rest),
        [_, b' ', d1, d2, b' ', rest @ ..] | [_, d1, d2, b' ', rest @ ..] => (number(&[*d1, *d2])?, rest),
        _ => return None,
    };
    let (b' ', year) = rest.get(8..13)?.split_first()? else { return None };
    seconds(number(year)?, month(name)?, day, rest)
}

/// Seconds until the next time the local clock shows `time`, seconds after midnight.
pub fn until_local_time(time: u32) -> i64 {
    let now = chrono::Timelike::num_seconds_from_midnight(&chrono::Local::now().time());
    (i64::from(time) - i64::from(now)).rem_euclid(86_400)
}

/// The month of a name, by as many letters as tell it from the others.
fn month(name: &[u8; 3]) -> Option<i64> {
    Some(match name {
        [b'J', b'a', _] => 1,
        [b'F', ..] => 2,
        [b'M', _, b'r'] => 3,
        [b'A', b'p', _] => 4,
        [b'M', ..] => 5,
        [b'J', _, b'n'] => 6,
        [b'J', ..] => 7,
        [b'A', ..] => 8,
        [b'S', ..] => 9,
        [b'O', ..] => 10,
        [b'N', ..] => 11,
        [b'D', ..] => 12,
        _ => return None,
    })
}

fn number(digits: &[u8]) -> Option<i64> {
    let append = |number: i64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, append).filter(|_| !digits.is_empty())
}

fn seconds(year: i64, month: i64, day: i64, time: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, ..] = time else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if hour > 23 || minute > 59 || second > 59 || day > days_in_month {
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
    fn what_was_written_last_is_read_as_anything_else() {
        for seconds in [-1, 0, 1, 784_111_777, 253_402_300_799, i64::MAX] {
            let text = format(seconds);
            let read = parse(text.as_ref());
            assert_eq!((read, read), (parse_anew(text.as_ref()), Some(seconds.clamp(0, 253_402_300_799))));
        }
    }

    #[test]
    fn what_follows_the_time_is_ignored() {
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 +0100"), Some(784_111_777));
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT; length=10"), Some(784_111_777));
        assert_eq!(parse(b"Fri, 31 Dec 9999 23:59:59 GMT"), Some(253_402_300_799));
    }

    #[test]
    fn odd_dates_are_read_as_nginx_reads_them() {
        for text in [
            "Sun, 06 NOV 1994 08:49:37 GMT",
            "Sun,06 Nov 1994 08:49:37",
            "Sun,   06 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
            "Sun Nov\t6 08:49:37 19945",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        let day = 86_400;
        assert_eq!(parse(b"Sun, 00 Nov 1994 08:49:37 GMT"), Some(784_111_777 - 6 * day));
        assert_eq!(parse(b"Sun, 00 Mar 2000 00:00:00 GMT"), parse(b"Sun, 29 Feb 2000 00:00:00 GMT"));
        for (name, number) in [("JAN", 7), ("Jun", 6), ("Mar", 3), ("MAR", 5), ("Apr", 4), ("APR", 8)] {
            let named = parse(format!("Sun, 01 {name} 2001 00:00:00 GMT").as_bytes());
            assert_eq!(named, Some(days_from_civil(2001, number, 1) * day), "{name}");
        }
    }

    #[test]
    fn unreadable_dates_are_none() {
        for text in [
            "yesterday",
            "",
            "0",
            "1700000000",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun,\t06 Nov 1994 08:49:37 GMT",
            "Sun, 06xNov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994x08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov   6 08:49:37 1994",
            "Sun Nov 16 08:49:37x1994",
            "Sun, Nov  6 08:49:37 1994",
            "Mon, 31 Feb 2020 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn written_dates_can_be_read_again() {
        for seconds in [0, 1, 784_111_777, 1_700_000_000, 253_402_300_799] {
            assert_eq!(parse(format(seconds).as_ref()), Some(seconds));
        }
    }
}
