//! What single parts of Encke cost, without sockets: `cargo bench -p encke-bench`.
//!
//! | module | what |
//! |---|---|
//! | `parser` | configurations into trees |
//! | `location` | which location a path belongs to |
//! | `template` | texts with variables |
//! | `publish` | a message into the store, for those who wait and for nobody |
//! | `framing` | a message as the bytes of each transport |
//! | `again` | requests that come again |
//!
//! Every number is that of one thread that does nothing else: compare numbers of one machine, and of one run.

mod again;
mod framing;
mod given;
mod location;
mod parser;
mod publish;
mod template;

/// The allocator of the server, and how often it is called.
#[global_allocator]
static ALLOCATOR: divan::AllocProfiler<mimalloc::MiMalloc> = divan::AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}
