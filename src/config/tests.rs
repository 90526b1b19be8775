//! Whole configurations in, results out.

use std::path::{Path, PathBuf};

use encke_parser::MemLoader;

use super::model::{Concurrency, Config, Instruction, Mechanism};
use super::{LoadOptions, Loaded, Mode, directive, load, modules};

fn read(text: &str, options: &LoadOptions) -> Loaded {
    load(Path::new("t.conf"), &MemLoader::new().with("t.conf", text), options)
}

fn options() -> LoadOptions {
    LoadOptions { prefix: PathBuf::from("/p"), is_root: true, ..LoadOptions::default() }
}

fn config(text: &str) -> Config {
    let loaded = read(text, &options());
    let said: Vec<String> = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
    loaded.config.unwrap_or_else(|| panic!("{said:#?}"))
}

const ARTICLE: &str = "
location /publish {
    set $push_channel_id $arg_id;
    push_publisher;
    push_store_messages on;
    push_message_timeout 2h;
    push_max_message_buffer_length 10;
    push_min_message_recipients 0;
}
location /activity {
    push_subscriber;
    push_subscriber_concurrency broadcast;
    set $push_channel_id $arg_id;
    default_type text/plain;
}
";

#[test]
fn the_article_s_fragment_is_read() {
    let loaded = read(ARTICLE, &options());
    let said: Vec<String> = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
    assert_eq!(
        said,
        [
            "[notice] not a whole configuration: read as if inside \"http { server { } }\" in t.conf:2",
            "[warn] \"push_min_message_recipients\" has no effect here: releases since 0.691 do not have it in t.conf:8",
        ]
    );
    let config = loaded.config.unwrap();
    let [server] = &config.servers[..] else { panic!("one server") };
    let [activity, publish] = &server.locations.prefix[..] else { panic!("two locations") };
    assert!(publish.conf.push.publisher && !activity.conf.push.publisher);
    assert_eq!(activity.conf.push.subscriber, Some(Mechanism::LongPoll));
    assert_eq!(activity.conf.push.subscriber_concurrency, Concurrency::Broadcast);
    assert_eq!(publish.conf.push.message_timeout.unwrap().as_secs(), 7200);
    assert!(matches!(&*publish.rewrite, [Instruction::Set { .. }]));
    assert_eq!(config.listens.len(), 1);
}

#[test]
fn no_name_has_two_rows_in_one_context() {
    let rows: Vec<_> = directive::all().collect();
    for (n, row) in rows.iter().enumerate() {
        let twin = rows[..n].iter().find(|other| other.name == row.name && other.contexts.intersects(row.contexts));
        assert!(twin.is_none(), "{}", row.name);
    }
}
