//! What a location's handler comes to.

use axum::response::{IntoResponse, Response};

use super::answer::Answer;

/// An answer, or another place to look for one. It travels through axum and the tower layers inside of the response
/// it stands for.
#[derive(Clone, Debug)]
pub enum Content {
    /// The answer.
    Answer(Answer),
    /// The request goes on elsewhere.
    Redirect(InternalRedirect),
}

/// Where a request goes on inside the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InternalRedirect {
    /// Another URI, through the server's rewrite directives and the choice of a location.
    Uri {
        /// The new path, decoded.
        path: Box<[u8]>,
        /// The new arguments.
        args: Box<[u8]>,
    },
    /// `@name`, without the `@`; URI and arguments stay.
    Named(Box<[u8]>),
}

impl IntoResponse for Content {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Content::Answer(self).into_response()
    }
}

impl IntoResponse for InternalRedirect {
    fn into_response(self) -> Response {
        Content::Redirect(self).into_response()
    }
}
