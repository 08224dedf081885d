//! Tokens that the node makes itself.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::LIFETIME_MAX;
use super::unverified::CONTENT_TYPE;
use crate::directory::SigningKey;
use crate::sid::{AccountSid, ApplicationSid};

/// What a token is to grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The account.
    pub account: AccountSid,
    /// Who they are.
    pub identity: String,
    /// The application that their calls go to.
    pub application_sid: Option<ApplicationSid>,
    /// Whether they may be called.
    pub incoming_allow: bool,
    /// Whether they may enter the account's conferences.
    pub is_supervisor: bool,
    /// For how long; at most [`LIFETIME_MAX`] is granted.
    pub lifetime: TimeDelta,
}

impl Wanted {
    /// The token, signed with the node's own key.
    pub(super) fn signed(&self, key: &SigningKey, now: DateTime<Utc>) -> String {
        let begin = now.timestamp();
        let end = begin + self.lifetime.min(LIFETIME_MAX).num_seconds();
        let header = json!({"alg": "HS256", "typ": "JWT", "cty": CONTENT_TYPE});
        let account = self.account.to_string();
        let claims = json!({
            "jti": format!("{account}-{begin}"),
            "iss": account,
            "sub": account,
            "iat": begin,
            "nbf": begin,
            "exp": end,
            "grants": {"identity": self.identity, "voice": self.voice()},
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What is not granted is not there, as in tokens of the SDKs.
    fn voice(&self) -> Value {
        let mut voice = json!({});
        if self.incoming_allow {
            voice["incoming"] = json!({"allow": true});
        }
        if let Some(application) = self.application_sid {
            voice["outgoing"] = json!({"application_sid": application});
        }
        if self.is_supervisor {
            voice["supervisor"] = json!(true);
        }
        voice
    }
}
