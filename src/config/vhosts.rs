//! Which socket, and which server on it: the `listen`s and `server_name`s of all servers put together.

use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use super::builder::{Builder, Outcome};
use super::diag::Diagnostic;
use super::model::{Listen, ListenAddress, ListenOptions, VirtualHosts};
use super::modules::listen::{ListenDraft, printed};
use super::modules::server_name::{NameKind, ServerName};

/// An address and the servers that listen on it.
struct Address {
    address: ListenAddress,
    options: ListenOptions,
    /// Has options of its own, and so a socket of its own.
    bind: bool,
    default: Option<usize>,
    /// A server asks for the PROXY protocol here.
    proxy_protocol: bool,
    servers: Vec<usize>,
}

/// The sockets of all servers; `listens` and `names` are those of each server, in file order.
///
/// # Errors
/// A server name that nginx cannot look up.
pub(super) fn sockets(
    b: &mut Builder<'_>,
    listens: &[Vec<ListenDraft>],
    names: &[Vec<ServerName>],
) -> Outcome<Vec<Listen>> {
    let mut sockets = Vec::new();
    let mut inner = Vec::new();
    let addresses = addresses(listens);
    for address in &addresses {
        let hosts = Arc::new(hosts(b, address, names)?);
        match folded_address(address, &addresses) {
            Some((ip, wildcard)) => inner.push((wildcard, ip, hosts)),
            None => sockets.push(Listen {
                address: address.address.clone(),
                options: address.options.clone(),
                hosts,
                by_local_address: Vec::new(),
            }),
        }
    }
    for (wildcard, ip, hosts) in inner {
        let socket = sockets.iter_mut().find(|socket| socket.address == wildcard);
        socket.into_iter().for_each(|socket| socket.by_local_address.push((ip, hosts.clone())));
    }
    Ok(sockets)
}

fn addresses(listens: &[Vec<ListenDraft>]) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    for (server, draft) in listens.iter().enumerate().flat_map(|(n, all)| all.iter().map(move |one| (n, one)))
    {
        for address in &draft.addresses {
            let at = addresses.iter().position(|known| known.address == *address).unwrap_or_else(|| {
                addresses.push(Address {
                    address: address.clone(),
                    options: ListenOptions::default(),
                    bind: false,
                    default: None,
                    proxy_protocol: false,
                    servers: Vec::new(),
                });
                addresses.len() - 1
            });
            let known = &mut addresses[at];
            known.servers.push(server);
            known.proxy_protocol |= draft.proxy_protocol;
            if draft.default {
                known.default = Some(server);
            }
            if draft.bind {
                (known.bind, known.options) = (true, draft.options.clone());
            }
        }
    }
    in_order(addresses)
}

/// nginx goes through a port's addresses with the wildcard last.
fn in_order(addresses: Vec<Address>) -> Vec<Address> {
    let mut ports: Vec<Vec<Address>> = Vec::new();
    for address in addresses {
        match ports.iter_mut().find(|port| same_port(&port[0].address, &address.address)) {
            Some(port) => port.push(address),
            None => ports.push(vec![address]),
        }
    }
    ports.iter_mut().for_each(|port| port.sort_by_key(|address| is_wildcard(&address.address)));
    ports.into_iter().flatten().collect()
}

fn same_port(a: &ListenAddress, b: &ListenAddress) -> bool {
    match (a, b) {
        (ListenAddress::Inet(a), ListenAddress::Inet(b)) => {
            a.port() == b.port() && a.is_ipv4() == b.is_ipv4()
        }
        _ => a == b,
    }
}

fn is_wildcard(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Inet(address) if address.ip().is_unspecified())
}

/// An address without options is served by the socket of its port's wildcard, if there is one.
fn folded_address(address: &Address, all: &[Address]) -> Option<(IpAddr, ListenAddress)> {
    let ListenAddress::Inet(own) = &address.address else { return None };
    if address.bind || is_wildcard(&address.address) {
        return None;
    }
    let wildcard =
        all.iter().find(|all| is_wildcard(&all.address) && same_port(&all.address, &address.address))?;
    Some((own.ip(), wildcard.address.clone()))
}

fn hosts(b: &mut Builder<'_>, address: &Address, names: &[Vec<ServerName>]) -> Outcome<VirtualHosts> {
    let first = address.servers.first().copied().unwrap_or(0);
    let mut hosts = VirtualHosts {
        proxy_protocol: address.proxy_protocol,
        default: address.default.unwrap_or(first),
        ..VirtualHosts::default()
    };
    // nginx looks names up, and at them, only where there is a choice.
    let choice = address.servers.len() > 1;
    for (server, name) in
        address.servers.iter().flat_map(|server| names[*server].iter().map(move |name| (*server, name)))
    {
        let fits = match &name.kind {
            NameKind::Exact(name) => add_exact(&mut hosts, name, server),
            NameKind::Suffix { suffix, bare } => {
                let new = add(&mut hosts.suffixes, suffix, server);
                let bare = *bare && !add_exact(&mut hosts, &suffix[1..], server);
                new && !bare
            }
            NameKind::Prefix(prefix) => add(&mut hosts.prefixes, prefix, server),
            NameKind::Regex(regex) => {
                hosts.regexes.push((regex.clone(), server));
                true
            }
            NameKind::Invalid if choice => {
                let (name, address) = (&name.text, printed(&address.address));
                let error = format!("invalid server name or wildcard \"{name}\" on {address}");
                b.settle(Err(Diagnostic::emerg(error)))?;
                true
            }
            NameKind::Invalid => true,
        };
        if !fits && choice {
            let (name, address) = (&name.text, printed(&address.address));
            let warning = format!("conflicting server name \"{name}\" on {address}, ignored");
            b.diagnostics.push(Diagnostic::warn(warning));
        }
    }
    hosts.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
    hosts.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    Ok(hosts)
}

/// Whether the name was new; the first server that has it keeps it.
fn add_exact(hosts: &mut VirtualHosts, name: &[u8], server: usize) -> bool {
    match hosts.exact.entry(name.into()) {
        Entry::Occupied(_) => false,
        Entry::Vacant(entry) => {
            entry.insert(server);
            true
        }
    }
}

fn add(list: &mut Vec<(Box<[u8]>, usize)>, name: &[u8], server: usize) -> bool {
    let new = !list.iter().any(|(known, _)| **known == *name);
    if new {
        list.push((name.into(), server));
    }
    new
}
