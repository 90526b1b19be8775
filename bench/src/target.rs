//! Where to publish and where to subscribe.

use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};

use crate::client::Transport;

/// What a channel's name stands for in URLs.
const CHANNEL: &str = "{channel}";

/// What the name of a transport stands for in a subscriber's URL.
const TRANSPORT: &str = "{transport}";

/// A push server, by its URLs.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    publish: Endpoint,
    subscribe: Endpoint,
    /// What names of channels begin with.
    prefix: String,
}

/// A URL with a channel in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Endpoint {
    address: SocketAddr,
    host: String,
    path: String,
}

/// A request line and `Host`, for any channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The number of a channel belongs between any two.
    parts: Vec<String>,
}

impl Target {
    /// `http://host:port/path` each, with `{channel}` in it. That of subscribers may have `{transport}`, too.
    pub(crate) fn new(publish: &str, subscribe: &str) -> io::Result<Self> {
        Ok(Self {
            publish: Endpoint::new(publish)?,
            subscribe: Endpoint::new(subscribe)?,
            prefix: String::new(),
        })
    }

    /// The same server, with channels of other names.
    pub(crate) fn with_prefix(self, prefix: String) -> Self {
        Self { prefix, ..self }
    }

    pub(crate) fn publish_address(&self) -> SocketAddr {
        self.publish.address
    }

    pub(crate) fn subscribe_address(&self) -> SocketAddr {
        self.subscribe.address
    }

    /// A publisher's request.
    pub(crate) fn publish(&self, method: &str) -> Request {
        Request::new(&self.publish.request(method), &self.prefix)
    }

    /// A subscriber's request.
    pub(crate) fn subscribe(&self, transport: Transport) -> Request {
        let request = self.subscribe.request("GET").replacen(TRANSPORT, &transport.to_string(), 1);
        Request::new(&request, &self.prefix)
    }
}

impl Endpoint {
    fn new(url: &str) -> io::Result<Self> {
        let wrong = || io::Error::other(format!("\"{url}\" is no URL like http://host:port/path/{CHANNEL}"));
        let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = rest.find('/').map(|at| rest.split_at(at)).ok_or_else(wrong)?;
        if !path.contains(CHANNEL) {
            return Err(wrong());
        }
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let address = with_port.to_socket_addrs()?.next().ok_or_else(wrong)?;
        Ok(Self { address, host: host.to_owned(), path: path.to_owned() })
    }

    fn request(&self, method: &str) -> String {
        format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.host)
    }
}

impl Request {
    /// `prefix`: what names of channels begin with.
    fn new(text: &str, prefix: &str) -> Self {
        let text = text.replace(CHANNEL, &format!("{prefix}{CHANNEL}"));
        Self { parts: text.split(CHANNEL).map(str::to_owned).collect() }
    }

    /// Appends the request to a channel.
    pub(crate) fn write(&self, channel: u32, output: &mut Vec<u8>) -> io::Result<()> {
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                write!(output, "{channel}")?;
            }
            output.extend_from_slice(part.as_bytes());
        }
        Ok(())
    }

    pub(crate) fn to(&self, channel: u32) -> String {
        self.parts.join(&channel.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_server_and_channel() {
        let target =
            Target::new("http://127.0.0.1:81/p/{channel}", "http://127.0.0.1/{transport}?id={channel}&x=1")
                .expect("URLs")
                .with_prefix("run-".to_owned());
        assert_eq!(target.publish("POST").to(3), "POST /p/run-3 HTTP/1.1\r\nHost: 127.0.0.1:81\r\n");
        assert_eq!(
            target.subscribe(Transport::Raw).to(3),
            "GET /raw?id=run-3&x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        );
        assert_eq!(target.subscribe_address().port(), 80);
    }

    #[test]
    fn other_texts_are_refused() {
        for url in [
            "127.0.0.1/{channel}",
            "http://127.0.0.1",
            "http://127.0.0.1/channel",
            "https://127.0.0.1/{channel}",
        ] {
            assert!(Endpoint::new(url).is_err(), "{url}");
        }
    }
}
