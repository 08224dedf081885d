//! Brings wider sound to 8 kHz for the filters: enough is kept out to leave keys clean, no more.

use super::WINDOW;
use crate::frame::{Frame, SampleRate};

/// Taps of the filter from 16 to 8 kHz: one millisecond. From 6.2 kHz on, which would fold onto the keys, little
/// is left.
const TAPS: usize = 16;

/// Samples of a frame at 16 kHz.
const WIDE: usize = SampleRate::Hz16000.frame_len();

/// Samples at 48 kHz for one at 16 kHz: their mean is taken, which costs keys 0.15 dB.
const MEAN_OF: usize = 3;

/// Where the filter lets half through, as a part of 16 kHz: 3.4 kHz.
const CUT_OFF: f64 = 3_400.0 / 16_000.0;

/// Brings frames to 8 kHz.
#[derive(Clone)]
pub(super) struct Decimator {
    taps: [f32; TAPS],
    /// The end of the frame before, at 16 kHz.
    tail: [f32; TAPS],
}

impl Default for Decimator {
    fn default() -> Self {
        Self { taps: low_pass(), tail: [0.0; TAPS] }
    }
}

impl Decimator {
    /// Writes the frame at 8 kHz to `out`.
    pub(super) fn narrow(&mut self, frame: &Frame, out: &mut [f32; WINDOW]) {
        match frame.rate() {
            SampleRate::Hz8000 => {
                for (out, &sample) in out.iter_mut().zip(frame.samples()) {
                    *out = sample.into();
                }
            }
            SampleRate::Hz16000 => {
                let mut samples = frame.samples().iter();
                self.filter(|| samples.next().map_or(0.0, |&s| s.into()), out);
            }
            SampleRate::Hz48000 => {
                let mut threes = frame.samples().as_chunks::<MEAN_OF>().0.iter();
                let mean = |three: &[i16; MEAN_OF]| {
                    three.iter().map(|&s| i32::from(s)).sum::<i32>() as f32 / MEAN_OF as f32
                };
                self.filter(|| threes.next().map_or(0.0, mean), out);
            }
        }
    }

    /// Forgets the frame before: it was silent.
    pub(super) fn rest(&mut self) {
        self.tail = [0.0; TAPS];
    }

    /// Every other sample of what the filter makes of `next`.
    fn filter(&mut self, mut next: impl FnMut() -> f32, out: &mut [f32; WINDOW]) {
        let mut line = [0.0; TAPS + WIDE];
        let (tail, fresh) = line.split_at_mut(TAPS);
        tail.copy_from_slice(&self.tail);
        for sample in fresh {
            *sample = next();
        }
        for (n, out) in out.iter_mut().enumerate() {
            *out = dot(&line[2 * n + 2..2 * n + 2 + TAPS], &self.taps);
        }
        self.tail.copy_from_slice(&line[WIDE..]);
    }
}

/// In four sums, which the compiler can keep in a vector.
fn dot(samples: &[f32], taps: &[f32; TAPS]) -> f32 {
    let mut sums = [0.0; 4];
    for (four, taps) in samples.as_chunks::<4>().0.iter().zip(taps.as_chunks::<4>().0) {
        for n in 0..4 {
            sums[n] += four[n] * taps[n];
        }
    }
    sums.iter().sum()
}

/// A sinc under a Hamming curve, of a sum of one.
fn low_pass() -> [f32; TAPS] {
    let mut taps = [0.0; TAPS];
    for (n, tap) in taps.iter_mut().enumerate() {
        let at = n as f64 - (TAPS - 1) as f64 / 2.0;
        let angle = std::f64::consts::TAU * CUT_OFF * at;
        let curve = 0.54 + 0.46 * (std::f64::consts::TAU * at / TAPS as f64).cos();
        // The middle falls between two taps, so that nothing is divided by nought.
        *tap = angle.sin() / angle * curve;
    }
    let sum: f64 = taps.iter().sum();
    taps.map(|tap| (tap / sum) as f32)
}
