//! What recorders and forks are to have, on its way out of a media thread: a ring of samples, bounded and without locks.
//!
//! The thread puts in what fits and never waits: what does not fit is dropped, the newest first, and counted. A frame
//! takes as much as it has samples, so a second of 250 legs at 8 kHz, both ways, is 9 MB.
//!
//! ```text
//! tick of the engine ─▶ head (18 words) │ samples │ head │ samples ─▶ take, hand_over
//! ```

use confab_media::prefetch::fetch_all;
use confab_media::{
    ConferenceId, FRAME_LEN_MAX, LegId, SampleRate, Tap, TapHead, TapSide, TapSink, Tapped, Tick, Time,
};

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

/// Frames that are handed over at a time: what 125 recorded conferences leave in 600 ms, or 250 legs, both ways, in 160. What is more
/// is handed over after it.
const FRAMES_MAX: usize = 4_096;

/// Frames after one that are fetched while it has its turn: another core has written them, and each first look at a place would be
/// a wait of a hundred nanoseconds.
const AHEAD: usize = 4;

/// Heads after one that are fetched while it is looked at, which does not take long.
const HEADS_AHEAD: usize = 24;

/// Frames before the first of another leg or conference at which whoever takes them is told to expect it, and told again.
const EXPECT_AHEAD: usize = 8;
const EXPECT_NEAR: usize = 4;

/// The media thread's end.
#[derive(Debug)]
pub(crate) struct TapWriter {
    ring: rtrb::Producer<i16>,
    /// Frames that were put in, those that found no room included.
    put: u64,
    dropped: u64,
    dropped_since: u32,
}

/// The end of whoever records.
#[derive(Debug)]
pub struct TapReader {
    ring: rtrb::Consumer<i16>,
    /// Of what is handed over: what it is of, and where its head lies.
    order: Vec<(u64, usize)>,
    /// Of two frames that were put in beside each other the second is still to be taken.
    rest: Option<TapHead>,
}

/// A ring.
pub(crate) fn tap_ring() -> (TapWriter, TapReader) {
    ring_of(WORDS_MAX)
}

fn ring_of(words: usize) -> (TapWriter, TapReader) {
    let (into, out) = rtrb::RingBuffer::new(words);
    (
        TapWriter { ring: into, put: 0, dropped: 0, dropped_since: 0 },
        TapReader { ring: out, order: Vec::new(), rest: None },
    )
}

impl TapWriter {
    /// Frames that found no room.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Frames that were tapped.
    pub(crate) const fn count(&self) -> u64 {
        self.put
    }
}

impl TapSink for TapWriter {
    /// Puts a frame in if there is room.
    fn put(&mut self, head: &TapHead, samples: &[i16]) {
        self.put_parts(head, side_word(head.side), [samples]);
    }

    /// Puts two in, with one head, if there is room for both.
    fn put_beside(&mut self, head: &TapHead, one: &[i16], rest: &[i16]) {
        self.put_parts(head, (BESIDE, 0), [one, rest]);
    }
}

impl TapWriter {
    fn put_parts<const N: usize>(&mut self, head: &TapHead, side: (u16, u64), parts: [&[i16]; N]) {
        self.put += N as u64;
        let dropped_before = self.dropped_since.saturating_add(head.dropped_before);
        let words = HEAD_WORDS + parts.iter().map(|part| part.len()).sum::<usize>();
        let Ok(mut room) = self.ring.write_chunk(words) else {
            self.dropped += N as u64;
            self.dropped_since = dropped_before.saturating_add(N as u32);
            return;
        };
        self.dropped_since = 0;
        let head = words_of(head, side, dropped_before);
        let (mut first, mut second) = room.as_mut_slices();
        copy(&head, &mut first, &mut second);
        parts.iter().for_each(|part| copy(part, &mut first, &mut second));
        room.commit_all();
        self.fetch_room(words);
    }

    /// Has the room fetched into which the next two frames will go: the ring is larger than a cache, so that what was there
    /// before is far away.
    fn fetch_room(&mut self, frame: usize) {
        if let Ok(mut room) = self.ring.write_chunk_uninit(2 * frame) {
            let (first, second) = room.as_mut_slices();
            fetch_all(first);
            fetch_all(second);
        }
    }
}

impl TapReader {
    /// Makes `tap` the next frame, if there is one. Whether there was.
    pub fn take(&mut self, tap: &mut Tap) -> bool {
        // What belongs together was put in together.
        if let Some(head) = self.rest.take() {
            return self.read(tap.begin(head));
        }
        let mut head = [0; HEAD_WORDS];
        if !self.read(&mut head) {
            return false;
        }
        let (head, are_two) = head_from(&head);
        self.rest = are_two.then(|| head.of_rest());
        self.read(tap.begin(head))
    }

    /// Hands over what there is, at most 4,096 frames (two that belong together are one here), where it lies: what is of one leg
    /// or conference together, each in its order. What belongs to one of hundreds of recordings is so fetched from memory once, and not for each of its frames.
    /// Whose frames come next is told before ([`TapSink::expect`]). Whether there was any.
    pub fn hand_over(&mut self, to: &mut dyn TapSink) -> bool {
        if let Some(head) = self.rest.take() {
            let mut rest = [0; FRAME_LEN_MAX];
            let rest = &mut rest[..head.rate.frame_len()];
            let is_there = self.read(rest);
            to.put(&head, rest);
            return is_there;
        }
        let words = self.ring.slots();
        let Ok(chunk) = self.ring.read_chunk(words) else {
            return false;
        };
        let (first, second) = chunk.as_slices();
        let lie = Lie { first, second };
        let mut end = 0;
        while end < words && self.order.len() < FRAMES_MAX {
            let (head, are_two) = head_from(&lie.words(end));
            self.order.push((order_of(head.of), end));
            let len = HEAD_WORDS + head.rate.frame_len() * if are_two { 2 } else { 1 };
            // Most are as long as this one.
            lie.fetch(end + HEADS_AHEAD * len, HEAD_WORDS);
            end += len;
        }
        // Stable: what is of one stays in its order.
        self.order.sort_by_key(|(of, _)| *of);
        let mut around = [0; 2 * FRAME_LEN_MAX];
        for (n, (_, at)) in self.order.iter().enumerate() {
            let (head, are_two) = head_from(&lie.words(*at));
            let len = head.rate.frame_len();
            let whole = if are_two { 2 * len } else { len };
            if let Some((_, ahead)) = self.order.get(n + AHEAD) {
                lie.fetch(*ahead, HEAD_WORDS + whole);
            }
            for (steps, is_near) in [(EXPECT_AHEAD, false), (EXPECT_NEAR, true)] {
                if let Some(other) = begins_at(&self.order, n + steps) {
                    to.expect(other, is_near);
                }
            }
            let sound = lie.samples(at + HEAD_WORDS, &mut around[..whole]);
            match are_two {
                true => to.put_beside(&head, &sound[..len], &sound[len..]),
                false => to.put(&head, sound),
            }
        }
        self.order.clear();
        chunk.commit(end);
        end > 0
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

/// What is in the ring, from the oldest on.
struct Lie<'a> {
    first: &'a [i16],
    /// What is at the ring's beginning again.
    second: &'a [i16],
}

impl<'a> Lie<'a> {
    fn words<const N: usize>(&self, at: usize) -> [i16; N] {
        let mut words = [0; N];
        let there = self.samples(at, &mut words);
        there.try_into().expect("as many as were asked for")
    }

    /// Has them fetched, as far as they are there.
    fn fetch(&self, at: usize, words: usize) {
        let part = |of: &'a [i16], at: usize| of.get(at..(at + words).min(of.len())).unwrap_or_default();
        fetch_all(match at.checked_sub(self.first.len()) {
            None => part(self.first, at),
            Some(at) => part(self.second, at),
        });
    }

    /// As many as fit in `around`, which is used for what lies around the ring's end.
    fn samples<'s>(&self, at: usize, around: &'s mut [i16]) -> &'s [i16]
    where
        'a: 's,
    {
        let (first, end) = (self.first, at + around.len());
        if let Some(there) = first.get(at..end) {
            return there;
        }
        if let Some(at) = at.checked_sub(first.len()) {
            return &self.second[at..at + around.len()];
        }
        let (ahead, behind) = around.split_at_mut(first.len() - at);
        ahead.copy_from_slice(&first[at..]);
        behind.copy_from_slice(&self.second[..behind.len()]);
        around
    }
}

/// What brings together what is of one.
const fn order_of(of: Tapped) -> u64 {
    match of {
        Tapped::Leg(leg) => leg.0 << 1,
        Tapped::Conference(conference) => conference.0 << 1 | 1,
    }
}

/// What the first frames of another leg or conference are of, if those begin there.
fn begins_at(order: &[(u64, usize)], n: usize) -> Option<Tapped> {
    let (other, before) = (order.get(n)?.0, order.get(n - 1)?.0);
    (other != before).then(|| of_order(other))
}

const fn of_order(order: u64) -> Tapped {
    match order & 1 {
        0 => Tapped::Leg(LegId(order >> 1)),
        _ => Tapped::Conference(ConferenceId(order >> 1)),
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

fn words_of(head: &TapHead, (side, seat): (u16, u64), dropped_before: u32) -> [i16; HEAD_WORDS] {
    let mut words = [0; HEAD_WORDS];
    put_number(&mut words[..4], id_of(head.of));
    put_number(&mut words[4..8], seat);
    put_number(&mut words[8..12], head.tick.0);
    put_number(&mut words[12..16], head.at.as_nanos());
    let rate = SampleRate::ALL.iter().position(|rate| *rate == head.rate).unwrap_or(0) as u16;
    let dropped = dropped_before.min(DROPPED_MAX) as u16;
    words[16] = (side | rate << RATE_SHIFT | dropped << DROPPED_SHIFT).cast_signed();
    words
}

/// And whether two frames are behind it.
fn head_from(head: &[i16; HEAD_WORDS]) -> (TapHead, bool) {
    let word = head[16].cast_unsigned();
    let rate = SampleRate::ALL[usize::from(word >> RATE_SHIFT & 3).min(SampleRate::ALL.len() - 1)];
    let id = number(&head[..4]);
    let side = match word & 7 {
        0 => TapSide::Received,
        1 => TapSide::Sent,
        2 => TapSide::Mix,
        3 | BESIDE => TapSide::Apart,
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
    let head = TapHead { of, tick, at, side, rate, dropped_before: u32::from(word >> DROPPED_SHIFT) };
    (head, word & 7 == BESIDE)
}

const fn id_of(of: Tapped) -> u64 {
    match of {
        Tapped::Leg(leg) => leg.0,
        Tapped::Conference(conference) => conference.0,
    }
}

/// Instead of a side: what one participant says, and behind it what all others say.
const BESIDE: u16 = 6;

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

    fn put(sink: &mut TapWriter, tap: &Tap) {
        sink.put(&tap.head(), tap.frame.samples());
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
            put(&mut sink, &given);
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
            put(&mut sink, &tap(tick, SampleRate::Hz8000, TapSide::Received));
        }
        assert_eq!(sink.dropped(), 3);
        let mut next = tap(9, SampleRate::Hz8000, TapSide::Received);
        for tick in [0, 1] {
            assert!(reader.take(&mut next));
            assert_eq!(next.tick.0, tick);
        }
        put(&mut sink, &tap(9, SampleRate::Hz8000, TapSide::Received));
        assert!(reader.take(&mut next));
        assert_eq!((next.tick.0, next.dropped_before), (9, 3));
    }

    #[test]
    fn two_frames_that_belong_together_come_out_as_two_and_are_dropped_together() {
        let of = Tapped::Conference(ConferenceId(3));
        let both = |tick: u64, rate: SampleRate| {
            let one = Tap { of, side: TapSide::Apart, ..tap(tick, rate, TapSide::Apart) };
            let rest = tap(tick + 1_000, rate, TapSide::Rest).frame;
            (one, rest)
        };
        let room = 3 * (HEAD_WORDS + 2 * 160) + 7;
        let (mut sink, mut reader) = ring_of(room);
        let mut next = tap(0, SampleRate::Hz48000, TapSide::Sent);
        for tick in 0..200 {
            for n in 0..4 {
                let (one, rest) = both(4 * tick + n, SampleRate::Hz8000);
                sink.put_beside(&one.head(), one.frame.samples(), rest.samples());
            }
            // The fourth found no room.
            assert_eq!((sink.dropped(), sink.count()), (2 * (tick + 1), 8 * (tick + 1)));
            let mut seen = Vec::new();
            let takes = |reader: &mut TapReader, next: &mut Tap, seen: &mut Vec<Tap>| {
                let is_any = reader.take(next);
                seen.extend(is_any.then(|| next.clone()));
                is_any
            };
            // One way, the other, and one after the other, in the middle of two.
            (0..tick % 4).for_each(|_| assert!(takes(&mut reader, &mut next, &mut seen)));
            while reader.hand_over(&mut |head: &TapHead, sound: &[i16]| {
                next.begin(*head).copy_from_slice(sound);
                seen.push(next.clone());
            }) {}
            assert!(!takes(&mut reader, &mut next, &mut seen));
            assert_eq!(seen.len(), 6);
            for (n, found) in seen.iter().enumerate() {
                let (one, rest) = both(4 * tick + n as u64 / 2, SampleRate::Hz8000);
                let is_one = n % 2 == 0;
                let (side, frame) = if is_one { (TapSide::Apart, one.frame) } else { (TapSide::Rest, rest) };
                assert_eq!((found.of, found.side, found.tick, found.at), (of, side, one.tick, one.at));
                assert_eq!(found.frame.samples(), frame.samples());
                assert_eq!(found.dropped_before, if n == 0 && tick > 0 { 2 } else { 0 });
            }
        }
    }

    #[test]
    fn what_is_of_one_is_handed_over_together_in_its_order_as_it_was_wherever_the_ring_ends() {
        let of = |n: u64| match n % 3 {
            0 => Tapped::Leg(LegId(7)),
            1 => Tapped::Conference(ConferenceId(7)),
            _ => Tapped::Leg(LegId(2)),
        };
        let side = |n: u64| if n % 3 == 1 { TapSide::Mix } else { TapSide::Sent };
        let rate = |n: u64| SampleRate::ALL[n as usize % SampleRate::ALL.len()];
        let (mut sink, mut reader) = ring_of(90_001);
        let (mut seen, mut written) = (Vec::new(), 0);
        for some in [1, 2, 3, 50, 100, 99, 120, 7].into_iter().cycle().take(80) {
            for n in written..written + some {
                let of = of(n);
                put(&mut sink, &Tap { of, dropped_before: n as u32 % 3, ..tap(n, rate(n), side(n)) });
            }
            written += some;
            let mut kinds = Vec::new();
            let is_any = reader.hand_over(&mut |head: &TapHead, sound: &[i16]| {
                let (n, given) = (head.tick.0, tap(head.tick.0, head.rate, head.side));
                assert_eq!((head.of, head.rate, head.side), (of(n), rate(n), side(n)));
                assert_eq!((head.at, head.dropped_before), (given.at, n as u32 % 3));
                assert_eq!(sound, given.frame.samples());
                kinds.push(head.of);
                seen.push(n);
            });
            kinds.dedup();
            assert!(is_any && kinds.len() <= 3, "what is of one lies together");
            assert!(!reader.hand_over(&mut |_: &TapHead, _: &[i16]| panic!("there is no more")));
        }
        assert_eq!((seen.len() as u64, sink.dropped()), (written, 0));
        for kind in 0..3 {
            assert!(seen.iter().filter(|n| **n % 3 == kind).is_sorted());
        }
    }

    #[test]
    fn no_more_is_handed_over_at_a_time_than_belongs_to_a_look() {
        let (mut sink, mut reader) = tap_ring();
        let many = 2 * FRAMES_MAX as u64 + 7;
        (0..many).for_each(|n| put(&mut sink, &tap(n, SampleRate::Hz8000, TapSide::Sent)));
        let mut counts = Vec::new();
        loop {
            let mut count = 0;
            if !reader.hand_over(&mut |_: &TapHead, _: &[i16]| count += 1) {
                break;
            }
            counts.push(count);
        }
        assert_eq!(counts, [FRAMES_MAX, FRAMES_MAX, 7]);
    }
}
