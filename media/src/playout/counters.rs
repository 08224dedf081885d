//! What playout counts.

use std::time::Duration;

/// What has happened to a leg's packets and their sound, since the leg is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutCounters {
    /// Packets handed in.
    pub received: u64,
    /// Packets that had not come when later ones were played. Like RTCP's number of packets lost it can
    /// fall: a packet that comes after all is late, not lost.
    pub lost: u64,
    /// Packets that came after their play time, whether they could still be played or not.
    pub late: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets that were overtaken by a later one.
    pub reordered: u64,
    /// Frames in which a gap was concealed.
    pub concealed: u64,
    /// Gaps that were concealed from end to end.
    pub concealed_short: u64,
    /// Gaps that were filled, in whole or in part, from the copy in the packet behind them.
    pub recovered: u64,
    /// Gaps that outlasted concealment (60 ms; with Opus 120) and ended in silence. The end of a stream of which
    /// nobody told is one.
    pub concealed_long: u64,
    /// Packets that were not decoded, because their sender said that nothing is to be heard in them.
    pub undecoded: u64,
    /// Packets that came and were not played: too late, beyond the ceiling, too long, empty, not to be decoded, from a
    /// sequence or a stream that ended, or of a sequence not believed. With those lost, it is what the listener missed.
    pub discarded: u64,
    /// Packets whose payload was not a whole one of its codec. Something was played all the same.
    pub damaged: u64,
    /// Times the stream began anew: another SSRC, a jump of sequence numbers or timestamps.
    pub resets: u64,
    /// Times that sound was made longer.
    pub stretched: u64,
    /// Times that sound was made shorter.
    pub shrunk: u64,
    /// By how much the delay grew in all: stretches, gaps before late packets, silence made longer.
    pub inserted: Duration,
    /// By how much it fell in all: shrinks, and silence made shorter. What was discarded beyond the ceiling is not
    /// part of it.
    pub removed: Duration,
}

impl PlayoutCounters {
    /// To the sum of many legs, adds what one of them has counted since it had counted `before`.
    pub(crate) fn add_growth(&mut self, before: &Self, now: &Self) {
        let grow = |sum: &mut u64, of: fn(&Self) -> u64| {
            // A count may fall, and the sum with it; below zero it cannot come, since no leg's does.
            *sum = sum.wrapping_add(of(now)).wrapping_sub(of(before));
        };
        grow(&mut self.received, |counters| counters.received);
        grow(&mut self.lost, |counters| counters.lost);
        grow(&mut self.late, |counters| counters.late);
        grow(&mut self.duplicate, |counters| counters.duplicate);
        grow(&mut self.reordered, |counters| counters.reordered);
        grow(&mut self.concealed, |counters| counters.concealed);
        grow(&mut self.concealed_short, |counters| counters.concealed_short);
        grow(&mut self.concealed_long, |counters| counters.concealed_long);
        grow(&mut self.discarded, |counters| counters.discarded);
        grow(&mut self.damaged, |counters| counters.damaged);
        grow(&mut self.resets, |counters| counters.resets);
        grow(&mut self.stretched, |counters| counters.stretched);
        grow(&mut self.shrunk, |counters| counters.shrunk);
        self.inserted += now.inserted.saturating_sub(before.inserted);
        self.removed += now.removed.saturating_sub(before.removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_follows_its_legs_up_and_down() {
        let at = |lost, late| PlayoutCounters { lost, late, ..PlayoutCounters::default() };
        let mut sum = PlayoutCounters::default();
        sum.add_growth(&at(0, 0), &at(5, 0));
        sum.add_growth(&at(0, 0), &at(2, 1));
        sum.add_growth(&at(5, 0), &at(3, 2));
        assert_eq!(sum, at(5, 3));
    }
}
