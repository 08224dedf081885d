//! Packets of key presses, lost, doubled and held up at will.

use proptest::prelude::*;

use super::*;
use crate::rtp::{RtpHeader, SequenceNumber};

/// A receiver and what it has reported.
#[derive(Default)]
struct Bench {
    receiver: DigitReceiver,
    now: Time,
    reported: Vec<u8>,
    durations: Vec<u128>,
}

impl Bench {
    fn at_clock_rate(clock_rate: u32) -> Self {
        Self { receiver: DigitReceiver::at_clock_rate(clock_rate), ..Self::default() }
    }

    fn hear(&mut self, timestamp: u32, event: u8, duration: u16, end: bool) {
        self.hear_marked(false, timestamp, event, duration, end);
    }

    fn hear_marked(&mut self, marker: bool, timestamp: u32, event: u8, duration: u16, end: bool) {
        let header = RtpHeader {
            marker,
            payload_type: 101,
            sequence_number: SequenceNumber(0),
            timestamp,
            ssrc: Ssrc(1),
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend([event, if end { 0x8a } else { 0x0a }]);
        bytes.extend(duration.to_be_bytes());
        let packet = PacketView::parse(&bytes).unwrap();
        self.receiver.receive(&packet, self.now).into_iter().for_each(|ended| self.note(ended));
    }

    fn note(&mut self, ended: EndedEvent) {
        self.reported.push(ended.event);
        self.durations.push(ended.duration.as_millis());
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        if let Some(ended) = self.receiver.expire(self.now) {
            self.note(ended);
        }
    }
}

#[test]
fn a_key_with_three_ends_is_reported_once() {
    let mut bench = Bench::default();
    for n in 1..=4 {
        bench.hear(8_000, 5, n * 160, false);
        bench.wait(20);
    }
    assert!(bench.reported.is_empty());
    for _ in 0..3 {
        bench.hear(8_000, 5, 800, true);
    }
    bench.wait(1_000);
    assert_eq!(bench.reported, [5]);
}

#[test]
fn the_same_key_pressed_twice_is_reported_twice() {
    let mut bench = Bench::default();
    for press in [1_000, 3_000] {
        bench.hear(press, 7, 160, false);
        bench.hear(press, 7, 320, true);
    }
    assert_eq!(bench.reported, [7, 7]);
}

#[test]
fn a_key_whose_ends_are_lost_is_reported_when_the_next_starts() {
    let mut bench = Bench::default();
    bench.hear(1_000, 1, 160, false);
    bench.hear(3_000, 2, 160, false);
    assert_eq!(bench.reported, [1]);
    bench.hear(3_000, 2, 320, true);
    assert_eq!(bench.reported, [1, 2]);
}

#[test]
fn a_key_whose_ends_are_lost_is_reported_in_order_with_one_of_which_only_the_end_came() {
    let mut bench = Bench::default();
    bench.hear(1_000, 1, 160, false);
    bench.hear(3_000, 2, 320, true);
    assert_eq!(bench.reported, [1, 2]);
}

#[test]
fn a_key_whose_ends_are_lost_is_reported_after_a_silence_and_not_again() {
    let mut bench = Bench::default();
    bench.hear(1_000, 11, 160, false);
    bench.wait(149);
    assert!(bench.reported.is_empty());
    bench.wait(1);
    assert_eq!(bench.reported, [11]);
    bench.hear(1_000, 11, 2_000, true);
    bench.wait(500);
    assert_eq!(bench.reported, [11]);
}

#[test]
fn ends_that_were_held_up_behind_the_next_key_count_for_nothing() {
    let mut bench = Bench::default();
    bench.hear(1_000, 1, 160, false);
    bench.hear(3_000, 2, 160, false);
    bench.hear(1_000, 1, 320, true);
    bench.hear(3_000, 2, 320, true);
    bench.hear(1_000, 1, 320, true);
    assert_eq!(bench.reported, [1, 2]);
}

#[test]
fn a_key_held_for_several_segments_is_one_key() {
    let mut bench = Bench::default();
    bench.hear(1_000, 3, u16::MAX, false);
    bench.hear(1_000 + 65_535, 3, 160, false);
    assert!(bench.reported.is_empty());
    bench.hear(1_000 + 65_535, 3, 900, true);
    assert_eq!(bench.reported, [3]);
    assert_eq!(bench.durations, [(65_535 + 900) / 8]);
}

#[test]
fn durations_are_in_units_of_the_clock_rate() {
    for clock_rate in [8_000, 16_000, 48_000] {
        let mut bench = Bench::at_clock_rate(clock_rate);
        let units = (clock_rate / 10) as u16;
        bench.hear(1_000, 1, units, false);
        bench.hear(1_000, 1, units * 12 / 10, true);
        assert_eq!(bench.durations, [120], "{clock_rate}");
    }
}

#[test]
fn at_48_khz_a_key_can_be_held_for_many_segments_of_which_some_are_lost() {
    let mut bench = Bench::at_clock_rate(48_000);
    for segment in (0..20u32).filter(|segment| segment % 4 != 2) {
        for step in 1..=68 {
            bench.hear(7_000 + segment * 65_535, 4, step * 960, false);
            bench.wait(20);
        }
        if segment % 4 == 1 {
            bench.wait(1_360);
        }
    }
    bench.hear(7_000 + 20 * 65_535, 4, 960, true);
    assert_eq!(bench.reported, [4], "once, also after it was taken for ended");
}

#[test]
fn a_segment_may_begin_where_the_last_update_stood() {
    let mut bench = Bench::default();
    bench.hear(1_000, 3, 65_440, false);
    bench.hear(1_000 + 65_440, 3, 160, false);
    bench.hear(1_000 + 65_440, 3, 320, true);
    assert_eq!((bench.reported, bench.durations), (vec![3], vec![65_760 / 8]));
}

#[test]
fn a_marker_begins_the_same_key_anew() {
    let mut bench = Bench::default();
    bench.hear_marked(true, 1_000, 3, 65_535, false);
    bench.hear_marked(true, 1_000 + 65_535, 3, 160, true);
    assert_eq!(bench.reported, [3, 3]);
}

#[test]
fn keys_without_a_pause_between_them_are_told_apart() {
    let mut bench = Bench::default();
    for press in 0..10 {
        // The next begins in the unit in which this one ends, and before its last two ends are sent.
        bench.hear_marked(true, press * 800, 6, 400, false);
        bench.hear(press * 800, 6, 800, true);
        bench.hear_marked(true, (press + 1) * 800, 6, 160, false);
        bench.hear(press * 800, 6, 800, true);
        bench.hear(press * 800, 6, 800, true);
    }
    bench.wait(200);
    assert_eq!(bench.reported, [6; 11]);
}

#[test]
fn packets_of_one_key_in_any_order_give_one_key_and_its_duration() {
    let mut bench = Bench::default();
    for duration in [480, 160, 640, 320] {
        bench.hear(1_000, 9, duration, false);
    }
    bench.wait(150);
    assert_eq!((bench.reported, bench.durations), (vec![9], vec![80]));
}

#[test]
fn a_held_key_shows_before_it_ends() {
    let mut bench = Bench::default();
    assert!(!bench.receiver.is_held());
    bench.hear(1_000, 9, 160, false);
    assert!(bench.receiver.is_held());
    bench.hear(1_000, 9, 320, true);
    assert!(!bench.receiver.is_held());
}

#[test]
fn claimed_durations_are_bounded() {
    for clock_rate in [0, 1, 8_000, u32::MAX] {
        let mut bench = Bench::at_clock_rate(clock_rate);
        for segment in 0..1_000u32 {
            bench.hear(segment.wrapping_mul(65_535), 3, u16::MAX, false);
        }
        bench.hear(999 * 65_535, 3, u16::MAX, true);
        assert_eq!(bench.reported, [3]);
        assert!(bench.durations[0] <= DURATION_MAX.as_millis());
    }
}

#[test]
fn timestamps_wrap_and_can_start_anew() {
    let mut bench = Bench::default();
    bench.hear(u32::MAX - 10, 1, 320, true);
    bench.hear(2_000, 2, 320, true);
    bench.hear(0x8000_0000, 3, 320, true);
    bench.hear(5, 4, 320, true);
    assert_eq!(bench.reported, [1, 2, 3, 4]);
}

#[test]
fn events_that_are_not_keys_are_ignored() {
    let mut bench = Bench::default();
    for event in 16..=255 {
        bench.hear(u32::from(event) * 1_000, event, 320, true);
    }
    bench.wait(1_000);
    assert!(bench.reported.is_empty());
    assert_eq!(TelephoneEvent::parse(&[1, 2, 3]), None);
}

#[test]
fn debug_does_not_show_keys() {
    let mut bench = Bench::default();
    bench.hear(1_000, 9, 160, false);
    let event = TelephoneEvent { event: 9, end: true, duration: 1 };
    let ended = EndedEvents([Some(EndedEvent { event: 9, duration: Duration::ZERO }), None]);
    let shown = format!("{:?} {event:?} {ended:?}", bench.receiver);
    assert!(!shown.contains('9'), "{shown}");
}

proptest! {
    /// Any packets of a run of keys may be lost, as long as one of each key arrives: the keys are
    /// reported in order, each once.
    #[test]
    fn keys_survive_loss_and_doubling(
        keys in proptest::collection::vec((0u8..16, 1u8..64), 1..20),
    ) {
        let mut bench = Bench::default();
        for (n, &(key, copies)) in keys.iter().enumerate() {
            let timestamp = (n as u32).wrapping_mul(1_600).wrapping_sub(5_000);
            for packet in 0..6 {
                if copies & 1 << packet != 0 {
                    let end = packet >= 3;
                    bench.hear(timestamp, key, 160 * (packet + 1).min(4), end);
                }
                bench.wait(20);
            }
            bench.wait(80);
        }
        bench.wait(1_000);
        let pressed: Vec<u8> = keys.iter().map(|&(key, _)| key).collect();
        prop_assert_eq!(bench.reported, pressed);
    }

    #[test]
    fn any_payload_is_harmless(payloads in proptest::collection::vec(
        (any::<u32>(), proptest::collection::vec(any::<u8>(), 0..8)), 0..50,
    )) {
        let mut receiver = DigitReceiver::new();
        for (timestamp, payload) in payloads {
            let header = RtpHeader {
                marker: false,
                payload_type: 101,
                sequence_number: SequenceNumber(0),
                timestamp,
                ssrc: Ssrc(timestamp & 1),
            };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend(payload);
            if let Ok(packet) = PacketView::parse(&bytes) {
                prop_assert!(receiver.receive(&packet, Time::ZERO).into_iter().all(|e| e.event < 16));
            }
        }
    }
}
