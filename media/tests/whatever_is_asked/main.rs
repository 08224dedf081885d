//! Whatever is asked in whatever order, in every tick: each packet, each copy, each end that is told and each thing that
//! comes home is what a model of a few maps says ([`oracle`]).
//!
//! A far end's packet is handed in 12 ms before the tick that plays it, so the playout has no reason to wait.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../../tests/engine_leg/mod.rs"]
mod engine_leg;
mod oracle;
#[path = "../../../tests/played/mod.rs"]
mod played;

use std::num::NonZeroU32;
use std::time::Duration;

use confab_media::{
    Ask, Audience, Codec, Command, CommandId, ConferenceEvent, ConferenceId, ConferenceSettings,
    ConferenceTap, Datagram, Engine, EngineSettings, Event, Hearing, Leg, LegEvent, LegId, LegSet, PlayEnd,
    Player, PlayerId, Plays, Port, Programme, ProgrammeId, Refusal, Retired, SampleRate, Seat, TapParts,
    Time,
};
use proptest::prelude::*;

use self::engine_leg::FRAME;
use self::oracle::{Copy, Home, Oracle, label};
use self::played::{End, sound};

const LEGS: usize = 4;
const CONFERENCES: u64 = 2;
const PROGRAMMES: u64 = 3;
const NARROW: SampleRate = SampleRate::Hz8000;

/// Samples by which the copies of a whole conference are late.
const LATE: usize = (ConferenceTap::DELAY.as_millis() * 8) as usize;

/// Ticks until the first packets are played.
const WARM_UP_TICKS: u64 = 10;

/// One thing that is asked.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join(usize, u64, Seat),
    Leave(usize),
    Audience(usize, Audience),
    Hearing(usize, Hearing),
    Play(usize, usize, Plays),
    Stop(usize),
    PutOn(u64, usize),
    TakeOff(u64),
    Tune(usize, u64),
    Announce(u64, usize),
    Tap(u64, TapParts),
    Untap(u64),
    /// Given back, and added again.
    Move(usize),
    /// A conference is removed, and another opened under its name.
    Renew(u64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_is_as_the_model_says(steps in prop::collection::vec((step(), 0_u64..4), 0..60)) {
        let mut stage = Stage::new();
        for (step, ticks) in steps {
            stage.ask(step);
            stage.run(ticks);
        }
        stage.run(15);
    }
}

#[test]
fn what_is_stopped_and_not_heard_in_the_next_tick_has_ended_without_a_sound() {
    let mut stage = Stage::new();
    stage.ask(Step::Join(0, 0, Seat { hearing: Hearing::Played, ..Seat::default() }));
    stage.ask(Step::Play(0, 800, Plays::Forever));
    stage.run(3);
    stage.ask(Step::Stop(0));
    stage.ask(Step::Hearing(0, Hearing::Conference));
    stage.run(1);
    assert!(matches!(stage.last_told[..], [(_, PlayEnd::Stopped)]), "whoever waits for its end is told");
    stage.ask(Step::Hearing(0, Hearing::Played));
    stage.run(2);
}

#[test]
fn a_programme_that_was_left_unheard_is_not_heard_for_a_moment_later() {
    let mut stage = Stage::new();
    stage.ask(Step::Join(0, 0, Seat { hearing: Hearing::Played, ..Seat::default() }));
    stage.ask(Step::PutOn(1, 800));
    stage.ask(Step::Tune(0, 1));
    stage.run(3);
    stage.ask(Step::Stop(0));
    stage.ask(Step::Hearing(0, Hearing::Conference));
    stage.run(20);
    stage.ask(Step::Hearing(0, Hearing::Played));
    stage.run(2);
}

#[test]
fn a_copy_that_begins_again_holds_nothing_of_what_was_said_when_it_paused() {
    let parts = |mix, apart| TapParts { mix, apart, each: true };
    let mut stage = Stage::new();
    for leg in 0..LEGS {
        stage.ask(Step::Join(leg, 0, Seat::default()));
    }
    for paused in [parts(false, None), parts(true, None)] {
        stage.ask(Step::Tap(0, parts(true, Some(LegId(1)))));
        stage.run(3);
        stage.ask(Step::Tap(0, paused));
        stage.run(10);
    }
    stage.ask(Step::Tap(0, parts(true, Some(LegId(1)))));
    stage.run(3);
}

fn step() -> impl Strategy<Value = Step> {
    let (leg, conference, programme) = (0..LEGS, 0..CONFERENCES, 0..PROGRAMMES);
    let seat = (audience(), hearing()).prop_map(|(audience, hearing)| Seat { audience, hearing });
    prop_oneof![
        3 => (leg.clone(), conference.clone(), seat).prop_map(|(leg, at, seat)| Step::Join(leg, at, seat)),
        1 => leg.clone().prop_map(Step::Leave),
        2 => (leg.clone(), audience()).prop_map(|(leg, audience)| Step::Audience(leg, audience)),
        3 => (leg.clone(), hearing()).prop_map(|(leg, hearing)| Step::Hearing(leg, hearing)),
        3 => (leg.clone(), len(), plays()).prop_map(|(leg, len, plays)| Step::Play(leg, len, plays)),
        2 => leg.clone().prop_map(Step::Stop),
        2 => (programme.clone(), len()).prop_map(|(programme, len)| Step::PutOn(programme, len)),
        1 => programme.clone().prop_map(Step::TakeOff),
        3 => (leg.clone(), programme).prop_map(|(leg, programme)| Step::Tune(leg, programme)),
        2 => (conference.clone(), len()).prop_map(|(at, len)| Step::Announce(at, len)),
        2 => (conference.clone(), parts()).prop_map(|(at, parts)| Step::Tap(at, parts)),
        1 => conference.clone().prop_map(Step::Untap),
        1 => leg.prop_map(Step::Move),
        1 => conference.prop_map(Step::Renew),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof![
        2 => Just(Audience::Everyone),
        1 => (0..LEGS as u64).prop_map(|leg| Audience::Only(LegSet::new(&[LegId(leg)]).unwrap())),
        1 => Just(Audience::Nobody),
    ]
}

fn hearing() -> impl Strategy<Value = Hearing> {
    prop_oneof![2 => Just(Hearing::Conference), 1 => Just(Hearing::Nothing), 2 => Just(Hearing::Played)]
}

/// Samples: none, less than a tick, a whole one, and some.
fn len() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(100), Just(FRAME), Just(400), Just(1_600)]
}

fn plays() -> impl Strategy<Value = Plays> {
    prop_oneof![(1_u32..4).prop_map(|n| Plays::Times(NonZeroU32::new(n).unwrap())), Just(Plays::Forever)]
}

fn parts() -> impl Strategy<Value = TapParts> {
    let apart = prop::option::of((0..LEGS as u64).prop_map(LegId));
    (any::<bool>(), apart, any::<bool>()).prop_map(|(mix, apart, each)| TapParts { mix, apart, each })
}

/// The engine beside its model.
struct Stage {
    engine: Engine,
    oracle: Oracle,
    now: Time,
    ticks: u64,
    asked: u64,
    /// Ends that were told since the last look, and by then.
    told: Vec<End>,
    last_told: Vec<End>,
    home: Vec<Home>,
    /// What came home to be added again.
    moving: Option<Box<Leg>>,
}

impl Stage {
    fn new() -> Self {
        let settings = EngineSettings { legs_max: LEGS, conferences_max: 2, tap_frames_max: 64 };
        let mut stage = Self {
            engine: Engine::new(settings),
            oracle: Oracle::new(LEGS, CONFERENCES),
            now: Time::from_millis(1_000),
            ticks: 0,
            asked: 0,
            told: Vec::new(),
            last_told: Vec::new(),
            home: Vec::new(),
            moving: None,
        };
        for leg in 0..LEGS as u64 {
            let media = engine_leg::media(leg, Codec::Pcmu);
            stage.command(Ask::AddLeg(engine_leg::leg(leg, media))).unwrap();
            stage.command(Ask::SetTap(LegId(leg), true)).unwrap();
        }
        for id in 0..CONFERENCES {
            stage.command(open(id)).unwrap();
        }
        stage.run(WARM_UP_TICKS);
        stage
    }

    fn ask(&mut self, step: Step) {
        self.asked += 1;
        // No leg's or conference's number, for sounds of their own.
        let id = PlayerId(1_000 + self.asked);
        let (expected, mut home) = self.oracle.ask(&step, id);
        assert_eq!(self.command(asked(&step, id)), expected, "{step:?}");
        if let Some(leg) = self.moving.take() {
            self.command(Ask::AddLeg(leg)).unwrap();
        }
        if let Step::Renew(conference) = step {
            self.command(open(conference)).unwrap();
        }
        let ends = self.oracle.ends();
        self.expect(ends, &mut home, &format!("{step:?}"));
    }

    fn command(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        self.drain().expect("a command is answered")
    }

    fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            let said: Vec<_> = (0..LEGS).map(|leg| self.say(leg)).collect();
            self.now += Duration::from_millis(12);
            self.engine.tick(self.now);
            self.ticks += 1;
            let sent = self.receive();
            let copies = self.copies();
            self.drain();
            let mut expected = self.oracle.tick(&said);
            if self.ticks <= WARM_UP_TICKS {
                continue;
            }
            for (leg, heard) in expected.heard.iter().enumerate() {
                assert!(sent[leg] == encoded(heard), "leg {leg} hears something else than it should");
            }
            expect_copies(expected.copies, copies);
            self.expect(expected.ends, &mut expected.home, "a tick");
        }
    }

    /// What was told and came home since the last look is this.
    fn expect(&mut self, mut ends: Vec<End>, home: &mut [Home], when: &str) {
        let mut told = std::mem::take(&mut self.told);
        ends.sort_by_key(|end| end.0);
        told.sort_by_key(|end| end.0);
        assert_eq!(told, ends, "ends told after {when}");
        self.last_told = told;
        home.sort();
        self.home.sort();
        assert_eq!(std::mem::take(&mut self.home), home, "home after {when}");
    }

    /// Words of µ-law that come out of decoding and encoding as they went in, and that nobody else says.
    fn say(&mut self, leg: usize) -> Vec<i16> {
        let mut state = (leg as u64 + 1) << 40 | self.ticks;
        let payload: Vec<u8> = (0..FRAME)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Quiet, and never one of the two zeros.
                0x40 | ((state >> 40) as u8 & 0x80) | ((state >> 50) % 0x3e) as u8
            })
            .collect();
        let (sequence, timestamp) = (self.ticks as u16, self.ticks as u32 * 160);
        let packet = engine_leg::rtp(0, sequence, timestamp, leg as u32, &payload);
        let source = engine_leg::address(leg as u64);
        let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at: self.now };
        self.engine.handle_datagram(LegId(leg as u64), &datagram);
        let mut said = vec![0; FRAME];
        Codec::Pcmu.decode(&payload, &mut said);
        said
    }

    fn receive(&mut self) -> Vec<Vec<u8>> {
        let mut sent = vec![Vec::new(); LEGS];
        while let Some(transmit) = self.engine.poll_transmit() {
            if engine_leg::is_audio(transmit.datagram) {
                sent[transmit.leg.0 as usize] = transmit.datagram[12..].to_vec();
            }
        }
        sent
    }

    fn copies(&mut self) -> Vec<Copy> {
        let taps = std::iter::from_fn(|| self.engine.poll_tap());
        taps.map(|tap| (label(tap.of, tap.side), tap.frame.samples().to_vec())).collect()
    }

    fn drain(&mut self) -> Option<Result<(), Refusal>> {
        let mut answer = None;
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Applied { .. } => answer = Some(Ok(())),
                Event::Refused { refusal, .. } => answer = Some(Err(refusal)),
                Event::Leg { event: LegEvent::Played { player, end }, .. }
                | Event::Conference { event: ConferenceEvent::Played { player, end }, .. } => {
                    self.told.push((player, end));
                }
                Event::Leg { .. } | Event::Conference { .. } => {}
            }
        }
        while let Some(retired) = self.engine.poll_retired() {
            self.home.push(match retired {
                Retired::Leg(leg) => {
                    let id = leg.id();
                    self.moving = Some(leg);
                    Home::Leg(id)
                }
                Retired::Conference(_) => Home::Conference,
                Retired::Player(player) => Home::Player(player.id()),
                Retired::Programme(_) => Home::Programme,
                Retired::ConferenceTap(_) => Home::ConferenceTap,
                Retired::LegChange(_)
                | Retired::Presses(_)
                | Retired::Equipment(_)
                | Retired::Levels(_)
                | Retired::Quality(_)
                | Retired::Capture(_) => panic!("what was never handed in comes home"),
            });
        }
        answer
    }
}

fn asked(step: &Step, id: PlayerId) -> Ask {
    let leg = |leg: usize| LegId(leg as u64);
    let player = |len, plays| Player::new(id, sound(id.0, len), plays);
    match *step {
        Step::Join(who, at, seat) => Ask::Join(leg(who), ConferenceId(at), seat),
        Step::Leave(who) => Ask::Leave(leg(who)),
        Step::Audience(who, audience) => Ask::SetAudience(leg(who), audience),
        Step::Hearing(who, hearing) => Ask::SetHearing(leg(who), hearing),
        Step::Play(who, len, plays) => Ask::Play(leg(who), player(len, plays)),
        Step::Stop(who) => Ask::StopPlaying(leg(who)),
        Step::PutOn(on, len) => Ask::PutOn(ProgrammeId(on), Programme::new(&sound(id.0, len)).unwrap()),
        Step::TakeOff(on) => Ask::TakeOff(ProgrammeId(on)),
        Step::Tune(who, on) => Ask::Tune(leg(who), ProgrammeId(on)),
        Step::Announce(at, len) => Ask::PlayToAll(ConferenceId(at), player(len, Plays::ONCE)),
        Step::Tap(at, parts) => Ask::TapConference(ConferenceId(at), ConferenceTap::new(NARROW, parts)),
        Step::Untap(at) => Ask::UntapConference(ConferenceId(at)),
        Step::Move(who) => Ask::DetachLeg(leg(who)),
        Step::Renew(at) => Ask::RemoveConference(ConferenceId(at)),
    }
}

/// A conference in which all may speak at once.
fn open(id: u64) -> Ask {
    let settings = ConferenceSettings { seats_max: LEGS, talkers_max: LEGS };
    Ask::AddConference(engine_leg::conference(id, settings, &[NARROW]))
}

fn encoded(samples: &[i16]) -> Vec<u8> {
    let mut payload = vec![0; FRAME];
    Codec::Pcmu.encode(samples, &mut payload);
    payload
}

fn expect_copies(mut expected: Vec<Copy>, mut copies: Vec<Copy>) {
    expected.sort();
    copies.sort();
    let labels = |copies: &[Copy]| copies.iter().map(|(label, _)| label.clone()).collect::<Vec<_>>();
    assert_eq!(labels(&copies), labels(&expected), "what is copied");
    for ((label, copy), (_, expected)) in copies.iter().zip(&expected) {
        assert!(copy == expected, "{label} is copied otherwise than it should be");
    }
}
