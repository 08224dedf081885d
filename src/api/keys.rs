//! Keys: further credentials of an account, each of which can be taken back by itself.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::auth::Acting;
use super::date::rfc2822;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::KeyPath;
use super::settings::friendly_name;
use crate::config::Secret;
use crate::directory::Key;

/// Lists keys.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Keys.json",
    tag = "Keys",
    operation_id = "ListKey",
    params(filters::Paged),
    responses((status = 200, body = lists::KeyList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Keys", &parameters)?;
    let (skip, take) = paging.part();
    let found = state.directory.keys(account, skip, take);
    Ok(paging.answer_part("keys", found, |key| Representation::of(&key)))
}

/// Makes a key; its secret is in this answer and in no other.
///
/// `KeyType=main`, which is ours, makes one that may manage accounts and keys; the original makes those in its console only.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Keys.json",
    tag = "Keys",
    operation_id = "CreateNewKey",
    request_body(content = forms::NewKey, content_type = FORM),
    responses((status = 201, body = Made, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    let name = friendly_name(&parameters)?.unwrap_or_default();
    let is_main = is_main(&parameters)?;
    let made = state.directory.create_key(account, name, is_main).await;
    let (key, secret) = made.map_err(|error| ApiError::of_directory(&error, Asked::Account(account)))?;
    Ok((StatusCode::CREATED, Json(Made::of(&key, &secret))))
}

/// Fetches a key.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Keys/{Sid}.json",
    tag = "Keys",
    operation_id = "FetchKey",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    KeyPath(sid): KeyPath,
) -> Result<Json<Representation>, ApiError> {
    let key = state.directory.key(account, sid).ok_or_else(|| ApiError::no(Asked::Key(sid)))?;
    Ok(Json(Representation::of(&key)))
}

/// Renames a key.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Keys/{Sid}.json",
    tag = "Keys",
    operation_id = "UpdateKey",
    request_body(content = forms::KeyUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    KeyPath(sid): KeyPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["FriendlyName"], &["KeyType"])?;
    let done = state.directory.change_key(account, sid, friendly_name(&parameters)?).await;
    let key = done.map_err(|error| ApiError::of_directory(&error, Asked::Key(sid)))?;
    Ok(Json(Representation::of(&key)))
}

/// Deletes a key: nobody is let in with it any more.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Keys/{Sid}.json",
    tag = "Keys",
    operation_id = "DeleteKey",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    KeyPath(sid): KeyPath,
) -> Result<StatusCode, ApiError> {
    let done = state.directory.delete_key(account, sid).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| ApiError::of_directory(&error, Asked::Key(sid)))
}

fn is_main(parameters: &Parameters) -> Result<bool, ApiError> {
    match parameters.one("KeyType")? {
        None | Some("standard") => Ok(false),
        Some("main") => Ok(true),
        Some(other) => Err(ApiError::value("KeyType", other, "standard or main")),
    }
}

/// A key as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct Representation {
    /// SK and 32 hexadecimal digits: the user name.
    sid: String,
    friendly_name: String,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
}

impl Representation {
    fn of(key: &Key) -> Self {
        Self {
            sid: key.sid.to_string(),
            friendly_name: key.friendly_name.clone(),
            date_created: rfc2822(key.created),
            date_updated: rfc2822(key.updated),
        }
    }
}

/// A key that was made just now.
#[derive(Serialize, ToSchema)]
#[schema(as = KeyMade)]
pub(super) struct Made {
    #[serde(flatten)]
    key: Representation,
    /// The password. It is shown once.
    secret: String,
}

impl Made {
    fn of(key: &Key, secret: &Secret) -> Self {
        Self { key: Representation::of(key), secret: secret.expose().to_owned() }
    }
}
