//! Messages between applications and the pages of browsers, within calls.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Acting;
use super::browser_calls::refusal;
use super::date::rfc2822;
use super::dial::webhook;
use super::error::ApiError;
use super::form::{Form, Json, Parameters};
use super::openapi::{FORM, forms};
use super::path::{CallPath, SubscriptionPath};
use super::{API_VERSION, ApiState};

/// The longest content, in bytes, as with the original.
const CONTENT_LEN_MAX: usize = 10_000;

/// A message to a page.
#[derive(Serialize, ToSchema)]
#[schema(as = UserDefinedMessage)]
pub(super) struct Representation {
    account_sid: String,
    call_sid: String,
    date_created: String,
    sid: String,
}

/// Somebody who is told what a page says.
#[derive(Serialize, ToSchema)]
pub(super) struct UserDefinedMessageSubscription {
    account_sid: String,
    call_sid: String,
    date_created: String,
    sid: String,
    uri: String,
}

/// Says something to the page of a browser's call.
///
/// The call must be connected, and have come or gone over the signalling of the browser SDK.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/UserDefinedMessages.json",
    tag = "UserDefinedMessages",
    operation_id = "CreateUserDefinedMessage",
    request_body(content = forms::NewUserDefinedMessage, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    refuse_key(&parameters)?;
    let content = parameters.one("Content")?.filter(|content| !content.is_empty());
    let content = content.ok_or_else(|| ApiError::parameter("Content is missing.".to_owned()))?;
    if content.len() > CONTENT_LEN_MAX {
        return Err(ApiError::parameter(format!("Content is over {CONTENT_LEN_MAX} bytes.")));
    }
    // What is no JSON is a text.
    let content = serde_json::from_str(content).unwrap_or_else(|_| Value::String(content.to_owned()));
    let sid = state.browsers.say(account, call, content).map_err(refusal)?;
    let made = Representation {
        account_sid: account.to_string(),
        call_sid: call.to_string(),
        date_created: rfc2822(Utc::now()),
        sid: sid.to_string(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Has somebody told what the page of a browser's call says, until the call is over.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/UserDefinedMessageSubscriptions.json",
    tag = "UserDefinedMessages",
    operation_id = "CreateUserDefinedMessageSubscription",
    request_body(content = forms::NewUserDefinedMessageSubscription, content_type = FORM),
    responses((status = 201, body = UserDefinedMessageSubscription, description = "What was made."))
)]
pub(super) async fn subscribe(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<UserDefinedMessageSubscription>), ApiError> {
    refuse_key(&parameters)?;
    let url = webhook(&parameters, "Callback", "Method")?;
    let url = url.ok_or_else(|| ApiError::parameter("Callback is missing.".to_owned()))?;
    let sid = state.browsers.listen(account, call, url).map_err(refusal)?;
    let path = format!("/{API_VERSION}/Accounts/{account}/Calls/{call}/UserDefinedMessageSubscriptions");
    let made = UserDefinedMessageSubscription {
        account_sid: account.to_string(),
        call_sid: call.to_string(),
        date_created: rfc2822(Utc::now()),
        sid: sid.to_string(),
        uri: format!("{path}/{sid}.json"),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Has somebody told no more.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/UserDefinedMessageSubscriptions/{Sid}.json",
    tag = "UserDefinedMessages",
    operation_id = "DeleteUserDefinedMessageSubscription",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn unsubscribe(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    SubscriptionPath(call, subscription): SubscriptionPath,
) -> Result<StatusCode, ApiError> {
    state.browsers.listen_no_more(account, call, subscription).map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is said twice is told twice.
fn refuse_key(parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.one("IdempotencyKey")? {
        None | Some("") => Ok(()),
        Some(_) => Err(ApiError::parameter(
            "IdempotencyKey is not supported by this node; leave it out. Nothing was done.".to_owned(),
        )),
    }
}
