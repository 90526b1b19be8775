//! The main and `events` contexts.

use std::path::PathBuf;
use std::time::Duration;

use super::access::AccessWho;
use super::log::ErrorLog;

/// Directives of the main and `events` contexts.
#[derive(Clone, Debug)]
pub struct MainConf {
    /// `worker_processes`: worker threads; `auto` is already resolved.
    pub worker_processes: usize,
    /// `worker_connections`: open connections each worker may hold.
    pub worker_connections: usize,
    /// `user`: name and group to become when started as root.
    pub user: Option<User>,
    /// `pid`: where the process number is written; `None` when no directive asks for it.
    pub pid: Option<PathBuf>,
    /// `daemon`.
    pub daemon: bool,
    /// `error_log` of the main context.
    pub error_log: Vec<ErrorLog>,
    /// `worker_rlimit_nofile`: both limits of open files.
    pub open_files: Option<u64>,
    /// `worker_rlimit_core`: bytes of a core file.
    pub core_size: Option<u64>,
    /// `worker_priority`: as `nice` counts.
    pub priority: i32,
    /// `worker_cpu_affinity`.
    pub affinity: Option<Affinity>,
    /// `multi_accept`.
    pub multi_accept: bool,
    /// `debug_connection`: clients whose requests are told of in detail.
    pub debug_connections: Vec<AccessWho>,
    /// `worker_shutdown_timeout`: how long a graceful end may take.
    pub shutdown_timeout: Option<Duration>,
    /// `working_directory`.
    pub working_directory: Option<PathBuf>,
    /// `env`, in order.
    pub environment: Vec<EnvironmentVariable>,
}

/// `worker_cpu_affinity`: numbers of processors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// One of these for each worker, in turn.
    Auto(Vec<usize>),
    /// Those of each worker; the last are for all further workers.
    Masks(Vec<Vec<usize>>),
}

/// One `env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentVariable {
    /// The variable's name.
    pub name: String,
    /// Its value; `None` keeps the one that it has.
    pub value: Option<String>,
}

/// `user NAME [GROUP]`, looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
}

impl Affinity {
    /// The processors of a worker; none is no restriction.
    pub fn of_worker(&self, worker: usize) -> &[usize] {
        match self {
            Self::Auto(processors) if processors.is_empty() => &[],
            Self::Auto(processors) => std::slice::from_ref(&processors[worker % processors.len()]),
            Self::Masks(masks) => masks.get(worker).or(masks.last()).map_or(&[], Vec::as_slice),
        }
    }
}
