//! What the last process left: every manifest is read again, and a recording that was under way is completed with what
//! there is of it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::disk::{Disk, Files};
use super::manifest::{Failure, Manifest, Name, State};
use super::sound_hash::{HashKind, SoundHash};
use super::wav;

/// Nobody else on the machine may look in.
const FOLDER_MODE: u32 = 0o700;

/// A manifest of a thousand gaps takes some 60 kB; what is larger is none of ours.
pub(super) const MANIFEST_LEN_MAX: u64 = 1 << 20;

/// The files of a recording.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    /// While it grows.
    pub(super) part: PathBuf,
    pub(super) wav: PathBuf,
    pub(super) manifest: PathBuf,
    /// As MP3, as it is and with its tracks as one.
    mp3: [PathBuf; 2],
}

impl Paths {
    pub(super) fn of(folder: &Path, name: &Name) -> Self {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let mp3 = [file("mp3"), file("mono.mp3")];
        Self { part: file("wav.part"), wav: file("wav"), manifest: file("json"), mp3 }
    }

    /// As MP3.
    pub(super) fn mp3(self, is_mixed: bool) -> PathBuf {
        let [as_it_is, mixed] = self.mp3;
        if is_mixed { mixed } else { as_it_is }
    }

    /// Those with sound.
    pub(super) fn sound(&self) -> impl Iterator<Item = &Path> {
        [&self.wav, &self.part].into_iter().chain(&self.mp3).map(PathBuf::as_path)
    }
}

/// Makes the folder if it is not there, completes what was left, and returns all recordings that there are. What cannot
/// be read is left as it is, and said in the log. The sound of what is completed has a hash of this kind.
///
/// # Errors
/// When the folder cannot be made or read.
pub fn find(folder: &Path, hash: HashKind) -> io::Result<Vec<Manifest>> {
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_unfinished(&path) {
            fs::remove_file(&path)?;
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<Name>().ok());
        let Some(name) = stem.filter(|_| path.extension().is_some_and(|end| end == "json")) else {
            continue;
        };
        match recover(folder, &name, &path, hash) {
            Ok(Some(manifest)) => found.push(manifest),
            Ok(None) => {
                warn!(recording = %name, "its manifest is none that this version reads; left as it is")
            }
            Err(error) => warn!(recording = %name, %error, "cannot be read; left as it is"),
        }
    }
    Ok(found)
}

/// A manifest or an MP3 that the last process had not completed. What it was made of is there.
fn is_unfinished(path: &Path) -> bool {
    let file = path.file_name().and_then(|file| file.to_str()).and_then(|file| file.split_once('.'));
    file.is_some_and(|(name, end)| name.parse::<Name>().is_ok() && end.ends_with(".new"))
}

fn recover(folder: &Path, name: &Name, path: &Path, hash: HashKind) -> io::Result<Option<Manifest>> {
    if fs::metadata(path)?.len() > MANIFEST_LEN_MAX {
        return Ok(None);
    }
    let read = Manifest::read(&fs::read(path)?).filter(|manifest| manifest.name == *name);
    let Some(mut manifest) = read else {
        return Ok(None);
    };
    let paths = Paths::of(folder, name);
    match manifest.state {
        State::Absent if matches!(manifest.failure, Some(Failure::Disk(_))) => {
            if let Err(error) = complete_late(&mut manifest, &paths, hash) {
                warn!(recording = %name, %error, "what there is of it still cannot be completed");
            }
        }
        State::Absent | State::Deleted => {}
        // It was on the disk, and had not got its name yet.
        State::Completed if paths.part.exists() => fs::rename(&paths.part, &paths.wav)?,
        State::Completed => {}
        State::InProgress => complete(&mut manifest, &paths, hash)?,
    }
    Ok(Some(manifest))
}

fn complete(manifest: &mut Manifest, paths: &Paths, hash: HashKind) -> io::Result<()> {
    (manifest.recovered, manifest.is_news) = (true, true);
    match cut_short(manifest, paths, u64::MAX, hash)? {
        Some(cut) => {
            *manifest = cut;
            keep(manifest, paths)?;
        }
        None => {
            manifest.end_at(0);
            manifest.heard = 0;
            manifest.state = State::Absent;
            manifest.failure = Some(Failure::TooShort);
            save(&Files, manifest, &paths.manifest, true)?;
        }
    }
    info!(recording = %manifest.name, samples = manifest.samples, "completed what the last process left");
    Ok(())
}

/// One that the disk did not take to its end, nor let be completed then.
fn complete_late(manifest: &mut Manifest, paths: &Paths, hash: HashKind) -> io::Result<()> {
    if let Some(mut cut) = cut_short(manifest, paths, u64::MAX, hash)? {
        cut.recovered = true;
        keep(&cut, paths)?;
        info!(recording = %cut.name, samples = cut.samples, "completed what the disk had taken");
        cut.is_news = true;
        *manifest = cut;
    }
    Ok(())
}

/// Makes the file one of at most so many samples of each track, and says what its manifest is then. None if there is nothing.
pub(super) fn cut_short(
    manifest: &Manifest,
    paths: &Paths,
    most: u64,
    hash: HashKind,
) -> io::Result<Option<Manifest>> {
    let samples = match wav::fit(&paths.part, manifest.tracks, most) {
        Ok(samples) => samples.unwrap_or(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if samples == 0 {
        return Ok(None);
    }
    let mut cut = manifest.clone();
    cut.complete_at(samples, SoundHash::of(&paths.part, hash)?);
    Ok(Some(cut))
}

/// Sees to it that it lasts, and gives it its name.
fn keep(manifest: &Manifest, paths: &Paths) -> io::Result<()> {
    Files.sync(&paths.part)?;
    save(&Files, manifest, &paths.manifest, true)?;
    fs::rename(&paths.part, &paths.wav)
}

/// Writes a manifest.
pub(super) fn save(disk: &dyn Disk, manifest: &Manifest, path: &Path, lasting: bool) -> io::Result<()> {
    let bytes = manifest.written().map_err(io::Error::other)?;
    disk.replace(path, &bytes, lasting)
}
