//! From one line of samples at any rate to 16 bits at ours, a block at a time: only the result is held as a whole.

use confab_media::SampleRate;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler};

use super::Limits;
use super::error::{SoundError, UNPLAYABLE};

/// Samples that the resampler takes at once, about; nobody waits for it.
const CHUNK: usize = 1_024;

/// A sound on its way.
pub(super) struct Rendering {
    converter: Option<Converter>,
    from: u32,
    to: u32,
    limits: Limits,
    /// Samples that came.
    taken: u64,
    samples: Vec<i16>,
}

/// What changes the rate.
struct Converter {
    fft: Fft<f32>,
    waiting: Vec<f32>,
    out: Vec<f32>,
    /// Samples to leave out at the beginning: the filter's delay.
    delay: usize,
}

impl Rendering {
    /// `from` is not zero.
    pub(super) fn new(from: u32, to: SampleRate, limits: &Limits) -> Result<Self, SoundError> {
        let to = to.hertz();
        let converter = if from == to { None } else { Some(Converter::new(from, to)?) };
        Ok(Self { converter, from, to, limits: *limits, taken: 0, samples: Vec::new() })
    }

    /// So many samples are to come: refuses too many before they are read.
    pub(super) fn expect(&self, samples: usize) -> Result<(), SoundError> {
        let seconds = self.limits.duration.as_secs();
        if samples as u64 > seconds * u64::from(self.from) {
            let message = format!("The sound is longer than {seconds} seconds, the most that is played.");
            return Err(SoundError { code: UNPLAYABLE, message });
        }
        Ok(())
    }

    /// More samples, full scale at 1.
    pub(super) fn push(&mut self, block: &[f32]) -> Result<(), SoundError> {
        self.taken += block.len() as u64;
        self.expect(usize::try_from(self.taken).unwrap_or(usize::MAX))?;
        match &mut self.converter {
            None => self.samples.extend(block.iter().copied().map(whole)),
            Some(converter) => {
                converter.waiting.extend_from_slice(block);
                converter.convert(&mut self.samples)?;
            }
        }
        Ok(())
    }

    /// The whole sound.
    pub(super) fn finish(mut self) -> Result<Vec<i16>, SoundError> {
        if let Some(converter) = &mut self.converter {
            let length = self.taken * u64::from(self.to);
            let length = usize::try_from(length.div_ceil(u64::from(self.from))).unwrap_or(usize::MAX);
            converter.flush(&mut self.samples, length)?;
        }
        Ok(self.samples)
    }
}

impl Converter {
    fn new(from: u32, to: u32) -> Result<Self, SoundError> {
        let fft =
            Fft::<f32>::new(from as usize, to as usize, CHUNK, 1, FixedSync::Both).map_err(|error| {
                SoundError::broken(&format!("there is no way from {from} to {to} Hz: {error}"))
            })?;
        let delay = fft.output_delay();
        let out = vec![0.0; fft.output_frames_max()];
        Ok(Self { fft, waiting: Vec::new(), out, delay })
    }

    /// Converts what there is enough of.
    fn convert(&mut self, samples: &mut Vec<i16>) -> Result<(), SoundError> {
        let mut taken = 0;
        while self.waiting.len() - taken >= self.fft.input_frames_next() {
            taken += self.step(taken, None, samples)?;
        }
        self.waiting.drain(..taken);
        Ok(())
    }

    /// Converts the rest, and silence until the sound is `length` samples long.
    fn flush(&mut self, samples: &mut Vec<i16>, length: usize) -> Result<(), SoundError> {
        self.step(0, Some(self.waiting.len()), samples)?;
        while samples.len() < length {
            self.step(0, Some(0), samples)?;
        }
        samples.truncate(length);
        Ok(())
    }

    fn step(
        &mut self,
        at: usize,
        partial: Option<usize>,
        samples: &mut Vec<i16>,
    ) -> Result<usize, SoundError> {
        let cannot =
            |error: &dyn std::fmt::Display| SoundError::broken(&format!("it cannot be resampled: {error}"));
        let (waiting, room) = (&self.waiting[at..], self.out.len());
        let input = InterleavedSlice::new(waiting, 1, waiting.len()).map_err(|error| cannot(&error))?;
        let mut output = InterleavedSlice::new_mut(&mut self.out, 1, room).map_err(|error| cannot(&error))?;
        let indexing = partial.map(|partial| Indexing::new().partial_len(partial));
        let (read, written) = self
            .fft
            .process_into_buffer(&input, &mut output, indexing.as_ref())
            .map_err(|error| cannot(&error))?;
        let late = self.delay.min(written);
        self.delay -= late;
        samples.extend(self.out[late..written].iter().copied().map(whole));
        Ok(read)
    }
}

/// As 16 bits; what is no number is silence.
fn whole(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}
