//! Recordings: of the account and of a call; those of conferences are in `conference_recordings`. What they sound like is in `recording_media`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::conferences;
use super::date::{rfc2822, span};
use super::dial::webhook;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::{CallPath, CallRecordingPath, RecordingKey, RecordingPath};
use super::{API_VERSION, ApiState};
use crate::call::{
    AccountSid, CallError, CallSid, ConferenceSid, Handle, PageRequest, RecordingCallback, RecordingChange,
    RecordingEvents, RecordingFilter, RecordingSid, RecordingSource, RecordingStatus, RecordingTerms,
    RecordingTrack, RecordingView,
};
use crate::recording::PauseBehavior;

/// Lists recordings.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Recordings.json",
    tag = "Recordings",
    operation_id = "ListRecording",
    params(filters::RecordingFilters, filters::Paged),
    responses((status = 200, body = lists::RecordingList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Recordings", &parameters)?;
    let mut filter = filter(&parameters)?;
    filter.call = parameters.one("CallSid")?.map(parse_call).transpose()?;
    filter.with_deleted = with_deleted(&parameters)?;
    filter.conference = parameters.one("ConferenceSid")?.map(parse_conference).transpose()?;
    let found = state.calls.of(account).list_recordings(filter, paging.request).await;
    let url = state.public_url.clone();
    paging.answer("recordings", Asked::List, found, |view| Representation::of_account(&view, &url))
}

/// Fetches a recording.
///
/// Its sound is at the same path with `.wav`.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "FetchRecording",
    params(("IncludeSoftDeleted" = Option<bool>, Query, description = "Also if it was deleted.")),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    state: Arc<ApiState>,
    account: AccountSid,
    recording: RecordingSid,
    parameters: &Parameters,
) -> Result<Json<Representation>, ApiError> {
    let view = existing(&state.calls.of(account), recording, with_deleted(parameters)?).await?;
    Ok(Json(Representation::of_account(&view, &state.public_url)))
}

/// Deletes a recording.
///
/// Answers when the files are gone.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "DeleteRecording",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    RecordingPath(recording, _): RecordingPath,
) -> Result<StatusCode, ApiError> {
    remove(&state.calls.of(account), recording).await
}

pub(super) async fn remove(calls: &Handle, recording: RecordingSid) -> Result<StatusCode, ApiError> {
    let deleted = calls.delete_recording(recording).await;
    deleted.map_err(|error| ApiError::of(error, Asked::Recording(recording)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Records a call from now on.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json",
    tag = "Recordings",
    operation_id = "CreateCallRecording",
    request_body(content = forms::NewRecording, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let terms = terms(&parameters, RecordingSource::Api, false)?;
    let started = state.calls.of(account).start_recording(call, terms).await;
    let view = started.map_err(|error| ApiError::of(error, Asked::NewRecording(call)))?;
    Ok((StatusCode::CREATED, Json(Representation::of_call(&view))))
}

/// Lists the recordings of a call.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json",
    tag = "Recordings",
    operation_id = "ListCallRecording",
    params(filters::CallRecordingFilters, filters::Paged),
    responses((status = 200, body = lists::RecordingList, description = "A page of the list."))
)]
pub(super) async fn list_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, &format!("Calls/{call}/Recordings"), &parameters)?;
    let calls = state.calls.of(account);
    calls.fetch_call(call).await.map_err(|error| ApiError::of(error, Asked::Call(call)))?;
    let filter = RecordingFilter { call: Some(call), ..filter(&parameters)? };
    let found = calls.list_recordings(filter, paging.request).await;
    paging.answer("recordings", Asked::List, found, |view| Representation::of_call(&view))
}

/// Fetches a recording of a call.
///
/// `Twilio.CURRENT` in place of a SID is the newest of those under way.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "FetchCallRecording",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallRecordingPath(call, key): CallRecordingPath,
) -> Result<Json<Representation>, ApiError> {
    let view = find(&state.calls.of(account), call, key).await?;
    Ok(Json(Representation::of_call(&view)))
}

/// Pauses, resumes or stops a recording.
///
/// `Twilio.CURRENT` in place of a SID is the newest of those under way.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "UpdateCallRecording",
    request_body(content = forms::RecordingUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallRecordingPath(call, key): CallRecordingPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    let change = change(&parameters)?;
    let calls = state.calls.of(account);
    let found = find(&calls, call, key).await?;
    let changed = calls.change_recording(found.sid, change).await;
    let view = changed.map_err(|error| ApiError::of(error, Asked::Recording(found.sid)))?;
    Ok(Json(Representation::of_call(&view)))
}

/// Deletes a recording of a call.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings/{Sid}.json",
    tag = "Recordings",
    operation_id = "DeleteCallRecording",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallRecordingPath(call, key): CallRecordingPath,
) -> Result<StatusCode, ApiError> {
    let calls = state.calls.of(account);
    let found = find(&calls, call, key).await?;
    remove(&calls, found.sid).await
}

/// A recording; one that was deleted is none, unless those are asked for.
pub(super) async fn existing(
    calls: &Handle,
    sid: RecordingSid,
    with_deleted: bool,
) -> Result<RecordingView, ApiError> {
    let found = calls.fetch_recording(sid).await;
    let there = found.and_then(|view| {
        let is_gone = view.status == RecordingStatus::Deleted && !with_deleted;
        if is_gone { Err(CallError::NoRecording) } else { Ok(view) }
    });
    there.map_err(|error| ApiError::of(error, Asked::Recording(sid)))
}

fn with_deleted(parameters: &Parameters) -> Result<bool, ApiError> {
    match parameters.one("IncludeSoftDeleted")? {
        None | Some("" | "false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::value("IncludeSoftDeleted", other, "true or false")),
    }
}

/// A recording of the call; `Twilio.CURRENT` is the newest of those under way.
async fn find(calls: &Handle, call: CallSid, key: RecordingKey) -> Result<RecordingView, ApiError> {
    let nothing = |sid| ApiError::of(CallError::NoRecording, Asked::Recording(sid));
    match key {
        RecordingKey::Sid(sid) => {
            let view = existing(calls, sid, false).await?;
            if view.call == call && view.conference.is_none() { Ok(view) } else { Err(nothing(sid)) }
        }
        RecordingKey::Current => {
            let filter = RecordingFilter { call: Some(call), is_active: true, ..RecordingFilter::default() };
            let found = calls.list_recordings(filter, PageRequest { page: 0, size: 1 }).await;
            let page = found.map_err(|error| ApiError::of(error, Asked::List))?;
            page.items.into_iter().next().ok_or_else(|| {
                ApiError::not_found(format!(
                    "Call {call} has no recording under way: there is no Twilio.CURRENT."
                ))
            })
        }
    }
}

pub(super) fn change(parameters: &Parameters) -> Result<RecordingChange, ApiError> {
    let behavior = match parameters.one("PauseBehavior")? {
        None | Some("silence") => PauseBehavior::Silence,
        Some("skip") => PauseBehavior::Skip,
        Some(other) => return Err(ApiError::value("PauseBehavior", other, "silence or skip")),
    };
    let right = "paused, in-progress or stopped";
    match parameters.one("Status")? {
        Some("paused") => Ok(RecordingChange::Pause(behavior)),
        Some("in-progress") => Ok(RecordingChange::Resume),
        Some("stopped") => Ok(RecordingChange::Stop),
        Some(other) => Err(ApiError::value("Status", other, right)),
        None => Err(ApiError::parameter(format!("Status is missing; it must be {right}."))),
    }
}

pub(super) fn filter(parameters: &Parameters) -> Result<RecordingFilter, ApiError> {
    Ok(RecordingFilter { created: span(parameters, "DateCreated")?, ..RecordingFilter::default() })
}

fn parse_conference(value: &str) -> Result<ConferenceSid, ApiError> {
    let right = "a conference's SID: CF and 32 hexadecimal digits";
    value.parse().map_err(|_| ApiError::value("ConferenceSid", value, right))
}

fn parse_call(value: &str) -> Result<CallSid, ApiError> {
    value.parse().map_err(|_| ApiError::value("CallSid", value, "a call's SID: CA and 32 hexadecimal digits"))
}

/// What a request says of a recording; `trims` where it does not say.
pub(super) fn terms(
    parameters: &Parameters,
    source: RecordingSource,
    trims: bool,
) -> Result<RecordingTerms, ApiError> {
    let dual = match parameters.one("RecordingChannels")? {
        None | Some("" | "mono") => false,
        Some("dual") => true,
        Some(other) => return Err(ApiError::value("RecordingChannels", other, "mono or dual")),
    };
    let track = match parameters.one("RecordingTrack")? {
        None | Some("") => RecordingTrack::Both,
        Some(value) => RecordingTrack::ALL
            .into_iter()
            .find(|track| track.word() == value)
            .ok_or_else(|| ApiError::value("RecordingTrack", value, "inbound, outbound or both"))?,
    };
    let trim = trim(parameters, "Trim", trims)?;
    let callback = callback_of(
        parameters,
        ["RecordingStatusCallback", "RecordingStatusCallbackMethod", "RecordingStatusCallbackEvent"],
    )?;
    Ok(RecordingTerms { track, dual, trim, callback, ..RecordingTerms::of(source) })
}

pub(super) fn trim(parameters: &Parameters, name: &'static str, trims: bool) -> Result<bool, ApiError> {
    match parameters.one(name)? {
        None | Some("") => Ok(trims),
        Some("trim-silence") => Ok(true),
        Some("do-not-trim") => Ok(false),
        Some(other) => Err(ApiError::value(name, other, "trim-silence or do-not-trim")),
    }
}

/// Who is told of a recording, by the parameters of these names: where, by which method, of what.
pub(super) fn callback_of(
    parameters: &Parameters,
    [url, method, event]: [&'static str; 3],
) -> Result<Option<RecordingCallback>, ApiError> {
    let asked = parameters.all(event);
    let mut words = asked.iter().flat_map(|value| value.split_whitespace()).peekable();
    let mut events = if words.peek().is_none() { RecordingEvents::default() } else { RecordingEvents::NONE };
    for word in words {
        if !events.add(word) {
            let right = "in-progress, completed or absent; or started, paused, resumed, stopped or failed";
            return Err(ApiError::value(event, word, right));
        }
    }
    let url = webhook(parameters, url, method)?;
    Ok(url.map(|url| RecordingCallback { url, events, is_record_end: false }))
}

/// A recording as the API shows it: of the account with an address of its sound, of a call with its track, of a
/// conference with neither.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub(super) struct Representation {
    /// RE and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    api_version: &'static str,
    call_sid: String,
    conference_sid: Option<String>,
    /// 1, 2 for a dual one, or more.
    channels: u16,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    start_time: String,
    /// Whole seconds, as text; null until it is over.
    duration: Option<String>,
    price: Option<String>,
    price_unit: &'static str,
    status: &'static str,
    source: &'static str,
    error_code: Option<u32>,
    encryption_details: Option<String>,
    /// Where it is, relative to the host.
    uri: String,
    /// Only of a call: `inbound`, `outbound` or `both`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    track: Option<&'static str>,
    /// Only of the account: where its sound is, without a suffix.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    media_url: Option<String>,
    /// Only of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Subresources, required = false)]
    subresource_uris: Option<Subresources>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RecordingSubresources)]
struct Subresources {
    add_on_results: String,
    transcriptions: String,
}

impl Representation {
    pub(super) fn of_account(view: &RecordingView, public_url: &str) -> Self {
        let path = format!("/{API_VERSION}/Accounts/{}/Recordings/{}", view.account, view.sid);
        Self {
            media_url: Some(view.url(public_url)),
            subresource_uris: Some(Subresources {
                add_on_results: format!("{path}/AddOnResults.json"),
                transcriptions: format!("{path}/Transcriptions.json"),
            }),
            ..Self::of(view, format!("{path}.json"))
        }
    }

    /// Of a call, or of the conference that it is of.
    pub(super) fn of_call(view: &RecordingView) -> Self {
        let (account, call, sid) = (view.account, view.call, view.sid);
        if let Some(conference) = view.conference {
            let path = conferences::path(account, conference);
            return Self::of(view, format!("{path}/Recordings/{sid}.json"));
        }
        let uri = format!("/{API_VERSION}/Accounts/{account}/Calls/{call}/Recordings/{sid}.json");
        Self { track: Some(view.track.word()), ..Self::of(view, uri) }
    }

    fn of(view: &RecordingView, uri: String) -> Self {
        Self {
            sid: view.sid.to_string(),
            account_sid: view.account.to_string(),
            api_version: API_VERSION,
            call_sid: view.call.to_string(),
            conference_sid: view.conference.map(|conference| conference.to_string()),
            channels: view.tracks,
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            start_time: rfc2822(view.created),
            duration: view.seconds.map(|seconds| seconds.to_string()),
            price: None,
            price_unit: "USD",
            status: view.status.word(),
            source: view.source.word(),
            error_code: view.error,
            encryption_details: None,
            uri,
            track: None,
            media_url: None,
            subresource_uris: None,
        }
    }
}
