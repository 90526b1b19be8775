//! `set_real_ip_from` and its kin: whom a client behind a proxy is taken for.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::directive::Directive;
use super::super::draft::draft;
use super::super::model::{AccessWho, RealIpConf, RealIpHeader};
use super::{HSL, Module, ONE, access, done};

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
    let mut who = access::addresses(b, call)?;
    b.block().conf.real_ip.from.get_or_insert_default().append(&mut who);
    Ok(())
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
