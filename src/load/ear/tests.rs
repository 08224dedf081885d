//! The ear against synthetic mixes: made exactly, with every talker's stream at an offset of its own, as
//! playout buffers leave them. No sockets and no clock: arrival times are made up.

use super::*;
use crate::load::plan::{FRAME_SAMPLES, Plan, SETTLE_FRAMES};
use crate::load::rtp::{Header, PACKET};

/// What the listener is sent instead of the truth.
#[derive(Clone, Copy)]
enum Mix {
    Right,
    With(LegNumber, f64),
    Without(LegNumber),
}

#[test]
fn among_250_talkers_each_is_heard_and_oneself_is_not() {
    for law in [Law::Pcmu, Law::Pcma] {
        let (plan, listener) = (plan(250, 1, 250).with_law(law), LegNumber(99));
        let ear = listen(&plan, listener, Mix::Right);
        assert_eq!(heard(&ear), should_hear(&plan, listener));
        let (low, high) = ear.votes.levels.unwrap();
        assert!(low > -2.0 && high < 2.0, "{law:?}: {low} to {high} dB");
        assert_eq!(ear.votes.wrong_level, []);
    }
}

#[test]
fn among_250_talkers_ones_own_voice_is_found() {
    let (plan, listener) = (plan(250, 1, 250), LegNumber(99));
    let ear = listen(&plan, listener, Mix::With(listener, 1.0));
    assert_eq!(heard(&ear).len(), 250);
}

#[test]
fn among_250_talkers_a_missing_one_is_found() {
    let (plan, listener) = (plan(250, 1, 250), LegNumber(99));
    let ear = listen(&plan, listener, Mix::Without(LegNumber(7)));
    let mut expected = should_hear(&plan, listener);
    expected.retain(|talker| talker.0 != 7);
    assert_eq!(heard(&ear), expected);
}

#[test]
fn a_talker_of_another_conference_is_found_even_if_faint() {
    let (plan, listener, stranger) = (plan(250, 25, 10), LegNumber(30), LegNumber(32));
    assert!(!plan.should_hear(listener, stranger));
    let ear = listen(&plan, listener, Mix::With(stranger, 0.2));
    assert!(heard(&ear).contains(&stranger));
    let ear = listen(&plan, listener, Mix::Right);
    assert_eq!(heard(&ear), should_hear(&plan, listener));
}

#[test]
fn a_talker_at_half_strength_and_less_is_named_with_its_level() {
    let (plan, listener) = (plan(4, 1, 3), LegNumber(3));
    let ear = listen(&plan, listener, Mix::With(LegNumber(1), -0.75));
    let [(talker, level)] = ear.votes.wrong_level[..] else { panic!("{:?}", ear.votes) };
    assert_eq!(talker, LegNumber(1));
    assert!((level + 12.0).abs() < 0.5, "{level}");
}

#[test]
fn a_beep_heard_by_others_tells_the_delay() {
    let plan = plan(3, 1, 2);
    let stage = Stage::new(&plan);
    let (begin, _) = stage.begin();
    stage.note_beep(0, 0, begin);
    let mut ears = [0, 1].map(|leg| Ear::new(LegNumber(leg), &stage));
    for ear in &mut ears {
        for frame in 0..10 {
            // It arrives in the third frame, whose first sample left 31 ms after the beep.
            let sound = if frame == 2 { super::super::tone::beep(Law::Pcmu) } else { [0xff; 160] };
            let arrival = begin + (frame as i64 * 20 - 9) * 1_000_000;
            ear.hear(&packet(Law::Pcmu, frame, &sound), arrival, &stage);
        }
    }
    assert!(ears[0].delays_ms.is_empty(), "leg 0 beeped itself");
    assert_eq!(ears[1].delays_ms.len(), 1);
    assert!((ears[1].delays_ms[0] - 31.0).abs() < 0.01);
}

#[test]
fn what_is_not_the_agreed_format_is_counted_and_not_heard() {
    let plan = plan(3, 1, 2);
    let stage = Stage::new(&plan);
    let (begin, _) = stage.begin();
    let mut ear = Ear::new(LegNumber(2), &stage);
    ear.hear(b"junk", begin, &stage);
    ear.hear(&packet(Law::Pcma, 0, &[0; FRAME_SAMPLES]), begin, &stage);
    assert_eq!((ear.foreign, ear.arrivals.received), (2, 0));
    ear.hear(b"junk before measuring", begin - 1_000_000_000, &stage);
    assert_eq!(ear.foreign, 2);
}

fn plan(legs: usize, conferences: usize, talkers: usize) -> Plan {
    Plan::new(legs, conferences, talkers, 10).unwrap()
}

fn heard(ear: &Ear) -> Vec<LegNumber> {
    let count = &ear.votes.clean;
    assert!(count.windows >= 2, "{count:?}");
    assert_eq!(ear.votes.rough.windows, 0);
    let times = count.heard.iter().enumerate();
    times.filter(|(_, times)| **times == count.windows).map(|(leg, _)| LegNumber(leg)).collect()
}

fn should_hear(plan: &Plan, listener: LegNumber) -> Vec<LegNumber> {
    let talkers = (0..plan.talkers()).map(LegNumber);
    talkers.filter(|talker| plan.should_hear(listener, *talker)).collect()
}

/// Lets a leg listen to a whole time of tones.
fn listen(plan: &Plan, listener: LegNumber, mix: Mix) -> Ear {
    let stage = Stage::new(plan);
    let (begin, end) = stage.begin();
    let period = encode(plan.law(), &sum(plan, listener, &stage, mix));
    let mut ear = Ear::new(listener, &stage);
    let first = plan.beep_frames() + SETTLE_FRAMES;
    for frame in first.. {
        let arrival = begin + (frame * FRAME_NS) as i64;
        if arrival >= end {
            break;
        }
        let sound: [u8; FRAME_SAMPLES] =
            std::array::from_fn(|n| period[(frame as usize * FRAME_SAMPLES + n) % period.len()]);
        ear.hear(&packet(plan.law(), frame, &sound), arrival, &stage);
    }
    ear.finish();
    ear
}

/// One period of what the listener is sent, linear.
fn sum(plan: &Plan, listener: LegNumber, stage: &Stage, mix: Mix) -> Vec<f64> {
    let mut sum = vec![0.0; stage.tones.period()];
    for talker in (0..plan.talkers()).map(LegNumber) {
        let right = if plan.should_hear(listener, talker) { 1.0 } else { 0.0 };
        let share = match mix {
            Mix::With(more, share) if more == talker => right + share,
            Mix::Without(less) if less == talker => 0.0,
            Mix::Right | Mix::With(..) | Mix::Without(_) => right,
        };
        if share == 0.0 {
            continue;
        }
        let mut sound = stage.tones.encode(talker, plan.law());
        sound.rotate_left(talker.0 * 7_919 % stage.tones.period());
        sum.iter_mut()
            .zip(&sound)
            .for_each(|(sum, &octet)| *sum += share * f64::from(plan.law().decode(octet)));
    }
    sum
}

fn encode(law: Law, linear: &[f64]) -> Vec<u8> {
    linear.iter().map(|&sample| law.encode(sample as i16)).collect()
}

fn packet(law: Law, frame: u64, sound: &[u8; FRAME_SAMPLES]) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    Header {
        payload_type: law.payload_type(),
        marker: false,
        sequence: frame as u16,
        timestamp: frame as u32 * FRAME_SAMPLES as u32,
        ssrc: 1,
    }
    .write(&mut packet);
    packet[PACKET - FRAME_SAMPLES..].copy_from_slice(sound);
    packet
}
