//! Whether a trunk failed a moment ago. One that did is tried after all others for a while, which doubles while it goes on
//! failing; never is it not tried at all.

use std::time::Duration;

use tokio::time::Instant;

/// How long one that failed once is tried last: a call or two of a busy node bear the wait, not all of a minute.
const FIRST: Duration = Duration::from_secs(10);

/// The longest: whoever has mended their trunk should not wait long for calls.
const LONGEST: Duration = Duration::from_secs(300);

/// What is known of one address of a trunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circuit {
    /// Failures since it worked last.
    failures: u32,
    open_until: Option<Instant>,
}

impl Circuit {
    /// Whether it is to be tried after the others.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.open_until.is_some_and(|until| now < until)
    }

    /// It did not work. `at_least` is how long it wants to be left alone, by its own word.
    pub(super) fn fail(&mut self, now: Instant, at_least: Option<Duration>) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(8)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.open_until = Some(now + pause.max(at_least.unwrap_or_default().min(LONGEST)));
    }

    /// It works.
    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_left_alone_for_longer_each_time_and_trusted_as_soon_as_it_works() {
        let now = Instant::now();
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        let mut circuit = Circuit::default();
        assert!(!circuit.is_open(now));
        circuit.fail(now, None);
        assert!(circuit.is_open(after(9)) && !circuit.is_open(after(10)));
        circuit.fail(now, None);
        assert!(circuit.is_open(after(19)) && !circuit.is_open(after(20)));
        for _ in 0..100 {
            circuit.fail(now, None);
        }
        assert!(circuit.is_open(after(299)) && !circuit.is_open(after(300)));
        circuit.succeed();
        assert!(!circuit.is_open(now));
        circuit.fail(now, Some(Duration::from_secs(60)));
        assert!(circuit.is_open(after(59)) && !circuit.is_open(after(60)));
        circuit.fail(now, Some(Duration::from_secs(86_400)));
        assert!(!circuit.is_open(after(300)), "nobody asks to be forgotten");
    }
}
