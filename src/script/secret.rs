//! What callers type and what agents log in with: kept apart from text, so that it cannot be printed by mistake, and
//! wiped when it is no longer needed.

use std::fmt;

use confab_media::Digit;
use zeroize::Zeroizing;

/// A text that is not shown: a password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(super) fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }

    /// The text, for the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

/// Digits that a caller typed; they may be a PIN or a card number.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretDigits(Zeroizing<String>);

impl SecretDigits {
    /// Room for as many: what a text grows out of would stay behind in memory.
    pub(super) fn with_capacity(digits: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(digits)))
    }

    pub(super) fn push(&mut self, digit: Digit) {
        self.0.push(digit.expose());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digits, for the one who asked for them.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretDigits({} digits)", self.len())
    }
}
