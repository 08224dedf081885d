//! Frames that were not what belonged there: how many, and whose sound was missing.

use std::collections::BTreeMap;

use super::continuity::Broken;
use super::finding::Finding;
use super::media::MediaLeg;
use super::plan::{LegNumber, Plan, frames_to_duration};
use super::report::Concealment;
use super::spectrum::Complex;
use super::stage::Stage;
use super::verdict::{collect, listed};

/// A broken frame is a talker's missing one when they are alike to this degree (1 is equal).
const ALIKE: f64 = 0.8;

/// How much of what was heard was not as before, and how much of that the callers' own networks explain.
pub(super) fn concealment(plan: &Plan, legs: &[&MediaLeg]) -> Concealment {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let frames = sum(|leg| leg.ear.continuity.frames);
    let disturbed = sum(|leg| leg.ear.continuity.disturbed);
    let percent = 100.0 * disturbed as f64 / frames.max(1) as f64;
    Concealment { frames, disturbed, percent, percent_max: 100.0 * share_max(plan, plan.talkers_each()) }
}

fn share_max(plan: &Plan, talkers: usize) -> f64 {
    plan.network().broken_share_max(talkers, frames_to_duration(plan.measured_frames()).as_secs_f64())
}

/// Legs that heard more broken frames than their talkers' networks explain.
fn too_many(plan: &Plan, legs: &[&MediaLeg]) -> Option<Finding> {
    let share = |leg: &MediaLeg| {
        let continuity = &leg.ear.continuity;
        continuity.disturbed as f64 / continuity.frames.max(1) as f64
    };
    let too_many = |leg: &MediaLeg| share(leg) > share_max(plan, plan.heard_by(leg.number).count());
    let worst = legs.iter().map(|leg| share(leg)).fold(0.0, f64::max);
    let allowed = 100.0 * share_max(plan, plan.talkers_each());
    let finding = |legs| Finding::TooMuchConcealed { percent: 100.0 * worst, allowed, legs };
    listed(collect(legs, too_many), finding)
}

/// Names what is wrong with the sound itself. Behind an impaired network frames are really missing, so only their
/// number is judged there.
pub(super) fn findings(stage: &Stage, legs: &[&MediaLeg]) -> Vec<Finding> {
    if stage.plan.network().harms() {
        return too_many(&stage.plan, legs).into_iter().collect();
    }
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let of = sum(|leg| leg.ear.continuity.frames);
    let silent = collect(legs, |leg| leg.ear.continuity.silent > 0);
    let explanations: Vec<_> = legs.iter().map(|leg| explain(stage, leg)).collect();
    let jumped = collect(legs, |leg| leg.ear.continuity.slips > 0);
    let mut findings = Vec::new();
    findings.extend(listed(silent, |legs| Finding::SilentFrames {
        frames: sum(|leg| leg.ear.continuity.silent),
        of,
        legs,
    }));
    findings.extend(missing_talkers(&explanations));
    let unexplained = explanations.iter().filter(|explanation| explanation.unexplained > 0);
    findings.extend(listed(unexplained.map(|it| it.leg).collect(), |legs| Finding::BrokenFrames {
        frames: explanations.iter().map(|explanation| explanation.unexplained).sum(),
        of,
        legs,
    }));
    findings
        .extend(listed(jumped, |legs| Finding::Slips { times: sum(|leg| leg.ear.continuity.slips), legs }));
    findings
}

/// What is behind a leg's broken frames.
struct Explanation {
    leg: LegNumber,
    /// Frames in which exactly one talker's tones are missing.
    missing: BTreeMap<LegNumber, u64>,
    unexplained: u64,
}

fn explain(stage: &Stage, leg: &MediaLeg) -> Explanation {
    let continuity = &leg.ear.continuity;
    let (mut missing, mut unexplained) = (BTreeMap::new(), 0);
    if continuity.broken > 0 {
        let spectrum = stage.spectrum.transform(continuity.reference());
        let factor = stage.plan.codec_of(leg.number).factor();
        let talkers: Vec<_> = stage.plan.heard_by(leg.number).collect();
        for broken in &continuity.kept {
            match talkers.iter().find(|talker| misses(broken, factor, **talker, stage, &spectrum)) {
                Some(talker) => *missing.entry(*talker).or_default() += 1,
                None => unexplained += 1,
            }
        }
        // Of a great many only the first were kept: the others count as the same mixture.
        if unexplained > 0 {
            unexplained += continuity.broken.saturating_sub(continuity.kept.len() as u64);
        }
    }
    Explanation { leg: leg.number, missing, unexplained }
}

fn missing_talkers(explanations: &[Explanation]) -> Vec<Finding> {
    let mut by_talker: BTreeMap<LegNumber, (u64, Vec<LegNumber>)> = BTreeMap::new();
    for Explanation { leg, missing, .. } in explanations {
        for (talker, frames) in missing {
            let (most, listeners) = by_talker.entry(*talker).or_default();
            *most = (*most).max(*frames);
            listeners.push(*leg);
        }
    }
    by_talker
        .into_iter()
        .map(|(talker, (frames, listeners))| Finding::TalkerFramesMissing { talker, frames, listeners })
        .collect()
}

/// Whether the frame lacks just this talker: its difference is the talker's own sound, upside down.
fn misses(broken: &Broken, factor: usize, talker: LegNumber, stage: &Stage, spectrum: &[Complex]) -> bool {
    let (mut product, mut ours, mut theirs) = (0.0, 0.0, 0.0);
    for (n, &difference) in broken.difference.iter().enumerate() {
        let sound = sound_at(broken.place + n, factor, talker, stage, spectrum);
        let difference = f64::from(difference);
        product -= sound * difference;
        ours += difference * difference;
        theirs += sound * sound;
    }
    product > ALIKE * (ours * theirs).sqrt() && theirs > 0.0
}

/// The talker's part of the reference at this place of the period, at so many times the lowest sample rate.
fn sound_at(place: usize, factor: usize, talker: LegNumber, stage: &Stage, spectrum: &[Complex]) -> f64 {
    let period = stage.tones.period() * factor;
    let part = |bin: usize| {
        let turns = (bin * place % period) as f64 / period as f64;
        let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
        let (re, im) = spectrum[bin];
        f64::from(re) * cos - f64::from(im) * sin
    };
    stage.tones.bins(talker).map(part).iter().sum()
}
