//! Figures of requests and of deliveries.

use std::sync::Arc;
use std::time::Duration;

use super::failure::FailureKind;
use super::request::Purpose;
use crate::telemetry::{Counter, Gauge, Histogram, Metrics};

/// From a server next door to the bound of 15 s; sounds may take longer.
const BOUNDS: &[Duration] = &[
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// Requests by what they were for and what became of them.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    purposes: Vec<OfPurpose>,
}

#[derive(Debug)]
struct OfPurpose {
    purpose: Purpose,
    succeeded: Arc<Counter>,
    failed: Vec<(&'static str, Arc<Counter>)>,
    took: Arc<Histogram>,
}

impl RequestMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let purposes = Purpose::ALL.into_iter().map(|purpose| OfPurpose::new(metrics, purpose)).collect();
        Self { purposes }
    }

    pub(super) fn succeeded(&self, purpose: Purpose, took: Duration) {
        for of in self.purposes.iter().filter(|of| of.purpose == purpose) {
            of.succeeded.increment();
            of.took.observe(took);
        }
    }

    pub(super) fn failed(&self, purpose: Purpose, kind: &FailureKind, took: Duration) {
        for of in self.purposes.iter().filter(|of| of.purpose == purpose) {
            of.took.observe(took);
            let counters = of.failed.iter().filter(|(class, _)| *class == kind.class());
            counters.for_each(|(_, counter)| counter.increment());
        }
    }
}

impl OfPurpose {
    fn new(metrics: &Metrics, purpose: Purpose) -> Self {
        let counter = |outcome| {
            metrics.counter(
                "confab_webhook_requests_total",
                "Requests to applications, by purpose and outcome.",
                &[("purpose", purpose.name()), ("outcome", outcome)],
            )
        };
        Self {
            purpose,
            succeeded: counter("ok"),
            failed: FailureKind::CLASSES.into_iter().map(|class| (class, counter(class))).collect(),
            took: metrics.histogram(
                "confab_webhook_seconds",
                "How long requests to applications took, with redirects and retries.",
                &[("purpose", purpose.name())],
                BOUNDS,
            ),
        }
    }
}

/// Callbacks on their way.
#[derive(Debug)]
pub(super) struct DeliveryMetrics {
    pub(super) waiting: Arc<Gauge>,
    pub(super) in_flight: Arc<Gauge>,
    pub(super) delivered: Arc<Counter>,
    pub(super) retried: Arc<Counter>,
    pub(super) given_up: Arc<Counter>,
    pub(super) dropped: Arc<Counter>,
    pub(super) set_aside: Arc<Counter>,
    pub(super) spool_errors: Arc<Counter>,
}

impl DeliveryMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        Self {
            waiting: metrics.gauge(
                "confab_webhook_waiting",
                "Callbacks that wait for delivery, in memory.",
                &[],
            ),
            in_flight: metrics.gauge("confab_webhook_in_flight", "Callbacks being delivered now.", &[]),
            delivered: counter("confab_webhook_delivered_total", "Callbacks that an application took."),
            retried: counter("confab_webhook_retried_total", "Failed attempts that are tried again later."),
            given_up: counter("confab_webhook_given_up_total", "Callbacks that no application took."),
            dropped: counter(
                "confab_webhook_dropped_total",
                "Callbacks that were dropped because the queue was full: about progress, unless the spool was full too.",
            ),
            set_aside: counter(
                "confab_webhook_set_aside_total",
                "Last callbacks that waited in the spool alone because the queue was full.",
            ),
            spool_errors: counter(
                "confab_webhook_spool_errors_total",
                "Callbacks that the spool did not take.",
            ),
        }
    }
}
