//! Keys that wait to be pressed towards a far end, and the steps of pressing them.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::event::Digit;
use crate::time::Tick;

/// Keys and pauses that may wait: a card number with its date and code, and more than any menu asks for.
pub const DIGIT_QUEUE_MAX: usize = 64;

/// How long a key is pressed unless somebody says otherwise. ITU-T Q.24 asks receivers for 40 ms; some need
/// twice that.
pub const DIGIT_DURATION: Duration = Duration::from_millis(100);

/// How long it is quiet between two keys: as long, for the same reason.
pub const DIGIT_PAUSE: Duration = Duration::from_millis(100);

/// A key is pressed for at least so many steps (40 ms, ITU-T Q.24) and at most so many (10 s).
const STEPS_MIN: u32 = 2;
const STEPS_MAX: u32 = 500;

/// A key that was not queued: too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitQueueFull;

impl fmt::Display for DigitQueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many keys wait to be pressed")
    }
}

impl std::error::Error for DigitQueueFull {}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    Press(Digit, u32),
    Pause(u32),
}

/// What is done in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key is down: which, for how many steps with this one, and of how many.
    Down { digit: Digit, step: u32, of: u32 },
    /// Nothing is pressed.
    Up,
}

/// Keys that wait. It takes all its memory when it is built.
pub(super) struct DigitQueue {
    waiting: VecDeque<Entry>,
    now: Option<(Entry, u32)>,
}

impl DigitQueue {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::with_capacity(DIGIT_QUEUE_MAX), now: None }
    }

    pub(super) fn press(&mut self, digit: Digit, duration: Duration) -> Result<(), DigitQueueFull> {
        // A press and the pause after it, or neither.
        if self.waiting.len() + 2 > DIGIT_QUEUE_MAX {
            return Err(DigitQueueFull);
        }
        self.waiting.push_back(Entry::Press(digit, steps(duration).max(STEPS_MIN)));
        self.pause(DIGIT_PAUSE)
    }

    pub(super) fn pause(&mut self, duration: Duration) -> Result<(), DigitQueueFull> {
        if self.waiting.len() >= DIGIT_QUEUE_MAX {
            return Err(DigitQueueFull);
        }
        self.waiting.push_back(Entry::Pause(steps(duration)));
        Ok(())
    }

    /// Takes over what waits in another queue, all of it or nothing.
    pub(super) fn append(&mut self, other: &mut Self) -> Result<(), DigitQueueFull> {
        if self.waiting.len() + other.waiting.len() > DIGIT_QUEUE_MAX {
            return Err(DigitQueueFull);
        }
        self.waiting.extend(other.waiting.drain(..));
        Ok(())
    }

    /// Lets go of the key that is down. The pause after it is kept.
    pub(super) fn let_go(&mut self) {
        self.now.take_if(|(entry, _)| matches!(entry, Entry::Press(..)));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.now.is_none()
    }

    /// What the next step does.
    pub(super) fn step(&mut self) -> Step {
        let Some((entry, done)) = self.now.take().or_else(|| Some((self.waiting.pop_front()?, 0))) else {
            return Step::Up;
        };
        let step = done + 1;
        let (Entry::Press(_, of) | Entry::Pause(of)) = entry;
        self.now = (step < of).then_some((entry, step));
        match entry {
            Entry::Press(digit, of) => Step::Down { digit, step, of },
            Entry::Pause(_) => Step::Up,
        }
    }
}

/// How many steps it takes, at least one.
fn steps(duration: Duration) -> u32 {
    let steps = duration.as_millis().div_ceil(Tick::DURATION.as_millis());
    u32::try_from(steps).unwrap_or(STEPS_MAX).clamp(1, STEPS_MAX)
}

impl fmt::Debug for DigitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigitQueue").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}
