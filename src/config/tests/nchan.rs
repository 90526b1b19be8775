//! Configurations of Nchan's users.

use std::sync::Arc;

use super::super::model::{
    Dialect, FirstMessage, GroupMethods, LocationConf, LongPollMultipart, Publishers, PushConf, PushHandler,
    Setting, Transport, Transports,
};
use super::super::template::{Part, Template};
use super::super::variable::Variable;
use super::{config, location, options, read, seconds};

/// The push settings of a location with these directives in it.
fn push(directives: &str) -> PushConf {
    location(directives).conf.push.clone()
}

/// The settings of `/x` and of the locations in it by name, of a server with these directives.
fn locations(server: &str) -> Vec<(String, Arc<LocationConf>)> {
    let config = config(&format!("events {{}} http {{ server {{ {server} }} }}"));
    let mut found = Vec::new();
    let mut rest: Vec<_> = config.servers[0].locations.prefix.clone();
    while let Some(location) = rest.pop() {
        found.push((location.conf.name.clone(), location.conf.clone()));
        rest.extend(location.nested.prefix.iter().cloned());
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

const POLL: Transports = Transports::of(&[Transport::IntervalPoll]);
const LONG: Transports = Transports::of(&[Transport::LongPoll]);
const EVENTS: Transports = Transports::of(&[Transport::EventSource]);
const SOCKET: Transports = Transports::of(&[Transport::WebSocket]);

#[test]
fn words_of_roles() {
    let cases = [
        ("nchan_publisher;", Publishers::BOTH, Transports::NONE),
        ("nchan_publisher HTTP;", Publishers::HTTP, Transports::NONE),
        ("nchan_publisher http; nchan_publisher ws;", Publishers::BOTH, Transports::NONE),
        ("nchan_subscriber;", Publishers::NONE, Transports::USUAL),
        ("nchan_subscriber http;", Publishers::NONE, POLL),
        ("nchan_subscriber longpoll; nchan_subscriber sse;", Publishers::NONE, LONG.or(EVENTS)),
        ("nchan_subscriber longpoll off sse;", Publishers::NONE, EVENTS),
        ("nchan_subscriber disabled;", Publishers::NONE, Transports::NONE),
        ("nchan_subscriber http-raw-stream;", Publishers::NONE, Transports::of(&[Transport::RawStream])),
        ("nchan_pubsub;", Publishers::BOTH, Transports::USUAL),
        ("nchan_pubsub http;", Publishers::HTTP, POLL),
        ("nchan_pubsub websocket;", Publishers::WEBSOCKET, SOCKET),
        ("nchan_pubsub http eventsource;", Publishers::HTTP, POLL.or(EVENTS)),
        ("nchan_pubsub eventsource http;", Publishers::HTTP, POLL.or(EVENTS)),
        ("nchan_pubsub longpoll;", Publishers::NONE, LONG),
        ("nchan_publisher http; push_subscriber websocket eventsource;", Publishers::HTTP, SOCKET.or(EVENTS)),
    ];
    for (text, publisher, subscriber) in cases {
        let push = push(text);
        assert_eq!((push.publisher, push.subscriber), (publisher, subscriber), "{text}");
        assert_eq!((push.dialect, push.handler), (Dialect::Nchan, PushHandler::Channel), "{text}");
    }
    let old = push("push_publisher; push_subscriber; set $push_channel_id a;");
    assert_eq!((old.dialect, old.publisher, old.subscriber), (Dialect::Push, Publishers::HTTP, LONG));
}

#[test]
fn roles_of_nchan_go_to_inner_locations_and_those_of_push_do_not() {
    let found = locations(
        "nchan_channel_id a; location /a { nchan_publisher http; nchan_subscriber longpoll http-raw-stream;
             location /a/b { nchan_subscriber eventsource; location /a/b/c { nchan_subscriber off; } }
             location /a/d { }
             location /a/e { push_publisher; } }
         location /f { push_publisher; location /f/g { } }
         location /h { nchan_stub_status; location /h/i { } location /h/j { nchan_pubsub ws; } }",
    );
    let raw = Transports::of(&[Transport::RawStream]);
    let seen: Vec<_> = found
        .iter()
        .map(|(name, conf)| {
            let push = &conf.push;
            (name.as_str(), push.handler, push.inherited, push.publisher.http, push.subscriber)
        })
        .collect();
    use PushHandler::{Channel, None, StubStatus};
    assert_eq!(
        seen,
        [
            ("/a", Channel, false, true, LONG.or(raw)),
            ("/a/b", Channel, false, true, LONG.or(raw).or(EVENTS)),
            ("/a/b/c", Channel, false, true, Transports::NONE),
            ("/a/d", Channel, true, true, LONG.or(raw)),
            ("/a/e", Channel, false, true, Transports::NONE),
            ("/f", Channel, false, true, Transports::NONE),
            ("/f/g", None, false, false, Transports::NONE),
            ("/h", StubStatus, false, false, Transports::NONE),
            ("/h/i", StubStatus, true, false, Transports::NONE),
            ("/h/j", Channel, false, false, SOCKET),
        ]
    );
    assert_eq!(found[4].1.push.dialect, Dialect::Push, "a push_* role takes over nothing");
}

#[test]
fn an_if_keeps_its_location_s_role_or_adds_to_it() {
    let location =
        location("nchan_channel_id a; nchan_publisher http; if ($arg_x) { nchan_subscriber sse; }");
    let Some(super::Instruction::If { conf: Some(conf), .. }) = location.rewrite.last() else {
        panic!("an if")
    };
    assert_eq!((conf.push.publisher, conf.push.subscriber), (Publishers::HTTP, EVENTS));
}

fn literals(ids: &[Template]) -> Vec<Option<String>> {
    let text = |id: &Template| id.as_literal().map(|id| String::from_utf8_lossy(id).into_owned());
    ids.iter().map(text).collect()
}

#[test]
fn ids_of_one_role_come_before_those_of_both_and_those_before_the_variable() {
    let some = |ids: &[&str]| ids.iter().map(|id| Some((*id).to_owned())).collect::<Vec<_>>();
    let ids = push(
        "nchan_pubsub; nchan_channel_id a b; nchan_sub_channel_id c; nchan_channel_id_split_delimiter ,;",
    )
    .ids;
    assert_eq!((literals(&ids.publish), literals(&ids.subscribe)), (some(&["a", "b"]), some(&["c"])));
    assert_eq!(ids.split_delimiter.as_deref(), Some(&b","[..]));
    let ids = push("nchan_publisher; set $push_channel_id a;").ids;
    assert!(matches!(ids.publish[0].parts(), [Part::Variable(_)]));
    let ids = push("nchan_publisher; nchan_channel_id a; nchan_channel_id_split_delimiter \"\";").ids;
    assert_eq!(ids.split_delimiter, None);
}

#[test]
fn lengths_and_times_are_values_or_variables() {
    let fixed = push("nchan_pubsub; nchan_message_buffer_length 3; nchan_message_timeout 2h;");
    assert_eq!((fixed.max_message_buffer_length, fixed.message_timeout), (Setting::Fixed(3), seconds(7200)));
    let varies = push("nchan_pubsub; nchan_message_buffer_length $arg_n; nchan_message_timeout 0;");
    assert!(matches!(varies.max_message_buffer_length, Setting::PerRequest(_)));
    assert_eq!(varies.message_timeout, Setting::Fixed(None));
}

#[test]
fn defaults_are_nchan_s() {
    let push = push("nchan_pubsub;");
    assert_eq!(push.position.first_message, FirstMessage::Oldest(1));
    assert_eq!(push.position.last_message_ids.len(), 2);
    assert_eq!(
        (push.raw_stream_separator.as_ref(), push.eventsource.ping_event.as_ref()),
        (&b"\n"[..], &b"ping"[..])
    );
    assert!(push.cors.allow_credentials && push.cors.allow_origin.parts().len() == 1);
    assert_eq!((push.longpoll_multipart, push.subscriber_queue), (LongPollMultipart::Off, 1 << 20));
    assert!(!push.subscriber_info.parts().is_empty());
    assert!(matches!(push.events.text.parts(), [Part::Variable(_), Part::Literal(_), Part::Variable(_)]));
}

#[test]
fn settings_of_subscribers_become_data() {
    let push = push(
        "nchan_subscriber; nchan_subscriber_first_message -2; nchan_subscriber_last_message_id $arg_a $arg_b;
         nchan_subscriber_compound_etag_message_id on; nchan_subscriber_message_id_custom_etag_header X-Tag;
         nchan_longpoll_multipart_response raw; nchan_subscriber_http_raw_stream_separator ===;
         nchan_eventsource_event e; nchan_eventsource_ping_interval 5; nchan_eventsource_ping_comment c;
         nchan_websocket_ping_interval 7; nchan_websocket_client_heartbeat ping pong;
         nchan_deflate_message_for_websocket on; nchan_access_control_allow_origin \"http://a http://b\";
         nchan_authorize_request /auth; nchan_unsubscribe_request /gone; nchan_channel_group_accounting on;
         nchan_group_max_messages_memory 1.5m; nchan_group_max_channels $arg_n; nchan_channel_events_channel_id ev;
         encke_subscriber_queue 64k;",
    );
    assert_eq!(push.position.first_message, FirstMessage::Newest(2));
    assert!(push.position.compound_etag && push.position.custom_etag_header.as_deref() == Some("X-Tag"));
    assert_eq!(push.longpoll_multipart, LongPollMultipart::Raw);
    assert_eq!(push.raw_stream_separator.as_ref(), b"===\n");
    assert_eq!(push.eventsource.event.as_deref(), Some(&b"e"[..]));
    assert_eq!(push.eventsource.ping_interval.map(|time| time.as_secs()), Some(5));
    assert_eq!(push.websocket.ping_interval.map(|time| time.as_secs()), Some(7));
    assert_eq!(push.websocket.heartbeat.map(|beat| beat.answer), Some((*b"pong").into()));
    assert!(push.websocket.deflate && push.group.accounting);
    assert_eq!(push.group.max_messages_memory, Some(Setting::Fixed(3 << 19)));
    assert!(matches!(push.group.max_channels, Some(Setting::PerRequest(_))));
    assert!(
        push.hooks.authorize.is_some() && push.hooks.subscribe.is_none() && push.hooks.unsubscribe.is_some()
    );
    assert!(push.events.channel_id.is_some());
    assert_eq!(push.subscriber_queue, 64 << 10);
}

#[test]
fn settings_of_an_outer_block_reach_inner_locations() {
    let found = locations(
        "nchan_eventsource_ping_comment c; nchan_message_buffer_length $arg_n; nchan_channel_id a;
         location /a { nchan_pubsub; nchan_store_messages off; nchan_subscribe_request /s;
             location /a/b { nchan_store_messages on; nchan_message_buffer_length 7; nchan_channel_id b; } }",
    );
    let (outer, inner) = (&found[0].1.push, &found[1].1.push);
    assert_eq!(inner.eventsource.ping_comment.as_ref(), b"c");
    assert!(inner.hooks.subscribe.is_some() && inner.inherited);
    assert!(inner.store_messages && !outer.store_messages);
    assert!(matches!(outer.max_message_buffer_length, Setting::PerRequest(_)));
    assert_eq!(inner.max_message_buffer_length, Setting::Fixed(7));
    assert_eq!(literals(&inner.ids.publish), [Some("b".to_owned())]);
}

#[test]
fn what_is_not_about_channels_is_another_handler() {
    let all = PushHandler::Group(GroupMethods::ALL);
    let get = PushHandler::Group(GroupMethods { get: true, ..GroupMethods::default() });
    assert_eq!(push("nchan_group_location;").handler, all);
    assert_eq!(push("nchan_group_location set off get;").handler, get);
    assert_eq!(push("nchan_stub_status;").handler, PushHandler::StubStatus);
    assert_eq!(push("nchan_subscriber_info; nchan_channel_id a;").handler, PushHandler::SubscriberInfo);
}

#[test]
fn memory_is_nchan_s_where_its_roles_are() {
    let with = |http: &str, role: &str| {
        let text = format!(
            "events {{}} http {{ {http} server {{ location / {{ {role}; set $push_channel_id a; }} }} }}"
        );
        config(&text).max_reserved_memory
    };
    assert_eq!(with("", "nchan_pubsub"), 128 << 20);
    assert_eq!(with("", "push_publisher"), 32 << 20);
    assert_eq!(with("nchan_shared_memory_size 1.5g;", "nchan_pubsub"), 3 << 29);
    let numbers = config(
        "events {} http { nchan_permessage_deflate_compression_level 9; nchan_permessage_deflate_compression_window 15;
         server { location / { nchan_pubsub; } } }",
    );
    assert_eq!((numbers.deflate.level, numbers.deflate.window, numbers.deflate.memlevel), (9, 15, 8));
}

#[test]
fn variables_of_nchan_can_be_set() {
    let location = location("set $nchan_channel_id a; return 200 $nchan_channel_id;");
    let [super::Instruction::Set { variable, .. }, super::Instruction::Return(answer)] =
        &location.rewrite[..]
    else {
        panic!("a set and a return")
    };
    let Some([Part::Variable(Variable::Named(user))]) = answer.text.as_ref().map(Template::parts) else {
        panic!("a variable")
    };
    assert_eq!(user, variable);
}

/// The configurations in Nchan's public documentation.
const README: &[&str] = &[
    // Getting started
    r"location = /pub { nchan_publisher; nchan_channel_id $arg_id; }
      location = /sub { nchan_subscriber; nchan_channel_id $arg_id; }",
    r"location = /sub { nchan_subscriber; nchan_channel_id foobar; }
      location = /pub { nchan_publisher; nchan_channel_id foobar; }
      location = /pubsub { nchan_pubsub; nchan_channel_id foobar; }",
    // Channel ids from the path, from cookies and arguments
    r"location ~ /sub/(\w+)$ { nchan_subscriber; nchan_channel_id $1; }
      location ~ /pub/(\w+)$ { nchan_publisher http; nchan_channel_id $1; nchan_message_buffer_length 10;
                               nchan_message_timeout 5m; }",
    r"location ~ /pubsub/(\w+)/(\w+)$ { nchan_pubsub websocket eventsource longpoll; nchan_channel_id $1 $2; }",
    // Multiplexing
    r"location ~ /multisub/(\w+)/(\w+)$ { nchan_subscriber; nchan_channel_id $1 $2 common_channel; }
      location ~ /multisub-split/(.*)$ { nchan_subscriber; nchan_channel_id $1;
                                        nchan_channel_id_split_delimiter ,; }",
    // Groups
    r"location ~ /group/(\w+)$ { nchan_channel_group $1; nchan_group_location get delete set;
          nchan_group_max_messages $arg_messages; nchan_group_max_messages_memory $arg_max_messages_mem;
          nchan_group_max_messages_disk $arg_max_messages_disk; nchan_group_max_channels $arg_max_channels;
          nchan_group_max_subscribers $arg_max_subs; }
      location ~ /pubsub/(\w+)$ { nchan_channel_group_accounting on; nchan_channel_group test; nchan_pubsub;
          nchan_channel_id $1; }",
    r"location ~ /(\w+)/(\w+)$ { nchan_channel_group $1; nchan_channel_id $2; nchan_pubsub;
          nchan_channel_group_accounting on; }",
    // Authorization
    r#"location = /auth { internal; return 200; }
       location ~ ^/(pub|sub)/(\w+)$ { nchan_authorize_request /auth; nchan_pubsub; nchan_channel_id $2;
           nchan_channel_group test; }"#,
    // Hooks
    r#"location ~ ^/sub/(\w+)$ { nchan_channel_id $1; nchan_subscribe_request /upstream/sub;
           nchan_unsubscribe_request /upstream/unsub; nchan_subscriber; }
       location = /upstream/sub { internal; return 200; }
       location = /upstream/unsub { internal; return 200; }"#,
    r"location = /pub { nchan_publisher; nchan_channel_id a; nchan_publisher_upstream_request /upstream_pub; }
      location = /upstream_pub { internal; return 304; }",
    // Message applications by event name, events
    r#"location ~ /pubsub/(.+)$ { nchan_channel_id $1; nchan_pubsub; nchan_channel_events_channel_id $1;
           nchan_channel_event_string "$nchan_channel_event $nchan_channel_id"; }
       location ~ /channel_events/(.+) { nchan_channel_group meta; nchan_subscriber; nchan_channel_id $1; }"#,
    // Securing channels: capability URLs, CORS
    r#"location ~ /sub/(.+)$ { nchan_subscriber; nchan_channel_id $1; nchan_subscribe_existing_channels_only on;
           nchan_access_control_allow_origin "http://example.com https://example.com"; }"#,
    // Introspection
    r"location /nchan_stub_status { nchan_stub_status; }
      location = /info { nchan_subscriber_info; nchan_channel_id $arg_id; }",
    // Variables
    r#"location ~ /sub/(.+) { set $nchan_channel_id1 x; nchan_subscriber; nchan_channel_id $1;
           add_header X-Type "$nchan_subscriber_type $nchan_publisher_type $nchan_prev_message_id $nchan_version"; }
       location = /count { return 200 "$nchan_stub_status_channels $nchan_channel_subscriber_count"; }"#,
];

#[test]
fn the_configurations_of_nchan_s_documentation_load() {
    for text in README {
        let loaded = read(&format!("events {{}} http {{ server {{ {text} }} }}"), &options());
        let said: Vec<String> = loaded.diagnostics.iter().map(|said| said.line(&loaded.sources)).collect();
        assert!(loaded.config.is_some() && said.is_empty(), "{text}\n{said:#?}");
    }
}

#[test]
fn every_name_of_nchan_has_a_row() {
    let names: std::collections::BTreeSet<&str> =
        super::directive::all().map(|row| row.name).filter(|name| name.starts_with("nchan_")).collect();
    assert_eq!(names.len(), 136);
}
