//! How fast a browser may talk.

use std::time::Duration;

use tokio::time::Instant;

/// Messages that may come at once. A program that takes ten calls at a time says fewer.
const BURST: u32 = 100;

/// How soon one more may come, again and again: ten a second, which nobody does who is no machine gone wild.
const EVERY: Duration = Duration::from_millis(100);

/// The messages of one connection, as a bucket that fills by time.
#[derive(Debug)]
pub(super) struct Pace {
    left: u32,
    at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { left: BURST, at: now }
    }

    /// Whether one may come now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.at).as_millis() / EVERY.as_millis();
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.at += EVERY * earned.min(u32::from(u16::MAX));
        }
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_does_not() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!((0..BURST).all(|_| pace.take(start)));
        assert!(!pace.take(start));
        assert!(!pace.take(start + EVERY / 2));
        assert!(pace.take(start + EVERY));
        assert!(!pace.take(start + EVERY));
        // An hour of silence is worth one burst.
        let later = start + Duration::from_secs(3_600);
        assert!((0..BURST).all(|_| pace.take(later)));
        assert!(!pace.take(later));
    }
}
