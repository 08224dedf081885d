//! Conferences: list, fetch, and end.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::{rfc2822, span};
use super::dial::webhook;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::ConferencePath;
use super::{API_VERSION, ApiState};
use crate::call::{
    AccountSid, CallError, CallSid, ConferenceEnd, ConferenceFilter, ConferenceSid, ConferenceStatus,
    ConferenceView,
};

/// Lists conferences.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences.json",
    tag = "Conferences",
    operation_id = "ListConference",
    params(filters::ConferenceFilters, filters::Paged),
    responses((status = 200, body = lists::ConferenceList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Conferences", &parameters)?;
    let found = state.calls.of(account).list_conferences(filter(&parameters)?, paging.request).await;
    paging.answer("conferences", Asked::List, found, Representation::of)
}

/// Fetches a conference.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{Sid}.json",
    tag = "Conferences",
    operation_id = "FetchConference",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
) -> Result<Json<Representation>, ApiError> {
    answer(conference, state.calls.of(account).fetch_conference(conference).await)
}

/// Ends a conference, or announces to it.
///
/// `Status=completed` ends it and the calls in it; `AnnounceUrl` is played to all in it. Without a parameter it changes
/// nothing and answers as a fetch does.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Conferences/{Sid}.json",
    tag = "Conferences",
    operation_id = "UpdateConference",
    request_body(content = forms::ConferenceUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ConferencePath(conference): ConferencePath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["AnnounceMethod", "AnnounceUrl", "Status"], &[])?;
    let announcement = webhook(&parameters, "AnnounceUrl", "AnnounceMethod")?;
    let done = match parameters.one("Status")? {
        // Whoever ends it would not let it be heard.
        None if let Some(url) = announcement => state.calls.of(account).announce(conference, url).await,
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
#[derive(Serialize, ToSchema)]
#[schema(as = Conference)]
pub(super) struct Representation {
    /// CF and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    api_version: &'static str,
    /// The name that people dial.
    friendly_name: String,
    region: &'static str,
    /// `init`, `in-progress` or `completed`.
    status: &'static str,
    /// Null until it is over.
    reason_conference_ended: Option<&'static str>,
    /// The call whose end, or whose request, ended it.
    call_sid_ending_conference: Option<String>,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
    subresource_uris: Subresources,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ConferenceSubresources)]
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
            reason_conference_ended: view.reason_ended.map(ConferenceEnd::word),
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
