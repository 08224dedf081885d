//! Who is shown as speaking.

use confab_media::{Ask, Audience, ConferenceId, LegId, LegSet, LevelReport, Refusal, SpeechChange};
use proptest::prelude::*;

use super::sound::Sound;
use super::stage::{CONFERENCE, SECOND, Stage};

/// As one hears two telephones: not alike.
fn voice(leg: u64) -> Sound {
    Sound::Voice(-24.0 + leg as f64, leg)
}

#[test]
fn two_who_take_turns_change_it_once_a_turn() {
    let mut stage = Stage::new(3);
    for turn in 0..10 {
        let (speaks, listens) = (turn % 2, (turn + 1) % 2);
        stage.says(listens, Sound::Noise(-66.0));
        stage.says(speaks, voice(speaks));
        stage.run(3 * SECOND);
    }
    let turns: Vec<Option<u64>> = (0..10).map(|turn| Some(turn % 2)).collect();
    assert_eq!(stage.shown(), turns);
    for (turn, (tick, _)) in (0..).zip(&stage.active) {
        assert!(tick - turn * 3 * SECOND <= 40, "seen within 800 ms: {:?}", stage.active);
    }
}

#[test]
fn cross_talk_does_not_flap() {
    let mut stage = Stage::new(4);
    (0..3).for_each(|leg| stage.says(leg, voice(leg)));
    stage.run(60 * SECOND);
    assert!(stage.active.len() <= 3, "in a minute: {:?}", stage.active);
}

#[test]
fn a_yes_now_and_then_changes_nothing() {
    let mut stage = Stage::new(2);
    stage.says(0, voice(0));
    stage.run(SECOND);
    for _ in 0..10 {
        stage.says(1, voice(1));
        stage.run(12);
        stage.says(1, Sound::Silence);
        stage.run(2 * SECOND);
    }
    assert_eq!(stage.shown(), [Some(0)]);
}

#[test]
fn who_leaves_or_is_muted_is_not_shown_any_more() {
    for ask in [Ask::Leave(LegId(0)), Ask::SetAudience(LegId(0), Audience::Nobody), Ask::RemoveLeg(LegId(0))]
    {
        let mut stage = Stage::new(3);
        stage.says(0, voice(0));
        stage.run(SECOND);
        stage.far_ends[0].sends = !matches!(ask, Ask::RemoveLeg(_));
        stage.ask(ask).unwrap();
        stage.run(1);
        assert_eq!(stage.shown(), [Some(0), None]);
        stage.says(2, voice(2));
        stage.run(3);
        assert_eq!(stage.shown(), [Some(0), None, Some(2)]);
    }
}

#[test]
fn levels_are_told_when_they_are_asked_for() {
    let mut stage = Stage::new(4);
    stage.says(0, voice(0));
    stage.says(2, Sound::Voice(-12.0, 2));
    stage.says(3, Sound::Noise(-62.0));
    stage.run(2 * SECOND);
    assert_eq!(stage.ask(Ask::ReportLevels(LevelReport::about(ConferenceId(9)))), Err(Refusal::NoConference));
    assert_eq!(stage.levels().iter().count(), 0);
    stage.ask(Ask::ReportLevels(LevelReport::about(CONFERENCE))).unwrap();
    let levels: Vec<(u64, u8)> =
        stage.levels().iter().map(|(leg, level)| (leg.0, level.minus_dbov())).collect();
    let [(2, 9..=16), (0, 21..=30)] = levels[..] else {
        panic!("{levels:?}");
    };
}

/// What may happen in a conference.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Says(u64, Sound),
    Audience(u64, Audience),
    Leaves(u64),
    Joins(u64),
    Fetching(bool),
}

const LEGS: u64 = 4;

fn happening() -> impl Strategy<Value = Happening> {
    let audience = prop_oneof![
        3 => Just(Audience::Everyone),
        2 => Just(Audience::Nobody),
        1 => (0..LEGS).prop_map(|leg| Audience::Only(LegSet::new(&[LegId(leg)]).unwrap())),
    ];
    let sound = prop_oneof![
        Just(Sound::Silence),
        (-30.0f64..-10.0, 0u64..9).prop_map(|(dbov, seed)| Sound::Voice(dbov, seed)),
        (-70.0f64..-20.0).prop_map(Sound::Hum),
        (-70.0f64..-20.0).prop_map(Sound::Noise),
        Just(Sound::Clicks),
    ];
    prop_oneof![
        4 => (0..LEGS, sound).prop_map(|(leg, sound)| Happening::Says(leg, sound)),
        3 => (0..LEGS, audience).prop_map(|(leg, audience)| Happening::Audience(leg, audience)),
        1 => (0..LEGS).prop_map(Happening::Leaves),
        2 => (0..LEGS).prop_map(Happening::Joins),
        1 => any::<bool>().prop_map(Happening::Fetching),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Starts and stops of each leg take turns, nobody starts whom nobody hears, and whoever is shown can be heard
    /// by all.
    #[test]
    fn whatever_happens_what_is_reported_is_so(
        script in proptest::collection::vec((happening(), 0u64..40), 1..60)
    ) {
        let mut stage = Stage::new(LEGS as usize);
        let mut audiences = [Some(Audience::Everyone); LEGS as usize];
        let mut speaks = [false; LEGS as usize];
        for (happening, ticks) in script {
            happen(&mut stage, &mut audiences, happening);
            for tick in 0..=ticks {
                if tick > 0 {
                    stage.run(1);
                }
                for (_, leg, change) in stage.speech.drain(..) {
                    let starts = change == SpeechChange::Started;
                    prop_assert_ne!(speaks[leg as usize], starts, "leg {} twice {:?}", leg, change);
                    speaks[leg as usize] = starts;
                }
                for (speaks, audience) in speaks.iter().zip(&audiences) {
                    let is_heard = audience.is_some_and(|audience| audience != Audience::Nobody);
                    prop_assert!(!speaks || is_heard || !stage.fetches, "nobody hears them");
                }
                let shown = stage.active.last().and_then(|(_, leg)| *leg);
                let is_heard = shown.is_none_or(|leg| audiences[leg as usize] == Some(Audience::Everyone));
                prop_assert!(tick == 0 || is_heard || !stage.fetches, "{:?} is shown", shown);
            }
        }
    }
}

fn happen(stage: &mut Stage, audiences: &mut [Option<Audience>], happening: Happening) {
    match happening {
        Happening::Says(leg, sound) => stage.says(leg, sound),
        Happening::Audience(leg, audience) => {
            if stage.ask(Ask::SetAudience(LegId(leg), audience)).is_ok() {
                audiences[leg as usize] = Some(audience);
            }
        }
        Happening::Leaves(leg) => {
            let left = stage.ask(Ask::Leave(LegId(leg)));
            assert_eq!(left.is_ok(), audiences[leg as usize].is_some());
            audiences[leg as usize] = None;
        }
        Happening::Joins(leg) => {
            stage.join(leg).unwrap();
            audiences[leg as usize] = Some(Audience::Everyone);
        }
        Happening::Fetching(fetches) => {
            stage.fetches = fetches;
            stage.drain();
        }
    }
}
