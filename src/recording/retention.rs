//! Which recordings are to go because they are old, or because all together take too much of the disk. The oldest go
//! first, and none that is under way. What of a deleted recording stays, its manifest, goes forty days later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::manifest::{Manifest, Name, State};
use super::repair::{MANIFEST_LEN_MAX, Paths};

/// How long it is known that a recording was there, as in the API that is modelled here.
const KNOWN_FOR: Duration = Duration::from_secs(40 * 86_400);

/// How long and how much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How long after its end a recording is there; for ever if none.
    pub age: Option<Duration>,
    /// Bytes that all files of recordings may take together; as much as there is if none.
    pub bytes: Option<u64>,
}

/// Why a recording is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is older than recordings are kept.
    Age,
    /// All together take more than they may, and it is the oldest.
    Size,
}

/// What lies in the folder of one recording.
struct Lying {
    name: Name,
    /// When its sound, or without any its manifest, was written last.
    at: SystemTime,
    bytes: u64,
    /// Its file has its name: it is complete.
    is_complete: bool,
}

impl Retention {
    /// Recordings in the folder that are to go, the oldest first. Manifests of those that went long ago are removed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn expired(&self, folder: &Path, now: SystemTime) -> io::Result<Vec<(Name, Reason)>> {
        let mut lying = all(folder)?;
        lying.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
        let mut bytes: u64 = lying.iter().map(|recording| recording.bytes).sum();
        let mut expired = Vec::new();
        for recording in lying {
            let age = now.duration_since(recording.at).unwrap_or_default();
            if !recording.is_complete && !self.is_over(folder, &recording, age) {
                continue;
            }
            let reason = if self.age.is_some_and(|most| age > most) {
                Reason::Age
            } else if recording.is_complete && self.bytes.is_some_and(|most| bytes > most) {
                Reason::Size
            } else {
                continue;
            };
            bytes = bytes.saturating_sub(recording.bytes);
            expired.push((recording.name, reason));
        }
        Ok(expired)
    }

    /// Whether one without a complete file is over, and there is something to delete. Only what is old is looked into.
    fn is_over(&self, folder: &Path, recording: &Lying, age: Duration) -> bool {
        let is_old = age > KNOWN_FOR || self.age.is_some_and(|most| age > most);
        let path = Paths::of(folder, &recording.name).manifest;
        match is_old.then(|| read(&path)).flatten().map(|manifest| manifest.state) {
            Some(State::Absent) => true,
            Some(State::Deleted) if age > KNOWN_FOR => {
                if let Err(error) = fs::remove_file(&path) {
                    warn!(recording = %recording.name, %error, "what is left of it cannot be removed");
                }
                false
            }
            Some(State::Deleted | State::InProgress | State::Completed) | None => false,
        }
    }
}

fn read(path: &Path) -> Option<Manifest> {
    let is_ours = fs::metadata(path).is_ok_and(|found| found.len() <= MANIFEST_LEN_MAX);
    Manifest::read(&fs::read(path).ok().filter(|_| is_ours)?)
}

fn all(folder: &Path) -> io::Result<Vec<Lying>> {
    let mut found: std::collections::HashMap<Name, Lying> = std::collections::HashMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = PathBuf::from(entry.file_name());
        let named = path.to_str().and_then(|file| file.split_once('.'));
        let Some((name, end)) = named.and_then(|(name, end)| Some((name.parse::<Name>().ok()?, end))) else {
            continue;
        };
        // Deleted since the folder was read.
        let Ok(metadata) = entry.metadata() else { continue };
        let written = metadata.modified()?;
        let lying =
            found.entry(name.clone()).or_insert(Lying { name, at: written, bytes: 0, is_complete: false });
        lying.bytes += metadata.len();
        match end {
            "wav" => (lying.is_complete, lying.at) = (true, written),
            _ if !lying.is_complete => lying.at = lying.at.max(written),
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}

/// Has what is to go deleted, as far as there is room for orders; the rest goes the next time. How many.
///
/// # Errors
/// When the folder cannot be read.
pub fn tidy(recorder: &super::Recorder, folder: &Path, retention: Retention) -> io::Result<usize> {
    let mut deleted = 0;
    for (name, reason) in retention.expired(folder, SystemTime::now())? {
        if !recorder.delete(&name) {
            break;
        }
        info!(recording = %name, ?reason, "recording is deleted, as was asked for");
        deleted += 1;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;
    use crate::recording::placing::tests::terms;
    use crate::recording::tests::{World, name};
    use crate::recording::{Files, Report, Shape, Tracks};

    /// A folder whose files are as old as the test says.
    struct Folder {
        folder: TempDir,
        now: SystemTime,
    }

    impl Folder {
        fn new() -> Self {
            Self { folder: TempDir::new().unwrap(), now: SystemTime::UNIX_EPOCH + 100 * KNOWN_FOR }
        }

        fn put(&self, number: u8, days: u64, state: State, ends: &[&str]) -> Name {
            let name = name(number);
            let shape = Shape { rate: confab_media::SampleRate::Hz8000, tracks: Tracks::Both };
            let mut manifest = Manifest::new(name.clone(), serde_json::Value::Null, shape);
            manifest.state = state;
            for end in ["json"].iter().chain(ends) {
                let path = self.folder.path().join(format!("{name}.{end}"));
                let bytes = if *end == "json" { manifest.written().unwrap() } else { vec![0; 100_000] };
                fs::write(&path, bytes).unwrap();
                let file = File::options().write(true).open(&path).unwrap();
                file.set_modified(self.now - Duration::from_secs(days * 86_400)).unwrap();
            }
            name
        }

        fn expired(&self, days: Option<u64>, bytes: Option<u64>) -> Vec<(Name, Reason)> {
            let age = days.map(|days| Duration::from_secs(days * 86_400));
            Retention { age, bytes }.expired(self.folder.path(), self.now).unwrap()
        }
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_that_is_under_way() {
        let folder = Folder::new();
        let old = folder.put(1, 31, State::Completed, &["wav", "mp3"]);
        folder.put(2, 29, State::Completed, &["wav"]);
        folder.put(3, 31, State::InProgress, &["wav.part"]);
        let failed = folder.put(4, 50, State::Absent, &["wav.part"]);
        folder.put(5, 31, State::Deleted, &[]);
        fs::write(folder.folder.path().join("notes.wav"), "").unwrap();
        assert_eq!(folder.expired(Some(30), None), [(failed, Reason::Age), (old, Reason::Age)]);
        assert_eq!(folder.expired(None, None), []);
    }

    #[test]
    fn the_oldest_go_until_the_rest_has_room_and_nothing_that_is_under_way() {
        let folder = Folder::new();
        folder.put(1, 9, State::InProgress, &["wav.part"]);
        let names: Vec<Name> =
            (2..6).map(|n| folder.put(n, u64::from(n), State::Completed, &["wav"])).collect();
        let gone = |room: u64| -> Vec<Name> {
            folder.expired(None, Some(room)).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(gone(600_000), Vec::<Name>::new());
        assert_eq!(gone(400_000), [names[3].clone(), names[2].clone()]);
        // What is under way may take all of it.
        assert_eq!(gone(50_000).len(), 4);
    }

    #[test]
    fn what_is_to_go_is_deleted_and_told_and_what_is_under_way_goes_on() {
        let mut world = World::new(Files);
        let over = world.begin(1, 1, terms(Tracks::Both));
        let under_way = world.begin(2, 1, terms(Tracks::Both));
        world.hear(1, 0..100);
        assert!(world.recorder.finish(&over));
        world.finished(&over);
        let retention = Retention { age: None, bytes: Some(1) };
        assert_eq!(tidy(&world.recorder, world.folder.path(), retention).unwrap(), 1);
        let deleted = world.reports.blocking_recv();
        assert!(matches!(&deleted, Some(Report::Deleted(name, true)) if *name == over), "{deleted:?}");
        assert!(!world.path(&over, "wav").exists() && world.path(&over, "json").exists());
        assert_eq!(tidy(&world.recorder, world.folder.path(), retention).unwrap(), 0);
        world.hear(1, 100..200);
        assert!(world.recorder.finish(&under_way));
        assert_eq!(world.finished(&under_way).samples, 200 * 160);
    }

    #[test]
    fn that_a_recording_was_there_is_known_for_forty_days() {
        let folder = Folder::new();
        folder.put(1, 39, State::Deleted, &[]);
        folder.put(2, 41, State::Deleted, &[]);
        assert_eq!(folder.expired(None, None), []);
        let left: Vec<_> = fs::read_dir(folder.folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
