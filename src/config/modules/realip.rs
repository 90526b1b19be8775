//! `set_real_ip_from` and its kin: whom a client behind a proxy is taken for.

use std::net::ToSocketAddrs as _;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::Directive;
use super::super::draft::draft;
use super::super::model::{AccessWho, RealIpConf, RealIpHeader};
use super::super::value;
use super::{HSL, Module, ONE, done};

draft! {
    /// Whom a client is taken for.
    RealIpDraft {
        from: Vec<AccessWho>,
        header: RealIpHeader,
        recursive: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_realip_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "set_real_ip_from",
        HSL,
        ONE,
        "",
        "Proxies whose word is trusted: an address, a network, a host name, or `unix:`.",
        set_real_ip_from,
    ),
    done(
        "real_ip_header",
        HSL,
        ONE,
        "X-Real-IP",
        "The header in which a trusted proxy names the client; `proxy_protocol` for the PROXY protocol.",
        |b, call| call.fill(&mut b.block().conf.real_ip.header, |call| Ok(header(call.arg(0)))),
    ),
    done(
        "real_ip_recursive",
        HSL,
        ONE,
        "off",
        "Whether all trusted addresses at the end of the header are skipped, or only the last is looked at.",
        |b, call| call.fill(&mut b.block().conf.real_ip.recursive, Call::flag),
    ),
];

fn set_real_ip_from(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let given = call.arg(0);
    let mut who = Vec::new();
    if given == b"unix:" {
        who.push(AccessWho::Unix);
    } else if let Some(network) = value::network(given) {
        if network.low_bits {
            b.warn(call, format!("low address bits of {} are meaningless", call.text(0)));
        }
        who.push(AccessWho::Net(network.address, network.prefix));
    } else {
        let host = call.text(0);
        let found = (&*host, 0).to_socket_addrs().map_err(|_| unknown_host(&host))?;
        who.extend(found.map(|address| {
            let ip = address.ip();
            AccessWho::Net(ip, if ip.is_ipv4() { 32 } else { 128 })
        }));
    }
    b.block().conf.real_ip.from.get_or_insert_default().append(&mut who);
    Ok(())
}

fn unknown_host(host: &str) -> Diagnostic {
    Diagnostic::emerg(format!("host not found in set_real_ip_from \"{host}\""))
}

fn header(name: &[u8]) -> RealIpHeader {
    match name {
        b"X-Forwarded-For" => RealIpHeader::ForwardedFor,
        b"proxy_protocol" => RealIpHeader::ProxyProtocol,
        name => RealIpHeader::Named(String::from_utf8_lossy(name).to_ascii_lowercase().into()),
    }
}

impl RealIpDraft {
    /// The settings in force.
    pub fn finish(&self) -> RealIpConf {
        RealIpConf {
            from: self.from.clone().unwrap_or_default(),
            header: self.header.clone().unwrap_or_else(|| RealIpHeader::Named("x-real-ip".into())),
            recursive: self.recursive.unwrap_or(false),
        }
    }
}
