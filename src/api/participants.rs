//! Participants of a conference: list, dial in, fetch, change how they sit, and remove. Only those who are there now.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::auth::Acting;
use super::conferences;
use super::date::rfc2822;
use super::dial;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::{ConferenceNamed, ConferencePath, Named, ParticipantPath};
use super::seating::{self, CHANGEABLE, flag, join_terms};
use crate::call::{
    CallError, ConferenceStatus, Destination, ParticipantFilter, ParticipantStatus, ParticipantView,
    SeatChange,
};

/// Lists those who are in a conference now.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants.json",
    tag = "Participants",
    operation_id = "ListParticipant",
    params(filters::ParticipantFilters, filters::Paged),
    responses((status = 200, body = lists::ParticipantList, description = "A page of the list."))
)]
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

/// Dials somebody into a conference.
///
/// In place of its SID the conference may be given by name; it begins if there is none of that name. Answers when the
/// call is queued to be dialled.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants.json",
    tag = "Participants",
    operation_id = "CreateParticipant",
    request_body(content = forms::NewParticipant, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
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
    let order = dial::order(&state.call_tokens, account, &parameters, Destination::Conference(terms))?;
    let placed =
        state.calls.of(account).place_call(order).await.map_err(|e| ApiError::of(e, Asked::NewCall))?;
    let seat = placed.seat.ok_or_else(|| ApiError::of(CallError::NoConference, Asked::NewCall))?;
    let mut representation = Representation::of(seat);
    representation.queue_time = Some(placed.call.queue_time.num_milliseconds().to_string());
    Ok((StatusCode::CREATED, Json(representation)))
}

/// Fetches a participant.
///
/// In place of the call's SID they may be given by label.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants/{CallSid}.json",
    tag = "Participants",
    operation_id = "FetchParticipant",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ParticipantPath(conference, key): ParticipantPath,
) -> Result<Json<Representation>, ApiError> {
    let view = state.calls.of(account).fetch_participant(conference, key.clone()).await;
    view.map(|view| Json(Representation::of(view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// Changes how a participant sits.
///
/// Answers when the mixer has done it. Without a parameter it changes nothing and answers as a fetch does.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants/{CallSid}.json",
    tag = "Participants",
    operation_id = "UpdateParticipant",
    request_body(content = forms::ParticipantUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ParticipantPath(conference, key): ParticipantPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&CHANGEABLE, &[])?;
    let change = seating::change(&parameters)?;
    let done = if change == SeatChange::default() {
        state.calls.of(account).fetch_participant(conference, key.clone()).await
    } else {
        state.calls.of(account).change_seat(conference, key.clone(), change).await
    };
    done.map(|view| Json(Representation::of(view)))
        .map_err(|error| ApiError::of(error, Asked::Participant(conference, &key)))
}

/// Removes a participant and ends their call.
///
/// Answers when the mixer has done it.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Participants/{CallSid}.json",
    tag = "Participants",
    operation_id = "DeleteParticipant",
    responses((status = 204, description = "It is deleted."))
)]
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

/// A participant as the API shows them.
#[derive(Serialize, ToSchema)]
#[schema(as = Participant)]
pub(super) struct Representation {
    account_sid: String,
    call_sid: String,
    /// Under which they were dialled.
    label: Option<String>,
    /// The call that hears them, while they coach.
    call_sid_to_coach: Option<String>,
    /// Whether only that one hears them.
    coaching: bool,
    conference_sid: String,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Whether the conference ends when they go.
    end_conference_on_exit: bool,
    /// Whether nobody hears them.
    muted: bool,
    /// Whether they hear what they are played in place of the conference.
    hold: bool,
    /// Whether the conference started, or starts, when they come.
    start_conference_on_enter: bool,
    /// `queued`, `connecting`, `ringing`, `connected` or `complete`.
    status: &'static str,
    /// Only in the answer to a new one: how long they wait to be dialled, in milliseconds, as text.
    queue_time: Option<String>,
    /// Where they are, relative to the host.
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
            call_sid_to_coach: view.call_sid_to_coach.map(|call| call.to_string()),
            coaching: view.coaching,
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
