//! `http`, `server` and the simple settings of nginx's core module.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use encke_parser::{Body, Directive as Node};

use super::super::builder::{Builder, Outcome};
use super::super::call::{Call, invalid_parameter};
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::{Block, draft};
use super::super::model::{CoreConf, ErrorPage, ErrorTarget, Replacement, Types};
use super::super::value;
use super::{HS, HSL, HSLI, Module, NONE, ONE, done};

draft! {
    /// What nginx's core module knows of a block.
    CoreDraft {
        internal: bool,
        default_type: Box<[u8]>,
        types: Arc<Types>,
        client_max_body_size: u64,
        client_body_timeout: Duration,
        send_timeout: Duration,
        keepalive_timeout: (Duration, Option<u64>),
        keepalive_requests: u64,
        server_tokens: bool,
        absolute_redirect: bool,
        server_name_in_redirect: bool,
        port_in_redirect: bool,
        error_pages: Vec<ErrorPage>,
        recursive_error_pages: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_core_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done("http", Contexts::MAIN, NONE.block(), "", "Holds the servers and what they share.", http),
    done("server", Contexts::HTTP, NONE.block(), "", "A virtual server.", server),
    done(
        "default_type",
        HSL,
        ONE,
        "text/plain",
        "The type of answers whose extension is in no `types`. Messages keep the type they were published with.",
        |b, call| call.fill(&mut b.block().conf.core.default_type, |call| Ok(call.arg(0).into())),
    ),
    done("types", HSL, NONE.block(), "", "Types of answers by extension: `text/html html htm;`.", types),
    done(
        "client_max_body_size",
        HSL,
        ONE,
        "1m",
        "The largest request body; a larger one is answered 413. 0 is no limit.",
        |b, call| call.fill(&mut b.block().conf.core.client_max_body_size, Call::offset),
    ),
    done(
        "client_body_timeout",
        HSL,
        ONE,
        "60s",
        "How long to wait for the next part of a body.",
        |b, call| call.fill(&mut b.block().conf.core.client_body_timeout, Call::millis),
    ),
    done(
        "client_header_timeout",
        HS,
        ONE,
        "60s",
        "How long a client may take to send its header.",
        |b, call| call.fill(&mut b.block().server.client_header_timeout, Call::millis),
    ),
    done(
        "send_timeout",
        HSL,
        ONE,
        "60s",
        "How long a client may take to accept the next part of an answer. Waiting subscribers are exempt.",
        |b, call| call.fill(&mut b.block().conf.core.send_timeout, Call::millis),
    ),
    done(
        "keepalive_timeout",
        HSL,
        Arity::between(1, 2),
        "75s",
        "How long a connection stays open between requests; 0 closes it. The second value is sent as `Keep-Alive`.",
        |b, call| call.fill(&mut b.block().conf.core.keepalive_timeout, keepalive_timeout),
    ),
    done("keepalive_requests", HSL, ONE, "1000", "How many requests one connection may make.", |b, call| {
        call.fill(&mut b.block().conf.core.keepalive_requests, Call::number)
    }),
    done(
        "server_tokens",
        HSL,
        ONE,
        "on",
        "Whether the version is shown in `Server` and on error pages.",
        |b, call| {
            call.fill(&mut b.block().conf.core.server_tokens, |call| {
                call.one_of(&[("on", true), ("off", false), ("build", true)])
            })
        },
    ),
    done("absolute_redirect", HSL, ONE, "on", "Whether redirects name scheme, host and port.", |b, call| {
        call.fill(&mut b.block().conf.core.absolute_redirect, Call::flag)
    }),
    done(
        "server_name_in_redirect",
        HSL,
        ONE,
        "off",
        "Whether redirects name the first `server_name`.",
        |b, call| call.fill(&mut b.block().conf.core.server_name_in_redirect, Call::flag),
    ),
    done("port_in_redirect", HSL, ONE, "on", "Whether absolute redirects name the port.", |b, call| {
        call.fill(&mut b.block().conf.core.port_in_redirect, Call::flag)
    }),
    done(
        "large_client_header_buffers",
        HS,
        Arity::exactly(2),
        "4 8k",
        "How many buffers a request's header may fill, and how large a line may be.",
        |b, call| call.fill(&mut b.block().server.large_client_header_buffers, buffers),
    ),
    done("merge_slashes", HS, ONE, "on", "Whether `//` in a path is the same as `/`.", |b, call| {
        call.fill(&mut b.block().server.merge_slashes, Call::flag)
    }),
    done(
        "underscores_in_headers",
        HS,
        ONE,
        "off",
        "Whether header names may have underscores.",
        |b, call| call.fill(&mut b.block().server.underscores_in_headers, Call::flag),
    ),
    done(
        "ignore_invalid_headers",
        HS,
        ONE,
        "on",
        "Whether headers with odd names are dropped.",
        |b, call| call.fill(&mut b.block().server.ignore_invalid_headers, Call::flag),
    ),
    done(
        "error_page",
        HSLI,
        Arity::at_least(2),
        "",
        "What is answered instead of an error: codes, optionally `=` or `=CODE`, then a URI, a URL or `@name`.",
        error_page,
    ),
    done(
        "recursive_error_pages",
        HSL,
        ONE,
        "off",
        "Whether an error page may lead to another.",
        |b, call| call.fill(&mut b.block().conf.core.recursive_error_pages, Call::flag),
    ),
];

fn http(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.http.span.is_some() {
        return Err(call.duplicate());
    }
    b.http.span = Some(call.span());
    let block = b.descend(call, Block::new(Contexts::HTTP).at(call.span()))?;
    (b.http.conf, b.http.server) = (*block.conf, *block.server);
    if let Some(body) = call.node.block().filter(|body| body.closed) {
        (b.http.span, b.http.closed) = (Some(body.span), true);
    }
    Ok(())
}

fn server(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let block = b.descend(call, Block::new(Contexts::SERVER).at(call.span()))?;
    b.http.servers.push(block);
    Ok(())
}

fn keepalive_timeout(call: &Call<'_>) -> Outcome<(Duration, Option<u64>)> {
    let timeout = call.millis()?;
    let header = (call.count() > 1).then(|| value::seconds(call.arg(1)).ok_or_else(|| call.invalid_value()));
    Ok((timeout, header.transpose()?.filter(|seconds| *seconds > 0)))
}

fn buffers(call: &Call<'_>) -> Outcome<(usize, usize)> {
    let count = value::number(call.arg(0)).filter(|count| *count > 0);
    let size = value::size(call.arg(1)).filter(|size| *size > 0);
    let pair = count.zip(size).ok_or_else(|| call.invalid_value())?;
    Ok((usize::try_from(pair.0).unwrap_or(usize::MAX), usize::try_from(pair.1).unwrap_or(usize::MAX)))
}

// === types ===

fn types(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let mut types = b.block().conf.core.types.take().map(|types| (*types).clone()).unwrap_or_default();
    let content = call.node.block().map_or(&[][..], |block| &block.directives);
    let outcome = add_types(b, content, &mut types);
    b.block().conf.core.types = Some(Arc::new(types));
    outcome
}

fn add_types(b: &mut Builder<'_>, lines: &[Node], types: &mut Types) -> Outcome {
    for line in lines {
        match &line.body {
            Body::Include(files) => {
                files.iter().try_for_each(|file| add_types(b, &file.directives, types))?;
            }
            Body::None => add_type(b, line, types),
            Body::Block(_) | Body::Raw { .. } => {
                b.settle(Err(Diagnostic::emerg("unexpected \"{\"").at(line.span)))?;
            }
        }
    }
    Ok(())
}

fn add_type(b: &mut Builder<'_>, line: &Node, types: &mut Types) {
    let new: Box<[u8]> = line.name.value.as_slice().into();
    for extension in &line.args {
        let extension: Box<[u8]> = extension.value.to_ascii_lowercase().into();
        let Some(previous) = types.insert(extension.clone(), new.clone()) else { continue };
        let text = |bytes| String::from_utf8_lossy(bytes);
        let (extension, new, previous) = (text(&extension), text(&new), text(&previous));
        let message = format!(
            "duplicate extension \"{extension}\", content type: \"{new}\", previous content type: \"{previous}\""
        );
        b.diagnostics.push(Diagnostic::warn(message).at(line.span));
    }
}

/// Types that hold without any `types` block.
static DEFAULT_TYPES: LazyLock<Arc<Types>> = LazyLock::new(|| {
    let rows: [(&[u8], &[u8]); 3] =
        [(b"html", b"text/html"), (b"gif", b"image/gif"), (b"jpg", b"image/jpeg")];
    Arc::new(rows.map(|(extension, kind)| (extension.into(), kind.into())).into())
});

// === error_page ===

fn error_page(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let target = call.arg(call.count() - 1);
    let mut codes: Vec<&[u8]> = call.args().rev().skip(1).collect();
    codes.reverse();
    let replacement = match codes.last() {
        Some([b'=', code @ ..]) => {
            let replacement = replacement(code, codes.len())?;
            codes.pop();
            replacement
        }
        _ => Replacement::Keep,
    };
    let target = error_target(b, target)?;
    for code in codes {
        let page = ErrorPage { status: error_code(code)?, replacement, target: target.clone() };
        b.block().conf.core.error_pages.get_or_insert_default().push(page);
    }
    Ok(())
}

/// What follows the `=`; there must be a code before it.
fn replacement(code: &[u8], words: usize) -> Outcome<Replacement> {
    let invalid = || Diagnostic::emerg(format!("invalid value \"={}\"", String::from_utf8_lossy(code)));
    if words < 2 {
        return Err(invalid());
    }
    if code.is_empty() {
        return Ok(Replacement::FromTarget);
    }
    let number = value::number(code).and_then(|number| u16::try_from(number).ok()).ok_or_else(invalid)?;
    Ok(Replacement::Code(number))
}

fn error_code(code: &[u8]) -> Outcome<u16> {
    let text = String::from_utf8_lossy(code);
    match value::number(code) {
        None | Some(499) => Err(Diagnostic::emerg(format!("invalid value \"{text}\""))),
        Some(number @ 300..=599) => Ok(number as u16),
        Some(_) => Err(Diagnostic::emerg(format!("value \"{text}\" must be between 300 and 599"))),
    }
}

fn error_target(b: &mut Builder<'_>, target: &[u8]) -> Outcome<ErrorTarget> {
    match target {
        [b'@', name @ ..] => Ok(ErrorTarget::Named(name.into())),
        [b'/', ..] => b.compile(target).map(ErrorTarget::Uri),
        [] => Err(invalid_parameter(target).with_help("an error page needs a target")),
        _ => b.compile(target).map(ErrorTarget::Redirect),
    }
}

// === impl CoreDraft ===

impl CoreDraft {
    /// The settings in force.
    pub fn finish(&self) -> CoreConf {
        let minute = Duration::from_secs(60);
        let (keepalive_timeout, keepalive_header) =
            self.keepalive_timeout.unwrap_or((Duration::from_secs(75), None));
        CoreConf {
            internal: self.internal.unwrap_or(false),
            default_type: self.default_type.clone().unwrap_or_else(|| (*b"text/plain").into()),
            types: self.types.clone().unwrap_or_else(|| DEFAULT_TYPES.clone()),
            client_max_body_size: Some(self.client_max_body_size.unwrap_or(1 << 20)).filter(|size| *size > 0),
            client_body_timeout: self.client_body_timeout.unwrap_or(minute),
            send_timeout: self.send_timeout.unwrap_or(minute),
            keepalive_timeout,
            keepalive_header,
            keepalive_requests: self.keepalive_requests.unwrap_or(1000),
            server_tokens: self.server_tokens.unwrap_or(true),
            absolute_redirect: self.absolute_redirect.unwrap_or(true),
            server_name_in_redirect: self.server_name_in_redirect.unwrap_or(false),
            port_in_redirect: self.port_in_redirect.unwrap_or(true),
            error_pages: self.error_pages.clone().unwrap_or_default(),
            recursive_error_pages: self.recursive_error_pages.unwrap_or(false),
        }
    }
}
