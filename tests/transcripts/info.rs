//! The publisher's channel information, in its four forms and two dialects.

/// Whose texts the bodies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// The old module's, and encke's for `push_*`.
    Push,
    /// v0.692 left a colon and a line end out of the YAML form.
    Push0692,
    /// With the id of the newest message.
    Nchan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Xml,
    Yaml,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) dialect: Dialect,
    pub(super) form: Form,
    pub(super) messages: i64,
    /// Seconds since a subscriber last asked; -1: never.
    pub(super) requested: i64,
    pub(super) subscribers: i64,
}

impl Info {
    /// Reads a body that is, to the byte, one of the known texts.
    pub(super) fn parse(body: &str) -> Option<Info> {
        let (messages, requested, subscribers) = first_three_numbers(body)?;
        for form in [Form::Text, Form::Json, Form::Xml, Form::Yaml] {
            for dialect in [Dialect::Push, Dialect::Push0692, Dialect::Nchan] {
                let info = Info { dialect, form, messages, requested, subscribers };
                if info.text(last_message_id(body)) == body {
                    return Some(info);
                }
            }
        }
        None
    }

    /// The body, exactly. `last_id` is used in Nchan's dialect only.
    pub(super) fn text(&self, last_id: &str) -> String {
        let Info { messages, requested, subscribers, .. } = self;
        match (self.form, self.dialect) {
            (Form::Text, Dialect::Nchan) => format!(
                "queued messages: {messages}\r\nlast requested: {requested} sec. ago\r\n\
                 active subscribers: {subscribers}\r\nlast message id: {last_id}"
            ),
            (Form::Text, _) => format!(
                "queued messages: {messages}\r\nlast requested: {requested} sec. ago (-1=never)\r\n\
                 active subscribers: {subscribers}"
            ),
            (Form::Json, Dialect::Nchan) => format!(
                "{{\"messages\": {messages}, \"requested\": {requested}, \
                 \"subscribers\": {subscribers}, \"last_message_id\": \"{last_id}\" }}"
            ),
            (Form::Json, _) => format!(
                "{{\"messages\": {messages}, \"requested\": {requested}, \"subscribers\": {subscribers} }}"
            ),
            (Form::Xml, Dialect::Nchan) => {
                self.xml(&format!("  <last_message_id>{last_id}</last_message_id>\r\n"))
            }
            (Form::Xml, _) => self.xml(""),
            (Form::Yaml, Dialect::Nchan) => format!(
                "---\r\nmessages: {messages}\r\nrequested: {requested}\r\nsubscribers: {subscribers}\r\n\
                 last_message_id: \"{last_id}\"\r\n\r\n"
            ),
            (Form::Yaml, Dialect::Push0692) => {
                format!(
                    "---\r\nmessages: {messages}\r\nrequested: {requested}\r\nsubscribers {subscribers}\r\n"
                )
            }
            (Form::Yaml, Dialect::Push) => format!(
                "---\r\nmessages: {messages}\r\nrequested: {requested}\r\nsubscribers: {subscribers}\r\n\r\n"
            ),
        }
    }

    fn xml(&self, more: &str) -> String {
        let Info { messages, requested, subscribers, .. } = self;
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<channel>\r\n  <messages>{messages}</messages>\r\n  \
             <requested>{requested}</requested>\r\n  <subscribers>{subscribers}</subscribers>\r\n{more}</channel>"
        )
    }
}

/// The numbers of the three fields; those of the XML declaration are quoted, and so left out.
fn first_three_numbers(body: &str) -> Option<(i64, i64, i64)> {
    let body = body.split_once("?>").map_or(body, |(_, rest)| rest);
    let mut numbers = body
        .split(|c: char| !c.is_ascii_digit() && c != '-')
        .filter_map(|word| word.parse::<i64>().ok())
        // "(-1=never)" is no field.
        .enumerate()
        .filter(|(at, number)| !(body.contains("(-1=never)") && *at == 2 && *number == -1))
        .map(|(_, number)| number);
    Some((numbers.next()?, numbers.next()?, numbers.next()?))
}

fn last_message_id(body: &str) -> &str {
    let Some((_, rest)) = body.split_once("last message id: ").or_else(|| body.split_once("last_message_id"))
    else {
        return "";
    };
    let rest = rest.trim_start_matches(['"', ':', '>', ' ']);
    // Recorded ids are placeholders with spaces in them.
    let end = rest.find(['"', '<', '\r']).unwrap_or(rest.len());
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back() {
        for form in [Form::Text, Form::Json, Form::Xml, Form::Yaml] {
            for dialect in [Dialect::Push, Dialect::Nchan] {
                let info = Info { dialect, form, messages: 3, requested: -1, subscribers: 12 };
                assert_eq!(Info::parse(&info.text("1795414719:0")), Some(info));
            }
        }
    }

    #[test]
    fn text_that_differs_in_a_byte_is_no_info() {
        let body = "queued messages: 1\r\nlast requested: -1 sec. ago (-1=never)\r\nactive subscribers: 0";
        assert!(Info::parse(body).is_some());
        assert_eq!(Info::parse(&format!("{body}\r\n")), None);
        assert_eq!(Info::parse(&body.replace("\r\n", "\n")), None);
    }
}
