//! `auth_basic`: a name and a password.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::context::Contexts;
use super::super::directive::Directive;
use super::{HSL, Module, ONE, done};

/// The module.
pub const MODULE: Module = Module { name: "ngx_http_auth_basic_module", directives: DIRECTIVES };

const HSLX: Contexts = HSL.or(Contexts::LIMIT_EXCEPT);

const DIRECTIVES: &[Directive] = &[
    done(
        "auth_basic",
        HSLX,
        ONE,
        "off",
        "Asks for name and password; the value is the realm shown, or `off`.",
        realm,
    ),
    done(
        "auth_basic_user_file",
        HSLX,
        ONE,
        "",
        "The file of names and passwords (`htpasswd`), read at each request.",
        user_file,
    ),
];

fn realm(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.access.auth_basic.is_some() {
        return Err(call.duplicate());
    }
    let realm = if call.arg(0) == b"off" { None } else { Some(b.template(call, 0)?) };
    b.block().conf.access.auth_basic = Some(realm);
    Ok(())
}

fn user_file(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    if b.block().conf.access.auth_basic_user_file.is_some() {
        return Err(call.duplicate());
    }
    // Relative paths are below the directory of the main file, as those of `include`.
    let text = call.arg(0);
    let file = if text.starts_with(b"/") || text.starts_with(b"$") {
        b.template(call, 0)?
    } else {
        let mut path = b.config_directory.clone().into_os_string().into_encoded_bytes();
        path.push(b'/');
        path.extend_from_slice(text);
        b.compile(&path)?
    };
    b.block().conf.access.auth_basic_user_file = Some(file);
    Ok(())
}
