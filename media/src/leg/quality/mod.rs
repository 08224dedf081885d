//! How good a leg sounds, in each direction: live, over the last ten seconds, and for the whole call.
//!
//! Once a second the leg's counters, as they stand, are handed in. What is live is the difference to those of
//! ten seconds ago; nothing is kept per packet.

mod e_model;

use std::time::Duration;

pub use self::e_model::{CodecImpairment, Impairments, Score};

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

/// One direction of a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionQuality {
    /// Packets that arrived (receive), or were sent (send).
    pub packets: u64,
    /// Packets lost on the way.
    pub lost: u64,
    /// Packets that arrived and were not played: too late.
    pub discarded: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Micros,
    /// The E-model's score, if there is anything to judge: nothing is said of a direction in which nothing
    /// moved, or (send) of which the far end says nothing.
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

/// Where time goes, from the far end's packets to the packets of those who hear them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyLedger {
    /// What the network's unevenness adds: from when the earliest packets come to when they usually do.
    pub network_jitter: Micros,
    /// From a packet's arrival until it is played.
    pub playout: Micros,
    /// Of that, until the next tick is due.
    pub wait_for_tick: Micros,
    /// Mixing.
    pub mix: Micros,
    /// Encoding.
    pub encode: Micros,
    /// From an encoded packet until it is handed to the network.
    pub pace: Micros,
}

/// The counters of one direction, as they stand; all but the last three grow over the call.
#[derive(Clone, Copy, Debug)]
pub struct DirectionSample {
    /// Packets that arrived (receive), or were sent (send).
    pub packets: u64,
    /// Packets lost on the way.
    pub lost: u64,
    /// Packets that arrived too late to be played.
    pub discarded: u64,
    /// Runs of packets that were not played, as [`LossBursts`] counts them; 0 where nobody knows.
    pub bursts: u64,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// From arrival to play, where it is known.
    pub playout_delay: Option<Duration>,
    /// The codec.
    pub codec: CodecImpairment,
}

/// A leg, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct QualitySample {
    /// What the far end says.
    pub receive: DirectionSample,
    /// What the far end is sent, once it says how that arrives.
    pub send: Option<DirectionSample>,
    /// From us to the far end and back.
    pub round_trip: Option<Duration>,
    /// Where time goes.
    pub ledger: LatencyLedger,
}

/// Seconds that are live.
const LIVE_SECONDS: usize = 10;

/// Judges one leg. All its memory is inside.
#[derive(Clone, Debug)]
pub struct QualityMeter {
    newest: Option<QualitySample>,
    /// What the counters were in the seconds before, the latest last: receive and send.
    before: [Option<(Counts, Option<Counts>)>; LIVE_SECONDS],
    call: CallMeans,
}

/// Sums over a call of what does not grow, for its means.
#[derive(Clone, Copy, Debug, Default)]
struct CallMeans {
    receive: DirectionMeans,
    send: DirectionMeans,
    round_trip: Mean,
    ledger: [Mean; 6],
}

#[derive(Clone, Copy, Debug, Default)]
struct DirectionMeans {
    jitter: Mean,
    playout: Mean,
}

impl Default for QualityMeter {
    fn default() -> Self {
        Self { newest: None, before: [None; LIVE_SECONDS], call: CallMeans::default() }
    }
}

impl QualityMeter {
    /// Takes a leg's counters in. To be called once a second, from the start of the call.
    pub fn observe(&mut self, sample: &QualitySample) {
        if let Some(before) = self.newest.replace(*sample) {
            self.before.rotate_left(1);
            self.before[LIVE_SECONDS - 1] =
                Some((Counts::of(&before.receive), before.send.as_ref().map(Counts::of)));
        }
        self.call.add(sample);
    }

    /// The last ten seconds, or as many as there were.
    pub fn live(&self) -> Quality {
        let Some(now) = &self.newest else {
            return Quality::default();
        };
        let (receive_then, send_then) = self.before.iter().flatten().next().copied().unwrap_or_default();
        let one_way = now.round_trip.unwrap_or_default() / 2;
        let receive = Span::between(&now.receive, receive_then);
        let send = now.send.map(|send| Span::between(&send, send_then.unwrap_or_default()));
        Quality {
            receive: receive.judge(one_way),
            send: send.map_or_else(DirectionQuality::default, |send| send.judge(one_way)),
            round_trip: now.round_trip.map(Micros::from),
            ledger: now.ledger,
        }
    }

    /// The whole call so far: its counters, and the means of what does not grow.
    pub fn whole_call(&self) -> Quality {
        let Some(now) = &self.newest else {
            return Quality::default();
        };
        let one_way = self.call.round_trip.duration().unwrap_or_default() / 2;
        let receive = Span::between(&self.call.receive.over(&now.receive), Counts::default());
        let send = now.send.map(|send| Span::between(&self.call.send.over(&send), Counts::default()));
        Quality {
            receive: receive.judge(one_way),
            send: send.map_or_else(DirectionQuality::default, |send| send.judge(one_way)),
            round_trip: self.call.round_trip.duration().map(Micros::from),
            ledger: self.call.ledger(),
        }
    }
}

/// The counters of one direction that grow.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    lost: u64,
    discarded: u64,
    bursts: u64,
}

impl Counts {
    const fn of(sample: &DirectionSample) -> Self {
        let &DirectionSample { packets, lost, discarded, bursts, .. } = sample;
        Self { packets, lost, discarded, bursts }
    }
}

/// What happened in one direction over some time.
struct Span {
    sample: DirectionSample,
}

impl Span {
    /// From `then` to `now`. A count that fell, as that of lost packets may, is taken as not having grown.
    fn between(now: &DirectionSample, then: Counts) -> Self {
        Self {
            sample: DirectionSample {
                packets: now.packets.saturating_sub(then.packets),
                lost: now.lost.saturating_sub(then.lost),
                discarded: now.discarded.saturating_sub(then.discarded),
                bursts: now.bursts.saturating_sub(then.bursts),
                ..*now
            },
        }
    }

    fn judge(&self, network_delay: Duration) -> DirectionQuality {
        let DirectionSample { packets, lost, discarded, jitter, playout_delay, codec, .. } = self.sample;
        let loss = self.loss();
        let score = loss.map(|loss| {
            let burst_ratio = self.burst_ratio(loss);
            Impairments { codec, network_delay, jitter, playout_delay, loss, burst_ratio }.score()
        });
        DirectionQuality { packets, lost, discarded, jitter: jitter.into(), score }
    }

    /// Part of the packets that were not played, or `None` if there were none at all.
    fn loss(&self) -> Option<f64> {
        let DirectionSample { packets, lost, discarded, .. } = self.sample;
        let all = packets.saturating_add(lost);
        (all > 0).then(|| (lost.saturating_add(discarded)).min(all) as f64 / all as f64)
    }

    /// The mean length of losses, over what it would be if they were random (G.107 §7.5).
    fn burst_ratio(&self, loss: f64) -> f64 {
        let DirectionSample { lost, discarded, bursts, .. } = self.sample;
        if bursts == 0 {
            return 1.0;
        }
        let mean = lost.saturating_add(discarded) as f64 / bursts as f64;
        (mean * (1.0 - loss)).max(1.0)
    }
}

/// A sum and how many it is of.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    micros: u64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: Option<Duration>) {
        if let Some(value) = value {
            self.micros += u64::from(Micros::from(value).0);
            self.count += 1;
        }
    }

    fn duration(&self) -> Option<Duration> {
        self.micros.checked_div(self.count).map(Duration::from_micros)
    }
}

impl DirectionMeans {
    fn add(&mut self, sample: &DirectionSample) {
        self.jitter.add(Some(sample.jitter));
        self.playout.add(sample.playout_delay);
    }

    /// The sample with the call's means in place of what it holds of this second.
    fn over(&self, sample: &DirectionSample) -> DirectionSample {
        let jitter = self.jitter.duration().unwrap_or(sample.jitter);
        DirectionSample { jitter, playout_delay: self.playout.duration(), ..*sample }
    }
}

impl CallMeans {
    fn add(&mut self, sample: &QualitySample) {
        self.receive.add(&sample.receive);
        if let Some(send) = &sample.send {
            self.send.add(send);
        }
        self.round_trip.add(sample.round_trip);
        let LatencyLedger { network_jitter, playout, wait_for_tick, mix, encode, pace } = sample.ledger;
        let now = [network_jitter, playout, wait_for_tick, mix, encode, pace];
        for (mean, micros) in self.ledger.iter_mut().zip(now) {
            mean.add(Some(micros.into()));
        }
    }

    fn ledger(&self) -> LatencyLedger {
        let [network_jitter, playout, wait_for_tick, mix, encode, pace] =
            self.ledger.map(|mean| mean.duration().unwrap_or_default().into());
        LatencyLedger { network_jitter, playout, wait_for_tick, mix, encode, pace }
    }
}

/// Counts runs of packets that were not played.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossBursts {
    bursts: u64,
    in_burst: bool,
}

impl LossBursts {
    /// Takes note of whether the next packet in order was played. Where nothing was sent nothing is to be
    /// noted.
    pub fn note(&mut self, played: bool) {
        self.bursts += u64::from(!played && !self.in_burst);
        self.in_burst = !played;
    }

    /// Runs so far.
    pub const fn count(&self) -> u64 {
        self.bursts
    }
}

#[cfg(test)]
mod tests;
