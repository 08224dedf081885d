//! One press, told up to three times: many far ends send a telephone-event and let the tone through as well, some add
//! a SIP INFO. Each press is given once, by the best of its reports.
//!
//! A report belongs to the oldest press of the same key, heard of within the last second, that the same method
//! has not reported yet; and since no method reports presses out of order, to one after the last that it did report.
//! If there is none, it is a new press. It follows that presses are given exactly and in order
//! - however the methods are delayed against each other (by up to a second), if each of them reports either
//!   all presses or none;
//! - also if methods miss some, as long as one misses none, and all reports of a press come before those of the
//!   next.
//!
//! What cannot be told apart: the same key pressed twice within a second, once reported by one method only and once by
//! another only. It counts once.

use std::time::Duration;

use crate::event::Digit;
use crate::time::Time;

/// How a press was reported, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigitMethod {
    /// As a telephone-event (RFC 4733): says exactly which key and how long.
    Event,
    /// In signalling (SIP INFO).
    Info,
    /// As a tone in the sound: can be mistaken, and has passed through a codec.
    Tone,
}

impl DigitMethod {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PressedDigit {
    /// Which.
    pub digit: Digit,
    /// How long, by the report that is given.
    pub duration: Duration,
    /// How that report came.
    pub method: DigitMethod,
}

/// Reports of one press come within this: a tone waits in playout (half a second at most) and is known 30 ms after
/// its end; an event whose ends are lost is known after 150 ms; an INFO that is lost is sent again after half
/// a second (RFC 3261 §17.1.2.1).
pub const DUPLICATE_WINDOW: Duration = Duration::from_millis(1_000);

/// Where telephone-events were agreed, a lesser report waits so long for one. A key shows as an event at its end, and
/// 150 ms later if all ends are lost; the rest is the network's.
pub const PREFERENCE_HOLD: Duration = Duration::from_millis(300);

/// Presses that are remembered. Nobody presses more in a second, but a softphone into which a card number was pasted, with 19
/// digits and a key that ends it, sends INFOs as fast as it can.
const PRESSES_MAX: usize = 24;

/// The presses of one leg, each once. All its memory is inside.
#[derive(Clone, Debug)]
pub struct DigitCollector {
    events_agreed: bool,
    /// In order; those that are `None` come last.
    presses: [Option<Press>; PRESSES_MAX],
    /// Those of them that were not given.
    waiting: u8,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    best: PressedDigit,
    first_heard: Time,
    /// Bits of the methods that reported it.
    methods: u8,
    given: bool,
}

impl DigitCollector {
    /// A collector that has heard nothing. Where telephone-events were not agreed nothing waits for them.
    pub const fn new(events_agreed: bool) -> Self {
        Self { events_agreed, presses: [None; PRESSES_MAX], waiting: 0 }
    }

    /// What signalling agreed anew.
    pub const fn set_events_agreed(&mut self, agreed: bool) {
        self.events_agreed = agreed;
    }

    /// Takes in a report. `false` if it is of a new press for which there is no room, since the ones before
    /// were not fetched.
    #[must_use]
    pub fn hear(&mut self, report: PressedDigit, at: Time) -> bool {
        self.forget(at);
        match self.find(&report, at) {
            Some(press) => {
                press.add(report);
                true
            }
            None => self.push(report, at),
        }
    }

    /// The next press, if it is time to give it.
    pub fn poll(&mut self, now: Time) -> Option<PressedDigit> {
        let next = self.next_ready(now)?;
        let press = self.presses[next].as_mut()?;
        press.given = true;
        self.waiting -= 1;
        Some(press.best)
    }

    /// Whether there is a press that it is time to give.
    pub fn is_ready(&self, now: Time) -> bool {
        self.next_ready(now).is_some()
    }

    fn next_ready(&self, now: Time) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        let next = self.presses.iter().position(|press| press.is_some_and(|press| !press.given))?;
        let is_ready = self.presses[next..].iter().flatten().enumerate().any(|(n, press)| {
            // An event of a later press shows that none of this one is under way.
            press.best.method == DigitMethod::Event || (n == 0 && self.has_waited(press, now))
        });
        is_ready.then_some(next)
    }

    fn has_waited(&self, press: &Press, now: Time) -> bool {
        !self.events_agreed || now.since(press.first_heard) >= PREFERENCE_HOLD
    }

    /// The press that a report belongs to.
    fn find(&mut self, report: &PressedDigit, at: Time) -> Option<&mut Press> {
        let method = report.method.bit();
        let reported = |press: &Option<Press>| press.is_some_and(|press| press.methods & method != 0);
        let first = self.presses.iter().rposition(reported).map_or(0, |last| last + 1);
        let mut unreported = self.presses[first..].iter_mut().flatten();
        unreported
            .find(|press| press.best.digit == report.digit && at.since(press.first_heard) <= DUPLICATE_WINDOW)
    }

    fn push(&mut self, report: PressedDigit, at: Time) -> bool {
        // The oldest makes room if it is only remembered for its duplicates.
        if self.presses[PRESSES_MAX - 1].is_some() && self.presses[0].is_some_and(|press| press.given) {
            self.forget_oldest();
        }
        let Some(free) = self.presses.iter_mut().find(|press| press.is_none()) else {
            return false;
        };
        *free = Some(Press { best: report, first_heard: at, methods: report.method.bit(), given: false });
        self.waiting += 1;
        true
    }

    /// Lets go of presses of which nothing more can come, and leaves nothing of them.
    pub(super) fn forget(&mut self, now: Time) {
        let is_over = |press: &Press| press.given && now.since(press.first_heard) > DUPLICATE_WINDOW;
        while self.presses[0].as_ref().is_some_and(is_over) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = &mut self.presses[0] {
            oldest.best.digit.wipe();
        }
        self.presses[0] = None;
        self.presses.rotate_left(1);
    }

    /// Whether nothing waits, and nothing is remembered for its duplicates.
    pub(super) const fn is_empty(&self) -> bool {
        self.presses[0].is_none()
    }

    /// Presses that were not given yet.
    pub(super) const fn waiting(&self) -> u8 {
        self.waiting
    }
}

impl Press {
    fn add(&mut self, report: PressedDigit) {
        self.methods |= report.method.bit();
        if !self.given && report.method < self.best.method {
            self.best = report;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn report(event: u8, method: DigitMethod) -> PressedDigit {
        let digit = Digit::from_event(event).unwrap();
        PressedDigit { digit, duration: Duration::from_millis(100), method }
    }

    const METHODS: [DigitMethod; 3] = [Event, Info, Tone];

    /// Reports as (milliseconds, key, method), in order of time; what is given, polled every 20 ms.
    fn collected(agreed: bool, reports: &[(u64, u8, DigitMethod)]) -> Vec<(u64, u8, DigitMethod)> {
        let mut collector = DigitCollector::new(agreed);
        let mut given = Vec::new();
        let end = reports.iter().map(|r| r.0).max().unwrap_or(0) + 2_000;
        let mut left = reports;
        for millis in (0..end).step_by(20) {
            while let [(at, event, method), rest @ ..] = left {
                if *at > millis {
                    break;
                }
                assert!(collector.hear(report(*event, *method), Time::from_millis(*at)));
                left = rest;
            }
            while let Some(press) = collector.poll(Time::from_millis(millis)) {
                given.push((millis, press.digit.event(), press.method));
            }
        }
        given
    }

    use DigitMethod::{Event, Info, Tone};

    #[test]
    fn one_press_reported_three_times_is_given_once_as_an_event() {
        let given = collected(true, &[(0, 5, Tone), (60, 5, Info), (120, 5, Event)]);
        assert_eq!(given, [(120, 5, Event)]);
        let given = collected(true, &[(0, 5, Event), (60, 5, Info), (990, 5, Tone)]);
        assert_eq!(given, [(0, 5, Event)]);
    }

    #[test]
    fn a_tone_waits_for_its_event_only_where_events_were_agreed() {
        assert_eq!(collected(true, &[(0, 5, Tone)]), [(300, 5, Tone)]);
        assert_eq!(collected(false, &[(0, 5, Tone)]), [(0, 5, Tone)]);
        assert_eq!(collected(false, &[(0, 5, Tone), (100, 5, Info)]), [(0, 5, Tone)]);
    }

    #[test]
    fn an_event_that_comes_too_late_is_still_the_same_press() {
        assert_eq!(collected(true, &[(0, 5, Tone), (900, 5, Event)]), [(300, 5, Tone)]);
        assert_eq!(collected(true, &[(0, 5, Tone), (1_001, 5, Event)]).len(), 2, "beyond the window");
    }

    #[test]
    fn the_same_key_twice_is_two_presses_whichever_reports_come_first() {
        let interleaved = [
            [(0, 5, Event), (50, 5, Tone), (200, 5, Event), (250, 5, Tone)],
            [(0, 5, Event), (10, 5, Event), (20, 5, Tone), (30, 5, Tone)],
            [(0, 5, Tone), (10, 5, Tone), (20, 5, Event), (30, 5, Event)],
            [(0, 5, Tone), (10, 5, Event), (20, 5, Event), (30, 5, Tone)],
        ];
        for reports in interleaved {
            let given = collected(true, &reports);
            assert_eq!(given.iter().map(|g| (g.1, g.2)).collect::<Vec<_>>(), [(5, Event); 2], "{reports:?}");
        }
    }

    #[test]
    fn a_press_whose_event_was_lost_is_given_before_the_next() {
        let given = collected(true, &[(0, 1, Tone), (150, 2, Event), (160, 2, Tone)]);
        assert_eq!(given, [(160, 1, Tone), (160, 2, Event)]);
    }

    #[test]
    fn what_is_not_fetched_does_not_grow() {
        let mut collector = DigitCollector::new(false);
        let taken = (0..100).filter(|n| collector.hear(report((n % 10) as u8, Event), Time::ZERO)).count();
        assert_eq!(taken, PRESSES_MAX);
        assert_eq!(std::iter::from_fn(|| collector.poll(Time::ZERO)).count(), PRESSES_MAX);
        assert!(collector.hear(report(1, Event), Time::ZERO), "those that were given make room");
    }

    #[test]
    fn debug_does_not_show_keys() {
        let shown = format!("{:?}", report(9, Event));
        assert!(shown.contains("redacted") && !shown.contains('9'), "{shown}");
    }

    /// Reports of presses: each method is delayed as a whole, and a little differently each time, but never
    /// out of order.
    fn delayed(
        presses: &[(u64, u8)],
        methods: &[DigitMethod],
        delays: &[(u64, Vec<u64>)],
    ) -> Vec<(u64, u8, DigitMethod)> {
        let mut reports = Vec::new();
        for (method, (base, jitter)) in methods.iter().zip(delays) {
            let mut earliest = 0;
            for (&(at, event), jitter) in presses.iter().zip(jitter.iter().cycle()) {
                earliest = (at + base + jitter).max(earliest);
                reports.push((earliest, event, *method));
            }
        }
        reports.sort_by_key(|report| report.0);
        reports
    }

    fn dialling() -> impl Strategy<Value = Vec<(u64, u8)>> {
        // From 80 ms on from one end of a key to the next: 40 ms of pause, 40 ms of key. Few keys, so that the
        // same one often comes twice.
        proptest::collection::vec((80u64..600, 0u8..4), 1..40).prop_map(|presses| {
            let at = |at: &mut u64, (gap, event): (u64, u8)| {
                *at += gap;
                Some((*at, event))
            };
            presses.into_iter().scan(0, at).collect()
        })
    }

    proptest! {
        /// Methods that report every press, delayed against each other at will within the window: exactly what
        /// was pressed is given, in order.
        #[test]
        fn any_interleaving_within_the_window_gives_what_was_pressed(
            presses in dialling(),
            methods in proptest::sample::subsequence(METHODS.to_vec(), 1..=3),
            delays in proptest::collection::vec(
                (0u64..700, proptest::collection::vec(0u64..300, 1..10)), 3,
            ),
            agreed in any::<bool>(),
        ) {
            let reports = delayed(&presses, &methods, &delays);
            let given: Vec<u8> = collected(agreed, &reports).iter().map(|g| g.1).collect();
            let pressed: Vec<u8> = presses.iter().map(|p| p.1).collect();
            prop_assert_eq!(given, pressed);
        }

        /// One method misses nothing, the others miss at will; reports of one press come before those of the
        /// next, in any order.
        #[test]
        fn what_some_methods_miss_is_given_all_the_same(
            presses in dialling(),
            complete in proptest::sample::select(&METHODS[..]),
            others in proptest::collection::vec((any::<u8>(), 0u64..79, 0u64..79, 0u64..79), 40),
            agreed in any::<bool>(),
        ) {
            let mut reports = Vec::new();
            for (&(at, event), &(missing, a, b, c)) in presses.iter().zip(&others) {
                for (method, delay) in METHODS.into_iter().zip([a, b, c]) {
                    if method == complete || missing & method.bit() == 0 {
                        reports.push((at + delay, event, method));
                    }
                }
            }
            reports.sort_by_key(|report| report.0);
            let given: Vec<u8> = collected(agreed, &reports).iter().map(|g| g.1).collect();
            let pressed: Vec<u8> = presses.iter().map(|p| p.1).collect();
            prop_assert_eq!(given, pressed);
        }

        #[test]
        fn any_reports_are_harmless(
            reports in proptest::collection::vec((any::<u32>(), 0u8..16, 0usize..3), 0..100),
        ) {
            let mut collector = DigitCollector::new(true);
            let mut taken = 0;
            for (at, event, method) in reports {
                // Time may seem to go back between methods.
                let at = Time::from_nanos(at.into());
                taken += usize::from(collector.hear(report(event, METHODS[method]), at));
                taken -= usize::from(collector.poll(at).is_some());
            }
            prop_assert!(taken <= 100);
        }
    }
}
