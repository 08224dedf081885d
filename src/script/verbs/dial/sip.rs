//! Sip: somebody by their address of SIP (RFC 3261 §19.1), with headers for their INVITE after the `?`.

use super::{Called, MACHINE_DETECTION};
use crate::call::{SipHeader, SipHeaderError};
use crate::script::code::{SCHEMA, SIP_HEADER_LENGTH, SIP_HEADER_NAME, SIP_METHOD, SIP_URI};
use crate::script::element::{self, Element};
use crate::script::error::ScriptError;
use crate::script::secret::SecretText;

/// The longest address without its headers, in bytes.
const URI_MAX: usize = 255;
/// The most addresses of one Sip.
const URIS_MAX: usize = 10;
/// The longest user name and password, in bytes.
const CREDENTIAL_MAX: usize = 255;
/// The greatest priority and weight (RFC 2782).
const PRIORITY_MAX: u64 = 65_535;

/// An address of SIP to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Where; the first that can be reached. At least one.
    pub addresses: Vec<SipAddress>,
    /// What all who are called have.
    pub called: Called,
}

/// An address of SIP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAddress {
    /// The URI without headers, `sip:` or `sips:`.
    pub uri: String,
    /// Headers for the INVITE.
    pub headers: Vec<SipHeader>,
    /// The lower, the sooner.
    pub priority: Option<u16>,
    /// The greater, the likelier among those of one priority.
    pub weight: Option<u16>,
    /// Who calls, if the far end asks.
    pub credentials: Option<SipCredentials>,
}

/// A user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipCredentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

impl Sip {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let called = Called::read(element, SIP_METHOD);
        let credentials = credentials(element);
        element.pass_over(&MACHINE_DETECTION);
        element.finish();
        let mut addresses = Vec::new();
        if !element.text().is_empty() {
            addresses.push(SipAddress { credentials: credentials.clone(), ..SipAddress::read(element)? });
        }
        for child in element.children() {
            if child.name() != "Uri" || addresses.len() == URIS_MAX {
                child.warn(SCHEMA, "has no place in <Sip>; it is skipped.");
                continue;
            }
            let address = SipAddress {
                priority: place(&child, "priority"),
                weight: place(&child, "weight"),
                credentials: self::credentials(&child).or_else(|| credentials.clone()),
                ..SipAddress::read(&child)?
            };
            child.finish();
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(element.impossible(SIP_URI, RIGHT));
        }
        Ok(Self { addresses, called })
    }
}

const RIGHT: &str = "has no SIP address as its text: sip:alice@example.com would be one.";

fn place(element: &Element<'_, '_>, name: &'static str) -> Option<u16> {
    element.value(name, None, SCHEMA, "a whole number from 0 to 65535", |value| {
        Some(element::number(value, &(0..=PRIORITY_MAX)).map(|number| number as u16)).filter(Option::is_some)
    })
}

fn credentials(element: &Element<'_, '_>) -> Option<SipCredentials> {
    let short = |value: &str| value.len() <= CREDENTIAL_MAX && !value.chars().any(char::is_control);
    let right = "at most 255 bytes without control characters";
    let username =
        element.value("username", None, SCHEMA, right, |name| short(name).then(|| Some(name.to_owned())));
    let password =
        element.secret("password", SCHEMA, right, |value| short(value).then(|| SecretText::new(value)));
    let username = username.filter(|name| !name.is_empty())?;
    Some(SipCredentials { username, password: password.unwrap_or_else(|| SecretText::new("")) })
}

impl SipAddress {
    /// The text of an element.
    pub(in crate::script) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        Self::read_with(element, None)
    }

    /// The same of somebody whom another shall call, who may be told whose place to take (RFC 3891).
    pub(in crate::script) fn read_to_refer(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        Self::read_with(element, Some("replaces"))
    }

    fn read_with(element: &Element<'_, '_>, more: Option<&str>) -> Result<Self, ScriptError> {
        let text = element.text();
        let (uri, headers) = text.split_once('?').unwrap_or((&text, ""));
        if !is_uri(uri) {
            return Err(element.impossible(SIP_URI, RIGHT));
        }
        let headers = SipHeader::read_all(headers, more).map_err(|error| {
            let code = match error {
                SipHeaderError::TooLong => SIP_HEADER_LENGTH,
                SipHeaderError::NotAllowed => SIP_HEADER_NAME,
            };
            element.impossible(code, &format!("{error}."))
        })?;
        Ok(Self { uri: uri.to_owned(), headers, priority: None, weight: None, credentials: None })
    }
}

fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(';').next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"<>\"\\^`{|}".contains(c);
    is_scheme
        && !host.is_empty()
        && !host.starts_with(':')
        && uri.len() <= URI_MAX
        && uri.chars().all(is_plain)
}
