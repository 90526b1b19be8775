//! Processor time of a process.

use std::fs;
use std::io;
use std::time::Duration;

/// Time in user and kernel, with that of children that were waited for.
pub(super) fn of_process(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).ok_or_else(|| io::Error::other(format!("no times of process {pid}")))?;
    Ok(Duration::from_secs(1) * ticks / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100))
}

/// The same of this program.
pub(crate) fn own() -> io::Result<Duration> {
    of_process(std::process::id())
}

/// utime, stime, cutime and cstime of a line of `/proc/PID/stat`.
fn ticks(stat: &str) -> Option<u32> {
    /// Fields from the state on that stand before utime.
    const BEFORE: usize = 11;
    // The name of the program may hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let times: Vec<u32> =
        fields.split(' ').skip(BEFORE).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_of_any_kind() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 100 200 0 0 7 5 3 1 20 0 1 0 300 400";
        assert_eq!(ticks(stat), Some(16));
        assert_eq!(ticks("12 (a) S 1"), None);
    }
}
