//! Streams of calls: begin, and end. What becomes of them is told to their status callback.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::rfc2822;
use super::dial::webhook;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters};
use super::openapi::{FORM, forms};
use super::path::{CallPath, StreamPath};
use super::{API_VERSION, ApiState};
use crate::call::{StreamTerms, StreamView};
use crate::stream::StreamUrl;
use crate::stream::protocol::{self, Tracks};

/// A stream of a call.
#[derive(Serialize, ToSchema)]
#[schema(as = Stream)]
pub(super) struct Representation {
    account_sid: String,
    call_sid: String,
    date_updated: String,
    /// Its SID unless it was given one.
    name: String,
    sid: String,
    /// `in-progress` or `stopped`.
    status: &'static str,
    uri: String,
}

impl Representation {
    fn of(view: &StreamView) -> Self {
        let StreamView { sid, account, call, name, is_stopped, updated } = view;
        Self {
            account_sid: account.to_string(),
            call_sid: call.to_string(),
            date_updated: rfc2822(*updated),
            name: name.clone(),
            sid: sid.to_string(),
            status: if *is_stopped { "stopped" } else { "in-progress" },
            uri: format!("/{API_VERSION}/Accounts/{account}/Calls/{call}/Streams/{sid}.json"),
        }
    }
}

/// Streams a call to a server from now on.
///
/// Answers before the server is reached: whether it was is told to the status callback, or found in the call's
/// notifications. `Parameter1.Name` and `Parameter1.Value` to `Parameter99.*` are told to the server in `start`.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams.json",
    tag = "Streams",
    operation_id = "CreateStream",
    request_body(content = forms::NewStream, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    let terms = terms(&parameters)?;
    let started = state.calls.of(account).start_stream(call, terms).await;
    let view = started.map_err(|error| ApiError::of(error, Asked::NewStream(call)))?;
    Ok(Json(Representation::of(&view)))
}

/// Ends a stream.
///
/// In place of its SID there may be its name.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Streams/{Sid}.json",
    tag = "Streams",
    operation_id = "UpdateStream",
    request_body(content = forms::StreamUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    StreamPath(call, key): StreamPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    match parameters.one("Status")? {
        Some("stopped") => {}
        Some(other) => return Err(ApiError::value("Status", other, "stopped")),
        None => return Err(ApiError::parameter("Status is missing; it must be stopped.".to_owned())),
    }
    let stopped = state.calls.of(account).stop_stream(call, key).await;
    let view = stopped.map_err(|error| ApiError::of(error, Asked::Stream(call)))?;
    Ok(Json(Representation::of(&view)))
}

/// The longest name of a stream.
const NAME_MAX: usize = 128;

fn terms(parameters: &Parameters) -> Result<StreamTerms, ApiError> {
    let name = parameters.one("Name")?.filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().count() > NAME_MAX) {
        return Err(ApiError::parameter(format!("Name has more than {NAME_MAX} characters.")));
    }
    let name = name.map(str::to_owned);
    let tracks = match parameters.one("Track")? {
        None | Some("") => Tracks::Inbound,
        Some(word) => Tracks::of_word(word).ok_or_else(|| {
            let message = "Track must be inbound_track, outbound_track or both_tracks.".to_owned();
            ApiError::coded(31_941, message)
        })?,
    };
    let callback = webhook(parameters, "StatusCallback", "StatusCallbackMethod")?;
    let given = custom(parameters)?;
    let url = parameters.one("Url")?.filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| {
        ApiError::coded(31_923, "Url is missing: it must be the wss:// URL of a server.".to_owned())
    })?;
    let url =
        StreamUrl::parse(url).map_err(|error| ApiError::coded(error.code(), format!("Url: {error}.")))?;
    Ok(StreamTerms { url, name, tracks, callback, parameters: given })
}

/// `Parameter1.Name` and `Parameter1.Value`, and so on, by their numbers.
fn custom(parameters: &Parameters) -> Result<protocol::Parameters, ApiError> {
    let mut given: Vec<(usize, &str, String)> = Vec::new();
    let all = parameters.without(&[]);
    for (key, value) in &all {
        let Some((number, part)) = key.strip_prefix("Parameter").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let right = matches!(part, "Name" | "Value") && number.bytes().all(|b| b.is_ascii_digit());
        let number = number.parse().ok().filter(|number| (1..=protocol::PARAMETERS_MAX).contains(number));
        match number {
            Some(number) if right => given.push((number, part, value.clone())),
            _ => {
                return Err(ApiError::parameter(
                    "Parameters are called Parameter1.Name and Parameter1.Value to Parameter99.".to_owned(),
                ));
            }
        }
    }
    given.sort_by_key(|(number, ..)| *number);
    let mut custom = protocol::Parameters::default();
    for (number, _, name) in given.iter().filter(|(_, part, _)| *part == "Name") {
        let value = given.iter().find(|(other, part, _)| other == number && *part == "Value");
        let value = value.map_or("", |(.., value)| value);
        let wrong = |error| ApiError::parameter(format!("Parameter{number}: {error}."));
        custom.set(name, value).map_err(wrong)?;
    }
    match given.iter().find(|(number, ..)| !given.iter().any(|(n, part, _)| n == number && *part == "Name")) {
        Some((number, ..)) => Err(ApiError::parameter(format!("Parameter{number}.Name is missing."))),
        None => Ok(custom),
    }
}
