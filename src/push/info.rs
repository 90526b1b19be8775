//! The body that tells a publisher about its channel, in the four formats of the old module.

use crate::config::model::Dialect;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::ChannelInfo;

use super::publication::Told;

/// A format of the info body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`
    Plain,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// XML
    Xml,
}

/// Subtypes that are understood, as beginnings (the old module compares no further), behind `text/` or
/// `application/`.
const SUBTYPES: [(&str, Format); 6] = [
    ("plain", Format::Plain),
    ("json", Format::Json),
    ("x-json", Format::Json),
    ("yaml", Format::Yaml),
    ("x-yaml", Format::Yaml),
    ("xml", Format::Xml),
];

/// Room for what is mostly told.
const USUAL: usize = 160;

/// How a request is told of channels.
#[derive(Clone, Debug)]
pub struct Form {
    format: Format,
    content_type: Box<str>,
    dialect: Dialect,
}

/// An answer that tells of a channel, in the format the request accepts.
pub fn answer(ctx: &RequestCtx, status: u16, told: &Told) -> Answer {
    let form = Form::of(ctx);
    form.answer(status, form.text(told))
}

impl Form {
    /// What the request accepts.
    pub fn of(ctx: &RequestCtx) -> Self {
        let accept = ctx.header("accept").map(String::from_utf8_lossy).unwrap_or_default();
        let (format, asked) = negotiate(&accept);
        let dialect = ctx.conf.push.dialect;
        let content_type = match dialect {
            Dialect::Push => asked,
            Dialect::Nchan => format.content_type(),
        };
        Self { format, content_type: content_type.into(), dialect }
    }

    /// What is told of a channel.
    pub fn text(&self, told: &Told) -> String {
        self.format.write(told, self.dialect)
    }

    /// The answer with that text.
    pub fn answer(&self, status: u16, text: String) -> Answer {
        Answer::text(status, self.content_type.as_bytes(), text)
    }
}

impl Format {
    /// The format that a request accepts.
    pub fn of(ctx: &RequestCtx) -> Self {
        negotiate(&ctx.header("accept").map(String::from_utf8_lossy).unwrap_or_default()).0
    }

    /// What Nchan calls it, whatever the request called it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Json => "text/json",
            Self::Yaml => "text/yaml",
            Self::Xml => "text/xml",
        }
    }

    /// What a publisher is told. Nchan adds the id of the last message.
    pub fn write(self, told: &Told, dialect: Dialect) -> String {
        let ChannelInfo { messages, subscribers, requested, .. } = told.info;
        let [first, second, third] = &mut [itoa::Buffer::new(); 3];
        let (messages, subscribers) = (first.format(messages), second.format(subscribers));
        let requested = requested.map_or("-1", |seconds| third.format(seconds));
        let is_push = dialect == Dialect::Push;
        let last = |before, after| match is_push {
            true => String::new(),
            false => [before, &*told.last_id(), after].concat(),
        };
        match self {
            Self::Plain => {
                let never = if is_push { " (-1=never)" } else { "" };
                let mut text = String::with_capacity(USUAL);
                text.extend(["queued messages: ", messages, "\r\nlast requested: ", requested, " sec. ago"]);
                text.extend([never, "\r\nactive subscribers: ", subscribers]);
                if !is_push {
                    text.push_str("\r\nlast message id: ");
                    told.write_last_id(&mut text);
                }
                text
            }
            Self::Json => {
                let last = last(", \"last_message_id\": \"", "\"");
                format!(
                    "{{\"messages\": {messages}, \"requested\": {requested}, \"subscribers\": {subscribers}{last} }}"
                )
            }
            Self::Yaml => {
                let last = last("last_message_id: \"", "\"\r\n");
                format!(
                    "---\r\nmessages: {messages}\r\nrequested: {requested}\r\nsubscribers: {subscribers}\r\n{last}\r\n"
                )
            }
            Self::Xml => {
                let last = last("  <last_message_id>", "</last_message_id>\r\n");
                format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>{messages}</messages>\r\n  \
                     <requested>{requested}</requested>\r\n  <subscribers>{subscribers}</subscribers>\r\n{last}</channel>"
                )
            }
        }
    }
}

/// The first type in `Accept` that is understood, and its name as asked for; weights count for nothing.
fn negotiate(accept: &str) -> (Format, &str) {
    let asked = accept.split(',').map(|item| item.split(';').next().unwrap_or_default().trim());
    asked
        .into_iter()
        .find_map(|name| Some((understood(name)?, name)))
        .unwrap_or((Format::Plain, "text/plain"))
}

fn understood(name: &str) -> Option<Format> {
    let (kind, subtype) = name.split_once('/')?;
    let (_, format) = SUBTYPES.iter().find(|(known, _)| subtype.starts_with(known))?;
    match kind {
        "text" => Some(*format),
        "application" if *format != Format::Plain => Some(*format),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_understood_type_wins_and_is_named_as_asked() {
        let cases = [
            ("", Format::Plain, "text/plain"),
            ("*/*", Format::Plain, "text/plain"),
            ("text/json", Format::Json, "text/json"),
            ("application/x-json;q=0.1", Format::Json, "application/x-json"),
            ("text/plain;q=0.1, application/json;q=0.9", Format::Plain, "text/plain"),
            ("text/json, text/plain", Format::Json, "text/json"),
            ("application/jsonp", Format::Json, "application/jsonp"),
            ("application/ld+json", Format::Plain, "text/plain"),
            ("application/plain, text/yaml", Format::Yaml, "text/yaml"),
            ("text/html,application/xhtml+xml,application/xml;q=0.9", Format::Xml, "application/xml"),
            ("TEXT/JSON", Format::Plain, "text/plain"),
        ];
        for (accept, format, content_type) in cases {
            assert_eq!(negotiate(accept), (format, content_type), "{accept}");
        }
    }
}
