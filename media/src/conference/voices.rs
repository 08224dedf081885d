//! What the participants of a conference say: this tick's frame of each, and what is remembered of those who wait.

use super::talkers::{Contribution, PLACES};
use crate::frame::SampleRate;

/// Frames by slot; each participant has one. Memory that is never written to is never given by the system, so
/// what nobody needs costs nothing.
pub(super) struct Voices {
    frames: Vec<i16>,
    remembered: Vec<i16>,
    /// Samples in a place: those of a frame at the highest rate there is a place for.
    stride: usize,
    free: Vec<usize>,
}

impl Voices {
    /// Room for so many participants with sound of at most that rate.
    pub(super) fn new(slots: usize, rate: SampleRate) -> Self {
        let stride = rate.frame_len();
        Self {
            frames: vec![0; slots * stride],
            remembered: vec![0; slots * PLACES * stride],
            stride,
            // The lowest slots are used first.
            free: (0..slots).rev().collect(),
        }
    }

    /// A slot for a participant; none if all are taken.
    pub(super) fn take_slot(&mut self) -> Option<usize> {
        self.free.pop()
    }

    pub(super) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }

    /// What the participant says in this tick.
    pub(super) fn now(&self, slot: usize, len: usize) -> &[i16] {
        &self.frames[slot * self.stride..][..len]
    }

    pub(super) fn now_mut(&mut self, slot: usize, len: usize) -> &mut [i16] {
        &mut self.frames[slot * self.stride..][..len]
    }

    /// Remembers the first `kept` samples of this tick's frame, and silence up to `len`.
    pub(super) fn remember(&mut self, slot: usize, place: usize, kept: usize, len: usize) {
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
