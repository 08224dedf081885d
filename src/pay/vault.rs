//! What a caller has typed, in one page of memory that is wiped: each item, and each item as it was typed again.

use std::fmt;
use std::io;

use confab_media::Digit;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::field::{Capture, Field};
use super::locked::{LockedPage, are_dumps_off};

/// The most digits of an item that are kept: a card number has 19, an account number 17. Who types more is wrong, which
/// is seen by the one that is over.
pub(super) const DIGITS_MAX: usize = 20;

/// An item's place in the page: its length, and its digits.
const PLACE_BYTES: usize = 32;

/// All that was typed in one payment.
pub(super) struct Vault(LockedPage);

impl Vault {
    /// An empty one.
    ///
    /// # Errors
    /// When the system has no memory.
    pub(super) fn new() -> io::Result<Self> {
        LockedPage::new().map(Self)
    }

    /// Whether its memory is never swapped out.
    pub(super) const fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// Whether no core dump would hold it: none is made at all.
    pub(super) fn is_out_of_dumps(&self) -> bool {
        are_dumps_off()
    }

    /// Adds a digit to an item; one too many is counted by the one place that is left for it.
    pub(super) fn push(&mut self, capture: Capture, digit: Digit) {
        let place = self.place_mut(capture);
        let len = usize::from(place[0]);
        if digit.expose().is_ascii_digit() && len < DIGITS_MAX {
            place[len + 1] = digit.expose() as u8;
            place[0] += 1;
        }
    }

    /// Forgets an item.
    pub(super) fn clear(&mut self, capture: Capture) {
        self.place_mut(capture).zeroize();
    }

    /// Forgets everything.
    pub(super) fn empty(&mut self) {
        self.0.bytes_mut().zeroize();
    }

    /// What was typed of an item.
    pub(super) fn typed(&self, capture: Capture) -> Typed<'_> {
        let start = Self::start(capture);
        let len = usize::from(self.0.bytes()[start]);
        let digits = &self.0.bytes()[start + 1..=start + len];
        // Only digits are ever put there.
        Typed(std::str::from_utf8(digits).unwrap_or_default())
    }

    /// Whether an item is the same both times it was typed. The time it takes tells nothing of the digits.
    pub(super) fn matches(&self, field: Field) -> bool {
        let (first, second) = (self.typed(Capture::of(field)).0, self.typed(Capture::again(field)).0);
        first.as_bytes().ct_eq(second.as_bytes()).into()
    }

    const fn start(capture: Capture) -> usize {
        (capture.field as usize * 2 + capture.is_matcher as usize) * PLACE_BYTES
    }

    fn place_mut(&mut self, capture: Capture) -> &mut [u8] {
        let start = Self::start(capture);
        &mut self.0.bytes_mut()[start..start + PLACE_BYTES]
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(redacted)")
    }
}

/// What was typed of an item. It can neither be printed nor kept.
#[derive(Clone, Copy)]
pub struct Typed<'a>(&'a str);

impl<'a> Typed<'a> {
    /// How many digits.
    pub const fn len(self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The digits. Whoever calls this answers for where they go.
    pub const fn expose(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({} digits)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(vault: &mut Vault, capture: Capture, digits: &str) {
        for digit in digits.chars() {
            vault.push(capture, Digit::from_char(digit).unwrap());
        }
    }

    #[test]
    fn each_item_has_its_place_and_can_be_typed_anew() {
        let mut vault = Vault::new().unwrap();
        for (n, field) in Field::ALL.into_iter().enumerate() {
            typed(&mut vault, Capture::of(field), &"1234567890"[..n + 2]);
            typed(&mut vault, Capture::again(field), &"0987654321"[..n + 2]);
        }
        for (n, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(vault.typed(Capture::of(field)).expose(), &"1234567890"[..n + 2]);
            assert!(!vault.matches(field));
            vault.clear(Capture::again(field));
            typed(&mut vault, Capture::again(field), &"1234567890"[..n + 2]);
            assert!(vault.matches(field));
        }
        vault.clear(Capture::of(Field::CardNumber));
        assert!(vault.typed(Capture::of(Field::CardNumber)).is_empty());
        vault.empty();
        assert!(vault.0.bytes().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn only_digits_are_kept_and_no_more_than_have_room() {
        let mut vault = Vault::new().unwrap();
        let card = Capture::of(Field::CardNumber);
        typed(&mut vault, card, "*A#D");
        assert!(vault.typed(card).is_empty());
        typed(&mut vault, card, &"7".repeat(100));
        assert_eq!(vault.typed(card).len(), DIGITS_MAX);
        assert!(vault.typed(Capture::again(Field::CardNumber)).is_empty());
    }

    #[test]
    fn what_was_typed_is_not_shown() {
        let mut vault = Vault::new().unwrap();
        let card = Capture::of(Field::CardNumber);
        typed(&mut vault, card, "4111111111111111");
        let shown = format!("{vault:?} {:?}", vault.typed(card));
        assert_eq!(shown, "Vault(redacted) Typed(16 digits)");
    }
}
