//! How the far end's packets arrive: lost, and how unevenly (RFC 3550 §6.4.1, appendices A.1, A.3 and A.8).
//!
//! A far end may change its SSRC, jump in its sequence numbers or timestamps, and change its clock rate
//! (RFC 7160). Each begins the figures that go into reports anew, as the RFC wants; the totals of the whole call
//! go on.

use std::time::Duration;

use super::NANOS;
use crate::rtp::rtcp::ReportBlock;
use crate::rtp::{ExtendedSequence, SequenceNumber, Ssrc};
use crate::time::Time;

/// What reception needs to know of a received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who it is from.
    pub ssrc: Ssrc,
    /// Its number.
    pub sequence_number: SequenceNumber,
    /// Its timestamp.
    pub timestamp: u32,
    /// Units of the timestamp in a second, by its payload type.
    pub clock_rate: u32,
    /// When it came.
    pub at: Time,
}

/// The whole call so far, over all streams of the far end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionTotals {
    /// Packets received, doubles included.
    pub packets: u64,
    /// Packets that were sent and have not come. It falls when one comes late after all.
    pub lost: u64,
}

/// How the far end's packets arrive.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    run: Option<Run>,
    ended: ReceptionTotals,
    jitter: Jitter,
}

/// Sequence numbers that belong together: one SSRC, no jump.
#[derive(Clone, Copy, Debug)]
struct Run {
    ssrc: Ssrc,
    first: ExtendedSequence,
    highest: ExtendedSequence,
    received: u64,
    /// What must come next for a jump to be believed.
    expected_after_jump: Option<SequenceNumber>,
    reported: Reported,
}

/// Where a run stood at the last report.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    expected: u64,
    received: u64,
}

impl Reception {
    /// Takes note of a packet.
    pub fn note(&mut self, arrival: &Arrival) {
        match &mut self.run {
            Some(run) if run.ssrc == arrival.ssrc => match run.place(arrival.sequence_number) {
                Place::InRun => self.jitter.note(arrival),
                Place::Unbelieved => {}
                Place::Jumped => self.begin(arrival),
            },
            Some(_) | None => {
                self.jitter = Jitter::default();
                self.begin(arrival);
            }
        }
    }

    fn begin(&mut self, arrival: &Arrival) {
        self.ended = self.totals();
        self.run = Some(Run::new(arrival));
        // Its timestamps may have jumped with it.
        self.jitter.transit = None;
        self.jitter.note(arrival);
    }

    /// Who is received.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.run.map(|run| run.ssrc)
    }

    /// The whole call so far.
    pub fn totals(&self) -> ReceptionTotals {
        let run = self.run.map_or_else(ReceptionTotals::default, |run| ReceptionTotals {
            packets: run.received,
            lost: run.expected().saturating_sub(run.received),
        });
        ReceptionTotals { packets: self.ended.packets + run.packets, lost: self.ended.lost + run.lost }
    }

    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        self.jitter.duration()
    }

    /// A block about what came since the last report, or `None` if nothing did (RFC 3550 §6.4). Of when the
    /// source was heard to report it says nothing.
    pub fn report(&mut self) -> Option<ReportBlock> {
        let run = self.run.as_mut()?;
        if run.received == run.reported.received {
            return None;
        }
        let (expected, received) = (run.expected(), run.received);
        let expected_since = expected.saturating_sub(run.reported.expected);
        let lost_since = expected_since.saturating_sub(received - run.reported.received);
        run.reported = Reported { expected, received };
        let fraction_lost = (lost_since << 8).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        Some(ReportBlock {
            ssrc: run.ssrc.0,
            fraction_lost,
            cumulative_lost: ReportBlock::clamp_lost(expected as i64 - received as i64),
            highest_sequence: run.highest_on_the_wire(),
            jitter: self.jitter.units(),
            last_sr: 0,
            delay_since_last_sr: 0,
        })
    }
}

/// Where a packet stands in a run.
enum Place {
    InRun,
    Unbelieved,
    Jumped,
}

/// Numbers that were skipped and still believed: a minute of 20 ms packets (RFC 3550 A.1, `MAX_DROPOUT`).
const DROPOUT_MAX: u16 = 3_000;

/// How far a packet may be overtaken (RFC 3550 A.1, `MAX_MISORDER`).
const MISORDER_MAX: u16 = 100;

impl Run {
    const fn new(arrival: &Arrival) -> Self {
        let first = ExtendedSequence::first(arrival.sequence_number);
        Self {
            ssrc: arrival.ssrc,
            first,
            highest: first,
            received: 1,
            expected_after_jump: None,
            reported: Reported { expected: 0, received: 0 },
        }
    }

    /// Takes a packet in, as RFC 3550 appendix A.1 does after its probation: that the stream is the far
    /// end's was decided before.
    fn place(&mut self, number: SequenceNumber) -> Place {
        let ahead = number.0.wrapping_sub(self.highest.number().0);
        if ahead < DROPOUT_MAX {
            self.highest = self.highest.nearest(number);
        } else if ahead.wrapping_neg() > MISORDER_MAX {
            let believed = self.expected_after_jump == Some(number);
            self.expected_after_jump = Some(number.next());
            return if believed { Place::Jumped } else { Place::Unbelieved };
        }
        self.expected_after_jump = None;
        self.received += 1;
        Place::InRun
    }

    const fn expected(&self) -> u64 {
        self.highest.value() - self.first.value() + 1
    }

    /// Wraps are counted from zero, and with 16 bits.
    const fn highest_on_the_wire(&self) -> u32 {
        (self.highest.value() - (1 << 16)) as u32
    }
}

/// Interarrival jitter, scaled by 16 as in RFC 3550 appendix A.8.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    scaled: u32,
    clock_rate: u32,
    transit: Option<Transit>,
}

/// The packet before.
#[derive(Clone, Copy, Debug)]
struct Transit {
    arrived: u32,
    timestamp: u32,
}

/// A packet that is so much (in seconds) earlier or later than the one before says: its timestamps jumped.
const JUMP_SECONDS: u32 = 1;

impl Jitter {
    fn note(&mut self, arrival: &Arrival) {
        self.count_at(arrival.clock_rate.clamp(1, CLOCK_RATE_MAX));
        let transit =
            Transit { arrived: units_at(arrival.at, self.clock_rate), timestamp: arrival.timestamp };
        let Some(before) = self.transit.replace(transit) else {
            return;
        };
        // Several packets of one moment, as of a telephone-event, say nothing of the network.
        if before.timestamp == transit.timestamp {
            self.transit = Some(before);
            return;
        }
        let waited = transit.arrived.wrapping_sub(before.arrived);
        let sampled = transit.timestamp.wrapping_sub(before.timestamp);
        let difference = (waited.wrapping_sub(sampled) as i32).unsigned_abs();
        if difference <= self.clock_rate * JUMP_SECONDS {
            self.scaled = self.scaled - ((self.scaled + 8) >> 4) + difference;
        }
    }

    /// Goes on in units of another clock rate.
    fn count_at(&mut self, clock_rate: u32) {
        if clock_rate == self.clock_rate {
            return;
        }
        let scaled = u64::from(self.scaled) * u64::from(clock_rate) / u64::from(self.clock_rate.max(1));
        // Sixteen times the longest jump at most.
        let scaled = scaled.min(u64::from(clock_rate) * 16) as u32;
        *self = Self { scaled, clock_rate, transit: None };
    }

    const fn units(&self) -> u32 {
        self.scaled >> 4
    }

    fn duration(&self) -> Duration {
        let nanos = u64::from(self.scaled) * NANOS / (u64::from(self.clock_rate.max(1)) * 16);
        Duration::from_nanos(nanos)
    }
}

/// No codec counts faster; it keeps sixteen seconds within 32 bits, whatever signalling agreed.
const CLOCK_RATE_MAX: u32 = 192_000;

/// When a packet came, in units of the clock rate, from anywhere.
const fn units_at(time: Time, clock_rate: u32) -> u32 {
    let (nanos, rate) = (time.as_nanos(), clock_rate as u64);
    let units = (nanos / NANOS).wrapping_mul(rate).wrapping_add(nanos % NANOS * rate / NANOS);
    units as u32
}
