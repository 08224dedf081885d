//! What a token says, before anybody knows whether it is true. RFC 7515 §3.1 (compact serialisation), RFC 7519 §4.1 (claims).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::TokenError;
use crate::directory::SIGNATURE_LEN;
use crate::sid::{AccountSid, ApplicationSid, KeySid};

/// The longest token that is read, in bytes. One with a page of parameters has 2,000; it travels in a header.
pub const TOKEN_LEN_MAX: usize = 8 * 1_024;

/// The longest name of somebody, in characters, as with the original.
pub const IDENTITY_CHARS_MAX: usize = 121;

/// The most parameters for an application. As many as a `<Stream>` takes, and more than anybody has.
pub const PARAMS_MAX: usize = 64;

/// The kind of content that marks access tokens of the original.
pub(super) const CONTENT_TYPE: &str = "twilio-fpa;v=1";

/// A token that was read, and may be anybody's.
#[derive(Debug)]
pub struct Unverified<'a> {
    /// What the signature is of.
    pub signed: &'a str,
    /// The signature.
    pub signature: [u8; SIGNATURE_LEN],
    /// Who says that they signed it.
    pub issuer: Issuer,
    /// For which account.
    pub account: AccountSid,
    /// When it ends.
    pub expires: DateTime<Utc>,
    /// When it begins.
    pub not_before: Option<DateTime<Utc>>,
    /// When it was made.
    pub issued: Option<DateTime<Utc>>,
    grants: Grants,
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// An application, with this key.
    Key(KeySid),
    /// The node.
    Node,
}

/// What is granted of voice.
pub(super) struct Voice {
    pub(super) identity: String,
    pub(super) application: Option<ApplicationSid>,
    pub(super) params: Vec<(String, String)>,
    pub(super) incoming: bool,
    pub(super) supervisor: bool,
}

/// What is said of the rest. `kid`, `twr` (a region of the original) and others are of no meaning here.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    cty: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    exp: Option<Number>,
    nbf: Option<Number>,
    iat: Option<Number>,
    grants: Option<Grants>,
}

/// Other grants than these are for what is not here: chat, video and so on.
#[derive(Debug, Default, Deserialize)]
struct Grants {
    identity: Option<String>,
    voice: Option<VoiceGrant>,
}

#[derive(Debug, Default, Deserialize)]
struct VoiceGrant {
    incoming: Option<Incoming>,
    outgoing: Option<Outgoing>,
    /// Ours, and believed only of ourselves.
    #[serde(default)]
    supervisor: bool,
}

#[derive(Debug, Deserialize)]
struct Incoming {
    allow: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Outgoing {
    application_sid: Option<String>,
    params: Option<Map<String, Value>>,
}

impl<'a> Unverified<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// When it is none, or is none that could be verified here.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenError::Malformed("it is longer than 8 KiB"));
        }
        let parts = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (header, claims) = signed.split_once('.')?;
            Some((signed, header, claims, signature))
        };
        let (signed, header, claims, signature) =
            parts().ok_or(TokenError::Malformed("it has not three parts with dots between them"))?;
        check_header(&decode(header)?)?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?)
            .map_err(|_| TokenError::Malformed("its claims are no JSON object of the right kinds"))?;
        let signature = decode(signature)?.try_into().map_err(|_| TokenError::Signature)?;
        let account: AccountSid = claims.sub.and_then(|sub| sub.parse().ok()).ok_or(TokenError::Issuer)?;
        let issuer = issuer(&claims.iss.unwrap_or_default(), account).ok_or(TokenError::Issuer)?;
        let expires = claims.exp.ok_or(TokenError::Malformed("it has no `exp`"))?;
        Ok(Self {
            signed,
            signature,
            issuer,
            account,
            expires: time(&expires)?,
            not_before: claims.nbf.as_ref().map(time).transpose()?,
            issued: claims.iat.as_ref().map(time).transpose()?,
            grants: claims.grants.unwrap_or_default(),
        })
    }

    /// What it grants of voice.
    pub(super) fn voice(&self) -> Result<Voice, TokenError> {
        let identity = self.grants.identity.clone().ok_or(TokenError::Grants("they have no `identity`"))?;
        let length = identity.chars().count();
        if length == 0 || length > IDENTITY_CHARS_MAX || identity.chars().any(char::is_control) {
            return Err(TokenError::Grants("`identity` is not 1 to 121 characters that can be shown"));
        }
        let voice = self.grants.voice.as_ref().ok_or(TokenError::Grants("there is none of `voice`"))?;
        let outgoing = voice.outgoing.as_ref();
        let application = outgoing.and_then(|outgoing| outgoing.application_sid.as_deref());
        let application = application.map(str::parse).transpose();
        let params = outgoing.and_then(|outgoing| outgoing.params.as_ref());
        Ok(Voice {
            identity,
            application: application.map_err(|_| TokenError::Grants("`application_sid` is none"))?,
            params: params.map(texts).transpose()?.unwrap_or_default(),
            incoming: voice.incoming.as_ref().and_then(|incoming| incoming.allow).unwrap_or_default(),
            supervisor: voice.supervisor,
        })
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed("a part is not base64url (RFC 4648 §5)"))
}

fn check_header(json: &[u8]) -> Result<(), TokenError> {
    let header: Header =
        serde_json::from_slice(json).map_err(|_| TokenError::Header("it is no JSON object with `alg`"))?;
    // Nothing else is tried, whatever a stranger asks for: `none` least of all.
    if header.alg != "HS256" {
        return Err(TokenError::Header("`alg` is not HS256"));
    }
    if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(TokenError::Header("`typ` is not JWT"));
    }
    if header.cty.as_deref() != Some(CONTENT_TYPE) {
        return Err(TokenError::Header("`cty` is not twilio-fpa;v=1"));
    }
    Ok(())
}

/// The account itself signs nothing: where it is named, the node is meant.
fn issuer(text: &str, account: AccountSid) -> Option<Issuer> {
    match text.parse() {
        Ok(key) => Some(Issuer::Key(key)),
        Err(_) => text.parse().ok().filter(|named: &AccountSid| *named == account).map(|_| Issuer::Node),
    }
}

/// Seconds since 1970; RFC 7519 §2 allows parts of a second, which decide nothing.
fn time(seconds: &Number) -> Result<DateTime<Utc>, TokenError> {
    let whole = seconds.as_i64().or_else(|| seconds.as_f64().map(|seconds| seconds as i64));
    let time = whole.and_then(|whole| DateTime::from_timestamp(whole, 0));
    time.ok_or(TokenError::Malformed("a time in it is none"))
}

fn texts(params: &Map<String, Value>) -> Result<Vec<(String, String)>, TokenError> {
    if params.len() > PARAMS_MAX {
        return Err(TokenError::Grants("there are more than 64 `params`"));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(params.iter().map(|(name, value)| (name.clone(), text(value))).collect())
}
