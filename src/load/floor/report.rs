//! What a scenario has shown: as data for programs, as a table for people, and a verdict.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::finding::FloorFinding;
use super::leak::Leak;
use super::music::MusicCost;
use super::pay::Paid;
use super::reaction::Group;
use super::recording::Taped;
use super::streams::Streamed;
use crate::load::histogram::Times;
use crate::load::report::Cost;

/// Everything that is known after a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct FloorReport {
    /// Which one it was.
    pub scenario: String,
    /// What decided what was done.
    pub seed: u64,
    /// Whether all was heard as it should be: no findings.
    pub right: bool,
    /// What is not as it should be.
    pub findings: Vec<FloorFinding>,
    /// People who called.
    pub people: usize,
    /// What was asked for and done.
    pub acts: u64,
    /// How long that went on, in seconds.
    pub seconds: f64,
    /// Who heard whom.
    pub heard: Heard,
    /// From when a change was asked for to the first packet in which it is heard, ms.
    pub reactions_ms: BTreeMap<Group, Times>,
    /// From a request to the API to its answer, ms.
    pub answers_ms: Times,
    /// How strong a supervisor is where they should not be.
    pub leaks: Vec<Leak>,
    /// What music on hold cost, where that could be measured.
    pub music: Option<MusicCost>,
    /// What became of the recordings, and what they cost.
    pub recording: Option<Taped>,
    /// What became of the streams.
    pub streams: Option<Streamed>,
    /// What became of the payments, and what others heard of them.
    pub paid: Option<Paid>,
    /// How late the callers' own packets left, ms.
    pub own_lateness_ms: Times,
    /// What the node cost, where that could be measured.
    pub node: Option<Cost>,
}

/// Packets, each of which says who is in it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Heard {
    /// Judged as a whole.
    pub whole: u64,
    /// Judged but for what was just changing.
    pub partly: u64,
    /// With somebody missing for one or two packets, which a network may do.
    pub gaps: u64,
    /// Not held against the node because a packet of ours had left late.
    pub excused: u64,
    /// Missing by sequence number.
    pub lost: u64,
}

impl FloorReport {
    /// Whether such a finding is there.
    pub fn has(&self, is: impl Fn(&FloorFinding) -> bool) -> bool {
        self.findings.iter().any(is)
    }

    /// Whether the callers themselves were held up: then nothing is proved.
    pub fn is_disturbed(&self) -> bool {
        self.has(|finding| matches!(finding, FloorFinding::CallersLate { .. }))
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {what:<34}{value}")
}

fn times(times: &Times) -> String {
    let Times { count, p50, p99, max, .. } = times;
    format!("p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms ({count})")
}

impl fmt::Display for FloorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, seed, people, acts, seconds, heard, .. } = self;
        writeln!(f, "{scenario}: {people} people, {acts} acts in {seconds:.1} s, --seed {seed}")?;
        let Heard { whole, partly, gaps, excused, lost } = heard;
        line(f, "packets judged", &format!("{} ({partly} of them within a change)", whole + partly))?;
        line(f, "gaps, excused, lost", &format!("{gaps}, {excused}, {lost}"))?;
        for (group, reactions) in &self.reactions_ms {
            line(f, group.words(), &times(reactions))?;
        }
        if self.answers_ms.count > 0 {
            line(f, "request to answer", &times(&self.answers_ms))?;
        }
        for leak in &self.leaks {
            line(f, &format!("{}, {}", leak.codec, leak.mode), &format!("{:.1} dB", leak.db))?;
        }
        if let Some(MusicCost { listening_us, held_us, ratio }) = &self.music {
            let took = format!("{held_us:.0} against {listening_us:.0} us per leg-second, ratio {ratio:.2}");
            line(f, "node, on hold against listening", &took)?;
        }
        if let Some(taped) = &self.recording {
            taped.tell(|what, value| line(f, what, value))?;
        }
        if let Some(streamed) = &self.streams {
            streamed.tell(|what, value| line(f, what, value))?;
        }
        if let Some(paid) = &self.paid {
            paid.tell(|what, value| line(f, what, value))?;
        }
        line(f, "callers' own lateness", &times(&self.own_lateness_ms))?;
        if let Some(cost) = &self.node {
            line(
                f,
                "node",
                &format!("{:.0} us per leg-second, {} KiB", cost.cpu_us_per_leg_second, cost.rss_kib),
            )?;
        }
        for finding in &self.findings {
            writeln!(f, "  ! {finding}")?;
        }
        writeln!(f, "{}", if self.right { "RIGHT" } else { "WRONG" })
    }
}
