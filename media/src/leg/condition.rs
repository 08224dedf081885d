//! How a leg is: looked at once a second, for whoever asks and for its encoder.

use std::time::Duration;

use super::{CodecImpairment, DirectionSample, LatencyLedger, Leg, QualityMeter, QualityReport};
use super::{QualitySample, SendSample};
use crate::codec::Codec;
use crate::costs::{SendCosts, TickCosts};
use crate::id::LegId;
use crate::playout::PlayoutCounters;
use crate::time::Tick;

/// Ticks between two looks.
const SECOND_TICKS: u32 = 50;

pub(super) struct Condition {
    meter: QualityMeter,
    expected_loss: u8,
    /// Ticks until the next look.
    wait: u32,
    /// What sending cost at the last look.
    costs: SendCosts,
    kept: Kept,
    /// What its receive buffer had counted when the engine was told last.
    told: PlayoutCounters,
}

/// How long packets were kept, in sums over the ticks since the last look.
#[derive(Default)]
struct Kept {
    delay: Duration,
    wait: Duration,
    ticks: u32,
}

impl Condition {
    /// Legs are looked at in different ticks, by their number.
    pub(super) fn new(leg: LegId) -> Self {
        let wait = (leg.0 % u64::from(SECOND_TICKS)) as u32 + 1;
        Self {
            meter: QualityMeter::default(),
            expected_loss: 0,
            wait,
            costs: SendCosts::default(),
            kept: Kept::default(),
            told: PlayoutCounters::default(),
        }
    }

    pub(super) const fn expected_loss(&self) -> u8 {
        self.expected_loss
    }
}

impl Kept {
    /// Before the first packet is played there is no delay. A capture adds to it.
    fn add(&mut self, delay: Duration, withheld: Duration, wait: Duration) {
        if delay.is_zero() {
            return;
        }
        self.delay += delay + withheld;
        self.wait += wait;
        self.ticks += 1;
    }

    /// The means, and from now on new ones: how long from arrival to play, and of that until the first tick.
    fn take(&mut self) -> Option<(Duration, Duration)> {
        let Self { delay, wait, ticks } = std::mem::take(self);
        Some((delay.checked_div(ticks)?, wait.checked_div(ticks)?))
    }
}

impl Leg {
    /// Its part in a tick is done, and its packet goes as the `place`th of all. `true` when it was looked at.
    pub(crate) fn observe(&mut self, place: usize, costs: &TickCosts) -> bool {
        // While it rests nothing is kept.
        if self.resting.is_none() {
            self.condition.kept.add(self.playout.delay(), self.keys.delay(), self.playout.wait_for_tick());
        }
        self.condition.wait -= 1;
        if self.condition.wait > 0 {
            return false;
        }
        self.condition.wait = SECOND_TICKS;
        self.condition.costs = costs.for_place(place);
        self.look();
        self.condition.expected_loss = self.rtcp.expected_loss_percent(self.now);
        self.coding.set_expected_loss(self.condition.expected_loss);
        true
    }

    fn look(&mut self) {
        let kept = self.condition.kept.take();
        let codec = CodecImpairment::of(self.media.codec);
        let totals = self.rtcp.reception().totals();
        let counters = self.playout.counters();
        let receive = DirectionSample {
            packets: totals.packets,
            lost: totals.lost,
            recovered: counters.recovered,
            discarded: counters.discarded,
            bursts: self.playout.loss_bursts(),
            jitter: self.rtcp.reception().jitter(),
            playout_delay: kept.map(|(delay, _)| delay),
            codec,
        };
        let packets = self.sender.sent().packets;
        let told = self.rtcp.far_reception().map(|far| DirectionSample {
            packets,
            lost: far.lost,
            recovered: 0,
            discarded: 0,
            bursts: 0,
            jitter: far.jitter,
            playout_delay: None,
            codec,
        });
        let sample = QualitySample {
            receive,
            send: SendSample { packets, told },
            round_trip: self.rtcp.round_trip(),
            ledger: self.ledger(kept.unwrap_or_default()),
        };
        self.condition.meter.observe(&sample);
    }

    fn ledger(&self, (delay, wait): (Duration, Duration)) -> LatencyLedger {
        let (costs, coder) = (self.condition.costs, coding_delay(self.media.codec));
        LatencyLedger {
            network_jitter: self.playout.network_jitter().into(),
            playout: delay.saturating_sub(wait).into(),
            wait_for_tick: wait.min(delay).into(),
            decode: coder.into(),
            mix: costs.mix.into(),
            encode: (costs.encode + coder).into(),
            pace: (costs.pace + gathering(self.media.terms.ptime)).into(),
        }
    }

    /// Fills in what was seen at the last look, and what stands now.
    pub(crate) fn report_quality(&self, report: &mut QualityReport) {
        *report = QualityReport {
            leg: self.id,
            codec: Some(self.codec()),
            live: self.condition.meter.live(),
            call: self.condition.meter.whole_call(),
            playout: *self.playout.counters(),
            target: self.playout.target().into(),
            delay: self.playout.delay().into(),
        };
    }

    /// How the whole call sounded, of a leg that came home.
    pub fn last_report(mut self: Box<Self>) -> QualityReport {
        // What came since the last look belongs to the call as well.
        self.condition.kept.add(self.playout.delay(), self.keys.delay(), self.playout.wait_for_tick());
        self.look();
        let mut report = *QualityReport::about(self.id);
        self.report_quality(&mut report);
        report
    }

    /// What its receive buffer has counted since it was asked last.
    pub(crate) fn take_counts(&mut self, sum: &mut PlayoutCounters) {
        let now = *self.playout.counters();
        sum.add_growth(&std::mem::replace(&mut self.condition.told, now), &now);
    }
}

/// How long the first frame of a packet of so many milliseconds waits for the others.
fn gathering(ptime: u8) -> Duration {
    let packet = Duration::from_millis(ptime.into()).min(PACKET_MAX);
    packet.saturating_sub(Tick::DURATION)
}

/// No longer ones are sent, whatever the far end wants.
const PACKET_MAX: Duration = Duration::from_millis(60);

/// By how much a coder and a decoder delay sound.
fn coding_delay(codec: Codec) -> Duration {
    let samples = codec.delay() as u64;
    Duration::from_nanos(samples * NANOS / u64::from(codec.sample_rate().hertz()))
}

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;
