//! Sounds of conferences: what is heard while one waits or is on hold, and announcements. Each is behind a URL: a sound
//! file, or a document of Play, Say, Pause and Redirect, which is gone through once.
//!
//! The model asks for them and plays them piece by piece; a piece that it takes no more ends the task. A sound file in
//! place of a document goes round while somebody waits; on hold and as an announcement it is played once. A document that
//! wants to go round ends with a Redirect to itself.

use std::sync::Arc;
use std::time::Duration;

use confab_media::{Plays, Sound};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::info;
use url::{Position, Url};

use super::super::code::{BAD_URL, Code, NOT_FOR_LISTENING, SCHEMA};
use super::super::debugger::Severity;
use super::super::verbs::{Playable, Redirect};
use super::super::{Use, Verb};
use super::announce::{Problem, RATE, fetched, plays, read, spoken};
use super::{Scripts, fetch, method, parameters};
use crate::call::{CallError, SoundOrder, SoundPurpose, VoiceUrl};
use crate::webhook::{Content, Cookies, Payload, Request, Script};

/// Documents in a row of which nothing is heard: then they lead in a circle.
const SILENT_DOCUMENTS_MAX: u32 = 10;

/// Orders under way at a time. Each seat has two at most, of what it hears and what it is told, and one that it has no use
/// for any more goes on until its fetch is over: 16 kB each make 128 MB. One more has failed at once.
const UNDER_WAY_MAX: usize = 8_192;

/// Carries out the model's orders until it is gone.
pub async fn serve_sounds(scripts: Arc<Scripts>, mut orders: mpsc::Receiver<SoundOrder>) {
    let tasks = TaskTracker::new();
    while let Some(order) = orders.recv().await {
        if tasks.len() >= UNDER_WAY_MAX {
            let why = "More sounds are played than this node takes on.".to_owned();
            scripts.calls.sound_over(order.id, Some(why)).await;
            continue;
        }
        let scripts = Arc::clone(&scripts);
        tasks.spawn(Playing { scripts, order, cookies: Cookies::default(), heard_at: None }.run());
    }
}

/// One order under way.
struct Playing {
    scripts: Arc<Scripts>,
    order: SoundOrder,
    cookies: Cookies,
    /// Where the document under way is, without its query.
    heard_at: Option<String>,
}

/// Why it goes on no further.
enum Stop {
    /// The model has no use for it any more.
    Unwanted,
    /// It cannot be had.
    Failed(Problem),
}

impl<P: Into<Problem>> From<P> for Stop {
    fn from(problem: P) -> Self {
        Self::Failed(problem.into())
    }
}

/// How a document went.
enum Gone {
    /// To its end.
    Over,
    /// To another.
    Elsewhere(VoiceUrl),
}

impl Playing {
    async fn run(mut self) {
        let (calls, id) = (self.scripts.calls.clone(), self.order.id);
        match self.perform().await {
            Ok(()) => calls.sound_over(id, None).await,
            Err(Stop::Failed(problem)) => {
                self.suffer(&problem);
                calls.sound_over(id, Some(problem.message)).await;
            }
            Err(Stop::Unwanted) => {}
        }
    }

    async fn perform(&mut self) -> Result<(), Stop> {
        let mut at = self.order.url.clone();
        let mut silent = 0;
        while silent < SILENT_DOCUMENTS_MAX {
            let (gone, heard) = self.document(&at).await?;
            silent = if heard { 0 } else { silent + 1 };
            match gone {
                Gone::Over => return Ok(()),
                Gone::Elsewhere(url) => at = url,
            }
        }
        Err(Problem::new(SCHEMA, "The documents lead in a circle and play nothing.").into())
    }

    /// Goes through what is behind a URL: where that leads, and whether anything was heard.
    async fn document(&mut self, at: &VoiceUrl) -> Result<(Gone, bool), Stop> {
        let request = Request {
            url: at.url.clone(),
            method: fetch::method(at.method),
            payload: Payload::Form(self.told()),
            ..Request::post(String::new(), self.order.conference.account.to_string(), Vec::new())
        };
        let request = request.about(self.subject());
        let script = self.scripts.web.fetch_script(&request, &mut self.cookies).await;
        let Script { url, content } = script?;
        let base = Url::parse(&url).map_err(|error| Problem::new(BAD_URL, error.to_string()))?;
        self.heard_at = Some(base[..Position::AfterPath].to_owned());
        let content = match content {
            Content::Sound(coming) => {
                let sound = read(&self.scripts.library, *coming).await?;
                let goes_round = self.order.purpose == SoundPurpose::Wait;
                let plays = if goes_round { Plays::Forever } else { Plays::ONCE };
                return Ok((Gone::Over, self.play(sound, plays).await?));
            }
            other @ (Content::Markup(_) | Content::Text(_) | Content::Empty) => other,
        };
        let document = fetch::document(content, Use::Listening)?;
        for warning in &document.warnings {
            self.tell(Severity::Warning, warning.code, &warning.message);
        }
        let mut heard = false;
        for verb in document.verbs {
            if let Verb::Redirect(redirect) = &verb {
                return Ok((Gone::Elsewhere(led_to(redirect, at, &base)?), heard));
            }
            heard |= self.verb(verb, &base).await?;
        }
        Ok((Gone::Over, heard))
    }

    /// Whether anything was heard.
    async fn verb(&mut self, verb: Verb, base: &Url) -> Result<bool, Stop> {
        let (sound, plays) = match verb {
            Verb::Say(say) => (spoken(&self.scripts.saying, &say).await.0, plays(say.repeat)),
            Verb::Pause(pause) => silence(pause.length),
            Verb::Play(play) => match &play.what {
                Playable::Sound(target) => {
                    (self.sound(&target.resolve(Some(base))?).await?, plays(play.repeat))
                }
                Playable::Keys(_) => {
                    let message = "Keys are not pressed into a conference.";
                    self.tell(Severity::Warning, NOT_FOR_LISTENING, message);
                    return Ok(false);
                }
            },
            Verb::Impossible(error) => return Err(error.into()),
            // The reader leaves these out of what is only listened to.
            Verb::Redirect(_)
            | Verb::Reject(_)
            | Verb::Hangup
            | Verb::Dial(_)
            | Verb::Gather(_)
            | Verb::Record(_)
            | Verb::Pay(_)
            | Verb::Enqueue(_)
            | Verb::Leave
            | Verb::Refer(_)
            | Verb::Start(_)
            | Verb::Stop(_)
            | Verb::Connect(_) => return Ok(false),
        };
        self.play(sound, plays).await
    }

    async fn play(&self, sound: Sound, plays: Plays) -> Result<bool, Stop> {
        if sound.samples().is_empty() {
            return Ok(false);
        }
        match self.scripts.calls.play_sound(self.order.id, sound, plays).await {
            Ok(_) => Ok(true),
            // That is nothing that whoever wrote the document could mend.
            Err(CallError::Overloaded) => Err(Stop::Failed(Problem::known("The node is overloaded."))),
            Err(_) => Err(Stop::Unwanted),
        }
    }

    async fn sound(&mut self, url: &Url) -> Result<Sound, Stop> {
        let request = Request::get(url.as_str(), self.order.conference.account.to_string(), Vec::new());
        let request = request.about(self.subject());
        let Scripts { web, library, .. } = &*self.scripts;
        Ok(fetched((web, library), &request, &mut self.cookies).await?)
    }

    /// What requests are about: the call that is to hear it, or the conference.
    fn subject(&self) -> String {
        let SoundOrder { call, conference, .. } = &self.order;
        call.as_ref().map_or_else(|| conference.sid.to_string(), |call| call.sid.to_string())
    }

    /// What could not be had. Of requests that failed the client tells, which knows more of them.
    fn suffer(&self, problem: &Problem) {
        if problem.is_told {
            let Problem { code, message, .. } = problem;
            info!(conference = %self.order.conference.sid, code, message, "sound of a conference");
        } else {
            self.tell(Severity::Error, problem.code, &problem.message);
        }
    }

    fn tell(&self, severity: Severity, code: Code, message: &str) {
        let SoundOrder { call, conference, .. } = &self.order;
        info!(conference = %conference.sid, code, message, "sound of a conference");
        let whose = (conference.account, call.as_ref().map(|call| call.sid));
        self.scripts.debugger.note(whose, severity, code, message, self.heard_at.clone());
    }

    fn told(&self) -> Vec<(String, String)> {
        let mut told = match &self.order.call {
            Some(call) => parameters::of(call),
            None => vec![parameters::named("AccountSid", self.order.conference.account)],
        };
        told.push(parameters::named("ConferenceSid", self.order.conference.sid));
        told.push(parameters::named("FriendlyName", &self.order.conference.friendly_name));
        told
    }
}

/// Where a Redirect in the document at `at` leads: to the document itself, if it does not say.
fn led_to(Redirect { to }: &Redirect, at: &VoiceUrl, base: &Url) -> Result<VoiceUrl, Stop> {
    let url = if to.target.is_empty() { at.url.clone() } else { to.target.resolve(Some(base))?.into() };
    Ok(VoiceUrl { url, method: method(to.method) })
}

/// A pause as a sound of so many tenths of a second, so that it ends as sounds do.
fn silence(length: Duration) -> (Sound, Plays) {
    let tenths = u32::try_from(length.as_millis() / 100).unwrap_or(u32::MAX);
    match std::num::NonZeroU32::new(tenths) {
        Some(tenths) => (Sound::new(RATE, vec![0; RATE.hertz() as usize / 10]), Plays::Times(tenths)),
        None => (Sound::new(RATE, Vec::new()), Plays::ONCE),
    }
}
