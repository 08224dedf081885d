//! What strangers and browsers did, by name.

use std::sync::Arc;

use crate::telemetry::{Counter, Gauge, Metrics};

/// The figures of signalling.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) connections: Arc<Gauge>,
    pub(super) no_place: Arc<Counter>,
    pub(super) not_let_in: Arc<Counter>,
    pub(super) resumed: Arc<Counter>,
    unknown: Arc<Counter>,
    malformed: Arc<Counter>,
    too_long: Arc<Counter>,
    flooded: Arc<Counter>,
    slow: Arc<Counter>,
    silent: Arc<Counter>,
}

/// What is wrong with what a browser says, or with how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A message of a type that is not known: not heard.
    Unknown,
    /// No JSON, or not what its type needs.
    Malformed,
    /// Over the longest message.
    TooLong,
    /// More than anybody says.
    Flooded,
    /// It does not read.
    Slow,
    /// It says nothing any more.
    Silent,
}

impl Figures {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let wrong = |reason| {
            let help = "What browsers did wrong over signalling, by what it was.";
            metrics.counter("confab_signal_faults_total", help, &[("reason", reason)])
        };
        let refused = |reason| {
            let help = "Connections of signalling that were not let in, by why.";
            metrics.counter("confab_signal_refused_total", help, &[("reason", reason)])
        };
        let connections = "Browsers that are connected for signalling.";
        let resumed = "Calls whose browsers lost their connection and came back.";
        Self {
            connections: metrics.gauge("confab_signal_connections", connections, &[]),
            no_place: refused("no_place"),
            not_let_in: refused("token"),
            resumed: metrics.counter("confab_signal_resumed_total", resumed, &[]),
            unknown: wrong("unknown_type"),
            malformed: wrong("malformed"),
            too_long: wrong("too_long"),
            flooded: wrong("flood"),
            slow: wrong("does_not_read"),
            silent: wrong("silent"),
        }
    }

    pub(super) fn count(&self, wrong: Wrong) {
        match wrong {
            Wrong::Unknown => &self.unknown,
            Wrong::Malformed => &self.malformed,
            Wrong::TooLong => &self.too_long,
            Wrong::Flooded => &self.flooded,
            Wrong::Slow => &self.slow,
            Wrong::Silent => &self.silent,
        }
        .increment();
    }
}
