//! The oracle: what every leg heard against what it should have heard, and the name of each difference.
//! Pure; it works on what the ears have counted.
//!
//! First come the faults that explain many differences at once (legs that get each other's sound, talkers
//! in each other's place); what they explain is not reported again.

use std::collections::{BTreeMap, BTreeSet};

use super::ear::{Votes, WrongLevel};
use super::finding::Finding;
use super::plan::{LegNumber, Plan};

/// What one leg heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Witness<'a> {
    pub(super) leg: LegNumber,
    pub(super) votes: &'a Votes,
}

type LegSet = BTreeSet<LegNumber>;

/// What is wrong with one leg's hearing.
#[derive(Debug, Default)]
struct Wrong {
    missing: LegSet,
    extra: LegSet,
    /// Talkers heard most of the time.
    heard: LegSet,
}

/// Names what differs from the plan, by the word of these witnesses. Talkers who are not among the witnesses
/// were not there, and nobody is expected to hear them. A witness without a window has no vote.
pub(super) fn judge(plan: &Plan, witnesses: &[Witness<'_>]) -> Vec<Finding> {
    let present: LegSet = witnesses.iter().map(|witness| witness.leg).collect();
    let mut findings = Vec::new();
    let mut wrong: BTreeMap<_, _> = witnesses
        .iter()
        .filter(|witness| Verdicts::of(plan, witness.votes).windows() > 0)
        .map(|witness| (witness.leg, compare(plan, witness, &present)))
        .filter(|(_, wrong)| !wrong.missing.is_empty() || !wrong.extra.is_empty())
        .collect();

    findings.extend(take_swapped_talkers(plan, &present, &mut wrong));
    findings.extend(take_swapped_legs(plan, &present, &mut wrong));
    findings.extend(own_voices(&wrong));
    findings.extend(unheard(plan, &present, &wrong));
    findings.extend(cross_talk(plan, &wrong));
    findings.extend(wrong_levels(plan, witnesses));
    findings
}

fn expected(plan: &Plan, leg: LegNumber, present: &LegSet) -> LegSet {
    let conference = plan.conference_of(leg);
    (0..plan.talkers_each())
        .map(|turn| LegNumber(conference + turn * plan.conferences()))
        .filter(|talker| *talker != leg && present.contains(talker))
        .collect()
}

fn compare(plan: &Plan, witness: &Witness<'_>, present: &LegSet) -> Wrong {
    let verdicts = Verdicts::of(plan, witness.votes);
    let talkers = || (0..plan.talkers()).map(LegNumber);
    let expected = expected(plan, witness.leg, present);
    Wrong {
        missing: expected.iter().copied().filter(|talker| verdicts.is_missing(*talker)).collect(),
        extra: talkers()
            .filter(|talker| !expected.contains(talker))
            .filter(|talker| verdicts.is_extra(*talker))
            .collect(),
        heard: talkers().filter(|talker| verdicts.is_heard(*talker)).collect(),
    }
}

/// The windows of one listener, and how strictly they count.
///
/// * Whole windows: each counts. Whom it should hear must be in all of them, and nobody else in any.
/// * Only windows with a broken frame or a missing packet: a tone leaks into others there, so the majority decides.
/// * Behind an impaired network: a talker is really missing at times, and what a node puts in its place rings in other tones.
///   Whom it should hear must be in more than half of all windows; nobody else in more than a quarter.
pub(super) struct Verdicts {
    times: Vec<u32>,
    windows: u32,
    strictness: Strictness,
}

enum Strictness {
    Each,
    Majority,
    Impaired,
}

impl Verdicts {
    pub(super) fn of(plan: &Plan, votes: &Votes) -> Self {
        if plan.network().harms() {
            let both = votes.both();
            return Self { times: both.heard, windows: both.windows, strictness: Strictness::Impaired };
        }
        let best = votes.best();
        let strictness = if votes.clean.windows > 0 { Strictness::Each } else { Strictness::Majority };
        Self { times: best.heard.clone(), windows: best.windows, strictness }
    }

    fn times(&self, talker: LegNumber) -> u32 {
        self.times.get(talker.0).copied().unwrap_or(0)
    }

    /// The windows that count.
    pub(super) fn windows(&self) -> u32 {
        self.windows
    }

    /// Whether the listener heard the talker as much as it should, if it should.
    pub(super) fn is_heard_enough(&self, talker: LegNumber) -> bool {
        self.windows > 0 && !self.is_missing(talker)
    }

    /// Most of the time.
    fn is_heard(&self, talker: LegNumber) -> bool {
        2 * self.times(talker) > self.windows
    }

    fn is_missing(&self, talker: LegNumber) -> bool {
        match self.strictness {
            Strictness::Each => self.times(talker) < self.windows,
            Strictness::Majority | Strictness::Impaired => !self.is_heard(talker),
        }
    }

    fn is_extra(&self, talker: LegNumber) -> bool {
        match self.strictness {
            Strictness::Each => self.times(talker) > 0,
            Strictness::Majority => self.is_heard(talker),
            Strictness::Impaired => 4 * self.times(talker) > self.windows,
        }
    }
}

/// Pairs of legs who each hear exactly what the other should.
fn take_swapped_legs(plan: &Plan, present: &LegSet, wrong: &mut BTreeMap<LegNumber, Wrong>) -> Vec<Finding> {
    let expected: BTreeMap<_, _> = wrong.keys().map(|&leg| (leg, expected(plan, leg, present))).collect();
    let mut found = Vec::new();
    let legs: Vec<_> = wrong.keys().copied().collect();
    let mut taken = LegSet::new();
    for (n, a) in legs.iter().enumerate() {
        let is_pair = |b: &&LegNumber| {
            !taken.contains(*b)
                && expected[a] != expected[*b]
                && wrong[a].heard == expected[*b]
                && wrong[*b].heard == expected[a]
        };
        if taken.contains(a) {
            continue;
        }
        if let Some(b) = legs[n + 1..].iter().find(is_pair) {
            taken.extend([*a, *b]);
            found.push(Finding::LegsSwapped { a: *a, b: *b });
        }
    }
    wrong.retain(|leg, _| !taken.contains(leg));
    found
}

/// Pairs of talkers who are heard exactly where the other should be, by everyone there. In conferences of two
/// this cannot be told from swapped legs, and is left to that.
fn take_swapped_talkers(
    plan: &Plan,
    present: &LegSet,
    wrong: &mut BTreeMap<LegNumber, Wrong>,
) -> Vec<Finding> {
    let missing = listeners_by_talker(wrong, |wrong| &wrong.missing);
    let extra = listeners_by_talker(wrong, |wrong| &wrong.extra);
    let by_all = |talker, listeners: &Vec<LegNumber>| {
        listeners.len() > 1 && listeners.len() == audience(plan, present, talker)
    };
    let mut found = Vec::new();
    for (&a, without_a) in missing.iter().filter(|(a, listeners)| by_all(**a, listeners)) {
        for (&b, without_b) in missing.range(a..).skip(1) {
            if extra.get(&b) == Some(without_a) && extra.get(&a) == Some(without_b) {
                found.push((a, b));
            }
        }
    }
    for wrong in wrong.values_mut() {
        let is_explained = |talker: &LegNumber| found.iter().any(|(a, b)| talker == a || talker == b);
        wrong.missing.retain(|talker| !is_explained(talker));
        wrong.extra.retain(|talker| !is_explained(talker));
    }
    wrong.retain(|_, wrong| !wrong.missing.is_empty() || !wrong.extra.is_empty());
    found.into_iter().map(|(a, b)| Finding::TalkersSwapped { a, b }).collect()
}

/// How many should hear a talker.
fn audience(plan: &Plan, present: &LegSet, talker: LegNumber) -> usize {
    present.iter().filter(|leg| plan.should_hear(**leg, talker)).count()
}

/// Turns "leg: talkers" around to "talker: legs", without legs that hear themselves.
fn listeners_by_talker(
    wrong: &BTreeMap<LegNumber, Wrong>,
    which: impl Fn(&Wrong) -> &LegSet,
) -> BTreeMap<LegNumber, Vec<LegNumber>> {
    let mut turned: BTreeMap<LegNumber, Vec<LegNumber>> = BTreeMap::new();
    for (&leg, wrong) in wrong {
        for &talker in which(wrong).iter().filter(|talker| **talker != leg) {
            turned.entry(talker).or_default().push(leg);
        }
    }
    turned
}

fn own_voices(wrong: &BTreeMap<LegNumber, Wrong>) -> Option<Finding> {
    let hears_itself = |(leg, wrong): &(&LegNumber, &Wrong)| wrong.extra.contains(leg);
    let legs: Vec<_> = wrong.iter().filter(hears_itself).map(|(leg, _)| *leg).collect();
    (!legs.is_empty()).then_some(Finding::OwnVoice { legs })
}

fn unheard(plan: &Plan, present: &LegSet, wrong: &BTreeMap<LegNumber, Wrong>) -> Vec<Finding> {
    let should = |talker| present.iter().filter(|leg| plan.should_hear(**leg, talker)).count();
    listeners_by_talker(wrong, |wrong| &wrong.missing)
        .into_iter()
        .map(|(talker, listeners)| Finding::Unheard { talker, listeners, should: should(talker) })
        .collect()
}

fn cross_talk(plan: &Plan, wrong: &BTreeMap<LegNumber, Wrong>) -> Vec<Finding> {
    listeners_by_talker(wrong, |wrong| &wrong.extra)
        .into_iter()
        .map(|(talker, listeners)| Finding::CrossTalk { talker, from: plan.conference_of(talker), listeners })
        .collect()
}

fn wrong_levels(plan: &Plan, witnesses: &[Witness<'_>]) -> Vec<Finding> {
    let mut by_talker: BTreeMap<LegNumber, (Vec<LegNumber>, f32)> = BTreeMap::new();
    for witness in witnesses {
        let votes = witness.votes;
        // A frame that an impaired network has taken weakens its whole window.
        let often = |wrong: &&WrongLevel| !plan.network().harms() || 2 * wrong.windows > votes.clean.windows;
        for &WrongLevel { talker, worst_db, .. } in votes.wrong_level.iter().filter(often) {
            let entry = by_talker.entry(talker).or_default();
            entry.0.push(witness.leg);
            if worst_db.abs() > entry.1.abs() {
                entry.1 = worst_db;
            }
        }
    }
    by_talker
        .into_iter()
        .map(|(talker, (listeners, worst_db))| Finding::WrongLevel { talker, listeners, worst_db })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::ear::Count;

    /// Everyone heard what `heard` says, in all of ten windows.
    fn findings(plan: &Plan, heard: impl Fn(LegNumber, LegNumber) -> bool) -> Vec<Finding> {
        let votes: Vec<Votes> = (0..plan.legs())
            .map(|leg| {
                let times = |t| {
                    if heard(LegNumber(leg), LegNumber(t)) { 10 } else { 0 }
                };
                let heard = (0..plan.talkers()).map(times).collect();
                Votes { clean: Count { windows: 10, heard }, ..Votes::default() }
            })
            .collect();
        let witnesses: Vec<_> =
            votes.iter().enumerate().map(|(leg, votes)| Witness { leg: LegNumber(leg), votes }).collect();
        judge(plan, &witnesses)
    }

    fn plan(legs: usize, conferences: usize, talkers: usize) -> Plan {
        Plan::new(legs, conferences, talkers, 10).unwrap()
    }

    fn swap(leg: LegNumber, a: usize, b: usize) -> LegNumber {
        match leg.0 {
            n if n == a => LegNumber(b),
            n if n == b => LegNumber(a),
            n => LegNumber(n),
        }
    }

    #[test]
    fn the_truth_gives_no_finding() {
        let plan = plan(20, 4, 3);
        assert_eq!(findings(&plan, |leg, talker| plan.should_hear(leg, talker)), []);
    }

    #[test]
    fn own_voice_names_the_legs() {
        let plan = plan(6, 1, 3);
        let found = findings(&plan, |leg, talker| leg == talker || plan.should_hear(leg, talker));
        assert_eq!(found, [Finding::OwnVoice { legs: (0..3).map(LegNumber).collect() }]);
    }

    #[test]
    fn a_talker_who_is_not_mixed_is_named() {
        let plan = plan(6, 1, 3);
        let mute = LegNumber(1);
        let found = findings(&plan, |leg, talker| talker != mute && plan.should_hear(leg, talker));
        let listeners = [0, 2, 3, 4, 5].map(LegNumber).to_vec();
        assert_eq!(found, [Finding::Unheard { talker: mute, listeners, should: 5 }]);
    }

    #[test]
    fn legs_that_receive_each_others_sound_are_swapped() {
        for (plan, a, b) in [
            (plan(6, 1, 3), 0, 2),
            (plan(6, 1, 3), 1, 5),
            (plan(2, 1, 2), 0, 1),
            (plan(8, 2, 2), 0, 1),
            (plan(8, 2, 2), 4, 7),
        ] {
            let found = findings(&plan, |leg, talker| plan.should_hear(swap(leg, a, b), talker));
            assert_eq!(found, [Finding::LegsSwapped { a: LegNumber(a), b: LegNumber(b) }]);
        }
    }

    #[test]
    fn talkers_in_each_others_conference_are_swapped() {
        let plan = plan(8, 2, 2);
        // What comes from 0 is taken for what comes from 3, and mix-minus takes away the wrong one.
        let found = findings(&plan, |leg, talker| {
            let seat = swap(talker, 0, 3);
            seat != leg && plan.conference_of(seat) == plan.conference_of(leg)
        });
        assert_eq!(found, [Finding::TalkersSwapped { a: LegNumber(0), b: LegNumber(3) }]);
    }

    #[test]
    fn a_talker_heard_next_door_is_cross_talk() {
        let plan = plan(8, 2, 2);
        let found = findings(&plan, |leg, talker| {
            plan.should_hear(leg, talker) || (leg == LegNumber(5) && talker == LegNumber(2))
        });
        let listeners = vec![LegNumber(5)];
        assert_eq!(found, [Finding::CrossTalk { talker: LegNumber(2), from: 0, listeners }]);
    }

    #[test]
    fn one_window_without_a_talker_is_enough() {
        let plan = plan(2, 1, 1);
        let clean = Count { windows: 10, heard: vec![9] };
        let hears = Votes { clean, ..Votes::default() };
        let silent = Votes { clean: Count { windows: 10, heard: vec![0] }, ..Votes::default() };
        let found = judge(
            &plan,
            &[Witness { leg: LegNumber(0), votes: &silent }, Witness { leg: LegNumber(1), votes: &hears }],
        );
        assert!(matches!(&found[..], [Finding::Unheard { .. }]), "{found:?}");
    }

    #[test]
    fn behind_an_impaired_network_the_most_of_the_windows_decide() {
        let network = crate::load::NetworkProfile::Mobile.impairment();
        let plan = plan(2, 1, 2).with_network(network, 1).unwrap();
        let judge = |heard: [u32; 2]| {
            let votes = |rough: [u32; 2]| Votes {
                clean: Count { windows: 2, heard: vec![0, 0] },
                rough: Count { windows: 10, heard: rough.to_vec() },
                ..Votes::default()
            };
            let (first, second) = (votes([0, 10]), votes(heard));
            judge(
                &plan,
                &[
                    Witness { leg: LegNumber(0), votes: &first },
                    Witness { leg: LegNumber(1), votes: &second },
                ],
            )
        };
        assert_eq!(judge([7, 3]), []);
        assert!(matches!(judge([6, 3])[..], [Finding::Unheard { .. }]));
        assert!(matches!(judge([7, 4])[..], [Finding::OwnVoice { .. }]));
    }

    #[test]
    fn a_talker_whose_call_failed_is_missed_by_nobody() {
        let plan = plan(3, 1, 2);
        let votes = |heard: [u32; 2]| Votes {
            clean: Count { windows: 10, heard: heard.to_vec() },
            ..Votes::default()
        };
        let (first, last) = (votes([0, 0]), votes([10, 0]));
        let found = judge(
            &plan,
            &[Witness { leg: LegNumber(0), votes: &first }, Witness { leg: LegNumber(2), votes: &last }],
        );
        assert_eq!(found, []);
    }
}
