//! Presses that are told in three ways, and given once.

use std::time::Duration;

use confab_media::{
    Ask, Codec, Digit, DigitMethod, DigitPassage, LegChange, LegId, PREFERENCE_HOLD, PressedDigit, Retired,
};

use crate::ear;
use crate::phone::{EVENTS, Says, Stage, coding, media};

use DigitMethod::{Event, Info, Tone};

fn key(digit: char) -> Digit {
    Digit::from_char(digit).unwrap()
}

/// The payload of a telephone-event.
fn event(digit: char, end: bool, duration: u16) -> [u8; 4] {
    let [high, low] = duration.to_be_bytes();
    [key(digit).event(), if end { 0x8a } else { 0x0a }, high, low]
}

/// One that presses by events, a packet every 20 ms.
fn press(stage: &mut Stage, digit: char, ticks: u16, lost: impl Fn(u16) -> bool) {
    let start = stage.phones[0].timestamp;
    let units = (stage.phones[0].media.terms.telephone_event_rate / 50) as u16;
    for tick in 1..ticks + 3 {
        let payload = event(digit, tick >= ticks, units.saturating_mul(tick.min(ticks)));
        if lost(tick) {
            stage.phones[0].rtp(EVENTS, start, &payload);
            stage.tick(&[Says::Nothing]);
        } else {
            stage.tick(&[Says::Event(start, payload)]);
        }
    }
}

fn info(stage: &mut Stage, digit: char) {
    let told = PressedDigit { digit: key(digit), duration: Duration::from_millis(160), method: Info };
    stage.ask(Ask::HearDigit(LegId(0), told));
}

fn stage(codec: Codec) -> Stage {
    let mut stage = Stage::new(DigitPassage::Withheld, &[codec, codec], true);
    stage.quiet(10);
    stage
}

#[test]
fn a_press_that_is_told_in_three_ways_is_given_once() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut stage = stage(codec);
        stage.play(&ear::tone('7', codec.sample_rate().hertz(), 120.0, -10.0));
        info(&mut stage, '7');
        press(&mut stage, '7', 6, |_| false);
        stage.quiet(100);
        assert_eq!(stage.keys(), [('7', 120, Event)], "{codec:?}");
        // And again, told by tone and INFO only.
        stage.play(&ear::tone('7', codec.sample_rate().hertz(), 120.0, -10.0));
        info(&mut stage, '7');
        stage.quiet(100);
        assert_eq!(stage.keys()[1..], [('7', 160, Info)], "{codec:?}");
    }
}

#[test]
fn a_press_that_is_told_before_the_first_tick_of_its_leg_is_given_once_too() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[], true);
    (0..10).for_each(|_| stage.tick(&[]));
    stage.add(0, media(0, Codec::Pcmu, true));
    info(&mut stage, '7');
    press(&mut stage, '7', 6, |_| false);
    stage.quiet(100);
    assert_eq!(stage.keys(), [('7', 120, Event)]);
}

#[test]
fn a_tone_waits_for_its_event_where_events_were_agreed_and_nowhere_else() {
    for agreed in [true, false] {
        let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu], agreed);
        stage.quiet(10);
        stage.play(&ear::tone('4', 8_000, 100.0, -10.0));
        stage.quiet(5);
        assert_eq!(stage.keys().len(), usize::from(!agreed));
        stage.quiet(PREFERENCE_HOLD.as_millis() as usize / 20);
        let [('4', duration, Tone)] = stage.keys()[..] else { panic!("{:?}", stage.keys()) };
        assert!((90..=110).contains(&duration), "{duration}");
    }
}

#[test]
fn a_press_whose_ends_are_lost_is_given_as_far_as_it_was_heard() {
    let mut stage = stage(Codec::Pcmu);
    press(&mut stage, '3', 8, |tick| tick >= 8);
    stage.quiet(20);
    assert_eq!(stage.keys(), [('3', 140, Event)]);
}

#[test]
fn durations_follow_the_clock_rate_and_long_keys_their_segments() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut stage = stage(codec);
        press(&mut stage, '1', 5, |_| false);
        assert_eq!(stage.keys(), [('1', 100, Event)], "{codec:?}");
    }
    // At 48 kHz a segment is full after 1,365 ms.
    let mut stage = stage(Codec::Opus);
    let start = stage.phones[0].timestamp;
    for segment in 0..3_u32 {
        let at = start + segment * 65_535;
        for tick in 1..=68_u32 {
            let duration = u16::try_from(tick * 960).unwrap_or(u16::MAX);
            stage.tick(&[Says::Event(at, event('2', segment == 2 && tick == 50, duration))]);
            if segment == 2 && tick == 50 {
                break;
            }
        }
    }
    stage.quiet(20);
    assert_eq!(stage.keys(), [('2', (2 * 65_535 + 48_000) * 1_000 / 48_000, Event)]);
}

#[test]
fn a_key_that_begins_before_the_last_has_ended_ends_that() {
    let mut stage = stage(Codec::Pcmu);
    let start = stage.phones[0].timestamp;
    stage.tick(&[Says::Event(start, event('1', false, 160))]);
    stage.tick(&[Says::Event(start, event('1', false, 320))]);
    stage.tick(&[Says::Event(start + 320, event('2', false, 160))]);
    // What was on its way is not a third one.
    stage.tick(&[Says::Event(start, event('1', true, 320))]);
    stage.tick(&[Says::Event(start + 320, event('2', true, 480))]);
    stage.quiet(20);
    assert_eq!(stage.keys(), [('1', 40, Event), ('2', 60, Event)]);
}

#[test]
fn a_press_goes_on_over_a_re_invite_and_is_given_once() {
    for (before, after) in
        [(Codec::Pcmu, Codec::Opus), (Codec::Opus, Codec::Pcma), (Codec::Pcmu, Codec::G722)]
    {
        let mut stage = stage(before);
        let start = stage.phones[0].timestamp;
        let units = (before.clock_rate() / 50) as u16;
        for tick in 1..5 {
            stage.tick(&[Says::Event(start, event('9', false, tick * units))]);
        }
        let new = media(0, after, true);
        let change = LegChange { coding: Some(coding(&new)), srtp: None, media: new.clone() };
        stage.ask(Ask::SetLegMedia(LegId(0), Box::new(change)));
        for _ in 0..3 {
            stage.tick(&[Says::Event(start, event('9', true, 5 * units))]);
        }
        for _ in 0..50 {
            stage.tick(&[Says::Nothing]);
        }
        let keys: String = stage.keys().iter().map(|key| key.0).collect();
        assert_eq!(keys, "9", "{before:?} to {after:?}");
    }
}

#[test]
fn a_half_heard_tone_is_not_put_together_with_another_streams() {
    // 20 ms of one stream and 20 of another are no key.
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu, Codec::Pcmu], false);
    stage.quiet(10);
    stage.play(&ear::tone('6', 8_000, 20.0, -10.0));
    stage.phones[0].ssrc = 99;
    stage.phones[0].sequence = 30_000;
    stage.play(&ear::tone('6', 8_000, 20.0, -10.0));
    stage.quiet(20);
    assert_eq!(stage.keys(), []);
    // One that sounded has ended with its stream.
    stage.play(&ear::tone('6', 8_000, 100.0, -10.0));
    stage.phones[0].ssrc = 100;
    stage.play(&ear::tone('5', 8_000, 100.0, -10.0));
    stage.quiet(20);
    let keys: String = stage.keys().iter().map(|key| key.0).collect();
    assert_eq!(keys, "65");
}

#[test]
fn a_lost_packet_does_not_make_two_keys_of_a_tone() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        for lost in 2..10 {
            let mut stage = Stage::new(DigitPassage::Withheld, &[codec, codec], false);
            stage.quiet(10);
            let rate = codec.sample_rate();
            for (n, frame) in ear::tone('8', rate.hertz(), 260.0, -10.0).chunks(rate.frame_len()).enumerate()
            {
                if n == lost {
                    stage.phones[0].rtp(0, 0, &[]);
                    stage.tick(&[Says::Nothing]);
                } else {
                    stage.tick(&[Says::Sound(frame)]);
                }
            }
            stage.quiet(20);
            let keys: String = stage.keys().iter().map(|key| key.0).collect();
            assert_eq!(keys, "8", "{codec:?}, {lost}");
            let heard = ear::heard(&stage.phones[1].heard, rate.hertz());
            assert_eq!(heard, [] as [char; 0], "{codec:?}, {lost}");
        }
    }
}

#[test]
fn keys_that_nobody_fetches_are_dropped_and_counted() {
    let mut stage = stage(Codec::Pcmu);
    for n in 0..40_u32 {
        let start = stage.phones[0].timestamp + n * 1_600;
        let packet = stage.phones[0].rtp(EVENTS, start, &event('1', true, 800));
        stage.give(&packet);
    }
    stage.quiet(1);
    let dropped = stage.engine.counters().digits_dropped;
    assert_eq!(stage.keys().len() as u64 + dropped, 40);
    assert_eq!(dropped, 16);
}

#[test]
fn nothing_is_concealed_where_events_take_the_place_of_sound() {
    let mut stage = stage(Codec::Pcmu);
    let voice: Vec<i16> = (0..8_000).map(|n| (n % 73 * 200 - 7_000) as i16).collect();
    stage.play(&voice);
    press(&mut stage, '1', 10, |_| false);
    stage.play(&voice);
    stage.ask(Ask::RemoveLeg(LegId(0)));
    let [Retired::Leg(leg)] = &stage.retired[..] else { panic!("{:?}", stage.retired) };
    let counters = leg.playout_counters();
    assert_eq!((counters.concealed, counters.lost), (0, 0));
}

#[test]
fn what_comes_while_we_do_not_receive_is_no_key() {
    let mut stage = stage(Codec::Pcmu);
    let mut held = media(0, Codec::Pcmu, true);
    held.direction.receive = false;
    let change = LegChange { coding: None, srtp: None, media: held };
    stage.ask(Ask::SetLegMedia(LegId(0), Box::new(change)));
    press(&mut stage, '1', 5, |_| false);
    stage.play(&ear::tone('2', 8_000, 100.0, -10.0));
    stage.quiet(50);
    assert_eq!(stage.keys(), []);
}
