//! What is remembered of each source under one pair of keys: how far its packets have come, over all roll-overs of
//! the sequence number, and which of the last ones came already (RFC 3711 §3.3.1, §3.3.2).

use super::transform::PacketIndex;

/// The indices that have been seen, from the newest down. It begins empty.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    newest: Option<u64>,
    /// The lowest bit is the newest, each higher one is one older.
    window: u128,
}

/// What an index is beside those that were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Newer than all, or in the window and not seen.
    Fresh,
    /// Seen before.
    Repeated,
    /// Too old to know whether it was seen.
    TooOld,
}

impl Seen {
    /// How many indices are remembered. RFC 3711 §3.3.2 asks for 64; at 10 ms a packet that is 640 ms, and
    /// mobile networks hold packets back for longer.
    pub(super) const WINDOW: u64 = 128;

    pub(super) const fn newest(&self) -> Option<u64> {
        self.newest
    }

    pub(super) fn age(&self, index: u64) -> Age {
        let Some(newest) = self.newest else {
            return Age::Fresh;
        };
        match newest.checked_sub(index) {
            None => Age::Fresh,
            Some(back) if back >= Self::WINDOW => Age::TooOld,
            Some(back) if self.window >> back & 1 == 1 => Age::Repeated,
            Some(_) => Age::Fresh,
        }
    }

    /// Remembers an index that is [`Age::Fresh`].
    pub(super) fn accept(&mut self, index: u64) {
        let newest = self.newest.map_or(index, |newest| newest.max(index));
        let ahead = newest - self.newest.unwrap_or(newest);
        self.window = if ahead < Self::WINDOW { self.window << ahead } else { 0 };
        self.window |= 1 << (newest - index);
        self.newest = Some(newest);
    }
}

/// The index nearest to `newest` that ends with this sequence number (RFC 3711 §3.3.1, appendix A). There is none
/// below zero: then it is the one above.
pub(super) fn nearest_index(newest: u64, sequence_number: u16) -> u64 {
    let ahead = sequence_number.wrapping_sub(newest as u16);
    // As a signed number it goes the shorter way round.
    let nearest = newest.checked_add_signed(i64::from(ahead.cast_signed()));
    nearest.unwrap_or_else(|| newest + u64::from(ahead))
}

/// One source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) ssrc: u32,
    pub(super) rtp: Seen,
    pub(super) rtcp: Seen,
}

impl Stream {
    pub(super) fn new(ssrc: u32) -> Self {
        Self { ssrc, rtp: Seen::default(), rtcp: Seen::default() }
    }
}

/// Authentic packets that may be new or may be replayed from long ago: far behind what came, or from a source more
/// than are kept apart.
///
/// A device that comes back from hold with its sequence number begun anew breaks RFC 3711 §9.1 and exists. It would
/// be unheard for as long as it takes to catch up, so it is believed, but only after a run of such packets in
/// order with nothing else in between: whoever replays what they recorded is refused as long as the far end
/// itself sends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Probation {
    ssrc: u32,
    newest: u64,
    run: u8,
}

impl Probation {
    /// Half a second of speech, of 20 ms each.
    const RUN: u8 = 25;

    /// How many packets may be missing within the run.
    const GAP_MAX: u64 = 16;

    /// Takes note of such a packet; whether it is believed now.
    pub(super) fn believes(&mut self, at: PacketIndex) -> bool {
        let ahead = at.index.wrapping_sub(self.newest);
        let goes_on = self.run > 0 && self.ssrc == at.ssrc && (1..=Self::GAP_MAX).contains(&ahead);
        let run = if goes_on { self.run + 1 } else { 1 };
        *self = Self { ssrc: at.ssrc, newest: at.index, run };
        run >= Self::RUN
    }
}

/// The sources that have proved themselves, the last heard first, at most `N`.
#[derive(Clone, Debug)]
pub(super) struct Streams<const N: usize> {
    streams: [Option<Stream>; N],
}

impl<const N: usize> Default for Streams<N> {
    fn default() -> Self {
        Self { streams: [None; N] }
    }
}

impl<const N: usize> Streams<N> {
    pub(super) fn get(&self, ssrc: u32) -> Option<&Stream> {
        self.streams.iter().flatten().find(|stream| stream.ssrc == ssrc)
    }

    /// Whether the source is known or would find a place.
    pub(super) fn has_place_for(&self, ssrc: u32) -> bool {
        self.streams.iter().any(|place| place.is_none_or(|stream| stream.ssrc == ssrc))
    }

    /// The source, now the last heard. A new one takes the place of the one not heard for longest, if there is no
    /// other.
    pub(super) fn enter(&mut self, ssrc: u32) -> &mut Stream {
        let is_place = |place: &Option<Stream>| place.is_none_or(|stream| stream.ssrc == ssrc);
        // A free place comes behind all that are taken.
        let at = self.streams.iter().position(is_place).unwrap_or(N - 1);
        if self.streams[at].is_some_and(|stream| stream.ssrc != ssrc) {
            self.streams[at] = None;
        }
        self.streams[..=at].rotate_right(1);
        self.streams[0].get_or_insert_with(|| Stream::new(ssrc))
    }
}

/// Where a packet of this sequence number may stand, the likeliest first. More than one guess is needed where the
/// roll-overs cannot be known: the sequence numbers say nothing of them, and a wrong guess only fails to authenticate.
pub(super) fn guesses(
    ssrc: u32,
    known: Option<u64>,
    sequence_number: u16,
) -> impl Iterator<Item = PacketIndex> {
    let first_round = u64::from(sequence_number);
    let guesses = match known {
        // The nearest; a round later, after a silence in which more than half a round was lost; and a source that
        // began anew.
        Some(newest) => {
            let nearest = nearest_index(newest, sequence_number);
            [nearest, nearest + ROUND, first_round]
        }
        // Not rolled over yet; or once, while nothing of it came.
        None => [first_round, first_round + ROUND, first_round],
    };
    let distinct = move |(at, index): (usize, u64)| (!guesses[..at].contains(&index)).then_some(index);
    guesses.into_iter().enumerate().filter_map(distinct).map(move |index| PacketIndex { ssrc, index })
}

/// Sequence numbers from one roll-over to the next.
const ROUND: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_index_goes_over_the_roll_over_and_back() {
        assert_eq!(nearest_index(0xffff, 0), 0x1_0000);
        assert_eq!(nearest_index(0x1_0002, 0xfffe), 0xfffe);
        assert_eq!(nearest_index(0x1_ffff, 2), 0x2_0002);
        assert_eq!(nearest_index(5, 0xfffe), 0xfffe, "there is nothing below zero");
        assert_eq!(nearest_index(0x8_0000, 0x7fff), 0x8_7fff);
        assert_eq!(nearest_index(0x8_0000, 0x8001), 0x7_8001);
    }

    #[test]
    fn a_full_table_gives_up_the_source_not_heard_for_longest() {
        let mut streams = Streams::<3>::default();
        for ssrc in [1, 2, 3, 1] {
            streams.enter(ssrc).rtp.accept(u64::from(ssrc));
        }
        assert!(streams.has_place_for(2) && !streams.has_place_for(9));
        assert_eq!(streams.enter(9).rtp.newest(), None);
        assert!(streams.get(2).is_none());
        assert_eq!(streams.get(1).unwrap().rtp.newest(), Some(1));
        assert_eq!(streams.enter(3).rtp.newest(), Some(3));
    }

    #[test]
    fn only_a_run_in_order_passes_probation() {
        let at = |index| PacketIndex { ssrc: 1, index };
        let mut in_order = Probation::default();
        let believed: Vec<bool> = (100..130).map(|index| in_order.believes(at(index))).collect();
        assert_eq!(believed.iter().position(|b| *b), Some(usize::from(Probation::RUN) - 1));
        let mut repeated = Probation::default();
        assert!((0..1_000).all(|_| !repeated.believes(at(100))));
        let mut backwards = Probation::default();
        assert!((0..1_000).rev().all(|index| !backwards.believes(at(index))));
        let mut by_turns = Probation::default();
        let turns = (0..1_000_u32).map(|n| PacketIndex { ssrc: n % 2, index: u64::from(n) });
        assert!(turns.into_iter().all(|at| !by_turns.believes(at)));
    }

    proptest! {
        #[test]
        fn no_index_is_fresh_twice(steps in prop::collection::vec(-300_i64..300, 1..600)) {
            let (mut seen, mut accepted) = (Seen::default(), HashSet::new());
            let mut at = 100_000_u64;
            for step in steps {
                at = at.saturating_add_signed(step);
                match seen.age(at) {
                    Age::Fresh => {
                        prop_assert!(accepted.insert(at));
                        seen.accept(at);
                    }
                    Age::Repeated => prop_assert!(accepted.contains(&at)),
                    Age::TooOld => prop_assert!(seen.newest().unwrap() - at >= Seen::WINDOW),
                }
            }
        }

        #[test]
        fn an_index_less_than_half_a_round_away_is_guessed_first(
            newest in 0x8000_u64..1 << 40, away in -0x7fff_i64..0x7fff,
        ) {
            let index = newest.saturating_add_signed(away);
            let first = guesses(1, Some(newest), index as u16).next().unwrap();
            prop_assert_eq!(first.index, index);
        }
    }
}
