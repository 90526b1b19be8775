//! What the process may do: descriptors, and whose rights it has.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::sched::{self, CpuSet};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Pid, Uid, initgroups, setgid, setuid};

use crate::config::model::{MainConf, Severity, User};
use crate::log;

/// Raises the limit of open files as far as the connections of all workers need and the system allows.
pub fn raise_open_files(worker_connections: usize, workers: usize) {
    const OTHERS: u64 = 64;
    const FAR_TOO_MANY: u64 = 1 << 20;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let connections = u64::try_from(worker_connections.saturating_mul(workers)).unwrap_or(u64::MAX);
    let wanted = connections.saturating_add(OTHERS).min(hard);
    if wanted > soft && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() {
        tracing::warn!("setrlimit(RLIMIT_NOFILE, {wanted}) failed");
    }
    let limit = soft.max(wanted);
    // A fragment asks for more than there can be, and means as many as there are.
    if connections > limit && connections < FAR_TOO_MANY {
        tracing::warn!("{connections} worker_connections exceed open file resource limit: {limit}");
    }
}

/// Whether so many descriptors are left.
///
/// # Errors
/// The system's, if there are fewer.
pub fn expect_descriptors(count: usize) -> io::Result<()> {
    let stderr = io::stderr();
    let probes: io::Result<Vec<OwnedFd>> =
        std::iter::repeat_with(|| stderr.as_fd().try_clone_to_owned()).take(count).collect();
    probes.map(|_| ())
}

/// Sets what the configuration says of the process: `worker_rlimit_nofile`, `worker_rlimit_core`, `worker_priority`. What
/// the system does not allow is logged, and the server goes on without it, as nginx's workers do.
pub fn apply(main: &MainConf) {
    let alert = |call: &str, errno: i32| {
        let error = std::io::Error::from_raw_os_error(errno);
        log::event(Severity::Alert, &format!("{call} failed ({})", log::os_error(&error)));
    };
    let limits = [
        ("RLIMIT_NOFILE", Resource::RLIMIT_NOFILE, main.open_files),
        ("RLIMIT_CORE", Resource::RLIMIT_CORE, main.core_size),
    ];
    for (name, resource, limit) in limits {
        if let Some(Err(errno)) = limit.map(|limit| setrlimit(resource, limit, limit)) {
            alert(&format!("setrlimit({name}, {})", limit.unwrap_or(0)), errno as i32);
        }
    }
    let priority = main.priority;
    if priority != 0
        && let Err(errno) = rustix::process::setpriority_process(None, priority)
    {
        alert(&format!("setpriority({priority})"), errno.raw_os_error());
    }
}

/// Binds the calling thread, a worker, to the processors that `worker_cpu_affinity` gives it.
pub fn bind_to_processors(main: &MainConf, worker: usize) {
    let processors = main.affinity.as_ref().map_or(&[][..], |affinity| affinity.of_worker(worker));
    if processors.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    // Numbers beyond what a set can hold were refused with the configuration.
    let _ = processors.iter().try_for_each(|processor| set.set(*processor));
    let list: Vec<String> = processors.iter().map(|processor| format!("#{processor}")).collect();
    log::event(Severity::Notice, &format!("sched_setaffinity(): using cpu {}", list.join(", ")));
    if let Err(errno) = sched::sched_setaffinity(Pid::from_raw(0), &set) {
        let error = std::io::Error::from(errno);
        log::event(Severity::Alert, &format!("sched_setaffinity() failed ({})", log::os_error(&error)));
    }
}

/// Goes to `working_directory`, and allows a core file there if there may be one.
///
/// # Errors
/// nginx's words.
pub fn settle(main: &MainConf) -> Result<(), String> {
    if main.core_size.is_some() {
        // The system forbids it to a process that changed its user.
        let _ = nix::sys::prctl::set_dumpable(true);
    }
    let Some(directory) = &main.working_directory else { return Ok(()) };
    std::env::set_current_dir(directory)
        .map_err(|error| format!("chdir(\"{}\") failed ({})", directory.display(), log::os_error(&error)))
}

/// Asks the kernel for memory in small pages: huge ones make a server of small things take up to half as much again.
pub fn use_small_pages() {
    // Without it everything works, only larger.
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// Becomes another user, if started as root and told to.
///
/// # Errors
/// nginx's words.
pub fn drop(user: Option<&User>) -> Result<(), String> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(user) = user else {
        tracing::warn!("running as root: write a \"user\" directive");
        return Ok(());
    };
    let gid = Gid::from_raw(user.gid);
    let failed =
        |call: String| move |errno: nix::Error| format!("{call} failed ({}: {})", errno as i32, errno.desc());
    setgid(gid).map_err(failed(format!("setgid({})", user.gid)))?;
    let name = CString::new(user.name.as_str()).map_err(|_| "invalid user name".to_owned())?;
    initgroups(&name, gid).map_err(failed(format!("initgroups({}, {})", user.name, user.gid)))?;
    setuid(Uid::from_raw(user.uid)).map_err(failed(format!("setuid({})", user.uid)))
}
