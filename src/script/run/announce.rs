//! Say and Play: sounds that are got, decoded and played.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use confab_media::{DIGIT_DURATION, DIGIT_PAUSE, PlayerId, Plays, SampleRate, Sound};
use tracing::debug;
use zeroize::Zeroizing;

use super::super::verbs::{Play, Playable, Repeat, Say};
use super::super::{KeySequence, KeyStep, Target};
use super::wait::Woken;
use super::{Flow, Runner, parameters};
use crate::call::DigitString;
use crate::sound::{self, Limits, SayRequest};
use crate::webhook::{Cookies, Request};

/// The rate of what is played: as good as G.722 has it; narrower callers hear it as if it had been made for them.
const RATE: SampleRate = SampleRate::Hz16000;

/// Who speaks where neither the script nor the account says.
const VOICE: &str = "man";

impl Runner {
    pub(super) async fn say(&mut self, say: &Say) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let sound = self.spoken(say).await;
        self.play_to_the_end(sound, say.repeat).await
    }

    pub(super) async fn play(&mut self, play: &Play) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        match &play.what {
            Playable::Sound(target) => match self.sound(target).await {
                Some(sound) => self.play_to_the_end(sound, play.repeat).await,
                None => Flow::Next,
            },
            Playable::Keys(sequence) => {
                let Some(keys) = keys(sequence) else {
                    self.note(13_430, "The keys were not sent: more than 32, waits counted by halves.");
                    return Flow::Next;
                };
                if let Err(error) = self.scripts.calls.press_digits(self.call.sid, keys).await {
                    self.note(13_430, &format!("The keys were not sent: {error}."));
                }
                self.pause(lasts(sequence)).await
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
                Woken::Time | Woken::Key(_) | Woken::Left | Woken::Recorded(_) | Woken::Dialled(_) => {}
            }
        }
    }

    /// None if the call is over.
    pub(super) async fn begin_playing(&mut self, sound: Sound, repeat: Repeat) -> Option<PlayerId> {
        let plays = match repeat {
            Repeat::Times(times) => Plays::Times(times),
            Repeat::Forever => Plays::Forever,
        };
        match self.scripts.calls.play(self.call.sid, sound, plays).await {
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
        let request = SayRequest {
            voice: say.voice.clone().unwrap_or_else(|| VOICE.to_owned()),
            language: say.language.clone(),
            text: say.text.clone(),
        };
        let saying = Arc::clone(&self.scripts.saying);
        let said = tokio::task::spawn_blocking(move || saying.say(&request, RATE)).await;
        match said {
            Ok(said) => {
                if let Some(problem) = &said.warning {
                    self.note(problem.code, &problem.message);
                }
                Sound::new(said.sound.rate, said.sound.samples.as_slice())
            }
            // The task was cancelled: the node stops.
            Err(_) => Sound::new(RATE, Vec::new()),
        }
    }

    /// The sound behind a URL; none, which is noted, if there is none that can be played.
    pub(super) async fn sound(&mut self, target: &Target) -> Option<Sound> {
        let url = self.resolve(target)?;
        let request = Request::get(url.as_str(), self.call.account.to_string(), Vec::new());
        let request = request.about(self.call.sid.to_string());
        let mut cookies: Cookies = self.cookies.clone();
        let mut coming = match self.web().fetch_sound(&request, &mut cookies).await {
            Ok(coming) => coming,
            Err(failure) => {
                self.note(failure.code(), &failure.to_string());
                return None;
            }
        };
        self.cookies = cookies;
        let kind = coming.content_type().map(str::to_owned);
        let limits = Limits::default();
        let mut bytes = Vec::new();
        loop {
            match coming.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() <= limits.bytes => {
                    bytes.extend_from_slice(&chunk)
                }
                Ok(Some(_)) => {
                    self.note(13_420, "The sound is larger than is read.");
                    return None;
                }
                Ok(None) => break,
                Err(failure) => {
                    self.note(failure.code(), &failure.to_string());
                    return None;
                }
            }
        }
        let read =
            tokio::task::spawn_blocking(move || sound::read(&bytes, kind.as_deref(), RATE, &limits)).await;
        match read.ok()? {
            Ok(sound) => Some(Sound::new(sound.rate, sound.samples)),
            Err(error) => {
                self.note(error.code, &error.message);
                None
            }
        }
    }
}

/// Keys in the model's words; none of a sequence that is longer than may wait.
pub(super) fn keys(sequence: &KeySequence) -> Option<DigitString> {
    let mut text = Zeroizing::new(String::new());
    for step in sequence.steps() {
        match step {
            KeyStep::Key(digit) => text.push(digit.expose()),
            KeyStep::Pause(pause) if *pause < Duration::from_secs(1) => text.push('w'),
            KeyStep::Pause(_) => text.push('W'),
        }
    }
    DigitString::parse(&text).ok()
}

/// How long a sequence takes to be pressed.
fn lasts(sequence: &KeySequence) -> Duration {
    let step = |step: &KeyStep| match step {
        KeyStep::Key(_) => DIGIT_DURATION + DIGIT_PAUSE,
        KeyStep::Pause(pause) => *pause,
    };
    sequence.steps().iter().map(step).sum()
}

/// Once.
pub(super) const ONCE: Repeat = Repeat::Times(NonZeroU32::MIN);

/// What an application is told after a verb, beside the facts of the call.
pub(super) fn told(name: &str, value: impl ToString) -> (String, String) {
    parameters::named(name, value)
}
