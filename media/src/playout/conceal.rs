//! Sound for a gap, if the decoder makes none: the last pitch period, repeated and faded (after the idea of ITU-T
//! G.711 Appendix I, without the delay it adds to sound that arrives). It also fades what a decoder makes, and joins
//! what follows.
//!
//! ```text
//!  history ──▶ lag of best correlation ──▶ cycle, its end bent to meet its beginning
//!                                            │ repeated, faded from 10 to 60 ms
//!  sound ────────────────────────────────────┴── cross-faded over 5 ms ──▶ sound
//! ```

use super::history::{HISTORY_MAX, History};
use super::join::cross_fade;
use super::pitch::{LAG_MAX, Prefer, Search, factor};
use crate::frame::SampleRate;

/// Two sounds are joined over 5 ms, in samples at 8 kHz.
const JOIN: usize = 40;

/// Pitch periods that are looked for begin at 5 ms, in samples at 8 kHz: voices from 67 to 200 Hz, and multiples of
/// higher ones.
const LAG_MIN: usize = 40;

/// Samples at 8 kHz that are compared with those a lag before: 20 ms.
const WINDOW: usize = 160;

/// How made sound fades: from here, and gone there, in samples at 8 kHz since the gap began.
#[derive(Clone, Copy, Debug)]
struct Fade {
    from: usize,
    to: usize,
}

impl Fade {
    /// Sound is repeated at full level for 10 ms, and is gone after 60. Longer repetition is heard as a buzz.
    const REPEATED: Self = Self { from: 80, to: 480 };

    /// A decoder that knows its codec makes sound that lasts longer: 60 ms, gone after 120.
    const DECODED: Self = Self { from: 480, to: 960 };

    /// Where the sender paused, nothing is missing: 10 ms, so that nothing clicks.
    const PAUSE: Self = Self { from: 0, to: 80 };
}

/// Where the sound for a gap comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The cycle that is repeated here.
    Cycle,
    /// A decoder.
    Decoder,
}

/// Makes sound for gaps out of what was played before them.
pub(super) struct Concealer {
    cycle: Box<[i16]>,
    rate: SampleRate,
    period: usize,
    /// How far the cycle's beginning misses the last sample played.
    edge: i32,
    fade: Fade,
    /// Samples made for this gap.
    made: usize,
    /// Samples of real sound joined since the gap.
    joined: usize,
    source: Option<Source>,
}

impl Concealer {
    pub(super) fn new(rate: SampleRate, rate_max: SampleRate) -> Self {
        Self {
            cycle: vec![0; LAG_MAX * factor(rate_max)].into_boxed_slice(),
            rate,
            period: 1,
            edge: 0,
            fade: Fade::REPEATED,
            made: 0,
            joined: 0,
            source: None,
        }
    }

    /// Whether there is a gap that real sound has not fully replaced yet.
    pub(super) const fn is_active(&self) -> bool {
        self.source.is_some()
    }

    /// Whether the gap is to be filled by the decoder.
    pub(super) fn is_decoder(&self) -> bool {
        self.source == Some(Source::Decoder)
    }

    /// Whether the gap has become so long that nothing is left to hear.
    pub(super) const fn has_faded(&self) -> bool {
        self.made >= self.fade.to * factor(self.rate)
    }

    /// Whether real sound has begun to replace the gap.
    pub(super) const fn is_joining(&self) -> bool {
        self.joined > 0
    }

    /// There is no gap any more, and nothing to join.
    pub(super) fn stop(&mut self) {
        self.source = None;
    }

    /// A gap begins that the decoder fills.
    pub(super) fn begin_decoder(&mut self, rate: SampleRate) {
        (self.rate, self.made, self.joined) = (rate, 0, 0);
        self.fade = Fade::DECODED;
        self.source = Some(Source::Decoder);
    }

    /// A gap begins, after `current`: what the tick under way holds so far.
    pub(super) fn begin(&mut self, history: &History, current: &[i16], rate: SampleRate) {
        let mut past = [0; HISTORY_MAX];
        let past = &mut past[..history.len()];
        history.write_to(past, current);
        let len = past.len();
        let at = len / factor(rate) - WINDOW;
        let search = Search { at, window: WINDOW, lags: LAG_MIN..=LAG_MAX, prefer: Prefer::Shorter };
        let lag = search.best_fit(past, rate).map_or_else(|| LAG_MIN * factor(rate), |fit| fit.lag);
        self.period = lag.min(self.cycle.len());
        self.cycle[..self.period].copy_from_slice(&past[len - self.period..]);
        bend(&mut self.cycle[..self.period], past);
        // The cycle begins as if the sample before it had just been played.
        self.edge = i32::from(past[len - 1]) - i32::from(past[len - 1 - self.period]);
        (self.rate, self.made, self.joined) = (rate, 0, 0);
        self.fade = Fade::REPEATED;
        self.source = Some(Source::Cycle);
    }

    /// The same where the sender paused: what was heard ends softly.
    pub(super) fn begin_pause(&mut self, history: &History, current: &[i16], rate: SampleRate) {
        self.begin(history, current, rate);
        self.fade = Fade::PAUSE;
    }

    /// Goes on with another one's gap. This one's cycle is at least as long.
    pub(super) fn take_over(&mut self, other: &mut Self) {
        let larger = std::mem::take(&mut self.cycle);
        let smaller = std::mem::replace(&mut other.cycle, larger);
        other.cycle[..smaller.len()].copy_from_slice(&smaller);
        std::mem::swap(self, other);
        other.cycle = smaller;
    }

    /// Sound goes on at another rate, and `history` with it.
    pub(super) fn change_rate(&mut self, history: &History, rate: SampleRate) {
        let Some(source) = self.source else {
            return;
        };
        let scale = |samples: usize| samples * factor(rate) / factor(self.rate);
        let (made, joined, fade) = (scale(self.made), scale(self.joined), self.fade);
        self.begin(history, &[], rate);
        (self.made, self.joined, self.fade, self.source) = (made, joined, fade, Some(source));
    }

    /// Fills `out`, which lies in the gap.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.next_sample();
        }
    }

    /// Fades what a decoder made for the gap.
    pub(super) fn shape(&mut self, sound: &mut [i16]) {
        for sample in sound {
            *sample = self.faded((*sample).into());
            self.made += 1;
        }
    }

    /// `sound` follows the gap: fades over into it.
    pub(super) fn join(&mut self, sound: &mut [i16]) {
        let join = JOIN * factor(self.rate);
        if self.is_decoder() && self.made <= self.fade.from * factor(self.rate) {
            // The decoder made the one and the other, and sees to it that they fit.
            self.stop();
            return;
        }
        for sample in sound.iter_mut().take(join - self.joined) {
            let old = if self.is_decoder() { self.faded((*sample).into()) } else { self.next_sample() };
            *sample = cross_fade(old, *sample, self.joined, join);
            self.joined += 1;
        }
        if self.joined == join {
            self.stop();
        }
    }

    fn next_sample(&mut self) -> i16 {
        if self.has_faded() {
            return 0;
        }
        let join = JOIN * factor(self.rate);
        let edge = self.edge * join.saturating_sub(self.made) as i32 / join as i32;
        let repeated = i32::from(self.cycle[self.made % self.period]) + edge;
        let faded = self.faded(repeated);
        self.made += 1;
        faded
    }

    fn faded(&self, sample: i32) -> i16 {
        let (from, to) = (self.fade.from * factor(self.rate), self.fade.to * factor(self.rate));
        let gain = to.saturating_sub(self.made.max(from)) as i64;
        let faded = i64::from(sample) * gain / (to - from) as i64;
        faded.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }
}

/// Bends the last quarter of a cycle towards what came before its beginning, so that it can follow
/// itself without an edge.
fn bend(cycle: &mut [i16], past: &[i16]) {
    let (period, len) = (cycle.len(), past.len());
    let quarter = period / 4;
    let before = &past[len - period - quarter..len - period];
    let end = &mut cycle[period - quarter..];
    for (i, (sample, &wanted)) in end.iter_mut().zip(before).enumerate() {
        *sample = cross_fade(*sample, wanted, i, quarter);
    }
}

#[cfg(test)]
mod tests {
    use super::super::pitch::tests::{RATES, wave};
    use super::*;

    /// One that has heard the last 60 ms of `sound`, and what it heard.
    fn after(sound: &[i16], rate: SampleRate) -> (Concealer, History) {
        let mut history = History::new(rate, rate);
        for tick in sound.chunks_exact(rate.frame_len()) {
            history.remember(tick);
        }
        (Concealer::new(rate, rate), history)
    }

    const RATE: SampleRate = SampleRate::Hz8000;

    #[test]
    fn a_periodic_sound_goes_on_as_it_was() {
        for rate in RATES {
            for period in [41.0, 57.0, 80.0, 113.0].map(|p| p * factor(rate) as f64) {
                let tick = rate.frame_len();
                let sound = wave(period, 5 * tick);
                let (mut concealer, history) = after(&sound[..4 * tick], rate);
                concealer.begin(&history, &[], rate);
                let mut gap = vec![0; tick / 2];
                concealer.fill(&mut gap);
                for (made, wanted) in gap.iter().zip(&sound[4 * tick..]) {
                    assert!(made.abs_diff(*wanted) < 400, "{rate:?} period {period}: {made} {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_gap_in_the_middle_of_a_tick_goes_on_from_there() {
        let sound = wave(80.0, 800);
        let (mut concealer, history) = after(&sound[..480], RATE);
        concealer.begin(&history, &sound[480..550], RATE);
        let mut gap = [0; 60];
        concealer.fill(&mut gap);
        for (made, wanted) in gap.iter().zip(&sound[550..]) {
            assert!(made.abs_diff(*wanted) < 300, "{made} {wanted}");
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_by_60_ms() {
        let (mut concealer, history) = after(&wave(80.0, 480), RATE);
        concealer.begin(&history, &[], RATE);
        let mut gap = [0; 480];
        concealer.fill(&mut gap);
        let peak = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(&gap[..80]) > 8_000);
        assert!(peak(&gap[240..320]) < peak(&gap[80..160]));
        assert!(peak(&gap[470..]) < 500);
        assert!(concealer.has_faded());
        let mut rest = [1; 160];
        concealer.fill(&mut rest);
        assert_eq!(rest, [0; 160]);
    }

    #[test]
    fn a_pause_is_silent_after_10_ms() {
        let (mut concealer, history) = after(&wave(80.0, 480), RATE);
        concealer.begin_pause(&history, &[], RATE);
        let mut gap = [0; 160];
        concealer.fill(&mut gap);
        assert!(concealer.has_faded());
        assert_eq!(gap[80..], [0; 80]);
        assert!(gap.windows(2).all(|w| w[0].abs_diff(w[1]) < 1_800), "{gap:?}");
    }

    #[test]
    fn what_a_decoder_makes_is_left_alone_for_60_ms_and_gone_after_120() {
        for rate in RATES {
            let (mut concealer, _) = after(&[], rate);
            concealer.begin_decoder(rate);
            let mut made = vec![1_000; 6 * rate.frame_len()];
            for part in made.chunks_mut(70) {
                concealer.shape(part);
            }
            let half = made.len() / 2;
            assert!(made[..half].iter().all(|&s| s == 1_000));
            assert!(made.is_sorted_by(|a, b| a >= b));
            assert!(made[half * 2 - 1] < 10 && concealer.has_faded());
        }
    }

    #[test]
    fn a_decoder_goes_on_unjoined_after_a_short_gap_and_softly_after_a_long_one() {
        let (mut concealer, _) = after(&[], RATE);
        concealer.begin_decoder(RATE);
        concealer.shape(&mut [0; 160]);
        let mut sound = [1_000; 160];
        concealer.join(&mut sound);
        assert_eq!(sound, [1_000; 160]);
        assert!(!concealer.is_active());
        concealer.begin_decoder(RATE);
        concealer.shape(&mut [0; 1_000]);
        concealer.join(&mut sound);
        assert!(sound[0] < 100 && sound.is_sorted());
        assert!(!concealer.is_active());
    }

    #[test]
    fn sound_after_a_gap_is_faded_into_and_then_left_alone() {
        let (mut concealer, history) = after(&[1_000; 480], RATE);
        concealer.begin(&history, &[], RATE);
        concealer.fill(&mut [0; 20]);
        let mut sound = [-1_000; 160];
        concealer.join(&mut sound[..15]);
        assert!(concealer.is_active() && concealer.is_joining());
        concealer.join(&mut sound[15..]);
        assert!(!concealer.is_active());
        assert!(sound[0] > 900);
        assert!(sound[..JOIN].is_sorted_by(|a, b| a >= b));
        assert_eq!(sound[JOIN..], [-1_000; 160 - JOIN]);
    }

    #[test]
    fn the_loudest_and_the_quietest_sound_are_harmless() {
        for sound in [[i16::MIN; 480], [i16::MAX; 480], [0; 480]] {
            let (mut concealer, history) = after(&sound, RATE);
            concealer.begin(&history, &[], RATE);
            let mut gap = [0; 160];
            concealer.fill(&mut gap);
            assert_eq!(gap[0], sound[0]);
        }
    }
}
