//! How logs are opened and written: without ever waiting for whoever reads them.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a pipe takes whole or not at all (`PIPE_BUF`).
const PIPE_PIECE: usize = 4096;

/// Opens a file to append to, making it if need be. A named pipe is opened whether or not somebody reads it: until
/// then it holds what fits into it.
///
/// # Errors
/// As [`OpenOptions::open`].
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).custom_flags(OFlag::O_NONBLOCK.bits());
    match options.open(path) {
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENXIO as i32) => {
            options.read(true).open(path)
        }
        opened => opened,
    }
}

/// Writes all of it, or says what kept it from that.
///
/// # Errors
/// As [`std::io::Write::write_all`]; `WouldBlock` for a pipe that is full.
pub(super) fn write_to(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)
}

/// Writes lines to standard error if they can be written at once.
pub(super) fn write_to_stderr(lines: &[u8]) {
    let mut stderr = io::stderr().lock();
    for piece in lines.chunks(PIPE_PIECE) {
        if !is_writable(&stderr) || stderr.write_all(piece).is_err() {
            return;
        }
    }
}

/// Whether a pipe, a terminal or a file takes [`PIPE_PIECE`] bytes without waiting.
fn is_writable(file: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
