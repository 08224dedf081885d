//! The RTCP of one leg (RFC 3550 §6): what it must tell the far end, when, and what the far end says.
//!
//! ```text
//! received RTP ─▶ reception ──▶ report block ─┐
//! schedule ─▶ due? ────────────▶ report ──────┴▶ datagram, its stamp kept in round_trip
//! received RTCP ─┬▶ sender's stamp ─▶ report block (when it was heard of last)
//!                └▶ block about us ─┬▶ round_trip
//!                                   └▶ claims ─▶ how much loss the encoder must expect
//! ```
//!
//! A far end can write anything into its reports. What it says steers nothing but the sound it is sent
//! itself, within bounds: blocks about others are ignored, a round trip must start at a stamp of ours, and a
//! claim of loss is smoothed and capped.

mod claims;
mod reception;
mod round_trip;
mod schedule;

use std::time::Duration;

pub use self::claims::EXPECTED_LOSS_MAX;
use self::claims::LossClaims;
pub use self::reception::{Arrival, Reception, ReceptionTotals};
use self::round_trip::RoundTrip;
use self::schedule::Schedule;
use crate::prefetch::fetch;
use crate::rtp::Ssrc;
use crate::rtp::rtcp::{
    Compound, CompoundWriter, NoSpace, NtpTime, Packet, ReportBlock, SenderInfo, SenderReport,
};
use crate::time::Time;

/// What a leg's RTCP is built from.
#[derive(Clone, Copy, Debug)]
pub struct RtcpSettings {
    /// The SSRC of what we send.
    pub ssrc: Ssrc,
    /// Our canonical name: random and short-lived, so that it names no machine or person (RFC 7022 §4.2).
    pub cname: [u8; 16],
    /// Decides how reports are spread in time; drawn at random by the caller.
    pub seed: u64,
    /// From one report to the next, on average. RFC 3550 §6.2 recommends 5 s at least.
    pub interval: Duration,
    /// The wall clock.
    pub wall: WallClock,
}

/// From one report to the next, on average (RFC 3550 §6.2). Two parties never come near the 5 % of the
/// bandwidth that would stretch it.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The longest datagram made here: a sender report with one block (52 bytes), a name of 16 bytes (28) and a
/// goodbye (8).
pub const REPORT_LEN_MAX: usize = 88;

/// What the wall clock showed at [`Time::ZERO`]. The engine has no wall clock; it is handed this once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallClock(pub NtpTime);

impl WallClock {
    /// What the wall clock shows at `time`. It wraps in 2036, as NTP's own does.
    pub fn ntp_at(self, time: Time) -> NtpTime {
        let (seconds, nanos) = (time.as_nanos() / NANOS, time.as_nanos() % NANOS);
        let since_zero = (seconds << 32) | ((nanos << 32) / NANOS);
        NtpTime(self.0.0.wrapping_add(since_zero))
    }
}

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// What was sent so far, for the next report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub octets: u64,
    /// The timestamp of the last one.
    pub timestamp: u32,
    /// When it was sent.
    pub at: Time,
    /// Units of the timestamp in a second.
    pub clock_rate: u32,
}

impl Sent {
    /// The timestamp that a packet made at `now` would carry.
    fn timestamp_at(&self, now: Time) -> u32 {
        let since = now.since(self.at).as_nanos() as u64;
        let rate = u64::from(self.clock_rate);
        let units = (since / NANOS).wrapping_mul(rate).wrapping_add(since % NANOS * rate / NANOS);
        self.timestamp.wrapping_add(units as u32)
    }
}

/// How what we send arrives, by the far end's word, held within what can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarReception {
    /// When it said so.
    pub at: Time,
    /// Packets lost so far, at most as many as were sent.
    pub lost: u64,
    /// Interarrival jitter, at most 10 s.
    pub jitter: Duration,
}

/// What came and went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RtcpCounters {
    /// Datagrams taken in.
    pub received: u64,
    /// Datagrams made.
    pub sent: u64,
    /// Packets whose content did not fit their length.
    pub malformed: u64,
    /// Packets of kinds that are not read.
    pub other: u64,
    /// Report blocks about somebody else's stream.
    pub foreign_blocks: u64,
    /// Blocks about ours from which no believable round trip follows.
    pub nonsense: u64,
    /// Reports by somebody who uses our SSRC (RFC 3550 §8.2). They are ignored.
    pub collisions: u64,
}

/// The RTCP of one leg. All its memory is inside.
#[derive(Clone, Debug)]
pub struct LegRtcp {
    ssrc: Ssrc,
    cname: [u8; 16],
    wall: WallClock,
    reception: Reception,
    schedule: Schedule,
    round_trip: RoundTrip,
    claims: LossClaims,
    far_report: Option<FarReport>,
    far: Option<FarReception>,
    far_left: bool,
    sent: SentBefore,
    counters: RtcpCounters,
}

/// The far end's last sender report.
#[derive(Clone, Copy, Debug)]
struct FarReport {
    ssrc: Ssrc,
    stamp: u32,
    at: Time,
}

/// What was sent by now, by the last report, and by the one before.
#[derive(Clone, Copy, Debug, Default)]
struct SentBefore {
    now: Sent,
    last: Sent,
    packets_before_last: u64,
}

impl LegRtcp {
    /// The state of a leg that has sent and received nothing.
    pub fn new(settings: RtcpSettings) -> Self {
        Self {
            ssrc: settings.ssrc,
            cname: settings.cname,
            wall: settings.wall,
            reception: Reception::default(),
            schedule: Schedule::new(settings.interval, settings.seed),
            round_trip: RoundTrip::default(),
            claims: LossClaims::default(),
            far_report: None,
            far: None,
            far_left: false,
            sent: SentBefore::default(),
            counters: RtcpCounters::default(),
        }
    }

    /// Takes note of a received RTP packet, whatever its payload.
    pub fn note_rtp(&mut self, arrival: &Arrival) {
        self.reception.note(arrival);
        self.far_left = false;
    }

    /// Takes note of what was sent, before a report about it is taken in: what the far end claims is held against it.
    pub fn note_sent(&mut self, sent: &Sent) {
        self.sent.now = *sent;
    }

    /// Takes in what the far end reports.
    pub fn receive(&mut self, compound: &Compound<'_>, at: Time) {
        self.counters.received += 1;
        for packet in compound.packets() {
            match packet {
                Packet::SenderReport(report) => self.hear_sender(&report, at),
                Packet::ReceiverReport(report) => self.hear_blocks(report.ssrc, report.blocks, at),
                Packet::Descriptions(_) => {}
                Packet::Bye(bye) => {
                    self.far_left |= bye.sources().any(|source| Some(source) == self.reception.ssrc());
                }
                Packet::Malformed(_) => self.counters.malformed += 1,
                Packet::Other(_) => self.counters.other += 1,
            }
        }
    }

    fn hear_sender(&mut self, report: &SenderReport<'_>, at: Time) {
        if report.ssrc != self.ssrc {
            self.far_report = Some(FarReport { ssrc: report.ssrc, stamp: report.info.ntp.middle(), at });
        }
        self.hear_blocks(report.ssrc, report.blocks, at);
    }

    fn hear_blocks(&mut self, from: Ssrc, blocks: impl Iterator<Item = ReportBlock>, at: Time) {
        if from == self.ssrc {
            self.counters.collisions += 1;
            return;
        }
        for block in blocks {
            if Ssrc(block.ssrc) == self.ssrc {
                self.hear_of_us(&block, at);
            } else {
                self.counters.foreign_blocks += 1;
            }
        }
    }

    fn hear_of_us(&mut self, block: &ReportBlock, at: Time) {
        if self.round_trip.hear(block, at).is_err() {
            self.counters.nonsense += 1;
        }
        self.claims.hear(block.fraction_lost, at);
        let lost = u64::try_from(block.cumulative_lost).unwrap_or(0);
        // Of what was never sent there is nothing to claim, nor a clock rate to read the claim by.
        let Some(rate) = Some(self.sent.now.clock_rate).filter(|rate| *rate > 0) else {
            return;
        };
        let jitter = Duration::from_secs_f64(f64::from(block.jitter) / f64::from(rate));
        self.far = Some(FarReception {
            at,
            lost: lost.min(self.sent.now.packets),
            jitter: jitter.min(FAR_JITTER_MAX),
        });
    }

    /// Whether it is worth asking whether one [is due](Self::is_due). It sets nothing going.
    pub fn may_be_due(&self, now: Time) -> bool {
        self.schedule.may_be_due(now)
    }

    /// Has fetched what a tick needs of it in which no report is due.
    pub(in crate::leg) fn fetch_ahead(&self) {
        fetch(&self.schedule);
    }

    /// Whether a report should be made now. The first time it is asked sets the clock going.
    pub fn is_due(&mut self, now: Time) -> bool {
        self.schedule.is_due(now)
    }

    /// Writes a report to the front of `out` and returns how long it is. [`REPORT_LEN_MAX`] bytes suffice.
    /// The next one is due an interval later.
    ///
    /// # Errors
    ///
    /// [`NoSpace`]: nothing is to be sent.
    pub fn write_report(&mut self, now: Time, sent: &Sent, out: &mut [u8]) -> Result<usize, NoSpace> {
        self.schedule.reported(now);
        let mut writer = CompoundWriter::new(out);
        self.write(now, sent, &mut writer)?;
        self.counters.sent += 1;
        Ok(writer.len())
    }

    /// Writes the last report, with a goodbye, to the front of `out` and returns how long it is.
    ///
    /// # Errors
    ///
    /// [`NoSpace`]: nothing is to be sent.
    pub fn write_goodbye(&mut self, now: Time, sent: &Sent, out: &mut [u8]) -> Result<usize, NoSpace> {
        let mut writer = CompoundWriter::new(out);
        self.write(now, sent, &mut writer)?;
        writer.bye(self.ssrc)?;
        self.counters.sent += 1;
        Ok(writer.len())
    }

    fn write(&mut self, now: Time, sent: &Sent, writer: &mut CompoundWriter<'_>) -> Result<(), NoSpace> {
        let block = self.report_block(now);
        let blocks = block.as_slice();
        // A sender is who sent since the report before the last (RFC 3550 §6.4).
        if sent.packets > self.sent.packets_before_last {
            let info = self.sender_info(now, sent);
            writer.sender_report(self.ssrc, info, blocks)?;
            self.round_trip.sent(info.ntp.middle(), now);
        } else {
            writer.receiver_report(self.ssrc, blocks)?;
        }
        self.sent = SentBefore { now: *sent, last: *sent, packets_before_last: self.sent.last.packets };
        writer.cname(self.ssrc, &self.cname)
    }

    fn sender_info(&self, now: Time, sent: &Sent) -> SenderInfo {
        SenderInfo {
            ntp: self.wall.ntp_at(now),
            rtp_timestamp: sent.timestamp_at(now),
            packets: sent.packets as u32,
            octets: sent.octets as u32,
        }
    }

    fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        let block = self.reception.report()?;
        let heard = self.far_report.filter(|report| report.ssrc.0 == block.ssrc);
        Some(ReportBlock {
            last_sr: heard.map_or(0, |report| report.stamp),
            delay_since_last_sr: heard.map_or(0, |report| in_65536ths(now.since(report.at))),
            ..block
        })
    }

    /// How the far end's packets arrive.
    pub const fn reception(&self) -> &Reception {
        &self.reception
    }

    /// How ours arrive, by the far end's last word.
    pub const fn far_reception(&self) -> Option<FarReception> {
        self.far
    }

    /// From us to the far end and back, at the last report from which it followed.
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip.latest()
    }

    /// The loss, in percent, against which what we send should be protected: 0 to [`EXPECTED_LOSS_MAX`]. It
    /// moves slowly and in steps, however wild the far end's claims are.
    pub fn expected_loss_percent(&self, now: Time) -> u8 {
        self.claims.expected_percent(now)
    }

    /// Whether the far end said goodbye, and nothing came from it since.
    pub const fn has_far_end_left(&self) -> bool {
        self.far_left
    }

    /// What came and went.
    pub const fn counters(&self) -> &RtcpCounters {
        &self.counters
    }
}

/// The most jitter that is believed: what is more has long been discarded by any receiver.
const FAR_JITTER_MAX: Duration = Duration::from_secs(10);

/// In units of 1/65,536 s, as reports count. More than the field holds (18 hours) stays at its end.
fn in_65536ths(duration: Duration) -> u32 {
    let fraction = (u64::from(duration.subsec_nanos()) << 16) / NANOS;
    u32::try_from(duration.as_secs().saturating_mul(1 << 16).saturating_add(fraction)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
