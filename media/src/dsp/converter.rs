//! From any rate to any other, whichever is the higher.

use std::time::Duration;

use super::kernel::REACH;
use super::resample::{Downsampler, Sample, Upsampler};
use crate::frame::SampleRate;

/// By how much converting from one rate to another, or back, delays sound.
pub fn conversion_delay(from: SampleRate, to: SampleRate) -> Duration {
    if from == to {
        return Duration::ZERO;
    }
    let lower = from.min(to).hertz();
    Duration::from_secs(1) / lower * REACH as u32
}

/// A resampler in either direction. Built on the control side: it may allocate, and does nothing of the kind
/// afterwards.
#[derive(Clone, Debug)]
pub struct RateConverter {
    from: SampleRate,
    to: SampleRate,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Up(Upsampler),
    /// Its memory is four times as long.
    Down(Box<Downsampler>),
}

impl RateConverter {
    /// From one rate to another, after silence.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let way = if from <= to {
            Way::Up(Upsampler::new(from, to))
        } else {
            Way::Down(Box::new(Downsampler::new(from, to)))
        };
        Self { from, to, way }
    }

    /// The rate it converts from.
    pub const fn from(&self) -> SampleRate {
        self.from
    }

    /// The rate it converts to.
    pub const fn to(&self) -> SampleRate {
        self.to
    }

    /// Converts a frame, or a sum of frames without limiting it.
    pub fn convert<S: Sample>(&mut self, input: &[S], out: &mut [S]) {
        match &mut self.way {
            Way::Up(up) => up.resample(input, out),
            Way::Down(down) => down.resample(input, out),
        }
    }

    /// Forgets what went before: silence.
    pub fn reset(&mut self) {
        match &mut self.way {
            Way::Up(up) => *up = Upsampler::new(self.from, self.to),
            Way::Down(down) => **down = Downsampler::new(self.from, self.to),
        }
    }
}
