//! What a request to place a call says of the leg: whom to call, as whom, for how long, and who is told. Calls and
//! participants have it in common.

use std::time::Duration;

use super::error::ApiError;
use super::form::Parameters;
use super::recordings;
use crate::call::{
    AccountSid, CallEvents, CallTokens, Destination, DialCredentials, DialOrder, DialTarget, DigitString,
    HttpMethod, RecordingSource, RecordingTerms, SipHeader, StatusCallback, Voice, VoiceSource, VoiceUrl,
};
use crate::config::Secret;
use crate::directory::Directory;

/// Documented and not done yet; a request with one of them is refused, whatever it asks for.
const UNSUPPORTED: [&str; 1] = ["AsyncAmd"];

/// The longest script in a parameter, in characters.
const INLINE_MAX: usize = 4_000;

/// How long a call rings unless the request says, and at most.
const RING_DEFAULT: u64 = 60;
const RING_MAX: u64 = 600;

/// The most that an agent's program is told in `To`, in bytes: as much as a SIP URI's headers may be.
const CLIENT_PARAMETERS_LEN_MAX: usize = 1_024;

/// The longest reason, in characters.
const REASON_MAX: usize = 50;

/// The longest call: a day.
const TIME_LIMIT_MAX: u64 = 86_400;

/// The leg that a request describes.
pub(super) fn order(
    tokens: &CallTokens,
    account: AccountSid,
    parameters: &Parameters,
    destination: Destination,
) -> Result<DialOrder, ApiError> {
    refuse_unsupported(parameters)?;
    let to = parameters.one("To")?.filter(|to| !to.is_empty());
    let to = to.ok_or_else(|| ApiError::call(21_201, "To is missing: whom to call must be said."))?;
    let from = parameters.one("From")?.filter(|from| !from.is_empty());
    let from = from.ok_or_else(|| ApiError::call(21_213, "From is missing: who calls must be said."))?;
    let caller = parameters.one("CallerId")?.unwrap_or(from);
    let (to, headers) = headers(to)?;
    let (to, told) = client_parameters(to)?;
    let to = target(to)?;
    let wake = wake(parameters)?.filter(|_| matches!(to, DialTarget::Client(_)));
    Ok(DialOrder {
        account,
        to,
        headers,
        parameters: told,
        from: caller_id(caller)?,
        display_name: display_name(parameters)?,
        credentials: credentials(parameters)?,
        ring_timeout: ring_timeout(parameters)?,
        time_limit: time_limit(parameters)?,
        destination,
        parent: None,
        send_digits: send_digits(parameters)?,
        status: status_callback(parameters)?,
        record: record(parameters)?,
        reason: reason(parameters)?,
        trunk: parameters.one("Byoc")?.filter(|trunk| !trunk.is_empty()).map(str::to_owned),
        is_forwarded: is_forwarded(tokens, account, caller, parameters)?,
        wake,
    })
}

fn refuse_unsupported(parameters: &Parameters) -> Result<(), ApiError> {
    if parameters.one("MachineDetection")?.is_some_and(|value| !value.eq_ignore_ascii_case("none")) {
        let message = "MachineDetection is not possible on this node; leave it out. No call was placed.";
        return Err(ApiError::call(21_234, message));
    }
    for name in UNSUPPORTED {
        let is_off = |value: &str| value.is_empty() || value.eq_ignore_ascii_case("false");
        if parameters.one(name)?.is_some_and(|value| !is_off(value)) {
            return Err(ApiError::parameter(format!(
                "{name} is not supported by this node; leave it out. No call was placed."
            )));
        }
    }
    Ok(())
}

/// What a SIP URI says to be told besides, and the URI without it. A `?` before the host is a part of the user.
fn headers(to: &str) -> Result<(&str, Vec<SipHeader>), ApiError> {
    let host = to.rfind('@').unwrap_or(0);
    let Some(at) = to[host..].find('?').filter(|_| is_sip(to)) else {
        return Ok((to, Vec::new()));
    };
    let (uri, headers) = to.split_at(host + at);
    let headers = SipHeader::read_all(&headers[1..], None);
    Ok((uri, headers.map_err(|error| ApiError::call(21_211, &format!("To {error}.")))?))
}

/// Names and values.
type Pairs = Vec<(String, String)>;

/// What an agent's program is told besides, in `client:alice?order=42`, and the name without it.
fn client_parameters(to: &str) -> Result<(&str, Pairs), ApiError> {
    let Some((name, query)) = to.split_once('?').filter(|(name, _)| name.starts_with("client:")) else {
        return Ok((to, Vec::new()));
    };
    if query.len() > CLIENT_PARAMETERS_LEN_MAX {
        return Err(ApiError::call(21_211, "To has more than 1,024 bytes of parameters for the agent."));
    }
    Ok((name, form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
}

fn is_sip(to: &str) -> bool {
    let scheme = to.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
}

/// Whom to call: a number in E.164, a SIP URI, or a registered agent.
fn target(to: &str) -> Result<DialTarget, ApiError> {
    let digits = to.strip_prefix('+').map(|number| number.replace([' ', '-', '(', ')', '.'], ""));
    let is_number =
        |digits: &String| (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if let Some(digits) = digits.filter(is_number) {
        return Ok(DialTarget::Number(format!("+{digits}")));
    }
    let is_plain =
        |text: &str| !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\"".contains(c));
    if is_sip(to) && to.len() > 6 && is_plain(to) {
        return Ok(DialTarget::Sip(to.to_owned()));
    }
    match to.strip_prefix("client:") {
        Some(name) if !name.is_empty() && is_plain(name) => Ok(DialTarget::Client(name.to_owned())),
        _ => Err(ApiError::call(
            21_211,
            "To must be a number in E.164 (+442071234567), a SIP URI (sip:alice@example.com) or an agent \
             (client:alice).",
        )),
    }
}

/// The longest From: a name, a number, or a URI.
const FROM_MAX: usize = 255;

fn caller_id(from: &str) -> Result<String, ApiError> {
    if from.len() > FROM_MAX || from.contains(|c: char| c.is_control() || "<>\"".contains(c)) {
        return Err(ApiError::call(
            21_212,
            "From must be a number, a SIP URI, an agent (client:alice) or a name of at most 255 letters.",
        ));
    }
    Ok(from.to_owned())
}

fn display_name(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    match parameters.one("CallerDisplayName")? {
        None | Some("") => Ok(None),
        Some(name) if (2..=255).contains(&name.chars().count()) && !name.contains(char::is_control) => {
            Ok(Some(name.replace(['"', '\\'], " ")))
        }
        Some(name) => Err(ApiError::value("CallerDisplayName", name, "2 to 255 characters on one line")),
    }
}

fn reason(parameters: &Parameters) -> Result<Option<String>, ApiError> {
    match parameters.one("CallReason")? {
        None | Some("") => Ok(None),
        Some(reason) if reason.chars().nth(REASON_MAX).is_none() && !reason.contains(char::is_control) => {
            Ok(Some(reason.to_owned()))
        }
        Some(reason) => Err(ApiError::value("CallReason", reason, "at most 50 characters on one line")),
    }
}

/// Whether the call is one that came in, passed on: its token says so, and it is of the caller who is told.
fn is_forwarded(
    tokens: &CallTokens,
    account: AccountSid,
    caller: &str,
    parameters: &Parameters,
) -> Result<bool, ApiError> {
    match parameters.one("CallToken")? {
        None | Some("") => Ok(false),
        Some(token) if tokens.permit(token, account, caller) => Ok(true),
        Some(_) => Err(ApiError::call(
            21_210,
            "CallToken does not permit this caller: it must be what a webhook of a call that came in to this account \
             said, and From (or CallerId) the From of that call.",
        )),
    }
}

/// Who wakes the phone of an agent.
fn wake(parameters: &Parameters) -> Result<Option<VoiceUrl>, ApiError> {
    match parameters.one("ClientNotificationUrl")? {
        None | Some("") => Ok(None),
        Some(url) if is_web(url) => Ok(Some(VoiceUrl { url: url.to_owned(), method: HttpMethod::Post })),
        Some(_) => Err(ApiError::call(
            21_205,
            "ClientNotificationUrl must be a URL that begins with http:// or https:// and names a host.",
        )),
    }
}

fn credentials(parameters: &Parameters) -> Result<Option<DialCredentials>, ApiError> {
    let username = parameters.one("SipAuthUsername")?.filter(|name| !name.is_empty());
    let password = parameters.one("SipAuthPassword")?.filter(|password| !password.is_empty());
    match (username, password) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(DialCredentials {
            username: username.to_owned(),
            password: Secret::new(password.to_owned()),
        })),
        (Some(_), None) => {
            Err(ApiError::call(21_223, "SipAuthPassword is missing; it goes with SipAuthUsername."))
        }
        (None, Some(_)) => {
            Err(ApiError::call(21_222, "SipAuthUsername is missing; it goes with SipAuthPassword."))
        }
    }
}

fn ring_timeout(parameters: &Parameters) -> Result<Duration, ApiError> {
    let seconds = match parameters.one("Timeout")? {
        None => RING_DEFAULT,
        Some(value) => {
            value.parse().ok().filter(|seconds| (1..=RING_MAX).contains(seconds)).ok_or_else(|| {
                ApiError::call(21_208, "Timeout must be a whole number of seconds from 1 to 600.")
            })?
        }
    };
    Ok(Duration::from_secs(seconds))
}

pub(super) fn time_limit(parameters: &Parameters) -> Result<Option<Duration>, ApiError> {
    let Some(value) = parameters.one("TimeLimit")? else {
        return Ok(None);
    };
    let seconds = value.parse().ok().filter(|seconds| (1..=TIME_LIMIT_MAX).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| ApiError::value("TimeLimit", value, "a whole number of seconds from 1 to 86400"))?;
    Ok(Some(Duration::from_secs(seconds)))
}

/// The script that a request names: by `Url`, or as text in `Twiml`. If both come, the text is ignored.
pub(super) fn voice(parameters: &Parameters) -> Result<Option<Voice>, ApiError> {
    let fallback = webhook(parameters, "FallbackUrl", "FallbackMethod")?;
    if let Some(url) = webhook(parameters, "Url", "Method")? {
        return Ok(Some(Voice { source: VoiceSource::Url(url), fallback, parameters: Vec::new() }));
    }
    match parameters.one("Twiml")?.filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) if text.chars().nth(INLINE_MAX).is_some() => Err(ApiError::call(
            32_018,
            "Twiml is over 4000 characters; a longer script must come from a URL.",
        )),
        Some(text) => {
            Ok(Some(Voice { source: VoiceSource::Inline(text.to_owned()), fallback, parameters: Vec::new() }))
        }
    }
}

/// The most keys and waits that a request may send.
const SEND_DIGITS_MAX: usize = 32;

fn send_digits(parameters: &Parameters) -> Result<Option<DigitString>, ApiError> {
    let Some(keys) = parameters.one("SendDigits")?.filter(|keys| !keys.is_empty()) else {
        return Ok(None);
    };
    // Neither of them says which keys: they may be a PIN.
    let wrong = |why: &str| ApiError::call(21_206, &format!("SendDigits has {why}."));
    if keys.len() > SEND_DIGITS_MAX {
        return Err(wrong("more than 32 characters"));
    }
    DigitString::parse(keys).map(Some).map_err(|error| wrong(&error.to_string()))
}

fn status_callback(parameters: &Parameters) -> Result<Option<StatusCallback>, ApiError> {
    let Some(url) = webhook(parameters, "StatusCallback", "StatusCallbackMethod")? else {
        return Ok(None);
    };
    Ok(Some(StatusCallback { url, events: call_events(parameters)? }))
}

/// Which steps of the call the request wants to be told of.
fn call_events(parameters: &Parameters) -> Result<CallEvents, ApiError> {
    let asked = parameters.all("StatusCallbackEvent");
    let mut words = asked.iter().flat_map(|value| value.split_whitespace()).peekable();
    if words.peek().is_none() {
        return Ok(CallEvents::default());
    }
    let mut events = CallEvents { completed: false, ..CallEvents::default() };
    for word in words {
        match word {
            "initiated" => events.initiated = true,
            "ringing" => events.ringing = true,
            "answered" => events.answered = true,
            "completed" => events.completed = true,
            other => {
                let right = "initiated, ringing, answered or completed";
                return Err(ApiError::value("StatusCallbackEvent", other, right));
            }
        }
    }
    Ok(events)
}

/// What an application says in place of the request: which script, and who is told.
pub(super) struct FromApplication {
    pub(super) voice: Voice,
    pub(super) status: Option<StatusCallback>,
}

/// The application that a request names. What the request itself says of scripts and callbacks is ignored beside it.
pub(super) fn application(
    directory: &Directory,
    account: AccountSid,
    parameters: &Parameters,
) -> Result<Option<FromApplication>, ApiError> {
    let Some(sid) = parameters.one("ApplicationSid")?.filter(|sid| !sid.is_empty()) else {
        return Ok(None);
    };
    let found = sid.parse().ok().and_then(|sid| directory.application(account, sid));
    let found = found.ok_or_else(|| {
        ApiError::call(21_218, "ApplicationSid must be the SID of an application of this account.")
    })?;
    let script = found.voice.script().ok_or_else(|| {
        ApiError::call(21_218, "The application of ApplicationSid has no VoiceUrl; a call needs one.")
    })?;
    let told = found.voice.told();
    let events = call_events(parameters)?;
    let status = told.map(|url| StatusCallback { url: url.into(), events });
    Ok(Some(FromApplication { voice: script.into(), status }))
}

/// Whether and how the call is recorded from its answer on.
fn record(parameters: &Parameters) -> Result<Option<RecordingTerms>, ApiError> {
    match parameters.one("Record")? {
        None | Some("" | "false") => Ok(None),
        Some("true") => recordings::terms(parameters, RecordingSource::OutboundApi, true).map(Some),
        Some(other) => Err(ApiError::value("Record", other, "true or false")),
    }
}

/// The URL of one parameter and the method of another.
pub(super) fn webhook(
    parameters: &Parameters,
    url: &'static str,
    method: &'static str,
) -> Result<Option<VoiceUrl>, ApiError> {
    let method = match parameters.one(method)? {
        None | Some("") => HttpMethod::default(),
        Some(value) if value.eq_ignore_ascii_case("POST") => HttpMethod::Post,
        Some(value) if value.eq_ignore_ascii_case("GET") => HttpMethod::Get,
        Some(_) => {
            let message = format!("{method} must be GET or POST.");
            return Err(ApiError::call(21_209, &message));
        }
    };
    match parameters.one(url)? {
        None | Some("") => Ok(None),
        Some(value) if is_web(value) => Ok(Some(VoiceUrl { url: value.to_owned(), method })),
        Some(_) => {
            let message =
                format!("{url} must be a URL that begins with http:// or https:// and names a host.");
            Err(ApiError::call(21_205, &message))
        }
    }
}

pub(super) fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']));
    has_host && !url.contains(|c: char| c.is_control() || c.is_whitespace())
}
