//! A backlog with a leg that hears it, in virtual time: what is said in whatever pieces is heard in order, and marks come
//! back by name.

use std::time::Duration;

use confab_media::{Ask, Command, CommandId, Engine, EngineSettings, LegId, Player, PlayerId, Time, feed};
use proptest::prelude::*;

use super::*;
use crate::stream::engine_leg;

/// A call that hears a backlog.
struct Stage {
    engine: Engine,
    backlog: Backlog,
    now: Time,
    heard: Vec<u8>,
    names: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let mut engine = Engine::new(EngineSettings { legs_max: 1, conferences_max: 1, tap_frames_max: 0 });
        let (writer, feed) = feed(RATE);
        let leg = engine_leg::leg(1, engine_leg::media(1, Codec::Pcmu));
        for ask in [Ask::AddLeg(leg), Ask::Play(LegId(1), Player::of_feed(PlayerId(1), feed))] {
            engine.handle_command(Command { id: CommandId(0), ask });
        }
        let backlog = Backlog::new(writer);
        Self { engine, backlog, now: Time::from_millis(1_000), heard: Vec::new(), names: Vec::new() }
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(20);
            self.engine.tick(self.now);
            while let Some(transmit) = self.engine.poll_transmit() {
                self.heard.extend_from_slice(&transmit.datagram[12..]);
            }
            self.names.extend(std::iter::from_fn(|| self.backlog.return_mark()));
            self.backlog.pour();
        }
    }
}

/// Of no two alike, and none that is silent.
fn sound(len: usize) -> Vec<u8> {
    (0..len).map(|n| 0x80 | (n % 0x50) as u8).collect()
}

/// Behind the first edge.
const EDGE: usize = 20;

#[test]
fn a_burst_of_ten_minutes_is_taken_and_heard_at_its_pace_and_no_more_is() {
    let mut stage = Stage::new();
    let sound = sound(WAITING_MAX);
    stage.backlog.say(&sound).unwrap();
    assert_eq!(stage.backlog.say(&[0; 1]), Err(Overflow::Sound));
    assert!(stage.backlog.next_pour() > Some(Duration::from_millis(400)));
    stage.run(500);
    assert_eq!(stage.heard[EDGE..], sound[EDGE..500 * 160]);
    stage.backlog.say(&vec![0; 500 * 160]).unwrap();
    assert_eq!(stage.backlog.say(&[0; 1]), Err(Overflow::Sound));
    stage.backlog.clear();
    stage.run(2);
    assert!(stage.backlog.sound.capacity() <= KEPT_BYTES);
    assert_eq!(stage.backlog.next_pour(), None);
    stage.backlog.say(&sound).unwrap();
}

#[test]
fn ten_thousand_marks_come_back_in_order_and_one_more_is_not_taken() {
    let mut stage = Stage::new();
    for n in 0..MARKS_MAX {
        stage.backlog.say(&[0x90; 3]).unwrap();
        stage.backlog.mark(n.to_string()).unwrap();
    }
    assert_eq!(stage.backlog.mark("one more".into()), Err(Overflow::Marks));
    stage.run(100);
    assert!((2_500..=5_400).contains(&stage.names.len()), "as far as the sound: {}", stage.names.len());
    stage.run(95);
    let expected: Vec<String> = (0..MARKS_MAX).map(|n| n.to_string()).collect();
    assert_eq!(stage.names, expected);
    assert!(stage.heard.iter().filter(|byte| **byte == 0x90).count() >= 3 * MARKS_MAX - EDGE);
}

#[test]
fn marks_at_one_place_and_with_nothing_before_them_come_back_together() {
    let mut stage = Stage::new();
    for name in ["a", "b", "c"] {
        stage.backlog.mark(name.into()).unwrap();
    }
    stage.run(1);
    assert_eq!(stage.names, ["a", "b", "c"]);
}

#[test]
fn a_clear_returns_all_marks_and_what_is_said_after_it_is_heard() {
    let mut stage = Stage::new();
    for n in 0..200 {
        stage.backlog.say(&sound(4_000)).unwrap();
        stage.backlog.mark(n.to_string()).unwrap();
    }
    stage.run(60);
    assert_eq!(stage.names, ["0", "1"]);
    stage.backlog.clear();
    stage.backlog.say(&[0x90; 800]).unwrap();
    stage.backlog.mark("after".into()).unwrap();
    assert_eq!(stage.backlog.next_pour(), None, "there is room behind what is to be skipped");
    stage.run(1);
    assert_eq!(stage.names.len(), 200);
    assert_eq!(stage.names.last().map(String::as_str), Some("199"));
    stage.run(4);
    assert_eq!(stage.names.last().map(String::as_str), Some("after"));
    assert_eq!(stage.heard[61 * 160..65 * 160], [0x90; 640]);
}

proptest! {
    /// Whatever is said in whatever pieces is heard in order and without a gap while there is more of it, and each mark
    /// comes back once its sound was heard: never before, and at most a tick and 5 ms later.
    #[test]
    fn pieces_of_any_length_are_heard_as_one(
        pieces in prop::collection::vec((1_usize..3_000, 0_usize..3), 1..40),
    ) {
        let mut stage = Stage::new();
        let mut said = Vec::new();
        let mut marks = Vec::new();
        for (len, count) in pieces {
            let piece: Vec<u8> = sound(said.len() + len).split_off(said.len());
            stage.backlog.say(&piece).unwrap();
            said.extend(piece);
            for _ in 0..count {
                stage.backlog.mark(marks.len().to_string()).unwrap();
                marks.push(said.len());
            }
        }
        while stage.heard.len() < said.len() + 160 {
            let before = stage.names.len();
            stage.run(1);
            for (n, (name, mark)) in stage.names.iter().zip(&marks).enumerate().skip(before) {
                prop_assert_eq!(name, &n.to_string());
                prop_assert!(*mark <= stage.heard.len());
            }
            if let Some(next) = marks.get(stage.names.len()) {
                prop_assert!(stage.heard.len() < next + 160 + MARK_SPACING);
            }
        }
        prop_assert_eq!(&stage.heard[EDGE..said.len()], &said[EDGE..]);
        prop_assert_eq!(stage.names.len(), marks.len());
    }
}
