//! Asks for passwords, and judges what is said to prove them.

use std::borrow::Cow;
use std::time::Duration;

use subtle::Choice;
use zeroize::Zeroizing;

use super::credentials::{Credentials, Quoted};
use super::nonce::Nonces;
use super::{Algorithm, hex};
use crate::config::Secret;
use crate::sip::guard::decode_user;

/// How long nonces are good: a phone that registers every minute or calls now and then is seldom asked anew, and one
/// that was overheard is soon worthless.
const LIFETIME: Duration = Duration::from_secs(300);

/// Nonces in use at a time, about 60 bytes each: three registrations or calls a second for each second of a nonce's life
/// on a node of 2,000 agents leave room.
const IN_USE_MAX: usize = 16_384;

/// The highest count there is: credentials without one use their nonce up.
const ALL_COUNTS: u32 = u32::MAX;

/// How long nonces are good and how many can be in use.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a nonce may be used from when it was made.
    pub lifetime: Duration,
    /// Nonces in use at a time, at least one. When one more is used the oldest cannot be any more.
    pub in_use_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lifetime: LIFETIME, in_use_max: IN_USE_MAX }
    }
}

/// A request that somebody wants to prove a password with.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its Request-URI, with its escapes as they came.
    pub uri: &'a str,
    /// The realm whose password is asked for.
    pub realm: &'a str,
    /// The time, counted from any fixed moment.
    pub now: Duration,
}

/// What is to be thought of a request's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They prove that whoever sent it knows the password of this user.
    Proved(String),
    /// There are none for the realm: ask for them.
    Missing,
    /// The password is right, but the nonce cannot be used (any more): ask anew, with `stale`, so that a phone does not
    /// bother its user (RFC 7616 §3.3).
    Stale,
    /// They prove nothing.
    Refused(Fault),
}

/// Why credentials prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They cannot be read.
    Malformed,
    /// They answer somebody else.
    WrongRealm,
    /// They are for another request.
    WrongUri,
    /// A hash that was not offered.
    UnknownAlgorithm,
    /// A `qop` that was not offered, such as `auth-int`.
    UnknownProtection,
    /// The user name is hashed, which was not offered either.
    HashedUsername,
    /// The digest is wrong, or the user is not known; nobody is told which.
    WrongDigest,
}

impl Fault {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::WrongRealm,
        Self::WrongUri,
        Self::UnknownAlgorithm,
        Self::UnknownProtection,
        Self::HashedUsername,
        Self::WrongDigest,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongRealm => "wrong_realm",
            Self::WrongUri => "wrong_uri",
            Self::UnknownAlgorithm => "unknown_algorithm",
            Self::UnknownProtection => "unknown_qop",
            Self::HashedUsername => "hashed_username",
            Self::WrongDigest => "wrong_digest",
        }
    }
}

/// Asks for passwords and judges proofs. It is shared by all who ask; who asks is told apart by the realm.
#[derive(Debug)]
pub struct Verifier {
    nonces: Nonces,
    /// What is hashed in place of a password that nobody has.
    nobodys: Secret,
}

impl Verifier {
    /// One with this key, which nobody else may know.
    pub fn new(key: [u8; 32], settings: Settings) -> Self {
        let nobodys = Secret::new(hex(&key).as_str().to_owned());
        Self { nonces: Nonces::new(key, settings.lifetime, settings.in_use_max), nobodys }
    }

    /// One with a key of its own.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub fn with_fresh_key(settings: Settings) -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self::new(*key, settings))
    }

    /// The values of the WWW-Authenticate (or Proxy-Authenticate) headers that ask for the realm's password, one for
    /// each hash, the best first (RFC 8760 §2.3). `stale` says that only the nonce was wrong.
    pub fn challenge(&self, realm: &str, stale: bool, now: Duration) -> Vec<String> {
        let (nonce, realm) = (self.nonces.make(realm, now), Quoted(realm));
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = |algorithm: Algorithm| {
            let algorithm = algorithm.name();
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        Algorithm::ALL.map(challenge).into()
    }

    /// Judges the values of a request's Authorization (or Proxy-Authorization) headers, of which the first for the
    /// realm counts. `lookup` gives a user's password.
    ///
    /// Credentials without `qop`, as in RFC 2069, are accepted, but their nonce is used up by them. A user that is not known
    /// takes as long as a wrong password.
    pub fn verify<'s, 'h>(
        &self,
        asked: &Asked<'_>,
        headers: impl IntoIterator<Item = &'h str>,
        lookup: impl FnOnce(&str) -> Option<&'s Secret>,
    ) -> Verdict {
        let mut verdict = Verdict::Missing;
        for header in headers {
            match Credentials::parse(header) {
                Ok(credentials) if credentials.realm == asked.realm => {
                    return self.judge(asked, &credentials, lookup).unwrap_or_else(Verdict::Refused);
                }
                Ok(_) if verdict == Verdict::Missing => verdict = Verdict::Refused(Fault::WrongRealm),
                Ok(_) => {}
                Err(_) => verdict = Verdict::Refused(Fault::Malformed),
            }
        }
        verdict
    }

    fn judge<'s>(
        &self,
        asked: &Asked<'_>,
        credentials: &Credentials,
        lookup: impl FnOnce(&str) -> Option<&'s Secret>,
    ) -> Result<Verdict, Fault> {
        let algorithm = Algorithm::named(credentials.algorithm.as_deref()).ok_or(Fault::UnknownAlgorithm)?;
        if credentials.is_hashed {
            return Err(Fault::HashedUsername);
        }
        let count = match &credentials.protection {
            Some(protection) if !protection.qop.eq_ignore_ascii_case("auth") => {
                return Err(Fault::UnknownProtection);
            }
            Some(protection) => protection.count(),
            None => ALL_COUNTS,
        };
        if !is_same_place(asked.uri, &credentials.uri) {
            return Err(Fault::WrongUri);
        }
        let known = lookup(&credentials.username);
        let password = known.unwrap_or(&self.nobodys);
        let right = response(algorithm, asked.method, credentials, password);
        let is_proved = Choice::from(u8::from(credentials.is_proved_by(&right)));
        if !bool::from(is_proved & Choice::from(u8::from(known.is_some()))) {
            return Err(Fault::WrongDigest);
        }
        let nonce = self.nonces.read(&credentials.nonce, asked.realm, asked.now);
        Ok(match nonce.filter(|nonce| self.nonces.use_up(*nonce, count, asked.now)) {
            Some(_) => Verdict::Proved(credentials.username.clone()),
            None => Verdict::Stale,
        })
    }
}

/// The digest that proves the password (RFC 7616 §3.4.1 to §3.4.3).
pub(super) fn response(
    algorithm: Algorithm,
    method: &str,
    credentials: &Credentials,
    password: &Secret,
) -> Zeroizing<String> {
    let user = algorithm.hash(&[&credentials.username, &credentials.realm, password.expose()]);
    let request = algorithm.hash(&[method, &credentials.uri]);
    match &credentials.protection {
        Some(with) => {
            algorithm.hash(&[&user, &credentials.nonce, &with.count, &with.cnonce, &with.qop, &request])
        }
        None => algorithm.hash(&[&user, &credentials.nonce, &request]),
    }
}

/// Whether two URIs lead to the same user of the same host. Phones leave parameters and the usual port out of the one or
/// the other, and proxies unescape, so RFC 7616 §3.4.6 to the letter would lock people out.
fn is_same_place(asked: &str, said: &str) -> bool {
    place(asked) == place(said)
}

/// Scheme, user, and host with port; the parts in which letters mean the same in both cases are small.
fn place(uri: &str) -> (String, String, Cow<'_, str>) {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let scheme = scheme.to_ascii_lowercase();
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let host = host.split([';', '?']).next().unwrap_or_default();
    let usual = if scheme == "sips" { ":5061" } else { ":5060" };
    let host = host.strip_suffix(usual).unwrap_or(host);
    let host: Cow<'_, str> = if host.bytes().any(|b| b.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    };
    (scheme, decode_user(user), host)
}
