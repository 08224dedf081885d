//! What signalling counts.

use std::sync::Arc;

use super::dtmf_info::InfoError;
use super::guard::Discard;
use crate::sdp::SdpError;
use crate::telemetry::{Counter, Metrics};

/// Counters of the SIP side.
#[derive(Debug)]
pub(super) struct SipCounters {
    pub(super) received: Arc<Counter>,
    pub(super) refused: Arc<Counter>,
    discards: [Arc<Counter>; Discard::ALL.len()],
    pub(super) connections_refused: Arc<Counter>,
    pub(super) handshakes_failed: Arc<Counter>,
    pub(super) invites: Arc<Counter>,
    pub(super) invites_refused: Arc<Counter>,
    sdp_refused: [Arc<Counter>; SdpError::ALL.len()],
    infos_refused: [Arc<Counter>; InfoError::ALL.len()],
}

impl SipCounters {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[]);
        Self {
            received: counter("confab_sip_messages_received_total", "SIP messages that came."),
            refused: counter("confab_sip_messages_refused_total", "Malformed or unserved, answered so."),
            discards: Discard::ALL.map(|discard| {
                let help = "SIP messages dropped without an answer, by reason.";
                metrics.counter("confab_sip_messages_discarded_total", help, &[("reason", discard.name())])
            }),
            connections_refused: counter(
                "confab_sip_connections_refused_total",
                "TCP connections refused because there were too many.",
            ),
            handshakes_failed: counter(
                "confab_sip_tls_handshakes_failed_total",
                "TLS connections that were given up before they could be used.",
            ),
            invites: counter("confab_sip_invites_total", "Calls that asked to be let in."),
            invites_refused: counter("confab_sip_invites_refused_total", "Calls that were refused."),
            sdp_refused: SdpError::ALL.map(|error| {
                let help = "Offers and answers that could not be agreed with, by reason.";
                metrics.counter("confab_sip_sdp_refused_total", help, &[("reason", error.name())])
            }),
            infos_refused: InfoError::ALL.map(|error| {
                let help = "INFO requests that told nothing, by reason.";
                metrics.counter("confab_sip_infos_refused_total", help, &[("reason", error.name())])
            }),
        }
    }

    pub(super) fn refuse_sdp(&self, error: SdpError) {
        let place = SdpError::ALL.iter().position(|&e| e == error);
        if let Some(counter) = place.and_then(|place| self.sdp_refused.get(place)) {
            counter.increment();
        }
    }

    pub(super) fn refuse_info(&self, error: InfoError) {
        let place = InfoError::ALL.iter().position(|&e| e == error);
        if let Some(counter) = place.and_then(|place| self.infos_refused.get(place)) {
            counter.increment();
        }
    }

    pub(super) fn discard(&self, reason: Discard) {
        let place = Discard::ALL.iter().position(|&r| r == reason);
        if let Some(counter) = place.and_then(|place| self.discards.get(place)) {
            counter.increment();
        }
    }
}
