//! What is measured: processor time and memory of processes, and time that passes for clients.

mod cpu;
mod latency;
mod memory;
mod process;
mod statistics;

pub(crate) use cpu::own as own_cpu;
pub(crate) use latency::Latencies;
pub(crate) use process::Process;
pub(crate) use statistics::{Summary, summary};
