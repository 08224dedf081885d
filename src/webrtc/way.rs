//! Where a browser's call leads, by what its token grants and what it asks for: its application's script, and for somebody
//! who is logged in at the console whatever they name.

use super::{BrowserError, Browsers};
use crate::call::{
    CallError, CallSid, ConferenceSid, ConferenceStatus, Destination, JoinTerms, StatusCallback, Voice,
    VoiceSource,
};
use crate::directory::Directory;
use crate::token::{Grant, PARAMS_MAX};

/// What a browser asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Whom it calls. An application may make of it what it likes.
    pub to: String,
    /// What its application is told besides.
    pub parameters: Vec<(String, String)>,
    /// The conference that somebody at the console enters.
    pub conference: Option<ConferenceSid>,
    /// They are not heard there.
    pub muted: bool,
    /// They are heard by this call alone.
    pub coach: Option<CallSid>,
}

/// Where that leads.
#[derive(Debug)]
pub struct Way {
    /// Whom it calls, as others are told.
    pub to: String,
    /// Where it leads.
    pub destination: Destination,
    /// Who is told how far it gets.
    pub status: Option<StatusCallback>,
}

/// What an application is told of a call by us alone: a browser must not say it.
const OURS: [&str; 11] = [
    "CallSid",
    "AccountSid",
    "ApplicationSid",
    "From",
    "To",
    "Caller",
    "Called",
    "CallStatus",
    "ApiVersion",
    "Direction",
    "CallToken",
];

/// The longest that a parameter may be, in bytes, name and value together.
const PARAMETER_LEN_MAX: usize = 4_096;

impl Browsers {
    /// Where a call leads that the holder of `grant` begins.
    ///
    /// # Errors
    /// [`BrowserError::NotGranted`] or [`BrowserError::NoScript`] when it leads nowhere, and what the model says of the
    /// conference.
    pub async fn way(
        &self,
        directory: &Directory,
        grant: &Grant,
        wanted: Wanted,
    ) -> Result<Way, BrowserError> {
        if let Some(sid) = wanted.conference {
            return self.way_to_conference(grant, sid, &wanted).await;
        }
        if let Some(sid) = grant.application_sid {
            let application = directory.application(grant.account, sid).ok_or(BrowserError::NoScript)?;
            let script = application.voice.script().ok_or(BrowserError::NoScript)?;
            let parameters = parameters(grant, wanted.parameters)?;
            let told = application.voice.told();
            return Ok(Way {
                to: wanted.to,
                destination: Destination::Script(Voice { parameters, ..script.into() }),
                status: told.map(|url| StatusCallback { url: url.into(), events: Default::default() }),
            });
        }
        if !grant.is_supervisor {
            return Err(BrowserError::NotGranted);
        }
        let source = VoiceSource::Inline(dial(&wanted.to).ok_or(BrowserError::NoScript)?);
        let voice = Voice { source, fallback: None, parameters: Vec::new() };
        Ok(Way { to: wanted.to, destination: Destination::Script(voice), status: None })
    }

    /// Where somebody at the console listens in, or speaks: in a conference, or on a call of two.
    async fn way_to_conference(
        &self,
        grant: &Grant,
        sid: ConferenceSid,
        wanted: &Wanted,
    ) -> Result<Way, BrowserError> {
        if !grant.is_supervisor {
            return Err(BrowserError::NotGranted);
        }
        let conference = self.0.calls.of(grant.account).fetch_conference(sid).await?;
        if conference.status == ConferenceStatus::Completed {
            return Err(CallError::ConferenceCompleted.into());
        }
        let terms = JoinTerms { muted: wanted.muted, coach: wanted.coach, ..JoinTerms::listening_in(sid) };
        Ok(Way { to: sid.to_string(), destination: Destination::Conference(terms), status: None })
    }
}

/// What an application is told: what the token says, whatever the browser says, and then what the browser says.
fn parameters(grant: &Grant, asked: Vec<(String, String)>) -> Result<Vec<(String, String)>, BrowserError> {
    let is_granted = |name: &str| grant.params.iter().any(|(granted, _)| granted == name);
    let is_ours = |name: &str| OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let asked = asked.into_iter().filter(|(name, _)| !is_granted(name));
    let all: Vec<(String, String)> =
        grant.params.iter().cloned().chain(asked).filter(|(name, _)| !is_ours(name)).collect();
    let is_long = |(name, value): &(String, String)| name.len() + value.len() > PARAMETER_LEN_MAX;
    if all.len() > PARAMS_MAX || all.iter().any(is_long) {
        return Err(BrowserError::Parameters);
    }
    Ok(all)
}

/// The script that dials whoever is named so.
fn dial(to: &str) -> Option<String> {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let noun = if let Some(client) = to.strip_prefix("client:") {
        format!("<Client>{}</Client>", escaped(client))
    } else if let Some(conference) = to.strip_prefix("conference:").filter(|name| !name.is_empty()) {
        format!("<Conference>{}</Conference>", escaped(conference))
    } else if to.starts_with("sip:") || to.starts_with("sips:") {
        format!("<Sip>{}</Sip>", escaped(to))
    } else if to.strip_prefix('+').unwrap_or(to).bytes().all(|byte| byte.is_ascii_digit()) && !to.is_empty() {
        format!("<Number>{to}</Number>")
    } else {
        return None;
    };
    Some(format!("<Response><Dial>{noun}</Dial></Response>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_named_is_dialled_and_nothing_else_gets_into_the_script() {
        let script = |to: &str| dial(to).unwrap();
        assert_eq!(script("client:ann"), "<Response><Dial><Client>ann</Client></Dial></Response>");
        assert_eq!(script("+15550100"), "<Response><Dial><Number>+15550100</Number></Dial></Response>");
        assert!(script("sip:a@b").contains("<Sip>sip:a@b</Sip>"));
        assert!(script("conference:a & b").contains("<Conference>a &amp; b</Conference>"));
        let hostile = script("client:</Client></Dial><Redirect>x</Redirect>&");
        assert!(!hostile.contains("<Redirect>") && hostile.contains("&lt;Redirect&gt;"));
        for nobody in ["", "ann", "+1 555", "conference:", "queue:x"] {
            assert_eq!(dial(nobody), None, "{nobody}");
        }
    }
}
