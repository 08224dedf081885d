//! Gather: prompts that a key interrupts, and keys that are collected.

use std::time::Duration;

use tokio::time::Instant;

use super::super::code::SCHEMA;
use super::super::verbs::{Gather, Playable, Prompt};
use super::super::{Gathered, Gathering};
use super::announce::{ONCE, told};
use super::wait::Woken;
use super::{Flow, Runner};
use confab_media::Digit;

/// How a prompt ended.
enum Prompted {
    /// By itself.
    Ended,
    /// By a key.
    Key(Digit),
    Gone(Flow),
}

impl Runner {
    pub(super) async fn gather(&mut self, gather: &Gather) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        if gather.speech {
            self.warn(SCHEMA, speech_is_not_heard(gather.dtmf));
        }
        let mut gathering = Gathering::new(gather);
        for prompt in &gather.prompts {
            match self.prompt(prompt, gathering.listens()).await {
                Prompted::Ended => {}
                Prompted::Key(digit) => match gathering.press(digit, now()) {
                    Some(gathered) => return self.gathered(gather, gathered),
                    None => break,
                },
                Prompted::Gone(flow) => return flow,
            }
        }
        gathering.prompts_ended(now());
        loop {
            let deadline = gathering.deadline().map(Instant::from_std);
            let outcome = match self.wait(None, deadline).await {
                Woken::Key(digit) => gathering.press(digit, now()),
                Woken::Time => gathering.time(now()),
                Woken::Gone(flow) => return flow,
                Woken::Played | Woken::Left | Woken::Other(_) => None,
            };
            if let Some(gathered) = outcome {
                return self.gathered(gather, gathered);
            }
        }
    }

    fn gathered(&self, gather: &Gather, gathered: Gathered) -> Flow {
        match gathered {
            Gathered::Digits(digits) => self.go_to(&gather.action, vec![told("Digits", digits.expose())]),
            Gathered::Empty => self.go_to(&gather.action, vec![told("Digits", "")]),
            Gathered::Continue => Flow::Next,
        }
    }

    async fn prompt(&mut self, prompt: &Prompt, listens: bool) -> Prompted {
        let (sound, repeat) = match prompt {
            Prompt::Say(say) => {
                match self.unless_interrupted(async |runner| runner.spoken(say).await).await {
                    Ok(sound) => (Some(sound), say.repeat),
                    Err(flow) => return Prompted::Gone(flow),
                }
            }
            Prompt::Play(play) => match &play.what {
                Playable::Sound(target) => {
                    match self.unless_interrupted(async |runner| runner.sound(target).await).await {
                        Ok(sound) => (sound, play.repeat),
                        Err(flow) => return Prompted::Gone(flow),
                    }
                }
                Playable::Keys(_) => (None, ONCE),
            },
            Prompt::Pause(pause) => return self.prompt_pause(pause.length, listens).await,
            Prompt::Impossible(error) => {
                self.note(error.code, &error.message);
                return Prompted::Gone(Flow::Over);
            }
        };
        let Some(sound) = sound else {
            return Prompted::Ended;
        };
        let Some(player) = self.begin_playing(sound, repeat).await else {
            return Prompted::Gone(Flow::Over);
        };
        loop {
            match self.wait(Some(player), None).await {
                Woken::Played => return Prompted::Ended,
                Woken::Key(digit) if listens => {
                    self.stop_playing().await;
                    return Prompted::Key(digit);
                }
                Woken::Gone(flow) => {
                    self.stop_playing().await;
                    return Prompted::Gone(flow);
                }
                Woken::Key(_) | Woken::Time | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    async fn prompt_pause(&mut self, length: Duration, listens: bool) -> Prompted {
        let until = Some(Instant::now() + length);
        loop {
            match self.wait(None, until).await {
                Woken::Time => return Prompted::Ended,
                Woken::Key(digit) if listens => return Prompted::Key(digit),
                Woken::Gone(flow) => return Prompted::Gone(flow),
                Woken::Key(_) | Woken::Played | Woken::Left | Woken::Other(_) => {}
            }
        }
    }
}

/// What the author of a script is told who wants to know what callers say.
const fn speech_is_not_heard(dtmf: bool) -> &'static str {
    if dtmf {
        "<Gather> asks for speech, which this node does not recognise; keys are heard."
    } else {
        "<Gather> asks for speech, which this node does not recognise, and not for keys: it ends as if nobody had said \
         anything."
    }
}

/// By the clock of the runtime, which tests may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
