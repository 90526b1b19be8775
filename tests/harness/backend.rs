//! A scripted HTTP server for others to pass requests on to.
//!
//! A request is answered with the script that its header `X-Answer` names, or else its path. One that has no script is
//! answered 200, and the body is the request as it came: so a client sees what the server behind saw.
//!
//! In scripts `{{close}}` closes the connection, `{{wait N}}` waits for so many milliseconds, `{{tunnel}}` sends back in
//! capitals what comes from then on.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::port;

/// What answers are called, and their bytes.
pub(crate) type Scripts = HashMap<String, Vec<u8>>;

/// How many servers there are, for balancing; they differ in a header.
const SERVERS: usize = 3;
const SOCKET: &str = "{{socket}}";

/// Servers that run until the test ends.
#[derive(Debug)]
pub(crate) struct Backends {
    /// Ports of the servers.
    pub(crate) ports: [u16; SERVERS],
    /// A port on which nobody listens.
    pub(crate) dead: u16,
    dir: TempDir,
}

impl Backends {
    pub(crate) fn start(scripts: Scripts) -> Backends {
        let dir = TempDir::with_prefix("encke-backend-").expect("the temporary folder can be made");
        let bind = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let listeners: [TcpListener; SERVERS] = std::array::from_fn(bind);
        let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
        let ports = listeners.each_ref().map(port);
        let backends = Backends { ports, dead: port::free(), dir };
        let filled = scripts.into_iter().map(|(name, script)| {
            // Some bytes are no text, and speak of no ports either.
            let script = String::from_utf8(script);
            (
                name,
                script.map_or_else(std::string::FromUtf8Error::into_bytes, |text| {
                    backends.fill_in(&text).into_bytes()
                }),
            )
        });
        let scripts: Arc<Scripts> = Arc::new(filled.collect());
        for (number, listener) in listeners.into_iter().enumerate() {
            let scripts = Arc::clone(&scripts);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let scripts = Arc::clone(&scripts);
                    thread::spawn(move || serve(&stream, &stream, number + 1, &scripts));
                }
            });
        }
        let listener = UnixListener::bind(backends.socket()).expect("the socket can be made");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let scripts = Arc::clone(&scripts);
                thread::spawn(move || serve(&stream, &stream, 0, &scripts));
            }
        });
        backends
    }

    /// The path of a server's unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("backend.sock")
    }

    /// Fills in `{{backend}}`, `{{backend2}}`, `{{backend3}}`, `{{dead}}` and `{{socket}}`.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let text = text.replace(SOCKET, &self.socket().to_string_lossy());
        self.names().into_iter().fold(text, |text, (name, port)| text.replace(name, &port.to_string()))
    }

    /// The opposite.
    pub(crate) fn mask(&self, text: &str) -> String {
        let text = text.replace(&*self.socket().to_string_lossy(), SOCKET);
        self.names().into_iter().fold(text, |text, (name, port)| port::mask(&text, port, name))
    }

    fn names(&self) -> [(&'static str, u16); 4] {
        let [first, second, third] = self.ports;
        [("{{backend}}", first), ("{{backend2}}", second), ("{{backend3}}", third), ("{{dead}}", self.dead)]
    }
}

/// A connection that can be closed for good.
trait Close {
    fn close(&self);
}

impl Close for TcpStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

impl Close for UnixStream {
    fn close(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

fn serve<S: Close>(mut stream: impl Read + Write, socket: &S, number: usize, scripts: &Scripts) {
    let mut buffer = Vec::new();
    while let Ok(request) = read_request(&mut stream, &mut buffer) {
        let script = script_of(&request, scripts);
        let sent = match script {
            Some(script) => play(&mut stream, script),
            None => echo(&mut stream, &request, number),
        };
        if !matches!(sent, Ok(true)) {
            break;
        }
    }
    socket.close();
}

/// Reads one request, head and body.
fn read_request(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let head = loop {
        if let Some(at) = find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        fill(stream, buffer)?;
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
    let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let length = match (header("content-length:"), header("transfer-encoding:")) {
        (_, Some("chunked")) => {
            while !buffer.ends_with(b"0\r\n\r\n") {
                fill(stream, buffer)?;
            }
            buffer.len() - head
        }
        // Who announces a body and sends none is not waited for.
        (Some(_), _) if text.contains("x-no-body") => 0,
        (Some(length), _) => length.parse().unwrap_or(0),
        _ => 0,
    };
    while buffer.len() < head + length {
        fill(stream, buffer)?;
    }
    Ok(buffer.drain(..head + length).collect())
}

fn fill(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 65536];
    match stream.read(&mut piece)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            buffer.extend_from_slice(&piece[..length]);
            Ok(())
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn script_of<'a>(request: &[u8], scripts: &'a Scripts) -> Option<&'a Vec<u8>> {
    let text = String::from_utf8_lossy(request);
    let named = text.lines().find_map(|line| line.strip_prefix("X-Answer: "));
    let path = text.split(' ').nth(1).map(|target| target.split('?').next().unwrap_or(target));
    named.and_then(|name| scripts.get(name)).or_else(|| scripts.get(path?))
}

/// Whether the connection goes on.
fn play(stream: &mut (impl Read + Write), script: &[u8]) -> io::Result<bool> {
    let mut rest = script;
    while let Some(at) = find(rest, b"{{") {
        let (before, behind) = rest.split_at(at);
        let end = find(behind, b"}}").expect("an instruction ends");
        stream.write_all(before)?;
        stream.flush()?;
        match std::str::from_utf8(&behind[2..end]).expect("an instruction is text") {
            "close" => return Ok(false),
            "tunnel" => {
                tunnel(stream)?;
                return Ok(false);
            }
            wait => {
                let millis = wait.strip_prefix("wait ").and_then(|millis| millis.parse().ok());
                thread::sleep(Duration::from_millis(millis.expect("a known instruction")));
            }
        }
        rest = &behind[end + 2..];
    }
    stream.write_all(rest)?;
    Ok(true)
}

fn tunnel(stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut piece = [0; 1024];
    loop {
        let length = stream.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&piece[..length].to_ascii_uppercase())?;
    }
}

fn echo(stream: &mut impl Write, request: &[u8], number: usize) -> io::Result<bool> {
    let length = request.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Backend: {number}\r\nContent-Length: {length}\r\n\r\n"
    );
    let body = if request.starts_with(b"HEAD ") { &[][..] } else { request };
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    Ok(text.contains(" http/1.1\r\n") && !text.contains("\r\nconnection: close"))
}

/// The scripts in a text: lines `#< NAME BYTES`. Also returns the text without them.
pub(crate) fn scripts(text: &str, unescape: impl Fn(&str) -> Vec<u8>) -> (Scripts, String) {
    let mut scripts = Scripts::new();
    let mut rest = String::new();
    for line in text.lines() {
        match line.strip_prefix("#< ").and_then(|line| line.split_once(' ')) {
            Some((name, bytes)) => {
                scripts.insert(name.to_owned(), unescape(bytes));
            }
            None => rest.extend([line, "\n"]),
        }
    }
    (scripts, rest)
}

/// Whether a configuration speaks of servers behind.
pub(crate) fn is_wanted(text: &str) -> bool {
    ["{{backend", "{{dead}}", SOCKET].iter().any(|name| text.contains(name))
}
