//! Notifications, the debugger of applications: what went wrong in their scripts and webhooks, for the whole account or
//! one call; and each call's events, which are the requests that were made for it and what was answered.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::{rfc2822, span};
use super::error::{ApiError, Asked};
use super::form::{Json, Parameters, Query};
use super::openapi::{filters, lists};
use super::paging::Paging;
use super::path::{CallNotificationPath, CallPath, NotificationPath};
use super::{API_VERSION, ApiState};
use crate::call::{AccountSid, CallSid, NotificationSid, Page, PageRequest};
use crate::store::{ExchangeRow, NotificationQuery, NotificationRow, StoreError};

/// Lists what went wrong in applications.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Notifications.json",
    tag = "Notifications",
    operation_id = "ListNotification",
    params(filters::NotificationFilters, filters::Paged),
    responses((status = 200, body = lists::NotificationList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    page_of(&state, account, None, &parameters).await
}

/// Lists what went wrong in the applications of one call.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Notifications.json",
    tag = "Notifications",
    operation_id = "ListCallNotification",
    params(filters::NotificationFilters, filters::Paged),
    responses((status = 200, body = lists::NotificationList, description = "A page of the list."))
)]
pub(super) async fn list_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    check_call(&state, account, call).await?;
    page_of(&state, account, Some(call), &parameters).await
}

/// Fetches a notification, with what was sent and what came back.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Notifications/{Sid}.json",
    tag = "Notifications",
    operation_id = "FetchNotification",
    responses((status = 200, body = Whole, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    NotificationPath(notification): NotificationPath,
) -> Result<Json<Whole>, ApiError> {
    let row = find(&state, account, notification).await?;
    row.map(|row| Json(Whole::of(row))).ok_or_else(|| missing(notification))
}

/// Fetches a notification of a call, with what was sent and what came back.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Notifications/{Sid}.json",
    tag = "Notifications",
    operation_id = "FetchCallNotification",
    responses((status = 200, body = Whole, description = "What was asked for."))
)]
pub(super) async fn fetch_of_call(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallNotificationPath(call, notification): CallNotificationPath,
) -> Result<Json<Whole>, ApiError> {
    let row = find(&state, account, notification).await?;
    let row = row.filter(|row| row.call == Some(call.to_string()));
    row.map(|row| Json(Whole::of(row))).ok_or_else(|| missing(notification))
}

/// Lists the requests that were made for a call, in their order.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Events.json",
    tag = "Calls",
    operation_id = "ListCallEvent",
    params(filters::Paged),
    responses((status = 200, body = lists::CallEventList, description = "A page of the list."))
)]
pub(super) async fn events(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    check_call(&state, account, call).await?;
    let paging = Paging::new(account, &format!("Calls/{call}/Events"), &parameters)?;
    let (offset, count) = part(paging.request);
    let rows = state.store.exchanges(&call.to_string(), offset, count).await.map_err(unreadable)?;
    paging.answer("events", Asked::List, Ok(cut(rows, paging.request)), Event::of)
}

async fn page_of(
    state: &ApiState,
    account: AccountSid,
    call: Option<CallSid>,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    let list = call.map_or_else(|| "Notifications".to_owned(), |call| format!("Calls/{call}/Notifications"));
    let paging = Paging::new(account, &list, parameters)?;
    let dates = span(parameters, "MessageDate")?;
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    let query = NotificationQuery {
        account: account.to_string(),
        call: call.map(|call| call.to_string()),
        log: parameters.one("Log")?.map(parse_log).transpose()?,
        created: (dates.from.map(micros), dates.until.map(micros)),
    };
    let (offset, count) = part(paging.request);
    let rows = state.store.notifications(&query, offset, count).await.map_err(unreadable)?;
    paging.answer("notifications", Asked::List, Ok(cut(rows, paging.request)), Representation::of)
}

fn parse_log(value: &str) -> Result<i64, ApiError> {
    match value {
        "0" => Ok(0),
        "1" => Ok(1),
        other => Err(ApiError::value("Log", other, "0 for errors or 1 for warnings")),
    }
}

/// A call of another account is as one that there is not.
async fn check_call(state: &ApiState, account: AccountSid, call: CallSid) -> Result<(), ApiError> {
    let found = state.calls.of(account).fetch_call(call).await;
    found.map(drop).map_err(|error| ApiError::of(error, Asked::Call(call)))
}

async fn find(
    state: &ApiState,
    account: AccountSid,
    notification: NotificationSid,
) -> Result<Option<NotificationRow>, ApiError> {
    state.store.notification(&account.to_string(), &notification.to_string()).await.map_err(unreadable)
}

fn missing(notification: NotificationSid) -> ApiError {
    ApiError::not_found(format!("There is no notification {notification} here, or it is too old."))
}

fn unreadable(error: StoreError) -> ApiError {
    ApiError::unavailable(format!("The node cannot read its records: {error}."))
}

/// What of a list is read for a page: one more than it holds tells whether there is another.
const fn part(request: PageRequest) -> (usize, usize) {
    (request.page.saturating_mul(request.size), request.size + 1)
}

fn cut<T>(mut rows: Vec<T>, request: PageRequest) -> Page<T> {
    let more = rows.len() > request.size;
    rows.truncate(request.size);
    Page { items: rows, request, more }
}

/// A notification in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = Notification)]
pub(super) struct Representation {
    /// NO and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    /// The call that it was for.
    call_sid: Option<String>,
    api_version: &'static str,
    /// `0` for an error, `1` for a warning.
    log: String,
    /// By which Twilio's dictionary explains it.
    error_code: String,
    /// Where the code is explained.
    more_info: String,
    /// A sentence.
    message_text: String,
    /// As in RFC 2822.
    message_date: String,
    request_method: Option<String>,
    /// Without its query.
    request_url: Option<String>,
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
}

/// A notification by itself: with what was sent and what came back.
#[derive(Serialize, ToSchema)]
#[schema(as = WholeNotification)]
pub(super) struct Whole {
    #[serde(flatten)]
    representation: Representation,
    /// What was sent, as a form, without digits.
    request_variables: Option<String>,
    /// What came back, as a form.
    response_headers: Option<String>,
    /// Its first 4 kB.
    response_body: Option<String>,
}

impl Representation {
    fn of(row: NotificationRow) -> Self {
        let created = DateTime::from_timestamp_micros(row.created).map(rfc2822).unwrap_or_default();
        Self {
            uri: format!("/{API_VERSION}/Accounts/{}/Notifications/{}.json", row.account, row.sid),
            sid: row.sid,
            account_sid: row.account,
            call_sid: row.call,
            api_version: API_VERSION,
            log: row.log.to_string(),
            more_info: format!("https://www.twilio.com/docs/errors/{}", row.error_code),
            error_code: row.error_code.to_string(),
            message_text: row.message,
            message_date: created.clone(),
            request_method: row.request_method,
            request_url: row.request_url,
            date_updated: created.clone(),
            date_created: created,
        }
    }
}

impl Whole {
    fn of(mut row: NotificationRow) -> Self {
        let (variables, headers, body) =
            (row.request_variables.take(), row.response_headers.take(), row.response_body.take());
        Self {
            representation: Representation::of(row),
            request_variables: variables,
            response_headers: headers,
            response_body: body,
        }
    }
}

/// A request, and what was answered: JSON as it was written.
#[derive(Serialize, ToSchema)]
#[schema(as = CallEvent)]
pub(super) struct Event {
    request: Value,
    response: Value,
}

impl Event {
    fn of(row: ExchangeRow) -> Self {
        let json = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        Self { request: json(&row.request), response: json(&row.response) }
    }
}
