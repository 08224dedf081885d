//! How much delay a leg may have for the sake of unbroken sound.

use std::time::Duration;

/// How a leg's playout behaves: one of four sizes.
///
/// All of them follow the network between a floor and a ceiling. The delay of a packet is the time from its arrival
/// to its play; of that, a part of 0-20 ms is the wait for the tick, which no setting can shorten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutSettings {
    floor: Duration,
    ceiling: Duration,
    follows_jitter: bool,
}

impl PlayoutSettings {
    /// Packets are played as they come, with no wait but the tick's own: for links without jitter. The ceiling is
    /// 60 ms, since a steady stream of 50 ms packets can need 50.
    pub const OFF: Self =
        Self { floor: Duration::ZERO, ceiling: Duration::from_millis(60), follows_jitter: false };

    /// At least 4 ms and at most 100: a conversation as direct as it can be, at the price of gaps when Wi-Fi or a
    /// mobile network stalls.
    pub const SMALL: Self =
        Self { floor: Duration::from_millis(4), ceiling: Duration::from_millis(100), follows_jitter: true };

    /// At least 4 ms and at most 200: with the network's and the far end's share, the most at which a conversation
    /// still flows (ITU-T G.114 asks for 400 ms from mouth to ear at most).
    ///
    /// A floor of 4 ms bears jitter of ±2 ms bit for bit, more than a clean network and a far end's timers make, and
    /// lets a packet of 20 ms wait 4-24 ms.
    pub const MEDIUM: Self =
        Self { floor: Duration::from_millis(4), ceiling: Duration::from_millis(200), follows_jitter: true };

    /// At least 20 ms and at most 500: for listeners, recordings and far ends behind bad networks, to whom a gap is
    /// worse than a delay.
    pub const LARGE: Self =
        Self { floor: Duration::from_millis(20), ceiling: Duration::from_millis(500), follows_jitter: true };

    /// The jitter that is provided for before any was seen.
    pub const fn floor(self) -> Duration {
        self.floor
    }

    /// The longest time from a packet's arrival to its play. What would have to wait longer is played at the
    /// ceiling, and what is before it is discarded.
    pub const fn ceiling(self) -> Duration {
        self.ceiling
    }

    /// Whether delay is built up because of jitter that was seen.
    pub(super) const fn follows_jitter(self) -> bool {
        self.follows_jitter
    }
}

impl Default for PlayoutSettings {
    fn default() -> Self {
        Self::MEDIUM
    }
}
