//! A thread that writes: takes blocks, one recording's in their order, and tells when they last. What goes wrong with one
//! file ends that recording and no other.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufWriter};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use tokio::sync::mpsc::Sender;
use tracing::{info, warn};

use super::disk::{Disk, Sheet};
use super::manifest::{Failure, Gap, Manifest, Name, State};
use super::placing::{Block, Shape};
use super::recorder::{Report, Stats};
use super::repair::{Paths, save};
use super::wav;

/// Silence is written so many samples at a time.
const SILENCE_STEP: u64 = 4_096;

/// What a writer is told.
pub(super) enum Job {
    /// A recording begins.
    Open(Name, serde_json::Value, Shape),
    /// More of it.
    Append(Name, Block, Waiting),
    /// A track of it is called so.
    Label(Name, u16, String),
    /// It is over; so many samples of it are kept, and fewer than the second number are none.
    Finish(Name, u64, Duration),
    /// Its files are to go.
    Delete(Name),
    /// Nothing more comes.
    Stop,
}

/// Counts a recording's blocks that wait to be written, for as long as it lives.
pub(super) struct Waiting(pub(super) Arc<AtomicU64>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) struct Writer {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) reports: Sender<Report>,
    pub(super) stats: Stats,
    pub(super) open: HashMap<Name, Open>,
}

/// A recording that grows.
pub(super) struct Open {
    manifest: Manifest,
    paths: Paths,
    /// None when it could not be made, or has failed.
    file: Option<WavWriter<BufWriter<Box<dyn Sheet>>>>,
    written: u64,
}

impl Writer {
    /// The thread's life.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Open(name, about, shape) => self.open(name, about, shape),
                Job::Append(name, block, waiting) => {
                    self.append(&name, &block);
                    drop(waiting);
                }
                Job::Label(name, track, label) => self.label(&name, track, label),
                Job::Finish(name, kept, shortest) => self.finish(&name, kept, shortest),
                Job::Delete(name) => self.delete(name),
                Job::Stop => return,
            }
        }
    }

    fn open(&mut self, name: Name, about: serde_json::Value, shape: Shape) {
        let manifest = Manifest::new(name.clone(), about, shape);
        let paths = Paths::of(&self.folder, &name);
        let mut open = Open { manifest, paths, file: None, written: 0 };
        if let Err(error) = open.create(&*self.disk) {
            self.failed(&mut open, &error);
        }
        self.open.insert(name, open);
    }

    fn append(&mut self, name: &Name, block: &Block) {
        let Some(mut open) = self.open.remove(name) else {
            return;
        };
        if open.file.is_some()
            && let Err(error) = open.append(&*self.disk, block)
        {
            self.failed(&mut open, &error);
        }
        self.open.insert(name.clone(), open);
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
        let Some(mut open) = self.open.remove(name) else {
            return;
        };
        if open.file.is_some()
            && let Err(error) = open.finish(&*self.disk, kept, shortest)
        {
            self.failed(&mut open, &error);
        }
        match open.manifest.state {
            State::Completed => self.stats.completed.increment(),
            State::InProgress | State::Absent => self.stats.absent.increment(),
        }
        self.tell(Report::Finished(Box::new(open.manifest)));
    }

    /// What was written stays where it is.
    fn failed(&mut self, open: &mut Open, error: &io::Error) {
        warn!(recording = %open.manifest.name, %error, "cannot be written; the recording ends");
        // The file is closed, whatever comes of that.
        open.file = None;
        open.manifest.end_at(open.written);
        open.manifest.state = State::Absent;
        open.manifest.failure = Some(Failure::Disk(error.to_string()));
        if let Err(error) = save(&*self.disk, &open.manifest, &open.paths.manifest, true) {
            info!(recording = %open.manifest.name, %error, "nor can its manifest");
        }
        self.tell(Report::Failed(open.manifest.name.clone()));
    }

    fn delete(&self, name: Name) {
        let paths = Paths::of(&self.folder, &name);
        let gone = |path: &PathBuf| match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
        // The sound first: without its manifest nobody would find it again.
        let deleted = [&paths.wav, &paths.part, &paths.manifest].into_iter().try_for_each(gone);
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

impl Open {
    fn create(&mut self, disk: &dyn Disk) -> io::Result<()> {
        // Before the sound: from then on it can be found again.
        save(disk, &self.manifest, &self.paths.manifest, true)?;
        let spec = WavSpec {
            channels: self.manifest.tracks,
            sample_rate: self.manifest.rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let sheet = BufWriter::new(disk.create(&self.paths.part)?);
        let mut file = WavWriter::new(sheet, spec).map_err(reason)?;
        file.flush().map_err(reason)?;
        self.file = Some(file);
        Ok(())
    }

    fn append(&mut self, disk: &dyn Disk, block: &Block) -> io::Result<()> {
        let tracks = u64::from(self.manifest.tracks);
        let gaps = self.manifest.gaps.len();
        self.manifest.trimmed = block.trimmed;
        self.manifest.paused += block.paused;
        if block.at > self.written {
            // What was to lie here could not be taken in time.
            let gap = Gap { track: None, at: self.written, samples: block.at - self.written };
            self.manifest.note_gap(gap);
            self.write_silence(gap.samples)?;
        }
        block.gaps.iter().for_each(|gap| self.manifest.note_gap(*gap));
        self.write(&block.samples)?;
        self.written += block.samples.len() as u64 / tracks;
        if let Some(file) = &mut self.file {
            file.flush().map_err(reason)?;
        }
        if self.manifest.gaps.len() != gaps {
            save(disk, &self.manifest, &self.paths.manifest, false)?;
        }
        Ok(())
    }

    fn write_silence(&mut self, samples: u64) -> io::Result<()> {
        let (tracks, silence) = (u64::from(self.manifest.tracks), vec![0; 2 * SILENCE_STEP as usize]);
        let mut left = samples;
        while left > 0 {
            let step = left.min(SILENCE_STEP);
            self.write(&silence[..(step * tracks) as usize])?;
            left -= step;
        }
        self.written += samples;
        Ok(())
    }

    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        let before = self.written * u64::from(self.manifest.tracks);
        let bytes = (before + samples.len() as u64) * wav::SAMPLE_LEN;
        if bytes > wav::DATA_MAX {
            return Err(io::Error::other("longer than a WAV file can be"));
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        samples.iter().try_for_each(|sample| file.write_sample(*sample)).map_err(reason)
    }

    fn finish(&mut self, disk: &dyn Disk, kept: u64, shortest: Duration) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.finalize().map_err(reason)?;
        }
        let least = shortest.as_millis() as u64 * u64::from(self.manifest.rate) / 1_000;
        let kept = kept.min(self.written);
        if kept == 0 || kept < least {
            return self.come_to_nothing(disk, kept);
        }
        let samples = if kept == self.written {
            kept
        } else {
            let fitted = wav::fit(&self.paths.part, self.manifest.tracks, kept)?;
            fitted.ok_or_else(|| io::Error::other("its header is gone"))?
        };
        self.manifest.end_at(samples);
        disk.sync(&self.paths.part)?;
        self.manifest.state = State::Completed;
        save(disk, &self.manifest, &self.paths.manifest, true)?;
        fs::rename(&self.paths.part, &self.paths.wav)?;
        Ok(())
    }

    fn come_to_nothing(&mut self, disk: &dyn Disk, kept: u64) -> io::Result<()> {
        let is_silent = kept == 0 && (self.written > 0 || self.manifest.trimmed > 0);
        self.manifest.end_at(0);
        self.manifest.state = State::Absent;
        self.manifest.failure = Some(if is_silent { Failure::Silent } else { Failure::TooShort });
        fs::remove_file(&self.paths.part)?;
        save(disk, &self.manifest, &self.paths.manifest, true)
    }
}

fn reason(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        hound::Error::FormatError(_)
        | hound::Error::TooWide
        | hound::Error::UnfinishedSample
        | hound::Error::Unsupported
        | hound::Error::InvalidSampleFormat => io::Error::other(error.to_string()),
    }
}
