//! Packets that wait to be played: a ring indexed by sequence number, payloads inside.
//!
//! What is in it always lies within [`SLOTS`] consecutive sequence numbers, so a number's slot is its
//! remainder and no two waiting packets can want the same one.

use crate::codec::Codec;
use crate::rtp::SequenceNumber;
use crate::time::Time;

/// Packets that can wait: 320 ms of 10 ms packets, more than any delay worth listening to, and a
/// power of two so that slots stay in step with numbers when those wrap.
pub(super) const SLOTS: usize = 32;

/// The longest payload that is taken: 60 ms of G.711, the longest packet time in use.
pub(super) const PAYLOAD_MAX: usize = 480;

/// What is known of a waiting packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: SequenceNumber,
    pub(super) timestamp: u32,
    /// Timestamp units, which are samples, it lasts.
    pub(super) len: u16,
    pub(super) codec: Codec,
    pub(super) received_at: Time,
}

impl Waiting {
    const NOTHING: Self =
        Self { number: SequenceNumber(0), timestamp: 0, len: 0, codec: Codec::Pcmu, received_at: Time::ZERO };
}

/// The buffer holds numbers too far from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfReach;

/// Waiting packets, in order of sequence number.
pub(super) struct PacketBuffer {
    /// Bit n: slot n is in use.
    used: u32,
    /// The lowest number; meaningless when empty.
    head: SequenceNumber,
    waiting: [Waiting; SLOTS],
    /// Where each slot's payload is.
    cells: [u8; SLOTS],
    /// Bit n: payload n is in nobody's use. The lowest is taken first, so that the few packets that
    /// wait in the usual case stay in the same few cache lines: hundreds of legs whose packets went
    /// around whole rings would read and write memory, not cache.
    free: u32,
    /// Asked for as zeros and beside the rest: the system gives such memory page by page when it is written to, so
    /// that a leg on a steady network never has more than the first of its four pages.
    payloads: Box<[[u8; PAYLOAD_MAX]]>,
}

impl PacketBuffer {
    pub(super) fn new() -> Self {
        Self {
            used: 0,
            head: SequenceNumber(0),
            waiting: [Waiting::NOTHING; SLOTS],
            cells: [0; SLOTS],
            free: u32::MAX,
            payloads: vec![[0; PAYLOAD_MAX]; SLOTS].into_boxed_slice(),
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
        self.free = u32::MAX;
    }

    /// Keeps a packet. `payload` is cut at [`PAYLOAD_MAX`]; a number that waits already is replaced.
    pub(super) fn insert(&mut self, packet: Waiting, payload: &[u8]) -> Result<(), OutOfReach> {
        if self.is_empty() || self.head.is_after(packet.number) {
            if !self.reaches_down_to(packet.number) {
                return Err(OutOfReach);
            }
            self.head = packet.number;
        } else if packet.number.0.wrapping_sub(self.head.0) as usize >= SLOTS {
            return Err(OutOfReach);
        }
        let slot = slot_of(packet.number);
        if self.used & 1 << slot == 0 {
            self.used |= 1 << slot;
            self.cells[slot] = self.take_cell();
        }
        self.waiting[slot] = packet;
        let len = payload.len().min(PAYLOAD_MAX);
        self.payloads[usize::from(self.cells[slot])][..len].copy_from_slice(&payload[..len]);
        Ok(())
    }

    /// There are as many cells as slots, so one is free whenever a slot is.
    fn take_cell(&mut self) -> u8 {
        let cell = self.free.trailing_zeros() as usize % SLOTS;
        self.free &= !(1 << cell);
        cell as u8
    }

    /// The packet with the lowest number.
    pub(super) fn head(&self) -> Option<&Waiting> {
        (!self.is_empty()).then(|| &self.waiting[slot_of(self.head)])
    }

    /// The payload of the packet with the lowest number; empty if there is none.
    pub(super) fn head_payload(&self) -> &[u8] {
        self.head().map_or(&[], |head| {
            let cell = usize::from(self.cells[slot_of(head.number)]);
            &self.payloads[cell][..usize::from(head.len).min(PAYLOAD_MAX)]
        })
    }

    /// Lets go of the packet with the lowest number.
    pub(super) fn remove_head(&mut self) {
        let slot = slot_of(self.head);
        if self.used & 1 << slot == 0 {
            return;
        }
        self.used &= !(1 << slot);
        self.free |= 1 << self.cells[slot];
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
        self.iter().all(|p| (p.number.0.wrapping_sub(number.0) as usize) < SLOTS)
    }
}

const fn slot_of(number: SequenceNumber) -> usize {
    number.0 as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(number: u16) -> Waiting {
        Waiting {
            number: SequenceNumber(number),
            timestamp: u32::from(number) * 160,
            len: 2,
            codec: Codec::Pcma,
            received_at: Time::ZERO,
        }
    }

    fn drain(buffer: &mut PacketBuffer) -> Vec<u16> {
        let mut numbers = Vec::new();
        while let Some(head) = buffer.head() {
            assert_eq!(buffer.head_payload(), head.number.0.to_be_bytes());
            numbers.push(head.number.0);
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
        assert_eq!(buffer.head_payload(), b"");
    }

    #[test]
    fn numbers_too_far_apart_do_not_wait_together() {
        let mut buffer = PacketBuffer::new();
        buffer.insert(packet(100), b"ab").unwrap();
        assert_eq!(buffer.insert(packet(132), b"ab"), Err(OutOfReach));
        assert_eq!(buffer.insert(packet(131), b"ab"), Ok(()));
        assert_eq!(buffer.insert(packet(99), b"ab"), Err(OutOfReach));
        assert_eq!(buffer.len(), 2);
    }

    proptest! {
        #[test]
        fn what_was_taken_comes_out_once_and_in_order(
            base: u16,
            offsets in proptest::collection::vec(0u16..80, 0..100),
        ) {
            let mut buffer = PacketBuffer::new();
            let mut taken = std::collections::BTreeSet::new();
            for offset in offsets {
                let number = base.wrapping_add(offset);
                if buffer.insert(packet_at(number), &number.to_be_bytes()).is_ok() {
                    taken.insert(offset);
                }
            }
            let expected: Vec<u16> = taken.iter().map(|o| base.wrapping_add(*o)).collect();
            prop_assert!(taken.len() <= SLOTS);
            prop_assert_eq!(drain(&mut buffer), expected);
        }
    }

    fn packet_at(number: u16) -> Waiting {
        Waiting { timestamp: 0, ..packet(number % 100) }.numbered(number)
    }

    impl Waiting {
        fn numbered(mut self, number: u16) -> Self {
            self.number = SequenceNumber(number);
            self
        }
    }
}
