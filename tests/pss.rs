//! How much memory a server takes, as the kernel counts it.

use std::fs;
use std::io;

/// Bytes of a process and all its descendants. Pages that several of them share count once.
pub(crate) fn of_tree(pid: u32) -> io::Result<u64> {
    let children: u64 = children(pid)?.into_iter().map(of_tree).sum::<io::Result<u64>>()?;
    Ok(of_process(pid)? + children)
}

/// `Pss` of one process: its own pages, and its part of those it shares with others.
fn of_process(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse::<u64>().ok());
    kilobytes.map(|number| number * 1024).ok_or_else(|| io::Error::other(format!("no Pss of process {pid}")))
}

fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(task?.path().join("children"))?;
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}
