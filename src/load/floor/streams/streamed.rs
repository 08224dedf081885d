//! What became of the streams of a run, as data and as lines of a table.

use std::fmt;

use serde::Serialize;

use crate::load::histogram::Times;

/// What became of the streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Streamed {
    /// Streams that only listen, of both tracks of calls of two.
    pub forks: usize,
    /// Streams whose servers speak too.
    pub talks: usize,
    /// Streams beside them whose servers misbehave.
    pub misbehaving: usize,
    /// Sounds of 20 ms that were told while it was measured.
    pub sounds: u64,
    /// Those of them that are not what was said, sample for sample.
    pub sounds_other: u64,
    /// Times a stream went on at another place of what was said.
    pub slips: u64,
    /// Sounds that were dropped by the stream's own word, in its times.
    pub dropped: u64,
    /// From when a caller's packet leaves to the message that ends with its sound, ms. The wait in the receive buffer
    /// and for the tick is in it.
    pub said_to_message_ms: Times,
    /// Of that, from when the packet leaves to when its sound reaches the other party, ms.
    pub said_to_heard_ms: Times,
    /// From when a sound reaches a party of the call to when it reaches the stream's server, ms: what streaming adds.
    pub heard_to_message_ms: Times,
    /// How late messages came, by the best schedule of half a second, ms.
    pub message_lateness_ms: Times,
    /// How late packets did.
    pub packet_lateness_ms: Times,
    /// Of 100 messages, those no more than 20 ms late.
    pub messages_on_time_percent: f64,
    /// Of 100 packets.
    pub packets_on_time_percent: f64,
    /// Sentences that servers said, and those heard whole or until they were cleared.
    pub sentences: u64,
    /// Of them.
    pub sentences_heard: u64,
    /// From the packet with the last sample before a mark to the mark, ms. One that comes first counts by how much it does.
    pub mark_off_ms: Times,
    /// From when a clear is sent to the last packet with sound, ms; none is 0.
    pub clear_to_silence_ms: Times,
    /// From when it is sent to its marks, ms.
    pub clear_to_mark_ms: Times,
}

impl Streamed {
    /// Its lines of the table.
    pub(in crate::load::floor) fn tell(
        &self,
        mut line: impl FnMut(&str, &str) -> fmt::Result,
    ) -> fmt::Result {
        let Self { forks, talks, misbehaving, sounds, sounds_other, slips, dropped, .. } = self;
        line("streams", &format!("{forks} listen, {talks} talk, {misbehaving} misbehave"))?;
        line("sounds not as they were said", &format!("{sounds_other} of {sounds}; {slips} slips"))?;
        line("sounds dropped", &dropped.to_string())?;
        for (what, times) in [
            ("packet out to message in", &self.said_to_message_ms),
            ("of that, until others hear it", &self.said_to_heard_ms),
            ("from then to the message", &self.heard_to_message_ms),
            ("mark off its sound", &self.mark_off_ms),
            ("clear to silence", &self.clear_to_silence_ms),
            ("clear to its marks", &self.clear_to_mark_ms),
            ("lateness of messages", &self.message_lateness_ms),
            ("lateness of packets", &self.packet_lateness_ms),
        ] {
            let Times { count, p50, p99, max, .. } = times;
            if *count > 0 {
                line(what, &format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms ({count})"))?;
            }
        }
        let (messages, packets) = (self.messages_on_time_percent, self.packets_on_time_percent);
        line("on time, of messages and packets", &format!("{messages:.3} %, {packets:.3} %"))?;
        line("sentences heard", &format!("{} of {}", self.sentences_heard, self.sentences))
    }
}
