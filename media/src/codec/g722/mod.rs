//! ITU-T G.722 at 64 kbit/s: two bands of sub-band ADPCM, six bits for what is below 4 kHz and two for what is
//! above, in every byte.
//!
//! ```text
//!  16 kHz ─▶ transmit QMF ─┬─ low  ─▶ 6 bits ─┐          ┌─▶ low  band ─┐
//!                          └─ high ─▶ 2 bits ─┴─▶ byte ─▶┴─▶ high band ─┴▶ receive QMF ─▶ 16 kHz
//! ```
//!
//! The arithmetic is that of the Recommendation's block diagrams (§6.2), bit by bit: 16-bit numbers that
//! saturate. Both directions keep their state in place and allocate nothing.

mod band;
mod qmf;

use band::{HIGH, LOW, Scaler};
use qmf::Qmf;

pub(super) use qmf::DELAY;

/// The half of the coder that both directions run, so that they stay in step: for each band, the predictor and
/// the step of the quantiser.
#[derive(Clone)]
struct Bands {
    low: Scaler,
    high: Scaler,
}

impl Default for Bands {
    fn default() -> Self {
        Self { low: Scaler::new(&LOW), high: Scaler::new(&HIGH) }
    }
}

/// From bytes to 16 kHz.
#[derive(Clone, Default)]
pub(super) struct Decoder {
    bands: Bands,
    qmf: Qmf,
}

impl Decoder {
    /// Two samples from each byte; what does not fit in `out` is left out. Returns how many were written.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let (pairs, _half) = out.as_chunks_mut::<2>();
        for (pair, &byte) in pairs.iter_mut().zip(payload) {
            *pair = self.decode_byte(byte);
        }
        pairs.len().min(payload.len()) * 2
    }

    fn decode_byte(&mut self, byte: u8) -> [i16; 2] {
        let (low_code, high_code) = (usize::from(byte & 0x3f), usize::from(byte >> 6));
        let low = self.bands.low.reconstruct(band::low_difference(low_code, self.bands.low.step()));
        self.bands.low.adapt(&LOW, low_code >> 2);
        let high = self.bands.high.reconstruct(HIGH.difference(high_code, self.bands.high.step()));
        self.bands.high.adapt(&HIGH, high_code);
        self.qmf.join(low, high)
    }
}

/// From 16 kHz to bytes.
#[derive(Clone, Default)]
pub(super) struct Encoder {
    bands: Bands,
    qmf: Qmf,
}

impl Encoder {
    /// A byte from every two samples; an odd one at the end and what does not fit in `out` are left out. Returns
    /// the number of bytes.
    pub(super) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        let (pairs, _half) = samples.as_chunks::<2>();
        for (byte, &pair) in out.iter_mut().zip(pairs) {
            *byte = self.encode_pair(pair);
        }
        out.len().min(pairs.len())
    }

    fn encode_pair(&mut self, pair: [i16; 2]) -> u8 {
        let (low, high) = self.qmf.split(pair);
        let low_code = band::quantise_low(self.bands.low.difference_from(low), self.bands.low.step());
        self.bands.low.adapt(&LOW, usize::from(low_code >> 2));
        let high_code = band::quantise_high(self.bands.high.difference_from(high), self.bands.high.step());
        self.bands.high.adapt(&HIGH, usize::from(high_code));
        high_code << 6 | low_code
    }

    /// As if `previous` had been all that was ever encoded. Step and predictor find the signal within a few
    /// milliseconds, and the decoder's own forget where they differ (leakage, §3.6 of the Recommendation).
    pub(super) fn warm_up(&mut self, previous: &[i16]) {
        *self = Self::default();
        for &pair in previous.as_chunks::<2>().0 {
            self.encode_pair(pair);
        }
    }
}

#[cfg(test)]
mod tests;
