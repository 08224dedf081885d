//! Parameters that applications and numbers have in common, and those that the node has no use for.

use super::API_VERSION;
use super::dial::is_web;
use super::error::ApiError;
use super::form::Parameters;
use crate::directory::{FRIENDLY_NAME_MAX, Method, VoiceChange};

/// The longest URL that is kept. Ten thousand numbers of an account have three each.
const URL_MAX: usize = 2_048;

/// Of messages, which the node neither takes nor sends. The methods beside them say nothing without a URL.
pub(super) const MESSAGING: [&str; 5] =
    ["SmsUrl", "SmsFallbackUrl", "SmsStatusCallback", "MessageStatusCallback", "SmsApplicationSid"];

/// What people call it, if the request says.
pub(super) fn friendly_name(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    let Some(name) = parameters.one("FriendlyName")? else {
        return Ok(None);
    };
    if name.chars().count() > FRIENDLY_NAME_MAX || name.contains(char::is_control) {
        let message = format!("FriendlyName must have at most {FRIENDLY_NAME_MAX} characters, on one line.");
        return Err(ApiError::coded(20_002, message));
    }
    Ok(Some(name.to_owned()))
}

/// Where calls ask, as far as the request says.
pub(super) fn voice(parameters: &Parameters) -> Result<VoiceChange, ApiError> {
    check_version(parameters)?;
    Ok(VoiceChange {
        url: url(parameters, "VoiceUrl")?,
        method: method(parameters, "VoiceMethod")?,
        fallback_url: url(parameters, "VoiceFallbackUrl")?,
        fallback_method: method(parameters, "VoiceFallbackMethod")?,
        status_callback: url(parameters, "StatusCallback")?,
        status_callback_method: method(parameters, "StatusCallbackMethod")?,
        caller_id_lookup: flag(parameters, "VoiceCallerIdLookup")?,
    })
}

fn check_version(parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.one("ApiVersion")? {
        None | Some("" | API_VERSION) => Ok(()),
        Some(other) => Err(ApiError::value("ApiVersion", other, API_VERSION)),
    }
}

/// An empty one takes away what was there.
fn url(parameters: &Parameters, name: &str) -> Result<Option<Option<String>>, ApiError> {
    match parameters.one(name)? {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(url) if url.len() <= URL_MAX && is_web(url) => Ok(Some(Some(url.to_owned()))),
        Some(_) => Err(ApiError::coded(
            21_402,
            format!(
                "{name} must be a URL of at most {URL_MAX} bytes that begins with http:// or https:// and names a host."
            ),
        )),
    }
}

fn method(parameters: &Parameters, name: &str) -> Result<Option<Method>, ApiError> {
    match parameters.one(name)? {
        None | Some("") => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("POST") => Ok(Some(Method::Post)),
        Some(value) if value.eq_ignore_ascii_case("GET") => Ok(Some(Method::Get)),
        Some(_) => Err(ApiError::coded(21_403, format!("{name} must be GET or POST."))),
    }
}

/// One that is given empty is as good as not given.
pub(super) fn flag(parameters: &Parameters, name: &str) -> Result<Option<bool>, ApiError> {
    match parameters.one(name)? {
        None | Some("") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(value) => Err(ApiError::value(name, value, "true or false")),
    }
}

/// Refuses what is documented and not done, unless it is given empty, which asks for nothing.
pub(super) fn refuse(parameters: &Parameters, unsupported: &[&str]) -> Result<(), ApiError> {
    for name in unsupported {
        if parameters.one(name)?.is_some_and(|value| !value.is_empty()) {
            return Err(ApiError::parameter(format!(
                "{name} is not supported by this node; leave it out. Nothing was changed."
            )));
        }
    }
    Ok(())
}
