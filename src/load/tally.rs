//! How the calls of a run fared, counted while they are dialled and hung up.

use std::collections::HashMap;

use super::finding::Finding;
use super::histogram::Histogram;
use super::plan::LegNumber;

/// How the calls fared.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Time from INVITE to answer, ms.
    pub(super) setup: Histogram,
    /// Either, by leg; `None` for those not answered.
    pub(super) setup_ms: Vec<Option<f64>>,
    pub(super) refused: HashMap<(u16, String), Vec<LegNumber>>,
    pub(super) unanswered: Vec<LegNumber>,
    pub(super) bad_answer: Option<(String, Vec<LegNumber>)>,
    pub(super) not_reached: Option<(String, Vec<LegNumber>)>,
    pub(super) ended_early: Vec<LegNumber>,
    pub(super) hang_up_unanswered: Vec<LegNumber>,
}

impl Tally {
    /// Legs that were there from their answer to the end.
    pub(super) fn stayed(&self, leg: LegNumber) -> bool {
        self.setup_ms[leg.0].is_some() && !self.ended_early.contains(&leg)
    }

    /// Calls that were answered.
    pub(super) fn answered(&self) -> usize {
        self.setup_ms.iter().flatten().count()
    }

    /// What went wrong with calls.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut refused: Vec<_> = self.refused.iter().collect();
        refused.sort();
        let mut findings: Vec<_> = refused
            .into_iter()
            .map(|((status, reason), legs)| Finding::Refused {
                status: *status,
                reason: reason.clone(),
                legs: sorted(legs),
            })
            .collect();
        if let Some((problem, legs)) = self.bad_answer.clone() {
            findings.push(Finding::BadAnswer { problem, legs: sorted(&legs) });
        }
        if let Some((problem, legs)) = self.not_reached.clone() {
            findings.push(Finding::NotReached { problem, legs: sorted(&legs) });
        }
        let mut list = |legs: &Vec<LegNumber>, finding: fn(Vec<LegNumber>) -> Finding| {
            if !legs.is_empty() {
                findings.push(finding(sorted(legs)));
            }
        };
        list(&self.unanswered, |legs| Finding::Unanswered { legs });
        list(&self.ended_early, |legs| Finding::EndedEarly { legs });
        list(&self.hang_up_unanswered, |legs| Finding::HangUpUnanswered { legs });
        findings
    }
}

fn sorted(legs: &[LegNumber]) -> Vec<LegNumber> {
    let mut legs = legs.to_vec();
    legs.sort_unstable();
    legs
}
