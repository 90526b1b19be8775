//! Memory of a process.

use std::fs;
use std::io;

/// `Pss` in bytes: its own pages, and its part of those it shares with others.
pub(super) fn of_process(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    pss(&rollup).ok_or_else(|| io::Error::other(format!("no Pss of process {pid}")))
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pss_is_in_kilobytes() {
        assert_eq!(
            pss("5583-7ffe [rollup]\nRss:  1000 kB\nPss:   812 kB\nPss_Dirty: 1 kB\n"),
            Some(812 * 1024)
        );
        assert_eq!(pss("Rss: 1 kB\n"), None);
    }
}
