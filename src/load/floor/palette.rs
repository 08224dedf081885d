//! Who comes when, to which conference, and with which voice. Pure: the same seed is the same crowd.
//!
//! There are more visitors than pairs of tones that share none. So two of different conferences may share one tone, but nobody's
//! two are both among those of another conference, nor among one's own: whoever is heard where they should not be shows a tone
//! that nobody there has.

use std::time::Duration;

use super::scenario::{CHURN_CONFERENCES_MAX, ScenarioPlan};
use super::truth::Spot;
use super::voices::{Tones, groups};
use crate::load::network::Random;

/// How long a visit lasts.
const STAY_MS: std::ops::Range<u64> = 500..1_500;
/// A tone is nobody else's for so long after a visit was to end: calls take some time to come and go.
const REST: Duration = Duration::from_millis(400);
/// Voices that are tried for a visitor, and conferences for one who finds none.
const TRIES: u64 = 2_000;
/// Visits in all; each keeps some hundred octets for each packet that it hears.
const VISITS_MAX: u64 = 200_000;

/// One who comes and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    /// Since the beginning.
    pub(super) at: Duration,
    pub(super) stay: Duration,
    pub(super) spot: Spot,
    pub(super) voice: Tones,
}

/// The voices of those who stay: a tone for each conference that nobody else has.
pub(super) fn stayers(conferences: usize) -> impl Iterator<Item = Tones> {
    let [_, high] = groups();
    high.step_by(2).take(conferences).map(Tones::one)
}

/// Everybody who comes in the plan's time, in order.
///
/// # Errors
/// When so many at once cannot be told apart.
pub(super) fn visits(plan: &ScenarioPlan) -> Result<Vec<Visit>, String> {
    let total = plan.seconds * u64::from(plan.churn);
    if total > VISITS_MAX {
        return Err(format!("--churn times --seconds must be {VISITS_MAX} at most, not {total}"));
    }
    let mut random = Random(plan.seed);
    let mut visits: Vec<Visit> = Vec::new();
    let mut first_there = 0;
    for n in 0..total {
        let at = Duration::from_secs(1) * n as u32 / plan.churn;
        while visits.get(first_there).is_some_and(|visit| visit.is_over(at)) {
            first_there += 1;
        }
        let there: Vec<Visit> =
            visits[first_there..].iter().filter(|visit| !visit.is_over(at)).copied().collect();
        let stay = Duration::from_millis(STAY_MS.start + random.next() % (STAY_MS.end - STAY_MS.start));
        let found = place(&there, plan.conferences, &mut random);
        let (spot, voice) = found.ok_or_else(|| {
            format!(
                "{} at once in {} conferences cannot be told apart: a lower --churn, or more --conferences",
                there.len(),
                plan.conferences
            )
        })?;
        visits.push(Visit { at, stay, spot, voice });
    }
    Ok(visits)
}

impl Visit {
    fn is_over(&self, at: Duration) -> bool {
        self.at + self.stay + REST <= at
    }
}

/// A conference and a voice for one who comes while these are there.
fn place(there: &[Visit], conferences: usize, random: &mut Random) -> Option<(Spot, Tones)> {
    let mut tones: Vec<Tones> = stayers(conferences).collect();
    let reserved = stayers(CHURN_CONFERENCES_MAX.min(conferences)).fold(Tones::NONE, Tones::and);
    for visit in there {
        let of_spot = &mut tones[visit.spot.0];
        *of_spot = of_spot.and(visit.voice);
    }
    (0..TRIES).find_map(|_| {
        let spot = Spot((random.next() % conferences as u64) as usize);
        let voice = any_pair(reserved, random)?;
        let with_voice = tones[spot.0].and(voice);
        let is_free = !tones[spot.0].meets(voice);
        let is_seen_elsewhere = (0..conferences).all(|other| other == spot.0 || !tones[other].has(voice));
        let are_seen_here = there.iter().all(|visit| visit.spot == spot || !with_voice.has(visit.voice));
        (is_free && is_seen_elsewhere && are_seen_here).then_some((spot, voice))
    })
}

/// Two tones of one group that nobody stays with.
fn any_pair(reserved: Tones, random: &mut Random) -> Option<Tones> {
    let of_group = |group: std::ops::Range<usize>| -> Vec<Tones> {
        group.map(Tones::one).filter(|tone| !reserved.meets(*tone)).collect()
    };
    let [low, high] = groups().map(of_group);
    // By their number of pairs.
    let pairs = |tones: &[Tones]| tones.len() * tones.len().saturating_sub(1) / 2;
    let turn = random.next() as usize % (pairs(&low) + pairs(&high)).max(1);
    let group = if turn < pairs(&low) { low } else { high };
    let first = random.next() as usize % group.len().max(1);
    let second =
        (first + 1 + random.next() as usize % group.len().saturating_sub(1).max(1)) % group.len().max(1);
    Some(group.get(first)?.and(*group.get(second)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::floor::scenario::What;

    fn plan(conferences: usize, churn: u32) -> ScenarioPlan {
        let plan = ScenarioPlan::new(What::Churn, 10, conferences, 60, 5).unwrap();
        ScenarioPlan { churn, ..plan }
    }

    #[test]
    fn nobody_can_be_heard_in_another_conference_unseen() {
        let visits = visits(&plan(20, 50)).unwrap();
        assert_eq!(visits.len(), 3_000);
        for (n, visit) in visits.iter().enumerate() {
            let until = visit.at + visit.stay;
            let there = |other: &&Visit| other.at < until && visit.at < other.at + other.stay;
            let others: Vec<&Visit> = visits[n.saturating_sub(200)..]
                .iter()
                .take(400)
                .filter(there)
                .filter(|other| *other != visit)
                .collect();
            for spot in (0..20).map(Spot) {
                let stays = stayers(20).nth(spot.0).unwrap();
                let in_spot = others.iter().filter(|other| other.spot == spot && other.at <= visit.at);
                let all = in_spot.fold(stays, |all, other| all.and(other.voice));
                if spot == visit.spot {
                    assert!(!all.meets(visit.voice), "{visit:?}");
                } else {
                    assert!(!all.has(visit.voice), "{visit:?}");
                }
            }
        }
    }

    #[test]
    fn the_same_seed_is_the_same_crowd_and_too_many_are_refused() {
        assert_eq!(visits(&plan(20, 50)), visits(&plan(20, 50)));
        assert!(visits(&plan(1, 200)).unwrap_err().contains("--conferences"));
    }
}
