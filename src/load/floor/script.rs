//! What the people at a desk do all day: a customer, two agents and a supervisor, who come and go, hold, transfer, listen in
//! and queue. Pure: the same seed and the same desk are the same acts in the same order.

use std::time::Duration;

use super::truth::{Act, Spot, Who};
use crate::load::network::Random;

/// A customer, two agents and a supervisor.
pub(super) const PEOPLE_EACH: usize = 4;
/// The conference with the customer, the one aside, and the line from the queue.
const SPOTS_EACH: usize = 3;
/// How long what is heard is left as it is, once it has changed: some twenty packets at least.
const LISTEN_MS: std::ops::Range<u64> = 400..1_000;
/// Two desks differ as much as two seeds do.
const DESK_STRIDE: u64 = 0x9e37_79b9_7f4a_7c15;

/// An act, and how long to listen when it has taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) act: Act,
    pub(super) listen: Duration,
}

/// Who is at a desk, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desk {
    pub(super) number: usize,
    customer: Who,
    agent: Who,
    other: Who,
    supervisor: Who,
    main: Spot,
    aside: Spot,
    line: Spot,
}

/// What people do in turn; each begins and ends with customer and agent talking to each other in the main conference, but
/// for the transfers and the queue, which end with everybody by themselves.
type Episode = fn(&Desk, &mut Random) -> Vec<Act>;

impl Desk {
    pub(super) fn new(number: usize) -> Self {
        let who = |n| Who(number * PEOPLE_EACH + n);
        let spot = |n| Spot(number * SPOTS_EACH + n);
        Self {
            number,
            customer: who(0),
            agent: who(1),
            other: who(2),
            supervisor: who(3),
            main: spot(0),
            aside: spot(1),
            line: spot(2),
        }
    }

    /// Everybody's call, once each.
    pub(super) fn dial_in(&self) -> Vec<Act> {
        let dial = |who| Act::Dial { who, into: None };
        [self.customer, self.agent, self.other, self.supervisor].map(dial).to_vec()
    }

    /// What is done after that, for at least so many acts: whole rounds from an empty conference to an empty conference.
    pub(super) fn day(&self, seed: u64, acts_min: usize) -> Vec<Step> {
        let mut random = Random(seed ^ (self.number as u64 + 1).wrapping_mul(DESK_STRIDE));
        let mut steps = Vec::new();
        let mut ends: Vec<Episode> = Vec::new();
        while steps.len() < acts_min {
            // Each kind of transfer has its turn before one comes again.
            if ends.is_empty() {
                ends = shuffled(&ENDS, &mut random);
            }
            let end = ends.pop().unwrap_or(Self::cold_transfer);
            let acts = self.round(end, &mut random);
            let step = |act, random: &mut Random| Step { act, listen: listen(random) };
            steps.extend(acts.into_iter().map(|act| step(act, &mut random)));
        }
        steps
    }

    /// A customer's conversation.
    fn round(&self, end: Episode, random: &mut Random) -> Vec<Act> {
        let mut acts = if one_of(2, random) == 0 { self.meet(random) } else { self.queue(random) };
        for episode in shuffled(&MIDDLES, random) {
            acts.extend(episode(self, random));
        }
        acts.extend(end(self, random));
        acts.extend([Act::HangUp(self.customer), Act::Dial { who: self.customer, into: None }]);
        acts
    }

    fn enter(&self, who: Who, spot: Spot) -> Act {
        Act::Enter { who, spot, monitors: false }
    }

    fn hold(&self, on: bool) -> Act {
        Act::Hold { who: self.customer, on }
    }

    /// Customer and agent meet.
    fn meet(&self, random: &mut Random) -> Vec<Act> {
        let mut both = vec![self.enter(self.customer, self.main), self.enter(self.agent, self.main)];
        both.rotate_left(one_of(2, random));
        both
    }

    /// The customer waits and is served; then they are where the rest happens.
    fn queue(&self, random: &mut Random) -> Vec<Act> {
        let (agent, caller) = (self.agent, self.customer);
        let served = [
            Act::Wait(caller),
            Act::Serve { agent, caller, spot: self.line },
            Act::Release { agent, caller },
        ];
        served.into_iter().chain(self.meet(random)).collect()
    }

    fn hold_and_back(&self, _: &mut Random) -> Vec<Act> {
        vec![self.hold(true), self.hold(false)]
    }

    fn mute_and_back(&self, random: &mut Random) -> Vec<Act> {
        let who = [self.customer, self.agent][one_of(2, random)];
        vec![Act::Mute { who, on: true }, Act::Mute { who, on: false }]
    }

    /// A supervisor listens in, speaks to the agent and to both, and goes.
    fn supervise(&self, random: &mut Random) -> Vec<Act> {
        let who = self.supervisor;
        let enter = Act::Enter { who, spot: self.main, monitors: true };
        let coach = Act::Coach { who, whom: self.agent };
        let mut middle = vec![coach, Act::Barge(who), coach, Act::Monitor(who), Act::Barge(who)];
        middle.rotate_left(one_of(5, random));
        let go = [Act::Kick(who), Act::Park(who)][one_of(2, random)];
        [enter].into_iter().chain(middle).chain([go]).collect()
    }

    /// The agent asks another aside and goes, or comes back; or brings the customer back in between.
    fn consult(&self, random: &mut Random) -> Vec<Act> {
        let to_main = self.enter(self.agent, self.main);
        let to_aside = self.enter(self.agent, self.aside);
        let mut acts = vec![self.hold(true), self.enter(self.other, self.aside), to_aside];
        if one_of(2, random) == 0 {
            acts.extend([to_main, self.hold(false), self.hold(true), to_aside]);
        }
        acts
    }

    fn warm_transfer(&self, random: &mut Random) -> Vec<Act> {
        let mut acts = self.consult(random);
        let to_main = self.enter(self.other, self.main);
        acts.extend([to_main, self.hold(false), Act::Park(self.agent)]);
        acts.extend([Act::Kick(self.customer), Act::Park(self.other)]);
        acts
    }

    fn warm_transfer_cancelled(&self, random: &mut Random) -> Vec<Act> {
        let mut acts = self.consult(random);
        acts.extend([self.enter(self.agent, self.main), Act::Park(self.other), self.hold(false)]);
        acts.extend([Act::Park(self.agent), Act::Kick(self.customer)]);
        acts
    }

    /// The agents talk in the conference while the customer is on hold there; then all talk, and the first one goes.
    fn private_hold_transfer(&self, _: &mut Random) -> Vec<Act> {
        let bring = self.enter(self.other, self.main);
        let acts = [self.hold(true), bring, self.hold(false), Act::Kick(self.agent)];
        acts.into_iter().chain([Act::Park(self.other), Act::Kick(self.customer)]).collect()
    }

    fn cold_transfer(&self, random: &mut Random) -> Vec<Act> {
        let out = [Act::Kick(self.agent), Act::Park(self.agent)][one_of(2, random)];
        let bring = self.enter(self.other, self.main);
        vec![out, bring, Act::Park(self.customer), Act::Kick(self.other)]
    }
}

/// What happens between customer and agent, in any order.
const MIDDLES: [Episode; 3] = [Desk::hold_and_back, Desk::mute_and_back, Desk::supervise];
/// How a conversation ends.
const ENDS: [Episode; 4] =
    [Desk::warm_transfer, Desk::warm_transfer_cancelled, Desk::private_hold_transfer, Desk::cold_transfer];

fn one_of(choices: u64, random: &mut Random) -> usize {
    (random.next() % choices) as usize
}

fn listen(random: &mut Random) -> Duration {
    Duration::from_millis(LISTEN_MS.start + random.next() % (LISTEN_MS.end - LISTEN_MS.start))
}

fn shuffled<T: Copy>(all: &[T], random: &mut Random) -> Vec<T> {
    let mut rest = all.to_vec();
    let mut order = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        order.push(rest.swap_remove(random.next() as usize % rest.len()));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::floor::truth::{Floor, Place};

    #[test]
    fn the_same_seed_is_the_same_day_and_another_is_another() {
        let day = |desk, seed| Desk::new(desk).day(seed, 50);
        assert_eq!(day(0, 7), day(0, 7));
        assert_ne!(day(0, 7), day(0, 8));
        let acts = |desk| day(desk, 7).into_iter().map(|step| step.listen).collect::<Vec<_>>();
        assert_ne!(acts(0), acts(1));
    }

    #[test]
    fn every_act_makes_sense_where_it_is_done() {
        for seed in 0..200 {
            let desk = Desk::new(1);
            let mut floor = Floor::new(2 * PEOPLE_EACH);
            let day = desk.day(seed, 60);
            let acts = desk.dial_in().into_iter().chain(day.iter().map(|step| step.act));
            for act in acts {
                let is_in = |who| matches!(floor.seat(who).place, Place::In(_));
                let fits = match act {
                    Act::Dial { who, .. } => floor.seat(who).place == Place::Away,
                    Act::Serve { agent, caller, .. } => {
                        floor.seat(caller).place == Place::Waiting && floor.seat(agent).place == Place::Alone
                    }
                    Act::Wait(who) => floor.seat(who).place == Place::Alone,
                    Act::HangUp(who) => floor.seat(who).place == Place::Alone,
                    Act::Enter { .. } => true,
                    Act::Coach { who, whom } => {
                        floor.seat(who).place == floor.seat(whom).place
                            && !floor.seat(whom).held
                            && is_in(who)
                    }
                    Act::Park(who)
                    | Act::Kick(who)
                    | Act::Mute { who, .. }
                    | Act::Hold { who, .. }
                    | Act::Barge(who)
                    | Act::Monitor(who) => is_in(who),
                    Act::Release { agent, caller } => is_in(agent) && is_in(caller),
                };
                assert!(fits, "seed {seed}: {act:?} of {:?}", floor.seat(act.subjects()[0]));
                floor.apply(act);
            }
            let left = desk.dial_in().into_iter().flat_map(Act::subjects);
            assert!(left.into_iter().all(|who| floor.seat(who).place == Place::Alone), "seed {seed}");
        }
    }

    #[test]
    fn a_long_day_has_everything_in_it() {
        let day = Desk::new(0).day(3, 200);
        let has = |is: fn(&Act) -> bool| day.iter().any(|step| is(&step.act));
        assert!(has(|act| matches!(act, Act::Wait(_))) && has(|act| matches!(act, Act::Coach { .. })));
        assert!(has(|act| matches!(act, Act::Enter { monitors: true, .. })));
        assert!(has(|act| matches!(act, Act::Hold { .. })) && has(|act| matches!(act, Act::Kick(_))));
    }
}
