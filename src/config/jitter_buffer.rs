//! How much delay a leg may have for the sake of unbroken sound.

use std::fmt;

use confab_media::playout::PlayoutSettings;

/// A size of the receive buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitterBuffer {
    /// No delay but the tick's own.
    Off,
    /// At most 100 ms.
    Small,
    /// At most 200 ms.
    #[default]
    Medium,
    /// At most 500 ms, and never less than 20.
    Large,
}

impl JitterBuffer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Off, Self::Small, Self::Medium, Self::Large];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }

    /// What it means for the engine.
    pub const fn settings(self) -> PlayoutSettings {
        match self {
            Self::Off => PlayoutSettings::OFF,
            Self::Small => PlayoutSettings::SMALL,
            Self::Medium => PlayoutSettings::MEDIUM,
            Self::Large => PlayoutSettings::LARGE,
        }
    }
}

impl fmt::Display for JitterBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
