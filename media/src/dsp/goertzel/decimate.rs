//! Brings wider sound to 8 kHz for the filters: enough is kept out to leave keys clean, no more.

use std::f64::consts::{FRAC_PI_2, TAU};

use super::WINDOW;
use super::bank::cos;
use crate::frame::{Frame, SampleRate};

/// Taps of the filter from 16 to 8 kHz: one millisecond. From 6.2 kHz on, which would fold onto the keys, little
/// is left.
const TAPS: usize = 16;

/// Where the filter lets half through, as a part of 16 kHz: 3.4 kHz.
const CUT_OFF: f64 = 3_400.0 / 16_000.0;

/// Brings frames to 8 kHz.
#[derive(Clone, Default)]
pub(super) struct Decimator {
    /// The end of the frame before, at 16 kHz.
    tail: [f32; TAPS],
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
                self.filter(frame.samples().as_chunks().0, |[a, b]| (a.into(), b.into()), out)
            }
            SampleRate::Hz48000 => self.filter(frame.samples().as_chunks().0, means, out),
        }
    }

    /// Forgets the frame before: it was silent.
    pub(super) fn rest(&mut self) {
        self.tail = [0.0; TAPS];
    }

    /// Every other sample of what the filter makes of 16 kHz, of which `pair` makes two samples from some of the frame's.
    /// Even and odd samples are kept apart, so that the compiler can make several at once.
    #[inline]
    fn filter<const N: usize>(
        &mut self,
        frame: &[[i16; N]],
        pair: impl Fn([i16; N]) -> (f32, f32),
        out: &mut [f32; WINDOW],
    ) {
        let (mut even, mut odd) = ([0.0; LINE], [0.0; LINE]);
        for n in 0..TAPS / 2 {
            (even[n], odd[n]) = (self.tail[2 * n], self.tail[2 * n + 1]);
        }
        let fresh = even[TAPS / 2..].iter_mut().zip(&mut odd[TAPS / 2..]);
        for ((even, odd), samples) in fresh.zip(frame) {
            (*even, *odd) = pair(*samples);
        }
        *out = [0.0; WINDOW];
        for tap in 0..TAPS / 2 {
            let (of_even, of_odd) = (LOW_PASS[2 * tap], LOW_PASS[2 * tap + 1]);
            let samples = even[tap + 1..].iter().zip(&odd[tap + 1..]);
            for (out, (even, odd)) in out.iter_mut().zip(samples) {
                *out += even * of_even + odd * of_odd;
            }
        }
        for n in 0..TAPS / 2 {
            (self.tail[2 * n], self.tail[2 * n + 1]) = (even[WINDOW + n], odd[WINDOW + n]);
        }
    }
}

/// Two samples at 16 kHz of six at 48: the means of three each, which costs keys 0.15 dB.
fn means([a, b, c, d, e, f]: [i16; 6]) -> (f32, f32) {
    let mean = |three: [i16; 3]| three.map(i32::from).iter().sum::<i32>() as f32 / 3.0;
    (mean([a, b, c]), mean([d, e, f]))
}

/// Of what the filter runs over, every other sample.
const LINE: usize = TAPS / 2 + WINDOW;

/// A sinc under a Hamming curve, of a sum of one.
static LOW_PASS: [f32; TAPS] = {
    let (mut taps, mut sum, mut n) = ([0.0; TAPS], 0.0, 0);
    while n < TAPS {
        let at = n as f64 - (TAPS - 1) as f64 / 2.0;
        let angle = TAU * CUT_OFF * at;
        let curve = 0.54 + 0.46 * cos(TAU * at / TAPS as f64);
        // The middle falls between two taps, so that nothing is divided by nought.
        taps[n] = cos(angle % TAU - FRAC_PI_2) / angle * curve;
        sum += taps[n];
        n += 1;
    }
    let (mut low_pass, mut n) = ([0.0; TAPS], 0);
    while n < TAPS {
        low_pass[n] = (taps[n] / sum) as f32;
        n += 1;
    }
    low_pass
};
