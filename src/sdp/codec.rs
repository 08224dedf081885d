//! The audio codecs that can be negotiated, and their names in SDP (RFC 3551 §6).

/// An audio codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl AudioCodec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The payload type it has without `a=rtpmap`.
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The RTP clock rate, in Hz.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// The codec of that name and clock rate; names have no case (RFC 8866 §6.6).
    pub fn of_name(name: &str, clock_rate: u32) -> Option<Self> {
        let fits = |codec: &Self| {
            codec.name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate
        };
        Self::ALL.into_iter().find(fits)
    }

    /// The codec of a payload type without `a=rtpmap`.
    pub fn of_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.static_payload_type() == payload_type)
    }
}
