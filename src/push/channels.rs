//! Which channels a request names.

use crate::config::model::{Dialect, Severity};
use crate::config::template::Template;
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::store::ChannelKey;

use super::cors::Origin;

/// Most channels of one request, as in Nchan.
const MOST: usize = 255;

/// The channels that `ids` name: at least one, none twice.
///
/// # Errors
/// The answer for a request that names none, too many, or one that is too long.
pub fn keys(ctx: &RequestCtx, ids: &[Template]) -> Result<Vec<ChannelKey>, Answer> {
    named(ctx, ids).map_err(|answer| Origin::allow_refusal(ctx, answer))
}

fn named(ctx: &RequestCtx, ids: &[Template]) -> Result<Vec<ChannelKey>, Answer> {
    let conf = &ctx.conf.push;
    let group = ctx.render(&conf.channel_group);
    let nchan = conf.dialect == Dialect::Nchan;
    if nchan && (group == b"m" || group.contains(&b'/')) {
        return Err(Answer::empty(403));
    }
    let mut keys: Vec<ChannelKey> = Vec::new();
    for template in ids {
        let value = ctx.render(template);
        if nchan && value.len() > conf.max_channel_id_length {
            let (most, length) = (conf.max_channel_id_length, value.len());
            ctx.log(
                Severity::Warn,
                &format!("nchan: channel id is too long: should be at most {most}, is {length}."),
            );
            return Err(Answer::empty(403));
        }
        for id in split(&value, conf.ids.split_delimiter.as_deref()) {
            if id.is_empty() {
                continue;
            }
            let key = ChannelKey::new(&group, &id[..id.len().min(conf.max_channel_id_length)]);
            if !keys.contains(&key) {
                keys.push(key);
            }
            if keys.len() > MOST {
                return Err(Answer::empty(403));
            }
        }
    }
    if keys.is_empty() {
        if !nchan {
            let message = "push module: the $push_channel_id variable is required but is not set";
            ctx.log(Severity::Warn, message);
        }
        return Err(Answer::text(404, *b"text/plain", "No channel id provided."));
    }
    Ok(keys)
}

/// Tells variables which channels a request is about.
pub fn note(ctx: &RequestCtx, keys: &[ChannelKey]) {
    // There are variables for so many.
    const NOTED: usize = 4;
    let ids = keys.iter().take(NOTED).map(|key| key.id().into()).collect();
    ctx.facts.note(|facts| facts.channels = ids);
}

/// The pieces between delimiters.
fn split<'a>(value: &'a [u8], delimiter: Option<&[u8]>) -> Vec<&'a [u8]> {
    let Some(delimiter) = delimiter.filter(|delimiter| !delimiter.is_empty()) else { return vec![value] };
    let mut pieces = Vec::new();
    let mut rest = value;
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_split_at_delimiters() {
        let cases: [(&str, Option<&str>, &[&str]); 5] = [
            ("a,b", None, &["a,b"]),
            ("a,b", Some(","), &["a", "b"]),
            (",a,,b,", Some(","), &["", "a", "", "b", ""]),
            ("a::b:c", Some("::"), &["a", "b:c"]),
            ("", Some(","), &[""]),
        ];
        for (value, delimiter, expected) in cases {
            let pieces = split(value.as_bytes(), delimiter.map(str::as_bytes));
            assert_eq!(pieces, expected.iter().map(|piece| piece.as_bytes()).collect::<Vec<_>>(), "{value}");
        }
    }
}
