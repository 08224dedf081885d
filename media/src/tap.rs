//! Taps copy what a leg says and hears, for recorders and forks. They read frames and never contribute.

use std::collections::VecDeque;

use crate::event::{Tap, TapSide};
use crate::frame::{Frame, SampleRate};
use crate::id::LegId;
use crate::time::Tick;

/// Frames that wait to be fetched. When full, the newest is dropped and counted, and the next that fits says
/// how many went before it.
pub(crate) struct Taps {
    frames: VecDeque<Tap>,
    capacity: usize,
    dropped: u64,
    dropped_since: u32,
}

impl Taps {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { frames: VecDeque::with_capacity(capacity), capacity, dropped: 0, dropped_since: 0 }
    }

    pub(crate) fn copy(&mut self, leg: LegId, tick: Tick, side: TapSide, rate: SampleRate, sound: &[i16]) {
        if self.frames.len() >= self.capacity {
            self.dropped += 1;
            self.dropped_since = self.dropped_since.saturating_add(1);
            return;
        }
        let dropped_before = std::mem::take(&mut self.dropped_since);
        let mut frame = Frame::silence(rate);
        frame.samples_mut().copy_from_slice(sound);
        self.frames.push_back(Tap { leg, tick, side, frame, dropped_before });
    }

    pub(crate) fn take(&mut self) -> Option<Tap> {
        self.frames.pop_front()
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}
