//! How good a leg sounds, in each direction: live, over the last ten seconds, and for the whole call.
//!
//! Once a second the leg's counters, as they stand, are handed in. What is live is the difference to those of
//! ten seconds ago; nothing is kept per packet.

mod e_model;
mod meter;

use std::time::Duration;

pub use self::e_model::{CodecImpairment, Impairments, Score};
pub use self::meter::{DirectionSample, QualityMeter, QualitySample, SendSample};
use crate::codec::Codec;
use crate::id::LegId;
use crate::playout::PlayoutCounters;

/// All that a leg knows of how it sounds. It is made on the control side, filled in by the engine, and travels home
/// as [`Retired::Quality`](crate::Retired): so that reports need not be as large as this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QualityReport {
    /// Whose.
    pub leg: LegId,
    /// The codec it speaks; none while nothing is filled in.
    pub codec: Option<Codec>,
    /// Over the last ten seconds.
    pub live: Quality,
    /// Over the whole call so far.
    pub call: Quality,
    /// What happened to its packets in its receive buffer, over the whole call.
    pub playout: PlayoutCounters,
    /// The lateness that its receive buffer provides for now.
    pub target: Micros,
    /// How long the packet that is played now has waited.
    pub delay: Micros,
}

impl QualityReport {
    /// An empty one, to be filled in.
    pub fn about(leg: LegId) -> Box<Self> {
        Box::new(Self {
            leg,
            codec: None,
            live: Quality::default(),
            call: Quality::default(),
            playout: PlayoutCounters::default(),
            target: Micros::default(),
            delay: Micros::default(),
        })
    }
}

/// How good a leg sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// What the far end says, as it is heard here.
    pub receive: DirectionQuality,
    /// What the far end is sent, as it is heard there.
    pub send: DirectionQuality,
    /// From us to the far end and back, once it is known.
    pub round_trip: Option<Micros>,
    /// Where time goes between the far end's packets and ours.
    pub ledger: LatencyLedger,
}

/// One direction of a leg. What nobody knows is `None`, never 0: nobody knows anything of a direction in which nothing
/// came, or of which the far end says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionQuality {
    /// Packets that arrived (receive), or were sent (send).
    pub packets: u64,
    /// Packets lost on the way.
    pub lost: Option<u64>,
    /// Packets that arrived and were not played; of what we send nobody tells.
    pub discarded: Option<u64>,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Option<Micros>,
    /// The E-model's score.
    pub score: Option<Score>,
}

/// A time in microseconds; what is longer than 71 minutes stays there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Micros(pub u32);

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}

impl From<Micros> for Duration {
    fn from(micros: Micros) -> Self {
        Self::from_micros(micros.0.into())
    }
}

/// Where time goes, from the far end's packets to the packets of those who hear them. Its lines add up.
///
/// The first four are spent on what the leg says, the last three on what it hears. So the way from one leg to another
/// is the first four of the one and the last three of the other; and [`total`](Self::total) is the way from a leg to
/// one like it. Where they speak at different rates,
/// [`conversion_delay`](crate::dsp::converter::conversion_delay) comes on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyLedger {
    /// What the network's unevenness adds: from when the earliest packets come to when they usually do. What the
    /// earliest need is not known here.
    pub network_jitter: Micros,
    /// How long packets are kept in the receive buffer, from the first tick at which they could have been played.
    pub playout: Micros,
    /// From a packet's arrival to that tick.
    pub wait_for_tick: Micros,
    /// By how much the far end's coder and our decoder delay sound, whatever time they need to think.
    pub decode: Micros,
    /// From when a tick is due until all is received and mixed.
    pub mix: Micros,
    /// From there until all is encoded, and by how much our coder and the far end's decoder delay sound.
    pub encode: Micros,
    /// From there until this leg's packet is handed to the network, after those before it, and after the frames that it
    /// waits for if packets are longer than 20 ms.
    pub pace: Micros,
}

impl LatencyLedger {
    /// All of it.
    pub const fn total(&self) -> Micros {
        let heard = self.mix.0.saturating_add(self.encode.0).saturating_add(self.pace.0);
        Micros(self.said().0.saturating_add(heard))
    }

    /// What is spent on what the leg says.
    const fn said(&self) -> Micros {
        let kept = self.network_jitter.0.saturating_add(self.playout.0);
        Micros(kept.saturating_add(self.wait_for_tick.0).saturating_add(self.decode.0))
    }

    /// The lines, in their order.
    const fn lines(&self) -> [Micros; 7] {
        let Self { network_jitter, playout, wait_for_tick, decode, mix, encode, pace } = *self;
        [network_jitter, playout, wait_for_tick, decode, mix, encode, pace]
    }

    const fn of(lines: [Micros; 7]) -> Self {
        let [network_jitter, playout, wait_for_tick, decode, mix, encode, pace] = lines;
        Self { network_jitter, playout, wait_for_tick, decode, mix, encode, pace }
    }
}

#[cfg(test)]
mod tests;
