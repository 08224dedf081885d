//! Memory for the payloads that wait: pieces of one block, the lowest free one first.
//!
//! A leg on a steady network has one or two packets waiting, so it only ever touches the first few hundred bytes,
//! and hundreds of such legs stay in the processor's cache. A long payload takes several pieces.

use crate::prefetch::fetch_all;

/// Bytes in a piece: 20 ms of G.711 or G.722, and about the longest 20 ms that Opus makes of speech.
const PIECE: usize = 160;

/// Pieces in a block: 10 KB. 640 ms of G.711 or six of the largest datagrams.
const PIECES: usize = 64;

/// The longest payload that is taken, about the largest that a datagram on Ethernet brings.
pub(super) const PAYLOAD_MAX: usize = 1_500;

/// There is not so much left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Which pieces a payload has, and how long it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// Bit n: piece n is its own. The payload goes through them in their order.
    pieces: u64,
    len: u16,
}

/// A block of memory for payloads.
pub(super) struct Arena {
    /// Bit n: piece n is in nobody's use.
    free: u64,
    /// As many as were ever in use, with room for all: memory that was never written to is not given by the system.
    block: Vec<[u8; PIECE]>,
}

impl Arena {
    pub(super) fn new() -> Self {
        Self { free: u64::MAX, block: Vec::with_capacity(PIECES) }
    }

    /// Keeps a payload, which is cut at [`PAYLOAD_MAX`].
    pub(super) fn store(&mut self, payload: &[u8]) -> Result<Stored, Full> {
        let payload = &payload[..payload.len().min(PAYLOAD_MAX)];
        if payload.len().div_ceil(PIECE) > self.free.count_ones() as usize {
            return Err(Full);
        }
        let mut pieces = 0;
        for part in payload.chunks(PIECE) {
            let piece = self.free.trailing_zeros() as usize % PIECES;
            if piece == self.block.len() {
                // Within the room that was asked for: the lowest free piece is at most the next that was never used.
                self.block.push([0; PIECE]);
            }
            self.block[piece][..part.len()].copy_from_slice(part);
            self.free &= !(1 << piece);
            pieces |= 1 << piece;
        }
        Ok(Stored { pieces, len: payload.len() as u16 })
    }

    /// A payload: in its place if it is in one piece, else put together in `scratch`.
    pub(super) fn read<'a>(&'a self, stored: Stored, scratch: &'a mut [u8; PAYLOAD_MAX]) -> &'a [u8] {
        let len = usize::from(stored.len);
        if len == 0 {
            // It has no piece, and a block that was never used has none to look into.
            return &[];
        }
        if len <= PIECE {
            let piece = stored.pieces.trailing_zeros() as usize % PIECES;
            return &self.block[piece][..len];
        }
        let mut rest = stored.pieces;
        for part in scratch[..len].chunks_mut(PIECE) {
            let piece = rest.trailing_zeros() as usize % PIECES;
            part.copy_from_slice(&self.block[piece][..part.len()]);
            rest &= rest.wrapping_sub(1);
        }
        &scratch[..len]
    }

    /// Has a payload fetched, or the beginning of a long one.
    pub(super) fn fetch_ahead(&self, stored: Stored) {
        if let Some(piece) = self.block.get(stored.pieces.trailing_zeros() as usize) {
            fetch_all(piece);
        }
    }

    /// Lets go of a payload.
    pub(super) fn release(&mut self, stored: Stored) {
        self.free |= stored.pieces;
    }

    pub(super) fn clear(&mut self) {
        self.free = u64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_leg_stays_in_the_lowest_pieces() {
        let mut arena = Arena::new();
        let mut waiting = arena.store(&[1; 160]);
        for _ in 0..1_000 {
            let next = arena.store(&[2; 160]);
            arena.release(waiting.unwrap());
            waiting = next;
            assert!(waiting.unwrap().pieces < 4);
        }
    }

    #[test]
    fn a_full_block_takes_nothing_until_something_is_released() {
        let mut arena = Arena::new();
        let stored: Vec<Stored> = (0..6).map(|_| arena.store(&[7; 1_500]).unwrap()).collect();
        assert_eq!(arena.store(&[7; 1_500]), Err(Full));
        assert!(arena.store(&[7; 4 * 160]).is_ok());
        arena.release(stored[2]);
        assert!(arena.store(&[7; 1_500]).is_ok());
    }

    #[test]
    fn a_payload_of_nothing_is_read_back_from_a_block_that_was_never_used() {
        let mut arena = Arena::new();
        let stored = arena.store(&[]).unwrap();
        assert_eq!(arena.read(stored, &mut [0; PAYLOAD_MAX]), &[] as &[u8]);
    }

    proptest! {
        #[test]
        fn payloads_are_read_as_they_were_stored(
            lens in proptest::collection::vec((0usize..1_500, any::<bool>()), 1..60),
        ) {
            let mut arena = Arena::new();
            let mut kept: Vec<(Stored, Vec<u8>)> = Vec::new();
            for (n, (len, release_one)) in lens.into_iter().enumerate() {
                let payload: Vec<u8> = (0..len).map(|i| (i * 7 + n) as u8).collect();
                match arena.store(&payload) {
                    Ok(stored) => kept.push((stored, payload)),
                    Err(Full) => prop_assert!(kept.len() >= 6),
                }
                if release_one && !kept.is_empty() {
                    arena.release(kept.swap_remove(n % kept.len()).0);
                }
                for (stored, payload) in &kept {
                    let mut scratch = [0; PAYLOAD_MAX];
                    prop_assert_eq!(arena.read(*stored, &mut scratch), payload);
                }
            }
            let used = kept.iter().map(|(_, payload)| payload.len().div_ceil(PIECE)).sum::<usize>();
            prop_assert_eq!(arena.free.count_zeros() as usize, used);
        }
    }
}
