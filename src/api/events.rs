//! `GET /v1/events`: what happens, as it happens, as server-sent events (WHATWG HTML §9.2) or over a WebSocket.
//!
//! Each event has an id, a type and a JSON body. Whoever comes back with the last id they saw, in the header
//! `Last-Event-ID` as browsers do or as `?after=`, goes on after it.

mod socket;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::HeaderMap;
use axum::http::header::UPGRADE;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use confab_media::DigitMethod;
use confab_media::dsp::level::SpeechChange;
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::auth::Acting;
use super::error::ApiError;
use super::form::Query;
use super::{ApiState, calls, conferences, participants, queues, recordings};
use crate::call::{
    AccountSid, CallStatus, ConferenceStatus, Event, EventId, Followed, Follower, QueueChange,
    RecordingStatus, WaiterChange, What,
};

/// How often a line is sent when nothing happens: proxies cut what is silent for a minute, some for 30 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows what happens, as it happens.
///
/// As server-sent events (WHATWG HTML §9.2), or over a WebSocket if the request asks to upgrade. Goes on after the event
/// of the header `Last-Event-ID`, or of `after`.
#[utoipa::path(
    get,
    path = "/v1/events",
    tag = "Own additions",
    operation_id = "FollowEvents",
    params(
        ("Last-Event-ID" = Option<u64>, Header, description = "The id of the last event that was seen."),
        ("after" = Option<u64>, Query, description = "The same, for those who cannot send the header, which wins.")
    ),
    responses(
        (status = 101, description = "A WebSocket: each message is the JSON of one event."),
        (status = 200, body = String, content_type = "text/event-stream", description = "Events without an end.")
    )
)]
pub(super) async fn follow(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    headers: HeaderMap,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let events = state.calls.events();
    let follower = match last_seen(&headers, parameters.one("after")?)? {
        Some(last) => events.follow_after(last),
        None => events.follow(),
    };
    let feed = Feed { follower, stopping: state.stopping.clone(), account };
    if headers.contains_key(UPGRADE) {
        return over_websocket(&state, upgrade, feed);
    }
    Ok(Sse::new(messages(feed)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn messages(feed: Feed) -> impl Stream<Item = Result<Message, Infallible>> {
    unfold(feed, |mut feed| async { Some((Ok(feed.next().await?.message()), feed)) })
}

fn over_websocket(
    state: &ApiState,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    feed: Feed,
) -> Result<Response, ApiError> {
    let upgrade = upgrade.map_err(|error| {
        ApiError::parameter(format!("This is no request for a WebSocket as in RFC 6455: {error}."))
    })?;
    let place = Arc::clone(&state.followers).try_acquire_owned().map_err(|_| {
        ApiError::unavailable(format!(
            "{FOLLOWERS_MAX} clients follow the events over WebSockets, the most there may be."
        ))
    })?;
    let upgrade = upgrade.max_message_size(socket::MESSAGE_MAX).max_frame_size(socket::MESSAGE_MAX);
    Ok(upgrade.on_upgrade(move |socket| socket::tell(socket, feed, place)))
}

/// Clients that may follow over WebSockets at a time. They live for as long as they like, each with a task and some
/// 40 KiB of buffers; those over server-sent events count among the API's connections.
pub(super) const FOLLOWERS_MAX: usize = 256;

/// Places for those who follow over WebSockets.
pub fn followers() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FOLLOWERS_MAX))
}

fn last_seen(headers: &HeaderMap, after: Option<&str>) -> Result<Option<EventId>, ApiError> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("unreadable"));
    let (name, value) = match (header, after) {
        (Some(value), _) => ("Last-Event-ID", value),
        (None, Some(value)) => ("after", value),
        (None, None) => return Ok(None),
    };
    let id = value.parse().map_err(|_| ApiError::value(name, value, "the id of an event, a number"))?;
    Ok(Some(EventId(id)))
}

/// One client's feed.
struct Feed {
    follower: Follower,
    stopping: watch::Receiver<bool>,
    account: AccountSid,
}

impl Feed {
    /// `None` when the node stops.
    async fn next(&mut self) -> Option<Told> {
        loop {
            let followed = tokio::select! {
                followed = self.follower.next() => followed?,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match followed {
                Followed::Event(event) if event.what.account() == self.account => {
                    return Some(Told::of(&event));
                }
                Followed::Event(_) => {}
                Followed::Missed(first, last) => {
                    return Some(Told::missed(first, last));
                }
            }
        }
    }
}

/// What a client is told.
struct Told {
    id: EventId,
    r#type: &'static str,
    json: String,
}

impl Told {
    fn of(event: &Event) -> Self {
        let representation = Representation {
            id: event.id.0,
            r#type: type_of(&event.what),
            at: event.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            account_sid: event.what.account().to_string(),
            subject: Subject::of(&event.what),
        };
        Self { id: event.id, r#type: representation.r#type, json: json(&representation) }
    }

    fn missed(first: EventId, last: EventId) -> Self {
        let r#type = "missed";
        Self { id: last, r#type, json: json(&Missed { r#type, first: first.0, last: last.0 }) }
    }

    fn message(&self) -> Message {
        Message::default().id(self.id.0.to_string()).event(self.r#type).data(&self.json)
    }
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).expect("texts and numbers of 64 bits")
}

/// Events that are kept no more.
#[derive(Serialize)]
struct Missed {
    r#type: &'static str,
    first: u64,
    last: u64,
}

/// An event as the API shows it.
#[derive(Serialize)]
struct Representation {
    id: u64,
    r#type: &'static str,
    at: String,
    account_sid: String,
    #[serde(flatten)]
    subject: Subject,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Subject {
    Call(Box<calls::Representation>),
    Conference(Box<conferences::Representation>),
    Participant(participants::Representation),
    Announcement { conference_sid: String, call_sid: Option<String>, failed: Option<String> },
    Recording(Box<recordings::Representation>),
    ActiveSpeaker { conference_sid: String, call_sid: Option<String> },
    Digit { call_sid: String, digit: char, duration_ms: u64, method: &'static str },
    Queue(queues::Representation),
    QueueMember(queues::WaiterEvent),
    Agent { name: String, devices: usize },
}

impl Subject {
    fn of(what: &What) -> Self {
        match what {
            What::Call(view) | What::TakenOver(view) | What::HeldByFarEnd { call: view, .. } => {
                Self::Call(Box::new(calls::Representation::of(view.clone())))
            }
            What::Conference(view) => {
                Self::Conference(Box::new(conferences::Representation::of(view.clone())))
            }
            What::Joined(seat)
            | What::Left(seat)
            | What::Muted(seat)
            | What::Held(seat)
            | What::Modified(seat) => Self::Participant(participants::Representation::of(seat.clone())),
            What::Recording(view) => Self::Recording(Box::new(recordings::Representation::of_call(view))),
            What::Speech { participant, .. } => {
                Self::Participant(participants::Representation::of(participant.clone()))
            }
            What::Announced { conference, participant, failed, .. } => Self::Announcement {
                conference_sid: conference.to_string(),
                call_sid: participant.as_ref().map(|seat| seat.call_sid.to_string()),
                failed: failed.clone(),
            },
            What::ActiveSpeaker { conference, participant, .. } => Self::ActiveSpeaker {
                conference_sid: conference.to_string(),
                call_sid: participant.map(|call| call.to_string()),
            },
            What::Digit { call, pressed, .. } => Self::Digit {
                call_sid: call.to_string(),
                digit: pressed.digit.expose(),
                duration_ms: u64::try_from(pressed.duration.as_millis()).unwrap_or(u64::MAX),
                method: method_word(pressed.method),
            },
            What::Queue { queue, .. } => Self::Queue(queues::Representation::of(queue.clone())),
            What::Waiter { waiter, change } => {
                Self::QueueMember(queues::WaiterEvent::of(waiter.clone(), *change))
            }
            What::Agent { name, devices, .. } => Self::Agent { name: name.clone(), devices: *devices },
        }
    }
}

/// `subject.what-happened`.
fn type_of(what: &What) -> &'static str {
    match what {
        What::Call(view) => match view.status {
            CallStatus::Queued => "call.queued",
            CallStatus::Ringing => "call.ringing",
            CallStatus::InProgress => "call.answered",
            CallStatus::Completed => "call.completed",
            CallStatus::Busy => "call.busy",
            CallStatus::Failed => "call.failed",
            CallStatus::NoAnswer => "call.no-answer",
            CallStatus::Canceled => "call.canceled",
        },
        What::TakenOver(_) => "call.taken-over",
        What::HeldByFarEnd { held: true, .. } => "call.held-by-far-end",
        What::HeldByFarEnd { held: false, .. } => "call.unheld-by-far-end",
        What::Conference(view) => match view.status {
            ConferenceStatus::Init => "conference.created",
            ConferenceStatus::InProgress => "conference.started",
            ConferenceStatus::Completed => "conference.ended",
        },
        What::Recording(view) => match view.status {
            RecordingStatus::InProgress => "recording.in-progress",
            RecordingStatus::Paused => "recording.paused",
            RecordingStatus::Stopped => "recording.stopped",
            RecordingStatus::Processing => "recording.processing",
            RecordingStatus::Completed => "recording.completed",
            RecordingStatus::Absent => "recording.absent",
            RecordingStatus::Deleted => "recording.deleted",
        },
        What::Joined(_) => "participant.joined",
        What::Left(_) => "participant.left",
        What::Muted(seat) if seat.muted => "participant.muted",
        What::Muted(_) => "participant.unmuted",
        What::Held(seat) if seat.hold => "participant.held",
        What::Held(_) => "participant.unheld",
        What::Modified(_) => "participant.modified",
        What::Announced { failed: None, .. } => "announcement.ended",
        What::Announced { failed: Some(_), .. } => "announcement.failed",
        What::Speech { change: SpeechChange::Started, .. } => "participant.speech-started",
        What::Speech { change: SpeechChange::Stopped, .. } => "participant.speech-stopped",
        What::ActiveSpeaker { .. } => "conference.active-speaker",
        What::Digit { .. } => "call.digit",
        What::Queue { change: QueueChange::Created, .. } => "queue.created",
        What::Queue { change: QueueChange::Updated, .. } => "queue.updated",
        What::Queue { change: QueueChange::Deleted, .. } => "queue.deleted",
        What::Waiter { change: WaiterChange::Entered, .. } => "queue.entered",
        What::Waiter { change: WaiterChange::Taken, .. } => "queue.taken",
        What::Waiter { change: WaiterChange::Returned, .. } => "queue.returned",
        What::Waiter { change: WaiterChange::Left(_), .. } => "queue.left",
        What::Agent { devices: 0, .. } => "agent.unregistered",
        What::Agent { .. } => "agent.registered",
    }
}

const fn method_word(method: DigitMethod) -> &'static str {
    match method {
        DigitMethod::Event => "telephone-event",
        DigitMethod::Info => "info",
        DigitMethod::Tone => "tone",
    }
}
