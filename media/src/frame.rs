//! 20 ms of sound: mono, linear, signed 16 bit, at one of the rates a conference can have.

use crate::time::Tick;

/// Samples a second. Not a clock rate: G.722 ticks its RTP timestamps at 8,000 and carries 16,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleRate {
    /// 8,000 samples a second: G.711, the telephone network.
    Hz8000,
    /// 16,000 samples a second: G.722, wideband speech.
    Hz16000,
    /// 48,000 samples a second: Opus.
    Hz48000,
}

impl SampleRate {
    /// All of them, lowest first.
    pub const ALL: [Self; 3] = [Self::Hz8000, Self::Hz16000, Self::Hz48000];

    /// Its place in [`SampleRate::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// Samples a second.
    pub const fn hertz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz48000 => 48_000,
        }
    }

    /// Samples in one [`Frame`].
    pub const fn frame_len(self) -> usize {
        (self.hertz() as usize * Tick::DURATION.as_millis() as usize) / 1_000
    }
}

/// 20 ms at 48 kHz, the longest frame there is.
pub const FRAME_LEN_MAX: usize = SampleRate::Hz48000.frame_len();

/// 20 ms of mono sound; `frame_len` samples of its rate are in use.
#[derive(Clone)]
pub struct Frame {
    rate: SampleRate,
    samples: [i16; FRAME_LEN_MAX],
}

impl Frame {
    /// Digital silence.
    pub const fn silence(rate: SampleRate) -> Self {
        Self { rate, samples: [0; FRAME_LEN_MAX] }
    }

    /// The rate of the samples.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Becomes digital silence at `rate`.
    pub fn silence_at(&mut self, rate: SampleRate) {
        self.rate = rate;
        self.samples_mut().fill(0);
    }

    /// Becomes a frame at `rate`: its samples, to be written, all of them.
    pub(crate) fn samples_at(&mut self, rate: SampleRate) -> &mut [i16] {
        self.rate = rate;
        self.samples_mut()
    }

    /// The samples, `rate().frame_len()` of them.
    pub fn samples(&self) -> &[i16] {
        &self.samples[..self.rate.frame_len()]
    }

    /// The samples, to be written.
    pub fn samples_mut(&mut self) -> &mut [i16] {
        &mut self.samples[..self.rate.frame_len()]
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let peak = self.samples().iter().map(|s| s.unsigned_abs()).max();
        f.debug_struct("Frame").field("rate", &self.rate).field("peak", &peak).finish()
    }
}
