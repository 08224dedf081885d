//! Which participants are mixed when more speak at once than can be told apart.
//!
//! Up to a number of them, everybody who makes a sound is mixed, from their first sample on: there is no gate
//! that could eat a first syllable. Beyond it the loudest are mixed. Who has to wait is remembered for
//! 100 ms, and when they become louder than one who is mixed they are mixed from what is remembered
//! on, so that the beginning of what made them louder is heard too. They then lag by 100 ms, and catch
//! up by leaving out quiet frames.
//!
//! ```text
//!            sounds, and there is room                     silent for a while
//!   Idle ───────────────────────────────▶ Mixed ─────────────────────────────────▶ Idle
//!     │                                    ▲ │
//!     │ sounds, and there is no room       │ │ 6 dB quieter than one who waits: fades out
//!     └─────────────▶ Waiting ─────────────┘ ▼
//!                     (remembers 100 ms)   Waiting
//! ```

use super::participant::Participant;
use super::voices::Voices;
use crate::command::Audience;

/// Frames that one who waits is remembered for: 100 ms, longer than the onset of a syllable takes to rise.
pub(super) const LOOK_BACK: usize = 5;

/// Frames remembered for a participant: those and the one under way.
pub(super) const PLACES: usize = LOOK_BACK + 1;

/// One who waits must be twice as loud (6 dB) as one who is mixed to take their turn: two voices of the same
/// loudness must not take turns at every tick.
const LOUDER_BY: u32 = 2;

/// Exchanges in one tick at most, so that a tick's work is bounded. More people than this do not begin to speak
/// within the same 20 ms and stay louder.
const EXCHANGES_MAX: usize = 4;

/// Ticks without sound after which a turn is given up: 300 ms, longer than the pauses inside a sentence.
const TURN_KEPT_TICKS: u8 = 15;

/// A smoothed loudness loses this part each tick: it halves in about 90 ms, so that a pause between words does not
/// cost a turn, and the end of a sentence does.
const DECAY_DIVISOR: u32 = 7;

/// A frame whose effective amplitude is at most this (about -60 dBov) can be left out to catch up: nobody hears it missing.
const QUIET: u32 = 32;

/// Where too many sound, an effective amplitude of at most this (about -50 dBov) is the noise of a line and wants no turn:
/// whoever speaks up is louder, and is then heard from before they did. Hundreds of open lines would otherwise take
/// turns in being mixed, each with an encoder of its own.
const MURMUR: u32 = 100;

/// What is this part (-30 dB) of how loud somebody has become was not yet the beginning of it: a turn does not begin
/// with the noise of a line, or whoever waited with one would speak 100 ms late for nothing.
const BEFORE_ONSET_DIVISOR: u32 = 32;

/// Where a participant stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    /// Makes no sound, and has not for a while.
    #[default]
    Idle,
    /// Is mixed.
    Mixed,
    /// Makes a sound and is not mixed: too many are louder.
    Waiting,
}

/// How this tick's frame goes into the mix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Contribution {
    /// Not at all.
    #[default]
    None,
    /// As it was heard.
    Direct,
    /// What was remembered in this place of the voices of the participant's slot.
    Remembered(usize),
}

/// A participant's turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Talker {
    turn: Turn,
    /// Smoothed effective amplitude.
    loudness: u32,
    silent_ticks: u8,
    /// Their turn was taken away in this tick.
    ousted: bool,
    /// Frames remembered, where the oldest is, and how loud each was.
    remembered: usize,
    oldest: usize,
    amplitudes: [u16; PLACES],
    pub(super) contribution: Contribution,
}

/// Decides for this tick who is mixed and how. At most `most` are. Returns whether anybody had to wait.
pub(super) fn take_turns(people: &mut [Participant], most: usize, voices: &mut Voices) -> bool {
    let sounding = people.iter().filter(|p| p.speaks_to_all()).count();
    let unsettled = people.iter().any(|p| p.talker.turn == Turn::Waiting || p.talker.remembered > 0);
    if sounding <= most && !unsettled {
        for person in people {
            person.talker.settle(person.speaks_to_all());
        }
        return false;
    }
    contend(people, most, voices);
    true
}

/// The long way: loudness decides.
fn contend(people: &mut [Participant], most: usize, voices: &mut Voices) {
    for person in people.iter_mut() {
        listen(person, voices);
    }
    fill(people, most, voices);
    for _ in 0..EXCHANGES_MAX {
        let (Some(quietest), Some(loudest)) = (quietest_mixed(people), loudest_waiting(people)) else {
            break;
        };
        let enough = people[quietest].talker.loudness.saturating_mul(LOUDER_BY);
        if people[loudest].talker.loudness <= enough {
            break;
        }
        wait(&mut people[quietest], voices);
        people[loudest].talker.begin_turn();
    }
    for person in people {
        contribute(person, voices);
    }
}

/// Sees to it that as many are mixed as may be, and no more.
fn fill(people: &mut [Participant], most: usize, voices: &mut Voices) {
    let mut mixed = people.iter().filter(|p| p.talker.turn == Turn::Mixed).count();
    // More than may be: right after a time in which nobody had to wait.
    while mixed > most {
        let Some(quietest) = quietest_mixed(people) else { return };
        wait(&mut people[quietest], voices);
        mixed -= 1;
    }
    while mixed < most {
        let Some(loudest) = loudest_waiting(people) else { return };
        people[loudest].talker.begin_turn();
        mixed += 1;
    }
}

fn quietest_mixed(people: &[Participant]) -> Option<usize> {
    let mixed = people.iter().enumerate().filter(|(_, p)| p.talker.turn == Turn::Mixed);
    mixed.min_by_key(|(_, p)| p.talker.loudness).map(|(i, _)| i)
}

fn loudest_waiting(people: &[Participant]) -> Option<usize> {
    let wants = |p: &Participant| p.talker.turn == Turn::Waiting && p.talker.loudness > MURMUR;
    let waiting = people.iter().enumerate().filter(|(_, p)| wants(p));
    waiting.max_by_key(|(_, p)| p.talker.loudness).map(|(i, _)| i)
}

/// Notes how loud they are, and remembers what they say while they wait or lag.
fn listen(person: &mut Participant, voices: &mut Voices) {
    if person.seat.audience != Audience::Everyone {
        // What they said before is not heard when they speak to everyone again.
        person.talker = Talker::default();
        return;
    }
    let sounds = person.speaks_to_all();
    let now = if sounds { person.amplitude() } else { 0 };
    let talker = &mut person.talker;
    talker.hear(now, sounds);
    let lags = talker.turn == Turn::Mixed && talker.remembered > 0;
    let remembers = talker.turn == Turn::Waiting || (lags && now > QUIET);
    // Of one who lags a quiet frame is left out: nobody misses it, and 20 ms of the lag are made good.
    if remembers {
        remember(person, now, voices);
    }
}

fn remember(person: &mut Participant, amplitude: u32, voices: &mut Voices) {
    let (len, sounds) = (person.frame_len(), person.speaks_to_all());
    if person.talker.remembered == PLACES {
        person.talker.forget_oldest();
    }
    let place = person.talker.next_place();
    person.talker.remembered += 1;
    person.talker.amplitudes[place] = u16::try_from(amplitude).unwrap_or(u16::MAX);
    voices.remember(person.slot, place, if sounds { len } else { 0 }, len);
}

/// Takes a turn away. What they say in this tick is still mixed, fading out: an edge would click.
fn wait(person: &mut Participant, voices: &mut Voices) {
    person.talker.turn = Turn::Waiting;
    person.talker.ousted = true;
    if person.talker.remembered == 0 {
        remember(person, person.talker.loudness, voices);
    }
}

fn contribute(person: &mut Participant, voices: &mut Voices) {
    let (sounds, slot, len) = (person.speaks_to_all(), person.slot, person.frame_len());
    let talker = &mut person.talker;
    let was_mixed = talker.contribution != Contribution::None;
    let ousted = std::mem::take(&mut talker.ousted);
    talker.contribution = match talker.turn {
        // Nothing but this very frame: their turn came at once, and nothing was missed.
        Turn::Mixed if talker.remembered == 1 && !was_mixed => {
            talker.forget_oldest();
            talker.direct(sounds)
        }
        Turn::Mixed if talker.remembered > 0 => {
            let place = talker.forget_oldest();
            if !was_mixed {
                fade_in(voices.remembered_mut(slot, place, len));
            }
            Contribution::Remembered(place)
        }
        Turn::Mixed => talker.direct(sounds),
        Turn::Waiting if was_mixed && ousted && talker.remembered > 0 => {
            let place = talker.forget_oldest();
            fade_out(voices.remembered_mut(slot, place, len));
            Contribution::Remembered(place)
        }
        Turn::Idle | Turn::Waiting => Contribution::None,
    };
}

impl Talker {
    /// Everybody who sounds is mixed, and nobody lags.
    fn settle(&mut self, sounds: bool) {
        self.turn = if sounds { Turn::Mixed } else { Turn::Idle };
        self.contribution = self.direct(sounds);
    }

    const fn direct(&self, sounds: bool) -> Contribution {
        if sounds { Contribution::Direct } else { Contribution::None }
    }

    fn hear(&mut self, now: u32, sounds: bool) {
        let decayed = self.loudness.saturating_sub(self.loudness.div_ceil(DECAY_DIVISOR));
        self.loudness = decayed.max(now);
        self.silent_ticks = if now > MURMUR { 0 } else { self.silent_ticks.saturating_add(1) };
        let given_up = self.silent_ticks > TURN_KEPT_TICKS;
        match self.turn {
            Turn::Idle if sounds => self.turn = Turn::Waiting,
            Turn::Mixed if given_up && self.remembered == 0 => {
                self.turn = if sounds { Turn::Waiting } else { Turn::Idle };
                self.ousted = sounds;
            }
            Turn::Waiting if given_up && !sounds => {
                self.turn = Turn::Idle;
                self.remembered = 0;
            }
            Turn::Idle | Turn::Mixed | Turn::Waiting => {}
        }
    }

    /// From now on they are mixed: from where they became loud.
    fn begin_turn(&mut self) {
        self.turn = Turn::Mixed;
        let quiet = (self.loudness / BEFORE_ONSET_DIVISOR).max(QUIET);
        while self.remembered > 1 && u32::from(self.amplitudes[self.oldest]) <= quiet {
            self.forget_oldest();
        }
    }

    const fn next_place(&self) -> usize {
        (self.oldest + self.remembered) % PLACES
    }

    /// The place that was the oldest frame's. Its samples stay until the next frame is remembered.
    const fn forget_oldest(&mut self) -> usize {
        let place = self.oldest;
        self.oldest = (place + 1) % PLACES;
        self.remembered -= 1;
        place
    }
}

fn fade_in(samples: &mut [i16]) {
    let len = samples.len() as i32;
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample = (i32::from(*sample) * i as i32 / len) as i16;
    }
}

fn fade_out(samples: &mut [i16]) {
    let len = samples.len() as i32;
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample = (i32::from(*sample) * (len - i as i32) / len) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conference::Seat;
    use crate::engine::legs::LegIndex;
    use crate::frame::{Frame, SampleRate};
    use crate::id::LegId;
    use crate::playout::Sound;

    const RATE: SampleRate = SampleRate::Hz8000;

    /// People whose frames tell who speaks and when: a constant, the higher the louder.
    struct Table {
        people: Vec<Participant>,
        voices: Voices,
        most: usize,
    }

    impl Table {
        fn new(people: usize, most: usize) -> Self {
            let mut voices = Voices::new(people, RATE);
            let people = (0..people as u64).map(|leg| {
                let slot = voices.take_slot().unwrap();
                Participant::new(LegId(leg), LegIndex::for_test(leg as u32), Seat::default(), slot)
            });
            Self { people: people.collect(), voices, most }
        }

        /// One tick in which everybody says the constant of their place; 0 is silence. Returns what is mixed.
        fn tick(&mut self, said: &[i16]) -> Vec<Option<Vec<i16>>> {
            for (person, &sample) in self.people.iter_mut().zip(said) {
                let mut frame = Frame::silence(RATE);
                frame.samples_mut().fill(sample);
                let sound = if sample == 0 { Sound::Silence } else { Sound::Voice };
                person.hear(sound, &frame, &mut self.voices);
            }
            take_turns(&mut self.people, self.most, &mut self.voices);
            let mixed = self.people.iter().map(|p| p.mixed(&self.voices).map(<[i16]>::to_vec));
            mixed.collect()
        }
    }

    fn constants(mixed: &[Option<Vec<i16>>]) -> Vec<i16> {
        let constant = |frame: &Option<Vec<i16>>| frame.as_ref().map_or(0, |f| f[159]);
        mixed.iter().map(constant).collect()
    }

    #[test]
    fn while_there_is_room_everybody_is_mixed_from_the_first_sample() {
        let mut table = Table::new(3, 3);
        for said in [[1, 2, 3], [0, 2, 0], [7, 8, 9]] {
            assert_eq!(constants(&table.tick(&said)), said);
        }
    }

    #[test]
    fn beyond_the_most_the_loudest_are_mixed() {
        let mut table = Table::new(4, 2);
        for _ in 0..20 {
            table.tick(&[1_000, 5_000, 900, 6_000]);
        }
        let mixed = constants(&table.tick(&[1_000, 5_000, 900, 6_000]));
        assert_eq!(mixed, [0, 5_000, 0, 6_000]);
    }

    #[test]
    fn voices_of_the_same_loudness_do_not_take_turns() {
        let mut table = Table::new(3, 2);
        for _ in 0..10 {
            table.tick(&[1_000, 1_000, 1_000]);
        }
        let first = constants(&table.tick(&[1_000; 3]));
        for tick in 0..200i16 {
            let said = [1_000 + tick % 7 * 50, 1_000 - tick % 5 * 50, 1_000 + tick % 3 * 80];
            let mixed = constants(&table.tick(&said));
            let same = mixed.iter().zip(&first).all(|(now, before)| (*now == 0) == (*before == 0));
            assert!(same, "tick {tick}: {mixed:?} {first:?}");
        }
    }

    #[test]
    fn who_becomes_loud_is_heard_from_100_ms_before() {
        let mut table = Table::new(2, 1);
        for _ in 0..10 {
            table.tick(&[9_000, 0]);
        }
        // Too quiet to take the turn, then loud: what was said while waiting comes first.
        let onset: Vec<i16> = (1..=8).map(|n| 1_000 * n).chain([20_000; 12]).collect();
        let heard: Vec<i16> = onset.iter().map(|&s| constants(&table.tick(&[9_000, s]))[1]).collect();
        let begun = heard.iter().position(|&s| s != 0).unwrap();
        let lag = begun - onset.iter().position(|s| *s == heard[begun + 1]).unwrap() + 1;
        assert_eq!(lag, LOOK_BACK, "{heard:?}");
        for (tick, pair) in heard.windows(2).enumerate().skip(begun) {
            assert_ne!(pair[1], 0, "nothing is left out after tick {tick}: {heard:?}");
        }
    }

    #[test]
    fn who_waited_with_a_line_that_hums_does_not_lag() {
        let mut table = Table::new(2, 1);
        for _ in 0..10 {
            table.tick(&[2_000, 20]);
        }
        assert_eq!(constants(&table.tick(&[2_000, 9_000]))[1], 9_000);
        assert_eq!(constants(&table.tick(&[2_000, 9_001]))[1], 9_001);
    }

    #[test]
    fn a_lag_is_made_good_in_the_next_pause() {
        let mut table = Table::new(2, 1);
        for _ in 0..10 {
            table.tick(&[2_000, 1_000]);
        }
        for _ in 0..10 {
            table.tick(&[2_000, 20_000]);
        }
        assert_eq!(table.people[1].talker.remembered, LOOK_BACK);
        for _ in 0..LOOK_BACK {
            table.tick(&[2_000, 1]);
        }
        assert_eq!(table.people[1].talker.remembered, 0);
        assert_eq!(constants(&table.tick(&[2_000, 9_000]))[1], 9_000);
    }

    #[test]
    fn who_is_muted_while_they_lag_is_not_heard_any_more() {
        let mut table = Table::new(2, 1);
        for _ in 0..10 {
            table.tick(&[2_000, 1_000]);
        }
        for _ in 0..10 {
            table.tick(&[2_000, 20_000]);
        }
        assert_eq!(table.people[1].talker.remembered, LOOK_BACK);
        table.people[1].seat.audience = Audience::Nobody;
        for _ in 0..10 {
            assert_eq!(table.tick(&[2_000, 20_000])[1], None);
        }
    }

    #[test]
    fn a_turn_that_is_taken_away_fades_out() {
        let mut table = Table::new(2, 1);
        for _ in 0..10 {
            table.tick(&[2_000, 0]);
        }
        let last = table.tick(&[2_000, 20_000])[0].clone().unwrap();
        assert_eq!(last[0], 2_000);
        assert!(last.is_sorted_by(|a, b| a >= b) && last[159] < 20);
        assert_eq!(table.tick(&[2_000, 20_000])[0], None);
    }

    #[test]
    fn a_silent_turn_is_free_for_the_next() {
        let mut table = Table::new(3, 2);
        for _ in 0..10 {
            table.tick(&[9_000, 9_000, 200]);
        }
        for _ in 0..40 {
            table.tick(&[9_000, 0, 200]);
        }
        assert_eq!(constants(&table.tick(&[9_000, 0, 200])), [9_000, 0, 200]);
    }

    #[test]
    fn lines_that_hum_take_no_turns_where_too_many_sound() {
        let mut table = Table::new(4, 2);
        for _ in 0..40 {
            table.tick(&[90, 80, 70, 60]);
        }
        assert_eq!(constants(&table.tick(&[90, 80, 70, 60])), [0; 4]);
        assert_eq!(constants(&table.tick(&[90, 80, 5_000, 60]))[2], 5_000);
    }
}
