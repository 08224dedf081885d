//! Captures: while one is on, the keys that a far end presses reach the holder of its [`CapturedDigits`] and nobody else.
//!
//! ```text
//!                                   ┌▶ keys, each once ─▶ ring ─▶ CapturedDigits
//! playout ─▶ Tainted ─▶ ear ─▶ line ┤
//!                       marks  80 ms└▶ sound without keys ─▶ mix, taps, levels, everybody
//! ```
//!
//! Whoever collects a card number builds a capture, keeps the receiving end and starts it:
//!
//! ```
//! use confab_media::{Ask, Capture, CaptureId, Command, CommandId, LegId};
//!
//! let (capture, mut digits) = Capture::new(CaptureId(1));
//! let start = Command { id: CommandId(7), ask: Ask::StartCapture(LegId(3), capture) };
//! // In the engine; `LegEvent::DigitsCaptured` then says that there is something to be taken.
//! while let Some(digit) = digits.take() {
//!     digit.expose();
//! }
//! let stop = Command { id: CommandId(8), ask: Ask::StopCapture(LegId(3)) };
//! // `Retired::Capture` comes home when nothing of it is left in the leg, with its attestation.
//! # drop((start, stop));
//! ```
//!
//! From the first tick after the start everything is withheld: telephone-events make no sound whatever the leg's
//! [`DigitPassage`](crate::DigitPassage), keys are not reported as [`LegEvent::Digit`](crate::LegEvent::Digit), whether they
//! were told as events, in signalling ([`Ask::HearDigit`](crate::Ask::HearDigit)) or as tones, and tones are taken out of
//! what is said, their beginnings included.

mod attestation;
mod background;
mod digits;
mod gap;
mod line;
mod tainted;

use std::fmt;
use std::time::Duration;

pub use self::attestation::{Attestation, Dbfs};
pub use self::digits::{CAPTURED_DIGITS_MAX, CapturedDigit, CapturedDigits};
use self::digits::{DigitsIn, ring};
use self::line::{Line, Passed};
pub(super) use self::tainted::Tainted;
use super::PressedDigit;
use crate::dsp::goertzel::{BandMeter, HOPS, KeyListener, Mark};
use crate::frame::Frame;
use crate::id::CaptureId;
use crate::playout::Sound;
use crate::time::{Tick, Time};

/// After a stop, keys are still the capture's for so long: an event that waits for its end to be repeated, an INFO or a tone
/// that is on its way in the network.
const STILL_CAPTURED: Duration = Duration::from_millis(300);

/// Withholds the keys that a far end presses, and hands them to one. Built on the control side with all its memory.
pub struct Capture {
    id: CaptureId,
    phase: Phase,
    /// Presses that were heard before it began, and are still to be given as always.
    earlier: u8,
    digits: DigitsIn,
    /// Whether digits were handed over since that was last told.
    news: bool,
    line: Line,
    meter: BandMeter,
    /// Listens to what is let through.
    witness: KeyListener,
    attestation: Attestation,
}

/// Whose the next key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The capture's.
    On,
    /// It was told to stop then: still the capture's, until none is down.
    Stopping(Time),
    /// The first of those that wait, so many, are the capture's; the next is as any other.
    Leaving(u8),
}

impl Capture {
    /// A capture, and the only way to what it captures.
    pub fn new(id: CaptureId) -> (Box<Self>, CapturedDigits) {
        let (digits, taken) = ring();
        let capture = Self {
            id,
            phase: Phase::On,
            earlier: 0,
            digits,
            news: false,
            line: Line::new(),
            meter: BandMeter::default(),
            witness: KeyListener::default(),
            attestation: Attestation::default(),
        };
        (Box::new(capture), taken)
    }

    /// Its name.
    pub const fn id(&self) -> CaptureId {
        self.id
    }

    /// What was measured so far; all of it once the capture is home.
    pub const fn attestation(&self) -> Attestation {
        self.attestation
    }

    /// Begins with `tick`, when so many presses wait to be given. It goes on where one that was told to stop has come to.
    pub(super) fn begin(&mut self, tick: Tick, waiting: u8, before: Option<&mut Self>) {
        self.attestation.first_tick = Some(tick);
        self.earlier = waiting;
        if let Some(before) = before {
            std::mem::swap(&mut self.line, &mut before.line);
            self.line.stay();
            self.earlier = before.earlier;
        }
    }

    /// Is to end as soon as nothing of it is left.
    pub(super) const fn stop(&mut self, now: Time) {
        self.phase = Phase::Stopping(now);
    }

    pub(super) const fn is_stopping(&self) -> bool {
        !matches!(self.phase, Phase::On)
    }

    /// Whether the press that is given next is its own.
    pub(super) const fn takes_next(&self) -> bool {
        self.earlier == 0 && !matches!(self.phase, Phase::Leaving(0))
    }

    /// A press was given that is not its own.
    pub(super) const fn pass_by(&mut self) {
        self.earlier = self.earlier.saturating_sub(1);
    }

    /// Takes in a press.
    pub(super) fn take_in(&mut self, press: &PressedDigit) {
        if let Phase::Leaving(left) = &mut self.phase {
            *left = left.saturating_sub(1);
        }
        let room = self.digits.push(press);
        let count = if room { &mut self.attestation.digits } else { &mut self.attestation.digits_lost };
        *count = count.saturating_add(1);
        self.news = true;
    }

    pub(super) const fn has_news(&self) -> bool {
        self.news
    }

    pub(super) fn take_news(&mut self) -> Option<CaptureId> {
        std::mem::take(&mut self.news).then_some(self.id)
    }

    /// How much later what is said is heard.
    pub(super) const fn delay(&self) -> Duration {
        self.line.delay()
    }

    /// What was played in this tick came before a hold, or nothing was.
    pub(in crate::leg) const fn hold(&mut self) {
        self.line.hold();
    }

    /// Takes keys out of what was played in a tick, and leaves in `frame` what is heard in its place.
    pub(super) fn mask(&mut self, now: Time, sound: Sound, frame: &mut Frame, marks: [Mark; HOPS]) -> Sound {
        let passed = match self.phase {
            Phase::On | Phase::Stopping(_) => self.line.pass(sound, frame, marks),
            Phase::Leaving(_) => self.line.pass_and_let_go(sound, frame, marks),
        };
        self.attest(now, passed, frame);
        passed.sound
    }

    fn attest(&mut self, now: Time, passed: Passed, frame: &Frame) {
        let attestation = &mut self.attestation;
        attestation.from.get_or_insert(now);
        attestation.until = Some(now);
        attestation.ticks += 1;
        attestation.masked_ticks += u64::from(passed.closed != [false; HOPS]);
        let let_through = match passed.sound {
            Sound::Silence => self.witness.hear_nothing(),
            Sound::Voice | Sound::Concealed | Sound::Noise => self.witness.hear(frame),
        };
        if let_through.is_some() {
            attestation.keys_let_through = attestation.keys_let_through.saturating_add(1);
        }
        let peak = self.meter.measure(frame);
        if passed.is_noise {
            attestation.residual_max = attestation.residual_max.max(Some(Dbfs::of_peak(peak.into())));
        }
    }

    /// Whether nothing of it is left. `is_down` says whether a key is, and `waiting` how many presses wait to be given.
    pub(super) fn ends(&mut self, now: Time, is_down: bool, waiting: u8) -> bool {
        match self.phase {
            Phase::Stopping(since) if !is_down && now.since(since) >= STILL_CAPTURED => {
                self.phase = Phase::Leaving(waiting.saturating_sub(self.earlier));
                false
            }
            Phase::On | Phase::Stopping(_) => false,
            Phase::Leaving(left) => left == 0 && self.earlier == 0 && self.line.has_let_go(),
        }
    }
}

/// Nothing of what it hears is shown.
impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("id", &self.id).finish_non_exhaustive()
    }
}
