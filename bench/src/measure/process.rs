//! A process with all its descendants.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{cpu, memory};

/// A server's process tree, as `/proc` shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// Processor time that it has used so far, in user and kernel, with children that ended.
    pub(crate) fn cpu(self) -> io::Result<Duration> {
        tree(self.pid)?.into_iter().map(cpu::of_process).sum()
    }

    /// Bytes (`Pss`): pages that several processes share count once.
    pub(crate) fn memory(self) -> io::Result<u64> {
        tree(self.pid)?.into_iter().map(memory::of_process).sum()
    }

    /// Waits until it has had nothing to do for a moment.
    pub(crate) fn settle(self) -> io::Result<()> {
        const MOMENT: Duration = Duration::from_millis(60);
        const PATIENCE: Duration = Duration::from_secs(5);
        let deadline = Instant::now() + PATIENCE;
        let mut used = self.cpu()?;
        while Instant::now() < deadline {
            thread::sleep(MOMENT);
            let before = std::mem::replace(&mut used, self.cpu()?);
            if used == before {
                break;
            }
        }
        Ok(())
    }
}

fn tree(pid: u32) -> io::Result<Vec<u32>> {
    let mut tree = vec![pid];
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // Threads and children may have ended meanwhile.
        let children = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
            tree.extend(self::tree(child).unwrap_or_default());
        }
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_time_and_memory() {
        let process = Process::new(std::process::id());
        let start = process.cpu().expect("its own times");
        let deadline = Instant::now() + Duration::from_secs(10);
        while process.cpu().expect("its own times") == start {
            assert!(Instant::now() < deadline, "no time passes for this process");
        }
        assert!(process.memory().expect("its own memory") > 100_000);
    }
}
