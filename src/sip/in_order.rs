//! Requests of one dialog, one after another: a far end that types faster than it is answered sends INFOs without waiting for
//! any (RFC 3261 §12.2.1.1 lets it), and one that overtakes makes those before it too old to be taken (§12.2.2).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long a request waits for the one before it. That takes no longer than to tell the call's task, unless it waits for an
/// ACK that is lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last request of each dialog that is not done with, by Call-ID. It has as many entries as there are such requests.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    last: Mutex<HashMap<Box<str>, Last>>,
}

#[derive(Debug)]
struct Last {
    number: u64,
    done: watch::Receiver<()>,
}

/// The place of a request among those of its dialog. It is done with when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    all: Arc<InOrder>,
    call_id: Box<str>,
    number: u64,
    before: Option<watch::Receiver<()>>,
    _doing: watch::Sender<()>,
}

impl InOrder {
    /// The place behind all that came before. To be asked in the order in which requests come.
    pub(super) fn queue(self: &Arc<Self>, call_id: &str) -> Turn {
        let (doing, done) = watch::channel(());
        let mut last = self.last();
        let before = last.remove(call_id);
        let number = before.as_ref().map_or(0, |before| before.number + 1);
        last.insert(call_id.into(), Last { number, done });
        drop(last);
        Turn {
            all: Arc::clone(self),
            call_id: call_id.into(),
            number,
            before: before.map(|before| before.done),
            _doing: doing,
        }
    }

    fn last(&self) -> MutexGuard<'_, HashMap<Box<str>, Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Waits until the request before is done with, or for as long as is reasonable.
    pub(super) async fn comes(&mut self) {
        if let Some(mut before) = self.before.take() {
            // Nothing is ever said over it: it ends with whoever could say it.
            let _ = timeout(PATIENCE, before.changed()).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut last = self.all.last();
        if last.get(&self.call_id).is_some_and(|last| last.number == self.number) {
            last.remove(&self.call_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_comes_when_the_one_before_is_over_and_nothing_is_kept() {
        let all = Arc::new(InOrder::default());
        let (mut one, mut two, mut other) = (all.queue("a"), all.queue("a"), all.queue("b"));
        one.comes().await;
        other.comes().await;
        let three = all.queue("a");
        let mut waits = Box::pin(two.comes());
        assert!(timeout(PATIENCE / 2, &mut waits).await.is_err(), "one is not over");
        drop(one);
        assert!(timeout(Duration::ZERO, waits).await.is_ok());
        drop((two, three, other));
        assert!(all.last().is_empty());
        let mut next = all.queue("a");
        assert!(timeout(Duration::ZERO, next.comes()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_comes_to_an_end_holds_nobody_up_for_ever() {
        let all = Arc::new(InOrder::default());
        let (_one, mut two) = (all.queue("a"), all.queue("a"));
        let began = tokio::time::Instant::now();
        two.comes().await;
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
