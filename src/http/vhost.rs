//! Which server: by host name, in nginx's order.

use crate::config::model::VirtualHosts;
use crate::request::RequestCtx;

/// The server for a host name: exact, longest `*.x`, longest `x.*`, first regex, default. Groups of a regex that
/// matched become the request's.
pub fn find(hosts: &VirtualHosts, host: &[u8], ctx: &mut RequestCtx) -> usize {
    if host.is_empty() {
        return hosts.exact.get(host).copied().unwrap_or(hosts.default);
    }
    if let Some(server) = hosts.exact.get(host) {
        return *server;
    }
    let longer = |name: &[u8]| host.len() > name.len();
    if let Some((_, server)) = hosts.suffixes.iter().find(|(name, _)| longer(name) && host.ends_with(name)) {
        return *server;
    }
    if let Some((_, server)) = hosts.prefixes.iter().find(|(name, _)| longer(name) && host.starts_with(name))
    {
        return *server;
    }
    let matching = hosts.regexes.iter().find(|(regex, _)| ctx.match_regex(regex, host));
    matching.map_or(hosts.default, |(_, server)| *server)
}
