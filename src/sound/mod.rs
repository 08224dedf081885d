//! Sound from files and from text, as mono samples at a rate that the engine mixes.
//!
//! ```text
//!          ┌─ wav, aiff, au ─▶ pcm ─┐
//! bytes ───┤                        ├─▶ rendering: one line, one rate ─▶ Sound
//!          └─ mp3 ──────────────────┘
//! text ──── say: a service, a command ─▶ bytes, as above
//! music ─── made here
//! files that many hear: library
//! ```
//!
//! What a file is, its content says before its type does. Files come from strangers: lengths that they claim are never
//! believed, and memory is bounded by [`Limits`]. All of this is computation that takes its time: it belongs on a
//! thread that may block.

mod aiff;
mod au;
mod error;
mod library;
mod mp3;
mod music;
mod pcm;
mod rendering;
mod say;
#[cfg(test)]
mod tests;
mod wav;

pub use error::SoundError;
pub use library::{Incoming, Library};
pub use music::{Chime, hold_music};
pub use say::{CACHE_BYTES, SAY_TIMEOUT, Said, SayCommand, SayError, SayRequest, Saying, Speaker, attention};

use std::fmt;
use std::time::Duration;

use confab_media::SampleRate;

use error::{BAD_CONTENT_TYPE, UNPLAYABLE};
use pcm::{Coding, Pcm};

/// Mono sound.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    /// Of the samples.
    pub rate: SampleRate,
    /// Linear.
    pub samples: Vec<i16>,
}

impl Sound {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.hertz()))
    }
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sound({} samples at {} Hz)", self.samples.len(), self.rate.hertz())
    }
}

/// How much is read of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest file.
    pub bytes: usize,
    /// The longest sound. With the rate it bounds the memory: 40 minutes are 38 MB at 8 kHz, 230 MB at 48 kHz.
    pub duration: Duration,
}

impl Default for Limits {
    /// 20 MB and 40 minutes: who plays more risks their call at others too.
    fn default() -> Self {
        Self { bytes: 20_000_000, duration: Duration::from_secs(40 * 60) }
    }
}

/// Reads a file: WAV, MP3, AIFF, AU, or bare µ-law and A-law if its content type (RFC 9110 §8.3) says so.
///
/// # Errors
/// When it is none of these, is broken from its beginning, or is beyond the limits. A file that breaks off, or breaks later, is
/// as long as what came of it.
pub fn read(
    bytes: &[u8],
    content_type: Option<&str>,
    rate: SampleRate,
    limits: &Limits,
) -> Result<Sound, SoundError> {
    if bytes.len() > limits.bytes {
        let message = format!("The sound has {} bytes; {} are read.", bytes.len(), limits.bytes);
        return Err(SoundError { code: UNPLAYABLE, message });
    }
    let samples = match kind(bytes, content_type)? {
        Kind::Pcm(pcm) => pcm.render(rate, limits)?,
        Kind::Mp3 => mp3::render(bytes, rate, limits)?,
    };
    if samples.is_empty() {
        return Err(SoundError::broken("there is no sound in it"));
    }
    Ok(Sound { rate, samples })
}

/// What a file is.
enum Kind<'a> {
    Pcm(Pcm<'a>),
    Mp3,
}

/// Samples a second of bare G.711.
const LAW_RATE: u32 = 8_000;

fn kind<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Result<Kind<'a>, SoundError> {
    let content_type = content_type.unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bare = match essence.as_str() {
        "audio/basic" | "audio/x-mulaw" | "audio/mulaw" | "audio/ulaw" | "audio/x-ulaw" | "audio/pcmu" => {
            Some(Coding::Ulaw)
        }
        "audio/x-alaw" | "audio/alaw" | "audio/pcma" => Some(Coding::Alaw),
        _ => None,
    };
    let has = |at: usize, word: &[u8; 4]| bytes.get(at..at + 4) == Some(word);
    if (has(0, b"RIFF") || has(0, b"RF64")) && has(8, b"WAVE") {
        return Ok(Kind::Pcm(wav::read(bytes)?));
    }
    if has(0, b"FORM") && (has(8, b"AIFF") || has(8, b"AIFC")) {
        return Ok(Kind::Pcm(aiff::read(bytes)?));
    }
    if has(0, b".snd") {
        return Ok(Kind::Pcm(au::read(bytes)?));
    }
    // Silence in µ-law looks like the beginning of an MPEG frame, so that a type that says bare is believed.
    if let Some(coding) = bare {
        return Ok(Kind::Pcm(Pcm { coding, channels: 1, rate: LAW_RATE, data: bytes }));
    }
    if nanomp3::detect(bytes) { Ok(Kind::Mp3) } else { Err(unknown(bytes, &essence)) }
}

/// What else it could be, for those who wonder.
fn unknown(bytes: &[u8], content_type: &str) -> SoundError {
    let looks = match bytes {
        [] => "it is empty",
        [b'O', b'g', b'g', b'S', ..] => "it is Ogg",
        [b'f', b'L', b'a', b'C', ..] => "it is FLAC",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "it is MPEG-4",
        [b'<' | b'{', ..] => "it is text",
        _ => "its content is of no kind that is known",
    };
    let shown: String = content_type.chars().filter(|c| c.is_ascii_graphic()).take(60).collect();
    let shown =
        if shown.is_empty() { "no content type".to_owned() } else { format!("the content type {shown}") };
    let message = format!(
        "The sound, with {shown}, cannot be played: {looks}. WAV, MP3, AIFF, AU, and G.711 as audio/basic or \
         audio/x-alaw can."
    );
    SoundError { code: BAD_CONTENT_TYPE, message }
}
