//! Servers that are measured: Encke, nginx with Nchan, one that runs already, or the floor.

mod conf;
mod port;

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use tempfile::TempDir;

use crate::measure::Process;
use crate::target::Target;

pub(crate) use conf::{Needs, files};

const POLL: Duration = Duration::from_millis(5);
const START_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Something that can be measured.
#[derive(Clone, Debug)]
pub(crate) enum Contestant {
    Encke {
        program: PathBuf,
    },
    Nchan {
        nginx: PathBuf,
        module: PathBuf,
    },
    /// A server that runs already. Without its process, only clients are measured.
    Running {
        target: Target,
        process: Option<Process>,
    },
    /// What the kernel takes for the sockets: this program, as [`floor`](crate::floor).
    Floor {
        program: PathBuf,
    },
}

/// A server while it is measured.
pub(crate) struct Site {
    pub(crate) target: Target,
    process: Option<Process>,
    is_floor: bool,
    /// Stops it at the end.
    _running: Option<Running>,
}

/// A child process and its folder. Dropping it stops the process.
struct Running {
    child: Child,
    _dir: TempDir,
}

impl Contestant {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Encke { .. } => "encke",
            Self::Nchan { .. } => "nginx+Nchan",
            Self::Running { .. } => "server",
            Self::Floor { .. } => "floor",
        }
    }

    /// What the program says to `-v`.
    pub(crate) fn version(&self) -> String {
        let program = match self {
            Self::Encke { program } | Self::Nchan { nginx: program, .. } => program,
            Self::Running { .. } => return "unknown".to_owned(),
            Self::Floor { .. } => {
                return "one thread, which receives and sends, and keeps nothing".to_owned();
            }
        };
        let Ok(output) = Command::new(program).arg("-v").output() else { return "unknown".to_owned() };
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim().to_owned()
    }

    /// A fresh server, with no channel.
    pub(crate) fn start(&self, needs: Needs) -> io::Result<Site> {
        match self {
            Self::Encke { program } => start_configured(Command::new(program), "", needs),
            Self::Nchan { nginx, module } => {
                start_configured(Command::new(nginx), &nginx_globals(module), needs)
            }
            Self::Running { target, process } => {
                let target = target.clone().with_prefix(prefix());
                Ok(Site { target, process: *process, is_floor: false, _running: None })
            }
            Self::Floor { program } => {
                let port = port::free();
                let mut command = Command::new(program);
                command.args(["--serve-floor", &port.to_string()]);
                Ok(Site { is_floor: true, ..start(command, port, folder()?)? })
            }
        }
    }
}

fn nginx_globals(module: &Path) -> String {
    // Workers of a master that runs as root are "nobody" otherwise, who may not write to our folder.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    format!("load_module {}; {user}", module.display())
}

/// Channels of a server that stays are others each time.
fn prefix() -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    format!("bench-{}-{}-", std::process::id(), RUNS.fetch_add(1, Relaxed))
}

fn folder() -> io::Result<TempDir> {
    TempDir::with_prefix("encke-bench-")
}

fn start_configured(mut command: Command, globals: &str, needs: Needs) -> io::Result<Site> {
    let dir = folder()?;
    let port = port::free();
    let conf = dir.path().join("server.conf");
    fs::write(&conf, conf::text(globals, needs, port, dir.path()))?;
    command.arg("-c").arg(&conf);
    if !globals.is_empty() {
        command.arg("-p").arg(dir.path()).args(["-e", "stderr"]);
    }
    start(command, port, dir)
}

/// Runs a program that listens on `port`, with a folder of its own.
fn start(mut command: Command, port: u16, dir: TempDir) -> io::Result<Site> {
    let errors = dir.path().join("stderr");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors)?);
    let program = command.get_program().display().to_string();
    let child = command.spawn().map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    let mut running = Running { child, _dir: dir };
    running.wait_until_accepting(port).map_err(|error| {
        let said = fs::read_to_string(&errors).unwrap_or_default();
        io::Error::other(format!("{program}: {error}\n{said}"))
    })?;
    let process = Some(Process::new(running.child.id()));
    Ok(Site { target: target(port)?, process, is_floor: false, _running: Some(running) })
}

/// Each transport has a location.
fn target(port: u16) -> io::Result<Target> {
    let url = |name: &str| format!("http://127.0.0.1:{port}/{name}?id={{channel}}");
    Target::new(&url("publish"), &url("{transport}"))
}

impl Site {
    /// A floor that runs in this process.
    #[cfg(test)]
    pub(crate) fn of_floor(port: u16) -> io::Result<Self> {
        Ok(Self { target: target(port)?, process: None, is_floor: true, _running: None })
    }

    /// Whether there are no messages to look for afterwards, and its memory says nothing.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.is_floor
    }

    /// Processor time of the server so far, when it has nothing more to do. `None` if its process is not known.
    pub(crate) fn cpu(&self) -> io::Result<Option<Duration>> {
        self.settle()?;
        self.process.map(Process::cpu).transpose()
    }

    /// Memory of the server, when it has nothing more to do. `None` if its process is not known, or keeps nothing.
    pub(crate) fn memory(&self) -> io::Result<Option<u64>> {
        if self.keeps_nothing() {
            return Ok(None);
        }
        self.settle()?;
        self.process.map(Process::memory).transpose()
    }

    fn settle(&self) -> io::Result<()> {
        match self.process {
            Some(process) => process.settle(),
            None => {
                thread::sleep(Duration::from_millis(300));
                Ok(())
            }
        }
    }
}

impl Running {
    fn wait_until_accepting(&mut self, port: u16) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}")));
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!("no port open after {START_LIMIT:?}")));
            }
            thread::sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Killed at once, nginx's master would leave its workers behind.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            thread::sleep(POLL);
        }
    }
}
