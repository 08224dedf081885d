//! Keys that one may learn and nobody else: from the leg that hears them to whoever holds the other end.
//!
//! ```text
//! Keys ─▶ [ ring of 64 slots, one word each ] ─▶ CapturedDigits ─▶ CapturedDigit, wiped when it is dropped
//! ```
//!
//! A digit lies in one word of memory between being pressed and being taken, and taking it empties that word. The ring is
//! not cloned, not printed and not part of any event, tap or retired object: who was not handed the receiving end when the
//! capture was built has no way to it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use zeroize::Zeroize;

use crate::event::Digit;
use crate::leg::{DigitMethod, PressedDigit};

/// Digits that may wait to be taken: three card numbers with their dates and codes. Beyond, the newest is lost and
/// counted.
pub const CAPTURED_DIGITS_MAX: usize = 64;

/// A slot that holds nothing; a digit's character is never zero.
const EMPTY: u32 = 0;

/// The words of the ring. Each is written by one end only while it is empty, and emptied by the other.
struct Slots([AtomicU32; CAPTURED_DIGITS_MAX]);

impl Drop for Slots {
    fn drop(&mut self) {
        for slot in &mut self.0 {
            slot.get_mut().zeroize();
        }
    }
}

/// A ring, as its two ends.
pub(super) fn ring() -> (DigitsIn, CapturedDigits) {
    let slots = Arc::new(Slots([const { AtomicU32::new(EMPTY) }; CAPTURED_DIGITS_MAX]));
    (DigitsIn { slots: Arc::clone(&slots), next: 0 }, CapturedDigits { slots, next: 0 })
}

/// The leg's end.
pub(super) struct DigitsIn {
    slots: Arc<Slots>,
    next: usize,
}

impl DigitsIn {
    /// Hands on a press. `false` if nobody took those before, and it is lost.
    #[must_use]
    pub(super) fn push(&mut self, pressed: &PressedDigit) -> bool {
        let slot = &self.slots.0[self.next];
        if slot.load(Ordering::Acquire) != EMPTY {
            return false;
        }
        slot.store(to_word(pressed), Ordering::Release);
        self.next = (self.next + 1) % CAPTURED_DIGITS_MAX;
        true
    }
}

/// The receiving end of a capture: the only way to the keys that are pressed while it is on.
///
/// It may be held by another thread, and outlives the capture: what was pressed before its end can be taken after it.
/// There is one, and it cannot be cloned:
///
/// ```compile_fail
/// let (_capture, digits) = confab_media::Capture::new(confab_media::CaptureId(1));
/// let second = digits.clone();
/// ```
pub struct CapturedDigits {
    slots: Arc<Slots>,
    next: usize,
}

impl CapturedDigits {
    /// The next key in order, if one waits. It is nowhere in the ring any more.
    pub fn take(&mut self) -> Option<CapturedDigit> {
        let word = self.slots.0[self.next].swap(EMPTY, Ordering::AcqRel);
        let digit = from_word(word)?;
        self.next = (self.next + 1) % CAPTURED_DIGITS_MAX;
        Some(digit)
    }
}

/// Neither what waits nor how much is shown.
impl fmt::Debug for CapturedDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapturedDigits(redacted)")
    }
}

/// A key that was captured. It is wiped from memory when it is dropped, cannot be copied, compared or printed, and
/// says what it is when asked by name:
///
/// ```compile_fail
/// fn twice(digit: confab_media::CapturedDigit) -> [confab_media::CapturedDigit; 2] {
///     [digit.clone(), digit]
/// }
/// ```
///
/// ```compile_fail
/// fn shown(digit: &confab_media::CapturedDigit) -> String {
///     digit.to_string()
/// }
/// ```
pub struct CapturedDigit {
    key: u8,
    method: DigitMethod,
    duration: Duration,
}

impl CapturedDigit {
    /// Which key: `0`-`9`, `*`, `#`, `A`-`D`. For the one who collects them; what becomes of the copy is theirs.
    pub const fn expose(&self) -> char {
        self.key as char
    }

    /// How it was told.
    pub const fn method(&self) -> DigitMethod {
        self.method
    }

    /// How long it was pressed, at most [`u16::MAX`] milliseconds.
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

impl Drop for CapturedDigit {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Which key it is may not be shown.
impl fmt::Debug for CapturedDigit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapturedDigit(redacted)")
    }
}

/// The key in the lowest byte, then how it was told, then milliseconds.
fn to_word(pressed: &PressedDigit) -> u32 {
    let method = match pressed.method {
        DigitMethod::Event => 0,
        DigitMethod::Info => 1,
        DigitMethod::Tone => 2,
    };
    let millis = u16::try_from(pressed.duration.as_millis()).unwrap_or(u16::MAX);
    pressed.digit.expose() as u32 | method << 8 | u32::from(millis) << 16
}

fn from_word(word: u32) -> Option<CapturedDigit> {
    let [key, method, ..] = word.to_le_bytes();
    let method = match method {
        0 => DigitMethod::Event,
        1 => DigitMethod::Info,
        _ => DigitMethod::Tone,
    };
    // Only keys are ever written; what is none is an empty slot.
    Digit::from_char(key.into())?;
    Some(CapturedDigit { key, method, duration: Duration::from_millis(u64::from(word >> 16)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(key: char, method: DigitMethod, millis: u64) -> PressedDigit {
        PressedDigit {
            digit: Digit::from_char(key).unwrap(),
            duration: Duration::from_millis(millis),
            method,
        }
    }

    #[test]
    fn digits_arrive_in_order_and_are_gone_from_the_ring() {
        let (mut give, mut take) = ring();
        assert!(take.take().is_none());
        for round in 0..10 {
            for (key, method) in
                [('4', DigitMethod::Event), ('#', DigitMethod::Info), ('D', DigitMethod::Tone)]
            {
                assert!(give.push(&pressed(key, method, 80 + round)));
            }
            for (key, method) in
                [('4', DigitMethod::Event), ('#', DigitMethod::Info), ('D', DigitMethod::Tone)]
            {
                let digit = take.take().unwrap();
                assert_eq!((digit.expose(), digit.method()), (key, method));
                assert_eq!(digit.duration(), Duration::from_millis(80 + round));
            }
            assert!(take.take().is_none());
            assert!(take.slots.0.iter().all(|slot| slot.load(Ordering::Relaxed) == EMPTY));
        }
    }

    #[test]
    fn what_finds_no_room_is_refused_and_those_before_stay() {
        let (mut give, mut take) = ring();
        for _ in 0..CAPTURED_DIGITS_MAX {
            assert!(give.push(&pressed('7', DigitMethod::Tone, 100)));
        }
        assert!(!give.push(&pressed('8', DigitMethod::Tone, 100)));
        assert_eq!(take.take().unwrap().expose(), '7');
        assert!(give.push(&pressed('9', DigitMethod::Tone, 100)));
        let rest: String = std::iter::from_fn(|| take.take()).map(|digit| digit.expose()).collect();
        assert_eq!(rest, "7".repeat(CAPTURED_DIGITS_MAX - 1) + "9");
    }

    #[test]
    fn durations_are_capped_and_nothing_is_shown() {
        let (mut give, mut take) = ring();
        assert!(give.push(&pressed('5', DigitMethod::Event, 600_000)));
        let shown = format!("{take:?}");
        let digit = take.take().unwrap();
        assert_eq!(digit.duration(), Duration::from_millis(65_535));
        assert!(!format!("{shown} {digit:?}").contains('5'));
    }
}
