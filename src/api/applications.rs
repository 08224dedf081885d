//! Applications: where calls ask, under one name that numbers and other requests refer to.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::rfc2822;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters, Query};
use super::openapi::{FORM, filters, forms, lists};
use super::paging::Paging;
use super::path::ApplicationPath;
use super::settings::{MESSAGING, flag, friendly_name, refuse, voice};
use super::{API_VERSION, ApiState, accounts};
use crate::directory::{Application, ApplicationChange};

/// What an update takes beside what it refuses.
const KNOWN: [&str; 12] = [
    "FriendlyName",
    "ApiVersion",
    "VoiceUrl",
    "VoiceMethod",
    "VoiceFallbackUrl",
    "VoiceFallbackMethod",
    "StatusCallback",
    "StatusCallbackMethod",
    "VoiceCallerIdLookup",
    "PublicApplicationConnectEnabled",
    "SmsMethod",
    "SmsFallbackMethod",
];

/// Lists applications.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Applications.json",
    tag = "Applications",
    operation_id = "ListApplication",
    params(filters::ApplicationFilters, filters::Paged),
    responses((status = 200, body = lists::ApplicationList, description = "A page of the list."))
)]
pub(super) async fn list(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, "Applications", &parameters)?;
    let (skip, take) = paging.part();
    let found = state.directory.applications(account, parameters.one("FriendlyName")?, skip, take);
    Ok(paging.answer_part("applications", found, |application| Representation::of(&application)))
}

/// Makes an application.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Applications.json",
    tag = "Applications",
    operation_id = "CreateApplication",
    request_body(content = forms::ApplicationForm, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let made = state.directory.create_application(account, change(&parameters)?).await;
    let application = made.map_err(|error| ApiError::of_directory(&error, Asked::Account(account)))?;
    Ok((StatusCode::CREATED, Json(Representation::of(&application))))
}

/// Fetches an application.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/Applications/{Sid}.json",
    tag = "Applications",
    operation_id = "FetchApplication",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ApplicationPath(sid): ApplicationPath,
) -> Result<Json<Representation>, ApiError> {
    let found = state.directory.application(account, sid);
    let application = found.ok_or_else(|| ApiError::no(Asked::Application(sid)))?;
    Ok(Json(Representation::of(&application)))
}

/// Changes an application.
///
/// What is given is changed; what is given empty is taken away.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Applications/{Sid}.json",
    tag = "Applications",
    operation_id = "UpdateApplication",
    request_body(content = forms::ApplicationForm, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ApplicationPath(sid): ApplicationPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    let change = change(&parameters)?;
    parameters.check_update(&[&KNOWN[..], &MESSAGING].concat(), &[])?;
    let done = state.directory.change_application(account, sid, change).await;
    let application = done.map_err(|error| ApiError::of_directory(&error, Asked::Application(sid)))?;
    Ok(Json(Representation::of(&application)))
}

/// Deletes an application.
///
/// Numbers that refer to it go by their own settings again.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/Applications/{Sid}.json",
    tag = "Applications",
    operation_id = "DeleteApplication",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    ApplicationPath(sid): ApplicationPath,
) -> Result<StatusCode, ApiError> {
    let done = state.directory.delete_application(account, sid).await;
    done.map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| ApiError::of_directory(&error, Asked::Application(sid)))
}

fn change(parameters: &Parameters) -> Result<ApplicationChange, ApiError> {
    refuse(parameters, &MESSAGING)?;
    Ok(ApplicationChange {
        friendly_name: friendly_name(parameters)?,
        voice: voice(parameters)?,
        public_connect: flag(parameters, "PublicApplicationConnectEnabled")?,
    })
}

/// An application as the API shows it. Of messages there is nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = Application)]
pub(super) struct Representation {
    /// AP and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    friendly_name: String,
    api_version: &'static str,
    /// Where the scripts of calls are asked for.
    voice_url: Option<String>,
    voice_method: &'static str,
    voice_fallback_url: Option<String>,
    voice_fallback_method: &'static str,
    /// Told when a call is over.
    status_callback: Option<String>,
    status_callback_method: &'static str,
    /// It is kept and does nothing.
    voice_caller_id_lookup: bool,
    /// It is kept and does nothing.
    public_application_connect_enabled: bool,
    sms_url: Option<String>,
    sms_method: Option<String>,
    sms_fallback_url: Option<String>,
    sms_fallback_method: Option<String>,
    sms_status_callback: Option<String>,
    message_status_callback: Option<String>,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
}

impl Representation {
    fn of(application: &Application) -> Self {
        let voice = &application.voice;
        Self {
            sid: application.sid.to_string(),
            account_sid: application.account.to_string(),
            friendly_name: application.friendly_name.clone(),
            api_version: API_VERSION,
            voice_url: voice.url.clone(),
            voice_method: voice.method.word(),
            voice_fallback_url: voice.fallback_url.clone(),
            voice_fallback_method: voice.fallback_method.word(),
            status_callback: voice.status_callback.clone(),
            status_callback_method: voice.status_callback_method.word(),
            voice_caller_id_lookup: voice.caller_id_lookup,
            public_application_connect_enabled: application.public_connect,
            sms_url: None,
            sms_method: None,
            sms_fallback_url: None,
            sms_fallback_method: None,
            sms_status_callback: None,
            message_status_callback: None,
            date_created: rfc2822(application.created),
            date_updated: rfc2822(application.updated),
            uri: format!("{}/Applications/{}.json", accounts::path(application.account), application.sid),
        }
    }
}
