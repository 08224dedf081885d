//! The messages, `{"type", "payload", "version"}`, and what becomes of those that are none. What is not of use here (who makes the
//! browser, for one) is not read.

use axum::extract::ws::Utf8Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fault::Fault;
use crate::config::Secret;

/// The longest message, in bytes. A session description with a page of candidates has 8,000.
pub(super) const MESSAGE_LEN_MAX: usize = 64 * 1_024;

/// The version of the messages that the SDK speaks.
const VERSION: &str = "1.6";

/// What a browser says.
#[derive(Debug)]
pub enum Said {
    /// Who it is.
    Listen(Listen),
    /// That it wants to be called, or not.
    Register(Register),
    /// A call of its own, or that it comes back to one.
    Invite(Invite),
    /// It answers a call.
    Answer(Described),
    /// It begins ICE anew.
    Reinvite(Described),
    /// It ends a call.
    Hangup(Named),
    /// It refuses a call.
    Reject(Named),
    /// It presses keys.
    Dtmf(Dtmf),
    /// It says something to the call's application.
    Message(Spoken),
    /// Something that is not known here.
    Unknown,
}

/// Who is there.
#[derive(Debug, Deserialize)]
pub struct Listen {
    /// What lets them in.
    pub(super) token: Secret,
    /// How long its calls wait for it when it is lost, in seconds.
    #[serde(default, rename = "reconnectTimeout")]
    pub(super) reconnect_timeout: f64,
}

/// Whether it is to be called.
#[derive(Debug, Deserialize)]
pub struct Register {
    pub(super) media: Registration,
}

/// With what.
#[derive(Debug, Deserialize)]
pub(super) struct Registration {
    pub(super) audio: bool,
}

/// A call that begins, or goes on.
#[derive(Debug, Deserialize)]
pub struct Invite {
    pub(super) callsid: String,
    pub(super) sdp: String,
    pub(super) reconnect: Option<Secret>,
    #[serde(default)]
    pub(super) twilio: Parameters,
}

/// What a call's application is told besides.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Parameters {
    /// As in a form.
    #[serde(default)]
    pub(super) params: String,
}

/// A call, and how it is to sound.
#[derive(Debug, Deserialize)]
pub struct Described {
    pub(super) callsid: String,
    pub(super) sdp: String,
}

/// A call.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub(super) callsid: String,
}

/// Keys. They may be a card number.
#[derive(Debug, Deserialize)]
pub struct Dtmf {
    pub(super) callsid: String,
    pub(super) dtmf: Secret,
}

/// What the page has to say to the application.
#[derive(Debug, Deserialize)]
pub struct Spoken {
    pub(super) callsid: String,
    #[serde(default)]
    pub(super) content: Value,
    #[serde(default)]
    pub(super) contenttype: String,
    #[serde(default)]
    pub(super) messagetype: String,
    #[serde(default)]
    pub(super) voiceeventsid: String,
}

#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    #[serde(default)]
    payload: Value,
}

/// Reads a message.
///
/// # Errors
/// Why it cannot be read; nothing of what is in it.
pub fn parse_message(text: &str) -> Result<Said, &'static str> {
    let Envelope { r#type, payload } =
        serde_json::from_str(text).map_err(|_| "it is no JSON object with `type` and `payload`")?;
    Ok(match r#type.as_str() {
        "listen" => Said::Listen(read(payload, "`listen` needs `token`")?),
        "register" => Said::Register(read(payload, "`register` needs `media.audio`")?),
        "invite" => Said::Invite(read(payload, "`invite` needs `callsid` and `sdp`")?),
        "answer" => Said::Answer(read(payload, "`answer` needs `callsid` and `sdp`")?),
        "reinvite" => Said::Reinvite(read(payload, "`reinvite` needs `callsid` and `sdp`")?),
        "hangup" => Said::Hangup(read(payload, "`hangup` needs `callsid`")?),
        "reject" => Said::Reject(read(payload, "`reject` needs `callsid`")?),
        "dtmf" => Said::Dtmf(read(payload, "`dtmf` needs `callsid` and `dtmf`")?),
        "message" => Said::Message(read(payload, "`message` needs `callsid`")?),
        _ => Said::Unknown,
    })
}

fn read<T: DeserializeOwned>(payload: Value, needs: &'static str) -> Result<T, &'static str> {
    serde_json::from_value(payload).map_err(|_| needs)
}

/// What a browser is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "lowercase")]
pub(super) enum Told<'a> {
    /// It is let in.
    Connected { edge: &'a str, region: &'a str, home: &'a str, gateway: &'a str, token: TokenSays<'a> },
    /// It can be called.
    Ready {},
    /// It cannot be called any more.
    Offline {},
    /// It is not to come again with what it has.
    Close {},
    /// Somebody calls.
    Invite { callsid: &'a str, sdp: &'a str, parameters: CallParameters<'a> },
    /// Its call rings.
    Ringing { callsid: &'a str },
    /// Its call is answered; or how a call goes on.
    Answer {
        callsid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sdp: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reconnect: Option<&'a str>,
    },
    /// A call is over.
    Hangup {
        callsid: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Fault>,
    },
    /// Its application says something.
    Message {
        callsid: &'a str,
        content: &'a Value,
        contenttype: &'a str,
        messagetype: &'a str,
        voiceeventsid: &'a str,
    },
    /// What it said was taken.
    Ack { acktype: &'a str, callsid: &'a str, voiceeventsid: &'a str },
    /// A call rings no more.
    Cancel { callsid: &'a str },
    /// Something cannot be done.
    Error {
        error: Fault,
        #[serde(skip_serializing_if = "Option::is_none")]
        callsid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        voiceeventsid: Option<&'a str>,
    },
}

/// What is told of a token.
#[derive(Debug, Serialize)]
pub(super) struct TokenSays<'a> {
    pub(super) identity: &'a str,
    /// Seconds that it is valid for.
    pub(super) ttl: i64,
}

/// What is told of a call that comes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CallParameters<'a> {
    pub(super) call_sid: &'a str,
    pub(super) account_sid: &'a str,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// What its application says besides, as in a form.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) params: &'a str,
}

impl<'a> Told<'a> {
    /// An error that is about no call.
    pub(super) fn fault(error: Fault) -> Self {
        Self::Error { error, callsid: None, voiceeventsid: None }
    }

    /// A call that is over, or never was.
    pub(super) fn over(callsid: &'a str, error: Option<Fault>) -> Self {
        Self::Hangup { callsid, error }
    }

    pub(super) fn to_json(&self) -> Utf8Bytes {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            told: &'a Told<'a>,
            version: &'a str,
        }
        let whole = Whole { told: self, version: VERSION };
        serde_json::to_string(&whole).expect("texts and numbers alone").into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_sdk_says_is_read() {
        let listen = r#"{"type":"listen","version":"1.6","payload":{"token":"t","reconnectTimeout":30,
            "browserinfo":{"browser":{"platform":"x","userAgent":"y"},"p":"browser","plugin":"rtc","v":"2.18.5"}}}"#;
        let Ok(Said::Listen(listen)) = parse_message(listen) else { panic!("listen") };
        assert_eq!((listen.token.expose(), listen.reconnect_timeout), ("t", 30.0));
        let invite =
            r#"{"type":"invite","payload":{"callsid":"TJS1","sdp":"v=0","twilio":{"params":"To=a%20b"}}}"#;
        let Ok(Said::Invite(invite)) = parse_message(invite) else { panic!("invite") };
        assert_eq!((&*invite.twilio.params, invite.reconnect.is_none()), ("To=a%20b", true));
        let resume =
            r#"{"type":"invite","payload":{"callsid":"CA1","sdp":"v=0","reconnect":"r","twilio":{}}}"#;
        assert!(matches!(parse_message(resume), Ok(Said::Invite(invite)) if invite.reconnect.is_some()));
        let register = r#"{"type":"register","payload":{"media":{"audio":true}}}"#;
        assert!(matches!(parse_message(register), Ok(Said::Register(Register { media })) if media.audio));
        assert!(matches!(parse_message(r#"{"type":"presence"}"#), Ok(Said::Unknown)));
        for wrong in [
            "",
            "1",
            "[]",
            "{}",
            "\"listen\"",
            r#"{"type":1}"#,
            r#"{"type":"hangup"}"#,
            r#"{"type":"listen","payload":{"token":7}}"#,
            r#"{"type":"answer","payload":{"callsid":"CA"}}"#,
        ] {
            assert!(parse_message(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_never_shown() {
        for text in [
            r#"{"type":"dtmf","payload":{"callsid":"CA","dtmf":"4111"}}"#,
            r#"{"type":"listen","payload":{"token":"4111"}}"#,
        ] {
            assert!(!format!("{:?}", parse_message(text)).contains("4111"));
        }
    }

    #[test]
    fn what_is_told_has_the_form_that_the_sdk_reads() {
        let json = |told: &Told<'_>| -> Value { serde_json::from_str(&told.to_json()).expect("JSON") };
        assert_eq!(
            json(&Told::Ready {}),
            serde_json::json!({"type": "ready", "payload": {}, "version": "1.6"})
        );
        let answer = json(&Told::Answer { callsid: "CA1", sdp: None, reconnect: Some("r") });
        assert_eq!(answer["payload"], serde_json::json!({"callsid": "CA1", "reconnect": "r"}));
        let fault = json(&Told::fault(Fault::expired()));
        assert_eq!(fault["payload"]["error"]["code"], 31_205);
        let parameters =
            CallParameters { call_sid: "CA1", account_sid: "AC1", from: "a", to: "client:b", params: "" };
        let invite = json(&Told::Invite { callsid: "CA1", sdp: "v=0", parameters });
        let expected =
            serde_json::json!({"CallSid": "CA1", "AccountSid": "AC1", "From": "a", "To": "client:b"});
        assert_eq!(invite["payload"]["parameters"], expected);
    }

    proptest! {
        #[test]
        fn nothing_that_comes_can_break_it(text in ".{0,400}") {
            let _ = parse_message(&text);
        }

        #[test]
        fn no_payload_can_break_it(kind in "(listen|register|invite|answer|dtmf|message)", value in ".{0,40}") {
            let text = serde_json::json!({"type": kind, "payload": {"callsid": value, "sdp": value, "token": [value]}});
            let _ = parse_message(&text.to_string());
        }
    }
}
