//! What the registrar counts.

use std::sync::Arc;

use super::bindings::Refused;
use crate::sip::digest::Fault;
use crate::telemetry::{Counter, Gauge, Metrics};

/// Counters of registrations and of proofs.
#[derive(Debug)]
pub(super) struct RegistrarCounters {
    pub(super) challenges: Arc<Counter>,
    pub(super) stale: Arc<Counter>,
    pub(super) proved: Arc<Counter>,
    pub(super) blocked_source: Arc<Counter>,
    pub(super) blocked_user: Arc<Counter>,
    pub(super) impostors: Arc<Counter>,
    faults: [Arc<Counter>; Fault::ALL.len()],
    pub(super) registrations: Arc<Counter>,
    pub(super) phones: Arc<Gauge>,
    refused: [Arc<Counter>; Refused::ALL.len()],
}

impl RegistrarCounters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        let blocked = |by| {
            let help = "Requests that were not looked at, since too many proofs failed before.";
            metrics.counter("confab_sip_guessing_blocked_total", help, &[("by", by)])
        };
        Self {
            challenges: counter(
                "confab_sip_challenges_total",
                "Requests answered with a question for a password.",
            ),
            stale: counter(
                "confab_sip_stale_nonces_total",
                "Right passwords with nonces that could not be used.",
            ),
            proved: counter("confab_sip_passwords_proved_total", "Requests of agents who proved to be ones."),
            blocked_source: blocked("source"),
            blocked_user: blocked("user"),
            impostors: counter(
                "confab_sip_impostors_total",
                "Agents who proved to be another than they said.",
            ),
            faults: Fault::ALL.map(|fault| {
                let help = "Credentials that proved nothing, by reason.";
                metrics.counter("confab_sip_credentials_refused_total", help, &[("reason", fault.name())])
            }),
            phones: metrics.gauge("confab_sip_phones", "Phones of agents that are registered.", &[]),
            registrations: counter("confab_sip_registrations_total", "REGISTER requests that were done."),
            refused: Refused::ALL.map(|refused| {
                let help = "REGISTER requests that changed nothing, by reason.";
                metrics.counter("confab_sip_registrations_refused_total", help, &[("reason", refused.name())])
            }),
        }
    }

    pub(super) fn fault(&self, fault: Fault) {
        let place = Fault::ALL.iter().position(|&f| f == fault);
        if let Some(counter) = place.and_then(|place| self.faults.get(place)) {
            counter.increment();
        }
    }

    pub(super) fn refuse(&self, refused: Refused) {
        let place = Refused::ALL.iter().position(|&r| r == refused);
        if let Some(counter) = place.and_then(|place| self.refused.get(place)) {
            counter.increment();
        }
    }
}
