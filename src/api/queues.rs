//! Queues and those who wait in them: make, list, fetch, change and delete queues; list and fetch callers, and take one
//! out to follow a script.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::rfc2822;
use super::dial;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::{QueuePath, WaiterPath};
use super::{API_VERSION, ApiState};
use crate::call::{
    QUEUE_SIZE_DEFAULT, QUEUE_SIZE_MAX, QueueUpdate, QueueView, Voice, VoiceSource, WaiterChange, WaiterView,
};

/// The longest name of a queue, in characters.
const NAME_MAX: usize = 64;

/// Lists queues.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues.json",
    tag = "Queues",
    operation_id = "ListQueue",
    params(filters::Paged),
    responses((status = 200, body = lists::QueueList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Queues", &parameters)?;
    let found = state.calls.of(account).list_queues(account, paging.request).await;
    paging.answer("queues", Asked::List, found, Representation::of)
}

/// Makes a queue.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues.json",
    tag = "Queues",
    operation_id = "CreateQueue",
    request_body(content = forms::NewQueue, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let name = name(&parameters)?;
    let name = name.ok_or_else(|| ApiError::parameter("FriendlyName is missing: a queue has one.".into()))?;
    let size = max_size(&parameters)?.unwrap_or(QUEUE_SIZE_DEFAULT);
    let made = state.calls.of(account).create_queue(account, name, size).await;
    let view = made.map_err(|error| ApiError::of(error, Asked::NewQueue))?;
    Ok((StatusCode::CREATED, Json(Representation::of(view))))
}

/// Fetches a queue.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{Sid}.json",
    tag = "Queues",
    operation_id = "FetchQueue",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    QueuePath(queue): QueuePath,
) -> Result<Json<Representation>, ApiError> {
    let found = state.calls.of(account).fetch_queue(queue).await;
    let view = found.map_err(|error| ApiError::of(error, Asked::Queue(queue)))?;
    Ok(Json(Representation::of(view)))
}

/// Changes a queue.
///
/// A size below how many wait lets nobody in until they are fewer.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{Sid}.json",
    tag = "Queues",
    operation_id = "UpdateQueue",
    request_body(content = forms::QueueUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    QueuePath(queue): QueuePath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["FriendlyName", "MaxSize"], &[])?;
    let update = QueueUpdate { friendly_name: name(&parameters)?, max_size: max_size(&parameters)? };
    let done = state.calls.of(account).update_queue(queue, update).await;
    let view = done.map_err(|error| ApiError::of(error, Asked::Queue(queue)))?;
    Ok(Json(Representation::of(view)))
}

/// Deletes a queue in which nobody waits.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{Sid}.json",
    tag = "Queues",
    operation_id = "DeleteQueue",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    QueuePath(queue): QueuePath,
) -> Result<StatusCode, ApiError> {
    let done = state.calls.of(account).delete_queue(queue).await;
    done.map_err(|error| ApiError::of(error, Asked::Queue(queue)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists those who wait in a queue, the first first.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members.json",
    tag = "Members",
    operation_id = "ListMember",
    params(filters::Paged),
    responses((status = 200, body = lists::MemberList, description = "A page of the list."))
)]
pub(super) async fn list_waiters(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    QueuePath(queue): QueuePath,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, &format!("Queues/{queue}/Members"), &parameters)?;
    let found = state.calls.of(account).list_waiters(queue, paging.request).await;
    paging.answer("queue_members", Asked::Queue(queue), found, Waiter::of)
}

/// Fetches one who waits.
///
/// `Front` in place of a SID is whoever waits longest and was not taken yet.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members/{CallSid}.json",
    tag = "Members",
    operation_id = "FetchMember",
    responses((status = 200, body = Waiter, description = "What was asked for."))
)]
pub(super) async fn fetch_waiter(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    WaiterPath(queue, key): WaiterPath,
) -> Result<Json<Waiter>, ApiError> {
    let found = state.calls.of(account).fetch_waiter(queue, key).await;
    let view = found.map_err(|error| ApiError::of(error, Asked::Waiter(queue)))?;
    Ok(Json(Waiter::of(view)))
}

/// Takes one who waits out of the queue, to follow another script.
///
/// `Front` in place of a SID is whoever waits longest and was not taken yet.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members/{CallSid}.json",
    tag = "Members",
    operation_id = "UpdateMember",
    request_body(content = forms::MemberUpdate, content_type = FORM),
    responses((status = 200, body = Waiter, description = "What was asked for."))
)]
pub(super) async fn redirect_waiter(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    WaiterPath(queue, key): WaiterPath,
    Form(parameters): Form,
) -> Result<Json<Waiter>, ApiError> {
    let url = dial::webhook(&parameters, "Url", "Method")?;
    let url = url.ok_or_else(|| {
        ApiError::call(21_205, "Url is missing: what the caller does out of the queue must be said.")
    })?;
    let voice = Voice { source: VoiceSource::Url(url), fallback: None, parameters: Vec::new() };
    let done = state.calls.of(account).redirect_waiter(queue, key, voice).await;
    let view = done.map_err(|error| ApiError::of(error, Asked::Waiter(queue)))?;
    Ok(Json(Waiter::of(view)))
}

fn name(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    match parameters.one("FriendlyName")? {
        None => Ok(None),
        Some(name) if (1..=NAME_MAX).contains(&name.chars().count()) && !name.contains(char::is_control) => {
            Ok(Some(name.to_owned()))
        }
        Some(name) => Err(ApiError::value("FriendlyName", name, "1 to 64 characters on one line")),
    }
}

fn max_size(parameters: &Parameters) -> Result<Option<usize>, ApiError> {
    let Some(value) = parameters.one("MaxSize")? else {
        return Ok(None);
    };
    let size = value.parse().ok().filter(|size| (1..=QUEUE_SIZE_MAX).contains(size));
    size.map(Some).ok_or_else(|| ApiError::value("MaxSize", value, "a whole number from 1 to 5000"))
}

/// A queue as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub(super) struct Representation {
    /// QU and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    friendly_name: String,
    /// How many wait.
    current_size: usize,
    /// How many may.
    max_size: usize,
    /// Of those who wait now, in seconds.
    average_wait_time: u64,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
    subresource_uris: Subresources,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QueueSubresources)]
struct Subresources {
    members: String,
}

impl Representation {
    pub(super) fn of(view: QueueView) -> Self {
        let path = format!("/{API_VERSION}/Accounts/{}/Queues/{}", view.account, view.sid);
        Self {
            sid: view.sid.to_string(),
            account_sid: view.account.to_string(),
            friendly_name: view.friendly_name,
            current_size: view.current_size,
            max_size: view.max_size,
            average_wait_time: view.average_wait.as_secs(),
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            uri: format!("{path}.json"),
            subresource_uris: Subresources { members: format!("{path}/Members.json") },
        }
    }
}

/// One who waits, as the API shows them.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct Waiter {
    call_sid: String,
    queue_sid: String,
    /// As in RFC 2822.
    date_enqueued: String,
    /// 1 for whoever waits longest.
    position: usize,
    /// In seconds.
    wait_time: u64,
    /// Where they are, relative to the host.
    uri: String,
}

impl Waiter {
    fn of(view: WaiterView) -> Self {
        Self {
            uri: format!(
                "/{API_VERSION}/Accounts/{}/Queues/{}/Members/{}.json",
                view.account, view.queue, view.call
            ),
            call_sid: view.call.to_string(),
            queue_sid: view.queue.to_string(),
            date_enqueued: rfc2822(view.enqueued),
            position: view.position,
            wait_time: view.waited.as_secs(),
        }
    }
}

/// One who waits, as the live feed tells of them.
#[derive(Serialize)]
pub(super) struct WaiterEvent {
    #[serde(flatten)]
    waiter: Waiter,
    /// How they came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
}

impl WaiterEvent {
    pub(super) fn of(waiter: WaiterView, change: WaiterChange) -> Self {
        let result = match change {
            WaiterChange::Left(result) => Some(result.word()),
            WaiterChange::Entered | WaiterChange::Taken | WaiterChange::Returned => None,
        };
        Self { waiter: Waiter::of(waiter), result }
    }
}
