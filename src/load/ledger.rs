//! Whether the node is right about its own delay: what it says of some legs, beside what their ears measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::finding::Finding;
use super::media::{Harvest, MediaLeg};
use super::node_api::{NodeApi, ToldLedger};
use super::plan::{LegNumber, Plan};
use super::report::Report;

/// The node may be wrong by so much about its own delay, in ms.
const DIFFERENCE_MAX_MS: f64 = 5.0;

/// Legs that are asked about: enough for pairs of every kind, and too few to disturb what is measured.
const SAMPLE_MAX: usize = 16;

/// What the node says of its own delay beside what was measured, for pairs of a talker and a listener. The medians over
/// all pairs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LedgerCheck {
    /// Pairs compared.
    pub pairs: usize,
    /// What the node says, ms.
    pub told_ms: f64,
    /// What was measured, ms.
    pub measured_ms: f64,
    /// What was measured, less what the node says, ms.
    pub difference_ms: f64,
    /// The most by which it differed, ms.
    pub worst_ms: f64,
}

/// What the node says, by leg, or why it says nothing.
pub(super) type Told = anyhow::Result<BTreeMap<LegNumber, ToldLedger>>;

/// Asks the node about some legs, whole conferences first: a pair needs both.
pub(super) async fn ask(api: &NodeApi, plan: &Plan) -> Told {
    let mut told = BTreeMap::new();
    for leg in sample(plan) {
        told.insert(leg, api.ledger_of(plan, leg).await?);
    }
    Ok(told)
}

fn sample(plan: &Plan) -> impl Iterator<Item = LegNumber> {
    let conference = move |first| (first..plan.legs()).step_by(plan.conferences()).map(LegNumber);
    (0..plan.conferences()).flat_map(conference).take(SAMPLE_MAX)
}

/// Puts what was told beside what was measured.
pub(super) fn compare(report: &mut Report, told: Told, harvest: &Harvest) {
    let told = match told {
        Ok(told) => told,
        Err(problem) => {
            report.notes.push(format!("the node was not asked about its own delay: {problem:#}"));
            return;
        }
    };
    let pairs: Vec<_> = harvest.legs.iter().flat_map(|listener| pairs_of(listener, &told)).collect();
    report.ledger = check(&pairs);
    if let Some(finding) = report.ledger.and_then(|check| check.finding(&report.plan)) {
        report.findings.push(finding);
        report.right = false;
    }
}

impl LedgerCheck {
    /// The way to the node is not the node's to know, unless it takes no time.
    fn finding(&self, plan: &Plan) -> Option<Finding> {
        let is_wrong = self.difference_ms.abs() > DIFFERENCE_MAX_MS && plan.network().is_none();
        is_wrong.then_some(Finding::Ledger { told_ms: self.told_ms, measured_ms: self.measured_ms })
    }
}

/// What was told and measured of one pair, in ms.
#[derive(Clone, Copy, Debug)]
struct Pair {
    told: f64,
    measured: f64,
}

fn pairs_of(listener: &MediaLeg, told: &BTreeMap<LegNumber, ToldLedger>) -> Vec<Pair> {
    let Some(hears) = told.get(&listener.number) else {
        return Vec::new();
    };
    let mut by_talker: BTreeMap<LegNumber, Vec<f64>> = BTreeMap::new();
    for delay in &listener.ear.delays {
        by_talker.entry(delay.talker).or_default().push(f64::from(delay.ms));
    }
    let pair = |(talker, delays): (LegNumber, Vec<f64>)| {
        let says = told.get(&talker)?;
        let told = says.said + hears.heard + hears.conversion_from(says.rate);
        Some(Pair { told, measured: median(delays)? })
    };
    by_talker.into_iter().filter_map(pair).collect()
}

fn check(pairs: &[Pair]) -> Option<LedgerCheck> {
    let over = |of: fn(&Pair) -> f64| pairs.iter().map(of).collect::<Vec<_>>();
    let differences = over(|pair| pair.measured - pair.told);
    let worst = differences.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    Some(LedgerCheck {
        pairs: pairs.len(),
        told_ms: rounded(median(over(|pair| pair.told))?),
        measured_ms: rounded(median(over(|pair| pair.measured))?),
        difference_ms: rounded(median(differences)?),
        worst_ms: rounded(worst),
    })
}

/// Two digits: more is not known.
fn rounded(ms: f64) -> f64 {
    (ms * 100.0).round() / 100.0
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let (_, median, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    Some(*median)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::impairment::Impairment;

    #[test]
    fn whole_conferences_are_asked_about() {
        let plan = Plan::new(60, 6, 3, 10).unwrap();
        let legs: Vec<_> = sample(&plan).map(|leg| leg.0).collect();
        assert_eq!(legs.len(), SAMPLE_MAX);
        assert_eq!(legs[..11], [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 1]);
        assert_eq!(sample(&Plan::new(3, 1, 1, 10).unwrap()).count(), 3);
    }

    #[test]
    fn a_node_that_is_wrong_by_more_than_five_ms_is_found_out() {
        let finding = |told, plan: &Plan| check(&[Pair { told, measured: 20.0 }]).unwrap().finding(plan);
        let clean = Plan::new(3, 1, 1, 10).unwrap();
        assert_eq!((finding(15.5, &clean), finding(24.5, &clean)), (None, None));
        assert_eq!(finding(14.0, &clean), Some(Finding::Ledger { told_ms: 14.0, measured_ms: 20.0 }));
        let delayed = Impairment { delay_ms: 40.0, ..Impairment::default() };
        assert_eq!(finding(14.0, &clean.with_network(delayed, 1).unwrap()), None);
    }

    #[test]
    fn medians_stand_for_all_pairs_and_the_worst_is_named() {
        let pairs =
            [(14.0, 15.0), (10.0, 10.5), (12.0, 40.0)].map(|(told, measured)| Pair { told, measured });
        let check = check(&pairs).unwrap();
        assert_eq!((check.pairs, check.told_ms, check.measured_ms), (3, 12.0, 15.0));
        assert_eq!((check.difference_ms, check.worst_ms), (1.0, 28.0));
        assert!(super::check(&[]).is_none());
    }
}
