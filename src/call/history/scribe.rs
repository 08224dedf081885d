//! The scribe: follows the model's events and writes what they say into the store.
//!
//! It waits for the store, and nobody waits for it: the ring of events is what it may be behind. One that fell further
//! behind, or whose store failed, asks the model for all that was not confirmed, so what is over is never lost while the
//! model remembers it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::WeakSender;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::warn;

use super::rows::{call_record, conference_record, participant_record};
use super::{Kept, Owed};
use crate::call::event::{Events, Followed, Follower, What};
use crate::call::handle::{Asked, Request};
use crate::call::view::{CallView, ConferenceStatus, ConferenceView};
use crate::store::{Record, Store, StoreError};
use crate::telemetry::{Counter, Metrics};

/// Records written at a time.
const BATCH_MAX: usize = 256;

/// How long the scribe waits after the store failed.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Writes records until the model is gone.
pub(in crate::call) struct Scribe {
    pub(in crate::call) store: Store,
    pub(in crate::call) events: Events,
    /// The model, which it does not keep alive.
    pub(in crate::call) model: WeakSender<Asked>,
    pub(in crate::call) missed: Arc<Counter>,
}

/// Why the scribe does not go on from event to event.
pub(super) enum Astray {
    /// Events were missed, or not written.
    Behind,
    /// The model is gone.
    Over,
}

/// Records, and what of them is over.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    over: Kept,
}

impl Scribe {
    pub(in crate::call) fn missed(metrics: &Metrics) -> Arc<Counter> {
        metrics.counter(
            "confab_history_missed_total",
            "Events that came faster than they could be recorded; what is over was recorded all the same.",
            &[],
        )
    }

    pub(in crate::call) async fn run(self) {
        let mut follower = self.events.follow();
        loop {
            match self.follow(&mut follower).await {
                Astray::Over => return,
                Astray::Behind => {
                    sleep(RETRY_PAUSE).await;
                    // From here on, whatever happens while it catches up.
                    follower = self.events.follow();
                    while !self.catch_up().await {
                        sleep(RETRY_PAUSE).await;
                        follower = self.events.follow();
                    }
                }
            }
        }
    }

    pub(super) async fn follow(&self, follower: &mut Follower) -> Astray {
        loop {
            let mut batch = Batch::default();
            let Some(mut next) = follower.next().await else { return Astray::Over };
            loop {
                match next {
                    Followed::Event(event) => batch.add(&event.what),
                    Followed::Missed(first, last) => {
                        self.missed.add(last.0 - first.0 + 1);
                        return Astray::Behind;
                    }
                }
                if batch.records.len() >= BATCH_MAX {
                    break;
                }
                match follower.ready() {
                    Some(more) => next = more,
                    None => break,
                }
            }
            if let Err(error) = self.write(batch).await {
                warn!(%error, "records of calls were not written; they will be when the database takes them");
                return Astray::Behind;
            }
        }
    }

    /// Writes all that the model holds and the store has not confirmed; says whether that is done.
    pub(super) async fn catch_up(&self) -> bool {
        let Some(owed) = self.owed().await else {
            // Without a model there is nothing to catch up with.
            return true;
        };
        for calls in owed.calls.chunks(BATCH_MAX) {
            let mut batch = Batch::default();
            calls.iter().for_each(|view| batch.add_call(view));
            if self.write(batch).await.is_err() {
                return false;
            }
        }
        for conferences in owed.conferences.chunks(BATCH_MAX) {
            let mut batch = Batch::default();
            conferences.iter().for_each(|view| batch.add_conference(view));
            if self.write(batch).await.is_err() {
                return false;
            }
        }
        true
    }

    async fn owed(&self) -> Option<Owed> {
        let (reply, answer) = oneshot::channel();
        self.model.upgrade()?.send((None, Request::Owed(reply))).await.ok()?;
        answer.await.ok()?.ok()
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.records.is_empty() {
            return Ok(());
        }
        self.store.put_records(batch.records).await?;
        let has_ended = !batch.over.calls.is_empty() || !batch.over.conferences.is_empty();
        if has_ended && let Some(model) = self.model.upgrade() {
            // A model that is gone lists nothing any more.
            let _ = model.send((None, Request::Kept(batch.over))).await;
        }
        Ok(())
    }
}

impl Batch {
    fn add(&mut self, what: &What) {
        match what {
            What::Call(view) => self.add_call(view),
            What::Conference(view) => self.add_conference(view),
            What::Joined(view)
            | What::Left(view)
            | What::Muted(view)
            | What::Held(view)
            | What::Modified(view) => {
                self.records.push(participant_record(view));
            }
            What::TakenOver(_)
            | What::HeldByFarEnd { .. }
            | What::Speech { .. }
            | What::ActiveSpeaker { .. }
            | What::Digit { .. }
            | What::Announced { .. }
            | What::Agent { .. }
            | What::Recording(_)
            | What::Queue { .. }
            | What::Waiter { .. } => {}
        }
    }

    fn add_call(&mut self, view: &CallView) {
        self.records.push(call_record(view));
        if view.status.is_final() {
            self.over.calls.push(view.sid);
        }
    }

    fn add_conference(&mut self, view: &ConferenceView) {
        self.records.push(conference_record(view));
        if view.status == ConferenceStatus::Completed {
            self.over.conferences.push(view.sid);
        }
    }
}
