//! The main and `events` contexts.

use std::thread;

use encke_parser::Body;
use nix::unistd;

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::Block;
use super::super::model::{Affinity, EnvironmentVariable, ErrorLog, LogTarget, Severity, User};
use super::super::value;
use super::{HSL, Module, NONE, ONE, accept, access, done};

const MAIN: Contexts = Contexts::MAIN;
const EVENTS: Contexts = Contexts::EVENTS;
const ANY: Contexts = MAIN
    .or(EVENTS)
    .or(HSL)
    .or(Contexts::SERVER_IF)
    .or(Contexts::LOCATION_IF)
    .or(Contexts::LIMIT_EXCEPT)
    .or(Contexts::UPSTREAM);

/// The module.
pub const MODULE: Module = Module { name: "ngx_core_module, ngx_events_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "include",
        ANY,
        ONE,
        "",
        "Reads other files in its place. The path is relative to the directory of the main file and may be a pattern.",
        include,
    ),
    done(
        "events",
        MAIN,
        NONE.block(),
        "",
        "Holds what is about connections. A whole configuration needs it.",
        events,
    ),
    done(
        "worker_processes",
        MAIN,
        ONE,
        "1",
        "How many worker threads there are; `auto` is one per processor.",
        worker_processes,
    ),
    done(
        "worker_connections",
        EVENTS,
        ONE,
        "512",
        "How many connections each worker may hold.",
        worker_connections,
    ),
    done(
        "multi_accept",
        EVENTS,
        ONE,
        "off",
        "Whether a worker accepts all connections that wait before it goes on, or one at a time.",
        |b, call| call.fill(&mut b.main.multi_accept, Call::flag),
    ),
    done(
        "debug_connection",
        EVENTS,
        ONE,
        "",
        "Clients whose requests are told of in the error log line by line, whatever its level: an address, a network, a host \
         name, or `unix:`.",
        |b, call| {
            let mut who = access::addresses(b, call)?;
            b.main.debug_connections.append(&mut who);
            Ok(())
        },
    ),
    done(
        "use",
        EVENTS,
        ONE,
        "epoll",
        "The kernel's interface for events: `epoll`, as on Linux with nginx.",
        event_method,
    ),
    done(
        "pcre_jit",
        MAIN,
        ONE,
        "off",
        "Regular expressions are compiled to machine code, whichever is asked for: they match the same.",
        accept::flag,
    ),
    done(
        "user",
        MAIN,
        Arity::between(1, 2),
        "",
        "Whom to become when started as root. The group, if not given, has the user's name.",
        user,
    ),
    done("pid", MAIN, ONE, "", "The file that holds the number of the process.", pid),
    done("daemon", MAIN, ONE, "off", "Whether to go to the background.", |b, call| {
        call.fill(&mut b.main.daemon, Call::flag)
    }),
    done(
        "error_log",
        MAIN.or(HSL),
        Arity::at_least(1),
        "",
        "Where errors are logged, and from which level on: a file, `stderr`, `syslog:server=...`; `memory:` is checked \
         and writes nothing. All `debug_*` levels are `debug`.",
        error_log,
    ),
    done("load_module", MAIN, ONE, "", "Modules whose directives are built in need no loading.", load_module),
    done(
        "env",
        MAIN,
        ONE,
        "TZ",
        "Which environment variables the program of an upgrade is started with: `NAME` as it is, `NAME=value` as given. \
         Of all others only `TZ` and those of systemd are kept. The running process leaves its own environment as it is.",
        env,
    ),
    done(
        "worker_priority",
        MAIN,
        ONE,
        "0",
        "Scheduling priority of the process, as `nice` counts: -20 to 20.",
        worker_priority,
    ),
    done("worker_rlimit_core", MAIN, ONE, "", "How large a core file may be.", |b, call| {
        call.fill(&mut b.main.core_size, Call::offset)
    }),
    done("worker_rlimit_nofile", MAIN, ONE, "", "The limit of open files.", |b, call| {
        call.fill(&mut b.main.open_files, Call::number)
    }),
    done(
        "worker_shutdown_timeout",
        MAIN,
        ONE,
        "",
        "How long a graceful end waits for what is under way; then everything is closed.",
        |b, call| call.fill(&mut b.main.shutdown_timeout, Call::millis),
    ),
    done(
        "worker_cpu_affinity",
        MAIN,
        Arity::at_least(1),
        "",
        "Which processors each worker may run on, a mask for each, the lowest processor last; the last mask is for all \
         further workers. `auto` gives each worker a processor, of those of a mask if one follows.",
        worker_cpu_affinity,
    ),
    done(
        "working_directory",
        MAIN,
        ONE,
        "",
        "Where the process goes once it has started: core files are put there.",
        working_directory,
    ),
    done(
        "master_process",
        MAIN,
        ONE,
        "on",
        "There is one process with several threads, whichever is asked for: nothing is served otherwise.",
        accept::flag,
    ),
];

fn include(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let Body::Include(files) = &call.node.body else { return Ok(()) };
    files.iter().try_for_each(|file| b.walk(&file.directives))
}

fn events(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    b.main.events = true;
    b.descend(call, Block::new(EVENTS).at(call.span())).map(drop)
}

fn worker_processes(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.main.worker_processes, |call| {
        if call.arg(0) == b"auto" {
            return Ok(thread::available_parallelism().map_or(1, usize::from));
        }
        let number = value::number(call.arg(0)).ok_or_else(|| call.invalid_value())?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX).max(1))
    })
}

fn worker_connections(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.main.worker_connections, |call| {
        let number = value::number(call.arg(0))
            .ok_or_else(|| Diagnostic::emerg(format!("invalid number \"{}\"", call.text(0))))?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    })
}

fn event_method(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    if call.arg(0) != b"epoll" {
        return Err(Diagnostic::emerg(format!("invalid event type \"{}\"", call.text(0))));
    }
    Ok(())
}

fn worker_cpu_affinity(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.main.affinity, |call| {
        if call.arg(0) != b"auto" {
            return call.args().map(processors).collect::<Outcome<_>>().map(Affinity::Masks);
        }
        match call.count() {
            1 => Ok(Affinity::Auto((0..thread::available_parallelism().map_or(1, usize::from)).collect())),
            2 => processors(call.arg(1)).map(Affinity::Auto),
            _ => Err(Diagnostic::emerg("invalid number of arguments in \"worker_cpu_affinity\" directive")),
        }
    })
}

/// The processors of a mask of zeros and ones: the last digit is for processor 0.
fn processors(mask: &[u8]) -> Outcome<Vec<usize>> {
    const MOST: usize = 1024;
    if mask.len() > MOST {
        let problem = format!("\"worker_cpu_affinity\" supports up to {MOST} CPUs only");
        return Err(Diagnostic::emerg(problem));
    }
    if let Some(other) = mask.iter().find(|digit| !matches!(digit, b'0' | b'1' | b' ')) {
        let other = char::from(*other);
        return Err(Diagnostic::emerg(format!("invalid character \"{other}\" in \"worker_cpu_affinity\"")));
    }
    let digits = mask.iter().rev().filter(|digit| **digit != b' ').enumerate();
    Ok(digits.filter(|(_, digit)| **digit == b'1').map(|(processor, _)| processor).collect())
}

fn user(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if !b.options.is_root {
        let why = "makes sense only if the master process runs with super-user privileges, ignored";
        b.warn(call, format!("the \"user\" directive {why}"));
        return b.once(call);
    }
    call.fill(&mut b.main.user, |call| {
        let name = call.text(0);
        let group = if call.count() > 1 { call.text(1) } else { name.clone() };
        let found = unistd::User::from_name(&name).ok().flatten();
        let uid = found.ok_or_else(|| Diagnostic::emerg(format!("getpwnam(\"{name}\") failed")))?.uid;
        let found = unistd::Group::from_name(&group).ok().flatten();
        let gid = found.ok_or_else(|| Diagnostic::emerg(format!("getgrnam(\"{group}\") failed")))?.gid;
        Ok(User { name: name.into_owned(), uid: uid.as_raw(), gid: gid.as_raw() })
    })
}

fn pid(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let path = Some(call.arg(0)).filter(|path| !path.is_empty()).map(|path| b.path(path));
    call.fill(&mut b.main.pid, |_| Ok(path))
}

fn env(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let text = call.text(0);
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (&*text, None),
    };
    b.main.environment.push(EnvironmentVariable { name: name.to_owned(), value });
    Ok(())
}

fn worker_priority(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    b.once(call)?;
    let (digits, sign) = match call.arg(0).strip_prefix(b"-") {
        Some(digits) => (digits, -1),
        None => (call.arg(0).strip_prefix(b"+").unwrap_or(call.arg(0)), 1),
    };
    let number = value::number(digits).ok_or_else(|| call.invalid_number())?;
    // The system cuts what is beyond its range.
    b.main.priority = sign * i32::try_from(number).unwrap_or(i32::MAX);
    Ok(())
}

fn working_directory(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    call.fill(&mut b.main.working_directory, |call| Ok(call.text(0).into_owned().into()))
}

fn error_log(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let target = error_target(b, call)?;
    let level = error_level(call)?;
    let log = target.map(|target| ErrorLog { target, level });
    if b.context() == MAIN {
        b.main.error_log.extend(log);
    } else {
        b.block().conf.log.error.get_or_insert_default().extend(log);
    }
    Ok(())
}

/// Where an error log goes; `None` for `memory:`.
fn error_target(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome<Option<LogTarget>> {
    let Some(size) = call.arg(0).strip_prefix(b"memory:") else { return b.log_target(call.arg(0)).map(Some) };
    if value::size(size).is_none_or(|size| size < LEAST_MEMORY) {
        return Err(Diagnostic::emerg(format!("invalid buffer size \"{}\"", String::from_utf8_lossy(size))));
    }
    b.warn(
        call,
        "\"error_log memory:\" has no effect here: it is read with a debugger, which would not find it",
    );
    Ok(None)
}

/// What `memory:` has to hold at least: more than a line. (What nginx adds depends on where the directive stands.)
const LEAST_MEMORY: u64 = 2049;

/// Parts of nginx that can be debugged one by one.
const DEBUG_PARTS: [&[u8]; 7] = [b"core", b"alloc", b"mutex", b"event", b"http", b"mail", b"stream"];

/// The level: one, or parts to debug, of which there may be several. Where they are, everything else is written, too.
fn error_level(call: &Call<'_>) -> Outcome<Severity> {
    let (mut level, mut parts) = (None, false);
    for word in call.args().skip(1) {
        let part = word.strip_prefix(b"debug_").is_some_and(|part| DEBUG_PARTS.contains(&part));
        let problem = match Severity::from_name(word) {
            Some(named) if level.is_none() && !parts => {
                level = Some(named);
                continue;
            }
            Some(_) => "duplicate",
            None if part && level.is_none() => {
                parts = true;
                continue;
            }
            None => "invalid",
        };
        let given = String::from_utf8_lossy(word);
        return Err(Diagnostic::emerg(format!("{problem} log level \"{given}\"")));
    }
    Ok(level.unwrap_or(if parts { Severity::Debug } else { Severity::Error }))
}

/// Modules whose directives are all built in: loading them changes nothing.
const BUILT_IN: [&str; 3] = ["ngx_http_push_module", "ngx_nchan_module", "ngx_http_push_stream_module"];

/// Modules Debian's and nginx.org's packages load; their directives have rows of their own.
const KNOWN: [&str; 31] = [
    "ndk_http_module",
    "ngx_http_auth_pam_module",
    "ngx_http_brotli_filter_module",
    "ngx_http_brotli_static_module",
    "ngx_http_cache_purge_module",
    "ngx_http_dav_ext_module",
    "ngx_http_echo_module",
    "ngx_http_fancyindex_module",
    "ngx_http_geoip2_module",
    "ngx_http_geoip_module",
    "ngx_http_headers_more_filter_module",
    "ngx_http_image_filter_module",
    "ngx_http_js_module",
    "ngx_http_lua_module",
    "ngx_http_modsecurity_module",
    "ngx_http_perl_module",
    "ngx_http_subs_filter_module",
    "ngx_http_uploadprogress_module",
    "ngx_http_upstream_fair_module",
    "ngx_http_xslt_filter_module",
    "ngx_mail_module",
    "ngx_rtmp_module",
    "ngx_ssl_ct_module",
    "ngx_http_ssl_ct_module",
    "ngx_stream_geoip2_module",
    "ngx_stream_geoip_module",
    "ngx_stream_js_module",
    "ngx_stream_module",
    "ngx_stream_ssl_ct_module",
    "ngx_otel_module",
    "ngx_http_acme_module",
];

fn load_module(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.main.events || b.http.span.is_some() {
        return Err(Diagnostic::emerg("\"load_module\" directive is specified too late"));
    }
    let given = call.text(0);
    let file = given.rsplit('/').next().unwrap_or_default();
    let name = file.strip_suffix(".so").unwrap_or(file);
    if BUILT_IN.contains(&name) {
        b.notice(call, format!("module \"{name}\" is built in, there is nothing to load"));
    } else if KNOWN.contains(&name) {
        b.warn(
            call,
            format!("module \"{name}\" is not loaded; what its directives come to is said where they stand"),
        );
    } else {
        let path = b.path(call.arg(0));
        let path = path.display();
        return Err(Diagnostic::emerg(format!(
            "dlopen() \"{path}\" failed ({path}: cannot open shared object file: No such file or directory)"
        )));
    }
    Ok(())
}
