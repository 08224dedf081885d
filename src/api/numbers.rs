//! Incoming phone numbers: which the node answers to, and what a call to each of them does.
//!
//! Numbers are not bought here: whoever runs the node has them from a carrier whose trunk leads to it, and says which
//! they are.

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
use super::path::NumberPath;
use super::settings::{MESSAGING, flag, friendly_name, refuse, voice};
use super::{API_VERSION, ApiState, accounts};
use crate::call::AccountSid;
use crate::directory::{IncomingNumber, NumberChange, NumberFilter, NumberKind, PhoneNumber, VoiceSettings};
use crate::sid::ApplicationSid;

/// Documented, and of things that the node does not have.
const UNSUPPORTED: [&str; 5] = ["TrunkSid", "EmergencyAddressSid", "IdentitySid", "AddressSid", "BundleSid"];

/// What an update takes beside what it refuses.
const KNOWN: [&str; 15] = [
    "AccountSid",
    "FriendlyName",
    "ApiVersion",
    "VoiceUrl",
    "VoiceMethod",
    "VoiceFallbackUrl",
    "VoiceFallbackMethod",
    "StatusCallback",
    "StatusCallbackMethod",
    "VoiceCallerIdLookup",
    "VoiceApplicationSid",
    "VoiceReceiveMode",
    "EmergencyStatus",
    "SmsMethod",
    "SmsFallbackMethod",
];

/// Where numbers of one kind are listed and ordered; without, all of them, and `Local` is ordered.
#[derive(Clone, Copy)]
pub(super) struct Shop(Option<NumberKind>);

impl Shop {
    /// All, and each kind by itself.
    pub(super) const ALL: [Self; 4] = [
        Self(None),
        Self(Some(NumberKind::Local)),
        Self(Some(NumberKind::Mobile)),
        Self(Some(NumberKind::TollFree)),
    ];

    /// Its path below the account's.
    pub(super) const fn path(self) -> &'static str {
        match self.0 {
            None => "IncomingPhoneNumbers",
            Some(NumberKind::Local) => "IncomingPhoneNumbers/Local",
            Some(NumberKind::Mobile) => "IncomingPhoneNumbers/Mobile",
            Some(NumberKind::TollFree) => "IncomingPhoneNumbers/TollFree",
        }
    }

    fn filter(self, parameters: &Parameters) -> Result<NumberFilter, ApiError> {
        let of_others = match parameters.one("Origin")? {
            None | Some("" | "hosted") => false,
            Some("twilio") => true,
            Some(other) => return Err(ApiError::value("Origin", other, "twilio or hosted")),
        };
        let digits = parameters.one("PhoneNumber")?;
        Ok(NumberFilter {
            digits: digits.map(|digits| digits.replace([' ', '-', '.', '(', ')'], "")),
            friendly_name: parameters.one("FriendlyName")?.map(str::to_owned),
            kind: self.0,
            nothing: of_others || flag(parameters, "Beta")? == Some(true),
        })
    }
}

/// Lists incoming phone numbers.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json",
    tag = "IncomingPhoneNumbers",
    operation_id = "ListIncomingPhoneNumber",
    params(filters::NumberFilters, filters::Paged),
    responses((status = 200, body = lists::NumberList, description = "A page of the list."))
)]
pub(super) fn list(
    shop: Shop,
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Query(parameters): Query,
) -> Result<Response, ApiError> {
    let paging = Paging::new(account, shop.path(), &parameters)?;
    let (skip, take) = paging.part();
    let found = state.directory.incoming_numbers(account, &shop.filter(&parameters)?, skip, take);
    Ok(paging.answer_part("incoming_phone_numbers", found, |number| Representation::of(&number)))
}

/// Takes a number in: the node answers to it from now on.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json",
    tag = "IncomingPhoneNumbers",
    operation_id = "CreateIncomingPhoneNumber",
    request_body(content = forms::NewNumber, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    shop: Shop,
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let number = wanted(&parameters)?;
    let change = change(&parameters)?;
    let made = state.directory.create_number(account, number, shop.0.unwrap_or_default(), change).await;
    let number = made.map_err(|error| ApiError::of_directory(&error, Asked::Account(account)))?;
    Ok((StatusCode::CREATED, Json(Representation::of(&number))))
}

/// Fetches an incoming phone number.
#[utoipa::path(
    get,
    path = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json",
    tag = "IncomingPhoneNumbers",
    operation_id = "FetchIncomingPhoneNumber",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    NumberPath(sid): NumberPath,
) -> Result<Json<Representation>, ApiError> {
    let found = state.directory.incoming_number(account, sid);
    let number = found.ok_or_else(|| ApiError::no(Asked::Number(sid)))?;
    Ok(Json(Representation::of(&number)))
}

/// Changes an incoming phone number.
///
/// What is given is changed; what is given empty is taken away. `AccountSid` moves it.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json",
    tag = "IncomingPhoneNumbers",
    operation_id = "UpdateIncomingPhoneNumber",
    request_body(content = forms::NumberUpdate, content_type = FORM),
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    Caller(caller): Caller,
    NumberPath(sid): NumberPath,
    Form(parameters): Form,
) -> Result<Json<Representation>, ApiError> {
    let mut change = change(&parameters)?;
    parameters.check_update(&[&KNOWN[..], &MESSAGING, &UNSUPPORTED].concat(), &[])?;
    change.account = target(&parameters)?;
    if change.account.is_some_and(|target| target != account) && caller.account != state.directory.main() {
        let message = "Only the main account moves a number to another; use its credentials.";
        return Err(ApiError::coded(21_474, message.to_owned()));
    }
    let done = state.directory.change_number(account, sid, change).await;
    let number = done.map_err(|error| ApiError::of_directory(&error, Asked::Number(sid)))?;
    Ok(Json(Representation::of(&number)))
}

/// Deletes an incoming phone number.
///
/// Calls to it go by the routes of the configuration again.
#[utoipa::path(
    delete,
    path = "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json",
    tag = "IncomingPhoneNumbers",
    operation_id = "DeleteIncomingPhoneNumber",
    responses((status = 204, description = "It is deleted."))
)]
pub(super) async fn delete(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    NumberPath(sid): NumberPath,
) -> Result<StatusCode, ApiError> {
    let done = state.directory.delete_number(account, sid).await;
    done.map(|()| StatusCode::NO_CONTENT).map_err(|error| ApiError::of_directory(&error, Asked::Number(sid)))
}

fn wanted(parameters: &Parameters) -> Result<PhoneNumber, ApiError> {
    let area = parameters.one("AreaCode")?.filter(|area| !area.is_empty());
    match parameters.one("PhoneNumber")?.filter(|number| !number.is_empty()) {
        Some(number) => number.parse().map_err(|error| ApiError::coded(21_421, format!("PhoneNumber is {error}."))),
        None if area.is_some() => Err(ApiError::coded(
            21_457,
            "AreaCode is not supported: this node has no stock of numbers to choose from. Give the PhoneNumber that \
             your carrier routes to it."
                .to_owned(),
        )),
        None => Err(ApiError::coded(
            21_421,
            "PhoneNumber is missing: which number the node is to answer to must be said.".to_owned(),
        )),
    }
}

fn change(parameters: &Parameters) -> Result<NumberChange, ApiError> {
    refuse(parameters, &MESSAGING)?;
    refuse(parameters, &UNSUPPORTED)?;
    only(parameters, "VoiceReceiveMode", "voice")?;
    only(parameters, "EmergencyStatus", "Inactive")?;
    Ok(NumberChange {
        account: None,
        friendly_name: friendly_name(parameters)?,
        voice: voice(parameters)?,
        application: application(parameters)?,
    })
}

/// Refuses what is documented beside the one value that is possible here.
fn only(parameters: &Parameters, name: &str, possible: &str) -> Result<(), ApiError> {
    match parameters.one(name)? {
        Some(value) if !value.is_empty() && !value.eq_ignore_ascii_case(possible) => {
            Err(ApiError::value(name, value, &format!("{possible}: this node can do nothing else")))
        }
        Some(_) | None => Ok(()),
    }
}

fn application(parameters: &Parameters) -> Result<Option<Option<ApplicationSid>>, ApiError> {
    match parameters.one("VoiceApplicationSid")? {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(sid) => sid
            .parse()
            .map(|sid| Some(Some(sid)))
            .map_err(|error| ApiError::coded(21_420, format!("VoiceApplicationSid is {error}."))),
    }
}

fn target(parameters: &Parameters) -> Result<Option<AccountSid>, ApiError> {
    let given = parameters.one("AccountSid")?.filter(|sid| !sid.is_empty());
    given
        .map(str::parse)
        .transpose()
        .map_err(|error| ApiError::coded(21_470, format!("AccountSid is {error}.")))
}

/// A number as the API shows it. Of messages, addresses and bundles there is nothing.
#[derive(Serialize, ToSchema)]
#[schema(as = IncomingPhoneNumber)]
pub(super) struct Representation {
    /// PN and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    friendly_name: String,
    /// In E.164.
    phone_number: String,
    api_version: &'static str,
    /// The application that says what calls do, in place of the URLs here.
    voice_application_sid: Option<String>,
    #[serde(flatten)]
    voice: Voice,
    sms_application_sid: Option<String>,
    sms_url: Option<String>,
    sms_method: Option<String>,
    sms_fallback_url: Option<String>,
    sms_fallback_method: Option<String>,
    trunk_sid: Option<String>,
    address_requirements: &'static str,
    address_sid: Option<String>,
    identity_sid: Option<String>,
    bundle_sid: Option<String>,
    emergency_status: &'static str,
    emergency_address_sid: Option<String>,
    emergency_address_status: &'static str,
    beta: bool,
    capabilities: Capabilities,
    /// `hosted`: it comes over a trunk of whoever runs the node.
    origin: &'static str,
    status: &'static str,
    /// `local`, `mobile` or `toll-free`, by the path that it was ordered by.
    r#type: &'static str,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NumberVoice)]
struct Voice {
    /// Where the script of a call is asked for.
    voice_url: Option<String>,
    voice_method: &'static str,
    voice_fallback_url: Option<String>,
    voice_fallback_method: &'static str,
    /// Told when a call is over.
    status_callback: Option<String>,
    status_callback_method: &'static str,
    /// It is kept and does nothing.
    voice_caller_id_lookup: bool,
    voice_receive_mode: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NumberCapabilities)]
struct Capabilities {
    voice: bool,
    sms: bool,
    mms: bool,
    fax: bool,
}

impl Representation {
    fn of(number: &IncomingNumber) -> Self {
        Self {
            sid: number.sid.to_string(),
            account_sid: number.account.to_string(),
            friendly_name: number.friendly_name.clone(),
            phone_number: number.number.as_str().to_owned(),
            api_version: API_VERSION,
            voice_application_sid: number.application.map(|sid| sid.to_string()),
            voice: Voice::of(&number.voice),
            sms_application_sid: None,
            sms_url: None,
            sms_method: None,
            sms_fallback_url: None,
            sms_fallback_method: None,
            trunk_sid: None,
            address_requirements: "none",
            address_sid: None,
            identity_sid: None,
            bundle_sid: None,
            emergency_status: "Inactive",
            emergency_address_sid: None,
            emergency_address_status: "unregistered",
            beta: false,
            capabilities: Capabilities { voice: true, sms: false, mms: false, fax: false },
            origin: "hosted",
            status: "in-use",
            r#type: kind_word(number.kind),
            date_created: rfc2822(number.created),
            date_updated: rfc2822(number.updated),
            uri: format!("{}/IncomingPhoneNumbers/{}.json", accounts::path(number.account), number.sid),
        }
    }
}

impl Voice {
    fn of(voice: &VoiceSettings) -> Self {
        Self {
            voice_url: voice.url.clone(),
            voice_method: voice.method.word(),
            voice_fallback_url: voice.fallback_url.clone(),
            voice_fallback_method: voice.fallback_method.word(),
            status_callback: voice.status_callback.clone(),
            status_callback_method: voice.status_callback_method.word(),
            voice_caller_id_lookup: voice.caller_id_lookup,
            voice_receive_mode: "voice",
        }
    }
}

const fn kind_word(kind: NumberKind) -> &'static str {
    match kind {
        NumberKind::Local => "local",
        NumberKind::Mobile => "mobile",
        NumberKind::TollFree => "toll-free",
    }
}
