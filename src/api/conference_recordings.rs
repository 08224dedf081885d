//! Recordings of conferences: list, begin, fetch, control, delete; and what a request says of how a conference is recorded.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::ApiState;
use super::auth::Acting;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::{ConferencePath, ConferenceRecordingPath, RecordingKey};
use super::recordings::{Representation, callback_of, change, existing, filter, remove, trim};
use crate::call::{
    CallError, ConferenceRecording, ConferenceSid, ConferenceTracks, Handle, PageRequest, RecordingFilter,
    RecordingSource, RecordingView,
};

/// Lists the recordings of a conference.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Recordings.json",
    tag = "Recordings",
    operation_id = "ListConferenceRecording",
    params(filters::CallRecordingFilters, filters::Paged),
    responses((status = 200, body = lists::RecordingList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, &format!("Conferences/{conference}/Recordings"), &parameters)?;
    let calls = state.calls.of(account);
    let found = calls.fetch_conference(conference).await;
    found.map_err(|error| ApiError::of(error, Asked::Conference(conference)))?;
    let filter = RecordingFilter { conference: Some(conference), ..filter(&parameters)? };
    let found = calls.list_recordings(filter, paging.request).await;
    paging.answer("recordings", Asked::List, found, |view| Representation::of_call(&view))
}

/// Records a conference from now on.
///
/// An own addition: elsewhere only who comes into a conference can have it recorded.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Recordings.json",
    tag = "Recordings",
    operation_id = "CreateConferenceRecording",
    request_body(content = forms::NewConferenceRecording, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let recording = ConferenceRecording {
        channels: channels(&parameters, "RecordingChannels")?,
        trim: trim(&parameters, "Trim", false)?,
        source: RecordingSource::ConferenceApi,
        callback: callback_of(
            &parameters,
            ["RecordingStatusCallback", "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent"],
        )?,
    };
    let started = state.calls.of(account).start_conference_recording(conference, recording).await;
    let view = started.map_err(|error| ApiError::of(error, Asked::NewConferenceRecording(conference)))?;
    Ok((StatusCode::CREATED, Json(Representation::of_call(&view))))
}

/// Fetches a recording of a conference.
///
/// `Twilio.CURRENT` in place of a SID is the newest of those under way.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "FetchConferenceRecording",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferenceRecordingPath(conference, key): ConferenceRecordingPath,
) -> Result<Json<Representation>, ApiError> {
    let view = find(&state.calls.of(account), conference, key).await?;
    Ok(Json(Representation::of_call(&view)))
}

/// Pauses, resumes or stops a recording of a conference.
///
/// `Twilio.CURRENT` in place of a SID is the newest of those under way.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "UpdateConferenceRecording",
    request_body(content = forms::RecordingUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferenceRecordingPath(conference, key): ConferenceRecordingPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    let change = change(&parameters)?;
    let calls = state.calls.of(account);
    let found = find(&calls, conference, key).await?;
    let changed = calls.change_recording(found.sid, change).await;
    let view = changed.map_err(|error| ApiError::of(error, Asked::Recording(found.sid)))?;
    Ok(Json(Representation::of_call(&view)))
}

/// Deletes a recording of a conference.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{ConferenceSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "DeleteConferenceRecording",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferenceRecordingPath(conference, key): ConferenceRecordingPath,
) -> Result<StatusCode, ApiError> {
    let calls = state.calls.of(account);
    let found = find(&calls, conference, key).await?;
    remove(&calls, found.sid).await
}

/// A recording of the conference; `Twilio.CURRENT` is the newest of those under way.
async fn find(
    calls: &Handle,
    conference: ConferenceSid,
    key: RecordingKey,
) -> Result<RecordingView, ApiError> {
    match key {
        RecordingKey::Sid(sid) => {
            let view = existing(calls, sid, false).await?;
            let nothing = || ApiError::of(CallError::NoRecording, Asked::Recording(sid));
            if view.conference == Some(conference) { Ok(view) } else { Err(nothing()) }
        }
        RecordingKey::Current => {
            let filter = RecordingFilter {
                conference: Some(conference),
                is_active: true,
                ..RecordingFilter::default()
            };
            let found = calls.list_recordings(filter, PageRequest { page: 0, size: 1 }).await;
            let page = found.map_err(|error| ApiError::of(error, Asked::List))?;
            page.items.into_iter().next().ok_or_else(|| {
                ApiError::not_found(format!(
                    "Conference {conference} has no recording under way: there is no Twilio.CURRENT."
                ))
            })
        }
    }
}

/// What a request for a new participant says of how their conference is recorded; nothing if it is not to be.
pub(super) fn of_participant(parameters: &Parameters) -> Result<Option<ConferenceRecording>, ApiError> {
    let recording = ConferenceRecording {
        channels: channels(parameters, "ConferenceRecordingChannels")?,
        trim: trim(parameters, "ConferenceTrim", true)?,
        source: RecordingSource::Conference,
        callback: callback_of(
            parameters,
            [
                "ConferenceRecordingStatusCallback",
                "ConferenceRecordingStatusCallbackMethod",
                "ConferenceRecordingStatusCallbackEvent",
            ],
        )?,
    };
    match parameters.one("ConferenceRecord")? {
        None | Some("" | "false" | "do-not-record") => Ok(None),
        Some("true" | "record-from-start") => Ok(Some(recording)),
        Some(other) => {
            Err(ApiError::value("ConferenceRecord", other, "true, false, record-from-start or do-not-record"))
        }
    }
}

fn channels(parameters: &Parameters, name: &'static str) -> Result<ConferenceTracks, ApiError> {
    match parameters.one(name)? {
        None | Some("") => Ok(ConferenceTracks::default()),
        Some(value) => ConferenceTracks::parse(value)
            .ok_or_else(|| ApiError::value(name, value, "mono, dual or multitrack")),
    }
}
