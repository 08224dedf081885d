//! The ear against synthetic mixes: made exactly, with every talker's stream at an offset of its own, as
//! playout buffers leave them. No sockets and no clock: arrival times are made up.

use super::*;
use crate::load::codec::Encoder;
use crate::load::plan::{Plan, SETTLE_FRAMES};
use crate::load::rtp::{HEADER, Header, PACKET_MAX};

/// What the listener is sent instead of the truth.
#[derive(Clone, Copy)]
enum Mix {
    Right,
    With(LegNumber, f64),
    Without(LegNumber),
}

#[test]
fn among_250_talkers_each_is_heard_and_oneself_is_not() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16] {
        let (plan, listener) = (plan(250, 1, 250).with_codec(codec), LegNumber(99));
        let ear = listen(&plan, listener, Mix::Right);
        assert_eq!(heard(&ear), should_hear(&plan, listener));
        let (low, high) = ear.votes.levels.unwrap();
        assert!(low > -2.0 && high < 2.0, "{codec:?}: {low} to {high} dB");
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
fn through_lossy_codecs_each_is_heard_and_oneself_is_not() {
    for codec in [Codec::G722, Codec::Opus] {
        for talkers in [2, 3, 10, 30] {
            let (plan, listener) = (plan(talkers, 1, talkers).with_codec(codec), LegNumber(1));
            let ear = listen(&plan, listener, Mix::Right);
            assert_eq!(heard(&ear), should_hear(&plan, listener), "{codec:?}, {talkers} talkers");
            assert_eq!(ear.votes.wrong_level, [], "{codec:?}, {talkers} talkers");
            let continuity = &ear.continuity;
            assert_eq!((continuity.silent, continuity.broken, continuity.slips), (0, 0, 0), "{codec:?}");
            // Opus weakens what others drown, so not in every window; but a leak of a fifth, -14 dB, is found.
            let ear = listen(&plan, listener, Mix::With(listener, 0.2));
            assert!(ear.votes.clean.heard[listener.0] > 0, "{codec:?}, {talkers} talkers");
        }
    }
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
    let [WrongLevel { talker, worst_db, windows }] = ear.votes.wrong_level[..] else {
        panic!("{:?}", ear.votes)
    };
    assert_eq!((talker, windows), (LegNumber(1), 1), "the sound never changed: one look is enough");
    assert!((worst_db + 12.0).abs() < 0.5, "{worst_db}");
}

#[test]
fn a_beep_heard_by_others_tells_the_delay() {
    let plan = plan(3, 1, 2);
    let stage = Stage::new(&plan);
    let (begin, _) = stage.begin();
    stage.note_beep(0, 0, begin);
    let mut ears = [0, 1].map(|leg| Ear::new(LegNumber(leg), &stage));
    let beep = Encoder::new(Codec::Pcmu, 0).encode(&super::super::tone::beep(Codec::Pcmu));
    for ear in &mut ears {
        for frame in 0..10 {
            // It arrives in the third frame, whose first sample left 31 ms after the beep.
            let sound = if frame == 2 { beep.clone() } else { vec![0xff; 160] };
            let arrival = begin + (frame as i64 * 20 - 9) * 1_000_000;
            ear.hear(&packet(Codec::Pcmu, frame, &sound), arrival, &stage);
        }
    }
    assert!(ears[0].delays.is_empty(), "leg 0 beeped itself");
    let [Delay { talker: LegNumber(0), ms }] = ears[1].delays[..] else { panic!("{:?}", ears[1].delays) };
    assert!((ms - 31.0).abs() < 0.01);
}

#[test]
fn what_is_not_the_agreed_format_is_counted_and_not_heard() {
    let plan = plan(3, 1, 2);
    let stage = Stage::new(&plan);
    let (begin, _) = stage.begin();
    let mut ear = Ear::new(LegNumber(2), &stage);
    ear.hear(b"junk", begin, &stage);
    ear.hear(&packet(Codec::Pcma, 0, &[0; 160]), begin, &stage);
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
    let codec = plan.codec_of(listener);
    let period = sum(plan, listener, &stage, mix);
    let (mut encoder, length) = (Encoder::new(codec, 0), codec.frame_samples());
    let mut ear = Ear::new(listener, &stage);
    let first = plan.beep_frames() + SETTLE_FRAMES;
    // Lossy codecs begin earlier: what they make of a beginning is not judged.
    for frame in first - 10.. {
        let arrival = begin + (frame * FRAME_NS) as i64;
        if arrival >= end {
            break;
        }
        let at = |n: usize| period[(frame as usize * length + n) % period.len()];
        let sound = encoder.encode(&(0..length).map(at).collect::<Vec<_>>());
        ear.hear(&packet(codec, frame, &sound), arrival, &stage);
    }
    ear.finish();
    ear
}

/// What the listener is sent: a period, or what is left of it over many by lossy codecs.
fn sum(plan: &Plan, listener: LegNumber, stage: &Stage, mix: Mix) -> Vec<i16> {
    let mut sum = vec![0.0; stage.tones.period() * plan.codec_of(listener).factor()];
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
        let mut sound = spoken(plan, talker, stage);
        sound.rotate_left(talker.0 * 7_919 % stage.tones.period());
        sum.iter_mut().zip(&sound).for_each(|(sum, &sample)| *sum += share * f64::from(sample));
    }
    sum.into_iter().map(|sample| sample as i16).collect()
}

/// A period of the talker's sound as a node decodes it, once the decoder has come to rest.
fn spoken(plan: &Plan, talker: LegNumber, stage: &Stage) -> Vec<i16> {
    let codec = plan.codec_of(talker);
    let (track, mut decoder) = (stage.sounds.of_talker(talker).unwrap(), Decoder::new(codec));
    let period = stage.tones.period() * codec.factor();
    let (mut heard, mut payload) = (Vec::new(), [0; PACKET_MAX]);
    let mut sound = vec![0; codec.samples_max()];
    for frame in 0.. {
        let length = track.write(frame, &mut payload);
        let samples = decoder.decode(&payload[..length], &mut sound).unwrap();
        heard.extend(&sound[..samples]);
        if heard.len() >= 3 * period {
            break;
        }
    }
    heard[2 * period..3 * period].to_vec()
}

fn packet(codec: Codec, frame: u64, sound: &[u8]) -> Vec<u8> {
    let mut packet = [0; PACKET_MAX];
    Header {
        payload_type: codec.payload_type(),
        marker: false,
        sequence: frame as u16,
        timestamp: frame as u32 * codec.frame_ticks(),
        ssrc: 1,
    }
    .write(&mut packet);
    [&packet[..HEADER], sound].concat()
}
