//! The engine as a state machine: the bytes of an input are a script of ticks, commands and datagrams, well-formed
//! ones, broken ones and forged ones. `seeds.py` writes the same language.
//!
//! Held after every step: each command is answered once, in order, as a model of a few maps says; the counters
//! add up; sound goes to where signalling said; two witnesses hear each other bit for bit. And held over the whole:
//! what the engine discarded as a stranger's or as broken left no trace. A second run without those datagrams
//! gives out the same bytes.

use std::collections::{BTreeSet, VecDeque};

use confab_media::{
    Ask, Command, CommandId, ConferenceEvent, ConferenceId, Counters, Datagram, Discard, Engine, Event,
    LegEvent, LegId, PlayEnd, PlayerId, Refusal, Retired, Tick, Time,
};

use self::model::{Model, SEATS, SETTINGS};
use self::script::{LEGS, Script, stranger};
use super::engine_leg::{TELEPHONE_EVENT, is_audio, rtp};
use super::witnesses::{AHEAD, WITNESSES, Witnesses};

#[path = "engine/model.rs"]
mod model;
#[path = "engine/script.rs"]
mod script;

/// Steps of a script; what is longer says nothing new and takes its time.
const STEPS_MAX: usize = 2_000;

/// Runs a script twice, the second time without what must not matter.
pub(super) fn run(data: &[u8]) {
    let first = Run::new(Vec::new()).play(data);
    let second = Run::new(first.traceless.clone()).play(data);
    assert_eq!(first.given_out, second.given_out, "a datagram that was discarded left a trace");
}

/// What a run left behind.
struct Outcome {
    /// A checksum over all that was given out.
    given_out: u64,
    /// For each datagram, in order: whether it was dropped in a way that must leave no trace.
    traceless: Vec<bool>,
}

struct Run {
    engine: Engine,
    witnesses: Witnesses,
    model: Model,
    now: Time,
    /// Answers that are still to come.
    asked: VecDeque<(CommandId, Result<(), Refusal>)>,
    /// Of those, the ones that may be refused because more keys wait than there is room for.
    presses: BTreeSet<CommandId>,
    commands: u64,
    /// Whether anybody fetches events, taps and the retired.
    fetches: bool,
    given_out: Checksum,
    tally: Tally,
    datagrams: usize,
    traceless: Vec<bool>,
    left_out: Vec<bool>,
    /// Ends of what was played to all, as they were told in this step.
    announced: Vec<(ConferenceId, PlayerId, PlayEnd)>,
    /// Sequence numbers of what the far ends send.
    sequences: [u16; LEGS as usize],
}

/// What was seen from outside, to be held against the engine's own counters.
#[derive(Default)]
struct Tally {
    ticks: u64,
    received: u64,
    transmitted: u64,
    digits: u64,
    captured: u64,
    /// Keys that signalling told.
    told: u64,
    tap_gaps: u64,
}

impl Run {
    fn new(left_out: Vec<bool>) -> Self {
        let mut engine = Engine::new(SETTINGS);
        let witnesses = Witnesses::seated(&mut engine, SEATS);
        Self {
            engine,
            witnesses,
            model: Model::default(),
            now: Time::from_millis(10_000),
            asked: VecDeque::new(),
            presses: BTreeSet::new(),
            commands: 0,
            fetches: true,
            given_out: Checksum::default(),
            tally: Tally::default(),
            datagrams: 0,
            traceless: Vec::new(),
            left_out,
            announced: Vec::new(),
            sequences: [0; LEGS as usize],
        }
    }

    fn play(mut self, data: &[u8]) -> Outcome {
        let mut script = Script(data);
        for _ in 0..STEPS_MAX {
            let Some(step) = script.next() else {
                break;
            };
            match step % 8 {
                0 | 1 => self.tick(&mut Script(&[])),
                2 => self.tick(&mut script),
                3 | 4 => self.datagram(&mut script),
                5 => self.ask(&mut script),
                6 => self.storm(&mut script),
                _ => self.fetches = !self.fetches,
            }
            self.drain();
        }
        self.fetches = true;
        self.tick(&mut Script(&[]));
        self.drain();
        self.check_counters();
        Outcome { given_out: self.given_out.0, traceless: self.traceless }
    }

    /// A step of 20 ms. Unless `meanwhile` is over, a command comes while the packets of the step are fetched.
    fn tick(&mut self, meanwhile: &mut Script<'_>) {
        let due = self.now + Tick::DURATION;
        self.witnesses.say(&mut self.engine, due - AHEAD);
        self.tally.received += 2;
        self.now = due;
        self.engine.tick(due);
        self.tally.ticks += 1;
        self.model.tick();

        let mut expected = self.model.senders();
        let mut sent = Vec::new();
        if let Some(early) = meanwhile.next() {
            self.fetch(usize::from(early % 4), &mut sent);
            self.ask(meanwhile);
            expected.retain(|&leg| self.model.knows(leg) || sent.contains(&leg));
        }
        self.fetch(usize::MAX, &mut sent);
        self.witnesses.judge();
        sent.sort_unstable();
        assert_eq!(sent, expected, "one packet for each leg that may be sent to");
    }

    /// Fetches up to `count` packets; those of scripts' legs are noted.
    fn fetch(&mut self, count: usize, sent: &mut Vec<LegId>) {
        for _ in 0..count {
            let Some(transmit) = self.engine.poll_transmit() else {
                return;
            };
            self.tally.transmitted += 1;
            self.given_out.add(&transmit.leg.0.to_be_bytes());
            self.given_out.add(transmit.datagram);
            if !self.witnesses.hear(&transmit) {
                self.model.check_destination(transmit.leg, transmit.destination);
                sent.extend(is_audio(transmit.datagram).then_some(transmit.leg));
            }
        }
    }

    fn ask(&mut self, script: &mut Script<'_>) {
        let (ask, expected) = self.model.ask(script);
        self.commands += 1;
        let id = CommandId(self.commands);
        self.asked.push_back((id, expected));
        self.tally.told += u64::from(matches!(ask, Ask::HearDigit(..)));
        if matches!(ask, Ask::PressDigits(..)) {
            self.presses.insert(id);
        }
        self.engine.handle_command(Command { id, ask });
    }

    fn datagram(&mut self, script: &mut Script<'_>) {
        let leg = script.leg();
        let payload = self.payload(leg, script);
        self.give(leg, &payload, script);
    }

    /// The same packet from one source after another, as a scanner or a mad sender does it.
    fn storm(&mut self, script: &mut Script<'_>) {
        let leg = script.leg();
        let mut payload = self.payload(leg, script);
        let envelope = [script.byte(), script.byte(), script.byte()];
        for round in 0..script.byte() % 64 {
            if let Some(ssrc) = payload.get_mut(8) {
                *ssrc = round;
            }
            self.give(leg, &payload, &mut Script(&envelope));
        }
    }

    fn payload(&mut self, leg: LegId, script: &mut Script<'_>) -> Vec<u8> {
        let mut payload = match script.byte() % 4 {
            0 => {
                let len = script.byte();
                return script.take(usize::from(len));
            }
            1 => self.audio(leg, script),
            2 => self.key(leg, script),
            _ => vec![0x80, 200 + script.byte() % 8, 0, 1, 0, 0, 0, script.byte()],
        };
        for _ in 0..script.byte() % 4 {
            let (at, value) = (usize::from(script.byte()), script.byte());
            match payload.get_mut(at) {
                Some(byte) => *byte = value,
                None => payload.resize(usize::from(value), value),
            }
        }
        payload
    }

    fn audio(&mut self, leg: LegId, script: &mut Script<'_>) -> Vec<u8> {
        const LENGTHS: [usize; 8] = [160, 160, 80, 240, 480, 481, 0, 1_488];
        let jump = i16::from(script.byte() as i8 / 16);
        let sequence = self.next_sequence(leg).wrapping_add_signed(jump);
        let kind = script.byte();
        let payload_type = [0, 0, 0, 8][usize::from(kind % 4)];
        let len = LENGTHS[usize::from(kind / 4 % 8)];
        let loud = vec![script.byte(); len];
        rtp(payload_type, sequence, u32::from(sequence).wrapping_mul(160), leg.0 as u32, &loud)
    }

    fn key(&mut self, leg: LegId, script: &mut Script<'_>) -> Vec<u8> {
        let payload = [script.byte(), script.byte(), 1, 0];
        let start = u32::from(script.byte()) * 800;
        rtp(TELEPHONE_EVENT, self.next_sequence(leg), start, leg.0 as u32, &payload)
    }

    fn next_sequence(&mut self, leg: LegId) -> u16 {
        let sequence = &mut self.sequences[leg.0 as usize % LEGS as usize];
        *sequence = sequence.wrapping_add(1);
        *sequence
    }

    /// Hands a datagram in, and holds the counters against what may happen to one.
    fn give(&mut self, leg: LegId, payload: &[u8], script: &mut Script<'_>) {
        let (port, source) = (script.port(), script.source(leg));
        let received_at = script.arrival(self.now);
        let number = self.datagrams;
        self.datagrams += 1;
        if self.left_out.get(number) == Some(&true) {
            return;
        }
        // Nobody can forge a witness's own address here: that is the sender itself.
        let source = if WITNESSES.contains(&leg) { stranger() } else { source };
        let before = self.engine.counters();
        self.engine.handle_datagram(leg, &Datagram { port, source, payload, received_at });
        self.tally.received += 1;
        let after = self.engine.counters();

        let dropped =
            Discard::ALL.map(|discard| after.discards[discard as usize] - before.discards[discard as usize]);
        assert!(dropped.iter().sum::<u64>() <= 1, "a datagram is dropped once: {dropped:?}");
        let reason = Discard::ALL
            .into_iter()
            .zip(dropped)
            .find(|(_, dropped)| *dropped == 1)
            .map(|(reason, _)| reason);
        if !self.model.knows(leg) {
            assert_eq!(reason, Some(Discard::NoLeg));
        } else if source == stranger() {
            assert!(
                matches!(reason, Some(Discard::NotFarEnd | Discard::Malformed | Discard::NotRtp)),
                "a stranger's datagram is dropped: {reason:?}"
            );
        }
        self.model.may_tell(leg);
        self.traceless.push(matches!(
            reason,
            Some(Discard::NoLeg | Discard::NotFarEnd | Discard::Malformed | Discard::NotRtp)
        ));
    }

    fn drain(&mut self) {
        if !self.fetches {
            return;
        }
        while let Some(event) = self.engine.poll_event() {
            self.given_out.add(format!("{event:?}").as_bytes());
            self.check_event(event);
        }
        self.model.check_announced(&std::mem::take(&mut self.announced));
        assert_eq!(self.asked.front(), None, "every command is answered");
        while let Some(tap) = self.engine.poll_tap() {
            self.given_out.add(&tap.tick.0.to_be_bytes());
            tap.frame.samples().iter().for_each(|sample| self.given_out.add(&sample.to_be_bytes()));
            self.tally.tap_gaps += u64::from(tap.dropped_before);
        }
        let home = std::iter::from_fn(|| self.engine.poll_retired());
        let home = home
            .filter(|retired| {
                !matches!(retired, Retired::LegChange(_) | Retired::Presses(_) | Retired::Capture(_))
            })
            .count();
        assert_eq!(home, self.model.take_homeward(), "what is not held comes home");
        assert_eq!(self.engine.load(), self.model.load());
        for digit in self.model.captured() {
            self.tally.captured += 1;
            self.given_out.add(&[digit.expose() as u8]);
        }
    }

    fn check_event(&mut self, event: Event) {
        match event {
            Event::Applied { command, tick } => {
                assert_eq!(self.asked.pop_front(), Some((command, Ok(()))));
                assert!(tick.0 <= self.tally.ticks);
            }
            Event::Refused { command, refusal: Refusal::DigitsFull } => {
                assert_eq!(self.asked.pop_front(), Some((command, Ok(()))));
                assert!(self.presses.contains(&command), "only keys find no room for keys");
            }
            Event::Refused { command, refusal } => {
                assert_eq!(self.asked.pop_front(), Some((command, Err(refusal))));
            }
            Event::Leg { leg, event: LegEvent::Latched { source } } if !WITNESSES.contains(&leg) => {
                self.model.check_latched(leg, source);
            }
            Event::Leg { leg, event: LegEvent::Digit(_) } => {
                self.tally.digits += 1;
                self.model.check_digit(leg);
            }
            Event::Leg { leg, event: LegEvent::Speech(change) } => self.model.check_speech(leg, change),
            Event::Conference { conference, event } => self.check_conference(conference, event),
            Event::Leg { leg, event: LegEvent::Played { player, end } } => {
                self.model.check_played(leg, player, end);
            }
            Event::Leg {
                event: LegEvent::Latched { .. } | LegEvent::SilentFarEnd | LegEvent::DigitsCaptured(_),
                ..
            } => {}
        }
    }

    fn check_conference(&mut self, conference: ConferenceId, event: ConferenceEvent) {
        match event {
            ConferenceEvent::ActiveSpeaker(None) => {}
            ConferenceEvent::Played { player, end } => self.announced.push((conference, player, end)),
            ConferenceEvent::ActiveSpeaker(Some(leg)) => self.model.check_speaker(conference, leg),
        }
    }

    fn check_counters(&self) {
        let Counters { ticks, received, transmitted, discards, digits_dropped, taps_dropped, .. } =
            self.engine.counters();
        assert_eq!((ticks, received), (self.tally.ticks, self.tally.received));
        assert_eq!(transmitted, self.tally.transmitted);
        let discarded: u64 = discards.iter().sum();
        let taken = received - discarded;
        assert!(taken >= 2 * ticks, "the witnesses' packets are taken");
        assert!(
            self.tally.digits + self.tally.captured + digits_dropped <= taken + self.tally.told,
            "a key takes a packet, or is told"
        );
        assert!(self.tally.tap_gaps <= taps_dropped, "gaps are told once");
    }
}

/// FNV-1a: enough to tell two runs apart.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
