//! From what the callers bring home to the report: adds up, and names what is wrong.

use super::continuity::Broken;
use super::finding::Finding;
use super::hearing::{self, Witness};
use super::histogram::Histogram;
use super::media::{Harvest, MediaLeg};
use super::plan::{FRAME_SAMPLES, LegNumber, Plan};
use super::report::{Calls, Cost, Hearing, LegReport, Packets, Report};
use super::signalling::Tally;
use super::spectrum::Complex;
use super::stage::Stage;

/// Packets that may be missing at the edges of the measured time without anybody's fault.
const EDGE_PACKETS: u64 = 3;
/// More of a leg's packets than one in this many missing, though the sequence is whole, is a fault.
const NEVER_SENT_SHARE: u64 = 200;
/// More late packets of our own than this share, and the run proves nothing.
const OWN_LATE_MAX: f64 = 0.01;
/// On time below this deserves a note.
const ON_TIME_PERCENT: f64 = 99.9;
/// A broken frame is a talker's missing one when they are alike to this degree (1 is equal).
const ALIKE: f64 = 0.8;

/// Makes the report of a run.
pub(super) fn report(stage: &Stage, tally: &Tally, dialled: usize, harvest: &Harvest) -> Report {
    let plan = &stage.plan;
    let judged: Vec<_> = harvest
        .legs
        .iter()
        .filter(|leg| tally.stayed(leg.number))
        .collect();
    let measured = judged.iter().any(|leg| leg.sent > 0);
    let mut findings = tally.findings();
    if measured {
        findings.extend(hearing_findings(plan, &judged));
        findings.extend(continuity_findings(stage, &judged));
        findings.extend(packet_findings(plan, &judged));
        findings.extend(own_lateness(harvest));
    }
    let packets = packets(plan, &judged);
    let mut report = Report {
        plan: plan.clone(),
        right: findings.is_empty(),
        findings,
        notes: Vec::new(),
        calls: Calls {
            dialled,
            answered: tally.answered(),
            setup_ms: tally.setup.times(),
        },
        hearing: hearing(plan, stage, &judged),
        packets,
        lateness_ms: merged(judged.iter().map(|leg| &leg.ear.arrivals.lateness)).times(),
        jitter_ms: of(judged.iter().map(|leg| leg.ear.arrivals.jitter_ms())).times(),
        delay_ms: of(judged.iter().flat_map(|leg| delays(leg))).times(),
        own_lateness_ms: harvest.punctuality.lateness.times(),
        node: None,
        reflector: None,
        ratio_to_reflector: None,
        legs: legs(plan, tally, harvest),
    };
    report.notes = notes(&report, measured);
    report
}

impl Report {
    /// Puts the costs beside each other.
    pub(super) fn with_costs(mut self, node: Option<Cost>, reflector: Option<Cost>) -> Self {
        self.ratio_to_reflector = node
            .zip(reflector)
            .map(|(node, reflector)| node.cpu_us_per_leg_second / reflector.cpu_us_per_leg_second)
            .filter(|ratio| ratio.is_finite());
        Self {
            node,
            reflector,
            ..self
        }
    }

    /// Adds what came up after the legs were judged.
    pub(super) fn with_finding(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self.right = false;
        self
    }
}

fn hearing_findings(plan: &Plan, legs: &[&MediaLeg]) -> Vec<Finding> {
    let mute = collect(legs, |leg| leg.ear.arrivals.received == 0);
    let mut findings = Vec::new();
    // A leg to which nothing came is a talker all the same: it stays on the stage, without a vote.
    let witnesses: Vec<_> = legs
        .iter()
        .map(|leg| Witness {
            leg: leg.number,
            votes: &leg.ear.votes,
        })
        .collect();
    for finding in hearing::judge(plan, &witnesses) {
        match finding {
            Finding::NotJudged { legs } => {
                let legs: Vec<_> = legs.into_iter().filter(|leg| !mute.contains(leg)).collect();
                findings.extend(listed(legs, |legs| Finding::NotJudged { legs }));
            }
            other => findings.push(other),
        }
    }
    findings.extend(listed(mute, |legs| Finding::NothingReceived { legs }));
    findings
}

fn continuity_findings(stage: &Stage, legs: &[&MediaLeg]) -> Vec<Finding> {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let of = sum(|leg| leg.ear.continuity.frames);
    let silent = collect(legs, |leg| leg.ear.continuity.silent > 0);
    let broken = collect(legs, |leg| leg.ear.continuity.broken > 0);
    let jumped = collect(legs, |leg| leg.ear.continuity.slips > 0);
    let mut findings = Vec::new();
    findings.extend(listed(silent, |legs| Finding::SilentFrames {
        frames: sum(|leg| leg.ear.continuity.silent),
        of,
        legs,
    }));
    findings.extend(missing_talkers(stage, legs));
    findings.extend(listed(broken, |legs| Finding::BrokenFrames {
        frames: sum(|leg| leg.ear.continuity.broken),
        of,
        legs,
    }));
    findings.extend(listed(jumped, |legs| Finding::Slips {
        times: sum(|leg| leg.ear.continuity.slips),
        legs,
    }));
    findings
}

/// Of the broken frames, those in which exactly one talker's tones are missing.
fn missing_talkers(stage: &Stage, legs: &[&MediaLeg]) -> Vec<Finding> {
    let plan = &stage.plan;
    let mut counts: std::collections::BTreeMap<LegNumber, Vec<(LegNumber, u64)>> =
        std::collections::BTreeMap::new();
    for leg in legs.iter().filter(|leg| leg.ear.continuity.broken > 0) {
        let continuity = &leg.ear.continuity;
        let spectrum = stage.spectrum.transform(continuity.reference());
        for talker in (0..plan.talkers()).map(LegNumber) {
            if !plan.should_hear(leg.number, talker) {
                continue;
            }
            let is_missing = |broken: &&Broken| misses(broken, talker, stage, &spectrum);
            let frames = continuity.kept.iter().filter(is_missing).count() as u64;
            if frames > 0 {
                counts.entry(talker).or_default().push((leg.number, frames));
            }
        }
    }
    counts
        .into_iter()
        .map(|(talker, heard)| Finding::TalkerFramesMissing {
            talker,
            frames: heard.iter().map(|(_, frames)| *frames).max().unwrap_or(0),
            listeners: heard.into_iter().map(|(leg, _)| leg).collect(),
        })
        .collect()
}

/// Whether the frame lacks just this talker: its difference is the talker's own sound, upside down.
fn misses(broken: &Broken, talker: LegNumber, stage: &Stage, spectrum: &[Complex]) -> bool {
    let (mut product, mut ours, mut theirs) = (0.0, 0.0, 0.0);
    for (n, &difference) in broken.difference.iter().enumerate() {
        let sound = sound_at(broken.place + n, talker, stage, spectrum);
        let difference = f64::from(difference);
        product -= sound * difference;
        ours += difference * difference;
        theirs += sound * sound;
    }
    product > ALIKE * (ours * theirs).sqrt() && theirs > 0.0
}

/// The talker's part of the reference at this place of the period.
fn sound_at(place: usize, talker: LegNumber, stage: &Stage, spectrum: &[Complex]) -> f64 {
    let period = stage.tones.period();
    let part = |bin: usize| {
        let turns = (bin * place % period) as f64 / period as f64;
        let (sin, cos) = (turns * std::f64::consts::TAU).sin_cos();
        let (re, im) = spectrum[bin];
        f64::from(re) * cos - f64::from(im) * sin
    };
    stage.tones.bins(talker).map(part).iter().sum()
}

fn packet_findings(plan: &Plan, legs: &[&MediaLeg]) -> Vec<Finding> {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let gapped = collect(legs, |leg| leg.ear.arrivals.lost() > 0);
    let doubled = collect(legs, |leg| leg.ear.arrivals.duplicates > 0);
    let restarted = collect(legs, |leg| leg.ear.arrivals.restarts > 0);
    let foreign = collect(legs, |leg| leg.ear.foreign > 0);
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
    findings.extend(listed(foreign, |legs| Finding::Foreign {
        packets: sum(|leg| leg.ear.foreign),
        legs,
    }));
    findings.extend(listed(starved, |legs| Finding::NeverSent {
        packets: never_sent,
        legs,
    }));
    findings
}

/// Packets that the time holds, that neither came nor left a hole in the sequence; 0 if that is within
/// reason, or if nothing came at all (which is a finding of its own).
fn never_sent(plan: &Plan, leg: &MediaLeg) -> u64 {
    let arrivals = &leg.ear.arrivals;
    let expected = plan.measured_frames();
    let short = expected.saturating_sub(arrivals.received + arrivals.lost());
    let within_reason = EDGE_PACKETS.max(expected / NEVER_SENT_SHARE);
    if arrivals.received == 0 || short <= within_reason {
        0
    } else {
        short
    }
}

fn own_lateness(harvest: &Harvest) -> Option<Finding> {
    let times = harvest.punctuality.lateness.times();
    let share = harvest.punctuality.late as f64 / times.count.max(1) as f64;
    (share > OWN_LATE_MAX).then_some(Finding::CallersLate {
        percent: share * 100.0,
        worst_ms: times.max,
    })
}

fn notes(report: &Report, measured: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if !measured {
        notes.push("nothing was measured".to_owned());
        return notes;
    }
    if report.packets.on_time_percent < ON_TIME_PERCENT {
        notes.push(format!(
            "{:.3} % of packets were on time; {ON_TIME_PERCENT} % is what a node should keep",
            report.packets.on_time_percent
        ));
    }
    if report.hearing.excused > 0 {
        notes.push(format!(
            "{} broken frames came within half a second of a packet of ours that left late, and are \
             not held against the node",
            report.hearing.excused
        ));
    }
    notes
}

fn hearing(plan: &Plan, stage: &Stage, legs: &[&MediaLeg]) -> Hearing {
    let present: Vec<_> = legs.iter().map(|leg| leg.number).collect();
    let mut sums = Hearing {
        window_ms: (stage.tones.period() * 20 / FRAME_SAMPLES) as u64,
        ..Hearing::default()
    };
    for leg in legs {
        let (continuity, count) = (&leg.ear.continuity, leg.ear.votes.best());
        sums.windows += u64::from(count.windows);
        sums.frames += continuity.frames;
        sums.silent += continuity.silent;
        sums.broken += continuity.broken;
        sums.slips += continuity.slips;
        sums.excused += continuity.excused;
        for talker in present
            .iter()
            .filter(|talker| plan.should_hear(leg.number, **talker))
        {
            sums.pairs += 1;
            let heard = count.heard.get(talker.0).copied().unwrap_or(0);
            sums.pairs_heard += u64::from(heard == count.windows && heard > 0);
        }
        if let Some((low, high)) = leg.ear.votes.levels {
            sums.level_min_db = Some(sums.level_min_db.map_or(low, |min| min.min(low)));
            sums.level_max_db = Some(sums.level_max_db.map_or(high, |max| max.max(high)));
        }
    }
    sums
}

fn packets(plan: &Plan, legs: &[&MediaLeg]) -> Packets {
    let sum = |count: fn(&MediaLeg) -> u64| legs.iter().map(|leg| count(leg)).sum::<u64>();
    let expected = plan.measured_frames() * legs.len() as u64;
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
        // A packet more than expected can fall into the time by its edges.
        on_time_percent: (100.0 * on_time as f64 / expected.max(1) as f64).min(100.0),
    }
}

fn legs(plan: &Plan, tally: &Tally, harvest: &Harvest) -> Vec<LegReport> {
    let leg_report = |leg: &MediaLeg| {
        let (arrivals, continuity) = (&leg.ear.arrivals, &leg.ear.continuity);
        LegReport {
            leg: leg.number,
            conference: plan.conference_of(leg.number),
            talker: plan.is_talker(leg.number),
            setup_ms: tally.setup_ms[leg.number.0],
            sent: leg.sent,
            received: arrivals.received,
            lost: arrivals.lost(),
            duplicates: arrivals.duplicates,
            reordered: arrivals.reordered,
            on_time: arrivals.on_time,
            lateness_max_ms: arrivals.lateness.max(),
            jitter_ms: arrivals.jitter_ms(),
            delay_ms: of(delays(leg)).times(),
            windows: leg.ear.votes.best().windows,
            silent: continuity.silent,
            broken: continuity.broken,
            slips: continuity.slips,
        }
    };
    harvest.legs.iter().map(leg_report).collect()
}

fn delays(leg: &MediaLeg) -> impl Iterator<Item = f64> {
    leg.ear.delays_ms.iter().map(|&ms| f64::from(ms))
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

fn collect(legs: &[&MediaLeg], is: impl Fn(&MediaLeg) -> bool) -> Vec<LegNumber> {
    legs.iter()
        .filter(|leg| is(leg))
        .map(|leg| leg.number)
        .collect()
}

/// A finding about these legs, if there are any.
fn listed(
    legs: Vec<LegNumber>,
    finding: impl FnOnce(Vec<LegNumber>) -> Finding,
) -> Option<Finding> {
    (!legs.is_empty()).then(|| finding(legs))
}
