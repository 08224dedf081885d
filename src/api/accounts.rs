//! Accounts: the main one, and those below it, which it makes, suspends and closes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Acting, Caller};
use super::date::rfc2822;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::settings::friendly_name;
use super::{API_VERSION, ApiState};
use crate::call::AccountSid;
use crate::directory::{
    Account, AccountChange, AccountFilter, AccountStatus, Directory, Principal, PrincipalKind,
};

/// Lists the caller's account, and for the main account all others.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts.json",
    tag = "Accounts",
    operation_id = "ListAccount",
    params(filters::AccountFilters, filters::Paged),
    responses((status = 200, body = lists::AccountList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Caller(caller): Caller,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::at(format!("/{API_VERSION}/Accounts.json"), &parameters)?;
    let filter = AccountFilter {
        friendly_name: parameters.one("FriendlyName")?.map(str::to_owned),
        status: status(&parameters)?,
    };
    let (skip, take) = paging.part();
    let found = state.directory.accounts(caller.account, &filter, skip, take);
    Ok(paging
        .answer_part("accounts", found, |account| Representation::of(&state.directory, caller, &account)))
}

/// Makes an account below the main one.
///
/// Only the main account may.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts.json",
    tag = "Accounts",
    operation_id = "CreateAccount",
    request_body(content = forms::NewAccount, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Caller(caller): Caller,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    if caller.account != state.directory.main() {
        let message = "An account below another has none below itself; use the main account's credentials.";
        return Err(ApiError::coded(21_101, message.to_owned()));
    }
    let name = friendly_name(&parameters)?.filter(|name| !name.is_empty());
    let made = state.directory.create_account(name).await;
    let account = made.map_err(|error| ApiError::of_directory(&error, Asked::Account(caller.account)))?;
    Ok((StatusCode::CREATED, Json(Representation::of(&state.directory, caller, &account))))
}

/// Fetches an account.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{Sid}.json",
    tag = "Accounts",
    operation_id = "FetchAccount",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Caller(caller): Caller,
) -> Result<Json<Representation>, ApiError> {
    let found = state.directory.account(account).ok_or_else(|| ApiError::no(Asked::Account(account)))?;
    Ok(Json(Representation::of(&state.directory, caller, &found)))
}

/// Renames an account, suspends, closes or restores it.
///
/// The status is only for accounts below the main one, and is changed by that one.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{Sid}.json",
    tag = "Accounts",
    operation_id = "UpdateAccount",
    request_body(content = forms::AccountUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Caller(caller): Caller,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    parameters.check_update(&["FriendlyName", "Status"], &[])?;
    let change = AccountChange { friendly_name: friendly_name(&parameters)?, status: status(&parameters)? };
    if change.status.is_some() && caller.account != state.directory.main() {
        return Err(ApiError::unauthenticated(
            "An account cannot change its own status; use the main account's credentials.",
        ));
    }
    let done = state.directory.change_account(account, change).await;
    let account = done.map_err(|error| ApiError::of_directory(&error, Asked::Account(account)))?;
    Ok(Json(Representation::of(&state.directory, caller, &account)))
}

fn status(parameters: &Parameters) -> Result<Option<AccountStatus>, ApiError> {
    match parameters.one("Status")? {
        None => Ok(None),
        Some("active") => Ok(Some(AccountStatus::Active)),
        Some("suspended") => Ok(Some(AccountStatus::Suspended)),
        Some("closed") => Ok(Some(AccountStatus::Closed)),
        Some(_) => Err(ApiError::coded(21_475, "Status must be active, suspended or closed.".to_owned())),
    }
}

/// An account as the API shows it. The token is shown only to who could have it anyway, or has the main account's.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct Representation {
    /// AC and 32 hexadecimal digits.
    sid: String,
    friendly_name: String,
    /// Null for those who asked with a key.
    auth_token: Option<String>,
    /// The main account.
    owner_account_sid: String,
    /// `active`, `suspended` or `closed`.
    status: &'static str,
    r#type: &'static str,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
    subresource_uris: Subresources,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountSubresources)]
struct Subresources {
    applications: String,
    calls: String,
    conferences: String,
    incoming_phone_numbers: String,
    keys: String,
}

impl Representation {
    fn of(directory: &Directory, caller: Principal, account: &Account) -> Self {
        let token = directory.auth_token(account.sid).filter(|_| caller.kind == PrincipalKind::Account);
        let path = path(account.sid);
        Self {
            sid: account.sid.to_string(),
            friendly_name: account.friendly_name.clone(),
            auth_token: token.map(|token| token.expose().to_owned()),
            owner_account_sid: directory.main().to_string(),
            status: account.status.word(),
            r#type: "Full",
            date_created: rfc2822(account.created),
            date_updated: rfc2822(account.updated),
            uri: format!("{path}.json"),
            subresource_uris: Subresources {
                applications: format!("{path}/Applications.json"),
                calls: format!("{path}/Calls.json"),
                conferences: format!("{path}/Conferences.json"),
                incoming_phone_numbers: format!("{path}/IncomingPhoneNumbers.json"),
                keys: format!("{path}/Keys.json"),
            },
        }
    }
}

/// Where an account is, relative to the host and without suffix.
pub(super) fn path(account: AccountSid) -> String {
    format!("/{API_VERSION}/Accounts/{account}")
}
