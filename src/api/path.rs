//! What a path names: SIDs and labels, percent-decoded and typed.
//!
//! A last segment may end in `.json`, which is not part of the name. A label that itself ends so keeps its own
//! ending when asked with the suffix, as the SDKs do.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;

use super::error::{ApiError, Quoted};
use crate::call::{
    CallSid, ConferenceSid, NotificationSid, ParticipantKey, QueueSid, RecordingSid, StreamKey, WaiterKey,
};
use crate::sid::{ApplicationSid, KeySid, PaymentSid, PhoneNumberSid, SubscriptionSid};

/// A payment of a call named by the path.
pub(super) struct CallPaymentPath(pub(super) CallSid, pub(super) PaymentSid);

impl<S: Send + Sync> FromRequestParts<S> for CallPaymentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let CallPath(call) = CallPath::from_request_parts(parts, state).await?;
        let PaymentPath(payment) = PaymentPath::from_request_parts(parts, state).await?;
        Ok(Self(call, payment))
    }
}

/// A call named by the path.
pub(super) struct CallPath(pub(super) CallSid);

impl<S: Send + Sync> FromRequestParts<S> for CallPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [call] = segments(parts, state, ["call"]).await?;
        call.parse().map(Self).map_err(|error| {
            ApiError::not_found(format!("There is no call {}: that is {error}.", Quoted(&call)))
        })
    }
}

/// A notification named by the path.
pub(super) struct NotificationPath(pub(super) NotificationSid);

impl<S: Send + Sync> FromRequestParts<S> for NotificationPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [notification] = segments(parts, state, ["notification"]).await?;
        parse_notification(&notification).map(Self)
    }
}

/// A notification of a call.
pub(super) struct CallNotificationPath(pub(super) CallSid, pub(super) NotificationSid);

impl<S: Send + Sync> FromRequestParts<S> for CallNotificationPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let CallPath(call) = CallPath::from_request_parts(parts, state).await?;
        let NotificationPath(notification) = NotificationPath::from_request_parts(parts, state).await?;
        Ok(Self(call, notification))
    }
}

fn parse_notification(text: &str) -> Result<NotificationSid, ApiError> {
    text.parse().map_err(|error| {
        ApiError::not_found(format!("There is no notification {}: that is {error}.", Quoted(text)))
    })
}

/// A recording of the account named by the path, and what of it is wanted.
pub(super) struct RecordingPath(pub(super) RecordingSid, pub(super) Suffix);

/// How a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Suffix {
    /// Not with one of these.
    None,
    Json,
    Wav,
    Mp3,
}

impl<S: Send + Sync> FromRequestParts<S> for RecordingPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let is_json = parts.uri.path().ends_with(".json");
        let [recording] = segments(parts, state, ["recording"]).await?;
        let (name, suffix) = match (recording.strip_suffix(".wav"), recording.strip_suffix(".mp3")) {
            _ if is_json => (recording.as_str(), Suffix::Json),
            (Some(name), _) => (name, Suffix::Wav),
            (_, Some(name)) => (name, Suffix::Mp3),
            (None, None) => (recording.as_str(), Suffix::None),
        };
        parse_recording(name).map(|sid| Self(sid, suffix))
    }
}

/// A recording of a call named by the path.
pub(super) struct CallRecordingPath(pub(super) CallSid, pub(super) RecordingKey);

/// How a recording of a call or a conference is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordingKey {
    Sid(RecordingSid),
    /// `Twilio.CURRENT`: the newest of those under way.
    Current,
}

impl<S: Send + Sync> FromRequestParts<S> for CallRecordingPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let CallPath(call) = CallPath::from_request_parts(parts, state).await?;
        let [recording] = segments(parts, state, ["recording"]).await?;
        parse_recording_key(&recording).map(|key| Self(call, key))
    }
}

/// A recording of a conference named by the path.
pub(super) struct ConferenceRecordingPath(pub(super) ConferenceSid, pub(super) RecordingKey);

impl<S: Send + Sync> FromRequestParts<S> for ConferenceRecordingPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let ConferencePath(conference) = ConferencePath::from_request_parts(parts, state).await?;
        let [recording] = segments(parts, state, ["recording"]).await?;
        parse_recording_key(&recording).map(|key| Self(conference, key))
    }
}

fn parse_recording_key(recording: &str) -> Result<RecordingKey, ApiError> {
    match recording {
        "Twilio.CURRENT" => Ok(RecordingKey::Current),
        sid => parse_recording(sid).map(RecordingKey::Sid),
    }
}

fn parse_recording(recording: &str) -> Result<RecordingSid, ApiError> {
    recording.parse().map_err(|error| {
        ApiError::not_found(format!("There is no recording {}: that is {error}.", Quoted(recording)))
    })
}

/// A stream of a call named by the path: by its SID, or by its name.
pub(super) struct StreamPath(pub(super) CallSid, pub(super) StreamKey);

impl<S: Send + Sync> FromRequestParts<S> for StreamPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let CallPath(call) = CallPath::from_request_parts(parts, state).await?;
        let [stream] = segments(parts, state, ["stream"]).await?;
        let key = stream.parse().map_or(StreamKey::Name(stream), StreamKey::Sid);
        Ok(Self(call, key))
    }
}

/// Somebody's wish to be told what a call's page says, named by the path.
pub(super) struct SubscriptionPath(pub(super) CallSid, pub(super) SubscriptionSid);

impl<S: Send + Sync> FromRequestParts<S> for SubscriptionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let CallPath(call) = CallPath::from_request_parts(parts, state).await?;
        let [subscription] = segments(parts, state, ["subscription"]).await?;
        let sid = subscription.parse().map_err(|error| {
            let quoted = Quoted(&subscription);
            ApiError::not_found(format!("There is no subscription {quoted}: that is {error}."))
        });
        Ok(Self(call, sid?))
    }
}

/// A conference named by the path.
pub(super) struct ConferencePath(pub(super) ConferenceSid);

impl<S: Send + Sync> FromRequestParts<S> for ConferencePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [conference] = segments(parts, state, ["conference"]).await?;
        parse_conference(&conference).map(Self)
    }
}

/// A conference named by the path: by its SID or by the name that people dial.
pub(super) struct ConferenceNamed(pub(super) Named);

/// How a conference is named.
pub(super) enum Named {
    /// The one of this SID.
    Sid(ConferenceSid),
    /// The one of this name that is active, or a new one.
    Friendly(String),
}

/// The longest name of a conference.
const FRIENDLY_NAME_MAX: usize = 128;

impl<S: Send + Sync> FromRequestParts<S> for ConferenceNamed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [conference] = segments(parts, state, ["conference"]).await?;
        if let Ok(sid) = conference.parse() {
            return Ok(Self(Named::Sid(sid)));
        }
        if conference.is_empty() || conference.chars().count() > FRIENDLY_NAME_MAX {
            let message = format!("A conference's name has 1 to {FRIENDLY_NAME_MAX} characters.");
            return Err(ApiError::parameter(message));
        }
        Ok(Self(Named::Friendly(conference)))
    }
}

/// A participant named by the path: by the call's SID, or by label.
pub(super) struct ParticipantPath(pub(super) ConferenceSid, pub(super) ParticipantKey);

impl<S: Send + Sync> FromRequestParts<S> for ParticipantPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [conference, participant] = segments(parts, state, ["conference", "participant"]).await?;
        let key = participant.parse().map_or(ParticipantKey::Label(participant), ParticipantKey::Call);
        parse_conference(&conference).map(|conference| Self(conference, key))
    }
}

/// A queue named by the path.
pub(super) struct QueuePath(pub(super) QueueSid);

impl<S: Send + Sync> FromRequestParts<S> for QueuePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [queue] = segments(parts, state, ["queue"]).await?;
        parse_queue(&queue).map(Self)
    }
}

/// One who waits in a queue, named by the path: by the call's SID, or as `Front`.
pub(super) struct WaiterPath(pub(super) QueueSid, pub(super) WaiterKey);

impl<S: Send + Sync> FromRequestParts<S> for WaiterPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let [queue, waiter] = segments(parts, state, ["queue", "waiter"]).await?;
        let queue = parse_queue(&queue)?;
        if waiter == "Front" {
            return Ok(Self(queue, WaiterKey::Front));
        }
        let call = waiter.parse().map_err(|error| {
            ApiError::not_found(format!(
                "Nobody in queue {queue} is {}: that is {error}, and not Front.",
                Quoted(&waiter)
            ))
        })?;
        Ok(Self(queue, WaiterKey::Call(call)))
    }
}

fn parse_queue(text: &str) -> Result<QueueSid, ApiError> {
    text.parse()
        .map_err(|error| ApiError::not_found(format!("There is no queue {}: that is {error}.", Quoted(text))))
}
macro_rules! named_by_sid {
    ($(#[$doc:meta])* $path:ident, $sid:ident, $segment:literal, $what:literal) => {
        $(#[$doc])*
        pub(super) struct $path(pub(super) $sid);

        impl<S: Send + Sync> FromRequestParts<S> for $path {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let [sid] = segments(parts, state, [$segment]).await?;
                sid.parse().map(Self).map_err(|error| {
                    ApiError::not_found(format!("There is no {} {}: that is {error}.", $what, Quoted(&sid)))
                })
            }
        }
    };
}

named_by_sid!(
    /// A key named by the path.
    KeyPath, KeySid, "key", "key"
);
named_by_sid!(
    /// A payment named by the path.
    PaymentPath, PaymentSid, "payment", "payment"
);
named_by_sid!(
    /// An application named by the path.
    ApplicationPath, ApplicationSid, "application", "application"
);
named_by_sid!(
    /// An incoming phone number named by the path.
    NumberPath, PhoneNumberSid, "number", "incoming phone number"
);

/// A name in its place is refused too: several conferences may have had it.
fn parse_conference(text: &str) -> Result<ConferenceSid, ApiError> {
    text.parse().map_err(|error| {
        ApiError::not_found(format!(
            "There is no conference {}: that is {error}. To find a conference by its name, list \
             them with FriendlyName.",
            Quoted(text)
        ))
    })
}

/// The segments of these names, decoded. That they decode, [`super::auth::guard`] has seen to.
async fn segments<S: Send + Sync, const N: usize>(
    parts: &mut Parts,
    state: &S,
    names: [&str; N],
) -> Result<[String; N], ApiError> {
    let path = parts.uri.path().to_owned();
    let given =
        RawPathParams::from_request_parts(parts, state).await.map_err(|_| ApiError::unknown_path(&path))?;
    let of = |name: &str| given.iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    let values = names.map(|name| of(name).unwrap_or_default());
    Ok(values.map(|value| value.strip_suffix(".json").unwrap_or(value).to_owned()))
}
