//! Threads that wait for the disk, so that those that write need not: a recording that is over is cut to its length and
//! handed on; one under way is brought to the disk every ten seconds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tracing::{info, warn};

use super::archive::{Archive, Finished};
use super::disk::Disk;
use super::manifest::{Failure, Manifest, Name, State};
use super::recorder::{Report, Stats};
use super::repair::{Paths, cut_short, save};
use super::sound_hash::{Hashing, SoundHash};
use super::wav;

/// What waits for the disk.
pub(super) enum Task {
    /// Recordings under way are to last as far as they are written.
    Sync(Vec<Unsynced>),
    /// It is over.
    Finish(Box<Closed>),
    /// Its files are to go.
    Delete(Name),
}

/// A recording under way that is to last as far as it is written.
pub(super) struct Unsynced {
    pub(super) paths: Paths,
    /// Its manifest, if that is another than before.
    pub(super) manifest: Option<PathBuf>,
    pub(super) lasting: Arc<Lasting>,
}

/// What a writer and those who wait for its disk know of a file together.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    /// It is waited for already.
    pub(super) is_asked: AtomicBool,
    /// The disk did not take what it had been given.
    pub(super) trouble: OnceLock<String>,
}

impl Unsynced {
    fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.paths.part), self.manifest.as_ref()].into_iter().flatten().map(PathBuf::as_path)
    }
}

/// A recording of which nothing more comes.
pub(super) struct Closed {
    pub(super) manifest: Manifest,
    pub(super) paths: Paths,
    /// Samples of each track that are in the file.
    pub(super) written: u64,
    /// How many of them are kept.
    pub(super) kept: u64,
    /// Fewer are none.
    pub(super) shortest: Duration,
    /// Of all samples that are in the file.
    pub(super) sound: Hashing,
}

impl Closed {
    /// Fewer samples than these are none.
    fn least(&self) -> u64 {
        self.shortest.as_millis() as u64 * u64::from(self.manifest.rate) / 1_000
    }
}

#[derive(Clone)]
pub(super) struct Finisher {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) archive: Arc<dyn Archive>,
    pub(super) reports: Sender<Report>,
    pub(super) stats: Stats,
}

impl Finisher {
    /// The thread's life: until nobody can give it more.
    pub(super) fn run(self, tasks: &Mutex<Receiver<Task>>) {
        loop {
            let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match task {
                Ok(Task::Sync(unsynced)) => self.sync(&unsynced),
                Ok(Task::Finish(closed)) => self.finish(*closed),
                Ok(Task::Delete(name)) => self.delete(name),
                Err(_) => return,
            }
        }
    }

    fn sync(&self, unsynced: &[Unsynced]) {
        let files: Vec<&Path> = unsynced.iter().flat_map(Unsynced::files).collect();
        // One that is over in the meantime has another name, and is no reason to leave out the others.
        if self.disk.sync_all(&files).is_err() {
            unsynced.iter().for_each(|one| self.sync_one(one));
        }
        unsynced.iter().for_each(|one| one.lasting.is_asked.store(false, Ordering::Release));
    }

    fn sync_one(&self, one: &Unsynced) {
        let synced = one.files().try_for_each(|path| self.disk.sync(path));
        if let Err(error) = synced
            // Over in the meantime, it has another name.
            && !one.paths.wav.exists()
        {
            // Once is enough: what is told first is told.
            let _ = one.lasting.trouble.set(error.to_string());
        }
    }

    fn finish(&self, mut closed: Closed) {
        if let Some(failure) = &closed.manifest.failure {
            if matches!(failure, Failure::Disk(_)) {
                self.complete_what_there_is(&mut closed);
            }
        } else if let Err(error) = self.complete(&mut closed) {
            let failure = match error.raw_os_error() {
                Some(libc::EIO) => Failure::NotKept(error.to_string()),
                Some(_) | None => Failure::Disk(error.to_string()),
            };
            fail(&*self.disk, &mut closed.manifest, &closed.paths, closed.written, failure);
        }
        match closed.manifest.state {
            State::Completed => self.stats.completed.increment(),
            State::InProgress | State::Absent | State::Deleted => self.stats.absent.increment(),
        }
        self.tell(Report::Finished(Box::new(closed.manifest)));
    }

    /// What the disk took before it took no more is the recording. What it does not let be completed has been written down as
    /// absent, and stays so.
    fn complete_what_there_is(&self, closed: &mut Closed) {
        let kept = closed.kept.min(closed.written);
        if kept < closed.least().max(1) {
            return;
        }
        let done = cut_short(&closed.manifest, &closed.paths, kept, closed.sound.kind()).and_then(|cut| {
            let Some(cut) = cut else { return Ok(None) };
            self.archive.keep(Finished { sound: &closed.paths.part, manifest: &cut })?;
            Ok(Some(cut))
        });
        match done {
            Ok(Some(cut)) => closed.manifest = cut,
            Ok(None) => {}
            Err(error) => {
                info!(recording = %closed.manifest.name, %error, "nor can what was written be completed");
                // Of two manifests the last that can be written is that it is absent.
                let _ = save(&*self.disk, &closed.manifest, &closed.paths.manifest, true);
            }
        }
    }

    fn complete(&self, closed: &mut Closed) -> io::Result<()> {
        let least = closed.least();
        let manifest = &mut closed.manifest;
        let kept = closed.kept.min(closed.written);
        manifest.samples = closed.written;
        if kept == 0 || kept < least {
            let is_silent = kept == 0 && (closed.written > 0 || manifest.trimmed > 0);
            manifest.end_at(0);
            manifest.state = State::Absent;
            manifest.failure = Some(if is_silent { Failure::Silent } else { Failure::TooShort });
            fs::remove_file(&closed.paths.part)?;
            return save(&*self.disk, manifest, &closed.paths.manifest, true);
        }
        manifest.hash = if kept < closed.written {
            let fitted = wav::fit(&closed.paths.part, manifest.tracks, kept)?;
            fitted.ok_or_else(|| io::Error::other("its header is gone"))?;
            manifest.trimmed_at_end = closed.written - kept;
            manifest.end_at(kept);
            Some(SoundHash::of(&closed.paths.part, closed.sound.kind())?)
        } else {
            Some(closed.sound.clone().end())
        };
        manifest.state = State::Completed;
        self.archive.keep(Finished { sound: &closed.paths.part, manifest })
    }

    fn delete(&self, name: Name) {
        let deleted = self.archive.delete(&name);
        if let Err(error) = &deleted {
            warn!(recording = %name, %error, "cannot be deleted");
        }
        self.tell(Report::Deleted(name, deleted.is_ok()));
    }

    fn tell(&self, report: Report) {
        // A model that is gone wants to know nothing more.
        let _ = self.reports.blocking_send(report);
    }
}

/// Writes down that a recording cannot be written. What was written stays where it is.
pub(super) fn fail(disk: &dyn Disk, manifest: &mut Manifest, paths: &Paths, written: u64, failure: Failure) {
    warn!(recording = %manifest.name, ?failure, "cannot be written; the recording ends");
    manifest.end_at(written);
    manifest.state = State::Absent;
    manifest.hash = None;
    manifest.failure = Some(failure);
    if let Err(error) = save(disk, manifest, &paths.manifest, true) {
        info!(recording = %manifest.name, %error, "nor can its manifest");
    }
}
