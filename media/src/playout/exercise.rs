//! Playout as a state machine, driven by any bytes: for the fuzzer, and for a test that throws random bytes at it.

use std::time::Duration;

use super::{Decoding, Playout, PlayoutSettings, Sound};
use crate::codec::{Codec, Decoder};
use crate::frame::{Frame, SampleRate};
use crate::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};
use crate::time::{Tick, Time};

/// Reads `data` as orders to a playout and its sender, follows them, and panics if what must always hold does not:
/// no packet waits beyond the ceiling, silence is silent, frames are of one of the three rates, counters agree.
#[doc(hidden)]
pub fn exercise(data: &[u8]) {
    let mut orders = Orders { rest: data };
    let mut stage = Stage::new(&mut orders);
    while !orders.rest.is_empty() {
        stage.follow(&mut orders);
    }
}

/// Bytes that are read one after the other; behind the last one come zeros.
struct Orders<'a> {
    rest: &'a [u8],
}

impl Orders<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        first
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }
}

struct Stage {
    playout: Playout,
    frame: Frame,
    now: Time,
    codec: Codec,
    header: RtpHeader,
    received: u64,
}

/// The longest payload that is tried: longer than playout takes.
const LEN_MAX: usize = 1_600;

const SIZES: [PlayoutSettings; 4] =
    [PlayoutSettings::OFF, PlayoutSettings::SMALL, PlayoutSettings::MEDIUM, PlayoutSettings::LARGE];

impl Stage {
    fn new(orders: &mut Orders<'_>) -> Self {
        let codec = codec(orders);
        Self {
            playout: Playout::new(SIZES[usize::from(orders.byte() % 4)], decoding(codec)),
            frame: Frame::silence(SampleRate::Hz8000),
            now: Time::from_millis(1_000),
            codec,
            header: RtpHeader {
                marker: false,
                payload_type: 0,
                sequence_number: SequenceNumber(orders.u16()),
                timestamp: u32::from(orders.u16()) << 16,
                ssrc: Ssrc(1),
            },
            received: 0,
        }
    }

    fn follow(&mut self, orders: &mut Orders<'_>) {
        match orders.byte() % 16 {
            0..=4 => self.send(orders, 160),
            5 => {
                let len = usize::from(orders.u16()) % LEN_MAX;
                self.send(orders, len);
            }
            6 => {
                self.header.sequence_number.0 =
                    self.header.sequence_number.0.wrapping_add(orders.byte().into())
            }
            7 => {
                self.header.sequence_number.0 =
                    self.header.sequence_number.0.wrapping_sub(orders.byte().into())
            }
            8 => self.header.timestamp = self.header.timestamp.wrapping_add(u32::from(orders.u16()) * 8),
            9 => self.header.timestamp = self.header.timestamp.wrapping_sub(u32::from(orders.u16()) * 8),
            10 => self.change(orders),
            11 => self.send_other_than_sound(orders),
            _ => self.tick(),
        }
    }

    /// Sends one packet; the next one follows it.
    fn send(&mut self, orders: &mut Orders<'_>, len: usize) {
        let (late, filling) = (Duration::from_millis(u64::from(orders.byte() % 20)), orders.byte());
        let mut datagram = [filling; RtpHeader::LEN + LEN_MAX];
        datagram[..RtpHeader::LEN].copy_from_slice(&self.header.to_bytes());
        let datagram = &datagram[..RtpHeader::LEN + len];
        let Ok(packet) = PacketView::parse(datagram) else {
            return;
        };
        let units = self.codec.timestamp_units(packet.payload());
        self.header.sequence_number = self.header.sequence_number.next();
        self.header.timestamp = self.header.timestamp.wrapping_add(units as u32);
        self.playout.receive(&packet, self.codec, self.now + late);
        self.received += 1;
    }

    fn send_other_than_sound(&mut self, orders: &mut Orders<'_>) {
        let mut datagram = [orders.byte(); RtpHeader::LEN + 4];
        datagram[..RtpHeader::LEN].copy_from_slice(&self.header.to_bytes());
        let Ok(packet) = PacketView::parse(&datagram) else {
            return;
        };
        self.header.sequence_number = self.header.sequence_number.next();
        if orders.byte().is_multiple_of(2) {
            self.playout.note_event(&packet);
        } else {
            self.playout.receive_comfort_noise(&packet, 8_000, self.now);
            self.received += 1;
        }
    }

    fn change(&mut self, orders: &mut Orders<'_>) {
        match orders.byte() % 8 {
            0 => self.header.ssrc = Ssrc(self.header.ssrc.0.wrapping_add(1)),
            1 => self.playout.reset(),
            2 => self.playout.set_settings(SIZES[usize::from(orders.byte() % 4)]),
            3..=5 => {
                self.codec = codec(orders);
                drop(self.playout.set_decoding(decoding(self.codec)));
            }
            // One that was perhaps never agreed.
            _ => self.codec = codec(orders),
        }
    }

    fn tick(&mut self) {
        self.now += Tick::DURATION;
        let sound = self.playout.play(self.now, &mut self.frame);
        let is_silent = self.frame.samples().iter().all(|&s| s == 0);
        assert!(sound != Sound::Silence || is_silent, "silence is silent");
        let most = PlayoutSettings::LARGE.ceiling();
        assert!(self.playout.delay() <= most, "{:?}", self.playout.delay());
        assert!(self.playout.target() <= most, "{:?}", self.playout.target());
        let counters = self.playout.counters();
        assert_eq!(counters.received, self.received);
        assert!(
            counters.duplicate + counters.discarded + counters.damaged <= 2 * self.received,
            "{counters:?}"
        );
        assert!(counters.reordered <= self.received && counters.late <= 2 * self.received, "{counters:?}");
    }
}

fn codec(orders: &mut Orders<'_>) -> Codec {
    Codec::ALL[usize::from(orders.byte()) % Codec::ALL.len()]
}

/// G.711 where there is no memory for more.
fn decoding(codec: Codec) -> Decoding {
    Decoder::new(codec).map_or_else(|_| Decoding::g711(), Decoding::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn playout_as_a_state_machine(data in proptest::collection::vec(any::<u8>(), 0..4_000)) {
            exercise(&data);
        }
    }
}
