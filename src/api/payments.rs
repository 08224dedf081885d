//! Payments of a call: begun, asked for item by item, handed to the connector or given up. What comes of it is told to the
//! status callback, never answered here.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::auth::Acting;
use super::date::rfc2822;
use super::dial::is_web;
use super::error::{ApiError, Asked};
use super::form::{Form, Json, Parameters};
use super::openapi::{FORM, forms};
use super::path::{CallPath, CallPaymentPath, PaymentPath};
use super::{API_VERSION, ApiState};
use crate::call::{HttpMethod, VoiceUrl};
use crate::pay::{BAD_VALUE, Capture, Change, NotNow, PayError, PaymentView, RequestKey, Terms};

/// No connector of the name.
const NO_CONNECTOR: u32 = 64_004;
/// Neither an item nor a status, or both.
const NO_CHANGE: u32 = 64_018;
/// Something has still to be typed.
const INCOMPLETE: u32 = 64_019;
/// The call has a payment.
const UNDER_WAY: u32 = 64_021;

/// Begins a payment: from now on the caller's keys come to nobody but it.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Payments.json",
    tag = "Payments",
    operation_id = "CreatePayments",
    request_body(content = forms::NewPayment, content_type = FORM),
    responses((status = 201, body = Representation, description = "What was made."))
)]
pub(super) async fn create(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let (key, callback) = told(&parameters)?;
    let terms = terms(&parameters)?;
    let found = state.calls.of(account).fetch_call(call).await;
    let found = found.map_err(|error| ApiError::of(error, Asked::Call(call)))?;
    let started = state.payments.start(&found, key, callback, terms).await;
    let view = started.map_err(|error| refused(error, Asked::Call(call)))?;
    Ok((StatusCode::CREATED, Json(Representation::of(&view))))
}

/// Asks the caller for an item of a payment, or ends the payment.
#[utoipa::path(
    post,
    path = "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Payments/{Sid}.json",
    tag = "Payments",
    operation_id = "UpdatePayments",
    request_body(content = forms::PaymentUpdate, content_type = FORM),
    responses((status = 202, body = Representation, description = "It is asked for."))
)]
pub(super) async fn update(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPaymentPath(call, payment): CallPaymentPath,
    Form(parameters): Form,
) -> Result<(StatusCode, Json<Representation>), ApiError> {
    let (key, callback) = told(&parameters)?;
    let change = change(&parameters)?;
    let updated = state.payments.update((account, call, payment), key, callback, change).await;
    let view = updated.map_err(|error| refused(error, Asked::Payment(payment)))?;
    Ok((StatusCode::ACCEPTED, Json(Representation::of(&view))))
}

/// Fetches what is attested of a payment that is over: when keys were withheld, from whom, and what was left of them.
///
/// It is signed (RFC 7515, RFC 8037), and there a moment after the payment is over.
#[utoipa::path(
    get,
    path = "/v1/payments/{PaymentSid}/attestation",
    tag = "Own additions",
    operation_id = "FetchAttestation",
    responses((status = 200, body = Attestation, description = "The statement, and its signature."))
)]
pub(super) async fn attestation(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    PaymentPath(payment): PaymentPath,
) -> Result<Json<Attestation>, ApiError> {
    let payments = state.payments.clone();
    let found = tokio::task::spawn_blocking(move || payments.attestation(payment, account)).await;
    match found {
        Ok(Ok(Some(mut found))) => {
            let jws = found["jws"].as_str().unwrap_or_default().to_owned();
            Ok(Json(Attestation { statement: found["statement"].take(), jws }))
        }
        Ok(Ok(None)) => Err(ApiError::not_found(format!(
            "There is no attestation of the payment {payment}: it is under way, or was never there."
        ))),
        Ok(Err(_)) | Err(_) => {
            Err(ApiError::unavailable(format!("The attestation of {payment} cannot be read.")))
        }
    }
}

/// Fetches the keys with which attestations are checked (RFC 7517).
#[utoipa::path(
    get,
    path = "/v1/attestation-keys",
    tag = "Own additions",
    operation_id = "FetchAttestationKeys",
    responses((status = 200, body = KeySet, description = "A set of keys."))
)]
pub(super) async fn attestation_keys(State(state): State<Arc<ApiState>>) -> Json<KeySet> {
    Json(KeySet { keys: vec![state.payments.attestation_key()] })
}

/// Under which name it is asked, and who is told what comes of it.
fn told(parameters: &Parameters) -> Result<(RequestKey, VoiceUrl), ApiError> {
    const KEY: &str = "IdempotencyKey";
    let missing = |name: &str| ApiError::parameter(format!("{name} is missing."));
    let key = parameters.one(KEY)?.filter(|key| !key.is_empty()).ok_or_else(|| missing(KEY))?;
    let url = parameters.one("StatusCallback")?.filter(|url| !url.is_empty());
    let url = url.ok_or_else(|| missing("StatusCallback"))?;
    if !is_web(url) {
        let right = "StatusCallback must be a URL that begins with http:// or https:// and names a host.";
        return Err(ApiError::call(21_205, right));
    }
    let callback = VoiceUrl { url: url.to_owned(), method: HttpMethod::Post };
    Ok((RequestKey::new(key, &parameters.without(&[KEY])), callback))
}

fn terms(parameters: &Parameters) -> Result<Terms, ApiError> {
    let mut twice = None;
    let read = Terms::read(
        |name| match parameters.one(name) {
            Ok(value) => value,
            Err(error) => {
                twice = Some(error);
                None
            }
        },
        false,
    );
    match twice {
        Some(error) => Err(error),
        None => read.map_err(|error| ApiError::coded(error.code, error.to_string())),
    }
}

fn change(parameters: &Parameters) -> Result<Change, ApiError> {
    let given = |name: &'static str| {
        let value = parameters.one(name)?;
        Ok::<_, ApiError>(value.filter(|value| !value.is_empty()))
    };
    match (given("Capture")?, given("Status")?) {
        (Some(word), None) => Capture::parse(word).map(Change::Capture).ok_or_else(|| {
            let message = format!(
                "Capture is {word:?}; it must be payment-card-number, expiration-date, security-code, postal-code, or \
                 one of these with -matcher behind it, or bank-routing-number or bank-account-number."
            );
            ApiError::coded(BAD_VALUE, message)
        }),
        (None, Some("complete")) => Ok(Change::Complete),
        (None, Some("cancel")) => Ok(Change::Cancel),
        (None, Some(other)) => {
            Err(ApiError::coded(BAD_VALUE, format!("Status is {other:?}; it must be complete or cancel.")))
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "Give either Capture or Status: one of them, and not both.";
            Err(ApiError::coded(NO_CHANGE, message.to_owned()))
        }
    }
}

fn refused(error: PayError, asked: Asked<'_>) -> ApiError {
    let message = format!("The {asked}: {error}.");
    match error {
        PayError::Call(error) => ApiError::of(error, asked),
        PayError::NoPayment => ApiError::no(asked),
        PayError::UnderWay => ApiError::coded(UNDER_WAY, message),
        PayError::NoConnector(_) => ApiError::coded(NO_CONNECTOR, message),
        PayError::NotNow(NotNow::Incomplete(_)) => ApiError::coded(INCOMPLETE, message),
        PayError::NotNow(NotNow::NotAsked(_) | NotNow::Submitted | NotNow::Over) | PayError::KeyUsed => {
            ApiError::coded(BAD_VALUE, message)
        }
        PayError::Memory(_) | PayError::Unavailable => ApiError::unavailable(message),
    }
}

/// What is attested of a payment.
#[derive(Serialize, ToSchema)]
pub(super) struct Attestation {
    /// In words; `docs/pay.md` says what each means.
    #[schema(value_type = Object)]
    statement: Value,
    /// The same, signed (RFC 7515).
    jws: String,
}

/// Keys (RFC 7517).
#[derive(Serialize, ToSchema)]
#[schema(as = AttestationKeys)]
pub(super) struct KeySet {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// A payment as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub(super) struct Representation {
    /// PK and 32 hexadecimal digits.
    sid: String,
    account_sid: String,
    call_sid: String,
    /// As in RFC 2822.
    date_created: String,
    date_updated: String,
    /// Where it is, relative to the host.
    uri: String,
}

impl Representation {
    fn of(view: &PaymentView) -> Self {
        let (account, call, sid) = (view.account, view.call, view.sid);
        Self {
            sid: sid.to_string(),
            account_sid: account.to_string(),
            call_sid: call.to_string(),
            date_created: rfc2822(view.created),
            date_updated: rfc2822(view.updated),
            uri: format!("/{API_VERSION}/Accounts/{account}/Calls/{call}/Payments/{sid}.json"),
        }
    }
}
