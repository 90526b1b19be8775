//! Who may: `allow`, `deny`, `auth_basic`, `auth_request`, `limit_except`, joined by `satisfy`. A tower layer around a location.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use crate::config::model::{AccessConf, AccessWho, LocationConf, Severity};
use crate::log;
use crate::push::hooks::Subrequest;
use crate::push::waiting::ParkSlot;
use crate::request::answer::Answer;
use crate::request::{Endpoint, RequestCtx};

use super::{auth_request, htpasswd};

/// Whether a location has rules of access.
pub fn has_rules(conf: &LocationConf) -> bool {
    let asks = conf.auth_request.uri.is_some();
    let open = |access: &AccessConf| !asks && access.rules.is_empty() && access.auth_basic.is_none();
    let limited = conf.limit_except.as_ref().is_some_and(|limit| !open(&limit.access));
    limited || !open(&conf.access)
}

/// Lets requests go on that may.
pub async fn layer(
    Extension(ctx): Extension<Arc<RequestCtx>>,
    Extension(inside): Extension<Arc<dyn Subrequest>>,
    Extension(slot): Extension<Arc<ParkSlot>>,
    mut request: Request,
    next: Next,
) -> Response {
    if ctx.depth > 0 {
        // Who asks inside was let in already.
        drop(ctx);
        return next.run(request).await;
    }
    let same = Arc::clone(&ctx);
    let ctx = match check(ctx, &*inside, &slot).await {
        Ok(ctx) => ctx,
        Err(answer) => return answer.into_response(),
    };
    let changed = !Arc::ptr_eq(&ctx, &same);
    drop(same);
    if !changed {
        drop(ctx);
        return next.run(request).await;
    }
    request.extensions_mut().insert(Arc::clone(&ctx));
    let mut response = next.run(request).await;
    response.extensions_mut().get_or_insert(ctx);
    response
}

/// Whether the request may go on, and the request as it then is: `auth_request_set` changes it.
async fn check(
    ctx: Arc<RequestCtx>,
    inside: &dyn Subrequest,
    slot: &ParkSlot,
) -> Result<Arc<RequestCtx>, Answer> {
    let (ctx, answer) = judge(ctx, inside).await;
    let Some(answer) = answer else { return Ok(ctx) };
    if answer.status == 401 {
        delay(&ctx, slot).await;
    }
    Err(answer)
}

/// What the rules come to: an answer for who may not go on.
async fn judge(ctx: Arc<RequestCtx>, inside: &dyn Subrequest) -> (Arc<RequestCtx>, Option<Answer>) {
    let access = rules(&ctx).clone();
    let mut refusals = Refusals { any: access.satisfy_any, worst: None };
    match verdict(&access, &ctx.remote) {
        Some(true) if refusals.any => return (ctx, None),
        Some(false) if !refusals.note(Answer::error(403)) => {
            ctx.log(Severity::Error, "access forbidden by rule");
            return (ctx, Some(Answer::error(403)));
        }
        _ => {}
    }
    match password(&ctx, &access).await {
        Some(Ok(())) if refusals.any => return (ctx, None),
        Some(Err(answer)) if !refusals.note(answer.clone()) => return (ctx, Some(answer)),
        _ => {}
    }
    let mut ctx = ctx;
    if let Some(uri) = ctx.conf.auth_request.uri.clone() {
        let (told, verdict) = auth_request::ask(&ctx, inside, &uri).await;
        ctx = told;
        match verdict {
            Ok(()) => return (ctx, None),
            Err(answer) if !refusals.note(answer.clone()) => return (ctx, Some(answer)),
            Err(_) => {}
        }
    }
    if refusals.worst.as_ref().is_some_and(|answer| answer.status == 403) {
        ctx.log(Severity::Error, "access forbidden by rule");
    }
    (ctx, refusals.worst)
}

/// What rules that turned a request away say, as long as another one may let it in (`satisfy any`).
struct Refusals {
    any: bool,
    worst: Option<Answer>,
}

impl Refusals {
    /// Notes a refusal; false if it is the last word.
    fn note(&mut self, answer: Answer) -> bool {
        let noted = self.any && matches!(answer.status, 401 | 403);
        // 401 asks for what 403 would refuse for good.
        if noted && self.worst.as_ref().is_none_or(|worst| worst.status != 401) {
            self.worst = Some(answer);
        }
        noted
    }
}

/// The rules in force for a request: the location's, or those of its `limit_except`.
fn rules(ctx: &RequestCtx) -> &AccessConf {
    match &ctx.conf.limit_except {
        Some(limit) if limit.limits(ctx.method.as_str()) => &limit.access,
        _ => &ctx.conf.access,
    }
}

/// What the first rule that fits says; none if none does.
fn verdict(access: &AccessConf, remote: &Endpoint) -> Option<bool> {
    access.rules.iter().find(|rule| fits(&rule.who, remote)).map(|rule| rule.allow)
}

/// Whether rules forbid a client what is here, whatever else speaks for it.
pub fn turns_away(access: &AccessConf, remote: &Endpoint) -> bool {
    verdict(access, remote) == Some(false)
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

/// Asks for user and password; `None` where nobody wants them.
async fn password(ctx: &RequestCtx, access: &AccessConf) -> Option<Result<(), Answer>> {
    let realm = ctx.render(access.auth_basic.as_ref()?);
    let file = access.auth_basic_user_file.as_ref()?;
    if realm == b"off" {
        return None;
    }
    Some(check_password(ctx, &realm, ctx.render(file)).await)
}

/// A refusal takes `auth_delay`, whatever it is for.
async fn delay(ctx: &RequestCtx, slot: &ParkSlot) {
    let delay = rules(ctx).auth_delay;
    if !delay.is_zero() {
        ctx.log(Severity::Info, "delaying unauthorized request");
        slot.rest(delay).await;
    }
}

async fn check_password(ctx: &RequestCtx, realm: &[u8], path: Vec<u8>) -> Result<(), Answer> {
    let unauthorized = || {
        let value = [b"Basic realm=\"", realm, b"\""].concat();
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
