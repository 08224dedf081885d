//! The thread between media threads and writers: takes what was tapped, places it, and hands blocks on. It waits for
//! nobody: a writer that does not keep up costs the recording a gap.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use confab_media::prefetch::fetch_whole;
use confab_media::{LegId, TapHead, TapSink, Tapped, Tick, Time};
use tokio::sync::mpsc::Sender;
use tracing::warn;

use super::door::{self, Door};
use super::manifest::Name;
use super::placing::{Block, Ending, PauseBehavior, Placing, Terms};
use super::recorder::{Begin, Report, Stats, TapSource};
use super::writer::{Append, Job, Waiting};

/// How often the rings are looked at while something is recorded. They hold several times as much. What belongs to one of
/// hundreds of recordings is fetched from memory once in each look, which is much of what a frame costs.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// And while something may end by itself: somebody waits for what comes after it.
const LOOK_WHEN_AWAITED: Duration = Duration::from_millis(100);

/// While nothing is, once a second. For so many looks after a recording it is looked as often as during one: what is left
/// of its leg must not be taken for the beginning of the next.
const LOOK_WHEN_IDLE: Duration = Duration::from_secs(1);
const LOOKS_AFTERWARDS: u32 = 20;

/// Steps of one recording that may wait to be written: half a minute, as long as the worst disks take for an fsync.
/// What comes beyond is a gap. Of two tracks at 8 kHz that is a megabyte.
pub(super) const STEPS_WAITING_MAX: u64 = 30_000 / Tick::DURATION.as_millis() as u64;

/// What the collector is told.
pub(super) enum Order {
    /// Record a leg or a conference from now on.
    Begin(Box<Begin>),
    /// Leave out what comes, or go on.
    Pause(Name, Option<PauseBehavior>),
    /// Somebody is to have the next track, which is called so.
    Seat(Name, LegId, String),
    /// It is over.
    Finish(Name),
    /// Its files are to go.
    Delete(Name),
    /// Complete all there are, and end.
    Stop,
}

pub(super) struct Collector {
    pub(super) taps: Vec<TapSource>,
    pub(super) writers: Vec<Door<Job>>,
    pub(super) reports: Sender<Report>,
    pub(super) stats: Stats,
    pub(super) legs: HashMap<Tapped, Vec<Active>, BuildHasherDefault<IdHasher>>,
    pub(super) next_writer: usize,
    /// Recordings that may end by themselves.
    pub(super) awaited: usize,
}

/// A recording under way.
pub(super) struct Active {
    name: Name,
    terms: Terms,
    /// Whoever listened before this has heard more.
    since: Time,
    placing: Placing,
    writer: usize,
    waiting: Arc<AtomicU64>,
    room: Spare,
    /// It has ended by itself, and waits to be finished.
    has_ended: bool,
    /// When its first frame came.
    began: Option<DateTime<Utc>>,
}

/// Where a writer leaves the room of a block that is written, for another of the same recording. Without that all of it
/// would go back to the system and be asked for again, page by page.
#[derive(Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<i16>>>);

impl Spare {
    pub(super) fn leave(&self, samples: Vec<i16>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = samples;
    }

    fn take(&self) -> Vec<i16> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Spreads ids, which count up: they come from nobody who could choose them so that they collide, and each frame is looked up.
#[derive(Default)]
pub(super) struct IdHasher(u64);

/// The golden ratio in 64 bits: what is multiplied by it differs in its upper bits, whichever it was.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Collector {
    /// The thread's life.
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let (mut idle, mut looked) = (0, Instant::now());
        loop {
            let every = self.looks_every(idle);
            let order = match door::next(orders, every.saturating_sub(looked.elapsed())) {
                // Its leg is tapped from now on, and what has come of it since may already be here.
                Ok(Order::Begin(begin)) => {
                    self.begin(*begin);
                    None
                }
                // They are heard from now on.
                Ok(Order::Seat(name, leg, label)) => {
                    self.seat(&name, leg, label);
                    None
                }
                order => Some(order),
            };
            // What was heard before another order counts. And however many begin one after the other, nobody waits for that.
            if order.is_some() || looked.elapsed() >= every {
                self.collect();
                looked = Instant::now();
                idle = if self.legs.is_empty() { idle + 1 } else { 0 };
            }
            match order {
                Some(Ok(Order::Pause(name, behavior))) => {
                    if let Some(active) = self.find(&name) {
                        active.placing.pause(behavior);
                    }
                }
                Some(Ok(Order::Finish(name))) => self.finish(&name),
                Some(Ok(Order::Delete(name))) => self.hand_on(0, Job::Delete(name)),
                Some(Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected)) => return self.stop(),
                Some(Ok(Order::Begin(_) | Order::Seat(..)) | Err(RecvTimeoutError::Timeout)) | None => {}
            }
        }
    }

    fn looks_every(&self, idle: u32) -> Duration {
        if self.awaited > 0 {
            LOOK_WHEN_AWAITED
        } else if self.legs.is_empty() && idle > LOOKS_AFTERWARDS {
            LOOK_WHEN_IDLE
        } else {
            LOOK_EVERY
        }
    }

    /// Takes all there is.
    fn collect(&mut self) {
        let Self { taps, legs, writers, reports, stats, .. } = self;
        let mut intake = Intake { legs, writers, reports, stats, last: None };
        for source in taps {
            while source(&mut intake) {}
        }
        intake.end_turn();
        // Once for all that was left.
        writers.iter().for_each(Door::wake);
    }

    fn begin(&mut self, begin: Begin) {
        let writer = self.next_writer;
        self.next_writer = (writer + 1) % self.writers.len();
        self.hand_on(writer, Job::Open(begin.name.clone(), begin.about, begin.terms.shape));
        let active = Active {
            name: begin.name,
            terms: begin.terms,
            since: begin.since,
            placing: Placing::new(begin.terms),
            writer,
            waiting: Arc::default(),
            room: Spare::default(),
            has_ended: false,
            began: None,
        };
        self.awaited += usize::from(active.terms.may_end());
        let name = active.name.clone();
        self.legs.entry(begin.of).or_default().push(active);
        self.stats.active.add(1);
        for (leg, label) in begin.seats {
            self.seat(&name, leg, label);
        }
    }

    fn seat(&mut self, name: &Name, leg: LegId, label: String) {
        let Some(active) = self.find(name) else {
            return;
        };
        let (writer, track) = (active.writer, active.placing.seat(leg));
        if let Some(track) = track {
            self.hand_on(writer, Job::Label(name.clone(), track, label));
        }
    }

    fn find(&mut self, name: &Name) -> Option<&mut Active> {
        self.legs.values_mut().flatten().find(|active| active.name == *name)
    }

    fn finish(&mut self, name: &Name) {
        let found = self
            .legs
            .iter()
            .find_map(|(leg, active)| Some((*leg, active.iter().position(|active| active.name == *name)?)));
        let Some((leg, at)) = found else {
            return;
        };
        let Some(recordings) = self.legs.get_mut(&leg) else {
            return;
        };
        let active = recordings.swap_remove(at);
        if recordings.is_empty() {
            self.legs.remove(&leg);
        }
        self.end(active);
    }

    fn end(&mut self, mut active: Active) {
        let placing = std::mem::replace(&mut active.placing, Placing::new(active.terms));
        let (rest, kept) = placing.finish();
        active.append(&self.writers[active.writer], rest, &self.stats);
        self.stats.active.add(-1);
        self.awaited -= usize::from(active.terms.may_end());
        self.hand_on(active.writer, Job::Finish(active.name, kept, active.terms.shortest));
    }

    /// What must not be lost waits until there is room: a recording's beginning and end, of which there are few.
    fn hand_on(&self, writer: usize, job: Job) {
        if !self.writers[writer].put(job) {
            warn!("a thread that writes recordings is gone");
        }
    }

    fn stop(&mut self) {
        for active in std::mem::take(&mut self.legs).into_values().flatten() {
            self.end(active);
        }
        for writer in 0..self.writers.len() {
            self.hand_on(writer, Job::Stop);
        }
    }
}

/// Where frames come in.
struct Intake<'a> {
    legs: &'a mut HashMap<Tapped, Vec<Active>, BuildHasherDefault<IdHasher>>,
    writers: &'a [Door<Job>],
    reports: &'a Sender<Report>,
    stats: &'a Stats,
    /// Whose turn it is.
    last: Option<Tapped>,
}

impl TapSink for Intake<'_> {
    fn put(&mut self, head: &TapHead, heard: &[i16]) {
        self.hear(head, |placing| placing.hear(*head, [heard]));
    }

    fn put_beside(&mut self, head: &TapHead, one: &[i16], rest: &[i16]) {
        self.hear(head, |placing| placing.hear(*head, [one, rest]));
    }

    fn expect(&mut self, of: Tapped, is_near: bool) {
        for recording in self.legs.get(&of).into_iter().flatten() {
            match is_near {
                false => fetch_whole(recording),
                true => recording.placing.fetch_beyond(),
            }
        }
    }
}

impl Intake<'_> {
    /// Has all who record it take in what came, if it is of their time.
    fn hear(&mut self, head: &TapHead, take: impl Fn(&mut Placing) -> Option<Ending>) {
        if self.last != Some(head.of) {
            self.end_turn();
            self.last = Some(head.of);
        }
        let recordings = self.legs.get_mut(&head.of).into_iter().flatten();
        for recording in recordings.filter(|recording| !recording.has_ended && recording.since <= head.at) {
            let ending = take(&mut recording.placing);
            recording.go_on(ending, self.writers, self.reports, self.stats);
        }
    }

    /// There is no more of one, for now: what would be too old at the next look is written.
    fn end_turn(&mut self) {
        let recordings = self.last.take().and_then(|last| self.legs.get_mut(&last));
        for recording in recordings.into_iter().flatten() {
            if let Some(block) = recording.placing.take_due_block() {
                recording.append(&self.writers[recording.writer], block, self.stats);
                recording.placing.take_back(recording.room.take());
            }
        }
    }
}

impl Active {
    /// Hands on what is whole.
    fn go_on(
        &mut self,
        ending: Option<Ending>,
        writers: &[Door<Job>],
        reports: &Sender<Report>,
        stats: &Stats,
    ) {
        self.began.get_or_insert_with(Utc::now);
        if let Some(ending) = ending {
            self.has_ended = true;
            // A model that is gone wants to know nothing more.
            let _ = reports.blocking_send(Report::Ended(self.name.clone(), ending));
        }
        if let Some(block) = self.placing.take_block() {
            self.append(&writers[self.writer], block, stats);
            self.placing.take_back(self.room.take());
        }
    }

    fn append(&self, writer: &Door<Job>, block: Block, stats: &Stats) {
        if block.samples.is_empty() && block.pauses.is_empty() && block.trimmed == 0 {
            return;
        }
        let steps = self.placing.steps_of(&block);
        if self.waiting.load(Ordering::Relaxed) >= STEPS_WAITING_MAX {
            stats.dropped.increment();
            return;
        }
        let _waiting = Waiting::new(&self.waiting, steps);
        let (name, room) = (self.name.clone(), self.room.clone());
        let job = Job::Append(Append { name, block, began: self.began, room, _waiting });
        // Dropped with the job, the count goes down again.
        if !writer.leave(job) {
            stats.dropped.increment();
        }
    }
}
