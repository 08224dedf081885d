//! People as amplitudes, one a tick. Those who speak do so in syllables, with pauses between words.

use proptest::prelude::*;

use super::*;
use crate::id::ConferenceId;

/// Who says so, how loud, tick by tick.
struct Table {
    people: Vec<Speech>,
    muted: Vec<bool>,
    speakers: Speakers,
    ticks: u64,
    /// The active speaker as it was told, and when.
    told: Vec<(u64, Option<u64>)>,
}

impl Table {
    fn new(people: usize) -> Self {
        Self {
            people: vec![Speech::default(); people],
            muted: vec![false; people],
            speakers: Speakers::default(),
            ticks: 0,
            told: Vec::new(),
        }
    }

    fn tick(&mut self, amplitudes: &[u32]) {
        for (person, &amplitude) in self.people.iter_mut().zip(amplitudes) {
            person.hear(Sound::Voice, Power::of_amplitude(amplitude));
        }
        let heard = heard(&self.people, &self.muted);
        follow(&mut self.speakers, heard.clone());
        self.ticks += 1;
        match self.speakers.take_event(heard) {
            Some(ConferenceEvent::Played { .. }) => panic!("nothing is played here"),
            Some(ConferenceEvent::ActiveSpeaker(leg)) => self.told.push((self.ticks, leg.map(|leg| leg.0))),
            None => {}
        }
    }

    /// So many ticks in which these speak, each as loud as said.
    fn say(&mut self, ticks: u64, loudness: &[u32]) {
        for _ in 0..ticks {
            let now = self.ticks;
            let said = loudness.iter().zip(0..).map(|(&loud, who)| loud * syllable(who, now) / 100);
            self.tick(&said.collect::<Vec<u32>>());
        }
    }

    fn active(&self) -> Vec<Option<u64>> {
        self.told.iter().map(|(_, leg)| *leg).collect()
    }
}

fn heard<'a>(people: &'a [Speech], muted: &'a [bool]) -> impl Iterator<Item = Speaker> + Clone {
    let seats = people.iter().zip(muted).zip(0..);
    seats.filter(|((_, muted), _)| !**muted).map(|((person, _), leg)| person.of(LegId(leg)))
}

fn follow(speakers: &mut Speakers, heard: impl Iterator<Item = Speaker>) {
    heard.for_each(|speaker| speakers.hear(speaker));
    speakers.decide();
}

/// How loud a speech is at a tick, in per cent: words of two to four syllables, with a pause after each that is
/// shorter than the hang-over. No two people speak alike.
fn syllable(who: u64, tick: u64) -> u32 {
    let beat = (tick / 12).wrapping_add(who * 101).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let is_pause = beat.is_multiple_of(4) && !(beat >> 8).is_multiple_of(4);
    match tick % 12 {
        _ if is_pause => 1,
        0 | 11 => 12,
        1 | 10 => 40,
        _ => 60 + (beat % 41) as u32,
    }
}

#[test]
fn who_speaks_into_a_silence_is_active_after_60_ms() {
    let mut table = Table::new(2);
    table.say(50, &[0, 0]);
    (0..3).for_each(|_| table.tick(&[0, 3_000]));
    assert_eq!(table.told, [(53, Some(1))]);
}

#[test]
fn who_spoke_last_stays_active_while_all_are_silent() {
    let mut table = Table::new(2);
    table.say(100, &[3_000, 0]);
    table.say(2_000, &[0, 0]);
    assert_eq!(table.active(), [Some(0)]);
    table.say(50, &[3_000, 0]);
    assert_eq!(table.active(), [Some(0)]);
}

#[test]
fn two_who_take_turns_change_it_once_a_turn() {
    let mut table = Table::new(2);
    for turn in 0..20 {
        let loudness = if turn % 2 == 0 { [3_000, 0] } else { [0, 2_000] };
        table.say(120, &loudness);
    }
    let turns: Vec<Option<u64>> = (0..20).map(|turn| Some(turn % 2)).collect();
    assert_eq!(table.active(), turns);
    for (turn, (tick, _)) in table.told.iter().enumerate() {
        let late = tick - 120 * turn as u64;
        assert!(late <= 40, "turn {turn} was seen {late} ticks late");
    }
}

#[test]
fn who_is_clearly_louder_takes_over() {
    let mut table = Table::new(2);
    table.say(100, &[2_000, 0]);
    table.say(100, &[2_000, 8_000]);
    assert_eq!(table.active(), [Some(0), Some(1)]);
    assert!(table.told[1].0 > 100 + u64::from(AHEAD_TICKS));
}

#[test]
fn a_cough_or_a_yes_changes_nothing() {
    let mut table = Table::new(3);
    table.say(100, &[2_000, 0, 0]);
    table.say(10, &[2_000, 9_000, 0]);
    table.say(100, &[2_000, 0, 0]);
    table.say(15, &[2_000, 0, 2_000]);
    table.say(100, &[2_000, 0, 0]);
    assert_eq!(table.active(), [Some(0)]);
}

#[test]
fn who_can_be_heard_no_more_is_no_more_active() {
    let mut table = Table::new(3);
    table.say(100, &[3_000, 0, 0]);
    table.muted[0] = true;
    table.say(1, &[3_000, 0, 0]);
    assert_eq!(table.active(), [Some(0), None]);
    table.muted[0] = false;
    table.say(100, &[3_000, 1_000, 0]);
    assert_eq!(table.active(), [Some(0), None, Some(0)]);
    // With others who speak, one of them is.
    table.muted[0] = true;
    table.say(1, &[3_000, 1_000, 0]);
    assert_eq!(table.active()[3..], [Some(1)]);
}

#[test]
fn what_nobody_fetched_is_overwritten() {
    let (mut people, muted) = (vec![Speech::default(); 2], [false, false]);
    let mut speakers = Speakers::default();
    let mut say = |speakers: &mut Speakers, amplitudes: [u32; 2]| {
        for _ in 0..100 {
            for (person, amplitude) in people.iter_mut().zip(amplitudes) {
                person.hear(Sound::Voice, Power::of_amplitude(amplitude));
            }
            follow(speakers, heard(&people, &muted));
        }
        people.clone()
    };
    say(&mut speakers, [9_000, 0]);
    let people_now = say(&mut speakers, [0, 9_000]);
    let now = || heard(&people_now, &muted);
    assert_eq!(speakers.take_event(now()), Some(ConferenceEvent::ActiveSpeaker(Some(LegId(1)))));
    assert_eq!(speakers.take_event(now()), None);
    // What has left before it was fetched is not told.
    say(&mut speakers, [9_000, 0]);
    let people_now = say(&mut speakers, [9_000, 0]);
    let without = || heard(&people_now, &[true, false]);
    assert_eq!(speakers.take_event(without()), Some(ConferenceEvent::ActiveSpeaker(None)));
}

#[test]
fn levels_are_told_when_asked_the_loudest_first_and_of_eight_at_most() {
    let mut table = Table::new(20);
    let amplitudes: Vec<u32> =
        (0..20).map(|who| if who < 12 { 500 * (1 + who * 7 % 12) } else { 0 }).collect();
    (0..300)
        .for_each(|tick| table.tick(&amplitudes.iter().map(|a| a + tick % 7 * a / 4).collect::<Vec<_>>()));
    let heard = heard(&table.people, &table.muted);
    let mut levels = LevelReport::about(ConferenceId(1));
    report_levels(heard, &mut levels);
    let loudest: Vec<u32> = levels.iter().map(|(leg, _)| 1 + leg.0 as u32 * 7 % 12).collect();
    assert_eq!(loudest, [12, 11, 10, 9, 8, 7, 6, 5]);
    assert!(levels.iter().is_sorted_by_key(|(_, level)| level));
    // An amplitude of 6,000 to 15,000.
    assert!(levels.iter().next().is_some_and(|(_, level)| (8..=12).contains(&level.minus_dbov())));
}

#[test]
fn a_set_that_is_empty_hears_nothing() {
    use crate::command::LegSet;
    let only = |legs: &[LegId]| LegSet::new(legs).map(Audience::Only);
    assert_eq!(only(&[]).as_ref().map(is_heard), Some(false));
    assert_eq!(only(&[LegId(1)]).as_ref().map(is_heard), Some(true));
}

proptest! {
    /// Those who talk across each other, about as loud, do not take it from each other.
    #[test]
    fn cross_talk_does_not_flap(start in 0u64..1_000_000, louder in 70u32..=140, people in 2usize..6) {
        let mut table = Table::new(people);
        table.ticks = start;
        let loudness: Vec<u32> = (0..people).map(|who| if who == 0 { 30 * louder } else { 3_000 }).collect();
        table.say(3_000, &loudness);
        prop_assert!(table.told.len() <= 3, "in a minute: {:?}", table.told);
    }

    /// Whatever happens, who is active is heard, and voices alone change it four times a second at most.
    #[test]
    fn changes_are_few_and_show_those_who_are_heard(
        steps in proptest::collection::vec((proptest::collection::vec(0u32..20_000, 4), 1u64..40, 0usize..40), 1..60)
    ) {
        let mut table = Table::new(4);
        let mut commanded = 0;
        for (amplitudes, ticks, who) in steps {
            if let Some(muted) = table.muted.get_mut(who) {
                *muted = !*muted;
                commanded = table.ticks + 1;
            }
            for _ in 0..ticks {
                let before = table.told.clone();
                table.tick(&amplitudes);
                if let (Some((then, _)), [.., (now, leg)]) = (before.last(), &table.told[..])
                    && table.told.len() > before.len()
                {
                    let is_heard = leg.is_none_or(|leg| !table.muted[leg as usize]);
                    prop_assert!(is_heard);
                    // Who begins to speak after one who was muted is no voice against another.
                    let first = before.last().is_some_and(|(_, leg)| leg.is_none());
                    prop_assert!(*now == commanded || first || now - then >= u64::from(KEPT_TICKS));
                }
            }
        }
    }
}
