//! How keenly keys are listened for: as ITU-T Q.24 asks of those who act on keys, or so that nobody else can make one out.

use super::HOP;
use super::measure::Limits;

/// What is looked at, and what it takes to be a key.
pub(super) struct Sense {
    /// What a key is.
    pub(super) limits: Limits,
    /// What is one too, if it sounds for longer.
    pub(super) lasting: Option<Limits>,
    /// What is one too, if it sounds for still longer and does not change.
    pub(super) steady: Option<Limits>,
    /// A window in which there is nothing but a key.
    pub(super) pure: Limits,
    /// What may be a part of one.
    pub(super) suspicion: Limits,
    /// The same in a window in which a tone begins or ends.
    pub(super) edge_suspicion: Limits,
    /// What resembles a part of one among other sound: it counts when it is there twice in a row.
    pub(super) resemblance: Limits,
    /// Part of a window's energy that a row or a column by itself must have to be told.
    pub(super) lone_part: f32,
    /// Quieter windows hold no key.
    pub(super) energy_min: f32,
    /// Part of a window's energy that the strongest row and column must have before they are measured, where frequencies
    /// that are off by 1.5 % and windows that are half filled have little.
    pub(super) energy_part_min: f32,
    /// A frame of which no sample reaches this holds no key: no half of a window has a quarter of the least energy, then.
    pub(super) quiet: u16,
}

/// What a key is to those who act on it. Q.24 wants frequencies within 1.5 % heard and beyond 3.5 % not; twist of 4 dB
/// (column stronger) and 8 dB (row stronger) heard, to which we add 1 dB. A tone is heard from −33 dBm0 (509 of 32,767) on.
/// Harmonics 13 dB down are still speech. With three quarters of the energy in two tones, noise 7 dB below them is
/// tolerated, and a window counts from when 13.6 of its 20 ms are tone.
const KEY: Limits = Limits {
    off: 0.025,
    peak: 509.0,
    row_over_column: 7.94,
    column_over_row: 3.16,
    harmonic: 0.05,
    part: 0.75,
};

/// What may be a part of a key: 7 dB quieter, a little farther off, and with other sound.
const SUSPICION: Limits =
    Limits { off: 0.03, peak: 227.0, row_over_column: 10.0, column_over_row: 5.0, harmonic: 0.1, part: 0.7 };

/// As always. Pure is what noise 10 dB below it is left over in; half of a tone leaves half of the energy over, as the
/// curve is cut off. Sound that is quieter than two tones of −40 dBm0 in every sample of a half holds no key: 160² of
/// squared samples, in 80 of them.
pub(super) static USUAL: Sense = Sense {
    limits: KEY,
    lasting: None,
    steady: None,
    pure: Limits { part: 0.9, ..KEY },
    suspicion: SUSPICION,
    edge_suspicion: Limits { part: 0.5, ..SUSPICION },
    resemblance: SUSPICION,
    lone_part: f32::INFINITY,
    energy_min: 160.0 * 160.0 * HOP as f32,
    energy_part_min: 0.15,
    quiet: 56,
};

/// What a key is while none must be missed: 18 dB quieter, with 3 and 4 dB more of twist, with noise 4 dB below it, and
/// with harmonics as sound that was too loud for its codec has them.
const KEEN_KEY: Limits =
    Limits { off: 0.025, peak: 60.0, row_over_column: 16.0, column_over_row: 8.0, harmonic: 0.1, part: 0.7 };

/// What may be a part of one then: of keys 40 dB below the loudest, with a twist of 8 dB, this is the weaker tone in a
/// window that is half empty.
const KEEN_SUSPICION: Limits =
    Limits { off: 0.03, peak: 40.0, row_over_column: 16.0, column_over_row: 8.0, harmonic: 0.3, part: 0.6 };

/// While a capture is on. Of what makes a key at once, something is no farther off than Q.24 lets keys be: two harmonics of a high
/// voice can be as pure. Among speech a key has fewer parts of the energy, but for longer than vowels keep two of their
/// harmonics where keys have theirs, and with half of it for longer than vowels keep them as loud; and what resembles one must do
/// so twice in a row.
pub(super) static KEEN: Sense = Sense {
    limits: KEEN_KEY,
    lasting: Some(Limits { off: 0.015, harmonic: 0.05, part: 0.65, ..KEEN_KEY }),
    steady: Some(Limits { off: 0.008, part: 0.5, ..KEEN_KEY }),
    pure: Limits { off: 0.015, part: 0.85, ..KEEN_KEY },
    suspicion: KEEN_SUSPICION,
    edge_suspicion: Limits { part: 0.4, ..KEEN_SUSPICION },
    resemblance: Limits { part: 0.5, ..KEEN_SUSPICION },
    lone_part: 0.4,
    energy_min: 48.0 * 48.0 * HOP as f32,
    energy_part_min: 0.1,
    quiet: 16,
};
