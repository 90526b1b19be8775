//! `proxy_pass` and its settings.

use std::sync::Arc;
use std::time::Duration;

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::host_port::HostPort;
use super::super::model::{
    CookieFlags, Failure, HeaderValue, Matcher, NextUpstream, PassTarget, Pattern, ProxyConf, ProxyPass,
    Replace, ResolverConf, SetHeader,
};
use super::super::regex::Regex;
use super::super::template::Template;
use super::super::value;
use super::{HSL, Module, ONE, done};

/// A list that `off` empties: whether it was `off`, and what is in it.
type List<T> = (bool, Vec<T>);

draft! {
    /// What the proxy module knows of a block.
    ProxyDraft {
        set_headers: Vec<(Box<str>, Template)>,
        method: Template,
        set_body: Template,
        pass_request_body: bool,
        pass_request_headers: bool,
        http11: bool,
        connect_timeout: Duration,
        send_timeout: Duration,
        read_timeout: Duration,
        redirects: List<RedirectDraft>,
        cookie_domains: List<Replace>,
        cookie_paths: List<Replace>,
        cookie_flags: List<CookieFlags>,
        hide: Vec<Box<str>>,
        pass: Vec<Box<str>>,
        ignore: Vec<Box<str>>,
        intercept_errors: bool,
        ignore_client_abort: bool,
        buffering: bool,
        request_buffering: bool,
        buffer_size: usize,
        buffers: (usize, usize),
        busy: usize,
        limit_rate: u64,
        next: u16,
        next_tries: u64,
        next_timeout: Duration,
        bind: Option<Template>,
        socket_keepalive: bool,
    }
}

/// A `proxy_redirect`.
#[derive(Clone, Debug)]
pub enum RedirectDraft {
    /// `default`: from the URL of `proxy_pass` to the location.
    Default,
    /// Everything else.
    Given(Replace),
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_proxy_module", directives: DIRECTIVES };

const PASS: Contexts = Contexts::LOCATION.or(Contexts::LOCATION_IF).or(Contexts::LIMIT_EXCEPT);
const TWO: Arity = Arity::exactly(2);
const ONE_OR_TWO: Arity = Arity::between(1, 2);

/// Rows of settings that read one value into their field.
macro_rules! settings {
    ($($name:literal $default:literal $field:ident $read:expr, $doc:literal;)*) => {
        [$(done($name, HSL, ONE, $default, $doc, |b, call| {
            call.fill(&mut b.block().conf.proxy.$field, $read)
        }),)*]
    };
}

const SIMPLE: [Directive; 16] = settings! {
    "proxy_buffer_size" "4k" buffer_size size, "The longest head of an answer of the server behind.";
    "proxy_buffering" "on" buffering Call::flag,
        "Whether an answer is read ahead of the client, within `proxy_buffers`.";
    "proxy_busy_buffers_size" "8k" busy size, "Checked against `proxy_buffers`, as nginx does.";
    "proxy_connect_timeout" "60s" connect_timeout Call::millis,
        "How long connecting to the server behind may take.";
    "proxy_http_version" "1.0" http11 |call| call.one_of(&[("1.0", false), ("1.1", true)]),
        "Version of HTTP spoken with the server behind.";
    "proxy_ignore_client_abort" "off" ignore_client_abort Call::flag,
        "Whether the server behind is still waited for when the client has gone.";
    "proxy_intercept_errors" "off" intercept_errors Call::flag,
        "Whether `error_page` also answers for errors of the server behind.";
    "proxy_limit_rate" "0" limit_rate Call::size,
        "How many bytes per second are read from the server behind; 0 is no limit.";
    "proxy_next_upstream_timeout" "0" next_timeout Call::millis,
        "How long a request may go from server to server; 0 is no limit.";
    "proxy_next_upstream_tries" "0" next_tries Call::number,
        "How many servers a request may go to; 0 is no limit.";
    "proxy_pass_request_body" "on" pass_request_body Call::flag, "Whether the request's body is passed on.";
    "proxy_pass_request_headers" "on" pass_request_headers Call::flag,
        "Whether the request's headers are passed on.";
    "proxy_read_timeout" "60s" read_timeout Call::millis, "How long the server behind may be silent.";
    "proxy_request_buffering" "on" request_buffering Call::flag,
        "Whether a request's body is read before it is passed on (its first MiB, where it is longer).";
    "proxy_send_timeout" "60s" send_timeout Call::millis, "How long the server behind may take nothing.";
    "proxy_socket_keepalive" "off" socket_keepalive Call::flag,
        "Lets the kernel probe connections to the server behind.";
};

const DIRECTIVES: &[Directive] = &{
    let mut rows = [LISTS[0]; SIMPLE.len() + LISTS.len()];
    let mut at = 0;
    while at < SIMPLE.len() {
        rows[at] = SIMPLE[at];
        at += 1;
    }
    while at < rows.len() {
        rows[at] = LISTS[at - SIMPLE.len()];
        at += 1;
    }
    rows
};

const LISTS: [Directive; 14] = [
    done(
        "proxy_pass",
        PASS,
        ONE,
        "",
        "Passes requests on to an HTTP server: `http://host:port/uri`, `http://unix:/path:/uri`, or the name of an `upstream`.",
        pass,
    ),
    done(
        "proxy_set_header",
        HSL,
        TWO,
        "Host $proxy_host",
        "A header of the request that is passed on. An empty value drops the client's.",
        |b, call| {
            let header = (call.text(0).into(), b.template(call, 1)?);
            b.block().conf.proxy.set_headers.get_or_insert_default().push(header);
            Ok(())
        },
    ),
    done("proxy_method", HSL, ONE, "", "Method of the request that is passed on.", |b, call| {
        let template = b.template(call, 0)?;
        call.fill(&mut b.block().conf.proxy.method, |_| Ok(template))
    }),
    done("proxy_set_body", HSL, ONE, "", "Body of the request that is passed on.", |b, call| {
        let template = b.template(call, 0)?;
        call.fill(&mut b.block().conf.proxy.set_body, |_| Ok(template))
    }),
    done(
        "proxy_buffers",
        HSL,
        TWO,
        "8 4k",
        "Number and size of buffers: how far an answer is read ahead.",
        buffers,
    ),
    done(
        "proxy_redirect",
        HSL,
        ONE_OR_TWO,
        "default",
        "Changes `Location` and `Refresh` of the server behind: `default`, `off`, a beginning or a `~regex`, and what stands in its place.",
        redirect,
    ),
    done("proxy_cookie_domain", HSL, ONE_OR_TWO, "off", "Changes the domain of cookies.", cookie_domain),
    done("proxy_cookie_path", HSL, ONE_OR_TWO, "off", "Changes the path of cookies.", cookie_path),
    done(
        "proxy_cookie_flags",
        HSL,
        Arity::between(1, 4),
        "off",
        "Sets or takes away flags of cookies: `secure`, `httponly`, `samesite=...`, each with `no` in front to take it away.",
        cookie_flags,
    ),
    done(
        "proxy_hide_header",
        HSL,
        ONE,
        "",
        "A header of the server behind that clients do not get.",
        |b, call| {
            let name = call.text(0).to_ascii_lowercase().into();
            b.block().conf.proxy.hide.get_or_insert_default().push(name);
            Ok(())
        },
    ),
    done(
        "proxy_pass_header",
        HSL,
        ONE,
        "",
        "A header that is hidden otherwise (`Date`, `Server`, `X-Accel-...`) and that clients get.",
        |b, call| {
            let name = call.text(0).to_ascii_lowercase().into();
            b.block().conf.proxy.pass.get_or_insert_default().push(name);
            Ok(())
        },
    ),
    done(
        "proxy_ignore_headers",
        HSL,
        Arity::at_least(1),
        "",
        "Headers of the server behind that are not acted upon.",
        ignore_headers,
    ),
    done(
        "proxy_next_upstream",
        HSL,
        Arity::at_least(1),
        "error timeout",
        "When a request goes to the next server of its group.",
        next_upstream,
    ),
    done(
        "proxy_bind",
        HSL,
        ONE_OR_TWO,
        "",
        "Local address of connections to the server behind, or `off`.",
        bind,
    ),
];

fn size(call: &Call<'_>) -> Outcome<usize> {
    call.size().map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

// === proxy_pass ===

const URI_PART: &str = "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside named \
                        location, or inside \"if\" statement, or inside \"limit_except\" block";

fn pass(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().own.pass.is_some() {
        return Err(call.duplicate());
    }
    let url = call.arg(0);
    let prefix = match b.block().location.as_ref().map(|head| &head.matcher) {
        Some(Matcher::Prefix { path, .. } | Matcher::Exact(path)) => Some(path.len()),
        _ => None,
    };
    let template = b.template(call, 0)?;
    let target = if template.as_literal().is_none() {
        PassTarget::Computed(template)
    } else {
        let target = fixed(b, call, url)?;
        if prefix.is_none() && matches!(&target, PassTarget::Fixed { uri: Some(_), .. }) {
            return Err(Diagnostic::emerg(URI_PART));
        }
        target
    };
    b.block().own.pass = Some(ProxyPass { target, prefix: prefix.unwrap_or(0) });
    Ok(())
}

fn fixed(b: &mut Builder<'_>, call: &Call<'_>, url: &[u8]) -> Outcome<PassTarget> {
    let has_scheme =
        |scheme: &[u8]| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if has_scheme(b"https://") {
        let error =
            "Encke does not speak TLS yet: a request that nginx would have encrypted would go in the clear";
        return Err(Diagnostic::emerg(format!("\"proxy_pass\" to https:// is not supported: {error}")));
    }
    if !has_scheme(b"http://") {
        return Err(Diagnostic::emerg("invalid URL prefix"));
    }
    let text = String::from_utf8_lossy(&url[7..]).into_owned();
    let host = HostPort::parse(&text)
        .map_err(|problem| Diagnostic::emerg(format!("{problem} in upstream \"{text}\"")))?;
    let group = super::upstream::reference(b, call, &host)?;
    let port = host.port.unwrap_or(80).to_string();
    let port = if host.host.starts_with("unix:") { String::new() } else { port };
    let shown: Box<str> = if host.host.starts_with("unix:") { "localhost".into() } else { host.text.clone() };
    let uri = match &*host.uri {
        "" => None,
        uri if uri.starts_with('/') => Some(uri.as_bytes().into()),
        uri => Some(format!("/{uri}").into_bytes().into()),
    };
    Ok(PassTarget::Fixed { group, host: shown, port: port.into(), uri })
}

// === lists ===

fn buffers(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.block().conf.proxy.buffers, |call| {
        let count = value::number(call.arg(0)).filter(|count| *count > 0);
        let size = value::size(call.arg(1)).filter(|size| *size > 0);
        let (count, size) = count.zip(size).ok_or_else(|| call.invalid_value())?;
        Ok((usize::try_from(count).unwrap_or(usize::MAX), usize::try_from(size).unwrap_or(usize::MAX)))
    })
}

/// `off`, alone, empties a list; behind one that is `off` nothing may be added.
fn list<'a, T>(field: &'a mut Option<List<T>>, call: &Call<'_>) -> Outcome<Option<&'a mut Vec<T>>> {
    let off = call.arg(0) == b"off" && (call.count() == 1 || call.row.name == "proxy_redirect");
    match field {
        Some((true, _)) => Err(call.duplicate()),
        Some((false, _)) if off => Err(call.duplicate()),
        _ => {
            let (is_off, items) = field.get_or_insert_with(|| (off, Vec::new()));
            Ok((!*is_off).then_some(items))
        }
    }
}

fn pattern(b: &mut Builder<'_>, text: &[u8]) -> Outcome<Pattern> {
    match text.strip_prefix(b"~") {
        Some(rest) => {
            let (regex, caseless) = rest.strip_prefix(b"*").map_or((rest, false), |regex| (regex, true));
            Regex::new(regex, caseless, &mut b.variables).map(Pattern::Regex).map_err(Diagnostic::emerg)
        }
        None => b.compile(text).map(Pattern::Text),
    }
}

fn replace(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Replace> {
    Ok(Replace { pattern: pattern(b, call.arg(0))?, replacement: b.template(call, 1)? })
}

fn redirect(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let pass = b.block().own.pass.as_ref().map(|pass| matches!(pass.target, PassTarget::Computed(_)));
    if list(&mut b.block().conf.proxy.redirects, call)?.is_none() {
        return Ok(());
    }
    let row = match (call.arg(0), call.count()) {
        (b"default", 1) => match pass {
            None => {
                let error = "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive";
                return Err(Diagnostic::emerg(error));
            }
            Some(true) => {
                let error =
                    "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables";
                return Err(Diagnostic::emerg(error));
            }
            Some(false) => RedirectDraft::Default,
        },
        (other, 1) => return Err(invalid_parameter(other)),
        _ => RedirectDraft::Given(replace(b, call)?),
    };
    if let Some((_, rows)) = &mut b.block().conf.proxy.redirects {
        rows.push(row);
    }
    Ok(())
}

fn cookie_domain(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if list(&mut b.block().conf.proxy.cookie_domains, call)?.is_none() {
        return Ok(());
    }
    if call.count() == 1 {
        return Err(invalid_parameter(call.arg(0)));
    }
    // A dot in front means nothing.
    let text = call.arg(0);
    let pattern = match text.strip_prefix(b"~") {
        // Domains have no case.
        Some(regex) => {
            Regex::new(regex, true, &mut b.variables).map(Pattern::Regex).map_err(Diagnostic::emerg)?
        }
        None => pattern(b, text.strip_prefix(b".").unwrap_or(text))?,
    };
    let row = Replace { pattern, replacement: b.template(call, 1)? };
    if let Some((_, rows)) = &mut b.block().conf.proxy.cookie_domains {
        rows.push(row);
    }
    Ok(())
}

fn cookie_path(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if list(&mut b.block().conf.proxy.cookie_paths, call)?.is_none() {
        return Ok(());
    }
    if call.count() == 1 {
        return Err(invalid_parameter(call.arg(0)));
    }
    let row = replace(b, call)?;
    if let Some((_, rows)) = &mut b.block().conf.proxy.cookie_paths {
        rows.push(row);
    }
    Ok(())
}

fn cookie_flags(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if list(&mut b.block().conf.proxy.cookie_flags, call)?.is_none() {
        return Ok(());
    }
    if call.count() == 1 {
        return Err(invalid_parameter(call.arg(0)));
    }
    let cookie = pattern(b, call.arg(0))?;
    let flags = call.args().skip(1).map(|flag| b.compile(flag)).collect::<Outcome<_>>()?;
    if let Some((_, rows)) = &mut b.block().conf.proxy.cookie_flags {
        rows.push(CookieFlags { cookie, flags });
    }
    Ok(())
}

/// Headers that `proxy_ignore_headers` may name.
const IGNORABLE: [&str; 9] = [
    "x-accel-redirect",
    "x-accel-expires",
    "x-accel-limit-rate",
    "x-accel-buffering",
    "x-accel-charset",
    "expires",
    "cache-control",
    "set-cookie",
    "vary",
];

fn ignore_headers(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    for n in 0..call.count() {
        let name = call.text(n);
        if !IGNORABLE.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(Diagnostic::emerg(format!("invalid value \"{name}\"")));
        }
        let names = b.block().conf.proxy.ignore.get_or_insert_default();
        if names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            b.warn(call, format!("duplicate value \"{name}\""));
        } else {
            names.push(name.to_ascii_lowercase().into());
        }
    }
    Ok(())
}

fn next_upstream(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    for n in 0..call.count() {
        let word = call.text(n);
        let known = Failure::WORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word));
        let (_, failure) = known.ok_or_else(|| Diagnostic::emerg(format!("invalid value \"{word}\"")))?;
        let set = b.block().conf.proxy.next.get_or_insert(0);
        if *set & failure.bit() != 0 {
            b.warn(call, format!("duplicate value \"{word}\""));
        } else {
            *set |= failure.bit();
        }
    }
    Ok(())
}

fn bind(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.proxy.bind.is_some() {
        return Err(call.duplicate());
    }
    let text = call.text(0);
    if text == "off" && call.count() == 1 {
        b.block().conf.proxy.bind = Some(None);
        return Ok(());
    }
    let template = b.template(call, 0)?;
    let is_address = text.parse::<std::net::IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok();
    if template.as_literal().is_some() && !is_address {
        return Err(Diagnostic::emerg(format!("invalid address \"{text}\"")));
    }
    if call.count() == 2 {
        return Err(match call.arg(1) {
            b"transparent" => Diagnostic::emerg(
                "\"proxy_bind\" with \"transparent\" is not supported: Encke does not take other machines' addresses yet",
            ),
            other => invalid_parameter(other),
        });
    }
    b.block().conf.proxy.bind = Some(Some(template));
    Ok(())
}

// === impl ProxyDraft ===

/// Headers that clients do not get unless `proxy_pass_header` says so.
const HIDDEN: [&str; 8] = [
    "date",
    "server",
    "x-pad",
    "x-accel-expires",
    "x-accel-redirect",
    "x-accel-limit-rate",
    "x-accel-buffering",
    "x-accel-charset",
];

impl ProxyDraft {
    /// What is wrong with the sizes of the buffers, in nginx's words.
    pub fn check_buffers(&self) -> Option<&'static str> {
        let (count, size) = self.buffers.unwrap_or((8, 4096));
        if count < 2 {
            return Some("there must be at least 2 \"proxy_buffers\"");
        }
        let largest = self.buffer_size.unwrap_or(4096).max(size);
        let busy = self.busy.unwrap_or(2 * largest);
        if busy < largest {
            return Some(
                "\"proxy_busy_buffers_size\" must be equal to or greater than the maximum of the value of \
                 \"proxy_buffer_size\" and one of the \"proxy_buffers\"",
            );
        }
        (busy > (count - 1).saturating_mul(size)).then_some(
            "\"proxy_busy_buffers_size\" must be less than the size of all \"proxy_buffers\" minus one buffer",
        )
    }

    /// The settings in force for a block that passes requests on. `location` is the path of the location around it.
    pub fn finish(
        &self,
        pass: &ProxyPass,
        location: &[u8],
        proxy_host: &Template,
        resolver: Option<Arc<ResolverConf>>,
    ) -> ProxyConf {
        let minute = Duration::from_secs(60);
        let items = |list: &Option<List<Replace>>| match list {
            Some((_, items)) => items.clone().into(),
            None => [].into(),
        };
        let (count, size) = self.buffers.unwrap_or((8, 4096));
        let hide = self.hide.iter().flatten().cloned().chain(HIDDEN.map(Into::into));
        let passed = |name: &str| self.pass.iter().flatten().any(|passed| **passed == *name);
        ProxyConf {
            pass: pass.clone(),
            set_headers: self.headers(proxy_host),
            method: self.method.clone(),
            set_body: self.set_body.clone(),
            pass_request_body: self.pass_request_body.unwrap_or(true),
            pass_request_headers: self.pass_request_headers.unwrap_or(true),
            http11: self.http11.unwrap_or(false),
            connect_timeout: self.connect_timeout.unwrap_or(minute),
            send_timeout: self.send_timeout.unwrap_or(minute),
            read_timeout: self.read_timeout.unwrap_or(minute),
            redirects: self.redirects(pass, location),
            cookie_domains: items(&self.cookie_domains),
            cookie_paths: items(&self.cookie_paths),
            cookie_flags: self.cookie_flags.clone().map_or_else(Vec::new, |(_, flags)| flags).into(),
            hidden: hide.filter(|name| !passed(name)).collect(),
            ignored: self.ignore.clone().unwrap_or_default().into(),
            intercept_errors: self.intercept_errors.unwrap_or(false),
            ignore_client_abort: self.ignore_client_abort.unwrap_or(false),
            buffering: self.buffering.unwrap_or(true),
            request_buffering: self.request_buffering.unwrap_or(true),
            buffer_size: self.buffer_size.unwrap_or(4096),
            buffers: count.saturating_mul(size),
            limit_rate: self.limit_rate.filter(|rate| *rate > 0),
            next: NextUpstream {
                failures: self.next.unwrap_or(Failure::Error.bit() | Failure::Timeout.bit()),
                tries: self.next_tries.unwrap_or(0),
                timeout: self.next_timeout.filter(|timeout| !timeout.is_zero()),
            },
            bind: self.bind.clone().flatten(),
            socket_keepalive: self.socket_keepalive.unwrap_or(false),
            resolver,
        }
    }

    /// `proxy_set_header`s, and those that hold where none of that name is set.
    fn headers(&self, proxy_host: &Template) -> Arc<[SetHeader]> {
        let text = |text: &str| HeaderValue::Text(Template::literal(text.as_bytes()));
        let defaults = [
            ("Host", HeaderValue::Text(proxy_host.clone())),
            ("Connection", text("close")),
            ("Content-Length", HeaderValue::BodyLength),
            ("Transfer-Encoding", HeaderValue::BodyChunked),
            ("TE", text("")),
            ("Keep-Alive", text("")),
            ("Expect", text("")),
            ("Upgrade", text("")),
        ];
        let set = self.set_headers.iter().flatten();
        let is_set = |name: &str| set.clone().any(|(set, _)| set.eq_ignore_ascii_case(name));
        let missing = defaults.into_iter().filter(|(name, _)| !is_set(name));
        let given = set.clone().map(|(name, value)| (name.clone(), HeaderValue::Text(value.clone())));
        given
            .chain(missing.map(|(name, value)| (name.into(), value)))
            .map(|(name, value)| SetHeader { name, value })
            .collect()
    }

    fn redirects(&self, pass: &ProxyPass, location: &[u8]) -> Arc<[Replace]> {
        let default = || match &pass.target {
            PassTarget::Computed(_) => None,
            // Behind a unix socket: there is no URL that begins so.
            PassTarget::Fixed { port, .. } if port.is_empty() => None,
            PassTarget::Fixed { host, uri, .. } => {
                // Without a URI the path is the same on both sides.
                let path: &[u8] = uri.as_deref().unwrap_or(location);
                let from = [b"http://", host.as_bytes(), path].concat();
                let pattern = Pattern::Text(Template::literal(&from));
                Some(Replace { pattern, replacement: Template::literal(location) })
            }
        };
        let Some((_, rows)) = &self.redirects else { return default().into_iter().collect() };
        let rows = rows.iter().filter_map(|row| match row {
            RedirectDraft::Default => default(),
            RedirectDraft::Given(replace) => Some(replace.clone()),
        });
        rows.collect()
    }
}
