//! The judge on made-up packets: a floor on which all is as asked is right, and each way to be wrong has its name.

use super::*;
use crate::load::floor::truth::Spot;
use crate::load::floor::voices::pairs;

const CUSTOMER: Who = Who(0);
const AGENT: Who = Who(1);
const OTHER: Who = Who(2);
const SUPERVISOR: Who = Who(3);
const MAIN: Spot = Spot(0);
/// Between two acts, and how long the node of these tests takes for one.
const STEP_NS: i64 = 2_000_000_000;
const EFFECT_NS: i64 = 30_000_000;
const PACKET_NS: i64 = 20_000_000;

fn cast() -> Cast {
    let voices = pairs();
    Cast { voices: voices[..4].to_vec(), hold: voices[4], wait: voices[5], names: Names::Desks }
}

fn enter(who: Who) -> Act {
    Act::Enter { who, spot: MAIN, monitors: false }
}

/// Everybody calls, customer and agent meet, then this.
fn day(more: &[Act]) -> Vec<Act> {
    let dial = (0..4).map(|n| Act::Dial { who: Who(n), into: None });
    dial.chain([enter(CUSTOMER), enter(AGENT)]).chain(more.iter().copied()).collect()
}

fn journal(acts: &[Act]) -> Vec<Noted> {
    let noted = |(n, act): (usize, &Act)| Noted {
        act: *act,
        asked_ns: n as i64 * STEP_NS,
        answered_ns: n as i64 * STEP_NS + 5_000_000,
    };
    acts.iter().enumerate().map(noted).collect()
}

/// What a node sends that does `done` when it is asked for something else.
fn node(done: &[Act]) -> Vec<Vec<Glimpse>> {
    let (cast, mut floor) = (cast(), Floor::new(4));
    let mut heard = vec![Vec::new(); 4];
    let mut acts = done.iter().enumerate();
    let mut next = acts.next();
    for packet in 0..done.len() as i64 * STEP_NS / PACKET_NS {
        let at_ns = packet * PACKET_NS;
        while let Some((n, act)) = next.filter(|(n, _)| *n as i64 * STEP_NS + EFFECT_NS <= at_ns) {
            assert!(n < done.len());
            floor.apply(*act);
            next = acts.next();
        }
        for (n, heard) in heard.iter_mut().enumerate() {
            let tones = cast.tones(&floor.hearing(Who(n)));
            heard.push(Glimpse { at_ns, heard: tones, strong: tones });
        }
    }
    heard
}

fn found(asked: &[Act], done: &[Act]) -> Vec<(Wrong, String, usize)> {
    let judgement = judge(&cast(), &journal(asked), &node(done), &[]);
    let finding = |finding: &FloorFinding| {
        let FloorFinding::Hearing { wrong, who, others, .. } = finding else { panic!("{finding}") };
        (*wrong, who.clone(), others.len())
    };
    judgement.findings.iter().map(finding).collect()
}

/// What is found if the node does not do the last thing that it is asked for.
fn not_done(acts: &[Act]) -> Vec<(Wrong, String, usize)> {
    let asked = day(acts);
    let mut done = asked.clone();
    // What the first one calls for is so already.
    *done.last_mut().unwrap() = Act::Barge(OTHER);
    found(&asked, &done)
}

#[test]
fn a_node_that_does_what_it_is_asked_is_right_and_its_time_is_measured() {
    let hold = |on| Act::Hold { who: CUSTOMER, on };
    let acts = day(&[hold(true), hold(false), Act::Kick(AGENT), Act::Wait(CUSTOMER)]);
    let judgement = judge(&cast(), &journal(&acts), &node(&acts), &[]);
    assert_eq!(judgement.findings, []);
    assert!(judgement.whole > 1_000 && judgement.partly > 0 && judgement.gaps == 0);
    let times = judgement.reactions.times();
    // Hold, its end and the removal are heard by both; the one who was on hold also hears the music end.
    assert_eq!(times[&Group::Seat].count, 7);
    assert!(times.values().all(|times| times.max < 45.0), "{times:?}");
}

#[test]
fn a_hold_that_is_not_done_is_named_both_ways() {
    let found = not_done(&[Act::Hold { who: CUSTOMER, on: true }]);
    let customer = || "the customer of desk 0".to_owned();
    let wrongs = [
        (Wrong::HoldNotApplied, customer(), 1),
        (Wrong::HeldHeard, customer(), 1),
        (Wrong::NoMusic, customer(), 0),
    ];
    assert_eq!(found, wrongs);
    let asked = day(&[Act::Hold { who: CUSTOMER, on: true }]);
    let done = day(&[Act::Barge(OTHER)]);
    for finding in judge(&cast(), &journal(&asked), &node(&done), &[]).findings {
        let FloorFinding::Hearing { at_s, .. } = finding else { panic!("{finding}") };
        assert!((12.2..13.2).contains(&at_s), "{at_s}");
    }
}

#[test]
fn a_supervisor_who_is_heard_is_named_by_what_they_should_do() {
    let supervisor = || "the supervisor of desk 0".to_owned();
    let listens = Act::Enter { who: SUPERVISOR, spot: MAIN, monitors: true };
    let found_speaking = found(&day(&[listens]), &day(&[enter(SUPERVISOR)]));
    assert_eq!(found_speaking, [(Wrong::MonitorHeard, supervisor(), 2)]);
    let coach = Act::Coach { who: SUPERVISOR, whom: AGENT };
    let found_by_all = not_done(&[enter(SUPERVISOR), coach]);
    assert_eq!(found_by_all, [(Wrong::CoachHeard, supervisor(), 1)]);
    let muted = not_done(&[Act::Mute { who: AGENT, on: true }]);
    assert_eq!(muted, [(Wrong::MutedHeard, "the agent of desk 0".to_owned(), 1)]);
}

#[test]
fn an_agent_who_stays_after_a_transfer_is_named() {
    let found = not_done(&[enter(OTHER), Act::Kick(AGENT)]);
    let agent = "the agent of desk 0".to_owned();
    assert!(found.contains(&(Wrong::StillThere, agent, 2)), "{found:?}");
}

#[test]
fn one_who_is_not_brought_in_is_missed() {
    let found = not_done(&[enter(OTHER)]);
    let unheard = |who: Who, by| (Wrong::Unheard, Names::Desks.of(who), by);
    assert_eq!(found, [unheard(CUSTOMER, 1), unheard(AGENT, 1), unheard(OTHER, 2)]);
}

#[test]
fn one_who_is_together_with_another_while_somebody_else_is_moved_is_judged_all_the_same() {
    let acts = day(&[enter(OTHER)]);
    let mut heard = node(&acts);
    let asked = 6 * STEP_NS;
    let voices = cast().voices;
    // Within the change the customer hears the agent no more, which nobody has asked for.
    for glimpse in heard[0].iter_mut().filter(|g| (asked..asked + 200_000_000).contains(&g.at_ns)) {
        glimpse.strong = glimpse.strong.without(voices[1]);
        glimpse.heard = glimpse.heard.without(voices[1]);
    }
    let judgement = judge(&cast(), &journal(&acts), &heard, &[]);
    assert!(
        matches!(&judgement.findings[..], [FloorFinding::Hearing { wrong: Wrong::Unheard, packets: 8, .. }]),
        "{:?}",
        judgement.findings
    );
    // Unless we were late ourselves.
    let judgement = judge(&cast(), &journal(&acts), &heard, &[asked - 10_000_000]);
    assert_eq!(judgement.findings, []);
    assert_eq!(judgement.excused, 10);
}

#[test]
fn a_packet_or_two_without_somebody_is_a_gap_and_one_with_a_stranger_is_wrong() {
    let acts = day(&[]);
    let mut heard = node(&acts);
    let last = heard[0].len() - 10;
    let nothing = Glimpse { heard: Tones::NONE, strong: Tones::NONE, ..heard[0][last] };
    heard[0][last] = nothing;
    let judgement = judge(&cast(), &journal(&acts), &heard, &[]);
    assert_eq!((judgement.findings.len(), judgement.gaps), (0, 1));

    let voices = cast().voices;
    let at = &mut heard[0][last + 4];
    (at.heard, at.strong) = (at.heard.and(voices[3]), at.strong.and(voices[3]));
    let judgement = judge(&cast(), &journal(&acts), &heard, &[]);
    assert!(
        matches!(
            &judgement.findings[..],
            [FloorFinding::Hearing { wrong: Wrong::CrossTalk, packets: 1, .. }]
        ),
        "{:?}",
        judgement.findings
    );
}

#[test]
fn one_who_hung_up_and_is_heard_is_named_and_nobody_else_with_their_tones() {
    let asked = day(&[Act::HangUp(OTHER), Act::HangUp(AGENT)]);
    let mut done = asked.clone();
    *done.last_mut().unwrap() = Act::Barge(SUPERVISOR);
    let mut cast = cast();
    // Gone long before.
    cast.voices[OTHER.0] = cast.voices[AGENT.0];
    let judgement = judge(&cast, &journal(&asked), &node(&done), &[]);
    let names: Vec<&str> = judgement
        .findings
        .iter()
        .filter_map(|finding| {
            let FloorFinding::Hearing { wrong: Wrong::StillThere, who, .. } = finding else { return None };
            Some(&**who)
        })
        .collect();
    // Their phone is still there, and hears too.
    assert_eq!(names, ["the customer of desk 0", "the agent of desk 0"]);
    assert_eq!(judgement.findings.len(), names.len());
}
