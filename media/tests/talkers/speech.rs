//! When speech starts and stops.

use std::time::Duration;

use confab_media::codec::L16Rate;
use confab_media::{Ask, Audience, Codec, Direction, Hearing, LegChange, LegId, LegSet, SpeechChange};
use proptest::prelude::*;

use super::engine_leg;
use super::sound::Sound;
use super::stage::{CONFERENCE, SECOND, Stage, millis};
use SpeechChange::{Started, Stopped};

const VOICE: Sound = Sound::Voice(-22.0, 1);

/// A stage on which somebody speaks, and that was told.
fn speaking() -> Stage {
    let mut stage = Stage::new(2);
    stage.run(SECOND);
    stage.says(0, VOICE);
    stage.run(SECOND);
    assert_eq!(stage.speech_of(0), [Started]);
    stage
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn starts_within_80_ms_and_stops_within_600(
        wait in 0u64..20_000,
        ticks in 10u64..200,
        dbov in -35.0f64..-12.0,
        noise in prop_oneof![Just(Sound::Silence), Just(Sound::Noise(-66.0))],
        seed: u8,
        codec in prop_oneof![Just(Codec::Pcmu), Just(Codec::G722), Just(Codec::L16(L16Rate::Hz16000))],
    ) {
        let mut stage = Stage::new(0);
        stage.add(codec);
        stage.says(0, noise);
        stage.run(SECOND);
        let onset = Duration::from_micros(wait);
        stage.says_after(0, onset, Sound::Voice(dbov, seed.into()));
        stage.run(ticks);
        stage.says(0, noise);
        stage.run(SECOND);
        let [(began, _, Started), (ended, _, Stopped)] = stage.speech[..] else {
            panic!("{:?}", stage.speech);
        };
        let late = Duration::from_millis(millis(began - SECOND)) - onset;
        prop_assert!(late <= Duration::from_millis(81), "starts {late:?} late");
        // The last word may have ended before the sound did.
        let late = millis(ended) - millis(SECOND + ticks);
        prop_assert!((100..=600).contains(&late), "stops {late} ms late");
    }
}

#[test]
fn noise_of_a_line_clicks_and_mere_silence_never_start_it() {
    let mut stage = Stage::new(4);
    stage.says(0, Sound::Noise(-60.0));
    stage.says(1, Sound::Clicks);
    stage.says(2, Sound::Hum(-60.0));
    stage.run(60 * SECOND);
    assert_eq!(stage.speech, []);
    assert_eq!(stage.active, []);
}

#[test]
fn who_is_muted_or_held_has_stopped_and_starts_again_when_heard_again() {
    let mut stage = speaking();
    for round in 0..3 {
        let before = stage.speech.len();
        stage.ask(Ask::SetAudience(LegId(0), Audience::Nobody)).unwrap();
        stage.ask(Ask::SetHearing(LegId(0), Hearing::Nothing)).unwrap();
        assert_eq!(stage.speech[before..], [(stage.ticks, 0, Stopped)], "at once, round {round}");
        stage.run(SECOND);
        assert_eq!(stage.speech.len(), before + 1);
        stage.ask(Ask::SetAudience(LegId(0), Audience::Everyone)).unwrap();
        assert_eq!(stage.speech[before + 1..], [(stage.ticks, 0, Started)], "in the middle of a sentence");
        stage.run(SECOND);
    }
}

#[test]
fn who_begins_to_speak_while_muted_is_not_told_of() {
    let mut stage = Stage::new(2);
    stage.ask(Ask::SetAudience(LegId(0), Audience::Nobody)).unwrap();
    stage.says(0, VOICE);
    stage.run(5 * SECOND);
    stage.says(0, Sound::Silence);
    stage.run(SECOND);
    stage.ask(Ask::SetAudience(LegId(0), Audience::Everyone)).unwrap();
    stage.run(SECOND);
    assert_eq!(stage.speech, []);
}

#[test]
fn who_leaves_has_stopped_and_speaks_anew_in_the_next_seat() {
    let mut stage = speaking();
    stage.ask(Ask::Leave(LegId(0))).unwrap();
    assert_eq!(stage.speech_of(0), [Started, Stopped]);
    stage.run(SECOND);
    assert_eq!(stage.speech_of(0), [Started, Stopped], "without a seat nobody hears them");
    stage.join(0).unwrap();
    stage.run(SECOND);
    assert_eq!(stage.speech_of(0), [Started, Stopped, Started]);
    // From one seat to another in one go.
    stage.join(0).unwrap();
    stage.run(SECOND);
    assert_eq!(stage.speech_of(0), [Started, Stopped, Started, Stopped, Started]);
    stage.ask(Ask::RemoveConference(CONFERENCE)).unwrap();
    assert_eq!(stage.speech_of(0).last(), Some(&Stopped));
}

#[test]
fn a_leg_that_is_removed_says_nothing_more() {
    let mut stage = speaking();
    stage.ask(Ask::RemoveLeg(LegId(0))).unwrap();
    stage.far_ends[0].sends = false;
    stage.run(SECOND);
    assert_eq!(stage.speech_of(0), [Started]);
}

#[test]
fn a_far_end_that_goes_on_hold_or_falls_silent_has_stopped() {
    let mut stage = speaking();
    let mut media = engine_leg::media(0, Codec::Pcmu);
    media.direction = Direction { send: true, receive: false };
    let change = LegChange { media, coding: None, srtp: None };
    stage.ask(Ask::SetLegMedia(LegId(0), Box::new(change))).unwrap();
    stage.run(30);
    assert_eq!(stage.speech_of(0), [Started, Stopped]);

    let mut stage = speaking();
    stage.far_ends[0].sends = false;
    stage.run(30);
    assert_eq!(stage.speech_of(0), [Started, Stopped]);
}

#[test]
fn another_codec_in_the_middle_of_speech_changes_nothing() {
    let mut stage = speaking();
    for codec in [Codec::G722, Codec::Opus, Codec::L16(L16Rate::Hz8000), Codec::Pcma] {
        stage.recode(0, codec);
        stage.run(2 * SECOND);
        assert_eq!(stage.speech_of(0), [Started], "{codec:?}");
        assert_eq!(stage.shown(), [Some(0)], "{codec:?}");
    }
}

#[test]
fn what_is_said_to_a_few_is_speech_too() {
    let mut stage = Stage::new(3);
    let agent = LegSet::new(&[LegId(1)]).unwrap();
    stage.ask(Ask::SetAudience(LegId(2), Audience::Only(agent))).unwrap();
    stage.says(2, VOICE);
    stage.run(SECOND);
    assert_eq!(stage.speech_of(2), [Started]);
    // Those who do not hear a coach are not shown that there is one.
    assert_eq!(stage.active, []);
    stage.ask(Ask::SetAudience(LegId(2), Audience::Nobody)).unwrap();
    assert_eq!(stage.speech_of(2), [Started, Stopped]);
}

#[test]
fn what_changed_and_changed_back_before_it_was_fetched_is_not_told() {
    let mut stage = Stage::new(2);
    stage.run(SECOND);
    stage.fetches = false;
    for sound in [VOICE, Sound::Silence] {
        stage.says(0, sound);
        stage.run(SECOND);
    }
    stage.fetches = true;
    stage.run(1);
    assert_eq!(stage.speech, []);
    // What is otherwise now is told, once.
    stage.fetches = false;
    for sound in [VOICE, Sound::Silence, VOICE] {
        stage.says(0, sound);
        stage.run(SECOND);
    }
    stage.fetches = true;
    stage.run(5);
    assert_eq!(stage.speech_of(0), [Started]);
}

#[test]
fn a_conference_in_which_all_lines_hum_is_silent_within_seconds() {
    let mut stage = Stage::new(250);
    (0..250).for_each(|leg| stage.says(leg, Sound::Hum(-52.0 + leg as f64 / 50.0)));
    stage.run(4 * SECOND);
    for leg in 0..250 {
        assert!(matches!(stage.speech_of(leg)[..], [] | [Started, Stopped]), "{:?}", stage.speech_of(leg));
    }
    assert!(stage.active.len() <= 2, "{:?}", stage.active);
    // And whoever speaks there is noticed as anywhere.
    stage.says(77, VOICE);
    stage.run(3);
    assert_eq!(stage.speech.last(), Some(&(stage.ticks, 77, Started)));
    stage.run(SECOND);
    assert_eq!(stage.shown().last(), Some(&Some(77)));
}
