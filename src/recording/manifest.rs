//! What is known of a recording, in a file beside it: whose it is, what is in it, what is missing.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::placing::Shape;

/// What a manifest must be for this version to read it.
const VERSION: u32 = 1;

/// Gaps that are listed one by one; of those beyond only the number is kept. A disk that stutters for hours must not fill
/// itself with that.
const GAPS_MAX: usize = 1_000;

/// The longest list of names of one track, in bytes: some two hundred calls.
const LABEL_MAX: usize = 8_192;

/// The name of a recording: `RE` and 32 hexadecimal digits. So no text of anybody's is ever part of a path.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A text that names no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a recording: RE and 32 hexadecimal digits in lower case")]
pub struct NameError;

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digits = text.strip_prefix("RE").ok_or(NameError)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != 32 || !digits.bytes().all(is_digit) {
            return Err(NameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a recording got, as its files say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It grows, or did when the process ended.
    InProgress,
    /// It is there.
    Completed,
    /// There is nothing to be had: it was silent and to be trimmed, too short, or could not be written.
    Absent,
}

/// A stretch that nobody heard: it is silence in the file. In samples of each track, from the file's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Which track, from 0; both where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<u8>,
    /// Where it begins.
    pub at: u64,
    /// How long it is.
    pub samples: u64,
}

/// A recording, as the file beside it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    /// Its name.
    pub name: Name,
    /// Whose it is, of which call, and who is to be told: what whoever ordered it wrote down for later.
    pub about: serde_json::Value,
    /// How far it got.
    pub state: State,
    /// Samples a second.
    pub rate: u32,
    /// How many.
    pub tracks: u16,
    /// What each track is.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Samples of each track.
    pub samples: u64,
    /// What is silence because nobody heard it, or it could not be written in time.
    pub gaps: Vec<Gap>,
    /// Gaps that are not listed.
    pub gaps_unlisted: u64,
    /// Samples of silence that stand for pauses.
    pub paused: u64,
    /// Samples of silence cut off at the beginning.
    pub trimmed: u64,
    /// The process ended before the recording did, and it was completed by the next.
    pub recovered: bool,
    /// That was done just now, and nobody has been told.
    #[serde(skip)]
    pub is_news: bool,
    /// Why it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a recording is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// There was less than the least that counts.
    TooShort,
    /// There was nothing but silence, which was to be cut off.
    Silent,
    /// The disk did not take it. What was written before is in the file that ends in `.part`.
    Disk(String),
}

impl Manifest {
    pub(super) fn new(name: Name, about: serde_json::Value, shape: Shape) -> Self {
        Self {
            version: VERSION,
            name,
            about,
            state: State::InProgress,
            rate: shape.rate.hertz(),
            tracks: shape.tracks.width(),
            labels: shape.tracks.labels(),
            samples: 0,
            gaps: Vec::new(),
            gaps_unlisted: 0,
            paused: 0,
            trimmed: 0,
            recovered: false,
            is_news: false,
            failure: None,
        }
    }

    /// Reads one, if it is of a version that is known.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        (manifest.version == VERSION && manifest.rate > 0 && manifest.tracks > 0).then_some(manifest)
    }

    /// Notes a gap; one that goes on where the last of its track ended makes that longer.
    pub(super) fn note_gap(&mut self, gap: Gap) {
        let is_full = self.gaps.len() >= GAPS_MAX;
        let last = self.gaps.iter_mut().rfind(|last| last.track == gap.track);
        match last {
            Some(last) if last.at + last.samples == gap.at => last.samples += gap.samples,
            _ if is_full => self.gaps_unlisted += 1,
            _ => self.gaps.push(gap),
        }
    }

    /// Forgets what lies behind the last sample that is kept.
    pub(super) fn end_at(&mut self, samples: u64) {
        self.samples = samples;
        self.gaps.retain_mut(|gap| {
            gap.samples = gap.samples.min(samples.saturating_sub(gap.at));
            gap.samples > 0
        });
    }

    /// Calls a track so. One that several share has all their names. Whether that is new.
    pub(super) fn name_track(&mut self, track: u16, name: String) -> bool {
        let track = usize::from(track);
        match self.labels.get_mut(track) {
            Some(names) if names.split(' ').any(|known| known == name) => return false,
            Some(names) if names.len() < LABEL_MAX => {
                names.push(' ');
                names.push_str(&name);
            }
            Some(_) => return false,
            None if track < usize::from(self.tracks) => {
                self.labels.resize(track, String::new());
                self.labels.push(name);
            }
            None => return false,
        }
        true
    }

    /// Bytes in the file.
    pub fn file_len(&self) -> u64 {
        super::wav::HEADER_LEN + self.samples * u64::from(self.tracks) * super::wav::SAMPLE_LEN
    }

    /// Whole seconds, as the API counts them: what is begun counts.
    pub fn seconds(&self) -> u64 {
        self.samples.div_ceil(u64::from(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_recordings_name_is_one() {
        let name = format!("RE{}", "0a".repeat(16));
        assert_eq!(name.parse::<Name>().unwrap().to_string(), name);
        for wrong in ["", "RE", "../../etc/passwd", &name[1..], &name.to_uppercase(), &format!("{name}/")] {
            assert_eq!(wrong.parse::<Name>(), Err(NameError), "{wrong}");
        }
    }

    #[test]
    fn gaps_that_touch_are_one_and_too_many_are_counted() {
        let name: Name = format!("RE{}", "00".repeat(16)).parse().unwrap();
        let shape = Shape { rate: confab_media::SampleRate::Hz8000, tracks: super::super::Tracks::Both };
        let mut manifest = Manifest::new(name, serde_json::Value::Null, shape);
        for at in 0..10 {
            manifest.note_gap(Gap { track: Some(0), at: at * 160, samples: 160 });
            manifest.note_gap(Gap { track: Some(1), at: at * 320, samples: 160 });
        }
        assert_eq!(manifest.gaps[0], Gap { track: Some(0), at: 0, samples: 1_600 });
        assert_eq!(manifest.gaps.len(), 11);
        (0..2_000).for_each(|at| manifest.note_gap(Gap { track: None, at: at * 2, samples: 1 }));
        assert_eq!((manifest.gaps.len(), manifest.gaps_unlisted), (GAPS_MAX, 2_000 + 11 - GAPS_MAX as u64));
        manifest.end_at(100);
        assert_eq!(manifest.gaps[0], Gap { track: Some(0), at: 0, samples: 100 });
    }
}
