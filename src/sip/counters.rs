//! What signalling counts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::guard::Discard;

/// Counters of the SIP side.
#[derive(Debug, Default)]
pub struct SipCounters {
    /// Messages that came, by datagram or cut from a stream.
    pub received: AtomicU64,
    /// Messages answered with an error by the guard.
    pub refused: AtomicU64,
    /// Messages dropped, by [`Discard`] in the order of `Discard::ALL`.
    pub discards: [AtomicU64; Discard::ALL.len()],
    /// TCP connections refused because there were too many.
    pub connections_refused: AtomicU64,
    /// Calls that asked to be let in.
    pub calls: AtomicU64,
    /// Calls that were refused.
    pub calls_refused: AtomicU64,
}

impl SipCounters {
    pub(super) fn discard(&self, reason: Discard) {
        let place = Discard::ALL.iter().position(|&r| r == reason);
        if let Some(counter) = place.and_then(|place| self.discards.get(place)) {
            bump(counter);
        }
    }
}

pub(super) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
