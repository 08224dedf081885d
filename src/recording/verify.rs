//! Is a recording what it was when it was completed? Its file is held against its manifest: lengths, hashes, and whether
//! all that is said to be silence is. Nothing is changed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::{Manifest, Name, State};
use super::repair::{MANIFEST_LEN_MAX, Paths};
use super::sound_hash::{HashKind, Hashing, SoundHash};
use super::wav::{self, HEADER_LEN, Head, SAMPLE_LEN};

/// Read from a file at a time: a whole number of samples of up to 64 tracks.
const PIECE_LEN: u64 = 256 * 1_024;

/// What is wrong with a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "damage", rename_all = "kebab-case")]
pub enum Damage {
    /// Its manifest is not there.
    #[error("its manifest is not there")]
    NoManifest,
    /// Its manifest is none.
    #[error("its manifest is none that can be read")]
    UnreadableManifest,
    /// Its manifest was changed after it was written.
    #[error("its manifest was changed after it was written: its seal does not fit")]
    ManifestChanged,
    /// Its manifest is another's.
    #[error("its manifest is another's: {0}")]
    WrongManifest(String),
    /// There is nothing in the manifest to compare with.
    #[error("its manifest has no hash, so that only lengths could be checked")]
    NoHash,
    /// The file is not there.
    #[error("its sound is not there")]
    NoSound,
    /// The file is none of ours.
    #[error("its sound does not begin as a WAV file of this node")]
    NotSound,
    /// The end is missing.
    #[error("it was cut: of {expected} bytes there are {found}")]
    Cut {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        found: u64,
    },
    /// There is more than was written.
    #[error("something was added: of {expected} bytes there are {found}")]
    Longer {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        found: u64,
    },
    /// Its tracks changed places.
    #[error("its tracks changed places: it is whole, but what each says lies on the other's track")]
    Swapped,
    /// Samples changed.
    #[error("its sound was changed: its hash does not fit")]
    SoundChanged,
    /// The header changed.
    #[error("its header was changed")]
    HeaderChanged,
    /// There is sound where there was none.
    #[error("there is sound where nothing was heard: {samples} samples from {at} on")]
    NotSilent {
        /// Where the gap or pause begins, in samples.
        at: u64,
        /// How long it is.
        samples: u64,
    },
    /// A gap or pause is not where it can be.
    #[error("a gap or pause lies behind the end, or on a track that is not there: from sample {at} on")]
    Misplaced {
        /// Where it begins, in samples.
        at: u64,
    },
    /// What was heard, gaps and pauses do not make up the whole.
    #[error("gaps are missing or listed twice: {accounted} samples are accounted for, there are {there}")]
    Unaccounted {
        /// Samples of all tracks that were heard or are listed.
        accounted: u64,
        /// Samples of all tracks.
        there: u64,
    },
}

/// What was found of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The file.
    pub file: PathBuf,
    /// How far the recording got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Whether nothing is wrong.
    pub is_intact: bool,
    /// How long it is.
    pub seconds: f64,
    /// Samples a second.
    pub rate: u32,
    /// What each track is.
    pub tracks: Vec<String>,
    /// How many gaps are listed.
    pub gaps: usize,
    /// How many gaps there are beside those.
    pub gaps_unlisted: u64,
    /// The process that recorded it ended before it did.
    pub recovered: bool,
    /// What is wrong.
    pub damages: Vec<Damage>,
}

/// The recordings that a path stands for, one file of each: those in a folder, or the one that a file belongs to.
///
/// # Errors
/// When there is no such file or folder, or it is no recording's.
pub(super) fn recordings(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        let (folder, name) = split(path).ok_or_else(|| {
            io::Error::other("not named as recordings are: RE, 32 hexadecimal digits and .wav or .json")
        })?;
        return Ok(vec![Paths::of(&folder, &name).wav]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        if let Some((folder, name)) = split(&entry?.path()) {
            found.push(Paths::of(&folder, &name).wav);
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn split(path: &Path) -> Option<(PathBuf, Name)> {
    let (name, end) = path.file_name()?.to_str()?.split_once('.')?;
    let is_ours = ["wav", "wav.part", "json"].contains(&end);
    Some((path.parent()?.to_owned(), name.parse().ok().filter(|_| is_ours)?))
}

/// Holds a recording against its manifest.
///
/// # Errors
/// When it cannot be read for a reason that is not its own.
pub fn verify(path: &Path) -> io::Result<Verdict> {
    let (folder, name) = split(path).ok_or_else(|| io::Error::other("not named as recordings are"))?;
    let paths = Paths::of(&folder, &name);
    let mut verdict = Verdict {
        file: paths.wav.clone(),
        state: None,
        is_intact: false,
        seconds: 0.0,
        rate: 0,
        tracks: Vec::new(),
        gaps: 0,
        gaps_unlisted: 0,
        recovered: false,
        damages: Vec::new(),
    };
    if let Some(manifest) = read_manifest(&paths, &name, &mut verdict.damages)? {
        verdict.describe(&manifest);
        if manifest.state == State::Completed {
            check(&paths, &manifest, &mut verdict.damages)?;
        }
    }
    verdict.is_intact = verdict.damages.is_empty();
    Ok(verdict)
}

impl Verdict {
    fn describe(&mut self, manifest: &Manifest) {
        self.state = Some(manifest.state);
        self.seconds = manifest.samples as f64 / f64::from(manifest.rate);
        (self.rate, self.tracks) = (manifest.rate, manifest.labels.clone());
        (self.gaps, self.gaps_unlisted) = (manifest.gaps.len(), manifest.gaps_unlisted);
        self.recovered = manifest.recovered;
    }
}

fn read_manifest(paths: &Paths, name: &Name, damages: &mut Vec<Damage>) -> io::Result<Option<Manifest>> {
    let len = match fs::metadata(&paths.manifest) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            damages.push(Damage::NoManifest);
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let bytes = if len > MANIFEST_LEN_MAX { Vec::new() } else { fs::read(&paths.manifest)? };
    let Some(manifest) = Manifest::read(&bytes) else {
        damages.push(Damage::UnreadableManifest);
        return Ok(None);
    };
    if Manifest::is_intact(&bytes).is_some_and(|is_intact| !is_intact) {
        damages.push(Damage::ManifestChanged);
    }
    if manifest.name != *name {
        damages.push(Damage::WrongManifest(format!("that of {}", manifest.name)));
    }
    Ok(Some(manifest))
}

fn check(paths: &Paths, manifest: &Manifest, damages: &mut Vec<Damage>) -> io::Result<()> {
    // Complete, it may wait for its name until the next start.
    let path = if paths.wav.exists() { &paths.wav } else { &paths.part };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            damages.push(Damage::NoSound);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let Some(head) = Head::read(&file)? else {
        damages.push(Damage::NotSound);
        return Ok(());
    };
    if (head.tracks, head.rate) != (manifest.tracks, manifest.rate) {
        let (tracks, rate) = (head.tracks, head.rate);
        let (theirs, other) = (manifest.tracks, manifest.rate);
        damages.push(Damage::WrongManifest(format!(
            "it says {theirs} tracks at {other} Hz, the file {tracks} at {rate} Hz"
        )));
        return Ok(());
    }
    check_account(manifest, damages);
    let (expected, found) = (head.data_at + manifest.samples * head.step(), file.metadata()?.len());
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => damages.push(Damage::Cut { expected, found }),
        std::cmp::Ordering::Greater => damages.push(Damage::Longer { expected, found }),
        std::cmp::Ordering::Equal => {
            check_header(&file, head, manifest, damages)?;
            check_hashes(path, &file, head, manifest, damages)?;
            check_silence(&file, head, manifest, damages)?;
        }
    }
    Ok(())
}

fn check_account(manifest: &Manifest, damages: &mut Vec<Damage>) {
    if !manifest.is_complete() || manifest.gaps_unlisted > 0 {
        return;
    }
    let (accounted, there) =
        (manifest.heard + manifest.silent(), manifest.samples * u64::from(manifest.tracks));
    if accounted != there {
        damages.push(Damage::Unaccounted { accounted, there });
    }
}

/// All of it follows from the manifest. Shorter headers are those of the first version.
fn check_header(file: &File, head: Head, manifest: &Manifest, damages: &mut Vec<Damage>) -> io::Result<()> {
    let mut header = [0; HEADER_LEN as usize];
    if head.data_at == HEADER_LEN {
        file.read_exact_at(&mut header, 0)?;
        if header != wav::header(manifest.tracks, manifest.rate, manifest.samples * head.step()) {
            damages.push(Damage::HeaderChanged);
        }
    }
    Ok(())
}

fn check_hashes(
    path: &Path,
    file: &File,
    head: Head,
    manifest: &Manifest,
    damages: &mut Vec<Damage>,
) -> io::Result<()> {
    let Some(expected) = &manifest.hash else {
        damages.push(Damage::NoHash);
        return Ok(());
    };
    let kind = expected.kind();
    if SoundHash::of(path, kind)? != *expected {
        let is_swapped = head.tracks == 2 && swapped(file, head, manifest.samples, kind)? == *expected;
        damages.push(if is_swapped { Damage::Swapped } else { Damage::SoundChanged });
    }
    Ok(())
}

/// What the sound's hash would be with its two tracks in the other order.
fn swapped(file: &File, head: Head, samples: u64, kind: HashKind) -> io::Result<SoundHash> {
    let mut hash = Hashing::new(kind);
    pieces(file, head, 0..samples, |piece| {
        piece.as_chunks_mut::<4>().0.iter_mut().for_each(|pair| pair.rotate_left(2));
        hash.update(piece);
        true
    })?;
    Ok(hash.end())
}

fn check_silence(file: &File, head: Head, manifest: &Manifest, damages: &mut Vec<Damage>) -> io::Result<()> {
    // In a sum of both sides one may be missing, and the other is heard.
    let is_sum = manifest.labels.iter().any(|label| label == "both");
    let gaps = manifest.gaps.iter().filter(|_| !is_sum).map(|gap| (gap.track, gap.at, gap.samples));
    let pauses = manifest.pauses.iter().filter(|pause| !pause.is_skipped);
    for (track, at, samples) in gaps.chain(pauses.map(|pause| (None, pause.at, pause.samples))) {
        let end = at.checked_add(samples).filter(|end| *end <= manifest.samples);
        let Some(end) = end.filter(|_| track.is_none_or(|track| u16::from(track) < head.tracks)) else {
            damages.push(Damage::Misplaced { at });
            continue;
        };
        let mut is_silent = true;
        pieces(file, head, at..end, |piece| {
            let mut steps = piece.chunks_exact(head.step() as usize);
            is_silent = steps.all(|step| match track {
                None => step.iter().all(|byte| *byte == 0),
                Some(track) => step[usize::from(track) * 2..][..2] == [0, 0],
            });
            is_silent
        })?;
        if !is_silent {
            damages.push(Damage::NotSilent { at, samples });
        }
    }
    Ok(())
}

/// Gives out the bytes of these samples, in pieces of whole ones, for as long as they are wanted.
fn pieces(
    file: &File,
    head: Head,
    samples: std::ops::Range<u64>,
    mut take: impl FnMut(&mut [u8]) -> bool,
) -> io::Result<()> {
    let of_piece = (PIECE_LEN / (SAMPLE_LEN * u64::from(head.tracks))).max(1);
    let mut bytes = vec![0; (of_piece * head.step()) as usize];
    let mut at = samples.start;
    while at < samples.end {
        let len = of_piece.min(samples.end - at);
        let piece = &mut bytes[..(len * head.step()) as usize];
        file.read_exact_at(piece, head.data_at + at * head.step())?;
        if !take(piece) {
            return Ok(());
        }
        at += len;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
