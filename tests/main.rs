//! The integration tests of encke: everything that a client or an operator can see from outside.

// A toolbox shared by all modules below.
#[allow(dead_code, unused_imports, reason = "each module takes what it needs")]
mod harness;

// The same input for nginx and encke, and what each makes of it.
mod agreement;
// The program of the article that people set up comet servers from, unchanged.
mod article;
// The documentation is whole.
mod docs;
// Every example configuration does what it says.
mod examples;
// More messages than fit into the memory limit.
mod flood;
// Connections that leave hyper to wait, and come back.
mod parked;
// The command line, signals, reload.
mod process;
// Requests that are passed on to servers behind.
mod proxy;
// Requests as odd clients send them.
mod requests;
// Who may import whom.
mod structure;
// Recorded request sequences, and what the old servers answered to them.
mod transcripts;
