//! `allow`, `deny`, `satisfy`: who may come in.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::Directive;
use super::super::draft::draft;
use super::super::model::{AccessConf, AccessRule, AccessWho};
use super::super::template::Template;
use super::super::value;
use super::{HSL, Module, ONE, done};

draft! {
    /// Who may come in.
    AccessDraft {
        rules: Vec<AccessRule>,
        satisfy_any: bool,
        auth_basic: Option<Template>,
        auth_basic_user_file: Template,
        auth_delay: Duration,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_access_module", directives: DIRECTIVES };

const HSLX: Contexts = HSL.or(Contexts::LIMIT_EXCEPT);

const DIRECTIVES: &[Directive] = &[
    done(
        "allow",
        HSLX,
        ONE,
        "",
        "Lets an address, a network, `unix:` or `all` in; the first rule that fits decides.",
        |b, call| rule(b, call, true),
    ),
    done("deny", HSLX, ONE, "", "Answers 403 to an address, a network, `unix:` or `all`.", |b, call| {
        rule(b, call, false)
    }),
    done(
        "satisfy",
        HSL,
        ONE,
        "all",
        "Whether all of address rules and password must let a client in, or any of them.",
        |b, call| {
            call.fill(&mut b.block().conf.access.satisfy_any, |call| {
                call.one_of(&[("all", false), ("any", true)])
            })
        },
    ),
    done(
        "auth_delay",
        HSL,
        ONE,
        "0s",
        "How long a request with a wrong password, or with none, waits for its 401.",
        |b, call| call.fill(&mut b.block().conf.access.auth_delay, Call::millis),
    ),
];

fn rule(b: &mut Builder<'_>, call: &Call<'_>, allow: bool) -> Outcome {
    let who = match call.arg(0) {
        b"all" => AccessWho::All,
        b"unix:" => AccessWho::Unix,
        given => {
            let network = value::network(given).ok_or_else(|| invalid_parameter(given))?;
            if network.low_bits {
                b.warn(call, format!("low address bits of {} are meaningless", call.text(0)));
            }
            AccessWho::Net(network.address, network.prefix)
        }
    };
    b.block().conf.access.rules.get_or_insert_default().push(AccessRule { allow, who });
    Ok(())
}

/// Addresses that a directive names: one, a network, those of a host, or `unix:`.
///
/// # Errors
/// When a host has no address.
pub(super) fn addresses(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Vec<AccessWho>> {
    let given = call.arg(0);
    if given == b"unix:" {
        return Ok(vec![AccessWho::Unix]);
    }
    if let Some(network) = value::network(given) {
        if network.low_bits {
            b.warn(call, format!("low address bits of {} are meaningless", call.text(0)));
        }
        return Ok(vec![AccessWho::Net(network.address, network.prefix)]);
    }
    let host = call.text(0);
    let found = (&*host, 0).to_socket_addrs();
    let found =
        found.map_err(|_| Diagnostic::emerg(format!("host not found in {} \"{host}\"", call.row.name)))?;
    let whole = |ip: IpAddr| AccessWho::Net(ip, if ip.is_ipv4() { 32 } else { 128 });
    Ok(found.map(|address| whole(address.ip())).collect())
}

impl AccessDraft {
    /// The rules in force.
    pub fn finish(&self) -> AccessConf {
        AccessConf {
            rules: self.rules.clone().unwrap_or_default(),
            satisfy_any: self.satisfy_any.unwrap_or(false),
            auth_basic: self.auth_basic.clone().flatten(),
            auth_basic_user_file: self.auth_basic_user_file.clone(),
            auth_delay: self.auth_delay.unwrap_or_default(),
        }
    }
}
