//! How a leg is: looked at once a second, for whoever asks and for its encoder.

use std::time::Duration;

use super::{CodecImpairment, DirectionSample, LatencyLedger, Leg, QualityMeter, QualitySample};
use crate::id::LegId;
use crate::time::Tick;

/// Ticks between two looks.
const SECOND_TICKS: u32 = 50;

pub(super) struct Condition {
    meter: QualityMeter,
    expected_loss: u8,
    /// Ticks until the next look.
    wait: u32,
}

impl Condition {
    /// Legs are looked at in different ticks, by their number.
    pub(super) fn new(leg: LegId) -> Self {
        let wait = (leg.0 % u64::from(SECOND_TICKS)) as u32 + 1;
        Self { meter: QualityMeter::default(), expected_loss: 0, wait }
    }

    pub(super) const fn meter(&self) -> &QualityMeter {
        &self.meter
    }

    pub(super) const fn expected_loss(&self) -> u8 {
        self.expected_loss
    }
}

impl Leg {
    /// One tick has come.
    pub(super) fn observe(&mut self) {
        self.condition.wait -= 1;
        if self.condition.wait > 0 {
            return;
        }
        self.condition.wait = SECOND_TICKS;
        let sample = self.sample();
        self.condition.meter.observe(&sample);
        self.condition.expected_loss = self.rtcp.expected_loss_percent(self.now);
        self.coding.set_expected_loss(self.condition.expected_loss);
    }

    fn sample(&mut self) -> QualitySample {
        let codec = CodecImpairment::of(self.media.codec);
        let totals = self.rtcp.reception().totals();
        let counters = self.playout.counters();
        let receive = DirectionSample {
            packets: totals.packets,
            lost: totals.lost,
            discarded: counters.late + counters.discarded,
            bursts: 0,
            jitter: self.rtcp.reception().jitter(),
            playout_delay: Some(self.playout.delay()),
            codec,
        };
        let sent = self.sender.sent().packets;
        let send = self.rtcp.far_reception().map(|far| DirectionSample {
            packets: sent,
            lost: far.lost,
            discarded: 0,
            bursts: 0,
            jitter: far.jitter,
            playout_delay: None,
            codec,
        });
        QualitySample { receive, send, round_trip: self.rtcp.round_trip(), ledger: self.ledger() }
    }

    /// What the engine knows of where time goes. It has no clock: what mixing, encoding and sending take is for the
    /// caller to add.
    fn ledger(&self) -> LatencyLedger {
        let playout = self.playout.delay();
        let tick = Tick::DURATION.as_nanos();
        let wait = Duration::from_nanos((playout.as_nanos() % tick) as u64);
        LatencyLedger {
            network_jitter: self.playout.network_jitter().into(),
            playout: playout.into(),
            wait_for_tick: wait.into(),
            ..LatencyLedger::default()
        }
    }
}
