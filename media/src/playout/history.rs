//! What was played last: 60 ms, enough for the longest pitch period and what it is compared with.

use super::join::convert;
use crate::frame::{FRAME_LEN_MAX, SampleRate};
use crate::prefetch::fetch_all;

/// Ticks that are remembered.
const TICKS: usize = 3;

/// Samples that are remembered at 48 kHz.
pub(super) const HISTORY_MAX: usize = TICKS * FRAME_LEN_MAX;

/// The last ticks, in a ring.
pub(super) struct History {
    samples: Box<[i16]>,
    tick: usize,
    /// The tick that is overwritten next.
    oldest: usize,
    /// Of the last ticks so many were silence. When all were, one more changes nothing, and nothing of a line that is silent
    /// needs to be near the processor.
    silent: usize,
}

impl History {
    /// Silence at `rate`, with room for sound of up to `rate_max`.
    pub(super) fn new(rate: SampleRate, rate_max: SampleRate) -> Self {
        let samples = vec![0; TICKS * rate_max.frame_len()].into_boxed_slice();
        Self { samples, tick: rate.frame_len().min(rate_max.frame_len()), oldest: 0, silent: TICKS }
    }

    /// How many samples it holds.
    pub(super) const fn len(&self) -> usize {
        TICKS * self.tick
    }

    /// Has fetched what is overwritten next.
    pub(super) fn fetch_ahead(&self) {
        fetch_all(&self.samples[self.oldest * self.tick..][..self.tick]);
    }

    /// Whether nothing but silence is remembered.
    pub(super) const fn is_silent(&self) -> bool {
        self.silent == TICKS
    }

    /// Remembers a tick that was played, whatever was in it.
    pub(super) fn remember(&mut self, tick: &[i16]) {
        if tick.iter().fold(0, |any, sample| any | sample) != 0 {
            self.silent = 0;
        } else if self.silent == TICKS {
            return;
        } else {
            self.silent += 1;
        }
        for (kept, &sample) in self.samples[self.oldest * self.tick..][..self.tick].iter_mut().zip(tick) {
            *kept = sample;
        }
        self.oldest = (self.oldest + 1) % TICKS;
    }

    /// The tick that was played last.
    pub(super) fn last_tick(&self) -> &[i16] {
        let newest = (self.oldest + TICKS - 1) % TICKS;
        &self.samples[newest * self.tick..][..self.tick]
    }

    /// Writes the last [`len`](Self::len) samples to `past`, oldest first; the newest are `current`, which is not
    /// remembered yet.
    pub(super) fn write_to(&self, past: &mut [i16], current: &[i16]) {
        let current = &current[..current.len().min(self.tick)];
        let (newer, older) = self.samples[..self.len()].split_at(self.oldest * self.tick);
        let all = older.iter().chain(newer).chain(current).skip(current.len());
        for (kept, &sample) in past.iter_mut().zip(all) {
            *kept = sample;
        }
    }

    /// Goes on at another rate, for which there must be room.
    pub(super) fn convert(&mut self, from: SampleRate, to: SampleRate) {
        let mut past = [0; HISTORY_MAX];
        let len = self.len();
        self.write_to(&mut past, &[]);
        convert(&mut past, len, from, to);
        self.tick = to.frame_len().min(self.samples.len() / TICKS);
        self.oldest = 0;
        let len = self.len();
        self.samples[..len].copy_from_slice(&past[..len]);
        self.silent = 0;
    }

    /// Takes all that another one remembers, at its rate.
    pub(super) fn take_over(&mut self, other: &Self) {
        self.tick = other.tick.min(self.samples.len() / TICKS);
        self.oldest = 0;
        let len = self.len();
        let mut past = [0; HISTORY_MAX];
        other.write_to(&mut past, &[]);
        self.samples[..len].copy_from_slice(&past[..len]);
        self.silent = 0;
    }

    /// Silence again.
    pub(super) fn forget(&mut self) {
        self.samples.fill(0);
        self.silent = TICKS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(history: &History, current: &[i16]) -> Vec<i16> {
        let mut past = vec![0; history.len()];
        history.write_to(&mut past, current);
        past
    }

    #[test]
    fn the_last_ticks_come_in_their_order() {
        let mut history = History::new(SampleRate::Hz8000, SampleRate::Hz8000);
        for tick in 1..=5 {
            history.remember(&[tick; 160]);
        }
        assert_eq!(history.last_tick(), [5; 160]);
        assert_eq!(past(&history, &[]), [[3; 160], [4; 160], [5; 160]].concat());
        let with_current = past(&history, &[6; 100]);
        assert_eq!(with_current[..60], [3; 60]);
        assert_eq!(with_current[380..], [6; 100]);
    }

    #[test]
    fn silence_is_remembered_as_any_other_tick() {
        let mut history = History::new(SampleRate::Hz8000, SampleRate::Hz16000);
        let mut played = vec![[0; 160]; TICKS];
        for said in [0, 0, 7, 0, 0, 0, 0, 0, 9, 8, 0, 6, 0, 0, 0, 0, 5] {
            history.remember(&[said; 160]);
            played.push([said; 160]);
            assert_eq!(past(&history, &[]), played[played.len() - TICKS..].concat());
        }
        // What is at hand at another rate is not what counted as silent before.
        history.convert(SampleRate::Hz8000, SampleRate::Hz16000);
        for _ in 0..TICKS {
            history.remember(&[0; 320]);
        }
        assert_eq!(past(&history, &[]), [0; TICKS * 320]);
        history.remember(&[1; 320]);
        history.forget();
        history.remember(&[0; 320]);
        assert_eq!(past(&history, &[]), [0; TICKS * 320]);
    }

    #[test]
    fn it_goes_on_at_another_rate() {
        let mut history = History::new(SampleRate::Hz8000, SampleRate::Hz48000);
        history.remember(&[4; 160]);
        history.remember(&[8; 160]);
        history.convert(SampleRate::Hz8000, SampleRate::Hz48000);
        assert_eq!(history.last_tick(), [8; 960]);
        assert_eq!(past(&history, &[])[..950], [0; 950]);
        history.convert(SampleRate::Hz48000, SampleRate::Hz16000);
        assert_eq!(history.last_tick(), [8; 320]);
        let mut other = History::new(SampleRate::Hz16000, SampleRate::Hz16000);
        other.take_over(&history);
        assert_eq!(other.last_tick(), [8; 320]);
    }
}
