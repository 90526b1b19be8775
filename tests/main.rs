//! The integration tests of encke: everything that a client or an operator can see from outside.

// A toolbox shared by all modules below.
#[allow(dead_code, unused_imports, reason = "each module takes what it needs")]
mod harness;

// The program of the article that people set up comet servers from, unchanged.
mod article;
// Recorded request sequences, and what the old servers answered to them.
mod transcripts;
