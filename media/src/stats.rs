//! What the engine counts: each reason to drop a datagram has a name.

use crate::playout::PlayoutCounters;

/// Why a datagram was dropped. It cost only its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discard {
    /// For a leg that is not here.
    NoLeg,
    /// Neither RTP nor RTCP (RFC 7983 §7).
    NotRtp,
    /// Begins like RTP or RTCP and breaks its rules (RFC 3550 §5.1, §6.1).
    Malformed,
    /// Not from the far end.
    NotFarEnd,
    /// May be the far end behind a NAT; more of the same are needed to believe it.
    OnProbation,
    /// A payload type that was not agreed.
    UnknownPayloadType,
    /// Signalling says that the far end is not sending.
    NotReceiving,
    /// Not protected with the keys that were agreed, damaged, or no SRTP at all.
    NotAuthentic,
    /// Protected as agreed, and it came before, or is too old to know.
    Replayed,
    /// Protected, and the keys are not agreed yet.
    NoKeys,
}

impl Discard {
    /// All reasons, in the order of [`Counters::discards`].
    pub const ALL: [Self; 10] = [
        Self::NoLeg,
        Self::NotRtp,
        Self::Malformed,
        Self::NotFarEnd,
        Self::OnProbation,
        Self::UnknownPayloadType,
        Self::NotReceiving,
        Self::NotAuthentic,
        Self::Replayed,
        Self::NoKeys,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoLeg => "no_leg",
            Self::NotRtp => "not_rtp",
            Self::Malformed => "malformed",
            Self::NotFarEnd => "not_far_end",
            Self::OnProbation => "on_probation",
            Self::UnknownPayloadType => "unknown_payload_type",
            Self::NotReceiving => "not_receiving",
            Self::NotAuthentic => "srtp_not_authentic",
            Self::Replayed => "srtp_replayed",
            Self::NoKeys => "srtp_no_keys_yet",
        }
    }
}

/// What one engine has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Steps made.
    pub ticks: u64,
    /// Datagrams handed in.
    pub received: u64,
    /// Datagrams handed out.
    pub transmitted: u64,
    /// Datagrams dropped, by [`Discard`] in the order of [`Discard::ALL`].
    pub discards: [u64; Discard::ALL.len()],
    /// Frames encoded: less than frames sent, since listeners share.
    pub encoded: u64,
    /// Ticks in which a conference's mix was too loud and the limiter turned it down.
    pub limited: u64,
    /// Ticks of a conference in which more spoke than are mixed, or one who had to wait still lagged.
    pub crowded: u64,
    /// Keys pressed that were dropped because nobody took the ones before.
    pub digits_dropped: u64,
    /// RTCP packets within compounds that broke their own rules. The rest of the compound was read.
    pub rtcp_malformed: u64,
    /// Tap frames dropped because nobody took the ones before.
    pub taps_dropped: u64,
    /// What happened in the receive buffers of all legs, those that are gone included; at most a second old.
    pub playout: PlayoutCounters,
}

impl Counters {
    pub(crate) fn count(&mut self, discard: Discard) {
        self.discards[discard as usize] += 1;
    }
}
