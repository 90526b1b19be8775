//! The binary: everything it does is in the library.

use std::process::ExitCode;

/// Each request's short-lived buffers lie between what is kept of waiting subscribers, and a message is a few small
/// allocations. `docs/performance.md` compares it with others.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    encke::cli::main(std::env::args_os())
}
