//! The names that calls, conferences, accounts and what is theirs have at the API: two letters and 32 hex digits.

use std::fmt;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the SID it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SID of the form {prefix} and 32 hexadecimal digits")]
pub struct SidError {
    prefix: &'static str,
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The two letters it begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new one, from the system's entropy.
            ///
            /// # Panics
            /// When the system has no entropy to give, which Linux does not let happen after boot.
            pub fn generate() -> Self {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("the system gives entropy");
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                // At once: names are in every message of a media stream.
                let mut digits = [0; 32];
                f.write_str(hex(&self.0, &mut digits))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                let hex = text.strip_prefix($prefix).ok_or(SidError { prefix: $prefix })?;
                parse_hex(hex).map(Self).ok_or(SidError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

sid!(
    /// The account all resources belong to.
    AccountSid, "AC"
);
sid!(
    /// A call: at this API, one leg of a conversation.
    CallSid, "CA"
);
sid!(
    /// A conference, from its first participant to its last.
    ConferenceSid, "CF"
);
sid!(
    /// A queue of callers.
    QueueSid, "QU"
);
sid!(
    /// A key of an account: a user name beside its own, with a secret for a password.
    KeySid, "SK"
);
sid!(
    /// An application: where to ask, by one name, for whatever refers to it.
    ApplicationSid, "AP"
);
sid!(
    /// An incoming phone number.
    PhoneNumberSid, "PN"
);
sid!(
    /// Something that went wrong in an application.
    NotificationSid, "NO"
);
sid!(
    /// A recording of a call.
    RecordingSid, "RE"
);
sid!(
    /// A media stream: a call's sound on its way to a server, or from one.
    StreamSid, "MZ"
);
sid!(
    /// A payment.
    PaymentSid, "PK"
);
sid!(
    /// A message between an application and the page of a browser, within a call.
    CallMessageSid, "KX"
);
sid!(
    /// Somebody's wish to be told what the page of a browser says within a call.
    SubscriptionSid, "ZY"
);
sid!(
    /// One HTTP request.
    RequestSid, "RQ"
);

fn hex<'a>(bytes: &[u8; 16], digits: &'a mut [u8; 32]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
    str::from_utf8(digits).unwrap_or_default()
}

fn parse_hex(hex: &str) -> Option<[u8; 16]> {
    let digits = hex.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_sid_reads_back() {
        let sid = CallSid::generate();
        assert_eq!(sid.to_string().len(), 34);
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }

    #[test]
    fn it_is_kept_as_it_is_shown() {
        let sid = KeySid::generate();
        let kept = serde_json::to_string(&sid).expect("text");
        assert_eq!(kept, format!("\"{sid}\""));
        assert_eq!(serde_json::from_str::<KeySid>(&kept).expect("a SID"), sid);
        assert!(serde_json::from_str::<CallSid>(&kept).is_err());
    }

    #[test]
    fn another_resources_sid_is_refused() {
        let sid = ConferenceSid::generate().to_string();
        assert!(sid.parse::<CallSid>().is_err());
        assert!("CA123".parse::<CallSid>().is_err());
        assert!("CA+123456789012345678901234567890".parse::<CallSid>().is_err());
    }
}
