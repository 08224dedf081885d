//! Speech from a file, for talkers to say instead of tones: read from WAV, made mono, and brought to the rates of the
//! codecs that are spoken. The file goes round; each talker begins at a place of its own, and that is how they are told apart
//! (see `likeness`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hound::{SampleFormat, WavReader};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};
use serde::Serialize;

use super::codec::{BASE_RATE, Codec};
use super::plan::{FRAME_MS, FRAME_SAMPLES};

/// Ten minutes. The whole file is held in memory at each rate, and encoded in each codec.
const SECONDS_MAX: u64 = 600;
/// Talkers begin at least so far apart in the file, in frames: 1.5 s. That is more than any delay that is told apart.
const APART_MIN: usize = 75;
/// Frames that the resampler takes at once; nobody waits for it.
const CHUNK: usize = 1_024;

/// A speech to say.
#[derive(Clone, Serialize)]
pub struct Speech {
    file: PathBuf,
    seconds: f64,
    /// At the lowest rate and those of the codecs; a whole number of frames.
    #[serde(skip)]
    by_rate: BTreeMap<u32, Arc<[i16]>>,
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speech")
            .field("file", &self.file)
            .field("seconds", &self.seconds)
            .finish_non_exhaustive()
    }
}

impl Speech {
    /// Reads a WAV file of any rate, width and number of channels, for callers who speak these codecs.
    ///
    /// # Errors
    /// When it cannot be read, is empty or too long; in words that name the file.
    pub fn read(file: &Path, codecs: &[Codec]) -> Result<Self, String> {
        let problem = |why: String| format!("--speech {}: {why}", file.display());
        let (rate, sound) = read_mono(file).map_err(|error| problem(error.to_string()))?;
        let frames = (sound.len() as u64 * 1_000).div_ceil(u64::from(rate.max(1)) * FRAME_MS);
        if frames == 0 || rate == 0 {
            return Err(problem("there is no sound in it".to_owned()));
        }
        if frames * FRAME_MS > SECONDS_MAX * 1_000 {
            return Err(problem(format!("it is longer than {SECONDS_MAX} s")));
        }
        let rates = codecs.iter().map(|codec| codec.sample_rate()).chain([BASE_RATE as u32]);
        let by_rate = rates
            .map(|to| Ok((to, whole(resample(&sound, rate, to)?, frames, to))))
            .collect::<Result<_, String>>()
            .map_err(problem)?;
        let seconds = (frames * FRAME_MS) as f64 / 1e3;
        Ok(Self { file: file.to_owned(), seconds, by_rate })
    }

    /// The file's name.
    pub(super) fn name(&self) -> std::path::Display<'_> {
        self.file.display()
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The talkers who can begin far enough apart.
    pub(super) fn talkers_max(&self) -> usize {
        self.frames() / APART_MIN
    }

    /// With which frame of the file a talker begins.
    pub(super) fn first_frame(&self, talker: usize, talkers: usize) -> u64 {
        (talker * self.frames() / talkers.max(1)) as u64
    }

    /// The sound at a codec's rate.
    pub(super) fn at(&self, codec: Codec) -> Arc<[i16]> {
        Arc::clone(&self.by_rate[&codec.sample_rate()])
    }

    /// The sound at the lowest rate.
    pub(super) fn at_base(&self) -> &[i16] {
        &self.by_rate[&(BASE_RATE as u32)]
    }

    fn frames(&self) -> usize {
        self.at_base().len() / FRAME_SAMPLES
    }
}

/// The rate, and all channels in one, from -1 to 1.
fn read_mono(file: &Path) -> hound::Result<(u32, Vec<f32>)> {
    let mut wav = WavReader::open(file)?;
    let spec = wav.spec();
    let samples: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => wav.samples::<f32>().collect::<hound::Result<_>>()?,
        SampleFormat::Int => {
            let full = 2.0_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = |sample: hound::Result<i32>| sample.map(|sample| sample as f32 / full);
            wav.samples::<i32>().map(scaled).collect::<hound::Result<_>>()?
        }
    };
    let channels = usize::from(spec.channels.max(1));
    let mix = |frame: &[f32]| frame.iter().sum::<f32>() / channels as f32;
    Ok((spec.sample_rate, samples.chunks(channels).map(mix).collect()))
}

fn resample(sound: &[f32], from: u32, to: u32) -> Result<Vec<f32>, String> {
    if from == to {
        return Ok(sound.to_vec());
    }
    let cannot = |error: &dyn fmt::Display| format!("no way from {from} to {to} Hz: {error}");
    let mut fft = Fft::<f32>::new(from as usize, to as usize, CHUNK, 1, FixedSync::Both)
        .map_err(|error| cannot(&error))?;
    let input = InterleavedSlice::new(sound, 1, sound.len()).map_err(|error| cannot(&error))?;
    let output = fft.process_all(&input, sound.len(), None).map_err(|error| cannot(&error))?;
    Ok(output.take_data())
}

/// As 16 bit samples, with silence up to a whole number of frames.
fn whole(sound: Vec<f32>, frames: u64, rate: u32) -> Arc<[i16]> {
    let length = (frames * u64::from(rate) * FRAME_MS / 1_000) as usize;
    let sample = |sample: f32| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    let mut whole: Vec<i16> = sound.into_iter().map(sample).collect();
    whole.resize(length, 0);
    whole.into()
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;

    fn file(directory: &Path, rate: u32, channels: u16, seconds: f64) -> PathBuf {
        let path = directory.join(format!("{rate}-{channels}.wav"));
        let spec =
            WavSpec { channels, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut wav = WavWriter::create(&path, spec).unwrap();
        for n in 0..(f64::from(rate) * seconds) as usize {
            let turns = 440.0 * n as f64 / f64::from(rate);
            let sample = (10_000.0 * (turns * std::f64::consts::TAU).sin()) as i16;
            (0..channels).for_each(|_| wav.write_sample(sample).unwrap());
        }
        wav.finalize().unwrap();
        path
    }

    /// Strength of 440 Hz.
    fn strength(sound: &[i16], rate: u32) -> f64 {
        let turn = |n: usize| std::f64::consts::TAU * 440.0 * n as f64 / f64::from(rate);
        let part = |of: fn(f64) -> f64| -> f64 {
            sound.iter().enumerate().map(|(n, &sample)| f64::from(sample) * of(turn(n))).sum()
        };
        part(f64::sin).hypot(part(f64::cos)) * 2.0 / sound.len() as f64
    }

    #[test]
    fn a_file_of_any_rate_sounds_the_same_at_every_rate() {
        let directory = tempfile::tempdir().unwrap();
        for (rate, channels) in [(8_000, 1), (22_050, 1), (44_100, 2), (48_000, 1)] {
            let path = file(directory.path(), rate, channels, 3.01);
            let speech = Speech::read(&path, &[Codec::Opus, Codec::G722]).unwrap();
            assert!((speech.seconds() - 3.02).abs() < 1e-9);
            for codec in [Codec::Opus, Codec::G722] {
                let sound = speech.at(codec);
                assert_eq!(sound.len(), 151 * codec.frame_samples());
                let strength = strength(&sound, codec.sample_rate());
                assert!((strength - 10_000.0).abs() < 150.0, "{rate} to {codec:?}: {strength}");
            }
            let strength = strength(speech.at_base(), 8_000);
            assert!((strength - 10_000.0).abs() < 150.0, "{rate} to 8000: {strength}");
        }
    }

    #[test]
    fn talkers_begin_far_apart() {
        let directory = tempfile::tempdir().unwrap();
        let speech = Speech::read(&file(directory.path(), 8_000, 1, 6.0), &[]).unwrap();
        assert_eq!(speech.talkers_max(), 4);
        let places: Vec<_> = (0..4).map(|talker| speech.first_frame(talker, 4)).collect();
        assert_eq!(places, [0, 75, 150, 225]);
    }

    #[test]
    fn what_is_no_speech_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let empty = file(directory.path(), 8_000, 1, 0.0);
        let junk = directory.path().join("junk.wav");
        std::fs::write(&junk, b"no WAV").unwrap();
        for path in [empty, junk, directory.path().join("missing.wav")] {
            let problem = Speech::read(&path, &[]).unwrap_err();
            assert!(problem.contains(path.to_str().unwrap()), "{problem}");
        }
    }
}
