//! Transfers (RFC 3515): far ends that want somebody else called, and far ends that we ask to call somebody.

use tracing::info;

use super::handle::{CallError, CallEvent, Handle, Reply, Request, Signal};
use super::model::{Model, answer};
use super::sid::CallSid;
use super::state::Call;
use super::view::CallStatus;

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
}

impl TransferRequest {
    pub(super) const fn call(&self) -> CallSid {
        match self {
            Self::Send(call, ..)
            | Self::Progressed(call, _)
            | Self::Received(call, ..)
            | Self::Answer(call, ..) => *call,
        }
    }

    /// Answers that it will not be done. Whoever asked may have gone away.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::Progressed(..) => {}
            Self::Send(_, _, reply) | Self::Received(_, _, reply) | Self::Answer(_, _, reply) => {
                answer(reply, Err(why));
            }
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
}
