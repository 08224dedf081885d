//! Calls: list, place, fetch, redirect, end, and delete the record of one that is over.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::{rfc2822, span};
use super::dial;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::CallPath;
use super::{API_VERSION, ApiState};
use crate::call::{
    CallChange, CallError, CallFilter, CallSid, CallStatus, CallView, Destination, DialOrder, EndCall, Voice,
};

/// Lists calls.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls.json",
    tag = "Calls",
    operation_id = "ListCall",
    params(filters::CallFilters, filters::Paged),
    responses((status = 200, body = lists::CallList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Calls", &parameters)?;
    let found = state.calls.of(account).list_calls(filter(&parameters)?, paging.request).await;
    paging.answer("calls", Asked::List, found, Representation::of)
}

/// Places a call.
///
/// Answers when it is queued to be dialled.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls.json",
    tag = "Calls",
    operation_id = "CreateCall",
    request_body(content = forms::NewCall, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let order = match dial::application(&state.directory, account, &parameters)? {
        Some(application) => DialOrder {
            status: application.status,
            ..dial::order(&state.call_tokens, account, &parameters, Destination::Script(application.voice))?
        },
        None => {
            dial::order(&state.call_tokens, account, &parameters, Destination::Script(voice(&parameters)?))?
        }
    };
    let placed =
        state.calls.of(account).place_call(order).await.map_err(|e| ApiError::of(e, Asked::NewCall))?;
    Ok((StatusCode::CREATED, Json(Representation::of(placed.call))))
}

/// Fetches a call.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json",
    tag = "Calls",
    operation_id = "FetchCall",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
) -> Result<Json<Representation>, ApiError> {
    answer(call, state.calls.of(account).fetch_call(call).await)
}

/// What an update of a call takes.
const UPDATE: [&str; 9] = [
    "Status",
    "Url",
    "Method",
    "FallbackUrl",
    "FallbackMethod",
    "Twiml",
    "StatusCallback",
    "StatusCallbackMethod",
    "TimeLimit",
];

/// Redirects or ends a call.
///
/// `Status=completed` ends the call, `Status=canceled` only before it is answered; `Url` or `Twiml` lets it follow
/// another script from now on; `TimeLimit` and `StatusCallback` are as for a new call. Without a parameter it changes
/// nothing and answers as a fetch does.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json",
    tag = "Calls",
    operation_id = "UpdateCall",
    request_body(content = forms::CallUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&UPDATE, &[])?;
    let voice = dial::voice(&parameters)?;
    let end = parameters.one("Status")?.map(parse_end).transpose()?;
    if voice.is_some() && end.is_some() {
        return Err(ApiError::parameter(
            "Status cannot be given with Url or Twiml: a call that ends follows no script. Nothing was changed."
                .to_owned(),
        ));
    }
    let change = CallChange {
        status: dial::webhook(&parameters, "StatusCallback", "StatusCallbackMethod")?,
        time_limit: dial::time_limit(&parameters)?,
    };
    let calls = state.calls.of(account);
    if change != CallChange::default()
        && let Err(error) = calls.change_call(call, change).await
    {
        return Err(ApiError::of(error, Asked::Call(call)));
    }
    let done = match (end, voice) {
        (Some(end), _) => calls.end_call(call, end).await,
        (None, Some(voice)) => calls.redirect_call(call, voice).await,
        (None, None) => calls.fetch_call(call).await,
    };
    answer(call, done)
}

fn parse_end(value: &str) -> Result<EndCall, ApiError> {
    match value {
        "completed" => Ok(EndCall::Completed),
        "canceled" => Ok(EndCall::Canceled),
        other => Err(ApiError::value("Status", other, "completed or canceled")),
    }
}

fn voice(parameters: &Parameters) -> Result<Voice, ApiError> {
    dial::voice(parameters)?.ok_or_else(|| {
        ApiError::call(
            21_205,
            "Url, Twiml or ApplicationSid is missing: what the call does when it is answered must be said.",
        )
    })
}

/// Deletes the record of a call that is over, with its notifications and events.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json",
    tag = "Calls",
    operation_id = "DeleteCall",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
) -> Result<StatusCode, ApiError> {
    match state.calls.of(account).delete_call(call).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(CallError::WrongState) => Err(ApiError::living(call)),
        Err(error) => Err(ApiError::of(error, Asked::Call(call))),
    }
}

fn answer(call: CallSid, done: Result<CallView, CallError>) -> Result<Json<Representation>, ApiError> {
    done.map(|view| Json(Representation::of(view))).map_err(|error| ApiError::of(error, Asked::Call(call)))
}

fn filter(parameters: &Parameters) -> Result<CallFilter, ApiError> {
    let status = parameters.one("Status")?.map(parse_status).transpose()?;
    let parent = parameters.one("ParentCallSid")?.map(parse_parent).transpose()?;
    Ok(CallFilter {
        account: None,
        to: parameters.one("To")?.map(str::to_owned),
        from: parameters.one("From")?.map(str::to_owned),
        status,
        started: span(parameters, "StartTime")?,
        ended: span(parameters, "EndTime")?,
        parent,
    })
}

fn parse_parent(value: &str) -> Result<CallSid, ApiError> {
    let right = "a call's SID: CA and 32 hexadecimal digits";
    value.parse().map_err(|_| ApiError::value("ParentCallSid", value, right))
}

fn parse_status(value: &str) -> Result<CallStatus, ApiError> {
    match value {
        "queued" => Ok(CallStatus::Queued),
        "ringing" => Ok(CallStatus::Ringing),
        "in-progress" => Ok(CallStatus::InProgress),
        "completed" => Ok(CallStatus::Completed),
        "busy" => Ok(CallStatus::Busy),
        "failed" => Ok(CallStatus::Failed),
        "no-answer" => Ok(CallStatus::NoAnswer),
        "canceled" => Ok(CallStatus::Canceled),
        other => Err(ApiError::value(
            "Status",
            other,
            "queued, ringing, in-progress, completed, busy, failed, no-answer or canceled",
        )),
    }
}

/// A call as the API shows it. What a telephone company would know and this node does not is null.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub(super) struct Representation {
    /// CA and 32 hexadecimal digits.
    sid: String,
    /// The call whose script dialled this one.
    parent_call_sid: Option<String>,
    account_sid: String,
    to: String,
    to_formatted: String,
    from: String,
    from_formatted: String,
    phone_number_sid: Option<String>,
    /// `queued`, `ringing`, `in-progress`, `completed`, `busy`, `failed`, `no-answer` or `canceled`.
    status: &'static str,
    /// When it was answered, as in RFC 2822.
    start_time: Option<String>,
    /// When it was over.
    end_time: Option<String>,
    /// Whole seconds from answer to end, as text; null while it lasts.
    duration: Option<String>,
    price: Option<String>,
    price_unit: &'static str,
    /// `inbound`, `outbound-api` or `outbound-dial`.
    direction: &'static str,
    answered_by: Option<String>,
    api_version: &'static str,
    forwarded_from: Option<String>,
    group_sid: Option<String>,
    caller_name: Option<String>,
    /// How long it waits, or waited, to be dialled, in milliseconds, as text.
    queue_time: String,
    trunk_sid: Option<String>,
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
    subresource_uris: Subresources,
}

#[derive(Serialize, ToSchema)]
#[schema(as = CallSubresources)]
struct Subresources {
    notifications: String,
    recordings: String,
    payments: String,
    events: String,
    siprec: String,
    streams: String,
    transcriptions: String,
    user_defined_message_subscriptions: String,
    user_defined_messages: String,
}

impl Representation {
    pub(super) fn of(view: CallView) -> Self {
        let account = view.account;
        let path = format!("/{API_VERSION}/Accounts/{account}/Calls/{}", view.sid);
        Self {
            sid: view.sid.to_string(),
            parent_call_sid: view.parent.map(|parent| parent.to_string()),
            account_sid: account.to_string(),
            duration: duration(&view),
            to_formatted: view.to.clone(),
            to: view.to,
            from_formatted: view.from.clone(),
            from: view.from,
            phone_number_sid: None,
            status: view.status.word(),
            start_time: view.started.map(rfc2822),
            end_time: view.ended.map(rfc2822),
            price: None,
            price_unit: "USD",
            direction: view.direction.word(),
            answered_by: None,
            api_version: API_VERSION,
            forwarded_from: None,
            group_sid: None,
            caller_name: None,
            queue_time: view.queue_time.num_milliseconds().to_string(),
            trunk_sid: None,
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            subresource_uris: Subresources::at(&path),
            uri: format!("{path}.json"),
        }
    }
}

impl Subresources {
    fn at(path: &str) -> Self {
        Self {
            notifications: format!("{path}/Notifications.json"),
            recordings: format!("{path}/Recordings.json"),
            payments: format!("{path}/Payments.json"),
            events: format!("{path}/Events.json"),
            siprec: format!("{path}/Siprec.json"),
            streams: format!("{path}/Streams.json"),
            transcriptions: format!("{path}/Transcriptions.json"),
            user_defined_message_subscriptions: format!("{path}/UserDefinedMessageSubscriptions.json"),
            user_defined_messages: format!("{path}/UserDefinedMessages.json"),
        }
    }
}

/// Whole seconds from answer to end, as text; 0 for a call that ended without an answer, nothing while it lasts.
fn duration(view: &CallView) -> Option<String> {
    let ended = view.ended?;
    let seconds = view.started.map_or(0, |started| (ended - started).num_seconds().max(0));
    Some(seconds.to_string())
}
