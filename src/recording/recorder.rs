//! The recorder, as the model holds it: takes orders without waiting, and reports what became of them.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use confab_media::{LegId, SampleRate, TapSink, Tapped, Time};
use tokio::sync::mpsc;

use super::archive::LocalFolder;
use super::collector::{Collector, Order};
use super::disk::Disk;
use super::door::Door;
use super::finisher::Finisher;
use super::manifest::{Manifest, Name};
use super::placing::{Ending, PauseBehavior, Terms};
use super::sound_hash::HashKind;
use super::writer::Writer;
use crate::telemetry::{Counter, Gauge, Metrics};

/// Threads that write. While one waits for the disk the files of the others go on, as far as the disk lets them.
const WRITERS: usize = 4;

/// Threads that wait until something lasts. One that stands still for a bad disk leaves the others.
const FINISHERS: usize = 4;

/// What may wait for them; then threads that write wait as well. That is more than recordings end in half a minute.
const TASKS_MAX: usize = 8_192;

/// Orders that may wait. The collector is woken for each.
const ORDERS_MAX: usize = 4_096;

/// Blocks and ends that may wait for one writer, of all its recordings. Each recording is bounded by itself; this is what
/// five hundred of them need.
const JOBS_MAX: usize = 32_768;

/// Reports that may wait for the model.
const REPORTS_MAX: usize = 1_024;

/// Hands what was tapped to what it is given, frame by frame, each with its samples, and says whether there was any: what is of
/// one leg or conference in its order, and together as far as that is easily done.
pub type TapSource = Box<dyn FnMut(&mut dyn TapSink) -> bool + Send>;

/// What a recorder is made of.
pub struct RecorderSettings {
    /// Where files go.
    pub folder: PathBuf,
    /// What they are written on.
    pub disk: Arc<dyn Disk>,
    /// Which hash their sound has.
    pub hash: HashKind,
    /// Where frames come from: one for each media thread.
    pub taps: Vec<TapSource>,
}

/// A leg or a conference is to be recorded.
#[derive(Debug)]
pub struct Begin {
    /// What the recording is called.
    pub name: Name,
    /// Whose sound.
    pub of: Tapped,
    /// What was tapped of it earlier is not part of the recording: somebody else may listen as well.
    pub since: Time,
    /// Who has which track, from the first on, where each participant has one; and what their tracks are called.
    pub seats: Vec<(LegId, String)>,
    /// What of it, and until when.
    pub terms: Terms,
    /// What is written down beside it.
    pub about: serde_json::Value,
}

/// What became of a recording.
#[derive(Debug)]
pub enum Report {
    /// It has ended by itself. It is to be [finished](Recorder::finish) all the same.
    Ended(Name, Ending),
    /// It cannot be written. It is to be finished all the same.
    Failed(Name),
    /// It is over, and on the disk; or there is nothing of it, which its manifest says.
    Finished(Box<Manifest>),
    /// Its files are gone, or not.
    Deleted(Name, bool),
}

/// The recorder. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    orders: Door<Order>,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Samples a second of all recordings, if that is not up to what is recorded.
    rate: Option<SampleRate>,
}

/// Figures of recordings.
#[derive(Clone)]
pub(super) struct Stats {
    pub(super) active: Arc<Gauge>,
    pub(super) completed: Arc<Counter>,
    pub(super) absent: Arc<Counter>,
    pub(super) dropped: Arc<Counter>,
}

impl Stats {
    fn new(metrics: &Metrics) -> Self {
        let ended = |end| {
            metrics.counter(
                "confab_recordings_total",
                "Recordings that are over, by what there is of them.",
                &[("end", end)],
            )
        };
        Self {
            active: metrics.gauge("confab_recordings_active", "Recordings under way.", &[]),
            completed: ended("completed"),
            absent: ended("absent"),
            dropped: metrics.counter(
                "confab_recording_blocks_dropped_total",
                "Blocks (0.8 s mostly) of recordings that the disk did not take in time; they are silence.",
                &[],
            ),
        }
    }
}

impl Recorder {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses them.
    pub fn start(
        settings: RecorderSettings,
        metrics: &Metrics,
    ) -> io::Result<(Self, mpsc::Receiver<Report>)> {
        let (orders, ordered) = sync_channel(ORDERS_MAX);
        let (reports, reported) = mpsc::channel(REPORTS_MAX);
        let stats = Stats::new(metrics);
        let (mut writers, mut threads) = (Vec::new(), Vec::new());
        let (finishers, given) = sync_channel(TASKS_MAX);
        let given = Arc::new(Mutex::new(given));
        let archive = LocalFolder::new(settings.folder.clone(), Arc::clone(&settings.disk));
        let finisher = Finisher {
            disk: Arc::clone(&settings.disk),
            archive: Arc::new(archive),
            reports: reports.clone(),
            stats: stats.clone(),
        };
        for number in 0..FINISHERS {
            let (finisher, given) = (finisher.clone(), Arc::clone(&given));
            threads.push(spawn(format!("record-end-{number}"), move || finisher.run(&given))?);
        }
        for number in 0..WRITERS {
            let (jobs, given) = sync_channel(JOBS_MAX);
            let writer = Writer {
                folder: settings.folder.clone(),
                disk: Arc::clone(&settings.disk),
                hash: settings.hash,
                reports: reports.clone(),
                finishers: finishers.clone(),
                open: HashMap::new(),
            };
            let thread = spawn(format!("record-{number}"), move || writer.run(&given))?;
            writers.push(Door::new(jobs, thread.thread().clone()));
            threads.push(thread);
        }
        let taps = settings.taps;
        let collector =
            Collector { taps, writers, reports, stats, legs: HashMap::default(), next_writer: 0, awaited: 0 };
        let thread = spawn("recorder".to_owned(), move || collector.run(&ordered))?;
        let orders = Door::new(orders, thread.thread().clone());
        threads.push(thread);
        Ok((Self { orders, threads: Arc::new(Mutex::new(threads)), rate: None }, reported))
    }

    /// The same with so many samples a second in all recordings, or with as many as what is recorded has.
    #[must_use]
    pub const fn at_rate(mut self, rate: Option<SampleRate>) -> Self {
        self.rate = rate;
        self
    }

    /// Samples a second of a recording of what has so many: 16,000 at most, which speech needs, unless told otherwise.
    pub fn rate_of(&self, heard: SampleRate) -> SampleRate {
        self.rate.unwrap_or_else(|| heard.min(SampleRate::Hz16000))
    }

    /// Records a leg or a conference from now on. What was tapped of it before is not part of it. Whether there was room for the order.
    pub fn begin(&self, begin: Begin) -> bool {
        self.orders.offer(Order::Begin(Box::new(begin)))
    }

    /// Leaves out what comes (`Some`), or goes on (`None`). Whether there was room for the order.
    pub fn pause(&self, name: &Name, behavior: Option<PauseBehavior>) -> bool {
        self.orders.offer(Order::Pause(name.clone(), behavior))
    }

    /// Gives one who comes the next track, where each participant has one. Whether there was room for the order.
    pub fn seat(&self, name: &Name, leg: LegId, label: String) -> bool {
        self.orders.offer(Order::Seat(name.clone(), leg, label))
    }

    /// Ends a recording; a report says when it is on the disk. Whether there was room for the order.
    pub fn finish(&self, name: &Name) -> bool {
        self.orders.offer(Order::Finish(name.clone()))
    }

    /// Deletes the files of a recording that is over; a report says when. Whether there was room for the order.
    pub fn delete(&self, name: &Name) -> bool {
        self.orders.offer(Order::Delete(name.clone()))
    }

    /// Completes all recordings and ends. Waits for the disk: not to be called where nothing may wait.
    pub fn stop(&self) {
        // Refused, it is stopping already or has as many orders before it as it will take.
        let _ = self.orders.put(Order::Stop);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn spawn(name: String, life: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(life)
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
