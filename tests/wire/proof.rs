//! Digest authentication as a phone does it (RFC 7616), right or wrong; it shares no code with the node.

use md5::Md5;
use md5::digest::Digest as _;
use sha2::Sha256;
use sha2::digest::Digest as _;

use crate::message::Message;

/// What a proof is made of.
#[derive(Clone, Debug)]
pub(crate) struct Proof<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) algorithm: &'a str,
    pub(crate) count: u32,
    /// What it says that it is for, if that is not the Request-URI.
    pub(crate) uri: Option<String>,
}

impl Proof<'static> {
    /// What answers the first of an answer's challenges, of nobody yet.
    pub(crate) fn of(challenge: &Message) -> Self {
        let value = challenge.header("WWW-Authenticate");
        assert!(value.contains("algorithm=SHA-256"), "{value}");
        Self {
            user: "",
            password: "",
            realm: quoted(&value, "realm"),
            nonce: quoted(&value, "nonce"),
            algorithm: "SHA-256",
            count: 1,
            uri: None,
        }
    }
}

/// The nonce of an answer's first challenge.
pub(crate) fn nonce(challenge: &Message) -> String {
    quoted(&challenge.header("WWW-Authenticate"), "nonce")
}

/// The value of an Authorization header.
pub(crate) fn authorization(proof: &Proof<'_>, method: &str, uri: &str) -> String {
    let Proof { user, password, realm, nonce, algorithm, count, uri: said } = proof;
    let uri = said.as_deref().unwrap_or(uri);
    let hash = |text: String| match *algorithm {
        "MD5" => hex(&Md5::digest(text)),
        _ => hex(&Sha256::digest(text)),
    };
    let (secret, asked) = (hash(format!("{user}:{realm}:{password}")), hash(format!("{method}:{uri}")));
    let response = hash(format!("{secret}:{nonce}:{count:08x}:c0ffee:auth:{asked}"));
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\", \
         algorithm={algorithm}, qop=auth, nc={count:08x}, cnonce=\"c0ffee\""
    )
}

fn quoted(value: &str, name: &str) -> String {
    let rest = value.split(&format!("{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {value}"));
    rest.split('"').next().unwrap().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
