//! Participants of a conference: list, dial in, fetch, mute, and remove. Only those who are there now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::ApiState;
use super::auth::Acting;
use super::conferences;
use super::date::rfc2822;
use super::dial;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::paging::Paging;
use super::path::{ConferenceNamed, ConferencePath, Named, ParticipantPath};
use crate::call::{
    CallError, CallSid, ConferenceStatus, Destination, JoinTerms, ParticipantFilter, ParticipantStatus,
    ParticipantView,
};

/// Documented for an update and not done yet.
const UNSUPPORTED: [&str; 11] = [
    "AnnounceMethod",
    "AnnounceUrl",
    "BeepOnExit",
    "CallSidToCoach",
    "Coaching",
    "EndConferenceOnExit",
    "Hold",
    "HoldMethod",
    "HoldUrl",
    "WaitMethod",
    "WaitUrl",
];

/// `GET …/Participants.json`: filtered by `Muted`, `Hold`, `Coaching`.
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let list = format!("Conferences/{conference}/Participants");
    let paging = Paging::new(account, &list, &parameters)?;
    let found =
        state.calls.of(account).list_participants(conference, filter(&parameters)?, paging.request).await;
    paging.answer("participants", Asked::Conference(conference), found, Representation::of)
}

/// `POST …/Conferences/{CF or name}/Participants.json` dials somebody into a conference, which begins if there is none
/// of the name. Answers when the call is queued to be dialled.
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferenceNamed(named): ConferenceNamed,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let name = match named {
        Named::Friendly(name) => name,
        Named::Sid(sid) => {
            let found = state.calls.of(account).fetch_conference(sid).await;
            let view = found.map_err(|e| ApiError::of(e, Asked::Conference(sid)))?;
            if view.status == ConferenceStatus::Completed {
                return Err(ApiError::of(CallError::ConferenceCompleted, Asked::Conference(sid)));
            }
            view.friendly_name
        }
    };
    let terms = join_terms(name, &parameters)?;
    let order = dial::order(account, &parameters, Destination::Conference(terms))?;
    let placed =
        state.calls.of(account).place_call(order).await.map_err(|e| ApiError::of(e, Asked::NewCall))?;
    let seat = placed.seat.ok_or_else(|| ApiError::of(CallError::NoConference, Asked::NewCall))?;
    let mut representation = Representation::of(seat);
    representation.queue_time = Some(placed.call.queue_time.num_milliseconds().to_string());
    Ok((StatusCode::CREATED, Json(representation)))
}

/// Documented for a new participant and not done yet.
const UNSUPPORTED_AT_FIRST: [&str; 8] = [
    "CallSidToCoach",
    "Coaching",
    "ConferenceRecord",
    "ConferenceRecordingStatusCallback",
    "ConferenceStatusCallback",
    "JitterBufferSize",
    "WaitMethod",
    "WaitUrl",
];

fn join_terms(conference: String, parameters: &Parameters) -> Result<JoinTerms, ApiError> {
    for name in UNSUPPORTED_AT_FIRST {
        let is_off = |value: &str| value.eq_ignore_ascii_case("false") || value == "do-not-record";
        if parameters.one(name)?.is_some_and(|value| !is_off(value)) {
            return Err(ApiError::parameter(format!(
                "{name} is not supported by this node; leave it out. No call was placed."
            )));
        }
    }
    let participants_max = match parameters.one("MaxParticipants")? {
        None => None,
        Some(value) => match value.parse() {
            Ok(most @ 2..=250) => Some(most),
            _ => return Err(ApiError::value("MaxParticipants", value, "a whole number from 2 to 250")),
        },
    };
    Ok(JoinTerms {
        conference,
        label: parameters.one("Label")?.map(label).transpose()?,
        muted: flag(parameters, "Muted")?.unwrap_or(false),
        start_on_enter: flag(parameters, "StartConferenceOnEnter")?.unwrap_or(true),
        end_on_exit: flag(parameters, "EndConferenceOnExit")?.unwrap_or(false),
        participants_max,
    })
}

/// The longest label.
const LABEL_MAX: usize = 128;

fn label(text: &str) -> Result<String, ApiError> {
    let is_sid = text.parse::<CallSid>().is_ok();
    if text.is_empty() || text.chars().count() > LABEL_MAX || text.contains('/') || is_sid {
        return Err(ApiError::call(
            16_024,
            "Label must be 1 to 128 characters without a slash, and must not look like a call's SID.",
        ));
    }
    Ok(text.to_owned())
}

/// `GET …/Participants/{CA or label}.json`
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ParticipantPath(conference, key): ParticipantPath,
) -> Result<Json<Representation>, ApiError> {
    let view = state.calls.of(account).fetch_participant(conference, key.clone()).await;
    view.map(|view| Json(Representation::of(view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// `POST …/Participants/{CA or label}.json`: `Muted=true` mutes, any other value unmutes. Answers when the mixer
/// has done it. Without a parameter it changes nothing and answers as a fetch does.
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ParticipantPath(conference, key): ParticipantPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["Muted"], &UNSUPPORTED)?;
    let done = match parameters.one("Muted")? {
        None => state.calls.of(account).fetch_participant(conference, key.clone()).await,
        Some(value) => {
            let muted = value.eq_ignore_ascii_case("true");
            state.calls.of(account).mute_participant(conference, key.clone(), muted).await
        }
    };
    done.map(|view| Json(Representation::of(view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// `DELETE …/Participants/{CA or label}.json` removes them and ends their call. Answers when the mixer has
/// done it.
pub(super) async fn kick(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ParticipantPath(conference, key): ParticipantPath,
) -> Result<StatusCode, ApiError> {
    let done = state.calls.of(account).kick_participant(conference, key.clone()).await;
    done.map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

fn filter(parameters: &Parameters) -> Result<ParticipantFilter, ApiError> {
    Ok(ParticipantFilter {
        muted: flag(parameters, "Muted")?,
        hold: flag(parameters, "Hold")?,
        coaching: flag(parameters, "Coaching")?,
    })
}

/// In a filter a word that is neither would silently list the wrong people, so it is refused.
fn flag(parameters: &Parameters, name: &str) -> Result<Option<bool>, ApiError> {
    match parameters.one(name)? {
        None => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(value) => Err(ApiError::value(name, value, "true or false")),
    }
}

/// A participant as the API shows them.
#[derive(Serialize)]
pub(super) struct Representation {
    account_sid: String,
    call_sid: String,
    label: Option<String>,
    call_sid_to_coach: Option<String>,
    coaching: bool,
    conference_sid: String,
    date_created: String,
    date_updated: String,
    end_conference_on_exit: bool,
    muted: bool,
    hold: bool,
    start_conference_on_enter: bool,
    status: &'static str,
    queue_time: Option<String>,
    uri: String,
}

impl Representation {
    pub(super) fn of(view: ParticipantView) -> Self {
        let account = view.account;
        let conference = conferences::path(account, view.conference_sid);
        Self {
            account_sid: account.to_string(),
            call_sid: view.call_sid.to_string(),
            label: view.label,
            call_sid_to_coach: None,
            coaching: false,
            conference_sid: view.conference_sid.to_string(),
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            end_conference_on_exit: view.end_on_exit,
            muted: view.muted,
            hold: view.hold,
            start_conference_on_enter: view.start_on_enter,
            status: status_word(view.status),
            queue_time: None,
            uri: format!("{conference}/Participants/{}.json", view.call_sid),
        }
    }
}

fn status_word(status: ParticipantStatus) -> &'static str {
    match status {
        ParticipantStatus::Queued => "queued",
        ParticipantStatus::Connecting => "connecting",
        ParticipantStatus::Ringing => "ringing",
        ParticipantStatus::Connected => "connected",
        ParticipantStatus::Complete => "complete",
    }
}
