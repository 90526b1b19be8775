//! What a proxy said of its client, by the PROXY protocol.

use std::net::SocketAddr;

use ppp::v2::{Type, TypeLengthValues};
use serde::{Deserialize, Serialize};

/// Whom a connection is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxied {
    /// The client.
    pub source: SocketAddr,
    /// Where the client connected to.
    pub destination: SocketAddr,
    /// Further fields (TLVs) as they came; the protocol's second version has them.
    pub fields: Box<[u8]>,
}

impl Proxied {
    /// `$proxy_protocol_tlv_NAME`, in lower case: a field by its name or its number (`0x05`), behind `ssl_` one of those
    /// that tell of the client's TLS. `None` where there is no such field, and for names that nobody knows.
    pub fn field(&self, name: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(name).ok()?;
        let Some(of_tls) = name.strip_prefix("ssl_") else { return find(&self.fields, kind(name)?) };
        // A byte of flags and four that say whether the certificate was true, before its own fields.
        let tls = find(&self.fields, Type::SSL as u8)?;
        let (head, fields) = tls.split_at_checked(5)?;
        if of_tls == "verify" {
            let verified = u32::from_be_bytes(head[1..].try_into().ok()?);
            return Some(verified.to_string().into_bytes());
        }
        find(fields, kind_of_tls(of_tls)?)
    }
}

fn find(fields: &[u8], kind: u8) -> Option<Vec<u8>> {
    let mut fields = TypeLengthValues::from(fields).map_while(Result::ok);
    fields.find(|field| field.kind == kind).map(|field| field.value.into_owned())
}

fn kind(name: &str) -> Option<u8> {
    Some(match name {
        "alpn" => Type::ALPN as u8,
        "authority" => Type::Authority as u8,
        "unique_id" => Type::UniqueId as u8,
        "ssl" => Type::SSL as u8,
        "netns" => Type::NetworkNamespace as u8,
        number => return from_hex(number),
    })
}

fn kind_of_tls(name: &str) -> Option<u8> {
    Some(match name {
        "version" => Type::SSLVersion as u8,
        "cn" => Type::SSLCommonName as u8,
        "cipher" => Type::SSLCipher as u8,
        "sig_alg" => Type::SSLSignatureAlgorithm as u8,
        "key_alg" => Type::SSLKeyAlgorithm as u8,
        number => return from_hex(number),
    })
}

fn from_hex(number: &str) -> Option<u8> {
    u8::from_str_radix(number.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind][..], &length, value].concat()
    }

    #[test]
    fn fields_have_names_and_numbers() {
        let tls = [&[1, 0, 0, 0, 7][..], &field(0x21, b"TLSv1.3"), &field(0x22, b"me")].concat();
        let fields = [field(1, b"h2"), field(5, b"\0\xff"), field(0x20, &tls), vec![9, 0]].concat();
        let address = "127.0.0.1:80".parse().unwrap();
        let proxied = Proxied { source: address, destination: address, fields: fields.into() };
        let cases: [(&str, Option<&[u8]>); 12] = [
            ("alpn", Some(b"h2")),
            ("0x1", Some(b"h2")),
            ("0x01", Some(b"h2")),
            ("unique_id", Some(b"\0\xff")),
            ("ssl", Some(&tls)),
            ("ssl_version", Some(b"TLSv1.3")),
            ("ssl_0x22", Some(b"me")),
            ("ssl_verify", Some(b"7")),
            ("ssl_cipher", None),
            ("authority", None),
            ("0x09", None),
            ("nonsense", None),
        ];
        for (name, expected) in cases {
            assert_eq!(proxied.field(name.as_bytes()).as_deref(), expected, "{name}");
        }
    }
}
