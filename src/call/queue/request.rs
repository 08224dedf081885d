//! What may be asked of queues.

use crate::call::handle::{CallError, Handle, Reply, Request};
use crate::call::history::defined_queues;
use crate::call::sid::{AccountSid, CallSid, QueueSid};
use crate::call::view::{Page, PageRequest};
use crate::call::voice::{Voice, VoiceUrl};
use crate::store::{Store, StoreError};

use super::{QueueExit, QueuePlace, QueueResult, QueueUpdate, QueueView, WaiterKey, WaiterView};

pub(in crate::call) enum QueueRequest {
    Enter(CallSid, String, Option<usize>, Reply<QueuePlace>),
    Place(CallSid, Reply<QueuePlace>),
    Leave(CallSid, QueueResult, Reply<QueueExit>),
    Take(CallSid, String, Option<VoiceUrl>, Reply<()>),
    StopTaking(CallSid, StopTaking, Reply<()>),
    Connect(CallSid, Reply<QueueExit>),
    Create(AccountSid, String, usize, Reply<QueueView>),
    List(AccountSid, PageRequest, Reply<Page<QueueView>>),
    Fetch(QueueSid, Reply<QueueView>),
    Update(QueueSid, QueueUpdate, Reply<QueueView>),
    Delete(QueueSid, Reply<()>),
    ListWaiters(QueueSid, PageRequest, Reply<Page<WaiterView>>),
    FetchWaiter(QueueSid, WaiterKey, Reply<WaiterView>),
    Redirect(QueueSid, WaiterKey, Voice, Reply<WaiterView>),
    Restore(Vec<QueueView>, Reply<()>),
}

impl QueueRequest {
    /// The queue that it is about, if it is about one that is there.
    pub(in crate::call) fn queue(&self) -> Option<QueueSid> {
        match self {
            Self::Fetch(queue, _)
            | Self::Update(queue, ..)
            | Self::Delete(queue, _)
            | Self::ListWaiters(queue, ..)
            | Self::FetchWaiter(queue, ..)
            | Self::Redirect(queue, ..) => Some(*queue),
            Self::Enter(..)
            | Self::Place(..)
            | Self::Leave(..)
            | Self::Take(..)
            | Self::StopTaking(..)
            | Self::Connect(..)
            | Self::Create(..)
            | Self::List(..)
            | Self::Restore(..) => None,
        }
    }

    /// The call that it is about, if it is asked by a call's script.
    pub(in crate::call) fn call(&self) -> Option<CallSid> {
        match self {
            Self::Enter(call, ..)
            | Self::Place(call, _)
            | Self::Leave(call, ..)
            | Self::Take(call, ..)
            | Self::StopTaking(call, ..)
            | Self::Connect(call, _) => Some(*call),
            Self::Create(..)
            | Self::List(..)
            | Self::Fetch(..)
            | Self::Update(..)
            | Self::Delete(..)
            | Self::ListWaiters(..)
            | Self::FetchWaiter(..)
            | Self::Redirect(..)
            | Self::Restore(..) => None,
        }
    }

    /// Answers that it will not be done. Whoever asked may have gone away.
    pub(in crate::call) fn refuse(self, why: CallError) {
        match self {
            Self::Enter(_, _, _, reply) | Self::Place(_, reply) => drop(reply.send(Err(why))),
            Self::Leave(_, _, reply) | Self::Connect(_, reply) => drop(reply.send(Err(why))),
            Self::Take(_, _, _, reply)
            | Self::StopTaking(_, _, reply)
            | Self::Delete(_, reply)
            | Self::Restore(_, reply) => {
                let _: Result<(), _> = reply.send(Err(why));
            }
            Self::Create(_, _, _, reply) | Self::Fetch(_, reply) | Self::Update(_, _, reply) => {
                drop(reply.send(Err(why)));
            }
            Self::List(_, _, reply) => drop(reply.send(Err(why))),
            Self::ListWaiters(_, _, reply) => drop(reply.send(Err(why))),
            Self::FetchWaiter(_, _, reply) | Self::Redirect(_, _, _, reply) => drop(reply.send(Err(why))),
        }
    }
}

/// When somebody stops taking callers out of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopTaking {
    /// Whatever was begun.
    Now,
    /// Only if no caller is on the way to them.
    IfIdle,
}

impl Handle {
    /// Puts an answered call that follows a script at the end of a queue of its account, which is made, for at most
    /// `size_max`, if there is none of the name. How it comes out its script is told.
    pub async fn enqueue(
        &self,
        call: CallSid,
        name: String,
        size_max: Option<usize>,
    ) -> Result<QueuePlace, CallError> {
        self.ask_queues(|reply| QueueRequest::Enter(call, name, size_max, reply)).await
    }

    /// Where a call stands in its queue.
    pub async fn queue_place(&self, call: CallSid) -> Result<QueuePlace, CallError> {
        self.ask_queues(|reply| QueueRequest::Place(call, reply)).await
    }

    /// Takes a call out of its queue; it goes on with its script, which asked for it.
    pub async fn leave_queue(&self, call: CallSid, result: QueueResult) -> Result<QueueExit, CallError> {
        self.ask_queues(|reply| QueueRequest::Leave(call, result, reply)).await
    }

    /// Waits, with an answered call that follows a script, for the next caller of a queue of its account, who hears `whisper` before they
    /// are connected. The script is told when they are.
    pub async fn take_from_queue(
        &self,
        taker: CallSid,
        name: String,
        whisper: Option<VoiceUrl>,
    ) -> Result<(), CallError> {
        self.ask_queues(|reply| QueueRequest::Take(taker, name, whisper, reply)).await
    }

    /// Waits for no caller any more. One who was on the way waits on, in their place.
    pub async fn stop_taking(&self, taker: CallSid, when: StopTaking) -> Result<(), CallError> {
        self.ask_queues(|reply| QueueRequest::StopTaking(taker, when, reply)).await
    }

    /// Connects a caller with who has taken them out of their queue.
    pub async fn connect_from_queue(&self, caller: CallSid) -> Result<QueueExit, CallError> {
        self.ask_queues(|reply| QueueRequest::Connect(caller, reply)).await
    }

    /// Makes a queue.
    pub async fn create_queue(
        &self,
        account: AccountSid,
        name: String,
        size_max: usize,
    ) -> Result<QueueView, CallError> {
        let account = self.account.unwrap_or(account);
        self.ask_queues(|reply| QueueRequest::Create(account, name, size_max, reply)).await
    }

    /// Makes the queues again that were defined over the API before the node started. To be called once, before anybody asks
    /// for one.
    pub async fn restore_queues(&self, store: &Store) -> Result<(), StoreError> {
        let queues = defined_queues(store).await?;
        // A model that is gone needs none.
        let _ = self.ask_queues(|reply| QueueRequest::Restore(queues, reply)).await;
        Ok(())
    }

    /// The queues of an account, newest first.
    pub async fn list_queues(
        &self,
        account: AccountSid,
        page: PageRequest,
    ) -> Result<Page<QueueView>, CallError> {
        let account = self.account.unwrap_or(account);
        self.ask_queues(|reply| QueueRequest::List(account, page, reply)).await
    }

    /// One queue.
    pub async fn fetch_queue(&self, queue: QueueSid) -> Result<QueueView, CallError> {
        self.ask_queues(|reply| QueueRequest::Fetch(queue, reply)).await
    }

    /// Changes a queue.
    pub async fn update_queue(&self, queue: QueueSid, update: QueueUpdate) -> Result<QueueView, CallError> {
        self.ask_queues(|reply| QueueRequest::Update(queue, update, reply)).await
    }

    /// Removes a queue in which nobody waits.
    pub async fn delete_queue(&self, queue: QueueSid) -> Result<(), CallError> {
        self.ask_queues(|reply| QueueRequest::Delete(queue, reply)).await
    }

    /// Those who wait in a queue, the first first.
    pub async fn list_waiters(
        &self,
        queue: QueueSid,
        page: PageRequest,
    ) -> Result<Page<WaiterView>, CallError> {
        self.ask_queues(|reply| QueueRequest::ListWaiters(queue, page, reply)).await
    }

    /// One who waits in a queue.
    pub async fn fetch_waiter(&self, queue: QueueSid, key: WaiterKey) -> Result<WaiterView, CallError> {
        self.ask_queues(|reply| QueueRequest::FetchWaiter(queue, key, reply)).await
    }

    /// Takes one out of a queue, to follow a script of their own.
    pub async fn redirect_waiter(
        &self,
        queue: QueueSid,
        key: WaiterKey,
        voice: Voice,
    ) -> Result<WaiterView, CallError> {
        self.ask_queues(|reply| QueueRequest::Redirect(queue, key, voice, reply)).await
    }

    async fn ask_queues<T>(&self, request: impl FnOnce(Reply<T>) -> QueueRequest) -> Result<T, CallError> {
        self.ask(|reply| Request::Queue(Box::new(request(reply)))).await
    }
}
