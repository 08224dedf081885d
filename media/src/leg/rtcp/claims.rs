//! What the far end's claims of loss are worth to the encoder. It protects what it sends against the loss it
//! must expect, and pays for that with sound; a far end that lies, or one bad second, must not ruin a call.

use std::time::Duration;

use crate::time::Time;

/// The most loss that is ever expected, in percent. Against more, protection takes so much of the bit rate
/// that speech is worse with it than without.
pub const EXPECTED_LOSS_MAX: u8 = 30;

/// Part of the way towards a new claim: four honest reports (20 s) make two thirds of it.
const SMOOTHING: f32 = 0.25;

/// How far, in percent, the smoothed claims must be from what was expected before that changes. Encoders
/// are set anew less often, and not to and fro.
const HYSTERESIS: f32 = 2.0;

/// Below this, in percent, nothing need be expected.
const NEGLIGIBLE: f32 = 0.5;

/// Claims that come faster count for one: reports are seconds apart (RFC 3550 §6.2), and who sends a
/// hundred at once must not move us a hundred times.
const CLAIM_INTERVAL_MIN: Duration = Duration::from_millis(500);

/// Without a claim for so long (six reports) nothing is expected any more.
const FORGET_AFTER: Duration = Duration::from_secs(30);

/// The far end's claims of loss.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossClaims {
    smoothed: f32,
    expected: u8,
    last: Option<Time>,
}

impl LossClaims {
    /// Takes in a claim that `fraction_lost` of 256 packets did not arrive.
    pub(super) fn hear(&mut self, fraction_lost: u8, at: Time) {
        if self.last.is_some_and(|last| at.since(last) < CLAIM_INTERVAL_MIN) {
            return;
        }
        if self.is_forgotten(at) {
            *self = Self::default();
        }
        self.last = Some(at);
        let claimed = (f32::from(fraction_lost) * 100.0 / 256.0).min(EXPECTED_LOSS_MAX.into());
        self.smoothed += (claimed - self.smoothed) * SMOOTHING;
        if self.smoothed < NEGLIGIBLE {
            self.expected = 0;
        } else if (self.smoothed - f32::from(self.expected)).abs() >= HYSTERESIS {
            self.expected = self.smoothed.round() as u8;
        }
    }

    pub(super) fn expected_percent(&self, now: Time) -> u8 {
        if self.is_forgotten(now) { 0 } else { self.expected }
    }

    fn is_forgotten(&self, now: Time) -> bool {
        self.last.is_some_and(|last| now.since(last) > FORGET_AFTER)
    }
}
