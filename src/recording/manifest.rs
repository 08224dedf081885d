//! What is known of a recording, in a file beside it: whose it is, what is in it, what is missing.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::placing::Shape;
use super::sound_hash::SoundHash;

/// What is written. The second version had no other hash than SHA-256; the first had none, no seal and no labels, and counted
/// pauses only.
const VERSION: u32 = 3;

/// How a seal that is left empty is written.
const UNSEALED: &[u8] = b"\"seal\": \"\"";

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
    /// It was there, and was deleted.
    Deleted,
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

/// A stretch that was left out on purpose. In samples of each track, from the file's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Where it begins.
    pub at: u64,
    /// How long it was.
    pub samples: u64,
    /// Nothing stands for it in the file: what came after it follows at once. Otherwise it is silence, as long as it was.
    pub is_skipped: bool,
}

impl Pause {
    /// Adds it to those before it; one that goes on where the last of its kind ended makes that longer.
    pub(super) fn note_in(self, pauses: &mut Vec<Self>) {
        let last = pauses.last_mut().filter(|last| last.is_skipped == self.is_skipped);
        match last {
            Some(last) if last.end() == self.at => last.samples += self.samples,
            _ => pauses.push(self),
        }
    }

    /// Where it ends in the file.
    pub(super) const fn end(&self) -> u64 {
        if self.is_skipped { self.at } else { self.at + self.samples }
    }
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
    /// When its first sample was heard, what was cut off before it included.
    #[serde(default)]
    pub began: Option<DateTime<Utc>>,
    /// Samples a second.
    pub rate: u32,
    /// How many.
    pub tracks: u16,
    /// What each track is.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Samples of each track.
    pub samples: u64,
    /// Samples that were heard, of all tracks together: what is neither gap nor pause.
    #[serde(default)]
    pub heard: u64,
    /// What is silence because nobody heard it, or it could not be written in time.
    pub gaps: Vec<Gap>,
    /// Gaps that are not listed.
    pub gaps_unlisted: u64,
    /// What was left out on purpose.
    #[serde(default)]
    pub pauses: Vec<Pause>,
    /// Samples of silence cut off at the beginning.
    pub trimmed: u64,
    /// Samples of silence cut off at the end.
    #[serde(default)]
    pub trimmed_at_end: u64,
    /// The process ended before the recording did, and it was completed by the next.
    pub recovered: bool,
    /// That was done just now, and nobody has been told.
    #[serde(skip)]
    pub is_news: bool,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<DateTime<Utc>>,
    /// Why it is absent, or completed with less than was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// That of its samples, taken as they were written, as `blake3` or `sha256`; once it is completed. The header is not part
    /// of it: that follows from what is said here.
    #[serde(flatten)]
    pub hash: Option<SoundHash>,
    /// Empty here; in the file SHA-256 of the file with this left empty.
    #[serde(default, skip_deserializing)]
    seal: String,
}

/// Why a recording is absent, or why it ends too early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// There was less than the least that counts.
    TooShort,
    /// There was nothing but silence, which was to be cut off.
    Silent,
    /// The disk did not take it, or no more of it. What was written before is the recording, if the disk let it be completed;
    /// otherwise that is in the file that ends in `.part`, until a later start can complete it.
    Disk(String),
    /// The disk had taken it and did not keep it. What it then says is there may be something else.
    NotKept(String),
}

impl Manifest {
    pub(super) fn new(name: Name, about: serde_json::Value, shape: Shape) -> Self {
        Self {
            version: VERSION,
            name,
            about,
            state: State::InProgress,
            began: None,
            rate: shape.rate.hertz(),
            tracks: shape.tracks.width(),
            labels: shape.tracks.labels(),
            samples: 0,
            heard: 0,
            gaps: Vec::new(),
            gaps_unlisted: 0,
            pauses: Vec::new(),
            trimmed: 0,
            trimmed_at_end: 0,
            recovered: false,
            deleted: None,
            is_news: false,
            failure: None,
            hash: None,
            seal: String::new(),
        }
    }

    /// Reads one, if it is of a version that is known.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let manifest: Self = serde_json::from_slice(bytes).ok()?;
        ((1..=VERSION).contains(&manifest.version) && manifest.rate > 0 && manifest.tracks > 0)
            .then_some(manifest)
    }

    /// As it is written, sealed.
    pub(super) fn written(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        let digest = hex(&Sha256::digest(&bytes));
        if let Some(at) = last_of(&bytes, UNSEALED) {
            let inside = at + UNSEALED.len() - 1;
            bytes.splice(inside..inside, digest.into_bytes());
        }
        Ok(bytes)
    }

    /// Whether these bytes of a manifest are those that were written. The first version had no seal: then nobody knows.
    pub(super) fn is_intact(bytes: &[u8]) -> Option<bool> {
        let key = &UNSEALED[..UNSEALED.len() - 1];
        let inside = last_of(bytes, key)? + key.len();
        let len = bytes[inside..].iter().position(|byte| *byte == b'"')?;
        let mut unsealed = bytes.to_vec();
        let seal: Vec<u8> = unsealed.splice(inside..inside + len, []).collect();
        Some(seal == hex(&Sha256::digest(&unsealed)).as_bytes())
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
        let cut = self.samples.saturating_sub(samples) * u64::from(self.tracks);
        let silent = self.silent();
        self.samples = samples;
        self.gaps.retain_mut(|gap| {
            gap.samples = gap.samples.min(samples.saturating_sub(gap.at));
            gap.samples > 0
        });
        self.pauses.retain_mut(|pause| {
            if !pause.is_skipped {
                pause.samples = pause.samples.min(samples.saturating_sub(pause.at));
            }
            pause.at <= samples && pause.samples > 0
        });
        let silent_in_cut = silent - self.silent();
        self.heard = self.heard.saturating_sub(cut.saturating_sub(silent_in_cut));
    }

    /// It ends here, as much as can be had of it: nothing is known of it but what is written down.
    pub(super) fn complete_at(&mut self, samples: u64, hash: SoundHash) {
        self.end_at(samples);
        self.heard = (samples * u64::from(self.tracks)).saturating_sub(self.silent());
        (self.state, self.hash) = (State::Completed, Some(hash));
    }

    /// Samples of silence that gaps and pauses account for, of all tracks together.
    pub(super) fn silent(&self) -> u64 {
        let tracks = u64::from(self.tracks);
        let gaps = self.gaps.iter().map(|gap| gap.samples * if gap.track.is_some() { 1 } else { tracks });
        gaps.sum::<u64>() + self.paused() * tracks
    }

    /// Samples of silence that stand for pauses.
    pub fn paused(&self) -> u64 {
        self.pauses.iter().filter(|pause| !pause.is_skipped).map(|pause| pause.samples).sum()
    }

    /// Whether it says more than the first version did.
    pub(super) const fn is_complete(&self) -> bool {
        self.version > 1
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

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn last_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
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
    fn a_manifest_is_sealed_and_any_change_of_it_is_seen() {
        let name: Name = format!("RE{}", "00".repeat(16)).parse().unwrap();
        let shape = Shape { rate: confab_media::SampleRate::Hz8000, tracks: super::super::Tracks::Both };
        let manifest = Manifest::new(name, serde_json::json!({ "seal": "of another\"seal\": \"\"" }), shape);
        let written = manifest.written().unwrap();
        assert_eq!(Manifest::read(&written), Some(manifest));
        assert_eq!(Manifest::is_intact(&written), Some(true));
        for at in 0..written.len() {
            let mut changed = written.clone();
            changed[at] ^= 1;
            assert_ne!(Manifest::is_intact(&changed), Some(true), "{at}");
        }
        assert_eq!(Manifest::is_intact(b"{\"version\": 1}"), None);
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
