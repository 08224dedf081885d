//! Challenges that we are asked to answer (RFC 3261 §22.2, RFC 7616, RFC 8760): whether we do, and what the answer is.
//!
//! A digest lets whoever gets it guess the password at leisure. So a challenge is answered only with the credentials of
//! the one who was called, only for the realm that may ask for them, and once; a second time only if the far end says that
//! nothing but the nonce was wrong. The library would answer anybody.

use std::fmt::Write;

use md5::Md5;
use rsipstack::sip::prelude::HasHeaders;
use rsipstack::sip::{Header, Response, StatusCode};
use sha2::{Digest, Sha256};

use super::headers::other;
use crate::config::Secret;

/// Who we say we are, and who may ask.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The one realm that may ask. None: the first that does, and no other after it.
    pub realm: Option<String>,
}

/// The challenges to one request, which is sent again with each answer.
#[derive(Debug)]
pub struct Challenged {
    credentials: Option<Credentials>,
    /// The nonce that was answered last.
    answered: Option<String>,
    /// A new nonce was asked for once already.
    was_stale: bool,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnswered {
    /// There is nothing to answer with.
    #[error("there are no credentials for it")]
    NoCredentials,
    /// Somebody asks whom the credentials are not for.
    #[error("its realm is not the one that the credentials are for")]
    OtherRealm,
    /// It cannot be read, or not be done.
    #[error("it asks for something else than digest with MD5 or SHA-256")]
    Unsupported,
    /// What was answered was wrong.
    #[error("the answer to the one before it was not taken")]
    Repeated,
    /// Chance is missing.
    #[error("the system gives no entropy")]
    NoEntropy,
}

/// The request that the answer goes with.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URI as it goes out.
    pub uri: &'a str,
}

impl Challenged {
    /// Those to a request that was not sent yet; without credentials none is answered.
    pub const fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, answered: None, was_stale: false }
    }

    /// The credentials, from now on for the realm that has asked.
    pub(super) fn into_credentials(self) -> Option<Credentials> {
        self.credentials
    }

    /// The header that answers a 401 or 407. What is in it is told to nobody else.
    pub(super) fn header(&mut self, response: &Response, asked: Asked<'_>) -> Result<Header, NotAnswered> {
        let (asks, answers) = if response.status_code == StatusCode::ProxyAuthenticationRequired {
            ("Proxy-Authenticate", "Proxy-Authorization")
        } else {
            ("WWW-Authenticate", "Authorization")
        };
        let lines = response.headers().iter().filter(|header| header.name().eq_ignore_ascii_case(asks));
        let cnonce = draw_cnonce().map_err(|_| NotAnswered::NoEntropy)?;
        let value = self.answer(lines.map(Header::value), asked, &cnonce)?;
        Ok(other(answers, value))
    }

    /// The value of `Authorization` or `Proxy-Authorization` that answers the first of these challenges (the values of
    /// `WWW-Authenticate` or `Proxy-Authenticate`) that we may and can answer. `cnonce` must be new each time.
    ///
    /// # Errors
    /// When none of them is answered, and why.
    pub fn answer<'a>(
        &mut self,
        challenges: impl IntoIterator<Item = &'a str>,
        asked: Asked<'_>,
        cnonce: &str,
    ) -> Result<String, NotAnswered> {
        let credentials = self.credentials.as_mut().ok_or(NotAnswered::NoCredentials)?;
        // The topmost that we can do is the one that the far end likes best (RFC 8760 §2.4).
        let mut supported = challenges.into_iter().filter_map(Challenge::parse).peekable();
        supported.peek().ok_or(NotAnswered::Unsupported)?;
        let may_ask = |challenge: &Challenge<'_>| {
            credentials.realm.as_ref().is_none_or(|realm| realm == challenge.realm)
        };
        let challenge = supported.find(may_ask).ok_or(NotAnswered::OtherRealm)?;
        if let Some(answered) = &self.answered {
            let has_new_nonce = challenge.stale && challenge.nonce != answered;
            if self.was_stale || !has_new_nonce {
                return Err(NotAnswered::Repeated);
            }
            self.was_stale = true;
        }
        credentials.realm.get_or_insert_with(|| challenge.realm.to_owned());
        self.answered = Some(challenge.nonce.to_owned());
        Ok(challenge.answered_with(credentials, asked, cnonce))
    }
}

/// How the digest is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// None for those we do not do; among them are those that begin a `-sess`, which nobody asks for.
    fn of_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match () {
            () if is("MD5") => Some(Self::Md5),
            () if is("SHA-256") => Some(Self::Sha256),
            () => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The parts with colons between them, hashed, in hexadecimal digits.
    fn hash(self, parts: &[&str]) -> String {
        let text = zeroize::Zeroizing::new(parts.join(":"));
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        match self {
            Self::Md5 => hex(&{
                use md5::Digest as _;
                Md5::digest(text.as_bytes())
            }),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// A challenge that we can answer. Texts are as they stand between their quotes: what is escaped stays so, in the answer as
/// in the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Challenge<'a> {
    realm: &'a str,
    nonce: &'a str,
    opaque: Option<&'a str>,
    /// None: none was named, which is MD5, and the answer names none either.
    algorithm: Option<Algorithm>,
    /// `auth` was offered; else the digest is that of RFC 2069.
    auth: bool,
    stale: bool,
}

impl<'a> Challenge<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let value = value.trim();
        // What is echoed must not end our header's line.
        if value.contains(|c: char| c.is_control() && c != '\t') {
            return None;
        }
        let (scheme, rest) = value.split_once(char::is_whitespace)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let (mut realm, mut nonce, mut opaque, mut algorithm, mut qop, mut stale) =
            (None, None, None, None, None, false);
        for (name, value) in Parameters(rest) {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match () {
                () if is("realm") => realm = realm.or(Some(value)),
                () if is("nonce") => nonce = nonce.or(Some(value)),
                () if is("opaque") => opaque = opaque.or(Some(value)),
                () if is("algorithm") => algorithm = Some(Algorithm::of_name(value)?),
                () if is("qop") => qop = qop.or(Some(value)),
                () if is("stale") => stale = value.eq_ignore_ascii_case("true"),
                () => {}
            }
        }
        let offers_auth = |qop: &str| qop.split(',').any(|offer| offer.trim().eq_ignore_ascii_case("auth"));
        // Only auth-int, or something newer, is offered.
        if qop.is_some_and(|qop| !offers_auth(qop)) {
            return None;
        }
        Some(Self { realm: realm?, nonce: nonce?, opaque, algorithm, auth: qop.is_some(), stale })
    }

    fn answered_with(&self, credentials: &Credentials, asked: Asked<'_>, cnonce: &str) -> String {
        let algorithm = self.algorithm.unwrap_or(Algorithm::Md5);
        let username = credentials.username.replace(['"', '\\'], "");
        let ours = algorithm.hash(&[&username, self.realm, credentials.password.expose()]);
        let theirs = algorithm.hash(&[asked.method, asked.uri]);
        // Each nonce is used once.
        let count = "00000001";
        let response = if self.auth {
            algorithm.hash(&[&ours, self.nonce, count, cnonce, "auth", &theirs])
        } else {
            algorithm.hash(&[&ours, self.nonce, &theirs])
        };
        let (realm, nonce, uri) = (self.realm, self.nonce, asked.uri);
        let mut value = format!(
            "Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\""
        );
        if let Some(algorithm) = self.algorithm {
            value.push_str(&format!(", algorithm={}", algorithm.name()));
        }
        if let Some(opaque) = self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if self.auth {
            value.push_str(&format!(", qop=auth, cnonce=\"{cnonce}\", nc={count}"));
        }
        value
    }
}

/// The parameters of a challenge: `name=token` and `name="text"`, with commas between them. What is neither ends them.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let (name, rest) = rest.split_once('=')?;
        let rest = rest.trim_start();
        let value;
        (value, self.0) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = end_of_quoted(quoted)?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        Some((name.trim(), value))
    }
}

/// Where the quote stands that ends a text, which a backslash before it does not.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

/// A text that no other request has.
fn draw_cnonce() -> Result<String, getrandom::Error> {
    let mut drawn = [0; 16];
    getrandom::fill(&mut drawn)?;
    Ok(drawn.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INVITE: Asked<'static> = Asked { method: "INVITE", uri: "sip:bob@biloxi.com" };

    fn credentials(realm: Option<&str>) -> Option<Credentials> {
        Some(Credentials {
            username: "bob".to_owned(),
            password: Secret::new("zanzibar".to_owned()),
            realm: realm.map(str::to_owned),
        })
    }

    fn challenged(realm: Option<&str>) -> Challenged {
        Challenged::new(credentials(realm))
    }

    /// RFC 3665 §2.1 is without a qop; the digests here were made with other tools.
    #[test]
    fn answers_are_those_that_other_tools_make() {
        let plain = "Digest realm=\"biloxi.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        let answer = challenged(None).answer([plain], INVITE, "0a4f113b").unwrap();
        assert!(answer.contains("response=\"bf57e4e0d0bffc0fbaedce64d59add5e\""), "{answer}");
        assert!(!answer.contains("qop") && !answer.contains("algorithm"), "{answer}");

        // RFC 7616 §3.9.1, of HTTP.
        let asked = Asked { method: "GET", uri: "/dir/index.html" };
        let mufasa = Credentials {
            username: "Mufasa".to_owned(),
            password: Secret::new("Circle of Life".to_owned()),
            realm: Some("http-auth@example.org".to_owned()),
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let mut challenged = Challenged::new(Some(mufasa.clone()));
            let answer = challenged.answer([challenge.as_str()], asked, cnonce).unwrap();
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""));
            assert!(answer.contains("qop=auth, cnonce=") && answer.contains("nc=00000001"));
        }
    }

    #[test]
    fn nobody_but_the_realm_of_the_credentials_is_answered() {
        let others = "Digest realm=\"evil.example\", nonce=\"n\"";
        let ours = "Digest realm=\"biloxi.com\", nonce=\"n\"";
        assert_eq!(
            challenged(Some("biloxi.com")).answer([others], INVITE, "c"),
            Err(NotAnswered::OtherRealm)
        );
        assert!(
            challenged(Some("biloxi.com")).answer([others, ours], INVITE, "c").unwrap().contains("biloxi")
        );
        assert_eq!(Challenged::new(None).answer([ours], INVITE, "c"), Err(NotAnswered::NoCredentials));

        // Without a realm the first that asks is it, and what is stale to another is not our business.
        let mut any = challenged(None);
        assert!(any.answer([ours], INVITE, "c").is_ok());
        let other_stale = "Digest realm=\"evil.example\", nonce=\"m\", stale=true";
        assert_eq!(any.answer([other_stale], INVITE, "c"), Err(NotAnswered::OtherRealm));
    }

    #[test]
    fn a_second_challenge_is_answered_only_if_the_nonce_was_stale_and_only_once() {
        let first = "Digest realm=\"r\", nonce=\"1\"";
        let stale = "Digest realm=\"r\", nonce=\"2\", stale=TRUE";
        let stale_again = "Digest realm=\"r\", nonce=\"3\", stale=true";
        let mut asked = challenged(None);
        assert!(asked.answer([first], INVITE, "c").is_ok());
        assert_eq!(
            asked.answer(["Digest realm=\"r\", nonce=\"2\""], INVITE, "c"),
            Err(NotAnswered::Repeated)
        );
        let same = "Digest realm=\"r\", nonce=\"1\", stale=true";
        assert_eq!(asked.answer([same], INVITE, "c"), Err(NotAnswered::Repeated));
        assert!(asked.answer([stale], INVITE, "c").unwrap().contains("nonce=\"2\""));
        assert_eq!(asked.answer([stale_again], INVITE, "c"), Err(NotAnswered::Repeated));
    }

    #[test]
    fn what_we_cannot_do_is_not_answered_badly() {
        for challenge in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\"",
            "Digest nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
            "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
            "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
            "Digest realm=\"r, nonce=\"n\"",
            "",
        ] {
            let answer = challenged(None).answer([challenge], INVITE, "c");
            assert_eq!(answer, Err(NotAnswered::Unsupported), "{challenge}");
        }
        // Whatever is unknown among what is known does not matter.
        let newer = "Digest charset=UTF-8,realm = \"r\" , nonce=\"a\\\"b,c\", domain=\"sip:x\"";
        let answer = challenged(None).answer([newer], INVITE, "c").unwrap();
        assert!(answer.contains("nonce=\"a\\\"b,c\""), "{answer}");
    }

    proptest! {
        #[test]
        fn no_challenge_makes_the_reader_panic_and_none_begins_a_line_of_its_own(
            challenge in r#"Digest ([a-z]{0,6}|realm|nonce|qop|stale)[=, ]{0,2}("?[\PC"\\]{0,8}"?,? ?){0,4}"#,
            more in "\\PC{0,40}",
        ) {
            let both = format!("{challenge}{more}");
            if let Ok(answer) = challenged(None).answer([both.as_str()], INVITE, "c") {
                prop_assert!(!answer.contains(['\r', '\n']));
            }
        }
    }
}
