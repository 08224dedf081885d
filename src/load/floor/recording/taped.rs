//! What became of the recordings of a run, as data and as lines of a table.

use std::fmt;

use serde::Serialize;

use super::held::Held;
use super::parts::{Lateness, RecordingCost};

/// In which way a recording is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It did not get done.
    NotCompleted,
    /// It is shorter or longer than it was recorded, or than the node says.
    WrongLength,
    /// Its tracks do not lie beside each other to the sample.
    Misaligned,
    /// A caller is not on their track, or not as loud as they spoke.
    VoiceMissing,
    /// A caller is on the other's track.
    ForeignVoice,
    /// What was heard is silence in it.
    SoundMissing,
    /// What was heard is in it otherwise.
    Altered,
    /// Its manifest says something else than its file, or its gaps are not listed.
    Damaged,
    /// Nothing in it can be held against what was heard.
    NotComparable,
}

impl Fault {
    pub(in crate::load::floor) const fn words(self) -> &'static str {
        match self {
            Self::NotCompleted => "a recording did not get done",
            Self::WrongLength => "a recording is not as long as it should be",
            Self::Misaligned => "the tracks of a recording do not lie beside each other",
            Self::VoiceMissing => "a caller is not on their track of a recording",
            Self::ForeignVoice => "a caller is on the other's track of a recording",
            Self::SoundMissing => "what was heard is not in a recording",
            Self::Altered => "what was heard is in a recording otherwise",
            Self::Damaged => "a recording is not what its manifest says",
            Self::NotComparable => "a recording cannot be held against what was heard",
        }
    }
}

/// What became of the recordings, and what they cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Taped {
    /// How many there were.
    pub recordings: u64,
    /// How long they are, all together, in seconds.
    pub seconds: f64,
    /// The most by which a track was off the other, in samples.
    pub misalignment_samples: u64,
    /// Clicks by which that was measured.
    pub clicks: u64,
    /// Packets that were heard and are held against the files.
    pub packets: u64,
    /// Those of them that are in the files but for the steps of their codec, as what stood for a packet that came too late.
    pub packets_coarser: u64,
    /// Those of them that are not in the files as they were heard.
    pub packets_other: u64,
    /// Gaps that the manifests list, where those could be read.
    pub gaps: Option<u64>,
    /// What they cost, where that could be measured.
    pub cost: Option<RecordingCost>,
    /// How late packets came while nobody was recorded.
    pub lateness_without: Lateness,
    /// How late while all were.
    pub lateness_with: Lateness,
}

impl Taped {
    /// Counts one that was held against what was heard; what is wrong with it.
    pub(super) fn add(&mut self, held: Held) -> Vec<(Fault, String)> {
        self.seconds += held.seconds;
        self.misalignment_samples = self.misalignment_samples.max(held.misalignment);
        self.clicks += held.clicks;
        self.packets += held.packets;
        self.packets_coarser += held.coarser;
        self.packets_other += held.other;
        held.faults
    }

    /// Its lines of the table.
    pub(in crate::load::floor) fn tell(
        &self,
        mut line: impl FnMut(&str, &str) -> fmt::Result,
    ) -> fmt::Result {
        let Self {
            recordings, misalignment_samples, clicks, packets, packets_coarser, packets_other, ..
        } = self;
        line("recordings", &format!("{recordings}, {:.1} s", self.seconds))?;
        line("misalignment", &format!("{misalignment_samples} samples, by {clicks} clicks"))?;
        let coarser = format!("{packets_coarser} finer than their code");
        line("packets not in the files as heard", &format!("{packets_other} of {packets}; {coarser}"))?;
        if let Some(gaps) = self.gaps {
            line("gaps that manifests list", &gaps.to_string())?;
        }
        if let Some(RecordingCost { without_us, with_us, added_percent }) = &self.cost {
            let cost =
                format!("{with_us:.0} against {without_us:.0} us per leg-second, {added_percent:+.1} %");
            line("node, recorded against not", &cost)?;
        }
        for (what, lateness) in
            [("lateness, not recorded", &self.lateness_without), ("lateness, recorded", &self.lateness_with)]
        {
            let Lateness { packets, p50, p99, p999, max } = lateness;
            let times = format!("p50 {p50:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1} ms ({packets})");
            line(what, &times)?;
        }
        Ok(())
    }
}
