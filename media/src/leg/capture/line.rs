//! Delays what is said by as long as it takes to know a key, so that its beginning is taken out too.
//!
//! ```text
//!            newest 20 ms                                oldest
//! played ─▶ [ 8 │ 9 ] [ 6 │ 7 ] [ 4 │ 5 ] [ 2 │ 3 ] [ 0 │ 1 ] ─▶ everybody
//!               ▲           ◀─────── closed back ──┘   10 ms each, open or closed
//!               └ a mark: the same key twice in a row
//! ```
//!
//! A key of 23 ms or more is marked within 40 ms of its beginning at the latest; from there everything is closed back to
//! 40 ms before the mark, in sound of which nothing has left yet, and onwards for 30 ms after the last mark. In place of what
//! is closed there is noise as loud as the background. Between both lie 2 ms of cross-fade, on the closed side: what is
//! open passes bit for bit.
//!
//! Into the delay and out of it nothing is stretched. It begins with noise in place of the 80 ms that are not there yet, faded
//! into and out of, and it ends in a pause, by a cross-fade over 80 ms in which nobody speaks. If nobody pauses for two
//! seconds, the fade is over what they say.

use std::time::Duration;

use super::background::Background;
use super::gap::{FRAGMENT, Gap};
use crate::dsp::goertzel::{HOPS, Mark};
use crate::frame::{FRAME_LEN_MAX, Frame, SampleRate};
use crate::playout::Sound;
use crate::time::Tick;

/// By how many ticks what is said is delayed.
pub(super) const DELAY_TICKS: usize = 4;

/// Ticks that are in the line, the newest included.
const SLOTS: usize = DELAY_TICKS + 1;

/// Closed before a mark, in 10 ms: the two windows that made it reach 30 ms back, of which the first may have begun in the
/// middle of a tone; and codecs that work in frames spread a beginning over up to 20 ms before it.
const BACK: usize = 5;

/// Closed after the last mark, in 10 ms: half a window that was too empty to be marked, and what rings in a codec.
const ONWARDS: u8 = 4;

/// Closed before a mark that is not the second of a pair, in 10 ms: its window, and half of one before.
const BACK_ONCE: usize = 2;

/// How far from a key, or from a gap that was hidden, a single mark is one of a key, in 10 ms: a lost packet, and its
/// fade.
const WARY: u8 = 7;

/// How far from a gap that was hidden a decoder that predicts may give one tone of a key without the other, or go on with one
/// that has ended, in 10 ms: as long as a key, and 20 ms.
const UNSETTLED: u8 = 14;

/// Closed after the last mark of a key in that time, in 10 ms.
const ONWARDS_UNSETTLED: u8 = 10;

/// Closed before a tone by itself, in 10 ms: its window, and over what a codec spreads its beginning.
const BACK_LONE: usize = 4;

/// Closed from the beginning of a gap that follows a key, in 10 ms: the gap's tick, and as much after it.
const AFTER_GAP: u8 = 3 * HOPS as u8;

/// The older half of the newest tick, counted from the oldest in the line.
const NEWEST: usize = (SLOTS - 1) * HOPS;

/// It must be known what is closed before it leaves: a mark of the older half of the newest tick reaches back so far.
const _: () = assert!(BACK < NEWEST);

/// And a fragment, and the gap's last tick, that end in it.
const _: () = assert!(FRAGMENT as usize + BACK_ONCE <= NEWEST + 1);

/// How long it takes to fade from sound to noise and back: 2 ms do not click, and leave no tone.
const FADES_PER_SECOND: u32 = 500;

/// How long it takes to fade into the delay: 5 ms, which may be in a word.
const FIRST_FADES_PER_SECOND: u32 = 200;

/// Without a pause for so many ticks the delay is let go in speech: 2 s.
const PAUSE_TICKS_MAX: u32 = 100;

/// 20 ms and what is to be left of them.
struct Slot {
    sound: Sound,
    frame: Frame,
    marks: [Mark; HOPS],
    closed: [bool; HOPS],
}

/// The delay of one leg. All its memory is inside.
pub(super) struct Line {
    /// The ticks in the line, as a ring.
    slots: [Slot; SLOTS],
    oldest: usize,
    /// Of the newest 10 ms on, so many are closed unless there is another mark.
    onwards: u8,
    /// Of the newest 10 ms on, in so many a single mark is believed: a key was just heard, or a gap just hidden.
    wary: u8,
    /// Of the newest 10 ms on, so many are near a key that was heard.
    near_key: u8,
    /// Of the newest 10 ms on, in so many a tone by itself is believed: a gap was just hidden by a decoder that predicts.
    unsettled: u8,
    gap: Gap,
    /// Whether the last 10 ms that left were.
    was_closed: bool,
    background: Background,
    /// Nothing has left yet: whoever listens heard what is said without a delay until now.
    is_new: bool,
    /// Ticks since it was asked to let go of the delay.
    letting_go: u32,
    /// It has let go.
    let_go: bool,
}

/// What left the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) sound: Sound,
    /// Of its halves, those that were replaced.
    pub(super) closed: [bool; HOPS],
    /// Nothing of what was said is in it, not even fading away.
    pub(super) is_noise: bool,
}

impl Line {
    /// A line in which nothing is: what leaves it first is noise.
    pub(super) fn new() -> Self {
        let rate = SampleRate::Hz8000;
        let slot = || Slot {
            sound: Sound::Silence,
            frame: Frame::silence(rate),
            marks: [Mark::Clear; HOPS],
            closed: [true; HOPS],
        };
        Self {
            slots: std::array::from_fn(|_| slot()),
            oldest: 0,
            onwards: 0,
            wary: 0,
            near_key: 0,
            unsettled: 0,
            gap: Gap::default(),
            was_closed: true,
            background: Background::new(rate),
            is_new: true,
            letting_go: 0,
            let_go: false,
        }
    }

    /// Takes in what was played, with the marks of its halves, and leaves in `frame` what leaves the line.
    pub(super) fn pass(&mut self, sound: Sound, frame: &mut Frame, marks: [Mark; HOPS]) -> Passed {
        if self.slots[self.free()].frame.rate() != frame.rate() {
            self.begin_at(frame.rate());
        }
        let marks = self.believed(sound, frame.rate(), marks);
        self.take_in(sound, frame, marks);
        let leaves = self.oldest;
        let mut passed = self.give(leaves, frame);
        if std::mem::take(&mut self.is_new) && marks == [Mark::Clear; HOPS] {
            passed.is_noise = false;
            let fade = (frame.rate().hertz() / FIRST_FADES_PER_SECOND) as usize;
            let said = self.slots[self.free()].frame.samples();
            for (n, (out, &said)) in frame.samples_mut()[..fade].iter_mut().zip(said).enumerate() {
                *out = cross_fade(said, *out, n, fade);
            }
        }
        self.oldest = (self.oldest + 1) % SLOTS;
        passed
    }

    /// Does the same, and lets go of the delay if it can: then what was played last has left too, and what lies between
    /// is left out. From then on what comes leaves at once.
    pub(super) fn pass_and_let_go(&mut self, sound: Sound, frame: &mut Frame, marks: [Mark; HOPS]) -> Passed {
        let marks = self.believed(sound, frame.rate(), marks);
        let is_clear = marks == [Mark::Clear; HOPS];
        if self.let_go && is_clear {
            return Passed { sound, closed: [false; HOPS], is_noise: false };
        }
        if self.let_go {
            // A key, and those that wait are not handed over yet: back into the delay.
            self.stay();
        }
        let passed = self.pass(sound, frame, marks);
        self.letting_go += 1;
        let nothing_is_missed = self.is_quiet() || self.letting_go > PAUSE_TICKS_MAX;
        if !nothing_is_missed || !is_clear || self.onwards > 0 {
            return passed;
        }
        self.let_go = true;
        let newest = &self.slots[(self.oldest + SLOTS - 2) % SLOTS];
        let samples = frame.samples_mut();
        let half = samples.len() / HOPS;
        for (n, (old, new)) in samples.iter_mut().zip(newest.frame.samples()).enumerate() {
            *old = cross_fade(*old, *new, n, half);
        }
        Passed { sound: newest.sound, closed: passed.closed, is_noise: false }
    }

    /// The far end is on hold: of what is played next the beginning is closed, as nobody heard what it is a part of.
    pub(super) const fn hold(&mut self) {
        self.gap.hold();
    }

    /// Whether what comes leaves at once.
    pub(super) const fn has_let_go(&self) -> bool {
        self.let_go
    }

    /// Stays, or begins anew.
    pub(super) fn stay(&mut self) {
        if self.let_go {
            *self = Self::new();
        }
        self.letting_go = 0;
    }

    /// How much later what comes leaves.
    pub(super) const fn delay(&self) -> Duration {
        const DELAY: Duration = Duration::from_millis(Tick::DURATION.as_millis() as u64 * DELAY_TICKS as u64);
        if self.let_go { Duration::ZERO } else { DELAY }
    }

    /// Sound of another rate is to come. What is still in the line could not follow it.
    fn begin_at(&mut self, rate: SampleRate) {
        for slot in &mut self.slots {
            slot.frame.silence_at(rate);
            (slot.sound, slot.marks, slot.closed) = (Sound::Silence, [Mark::Clear; HOPS], [true; HOPS]);
        }
        self.background.change_rate(rate);
    }

    /// Where the next goes: the place of the one that left last.
    const fn free(&self) -> usize {
        (self.oldest + SLOTS - 1) % SLOTS
    }

    /// A tone by itself is one of a key only where a decoder may have lost the other. Of the codecs, Opus predicts so much of a
    /// frame from the one before that it may.
    fn believed(&mut self, sound: Sound, rate: SampleRate, marks: [Mark; HOPS]) -> [Mark; HOPS] {
        if sound == Sound::Concealed && rate == SampleRate::Hz48000 {
            self.unsettled = UNSETTLED;
        }
        let is_settled = self.unsettled == 0;
        marks.map(|mark| if mark == Mark::Lone && is_settled { Mark::Clear } else { mark })
    }

    fn take_in(&mut self, sound: Sound, frame: &Frame, marks: [Mark; HOPS]) {
        let place = self.free();
        let slot = &mut self.slots[place];
        (slot.sound, slot.marks, slot.closed) = (sound, marks, [false; HOPS]);
        match sound {
            Sound::Silence => slot.frame.silence_at(frame.rate()),
            Sound::Voice | Sound::Concealed | Sound::Noise => {
                slot.frame.samples_mut().copy_from_slice(frame.samples());
            }
        }
        if self.gap.follow(sound, self.near_key > 0) {
            self.close_rest(frame.rate());
        }
        if sound == Sound::Concealed {
            // What is left of a key on either side of a gap may be too short to be marked twice.
            self.wary = WARY;
            self.believe_marks(NEWEST);
            if self.near_key > 0 {
                // It is made of the key before it.
                self.onwards = self.onwards.max(AFTER_GAP);
            }
        }
        let halves = frame.samples().chunks_exact(frame.samples().len() / HOPS);
        for (half, (mark, samples)) in marks.into_iter().zip(halves).enumerate() {
            let at = NEWEST + half;
            if let Some(since) = self.gap.ended_fragment(sound, samples) {
                self.onwards = self.onwards.max(ONWARDS);
                self.close(at + 1 - since - BACK_ONCE, at);
            }
            if mark == Mark::Likely || (mark == Mark::Maybe && self.wary > 0) {
                (self.wary, self.near_key) = (WARY, WARY);
                self.onwards = if self.unsettled > 0 { ONWARDS_UNSETTLED } else { ONWARDS };
                self.close(at - BACK, at);
                self.believe_marks(at);
                self.close_gap(at - BACK);
            } else if mark == Mark::Lone {
                self.onwards = self.onwards.max(ONWARDS);
                self.close(at - BACK_LONE, at);
                self.close_gap(at - BACK_LONE);
            } else {
                if self.onwards > 0 {
                    self.close(at, at);
                }
                self.onwards = self.onwards.saturating_sub(1);
                self.wary = self.wary.saturating_sub(1);
                self.near_key = self.near_key.saturating_sub(1);
            }
            self.unsettled = self.unsettled.saturating_sub(1);
        }
    }

    /// Closes the beginning of what may go on in the middle of a key.
    fn close_rest(&mut self, rate: SampleRate) {
        // The fade into noise is to lie before it.
        self.close(NEWEST - 1, NEWEST);
        (self.wary, self.onwards) = (WARY, self.onwards.max(AFTER_GAP));
        if rate == SampleRate::Hz48000 {
            (self.unsettled, self.onwards) = (UNSETTLED, self.onwards.max(ONWARDS_UNSETTLED));
        }
    }

    /// Closes a hidden gap in which what is closed begins, or just after which it does, and the 20 ms before: the gap may be
    /// made of the first moments of a key that are not enough to be marked.
    fn close_gap(&mut self, first: usize) {
        let mut tick = first / HOPS;
        let is_made = |tick: usize| self.slots[(self.oldest + tick) % SLOTS].sound == Sound::Concealed;
        while tick > 0 && (is_made(tick) || is_made(tick - 1)) {
            tick -= 1;
        }
        if tick < first / HOPS {
            self.close(tick * HOPS, first);
        }
    }

    /// Closes around each single mark shortly before `end`, and what lies between.
    fn believe_marks(&mut self, end: usize) {
        for at in end.saturating_sub(WARY.into()).max(BACK_ONCE)..end {
            let slot = &self.slots[(self.oldest + at / HOPS) % SLOTS];
            if slot.marks[at % HOPS] != Mark::Clear {
                return self.close(at - BACK_ONCE, end);
            }
        }
    }

    /// Closes each 10 ms of these, counted from the oldest in the line.
    fn close(&mut self, first: usize, last: usize) {
        for at in first..=last {
            self.slots[(self.oldest + at / HOPS) % SLOTS].closed[at % HOPS] = true;
        }
    }

    fn give(&mut self, place: usize, out: &mut Frame) -> Passed {
        let Slot { sound, frame, closed, .. } = &mut self.slots[place];
        let fade = (frame.rate().hertz() / FADES_PER_SECOND) as usize;
        let is_noise = self.was_closed && *closed == [true; HOPS];
        let half = frame.samples().len() / HOPS;
        let halves = frame.samples_mut().chunks_exact_mut(half).zip(out.samples_mut().chunks_exact_mut(half));
        for ((said, out), &is_closed) in halves.zip(closed.iter()) {
            let mut noise = [0; FRAME_LEN_MAX / HOPS];
            let noise = &mut noise[..half];
            if is_closed || self.was_closed {
                self.background.fill(noise);
            }
            if is_closed {
                out.copy_from_slice(noise);
                if !self.was_closed {
                    fade_over(said, noise, &mut out[..fade]);
                }
            } else {
                self.background.hear(said);
                out.copy_from_slice(said);
                if self.was_closed {
                    fade_over(noise, said, &mut out[..fade]);
                }
            }
            self.was_closed = is_closed;
        }
        let passed = Passed {
            sound: if *closed == [true; HOPS] { Sound::Noise } else { *sound },
            closed: *closed,
            is_noise,
        };
        frame.samples_mut().fill(0);
        passed
    }

    /// Whether nobody speaks in all that is in the line.
    fn is_quiet(&self) -> bool {
        self.slots.iter().enumerate().filter(|(n, _)| *n != self.free()).all(|(_, slot)| {
            let samples = slot.frame.samples();
            let halves = samples.chunks_exact(samples.len() / HOPS).zip(slot.closed);
            halves.into_iter().all(|(half, closed)| closed || self.background.is_quiet(half))
        })
    }
}

fn fade_over(from: &[i16], to: &[i16], out: &mut [i16]) {
    let len = out.len();
    for (n, (out, (&from, &to))) in out.iter_mut().zip(from.iter().zip(to)).enumerate() {
        *out = cross_fade(from, to, n, len);
    }
}

/// From one to the other, `at` samples into a fade of `len`.
fn cross_fade(from: i16, to: i16, at: usize, len: usize) -> i16 {
    let (at, len) = ((at + 1).min(len) as i32, len.max(1) as i32);
    ((i32::from(from) * (len - at) + i32::from(to) * at) / len) as i16
}
