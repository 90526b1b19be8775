//! A server process that lives as long as the value that stands for it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::conf::fill_in;
use super::{Conf, Connection, PATIENCE, Response, port};

const NGINX: &str = "/usr/sbin/nginx";
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

const POLL: Duration = Duration::from_millis(5);
const START_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// The program that is tested, or that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Encke,
    Nginx { nchan: bool },
}

impl Backend {
    /// Whether this machine has the program. Encke was built with the tests.
    pub(crate) fn is_installed(self) -> bool {
        match self {
            Backend::Encke => true,
            Backend::Nginx { nchan } => Path::new(NGINX).exists() && (!nchan || Path::new(NCHAN).exists()),
        }
    }

    pub(crate) fn is_nginx(self) -> bool {
        matches!(self, Backend::Nginx { .. })
    }

    fn command(self, conf: &Path, dir: &Path) -> Command {
        match self {
            Backend::Encke => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
                command.arg("-c").arg(conf);
                command
            }
            Backend::Nginx { nchan } => {
                let mut command = Command::new(NGINX);
                // The prefix keeps the distribution's welcome page away.
                command.arg("-p").arg(dir).args(["-e", "stderr", "-c"]).arg(conf);
                command.arg("-g").arg(nginx_globals(nchan));
                command
            }
        }
    }
}

fn nginx_globals(nchan: bool) -> String {
    let module = if nchan { format!("load_module {NCHAN};") } else { String::new() };
    // Workers of a master that runs as root are "nobody" otherwise, who may not write to our folder.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    format!("{module} {user}")
}

/// What to start. Made by [`Server::builder`].
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    backend: Backend,
    conf: Conf,
    args: Vec<String>,
    envs: Vec<(String, String)>,
}

impl Builder {
    pub(crate) fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// A further command-line argument; `{{port}}` and `{{dir}}` are replaced in it.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, for configurations that may be refused.
    pub(crate) fn try_start(self) -> Result<Server, StartError> {
        const TRIES: usize = 3;
        let mut result = self.start_once();
        for _ in 1..TRIES {
            match &result {
                Err(error) if error.port_was_taken() => result = self.start_once(),
                _ => break,
            }
        }
        result
    }

    fn start_once(&self) -> Result<Server, StartError> {
        let dir = TempDir::with_prefix("encke-test-").expect("the temporary folder can be made");
        let port = port::free();
        let conf_path = dir.path().join("nginx.conf");
        let conf_text = self.conf.text(self.backend, port, dir.path());
        fs::write(&conf_path, conf_text).expect("the configuration can be written");
        let stderr_path = dir.path().join("stderr");
        let stderr = File::create(&stderr_path).expect("the log can be made");
        let child = self
            .backend
            .command(&conf_path, dir.path())
            .args(self.args.iter().map(|arg| OsString::from(fill_in(arg, port, dir.path()))))
            .envs(self.envs.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} cannot be run: {error}", self.backend));
        let mut server = Server { child, dir, port, stderr_path, backend: self.backend };
        server.wait_until_accepting()?;
        Ok(server)
    }
}

/// Why no server is running.
#[derive(Debug)]
pub(crate) struct StartError {
    /// `None`: it still ran, but had opened no port after [`START_LIMIT`].
    pub(crate) status: Option<ExitStatus>,
    pub(crate) stderr: String,
}

impl StartError {
    fn port_was_taken(&self) -> bool {
        self.stderr.to_ascii_lowercase().contains("address already in use")
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "the server ended with {status}; stderr:\n{}", self.stderr),
            None => write!(f, "no port open after {START_LIMIT:?}; stderr:\n{}", self.stderr),
        }
    }
}

/// A running server. Dropping it stops the process and removes its folder.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
    stderr_path: PathBuf,
    backend: Backend,
}

impl Server {
    /// Encke with this configuration; panics with its stderr if it does not start.
    pub(crate) fn start(conf: Conf) -> Server {
        Server::builder(conf).start()
    }

    pub(crate) fn builder(conf: Conf) -> Builder {
        Builder { backend: Backend::Encke, conf, args: Vec::new(), envs: Vec::new() }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the configuration file (`nginx.conf`), which the test may change before a reload.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// All that the server has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        read_lossy(&self.stderr_path)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Replaces the configuration file; [`Signal::SIGHUP`] makes the server read it.
    pub(crate) fn rewrite_conf(&self, conf: &Conf) {
        let text = conf.text(self.backend, self.port, self.dir());
        fs::write(self.dir().join("nginx.conf"), text).expect("the configuration can be written");
    }

    /// Sends a signal to the process (nginx: to the master process).
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.nix_pid(), signal).expect("the server has not been waited for");
    }

    /// Waits for the process to end by itself, or after a signal.
    pub(crate) fn wait_for_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().expect("our own child can be waited for");
            if status.is_some() || Instant::now() >= deadline {
                return status;
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn connect(&self) -> Connection {
        self.try_connect().unwrap_or_else(|error| panic!("port {}: {error}", self.port))
    }

    pub(crate) fn try_connect(&self) -> io::Result<Connection> {
        Connection::open((Ipv4Addr::LOCALHOST, self.port).into())
    }

    /// Sends one request on a connection of its own and returns the response to it.
    pub(crate) fn request(&self, raw: impl AsRef<[u8]>) -> Response {
        let mut connection = self.connect();
        connection.send(raw);
        connection.receive(PATIENCE).into_response()
    }

    /// `POST`s `body` as `text/plain`.
    pub(crate) fn post(&self, target: &str, body: &str) -> Response {
        let length = body.len();
        self.request(format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    /// The value of a metric (its labels included in the name) of a server with `encke_metrics` at `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").text();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.parse().ok()
    }

    /// Waits until so many wait in a channel, of a server with a publisher at `/publish?id=`.
    pub(crate) fn wait_for_subscribers(&self, channel: &str, count: usize) {
        self.wait_for_subscribers_at("/publish", channel, count);
    }

    /// The same, where the publisher is elsewhere.
    pub(crate) fn wait_for_subscribers_at(&self, publisher: &str, channel: &str, count: usize) {
        let wanted = format!("active subscribers: {count}");
        super::eventually(&format!("{count} subscribers on {channel}"), || {
            self.get(&format!("{publisher}?id={channel}")).text().contains(&wanted)
        });
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.request(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    fn wait_until_accepting(&mut self) -> Result<(), StartError> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let status = self.child.try_wait().expect("our own child can be waited for");
            if status.is_some() || Instant::now() >= deadline {
                return Err(StartError { status, stderr: self.stderr() });
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }

    fn nix_pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("process ids are small"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Killed at once, nginx's master would leave its workers behind.
        let _ = kill(self.nix_pid(), Signal::SIGTERM);
        if self.wait_for_exit(STOP_LIMIT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("--- stderr of the server on port {} ---\n{}", self.port, self.stderr());
        }
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
