//! Sound for a gap: the last pitch period, repeated and faded (after the idea of ITU-T G.711 Appendix
//! I, without the delay it adds to sound that arrives).
//!
//! ```text
//!  history ──▶ lag of best correlation ──▶ cycle, its end bent to meet its beginning
//!                                            │ repeated, faded from 10 to 60 ms
//!  sound ────────────────────────────────────┴── cross-faded over 5 ms ──▶ sound
//! ```

use super::decoded::cross_fade;
use super::delay::STEP;

/// Samples over which two sounds are joined: 5 ms.
pub(super) const JOIN: usize = 40;

/// What is made at a time: as much as a tick plays.
const TICK: usize = STEP as usize;

/// What was played is remembered for 60 ms: enough for the longest lag and what it is compared with.
const HISTORY_TICKS: usize = 3;
const HISTORY: usize = HISTORY_TICKS * TICK;

/// Pitch periods that are looked for, 5-15 ms: voices from 67 to 200 Hz, and multiples of higher ones.
const LAG_MIN: usize = 40;
const LAG_MAX: usize = 120;

/// Samples that are compared with those a lag before: 20 ms.
const WINDOW: usize = 160;

/// Sound is repeated at full level for 10 ms, then fades, and is gone after 60 ms. Longer repetition
/// is heard as a buzz.
const FADE_FROM: usize = 80;
const FADE_TO: usize = 480;

/// Makes sound for gaps out of what was played before them.
pub(super) struct Concealer {
    history: [i16; HISTORY],
    /// The tick in `history` that is overwritten next.
    oldest: usize,
    cycle: [i16; LAG_MAX],
    period: usize,
    /// How far the cycle's beginning misses the last sample played.
    edge: i32,
    /// Samples made for this gap.
    made: usize,
    /// Samples of real sound joined since the gap.
    joined: usize,
    active: bool,
}

impl Concealer {
    pub(super) const fn new() -> Self {
        Self {
            history: [0; HISTORY],
            oldest: 0,
            cycle: [0; LAG_MAX],
            period: LAG_MIN,
            edge: 0,
            made: 0,
            joined: 0,
            active: false,
        }
    }

    /// Whether there is a gap that real sound has not fully replaced yet.
    pub(super) const fn is_active(&self) -> bool {
        self.active
    }

    /// Whether the gap has become so long that nothing is left to hear.
    pub(super) const fn has_faded(&self) -> bool {
        self.made >= FADE_TO
    }

    /// Whether real sound has begun to replace the gap.
    pub(super) const fn is_joining(&self) -> bool {
        self.joined > 0
    }

    /// There is no gap any more, and nothing to join.
    pub(super) fn stop(&mut self) {
        self.active = false;
    }

    /// Remembers a tick that was played, whatever was in it.
    pub(super) fn remember(&mut self, tick: &[i16]) {
        for (kept, &sample) in self.history[self.oldest * TICK..][..TICK].iter_mut().zip(tick) {
            *kept = sample;
        }
        self.oldest = (self.oldest + 1) % HISTORY_TICKS;
    }

    /// A gap begins, after `current`: what the tick under way holds so far.
    pub(super) fn begin(&mut self, current: &[i16]) {
        let past = self.in_order(current);
        self.period = pitch_period(&past);
        let last_cycle = &past[HISTORY - self.period..];
        self.cycle[..self.period].copy_from_slice(last_cycle);
        bend(&mut self.cycle[..self.period], &past);
        // The cycle begins as if the sample before it had just been played.
        self.edge = i32::from(past[HISTORY - 1]) - i32::from(past[HISTORY - 1 - self.period]);
        self.made = 0;
        self.joined = 0;
        self.active = true;
    }

    /// Fills `out`, which lies in the gap.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            *sample = self.next_sample();
        }
    }

    /// `sound` follows the gap: fades over into it.
    pub(super) fn join(&mut self, sound: &mut [i16]) {
        for sample in sound.iter_mut().take(JOIN - self.joined) {
            *sample = cross_fade(self.next_sample(), *sample, self.joined);
            self.joined += 1;
        }
        if self.joined == JOIN {
            self.stop();
        }
    }

    fn next_sample(&mut self) -> i16 {
        if self.has_faded() {
            return 0;
        }
        let edge = self.edge * JOIN.saturating_sub(self.made) as i32 / JOIN as i32;
        let repeated = i32::from(self.cycle[self.made % self.period]) + edge;
        let gain = (FADE_TO - self.made.max(FADE_FROM)) as i32;
        let faded = repeated * gain / (FADE_TO - FADE_FROM) as i32;
        self.made += 1;
        faded.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    /// The last 60 ms, `current` included, oldest first.
    fn in_order(&self, current: &[i16]) -> [i16; HISTORY] {
        let current = &current[..current.len().min(TICK)];
        let (newer, older) = self.history.split_at(self.oldest * TICK);
        let all = older.iter().chain(newer).chain(current).skip(current.len());
        let mut past = [0; HISTORY];
        for (kept, &sample) in past.iter_mut().zip(all) {
            *kept = sample;
        }
        past
    }
}

/// Bends the last quarter of a cycle towards what came before its beginning, so that it can follow
/// itself without an edge.
fn bend(cycle: &mut [i16], past: &[i16; HISTORY]) {
    let period = cycle.len();
    let quarter = period / 4;
    let before = &past[HISTORY - period - quarter..HISTORY - period];
    let end = &mut cycle[period - quarter..];
    for (i, (sample, &wanted)) in end.iter_mut().zip(before).enumerate() {
        let weight = i as i32 + 1;
        let sum = i32::from(*sample) * (quarter as i32 - weight) + i32::from(wanted) * weight;
        *sample = (sum / quarter as i32) as i16;
    }
}

/// The lag at which the last 20 ms are most like what came before: greatest normalised correlation.
fn pitch_period(past: &[i16; HISTORY]) -> usize {
    // A sixteenth: 160 products then fit an i32, which the compiler turns into vector arithmetic.
    let scaled = past.map(|s| s >> 4);
    let recent = &scaled[HISTORY - WINDOW..];
    let lagged_by = |lag: usize| &scaled[HISTORY - WINDOW - lag..HISTORY - lag];
    let square = |at: usize| i32::from(scaled[at]) * i32::from(scaled[at]);
    let mut energy = product(lagged_by(LAG_MIN), lagged_by(LAG_MIN));
    let (mut best, mut best_likeness) = (LAG_MIN, f64::MIN);
    for lag in LAG_MIN..=LAG_MAX {
        let correlation = f64::from(product(recent, lagged_by(lag)));
        let likeness = correlation * correlation.abs() / (f64::from(energy) + 1.0);
        if likeness > best_likeness {
            (best, best_likeness) = (lag, likeness);
        }
        // The next lag's window begins a sample earlier and ends a sample earlier.
        energy += square(HISTORY - WINDOW - lag - 1) - square(HISTORY - lag - 1);
    }
    best
}

fn product(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A voice-like wave of the given period.
    fn wave(period: usize, len: usize) -> Vec<i16> {
        let sample = |i: usize| {
            let turn = (i % period) as f64 / period as f64 * std::f64::consts::TAU;
            (8_000.0 * turn.sin() + 4_000.0 * (3.0 * turn).sin()) as i16
        };
        (0..len).map(sample).collect()
    }

    fn after(sound: &[i16]) -> Concealer {
        let mut concealer = Concealer::new();
        for tick in sound.chunks(TICK) {
            concealer.remember(tick);
        }
        concealer
    }

    #[test]
    fn a_periodic_sound_goes_on_as_it_was() {
        for period in [41, 57, 80, 113] {
            let sound = wave(period, 720);
            let mut concealer = after(&sound[..640]);
            concealer.begin(&[]);
            let mut gap = [0; FADE_FROM];
            concealer.fill(&mut gap);
            for (made, wanted) in gap.iter().zip(&sound[640..]) {
                assert!(made.abs_diff(*wanted) < 300, "period {period}: {made} {wanted}");
            }
        }
    }

    #[test]
    fn a_gap_in_the_middle_of_a_tick_goes_on_from_there() {
        let sound = wave(80, 800);
        let mut concealer = after(&sound[..480]);
        concealer.begin(&sound[480..550]);
        let mut gap = [0; 60];
        concealer.fill(&mut gap);
        for (made, wanted) in gap.iter().zip(&sound[550..]) {
            assert!(made.abs_diff(*wanted) < 300, "{made} {wanted}");
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence_by_60_ms() {
        let mut concealer = after(&wave(80, 480));
        concealer.begin(&[]);
        let mut gap = [0; 3 * TICK];
        concealer.fill(&mut gap);
        let peak = |part: &[i16]| part.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(&gap[..80]) > 8_000);
        assert!(peak(&gap[240..320]) < peak(&gap[80..160]));
        assert!(peak(&gap[470..]) < 500);
        assert!(concealer.has_faded());
        let mut rest = [1; TICK];
        concealer.fill(&mut rest);
        assert_eq!(rest, [0; TICK]);
    }

    #[test]
    fn sound_after_a_gap_is_faded_into_and_then_left_alone() {
        let mut concealer = after(&[1_000; 480]);
        concealer.begin(&[]);
        concealer.fill(&mut [0; 20]);
        let mut sound = [-1_000; TICK];
        concealer.join(&mut sound[..15]);
        assert!(concealer.is_active() && concealer.is_joining());
        concealer.join(&mut sound[15..]);
        assert!(!concealer.is_active());
        assert!(sound[0] > 900);
        assert!(sound[..JOIN].is_sorted_by(|a, b| a >= b));
        assert_eq!(sound[JOIN..], [-1_000; TICK - JOIN]);
    }

    #[test]
    fn the_loudest_and_the_quietest_sound_are_harmless() {
        for sound in [[i16::MIN; 480], [i16::MAX; 480], [0; 480]] {
            let mut concealer = after(&sound);
            concealer.begin(&[]);
            let mut gap = [0; TICK];
            concealer.fill(&mut gap);
            assert_eq!(gap[0], sound[0]);
        }
    }
}
