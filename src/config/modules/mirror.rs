//! `mirror`: requests made inside for others, whose answers nobody looks at.

use super::super::builder::{Builder, Outcome};
use super::super::call::Call;
use super::super::draft::draft;
use super::super::model::MirrorConf;
use super::{HSL, Module, ONE, done};

draft! {
    /// What the mirror module knows of a block.
    MirrorDraft {
        uris: Option<Vec<Box<[u8]>>>,
        request_body: bool,
    }
}

/// The module.
pub const MODULE: Module = Module {
    name: "ngx_http_mirror_module",
    directives: &[
        done(
            "mirror",
            HSL,
            ONE,
            "off",
            "Makes the same request inside to this URI; what that is answered does not matter.",
            mirror,
        ),
        done(
            "mirror_request_body",
            HSL,
            ONE,
            "on",
            "Whether these requests have the body, which is then read before the request goes on.",
            |b, call| call.fill(&mut b.block().conf.mirror.request_body, Call::flag),
        ),
    ],
};

fn mirror(b: &mut Builder<'_>, call: &Call<'_>) -> Outcome {
    let uris = &mut b.block().conf.mirror.uris;
    match (call.arg(0), uris) {
        (b"off", uris @ None) => *uris = Some(None),
        (b"off", Some(_)) | (_, Some(None)) => return Err(call.duplicate()),
        (uri, uris) => uris.get_or_insert_default().get_or_insert_default().push(uri.into()),
    }
    Ok(())
}

impl MirrorDraft {
    /// The settings in force.
    pub fn finish(&self) -> MirrorConf {
        MirrorConf {
            uris: self.uris.clone().flatten().unwrap_or_default().into(),
            request_body: self.request_body.unwrap_or(true),
        }
    }
}
