//! Who may: `allow`, `deny`, `auth_basic`, `limit_except`, joined by `satisfy`. A tower layer around a location.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::{Layer, Service};

use crate::config::model::{AccessConf, AccessWho, LocationConf, Severity};
use crate::log;
use crate::request::answer::Answer;
use crate::request::{Endpoint, RequestCtx};

use super::htpasswd;

/// Puts a location's access rules around its handler.
#[derive(Clone, Debug)]
pub struct AccessLayer;

impl AccessLayer {
    /// `None` for a location that anybody may use.
    pub fn of(conf: &LocationConf) -> Option<Self> {
        let open = |access: &AccessConf| access.rules.is_empty() && access.auth_basic.is_none();
        let limited = conf.limit_except.as_ref().is_some_and(|limit| !open(&limit.access));
        (limited || !open(&conf.access)).then_some(Self)
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access { inner }
    }
}

/// A handler behind access rules.
#[derive(Clone, Debug)]
pub struct Access<S> {
    inner: S,
}

impl<S> Service<Request> for Access<S>
where
    S: Service<Request, Response = Response>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(ctx) = request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone) else {
            return Box::pin(async { Ok(Answer::error(500).into_response()) });
        };
        match check(&ctx) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(answer) => Box::pin(async { Ok(answer.into_response()) }),
        }
    }
}

/// Whether the request may go on.
fn check(ctx: &RequestCtx) -> Result<(), Answer> {
    let conf = &ctx.conf;
    let access = match &conf.limit_except {
        Some(limit) if limit.limits(ctx.method.as_str()) => &limit.access,
        _ => &conf.access,
    };
    let by_address = check_address(access, &ctx.connection.remote);
    if access.satisfy_any && access.auth_basic.is_some() && !access.rules.is_empty() {
        return if by_address { Ok(()) } else { check_password(ctx, access) };
    }
    if !by_address {
        ctx.log(Severity::Error, "access forbidden by rule");
        return Err(Answer::error(403));
    }
    check_password(ctx, access)
}

/// The first rule that fits decides; without one the address may.
fn check_address(access: &AccessConf, remote: &Endpoint) -> bool {
    let fits = |who: &AccessWho| match (who, remote.ip()) {
        (AccessWho::All, _) | (AccessWho::Unix, None) => true,
        (AccessWho::Net(network, length), Some(ip)) => in_network(ip, *network, *length),
        _ => false,
    };
    access.rules.iter().find(|rule| fits(&rule.who)).is_none_or(|rule| rule.allow)
}

/// IPv4 addresses that came in over an IPv6 socket are judged as IPv4.
fn in_network(ip: IpAddr, network: IpAddr, length: u8) -> bool {
    match (ip.to_canonical(), network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            u32::from(ip) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            u128::from(ip) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

fn check_password(ctx: &RequestCtx, access: &AccessConf) -> Result<(), Answer> {
    let (Some(realm), Some(file)) = (&access.auth_basic, &access.auth_basic_user_file) else { return Ok(()) };
    let realm = ctx.render(realm);
    if realm == b"off" {
        return Ok(());
    }
    let unauthorized = || {
        let value = [b"Basic realm=\"", &realm[..], b"\""].concat();
        Answer::error(401).with_header("WWW-Authenticate", value)
    };
    let Some((user, password)) = ctx.credentials() else {
        ctx.log(Severity::Info, "no user/password was provided for basic authentication");
        return Err(unauthorized());
    };
    let path = ctx.render(file);
    match htpasswd::check(&path, user, password) {
        Ok(htpasswd::Verdict::Right) => Ok(()),
        Ok(htpasswd::Verdict::UnknownUser) => {
            let path = String::from_utf8_lossy(&path);
            ctx.log(Severity::Error, &format!("user \"{user}\" was not found in \"{path}\""));
            Err(unauthorized())
        }
        Ok(htpasswd::Verdict::WrongPassword) => {
            ctx.log(Severity::Error, &format!("user \"{user}\": password mismatch"));
            Err(unauthorized())
        }
        Err(error) => {
            let path = String::from_utf8_lossy(&path);
            let message = format!("open() \"{path}\" failed ({})", log::os_error(&error));
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            ctx.log(if missing { Severity::Error } else { Severity::Crit }, &message);
            Err(Answer::error(403))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let cases = [
            ("10.1.2.3", "10.0.0.0", 8, true),
            ("11.1.2.3", "10.0.0.0", 8, false),
            ("1.2.3.4", "0.0.0.0", 0, true),
            ("1.2.3.4", "1.2.3.4", 32, true),
            ("1.2.3.5", "1.2.3.4", 32, false),
            ("::ffff:10.1.2.3", "10.0.0.0", 8, true),
            ("2001:db8::1", "2001:db8::", 32, true),
            ("2001:db9::1", "2001:db8::", 32, false),
            ("::1", "::", 0, true),
            ("127.0.0.1", "::", 0, false),
        ];
        for (ip, network, length, expected) in cases {
            let (ip, net) = (ip.parse().unwrap(), network.parse().unwrap());
            assert_eq!(in_network(ip, net, length), expected, "{ip} in {network}/{length}");
        }
    }
}
