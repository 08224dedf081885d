//! Sender and receiver reports (RFC 3550 §6.4): what was sent, and how it arrives.

use super::word;
use crate::rtp::Ssrc;

/// Bytes of a sender's SSRC.
const SSRC_LEN: usize = 4;

/// Bytes of what a sender says of itself (RFC 3550 §6.4.1).
pub(super) const SENDER_INFO_LEN: usize = 20;

/// A moment of the wall clock: seconds since 1900 above, their fraction below (RFC 3550 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The middle 32 bits, in units of 1/65,536 s: how reports name a moment.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// What a sender says of what it sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: NtpTime,
    /// The same moment on the clock of its RTP timestamps.
    pub rtp_timestamp: u32,
    /// Packets sent so far. It wraps.
    pub packets: u32,
    /// Bytes of payload sent so far. It wraps.
    pub octets: u32,
}

impl SenderInfo {
    fn read(bytes: &[u8; SENDER_INFO_LEN]) -> Self {
        Self {
            ntp: NtpTime(u64::from(word(bytes, 0)) << 32 | u64::from(word(bytes, 4))),
            rtp_timestamp: word(bytes, 8),
            packets: word(bytes, 12),
            octets: word(bytes, 16),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; SENDER_INFO_LEN] {
        let mut bytes = [0; SENDER_INFO_LEN];
        bytes[..8].copy_from_slice(&self.ntp.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.packets.to_be_bytes());
        bytes[16..].copy_from_slice(&self.octets.to_be_bytes());
        bytes
    }
}

/// How one source arrives at who reports (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Part of its packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost so far: 24 bits with a sign, since doubles count as received.
    pub cumulative_lost: i32,
    /// The highest sequence number received, with its wraps above.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the clock rate.
    pub jitter: u32,
    /// The middle of the last sender report's stamp, zero if none came.
    pub last_sr: u32,
    /// From that report's arrival to this one, in 1/65,536 s.
    pub delay_since_last_sr: u32,
}

/// The range of 24 bits with a sign.
const CUMULATIVE_LOST_MAX: i32 = (1 << 23) - 1;
const CUMULATIVE_LOST_MIN: i32 = -(1 << 23);

impl ReportBlock {
    /// Bytes of a block on the wire.
    pub const LEN: usize = 24;

    /// The most that one packet can carry: its count has five bits.
    pub const PER_PACKET_MAX: usize = 31;

    /// A count of lost packets, held within what the field can say (RFC 3550 appendix A.3).
    pub fn clamp_lost(lost: i64) -> i32 {
        lost.clamp(CUMULATIVE_LOST_MIN.into(), CUMULATIVE_LOST_MAX.into()) as i32
    }

    fn read(bytes: &[u8; Self::LEN]) -> Self {
        Self {
            ssrc: word(bytes, 0),
            fraction_lost: bytes[4],
            // Shifted up and down again, so that its sign is kept.
            cumulative_lost: (word(bytes, 4) << 8) as i32 >> 8,
            highest_sequence: word(bytes, 8),
            jitter: word(bytes, 12),
            last_sr: word(bytes, 16),
            delay_since_last_sr: word(bytes, 20),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let lost = Self::clamp_lost(self.cumulative_lost.into()).to_be_bytes();
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[4..8].copy_from_slice(&[self.fraction_lost, lost[1], lost[2], lost[3]]);
        bytes[8..12].copy_from_slice(&self.highest_sequence.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.jitter.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.last_sr.to_be_bytes());
        bytes[20..].copy_from_slice(&self.delay_since_last_sr.to_be_bytes());
        bytes
    }
}

/// A sender report, read in place. What follows its blocks is a profile's business and left unread.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// What it sent.
    pub info: SenderInfo,
    /// How others arrive at it.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> SenderReport<'a> {
    pub(super) fn parse(count: usize, body: &'a [u8]) -> Option<Self> {
        let (ssrc, rest) = body.split_first_chunk::<SSRC_LEN>()?;
        let (info, rest) = rest.split_first_chunk()?;
        let blocks = ReportBlocks::parse(count, rest)?;
        Some(Self { ssrc: Ssrc(u32::from_be_bytes(*ssrc)), info: SenderInfo::read(info), blocks })
    }
}

/// A receiver report, read in place. What follows its blocks is a profile's business and left unread.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// How others arrive at it.
    pub blocks: ReportBlocks<'a>,
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn parse(count: usize, body: &'a [u8]) -> Option<Self> {
        let (ssrc, rest) = body.split_first_chunk::<SSRC_LEN>()?;
        Some(Self { ssrc: Ssrc(u32::from_be_bytes(*ssrc)), blocks: ReportBlocks::parse(count, rest)? })
    }
}

/// The blocks of a report, at most 31.
#[derive(Clone, Copy)]
pub struct ReportBlocks<'a> {
    blocks: &'a [[u8; ReportBlock::LEN]],
}

impl<'a> ReportBlocks<'a> {
    fn parse(count: usize, bytes: &'a [u8]) -> Option<Self> {
        let (blocks, _) = bytes.as_chunks();
        Some(Self { blocks: blocks.get(..count)? })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (first, rest) = self.blocks.split_first()?;
        self.blocks = rest;
        Some(ReportBlock::read(first))
    }
}

impl std::fmt::Debug for ReportBlocks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}
