//! What requests about recordings are about, and how they are refused.

use super::RecordingRequest;
use crate::call::handle::CallError;
use crate::call::model::answer;
use crate::call::sid::{CallSid, ConferenceSid, RecordingSid};

impl RecordingRequest {
    /// The recording it is about, if it is about one that is there.
    pub(in crate::call) const fn recording(&self) -> Option<RecordingSid> {
        match self {
            Self::Change(sid, ..) | Self::Fetch(sid, _) | Self::Await(sid, _) | Self::Delete(sid, _) => {
                Some(*sid)
            }
            Self::Start(..)
            | Self::StartConference(..)
            | Self::List(..)
            | Self::RecordWith(..)
            | Self::Reported(_) => None,
        }
    }

    /// The call it is about, if it is about one.
    pub(in crate::call) const fn call(&self) -> Option<CallSid> {
        match self {
            Self::Start(call, ..) => Some(*call),
            Self::StartConference(..)
            | Self::Change(..)
            | Self::Fetch(..)
            | Self::Await(..)
            | Self::Delete(..)
            | Self::List(..)
            | Self::RecordWith(..)
            | Self::Reported(_) => None,
        }
    }

    /// The conference it is about, if it is about one.
    pub(in crate::call) const fn conference(&self) -> Option<ConferenceSid> {
        match self {
            Self::StartConference(conference, ..) => Some(*conference),
            Self::Start(..)
            | Self::Change(..)
            | Self::Fetch(..)
            | Self::Await(..)
            | Self::Delete(..)
            | Self::List(..)
            | Self::RecordWith(..)
            | Self::Reported(_) => None,
        }
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
