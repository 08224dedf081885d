//! `X-Twilio-Signature`: how an application knows that a request is from this node and was not altered.
//!
//! What is signed is the URL exactly as it is requested, followed, for a form, by each distinct pair of name and value
//! in the order of their bytes, with nothing in between. A body of JSON is bound by its SHA-256 in the query
//! (`bodySHA256`); a GET has all it says in its URL. The key is the account's auth token, the code HMAC-SHA1
//! (RFC 2104), written in Base64: what the validators of the official SDKs compute.

use std::collections::BTreeSet;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// The header that carries the signature.
pub const HEADER: &str = "X-Twilio-Signature";

/// The name in the query that carries the hash of a body of JSON.
pub(super) const BODY_HASH: &str = "bodySHA256";

/// The signature of a request for `url` with the form `params`, which are empty unless the request is a POST of a
/// form. `url` has no fragment.
pub fn sign(auth_token: &Secret, url: &str, params: &[(String, String)]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.expose().as_bytes())
        .expect("HMAC takes a key of any length (RFC 2104 §2)");
    mac.update(url.as_bytes());
    let distinct: BTreeSet<&(String, String)> = params.iter().collect();
    for (name, value) in distinct {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The SHA-256 of a body, in hexadecimal digits: what `bodySHA256` says.
pub fn body_hash(body: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(body) {
        write!(hex, "{byte:02x}").expect("a String takes all that is written to it");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Secret {
        Secret::new("12345678901234567890123456789012".to_owned())
    }

    fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const URL: &str = "https://app.example.test/voice?x=1&y=a%20b";

    #[test]
    fn a_form_is_signed_as_the_official_validators_have_it() {
        let params = form(&[
            ("CallSid", "CA0123456789abcdef0123456789abcdef"),
            ("From", "+15550100001"),
            ("To", "client:alice"),
            ("Digits", "12#"),
            ("CallStatus", "in-progress"),
        ]);
        assert_eq!(sign(&token(), URL, &params), "/MmCuV5uWUiaoyu/O0MiwxoQhP8=");
    }

    #[test]
    fn a_url_alone_is_signed_as_the_official_validators_have_it() {
        assert_eq!(sign(&token(), URL, &[]), "/VIJARO81KgRP1pg7XGHJUMPXFg=");
        assert_eq!(sign(&token(), "wss://media.example.test/stream", &[]), "rFYrlTAAT4JNc2g0JsjPTTHL0jA=");
    }

    #[test]
    fn a_body_of_json_is_bound_by_its_hash_in_the_url() {
        let hash = body_hash(br#"{"a":1}"#);
        assert_eq!(hash, "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862");
        let url = format!("https://app.example.test/j?{BODY_HASH}={hash}");
        assert_eq!(sign(&token(), &url, &[]), "YarC5t8uUFjj+2ZZpcd0Njt6SPk=");
    }

    #[test]
    fn order_and_repetition_of_pairs_do_not_matter() {
        let once = form(&[("a", "1"), ("a", "2"), ("B", "3")]);
        let shuffled = form(&[("a", "2"), ("B", "3"), ("a", "1"), ("a", "2")]);
        assert_eq!(sign(&token(), URL, &once), sign(&token(), URL, &shuffled));
    }
}
