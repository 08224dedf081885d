//! How a script gets its next document: from the web, or as it was given.

use bytes::Bytes;
use url::Url;

use super::super::error::ScriptError;
use super::super::verbs::{Play, Playable, Repeat, Say};
use super::super::{Callback, Document, Target, Use, Verb};
use super::{Runner, Source, parameters};
use crate::call::{CallDirection, HttpMethod, Voice, VoiceSource, VoiceUrl};
use crate::webhook::{Content, Fallback, Method, Payload, Request, Script};

/// A document to be had, and what whoever has it is told.
pub(super) struct Errand {
    pub(super) source: VoiceSource,
    pub(super) fallback: Option<VoiceUrl>,
    /// Beside the facts of the call.
    pub(super) parameters: Vec<(String, String)>,
}

impl Errand {
    pub(super) fn begin(voice: Voice) -> Self {
        Self { source: voice.source, fallback: voice.fallback, parameters: voice.parameters }
    }
}

impl Runner {
    /// The next document; none if it cannot be had, which ends the call.
    pub(super) async fn fetch(&mut self, errand: Errand) -> Option<Document> {
        match errand.source {
            VoiceSource::Inline(text) => {
                let document = Document::parse_inline(&text);
                self.document = Source::Inline(text);
                document.map_err(|error| self.note(error.code, &error.message)).ok()
            }
            VoiceSource::Url(url) => self.fetch_from(url, errand.fallback, errand.parameters).await,
        }
    }

    async fn fetch_from(
        &mut self,
        url: VoiceUrl,
        fallback: Option<VoiceUrl>,
        more: Vec<(String, String)>,
    ) -> Option<Document> {
        let mut told = parameters::of(&self.call);
        if self.call.direction == CallDirection::Inbound {
            told.push(parameters::named("CallToken", self.scripts.call_tokens.of(&self.call)));
        }
        told.extend(more);
        let request = Request {
            url: url.url.clone(),
            method: method(url.method),
            payload: Payload::Form(told),
            ..Request::post(String::new(), self.call.account.to_string(), Vec::new())
        };
        let request = request.about(self.call.sid.to_string());
        let code = match self.web().fetch_script(&request, &mut self.cookies).await {
            Ok(script) => match self.read(&url, script) {
                Ok(document) => return Some(document),
                Err(code) => code,
            },
            Err(failure) => {
                self.failed(&failure);
                failure.code()
            }
        };
        let second = fallback?;
        let fallback = Fallback { method: method(second.method), url: second.url.clone() };
        match self.web().fetch_fallback(&request, &fallback, code, &mut self.cookies).await {
            Ok(script) => self.read(&second, script).ok(),
            Err(failure) => {
                self.failed(&failure);
                None
            }
        }
    }

    /// Reads what came; the code of what is wrong with it.
    fn read(&mut self, asked: &VoiceUrl, script: Script) -> Result<Document, u32> {
        let base = Url::parse(&script.url).or_else(|_| Url::parse(&asked.url)).map_err(|_| 11_100_u32)?;
        self.document = Source::Web { url: asked.clone(), base };
        document(script.content, self.purpose).map_err(|error| {
            self.note(error.code, &error.message);
            error.code
        })
    }

    pub(super) fn web(&self) -> crate::webhook::Client {
        self.scripts.web.clone()
    }

    /// Where a callback leads from this document, if anywhere.
    pub(super) fn resolve(&self, target: &Target) -> Option<Url> {
        let base = match &self.document {
            Source::Web { base, .. } => Some(base),
            Source::Inline(_) => None,
        };
        target.resolve(base).map_err(|error| self.note(error.code, &error.message)).ok()
    }

    /// What comes after a verb that may have an action: that, or the next verb.
    pub(super) fn after(&self, action: Option<&Callback>, more: Vec<(String, String)>) -> super::Flow {
        action.map_or(super::Flow::Next, |action| self.go_to(action, more))
    }
}

/// What came, as a document.
pub(super) fn document(content: Content, purpose: Use) -> Result<Document, ScriptError> {
    match content {
        Content::Empty => Ok(Document { verbs: Vec::new(), warnings: Vec::new() }),
        Content::Markup(body) => Document::parse_for(&text(&body), purpose),
        Content::Text(body) => {
            Ok(Document::parse_for(&text(&body), purpose).unwrap_or_else(|_| spoken(&text(&body))))
        }
        Content::Sound(sound) => Ok(played(sound.url())),
    }
}

/// XML says its encoding itself; all that is in use is UTF-8.
fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

/// Plain words are spoken.
fn spoken(words: &str) -> Document {
    let say = Say {
        text: words.split_whitespace().collect::<Vec<_>>().join(" "),
        voice: None,
        language: "en-US".to_owned(),
        repeat: Repeat::ONCE,
    };
    Document {
        verbs: if say.text.is_empty() { Vec::new() } else { vec![Verb::Say(say)] },
        warnings: Vec::new(),
    }
}

/// A sound in place of a document is played.
fn played(url: &str) -> Document {
    let play = Play { what: Playable::Sound(Target::new(url)), repeat: Repeat::ONCE };
    Document { verbs: vec![Verb::Play(play)], warnings: Vec::new() }
}

pub(super) const fn method(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    }
}
