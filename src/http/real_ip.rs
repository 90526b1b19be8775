//! Whom a client behind a proxy is taken for: `set_real_ip_from`, `real_ip_header`, `real_ip_recursive`.

use std::net::{IpAddr, SocketAddr};

use crate::config::model::{AccessWho, RealIpHeader};
use crate::request::{Endpoint, RequestCtx};

use super::access::is_among;

/// Puts the address that a trusted proxy names in the place of the proxy's. Done once for a request: by the settings of
/// its server, or else of the location it has come to.
pub fn apply(ctx: &mut RequestCtx) {
    let conf = &ctx.conf.real_ip;
    if ctx.remote_replaced || conf.from.is_empty() {
        return;
    }
    let named = match &conf.header {
        RealIpHeader::ProxyProtocol => {
            let source = ctx.connection.proxied.as_ref().map(|proxied| proxied.source);
            source.filter(|_| is_among(&conf.from, &ctx.remote))
        }
        RealIpHeader::ForwardedFor => {
            let headers = ctx.headers.get_all("x-forwarded-for");
            let values: Vec<&[u8]> = headers.iter().map(http::HeaderValue::as_bytes).collect();
            forwarded(&ctx.remote, &values, &conf.from, conf.recursive)
        }
        RealIpHeader::Named(name) => {
            let value = ctx.headers.get(&**name).map(http::HeaderValue::as_bytes);
            value.and_then(|value| forwarded(&ctx.remote, &[value], &conf.from, conf.recursive))
        }
    };
    if let Some(address) = named {
        ctx.remote = Endpoint::Inet(address);
        ctx.remote_replaced = true;
    }
}

/// The last address, or with `recursive` the last that is not trusted itself; `None` unless who sent the list is trusted.
fn forwarded(
    sender: &Endpoint,
    values: &[&[u8]],
    trusted: &[AccessWho],
    recursive: bool,
) -> Option<SocketAddr> {
    if !is_among(trusted, sender) {
        return None;
    }
    let mut found = None;
    for text in values.iter().rev().flat_map(|value| words(value)) {
        let Some(address) = address(text) else { break };
        found = Some(address);
        if !recursive || !is_among(trusted, &Endpoint::Inet(address)) {
            break;
        }
    }
    found
}

/// The words of a list, last first.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.rsplit(|byte| matches!(byte, b' ' | b',')).filter(|word| !word.is_empty())
}

/// `1.2.3.4`, `1.2.3.4:80`, `::1` or `[::1]:80`; without a port, the port is 0.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let ip: Option<IpAddr> = text.parse().ok();
    match ip {
        Some(ip) => Some(SocketAddr::new(ip, 0)),
        None => text.parse().ok().filter(|address: &SocketAddr| address.port() > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_that_is_not_trusted_is_the_client() {
        let sender = Endpoint::Inet("10.0.0.1:1000".parse().unwrap());
        let trusted = [AccessWho::Net("10.0.0.0".parse().unwrap(), 8)];
        let look = |values: &[&str], recursive| {
            let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            forwarded(&sender, &values, &trusted, recursive).map(|address| address.to_string())
        };
        let cases: [(&[&str], bool, Option<&str>); 10] = [
            (&["1.1.1.1"], false, Some("1.1.1.1:0")),
            (&["1.1.1.1, 2.2.2.2"], false, Some("2.2.2.2:0")),
            (&["1.1.1.1, 10.2.2.2"], false, Some("10.2.2.2:0")),
            (&["1.1.1.1, 10.2.2.2"], true, Some("1.1.1.1:0")),
            (&["1.1.1.1", "10.2.2.2 10.3.3.3,"], true, Some("1.1.1.1:0")),
            (&["nobody, 10.2.2.2"], true, Some("10.2.2.2:0")),
            (&["nobody"], true, None),
            (&["[2001:db8::1]:443"], false, Some("[2001:db8::1]:443")),
            (&["1.2.3.4:80"], false, Some("1.2.3.4:80")),
            (&["[2001:db8::1]"], false, None),
        ];
        for (values, recursive, expected) in cases {
            assert_eq!(look(values, recursive).as_deref(), expected, "{values:?}");
        }
        let stranger = Endpoint::Inet("9.9.9.9:1".parse().unwrap());
        assert_eq!(forwarded(&stranger, &[b"1.1.1.1"], &trusted, true), None);
    }
}
