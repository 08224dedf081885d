//! What the participants of a conference say: this tick's frame of each, and what is remembered of those who wait.

use super::talkers::{Contribution, PLACES};
use crate::frame::SampleRate;

/// Frames by slot; each participant has one. All the room there is is asked for at the start, and not written to
/// before a slot is taken or something is remembered: memory that was never written to is never given by the system,
/// so seats that nobody takes cost nothing.
pub(super) struct Voices {
    frames: Vec<i16>,
    remembered: Vec<i16>,
    /// Samples in a place: those of a frame at the highest rate there is a place for.
    stride: usize,
    slots: usize,
    /// Slots that were never taken begin here.
    unused: usize,
    /// Slots that were given back.
    free: Vec<usize>,
    /// Slots in which all is silence, at any rate. It need not be written there again.
    silent: Vec<bool>,
}

impl Voices {
    /// Room for so many participants with sound of at most that rate.
    pub(super) fn new(slots: usize, rate: SampleRate) -> Self {
        let stride = rate.frame_len();
        Self {
            frames: Vec::with_capacity(slots * stride),
            remembered: Vec::with_capacity(slots * PLACES * stride),
            stride,
            slots,
            unused: 0,
            free: Vec::with_capacity(slots),
            silent: Vec::with_capacity(slots),
        }
    }

    /// No room for anybody.
    pub(super) const fn none() -> Self {
        Self {
            frames: Vec::new(),
            remembered: Vec::new(),
            stride: 0,
            slots: 0,
            unused: 0,
            free: Vec::new(),
            silent: Vec::new(),
        }
    }

    /// Whether it has room for sound of a higher rate.
    pub(super) const fn is_larger_than(&self, other: &Self) -> bool {
        self.stride > other.stride
    }

    /// A slot for a participant; none if all are taken.
    pub(super) fn take_slot(&mut self) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        if self.unused == self.slots {
            return None;
        }
        let slot = self.unused;
        self.unused += 1;
        // Within the room that was asked for.
        self.frames.resize(self.unused * self.stride, 0);
        self.silent.resize(self.unused, true);
        Some(slot)
    }

    pub(super) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// What the participant says in this tick.
    pub(super) fn now(&self, slot: usize, len: usize) -> &[i16] {
        &self.frames[slot * self.stride..][..len]
    }

    /// It says this.
    pub(super) fn set(&mut self, slot: usize, said: &[i16]) {
        self.silent[slot] = false;
        self.frames[slot * self.stride..][..said.len()].copy_from_slice(said);
    }

    /// It says nothing.
    pub(super) fn set_silent(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.silent[slot], true) {
            self.frames[slot * self.stride..][..self.stride].fill(0);
        }
    }

    /// Remembers the first `kept` samples of this tick's frame, and silence up to `len`.
    pub(super) fn remember(&mut self, slot: usize, place: usize, kept: usize, len: usize) {
        let end = (slot + 1) * PLACES * self.stride;
        if self.remembered.len() < end {
            // Within the room that was asked for.
            self.remembered.resize(end, 0);
        }
        let start = (slot * PLACES + place) * self.stride;
        let target = &mut self.remembered[start..][..len];
        let (voice, rest) = target.split_at_mut(kept);
        voice.copy_from_slice(&self.frames[slot * self.stride..][..kept]);
        rest.fill(0);
    }

    pub(super) fn remembered_mut(&mut self, slot: usize, place: usize, len: usize) -> &mut [i16] {
        let start = (slot * PLACES + place) * self.stride;
        &mut self.remembered[start..][..len]
    }

    /// What of the participant goes into the mix.
    pub(super) fn mixed(&self, slot: usize, contribution: Contribution, len: usize) -> Option<&[i16]> {
        match contribution {
            Contribution::None => None,
            Contribution::Direct => Some(self.now(slot, len)),
            Contribution::Remembered(place) => {
                Some(&self.remembered[(slot * PLACES + place) * self.stride..][..len])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_spoken_and_is_silent_says_nothing_at_any_rate() {
        let mut voices = Voices::new(2, SampleRate::Hz16000);
        let (one, other) = (voices.take_slot().unwrap(), voices.take_slot().unwrap());
        voices.set(other, &[3; 320]);
        for said in [&[5; 320][..], &[6; 160]] {
            voices.set(one, said);
            assert_eq!(voices.now(one, said.len()), said);
            voices.set_silent(one);
            voices.set_silent(one);
            assert_eq!(voices.now(one, 320), [0; 320]);
        }
        assert_eq!(voices.now(other, 320), [3; 320]);
        // Whoever comes next to where somebody spoke has said nothing yet.
        voices.set(one, &[5; 320]);
        voices.give_back(one);
        let next = voices.take_slot().unwrap();
        voices.set_silent(next);
        assert_eq!((next, voices.now(next, 320)), (one, &[0; 320][..]));
    }
}
