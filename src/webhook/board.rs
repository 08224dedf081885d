//! The courier's board: which job may go next. Plain state without tasks, clocks or sockets.
//!
//! ```text
//! lane per key, one job of it under way at most        host: lanes that are ready, in turn
//!   CA1  [answered*] [completed]            ─────►        app.example   ready: CA3, CA1   under way: 2 of 32
//!   CA2  [ringing, until 10:04:07] [answered]             dead.example  ready: -          under way: 0 of 32
//!                  └── pauses after a failure             └──── hosts take turns, 256 under way in all
//! ```
//!
//! Full, the board drops news of progress and never the last word: first the oldest waiting progress of the longest
//! lane, which is most likely a dead application's own; if nothing but last words waits, new progress; and a new last
//! word is set aside, to be fetched from the spool when there is room.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::job::Job;

/// Jobs done whose ids are remembered, so that a job handed in twice in a row is not delivered twice. Seconds of a busy
/// node.
const REMEMBERED_MAX: usize = 4_096;

/// How much is taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) waiting: usize,
    pub(super) under_way: usize,
    pub(super) under_way_per_host: usize,
}

/// What became of a job that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It will be delivered, after those before it.
    Accepted,
    /// It will be delivered, and news of progress with this id was dropped for it.
    InPlaceOf(String),
    /// It is in the spool alone, until there is room.
    SetAside,
    /// There is no room: neither for news of progress, nor, in the spool, for a last word.
    Dropped,
    /// A job with this id was handed in before.
    Known,
}

/// A job that may go now.
#[derive(Clone, Debug)]
pub(super) struct Going {
    pub(super) job: Arc<Job>,
    /// Attempts before this one.
    pub(super) attempts: u32,
    /// When it is given up.
    pub(super) until: Instant,
}

/// Which job may go next.
#[derive(Debug)]
pub(super) struct Board {
    bounds: Bounds,
    lanes: HashMap<String, Lane>,
    hosts: HashMap<String, Host>,
    /// Hosts that have a lane ready and room for it, each once.
    turns: VecDeque<String>,
    /// Lanes that pause, by the end of their pause.
    pausing: BinaryHeap<Reverse<(Instant, String)>>,
    /// Jobs in lanes, those under way included.
    jobs: usize,
    under_way: usize,
    known: HashSet<String>,
    remembered: VecDeque<String>,
}

/// The jobs of one key, in order. Never empty.
#[derive(Debug)]
struct Lane {
    entries: VecDeque<Entry>,
    is_under_way: bool,
}

#[derive(Debug)]
struct Entry {
    going: Going,
    host: String,
}

#[derive(Debug, Default)]
struct Host {
    ready: VecDeque<String>,
    under_way: usize,
    has_turn: bool,
}

impl Board {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            lanes: HashMap::new(),
            hosts: HashMap::new(),
            turns: VecDeque::new(),
            pausing: BinaryHeap::new(),
            jobs: 0,
            under_way: 0,
            known: HashSet::new(),
            remembered: VecDeque::new(),
        }
    }

    /// Jobs that are not done, those under way included.
    /// Whether it holds the job.
    pub(super) fn knows(&self, job: &Job) -> bool {
        self.known.contains(&job.id)
    }

    pub(super) fn len(&self) -> usize {
        self.jobs
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether so much is done that what was set aside can come.
    pub(super) fn has_room(&self) -> bool {
        self.jobs <= self.bounds.waiting / 2
    }

    /// How many may be admitted before the board is full.
    pub(super) fn room(&self) -> usize {
        self.bounds.waiting.saturating_sub(self.jobs)
    }

    /// Takes a job in for `host`, to be given up at `until`.
    pub(super) fn admit(&mut self, job: Arc<Job>, host: String, until: Instant) -> Admission {
        if self.known.contains(&job.id) {
            return Admission::Known;
        }
        let mut admission = Admission::Accepted;
        if self.jobs >= self.bounds.waiting {
            match self.drop_progress() {
                Some(dropped) => admission = Admission::InPlaceOf(dropped),
                None if job.is_last => return Admission::SetAside,
                None => return Admission::Dropped,
            }
        }
        self.known.insert(job.id.clone());
        self.jobs += 1;
        let key = job.key.clone();
        let entry = Entry { going: Going { job, attempts: 0, until }, host };
        match self.lanes.get_mut(&key) {
            Some(lane) => lane.entries.push_back(entry),
            None => {
                let lane = Lane { entries: VecDeque::from([entry]), is_under_way: false };
                self.lanes.insert(key.clone(), lane);
                self.make_ready(key);
            }
        }
        admission
    }

    /// The job whose turn it is. It is under way until it is [settled](Self::done).
    pub(super) fn next(&mut self) -> Option<Going> {
        if self.under_way >= self.bounds.under_way {
            return None;
        }
        let host_name = self.turns.pop_front()?;
        let host = self.hosts.get_mut(&host_name)?;
        host.has_turn = false;
        let key = host.ready.pop_front()?;
        host.under_way += 1;
        self.under_way += 1;
        self.give_turn(&host_name);
        let lane = self.lanes.get_mut(&key)?;
        lane.is_under_way = true;
        lane.entries.front().map(|entry| entry.going.clone())
    }

    /// The job of `key` that was under way is done for good; its lane goes on.
    pub(super) fn done(&mut self, key: &str) {
        self.land(key);
        let Some(lane) = self.lanes.get_mut(key) else { return };
        if let Some(entry) = lane.entries.pop_front() {
            self.jobs -= 1;
            self.remember(entry.going.job.id.clone());
        }
        let goes_on = self.lanes.get(key).is_some_and(|lane| !lane.entries.is_empty());
        if goes_on {
            self.make_ready(key.to_owned());
        } else {
            self.lanes.remove(key);
        }
    }

    /// The job of `key` that was under way is tried again at `at`, and its lane waits.
    pub(super) fn again(&mut self, key: &str, at: Instant) {
        self.land(key);
        if let Some(entry) = self.lanes.get_mut(key).and_then(|lane| lane.entries.front_mut()) {
            entry.going.attempts += 1;
            self.pausing.push(Reverse((at, key.to_owned())));
        }
    }

    /// Ends the pauses that are over.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.pausing.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((_, key))) = self.pausing.pop() {
                self.make_ready(key);
            }
        }
    }

    /// When the next pause is over.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.pausing.peek().map(|Reverse((at, _))| *at)
    }

    /// A lane is no longer under way, and its host has room again.
    fn land(&mut self, key: &str) {
        let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.is_under_way) else { return };
        lane.is_under_way = false;
        self.under_way -= 1;
        let Some(host_name) = lane.entries.front().map(|entry| entry.host.clone()) else { return };
        if let Some(host) = self.hosts.get_mut(&host_name) {
            host.under_way -= 1;
            if host.under_way == 0 && host.ready.is_empty() {
                self.hosts.remove(&host_name);
            }
        }
        self.give_turn(&host_name);
    }

    fn make_ready(&mut self, key: String) {
        let first = self.lanes.get(&key).and_then(|lane| lane.entries.front());
        let Some(host_name) = first.map(|entry| entry.host.clone()) else { return };
        self.hosts.entry(host_name.clone()).or_default().ready.push_back(key);
        self.give_turn(&host_name);
    }

    /// Puts a host at the end of the row if it has something ready and room for it.
    fn give_turn(&mut self, host_name: &str) {
        let Some(host) = self.hosts.get_mut(host_name) else { return };
        if !host.has_turn && !host.ready.is_empty() && host.under_way < self.bounds.under_way_per_host {
            host.has_turn = true;
            self.turns.push_back(host_name.to_owned());
        }
    }

    /// Drops the oldest waiting progress of the longest lane that has any. Looks at every lane, which is done only when
    /// the board is full, and costs less than the callback that asks for it.
    fn drop_progress(&mut self) -> Option<String> {
        let longest = self.lanes.values_mut().filter(|lane| lane.droppable().is_some());
        let lane = longest.max_by_key(|lane| lane.entries.len())?;
        let at = lane.droppable()?;
        let entry = lane.entries.remove(at)?;
        self.jobs -= 1;
        let id = entry.going.job.id.clone();
        self.remember(id.clone());
        Some(id)
    }

    fn remember(&mut self, id: String) {
        if self.remembered.len() == REMEMBERED_MAX
            && let Some(oldest) = self.remembered.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.remembered.push_back(id);
    }
}

impl Lane {
    /// Where its oldest progress is that can be dropped: not the first, which may be under way, or pauses, or is queued
    /// for its host.
    fn droppable(&self) -> Option<usize> {
        (1..self.entries.len()).find(|at| !self.entries[*at].going.job.is_last)
    }
}
