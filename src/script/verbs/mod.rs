//! The verbs, one file each: what they hold, and how they are read.
//!
//! A verb that cannot be run at all is [`Verb::Impossible`] and stands in its place: what is before it still runs, and
//! what is never reached does no harm.

pub mod dial;
mod enqueue;
mod gather;
mod pause;
pub mod pay;
mod play;
mod record;
mod recording;
mod redirect;
mod refer;
mod reject;
mod say;
mod start_stop_connect;
mod stream;

pub use enqueue::{Enqueue, Task, Waiting};
pub(super) use gather::DIGITS_MAX;
pub use gather::{FinishKeys, Gather, Prompt, SpeechTimeout};
pub use pause::Pause;
pub use play::{Play, Playable};
pub use record::{Record, Transcription};
pub use recording::{RecordingChannels, RecordingEvent, RecordingStatus, RecordingTrack, Trim};
pub use redirect::Redirect;
pub use refer::Refer;
pub use reject::{Reject, RejectReason};
pub use say::{SAY_MAX, Say};
pub use start_stop_connect::{MediaNoun, MediaVerb, StartedRecording};
pub use stream::StreamNoun;

use std::num::NonZeroU32;

use super::code::{Code, SCHEMA};
use super::element::{self, Element};
use super::error::ScriptError;
use dial::Dial;

/// One thing to do in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Speak a text.
    Say(Say),
    /// Play a sound, or send keys.
    Play(Play),
    /// Wait.
    Pause(Pause),
    /// Collect what the caller types.
    Gather(Box<Gather>),
    /// Connect with others.
    Dial(Box<Dial>),
    /// Go on with another document.
    Redirect(Redirect),
    /// Do not answer.
    Reject(Reject),
    /// End the call.
    Hangup,
    /// Record the caller.
    Record(Box<Record>),
    /// Wait in a queue.
    Enqueue(Box<Enqueue>),
    /// Leave the queue, for documents that play to those who wait.
    Leave,
    /// Ask the caller's phone to call somebody else (RFC 3515).
    Refer(Refer),
    /// Begin something that goes on beside the script.
    Start(MediaVerb),
    /// Take a payment.
    Pay(Box<pay::Pay>),
    /// End something that was started.
    Stop(MediaVerb),
    /// Connect with something that is not a phone.
    Connect(MediaVerb),
    /// One that cannot be run. The script fails with it when it gets there.
    Impossible(ScriptError),
}

impl Verb {
    /// Reads a verb; nothing for what is no verb, or has nothing to do.
    pub(super) fn read(element: &Element<'_, '_>) -> Option<Self> {
        let read = match element.name() {
            "Say" => Say::read(element).map(|say| say.map(Self::Say)),
            "Play" => Play::read(element).map(|play| Some(Self::Play(play))),
            "Pause" => Ok(Some(Self::Pause(Pause::read(element)))),
            "Gather" => Ok(Some(Self::Gather(Box::new(Gather::read(element))))),
            "Dial" => Dial::read(element).map(|dial| Some(Self::Dial(Box::new(dial)))),
            "Redirect" => Redirect::read(element).map(|redirect| Some(Self::Redirect(redirect))),
            "Reject" => Ok(Some(Self::Reject(Reject::read(element)))),
            "Hangup" => Ok(Some(bare(element, Self::Hangup))),
            "Record" => Ok(Some(Self::Record(Box::new(Record::read(element))))),
            "Enqueue" => Enqueue::read(element).map(|enqueue| Some(Self::Enqueue(Box::new(enqueue)))),
            "Leave" => Ok(Some(bare(element, Self::Leave))),
            "Pay" => Ok(Some(Self::Pay(Box::new(pay::Pay::read(element))))),
            "Refer" => Refer::read(element).map(|refer| Some(Self::Refer(refer))),
            "Start" => Ok(Some(Self::Start(MediaVerb::read(element)))),
            "Stop" => Ok(Some(Self::Stop(MediaVerb::read(element)))),
            "Connect" => Ok(Some(Self::Connect(MediaVerb::read(element)))),
            _ => {
                element.warn(SCHEMA, "is no verb that is known; it is skipped.");
                return None;
            }
        };
        read.unwrap_or_else(|error| Some(Self::Impossible(error)))
    }
}

/// A verb that is only its name.
fn bare(element: &Element<'_, '_>, verb: Verb) -> Verb {
    element.no_children();
    element.no_text();
    element.finish();
    verb
}

/// How often something is said or played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// So often, at most 1,000 times.
    Times(NonZeroU32),
    /// Until the call ends or something else begins.
    Forever,
}

/// The most repetitions that are counted.
const REPEAT_MAX: u64 = 1_000;

impl Repeat {
    pub(in crate::script) const ONCE: Self = Self::Times(NonZeroU32::MIN);

    fn read(element: &Element<'_, '_>, code: Code) -> Self {
        let right = "a whole number from 0 to 1000";
        element.value("loop", Self::ONCE, code, right, |value| {
            let times = element::number(value, &(0..=REPEAT_MAX))?;
            Some(NonZeroU32::new(times as u32).map_or(Self::Forever, Self::Times))
        })
    }
}
