//! Packets that wait to be played: a ring indexed by sequence number.
//!
//! What is in it always lies within [`SLOTS`] consecutive sequence numbers, so a number's slot is its
//! remainder and no two waiting packets can want the same one.

use super::arena::{Arena, PAYLOAD_MAX, Stored};
use super::media_time::MediaTime;
use crate::codec::Codec;
use crate::prefetch::fetch;
use crate::rtp::SequenceNumber;
use crate::time::Time;

/// Packets that can wait: 640 ms of 10 ms packets, more than any ceiling, and a power of two so that slots stay in
/// step with numbers when those wrap.
pub(super) const SLOTS: usize = 64;

/// What is known of a waiting packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: SequenceNumber,
    /// Where its first sample lies.
    pub(super) at: MediaTime,
    /// How long it lasts.
    pub(super) len: MediaTime,
    pub(super) content: Content,
    pub(super) received_at: Time,
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Sound.
    Sound(Codec),
    /// Nothing, and word that the sender pauses.
    Dtx,
    /// The same, and what the pause sounds like (RFC 3389).
    ComfortNoise,
}

impl Waiting {
    const NOTHING: Self = Self {
        number: SequenceNumber(0),
        at: MediaTime::ZERO,
        len: MediaTime::ZERO,
        content: Content::Dtx,
        received_at: Time::ZERO,
    };

    /// Where it ends.
    pub(super) fn end(&self) -> MediaTime {
        self.at + self.len
    }
}

/// There is no place for the packet beside those that wait: its number waits already or is too far from theirs, or
/// there are too many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPlace;

/// Waiting packets, in order of sequence number.
pub(super) struct PacketBuffer {
    /// Bit n: slot n is in use.
    used: u64,
    /// The lowest number; meaningless when empty.
    head: SequenceNumber,
    waiting: [Waiting; SLOTS],
    /// Where each slot's payload is.
    stored: [Stored; SLOTS],
    payloads: Arena,
}

impl PacketBuffer {
    pub(super) fn new() -> Self {
        Self {
            used: 0,
            head: SequenceNumber(0),
            waiting: [Waiting::NOTHING; SLOTS],
            stored: [Stored::default(); SLOTS],
            payloads: Arena::new(),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) const fn len(&self) -> u64 {
        self.used.count_ones() as u64
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.payloads.clear();
    }

    /// Keeps a packet.
    pub(super) fn insert(&mut self, packet: Waiting, payload: &[u8]) -> Result<(), NoPlace> {
        let becomes_head = self.is_empty() || self.head.is_after(packet.number);
        let reaches = if becomes_head {
            self.reaches_down_to(packet.number)
        } else {
            self.reaches_up_to(packet.number)
        };
        let slot = slot_of(packet.number);
        if !reaches || self.used & 1 << slot != 0 {
            return Err(NoPlace);
        }
        self.stored[slot] = self.payloads.store(payload).map_err(|_| NoPlace)?;
        self.used |= 1 << slot;
        self.waiting[slot] = packet;
        if becomes_head {
            self.head = packet.number;
        }
        Ok(())
    }

    /// The packet with the lowest number.
    pub(super) fn head(&self) -> Option<&Waiting> {
        (!self.is_empty()).then(|| &self.waiting[slot_of(self.head)])
    }

    /// Has fetched what tells whether anything waits.
    pub(super) fn fetch_ahead(&self) {
        fetch(&self.used);
        fetch(&self.payloads);
    }

    /// Has fetched the packet with the lowest number, once it is known whether there is any.
    pub(super) fn fetch_beyond(&self) {
        if !self.is_empty() {
            let slot = slot_of(self.head);
            fetch(&self.waiting[slot]);
            fetch(&self.stored[slot]);
            self.payloads.fetch_ahead(self.stored[slot]);
        }
    }

    /// The payload of the packet with the lowest number; empty if there is none. `scratch` is for long ones.
    pub(super) fn head_payload<'a>(&'a self, scratch: &'a mut [u8; PAYLOAD_MAX]) -> &'a [u8] {
        if self.is_empty() {
            return &[];
        }
        self.payloads.read(self.stored[slot_of(self.head)], scratch)
    }

    /// Lets go of the packet with the lowest number.
    pub(super) fn remove_head(&mut self) {
        let slot = slot_of(self.head);
        if self.used & 1 << slot == 0 {
            return;
        }
        self.used &= !(1 << slot);
        self.payloads.release(self.stored[slot]);
        if self.used != 0 {
            let steps = self.used.rotate_right(slot as u32).trailing_zeros();
            self.head = SequenceNumber(self.head.0.wrapping_add(steps as u16));
        }
    }

    /// All that waits, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        let mut rest = self.used;
        std::iter::from_fn(move || {
            let slot = rest.trailing_zeros() as usize;
            let packet = self.waiting.get(slot)?;
            rest &= rest - 1;
            Some(packet)
        })
    }

    /// Whether the highest number stays within reach if `number` becomes the lowest.
    fn reaches_down_to(&self, number: SequenceNumber) -> bool {
        self.iter().all(|p| steps(number, p.number) < SLOTS)
    }

    fn reaches_up_to(&self, number: SequenceNumber) -> bool {
        steps(self.head, number) < SLOTS
    }
}

const fn slot_of(number: SequenceNumber) -> usize {
    number.0 as usize % SLOTS
}

const fn steps(from: SequenceNumber, to: SequenceNumber) -> usize {
    to.0.wrapping_sub(from.0) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(number: u16) -> Waiting {
        Waiting { number: SequenceNumber(number), ..Waiting::NOTHING }
    }

    fn drain(buffer: &mut PacketBuffer) -> Vec<u16> {
        let mut numbers = Vec::new();
        while let Some(head) = buffer.head() {
            let number = head.number.0;
            assert_eq!(buffer.head_payload(&mut [0; PAYLOAD_MAX]), number.to_be_bytes());
            numbers.push(number);
            buffer.remove_head();
        }
        numbers
    }

    #[test]
    fn packets_leave_in_order_of_their_numbers_across_the_wrap() {
        let mut buffer = PacketBuffer::new();
        for number in [65_534u16, 3, 0, 65_530, 65_535] {
            assert_eq!(buffer.insert(packet(number), &number.to_be_bytes()), Ok(()));
        }
        assert_eq!(buffer.len(), 5);
        assert_eq!(buffer.iter().count(), 5);
        assert_eq!(drain(&mut buffer), [65_530, 65_534, 65_535, 0, 3]);
        assert!(buffer.is_empty());
        assert_eq!(buffer.head_payload(&mut [0; PAYLOAD_MAX]), b"");
    }

    #[test]
    fn numbers_too_far_apart_do_not_wait_together() {
        let mut buffer = PacketBuffer::new();
        buffer.insert(packet(100), b"ab").unwrap();
        assert_eq!(buffer.insert(packet(164), b"ab"), Err(NoPlace));
        assert_eq!(buffer.insert(packet(163), b"ab"), Ok(()));
        assert_eq!(buffer.insert(packet(99), b"ab"), Err(NoPlace));
        assert_eq!(buffer.len(), 2);
    }

    #[test]
    fn long_payloads_wait_in_smaller_numbers() {
        let mut buffer = PacketBuffer::new();
        let long = |number: u16| [number as u8; PAYLOAD_MAX];
        for number in 10..16 {
            assert_eq!(buffer.insert(packet(number), &long(number)), Ok(()));
        }
        for number in [9, 16] {
            assert_eq!(buffer.insert(packet(number), &long(number)), Err(NoPlace));
        }
        buffer.remove_head();
        assert_eq!(buffer.insert(packet(16), &long(16)), Ok(()));
        for number in 11..17 {
            assert_eq!(buffer.head_payload(&mut [0; PAYLOAD_MAX]), long(number));
            buffer.remove_head();
        }
        assert!(buffer.is_empty());
    }

    proptest! {
        #[test]
        fn what_was_taken_comes_out_once_and_in_order(
            base: u16,
            offsets in proptest::collection::vec(0u16..160, 0..200),
        ) {
            let mut buffer = PacketBuffer::new();
            let mut taken = std::collections::BTreeSet::new();
            for offset in offsets {
                let number = base.wrapping_add(offset);
                if buffer.insert(packet(number), &number.to_be_bytes()).is_ok() {
                    taken.insert(offset);
                }
            }
            let expected: Vec<u16> = taken.iter().map(|o| base.wrapping_add(*o)).collect();
            prop_assert!(taken.len() <= SLOTS);
            prop_assert_eq!(drain(&mut buffer), expected);
        }
    }
}
