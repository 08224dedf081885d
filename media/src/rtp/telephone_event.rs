//! Keys pressed on a telephone, sent as events instead of tones (RFC 4733).
//!
//! The packets of one event carry the timestamp of its start; the last of them, with the end bit, is
//! sent three times. Any of them can be lost, doubled or late. [`DigitReceiver`] reports each key
//! once: at its first end packet, or, if all of those are lost, when another event starts or nothing
//! more is heard of it.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroize;

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
    /// Bytes of a payload.
    pub const LEN: usize = 4;

    /// Reads a payload, or `None` if it is too short. Further events in the same payload (a form RFC
    /// 4733 dropped) are left unread.
    pub const fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1, ..] = payload else {
            return None;
        };
        Some(Self { event: *event, end: *flags & END_BIT != 0, duration: u16::from_be_bytes([*d0, *d1]) })
    }

    /// The payload as it is on the wire.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, if self.end { END_BIT | VOLUME } else { VOLUME }, d0, d1]
    }
}

/// E in the second byte.
const END_BIT: u8 = 0x80;

/// How loud the tone would be that an event stands for, in −dBm0 (RFC 4733 §2.3.4): 10, as others say.
const VOLUME: u8 = 10;

/// Keys may be a card number: `Debug` does not show which.
impl fmt::Debug for TelephoneEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelephoneEvent")
            .field("end", &self.end)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// An event that has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EndedEvent {
    /// Which: 0-15, a key (RFC 4733 §3.2).
    pub event: u8,
    /// How long it lasted by the sender's word, at most [`DURATION_MAX`]. If its end was lost, as far as it
    /// was heard.
    pub duration: Duration,
}

/// Keys may be a card number: `Debug` does not show which.
impl fmt::Debug for EndedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedEvent").field("duration", &self.duration).finish_non_exhaustive()
    }
}

/// Events that are known to have ended, in order. At most two: one whose ends were all lost, and the
/// one that proved it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EndedEvents([Option<EndedEvent>; 2]);

impl EndedEvents {
    const NONE: Self = Self([None, None]);
}

impl IntoIterator for EndedEvents {
    type Item = EndedEvent;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<EndedEvent>, 2>>;

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
#[derive(Clone)]
pub struct DigitReceiver {
    clock_rate: u32,
    latest: Option<Latest>,
}

/// The event that started last.
#[derive(Clone, Copy)]
struct Latest {
    ssrc: Ssrc,
    /// Of its latest segment.
    timestamp: u32,
    event: u8,
    /// Units in the segments before.
    past_units: u64,
    /// Units of the latest segment so far.
    units: u16,
    heard_at: Time,
    /// An end packet came: what follows is not part of it.
    ended: bool,
    reported: bool,
}

impl Default for DigitReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl DigitReceiver {
    /// A receiver that has heard nothing, at 8,000 Hz.
    pub const fn new() -> Self {
        Self::at_clock_rate(8_000)
    }

    /// A receiver that has heard nothing, at the clock rate that was agreed for telephone-events.
    pub const fn at_clock_rate(clock_rate: u32) -> Self {
        Self { clock_rate: if clock_rate == 0 { 1 } else { clock_rate }, latest: None }
    }

    /// Takes one telephone-event packet and returns the keys it shows to have ended. What is not an event,
    /// or an event that is not a key, is ignored.
    pub fn receive(&mut self, packet: &PacketView<'_>, received_at: Time) -> EndedEvents {
        match TelephoneEvent::parse(packet.payload()) {
            Some(event) if event.event <= KEY_MAX => self.hear(packet, event, received_at),
            _ => EndedEvents::NONE,
        }
    }

    /// Reports the key that has not been heard of for 150 ms although no end packet came.
    pub fn expire(&mut self, now: Time) -> Option<EndedEvent> {
        let latest = self.latest.as_mut()?;
        if latest.reported || now.since(latest.heard_at) < SILENCE_ENDS {
            return None;
        }
        latest.report(self.clock_rate)
    }

    /// Whether a key is held down now.
    pub fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// The key that is held down now, by its event code.
    pub fn held(&self) -> Option<u8> {
        self.latest.filter(|latest| !latest.reported).map(|latest| latest.event)
    }

    /// Forgets which key it was that was reported last. Repeated packets of it are known by their timestamps all the same.
    pub(crate) fn forget_key(&mut self) {
        if let Some(latest) = self.latest.as_mut().filter(|latest| latest.reported && latest.ended) {
            latest.event.zeroize();
        }
    }

    /// Another clock rate was agreed. A key that is held down now goes on, and is measured at that.
    pub const fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = if clock_rate == 0 { 1 } else { clock_rate };
    }

    fn hear(&mut self, packet: &PacketView<'_>, heard: TelephoneEvent, at: Time) -> EndedEvents {
        let rate = self.clock_rate;
        let Some(latest) = &mut self.latest else {
            return EndedEvents([None, self.start(packet, heard, at)]);
        };
        match latest.relation(packet, heard, rate) {
            Relation::Same => EndedEvents([None, latest.go_on(heard, at, rate)]),
            Relation::NextSegment => {
                let ahead = packet.timestamp().wrapping_sub(latest.timestamp);
                latest.past_units = latest.past_units.saturating_add(ahead.into());
                latest.timestamp = packet.timestamp();
                latest.units = 0;
                EndedEvents([None, latest.go_on(heard, at, rate)])
            }
            Relation::Other => {
                let unfinished = latest.report(rate);
                EndedEvents([unfinished, self.start(packet, heard, at)])
            }
            Relation::Past => EndedEvents::NONE,
        }
    }

    fn start(&mut self, packet: &PacketView<'_>, heard: TelephoneEvent, at: Time) -> Option<EndedEvent> {
        let latest = self.latest.insert(Latest {
            ssrc: packet.ssrc(),
            timestamp: packet.timestamp(),
            event: heard.event,
            past_units: 0,
            units: 0,
            heard_at: at,
            ended: false,
            reported: false,
        });
        latest.go_on(heard, at, self.clock_rate)
    }
}

impl fmt::Debug for DigitReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigitReceiver").field("clock_rate", &self.clock_rate).finish_non_exhaustive()
    }
}

/// The last of the keys: 0-9, *, #, A-D (RFC 4733 §3.2, table 3).
const KEY_MAX: u8 = 15;

/// An event of which nothing is heard for so long has ended: three times the 50 ms that updates are
/// apart (RFC 4733 §2.5.1.2, §2.5.2.2). Too early does no harm, since a later packet of the same event
/// is known by its timestamp.
const SILENCE_ENDS: Duration = Duration::from_millis(150);

/// Timestamps that lie behind by less than this many seconds are packets of a past event that were held up.
/// Farther behind, the sender has started to count anew.
const PAST_SECONDS: u32 = 5;

/// How much sooner than at its last unit a full segment may be followed by the next, as a part of a second:
/// 1/10 s, two updates. Some senders begin the next segment where their last update stood.
const SEGMENT_SLACK: u32 = 10;

/// Segments that may be lost whole and still be followed by the next. At 48 kHz one lasts 1.4 s, and a network can
/// be away for longer.
const SEGMENTS_LOST_MAX: u32 = 7;

/// The longest duration reported, whatever a sender claims: ten minutes are no key press but a fault.
pub const DURATION_MAX: Duration = Duration::from_secs(600);

/// What a packet has to do with the event that started last.
enum Relation {
    Same,
    NextSegment,
    Other,
    Past,
}

impl Latest {
    fn relation(&self, packet: &PacketView<'_>, heard: TelephoneEvent, clock_rate: u32) -> Relation {
        if packet.ssrc() != self.ssrc {
            return Relation::Other;
        }
        let ahead = packet.timestamp().wrapping_sub(self.timestamp);
        if ahead == 0 {
            return Relation::Same;
        }
        if self.is_followed(ahead, clock_rate) && heard.event == self.event && !packet.marker() {
            return Relation::NextSegment;
        }
        if ahead.wrapping_neg() < clock_rate.saturating_mul(PAST_SECONDS) {
            return Relation::Past;
        }
        Relation::Other
    }

    /// Whether a segment that starts `ahead` units after this one goes on with it. A key held longer than the
    /// duration field can say does so where the first segment's duration ended, without a marker (RFC 4733
    /// §2.5.1.3). A key pressed anew has one, or begins elsewhere.
    fn is_followed(&self, ahead: u32, clock_rate: u32) -> bool {
        if self.ended {
            return false;
        }
        let full = u32::from(u16::MAX);
        if ahead.is_multiple_of(full) {
            return ahead / full <= SEGMENTS_LOST_MAX + 1;
        }
        let earliest = full - (clock_rate / SEGMENT_SLACK).min(full / 2);
        u32::from(self.units) >= earliest && (earliest..full).contains(&ahead)
    }

    /// Takes in a packet of this event.
    fn go_on(&mut self, heard: TelephoneEvent, at: Time, clock_rate: u32) -> Option<EndedEvent> {
        self.heard_at = at;
        // Packets can overtake each other.
        self.units = self.units.max(heard.duration);
        self.ended |= heard.end;
        if heard.end { self.report(clock_rate) } else { None }
    }

    /// The event, the first time.
    fn report(&mut self, clock_rate: u32) -> Option<EndedEvent> {
        if self.reported {
            return None;
        }
        self.reported = true;
        let units = self.past_units.saturating_add(self.units.into());
        let rate = u64::from(clock_rate);
        let duration = Duration::from_millis(units.saturating_mul(1_000) / rate);
        Some(EndedEvent { event: self.event, duration: duration.min(DURATION_MAX) })
    }
}

#[cfg(test)]
mod tests;
