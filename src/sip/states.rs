//! What happens in all dialogs, told to the call that each is of.
//!
//! A queue of the library's for each dialog would take 9.5 KB for as long as the call lasts, nearly all of it room for what
//! never comes. So all dialogs share one, and what comes out of it waits with the call that it is about, in memory that is
//! there only while something waits.
//!
//! ```text
//! dialog ─┐                                                   ┌▶ waits for a call ─▶ its task
//! dialog ─┼─▶ the library's queue ─▶ by Call-ID and our tag ──┤
//! dialog ─┘                                                   └▶ waits for a call ─▶ its task
//! ```
//!
//! The shared queue has no bound of its own, and needs none: a task that waits for nothing else empties it, and so does
//! each call's before it sleeps, which therefore has seen all that was told before. For one call [`WAITING_MAX`] may wait.
//! Beyond, its far end's requests are refused with 503, provisional answers are left out, and the end is still told.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt as _;
use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, DialogStateSender};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::StatusCode;

/// States that may wait for a call: more than a far end sends while one request of its is looked into.
const WAITING_MAX: usize = 64;

/// What happens in the dialogs of a node.
pub(super) struct States {
    sender: DialogStateSender,
    shared: Mutex<Shared>,
}

struct Shared {
    told: DialogStateReceiver,
    calls: HashMap<String, Arc<Mutex<Waiting>>>,
}

/// What waits for one call.
#[derive(Default)]
struct Waiting {
    states: VecDeque<DialogState>,
    task: Option<Waker>,
}

/// What happens in one dialog, in order. Nobody is told once this is gone.
pub(super) struct Happened {
    name: String,
    states: Arc<States>,
    waiting: Arc<Mutex<Waiting>>,
}

impl States {
    pub(super) fn new(dialogs: &DialogLayer) -> Arc<Self> {
        let (sender, told) = dialogs.new_dialog_state_channel();
        Arc::new(Self { sender, shared: Mutex::new(Shared { told, calls: HashMap::new() }) })
    }

    /// Makes a dialog, and tells what happens in it from its beginning.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn follow<D, E>(
        self: &Arc<Self>,
        make: impl FnOnce(DialogStateSender) -> Result<D, E>,
        id: impl FnOnce(&D) -> DialogId,
    ) -> Result<(D, Happened), E> {
        // While this is locked nothing that happens in the new dialog is looked for, and so nothing is missed.
        let mut shared = self.shared();
        let dialog = make(self.sender.clone())?;
        let (name, waiting) = (name(&id(&dialog)), Arc::<Mutex<Waiting>>::default());
        shared.calls.insert(name.clone(), Arc::clone(&waiting));
        Ok((dialog, Happened { name, states: Arc::clone(self), waiting }))
    }

    /// Passes on whatever happens, for ever.
    pub(super) async fn pass_on(self: Arc<Self>) {
        poll_fn(|context| {
            let mut shared = self.shared();
            while let Poll::Ready(Some(state)) = shared.told.poll_recv(context) {
                shared.pass_on(state);
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // A panic while it was locked left it whole.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn pass_on(&mut self, state: DialogState) {
        // Whoever listened may have gone; a request is then refused by the library.
        if let Some(waiting) = self.calls.get(&name(state.id())) {
            lock(waiting).put(state);
        }
    }
}

impl Waiting {
    fn put(&mut self, state: DialogState) {
        if self.states.len() < WAITING_MAX || self.must_have(&state) {
            self.states.push_back(state);
            if let Some(task) = self.task.take() {
                task.wake();
            }
        } else {
            refuse(state);
        }
    }

    /// Whether it is told even if too much waits: the end, which comes once, and one of the ACKs, which are looked up where
    /// the dialog has the last.
    fn must_have(&self, state: &DialogState) -> bool {
        let is_new = || !self.states.iter().any(DialogState::is_confirmed);
        state.is_terminated() || (state.is_confirmed() && is_new())
    }

    fn take(&mut self) -> Option<DialogState> {
        let state = self.states.pop_front();
        if self.states.is_empty() {
            self.states = VecDeque::new();
        }
        state
    }
}

impl Happened {
    /// What happens next.
    pub(super) async fn next(&mut self) -> DialogState {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<DialogState> {
        if let Some(state) = lock(&self.waiting).take() {
            return Poll::Ready(state);
        }
        self.catch_up();
        let mut waiting = lock(&self.waiting);
        match waiting.take() {
            Some(state) => Poll::Ready(state),
            None => {
                waiting.task = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Passes on what was told by now.
    fn catch_up(&self) {
        let mut shared = self.states.shared();
        while let Ok(state) = shared.told.try_recv() {
            shared.pass_on(state);
        }
    }
}

impl Drop for Happened {
    fn drop(&mut self) {
        let mut shared = self.states.shared();
        let is_ours = shared.calls.get(&self.name).is_some_and(|ours| Arc::ptr_eq(ours, &self.waiting));
        if is_ours {
            shared.calls.remove(&self.name);
        }
    }
}

/// What all states of a dialog have in common: our tag is there before the far end's is known, and nobody else's.
fn name(id: &DialogId) -> String {
    format!("{}\n{}", id.call_id, id.local_tag)
}

/// Answers what there is no room for, if it wants an answer.
fn refuse(state: DialogState) {
    match state {
        DialogState::Updated(_, _, handle)
        | DialogState::Publish(_, _, handle)
        | DialogState::Notify(_, _, handle)
        | DialogState::Refer(_, _, handle)
        | DialogState::Message(_, _, handle)
        | DialogState::Info(_, _, handle)
        | DialogState::Options(_, _, handle) => {
            // There is room for the first answer.
            let _ = handle.reply(StatusCode::ServiceUnavailable).now_or_never();
        }
        DialogState::Calling(_)
        | DialogState::Trying(_)
        | DialogState::Early(..)
        | DialogState::WaitAck(..)
        | DialogState::Confirmed(..)
        | DialogState::Terminated(..) => {}
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rsipstack::dialog::dialog::{
        TerminatedReason, TransactionCommand, TransactionCommandReceiver, TransactionHandle,
    };
    use rsipstack::sip::{Request, Response};

    use super::*;

    fn states() -> Arc<States> {
        let endpoint = rsipstack::EndpointBuilder::new().build();
        States::new(&DialogLayer::new(endpoint.inner.clone()))
    }

    fn id(call: u32, remote_tag: &str) -> DialogId {
        DialogId { call_id: format!("call{call}"), local_tag: "ours".into(), remote_tag: remote_tag.into() }
    }

    fn follow(states: &Arc<States>, call: u32) -> (DialogStateSender, Happened) {
        let followed = states.follow(Ok::<_, Infallible>, |_| id(call, ""));
        followed.unwrap_or_else(|never| match never {})
    }

    fn options(call: u32) -> (DialogState, TransactionCommandReceiver) {
        let request = "OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n";
        let (handle, answers) = TransactionHandle::new();
        let request = Request::try_from(request.as_bytes()).unwrap();
        (DialogState::Options(id(call, "theirs"), request, handle), answers)
    }

    #[test]
    fn each_call_is_told_its_own_in_order_whoever_passes_it_on() {
        let states = states();
        let (sender, mut first) = follow(&states, 1);
        let (_, mut second) = follow(&states, 2);
        sender.send(DialogState::Trying(id(1, ""))).unwrap();
        sender.send(DialogState::Trying(id(2, ""))).unwrap();
        sender.send(DialogState::Early(id(1, "theirs"), Response::default())).unwrap();
        assert!(matches!(second.next().now_or_never(), Some(DialogState::Trying(_))));
        assert!(second.next().now_or_never().is_none());
        assert!(Arc::clone(&states).pass_on().now_or_never().is_none());
        sender.send(DialogState::Confirmed(id(1, "theirs"), Response::default())).unwrap();
        assert!(matches!(first.next().now_or_never(), Some(DialogState::Trying(_))));
        assert!(matches!(first.next().now_or_never(), Some(DialogState::Early(..))));
        assert!(matches!(first.next().now_or_never(), Some(DialogState::Confirmed(..))));
        assert!(first.next().now_or_never().is_none());
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let states = states();
        let passing = tokio::spawn(Arc::clone(&states).pass_on());
        let (sender, mut happened) = follow(&states, 1);
        let waiting = tokio::spawn(async move { happened.next().await });
        tokio::task::yield_now().await;
        sender.send(DialogState::Trying(id(1, ""))).unwrap();
        assert!(matches!(waiting.await, Ok(DialogState::Trying(_))));
        passing.abort();
    }

    #[test]
    fn nothing_waits_for_a_call_that_is_gone_and_its_name_may_be_anothers() {
        let states = states();
        let (sender, gone) = follow(&states, 1);
        let (_, mut next) = follow(&states, 1);
        drop(gone);
        let (state, _answers) = options(1);
        sender.send(state).unwrap();
        assert!(matches!(next.next().now_or_never(), Some(DialogState::Options(..))));
        drop(next);
        let (state, mut answers) = options(1);
        sender.send(state).unwrap();
        let (_, mut other) = follow(&states, 2);
        assert!(other.next().now_or_never().is_none());
        assert!(answers.try_recv().is_err(), "nobody holds what it could be answered by");
        assert!(states.shared().calls.len() == 1);
    }

    #[test]
    fn beyond_what_may_wait_requests_are_refused_and_the_end_is_told() {
        let states = states();
        let (sender, mut happened) = follow(&states, 1);
        let mut answers = Vec::new();
        for _ in 0..WAITING_MAX + 2 {
            let (state, answer) = options(1);
            sender.send(state).unwrap();
            answers.push(answer);
        }
        for _ in 0..2 {
            sender.send(DialogState::Early(id(1, "theirs"), Response::default())).unwrap();
            sender.send(DialogState::Confirmed(id(1, "theirs"), Response::default())).unwrap();
        }
        sender.send(DialogState::Terminated(id(1, "theirs"), TerminatedReason::UacBye)).unwrap();
        assert!(Arc::clone(&states).pass_on().now_or_never().is_none());
        for _ in 0..WAITING_MAX {
            assert!(matches!(happened.next().now_or_never(), Some(DialogState::Options(..))));
        }
        assert!(matches!(happened.next().now_or_never(), Some(DialogState::Confirmed(..))));
        assert!(matches!(happened.next().now_or_never(), Some(DialogState::Terminated(..))));
        assert!(happened.next().now_or_never().is_none());
        for answer in &mut answers[WAITING_MAX..] {
            let refused = answer.try_recv();
            assert!(matches!(refused, Ok(TransactionCommand::Respond { status, .. })
                if status == StatusCode::ServiceUnavailable));
        }
        assert_eq!(lock(&happened.waiting).states.capacity(), 0, "what waits for nothing takes no room");
    }
}
