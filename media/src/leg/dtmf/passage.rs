//! What others hear of the keys that a far end presses: nothing, or the tones of them.

use std::time::Duration;

use crate::dsp::tone::{Tone, TonePlayer};
use crate::frame::{Frame, SampleRate};

/// Whether others hear the keys that a far end presses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigitPassage {
    /// Tones are taken out of what is said, and events make no sound: keys may be a card number.
    #[default]
    Withheld,
    /// Tones are left as they are, and for an event its tone is heard while it lasts.
    Heard,
}

/// How long it takes to close and to open: 2 ms do not click, and are a tenth of the shortest key.
const FADES_PER_SECOND: u32 = 500;

/// Keeps tones out of what is said.
///
/// Nothing is delayed for it, so the sound before the first frame that is suspected has passed already: up to half a
/// frame (10 ms) of a key, and the fade. What is left is too short to be told: detectors must not take 23 ms for a key
/// (ITU-T Q.24), and in 12 ms neighbouring rows cannot be kept apart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    closed: bool,
}

impl Gate {
    /// Whether all passes, and did in the tick before.
    pub(super) const fn is_open(self) -> bool {
        !self.closed
    }

    /// Closes over a frame, stays closed, or opens with it.
    pub(super) fn pass(&mut self, close: bool, frame: &mut Frame) {
        let was_closed = std::mem::replace(&mut self.closed, close);
        if !close && !was_closed {
            return;
        }
        let fade = (frame.rate().hertz() / FADES_PER_SECOND) as usize;
        let samples = frame.samples_mut();
        match (was_closed, close) {
            (false, _) => {
                fade_out(&mut samples[..fade]);
                samples[fade..].fill(0);
            }
            (true, true) => samples.fill(0),
            (true, false) => fade_in(&mut samples[..fade]),
        }
    }
}

fn fade_in(samples: &mut [i16]) {
    let len = samples.len() as i32;
    for (n, sample) in samples.iter_mut().enumerate() {
        *sample = (i32::from(*sample) * (n as i32 + 1) / (len + 1)) as i16;
    }
}

fn fade_out(samples: &mut [i16]) {
    samples.reverse();
    fade_in(samples);
    samples.reverse();
}

/// A key that is told as an event sounds at least for so many ticks (40 ms, ITU-T Q.24), however soon it ended.
const TICKS_MIN: u32 = 2;

/// A tone that is ended by its key, not by itself: longer than any key is held.
const UNTIL_RELEASED: Duration = Duration::from_secs(3_600);

/// Makes the tones of keys that are told as events.
#[derive(Debug, Default)]
pub(super) struct Rendering {
    key: Option<Key>,
}

struct Key {
    event: u8,
    /// From its first tick on; at the rate of that.
    player: Option<(SampleRate, TonePlayer)>,
    ticks: u32,
    released: bool,
}

/// Which key it is may not be shown.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("released", &self.released).finish_non_exhaustive()
    }
}

impl Rendering {
    /// Whether no key is down, nor fades away.
    pub(super) const fn is_silent(&self) -> bool {
        self.key.is_none()
    }

    /// No key is down any more, without a sound.
    pub(super) fn stop(&mut self) {
        self.key = None;
    }

    /// A key is down.
    pub(super) fn press(&mut self, event: u8) {
        let is_other = |key: &Key| key.event != event || key.released;
        if self.key.as_ref().is_none_or(is_other) {
            self.key = Some(Key { event, player: None, ticks: 0, released: false });
        }
    }

    /// A key is up; it may have been down too shortly to be noticed.
    pub(super) fn release(&mut self, event: u8) {
        self.press(event);
        if let Some(key) = &mut self.key {
            key.released = true;
        }
    }

    /// Writes the tone of the key that is down over a frame, and says whether there is one.
    pub(super) fn sound(&mut self, frame: &mut Frame) -> bool {
        let Some(key) = &mut self.key else {
            return false;
        };
        let rate = frame.rate();
        if key.player.as_ref().is_none_or(|(at, _)| *at != rate) {
            let tone = Tone::of_key(key.event, UNTIL_RELEASED);
            key.player = tone.map(|tone| (rate, TonePlayer::new(&tone, rate)));
        }
        let ends = key.released && key.ticks >= TICKS_MIN;
        if let Some((_, player)) = &mut key.player {
            play(player, frame, ends);
        }
        key.ticks = key.ticks.saturating_add(1);
        if ends {
            self.key = None;
        }
        true
    }
}

/// Plays on in all of a frame, or fades away over what is said in it.
fn play(player: &mut TonePlayer, frame: &mut Frame, ends: bool) {
    if !ends {
        player.fill(frame.samples_mut());
        return;
    }
    let len = (frame.rate().hertz() / FADES_PER_SECOND) as usize;
    let samples = &mut frame.samples_mut()[..len];
    fade_in(samples);
    let mut tail = [0; SampleRate::Hz48000.hertz() as usize / FADES_PER_SECOND as usize];
    let tail = &mut tail[..len];
    player.fill(tail);
    fade_out(tail);
    for (sample, tail) in samples.iter_mut().zip(tail) {
        *sample = sample.saturating_add(*tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [SampleRate; 3] = [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000];

    fn loud(rate: SampleRate) -> Frame {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().fill(10_000);
        frame
    }

    /// The greatest step from one sample to the next.
    fn steepest(samples: &[i16]) -> u16 {
        samples.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap_or(0)
    }

    #[test]
    fn a_gate_closes_and_opens_without_a_click() {
        for rate in RATES {
            let mut gate = Gate::default();
            let mut passed = vec![10_000];
            for close in [false, true, true, false, false] {
                let mut frame = loud(rate);
                gate.pass(close, &mut frame);
                passed.extend(frame.samples());
            }
            let step = 10_000 / (rate.hertz() / FADES_PER_SECOND) + 1;
            assert!(u32::from(steepest(&passed)) <= step, "{rate:?}");
            let silent = passed.iter().filter(|&&sample| sample == 0).count();
            let closed = 2 * rate.frame_len() - (rate.hertz() / FADES_PER_SECOND) as usize;
            assert_eq!(silent, closed, "{rate:?}");
        }
    }

    #[test]
    fn an_event_sounds_while_it_lasts_and_fades_into_what_is_said() {
        for rate in RATES {
            let mut rendering = Rendering::default();
            assert!(!rendering.sound(&mut loud(rate)));
            rendering.press(5);
            let mut frame = loud(rate);
            for _ in 0..7 {
                frame = loud(rate);
                assert!(rendering.sound(&mut frame));
                assert_ne!(frame.samples(), loud(rate).samples());
            }
            rendering.release(5);
            let last = frame.samples()[rate.frame_len() - 1];
            let mut frame = loud(rate);
            assert!(rendering.sound(&mut frame));
            let joined: Vec<i16> = [last].into_iter().chain(frame.samples().iter().copied()).collect();
            assert!(steepest(&joined) < 16_000, "{rate:?}");
            assert_eq!(frame.samples()[rate.frame_len() / 2], 10_000, "the rest is what is said");
            assert!(!rendering.sound(&mut loud(rate)));
        }
    }

    #[test]
    fn a_key_that_ended_at_once_sounds_for_forty_milliseconds() {
        let mut rendering = Rendering::default();
        rendering.press(3);
        rendering.release(3);
        let sounding = (0..10).filter(|_| rendering.sound(&mut loud(SampleRate::Hz8000))).count();
        assert_eq!(sounding, 3, "two ticks, and the fade");
    }
}
