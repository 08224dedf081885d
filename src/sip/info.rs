//! INFO requests within a call: keys (`dtmf_info`), and what else comes that way.

use confab_media::{DigitMethod, PressedDigit};
use rsipstack::sip::{Header, Request, StatusCode};

use super::counters::SipCounters;
use super::dtmf_info::{self, Info, InfoError};
use super::headers::{self, other};
use crate::call::{CallError, CallSid, Handle};

/// When a far end whose key found no room may say it again, in seconds.
const RETRY_AFTER: u32 = 1;

/// Takes in what an INFO says, and gives back how it is to be answered. An INFO without a body only asks whether we are
/// there; a body of a kind that we do not know is refused (RFC 6086 §4.2.2).
pub(super) async fn receive(
    calls: &Handle,
    call: CallSid,
    counters: &SipCounters,
    request: &Request,
) -> (StatusCode, Vec<Header>) {
    if request.body.is_empty() {
        return (StatusCode::OK, Vec::new());
    }
    let content_type = headers::value(request, "Content-Type", Some("c")).unwrap_or_default();
    match dtmf_info::parse(&content_type, &request.body) {
        Ok(Info::Key(key)) => {
            let key = PressedDigit { digit: key.digit, duration: key.duration, method: DigitMethod::Info };
            hear(calls, call, key).await
        }
        // A flash hook and its like: nothing that anybody waits for.
        Ok(Info::Other) => (StatusCode::OK, Vec::new()),
        Err(error) => {
            counters.refuse_info(error);
            refuse(error)
        }
    }
}

async fn hear(calls: &Handle, call: CallSid, key: PressedDigit) -> (StatusCode, Vec<Header>) {
    match calls.heard_info_digit(call, key).await {
        // A key before the call's media are there is pressed at nothing.
        Ok(()) | Err(CallError::WrongState) => (StatusCode::OK, Vec::new()),
        Err(CallError::Overloaded | CallError::Stopping) => {
            (StatusCode::ServiceUnavailable, vec![other("Retry-After", RETRY_AFTER)])
        }
        Err(
            CallError::NoCall
            | CallError::NoConference
            | CallError::NoParticipant
            | CallError::ConferenceCompleted
            | CallError::ConferenceFull
            | CallError::LabelInUse
            | CallError::NoQueue
            | CallError::NotQueued
            | CallError::QueueFull(_)
            | CallError::QueueNameTaken
            | CallError::QueueNotEmpty
            | CallError::TooManyQueues
            | CallError::CoachedAbsent
            | CallError::CoachedOnHold
            | CallError::AnnouncementsFull
            | CallError::NodeFull
            | CallError::NotAllowed
            | CallError::NotReached
            | CallError::NoTrunk
            | CallError::TooManyCalls
            | CallError::DialQueueFull { .. }
            | CallError::NotPlaying
            | CallError::NoRecording
            | CallError::RecordingOver
            | CallError::RecordingUnderWay
            | CallError::RecordingsFull
            | CallError::KeysCaptured
            | CallError::NotRecording
            | CallError::NoStream
            | CallError::StreamsFull
            | CallError::StreamNameTaken
            | CallError::NotStreaming
            | CallError::NoBrowserPort
            | CallError::DigitsFull,
        ) => (StatusCode::CallTransactionDoesNotExist, Vec::new()),
    }
}

/// Says what is wrong, and nothing of what was in it.
fn refuse(error: InfoError) -> (StatusCode, Vec<Header>) {
    let status = match error {
        InfoError::OtherType => StatusCode::UnsupportedMediaType,
        InfoError::Malformed | InfoError::NoKey => StatusCode::BadRequest,
    };
    let reason = format!("SIP;cause={};text=\"{error}\"", u16::from(status.clone()));
    (status, vec![other("Reason", reason)])
}
