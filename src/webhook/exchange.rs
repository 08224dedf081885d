//! What was asked of an application and what it answered, fit to be shown to its author: without digits, passwords and
//! cookies, and cut to a length.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderMap;

use super::request::{Method, Payload, Purpose, Request};

/// Shown in place of what must not be.
const REDACTED: &str = "[redacted]";

/// The most of a body that is shown, in bytes. The longest honest script is 64 KiB, and what is wrong with a page of an
/// error is said in its first lines.
pub(super) const BODY_SHOWN_MAX: usize = 4 * 1_024;

/// The most of one value that is shown, in characters.
const VALUE_SHOWN_MAX: usize = 512;

/// Headers that are shown. Others may be cookies or keys.
const HEADERS_SHOWN: [&str; 7] =
    ["content-type", "content-length", "content-encoding", "date", "server", "retry-after", "x-request-id"];

/// Parameters that are what somebody pressed or said, or what they proved themselves with.
const SECRET_PARAMETERS: [&str; 9] = [
    "Digits",
    "SendDigits",
    "FinishedOnKey",
    "SpeechResult",
    "StableSpeechResult",
    "UnstableSpeechResult",
    "Password",
    "AuthToken",
    "Token",
];

/// Attributes of scripts that are keys to be pressed, or what the node proves itself with.
const SECRET_ATTRIBUTES: [&str; 4] = ["senddigits", "digits", "password", "username"];

/// The shortest value of a secret parameter that is also looked for in what is answered. Shorter ones are everywhere.
const ECHO_MIN: usize = 3;

/// A request to an application, and what became of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Whose request it was.
    pub account_sid: String,
    /// The call or conference it was about.
    pub subject: Option<String>,
    /// What it was for.
    pub purpose: Purpose,
    /// How it was sent at first.
    pub method: Method,
    /// Where it was sent at first, without query, user and fragment.
    pub url: String,
    /// With what.
    pub parameters: Vec<(String, String)>,
    /// What came back, if anything did.
    pub answer: Option<Answered>,
    /// The reference's code for what went wrong, and a sentence.
    pub failure: Option<(u32, String)>,
    /// How long it took, with its redirects and retries.
    pub duration: Duration,
    /// Which of several it was.
    pub attempt: Attempt,
}

/// Which attempt to tell an application something an exchange was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The first, or the only one.
    First,
    /// Another, since those before it failed.
    Again,
    /// None: it is not told any more. Nothing was sent.
    GivenUp,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Its beginning, if it is text.
    pub body: String,
}

/// Told of each exchange, once. Must return at once.
pub type OnExchange = Arc<dyn Fn(&Exchange) + Send + Sync>;

impl Answered {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What is remembered of a request until it is over.
pub(super) struct Sighting {
    pub(super) parameters: Vec<(String, String)>,
    /// What of the parameters must not be shown, to be looked for in the answer.
    secrets: Vec<String>,
    answer: Mutex<Option<Answered>>,
}

impl Sighting {
    pub(super) fn of(request: &Request) -> Self {
        let (mut parameters, mut secrets) = (Vec::new(), Vec::new());
        if let Payload::Form(params) = &request.payload {
            for (name, value) in params {
                if is_secret(name) {
                    parameters.push((name.clone(), REDACTED.to_owned()));
                    secrets.push(value.clone());
                } else {
                    parameters.push((name.clone(), value.chars().take(VALUE_SHOWN_MAX).collect()));
                }
            }
        }
        secrets.retain(|secret| secret.len() >= ECHO_MIN);
        Self { parameters, secrets, answer: Mutex::default() }
    }

    /// An answer began; it takes the place of an earlier one.
    pub(super) fn saw(&self, status: u16, headers: &HeaderMap) {
        let shown = HEADERS_SHOWN.iter().filter_map(|name| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some(((*name).to_owned(), value.chars().take(VALUE_SHOWN_MAX).collect()))
        });
        *self.lock() = Some(Answered { status, headers: shown.collect(), body: String::new() });
    }

    /// The answer's body, or its beginning.
    pub(super) fn read(&self, body: &[u8]) {
        if let Some(answer) = self.lock().as_mut() {
            answer.body = shown_body(body, &self.secrets);
        }
    }

    pub(super) fn answer(&self) -> Option<Answered> {
        self.lock().clone()
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Answered>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_secret(name: &str) -> bool {
    SECRET_PARAMETERS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// The beginning of a body without the values of secret attributes, and without what `secrets` it repeats.
fn shown_body(body: &[u8], secrets: &[String]) -> String {
    // Cut first, and not within a secret: what is cut off is not shown, and what is left of a secret would be.
    let whole = String::from_utf8_lossy(&body[..body.len().min(2 * BODY_SHOWN_MAX)]).into_owned();
    let mut shown = without_secret_attributes(&whole);
    for secret in secrets {
        shown = shown.replace(secret.as_str(), REDACTED);
    }
    let end = shown.floor_char_boundary(BODY_SHOWN_MAX);
    shown.truncate(end);
    shown
}

/// Blanks the values of secret attributes: `password="…"`, in whatever case, with either quotes and blanks around `=`.
fn without_secret_attributes(text: &str) -> String {
    // Of the same length: only ASCII letters change.
    let lower = text.to_ascii_lowercase();
    let (mut shown, mut from) = (String::new(), 0);
    while let Some((start, end)) = next_secret(&lower, from) {
        shown.push_str(&text[from..start]);
        shown.push_str(REDACTED);
        from = end;
    }
    shown.push_str(&text[from..]);
    shown
}

/// Where the value of the next secret attribute begins and ends.
fn next_secret(lower: &str, from: usize) -> Option<(usize, usize)> {
    let values = SECRET_ATTRIBUTES.iter().filter_map(|name| value_after(lower, name, from));
    values.min()
}

/// Where the value of the next attribute `name` begins and ends. One that is cut off ends with the text.
fn value_after(lower: &str, name: &str, mut from: usize) -> Option<(usize, usize)> {
    loop {
        let at = from + lower[from..].find(name)?;
        let is_whole = !lower[..at].ends_with(|c: char| c.is_alphanumeric());
        let rest = &lower[at + name.len()..];
        let after = rest.trim_start().strip_prefix('=').map(str::trim_start);
        let quoted = after.and_then(|after| {
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let start = lower.len() - after.len() + 1;
            let length = lower[start..].find(quote).unwrap_or(lower.len() - start);
            Some((start, start + length))
        });
        if is_whole && quoted.is_some() {
            return quoted;
        }
        from = at + name.len();
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn sighting(params: &[(&str, &str)]) -> Sighting {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Sighting::of(&Request::post("http://app.example/", "AC1", params))
    }

    #[test]
    fn what_somebody_pressed_is_in_neither_parameters_nor_answer() {
        let sighting = sighting(&[("CallSid", "CA1"), ("Digits", "4111"), ("speechresult", "my pin")]);
        sighting.saw(200, &HeaderMap::new());
        sighting.read(b"<Say>You pressed 4111 and said my pin</Say>");
        let shown = format!("{:?} {:?}", sighting.parameters, sighting.answer());
        assert!(shown.contains("CA1") && !shown.contains("4111") && !shown.contains("my pin"), "{shown}");
    }

    #[test]
    fn keys_and_passwords_in_a_script_are_not_shown() {
        let script = r#"<Sip username="u5er" Password = 's3cret'>sip:a@b</Sip><Number sendDigits="77#">+1</Number><Gather numDigits="4"/><Play digits='88"/>"#;
        let shown = shown_body(script.as_bytes(), &[]);
        assert_eq!(
            shown,
            r#"<Sip username="[redacted]" Password = '[redacted]'>sip:a@b</Sip><Number sendDigits="[redacted]">+1</Number><Gather numDigits="4"/><Play digits='[redacted]"#
        );
    }

    #[test]
    fn only_harmless_headers_are_shown() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/xml"));
        headers.insert("set-cookie", HeaderValue::from_static("a=b"));
        headers.insert("authorization", HeaderValue::from_static("Basic x"));
        let sighting = sighting(&[]);
        sighting.saw(500, &headers);
        let answer = sighting.answer().expect("an answer");
        assert_eq!(answer.headers, [("content-type".to_owned(), "text/xml".to_owned())]);
        assert_eq!((answer.status, answer.header("content-type")), (500, Some("text/xml")));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_cut_and_hides_what_is_secret(
            before in proptest::collection::vec(any::<u8>(), 0..5_000),
            after in proptest::collection::vec(any::<u8>(), 0..5_000),
        ) {
            let secret = "0x5ecret5ecret";
            let body = [&before[..], secret.as_bytes(), &after[..]].concat();
            let shown = shown_body(&body, &[secret.to_owned()]);
            prop_assert!(shown.len() <= BODY_SHOWN_MAX);
            prop_assert!(!shown.contains("5ecret5"));
        }

        #[test]
        fn attributes_are_found_in_any_text(text in "(digits|password|=|\"|'| |ä|\n|x){0,40}") {
            let shown = shown_body(text.as_bytes(), &[]);
            prop_assert!(shown.len() <= text.len() * 12);
        }
    }
}
