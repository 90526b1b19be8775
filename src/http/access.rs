//! Who may: `allow`, `deny`, `auth_basic`, `auth_request`, `limit_except`, joined by `satisfy`. A tower layer around a location.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use tower::{Layer, Service};

use crate::config::model::{AccessConf, AccessWho, LocationConf, Severity};
use crate::config::template::Template;
use crate::log;
use crate::push::hooks::Subrequest;
use crate::request::answer::Answer;
use crate::request::{Endpoint, RequestCtx};

use super::{auth_request, htpasswd};

/// Puts a location's access rules around its handler.
#[derive(Clone, Debug)]
pub struct AccessLayer;

impl AccessLayer {
    /// `None` for a location that anybody may use.
    pub fn of(conf: &LocationConf) -> Option<Self> {
        let asks = conf.auth_request.uri.is_some();
        let open = |access: &AccessConf| !asks && access.rules.is_empty() && access.auth_basic.is_none();
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

    fn call(&mut self, mut request: Request) -> Self::Future {
        let Some(ctx) = request.extensions().get::<Arc<RequestCtx>>().map(Arc::clone) else {
            return Box::pin(async { Ok(Answer::error(500).into_response()) });
        };
        let inside = request.extensions().get::<Arc<dyn Subrequest>>().map(Arc::clone);
        let clone = self.inner.clone();
        // The one that said it was ready.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let same = Arc::clone(&ctx);
            // Who asks inside was let in already.
            let checked = if ctx.depth > 0 { Ok(ctx) } else { check(ctx, inside).await };
            let ctx = match checked {
                Ok(ctx) => ctx,
                Err(answer) => return Ok(answer.into_response()),
            };
            let changed = !Arc::ptr_eq(&ctx, &same);
            drop(same);
            request.extensions_mut().insert(Arc::clone(&ctx));
            let mut response = inner.call(request).await?;
            if changed && response.extensions().get::<Arc<RequestCtx>>().is_none() {
                response.extensions_mut().insert(ctx);
            }
            Ok(response)
        })
    }
}

/// Whether the request may go on, and the request as it then is: `auth_request_set` changes it.
async fn check(ctx: Arc<RequestCtx>, inside: Option<Arc<dyn Subrequest>>) -> Result<Arc<RequestCtx>, Answer> {
    let access = match &ctx.conf.limit_except {
        Some(limit) if limit.limits(ctx.method.as_str()) => limit.access.clone(),
        _ => ctx.conf.access.clone(),
    };
    let any = access.satisfy_any;
    let mut denied: Option<Answer> = None;
    // 401 asks for what 403 would refuse for good.
    let mut deny = |answer: Answer| {
        if denied.as_ref().is_none_or(|denied| denied.status != 401) {
            denied = Some(answer);
        }
    };
    match check_address(&access, &ctx.connection.remote) {
        Some(true) if any => return Ok(ctx),
        Some(false) if any => deny(Answer::error(403)),
        Some(false) => {
            ctx.log(Severity::Error, "access forbidden by rule");
            return Err(Answer::error(403));
        }
        _ => {}
    }
    match check_password(&ctx, &access) {
        Some(Ok(())) if any => return Ok(ctx),
        Some(Err(answer)) if any && matches!(answer.status, 401 | 403) => deny(answer),
        Some(Err(answer)) => return Err(answer),
        _ => {}
    }
    let Some(uri) = &ctx.conf.auth_request.uri else { return denied.map_or(Ok(ctx), Err) };
    let inside = inside.ok_or_else(|| Answer::error(500))?;
    match auth_request::ask(&ctx, &*inside, uri).await {
        (ctx, Ok(())) => Ok(ctx),
        (ctx, Err(answer)) if any && matches!(answer.status, 401 | 403) => {
            drop(ctx);
            deny(answer);
            denied.map_or_else(|| Err(Answer::error(403)), Err)
        }
        (_, Err(answer)) => Err(answer),
    }
}

/// The first rule that fits decides; `None` where none does.
fn check_address(access: &AccessConf, remote: &Endpoint) -> Option<bool> {
    let fits = |who: &AccessWho| match (who, remote.ip()) {
        (AccessWho::All, _) | (AccessWho::Unix, None) => true,
        (AccessWho::Net(network, length), Some(ip)) => in_network(ip, *network, *length),
        _ => false,
    };
    access.rules.iter().find(|rule| fits(&rule.who)).map(|rule| rule.allow)
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

/// Name and password; `None` where none are asked for.
fn check_password(ctx: &RequestCtx, access: &AccessConf) -> Option<Result<(), Answer>> {
    let realm = ctx.render(access.auth_basic.as_ref()?);
    let file = access.auth_basic_user_file.as_ref()?;
    (realm != b"off").then(|| check_credentials(ctx, &realm, file))
}

fn check_credentials(ctx: &RequestCtx, realm: &[u8], file: &Template) -> Result<(), Answer> {
    let unauthorized = || {
        let value = [b"Basic realm=\"", realm, b"\""].concat();
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
            ctx.log(Severity::Crit, &message);
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
