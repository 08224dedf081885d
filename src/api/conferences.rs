//! Conferences: list, fetch, and end.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::auth::Acting;
use super::date::{rfc2822, span};
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::paging::Paging;
use super::path::ConferencePath;
use super::{API_VERSION, ApiState};
use crate::call::{
    AccountSid, CallError, CallSid, ConferenceEnd, ConferenceFilter, ConferenceSid, ConferenceStatus,
    ConferenceView,
};

/// Documented for an update and not done yet.
const UNSUPPORTED: [&str; 2] = ["AnnounceUrl", "AnnounceMethod"];

/// `GET …/Conferences.json`: filtered by `FriendlyName`, `Status`, `DateCreated`, `DateUpdated`.
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Conferences", &parameters)?;
    let found = state.calls.of(account).list_conferences(filter(&parameters)?, paging.request).await;
    paging.answer("conferences", Asked::List, found, Representation::of)
}

/// `GET …/Conferences/{CF}.json`
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
) -> Result<Json<Representation>, ApiError> {
    answer(conference, state.calls.of(account).fetch_conference(conference).await)
}

/// `POST …/Conferences/{CF}.json`: `Status=completed` ends it and the calls in it. Without a parameter it changes
/// nothing and answers as a fetch does.
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["Status"], &UNSUPPORTED)?;
    let done = match parameters.one("Status")? {
        None => state.calls.of(account).fetch_conference(conference).await,
        Some("completed") => state.calls.of(account).end_conference(conference).await,
        Some(other) => return Err(ApiError::value("Status", other, "completed")),
    };
    answer(conference, done)
}

fn answer(
    conference: ConferenceSid,
    done: Result<ConferenceView, CallError>,
) -> Result<Json<Representation>, ApiError> {
    done.map(|view| Json(Representation::of(view)))
        .map_err(|error| ApiError::of(error, Asked::Conference(conference)))
}

fn filter(parameters: &Parameters) -> Result<ConferenceFilter, ApiError> {
    Ok(ConferenceFilter {
        account: None,
        friendly_name: parameters.one("FriendlyName")?.map(str::to_owned),
        status: parameters.one("Status")?.map(parse_status).transpose()?,
        created: span(parameters, "DateCreated")?,
        updated: span(parameters, "DateUpdated")?,
    })
}

fn parse_status(value: &str) -> Result<ConferenceStatus, ApiError> {
    match value {
        "init" => Ok(ConferenceStatus::Init),
        "in-progress" => Ok(ConferenceStatus::InProgress),
        "completed" => Ok(ConferenceStatus::Completed),
        other => Err(ApiError::value("Status", other, "init, in-progress or completed")),
    }
}

/// A conference as the API shows it.
#[derive(Serialize)]
pub(super) struct Representation {
    sid: String,
    account_sid: String,
    api_version: &'static str,
    friendly_name: String,
    region: &'static str,
    status: &'static str,
    reason_conference_ended: Option<&'static str>,
    call_sid_ending_conference: Option<String>,
    date_created: String,
    date_updated: String,
    uri: String,
    subresource_uris: Subresources,
}

#[derive(Serialize)]
struct Subresources {
    participants: String,
    recordings: String,
}

impl Representation {
    pub(super) fn of(view: ConferenceView) -> Self {
        let account = view.account;
        let path = path(account, view.sid);
        Self {
            sid: view.sid.to_string(),
            account_sid: account.to_string(),
            api_version: API_VERSION,
            friendly_name: view.friendly_name,
            region: "unknown",
            status: status_word(view.status),
            reason_conference_ended: view.reason_ended.map(reason_words),
            call_sid_ending_conference: view.call_sid_ending.as_ref().map(CallSid::to_string),
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            uri: format!("{path}.json"),
            subresource_uris: Subresources {
                participants: format!("{path}/Participants.json"),
                recordings: format!("{path}/Recordings.json"),
            },
        }
    }
}

/// Where a conference is, relative to the host and without suffix.
pub(super) fn path(account: AccountSid, conference: ConferenceSid) -> String {
    format!("/{API_VERSION}/Accounts/{account}/Conferences/{conference}")
}

fn status_word(status: ConferenceStatus) -> &'static str {
    match status {
        ConferenceStatus::Init => "init",
        ConferenceStatus::InProgress => "in-progress",
        ConferenceStatus::Completed => "completed",
    }
}

fn reason_words(reason: ConferenceEnd) -> &'static str {
    match reason {
        ConferenceEnd::ViaApi => "conference-ended-via-api",
        ConferenceEnd::LastParticipantLeft => "last-participant-left",
        ConferenceEnd::LastParticipantKicked => "last-participant-kicked",
        ConferenceEnd::ModeratorLeft => "participant-with-end-conference-on-exit-left",
        ConferenceEnd::ModeratorKicked => "participant-with-end-conference-on-exit-kicked",
    }
}
