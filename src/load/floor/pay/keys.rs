//! The keypad of a caller: keys as tones in what they say (ITU-T Q.23), or as events beside it (RFC 4733). The caller goes on
//! talking meanwhile.

use std::collections::VecDeque;
use std::f64::consts::TAU;

use serde::Serialize;

use crate::load::codec::{Codec, Encoder};
use crate::load::rtp;

/// The tones of a keypad's rows and columns, in Hz.
pub(super) const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub(super) const COLUMNS_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
/// The keys, row by row.
pub(super) const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Keys by the number of their event (RFC 4733 §3.2).
const BY_EVENT: &str = "0123456789*#ABCD";

/// How long a key is down, and up before the next one, in packets of 20 ms: somebody who types fast. ITU-T Q.24 wants 40 ms of
/// either to be enough.
const DOWN: u32 = 4;
const UP: u32 = 3;
/// The peak of each of a key's two tones: -16 dBFS, as telephones send them.
const AMPLITUDE: f64 = 5_200.0;
/// By so much a voice is softer than in other scenarios.
const SOFTER: i16 = 2;
/// How loud an event is said to be, in -dBm0 (RFC 4733 §2.3.4).
const EVENT_VOLUME: u8 = 10;

/// A way in which keys come to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As tones in what is said.
    Tones,
    /// As events beside it (RFC 4733).
    Events,
    /// In signalling (INFO).
    Info,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Tones, Self::Events, Self::Info];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Tones => "tones",
            Self::Events => "events",
            Self::Info => "INFO",
        }
    }
}

/// What a packet tells of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load::floor) struct Event {
    number: u8,
    /// Packets of sound since it went down.
    packets: u16,
    pub(in crate::load::floor) is_first: bool,
    /// It has gone up.
    pub(in crate::load::floor) is_last: bool,
}

impl Event {
    /// The payload, where a packet of sound has so many ticks (RFC 4733 §2.3).
    pub(in crate::load::floor) fn body(self, frame_ticks: u32) -> [u8; 4] {
        let [high, low] = (u32::from(self.packets) * frame_ticks).to_be_bytes()[2..] else {
            return [0; 4];
        };
        [self.number, u8::from(self.is_last) << 7 | EVENT_VOLUME, high, low]
    }
}

/// Somebody's mouth and keypad.
pub(in crate::load::floor) struct Keypad {
    encoder: Encoder,
    codec: Codec,
    /// 20 ms of what they say, over and over.
    voice: Vec<i16>,
    /// What is to be pressed yet; the first may be down.
    keys: VecDeque<(char, Way)>,
    /// Packets since the first went down.
    since: u32,
}

impl Keypad {
    /// For one who says these 20 ms over and over, a good deal softer than the keys: what G.711 makes of a voice besides, some
    /// 40 dB below it, is to be below what is looked for.
    pub(in crate::load::floor) fn new(codec: Codec, mut voice: Vec<i16>) -> Self {
        voice.iter_mut().for_each(|sample| *sample /= SOFTER);
        Self { encoder: Encoder::new(codec, 0), codec, voice, keys: VecDeque::new(), since: 0 }
    }

    /// Presses keys after those that wait.
    pub(in crate::load::floor) fn press(&mut self, keys: &str, way: Way) {
        self.keys.extend(keys.chars().map(|key| (key, way)));
    }

    /// The next packet's payload: how many octets it has, how loud it is where that is told, and what is to be told beside it.
    pub(in crate::load::floor) fn speak(&mut self, payload: &mut [u8]) -> (usize, Option<u8>, Option<Event>) {
        let (mut sound, mut event) = (self.voice.clone(), None);
        if let Some((key, way)) = self.keys.front().copied() {
            if self.since < DOWN {
                match way {
                    Way::Tones => add_tone(&mut sound, key, self.since as usize, self.codec.sample_rate()),
                    Way::Events => event = self.event_of(key),
                    Way::Info => {}
                }
            }
            self.since += 1;
            if self.since == DOWN + UP {
                self.since = 0;
                self.keys.pop_front();
            }
        }
        let encoded = self.encoder.encode(&sound);
        payload[..encoded.len()].copy_from_slice(&encoded);
        (encoded.len(), Some(rtp::level_of(&sound)), event)
    }

    fn event_of(&self, key: char) -> Option<Event> {
        Some(Event {
            number: u8::try_from(BY_EVENT.find(key)?).ok()?,
            packets: u16::try_from(self.since + 1).ok()?,
            is_first: self.since == 0,
            is_last: self.since + 1 == DOWN,
        })
    }
}

/// How long it takes to press so many, in ms.
pub(super) const fn typing_ms(keys: usize) -> u64 {
    keys as u64 * ((DOWN + UP) * 20) as u64
}

/// The two tones of a key, in Hz.
pub(super) fn tones_of(key: char) -> Option<(f64, f64)> {
    let at = |row: &[char; 4]| row.iter().position(|known| *known == key);
    let (row, column) = KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, at(keys)?)))?;
    Some((ROWS_HZ[row], COLUMNS_HZ[column]))
}

/// Adds a key's tones to a packet of sound, the so many-th since it went down.
fn add_tone(sound: &mut [i16], key: char, packet: usize, rate: u32) {
    let Some((low, high)) = tones_of(key) else {
        return;
    };
    let first = packet * sound.len();
    for (n, sample) in sound.iter_mut().enumerate() {
        let seconds = (first + n) as f64 / f64::from(rate);
        let tone = AMPLITUDE * ((TAU * low * seconds).sin() + (TAU * high * seconds).sin());
        *sample = sample.saturating_add(tone.round() as i16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::codec::PAYLOAD_MAX;

    fn packets(keys: &str, way: Way, count: usize) -> Vec<(Vec<u8>, Option<Event>)> {
        let mut keypad = Keypad::new(Codec::L16, vec![0; 320]);
        keypad.press(keys, way);
        let mut payload = [0; PAYLOAD_MAX];
        let mut next = || {
            let (length, _, event) = keypad.speak(&mut payload);
            (payload[..length].to_vec(), event)
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn tones_are_as_long_as_a_key_is_down() {
        let packets = packets("1*", Way::Tones, 16);
        let loud: Vec<bool> = packets.iter().map(|(sound, _)| sound.iter().any(|byte| *byte != 0)).collect();
        let pressed = [true, true, true, true, false, false, false];
        assert_eq!(loud, [&pressed[..], &pressed[..], &[false, false]].concat());
        assert!(packets.iter().all(|(_, event)| event.is_none()));
    }

    #[test]
    fn events_tell_of_each_key_for_as_long_as_it_is_down() {
        let packets = packets("#7", Way::Events, 14);
        let told: Vec<[u8; 4]> =
            packets.iter().filter_map(|(_, event)| Some(event.as_ref()?.body(160))).collect();
        let of = |number| {
            [[number, 10, 0, 160], [number, 10, 1, 64], [number, 10, 1, 224], [number, 0x8a, 2, 128]]
        };
        assert_eq!(told, [of(11), of(7)].concat());
        let firsts = packets.iter().filter(|(_, event)| event.is_some_and(|event| event.is_first));
        assert_eq!(firsts.count(), 2);
        assert!(packets.iter().all(|(sound, _)| sound.iter().all(|byte| *byte == 0)));
    }
}
