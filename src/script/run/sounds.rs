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
use url::Url;

use super::super::code::{Code, NOT_FOR_LISTENING};
use super::super::verbs::{Playable, Redirect};
use super::super::{Use, Verb};
use super::announce::{Problem, RATE, fetched, plays, spoken};
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
        tasks.spawn(Playing { scripts: Arc::clone(&scripts), order, cookies: Cookies::default() }.run());
    }
}

/// One order under way.
struct Playing {
    scripts: Arc<Scripts>,
    order: SoundOrder,
    cookies: Cookies,
}

/// Why it goes on no further.
enum Stop {
    /// The model has no use for it any more.
    Unwanted,
    /// It cannot be had.
    Failed(String),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem.message)
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
            Err(Stop::Failed(why)) => {
                info!(conference = %self.order.conference.sid, why, "sound of a conference");
                calls.sound_over(id, Some(why)).await;
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
        Err(Stop::Failed("The documents lead in a circle and play nothing.".to_owned()))
    }

    /// Goes through what is behind a URL: where that leads, and whether anything was heard.
    async fn document(&mut self, at: &VoiceUrl) -> Result<(Gone, bool), Stop> {
        let request = Request {
            url: at.url.clone(),
            method: fetch::method(at.method),
            payload: Payload::Form(self.told()),
            ..Request::post(String::new(), self.order.conference.account.to_string(), Vec::new())
        };
        let request = request.about(self.order.conference.sid.to_string());
        let script = self.scripts.web.fetch_script(&request, &mut self.cookies).await;
        let Script { url, content } = script.map_err(|failure| Stop::Failed(failure.to_string()))?;
        let base = Url::parse(&url).map_err(|error| Stop::Failed(error.to_string()))?;
        let is_bare_sound = matches!(content, Content::Sound(_));
        let document =
            fetch::document(content, Use::Listening).map_err(|error| Stop::Failed(error.message))?;
        for warning in &document.warnings {
            self.note(warning.code, &warning.message);
        }
        let mut heard = false;
        for verb in document.verbs {
            if let Verb::Redirect(redirect) = &verb {
                return Ok((Gone::Elsewhere(led_to(redirect, at, &base)?), heard));
            }
            heard |= self.verb(verb, &base, is_bare_sound).await?;
        }
        Ok((Gone::Over, heard))
    }

    /// Whether anything was heard.
    async fn verb(&mut self, verb: Verb, base: &Url, is_bare_sound: bool) -> Result<bool, Stop> {
        let (sound, plays) = match verb {
            Verb::Say(say) => (spoken(&self.scripts.saying, &say).await.0, plays(say.repeat)),
            Verb::Pause(pause) => silence(pause.length),
            Verb::Play(play) => match &play.what {
                Playable::Sound(target) => {
                    let url = target.resolve(Some(base)).map_err(|error| Stop::Failed(error.message))?;
                    let goes_round = is_bare_sound && self.order.purpose == SoundPurpose::Wait;
                    (self.sound(&url).await?, if goes_round { Plays::Forever } else { plays(play.repeat) })
                }
                Playable::Keys(_) => {
                    self.note(NOT_FOR_LISTENING, "Keys are not pressed into a conference.");
                    return Ok(false);
                }
            },
            Verb::Impossible(error) => return Err(Stop::Failed(error.message)),
            // The reader leaves these out of what is only listened to.
            Verb::Redirect(_)
            | Verb::Reject(_)
            | Verb::Hangup
            | Verb::Dial(_)
            | Verb::Gather(_)
            | Verb::Record(_)
            | Verb::Enqueue(_)
            | Verb::Leave
            | Verb::Refer(_)
            | Verb::Start(_)
            | Verb::Stop(_)
            | Verb::Connect(_) => return Ok(false),
        };
        if sound.samples().is_empty() {
            return Ok(false);
        }
        match self.scripts.calls.play_sound(self.order.id, sound, plays).await {
            Ok(_) => Ok(true),
            Err(CallError::Overloaded) => Err(Stop::Failed("The node is overloaded.".to_owned())),
            Err(_) => Err(Stop::Unwanted),
        }
    }

    async fn sound(&mut self, url: &Url) -> Result<Sound, Stop> {
        let request = Request::get(url.as_str(), self.order.conference.account.to_string(), Vec::new());
        let request = request.about(self.order.conference.sid.to_string());
        Ok(fetched(&self.scripts.web, &request, &mut self.cookies).await?)
    }

    fn note(&self, code: Code, message: &str) {
        info!(conference = %self.order.conference.sid, code, message, "sound of a conference");
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
    let url = if to.target.is_empty() {
        at.url.clone()
    } else {
        to.target.resolve(Some(base)).map_err(|error| Stop::Failed(error.message))?.into()
    };
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
