//! Say and Play: sounds that are got, decoded and played.

use std::num::NonZeroU32;
use std::sync::Arc;

use confab_media::{PlayerId, Plays, SampleRate, Sound};
use tracing::debug;

use super::super::ScriptError;
use super::super::Target;
use super::super::Use;
use super::super::code::Code;
use super::super::verbs::{Play, Playable, Repeat, Say};
use super::wait::Woken;
use super::{Flow, Runner, parameters};
use crate::sound::{Library, SayRequest, Saying, SoundError};
use crate::webhook::{self, Client, Cookies, Failure, Request};

/// The rate of what is played: as good as G.722 has it; narrower callers hear it as if it had been made for them.
pub(super) const RATE: SampleRate = SampleRate::Hz16000;

/// Who speaks where neither the script nor the account says.
const VOICE: &str = "man";

impl Runner {
    pub(super) async fn say(&mut self, say: &Say) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        match self.unless_interrupted(async |runner| runner.spoken(say).await).await {
            Ok(sound) => self.play_to_the_end(sound, say.repeat).await,
            Err(flow) => flow,
        }
    }

    pub(super) async fn play(&mut self, play: &Play) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        match &play.what {
            Playable::Sound(target) => {
                match self.unless_interrupted(async |runner| runner.sound(target).await).await {
                    Ok(Some(sound)) => self.play_to_the_end(sound, play.repeat).await,
                    Ok(None) => Flow::Next,
                    Err(flow) => flow,
                }
            }
            Playable::Keys(keys) => {
                if let Err(error) = self.scripts.calls.press_digits(self.call.sid, keys.clone()).await {
                    self.note(13_430, &format!("The keys were not sent: {error}."));
                }
                self.pause(keys.duration()).await
            }
        }
    }

    pub(super) async fn play_to_the_end(&mut self, sound: Sound, repeat: Repeat) -> Flow {
        let Some(player) = self.begin_playing(sound, repeat).await else {
            return Flow::Over;
        };
        loop {
            match self.wait(Some(player), None).await {
                Woken::Played => return Flow::Next,
                Woken::Gone(flow) => {
                    self.stop_playing().await;
                    return flow;
                }
                Woken::Time | Woken::Key(_) | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    /// None if the call is over.
    pub(super) async fn begin_playing(&mut self, sound: Sound, repeat: Repeat) -> Option<PlayerId> {
        let (calls, sid) = (&self.scripts.calls, self.call.sid);
        let playing = if self.purpose == Use::Queue && repeat == Repeat::Forever {
            calls.play_music(sid, sound).await
        } else {
            calls.play(sid, sound, plays(repeat)).await
        };
        match playing {
            Ok(player) => Some(player),
            Err(error) => {
                debug!(call = %self.call.sid, %error, "not played");
                None
            }
        }
    }

    pub(super) async fn stop_playing(&mut self) {
        if let Err(error) = self.scripts.calls.stop_playing(self.call.sid).await {
            // It ended by itself, or the call did.
            debug!(call = %self.call.sid, %error, "nothing to stop");
        }
    }

    /// A text as sound.
    pub(super) async fn spoken(&mut self, say: &Say) -> Sound {
        let (sound, problem) = spoken(&self.scripts.saying, say).await;
        if let Some(problem) = problem {
            self.warn(problem.code, &problem.message);
        }
        sound
    }

    /// The sound behind a URL; none, which is noted, if there is none that can be played.
    pub(super) async fn sound(&mut self, target: &Target) -> Option<Sound> {
        let url = self.resolve(target)?;
        let request = Request::get(url.as_str(), self.call.account.to_string(), Vec::new());
        let request = request.about(self.call.sid.to_string());
        let mut cookies: Cookies = self.cookies.clone();
        match fetched((&self.web(), &self.scripts.library), &request, &mut cookies).await {
            Ok(sound) => {
                self.cookies = cookies;
                Some(sound)
            }
            Err(problem) => {
                self.suffer(&problem);
                None
            }
        }
    }
}

/// Why there is no sound.
pub(super) struct Problem {
    pub(super) code: Code,
    pub(super) message: String,
    /// Whether whoever wrote the script has been told: the client tells of requests that failed.
    pub(super) is_told: bool,
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), is_told: false }
    }

    /// One that no author of an application needs to be told of.
    pub(super) fn known(message: &str) -> Self {
        Self { code: 0, message: message.to_owned(), is_told: true }
    }
}

impl From<SoundError> for Problem {
    fn from(error: SoundError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<ScriptError> for Problem {
    fn from(error: ScriptError) -> Self {
        Self::new(error.code, error.message)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code(), message: failure.to_string(), is_told: true }
    }
}

/// A text as sound, and what is wrong with it.
pub(super) async fn spoken(saying: &Arc<Saying>, say: &Say) -> (Sound, Option<Problem>) {
    let request = SayRequest {
        voice: say.voice.clone().unwrap_or_else(|| VOICE.to_owned()),
        language: say.language.clone(),
        text: say.text.clone(),
    };
    let saying = Arc::clone(saying);
    match tokio::task::spawn_blocking(move || saying.say(&request, RATE)).await {
        Ok(said) => {
            let problem =
                said.warning.as_ref().map(|problem| Problem::new(problem.code, problem.message.clone()));
            (Sound::new(said.sound.rate, said.sound.samples.as_slice()), problem)
        }
        // The task was cancelled: the node stops.
        Err(_) => (Sound::new(RATE, Vec::new()), None),
    }
}

/// The sound that a request brings.
pub(super) async fn fetched(
    (web, library): (&Client, &Library),
    request: &Request,
    cookies: &mut Cookies,
) -> Result<Sound, Problem> {
    read(library, web.fetch_sound(request, cookies).await?).await
}

/// A sound that is coming.
pub(super) async fn read(library: &Library, mut coming: webhook::Sound) -> Result<Sound, Problem> {
    let kind = coming.content_type().map(str::to_owned);
    let mut file = library.incoming(coming.length())?;
    while let Some(chunk) = coming.chunk().await? {
        file.push(&chunk)?;
    }
    Ok(library.sound(file, kind).await?)
}

/// As the engine has it.
pub(super) const fn plays(repeat: Repeat) -> Plays {
    match repeat {
        Repeat::Times(times) => Plays::Times(times),
        Repeat::Forever => Plays::Forever,
    }
}

/// Once.
pub(super) const ONCE: Repeat = Repeat::Times(NonZeroU32::MIN);

/// What an application is told after a verb, beside the facts of the call.
pub(super) fn told(name: &str, value: impl ToString) -> (String, String) {
    parameters::named(name, value)
}
