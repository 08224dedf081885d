//! From one sample rate to another: 8, 16 and 48 kHz, frame by frame and without a seam.
//!
//! A polyphase filter with linear phase: the delay is the same at all frequencies and known to the sample. It is
//! linear: nothing is limited inside, so a mix that is too loud for 16 bits can be resampled as the 32-bit sum that
//! it is, and limited afterwards. An instance remembers only the last few milliseconds of its input; the
//! coefficients are tables that all share.
//!
//! ```text
//!  higher rate │ a frame │      Downsampler: every output is the filter over 48 samples' worth of lower rate
//!              └────┬────┘
//!                   ▼
//!  lower rate  │ a frame │      Upsampler: the outputs between two inputs are phases of the same filter
//! ```

use super::kernel::{DOWN_2, DOWN_3, DOWN_6, REACH, TAPS, UP_2, UP_3, UP_6};
use crate::frame::{FRAME_LEN_MAX, SampleRate};

/// To a higher rate, or to the same one.
#[derive(Clone, Debug)]
pub struct Upsampler {
    /// A filter for each sample between two of the input; none if the rates are the same.
    phases: &'static [[f32; TAPS]],
    /// The last samples of the input, oldest first.
    history: [f32; UP_HISTORY],
}

/// A window of the filter begins in the history unless it begins with the newest input.
const UP_HISTORY: usize = TAPS - 1;

/// The longest input that is filtered in one go: 20 ms at 16 kHz.
const UP_BLOCK: usize = 320;

/// Outputs of a phase that are computed together, each in a lane of the processor's vectors.
const UP_LANES: usize = 16;

impl Upsampler {
    /// # Panics
    ///
    /// If `to` is below `from`.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let phases: &[[f32; TAPS]] = match to.hertz() / from.hertz() {
            1 => &[],
            2 => &UP_2,
            3 => &UP_3,
            6 => &UP_6,
            ratio => panic!("upsampling {ratio} times: {from:?} to {to:?}"),
        };
        Self { phases, history: [0.0; UP_HISTORY] }
    }

    /// How many samples come out for one that goes in.
    pub const fn ratio(&self) -> usize {
        if self.phases.is_empty() { 1 } else { self.phases.len() }
    }

    /// How much later a sound comes out, in samples of the output.
    pub const fn delay(&self) -> usize {
        REACH * self.phases.len()
    }

    /// Takes `past` as what went before, so that what comes begins without an edge.
    pub fn prime(&mut self, past: &[i16]) {
        remember(&mut self.history, past);
    }

    /// Resamples `input`; `out` should be [`ratio`](Self::ratio) times as long.
    pub fn resample<S: Sample>(&mut self, input: &[S], out: &mut [S]) {
        if self.phases.is_empty() {
            return copy(input, out);
        }
        let ratio = self.ratio();
        for (input, out) in input.chunks(UP_BLOCK).zip(out.chunks_mut(UP_BLOCK * ratio)) {
            // Lanes past the end of the input compute what nobody reads.
            let mut samples = [0.0; UP_HISTORY + UP_BLOCK + UP_LANES];
            fill(&mut samples, &self.history, input);
            for (at, out) in out.chunks_mut(UP_LANES * ratio).enumerate() {
                self.interpolate(&samples[at * UP_LANES..], out);
            }
            remember(&mut self.history, input);
        }
    }

    fn interpolate<S: Sample>(&self, samples: &[f32], out: &mut [S]) {
        let Some(window) = samples.first_chunk::<{ UP_HISTORY + UP_LANES }>() else {
            return;
        };
        for (phase, taps) in self.phases.iter().enumerate() {
            let lanes = convolve(taps, window);
            for (out, lane) in out.iter_mut().skip(phase).step_by(self.phases.len()).zip(lanes) {
                *out = S::rounded(lane);
            }
        }
    }
}

/// The filter at successive places, one in each lane: additions of one lane never wait for those of another.
fn convolve(taps: &[f32; TAPS], window: &[f32; UP_HISTORY + UP_LANES]) -> [f32; UP_LANES] {
    let mut lanes = [0.0; UP_LANES];
    for (tap, samples) in taps.iter().zip(window.windows(UP_LANES)) {
        for (lane, sample) in lanes.iter_mut().zip(samples) {
            *lane += tap * sample;
        }
    }
    lanes
}

/// To a lower rate, or to the same one.
#[derive(Clone, Debug)]
pub struct Downsampler {
    /// None if the rates are the same.
    taps: &'static [f32],
    ratio: usize,
    /// The last samples of the input, oldest first; as many as there are taps are in use, at the end.
    history: [f32; DOWN_HISTORY],
}

/// The longest filter.
const DOWN_HISTORY: usize = DOWN_6.len();

/// The longest input that is filtered in one go: 20 ms at 48 kHz, a multiple of every ratio.
const DOWN_BLOCK: usize = FRAME_LEN_MAX;

/// Parts of a sum that are added up side by side. All filters are a multiple of it long.
const DOWN_LANES: usize = 8;

impl Downsampler {
    /// # Panics
    ///
    /// If `to` is above `from`.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let ratio = (from.hertz() / to.hertz()) as usize;
        let taps: &[f32] = match ratio {
            1 => &[],
            2 => &DOWN_2,
            3 => &DOWN_3,
            6 => &DOWN_6,
            _ => panic!("downsampling {ratio} times: {from:?} to {to:?}"),
        };
        Self { taps, ratio, history: [0.0; DOWN_HISTORY] }
    }

    /// How many samples must go in for one that comes out.
    pub const fn ratio(&self) -> usize {
        self.ratio
    }

    /// How much later a sound comes out, in samples of the output.
    pub const fn delay(&self) -> usize {
        if self.taps.is_empty() { 0 } else { REACH }
    }

    /// Takes `past` as what went before, so that what comes begins without an edge.
    pub fn prime(&mut self, past: &[i16]) {
        remember(&mut self.history, past);
    }

    /// Resamples `input`, which is [`ratio`](Self::ratio) times as long as `out`.
    pub fn resample<S: Sample>(&mut self, input: &[S], out: &mut [S]) {
        if self.taps.is_empty() {
            return copy(input, out);
        }
        for (input, out) in input.chunks(DOWN_BLOCK).zip(out.chunks_mut(DOWN_BLOCK / self.ratio)) {
            let mut samples = [0.0; DOWN_HISTORY + DOWN_BLOCK];
            let history = &self.history[DOWN_HISTORY - self.taps.len()..];
            fill(&mut samples, history, input);
            for (out, at) in out.iter_mut().zip((0..input.len()).step_by(self.ratio)) {
                *out = S::rounded(dot(self.taps, &samples[at..]));
            }
            remember(&mut self.history, input);
        }
    }
}

fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    let mut lanes = [0.0; DOWN_LANES];
    for (taps, samples) in taps.as_chunks::<DOWN_LANES>().0.iter().zip(samples.as_chunks::<DOWN_LANES>().0) {
        for ((lane, tap), sample) in lanes.iter_mut().zip(taps).zip(samples) {
            *lane += tap * sample;
        }
    }
    lanes.iter().sum()
}

/// A sample of a frame (`i16`), or of a sum of frames (`i32`). What is over full scale between the samples of a frame
/// is held there; a sum is not limited, and may reach 2^23 (256 talkers at full scale): from 2^22 on its last bit is
/// lost.
pub trait Sample: Copy {
    /// For the filter.
    fn widened(self) -> f32;
    /// What the filter makes of it.
    fn rounded(value: f32) -> Self;
}

impl Sample for i16 {
    fn widened(self) -> f32 {
        self.into()
    }

    fn rounded(value: f32) -> Self {
        i32::rounded(value.clamp(Self::MIN.into(), Self::MAX.into())) as Self
    }
}

impl Sample for i32 {
    fn widened(self) -> f32 {
        self as f32
    }

    fn rounded(value: f32) -> Self {
        // Halves away from zero; the processor's own rounding is a call of a library on older ones.
        (value + 0.5_f32.copysign(value)) as Self
    }
}

fn copy<S: Sample>(input: &[S], out: &mut [S]) {
    for (out, &sample) in out.iter_mut().zip(input) {
        *out = sample;
    }
}

/// Lines up the history and what is new.
fn fill<S: Sample>(samples: &mut [f32], history: &[f32], input: &[S]) {
    let (old, new) = samples.split_at_mut(history.len());
    old.copy_from_slice(history);
    for (sample, input) in new.iter_mut().zip(input) {
        *sample = input.widened();
    }
}

/// Keeps the last samples, of `input` and if that is short of the history before it.
fn remember<S: Sample>(history: &mut [f32], input: &[S]) {
    let kept = history.len().saturating_sub(input.len());
    history.copy_within(history.len() - kept.., 0);
    let newest = &input[input.len() - (history.len() - kept)..];
    for (history, sample) in history[kept..].iter_mut().zip(newest) {
        *history = sample.widened();
    }
}

#[cfg(test)]
mod tests;
