//! G.711 as the callers speak it (ITU-T G.711 µ-law and A-law). The judge has its own tables on
//! purpose: an error in the node's must not hide behind the same error here.

use serde::Serialize;

/// Which G.711 law the callers offer and speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Law {
    /// µ-law, RTP payload type 0.
    #[default]
    Pcmu,
    /// A-law, RTP payload type 8.
    Pcma,
}

impl Law {
    /// The static RTP payload type (RFC 3551 table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding's name in an `a=rtpmap` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The octet nearest to a linear sample.
    pub fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => encode_mu(sample),
            Self::Pcma => encode_a(sample),
        }
    }

    /// The linear sample of an octet.
    pub fn decode(self, octet: u8) -> i16 {
        self.table()[usize::from(octet)]
    }

    /// All 256 linear samples, for loops that decode whole packets.
    pub(super) fn table(self) -> &'static [i16; 256] {
        match self {
            Self::Pcmu => &MU,
            Self::Pcma => &A,
        }
    }
}

static MU: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = decode_mu(octet as u8);
        octet += 1;
    }
    table
};
static A: [i16; 256] = {
    let mut table = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet] = decode_a(octet as u8);
        octet += 1;
    }
    table
};

/// Added to the magnitude before the segment is found, so that every segment starts at a power of two.
const MU_BIAS: i32 = 0x84;
/// The largest magnitude that µ-law carries once biased.
const MU_CLIP: i32 = 32_635;

const fn decode_mu(octet: u8) -> i16 {
    let code = !octet;
    let segment = (code >> 4) & 7;
    let magnitude = (((code & 15) as i32 * 8 + MU_BIAS) << segment) - MU_BIAS;
    if code & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 }
}

fn encode_mu(sample: i16) -> u8 {
    let (sign, magnitude) = folded(sample);
    let magnitude = magnitude.min(MU_CLIP) + MU_BIAS;
    let segment = magnitude.ilog2() - 7;
    let step = (magnitude >> (segment + 3)) & 15;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// The sign's bit, and how far a sample is from zero: of those below it one step less, as the ITU's tools have it (G.191), so
/// that a sample in the middle of two codes goes to the same side for everybody.
fn folded(sample: i16) -> (u8, i32) {
    if sample < 0 { (0x80, !i32::from(sample)) } else { (0, i32::from(sample)) }
}

const fn decode_a(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let segment = (code >> 4) & 7;
    let step = (code & 15) as i32 * 16 + 8;
    let magnitude = if segment == 0 { step } else { (step + 256) << (segment - 1) };
    if code & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 }
}

fn encode_a(sample: i16) -> u8 {
    let (sign, magnitude) = folded(sample);
    let segment = if magnitude < 256 { 0 } else { magnitude.ilog2() - 7 };
    let step = (magnitude >> segment.max(1).saturating_add(3)) & 15;
    (sign | (segment << 4) as u8 | step as u8) ^ 0xd5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_decoding_and_encoding() {
        for law in [Law::Pcmu, Law::Pcma] {
            for octet in 0..=255 {
                let sample = law.decode(octet);
                assert_eq!(law.decode(law.encode(sample)), sample, "{law:?} {octet:#04x}");
            }
        }
    }

    #[test]
    fn a_sample_between_two_codes_is_folded_as_the_standard_tools_do() {
        for law in [Law::Pcmu, Law::Pcma] {
            for sample in i16::MIN..0 {
                assert_eq!(law.encode(sample), law.encode(!sample) ^ 0x80, "{law:?} {sample}");
            }
        }
        // Halfway between the codes of -8 and -16 in the steps of 16 bits.
        assert_eq!(Law::Pcmu.decode(Law::Pcmu.encode(-12)), -8);
        assert_eq!(Law::Pcmu.decode(Law::Pcmu.encode(12)), 16);
    }

    #[test]
    fn a_sample_is_off_by_at_most_half_a_step() {
        for law in [Law::Pcmu, Law::Pcma] {
            for sample in (-32_000..=32_000_i16).step_by(7) {
                let error = (i32::from(law.decode(law.encode(sample))) - i32::from(sample)).abs();
                assert!(error <= 8 + i32::from(sample).abs() / 30, "{law:?} {sample} {error}");
            }
        }
    }

    #[test]
    fn known_octets_decode_as_the_standard_says() {
        assert_eq!(Law::Pcmu.decode(0xff), 0);
        assert_eq!(Law::Pcmu.decode(0x80), 32_124);
        assert_eq!(Law::Pcmu.decode(0x00), -32_124);
        assert_eq!(Law::Pcma.decode(0xd5), 8);
        assert_eq!(Law::Pcma.decode(0x55), -8);
        assert_eq!(Law::Pcma.decode(0xaa), 32_256);
    }
}
