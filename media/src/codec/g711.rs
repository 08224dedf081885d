//! ITU-T G.711: eight bits a sample, 8,000 samples a second, in two laws.
//!
//! All four conversions are table look-ups, and the tables are made by the compiler. µ-law looks at
//! the upper 14 bits of a sample and A-law at the upper 12 (its 13-bit magnitudes come in steps of
//! two), so the tables that encode have 16,384 and 4,096 entries. Negative samples are folded by
//! complement, not by negation, as the ITU's software tool library (G.191) does.

/// Samples of every µ-law byte.
pub(super) static ULAW_TO_LINEAR: [i16; 256] = table_of_ulaw_bytes();
/// Samples of every A-law byte.
pub(super) static ALAW_TO_LINEAR: [i16; 256] = table_of_alaw_bytes();

/// µ-law bytes, by the upper 14 bits of the sample.
static LINEAR_TO_ULAW: [u8; 1 << 14] = table_of_ulaw_samples();
/// A-law bytes, by the upper 12 bits of the sample.
static LINEAR_TO_ALAW: [u8; 1 << 12] = table_of_alaw_samples();

/// Looks up every byte of `payload`; returns the number of samples written.
pub(super) fn decode(table: &[i16; 256], payload: &[u8], out: &mut [i16]) -> usize {
    for (sample, &byte) in out.iter_mut().zip(payload) {
        *sample = table[usize::from(byte)];
    }
    out.len().min(payload.len())
}

/// Looks up every sample; returns the number of bytes written.
pub(super) fn encode_ulaw(samples: &[i16], out: &mut [u8]) -> usize {
    for (byte, &sample) in out.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ULAW[usize::from(sample as u16 >> 2)];
    }
    out.len().min(samples.len())
}

/// Looks up every sample; returns the number of bytes written.
pub(super) fn encode_alaw(samples: &[i16], out: &mut [u8]) -> usize {
    for (byte, &sample) in out.iter_mut().zip(samples) {
        *byte = LINEAR_TO_ALAW[usize::from(sample as u16 >> 4)];
    }
    out.len().min(samples.len())
}

/// Bias that makes the µ-law segments start at powers of two (G.711 table 2, in 14-bit units).
const ULAW_BIAS: i32 = 33;
/// The greatest magnitude µ-law codes, in 14-bit units, before the bias.
const ULAW_MAGNITUDE_MAX: i32 = 8_158;

const fn ulaw_byte(sample14: i32) -> u8 {
    let negative = sample14 < 0;
    let folded = if negative { !sample14 } else { sample14 };
    let clipped = if folded > ULAW_MAGNITUDE_MAX { ULAW_MAGNITUDE_MAX } else { folded };
    let biased = (clipped + ULAW_BIAS) as u32;
    // The highest bit is bit 5 in segment 0 and bit 12 in segment 7.
    let segment = biased.ilog2() - 5;
    let interval = (biased >> (segment + 1)) & 0x0f;
    let magnitude = (segment << 4 | interval) as u8;
    // On the line all bits are inverted; the sign bit is one for positive values after that.
    !(if negative { magnitude | 0x80 } else { magnitude })
}

const fn ulaw_sample(byte: u8) -> i16 {
    let code = !byte;
    let segment = (code >> 4) & 0x07;
    let interval = (code & 0x0f) as i32;
    let magnitude = (((interval * 2 + ULAW_BIAS) << segment) - ULAW_BIAS) * 4;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// Even bits are inverted on the line, so that silence is not all zeros (G.711 §3.3).
const ALAW_EVEN_BITS: u8 = 0x55;

const fn alaw_byte(sample12: i32) -> u8 {
    let negative = sample12 < 0;
    let folded = (if negative { !sample12 } else { sample12 }) as u32;
    // Segments 0 and 1 have the same step; from there on each doubles it.
    let magnitude = if folded < 32 {
        folded
    } else {
        let segment = folded.ilog2() - 3;
        segment << 4 | ((folded >> (segment - 1)) & 0x0f)
    } as u8;
    (if negative { magnitude } else { magnitude | 0x80 }) ^ ALAW_EVEN_BITS
}

const fn alaw_sample(byte: u8) -> i16 {
    let code = byte ^ ALAW_EVEN_BITS;
    let segment = (code >> 4) & 0x07;
    let interval = (code & 0x0f) as i32;
    // Half a step is added: the value is the middle of its interval.
    let magnitude = match segment {
        0 => (interval << 4) + 8,
        _ => ((interval << 4) + 0x108) << (segment - 1),
    };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

const fn table_of_ulaw_bytes() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = ulaw_sample(byte as u8);
        byte += 1;
    }
    table
}

const fn table_of_alaw_bytes() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = alaw_sample(byte as u8);
        byte += 1;
    }
    table
}

const fn table_of_ulaw_samples() -> [u8; 1 << 14] {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = ulaw_byte((index as u16 as i32) << 18 >> 18);
        index += 1;
    }
    table
}

const fn table_of_alaw_samples() -> [u8; 1 << 12] {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        table[index] = alaw_byte((index as u16 as i32) << 20 >> 20);
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What zero is encoded to.
    const ULAW_SILENCE: u8 = 0xff;
    const ALAW_SILENCE: u8 = 0xd5;

    fn ulaw(sample: i16) -> u8 {
        let mut out = [0];
        assert_eq!(encode_ulaw(&[sample], &mut out), 1);
        out[0]
    }

    fn alaw(sample: i16) -> u8 {
        let mut out = [0];
        assert_eq!(encode_alaw(&[sample], &mut out), 1);
        out[0]
    }

    /// Decision values of G.711 table 2a: 1, 3 .. 31 in the first segment, and steps that double after
    /// 31, 95, 223 and so on. The code is how many of them the magnitude has reached.
    fn ulaw_by_decision_values(sample: i16) -> u8 {
        let mut decisions = vec![1];
        let mut step = 2;
        let mut in_segment = 1;
        while decisions.len() < 127 {
            let last = decisions[decisions.len() - 1];
            decisions.push(last + step);
            in_segment += 1;
            if in_segment == 16 {
                in_segment = 0;
                step *= 2;
            }
        }
        let value = i32::from(sample) >> 2;
        let magnitude = if value < 0 { -1 - value } else { value };
        let code = decisions.iter().filter(|&&d| magnitude >= d).count() as u8;
        if value < 0 { 0x7f - code } else { 0xff - code }
    }

    /// Decision values of G.711 table 1a, in steps of the 12 bits A-law looks at.
    fn alaw_by_decision_values(sample: i16) -> u8 {
        let mut decisions: Vec<i32> = (1..=32).collect();
        let mut step = 2;
        while decisions.len() < 127 {
            for _ in 0..16 {
                decisions.push(decisions[decisions.len() - 1] + step);
            }
            step *= 2;
        }
        decisions.truncate(127);
        let value = i32::from(sample) >> 4;
        let magnitude = if value < 0 { -1 - value } else { value };
        let code = decisions.iter().filter(|&&d| magnitude >= d).count() as u8;
        let signed = if value < 0 { code } else { code + 0x80 };
        signed ^ 0x55
    }

    #[test]
    fn ulaw_agrees_with_the_recommendations_decision_values_on_every_sample() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(ulaw(sample), ulaw_by_decision_values(sample), "{sample}");
        }
    }

    #[test]
    fn alaw_agrees_with_the_recommendations_decision_values_on_every_sample() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(alaw(sample), alaw_by_decision_values(sample), "{sample}");
        }
    }

    #[test]
    fn known_values_of_the_tables() {
        // G.711 tables 1 and 2: the ends and the middle of both scales, left-justified to 16 bits.
        assert_eq!(ULAW_TO_LINEAR[0x80], 32_124);
        assert_eq!(ULAW_TO_LINEAR[0x00], -32_124);
        assert_eq!(ULAW_TO_LINEAR[0xff], 0);
        assert_eq!(ULAW_TO_LINEAR[0x7f], 0);
        assert_eq!(ALAW_TO_LINEAR[0xaa], 32_256);
        assert_eq!(ALAW_TO_LINEAR[0x2a], -32_256);
        assert_eq!(ALAW_TO_LINEAR[0xd5], 8);
        assert_eq!(ALAW_TO_LINEAR[0x55], -8);
    }

    #[test]
    fn zero_encodes_to_the_silence_byte() {
        assert_eq!(ulaw(0), ULAW_SILENCE);
        assert_eq!(alaw(0), ALAW_SILENCE);
    }

    #[test]
    fn a_decoded_sample_survives_another_passage() {
        for byte in 0..=255u8 {
            let u = ULAW_TO_LINEAR[usize::from(byte)];
            assert_eq!(ULAW_TO_LINEAR[usize::from(ulaw(u))], u);
            let a = ALAW_TO_LINEAR[usize::from(byte)];
            assert_eq!(ALAW_TO_LINEAR[usize::from(alaw(a))], a);
            assert_eq!(alaw(a), byte);
        }
    }

    #[test]
    fn louder_never_decodes_quieter() {
        let (mut last_u, mut last_a) = (i16::MIN, i16::MIN);
        for sample in i16::MIN..=i16::MAX {
            let u = ULAW_TO_LINEAR[usize::from(ulaw(sample))];
            let a = ALAW_TO_LINEAR[usize::from(alaw(sample))];
            assert!(u >= last_u && a >= last_a, "{sample}");
            (last_u, last_a) = (u, a);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut samples = [7; 3];
        assert_eq!(decode(&ULAW_TO_LINEAR, &[0xff; 2], &mut samples), 2);
        assert_eq!(samples, [0, 0, 7]);
        assert_eq!(decode(&ULAW_TO_LINEAR, &[0xff; 9], &mut samples), 3);
        let mut bytes = [1; 2];
        assert_eq!(encode_ulaw(&[0; 5], &mut bytes), 2);
        assert_eq!(encode_alaw(&[], &mut bytes), 0);
        assert_eq!(bytes, [ULAW_SILENCE; 2]);
    }
}
