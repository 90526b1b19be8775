//! The client's address by `X-Forwarded-For`, where the connection comes from a trusted proxy.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::value::{self, Network};

/// The address at the end of a chain of trusted proxies: the last one of the header; with `recursive` the last one that is
/// not trusted itself.
pub fn client(remote: IpAddr, headers: &HeaderMap, trusted: &[Network], recursive: bool) -> IpAddr {
    if trusted.is_empty() {
        return remote;
    }
    let values = headers.get_all("x-forwarded-for").into_iter().map(http::HeaderValue::as_bytes);
    let words = values.rev().flat_map(words_from_the_end);
    let mut client = remote;
    for word in words {
        if !contains(trusted, client) {
            break;
        }
        let Some(next) = address(word) else { break };
        client = next;
        if !recursive {
            break;
        }
    }
    client
}

/// The words of a header, last first. As in nginx, a separator in front of all belongs to the first word.
fn words_from_the_end(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (first, rest) = value.split_at(value.len().min(1));
    let separator = |byte: &u8| matches!(byte, b',' | b' ');
    let start = rest.iter().position(separator).unwrap_or(rest.len());
    let others = rest[start..].rsplit(separator).filter(|word| !word.is_empty());
    others.chain([&value[..first.len() + start]])
}

/// Whether one of the networks has the address.
fn contains(networks: &[Network], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| {
        network.address.is_ipv4() == address.is_ipv4()
            && value::mask(address, network.prefix) == network.address
    })
}

/// An address, with or without a port.
fn address(text: &[u8]) -> Option<IpAddr> {
    let with_port = || std::str::from_utf8(text).ok()?.parse().ok().map(|address: SocketAddr| address.ip());
    value::address(text).or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies_are_believed() {
        let trusted: Vec<_> =
            ["127.0.0.0/8", "10.0.0.0/8"].map(|text| value::network(text.as_bytes()).unwrap()).into();
        let cases = [
            ("20.0.0.1", false, "20.0.0.1"),
            ("20.0.0.1, 10.0.0.1", false, "10.0.0.1"),
            ("20.0.0.1, 10.0.0.1", true, "20.0.0.1"),
            ("10.0.0.2,10.0.0.1", true, "10.0.0.2"),
            ("30.0.0.1, 20.0.0.1, 10.0.0.1", true, "20.0.0.1"),
            ("20.0.0.1, bogus", true, "127.0.0.1"),
            ("bogus, 10.0.0.1", true, "10.0.0.1"),
            ("20.0.0.1:80", false, "20.0.0.1"),
            ("", true, "127.0.0.1"),
            (",20.0.0.1,,10.0.0.1,,", true, "10.0.0.1"),
            ("20.0.0.1 , 10.0.0.1", true, "20.0.0.1"),
        ];
        for (header, recursive, expected) in cases {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("x-forwarded-for"),
                http::HeaderValue::from_str(header).unwrap(),
            )]);
            let found = client([127, 0, 0, 1].into(), &headers, &trusted, recursive);
            assert_eq!(found.to_string(), expected, "{header}");
        }
        let untrusted = client([192, 0, 2, 1].into(), &HeaderMap::new(), &trusted, true);
        assert_eq!(untrusted.to_string(), "192.0.2.1");
    }
}
