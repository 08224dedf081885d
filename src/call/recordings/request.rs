//! What requests about recordings are about, and how they are refused.

use super::RecordingRequest;
use crate::call::handle::CallError;
use crate::call::model::answer;
use crate::call::sid::{CallSid, ConferenceSid, RecordingSid};

/// What a request is about.
#[derive(Clone, Copy)]
enum Subject {
    Recording(RecordingSid),
    Call(CallSid),
    Conference(ConferenceSid),
    Many,
}

impl RecordingRequest {
    const fn subject(&self) -> Subject {
        match self {
            Self::Change(sid, ..) | Self::Fetch(sid, _) | Self::Await(sid, _) | Self::Delete(sid, _) => {
                Subject::Recording(*sid)
            }
            Self::Start(call, ..) => Subject::Call(*call),
            Self::StartConference(conference, ..) => Subject::Conference(*conference),
            Self::List(..) | Self::RecordWith(..) | Self::Reported(_) => Subject::Many,
        }
    }

    /// The recording it is about, if it is about one that is there.
    pub(in crate::call) const fn recording(&self) -> Option<RecordingSid> {
        if let Subject::Recording(sid) = self.subject() { Some(sid) } else { None }
    }

    /// The call it is about, if it is about one.
    pub(in crate::call) const fn call(&self) -> Option<CallSid> {
        if let Subject::Call(sid) = self.subject() { Some(sid) } else { None }
    }

    /// The conference it is about, if it is about one.
    pub(in crate::call) const fn conference(&self) -> Option<ConferenceSid> {
        if let Subject::Conference(sid) = self.subject() { Some(sid) } else { None }
    }

    /// Answers that it will not be done.
    pub(in crate::call) fn refuse(self, why: CallError) {
        match self {
            Self::Start(_, _, reply)
            | Self::StartConference(_, _, reply)
            | Self::Change(_, _, reply)
            | Self::Fetch(_, reply)
            | Self::Await(_, reply) => answer(reply, Err(why)),
            Self::List(_, _, reply) => answer(reply, Err(why)),
            Self::Delete(_, reply) => answer(reply, Err(why)),
            Self::RecordWith(..) | Self::Reported(_) => {}
        }
    }
}
