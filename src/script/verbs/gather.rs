//! Gather: what the caller types, while prompts are played. How keys become an outcome is in
//! [`gathering`](crate::script::gathering).

use std::num::NonZeroUsize;
use std::time::Duration;

use confab_media::Digit;

use super::{Pause, Play, Playable, Say};
use crate::script::code::{
    GATHER_FINISH_KEY, GATHER_FINISH_KEYS, GATHER_METHOD, GATHER_NESTED, GATHER_NUM_DIGITS, GATHER_TIMEOUT,
    RECORD_FINISH_KEY, SCHEMA,
};
use crate::script::element::{self, Element};
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Method, Target};

/// The longest wait for a key, in seconds.
const TIMEOUT_MAX: u64 = 3_600;
/// The most digits that can be asked for. Nobody types more.
pub(in crate::script) const DIGITS_MAX: usize = 1_000;
/// The longest speech that is listened to, in seconds.
const SPEECH_MAX: u64 = 60;

/// Collects what the caller types or says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Whether keys are listened to.
    pub dtmf: bool,
    /// Whether speech is listened to.
    pub speech: bool,
    /// Who is told; the document itself if the text does not say.
    pub action: Callback,
    /// How long nothing may come, from the end of the prompts and from each key.
    pub timeout: Duration,
    /// Which key ends it; it is not among the digits.
    pub finish_on_key: FinishKeys,
    /// After how many digits it ends.
    pub num_digits: Option<NonZeroUsize>,
    /// Whether `action` is told of nothing as well.
    pub action_on_empty_result: bool,
    /// How long silence ends a speech.
    pub speech_timeout: SpeechTimeout,
    /// How long a speech is listened to, if the document says so.
    pub max_speech_time: Option<Duration>,
    /// Which kind of speech is expected.
    pub speech_model: String,
    /// The language of the speech, as a tag (RFC 5646).
    pub language: String,
    /// Words that are likely.
    pub hints: Vec<String>,
    /// Whether bad words are written with asterisks.
    pub profanity_filter: bool,
    /// Who is told of speech while it goes on.
    pub partial_result: Option<Callback>,
    /// Whether speech interrupts a prompt. Keys always do.
    pub barge_in: bool,
    /// What is played meanwhile.
    pub prompts: Vec<Prompt>,
}

/// When silence has lasted long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechTimeout {
    /// The recogniser decides.
    Auto,
    /// After so long.
    After(Duration),
}

/// What can be played while keys are awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Speak a text.
    Say(Say),
    /// Play a sound; never keys.
    Play(Play),
    /// Wait.
    Pause(Pause),
    /// One that cannot be played. The script fails with it when it gets there.
    Impossible(ScriptError),
}

/// Keys that end a collection or a recording.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FinishKeys {
    /// A bit for each telephone-event code (RFC 4733 §3.2).
    events: u16,
}

impl FinishKeys {
    /// No key ends it.
    pub const NONE: Self = Self { events: 0 };

    /// The keys that are written so, of `0`-`9`, `*` and `#`.
    pub fn new(keys: &str) -> Option<Self> {
        keys.chars().try_fold(Self::NONE, |keys, key| {
            let digit = Digit::from_char(key).filter(|_| !key.is_ascii_alphabetic())?;
            Some(Self { events: keys.events | 1 << digit.event() })
        })
    }

    /// Whether this one does.
    pub fn contains(self, digit: Digit) -> bool {
        self.events & 1 << digit.event() != 0
    }

    /// The one key that ends a Gather, or none.
    fn one(element: &Element<'_, '_>) -> Self {
        let default = Self { events: 1 << HASH };
        let value = element.attribute("finishOnKey").map_or("#", str::trim);
        let is_one = value.chars().nth(1).is_none();
        let code = if is_one { GATHER_FINISH_KEY } else { GATHER_FINISH_KEYS };
        let right = "one of 0-9, * and #, or empty";
        element.value("finishOnKey", default, code, right, |value| Self::new(value).filter(|_| is_one))
    }

    /// The keys that end a Record.
    pub(super) fn several(element: &Element<'_, '_>) -> Self {
        let all = Self { events: (1 << (HASH + 1)) - 1 };
        let right = "some of 0-9, * and #, or empty";
        element.value("finishOnKey", all, RECORD_FINISH_KEY, right, Self::new)
    }
}

/// The event code of `#`, the last of those that can end something (RFC 4733 §3.2).
const HASH: u8 = 11;

impl std::fmt::Debug for FinishKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = (0..=HASH).filter(|event| self.events & 1 << event != 0).filter_map(Digit::from_event);
        write!(f, "FinishKeys({})", keys.map(Digit::expose).collect::<String>())
    }
}

impl Gather {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let input = element.choices("input", &[false], SCHEMA, &[("dtmf", false), ("speech", true)]);
        let timeout = element.seconds("timeout", 5, 0..=TIMEOUT_MAX, GATHER_TIMEOUT);
        let gather = Self {
            dtmf: input.contains(&false),
            speech: input.contains(&true),
            action: action(element, GATHER_METHOD),
            timeout,
            finish_on_key: FinishKeys::one(element),
            num_digits: num_digits(element),
            action_on_empty_result: element.boolean("actionOnEmptyResult", false, SCHEMA),
            speech_timeout: speech_timeout(element, timeout),
            max_speech_time: max_speech_time(element),
            speech_model: element.words("speechModel").unwrap_or_else(|| "default".to_owned()),
            language: element.words("language").unwrap_or_else(|| "en-US".to_owned()),
            hints: hints(element),
            profanity_filter: element.boolean("profanityFilter", true, SCHEMA),
            partial_result: element.callback(
                "partialResultCallback",
                "partialResultCallbackMethod",
                GATHER_METHOD,
            ),
            barge_in: element.boolean("bargeIn", true, SCHEMA),
            prompts: element.children().filter_map(|child| Prompt::read(&child)).collect(),
        };
        element.boolean("enhanced", false, SCHEMA);
        element.boolean("debug", false, SCHEMA);
        element.no_text();
        element.finish();
        gather
    }
}

/// `action` of a verb that goes back to the document itself if it is not told where.
pub(super) fn action(element: &Element<'_, '_>, method_code: u32) -> Callback {
    Callback {
        target: element.target("action").unwrap_or_else(Target::document),
        method: element.method("method", Method::Post, method_code),
    }
}

fn num_digits(element: &Element<'_, '_>) -> Option<NonZeroUsize> {
    let right = format!("a whole number from 1 to {DIGITS_MAX}");
    element.value("numDigits", None, GATHER_NUM_DIGITS, &right, |value| {
        let number = element::number(value, &(1..=DIGITS_MAX as u64))?;
        Some(NonZeroUsize::new(usize::try_from(number).ok()?))
    })
}

fn speech_timeout(element: &Element<'_, '_>, timeout: Duration) -> SpeechTimeout {
    let right = format!("auto, or a whole number from 0 to {TIMEOUT_MAX}");
    element.value("speechTimeout", SpeechTimeout::After(timeout), SCHEMA, &right, |value| {
        if value == "auto" {
            return Some(SpeechTimeout::Auto);
        }
        let seconds = element::number(value, &(0..=TIMEOUT_MAX))?;
        Some(SpeechTimeout::After(Duration::from_secs(seconds)))
    })
}

fn max_speech_time(element: &Element<'_, '_>) -> Option<Duration> {
    let right = format!("a whole number from 1 to {SPEECH_MAX}");
    element.value("maxSpeechTime", None, SCHEMA, &right, |value| {
        let seconds = element::number(value, &(1..=SPEECH_MAX))?;
        Some(Some(Duration::from_secs(seconds)))
    })
}

fn hints(element: &Element<'_, '_>) -> Vec<String> {
    let hints = element.attribute("hints").unwrap_or_default().split(',').map(str::trim);
    hints.filter(|hint| !hint.is_empty()).map(str::to_owned).collect()
}

impl Prompt {
    pub(super) fn read(element: &Element<'_, '_>) -> Option<Self> {
        let read = match element.name() {
            "Say" => Say::read(element).map(|say| say.map(Self::Say)),
            "Play" => Play::read(element).map(|play| match play.what {
                Playable::Sound(_) => Some(Self::Play(play)),
                Playable::Keys(_) => {
                    element
                        .warn(GATHER_NESTED, "sends keys, which cannot be within <Gather>; it is skipped.");
                    None
                }
            }),
            "Pause" => Ok(Some(Self::Pause(Pause::read(element)))),
            _ => {
                let what = "cannot be within <Gather>, only Say, Play and Pause; it is skipped.";
                element.warn(GATHER_NESTED, what);
                return None;
            }
        };
        read.unwrap_or_else(|error| Some(Self::Impossible(error)))
    }
}
