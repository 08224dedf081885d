//! Presses keys towards a far end: as telephone-events (RFC 4733 §2.5.1), or as tones where those were not
//! agreed.

use std::time::Duration;

use super::queue::{DigitQueue, DigitQueueFull, Step};
use crate::dsp::tone::{Tone, TonePlayer};
use crate::event::Digit;
use crate::frame::Frame;
use crate::rtp::TelephoneEvent;

/// One packet that takes the place of the audio packet of its step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// Its payload.
    pub payload: [u8; TelephoneEvent::LEN],
    /// Set on the first packet of a key.
    pub marker: bool,
    /// Its timestamp: that of the key's start, or of its segment's.
    pub timestamp: u32,
}

/// The payload says which key: `Debug` does not.
impl std::fmt::Debug for EventPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventPacket").field("marker", &self.marker).finish_non_exhaustive()
    }
}

/// How often a key's end is sent, one step apart (RFC 4733 §2.5.1.4).
const ENDS: u8 = 3;

/// Steps in a second.
const STEPS_PER_SECOND: u32 = 50;

/// How keys are pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigitWay {
    /// As telephone-events at this clock rate.
    Events(u32),
    /// As tones.
    Tones,
}

/// Presses keys towards a far end, one after another. It takes all its memory when it is built.
///
/// Each step begins with [`begin`](Self::begin); then its packet or its tone can be had.
#[derive(Debug)]
pub struct DigitSender {
    queue: DigitQueue,
    way: DigitWay,
    now: Step,
    events: Events,
    player: Option<TonePlayer>,
}

impl Default for DigitSender {
    fn default() -> Self {
        Self::new()
    }
}

impl DigitSender {
    /// A sender with nothing to press.
    pub fn new() -> Self {
        Self {
            queue: DigitQueue::new(),
            way: DigitWay::Tones,
            now: Step::Up,
            events: Events::default(),
            player: None,
        }
    }

    /// Presses a key when those before are done, for `duration` (40 ms to 10 s, in steps of 20), with a pause
    /// after it.
    ///
    /// # Errors
    ///
    /// [`DigitQueueFull`]: it will not be pressed.
    pub fn press(&mut self, digit: Digit, duration: Duration) -> Result<(), DigitQueueFull> {
        self.queue.press(digit, duration)
    }

    /// Waits before the next key, for at most 10 s.
    ///
    /// # Errors
    ///
    /// [`DigitQueueFull`]: there will be no pause.
    pub fn pause(&mut self, duration: Duration) -> Result<(), DigitQueueFull> {
        self.queue.pause(duration)
    }

    /// Presses what waits in another one when all before is done.
    ///
    /// # Errors
    ///
    /// [`DigitQueueFull`]: none of it will be pressed.
    pub fn append(&mut self, other: &mut Self) -> Result<(), DigitQueueFull> {
        self.queue.append(&mut other.queue)
    }

    /// Whether nothing is left to press.
    pub fn is_idle(&self) -> bool {
        self.queue.is_idle() && self.events.ending.is_none()
    }

    /// Begins the next step. A key that is down when the way changes is let go.
    pub fn begin(&mut self, way: DigitWay) {
        if self.way != way {
            self.way = way;
            self.queue.let_go();
            self.events = Events::default();
        }
        self.now = self.queue.step();
    }

    /// A step in which nothing may be sent: what is pressed waits, and a key that is down is let go.
    pub fn hold(&mut self) {
        self.queue.let_go();
        self.events = Events::default();
        self.now = Step::Up;
    }

    /// Whether a tone is to be sent in this step.
    pub fn sounds(&self) -> bool {
        self.way == DigitWay::Tones && matches!(self.now, Step::Down { .. })
    }

    /// Writes this step's tone over `frame`, and returns whether there was one.
    pub fn tone(&mut self, frame: &mut Frame) -> bool {
        let (DigitWay::Tones, Step::Down { digit, step, of }) = (self.way, self.now) else {
            return false;
        };
        if step == 1 {
            let duration = crate::time::Tick::DURATION * of;
            self.player =
                Tone::of_key(digit.event(), duration).map(|tone| TonePlayer::new(&tone, frame.rate()));
        }
        if let Some(player) = &mut self.player {
            player.fill(frame.samples_mut());
        }
        true
    }

    /// The packet of this step, whose audio packet would have this timestamp; `None` if that should be sent.
    pub fn event(&mut self, timestamp: u32) -> Option<EventPacket> {
        let DigitWay::Events(clock_rate) = self.way else {
            return None;
        };
        match self.now {
            Step::Down { digit, step, of } => {
                Some(self.events.press(digit, step, of, clock_rate / STEPS_PER_SECOND, timestamp))
            }
            Step::Up => self.events.end_again(),
        }
    }
}

/// Where the key that is down as an event stands.
#[derive(Clone, Copy, Debug, Default)]
struct Events {
    segment: Segment,
    /// The end that is sent again, and how often.
    ending: Option<(EventPacket, u8)>,
}

/// The segment of the key that is down (RFC 4733 §2.5.1.3).
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    timestamp: u32,
    /// Units of the segments before.
    past_units: u32,
}

impl Events {
    fn press(&mut self, digit: Digit, step: u32, of: u32, step_units: u32, timestamp: u32) -> EventPacket {
        if step == 1 {
            self.segment = Segment { timestamp, past_units: 0 };
            self.ending = None;
        }
        let units = (step * step_units).saturating_sub(self.segment.past_units);
        let Segment { timestamp, .. } = self.segment;
        let marker = step == 1;
        let Ok(duration) = u16::try_from(units) else {
            self.segment.timestamp = timestamp.wrapping_add(u16::MAX.into());
            self.segment.past_units += u32::from(u16::MAX);
            if step < of {
                return packet(digit, false, u16::MAX, marker, timestamp);
            }
            // It ends where a segment is full: with that, and so less than a step early.
            return self.end(packet(digit, true, u16::MAX, marker, timestamp));
        };
        let held = packet(digit, step == of, duration, marker, timestamp);
        if step == of { self.end(held) } else { held }
    }

    fn end(&mut self, last: EventPacket) -> EventPacket {
        self.ending = Some((EventPacket { marker: false, ..last }, ENDS - 1));
        last
    }

    fn end_again(&mut self) -> Option<EventPacket> {
        let (packet, left) = self.ending.take()?;
        if left > 1 {
            self.ending = Some((packet, left - 1));
        }
        Some(packet)
    }
}

fn packet(digit: Digit, end: bool, duration: u16, marker: bool, timestamp: u32) -> EventPacket {
    let event = TelephoneEvent { event: digit.event(), end, duration };
    EventPacket { payload: event.to_bytes(), marker, timestamp }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::queue::{DIGIT_DURATION, DIGIT_QUEUE_MAX};
    use super::*;
    use crate::dsp::goertzel::KeyListener;
    use crate::frame::SampleRate;
    use crate::rtp::{DigitReceiver, PacketView, RtpHeader, SequenceNumber, Ssrc};
    use crate::time::Time;

    fn digit(event: u8) -> Digit {
        Digit::from_event(event).unwrap()
    }

    /// Packets of all steps until nothing is left, `None` where audio is sent.
    fn sent(sender: &mut DigitSender, clock_rate: u32) -> Vec<Option<EventPacket>> {
        let mut timestamp = 1_000u32;
        let mut packets = Vec::new();
        while !sender.is_idle() {
            sender.begin(DigitWay::Events(clock_rate));
            assert!(!sender.sounds());
            packets.push(sender.event(timestamp));
            timestamp = timestamp.wrapping_add(clock_rate / STEPS_PER_SECOND);
        }
        packets
    }

    /// What a receiver makes of these packets, of which those in `lost` do not arrive.
    fn received(
        clock_rate: u32,
        packets: &[Option<EventPacket>],
        lost: impl Fn(usize) -> bool,
    ) -> Vec<(u8, u128)> {
        let mut receiver = DigitReceiver::at_clock_rate(clock_rate);
        let mut keys = Vec::new();
        for (n, packet) in packets.iter().enumerate() {
            let now = Time::from_millis(n as u64 * 20);
            if let Some(packet) = packet.filter(|_| !lost(n)) {
                let header = RtpHeader {
                    marker: packet.marker,
                    payload_type: 101,
                    sequence_number: SequenceNumber(n as u16),
                    timestamp: packet.timestamp,
                    ssrc: Ssrc(1),
                };
                let bytes = [&header.to_bytes()[..], &packet.payload[..]].concat();
                keys.extend(receiver.receive(&PacketView::parse(&bytes).unwrap(), now));
            }
            keys.extend(receiver.expire(now));
        }
        keys.into_iter().map(|key| (key.event, key.duration.as_millis())).collect()
    }

    #[test]
    fn a_key_is_started_updated_and_ended_three_times() {
        let mut sender = DigitSender::new();
        sender.press(digit(5), DIGIT_DURATION).unwrap();
        let packets: Vec<_> = sent(&mut sender, 8_000);
        let shown: Vec<_> = packets
            .iter()
            .flatten()
            .map(|p| (TelephoneEvent::parse(&p.payload).unwrap(), p.marker, p.timestamp))
            .map(|(event, marker, timestamp)| (event.event, event.end, event.duration, marker, timestamp))
            .collect();
        assert_eq!(
            shown,
            [
                (5, false, 160, true, 1_000),
                (5, false, 320, false, 1_000),
                (5, false, 480, false, 1_000),
                (5, false, 640, false, 1_000),
                (5, true, 800, false, 1_000),
                (5, true, 800, false, 1_000),
                (5, true, 800, false, 1_000),
            ]
        );
        assert_eq!(packets.len(), 10, "and then a pause");
    }

    #[test]
    fn long_keys_go_on_in_segments() {
        for clock_rate in [8_000, 16_000, 48_000] {
            for millis in [40, 1_360, 1_380, 2_720, 8_180, 8_200, 10_000] {
                let mut sender = DigitSender::new();
                sender.press(digit(1), Duration::from_millis(millis)).unwrap();
                let packets = sent(&mut sender, clock_rate);
                assert_eq!(packets.iter().flatten().filter(|p| p.marker).count(), 1);
                let keys = received(clock_rate, &packets, |_| false);
                let [(1, duration)] = keys[..] else { panic!("{clock_rate} {millis}: {keys:?}") };
                assert!(duration.abs_diff(millis.into()) <= 20, "{clock_rate}: {duration} of {millis}");
            }
        }
    }

    #[test]
    fn tones_are_heard_as_the_keys_that_were_pressed() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000] {
            let mut sender = DigitSender::new();
            (0..16).for_each(|event| sender.press(digit(event), Duration::from_millis(60)).unwrap());
            let mut listener = KeyListener::default();
            let mut heard = Vec::new();
            while !sender.is_idle() {
                let mut frame = Frame::silence(rate);
                sender.begin(DigitWay::Tones);
                assert_eq!(sender.sounds(), sender.tone(&mut frame));
                heard.extend(listener.hear(&frame).map(|key| key.event));
            }
            assert_eq!(heard, (0..16).collect::<Vec<_>>(), "{rate:?}");
        }
    }

    #[test]
    fn the_queue_is_bounded_and_a_key_never_waits_without_its_pause() {
        let mut sender = DigitSender::new();
        let pressed = (0..100).filter(|_| sender.press(digit(1), DIGIT_DURATION).is_ok()).count();
        assert_eq!(pressed, DIGIT_QUEUE_MAX / 2);
        assert_eq!(sender.pause(DIGIT_DURATION), Err(DigitQueueFull));
        assert!(!sender.is_idle());
    }

    #[test]
    fn debug_does_not_show_keys() {
        let mut sender = DigitSender::new();
        sender.press(digit(9), DIGIT_DURATION).unwrap();
        sender.begin(DigitWay::Events(8_000));
        let packet = sender.event(0);
        let shown = format!("{sender:?} {packet:?} {:?}", sender.queue.step());
        assert!(!shown.contains('9'), "{shown}");
    }

    proptest! {
        /// What one end presses the other receives, whichever of every eighth packets are lost.
        #[test]
        fn what_is_pressed_is_received(
            presses in proptest::collection::vec((0u8..16, 2u64..100), 1..20),
            clock_rate in proptest::sample::select(&[8_000u32, 16_000, 48_000][..]),
            lost in any::<u64>(),
        ) {
            let mut sender = DigitSender::new();
            for &(event, steps) in &presses {
                sender.press(digit(event), Duration::from_millis(steps * 20)).unwrap();
            }
            let packets = sent(&mut sender, clock_rate);
            // A packet in eight, and never the two beside it.
            let is_lost = |n: usize| n.is_multiple_of(8) && lost & 1 << (n / 8 % 64) != 0;
            let keys = received(clock_rate, &packets, is_lost);
            prop_assert_eq!(keys.len(), presses.len());
            for (&(key, duration), &(pressed, steps)) in keys.iter().zip(&presses) {
                prop_assert_eq!(key, pressed);
                // One that ends where a segment is full ends with that, less than a step early.
                prop_assert!(duration.abs_diff(u128::from(steps) * 20) < 20, "{duration} of {steps} steps");
            }
        }
    }
}
