//! From RTP timestamps, which wrap and whose clock depends on the codec, to one timeline.

use super::media_time::MediaTime;
use crate::rtp::SequenceNumber;

/// The timeline of one source, counted on from the newest packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SenderClock {
    newest: Option<Reference>,
}

#[derive(Clone, Copy, Debug)]
struct Reference {
    number: SequenceNumber,
    timestamp: u32,
    clock_rate: u32,
    at: MediaTime,
    len: MediaTime,
}

/// What places a packet on the timeline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) number: SequenceNumber,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
    pub(super) len: MediaTime,
}

impl SenderClock {
    /// When the packet's first sample is due on the timeline, whose zero is the first packet.
    ///
    /// Timestamps of two clocks cannot be compared (RFC 7160 §3), so where the clock changes, packets are taken to
    /// follow each other without a pause.
    pub(super) fn place(&mut self, stamp: &Stamp) -> MediaTime {
        let Some(newest) = self.newest else {
            self.newest = Some(stamp.at(MediaTime::ZERO));
            return MediaTime::ZERO;
        };
        let steps = stamp.number.distance_from(newest.number);
        let at = if stamp.clock_rate == newest.clock_rate {
            let ahead = stamp.timestamp.wrapping_sub(newest.timestamp) as i32;
            newest.at + MediaTime::of_timestamp(ahead.into(), stamp.clock_rate)
        } else {
            let len = if steps > 0 { newest.len } else { stamp.len };
            newest.at + len.times(steps.into())
        };
        if steps > 0 {
            self.newest = Some(stamp.at(at));
        }
        at
    }

    /// Forgets the timeline: the next packet begins another one.
    pub(super) fn forget(&mut self) {
        self.newest = None;
    }
}

impl Stamp {
    const fn at(&self, at: MediaTime) -> Reference {
        Reference {
            number: self.number,
            timestamp: self.timestamp,
            clock_rate: self.clock_rate,
            at,
            len: self.len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u16, timestamp: u32, clock_rate: u32) -> Stamp {
        Stamp { number: SequenceNumber(number), timestamp, clock_rate, len: MediaTime::TICK }
    }

    #[test]
    fn timestamps_count_on_across_the_wrap_and_backwards() {
        let mut clock = SenderClock::default();
        assert_eq!(clock.place(&stamp(65_535, 0u32.wrapping_sub(160), 8_000)), MediaTime::ZERO);
        assert_eq!(clock.place(&stamp(1, 160, 8_000)), MediaTime::TICK.times(2));
        assert_eq!(clock.place(&stamp(0, 0, 8_000)), MediaTime::TICK);
        assert_eq!(clock.place(&stamp(2, 320, 8_000)), MediaTime::TICK.times(3));
    }

    #[test]
    fn another_clock_goes_on_where_the_first_one_ended() {
        let mut clock = SenderClock::default();
        clock.place(&stamp(10, 5_000, 8_000));
        assert_eq!(clock.place(&stamp(11, 777, 48_000)), MediaTime::TICK);
        assert_eq!(clock.place(&stamp(12, 777 + 960, 48_000)), MediaTime::TICK.times(2));
        // Overtaken by the change of clocks.
        assert_eq!(clock.place(&stamp(9, 4_840, 8_000)), MediaTime::TICK.times(-1));
    }
}
