//! Where finished recordings are kept. This is the one place where a file that is complete is handed on: what keeps
//! recordings elsewhere than in the data directory implements [`Archive`], and nothing else changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;

use super::disk::Disk;
use super::manifest::{Manifest, Name, State};
use super::repair::{Paths, save};

/// A recording whose file is complete, but not on the disk yet.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// Where its sound is: a WAV file.
    pub sound: &'a Path,
    /// All there is to know of it.
    pub manifest: &'a Manifest,
}

/// Keeps finished recordings.
pub trait Archive: Send + Sync {
    /// Takes a recording over. When this returns it lasts, whatever happens to the machine.
    ///
    /// # Errors
    /// What went wrong; then the sound is where it was.
    fn keep(&self, finished: Finished<'_>) -> io::Result<()>;

    /// Deletes a recording's sound. That it was there stays known for a while. One that is not there is deleted already.
    ///
    /// # Errors
    /// What went wrong; then it may be asked for again.
    fn delete(&self, name: &Name) -> io::Result<()>;
}

/// The folder in which recordings grow, too.
pub struct LocalFolder {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
}

impl LocalFolder {
    /// Recordings in this folder.
    pub fn new(folder: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { folder, disk }
    }
}

impl Archive for LocalFolder {
    fn keep(&self, finished: Finished<'_>) -> io::Result<()> {
        let paths = Paths::of(&self.folder, &finished.manifest.name);
        self.disk.sync(finished.sound)?;
        save(&*self.disk, finished.manifest, &paths.manifest, true)?;
        // What is named at the next start only is complete all the same: its manifest says so.
        fs::rename(finished.sound, &paths.wav)
    }

    fn delete(&self, name: &Name) -> io::Result<()> {
        let paths = Paths::of(&self.folder, name);
        // The sound first: without its manifest nobody would find it again.
        paths.sound().try_for_each(remove)?;
        match fs::read(&paths.manifest).ok().and_then(|bytes| Manifest::read(&bytes)) {
            Some(manifest) if manifest.state == State::Deleted => Ok(()),
            Some(mut manifest) => {
                manifest.state = State::Deleted;
                manifest.deleted = Some(Utc::now());
                save(&*self.disk, &manifest, &paths.manifest, true)
            }
            None => remove(&paths.manifest),
        }
    }
}

/// What is not there need not be removed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
