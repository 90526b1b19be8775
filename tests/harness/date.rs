//! HTTP dates: the three forms that a server must read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `Mon, 23 Nov 2026 05:57:38 GMT`, the form that servers send.
pub(crate) fn rfc1123(unix: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix))
}

/// `Monday, 23-Nov-26 05:57:38 GMT`
pub(crate) fn rfc850(unix: u64) -> String {
    let date = rfc1123(unix);
    let weekday = DAYS.iter().find(|day| date.starts_with(&day[..3])).copied().unwrap_or_default();
    format!("{weekday}, {}-{}-{} GMT", &date[5..7], &date[8..11], &date[14..25])
}

/// `Mon Nov 23 05:57:38 2026`
pub(crate) fn asctime(unix: u64) -> String {
    let date = rfc1123(unix);
    let day = date[5..7].replacen('0', " ", usize::from(date[5..7].starts_with('0')));
    format!("{} {} {day} {} {}", &date[..3], &date[8..11], &date[17..25], &date[12..16])
}

/// Reads the form that [`rfc1123`] writes, and no other.
pub(crate) fn parse_rfc1123(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    let unix = unix(time);
    (rfc1123(unix) == text).then_some(unix)
}

/// The present second.
pub(crate) fn now() -> u64 {
    unix(SystemTime::now())
}

fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_in_three_forms() {
        assert_eq!(rfc1123(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(rfc850(784_111_777), "Sunday, 06-Nov-94 08:49:37 GMT");
        assert_eq!(asctime(784_111_777), "Sun Nov  6 08:49:37 1994");
        assert_eq!(asctime(1_795_413_458), "Mon Nov 23 05:57:38 2026");
    }

    #[test]
    fn date_is_read_as_it_was_written() {
        for time in [0, 951_782_400, 1_582_934_400, 1_795_413_458] {
            assert_eq!(parse_rfc1123(&rfc1123(time)), Some(time));
        }
        assert_eq!(parse_rfc1123("yesterday"), None);
    }
}
