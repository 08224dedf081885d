//! Files of every kind that is read, made here, at every rate; files that lie; and a command that speaks.

mod files;
mod hostile;
mod say;

use confab_media::SampleRate;

use super::{Limits, Sound, SoundError};

/// Seconds of the sounds that are made here.
const SECONDS: f64 = 0.5;

/// A sine of 440 Hz at a third of full scale.
fn sine(rate: u32) -> Vec<f64> {
    let sample =
        |n: u32| (std::f64::consts::TAU * 440.0 * f64::from(n) / f64::from(rate)).sin() * 10_000.0 / 32_768.0;
    (0..(f64::from(rate) * SECONDS) as u32).map(sample).collect()
}

/// How strong 440 Hz is in a sound, as the peak of a sine.
fn strength(sound: &Sound) -> f64 {
    let turn = |n: usize| std::f64::consts::TAU * 440.0 * n as f64 / f64::from(sound.rate.hertz());
    let part = |of: fn(f64) -> f64| -> f64 {
        sound.samples.iter().enumerate().map(|(n, &sample)| f64::from(sample) * of(turn(n))).sum()
    };
    part(f64::sin).hypot(part(f64::cos)) * 2.0 / sound.samples.len() as f64
}

/// A WAV file of these bytes.
fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * (bits / 8);
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0");
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(block)).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// 16 bits, the least byte first.
fn words(samples: &[f64]) -> Vec<u8> {
    samples.iter().flat_map(|sample| ((sample * 32_768.0).round() as i16).to_le_bytes()).collect()
}

fn read(file: &[u8], content_type: &str, rate: SampleRate) -> Result<Sound, SoundError> {
    let content_type = Some(content_type).filter(|content_type| !content_type.is_empty());
    super::read(file, content_type, rate, &Limits::default())
}
