//! The meter of one leg: takes its counters once a second, and judges the last ten seconds and the whole call.

use std::time::Duration;

use super::{CodecImpairment, DirectionQuality, Impairments, LatencyLedger, Micros, Quality};

/// The counters of one direction, as they stand; all but the last three grow over the call.
#[derive(Clone, Copy, Debug)]
pub struct DirectionSample {
    /// Packets that arrived (receive), or were sent (send).
    pub packets: u64,
    /// Packets lost on the way.
    pub lost: u64,
    /// Of these, packets that were played all the same, from the copies that others carried.
    pub recovered: u64,
    /// Packets that arrived and were not played.
    pub discarded: u64,
    /// Runs of packets that were not played; 0 where nobody knows.
    pub bursts: u64,
    /// Interarrival jitter.
    pub jitter: Duration,
    /// From arrival to play, where it is known.
    pub playout_delay: Option<Duration>,
    /// The codec.
    pub codec: CodecImpairment,
}

/// What the far end is sent, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct SendSample {
    /// Packets.
    pub packets: u64,
    /// How they arrive, once the far end says so.
    pub told: Option<DirectionSample>,
}

/// A leg, as it stands.
#[derive(Clone, Copy, Debug)]
pub struct QualitySample {
    /// What the far end says.
    pub receive: DirectionSample,
    /// What the far end is sent.
    pub send: SendSample,
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
    before: [Option<(Counts, Counts)>; LIVE_SECONDS],
    call: CallMeans,
}

/// Sums over a call of what does not grow, for its means.
#[derive(Clone, Copy, Debug, Default)]
struct CallMeans {
    receive: DirectionMeans,
    send: DirectionMeans,
    round_trip: Mean,
    ledger: [Mean; 7],
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
            self.before[LIVE_SECONDS - 1] = Some((Counts::of(&before.receive), Counts::sent(&before.send)));
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
        Quality {
            receive: Span::between(&now.receive, receive_then).judge(one_way),
            send: now.send.judge(send_then, one_way),
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
        let receive = self.call.receive.over(&now.receive);
        let told = now.send.told.map(|send| self.call.send.over(&send));
        Quality {
            receive: Span::between(&receive, Counts::default()).judge(one_way),
            send: SendSample { told, ..now.send }.judge(Counts::default(), one_way),
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
    recovered: u64,
    discarded: u64,
    bursts: u64,
}

impl Counts {
    const fn of(sample: &DirectionSample) -> Self {
        let &DirectionSample { packets, lost, recovered, discarded, bursts, .. } = sample;
        Self { packets, lost, recovered, discarded, bursts }
    }

    fn sent(send: &SendSample) -> Self {
        let told = send.told.as_ref().map(Self::of).unwrap_or_default();
        Self { packets: send.packets, ..told }
    }
}

impl SendSample {
    /// How the packets since `then` fared. What becomes of those that arrive, the far end does not tell.
    fn judge(&self, then: Counts, network_delay: Duration) -> DirectionQuality {
        let packets = self.packets.saturating_sub(then.packets);
        let judged = self.told.map(|told| {
            let told = DirectionSample { packets: self.packets, ..told };
            Span::between(&told, then).judge(network_delay)
        });
        DirectionQuality { packets, discarded: None, ..judged.unwrap_or_default() }
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
                recovered: now.recovered.saturating_sub(then.recovered),
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
        let told = |value| loss.map(|_| value);
        DirectionQuality {
            packets,
            lost: told(lost),
            discarded: told(discarded),
            jitter: loss.map(|_| jitter.into()),
            score,
        }
    }

    /// Part of the packets that were not played, or `None` if there were none at all.
    fn loss(&self) -> Option<f64> {
        let DirectionSample { packets, lost, .. } = self.sample;
        let all = packets.saturating_add(lost);
        (all > 0).then(|| self.missed().min(all) as f64 / all as f64)
    }

    /// Packets that were not heard in any form.
    fn missed(&self) -> u64 {
        let DirectionSample { lost, recovered, discarded, .. } = self.sample;
        lost.saturating_sub(recovered).saturating_add(discarded)
    }

    /// The mean length of losses, over what it would be if they were random (G.107 §7.5).
    fn burst_ratio(&self, loss: f64) -> f64 {
        let bursts = self.sample.bursts;
        if bursts == 0 {
            return 1.0;
        }
        let mean = self.missed() as f64 / bursts as f64;
        (mean * (1.0 - loss)).max(1.0)
    }
}

/// The first lines of a ledger, which are spent on what the leg says.
const LINES_OF_WHAT_IS_SAID: usize = 4;

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
        let has_come = sample.receive.packets > 0;
        if has_come {
            self.receive.add(&sample.receive);
        }
        if let Some(send) = &sample.send.told {
            self.send.add(send);
        }
        self.round_trip.add(sample.round_trip);
        let is_played = has_come && sample.receive.playout_delay.is_some();
        for (n, (mean, line)) in self.ledger.iter_mut().zip(sample.ledger.lines()).enumerate() {
            // Of what nobody says there is no delay.
            mean.add((is_played || n >= LINES_OF_WHAT_IS_SAID).then(|| line.into()));
        }
    }

    fn ledger(&self) -> LatencyLedger {
        LatencyLedger::of(self.ledger.map(|mean| mean.duration().unwrap_or_default().into()))
    }
}
