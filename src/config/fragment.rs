//! Files that are not a whole configuration: bare locations, or bare servers. What is missing around them is added.

use encke_parser::{Body, Directive as Node, Span};

use super::builder::{Builder, Outcome};
use super::context::Contexts;
use super::diag::Diagnostic;
use super::directive;
use super::draft::{Block, LocationHead};
use super::model::Matcher;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A whole configuration.
    Whole,
    /// What stands in `http`.
    Http,
    /// What stands in `server`.
    Server,
    /// What stands in `location`.
    Location,
}

impl Shape {
    /// The shape of a file, by where its directives may stand. A file with `http` or `events`, or one whose directives
    /// fit nowhere together, is taken as a whole configuration.
    pub(super) fn of(directives: &[Node]) -> Self {
        let mut names = Vec::new();
        collect(directives, &mut names);
        if names.iter().any(|name| matches!(*name, b"http" | b"events" | b"stream" | b"mail")) {
            return Self::Whole;
        }
        let known: Vec<Vec<Contexts>> = names
            .iter()
            .map(|name| directive::find(name).map(|row| row.contexts).collect())
            .filter(|contexts: &Vec<Contexts>| !contexts.is_empty())
            .collect();
        let fits = |context| known.iter().all(|rows| rows.iter().any(|row| row.intersects(context)));
        match () {
            () if known.is_empty() || fits(Contexts::MAIN) => Self::Whole,
            () if fits(Contexts::HTTP) => Self::Http,
            () if fits(Contexts::SERVER) => Self::Server,
            () if fits(Contexts::LOCATION) => Self::Location,
            () => Self::Whole,
        }
    }

    /// What a notice says about it.
    fn notice(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Http => Some("not a whole configuration: read as if inside \"http { }\""),
            Self::Server => Some("not a whole configuration: read as if inside \"http { server { } }\""),
            Self::Location => {
                Some("not a whole configuration: read as if inside \"http { server { location / { } } }\"")
            }
        }
    }
}

/// Names of all directives, those of included files in place of the `include`.
fn collect<'n>(directives: &'n [Node], names: &mut Vec<&'n [u8]>) {
    for node in directives {
        match &node.body {
            Body::Include(files) => files.iter().for_each(|file| collect(&file.directives, names)),
            _ => names.push(&node.name.value),
        }
    }
}

/// Reads the directives of a file, with what is missing around them.
pub(super) fn read(b: &mut Builder<'_>, shape: Shape, directives: &[Node]) -> Outcome {
    let Some(place) = directives.first().map(|node| node.span).filter(|_| shape != Shape::Whole) else {
        return b.walk(directives);
    };
    b.diagnostics.extend(shape.notice().map(|text| Diagnostic::notice(text).at(place)));
    b.http.span = Some(place);
    b.http.closed = true;
    if shape == Shape::Http {
        let block = b.within(Block::new(Contexts::HTTP), |b| b.walk(directives))?;
        (b.http.conf, b.http.server) = (*block.conf, *block.server);
        return Ok(());
    }
    let server = Block::new(Contexts::SERVER).at(place);
    let server = b.within(server, |b| {
        if shape == Shape::Server { b.walk(directives) } else { location(b, place, directives) }
    })?;
    b.http.servers.push(server);
    Ok(())
}

/// `location / { ... }` around the directives.
fn location(b: &mut Builder<'_>, place: Span, directives: &[Node]) -> Outcome {
    let matcher = Matcher::Prefix { path: (*b"/").into(), no_regex: false };
    let head = LocationHead { name: "/".to_owned(), matcher, span: place };
    let block = Block { location: Some(head), ..Block::new(Contexts::LOCATION).at(place) };
    let block = b.within(block, |b| b.walk(directives))?;
    b.block().locations.push(block);
    Ok(())
}
