//! Sound that somebody outside makes while it is heard: written on the control side piece by piece, played at exactly the
//! pace of the leg that hears it.
//!
//! ```text
//!  control side                                          media thread
//!  FeedWriter ── samples, a second of them at most ──▶ ring ──▶ Feed ──▶ 20 ms each tick
//!             ── marks: "up to here" ────────────────▶ ring ──▶
//!             ── clear: all before here is not wanted ─────────▶
//!             ◀───────────────────────────── how many marks were passed, when their packets were fetched
//! ```
//!
//! How many marks were passed is a number that both ends see and one writes: whoever waits for them looks when the sound of
//! the same tick comes to them, and nobody else has to pass it on.
//!
//! When there is no more to play there is silence, and both its edges are rounded off: what was heard last rings out in
//! 2.5 ms, what comes then swells as quickly. As long as samples are there they are played as they are. After a clear nothing
//! rings out: whoever clears wants silence, and has it from the next packet on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::frame::{FRAME_LEN_MAX, SampleRate};

/// How much sound may wait in the ring. Whoever writes keeps the rest; a second is enough for one who is held up for most
/// of one, and what is waiting here can still be cleared at once.
const AHEAD: Duration = Duration::from_secs(1);

/// Places with marks that may wait in the ring, however many marks stand at each: one every 5 ms of what fits, and some.
const MARKS_AHEAD: usize = 256;

/// Edges of a silence are rounded off over so much of a second: a four-hundredth, 2.5 ms. A loud tone that ends so makes no
/// sharp click.
const EDGE_FRACTION: usize = 400;

/// An edge at the highest rate.
const EDGE_MAX: usize = 48_000 / EDGE_FRACTION;

/// Makes a feed of sound at a rate: who writes it, and what plays it.
pub fn feed(rate: SampleRate) -> (FeedWriter, Feed) {
    let ahead = (AHEAD.as_millis() as usize * rate.hertz() as usize) / 1_000;
    // As much again for what was cleared and is still to be skipped: what comes after it need not wait for that.
    let (samples_in, samples_out) = rtrb::RingBuffer::new(2 * ahead);
    let (marks_in, marks_out) = rtrb::RingBuffer::new(MARKS_AHEAD);
    let common = Arc::new(Common::default());
    let writer = FeedWriter {
        samples: samples_in,
        marks: marks_in,
        common: Arc::clone(&common),
        written: 0,
        unwanted: 0,
        marked: 0,
        ahead,
    };
    let feed = Feed {
        rate,
        samples: samples_out,
        marks: marks_out,
        common,
        read: 0,
        passed: Passed::default(),
        packed: [0; TICKS_PACKED_MAX],
        in_packets: 0,
        encoding_delay: Duration::ZERO,
        edges: Edges::new(rate),
    };
    (writer, feed)
}

/// What both ends know.
#[derive(Debug, Default)]
struct Common {
    cleared: Cleared,
    /// Marks that were passed since the beginning.
    passed: AtomicU64,
}

/// What is not wanted any more: how far the writer had come when it cleared. Written back to front, so that who reads it
/// in the middle of it has skipped more than was told of, and never told of what is yet to be skipped.
#[derive(Debug, Default)]
struct Cleared {
    samples: AtomicU64,
    marks: AtomicU64,
}

/// Marks that stand at one place.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Samples written before it.
    at: u64,
    /// Marks up to here, with those of all places before.
    total: u64,
}

/// The end of a [`Feed`] that is written to.
#[derive(Debug)]
pub struct FeedWriter {
    samples: rtrb::Producer<i16>,
    marks: rtrb::Producer<Mark>,
    common: Arc<Common>,
    written: u64,
    /// Of that, what was cleared or played before the last clear.
    unwanted: u64,
    marked: u64,
    ahead: usize,
}

impl FeedWriter {
    /// How many samples still fit.
    pub fn vacancies(&self) -> usize {
        self.samples.slots().min(self.ahead - self.waiting())
    }

    /// How many samples wait to be played.
    pub fn waiting(&self) -> usize {
        let in_ring = 2 * self.ahead - self.samples.slots();
        in_ring.min((self.written - self.unwanted) as usize)
    }

    /// Writes as many samples as fit, and says how many these are.
    pub fn write(&mut self, samples: &[i16]) -> usize {
        let fitting = samples.len().min(self.vacancies());
        let (written, _) = self.samples.push_partial_slice(&samples[..fitting]);
        self.written += written.len() as u64;
        written.len()
    }

    /// Places so many marks behind what was written so far. `false`, and none of them, when too many places wait.
    pub fn mark(&mut self, marks: u64) -> bool {
        let mark = Mark { at: self.written, total: self.marked + marks };
        let is_placed = self.marks.push(mark).is_ok();
        if is_placed {
            self.marked = mark.total;
        }
        is_placed
    }

    /// What was written and not played is not wanted any more: the next 20 ms are silence, or what is written from
    /// now on. All marks before are passed with it, and so many that were not placed yet.
    pub fn clear(&mut self, unplaced: u64) {
        self.marked += unplaced;
        self.unwanted = self.written;
        self.common.cleared.samples.store(self.written, Ordering::Release);
        self.common.cleared.marks.store(self.marked, Ordering::Release);
    }

    /// How many marks were passed since the beginning: all sound before them is in packets that were fetched, or was
    /// cleared.
    pub fn passed(&self) -> u64 {
        self.common.passed.load(Ordering::Acquire)
    }
}

/// Ticks whose sound may wait for a packet: of 60 ms, three are in it; one more is under way.
const TICKS_PACKED_MAX: usize = 4;

/// The end of a feed that is played, as part of a [`Player`](super::Player).
#[derive(Debug)]
pub struct Feed {
    rate: SampleRate,
    samples: rtrb::Consumer<i16>,
    marks: rtrb::Consumer<Mark>,
    common: Arc<Common>,
    /// Samples played or skipped.
    read: u64,
    passed: Passed,
    /// Marks whose sound was in what was encoded up to this tick, up to the one before, and so on.
    packed: [u64; TICKS_PACKED_MAX],
    /// Marks that have all of their sound in packets.
    in_packets: u64,
    /// How much later a sound is in the packets than it was played.
    encoding_delay: Duration,
    edges: Edges,
}

/// Marks that were passed, with all that were before.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    /// All of their sound is in what was encoded up to this tick.
    now: u64,
    /// Some of it comes out of resampler and encoder in the next.
    next: u64,
}

impl Feed {
    /// Samples a second.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Tells by how much later than it is played its sound comes out of whatever is behind it.
    pub(super) fn set_encoding_delay(&mut self, delay: Duration) {
        self.encoding_delay = delay;
    }

    /// Writes the next 20 ms. Whether what was played before is cut off by them, with all that is still held of it: then
    /// they are silence, or begin with something else.
    pub(super) fn play(&mut self, out: &mut [i16]) -> bool {
        self.passed.now = self.passed.next;
        let is_cut = self.skip_cleared();
        if is_cut {
            self.edges.cut();
        }
        let from = self.read;
        let played = self.read(out);
        self.edges.round_off(out, played);
        self.pass_marks(from, out.len());
        is_cut
    }

    /// Whether anything that was to be heard is not any more.
    fn skip_cleared(&mut self) -> bool {
        let marks = self.common.cleared.marks.load(Ordering::Acquire);
        let samples = self.common.cleared.samples.load(Ordering::Acquire);
        self.passed.now = self.passed.now.max(marks);
        let unwanted = samples.saturating_sub(self.read) as usize;
        let Ok(chunk) = self.samples.read_chunk(unwanted) else {
            return false;
        };
        chunk.commit_all();
        self.read += unwanted as u64;
        unwanted > 0
    }

    fn read(&mut self, out: &mut [i16]) -> usize {
        let (played, rest) = self.samples.pop_partial_slice(out);
        rest.fill(0);
        self.read += played.len() as u64;
        played.len()
    }

    /// Counts the marks that were passed in the `len` samples since `from`.
    fn pass_marks(&mut self, from: u64, len: usize) {
        let late = self.samples_late();
        while let Some(mark) = self.marks.peek().ok().copied().filter(|mark| mark.at <= self.read) {
            let is_out = mark.at.saturating_sub(from) as usize + late <= len;
            if is_out {
                self.passed.now = self.passed.now.max(mark.total);
            }
            self.passed.next = self.passed.next.max(mark.total);
            // It was looked at just now.
            let _ = self.marks.pop();
        }
        self.passed.next = self.passed.next.max(self.passed.now);
    }

    /// Never more than a tick: resampler and encoder together take 10 ms at most.
    fn samples_late(&self) -> usize {
        let late = self.encoding_delay.as_micros() as usize * self.rate.hertz() as usize;
        late.div_ceil(1_000_000)
    }

    /// Takes in that the sound of this tick was encoded, and for how many of the last ticks it waits until their packet is
    /// full. Whether there are more marks now that have all of their sound in packets.
    pub(super) fn pack(&mut self, ticks_waiting: usize) -> bool {
        self.packed.rotate_right(1);
        self.packed[0] = self.passed.now;
        let in_packets = self.packed[ticks_waiting.min(TICKS_PACKED_MAX - 1)];
        let are_more = in_packets > self.in_packets;
        self.in_packets = self.in_packets.max(in_packets);
        are_more
    }

    /// The packets were fetched: tells of the marks in them.
    pub(super) fn was_sent(&self) {
        self.common.passed.store(self.in_packets, Ordering::Release);
    }
}

/// Rounds off where sound begins and ends.
#[derive(Debug)]
struct Edges {
    len: usize,
    /// The last that was played, oldest first; `len` of it.
    past: [i16; EDGE_MAX],
    /// What rings out, and how much of it was heard.
    rest: [i16; EDGE_MAX],
    heard: usize,
    is_silent: bool,
}

impl Edges {
    const fn new(rate: SampleRate) -> Self {
        let len = rate.hertz() as usize / EDGE_FRACTION;
        Self { len, past: [0; EDGE_MAX], rest: [0; EDGE_MAX], heard: len, is_silent: true }
    }

    /// What was played last is to ring out from here on: as it was, backwards, ever softer.
    fn ring_out(&mut self) {
        if self.is_silent {
            return;
        }
        self.is_silent = true;
        self.heard = 0;
        for (n, rest) in self.rest[..self.len].iter_mut().enumerate() {
            *rest = scaled(self.past[self.len - 1 - n], self.len - n, self.len + 1);
        }
    }

    /// What was played last is not to be heard any more.
    fn cut(&mut self) {
        self.is_silent = true;
        self.heard = self.len;
    }

    /// Goes over 20 ms of which the first `played` samples are sound.
    fn round_off(&mut self, out: &mut [i16], played: usize) {
        let len = self.len;
        let (sound, silence) = out.split_at_mut(played);
        if !sound.is_empty() && self.is_silent {
            for (n, sample) in sound.iter_mut().take(len).enumerate() {
                *sample = scaled(*sample, n + 1, len + 1);
            }
        }
        self.ring_into(sound);
        self.remember(sound);
        self.is_silent &= sound.is_empty();
        if !silence.is_empty() {
            self.ring_out();
            self.ring_into(silence);
            self.remember(silence);
        }
    }

    fn ring_into(&mut self, out: &mut [i16]) {
        let rest = &self.rest[self.heard..self.len];
        self.heard += rest.len().min(out.len());
        for (out, rest) in out.iter_mut().zip(rest) {
            *out = out.saturating_add(*rest);
        }
    }

    fn remember(&mut self, sound: &[i16]) {
        let new = &sound[sound.len().saturating_sub(self.len)..];
        self.past.copy_within(new.len()..self.len, 0);
        self.past[self.len - new.len()..self.len].copy_from_slice(new);
    }
}

fn scaled(sample: i16, of: usize, whole: usize) -> i16 {
    (i32::from(sample) * of as i32 / whole as i32) as i16
}

const _: () = assert!(EDGE_MAX < FRAME_LEN_MAX);

#[cfg(test)]
mod tests;
