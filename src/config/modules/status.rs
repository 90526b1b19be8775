//! `stub_status`, and metrics for Prometheus.

use super::super::context::Contexts;
use super::super::directive::{Arity, Directive};
use super::{Module, NONE, done};

/// The module.
pub const MODULE: Module =
    Module { name: "ngx_http_stub_status_module, and metrics of Encke's own", directives: DIRECTIVES };

const SL: Contexts = Contexts::SERVER.or(Contexts::LOCATION);

const DIRECTIVES: &[Directive] = &[
    done(
        "stub_status",
        SL,
        Arity::between(0, 1),
        "",
        "Answers with the numbers of connections and requests, as text. An argument means nothing.",
        |b, _| {
            b.block().own.status = Some(super::super::model::StatusPage::Stub);
            Ok(())
        },
    ),
    done(
        "encke_metrics",
        SL,
        NONE,
        "",
        "Answers with all metrics, in the form that Prometheus reads (OpenMetrics).",
        |b, _| {
            b.block().own.status = Some(super::super::model::StatusPage::Metrics);
            Ok(())
        },
    ),
];
