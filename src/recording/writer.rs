//! A thread that writes: takes blocks, one recording's in their order, and hands on what is over. It never waits until
//! something lasts. What goes wrong with one file ends that recording and no other.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc::Sender;
use tracing::{info, warn};

use super::collector::Spare;
use super::disk::{Disk, Sheet};
use super::door;
use super::finisher::{Closed, Lasting, Task, Unsynced, fail};
use super::manifest::{Failure, Gap, Manifest, Name};
use super::placing::{Block, Shape};
use super::recorder::Report;
use super::repair::{Paths, save};
use super::sound_hash::{HashKind, Hashing};
use super::wav;

/// Seconds of sound after which the disk is asked to keep what there is: what a machine that loses its power may lose,
/// beside what the disk needs for that. More often would be a thousand times a second on a node that records everything.
const SYNC_EVERY: u64 = 10;

/// It is woken when there is something to do; this is only so that it sleeps for a time that has an end.
const IDLE: Duration = Duration::from_secs(3_600);

/// Silence is written so many samples at a time.
const SILENCE_STEP: u64 = 4_096;

/// What a writer is told.
pub(super) enum Job {
    /// A recording begins.
    Open(Name, serde_json::Value, Shape),
    /// More of it.
    Append(Append),
    /// A track of it is called so.
    Label(Name, u16, String),
    /// It is over; so many samples of it are kept, and fewer than the second number are none.
    Finish(Name, u64, Duration),
    /// Its files are to go.
    Delete(Name),
    /// Nothing more comes.
    Stop,
}

/// More of a recording.
pub(super) struct Append {
    pub(super) name: Name,
    pub(super) block: Block,
    /// When its first sample was heard.
    pub(super) began: Option<DateTime<Utc>>,
    /// Where its room goes when it is written.
    pub(super) room: Spare,
    /// Counts it for as long as it waits.
    pub(super) _waiting: Waiting,
}

/// Counts steps of a recording that wait to be written, for as long as it lives.
pub(super) struct Waiting {
    count: Arc<AtomicU64>,
    steps: u64,
}

impl Waiting {
    pub(super) fn new(count: &Arc<AtomicU64>, steps: u64) -> Self {
        count.fetch_add(steps, Ordering::Relaxed);
        Self { count: Arc::clone(count), steps }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.count.fetch_sub(self.steps, Ordering::Relaxed);
    }
}

pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) hash: HashKind,
    pub(super) reports: Sender<Report>,
    pub(super) finishers: SyncSender<Task>,
    pub(super) open: HashMap<Name, Open>,
}

/// A recording that grows.
pub(super) struct Open {
    manifest: Manifest,
    paths: Paths,
    /// None when it could not be made, or has failed.
    file: Option<Box<dyn Sheet>>,
    /// Samples of each track that are in the file.
    written: u64,
    /// Of all of them.
    sound: Hashing,
    /// How much was written when the disk was last asked to keep it.
    asked: u64,
    /// Its manifest is another than the one that the disk was last asked to keep.
    has_news: bool,
    lasting: Arc<Lasting>,
}

impl Writer {
    /// The thread's life.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match door::next(jobs, IDLE) {
                Ok(Job::Open(name, about, shape)) => self.open(name, about, shape),
                Ok(Job::Append(append)) => self.append(append),
                Ok(Job::Label(name, track, label)) => self.label(&name, track, label),
                Ok(Job::Finish(name, kept, shortest)) => self.finish(&name, kept, shortest),
                Ok(Job::Delete(name)) => self.hand_on(Task::Delete(name)),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn open(&mut self, name: Name, about: serde_json::Value, shape: Shape) {
        let mut open = Open::new(&self.folder, (name.clone(), about, shape), self.hash);
        if let Err(error) = open.create(&*self.disk) {
            self.failed(&mut open, &error);
        }
        self.open.insert(name, open);
    }

    fn append(&mut self, append: Append) {
        let Some(open) = self.open.get_mut(&append.name) else {
            return;
        };
        let done = if open.file.is_some() { open.append(&*self.disk, &append) } else { Ok(()) };
        let is_due = open.is_due();
        append.room.leave(append.block.samples);
        if let Err(error) = done {
            self.cannot_go_on(append.name, &error);
        } else if is_due {
            self.make_last();
        }
    }

    fn cannot_go_on(&mut self, name: Name, error: &io::Error) {
        if let Some(mut open) = self.open.remove(&name) {
            self.failed(&mut open, error);
            self.open.insert(name, open);
        }
    }

    /// Has the disk asked to keep what there is of all recordings of which it is not being asked: together they cost
    /// hardly more than one. Nobody waits for it.
    fn make_last(&mut self) {
        let unsynced: Vec<Unsynced> = self.open.values_mut().filter_map(Open::ask).collect();
        let Err(TrySendError::Full(task) | TrySendError::Disconnected(task)) =
            self.finishers.try_send(Task::Sync(unsynced))
        else {
            return;
        };
        // The next time, then.
        if let Task::Sync(unsynced) = task {
            unsynced.iter().for_each(|one| one.lasting.is_asked.store(false, Ordering::Release));
            self.open.values_mut().for_each(|open| open.has_news = true);
        }
    }

    fn label(&mut self, name: &Name, track: u16, label: String) {
        let Some(open) = self.open.get_mut(name) else {
            return;
        };
        if open.manifest.name_track(track, label)
            && let Err(error) = save(&*self.disk, &open.manifest, &open.paths.manifest, false)
        {
            // It is written again at the end.
            info!(recording = %name, %error, "the name of a track is not written yet");
        }
    }

    fn finish(&mut self, name: &Name, kept: u64, shortest: Duration) {
        let Some(open) = self.open.remove(name) else {
            return;
        };
        let Open { manifest, paths, written, sound, .. } = open;
        self.hand_on(Task::Finish(Box::new(Closed { manifest, paths, written, kept, shortest, sound })));
    }

    fn failed(&self, open: &mut Open, error: &io::Error) {
        // The file is closed, whatever comes of that.
        open.file = None;
        let failure = match open.lasting.trouble.get() {
            Some(trouble) => Failure::NotKept(trouble.clone()),
            None => Failure::Disk(error.to_string()),
        };
        fail(&*self.disk, &mut open.manifest, &open.paths, open.written, failure);
        // A model that is gone wants to know nothing more.
        let _ = self.reports.blocking_send(Report::Failed(open.manifest.name.clone()));
    }

    /// What must not be lost waits until there is room.
    fn hand_on(&self, task: Task) {
        if self.finishers.send(task).is_err() {
            warn!("the threads that finish recordings are gone");
        }
    }
}

impl Open {
    pub(super) fn new(
        folder: &Path,
        (name, about, shape): (Name, serde_json::Value, Shape),
        hash: HashKind,
    ) -> Self {
        Self {
            paths: Paths::of(folder, &name),
            manifest: Manifest::new(name, about, shape),
            file: None,
            written: 0,
            sound: Hashing::new(hash),
            asked: 0,
            has_news: true,
            lasting: Arc::default(),
        }
    }

    pub(super) fn create(&mut self, disk: &dyn Disk) -> io::Result<()> {
        // Before the sound: from then on it can be found again.
        save(disk, &self.manifest, &self.paths.manifest, false)?;
        let mut file = disk.create(&self.paths.part)?;
        file.put(0, &wav::header(self.manifest.tracks, self.manifest.rate, 0))?;
        self.file = Some(file);
        Ok(())
    }

    /// Whether the disk was last asked to keep it long ago.
    fn is_due(&self) -> bool {
        self.file.is_some() && self.written - self.asked >= SYNC_EVERY * u64::from(self.manifest.rate)
    }

    /// What the disk is to be asked to keep of it, if there is anything and it is not being asked.
    fn ask(&mut self) -> Option<Unsynced> {
        if self.file.is_none()
            || self.written == self.asked
            || self.lasting.is_asked.swap(true, Ordering::Acquire)
        {
            return None;
        }
        self.asked = self.written;
        let manifest = std::mem::take(&mut self.has_news).then(|| self.paths.manifest.clone());
        Some(Unsynced { paths: self.paths.clone(), manifest, lasting: Arc::clone(&self.lasting) })
    }

    pub(super) fn append(&mut self, disk: &dyn Disk, append: &Append) -> io::Result<()> {
        if let Some(trouble) = self.lasting.trouble.get() {
            return Err(io::Error::other(trouble.clone()));
        }
        let (block, begin) = (&append.block, self.written);
        self.manifest.began = append.began;
        let has_news = self.note(block);
        // Before the sound: what is silence for a reason is never in the file without being listed.
        if has_news {
            self.has_news = true;
            save(disk, &self.manifest, &self.paths.manifest, false)?;
        }
        let mut left = block.at.saturating_sub(begin);
        while left > 0 {
            let step = left.min(SILENCE_STEP);
            self.write(&vec![0; (step * u64::from(self.manifest.tracks)) as usize])?;
            left -= step;
        }
        self.write(&block.samples)?;
        self.end_header()
    }

    /// As if so many samples had been written.
    #[cfg(test)]
    pub(super) fn has_written(&mut self, samples: u64) {
        self.written = samples;
        self.end_header().unwrap();
    }

    /// Takes down what is known of a block. Whether it is more than that it was heard.
    fn note(&mut self, block: &Block) -> bool {
        let manifest = &mut self.manifest;
        manifest.samples = self.written;
        manifest.heard += block.heard;
        let has_news = block.at > self.written
            || !block.gaps.is_empty()
            || !block.pauses.is_empty()
            || manifest.trimmed != block.trimmed
            || self.written == 0;
        manifest.trimmed = block.trimmed;
        if block.at > self.written {
            // What was to lie here could not be taken in time.
            let gap = Gap { track: None, at: self.written, samples: block.at - self.written };
            manifest.note_gap(gap);
        }
        block.gaps.iter().for_each(|gap| manifest.note_gap(*gap));
        block.pauses.iter().for_each(|pause| pause.note_in(&mut manifest.pauses));
        has_news
    }

    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let (tracks, begin) = (u64::from(self.manifest.tracks), self.data_len());
        let bytes = wav::bytes_of(samples);
        if begin + bytes.len() as u64 > wav::DATA_MAX {
            return Err(io::Error::other("longer than a file may be"));
        }
        if let Some(file) = &mut self.file {
            file.put(wav::HEADER_LEN + begin, &bytes)?;
        }
        self.sound.update(&bytes);
        self.written += samples.len() as u64 / tracks;
        self.manifest.samples = self.written;
        Ok(())
    }

    /// Sets the lengths in the header.
    fn end_header(&mut self) -> io::Result<()> {
        let header = wav::header(self.manifest.tracks, self.manifest.rate, self.data_len());
        self.file.as_mut().map_or(Ok(()), |file| file.put(0, &header))
    }

    /// Bytes of samples in the file.
    fn data_len(&self) -> u64 {
        self.written * u64::from(self.manifest.tracks) * wav::SAMPLE_LEN
    }
}
