//! How the store does, in figures.

use std::sync::Arc;

use crate::telemetry::{Counter, Gauge, Metrics};

/// How the store does.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) failing: Arc<Gauge>,
    pub(super) written: Arc<Counter>,
    pub(super) dropped: Arc<Counter>,
    pub(super) lost: Arc<Counter>,
    pub(super) purged: Arc<Counter>,
}

impl Figures {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        Self {
            failing: metrics.gauge(
                "confab_store_failing",
                "1 while the database does not take what is written, or is in memory for want of a file.",
                &[],
            ),
            written: counter("confab_store_written_total", "Statements that the database took."),
            dropped: counter(
                "confab_store_dropped_total",
                "Statements that were dropped because the queue was full.",
            ),
            lost: counter(
                "confab_store_lost_total",
                "Statements that were dropped because the database did not take them.",
            ),
            purged: counter("confab_store_purged_total", "Rows that were deleted because of their age."),
        }
    }
}
