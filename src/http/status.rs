//! Pages about the server itself: `stub_status`, and metrics for Prometheus.

use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::config::model::StatusPage;
use crate::metrics::{self, LATENCIES, Worker};
use crate::push::PushState;
use crate::request::answer::Answer;
use crate::request::{RequestCtx, body};
use crate::store::Usage;

/// The handler of `stub_status` and `encke_metrics`.
pub async fn page(State(state): State<PushState>, Extension(ctx): Extension<Arc<RequestCtx>>) -> Response {
    if !matches!(ctx.method, Method::GET | Method::HEAD) {
        return Answer::error(405).into_response();
    }
    if let Err(answer) = body::discard(&ctx).await {
        return answer.into_response();
    }
    let answer = match ctx.conf.status {
        Some(StatusPage::Metrics) => open_metrics(&state),
        _ => stub(),
    };
    answer.into_response()
}

fn stub() -> Answer {
    let metrics::Connections { accepted, handled, requests, active, reading, writing, waiting } =
        metrics::connections();
    let text = format!(
        "Active connections: {active} \nserver accepts handled requests\n {accepted} {handled} {requests} \n\
         Reading: {reading} Writing: {writing} Waiting: {waiting} \n"
    );
    Answer::text(200, *b"text/plain", text)
}

fn open_metrics(state: &PushState) -> Answer {
    const TYPE: &[u8] = b"application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        workers: metrics::workers(),
        usage: state.store.usage(),
        reloads: metrics::reloads(),
    }));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => Answer::text(200, TYPE, text),
        Err(fmt::Error) => Answer::error(500),
    }
}

/// All numbers at one time.
#[derive(Debug)]
struct Snapshot {
    workers: Vec<Arc<Worker>>,
    usage: Usage,
    /// Generation, reloads that succeeded, reloads that did not.
    reloads: (u64, u64, u64),
}

/// A metric: one row of the table in `docs/operating.md`.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name; a counter's gets `_total` behind it.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    read: Read,
}

/// Where a metric's value comes from.
#[derive(Clone, Copy)]
enum Read {
    /// A counter with a value per worker.
    WorkerCounter(fn(&Worker) -> u64),
    /// A gauge with a value per worker.
    WorkerGauge(fn(&Worker) -> u64),
    Counter(fn(&Snapshot) -> u64),
    Gauge(fn(&Snapshot) -> u64),
    /// Reloads by their result.
    Reloads,
    /// A histogram with a value per worker.
    Latency,
}

impl Metric {
    /// The type as Prometheus names it.
    pub fn kind(&self) -> &'static str {
        match self.read {
            Read::WorkerCounter(_) | Read::Counter(_) | Read::Reloads => "counter",
            Read::WorkerGauge(_) | Read::Gauge(_) => "gauge",
            Read::Latency => "histogram",
        }
    }

    /// The name under which Prometheus keeps it.
    pub fn full_name(&self) -> String {
        let suffix = if self.kind() == "counter" { "_total" } else { "" };
        format!("{}{suffix}", self.name)
    }

    /// The label it has, if any.
    pub fn label(&self) -> Option<&'static str> {
        match self.read {
            Read::WorkerCounter(_) | Read::WorkerGauge(_) | Read::Latency => Some("worker"),
            Read::Reloads => Some("result"),
            Read::Counter(_) | Read::Gauge(_) => None,
        }
    }
}

const fn metric(name: &'static str, help: &'static str, read: Read) -> Metric {
    Metric { name, help, read }
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    metric(
        "encke_connections_accepted",
        "Connections accepted",
        Read::WorkerCounter(|worker| worker.accepted.get()),
    ),
    metric(
        "encke_connections_handled",
        "Connections that got one of worker_connections",
        Read::WorkerCounter(|worker| worker.handled.get()),
    ),
    metric(
        "encke_connections_reused",
        "Idle connections closed to make room for new ones",
        Read::WorkerCounter(|worker| worker.reused.get()),
    ),
    metric("encke_connections_active", "Open connections", Read::WorkerGauge(|worker| worker.active.get())),
    metric(
        "encke_connections_reading",
        "Connections in the middle of a request's head",
        Read::WorkerGauge(|worker| worker.reading.get()),
    ),
    metric(
        "encke_connections_writing",
        "Connections with a request under way, those of waiting subscribers too",
        Read::WorkerGauge(|worker| worker.writing.get()),
    ),
    metric(
        "encke_connections_waiting",
        "Connections that wait for a request",
        Read::WorkerGauge(|worker| {
            worker.active.get().saturating_sub(worker.reading.get() + worker.writing.get())
        }),
    ),
    metric("encke_requests", "Requests", Read::WorkerCounter(|worker| worker.requests.get())),
    metric(
        "encke_requests_repeated",
        "Requests that were made before, on their connection or on another one of the worker, and went without the http phase",
        Read::WorkerCounter(|worker| worker.repeated.get()),
    ),
    metric(
        "encke_subscribers_parked",
        "Subscribers that wait for a message",
        Read::WorkerGauge(|worker| worker.parked.get()),
    ),
    metric(
        "encke_messages_published",
        "Messages published",
        Read::WorkerCounter(|worker| worker.published.get()),
    ),
    metric(
        "encke_messages_delivered",
        "Messages given to subscribers, at once or after a wait",
        Read::WorkerCounter(|worker| worker.delivered.get()),
    ),
    metric(
        "encke_subscribers_slow",
        "Answers that a subscriber's socket did not take at once",
        Read::WorkerCounter(|worker| worker.slow.get()),
    ),
    metric(
        "encke_out_of_memory",
        "Requests answered 507",
        Read::WorkerCounter(|worker| worker.out_of_memory.get()),
    ),
    metric(
        "encke_delivery_seconds",
        "Time from publishing a message to the last write to a worker's subscribers",
        Read::Latency,
    ),
    metric("encke_channels", "Channels", Read::Gauge(|all| all.usage.channels)),
    metric("encke_messages_stored", "Messages stored", Read::Gauge(|all| all.usage.messages)),
    metric(
        "encke_memory_bytes",
        "Bytes of channels and messages",
        Read::Gauge(|all| u64::try_from(all.usage.bytes).unwrap_or(u64::MAX)),
    ),
    metric(
        "encke_memory_budget_bytes",
        "The most that encke_memory_bytes may be: push_max_reserved_memory",
        Read::Gauge(|all| u64::try_from(all.usage.budget).unwrap_or(u64::MAX)),
    ),
    metric(
        "encke_messages_evicted",
        "Messages that made room for others",
        Read::Counter(|all| all.usage.evicted),
    ),
    metric("encke_messages_expired", "Messages whose time was over", Read::Counter(|all| all.usage.expired)),
    metric(
        "encke_channels_collected",
        "Idle channels that are gone",
        Read::Counter(|all| all.usage.collected),
    ),
    metric("encke_reloads", "Reloads by their result", Read::Reloads),
    metric(
        "encke_config_generation",
        "Generation of the configuration in force",
        Read::Gauge(|all| all.reloads.0),
    ),
];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        METRICS.iter().try_for_each(|metric| self.encode_one(metric, &mut encoder))
    }
}

impl Snapshot {
    fn encode_one(&self, metric: &Metric, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match metric.kind() {
            "counter" => MetricType::Counter,
            "gauge" => MetricType::Gauge,
            _ => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
        match metric.read {
            Read::Counter(read) => encoder.encode_counter::<NoLabelSet, _, f64>(&read(self), None),
            Read::Gauge(read) => encoder.encode_gauge(&read(self)),
            Read::Reloads => {
                for (result, count) in [("success", self.reloads.1), ("failure", self.reloads.2)] {
                    let labels = [("result", result)];
                    encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
                }
                Ok(())
            }
            Read::WorkerCounter(_) | Read::WorkerGauge(_) | Read::Latency => {
                self.workers.iter().try_for_each(|worker| {
                    let labels = [("worker", worker.number.to_string())];
                    let mut encoder = encoder.encode_family(&labels)?;
                    match metric.read {
                        Read::WorkerCounter(read) => {
                            encoder.encode_counter::<NoLabelSet, _, f64>(&read(worker), None)
                        }
                        Read::WorkerGauge(read) => encoder.encode_gauge(&read(worker)),
                        _ => {
                            let (sum, count, buckets) = histogram(worker);
                            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
                        }
                    }
                })
            }
        }
    }
}

/// Seconds in all, how many, and how many of each class with its upper bound in seconds.
#[allow(clippy::cast_precision_loss, reason = "fractions of a microsecond do not matter")]
fn histogram(worker: &Worker) -> (f64, u64, Vec<(f64, u64)>) {
    let (classes, micros) = worker.latency.read();
    let bounds = LATENCIES.iter().map(|micros| *micros as f64 / 1e6).chain([f64::INFINITY]);
    (micros as f64 / 1e6, classes.iter().sum(), bounds.zip(classes).collect())
}
