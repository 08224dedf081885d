//! Whether the keys that callers press are heard in their conference.

use std::fmt;

use confab_media::DigitPassage;

/// What others hear of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConferenceDigits {
    /// Nothing: tones are taken out of what callers say.
    #[default]
    Withheld,
    /// Their tones, also of keys that are told as telephone-events.
    Heard,
}

impl ConferenceDigits {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Withheld, Self::Heard];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Withheld => "withheld",
            Self::Heard => "heard",
        }
    }

    /// What it means for the engine.
    pub const fn passage(self) -> DigitPassage {
        match self {
            Self::Withheld => DigitPassage::Withheld,
            Self::Heard => DigitPassage::Heard,
        }
    }
}

impl fmt::Display for ConferenceDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
