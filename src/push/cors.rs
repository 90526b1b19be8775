//! Requests from pages of other origins, in Nchan's dialect.

use http::header;
use serde::{Deserialize, Serialize};

use crate::config::model::{Dialect, PushConf};
use crate::request::RequestCtx;
use crate::request::answer::Answer;

/// The origin of a request that may read its answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `Access-Control-Allow-Origin`.
    #[serde(with = "serde_bytes")]
    allowed: Box<[u8]>,
}

/// An origin that may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden;

impl Origin {
    /// The request's origin, if it has one.
    ///
    /// # Errors
    /// `nchan_access_control_allow_origin` does not name it.
    pub fn of(ctx: &RequestCtx) -> Result<Option<Self>, Forbidden> {
        let Some(origin) = ctx.header(header::ORIGIN) else { return Ok(None) };
        let allowed = ctx.render(&ctx.conf.push.cors.allow_origin);
        let mut origins = allowed.split(|byte| *byte == b' ');
        let found = origins.find(|allowed| *allowed == b"*" || *allowed == origin).ok_or(Forbidden)?;
        Ok(Some(Self { allowed: found.into() }))
    }

    /// Lets the page that asked read why it is refused, if it may read anything here.
    pub fn allow_refusal(ctx: &RequestCtx, answer: Answer) -> Answer {
        match Self::of(ctx) {
            Ok(Some(origin)) if ctx.conf.push.dialect == Dialect::Nchan => {
                origin.allow(&ctx.conf.push, answer)
            }
            _ => answer,
        }
    }

    /// Lets the origin's page read an answer.
    pub fn allow(&self, conf: &PushConf, mut answer: Answer) -> Answer {
        if conf.cors.allow_credentials {
            answer = answer.with_header("Access-Control-Allow-Credentials", "true");
        }
        answer.with_header("Access-Control-Allow-Origin", &*self.allowed)
    }
}
