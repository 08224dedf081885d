//! What a tick takes. The engine has no clock: whoever drives it measures, and hands in what it saw.

use std::time::Duration;

/// How long the parts of one tick took, by the caller's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickTimes {
    /// From when it was due until all was received and mixed: with the thread's lateness.
    pub mix: Duration,
    /// From there until all was encoded.
    pub encode: Duration,
    /// From there until all datagrams were handed to the network.
    pub send: Duration,
}

/// The same, smoothed over some 16 ticks: one that was held up must not stand for a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TickCosts {
    mix: Smoothed,
    encode: Smoothed,
    /// For one datagram.
    send: Smoothed,
}

/// What a leg pays of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SendCosts {
    pub(crate) mix: Duration,
    pub(crate) encode: Duration,
    pub(crate) pace: Duration,
}

impl TickCosts {
    /// Takes in what a tick took in which so many datagrams were sent.
    pub(crate) fn note(&mut self, times: TickTimes, datagrams: u64) {
        self.mix.note(times.mix);
        self.encode.note(times.encode);
        if let Ok(datagrams @ 1..) = u32::try_from(datagrams) {
            self.send.note(times.send / datagrams);
        }
    }

    /// What it is for a leg that is sent its packet after `place` others. All packets are alike to the network, so that
    /// a place in their row says how long one has waited.
    pub(crate) fn for_place(&self, place: usize) -> SendCosts {
        let sent = u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1);
        SendCosts {
            mix: self.mix.0.unwrap_or_default(),
            encode: self.encode.0.unwrap_or_default(),
            pace: self.send.0.unwrap_or_default().saturating_mul(sent),
        }
    }
}

/// A mean that forgets.
#[derive(Clone, Copy, Debug, Default)]
struct Smoothed(Option<Duration>);

/// Part of the way towards each new value.
const SMOOTHING: u32 = 16;

impl Smoothed {
    fn note(&mut self, value: Duration) {
        self.0 = Some(self.0.map_or(value, |mean| mean - mean / SMOOTHING + value / SMOOTHING));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(micros: u64) -> TickTimes {
        let each = Duration::from_micros(micros);
        TickTimes { mix: each, encode: 2 * each, send: 10 * each }
    }

    #[test]
    fn who_is_sent_later_waits_longer() {
        let mut costs = TickCosts::default();
        costs.note(times(100), 10);
        let (first, last) = (costs.for_place(0), costs.for_place(9));
        assert_eq!((first.pace.as_micros(), last.pace.as_micros()), (100, 1_000));
        assert_eq!((first.mix.as_micros(), first.encode.as_micros()), (100, 200));
    }

    #[test]
    fn one_slow_tick_does_not_stand_for_all() {
        let mut costs = TickCosts::default();
        (0..50).for_each(|_| costs.note(times(100), 10));
        costs.note(times(16_000), 10);
        assert!(costs.for_place(0).mix < Duration::from_millis(2));
        (0..100).for_each(|_| costs.note(times(100), 10));
        assert!(costs.for_place(0).mix < Duration::from_micros(110));
    }

    #[test]
    fn a_tick_without_datagrams_says_nothing_of_sending() {
        let mut costs = TickCosts::default();
        costs.note(times(100), 0);
        assert_eq!(costs.for_place(5).pace, Duration::ZERO);
    }
}
