//! What recorders and forks are to have, on its way out of a media thread: a ring of samples, bounded and without locks.
//!
//! The thread puts in what fits and never waits: what does not fit is dropped, the newest first, and counted. A frame
//! takes as much as it has samples, so a second of 250 legs at 8 kHz, both ways, is 9 MB.
//!
//! ```text
//! engine.take_tap ─▶ head (18 words) │ samples │ head │ samples ─▶ take
//! ```

use confab_media::{ConferenceId, LegId, SampleRate, Tap, TapHead, TapSide, Tapped, Tick, Time};

/// Words of 16 bits in the ring of one thread: 8 MiB, a second of 230 legs at 8 kHz, both ways. They are touched
/// for the first time when the first leg is recorded.
const WORDS_MAX: usize = 4 * 1_024 * 1_024;

/// Before the samples: what is tapped, whose seat, tick, time (four words each), one that says side and rate, and one
/// spare, so that a head has an even length.
const HEAD_WORDS: usize = 18;

/// Frames that were dropped before one are told in as many bits as a word has left beside side and rate.
const DROPPED_MAX: u32 = 0x07ff;

/// Bits of that word before those.
const DROPPED_SHIFT: u32 = 5;
const RATE_SHIFT: u32 = 3;

/// The media thread's end.
#[derive(Debug)]
pub(crate) struct TapSink {
    ring: rtrb::Producer<i16>,
    dropped: u64,
    dropped_since: u32,
}

/// The end of whoever records.
#[derive(Debug)]
pub struct TapReader {
    ring: rtrb::Consumer<i16>,
}

/// A ring.
pub(crate) fn tap_ring() -> (TapSink, TapReader) {
    ring_of(WORDS_MAX)
}

fn ring_of(words: usize) -> (TapSink, TapReader) {
    let (into, out) = rtrb::RingBuffer::new(words);
    (TapSink { ring: into, dropped: 0, dropped_since: 0 }, TapReader { ring: out })
}

impl TapSink {
    /// Puts a frame in if there is room.
    pub(crate) fn put(&mut self, tap: &Tap) {
        let samples = tap.frame.samples();
        let dropped_before = self.dropped_since.saturating_add(tap.dropped_before);
        let Ok(mut room) = self.ring.write_chunk(HEAD_WORDS + samples.len()) else {
            self.dropped += 1;
            self.dropped_since = dropped_before.saturating_add(1);
            return;
        };
        self.dropped_since = 0;
        let head = head_of(tap, dropped_before);
        let (mut first, mut second) = room.as_mut_slices();
        copy(&head, &mut first, &mut second);
        copy(samples, &mut first, &mut second);
        room.commit_all();
    }

    /// Frames that found no room.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl TapReader {
    /// Makes `tap` the next frame, if there is one. Whether there was.
    pub fn take(&mut self, tap: &mut Tap) -> bool {
        let mut head = [0; HEAD_WORDS];
        if !self.read(&mut head) {
            return false;
        }
        // Both were put in together.
        self.read(tap.begin(head_from(&head)))
    }

    fn read(&mut self, out: &mut [i16]) -> bool {
        let Ok(chunk) = self.ring.read_chunk(out.len()) else {
            return false;
        };
        let (first, second) = chunk.as_slices();
        out[..first.len()].copy_from_slice(first);
        out[first.len()..].copy_from_slice(second);
        chunk.commit_all();
        true
    }
}

/// Copies to the front of `first`, and what does not fit there to that of `second`; both begin behind it afterwards.
fn copy<'a>(from: &[i16], first: &mut &'a mut [i16], second: &mut &'a mut [i16]) {
    let (ahead, behind) = from.split_at(from.len().min(first.len()));
    for (part, into) in [(ahead, first), (behind, second)] {
        let (filled, rest) = std::mem::take(into).split_at_mut(part.len());
        filled.copy_from_slice(part);
        *into = rest;
    }
}

fn head_of(tap: &Tap, dropped_before: u32) -> [i16; HEAD_WORDS] {
    let mut head = [0; HEAD_WORDS];
    let (of, (side, seat)) = (id_of(tap.of), side_word(tap.side));
    put_number(&mut head[..4], of);
    put_number(&mut head[4..8], seat);
    put_number(&mut head[8..12], tap.tick.0);
    put_number(&mut head[12..16], tap.at.as_nanos());
    let rate = SampleRate::ALL.iter().position(|rate| *rate == tap.frame.rate()).unwrap_or(0) as u16;
    let dropped = dropped_before.min(DROPPED_MAX) as u16;
    head[16] = (side | rate << RATE_SHIFT | dropped << DROPPED_SHIFT).cast_signed();
    head
}

fn head_from(head: &[i16; HEAD_WORDS]) -> TapHead {
    let word = head[16].cast_unsigned();
    let rate = SampleRate::ALL[usize::from(word >> RATE_SHIFT & 3).min(SampleRate::ALL.len() - 1)];
    let id = number(&head[..4]);
    let side = match word & 7 {
        0 => TapSide::Received,
        1 => TapSide::Sent,
        2 => TapSide::Mix,
        3 => TapSide::Apart,
        4 => TapSide::Rest,
        _ => TapSide::Seat(LegId(number(&head[4..8]))),
    };
    let of = match side {
        TapSide::Received | TapSide::Sent => Tapped::Leg(LegId(id)),
        TapSide::Mix | TapSide::Apart | TapSide::Rest | TapSide::Seat(_) => {
            Tapped::Conference(ConferenceId(id))
        }
    };
    let (tick, at) = (Tick(number(&head[8..12])), Time::from_nanos(number(&head[12..16])));
    TapHead { of, tick, at, side, rate, dropped_before: u32::from(word >> DROPPED_SHIFT) }
}

const fn id_of(of: Tapped) -> u64 {
    match of {
        Tapped::Leg(leg) => leg.0,
        Tapped::Conference(conference) => conference.0,
    }
}

/// The side as three bits, and whose seat it is. It also says what is tapped: a leg has the first two.
const fn side_word(side: TapSide) -> (u16, u64) {
    match side {
        TapSide::Received => (0, 0),
        TapSide::Sent => (1, 0),
        TapSide::Mix => (2, 0),
        TapSide::Apart => (3, 0),
        TapSide::Rest => (4, 0),
        TapSide::Seat(leg) => (5, leg.0),
    }
}

fn put_number(words: &mut [i16], number: u64) {
    for (n, word) in words.iter_mut().enumerate() {
        *word = ((number >> (16 * n)) as u16).cast_signed();
    }
}

fn number(words: &[i16]) -> u64 {
    words.iter().rev().fold(0, |number, word| number << 16 | u64::from(word.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use confab_media::Frame;

    use super::*;

    fn tap(tick: u64, rate: SampleRate, side: TapSide) -> Tap {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().iter_mut().enumerate().for_each(|(n, s)| *s = (tick as i16) ^ (n as i16) << 3);
        let at = Time::from_nanos(u64::MAX / 3 + tick * 20_000_000);
        let id = u64::MAX - tick;
        let of = match side {
            TapSide::Received | TapSide::Sent => Tapped::Leg(LegId(id)),
            TapSide::Mix | TapSide::Apart | TapSide::Rest | TapSide::Seat(_) => {
                Tapped::Conference(ConferenceId(id))
            }
        };
        Tap { of, tick: Tick(tick), at, side, frame, dropped_before: 0 }
    }

    #[test]
    fn frames_of_all_rates_come_out_as_they_went_in_also_around_the_end_of_the_ring() {
        let (mut sink, mut reader) = ring_of(2_500);
        for tick in 0..500 {
            let rate = SampleRate::ALL[tick as usize % 3];
            let seat = TapSide::Seat(LegId(tick << 40));
            let sides = [TapSide::Received, TapSide::Sent, TapSide::Mix, TapSide::Apart, TapSide::Rest, seat];
            let side = sides[tick as usize % sides.len()];
            let given = tap(tick, rate, side);
            sink.put(&given);
            let mut taken = tap(0, SampleRate::Hz48000, TapSide::Sent);
            assert!(reader.take(&mut taken));
            assert_eq!((taken.of, taken.tick, taken.at), (given.of, given.tick, given.at));
            assert_eq!((taken.side, taken.frame.rate(), taken.dropped_before), (side, rate, 0));
            assert_eq!(taken.frame.samples(), given.frame.samples());
            assert!(!reader.take(&mut taken));
        }
        assert_eq!(sink.dropped(), 0);
    }

    #[test]
    fn a_full_ring_drops_the_newest_and_the_next_that_fits_says_how_many_went() {
        let (mut sink, mut reader) = ring_of(2 * (HEAD_WORDS + 160));
        for tick in 0..5 {
            sink.put(&tap(tick, SampleRate::Hz8000, TapSide::Received));
        }
        assert_eq!(sink.dropped(), 3);
        let mut next = tap(9, SampleRate::Hz8000, TapSide::Received);
        for tick in [0, 1] {
            assert!(reader.take(&mut next));
            assert_eq!(next.tick.0, tick);
        }
        sink.put(&tap(9, SampleRate::Hz8000, TapSide::Received));
        assert!(reader.take(&mut next));
        assert_eq!((next.tick.0, next.dropped_before), (9, 3));
    }
}
