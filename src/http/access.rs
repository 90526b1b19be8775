//! Who may: `allow`, `deny`, `auth_basic`, `limit_except`, joined by `satisfy`. A tower layer around a location.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use crate::config::model::{AccessConf, AccessWho, LocationConf, Severity};
use crate::log;
use crate::push::waiting::ParkSlot;
use crate::request::answer::Answer;
use crate::request::{Endpoint, RequestCtx};

use super::{htpasswd, limits};

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
    S: Service<Request, Response = Response> + Clone + Send + 'static,
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
        match by_address(&ctx) {
            Decision::In => Box::pin(self.inner.call(request)),
            Decision::Out(answer) => Box::pin(async { Ok(answer.into_response()) }),
            Decision::AskPassword => {
                // The service that was asked whether it is ready is the one to be called.
                let ready = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, ready);
                let slot = limits::slot_of(&request);
                Box::pin(async move {
                    if let Err(answer) = password(&ctx).await {
                        if answer.status == 401 {
                            delay(&ctx, slot).await;
                        }
                        return Ok(answer.into_response());
                    }
                    drop(ctx);
                    inner.call(request).await
                })
            }
        }
    }
}

/// The rules in force for a request: the location's, or those of its `limit_except`.
fn rules(ctx: &RequestCtx) -> &AccessConf {
    match &ctx.conf.limit_except {
        Some(limit) if limit.limits(ctx.method.as_str()) => &limit.access,
        _ => &ctx.conf.access,
    }
}

/// What the rules about addresses come to.
enum Decision {
    In,
    Out(Answer),
    /// It depends on the password.
    AskPassword,
}

fn by_address(ctx: &RequestCtx) -> Decision {
    let access = rules(ctx);
    let rule = verdict(access, &ctx.remote);
    let asks = access.auth_basic.is_some() && access.auth_basic_user_file.is_some();
    match rule {
        Some(true) if access.satisfy_any => Decision::In,
        Some(false) if !(access.satisfy_any && asks) => {
            ctx.log(Severity::Error, "access forbidden by rule");
            Decision::Out(Answer::error(403))
        }
        _ if asks => Decision::AskPassword,
        _ => Decision::In,
    }
}

/// What the first rule that fits says; none if none does.
fn verdict(access: &AccessConf, remote: &Endpoint) -> Option<bool> {
    access.rules.iter().find(|rule| fits(&rule.who, remote)).map(|rule| rule.allow)
}

/// Whether an end of a connection is one of these.
pub fn is_among(all: &[AccessWho], remote: &Endpoint) -> bool {
    all.iter().any(|who| fits(who, remote))
}

fn fits(who: &AccessWho, remote: &Endpoint) -> bool {
    match (who, remote.ip()) {
        (AccessWho::All, _) | (AccessWho::Unix, None) => true,
        (AccessWho::Net(network, length), Some(ip)) => in_network(ip, *network, *length),
        _ => false,
    }
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

/// Passwords that are checked at a time, by all workers together: hashes must not take all processors.
static HASHING: Semaphore = Semaphore::const_new(4);

/// Asks for user and password.
async fn password(ctx: &RequestCtx) -> Result<(), Answer> {
    let access = rules(ctx);
    match (&access.auth_basic, &access.auth_basic_user_file) {
        (Some(realm), Some(file)) => check_password(ctx, access, ctx.render(realm), ctx.render(file)).await,
        _ => Ok(()),
    }
}

/// A refusal takes `auth_delay`, whatever it is for.
async fn delay(ctx: &RequestCtx, slot: Option<Arc<ParkSlot>>) {
    let delay = rules(ctx).auth_delay;
    if !delay.is_zero() {
        ctx.log(Severity::Info, "delaying unauthorized request");
        limits::rest(slot, delay).await;
    }
}

async fn check_password(
    ctx: &RequestCtx,
    access: &AccessConf,
    realm: Vec<u8>,
    path: Vec<u8>,
) -> Result<(), Answer> {
    if realm == b"off" {
        // No password is asked for, so none can let in somebody whom a rule keeps out.
        return match verdict(access, &ctx.remote) {
            Some(false) => {
                ctx.log(Severity::Error, "access forbidden by rule");
                Err(Answer::error(403))
            }
            _ => Ok(()),
        };
    }
    let unauthorized = || {
        let value = [b"Basic realm=\"", &realm[..], b"\""].concat();
        Answer::error(401).with_header("WWW-Authenticate", value)
    };
    let Some(credentials) = ctx.credentials().cloned() else {
        ctx.log(Severity::Info, "no user/password was provided for basic authentication");
        return Err(unauthorized());
    };
    let (user, file) = (String::from_utf8_lossy(&credentials.0).into_owned(), path.clone());
    // Reading the file may take a while, and some hashes are made to take one. The semaphore is never closed.
    let _turn = HASHING.acquire().await;
    let checked = tokio::task::spawn_blocking(move || htpasswd::check(&file, &credentials.0, &credentials.1));
    let path = String::from_utf8_lossy(&path);
    match checked.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into())) {
        Ok(htpasswd::Verdict::Right) => Ok(()),
        Ok(htpasswd::Verdict::UnknownUser) => {
            ctx.log(Severity::Error, &format!("user \"{user}\" was not found in \"{path}\""));
            Err(unauthorized())
        }
        Ok(htpasswd::Verdict::WrongPassword) => {
            ctx.log(Severity::Error, &format!("user \"{user}\": password mismatch"));
            Err(unauthorized())
        }
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let (severity, status) = if missing { (Severity::Error, 403) } else { (Severity::Crit, 500) };
            let what = if error.kind() == std::io::ErrorKind::IsADirectory { "pread" } else { "open" };
            ctx.log(severity, &format!("{what}() \"{path}\" failed ({})", log::os_error(&error)));
            Err(Answer::error(status))
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
