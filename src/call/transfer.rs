//! Transfers (RFC 3515): far ends that want somebody else called, and far ends that we ask to call somebody; those who have
//! two of their calls joined without themselves (RFC 5589 §7), and those who take over somebody's call (RFC 3891).

mod joining;

use chrono::Utc;
use tokio::sync::mpsc;
use tracing::info;

use super::event::What;
use super::handle::{CallError, CallEvent, CallMedia, EndCall, Handle, Reply, Request, Signal};
use super::model::{Model, answer};
use super::sid::{AccountSid, CallSid};
use super::state::Call;
use super::view::{CallStatus, CallView};

/// Who takes a call over, by what they have proved to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replacer {
    /// An agent of this account.
    pub account: Option<AccountSid>,
    /// This trunk.
    pub trunk: Option<String>,
}

impl Replacer {
    /// Agents may take over the calls of their account, trunks those that go over them.
    fn may_have(&self, call: &CallView) -> bool {
        self.account == Some(call.account) || (self.trunk.is_some() && self.trunk == call.trunk)
    }
}

/// A call that is to have another far end.
#[derive(Debug)]
pub struct TakeOver {
    /// Who takes it.
    pub by: Replacer,
    /// The media agreed with them; none if they will be known later.
    pub media: Option<CallMedia>,
    /// Where their adapter is told what to do from now on.
    pub signals: mpsc::Sender<Signal>,
}

/// How far a far end got that was asked to call somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferStep {
    /// It answered our REFER with this status.
    Answered(u16),
    /// It told this status of the call that it makes.
    Notified(u16),
}

pub(super) enum TransferRequest {
    /// Have the far end asked.
    Send(CallSid, String, Reply<()>),
    Progressed(CallSid, ReferStep),
    /// The far end asked.
    Received(CallSid, String, Reply<()>),
    Answer(CallSid, u16, Reply<()>),
    /// The far end has two calls and wants their other sides connected.
    Connect(CallSid, CallSid, Reply<()>),
    TakeOver(CallSid, Box<TakeOver>, Reply<()>),
    /// Whoever dialled the call wants it no more.
    GiveUp(CallSid, CallSid, Reply<CallView>),
}

impl Handle {
    /// Asks a call's far end to call somebody itself, by a URI with any headers. Its script is told how far that gets.
    pub async fn refer(&self, call: CallSid, to: String) -> Result<(), CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::Send(call, to, reply))).await
    }

    /// Tells how far a far end got that was asked to call somebody.
    pub async fn refer_progressed(&self, call: CallSid, step: ReferStep) {
        let request = Request::Transfer(TransferRequest::Progressed(call, step));
        // An owner that is gone wants to know nothing more.
        let _ = self.requests.send((self.account, request)).await;
    }

    /// Tells that a call's far end wants another called instead of itself. Refused if nobody is there who could: only
    /// the script that dialled the call can.
    pub async fn refer_received(&self, call: CallSid, to: String) -> Result<(), CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::Received(call, to, reply))).await
    }

    /// Tells a call's far end, by a status of SIP, what became of its wish.
    pub async fn answer_refer(&self, call: CallSid, status: u16) -> Result<(), CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::Answer(call, status, reply))).await
    }

    /// Connects those whom a far end speaks with in two calls: who is in `call` stays where they are, and who is in `other`
    /// comes to them, or the other way round if `other` is in a conference. Both calls end, if it can be done; if not,
    /// everybody is where they were.
    pub async fn connect_far_ends(&self, call: CallSid, other: CallSid) -> Result<(), CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::Connect(call, other, reply))).await
    }

    /// Gives a call another far end: it goes on with its leg, seat, script and recordings. [`CallError::NotAllowed`] if
    /// whoever wants it may not have it.
    pub async fn take_over(&self, call: CallSid, takes: TakeOver) -> Result<(), CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::TakeOver(call, Box::new(takes), reply))).await
    }

    /// Ends a call that the script of `dialler` dialled, if it is still its own: one that was passed on is not.
    pub async fn give_up_dialled(&self, dialler: CallSid, call: CallSid) -> Result<CallView, CallError> {
        self.ask(|reply| Request::Transfer(TransferRequest::GiveUp(call, dialler, reply))).await
    }
}

impl TransferRequest {
    pub(super) const fn call(&self) -> CallSid {
        match self {
            Self::Send(call, ..)
            | Self::Progressed(call, _)
            | Self::Received(call, ..)
            | Self::Connect(call, ..)
            | Self::TakeOver(call, ..)
            | Self::GiveUp(call, ..)
            | Self::Answer(call, ..) => *call,
        }
    }

    /// Answers that it will not be done. Whoever asked may have gone away.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::Progressed(..) => {}
            Self::GiveUp(_, _, reply) => answer(reply, Err(why)),
            Self::Send(_, _, reply)
            | Self::Received(_, _, reply)
            | Self::Connect(_, _, reply)
            | Self::TakeOver(_, _, reply)
            | Self::Answer(_, _, reply) => answer(reply, Err(why)),
        }
    }
}

impl Model {
    pub(super) fn transfer(&mut self, request: TransferRequest) {
        match request {
            TransferRequest::Send(sid, to, reply) => {
                answer(reply, self.signal_connected(sid, Signal::Refer(to)));
            }
            TransferRequest::Progressed(sid, step) => {
                if let Some(call) = self.calls.get(sid) {
                    call.tell(CallEvent::Refer(step));
                }
            }
            TransferRequest::Received(sid, to, reply) => answer(reply, self.refer_received(sid, to)),
            TransferRequest::Answer(sid, status, reply) => {
                answer(reply, self.signal_connected(sid, Signal::ReferAnswered(status)));
            }
            TransferRequest::Connect(sid, other, reply) => answer(reply, self.connect_far_ends(sid, other)),
            TransferRequest::TakeOver(sid, takes, reply) => self.take_over(sid, *takes, reply),
            TransferRequest::GiveUp(sid, dialler, reply) => {
                match self.calls.get(sid).filter(|call| call.dialler == Some(dialler)) {
                    Some(_) => self.end_call(sid, EndCall::Completed, reply),
                    None => answer(reply, Err(CallError::WrongState)),
                }
            }
        }
    }

    fn signal_connected(&self, sid: CallSid, signal: Signal) -> Result<(), CallError> {
        let call = self.answered_call(sid)?;
        call.signals.try_send(signal).map_err(|_| CallError::Overloaded)
    }

    fn answered_call(&self, sid: CallSid) -> Result<&Call, CallError> {
        let call = self.calls.get(sid).ok_or(CallError::NoCall)?;
        if call.view.status == CallStatus::InProgress { Ok(call) } else { Err(CallError::WrongState) }
    }

    fn refer_received(&self, sid: CallSid, to: String) -> Result<(), CallError> {
        let parent = self.answered_call(sid)?.view.parent.and_then(|parent| self.calls.get(parent));
        let script = parent.and_then(|parent| parent.script.as_ref()).ok_or(CallError::WrongState)?;
        info!(call = %sid, "the far end wants another called");
        script.try_send(CallEvent::Referred { call: sid, to }).map_err(|_| CallError::Overloaded)
    }

    /// All that can go wrong is looked at first: from where the old far end is told it cannot be undone.
    fn take_over(&mut self, sid: CallSid, takes: TakeOver, reply: Reply<()>) {
        let room = match self.connected(sid) {
            Ok(call) if !takes.by.may_have(&call.view) => Err(CallError::NotAllowed),
            Ok(call) if !self.media.has_room(&call.leg, TAKE_OVER_ORDERS) => Err(CallError::Overloaded),
            Ok(_) => Ok(()),
            Err(e) => Err(e),
        };
        let Some(call) = self.calls.get_mut(sid).filter(|_| room.is_ok()) else {
            return answer(reply, room);
        };
        let before = std::mem::replace(&mut call.signals, takes.signals);
        // Full, it holds an end, which says the same.
        let _ = before.try_send(Signal::Replaced);
        call.view.trunk = takes.by.trunk;
        call.view.updated = Utc::now();
        info!(call = %sid, "call taken over by another far end");
        self.journal.append(call.view.updated, What::TakenOver(call.view.clone()));
        match takes.media {
            Some(media) => self.set_media(sid, media, reply),
            None => answer(reply, Ok(())),
        }
    }
}

/// What a media thread is told when a call is taken over: its media, who hears it, and what its conference needs for
/// another codec.
const TAKE_OVER_ORDERS: usize = 3;
