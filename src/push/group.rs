//! Groups of channels: `nchan_group_location`, and how other locations account.

use http::Method;

use crate::config::model::{GroupMethods, PushConf, Setting, Unusable, Written};
use crate::request::RequestCtx;
use crate::request::answer::Answer;
use crate::request::body;
use crate::store::{Accounting, GroupInfo, GroupLimit, GroupLimits, Store};

use super::cors::Origin;
use super::info::Format;
use super::out_of_memory;

/// Methods of a group's location, as Nchan names them whatever the location allows.
const METHODS: &str = "GET, POST, DELETE";

/// Answers a request to `nchan_group_location`.
///
/// # Errors
/// Answers for requests that are refused; they are answers all the same.
pub async fn answer(
    store: &Store,
    ctx: &RequestCtx,
    methods: GroupMethods,
    origin: Option<&Origin>,
) -> Result<Answer, Answer> {
    body::discard(ctx).await?;
    if !ctx.conf.push.group.accounting {
        return Err(Answer::text(403, *b"text/plain", "Channel group accounting is disabled."));
    }
    let group = ctx.render(&ctx.conf.push.channel_group);
    let info = match ctx.method {
        Method::GET if methods.get => store.group(&group),
        Method::POST if methods.set => {
            store.limit_group(&group, &limits(ctx)?).map_err(|_| out_of_memory(ctx))?
        }
        Method::DELETE if methods.delete => store.delete_group(&group),
        Method::GET | Method::POST | Method::DELETE => return Err(Answer::empty(403)),
        Method::OPTIONS => return Ok(options(&ctx.conf.push, origin)),
        _ => return Err(Answer::error(405).with_header("Allow", METHODS)),
    };
    let format = Format::of(ctx);
    let answer = Answer::text(200, format.content_type().as_bytes(), write(format, &info));
    Ok(origin.map_or(answer.clone(), |origin| origin.allow(&ctx.conf.push, answer)))
}

/// How this request counts for the group of its channels; nothing where `nchan_channel_group_accounting` is off.
///
/// # Errors
/// 403 and Nchan's text when a limit's variables come to no number.
pub fn accounting(ctx: &RequestCtx) -> Result<Option<Accounting>, Answer> {
    if !ctx.conf.push.group.accounting {
        return Ok(None);
    }
    Ok(Some(Accounting { limits: limits(ctx)?, counts_subscriber: true }))
}

/// The answer to a publisher whose group holds as much as it may.
pub fn limit_reached(limit: GroupLimit) -> Answer {
    let what = match limit {
        GroupLimit::Channels => "number of channels",
        GroupLimit::Subscribers => "number of subscribers",
        GroupLimit::Messages => "number of messages",
        GroupLimit::Memory => "memory used by messages",
    };
    Answer::text(403, *b"text/plain", format!("Group limit reached for {what}."))
}

/// `nchan_group_max_*`. One whose variables are empty is not said.
fn limits(ctx: &RequestCtx) -> Result<GroupLimits, Answer> {
    let conf = &ctx.conf.push.group;
    Ok(GroupLimits {
        channels: limit(ctx, conf.max_channels.as_ref(), "channels")?.map(u64::from),
        subscribers: limit(ctx, conf.max_subscribers.as_ref(), "subscribers")?.map(u64::from),
        messages: limit(ctx, conf.max_messages.as_ref(), "messages")?.map(u64::from),
        memory: limit(ctx, conf.max_messages_memory.as_ref(), "messages_memory")?,
        disk: limit(ctx, conf.max_messages_disk.as_ref(), "messages_disk")?,
    })
}

fn limit<T: Written + Clone>(
    ctx: &RequestCtx,
    setting: Option<&Setting<T>>,
    name: &str,
) -> Result<Option<T>, Answer> {
    match setting.map(|setting| setting.resolve(|template| ctx.render(template))) {
        None | Some(Err(Unusable::Missing)) => Ok(None),
        Some(Ok(limit)) => Ok(Some(limit)),
        Some(Err(Unusable::Invalid)) => {
            Err(Answer::text(403, *b"text/plain", format!("invalid nchan_group_max_{name} value")))
        }
    }
}

fn options(conf: &PushConf, origin: Option<&Origin>) -> Answer {
    let answer = Answer::empty(200).with_header("Allow", METHODS);
    let Some(origin) = origin else { return answer };
    let answer = answer
        .with_header("Access-Control-Allow-Headers", "Accept, Content-Type")
        .with_header("Access-Control-Allow-Methods", METHODS);
    origin.allow(conf, answer)
}

/// What is told of a group.
fn write(format: Format, info: &GroupInfo) -> String {
    let counts = [
        ("channels", info.channels),
        ("subscribers", info.subscribers),
        ("messages", info.messages),
        ("messages_memory", info.memory),
        ("messages_disk", 0),
    ];
    let limits = [
        ("channels", info.limits.channels),
        ("subscribers", info.limits.subscribers),
        ("messages", info.limits.messages),
        ("messages_memory", info.limits.memory),
        ("messages_disk", info.limits.disk),
    ]
    .map(|(name, limit)| (name, limit.unwrap_or(0)));
    match format {
        Format::Plain => plain(info, &limits),
        Format::Json => {
            let members = |indent: &str, rows: &[(&str, u64)]| {
                let rows = rows.iter().map(|(name, number)| format!("{indent}\"{name}\": {number}"));
                rows.collect::<Vec<_>>().join(",\r\n")
            };
            let (counts, limits) = (members("  ", &counts), members("    ", &limits));
            format!("{{\r\n{counts},\r\n  \"limits\": {{\r\n{limits}\r\n  }}\r\n}}")
        }
        Format::Yaml => {
            let (counts, limits) = (lines("", &counts), lines("  ", &limits));
            format!("---\r\n{counts}limits:\r\n{limits}\r\n")
        }
        Format::Xml => {
            let elements = |indent: &str, rows: &[(&str, u64)]| {
                let element = |(name, number): &(&str, u64)| format!("{indent}<{name}>{number}</{name}>\r\n");
                rows.iter().map(element).collect::<String>()
            };
            let (counts, limits) = (elements("  ", &counts), elements("    ", &limits));
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\r\n<group>\r\n{counts}  <limits>\r\n{limits}  \
                 </limits>\r\n</group>"
            )
        }
    }
}

fn plain(info: &GroupInfo, limits: &[(&str, u64); 5]) -> String {
    let GroupInfo { channels, subscribers, messages, memory, .. } = info;
    let names = [
        "max channels",
        "max subscribers",
        "max messages",
        "max messages shared memory",
        "max messages disk space",
    ];
    let limits: Vec<(&str, u64)> = names.into_iter().zip(limits.iter().map(|(_, limit)| *limit)).collect();
    let limits = lines("  ", &limits);
    format!(
        "channels: {channels}\r\nsubscribers: {subscribers}\r\nmessages: {messages}\r\nshared memory used by \
         messages: {memory} bytes\r\ndisk space used by messages: 0 bytes\r\nlimits:\r\n{limits}"
    )
}

fn lines(indent: &str, rows: &[(&str, u64)]) -> String {
    rows.iter().map(|(name, number)| format!("{indent}{name}: {number}\r\n")).collect()
}
