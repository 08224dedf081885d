//! What happens to calls and conferences, in one order, for whoever follows it.
//!
//! The model's owner writes each event once, into a ring from which everybody reads at their own pace. The ring is
//! bounded: a follower who falls further behind than it reaches is told what they missed, and costs nobody else
//! anything.
//!
//! ```text
//! model ─ append ─▶ ring of the latest ─┬─▶ follower
//!                                       └─▶ follower
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use confab_media::PressedDigit;
use confab_media::dsp::level::SpeechChange;
use tokio::sync::watch;

use super::queue::{QueueResult, QueueView, WaiterView};
use super::recordings::RecordingView;
use super::sid::{AccountSid, CallSid, ConferenceSid};
use super::view::{CallView, ConferenceView, ParticipantView};

/// Events that are kept for those who follow. A busy node has some hundreds a second, so a follower may be away for
/// half a minute and miss nothing; an event takes some 400 bytes.
const KEPT_MAX: usize = 16_384;

/// An event's place in the order: each is one more than the one before. After a restart they go on above all that
/// were given before it, so a follower may come back with an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(pub u64);

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place in the order.
    pub id: EventId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub what: What,
}

/// What can happen. Calls, conferences and participants are as they were right after it.
#[derive(Clone, Debug)]
pub enum What {
    /// A call came to be known, or reached another status.
    Call(CallView),
    /// A call has another far end than before.
    TakenOver(CallView),
    /// A call's far end put us on hold, or took us off.
    HeldByFarEnd {
        /// The call.
        call: CallView,
        /// Which of the two.
        held: bool,
    },
    /// A conference began (`init`), started (`in-progress`) or ended.
    Conference(ConferenceView),
    /// A recording began, or got further.
    Recording(RecordingView),
    /// A participant is in their conference, heard and hearing.
    Joined(ParticipantView),
    /// A participant is in their conference no more.
    Left(ParticipantView),
    /// A participant was muted, or unmuted.
    Muted(ParticipantView),
    /// A participant was put on hold, or taken off.
    Held(ParticipantView),
    /// How a participant sits was changed otherwise.
    Modified(ParticipantView),
    /// An announcement was made, or failed.
    Announced {
        /// Whose conference it is.
        account: AccountSid,
        /// The conference.
        conference: ConferenceSid,
        /// To whom; to all, if to nobody.
        participant: Option<ParticipantView>,
        /// Why it was not heard to its end, if it was not.
        failed: Option<String>,
    },
    /// A participant began to speak, or stopped.
    Speech {
        /// Who.
        participant: ParticipantView,
        /// Which of the two.
        change: SpeechChange,
    },
    /// Who speaks loudest in a conference is somebody else now.
    ActiveSpeaker {
        /// Whose conference it is.
        account: AccountSid,
        /// The conference.
        conference: ConferenceSid,
        /// Who; nobody, when they left and no other has spoken.
        participant: Option<CallSid>,
    },
    /// A key was pressed at the far end of a call.
    Digit {
        /// Whose call it is.
        account: AccountSid,
        /// The call.
        call: CallSid,
        /// Which key, how long, and how that was told. It cannot be printed.
        pressed: PressedDigit,
    },
    /// An agent has more phones registered than before, or fewer.
    Agent {
        /// Whose agent it is.
        account: AccountSid,
        /// Its name.
        name: String,
        /// How many phones it has now; with none it cannot be called.
        devices: usize,
    },
    /// A queue was made, changed or deleted.
    Queue {
        /// As it is, or was.
        queue: QueueView,
        /// Which of these.
        change: QueueChange,
    },
    /// Somebody came into a queue, or got further in it.
    Waiter {
        /// Who, and their place right after it; of one who left, right before.
        waiter: WaiterView,
        /// How.
        change: WaiterChange,
    },
}

/// What can happen to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueChange {
    /// It was made.
    Created,
    /// Its name or size changed.
    Updated,
    /// It is no more.
    Deleted,
}

/// What can happen to one who waits in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaiterChange {
    /// They came.
    Entered,
    /// Somebody takes them; they are connected next.
    Taken,
    /// Who took them is gone; they wait on.
    Returned,
    /// They are out.
    Left(QueueResult),
}

impl What {
    /// Whose it is.
    pub const fn account(&self) -> AccountSid {
        match self {
            Self::Call(call) | Self::TakenOver(call) | Self::HeldByFarEnd { call, .. } => call.account,
            Self::Conference(conference) => conference.account,
            Self::Joined(seat)
            | Self::Left(seat)
            | Self::Muted(seat)
            | Self::Held(seat)
            | Self::Modified(seat) => seat.account,
            Self::Recording(recording) => recording.account,
            Self::Speech { participant, .. } => participant.account,
            Self::Queue { queue, .. } => queue.account,
            Self::Waiter { waiter, .. } => waiter.account,
            Self::ActiveSpeaker { account, .. }
            | Self::Digit { account, .. }
            | Self::Announced { account, .. }
            | Self::Agent { account, .. } => *account,
        }
    }
}

/// The ring, as its readers hold it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Receiver<EventId>,
}

/// The ring, as its one writer holds it.
#[derive(Debug)]
pub(super) struct Journal {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Sender<EventId>,
}

#[derive(Debug)]
struct Ring {
    kept: VecDeque<Arc<Event>>,
    next: EventId,
}

/// Reads events from one on, in order.
#[derive(Debug)]
pub struct Follower {
    ring: Arc<Mutex<Ring>>,
    newest: watch::Receiver<EventId>,
    next: EventId,
}

/// What a follower comes to.
#[derive(Clone, Debug)]
pub enum Followed {
    /// The next event.
    Event(Arc<Event>),
    /// Events that are kept no more, the first and the last of them. What follows is the one after.
    Missed(EventId, EventId),
}

impl Journal {
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        // Microseconds: no node has a million events a second for all its life, so the next life begins above.
        let first = EventId(u64::try_from(now.timestamp_micros()).unwrap_or(0));
        let ring = Arc::new(Mutex::new(Ring { kept: VecDeque::new(), next: first }));
        Self { ring, newest: watch::Sender::new(EventId(first.0.saturating_sub(1))) }
    }

    /// Writes what happened. Never waits for a reader.
    pub(super) fn append(&self, at: DateTime<Utc>, what: What) {
        let id = lock(&self.ring).append(at, what);
        self.newest.send_replace(id);
    }

    pub(super) fn events(&self) -> Events {
        Events { ring: Arc::clone(&self.ring), newest: self.newest.subscribe() }
    }
}

impl Ring {
    fn append(&mut self, at: DateTime<Utc>, what: What) -> EventId {
        let id = self.next;
        self.next = EventId(id.0 + 1);
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::new(Event { id, at, what }));
        id
    }

    /// What a follower who wants `next` comes to.
    fn look(&self, next: EventId) -> Option<Followed> {
        let oldest = self.kept.front()?.id;
        if next < oldest {
            return Some(Followed::Missed(next, EventId(oldest.0 - 1)));
        }
        let place = usize::try_from(next.0 - oldest.0).ok()?;
        self.kept.get(place).map(|event| Followed::Event(Arc::clone(event)))
    }
}

impl Events {
    /// Follows what happens from now on.
    pub fn follow(&self) -> Follower {
        let next = lock(&self.ring).next;
        self.follow_at(next)
    }

    /// Follows from the event after `last` on. One that has not happened yet is taken for now: it was given by a
    /// clock that has been set back since.
    pub fn follow_after(&self, last: EventId) -> Follower {
        let newest = lock(&self.ring).next;
        self.follow_at(EventId(last.0.saturating_add(1)).min(newest))
    }

    fn follow_at(&self, next: EventId) -> Follower {
        Follower { ring: Arc::clone(&self.ring), newest: self.newest.clone(), next }
    }
}

impl Follower {
    /// The next event, when it has happened. `None` when the model is gone and all was read.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            if let Some(followed) = self.ready() {
                return Some(followed);
            }
            let next = self.next;
            self.newest.wait_for(|newest| *newest >= next).await.ok()?;
        }
    }

    /// The next event, if it has happened.
    pub fn ready(&mut self) -> Option<Followed> {
        let followed = lock(&self.ring).look(self.next)?;
        self.next = match &followed {
            Followed::Event(event) => EventId(event.id.0 + 1),
            Followed::Missed(_, last) => EventId(last.0 + 1),
        };
        Some(followed)
    }
}

/// A panic cannot leave the ring half written: what is done under the lock is a push or a look.
fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        Journal::new(Utc::now())
    }

    fn happen(journal: &Journal, times: usize) {
        for _ in 0..times {
            let (account, conference) = (AccountSid::generate(), ConferenceSid::generate());
            journal.append(Utc::now(), What::ActiveSpeaker { account, conference, participant: None });
        }
    }

    async fn id(follower: &mut Follower) -> EventId {
        match follower.next().await {
            Some(Followed::Event(event)) => event.id,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn followers_read_all_from_where_they_begin_in_order() {
        let journal = journal();
        let mut early = journal.events().follow();
        happen(&journal, 3);
        let mut late = journal.events().follow();
        happen(&journal, 2);
        let first = id(&mut early).await;
        for n in 1..5 {
            assert_eq!(id(&mut early).await, EventId(first.0 + n));
        }
        assert_eq!(id(&mut late).await, EventId(first.0 + 3));
        let mut resumed = journal.events().follow_after(EventId(first.0 + 1));
        assert_eq!(id(&mut resumed).await, EventId(first.0 + 2));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_what_they_missed_and_goes_on() {
        let journal = journal();
        let mut slow = journal.events().follow();
        happen(&journal, KEPT_MAX + 10);
        let Some(Followed::Missed(first, last)) = slow.next().await else { panic!("nothing missed") };
        assert_eq!(last.0 - first.0 + 1, 10);
        assert_eq!(id(&mut slow).await, EventId(last.0 + 1));
    }

    #[tokio::test]
    async fn who_waits_is_woken_and_the_end_of_the_model_is_the_end() {
        let journal = journal();
        let mut follower = journal.events().follow();
        let waiting =
            tokio::spawn(async move { (follower.next().await.is_some(), follower.next().await.is_none()) });
        tokio::task::yield_now().await;
        happen(&journal, 1);
        drop(journal);
        assert_eq!(waiting.await.expect("no panic"), (true, true));
    }

    #[tokio::test]
    async fn an_id_of_an_earlier_life_is_below_all_of_this_one() {
        let before = journal();
        happen(&before, 5);
        let last = before.events().follow().next;
        let journal = Journal::new(Utc::now() + chrono::TimeDelta::seconds(1));
        happen(&journal, 1);
        let mut resumed = journal.events().follow_after(last);
        let Some(Followed::Missed(..)) = resumed.next().await else { panic!("nothing missed") };
        assert!(id(&mut resumed).await > last);
        // And one that was never given is no reason to wait for years.
        let mut future = journal.events().follow_after(EventId(u64::MAX));
        happen(&journal, 1);
        id(&mut future).await;
    }
}
