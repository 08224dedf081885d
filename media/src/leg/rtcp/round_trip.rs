//! From us to the far end and back (RFC 3550 §6.4.1, figure 2): a report block names the stamp of our last
//! report that its author heard, and how long ago that was.

use std::time::Duration;

use super::NANOS;
use crate::rtp::rtcp::ReportBlock;
use crate::time::Time;

/// Reports of ours that may be answered: with one every 5 s, what is heard of an older one took longer than
/// [`ROUND_TRIP_MAX`].
const REMEMBERED: usize = 4;

/// A longer round trip is not believed: nobody would have stayed on the line.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// How much less than nothing a round trip may seem to take because far ends round how long they waited:
/// some count in milliseconds. Two of those are taken as none.
const ROUNDING_MAX: Duration = Duration::from_millis(2);

/// The stamps of our last reports, and what followed from them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip {
    sent: [Option<(u32, Time)>; REMEMBERED],
    latest: Option<Duration>,
}

/// A block from which no believable round trip follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

impl RoundTrip {
    /// Takes note of a report that is sent now.
    pub(super) fn sent(&mut self, stamp: u32, now: Time) {
        self.sent.rotate_right(1);
        self.sent[0] = Some((stamp, now));
    }

    /// Takes in a block about us.
    pub(super) fn hear(&mut self, block: &ReportBlock, at: Time) -> Result<(), Nonsense> {
        // Its author has heard no report of ours yet.
        if block.last_sr == 0 {
            return Ok(());
        }
        let named = self.sent.iter().flatten().find(|(stamp, _)| *stamp == block.last_sr);
        let &(_, sent_at) = named.ok_or(Nonsense)?;
        let waited = Duration::from_nanos((u64::from(block.delay_since_last_sr) * NANOS) >> 16);
        let elapsed = at.since(sent_at);
        if waited > elapsed + ROUNDING_MAX {
            return Err(Nonsense);
        }
        let round_trip = elapsed.saturating_sub(waited);
        if round_trip > ROUND_TRIP_MAX {
            return Err(Nonsense);
        }
        self.latest = Some(round_trip);
        Ok(())
    }

    pub(super) const fn latest(&self) -> Option<Duration> {
        self.latest
    }
}
