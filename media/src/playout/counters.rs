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
    /// Packets that were thrown away: beyond the ceiling, too long, empty, not to be decoded, from a sequence or a
    /// stream that ended, or of a sequence not believed.
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
