//! From what the callers bring home to the report: adds up, and names what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::browser::BrowserCalls;
use super::damage;
use super::finding::Finding;
use super::hearing::{self, Verdicts, Witness};
use super::histogram::{Histogram, Times};
use super::likeness;
use super::media::{Harvest, MediaLeg};
use super::muting::Muting;
use super::network::Toll;
use super::passers_by::PassersBy;
use super::plan::{FRAME_SAMPLES, LegNumber, Plan};
use super::report::{Calls, CodecDelay, Cost, Hearing, Impaired, LegKind, LegReport, Packets, Report};
use super::stage::Stage;
use super::tally::Tally;

/// Packets that may be missing at the edges of the measured time without anybody's fault.
const EDGE_PACKETS: u64 = 3;
/// More of a leg's packets than one in this many missing, though the sequence is whole, is a fault.
const NEVER_SENT_SHARE: u64 = 200;
/// More late packets of our own than this share, and the run proves nothing.
const OWN_LATE_MAX: f64 = 0.01;
/// A later first audio than this, at p95 and in ms, deserves a note: half a second of silence is noticed.
const FIRST_AUDIO_MS: f64 = 500.0;
/// On time below this deserves a note.
const ON_TIME_PERCENT: f64 = 99.9;

/// Makes the report of a run.
pub(super) fn report(stage: &Stage, tally: &Tally, dialled: usize, harvest: &Harvest) -> Report {
    let plan = &stage.plan;
    let judged: Vec<_> = harvest.legs.iter().filter(|leg| tally.stayed(leg.number)).collect();
    let measured = judged.iter().any(|leg| leg.sent > 0);
    let mut findings = tally.findings();
    if measured {
        findings.extend(hearing_findings(plan, &judged));
        findings.extend(damage::findings(stage, &judged));
        findings.extend(packet_findings(plan, &judged));
        findings.extend(own_lateness(harvest));
    }
    let packets = packets(plan, &judged);
    let mut report = Report {
        plan: plan.clone(),
        right: findings.is_empty(),
        findings,
        notes: Vec::new(),
        calls: Calls { dialled, answered: tally.answered(), setup_ms: tally.setup.times() },
        browsers: browsers(plan, tally, harvest),
        hearing: hearing(plan, stage, &judged),
        concealment: damage::concealment(plan, &judged),
        packets,
        lateness_ms: merged(judged.iter().map(|leg| &leg.ear.arrivals.lateness)).times(),
        jitter_ms: of(judged.iter().map(|leg| leg.ear.arrivals.jitter_ms())).times(),
        delay_ms: of(judged.iter().flat_map(|leg| delays(leg))).times(),
        delay_by_codecs: delay_by_codecs(plan, &judged),
        ledger: None,
        set_ups: None,
        mutes: None,
        own_lateness_ms: harvest.punctuality.lateness.times(),
        node: None,
        callers: None,
        reflector: None,
        ratio_to_reflector: None,
        legs: legs(plan, tally, harvest),
    };
    report.notes = notes(&report, measured);
    report
}

impl Report {
    /// Adds what the callers themselves cost.
    pub(super) fn with_callers_cost(self, callers: Option<Cost>) -> Self {
        Self { callers, ..self }
    }

    /// Puts the costs beside each other.
    pub(super) fn with_costs(mut self, node: Option<Cost>, reflector: Option<Cost>) -> Self {
        self.ratio_to_reflector = node
            .zip(reflector)
            .map(|(node, reflector)| node.cpu_us_per_leg_second / reflector.cpu_us_per_leg_second)
            .filter(|ratio| ratio.is_finite());
        Self { node, reflector, ..self }
    }

    /// Adds what happened while others were listened to.
    pub(super) fn with_meanwhile(mut self, set_ups: Option<PassersBy>, mutes: Option<Muting>) -> Self {
        if let Some(gone) = &set_ups
            && gone.completed < gone.dialled
        {
            self.findings.push(Finding::SetUpsFailed {
                refused: gone.refused.clone(),
                unanswered: gone.unanswered,
                ended_early: gone.ended_early,
                hang_up_unanswered: gone.hang_up_unanswered,
                of: gone.dialled,
            });
        }
        if let Some(muting) = &mutes
            && muting.failed > 0
        {
            let problem = muting.problem.clone().unwrap_or_default();
            self.findings.push(Finding::RequestsFailed {
                failed: muting.failed,
                of: muting.requests,
                problem,
            });
        }
        self.right = self.findings.is_empty();
        Self { set_ups, mutes, ..self }
    }

    /// Takes back what was found, for a run that ended before its time: the end itself looks like a fault.
    pub(super) fn cut_short(self) -> Self {
        Self { right: false, findings: vec![Finding::Interrupted], notes: Vec::new(), ..self }
    }
}

/// How browsers' calls fared, if there are any.
fn browsers(plan: &Plan, tally: &Tally, harvest: &Harvest) -> Option<BrowserCalls> {
    let browsers = (0..plan.legs()).filter(|leg| plan.is_browser(LegNumber(*leg)));
    let answers: Vec<_> = browsers.filter_map(|leg| tally.setup_ms[leg]).collect();
    let first_audio = harvest.legs.iter().filter_map(MediaLeg::first_audio_ms).collect();
    (plan.browsers() > 0).then(|| BrowserCalls {
        legs: plan.browsers(),
        connected: answers.len(),
        answer_ms: Times::of(answers),
        first_audio_ms: Times::of(first_audio),
    })
}

fn hearing_findings(plan: &Plan, legs: &[&MediaLeg]) -> Vec<Finding> {
    let mute = collect(legs, |leg| leg.ear.arrivals.received == 0);
    let unjudged = collect(legs, |leg| {
        leg.ear.arrivals.received > 0 && Verdicts::of(plan, &leg.ear.votes).windows() == 0
    });
    // A leg to which nothing came is a talker all the same: it stays on the stage, without a vote.
    let witnesses: Vec<_> =
        legs.iter().map(|leg| Witness { leg: leg.number, votes: &leg.ear.votes }).collect();
    let mut findings = hearing::judge(plan, &witnesses);
    findings.extend(listed(mute, |legs| Finding::NothingReceived { legs }));
    findings.extend(listed(unjudged, |legs| Finding::NotJudged { legs }));
    findings
}

fn packet_findings(plan: &Plan, legs: &[&MediaLeg]) -> Vec<Finding> {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let gapped = collect(legs, |leg| leg.ear.arrivals.lost() > 0);
    let doubled = collect(legs, |leg| leg.ear.arrivals.duplicates > 0);
    let restarted = collect(legs, |leg| leg.ear.arrivals.restarts > 0);
    let foreign = collect(legs, |leg| leg.ear.foreign > 0);
    let forged = collect(legs, |leg| leg.not_genuine > 0);
    let starved = collect(legs, |leg| never_sent(plan, leg) > 0);
    let never_sent = legs.iter().map(|leg| never_sent(plan, leg)).sum();
    let mut findings = Vec::new();
    findings.extend(listed(gapped, |legs| Finding::SequenceGaps {
        gaps: sum(|leg| leg.ear.arrivals.gaps),
        lost: sum(|leg| leg.ear.arrivals.lost()),
        legs,
    }));
    findings.extend(listed(doubled, |legs| Finding::Duplicates {
        packets: sum(|leg| leg.ear.arrivals.duplicates),
        legs,
    }));
    findings.extend(listed(restarted, |legs| Finding::StreamRestarted { legs }));
    findings.extend(listed(foreign, |legs| Finding::Foreign { packets: sum(|leg| leg.ear.foreign), legs }));
    findings.extend(listed(forged, |legs| Finding::NotGenuine { packets: sum(|leg| leg.not_genuine), legs }));
    findings.extend(listed(starved, |legs| Finding::NeverSent { packets: never_sent, legs }));
    findings
}

/// Packets that the time holds, that neither came nor left a hole in the sequence; 0 if that is within
/// reason, or if nothing came at all (which is a finding of its own).
fn never_sent(plan: &Plan, leg: &MediaLeg) -> u64 {
    let arrivals = &leg.ear.arrivals;
    let expected = plan.measured_frames();
    let short = expected.saturating_sub(arrivals.received + arrivals.lost());
    let within_reason = EDGE_PACKETS.max(expected / NEVER_SENT_SHARE);
    if arrivals.received == 0 || short <= within_reason { 0 } else { short }
}

fn own_lateness(harvest: &Harvest) -> Option<Finding> {
    let times = harvest.punctuality.lateness.times();
    let share = harvest.punctuality.late as f64 / times.count.max(1) as f64;
    (share > OWN_LATE_MAX).then_some(Finding::CallersLate { percent: share * 100.0, worst_ms: times.max })
}

fn notes(report: &Report, measured: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !measured {
        notes.push("nothing was measured".to_owned());
        return notes;
    }
    let callers_late = report.has(|finding| matches!(finding, Finding::CallersLate { .. }));
    if report.packets.on_time_percent < ON_TIME_PERCENT && !callers_late {
        notes.push(format!(
            "{:.3} % of packets were on time; {ON_TIME_PERCENT} % is what a node should keep",
            report.packets.on_time_percent
        ));
    }
    if let Some(browsers) = &report.browsers
        && browsers.first_audio_ms.p95 > FIRST_AUDIO_MS
    {
        notes.push(format!(
            "of 100 browsers 95 heard within {:.0} ms of their offer; {FIRST_AUDIO_MS:.0} ms is what a node should keep",
            browsers.first_audio_ms.p95
        ));
    }
    if report.hearing.excused > 0 {
        notes.push(format!(
            "{} broken frames came within two seconds of a packet of ours that left more than 4 ms late, and are \
             not held against the node",
            report.hearing.excused
        ));
    }
    notes
}

fn hearing(plan: &Plan, stage: &Stage, legs: &[&MediaLeg]) -> Hearing {
    let present: BTreeSet<_> = legs.iter().map(|leg| leg.number).collect();
    let window = if plan.speech().is_some() { likeness::SEGMENT } else { stage.tones.period() };
    let mut sums = Hearing { window_ms: (window * 20 / FRAME_SAMPLES) as u64, ..Hearing::default() };
    for leg in legs {
        let (continuity, verdicts) = (&leg.ear.continuity, Verdicts::of(plan, &leg.ear.votes));
        sums.windows += u64::from(verdicts.windows());
        sums.frames += continuity.frames;
        sums.silent += continuity.silent;
        sums.broken += continuity.broken;
        sums.slips += continuity.slips;
        sums.excused += continuity.excused;
        sums.beeps += beeps_for(plan, leg.number, &present);
        sums.beeps_heard += leg.ear.delays.len() as u64;
        for talker in present.iter().filter(|talker| plan.should_hear(leg.number, **talker)) {
            sums.pairs += 1;
            sums.pairs_heard += u64::from(verdicts.is_heard_enough(*talker));
        }
        if let Some((low, high)) = leg.ear.votes.levels {
            sums.level_min_db = Some(sums.level_min_db.map_or(low, |min| min.min(low)));
            sums.level_max_db = Some(sums.level_max_db.map_or(high, |max| max.max(high)));
        }
    }
    sums
}

/// The beeps that a leg should hear: its conference's, without its own.
fn beeps_for(plan: &Plan, leg: LegNumber, present: &BTreeSet<LegNumber>) -> u64 {
    let beepers = (0..plan.beep_slots()).map(|slot| plan.beeper(plan.conference_of(leg), slot));
    beepers.filter(|beeper| *beeper != leg && present.contains(beeper)).count() as u64
}

fn packets(plan: &Plan, legs: &[&MediaLeg]) -> Packets {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let promised = |leg: &MediaLeg| leg.ear.arrivals.received + leg.ear.arrivals.lost();
    let expected = legs.iter().map(|leg| promised(leg).max(plan.measured_frames() - 1)).sum::<u64>();
    let on_time = sum(|leg| leg.ear.arrivals.on_time);
    Packets {
        sent: sum(|leg| leg.sent),
        send_errors: sum(|leg| leg.send_errors),
        received: sum(|leg| leg.ear.arrivals.received),
        expected,
        lost: sum(|leg| leg.ear.arrivals.lost()),
        duplicates: sum(|leg| leg.ear.arrivals.duplicates),
        reordered: sum(|leg| leg.ear.arrivals.reordered),
        on_time,
        impaired: impaired(legs),
        on_time_percent: 100.0 * on_time as f64 / expected.max(1) as f64,
    }
}

/// What the callers' own networks have done.
fn impaired(legs: &[&MediaLeg]) -> Impaired {
    let sum = |count: fn(Toll) -> u64| legs.iter().map(|leg| count(leg.toll())).sum::<u64>();
    Impaired {
        lost: sum(|toll| toll.lost),
        blacked_out: sum(|toll| toll.blacked_out),
        reordered: sum(|toll| toll.reordered),
        duplicated: sum(|toll| toll.duplicated),
    }
}

fn legs(plan: &Plan, tally: &Tally, harvest: &Harvest) -> Vec<LegReport> {
    let leg_report = |leg: &MediaLeg| {
        let (arrivals, continuity) = (&leg.ear.arrivals, &leg.ear.continuity);
        LegReport {
            leg: leg.number,
            conference: plan.conference_of(leg.number),
            kind: if plan.is_browser(leg.number) { LegKind::Browser } else { LegKind::Sip },
            talker: plan.is_talker(leg.number),
            codec: plan.codec_of(leg.number),
            setup_ms: tally.setup_ms[leg.number.0],
            first_audio_ms: leg.first_audio_ms(),
            sent: leg.sent,
            received: arrivals.received,
            lost: arrivals.lost(),
            duplicates: arrivals.duplicates,
            reordered: arrivals.reordered,
            on_time: arrivals.on_time,
            lateness_max_ms: arrivals.lateness.max(),
            jitter_ms: arrivals.jitter_ms(),
            delay_ms: of(delays(leg)).times(),
            windows: Verdicts::of(plan, &leg.ear.votes).windows(),
            disturbed: continuity.disturbed,
            silent: continuity.silent,
            broken: continuity.broken,
            slips: continuity.slips,
        }
    };
    harvest.legs.iter().map(leg_report).collect()
}

fn delays(leg: &MediaLeg) -> impl Iterator<Item = f64> {
    leg.ear.delays.iter().map(|delay| f64::from(delay.ms))
}

/// The delays from each codec to each; nothing when there is one codec only, because then there is nothing to compare.
fn delay_by_codecs(plan: &Plan, legs: &[&MediaLeg]) -> Vec<CodecDelay> {
    if plan.codecs_spoken().len() == 1 {
        return Vec::new();
    }
    let mut by_codecs: BTreeMap<_, Histogram> = BTreeMap::new();
    for leg in legs {
        for delay in &leg.ear.delays {
            let codecs = (plan.codec_of(delay.talker), plan.codec_of(leg.number));
            by_codecs.entry(codecs).or_default().add(f64::from(delay.ms));
        }
    }
    let row = |((from, to), delays): ((_, _), Histogram)| CodecDelay { from, to, delay_ms: delays.times() };
    by_codecs.into_iter().map(row).collect()
}

fn of(values: impl Iterator<Item = f64>) -> Histogram {
    let mut histogram = Histogram::default();
    values.for_each(|value| histogram.add(value));
    histogram
}

fn merged<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Histogram {
    let mut sum = Histogram::default();
    histograms.for_each(|histogram| sum.merge(histogram));
    sum
}

pub(super) fn collect(legs: &[&MediaLeg], is: impl Fn(&MediaLeg) -> bool) -> Vec<LegNumber> {
    legs.iter().filter(|leg| is(leg)).map(|leg| leg.number).collect()
}

/// A finding about these legs, if there are any.
pub(super) fn listed(
    legs: Vec<LegNumber>,
    finding: impl FnOnce(Vec<LegNumber>) -> Finding,
) -> Option<Finding> {
    (!legs.is_empty()).then(|| finding(legs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_whose_callers_were_late_proves_nothing() {
        let mut harvest = Harvest::default();
        (0..1_000).for_each(|_| harvest.punctuality.lateness.add(0.1));
        harvest.punctuality.late = 10;
        assert_eq!(own_lateness(&harvest), None);
        harvest.punctuality.lateness.add(45.0);
        harvest.punctuality.late = 11;
        let finding = own_lateness(&harvest);
        assert!(matches!(finding, Some(Finding::CallersLate { worst_ms: 45.0, .. })), "{finding:?}");
    }

    #[test]
    fn beeps_are_expected_from_others_who_are_there() {
        let plan = Plan::new(6, 2, 2, 10).unwrap();
        let present = (0..6).map(LegNumber).collect();
        let slots = plan.beep_slots();
        assert_eq!(beeps_for(&plan, LegNumber(4), &present), slots);
        assert_eq!(beeps_for(&plan, LegNumber(0), &present), slots / 2);
        let without = [0, 4].map(LegNumber).into();
        assert_eq!(beeps_for(&plan, LegNumber(4), &without), slots.div_ceil(2));
    }
}
