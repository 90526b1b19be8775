//! `auth_request`, and what requests inside the server write to logs.

use super::super::builder::{Builder, Outcome};
use super::super::builtin::{self, Builtin};
use super::super::call::Call;
use super::super::diag::Diagnostic;
use super::super::directive::{Arity, Directive};
use super::super::draft::draft;
use super::super::model::{AuthRequestConf, AuthVariable};
use super::super::template::Template;
use super::{HSL, Module, ONE, done};

draft! {
    /// What the auth_request module knows of a block.
    AuthRequestDraft {
        uri: Option<Box<[u8]>>,
        set: Vec<(AuthVariable, Template)>,
        log_subrequest: bool,
    }
}

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_auth_request_module", directives: DIRECTIVES };

const DIRECTIVES: &[Directive] = &[
    done(
        "auth_request",
        HSL,
        ONE,
        "off",
        "Lets a request in only if a request made inside to this URI is answered 2xx; 401 and 403 turn it away.",
        |b, call| {
            call.fill(&mut b.block().conf.auth_request.uri, |call| {
                Ok((call.arg(0) != b"off").then(|| call.arg(0).into()))
            })
        },
    ),
    done(
        "auth_request_set",
        HSL,
        Arity::exactly(2),
        "",
        "Gives a variable a value when the request made inside was answered.",
        set,
    ),
];

/// `log_subrequest`, which nginx's core has.
pub const LOG_SUBREQUEST: Module = Module {
    name: "ngx_http_core_module: requests inside",
    directives: &[done(
        "log_subrequest",
        HSL,
        ONE,
        "off",
        "Writes a line to the access log for requests made inside, too.",
        |b, call| call.fill(&mut b.block().conf.auth_request.log_subrequest, Call::flag),
    )],
};

fn set(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let Some(name) = call.arg(0).strip_prefix(b"$").filter(|name| !name.is_empty()) else {
        return Err(Diagnostic::emerg(format!("invalid variable name \"{}\"", call.text(0))));
    };
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let variable = match builtin::find(&name).map(|row| row.variable) {
        Some(Builtin::Args) => AuthVariable::Args,
        Some(Builtin::LimitRate) => AuthVariable::LimitRate,
        _ => AuthVariable::Named(b.variables.define(&name).map_err(Diagnostic::emerg)?),
    };
    let value = b.template(call, 1)?;
    b.block().conf.auth_request.set.get_or_insert_default().push((variable, value));
    Ok(())
}

impl AuthRequestDraft {
    /// The settings in force.
    pub fn finish(&self) -> AuthRequestConf {
        AuthRequestConf {
            uri: self.uri.clone().flatten(),
            set: self.set.clone().unwrap_or_default().into(),
            log_subrequest: self.log_subrequest.unwrap_or(false),
        }
    }
}
