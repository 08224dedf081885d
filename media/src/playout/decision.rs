//! When a step is left out to shrink the delay.

use super::delay::WorstLeads;

/// How badly a step should be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shrink {
    /// Play on.
    No,
    /// Leave one out if nobody can hear it.
    IfQuiet,
    /// Leave one out.
    Now,
}

/// Decides when to leave out a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decision {
    /// Ticks for which the delay has been too long.
    wanted: u32,
    /// Ticks until the next step may be left out.
    rest: u32,
}

/// A pause is waited for so long: a second, in which most speakers make one.
const PATIENCE_TICKS: u32 = 50;

/// Ticks between two steps left out of sound: a second, so that speech is not noticeably hurried.
const REST_TICKS: u32 = 50;

impl Decision {
    /// One tick has come; what about it?
    pub(super) fn decide(&mut self, leads: &WorstLeads) -> Shrink {
        self.rest = self.rest.saturating_sub(1);
        if !leads.can_shrink() {
            self.wanted = 0;
            return Shrink::No;
        }
        if self.rest > 0 {
            return Shrink::No;
        }
        self.wanted = self.wanted.saturating_add(1);
        if self.wanted > PATIENCE_TICKS { Shrink::Now } else { Shrink::IfQuiet }
    }

    /// A step was left out of sound.
    pub(super) fn shrunk(&mut self) {
        self.wanted = 0;
        self.rest = REST_TICKS;
    }
}
