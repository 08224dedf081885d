//! Queues of callers, and those who take callers out: first come, first served, on both sides.
//!
//! Pure: no call is told anything here, no clock is read. A caller who is taken keeps their place until they are
//! connected, so that one whose taker goes away has lost nothing; until then nobody else is given them.
//!
//! ```text
//! enqueue ─▶ free ── pair ──▶ taken ── connect ──▶ out
//!             ▲                │ │
//!             └─── release ────┘ └── leave ──▶ out; the taker is the next to be given somebody
//! ```

pub(super) mod request;
#[cfg(test)]
mod tests;
mod view;

pub use view::{QueueExit, QueuePlace, QueueResult, QueueUpdate, QueueView, WaiterKey, WaiterView};

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::sid::{AccountSid, CallSid, QueueSid};
use super::view::{Page, PageRequest};
use super::voice::VoiceUrl;

/// How many may wait in a queue unless it says.
pub const QUEUE_SIZE_DEFAULT: usize = 100;

/// The most that may wait in one queue.
pub const QUEUE_SIZE_MAX: usize = 5_000;

/// Queues of all accounts together. Scripts make them on demand, by names that callers may have a say in; a script that
/// makes a new one for each call must not fill the memory.
const QUEUES_MAX: usize = 10_000;

/// A name within an account, which is what scripts say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct QueueName {
    pub(super) account: AccountSid,
    pub(super) name: String,
}

/// Now: for people, and for measuring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: DateTime<Utc>,
    pub(super) clock: Instant,
}

/// Why something about queues could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueRefusal {
    NoQueue,
    NameTaken,
    NotEmpty,
    /// As many wait in this queue as may.
    Full(QueueSid),
    /// There are as many queues as there may be.
    TooMany,
    /// The call waits already, or takes callers out.
    Busy,
}

/// A place in the order of all who ever waited.
type Ticket = u64;

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    all: HashMap<QueueSid, Queue>,
    by_name: HashMap<QueueName, QueueSid>,
    by_age: BTreeMap<u64, QueueSid>,
    next: u64,
    /// Where each caller waits.
    places: HashMap<CallSid, (QueueSid, Ticket)>,
    takers: HashMap<CallSid, Taker>,
    /// Those who were given nobody yet, by the name of the queue: it need not be there yet.
    idle: HashMap<QueueName, VecDeque<CallSid>>,
}

#[derive(Debug)]
struct Queue {
    number: u64,
    name: QueueName,
    size_max: usize,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    /// All who wait, in the order they came.
    line: BTreeMap<Ticket, Entry>,
    /// Those of the line whom nobody has taken.
    free: BTreeSet<Ticket>,
    /// From when the times of the line are counted.
    epoch: Instant,
    /// The sum of the times since then at which those in the line came. The mean wait is a subtraction.
    came: Duration,
}

#[derive(Debug)]
struct Entry {
    call: CallSid,
    enqueued: Moment,
    taker: Option<CallSid>,
}

#[derive(Debug)]
struct Taker {
    name: QueueName,
    whisper: Option<VoiceUrl>,
    caller: Option<CallSid>,
}

/// A caller and who is to have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) caller: CallSid,
    pub(super) taker: CallSid,
    /// What the caller hears first.
    pub(super) whisper: Option<VoiceUrl>,
}

/// A caller who is out of a queue.
#[derive(Clone, Debug)]
pub(super) struct Left {
    /// As they were just before.
    pub(super) was: WaiterView,
    pub(super) name: QueueName,
    /// Who had been given them.
    pub(super) taker: Option<CallSid>,
}

impl Queues {
    /// Makes a queue.
    pub(super) fn define(
        &mut self,
        sid: QueueSid,
        name: QueueName,
        size_max: usize,
        now: Moment,
    ) -> Result<(), QueueRefusal> {
        if self.by_name.contains_key(&name) {
            return Err(QueueRefusal::NameTaken);
        }
        if self.all.len() >= QUEUES_MAX {
            return Err(QueueRefusal::TooMany);
        }
        let number = self.number();
        self.by_name.insert(name.clone(), sid);
        self.by_age.insert(number, sid);
        let queue = Queue {
            number,
            name,
            size_max: size_max.min(QUEUE_SIZE_MAX),
            created: now.at,
            updated: now.at,
            line: BTreeMap::new(),
            free: BTreeSet::new(),
            epoch: now.clock,
            came: Duration::ZERO,
        };
        self.all.insert(sid, queue);
        Ok(())
    }

    /// Makes a queue that was there before, as it was then.
    pub(super) fn restore(&mut self, was: &QueueView, now: Moment) -> Result<(), QueueRefusal> {
        let name = QueueName { account: was.account, name: was.friendly_name.clone() };
        self.define(was.sid, name, was.max_size, now)?;
        if let Some(queue) = self.all.get_mut(&was.sid) {
            (queue.created, queue.updated) = (was.created, was.updated);
        }
        Ok(())
    }

    const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whose queue it is.
    pub(super) fn account(&self, sid: QueueSid) -> Option<AccountSid> {
        self.all.get(&sid).map(|queue| queue.name.account)
    }

    pub(super) fn named(&self, name: &QueueName) -> Option<QueueSid> {
        self.by_name.get(name).copied()
    }

    /// Changes a queue. Fewer places than are taken let nobody in until there are fewer who wait.
    pub(super) fn update(
        &mut self,
        sid: QueueSid,
        update: &QueueUpdate,
        now: Moment,
    ) -> Result<(), QueueRefusal> {
        let queue = self.all.get(&sid).ok_or(QueueRefusal::NoQueue)?;
        let (account, old) = (queue.name.account, queue.name.clone());
        let name =
            update.friendly_name.clone().map_or_else(|| old.clone(), |name| QueueName { account, name });
        if self.by_name.get(&name).is_some_and(|&other| other != sid) {
            return Err(QueueRefusal::NameTaken);
        }
        self.by_name.remove(&old);
        self.by_name.insert(name.clone(), sid);
        if let Some(queue) = self.all.get_mut(&sid) {
            queue.name = name;
            queue.size_max = update.max_size.unwrap_or(queue.size_max).min(QUEUE_SIZE_MAX);
            queue.updated = now.at;
        }
        Ok(())
    }

    /// Removes a queue in which nobody waits.
    pub(super) fn remove(&mut self, sid: QueueSid) -> Result<(), QueueRefusal> {
        let queue = self.all.get(&sid).ok_or(QueueRefusal::NoQueue)?;
        if !queue.line.is_empty() {
            return Err(QueueRefusal::NotEmpty);
        }
        self.by_age.remove(&queue.number);
        self.by_name.remove(&queue.name);
        self.all.remove(&sid);
        Ok(())
    }

    /// Puts a caller at the end of a queue.
    pub(super) fn enqueue(&mut self, sid: QueueSid, call: CallSid, now: Moment) -> Result<(), QueueRefusal> {
        if self.places.contains_key(&call) || self.takers.contains_key(&call) {
            return Err(QueueRefusal::Busy);
        }
        let ticket = self.number();
        let queue = self.all.get_mut(&sid).ok_or(QueueRefusal::NoQueue)?;
        if queue.line.len() >= queue.size_max {
            return Err(QueueRefusal::Full(sid));
        }
        queue.came += now.clock - queue.epoch;
        queue.line.insert(ticket, Entry { call, enqueued: now, taker: None });
        queue.free.insert(ticket);
        self.places.insert(call, (sid, ticket));
        Ok(())
    }

    /// Somebody wants the next caller of a queue, which need not be there yet.
    pub(super) fn take(
        &mut self,
        name: QueueName,
        taker: CallSid,
        whisper: Option<VoiceUrl>,
    ) -> Result<(), QueueRefusal> {
        if self.places.contains_key(&taker) || self.takers.contains_key(&taker) {
            return Err(QueueRefusal::Busy);
        }
        self.idle.entry(name.clone()).or_default().push_back(taker);
        self.takers.insert(taker, Taker { name, whisper, caller: None });
        Ok(())
    }

    /// Gives the first caller whom nobody has taken to the first who was given nobody yet.
    pub(super) fn pair(&mut self, name: &QueueName) -> Option<Pair> {
        let queue = self.by_name.get(name).and_then(|sid| self.all.get_mut(sid))?;
        let &ticket = queue.free.first()?;
        let taker = self.idle.get(name)?.front().copied()?;
        let entry = queue.line.get_mut(&ticket)?;
        entry.taker = Some(taker);
        queue.free.remove(&ticket);
        let caller = entry.call;
        self.forget_idle(name, taker);
        let record = self.takers.get_mut(&taker)?;
        record.caller = Some(caller);
        Some(Pair { caller, taker, whisper: record.whisper.clone() })
    }

    fn forget_idle(&mut self, name: &QueueName, taker: CallSid) {
        if let Some(idle) = self.idle.get_mut(name) {
            idle.retain(|&other| other != taker);
            if idle.is_empty() {
                self.idle.remove(name);
            }
        }
    }

    /// A taker wants nobody any more: the name they waited for, and the caller they had been given, who is free again, in
    /// their place.
    pub(super) fn release(&mut self, taker: CallSid) -> Option<(QueueName, Option<CallSid>)> {
        let record = self.takers.remove(&taker)?;
        self.forget_idle(&record.name, taker);
        if let Some(caller) = record.caller
            && let Some(&(sid, ticket)) = self.places.get(&caller)
            && let Some(queue) = self.all.get_mut(&sid)
            && let Some(entry) = queue.line.get_mut(&ticket)
        {
            entry.taker = None;
            queue.free.insert(ticket);
            return Some((queue.name.clone(), Some(caller)));
        }
        Some((record.name, None))
    }

    /// A caller leaves. Who had been given them is the next to be given somebody.
    pub(super) fn leave(&mut self, call: CallSid, now: Moment) -> Option<Left> {
        let left = self.take_out(call, now)?;
        if let Some(taker) = left.taker
            && let Some(record) = self.takers.get_mut(&taker)
        {
            record.caller = None;
            self.idle.entry(record.name.clone()).or_default().push_front(taker);
        }
        Some(left)
    }

    /// A caller is connected with who had been given them; both are out.
    pub(super) fn connect(&mut self, call: CallSid, now: Moment) -> Option<Left> {
        self.taker_of(call)?;
        let left = self.take_out(call, now)?;
        if let Some(taker) = left.taker {
            self.takers.remove(&taker);
        }
        Some(left)
    }

    fn take_out(&mut self, call: CallSid, now: Moment) -> Option<Left> {
        let was = self.waiter(call, now)?;
        let (sid, ticket) = self.places.remove(&call)?;
        let queue = self.all.get_mut(&sid)?;
        let entry = queue.line.remove(&ticket)?;
        queue.free.remove(&ticket);
        queue.came = queue.came.saturating_sub(entry.enqueued.clock - queue.epoch);
        Some(Left { was, name: queue.name.clone(), taker: entry.taker })
    }

    /// Who has been given a caller.
    pub(super) fn taker_of(&self, call: CallSid) -> Option<CallSid> {
        let (sid, ticket) = self.places.get(&call)?;
        self.all.get(sid)?.line.get(ticket)?.taker
    }

    /// Whether a taker has been given a caller; none, for one who takes nobody.
    pub(super) fn was_given(&self, taker: CallSid) -> Option<bool> {
        self.takers.get(&taker).map(|record| record.caller.is_some())
    }

    pub(super) fn view(&self, sid: QueueSid, now: Moment) -> Option<QueueView> {
        self.all.get(&sid).map(|queue| queue.view(sid, now))
    }

    /// The queues of an account, the newest first.
    pub(super) fn list(&self, account: AccountSid, page: PageRequest, now: Moment) -> Page<QueueView> {
        let newest_first = self.by_age.values().rev();
        let of_account = newest_first
            .filter_map(|sid| self.all.get(sid).map(|queue| (*sid, queue)))
            .filter(|(_, queue)| queue.name.account == account);
        cut(of_account, page, |(sid, queue)| queue.view(sid, now))
    }

    /// A caller's place. Counting those before them takes as long as there are of them.
    pub(super) fn waiter(&self, call: CallSid, now: Moment) -> Option<WaiterView> {
        let &(sid, ticket) = self.places.get(&call)?;
        let queue = self.all.get(&sid)?;
        let before = queue.line.range(..ticket).count();
        Some(queue.line.get(&ticket)?.view(sid, queue.name.account, before + 1, now))
    }

    /// A caller's place and what their queue is like.
    pub(super) fn place(&self, call: CallSid, now: Moment) -> Option<QueuePlace> {
        let waiter = self.waiter(call, now)?;
        let queue = self.view(waiter.queue, now)?;
        Some(QueuePlace { waiter, queue })
    }

    /// Who is meant: a caller in this queue, or the first whom nobody has taken.
    pub(super) fn find(&self, sid: QueueSid, key: WaiterKey) -> Result<Option<CallSid>, QueueRefusal> {
        let queue = self.all.get(&sid).ok_or(QueueRefusal::NoQueue)?;
        Ok(match key {
            WaiterKey::Call(call) => self.places.get(&call).filter(|(queue, _)| *queue == sid).map(|_| call),
            WaiterKey::Front => {
                queue.free.first().and_then(|ticket| queue.line.get(ticket)).map(|entry| entry.call)
            }
        })
    }

    /// Those who wait, the first first.
    pub(super) fn waiters(&self, sid: QueueSid, page: PageRequest, now: Moment) -> Option<Page<WaiterView>> {
        let queue = self.all.get(&sid)?;
        let numbered = queue.line.values().enumerate();
        Some(cut(numbered, page, |(before, entry)| entry.view(sid, queue.name.account, before + 1, now)))
    }
}

impl Queue {
    fn view(&self, sid: QueueSid, now: Moment) -> QueueView {
        QueueView {
            sid,
            account: self.name.account,
            friendly_name: self.name.name.clone(),
            current_size: self.line.len(),
            max_size: self.size_max,
            average_wait: self.average_wait(now),
            created: self.created,
            updated: self.updated,
        }
    }

    /// How long those who wait have waited, in the mean.
    fn average_wait(&self, now: Moment) -> Duration {
        match u32::try_from(self.line.len()) {
            Ok(0) | Err(_) => Duration::ZERO,
            Ok(count) => (now.clock - self.epoch).saturating_sub(self.came / count),
        }
    }
}

impl Entry {
    fn view(&self, queue: QueueSid, account: AccountSid, position: usize, now: Moment) -> WaiterView {
        WaiterView {
            call: self.call,
            queue,
            account,
            enqueued: self.enqueued.at,
            position,
            waited: now.clock.saturating_duration_since(self.enqueued.clock),
        }
    }
}

fn cut<A, V>(all: impl Iterator<Item = A>, request: PageRequest, view: impl Fn(A) -> V) -> Page<V> {
    let mut rest = all.skip(request.page.saturating_mul(request.size));
    let items = rest.by_ref().take(request.size).map(view).collect();
    Page { items, request, more: rest.next().is_some() }
}
