//! Participants of a conference: list, fetch, mute, and remove. Only those who are there now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::ApiState;
use super::conferences;
use super::date::rfc2822;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::paging::Paging;
use super::path::{ConferencePath, ParticipantPath};
use crate::call::{AccountSid, ParticipantFilter, ParticipantStatus, ParticipantView};

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
    ConferencePath(conference): ConferencePath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let list = format!("Conferences/{conference}/Participants");
    let paging = Paging::new(state.account, &list, &parameters)?;
    let found = state.calls.list_participants(conference, filter(&parameters)?, paging.request).await;
    paging.answer("participants", Asked::Conference(conference), found, Representation::of)
}

/// `POST …/Participants.json` dials somebody, which this node does not do.
pub(super) async fn create() -> ApiError {
    ApiError::forbidden(
        "This node does not place calls, so no participant can be added over the API. Participants come by \
         calling the conference over SIP.",
    )
}

/// `GET …/Participants/{CA or label}.json`
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    ParticipantPath(conference, key): ParticipantPath,
) -> Result<Json<Representation>, ApiError> {
    let view = state.calls.fetch_participant(conference, key.clone()).await;
    view.map(|view| Json(Representation::of(state.account, view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// `POST …/Participants/{CA or label}.json`: `Muted=true` mutes, any other value unmutes. Answers when the mixer
/// has done it. Without a parameter it changes nothing and answers as a fetch does.
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    ParticipantPath(conference, key): ParticipantPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update("Muted", &UNSUPPORTED)?;
    let done = match parameters.one("Muted")? {
        None => state.calls.fetch_participant(conference, key.clone()).await,
        Some(value) => {
            let muted = value.eq_ignore_ascii_case("true");
            state.calls.mute_participant(conference, key.clone(), muted).await
        }
    };
    done.map(|view| Json(Representation::of(state.account, view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// `DELETE …/Participants/{CA or label}.json` removes them and ends their call. Answers when the mixer has
/// done it.
pub(super) async fn kick(
    State(state): State<Arc<ApiState>>,
    ParticipantPath(conference, key): ParticipantPath,
) -> Result<StatusCode, ApiError> {
    let done = state.calls.kick_participant(conference, key.clone()).await;
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
    pub(super) fn of(account: AccountSid, view: ParticipantView) -> Self {
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
            end_conference_on_exit: false,
            muted: view.muted,
            hold: view.hold,
            start_conference_on_enter: true,
            status: status_word(view.status),
            queue_time: None,
            uri: format!("{conference}/Participants/{}.json", view.call_sid),
        }
    }
}

fn status_word(status: ParticipantStatus) -> &'static str {
    match status {
        ParticipantStatus::Connecting => "connecting",
        ParticipantStatus::Connected => "connected",
        ParticipantStatus::Complete => "complete",
    }
}
