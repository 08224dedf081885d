//! Keys pressed on a telephone, sent as events instead of tones (RFC 4733).
//!
//! The packets of one event carry the timestamp of its start; the last of them, with the end bit, is
//! sent three times. Any of them can be lost, doubled or late. [`DigitReceiver`] reports each key
//! once: at its first end packet, or, if all of those are lost, when another event starts or nothing
//! more is heard of it.

use std::fmt;
use std::time::Duration;

use super::packet::{PacketView, Ssrc};
use crate::time::Time;

/// The payload of one telephone-event packet (RFC 4733 §2.3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// What happened: 0-15 are the keys (§3.2).
    pub event: u8,
    /// Whether this is one of the event's last packets.
    pub end: bool,
    /// How long the event has lasted, in units of the clock rate.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads a payload, or `None` if it is too short. Further events in the same payload (a form RFC
    /// 4733 dropped) are left unread.
    pub const fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1, ..] = payload else {
            return None;
        };
        Some(Self { event: *event, end: *flags & 0x80 != 0, duration: u16::from_be_bytes([*d0, *d1]) })
    }
}

/// Keys may be a card number: `Debug` does not show which.
impl fmt::Debug for TelephoneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelephoneEvent")
            .field("end", &self.end)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// Events that are known to have ended, in order. At most two: one whose ends were all lost, and the
/// one that proved it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedEvents([Option<u8>; 2]);

impl EndedEvents {
    const NONE: Self = Self([None, None]);
}

impl IntoIterator for EndedEvents {
    type Item = u8;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<u8>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

impl fmt::Debug for EndedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndedEvents({} redacted)", self.0.iter().flatten().count())
    }
}

/// Turns the telephone-event packets of one leg into keys, each reported once.
#[derive(Clone, Default)]
pub struct DigitReceiver {
    latest: Option<Latest>,
}

/// The event that started last.
#[derive(Clone, Copy)]
struct Latest {
    ssrc: Ssrc,
    timestamp: u32,
    event: u8,
    heard_at: Time,
    reported: bool,
}

impl DigitReceiver {
    /// A receiver that has heard nothing.
    pub const fn new() -> Self {
        Self { latest: None }
    }

    /// Takes one telephone-event packet and returns the codes (0-15) of the keys it shows to have
    /// ended. What is not an event, or an event that is not a key, is ignored.
    pub fn receive(&mut self, packet: &PacketView<'_>, received_at: Time) -> EndedEvents {
        match TelephoneEvent::parse(packet.payload()) {
            Some(event) if event.event <= KEY_MAX => self.hear(packet, event, received_at),
            _ => EndedEvents::NONE,
        }
    }

    /// Reports the key that has not been heard of for 150 ms although no end packet came.
    pub fn expire(&mut self, now: Time) -> Option<u8> {
        let latest = self.latest.as_mut()?;
        if latest.reported || now.since(latest.heard_at) < SILENCE_ENDS {
            return None;
        }
        latest.report()
    }

    fn hear(&mut self, packet: &PacketView<'_>, heard: TelephoneEvent, at: Time) -> EndedEvents {
        let Some(latest) = &mut self.latest else {
            return EndedEvents([None, self.start(packet, heard, at)]);
        };
        match latest.relation(packet, heard) {
            Relation::Same => {
                latest.heard_at = at;
                EndedEvents([None, if heard.end { latest.report() } else { None }])
            }
            Relation::NextSegment => {
                latest.timestamp = packet.timestamp();
                latest.heard_at = at;
                EndedEvents([None, if heard.end { latest.report() } else { None }])
            }
            Relation::Other => {
                let unfinished = latest.report();
                EndedEvents([unfinished, self.start(packet, heard, at)])
            }
            Relation::Past => EndedEvents::NONE,
        }
    }

    fn start(&mut self, packet: &PacketView<'_>, heard: TelephoneEvent, at: Time) -> Option<u8> {
        let latest = self.latest.insert(Latest {
            ssrc: packet.ssrc(),
            timestamp: packet.timestamp(),
            event: heard.event,
            heard_at: at,
            reported: false,
        });
        if heard.end { latest.report() } else { None }
    }
}

impl fmt::Debug for DigitReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigitReceiver").finish_non_exhaustive()
    }
}

/// The last of the keys: 0-9, *, #, A-D (RFC 4733 §3.2, table 3).
const KEY_MAX: u8 = 15;

/// An event of which nothing is heard for so long has ended: three times the 50 ms that updates are
/// apart (RFC 4733 §2.5.1.2, §2.5.2.2). Too early does no harm, since a later packet of the same event
/// is known by its timestamp.
const SILENCE_ENDS: Duration = Duration::from_millis(150);

/// Timestamps that lie behind by less than this (5 s at 8,000 Hz) are packets of a past event that
/// were held up. Farther behind, the sender has started to count anew.
const PAST_UNITS: u32 = 40_000;

/// What a packet has to do with the event that started last.
enum Relation {
    Same,
    NextSegment,
    Other,
    Past,
}

impl Latest {
    fn relation(&self, packet: &PacketView<'_>, heard: TelephoneEvent) -> Relation {
        if packet.ssrc() != self.ssrc {
            return Relation::Other;
        }
        let ahead = packet.timestamp().wrapping_sub(self.timestamp);
        if ahead == 0 {
            return Relation::Same;
        }
        // A key held longer than the duration field can say goes on in a new segment, which begins
        // where the first one's duration ended (RFC 4733 §2.5.1.3).
        if ahead == u32::from(u16::MAX) && heard.event == self.event && !self.reported {
            return Relation::NextSegment;
        }
        if ahead.wrapping_neg() < PAST_UNITS {
            return Relation::Past;
        }
        Relation::Other
    }

    /// The event's code, the first time.
    fn report(&mut self) -> Option<u8> {
        if self.reported {
            return None;
        }
        self.reported = true;
        Some(self.event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::{RtpHeader, SequenceNumber};

    /// A receiver and what it has reported.
    #[derive(Default)]
    struct Bench {
        receiver: DigitReceiver,
        now: Time,
        reported: Vec<u8>,
    }

    impl Bench {
        fn hear(&mut self, timestamp: u32, event: u8, duration: u16, end: bool) {
            let header = RtpHeader {
                marker: false,
                payload_type: 101,
                sequence_number: SequenceNumber(0),
                timestamp,
                ssrc: Ssrc(1),
            };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend([event, if end { 0x8a } else { 0x0a }]);
            bytes.extend(duration.to_be_bytes());
            let packet = PacketView::parse(&bytes).unwrap();
            self.reported.extend(self.receiver.receive(&packet, self.now));
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
            self.reported.extend(self.receiver.expire(self.now));
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
        let ended = EndedEvents([Some(9), None]);
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
                    prop_assert!(receiver.receive(&packet, Time::ZERO).into_iter().all(|e| e < 16));
                }
            }
        }
    }
}
