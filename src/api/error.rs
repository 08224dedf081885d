//! What the API answers when it does not do what was asked: an HTTP status, a stable code, a sentence.
//!
//! The body is `{"code", "message", "more_info", "status"}` and nothing else: newer SDKs take a body that also
//! has `type` and `title` for another kind of problem. Codes are those of Twilio's dictionary, so that what a
//! user finds about them applies. The sentence says what was wrong, where, and what would be right.

use std::fmt;

use axum::http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::BODY_MAX;
use super::form::Json;
use crate::call::{AccountSid, CallError, CallSid, ConferenceSid, ParticipantKey, QueueSid, RecordingSid};
use crate::directory::{DirectoryError, Limited};
use crate::sid::{ApplicationSid, KeySid, PaymentSid, PhoneNumberSid};

/// A request that was not done.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: u32,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

/// What is answered when it was not done.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Body<'a> {
    /// By which Twilio's dictionary explains it.
    code: u32,
    /// What was wrong, where, and what would be right.
    message: &'a str,
    /// Where the code is explained.
    more_info: String,
    /// The HTTP status.
    status: u16,
}

const OVERLOADED: &str = "The node is overloaded; nothing was done. Try again.";
const STOPPING: &str = "The node is stopping and takes no more requests.";

impl ApiError {
    fn new(status: StatusCode, code: u32, message: String) -> Self {
        Self { status, code, message, header: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// A parameter, or the way it is written, is not right. `message` says which and what would be.
    pub(super) fn parameter(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 20_001, message)
    }

    /// A call that cannot be placed as asked, by the code of what is wrong with it.
    pub(super) fn call(code: u32, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message.to_owned())
    }

    /// Something that is not done, by the code of what is wrong with it.
    pub(super) fn coded(code: u32, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// The parameter has a value it cannot have.
    pub(super) fn value(name: &str, value: &str, right: &str) -> Self {
        Self::parameter(format!("{name} is {}; it must be {right}.", Quoted(value)))
    }

    /// The record of a call that is not over was to be deleted.
    pub(super) fn living(call: CallSid) -> Self {
        let message = format!(
            "The call {call} is not over, so its record cannot be deleted. End it first with Status=completed."
        );
        Self::new(StatusCode::CONFLICT, 20_009, message)
    }

    /// The credentials are missing or wrong.
    pub(super) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 20_003, message.to_owned())
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Confab API\""))
    }

    /// There is no access token, or it is wrong; by the code of what is wrong with it.
    pub(super) fn no_token(code: u32, message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message.to_owned())
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Confab\""))
    }

    /// Whoever asks may not have it.
    pub(super) fn forbidden(code: u32, message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// The body is no session description.
    pub(super) fn not_sdp(content_type: &str) -> Self {
        let message = format!(
            "The request's body has Content-Type {}; it must be application/sdp.",
            Quoted(content_type)
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 20_001, message)
    }

    /// A change within a call does not say which state of it it was made for.
    pub(super) fn no_precondition() -> Self {
        let message =
            "The request has no If-Match; it must have the ETag of the answer that came last, or `*`.";
        Self::new(StatusCode::PRECONDITION_REQUIRED, 20_001, message.to_owned())
    }

    /// A change within a call was made for another state of it.
    pub(super) fn outdated(message: String) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, 20_001, message)
    }

    /// The account is suspended or closed.
    pub(super) fn inactive(account: &str) -> Self {
        let message = format!(
            "The account {} is not active: what it has can be read and deleted, and nothing else.",
            Quoted(account)
        );
        Self::new(StatusCode::FORBIDDEN, 20_005, message)
    }

    /// What was asked about is not there.
    pub(super) fn no(asked: Asked<'_>) -> Self {
        Self::not_found(format!("There is no {asked}."))
    }

    /// What the path names is not there.
    pub(super) fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, 20_404, message)
    }

    /// The path names nothing that this API has.
    pub(super) fn unknown_path(path: &str) -> Self {
        Self::not_found(format!("There is no resource at {}.", Quoted(path)))
    }

    /// The resource is there and does not do this.
    pub(super) fn method(method: &Method, path: &str, allow: HeaderValue) -> Self {
        let allowed = String::from_utf8_lossy(allow.as_bytes()).replace(',', ", ");
        let message = format!("{method} is not possible on {}; it allows {allowed}.", Quoted(path));
        Self::new(StatusCode::METHOD_NOT_ALLOWED, 20_004, message).with(ALLOW, allow)
    }

    /// The body did not come in time.
    pub(super) fn slow_body(seconds: u64) -> Self {
        let message = format!("The request's body did not arrive within {seconds} seconds.");
        Self::new(StatusCode::REQUEST_TIMEOUT, 20_001, message)
    }

    /// The body is over [`BODY_MAX`].
    pub(super) fn large_body() -> Self {
        let message = format!("The request's body is over {BODY_MAX} bytes, the most that is read.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, 20_001, message)
    }

    /// The body is not a form.
    pub(super) fn not_a_form(content_type: &str) -> Self {
        let message = format!(
            "The request's body has Content-Type {}; it must be application/x-www-form-urlencoded.",
            Quoted(content_type)
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, 20_001, message)
    }

    /// The node cannot do it now; the same request may work in a second.
    pub(super) fn unavailable(message: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 20_503, message)
            .with(RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// What the model answered about `asked`.
    ///
    /// A participant of a conference that is over is answered as one who is not there: who acts on a participant
    /// must cope with their having just left, and should need one case for it.
    pub(super) fn of(error: CallError, asked: Asked<'_>) -> Self {
        match error {
            CallError::NoCall
            | CallError::NoConference
            | CallError::NoParticipant
            | CallError::NoQueue
            | CallError::NotQueued
            | CallError::NoRecording
            | CallError::NoStream => Self::not_found(format!("There is no {asked}: {error}.")),
            CallError::ConferenceCompleted => Self::not_found(format!(
                "There is no {asked} any more: the conference is over. Only one in progress \
                 has participants."
            )),
            CallError::AnnouncementsFull => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                20_429,
                format!("The {asked}: {error}. Try again when one is over."),
            ),
            CallError::RecordingOver
            | CallError::RecordingUnderWay
            | CallError::RecordingsFull
            | CallError::NotRecording => Self::of_recording(error, asked),
            CallError::WrongState
                if matches!(asked, Asked::NewRecording(_) | Asked::NewConferenceRecording(_)) =>
            {
                Self::of_recording(error, asked)
            }
            CallError::NotAllowed => Self::not_allowed(error, asked),
            CallError::DialQueueFull { retry_after } => {
                let message = format!("The {asked}: {error}. Try again in {retry_after} seconds.");
                Self::new(StatusCode::TOO_MANY_REQUESTS, 20_429, message)
                    .with(RETRY_AFTER, HeaderValue::from(retry_after))
            }
            CallError::NodeFull | CallError::NoBrowserPort => {
                Self::unavailable(format!("The {asked}: {error}."))
            }
            CallError::NotStreaming | CallError::StreamsFull | CallError::StreamNameTaken => {
                Self::of_stream(error, asked)
            }
            CallError::WrongState if matches!(asked, Asked::NewStream(_) | Asked::Stream(_)) => {
                Self::of_stream(error, asked)
            }
            CallError::WrongState => Self::new(
                StatusCode::BAD_REQUEST,
                21_220,
                format!(
                    "The {asked} is not in the right state. Status=canceled ends a call before it is \
                     answered, Status=completed one that is not over."
                ),
            ),
            CallError::DigitsFull => Self::unavailable(format!("{error}; none of these will be. Try again.")),
            CallError::Overloaded => Self::unavailable(OVERLOADED.to_owned()),
            CallError::Stopping => Self::unavailable(STOPPING.to_owned()),
            CallError::QueueNameTaken | CallError::QueueNotEmpty => {
                Self::new(StatusCode::CONFLICT, 20_409, format!("The {asked}: {error}."))
            }
            CallError::NotPlaying | CallError::QueueFull(_) | CallError::TooManyQueues => {
                Self::refused(20_001, error, asked)
            }
            CallError::ConferenceFull => Self::refused(16_020, error, asked),
            CallError::LabelInUse => Self::refused(16_026, error, asked),
            CallError::CoachedOnHold => Self::refused(16_027, error, asked),
            CallError::CoachedAbsent => Self::refused(16_028, error, asked),
            CallError::NotReached => Self::refused(21_214, error, asked),
            CallError::NoTrunk => Self::refused(21_300, error, asked),
            CallError::KeysCaptured => Self::refused(64_021, error, asked),
            CallError::TooManyCalls => Self::refused(10_004, error, asked),
        }
    }

    /// It may not be dialled.
    fn not_allowed(error: CallError, asked: Asked<'_>) -> Self {
        let message = format!(
            "The {asked}: {error}. What may be dialled is said by `outbound_allow` of the node, the account and the \
             trunks."
        );
        Self::new(StatusCode::BAD_REQUEST, 21_215, message)
    }

    /// What the model answered about a recording.
    fn of_recording(error: CallError, asked: Asked<'_>) -> Self {
        if error == CallError::RecordingsFull {
            return Self::refused(16_108, error, asked);
        }
        if error == CallError::NotRecording {
            return Self::unavailable(format!("The {asked}: {error}."));
        }
        if error == CallError::RecordingUnderWay {
            let message =
                format!("The {asked} cannot be deleted: {error}. Stop it, and wait until it is completed.");
            return Self::new(StatusCode::CONFLICT, 20_409, message);
        }
        let message = if error == CallError::RecordingOver {
            format!("The {asked} cannot be changed: {error}.")
        } else {
            format!("The {asked}: it is not in progress, or nobody is in it.")
        };
        Self::new(StatusCode::BAD_REQUEST, 21_220, message)
    }

    /// What the model answered about a stream.
    fn of_stream(error: CallError, asked: Asked<'_>) -> Self {
        if error == CallError::StreamsFull {
            return Self::refused(31_941, error, asked);
        }
        if error == CallError::NotStreaming {
            return Self::unavailable(format!("The {asked}: {error}."));
        }
        if error == CallError::StreamNameTaken {
            return Self::new(StatusCode::CONFLICT, 20_409, format!("The {asked}: {error}."));
        }
        let why = if matches!(asked, Asked::Stream(_)) {
            "the call talks over it (<Connect>); its server ends it, a redirect, or the call's end"
        } else {
            "it is not in progress"
        };
        Self::new(StatusCode::BAD_REQUEST, 21_220, format!("The {asked}: {why}."))
    }

    fn refused(code: u32, error: CallError, asked: Asked<'_>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, format!("The {asked}: {error}."))
    }
}

impl ApiError {
    /// What the directory answered about `asked`.
    pub(super) fn of_directory(error: &DirectoryError, asked: Asked<'_>) -> Self {
        let code = match error {
            DirectoryError::NotFound => return Self::no(asked),
            DirectoryError::Shelf(_) | DirectoryError::Unreadable { .. } => {
                return Self::unavailable(format!("The {asked}: {error}; nothing was changed."));
            }
            DirectoryError::TooMany { what: Limited::Accounts, .. } => 21_480,
            DirectoryError::TooMany { what: Limited::Applications, .. } => 21_301,
            DirectoryError::TooMany { what: Limited::Keys | Limited::Numbers, .. } => 20_001,
            DirectoryError::NumberTaken => 21_422,
            DirectoryError::NoTarget => 21_471,
            DirectoryError::TargetInactive => 21_472,
            DirectoryError::NoApplication => 21_420,
            DirectoryError::MainStatus => 21_477,
            DirectoryError::Closed => 21_479,
        };
        Self::coded(code, format!("The {asked}: {error}. Nothing was changed."))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.code,
            message: &self.message,
            more_info: format!("https://www.twilio.com/docs/errors/{}", self.code),
            status: self.status.as_u16(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// What a request was about, for the sentence that says it is not there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// A list of everything of its kind.
    List,
    /// A call to be placed.
    NewCall,
    /// A call.
    Call(CallSid),
    /// A payment.
    Payment(PaymentSid),
    /// A recording.
    Recording(RecordingSid),
    /// A recording of a call, to be begun.
    NewRecording(CallSid),
    /// A recording of a conference, to be begun.
    NewConferenceRecording(ConferenceSid),
    /// A stream of a call, to be begun.
    NewStream(CallSid),
    /// A stream of a call.
    Stream(CallSid),
    /// A conference, or its participants.
    Conference(ConferenceSid),
    /// A queue to be made.
    NewQueue,
    /// A queue, or those who wait in it.
    Queue(QueueSid),
    /// One who waits in a queue.
    Waiter(QueueSid),
    /// An account, or something new that is to be its.
    Account(AccountSid),
    /// A key.
    Key(KeySid),
    /// An application.
    Application(ApplicationSid),
    /// An incoming phone number.
    Number(PhoneNumberSid),
    /// A participant of a conference.
    Participant(ConferenceSid, &'a ParticipantKey),
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List => f.write_str("list"),
            Self::NewCall => f.write_str("call was not placed"),
            Self::Call(call) => write!(f, "call {call}"),
            Self::Account(account) => write!(f, "account {account}"),
            Self::Key(key) => write!(f, "key {key}"),
            Self::Application(application) => write!(f, "application {application}"),
            Self::Number(number) => write!(f, "incoming phone number {number}"),
            Self::Payment(payment) => write!(f, "payment {payment}"),
            Self::Recording(recording) => write!(f, "recording {recording}"),
            Self::NewRecording(call) => write!(f, "recording of call {call} was not begun"),
            Self::NewConferenceRecording(conference) => {
                write!(f, "recording of conference {conference} was not begun")
            }
            Self::NewStream(call) => write!(f, "stream of call {call} was not begun"),
            Self::Stream(call) => write!(f, "such stream of call {call}"),
            Self::Conference(conference) => write!(f, "conference {conference}"),
            Self::NewQueue => f.write_str("queue was not made"),
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Waiter(queue) => write!(f, "such caller in queue {queue}"),
            Self::Participant(conference, ParticipantKey::Call(call)) => {
                write!(f, "participant {call} in conference {conference}")
            }
            Self::Participant(conference, ParticipantKey::Label(label)) => {
                write!(f, "participant labelled {} in conference {conference}", Quoted(label))
            }
        }
    }
}

/// A text of the asker's, in quotes, short enough for a sentence.
pub(super) struct Quoted<'a>(pub(super) &'a str);

/// The most characters of the asker's text that an answer repeats: a path with two SIDs and a label fits.
const QUOTED_CHARS_MAX: usize = 200;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        let start: String = chars.by_ref().take(QUOTED_CHARS_MAX).collect();
        let more = if chars.next().is_some() { "…" } else { "" };
        write!(f, "\"{start}{more}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_the_queue_full_is_told_when_to_come_back() {
        let error = ApiError::of(CallError::DialQueueFull { retry_after: 3 }, Asked::NewCall);
        assert_eq!((error.status, error.code), (StatusCode::TOO_MANY_REQUESTS, 20_429));
        assert_eq!(error.header, Some((RETRY_AFTER, HeaderValue::from(3))));
        assert!(error.message.contains("Try again in 3 seconds."), "{}", error.message);
    }

    #[test]
    fn a_long_text_is_cut_before_it_is_repeated() {
        let quoted = Quoted(&"ä".repeat(1_000)).to_string();
        assert_eq!(quoted.chars().count(), QUOTED_CHARS_MAX + 3);
        assert_eq!(Quoted("short").to_string(), "\"short\"");
    }
}
