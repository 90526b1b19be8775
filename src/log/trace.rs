//! `tracing` events as lines of the main error log.

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::model::Severity;

/// Sends `tracing` events to the main error log. `RUST_LOG` chooses which; without it, `info` and above.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // A second call finds a subscriber in place and changes nothing.
    let _ = tracing_subscriber::registry().with(filter).with(ErrorLogLayer).try_init();
}

struct ErrorLogLayer;

impl<S: tracing::Subscriber> Layer<S> for ErrorLogLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let severity = match *event.metadata().level() {
            tracing::Level::ERROR => Severity::Error,
            tracing::Level::WARN => Severity::Warn,
            tracing::Level::INFO => Severity::Notice,
            _ => Severity::Debug,
        };
        let mut text = MessageText::default();
        event.record(&mut text);
        super::event(severity, &text.0);
    }
}

/// The message of an event, with its other fields behind it.
#[derive(Default)]
struct MessageText(String);

impl Visit for MessageText {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, ", {name}: {value:?}"),
        };
    }
}
