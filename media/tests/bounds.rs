//! Every table and queue of the engine has an end, and what happens there has a name. What waits in a leg's receive
//! buffer is bounded beside the buffer; taps and seats are tested with the conferences (`who_hears_whom`).

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use confab_media::{
    Ask, COMMANDS_PER_DRAIN, Codec, Command, CommandId, Conference, ConferenceId, ConferenceSettings,
    Datagram, Engine, EngineSettings, Event, Leg, LegChange, LegEvent, LegId, LegMedia, LegSet, Port,
    Refusal, Retired, SampleRate, Time,
};

const LEGS: u64 = 3;
const CONFERENCES: u64 = 2;

#[test]
fn one_leg_more_than_fits_comes_home_and_a_place_that_is_freed_can_be_taken() {
    let mut engine = engine();
    for id in 0..LEGS {
        assert_eq!(ask(&mut engine, Ask::AddLeg(leg(id))), Ok(()));
    }
    assert_eq!(ask(&mut engine, Ask::AddLeg(leg(LEGS))), Err(Refusal::EngineFull));
    assert_eq!(leg_home(&mut engine), LegId(LEGS));
    assert_eq!(engine.load(), (LEGS as usize, 0));

    assert_eq!(ask(&mut engine, Ask::RemoveLeg(LegId(0))), Ok(()));
    assert_eq!(leg_home(&mut engine), LegId(0));
    assert_eq!(ask(&mut engine, Ask::AddLeg(leg(LEGS))), Ok(()));
    engine.tick(Time::from_millis(20));
    let sent: Vec<u64> = std::iter::from_fn(|| engine.poll_transmit().map(|t| t.leg.0)).collect();
    assert_eq!(sent, [1, 2, 3]);
}

#[test]
fn one_conference_more_than_fits_comes_home() {
    let mut engine = engine();
    for id in 0..CONFERENCES {
        assert_eq!(ask(&mut engine, Ask::AddConference(conference(ConferenceId(id)))), Ok(()));
    }
    let one_more = ConferenceId(CONFERENCES);
    let refused = ask(&mut engine, Ask::AddConference(conference(one_more)));
    assert_eq!(refused, Err(Refusal::EngineFull));
    let home = engine.poll_retired();
    assert!(matches!(&home, Some(Retired::Conference(c)) if c.id() == one_more), "{home:?}");
    assert_eq!(engine.load(), (0, CONFERENCES as usize));
}

#[test]
fn more_commands_than_one_drain_has_place_for_are_answered_all_the_same_and_in_order() {
    let mut engine = engine();
    let asked = 3 * COMMANDS_PER_DRAIN as u64;
    for id in 0..asked {
        engine.handle_command(Command { id: CommandId(id), ask: Ask::RemoveLeg(LegId(id)) });
    }
    for id in 0..asked {
        let refused = Event::Refused { command: CommandId(id), refusal: Refusal::NoLeg };
        assert_eq!(engine.poll_event(), Some(refused));
    }
    assert_eq!(engine.poll_event(), None);
}

#[test]
fn keys_that_nobody_fetches_are_dropped_from_the_twenty_fifth_on_and_counted() {
    let mut engine = engine();
    assert_eq!(ask(&mut engine, Ask::AddLeg(leg(1))), Ok(()));
    (0..28).for_each(|press| give_key(&mut engine, press));
    assert_eq!(engine.counters().digits_dropped, 4);
    assert_eq!(keys(&mut engine), "0123456789*#ABCD01234567");
    // Once they were fetched there is place again, and none is told twice.
    (28..31).for_each(|press| give_key(&mut engine, press));
    assert_eq!(keys(&mut engine), "ABC");
    assert_eq!(engine.counters().digits_dropped, 4);
}

#[test]
fn what_signalling_says_again_and_again_waits_as_one_event() {
    let mut engine = engine();
    assert_eq!(ask(&mut engine, Ask::AddLeg(leg(1))), Ok(()));
    give_key(&mut engine, 0);
    for id in 0..100 {
        engine
            .handle_command(Command { id: CommandId(id), ask: Ask::SetLegMedia(LegId(1), change(media(1))) });
    }
    let events = std::iter::from_fn(|| engine.poll_event());
    let latched = events.filter(|e| matches!(e, Event::Leg { event: LegEvent::Latched { .. }, .. }));
    assert_eq!(latched.count(), 1);
}

#[test]
fn a_set_of_legs_takes_no_more_than_it_has_place_for() {
    let legs: Vec<LegId> = (0..=LegSet::CAPACITY as u64).map(LegId).collect();
    assert!(LegSet::new(&legs[1..]).is_some_and(|set| set.as_slice().len() == LegSet::CAPACITY));
    assert_eq!(LegSet::new(&legs), None);
}

#[test]
fn packets_that_nobody_fetches_are_forgotten_with_the_next_tick() {
    let mut engine = engine();
    for id in 0..LEGS {
        assert_eq!(ask(&mut engine, Ask::AddLeg(leg(id))), Ok(()));
    }
    (1..=50).for_each(|tick| engine.tick(Time::from_millis(20 * tick)));
    assert_eq!(std::iter::from_fn(|| engine.poll_transmit().map(drop)).count(), LEGS as usize);
}

#[test]
fn a_leg_that_leaves_while_packets_are_fetched_takes_nobody_elses_along() {
    let mut engine = engine();
    for id in 0..LEGS {
        assert_eq!(ask(&mut engine, Ask::AddLeg(leg(id))), Ok(()));
    }
    engine.tick(Time::from_millis(20));
    assert_eq!(engine.poll_transmit().unwrap().leg, LegId(0));
    assert_eq!(ask(&mut engine, Ask::RemoveLeg(LegId(0))), Ok(()));
    let rest: Vec<u64> = std::iter::from_fn(|| engine.poll_transmit().map(|t| t.leg.0)).collect();
    assert_eq!(rest, [1, 2]);
}

fn engine() -> Engine {
    Engine::new(EngineSettings {
        legs_max: LEGS as usize,
        conferences_max: CONFERENCES as usize,
        tap_frames_max: 0,
    })
}

fn ask(engine: &mut Engine, ask: Ask) -> Result<(), Refusal> {
    engine.handle_command(Command { id: CommandId(1), ask });
    match engine.poll_event().unwrap() {
        Event::Applied { .. } => Ok(()),
        Event::Refused { refusal, .. } => Err(refusal),
        event @ (Event::Leg { .. } | Event::Conference { .. }) => panic!("{event:?}"),
    }
}

fn leg_home(engine: &mut Engine) -> LegId {
    match engine.poll_retired().unwrap() {
        Retired::Leg(leg) => leg.id(),
        other @ (Retired::Conference(_)
        | Retired::ConferenceTap(_)
        | Retired::LegChange(_)
        | Retired::Presses(_)
        | Retired::Capture(_)
        | Retired::Player(_)
        | Retired::Equipment(_)
        | Retired::Programme(_)
        | Retired::Levels(_)
        | Retired::Quality(_)) => {
            panic!("{other:?}")
        }
    }
}

fn conference(id: ConferenceId) -> Box<Conference> {
    Conference::equipped(id, ConferenceSettings::seats(2), &[SampleRate::Hz8000]).unwrap()
}

fn leg(id: u64) -> Box<Leg> {
    engine_leg::leg(id, media(id))
}

/// Other media, with the codec and the security that are there.
fn change(media: LegMedia) -> Box<LegChange> {
    Box::new(LegChange { media, coding: None, srtp: None })
}

fn media(id: u64) -> LegMedia {
    LegMedia {
        telephone_event_offered: Some(engine_leg::TELEPHONE_EVENT),
        ..engine_leg::media(id, Codec::Pcmu)
    }
}

/// The last packet of a press of the key `press`, counted around (RFC 4733 §2.5.1.4).
fn give_key(engine: &mut Engine, press: u8) {
    let [hi, lo] = (u16::from(press) * 1_600).to_be_bytes();
    let packet = [0x80, 101, 0, press, 0, 0, hi, lo, 0, 0, 0, 1, press % 16, 0x8a, 3, 0x20];
    let received_at = Time::from_millis(1);
    let datagram =
        Datagram { port: Port::Rtp, source: engine_leg::address(1), payload: &packet, received_at };
    engine.handle_datagram(LegId(1), &datagram);
}

fn keys(engine: &mut Engine) -> String {
    let events = std::iter::from_fn(|| engine.poll_event());
    let keys = events.filter_map(|event| match event {
        Event::Leg { event: LegEvent::Digit(key), .. } => Some(key.digit.expose()),
        Event::Leg { .. } | Event::Conference { .. } | Event::Applied { .. } | Event::Refused { .. } => None,
    });
    keys.collect()
}
