//! Queues in the model: who is told what, and what becomes of calls that come out.

use chrono::Utc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::event::{QueueChange, WaiterChange, What};
use super::handle::{CallError, CallEvent, HangUp};
use super::history::QueueDefinition;
use super::model::{Model, answer};
use super::news::News;
use super::queue::request::{QueueRequest, StopTaking};
use super::queue::{
    Left, Moment, Pair, QUEUE_SIZE_DEFAULT, QueueExit, QueueName, QueuePlace, QueueRefusal, QueueResult,
    QueueUpdate, QueueView, WaiterKey, WaiterView,
};
use super::sid::{CallSid, QueueSid};
use super::state::Stage;
use super::voice::{Voice, VoiceUrl};

fn now() -> Moment {
    Moment { at: Utc::now(), clock: Instant::now() }
}

impl Model {
    pub(super) fn queue_request(&mut self, request: QueueRequest) {
        match request {
            QueueRequest::Enter(call, name, most, reply) => answer(reply, self.enqueue(call, name, most)),
            QueueRequest::Place(call, reply) => {
                answer(reply, self.queues.place(call, now()).ok_or(CallError::NotQueued));
            }
            QueueRequest::Leave(call, result, reply) => answer(reply, self.leave_queue(call, result)),
            QueueRequest::Take(call, name, whisper, reply) => {
                answer(reply, self.take_from_queue(call, name, whisper));
            }
            QueueRequest::StopTaking(call, when, reply) => answer(reply, self.stop_taking(call, when)),
            QueueRequest::Connect(call, reply) => answer(reply, self.connect_from_queue(call)),
            QueueRequest::Create(account, name, most, reply) => {
                let made = self.create_queue(QueueName { account, name }, most);
                answer(reply, made.inspect(|view| self.keep_queue(QueueDefinition::Is(view.clone()))));
            }
            QueueRequest::List(account, page, reply) => {
                answer(reply, Ok(self.queues.list(account, page, now())));
            }
            QueueRequest::Fetch(queue, reply) => answer(reply, self.queue(queue)),
            QueueRequest::Update(queue, update, reply) => {
                let changed = self.update_queue(queue, &update);
                answer(reply, changed.inspect(|view| self.keep_queue(QueueDefinition::Is(view.clone()))));
            }
            QueueRequest::Delete(queue, reply) => {
                let deleted = self.delete_queue(queue);
                answer(reply, deleted.inspect(|()| self.keep_queue(QueueDefinition::IsGone(queue))));
            }
            QueueRequest::Restore(queues, reply) => {
                self.restore_queues(&queues);
                answer(reply, Ok(()));
            }
            QueueRequest::ListWaiters(queue, page, reply) => {
                answer(reply, self.queues.waiters(queue, page, now()).ok_or(CallError::NoQueue));
            }
            QueueRequest::FetchWaiter(queue, key, reply) => answer(reply, self.waiter(queue, key)),
            QueueRequest::Redirect(queue, key, voice, reply) => {
                answer(reply, self.redirect_waiter(queue, key, voice));
            }
        }
    }

    fn enqueue(&mut self, sid: CallSid, name: String, most: Option<usize>) -> Result<QueuePlace, CallError> {
        let call = self.connected(sid)?;
        if !matches!(call.stage, Stage::Connected) || call.script.is_none() {
            return Err(CallError::WrongState);
        }
        let name = QueueName { account: call.view.account, name };
        let queue = match self.queues.named(&name) {
            Some(queue) => queue,
            None => self.create_queue(name.clone(), most.unwrap_or(QUEUE_SIZE_DEFAULT))?.sid,
        };
        self.queues.enqueue(queue, sid, now())?;
        let place = self.queues.place(sid, now()).ok_or(CallError::NotQueued)?;
        info!(call = %sid, %queue, position = place.waiter.position, "call enqueued");
        self.journal_waiter(place.waiter.clone(), WaiterChange::Entered);
        self.pair(&name);
        Ok(place)
    }

    fn leave_queue(&mut self, sid: CallSid, result: QueueResult) -> Result<QueueExit, CallError> {
        let left = self.queues.leave(sid, now()).ok_or(CallError::NotQueued)?;
        Ok(self.left(left, result, None))
    }

    /// A caller is out of their queue: it is written down, and who had been given them is given the next.
    fn left(&mut self, left: Left, result: QueueResult, to: Option<Voice>) -> QueueExit {
        let exit = QueueExit { queue: left.was.queue, result, waited: left.was.waited, to };
        info!(call = %left.was.call, queue = %exit.queue, result = result.word(), "call out of its queue");
        self.journal_waiter(left.was, WaiterChange::Left(result));
        if left.taker.is_some() {
            self.pair(&left.name);
        }
        exit
    }

    fn take_from_queue(
        &mut self,
        taker: CallSid,
        name: String,
        whisper: Option<VoiceUrl>,
    ) -> Result<(), CallError> {
        let call = self.connected(taker)?;
        if !matches!(call.stage, Stage::Connected) || call.script.is_none() {
            return Err(CallError::WrongState);
        }
        let name = QueueName { account: call.view.account, name };
        self.queues.take(name.clone(), taker, whisper)?;
        self.pair(&name);
        Ok(())
    }

    fn stop_taking(&mut self, taker: CallSid, when: StopTaking) -> Result<(), CallError> {
        match (self.queues.was_given(taker), when) {
            (None, _) => Err(CallError::NotQueued),
            (Some(true), StopTaking::IfIdle) => Err(CallError::WrongState),
            (Some(_), _) => {
                self.release(taker);
                Ok(())
            }
        }
    }

    /// A taker is gone; the caller on the way to them waits on, and may have another taker at once.
    fn release(&mut self, taker: CallSid) {
        let Some((name, caller)) = self.queues.release(taker) else {
            return;
        };
        if let Some(caller) = caller {
            self.tell_or_end(caller, CallEvent::BackInQueue);
            if let Some(waiter) = self.queues.waiter(caller, now()) {
                self.journal_waiter(waiter, WaiterChange::Returned);
            }
            self.pair(&name);
        }
    }

    /// Gives callers to takers while there are both.
    fn pair(&mut self, name: &QueueName) {
        while let Some(Pair { caller, taker, whisper }) = self.queues.pair(name) {
            if let Some(waiter) = self.queues.waiter(caller, now()) {
                self.journal_waiter(waiter, WaiterChange::Taken);
            }
            self.tell_or_end(caller, CallEvent::TakenFromQueue { by: taker, whisper });
        }
    }

    fn connect_from_queue(&mut self, caller: CallSid) -> Result<QueueExit, CallError> {
        let taker = self.queues.taker_of(caller).ok_or(CallError::NotQueued)?;
        let is_free = |sid| self.connected(sid).is_ok_and(|call| matches!(call.stage, Stage::Connected));
        if !is_free(caller) || !is_free(taker) {
            // The caller is told to wait on.
            self.release(taker);
            return Err(CallError::WrongState);
        }
        // Should a media thread not have it, both scripts are told that they are connected no more.
        self.bridge(caller, taker, oneshot::channel().0);
        let left = self.queues.connect(caller, now()).ok_or(CallError::NotQueued)?;
        let exit = QueueExit {
            queue: left.was.queue,
            result: QueueResult::Bridged,
            waited: left.was.waited,
            to: None,
        };
        info!(call = %caller, queue = %exit.queue, by = %taker, "call connected out of its queue");
        self.journal_waiter(left.was, WaiterChange::Left(QueueResult::Bridged));
        self.tell_or_end(taker, CallEvent::Dequeued { caller });
        Ok(exit)
    }

    /// Tells a script what it must not miss. One that has no room for it has lost its caller long ago.
    fn tell_or_end(&mut self, sid: CallSid, event: CallEvent) {
        let script = self.calls.get(sid).and_then(|call| call.script.as_ref());
        if script.is_none_or(|script| script.try_send(event).is_err()) {
            warn!(call = %sid, "call's script takes nothing in; call ended");
            self.hang_up(sid, HangUp::MediaFailed);
        }
    }

    /// A call is over: it waits nowhere and takes nobody.
    pub(super) fn quit_queues(&mut self, sid: CallSid) {
        let was_taken = self.queues.taker_of(sid).is_some();
        if let Some(left) = self.queues.leave(sid, now()) {
            let result = if was_taken { QueueResult::BridgingInProcess } else { QueueResult::HangUp };
            let exit = self.left(left, result, None);
            if let Some(call) = self.calls.get(sid) {
                call.tell(CallEvent::LeftQueue(Box::new(exit)));
            }
        }
        self.release(sid);
    }

    /// Has a call that waits follow another script; `false` if it waits nowhere.
    pub(super) fn redirect_out_of_queue(&mut self, sid: CallSid, voice: &Voice) -> bool {
        let Some(left) = self.queues.leave(sid, now()) else {
            return false;
        };
        let exit = self.left(left, QueueResult::Redirected, Some(voice.clone()));
        self.tell_or_end(sid, CallEvent::LeftQueue(Box::new(exit)));
        true
    }

    fn redirect_waiter(
        &mut self,
        queue: QueueSid,
        key: WaiterKey,
        voice: Voice,
    ) -> Result<WaiterView, CallError> {
        let waiter = self.waiter(queue, key)?;
        self.redirect_out_of_queue(waiter.call, &voice);
        Ok(waiter)
    }

    fn waiter(&self, queue: QueueSid, key: WaiterKey) -> Result<WaiterView, CallError> {
        let call = self.queues.find(queue, key)?.ok_or(CallError::NotQueued)?;
        self.queues.waiter(call, now()).ok_or(CallError::NotQueued)
    }

    fn queue(&self, queue: QueueSid) -> Result<QueueView, CallError> {
        self.queues.view(queue, now()).ok_or(CallError::NoQueue)
    }

    fn create_queue(&mut self, name: QueueName, most: usize) -> Result<QueueView, CallError> {
        let sid = QueueSid::generate();
        self.queues.define(sid, name.clone(), most, now())?;
        let view = self.queue(sid)?;
        self.journal.append(view.created, What::Queue { queue: view.clone(), change: QueueChange::Created });
        Ok(view)
    }

    /// What somebody defined shall be there when the node starts again.
    fn keep_queue(&self, definition: QueueDefinition) {
        if self.news.try_send(News::Queue(Box::new(definition))).is_err() {
            error!("the definition of a queue is not kept: nobody takes it");
        }
    }

    fn restore_queues(&mut self, queues: &[QueueView]) {
        for queue in queues {
            if let Err(refusal) = self.queues.restore(queue, now()) {
                warn!(queue = %queue.sid, ?refusal, "a queue that was defined before is not there any more");
            }
        }
    }

    fn update_queue(&mut self, queue: QueueSid, update: &QueueUpdate) -> Result<QueueView, CallError> {
        self.queues.update(queue, update, now())?;
        let view = self.queue(queue)?;
        self.journal.append(view.updated, What::Queue { queue: view.clone(), change: QueueChange::Updated });
        // Somebody may wait for a queue of the new name.
        self.pair(&QueueName { account: view.account, name: view.friendly_name.clone() });
        Ok(view)
    }

    fn delete_queue(&mut self, queue: QueueSid) -> Result<(), CallError> {
        let view = self.queue(queue)?;
        self.queues.remove(queue)?;
        self.journal.append(Utc::now(), What::Queue { queue: view, change: QueueChange::Deleted });
        Ok(())
    }

    fn journal_waiter(&self, waiter: WaiterView, change: WaiterChange) {
        self.journal.append(Utc::now(), What::Waiter { waiter, change });
    }
}

impl From<QueueRefusal> for CallError {
    fn from(refusal: QueueRefusal) -> Self {
        match refusal {
            QueueRefusal::NoQueue => Self::NoQueue,
            QueueRefusal::NameTaken => Self::QueueNameTaken,
            QueueRefusal::NotEmpty => Self::QueueNotEmpty,
            QueueRefusal::Full(queue) => Self::QueueFull(queue),
            QueueRefusal::Busy => Self::WrongState,
            QueueRefusal::TooMany => Self::TooManyQueues,
        }
    }
}
