//! MP3, and the older layers of MPEG audio (ISO/IEC 11172-3, 13818-3), frame by frame. Tags are skipped, and what an
//! encoder says it put before and behind the sound is cut off.

use confab_media::SampleRate;
use nanomp3::{Options, SliceReader};

use super::Limits;
use super::error::SoundError;
use super::rendering::Rendering;

/// Samples that are taken at once; even, so that a pair of channels stays one.
const BLOCK: usize = 4_608;

/// Decodes, mixes the channels and converts the rate.
pub(super) fn render(bytes: &[u8], to: SampleRate, limits: &Limits) -> Result<Vec<i16>, SoundError> {
    let wrong = |why: &str| SoundError::unread("MP3", why);
    let options = Options::default().skip_scan(true);
    let mut reader = SliceReader::<f32>::with_options(bytes, options);
    let (rate, channels) = (reader.sample_rate(), reader.channels());
    let channels = channels.map_or(0, |channels| usize::from(channels.num()));
    if rate == 0 || channels == 0 {
        return Err(wrong("there is no frame in it"));
    }
    let mut rendering = Rendering::new(rate, to, limits)?;
    let (mut samples, mut mono) = (vec![0.0; BLOCK], Vec::with_capacity(BLOCK));
    loop {
        // One that changes its format is as long as what came before.
        let count = reader.read(&mut samples).unwrap_or(0);
        if count == 0 {
            return rendering.finish();
        }
        mono.clear();
        let mix = |frame: &[f32]| (frame.iter().sum::<f32>() / channels as f32).clamp(-1.0, 1.0);
        mono.extend(samples[..count].chunks(channels).map(mix));
        rendering.push(&mono)?;
    }
}
