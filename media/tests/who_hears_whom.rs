//! Whole conferences in virtual time, judged sample by sample: each far end sends frames that only it sends,
//! and what each is sent must be exactly the law-encoded sum of those it should hear.
//!
//! A far end's packet is handed in 12 ms before the tick that plays it, so the playout has no reason to wait.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::{
    Ask, Audience, Codec, Coding, Command, CommandId, Conference, ConferenceEvent, ConferenceId,
    ConferenceSettings, Datagram, DigitPassage, Direction, EncoderSettings, Engine, EngineSettings, Event,
    Hearing, Leg, LegChange, LegEvent, LegId, LegMedia, LegSet, LegSettings, LegTerms, PlayEnd, Player,
    PlayerId, Plays, Port, Refusal, Retired, SampleRate, Seat, Sound, Tap, TapSide, Tick, Time, WallClock,
};
use proptest::prelude::*;

const FRAME: usize = 160;

/// All may speak at once.
const EVERYBODY: ConferenceSettings = ConferenceSettings { seats_max: 250, talkers_max: 250 };

#[test]
fn each_hears_the_others_and_not_themselves() {
    let mut stage = Stage::with_legs(5);
    stage.run(50);
    for leg in 0..5 {
        stage.expect_heard(leg, |other| other != leg);
    }
}

#[test]
fn all_talkers_of_a_full_conference_are_heard() {
    let mut stage = Stage::with_legs(250);
    stage.loudness = 100;
    stage.run(20);
    for leg in [0, 1, 124, 249] {
        stage.expect_heard(leg, |other| other != leg);
    }
}

#[test]
fn more_talkers_than_are_mixed_do_not_disturb_those_who_are() {
    let mut stage = Stage::new();
    let few = ConferenceSettings { seats_max: 250, talkers_max: 3 };
    stage.add_conference(2, few);
    for leg in 0..20 {
        stage.add(Codec::Pcmu);
        stage.ask(Ask::Join(LegId(leg), ConferenceId(2), Seat::default()));
        stage.run(1);
    }
    stage.run(50);
    // The first three took their turns, and none of the others is 6 dB louder.
    for leg in [0, 1, 2, 3, 19] {
        stage.expect_heard(leg, |other| other < 3 && other != leg);
    }
    let before = stage.engine.counters();
    stage.run(10);
    let after = stage.engine.counters();
    assert_eq!(after.encoded - before.encoded, 10 * 4, "who is not mixed shares the listeners' frame");
    assert_eq!(after.crowded - before.crowded, 10);
}

#[test]
fn a_muted_participant_is_not_heard_and_hears_all() {
    let mut stage = Stage::with_legs(3);
    stage.ask(Ask::SetAudience(LegId(1), Audience::Nobody));
    stage.run(30);
    stage.expect_heard(0, |other| other == 2);
    stage.expect_heard(1, |other| other != 1);
    stage.expect_heard(2, |other| other == 0);
    stage.ask(Ask::SetAudience(LegId(1), Audience::Everyone));
    stage.run(3);
    stage.expect_heard(0, |other| other != 0);
}

#[test]
fn a_coach_is_heard_by_the_coached_alone() {
    let mut stage = Stage::with_legs(4);
    let agent = LegSet::new(&[LegId(1)]).unwrap();
    stage.ask(Ask::SetAudience(LegId(3), Audience::Only(agent)));
    stage.run(30);
    stage.expect_heard(0, |other| other == 1 || other == 2);
    stage.expect_heard(1, |other| other != 1);
    stage.expect_heard(2, |other| other == 0 || other == 1);
    stage.expect_heard(3, |other| other != 3);
}

#[test]
fn who_hears_nothing_is_sent_silence() {
    let mut stage = Stage::with_legs(3);
    stage.ask(Ask::SetHearing(LegId(0), Hearing::Nothing));
    stage.run(30);
    stage.expect_heard(0, |_| false);
    stage.expect_heard(1, |other| other != 1);
}

#[test]
fn who_is_played_something_on_hold_hears_that_and_not_the_conference() {
    let mut stage = Stage::with_legs(3);
    stage.ask(Ask::SetHearing(LegId(0), Hearing::Played));
    stage.ask(Ask::Play(LegId(0), player(7, 500, 8_000)));
    stage.run(10);
    stage.expect_played(0, 500);
    stage.expect_heard(1, |other| other != 1);
    stage.expect_heard(2, |other| other != 2);
    // Nobody else is played it, and in the conference it is not heard.
    stage.ask(Ask::SetHearing(LegId(0), Hearing::Conference));
    stage.run(3);
    stage.expect_heard(0, |other| other != 0);
}

#[test]
fn what_is_played_to_all_is_heard_over_the_talk_by_all_who_hear_the_conference() {
    let mut stage = Stage::with_legs(4);
    stage.ask(Ask::SetAudience(LegId(1), Audience::Nobody));
    stage.ask(Ask::SetHearing(LegId(3), Hearing::Played));
    for leg in [0, 1, 2] {
        stage.far_ends[leg].talks = false;
    }
    stage.run(30);
    stage.ask(Ask::PlayToAll(ConferenceId(1), player(7, 500, 1_600)));
    stage.ask(Ask::PlayToAll(ConferenceId(1), player(8, 250, 1_600)));
    stage.far_ends[3].talks = false;
    stage.run(8);
    for leg in [0, 1, 2] {
        stage.expect_played(leg, 750);
    }
    stage.expect_heard(3, |_| false);
    stage.far_ends[2].talks = true;
    stage.run(1);
    let talk = stage.far_ends[2].played(1).to_vec();
    let over: Vec<i16> = talk.iter().map(|sample| sample + 750).collect();
    let mut expected = vec![0; FRAME];
    stage.far_ends[0].codec.encode(&over, &mut expected);
    assert!(*stage.far_ends[0].heard.last().unwrap() == expected, "the talk goes on under it");
    stage.run(5);
    stage.expect_heard(0, |other| other == 2);
    let ended = |id| (PlayerId(id), PlayEnd::Finished);
    assert_eq!(stage.played_to_all, [ended(7), ended(8)]);
}

#[test]
fn more_than_can_be_played_to_all_at_a_time_comes_home() {
    let mut stage = Stage::with_legs(1);
    let ask = |id| Ask::PlayToAll(ConferenceId(1), player(id, 100, 1_600));
    (0..4).for_each(|id| stage.ask(ask(id)));
    assert_eq!(stage.try_ask(ask(4)), Err(Refusal::AnnouncementsFull));
    assert_eq!(stage.try_ask(Ask::PlayToAll(ConferenceId(9), player(5, 1, 1))), Err(Refusal::NoConference));
    stage.run(12);
    // When those before are over and told, there is room again, and they come home.
    stage.ask(ask(6));
    let mut home = Vec::new();
    for retired in &stage.retired {
        if let Retired::Player(player) = retired {
            home.push(player.id());
        }
    }
    assert_eq!(home, [PlayerId(4), PlayerId(5), PlayerId(0)]);
}

#[test]
fn a_leg_without_a_seat_hears_what_it_is_played_until_that_is_over() {
    let mut stage = Stage::with_legs(2);
    stage.ask(Ask::Leave(LegId(0)));
    stage.ask(Ask::Play(LegId(0), player(7, 500, 1_600)));
    stage.run(10);
    stage.expect_played(0, 500);
    assert_eq!(stage.played(), []);
    stage.run(2);
    stage.expect_heard(0, |_| false);
    assert_eq!(stage.played(), [(LegId(0), PlayerId(7), PlayEnd::Finished)]);
    assert_eq!(stage.try_ask(Ask::StopPlaying(LegId(0))), Err(Refusal::NotPlaying));
}

#[test]
fn what_is_played_next_takes_the_place_of_what_was_and_can_be_stopped() {
    let mut stage = Stage::with_legs(1);
    stage.ask(Ask::Leave(LegId(0)));
    stage.ask(Ask::Play(LegId(0), player(7, 500, 8_000)));
    stage.run(5);
    stage.ask(Ask::Play(LegId(0), player(8, 900, 8_000)));
    stage.run(1);
    stage.expect_played(0, 900);
    assert!(matches!(&stage.retired[..], [Retired::Player(player)] if player.id() == PlayerId(7)));
    stage.ask(Ask::StopPlaying(LegId(0)));
    stage.run(2);
    stage.expect_heard(0, |_| false);
    assert_eq!(stage.played(), [(LegId(0), PlayerId(8), PlayEnd::Stopped)]);
    let refused = stage.try_ask(Ask::Play(LegId(99), player(9, 1, 1)));
    assert_eq!(refused, Err(Refusal::NoLeg));
    assert!(matches!(stage.retired.last(), Some(Retired::Player(player)) if player.id() == PlayerId(9)));
}

#[test]
fn a_leg_that_moves_to_another_engine_goes_on_as_it_was() {
    let mut there = Stage::with_legs(2);
    there.run(20);
    there.ask(Ask::DetachLeg(LegId(1)));
    let Some(Retired::Leg(leg)) = there.retired.pop() else { panic!("it comes home") };
    let far_end = there.far_ends.pop().unwrap();
    assert_eq!(there.engine.load(), (1, 1));

    let mut here = Stage::new();
    (here.now, here.ticks) = (there.now, 0);
    here.add(Codec::Pcmu);
    here.ask(Ask::AddLeg(leg));
    here.far_ends.push(far_end);
    here.ask(Ask::Join(LegId(1), ConferenceId(1), Seat::default()));
    here.run(20);
    here.expect_heard(0, |other| other == 1);
    here.expect_heard(1, |other| other == 0);
    let latched = here
        .events
        .iter()
        .filter(|(leg, event)| *leg == LegId(1) && matches!(event, LegEvent::Latched { .. }));
    assert_eq!(latched.count(), 1, "the other engine's caller must learn where its far end is");
    let headers = &here.far_ends[1].headers;
    assert!(headers.windows(2).all(|w| w[1].0 == w[0].0.wrapping_add(1)), "one stream, without a gap");
}

#[test]
fn one_who_leaves_is_heard_no_more_and_is_still_sent_silence() {
    let mut stage = Stage::with_legs(3);
    stage.ask(Ask::Leave(LegId(2)));
    stage.run(10);
    stage.expect_heard(0, |other| other == 1);
    stage.expect_heard(2, |_| false);
}

#[test]
fn conferences_do_not_hear_each_other() {
    let mut stage = Stage::with_legs(6);
    stage.add_conference(2, ConferenceSettings::seats(250));
    for leg in 3..6 {
        stage.ask(Ask::Join(LegId(leg), ConferenceId(2), Seat::default()));
    }
    stage.run(10);
    for leg in 0..3 {
        stage.expect_heard(leg, |other| other < 3 && other != leg);
        stage.expect_heard(leg + 3, |other| other >= 3 && other != leg + 3);
    }
}

#[test]
fn both_laws_meet_in_one_conference() {
    let mut stage = Stage::new();
    stage.add(Codec::Pcmu);
    stage.add(Codec::Pcma);
    stage.add(Codec::Pcma);
    stage.run(20);
    for leg in 0..3 {
        stage.expect_heard(leg, |other| other != leg);
    }
}

#[test]
fn listeners_of_one_law_share_one_encoded_frame() {
    let mut stage = Stage::with_legs(100);
    for leg in &mut stage.far_ends[3..] {
        leg.talks = false;
    }
    stage.run(10);
    let before = stage.engine.counters().encoded;
    stage.run(10);
    // Three talkers with a mix of their own, one frame for the 97 others.
    assert_eq!(stage.engine.counters().encoded - before, 10 * 4);
}

#[test]
fn a_far_end_that_goes_silent_is_still_sent_to_and_then_reported_once() {
    let mut stage = Stage::with_legs(2);
    stage.run(5);
    stage.far_ends[1].sends = false;
    stage.run(200);
    assert_eq!(stage.far_ends[1].heard.len(), 205, "a packet for each tick");
    let silent: Vec<_> = stage.events.iter().filter(|(_, e)| matches!(e, LegEvent::SilentFarEnd)).collect();
    assert_eq!(silent, [&(LegId(1), LegEvent::SilentFarEnd)]);
}

#[test]
fn one_on_hold_may_be_silent_for_ever_and_has_all_its_time_when_it_is_back() {
    for (send, receive) in [(false, false), (false, true), (true, false)] {
        let mut stage = Stage::with_legs(2);
        stage.run(5);
        stage.far_ends[1].sends = false;
        let is_silent = |stage: &Stage| stage.events.iter().any(|(_, e)| matches!(e, LegEvent::SilentFarEnd));
        let usual = stage.far_ends[1].media();
        let held = LegMedia { direction: Direction { send, receive }, ..usual.clone() };
        stage.ask(Ask::SetLegMedia(LegId(1), change(held)));
        stage.run(1_000);
        assert!(!is_silent(&stage), "send {send} receive {receive}");
        stage.ask(Ask::SetLegMedia(LegId(1), change(usual)));
        stage.run(50);
        assert!(!is_silent(&stage), "it had no time");
        stage.run(150);
        assert!(is_silent(&stage));
    }
}

#[test]
fn rtcp_alone_keeps_a_leg_alive() {
    let mut stage = Stage::with_legs(2);
    stage.run(5);
    stage.far_ends[1].sends = false;
    for _ in 0..20 {
        stage.run(25);
        stage.datagram(1, Port::Rtcp, stage.far_ends[1].address, &receiver_report());
    }
    assert!(!stage.events.iter().any(|(_, e)| matches!(e, LegEvent::SilentFarEnd)));
}

#[test]
fn strangers_are_not_mixed_and_receive_nothing() {
    let mut stage = Stage::with_legs(2);
    stage.far_ends[0].sends = false;
    let stranger: SocketAddr = "203.0.113.66:7000".parse().unwrap();
    for sequence in 0..100 {
        stage.datagram(0, Port::Rtp, stranger, &rtp(0xbad, sequence, &[0x10; FRAME]));
        stage.run(1);
    }
    stage.expect_heard(1, |_| false);
    stage.far_ends[0].sends = true;
    for sequence in 100..200 {
        stage.datagram(0, Port::Rtp, stranger, &rtp(0xbad, sequence, &[0x10; FRAME]));
        stage.run(1);
    }
    stage.expect_heard(1, |other| other == 0);
    assert!(stage.misdelivered.is_empty());
    assert_eq!(stage.engine.counters().discards[3], 200, "{:?}", stage.engine.counters());
}

#[test]
fn on_hold_nothing_flows_the_way_that_was_not_agreed() {
    let mut stage = Stage::with_legs(2);
    stage.run(10);
    let mut held = stage.far_ends[0].media();
    held.direction = Direction { send: false, receive: false };
    stage.ask(Ask::SetLegMedia(LegId(0), change(held.clone())));
    let before = stage.far_ends[0].heard.len();
    stage.run(10);
    assert_eq!(stage.far_ends[0].heard.len(), before);
    stage.expect_heard(1, |_| false);
    held.direction = Direction::BOTH;
    stage.ask(Ask::SetLegMedia(LegId(0), change(held)));
    stage.run(10);
    stage.expect_heard(1, |other| other == 0);
    stage.expect_heard(0, |other| other == 1);
}

#[test]
fn timestamps_and_sequence_numbers_have_no_gap_whatever_is_heard() {
    let mut stage = Stage::with_legs(3);
    stage.run(10);
    stage.ask(Ask::Leave(LegId(0)));
    stage.run(10);
    stage.ask(Ask::Join(LegId(0), ConferenceId(1), Seat::default()));
    stage.run(10);
    for pair in stage.far_ends[0].headers.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(160));
    }
    assert_eq!(stage.far_ends[0].headers.len(), 30);
}

#[test]
fn a_key_is_reported_once_and_is_not_printed() {
    let mut stage = Stage::with_legs(2);
    stage.run(3);
    // Five packets of one press, the end sent three times (RFC 4733 §2.5.1.4).
    for (sequence, (duration, end)) in
        [(160, false), (320, false), (480, true), (480, true), (480, true)].into_iter().enumerate()
    {
        let [hi, lo] = u16::to_be_bytes(duration);
        let payload = [7, if end { 0x8a } else { 0x0a }, hi, lo];
        let mut packet = rtp(1, 5_000 + sequence as u16, &payload);
        packet[1] = 101;
        // One event has one timestamp, that of its start.
        packet[4..8].copy_from_slice(&7_000_u32.to_be_bytes());
        stage.datagram(0, Port::Rtp, stage.far_ends[0].address, &packet);
    }
    stage.run(2);
    let digits: Vec<_> = stage
        .events
        .iter()
        .filter_map(|(leg, event)| match event {
            LegEvent::Digit(key) => Some((*leg, key.digit.expose())),
            LegEvent::Latched { .. }
            | LegEvent::SilentFarEnd
            | LegEvent::Played { .. }
            | LegEvent::DigitsCaptured(_)
            | LegEvent::Speech(_) => None,
        })
        .collect();
    assert_eq!(digits, [(LegId(0), '7')]);
    assert!(!format!("{:?}", stage.events).contains('7'));
}

#[test]
fn taps_copy_both_sides_and_count_what_nobody_fetched() {
    let mut stage = Stage::with_legs(2);
    stage.run(5);
    stage.ask(Ask::SetTap(LegId(0), true));
    stage.taps.clear();
    stage.run(4);
    assert_eq!(stage.taps.len(), 8);
    let sides: Vec<_> = stage.taps.iter().map(|tap| tap.side).collect();
    assert_eq!(sides[..2], [TapSide::Received, TapSide::Sent]);
    assert_eq!(stage.taps[6].frame.samples(), stage.far_ends[0].played(1), "what leg 0 says");
    assert_eq!(stage.taps[7].frame.samples(), stage.far_ends[1].played(1), "what leg 0 hears");
    assert_eq!(stage.taps[6].tick, stage.taps[7].tick);

    stage.fetches_taps = false;
    stage.run(20);
    assert_eq!(stage.engine.counters().taps_dropped, 40 - 16);
    stage.fetches_taps = true;
    stage.taps.clear();
    stage.run(2);
    let dropped: Vec<u32> = stage.taps.iter().map(|tap| tap.dropped_before).collect();
    assert!(dropped.contains(&26), "two more were dropped before there was place: {dropped:?}");
}

#[test]
fn commands_that_make_no_sense_are_refused_and_change_nothing() {
    let mut stage = Stage::with_legs(2);
    let refused = |stage: &mut Stage, ask| stage.try_ask(ask).unwrap_err();
    assert_eq!(refused(&mut stage, Ask::RemoveLeg(LegId(9))), Refusal::NoLeg);
    assert_eq!(refused(&mut stage, Ask::Join(LegId(9), ConferenceId(1), Seat::default())), Refusal::NoLeg);
    assert_eq!(
        refused(&mut stage, Ask::Join(LegId(0), ConferenceId(9), Seat::default())),
        Refusal::NoConference
    );
    assert_eq!(refused(&mut stage, Ask::RemoveConference(ConferenceId(9))), Refusal::NoConference);
    assert_eq!(
        refused(
            &mut stage,
            Ask::AddConference(Conference::new(ConferenceId(1), ConferenceSettings::seats(2)))
        ),
        Refusal::Exists
    );
    let leg = stage.far_ends[0].leg();
    assert_eq!(refused(&mut stage, Ask::AddLeg(leg)), Refusal::Exists);
    stage.ask(Ask::Leave(LegId(0)));
    assert_eq!(refused(&mut stage, Ask::Leave(LegId(0))), Refusal::NotSeated);
    assert_eq!(refused(&mut stage, Ask::SetAudience(LegId(0), Audience::Nobody)), Refusal::NotSeated);
    stage.ask(Ask::Join(LegId(0), ConferenceId(1), Seat::default()));
    stage.run(10);
    stage.expect_heard(0, |other| other == 1);
}

#[test]
fn a_full_conference_refuses_one_more_and_harms_nobody() {
    let mut stage = Stage::with_legs(2);
    stage.add_conference(2, ConferenceSettings::seats(2));
    for leg in 0..2 {
        stage.ask(Ask::Join(LegId(leg), ConferenceId(2), Seat::default()));
    }
    stage.add(Codec::Pcmu);
    let refused = stage.try_ask(Ask::Join(LegId(2), ConferenceId(2), Seat::default()));
    assert_eq!(refused, Err(Refusal::ConferenceFull));
    // Taking one's own seat again is no new seat.
    stage.ask(Ask::Join(LegId(1), ConferenceId(2), Seat::default()));
    stage.run(10);
    stage.expect_heard(0, |other| other == 1);
}

#[test]
fn what_is_removed_travels_home() {
    let mut stage = Stage::with_legs(2);
    stage.ask(Ask::RemoveConference(ConferenceId(1)));
    stage.run(5);
    stage.expect_heard(0, |_| false);
    stage.ask(Ask::RemoveLeg(LegId(0)));
    let home: Vec<String> = stage
        .retired
        .iter()
        .filter_map(|retired| match retired {
            Retired::Leg(leg) => Some(leg.id().to_string()),
            Retired::Conference(conference) => Some(conference.id().to_string()),
            Retired::LegChange(_)
            | Retired::Player(_)
            | Retired::Presses(_)
            | Retired::Capture(_)
            | Retired::Equipment(_)
            | Retired::ConferenceTap(_)
            | Retired::Programme(_)
            | Retired::Levels(_)
            | Retired::Quality(_) => None,
        })
        .collect();
    assert_eq!(home, ["conference-1", "leg-0"]);
    assert_eq!(stage.engine.load(), (1, 0));
}

/// Other media, with the codec and the security that are there.
fn change(media: LegMedia) -> Box<LegChange> {
    Box::new(LegChange { media, coding: None, srtp: None })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is asked in whatever order, what is heard is what audiences and hearings say.
    #[test]
    fn who_hears_whom_follows_from_audience_and_hearing(
        legs in 2_u64..8,
        asks in prop::collection::vec((0_u64..8, 0_u8..7, 0_u64..8), 0..20),
    ) {
        let mut stage = Stage::with_legs(legs as usize);
        let mut seats = vec![Some(Seat::default()); legs as usize];
        for (leg, what, other) in asks {
            let (leg, other) = (leg % legs, other % legs);
            let seat = &mut seats[leg as usize];
            let ask = match (what, seat.as_mut()) {
                (0, _) => { *seat = None; Ask::Leave(LegId(leg)) }
                (1, _) => {
                    *seat = Some(Seat::default());
                    Ask::Join(LegId(leg), ConferenceId(1), Seat::default())
                }
                (_, None) => continue,
                (2, Some(s)) => { s.audience = Audience::Nobody; Ask::SetAudience(LegId(leg), s.audience) }
                (3, Some(s)) => { s.audience = Audience::Everyone; Ask::SetAudience(LegId(leg), s.audience) }
                (4, Some(s)) => {
                    s.audience = Audience::Only(LegSet::new(&[LegId(other)]).unwrap());
                    Ask::SetAudience(LegId(leg), s.audience)
                }
                (5, Some(s)) => { s.hearing = Hearing::Nothing; Ask::SetHearing(LegId(leg), s.hearing) }
                (_, Some(s)) => { s.hearing = Hearing::Conference; Ask::SetHearing(LegId(leg), s.hearing) }
            };
            // Leaving twice is refused, and is meant to be.
            let _ = stage.try_ask(ask);
            stage.run(1);
        }
        stage.run(4);
        for (listener, seat) in seats.iter().enumerate() {
            stage.expect_heard(listener, |talker| {
                let hears = seat.is_some_and(|seat| seat.hearing == Hearing::Conference);
                let speaks = seats[talker].is_some_and(|seat| match seat.audience {
                    Audience::Everyone => true,
                    Audience::Only(legs) => legs.contains(LegId(listener as u64)),
                    Audience::Nobody => false,
                });
                hears && speaks && talker != listener
            });
        }
    }

    /// No datagram, from whomever, breaks anything.
    #[test]
    fn junk_is_counted_and_harms_nobody(
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..200),
        rtcp in any::<bool>(),
    ) {
        let mut stage = Stage::with_legs(3);
        stage.run(5);
        let port = if rtcp { Port::Rtcp } else { Port::Rtp };
        for datagram in &junk {
            stage.datagram(2, port, "203.0.113.66:7000".parse().unwrap(), datagram);
            // Also as if from the far end, but never as sound it could have sent.
            let mut forged = datagram.clone();
            if let Some(first) = forged.first_mut() { *first &= 0x7f; }
            stage.datagram(2, port, stage.far_ends[2].address, &forged);
        }
        stage.run(5);
        stage.expect_heard(0, |other| other != 0);
        let discarded: u64 = stage.engine.counters().discards.iter().sum();
        prop_assert!(discarded >= junk.len() as u64);
    }
}

/// One conference (number 1), its far ends, and what became of everything.
struct Stage {
    engine: Engine,
    far_ends: Vec<FarEnd>,
    events: Vec<(LegId, LegEvent)>,
    played_to_all: Vec<(PlayerId, PlayEnd)>,
    retired: Vec<Retired>,
    taps: Vec<Tap>,
    fetches_taps: bool,
    misdelivered: Vec<SocketAddr>,
    /// The loudest sample a far end sends.
    loudness: i16,
    now: Time,
    ticks: u64,
    commands: u64,
}

struct FarEnd {
    id: u64,
    codec: Codec,
    address: SocketAddr,
    sends: bool,
    talks: bool,
    sequence: u16,
    /// What its last frames sound like once decoded, the newest last.
    said: Vec<Vec<i16>>,
    heard: Vec<Vec<u8>>,
    headers: Vec<(u16, u32)>,
}

impl FarEnd {
    fn media(&self) -> LegMedia {
        LegMedia {
            codec: self.codec,
            payload_type: self.codec.static_payload_type().expect("G.711 has one"),
            telephone_event: Some(101),
            telephone_event_offered: None,
            remote: self.address,
            signalling: None,
            direction: Direction::BOTH,
            terms: LegTerms::default(),
        }
    }

    fn leg(&self) -> Box<Leg> {
        Leg::new(LegSettings {
            id: LegId(self.id),
            media: self.media(),
            coding: Coding::new(self.codec, 20, EncoderSettings::default()).unwrap(),
            srtp: None,
            ssrc: 0x5000 + self.id as u32,
            cname: *b"far-ends-0123456",
            wall: WallClock::default(),
            sequence_number: 65_530,
            timestamp: u32::MAX - 1_000,
            playout: PlayoutSettings::default(),
            digits: DigitPassage::default(),
            receive_timeout: Duration::from_secs(2),
        })
    }

    /// The frame that was played `back` ticks ago.
    fn played(&self, back: usize) -> &[i16] {
        &self.said[self.said.len() - back]
    }

    /// Its frame of a tick: noise that nobody else sends.
    fn payload(&mut self, tick: u64, loudness: i16) -> Vec<u8> {
        let mut state = (self.id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (tick << 20);
        let samples: Vec<i16> = (0..FRAME)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let unit = ((state >> 33) as i64 % i64::from(loudness)) as i16;
                if self.talks { unit } else { 0 }
            })
            .collect();
        let mut payload = vec![0; FRAME];
        self.codec.encode(&samples, &mut payload);
        let mut decoded = vec![0; FRAME];
        self.codec.decode(&payload, &mut decoded);
        self.said.push(decoded);
        payload
    }
}

impl Stage {
    fn new() -> Self {
        let engine = Engine::new(EngineSettings { legs_max: 260, conferences_max: 4, tap_frames_max: 16 });
        let mut stage = Self {
            engine,
            far_ends: Vec::new(),
            events: Vec::new(),
            played_to_all: Vec::new(),
            retired: Vec::new(),
            taps: Vec::new(),
            fetches_taps: true,
            misdelivered: Vec::new(),
            loudness: 2_000,
            now: Time::from_millis(1_000),
            ticks: 0,
            commands: 0,
        };
        stage.add_conference(1, EVERYBODY);
        stage
    }

    fn add_conference(&mut self, id: u64, settings: ConferenceSettings) {
        let conference = Conference::equipped(ConferenceId(id), settings, &[SampleRate::Hz8000]);
        self.ask(Ask::AddConference(conference.unwrap()));
    }

    fn with_legs(count: usize) -> Self {
        let mut stage = Self::new();
        for _ in 0..count {
            stage.add(Codec::Pcmu);
        }
        stage
    }

    fn add(&mut self, codec: Codec) {
        let id = self.far_ends.len() as u64;
        let far_end = FarEnd {
            id,
            codec,
            address: SocketAddr::from(([192, 0, 2, 1], 4_000 + id as u16)),
            sends: true,
            talks: true,
            sequence: 65_500,
            said: vec![vec![0; FRAME]; 4],
            heard: Vec::new(),
            headers: Vec::new(),
        };
        self.ask(Ask::AddLeg(far_end.leg()));
        self.far_ends.push(far_end);
        self.ask(Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
    }

    fn ask(&mut self, ask: Ask) {
        self.try_ask(ask).unwrap();
    }

    fn try_ask(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.commands += 1;
        let id = CommandId(self.commands);
        self.engine.handle_command(Command { id, ask });
        self.drain().expect("a command is answered")
    }

    fn datagram(&mut self, leg: u64, port: Port, source: SocketAddr, payload: &[u8]) {
        let datagram = Datagram { port, source, payload, received_at: self.now };
        self.engine.handle_datagram(LegId(leg), &datagram);
    }

    fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            self.send_all();
            self.now += Duration::from_millis(12);
            self.engine.tick(self.now);
            self.ticks += 1;
            self.receive_all();
            self.drain();
        }
        assert_eq!(self.engine.counters().ticks, self.ticks);
    }

    fn send_all(&mut self) {
        for i in 0..self.far_ends.len() {
            let far_end = &mut self.far_ends[i];
            let payload = far_end.payload(self.ticks, self.loudness);
            if !far_end.sends {
                *far_end.said.last_mut().unwrap() = vec![0; FRAME];
                continue;
            }
            far_end.sequence = far_end.sequence.wrapping_add(1);
            let timestamp = (self.ticks as u32).wrapping_mul(160).wrapping_sub(1_600);
            let mut packet = rtp(far_end.id as u32, far_end.sequence, &payload);
            packet[1] = far_end.codec.static_payload_type().expect("G.711 has one");
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
            let address = far_end.address;
            self.datagram(i as u64, Port::Rtp, address, &packet);
        }
    }

    fn receive_all(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            let far_end = &mut self.far_ends[transmit.leg.0 as usize];
            if transmit.destination != far_end.address {
                self.misdelivered.push(transmit.destination);
            }
            let packet = transmit.datagram;
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            far_end.headers.push((word(0) as u16, word(4)));
            far_end.heard.push(packet[12..].to_vec());
        }
    }

    fn drain(&mut self) -> Option<Result<(), Refusal>> {
        let mut answer = None;
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Applied { command, tick } => {
                    assert_eq!((command, tick), (CommandId(self.commands), Tick(self.ticks)));
                    answer = Some(Ok(()));
                }
                Event::Refused { refusal, .. } => answer = Some(Err(refusal)),
                Event::Leg { leg, event } => self.events.push((leg, event)),
                Event::Conference { event: ConferenceEvent::Played { player, end }, .. } => {
                    self.played_to_all.push((player, end));
                }
                Event::Conference { event: ConferenceEvent::ActiveSpeaker(_), .. } => {}
            }
        }
        while self.fetches_taps
            && let Some(tap) = self.engine.poll_tap()
        {
            self.taps.push(tap);
        }
        self.retired.extend(std::iter::from_fn(|| self.engine.poll_retired()));
        answer
    }

    /// The last packet to `listener` is exactly the encoded sum of what these said in the same tick.
    /// What was played, and how it ended.
    fn played(&self) -> Vec<(LegId, PlayerId, PlayEnd)> {
        let played = self.events.iter().filter_map(|&(leg, event)| match event {
            LegEvent::Played { player, end } => Some((leg, player, end)),
            LegEvent::Latched { .. }
            | LegEvent::SilentFarEnd
            | LegEvent::Digit(_)
            | LegEvent::DigitsCaptured(_)
            | LegEvent::Speech(_) => None,
        });
        played.collect()
    }

    fn expect_played(&self, listener: usize, sample: i16) {
        let far_end = &self.far_ends[listener];
        let mut expected = vec![0; FRAME];
        far_end.codec.encode(&[sample; FRAME], &mut expected);
        assert!(*far_end.heard.last().unwrap() == expected, "leg {listener} hears something else");
    }

    fn expect_heard(&self, listener: usize, is_heard: impl Fn(usize) -> bool) {
        let mut sum = [0_i32; FRAME];
        for (talker, far_end) in self.far_ends.iter().enumerate() {
            if is_heard(talker) {
                for (s, &x) in sum.iter_mut().zip(far_end.played(1)) {
                    *s += i32::from(x);
                }
            }
        }
        let samples: Vec<i16> = sum.iter().map(|&s| i16::try_from(s).expect("no limiting here")).collect();
        let mut expected = vec![0; FRAME];
        self.far_ends[listener].codec.encode(&samples, &mut expected);
        let heard = self.far_ends[listener].heard.last().unwrap();
        assert!(*heard == expected, "leg {listener} hears something else than it should");
    }
}

/// Plays so many samples of one value, once.
fn player(id: u64, sample: i16, samples: usize) -> Box<Player> {
    Player::new(PlayerId(id), Sound::new(SampleRate::Hz8000, vec![sample; samples]), Plays::ONCE)
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn receiver_report() -> [u8; 8] {
    [0x80, 201, 0, 1, 0, 0, 0, 1]
}
