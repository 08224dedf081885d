//! Whose calls a handle reaches: an account's own, or all of the node's.

use super::handle::{CallError, NotAdmitted, Request};
use super::model::Model;
use super::sid::{AccountSid, CallSid, ConferenceSid, QueueSid, RecordingSid};

/// What a request is about.
enum Subject {
    Call(CallSid),
    Conference(ConferenceSid),
    Queue(QueueSid),
    Recording(RecordingSid),
    /// All there are, or something new.
    Anything,
}

impl Model {
    /// Why somebody who acts for `account` may not ask this: what it is about belongs to another account, and is to them
    /// as if it were not there.
    pub(super) fn beyond(&self, account: AccountSid, request: &Request) -> Option<CallError> {
        match request.subject() {
            Subject::Call(sid) => {
                let owner = self.calls.get(sid).map(|call| call.view.account);
                (owner != Some(account)).then_some(CallError::NoCall)
            }
            Subject::Conference(sid) => {
                let owner = self.conferences.get(sid).map(|conference| conference.view.account);
                (owner != Some(account)).then_some(CallError::NoConference)
            }
            Subject::Queue(sid) => (self.queues.account(sid) != Some(account)).then_some(CallError::NoQueue),
            Subject::Recording(sid) => {
                (self.recordings.owner(sid) != Some(account)).then_some(CallError::NoRecording)
            }
            Subject::Anything => None,
        }
    }
}

impl Request {
    fn subject(&self) -> Subject {
        match self {
            Self::ConnectCall(call, ..)
            | Self::UseBrowserPort(call, _)
            | Self::SetCallMedia(call, ..)
            | Self::CallProgressed(call, _)
            | Self::CallEnded(call, ..)
            | Self::CallUsesTrunk(call, _)
            | Self::AnswerCall(call, _)
            | Self::RejectCall(call, ..)
            | Self::RedirectCall(call, ..)
            | Self::JoinConference(call, ..)
            | Self::LeaveConference(call, _)
            | Self::Bridge(call, ..)
            | Self::Play(call, ..)
            | Self::Feed(call, ..)
            | Self::StopPlaying(call, _)
            | Self::HearDigit(call, ..)
            | Self::PressDigits(call, ..)
            | Self::FetchCall(call, _)
            | Self::CallQuality(call, _)
            | Self::Whispered(call, ..)
            | Self::ChangeCall(call, ..)
            | Self::EndCall(call, ..)
            | Self::ForgetCall(call, _) => Subject::Call(*call),
            Self::Transfer(request) => Subject::Call(request.call()),
            Self::Capture(request) => Subject::Call(request.call()),
            Self::FetchConference(conference, _)
            | Self::EndConference(conference, _)
            | Self::ListParticipants(conference, ..)
            | Self::FetchParticipant(conference, ..)
            | Self::ChangeSeat(conference, ..)
            | Self::Announce(conference, ..)
            | Self::KickParticipant(conference, ..) => Subject::Conference(*conference),
            Self::Queue(request) => match (request.call(), request.queue()) {
                (Some(call), _) => Subject::Call(call),
                (None, Some(queue)) => Subject::Queue(queue),
                (None, None) => Subject::Anything,
            },
            Self::Recording(request) => match (request.recording(), request.call(), request.conference()) {
                (Some(recording), ..) => Subject::Recording(recording),
                (None, Some(call), _) => Subject::Call(call),
                (None, None, Some(conference)) => Subject::Conference(conference),
                (None, None, None) => Subject::Anything,
            },
            Self::Stream(request) => request.call().map_or(Subject::Anything, Subject::Call),
            Self::AdmitCall(..)
            | Self::AgentIsAt(..)
            | Self::Floor(_)
            | Self::PlaceCall(..)
            | Self::ListCalls(..)
            | Self::ListConferences(..)
            | Self::PlaySound(..)
            | Self::SoundOver(..)
            | Self::UnkeptCalls(..)
            | Self::UnkeptConferences(..)
            | Self::Owed(_)
            | Self::Kept(_)
            | Self::Stop(_) => Subject::Anything,
        }
    }

    /// Answers that it will not be done. Whoever asked may have gone away.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::AdmitCall(_, reply) => drop(reply.send(Err(NotAdmitted::Overloaded))),
            Self::CallProgressed(..)
            | Self::CallEnded(..)
            | Self::CallUsesTrunk(..)
            | Self::SoundOver(..)
            | Self::AgentIsAt(..)
            | Self::Kept(_) => {}
            Self::Recording(request) => request.refuse(why),
            Self::Floor(request) => request.refuse(why),
            Self::Stream(request) => request.refuse(why),
            Self::Capture(request) => request.refuse(why),
            Self::Stop(reply) => drop(reply),
            Self::ConnectCall(_, _, reply)
            | Self::SetCallMedia(_, _, reply)
            | Self::RejectCall(_, _, reply)
            | Self::LeaveConference(_, reply)
            | Self::Bridge(_, _, reply)
            | Self::StopPlaying(_, reply)
            | Self::HearDigit(_, _, reply)
            | Self::PressDigits(_, _, reply)
            | Self::Whispered(_, _, reply)
            | Self::ForgetCall(_, reply)
            | Self::KickParticipant(_, _, reply) => drop(reply.send(Err(why))),
            Self::UseBrowserPort(_, reply) => drop(reply.send(Err(why))),
            Self::AnswerCall(_, reply)
            | Self::RedirectCall(_, _, reply)
            | Self::FetchCall(_, reply)
            | Self::ChangeCall(_, _, reply)
            | Self::EndCall(_, _, reply) => drop(reply.send(Err(why))),
            Self::JoinConference(_, _, reply)
            | Self::FetchParticipant(_, _, reply)
            | Self::ChangeSeat(_, _, _, reply) => drop(reply.send(Err(why))),
            Self::FetchConference(_, reply) | Self::EndConference(_, reply) | Self::Announce(_, _, reply) => {
                drop(reply.send(Err(why)))
            }
            Self::PlaySound(_, _, _, reply) => drop(reply.send(Err(why))),
            Self::PlaceCall(_, reply) => drop(reply.send(Err(why))),
            Self::Play(_, _, _, reply) | Self::Feed(_, _, reply) => drop(reply.send(Err(why))),
            Self::ListCalls(_, _, reply) => drop(reply.send(Err(why))),
            Self::ListConferences(_, _, reply) => drop(reply.send(Err(why))),
            Self::ListParticipants(_, _, _, reply) => drop(reply.send(Err(why))),
            Self::UnkeptCalls(_, _, reply) => drop(reply.send(Err(why))),
            Self::UnkeptConferences(_, _, reply) => drop(reply.send(Err(why))),
            Self::Owed(reply) => drop(reply.send(Err(why))),
            Self::CallQuality(_, reply) => drop(reply.send(Err(why))),
            Self::Queue(request) => request.refuse(why),
            Self::Transfer(request) => request.refuse(why),
        }
    }
}
