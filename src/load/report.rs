//! What a run has shown: as data for programs, as a table for people, and a verdict.

use std::fmt;

use serde::Serialize;

use super::browser::BrowserCalls;
use super::codec::Codec;
use super::finding::Finding;
use super::histogram::Times;
use super::ledger::LedgerCheck;
use super::media::LATE_MS;
use super::muting::Muting;
use super::passers_by::PassersBy;
use super::plan::{LegNumber, Plan};

/// Everything that is known after a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    pub plan: Plan,
    /// Whether all was heard as it should be: no findings.
    pub right: bool,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// What a reader should know though nothing is wrong by it.
    pub notes: Vec<String>,
    /// The calls.
    pub calls: Calls,
    /// Those of callers in browsers, if there are any.
    pub browsers: Option<BrowserCalls>,
    /// Who heard whom.
    pub hearing: Hearing,
    /// How much of what was heard was not as it had been.
    pub concealment: Concealment,
    /// The packets.
    pub packets: Packets,
    /// Lateness of packets against their own best schedule, ms.
    pub lateness_ms: Times,
    /// Mean interarrival jitter of each leg (RFC 3550), over the legs, ms.
    pub jitter_ms: Times,
    /// From a talker's mouth to a listener's ear, ms; a forwarder that takes no time has 0.
    pub delay_ms: Times,
    /// The same from each codec to each, when there are several.
    pub delay_by_codecs: Vec<CodecDelay>,
    /// What the node says of its own delay, where it was asked.
    pub ledger: Option<LedgerCheck>,
    /// Calls that came and went meanwhile, if that was asked for.
    pub set_ups: Option<PassersBy>,
    /// Requests to the node's API meanwhile, if that was asked for.
    pub mutes: Option<Muting>,
    /// How late the callers' own packets left, ms.
    pub own_lateness_ms: Times,
    /// What the node cost, where that could be measured.
    pub node: Option<Cost>,
    /// What the callers themselves cost meanwhile.
    pub callers: Option<Cost>,
    /// What a bare reflector of as many packets cost in the same run, if asked for.
    pub reflector: Option<Cost>,
    /// The node's processor time over the reflector's.
    pub ratio_to_reflector: Option<f64>,
    /// Leg by leg.
    pub legs: Vec<LegReport>,
}

/// How the calls fared.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Calls {
    /// INVITEs and offers that began a call.
    pub dialled: usize,
    /// Calls answered with usable SDP.
    pub answered: usize,
    /// From INVITE to answer, ms; of telephones.
    pub setup_ms: Times,
}

/// Who heard whom, in sums.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Hearing {
    /// Windows judged, over all legs.
    pub windows: u64,
    /// A window's length, ms.
    pub window_ms: u64,
    /// Pairs of a listener and a talker it must hear.
    pub pairs: u64,
    /// Of those, the pairs that were heard in every window.
    pub pairs_heard: u64,
    /// Frames whose continuity was checked.
    pub frames: u64,
    /// Frames replaced by silence.
    pub silent: u64,
    /// Frames replaced by something else.
    pub broken: u64,
    /// Times the sound jumped.
    pub slips: u64,
    /// Broken frames not held against the node, because a packet of ours had left late just before.
    pub excused: u64,
    /// The weakest tone heard, dB of what was sent.
    pub level_min_db: Option<f32>,
    /// The strongest tone heard, dB of what was sent.
    pub level_max_db: Option<f32>,
    /// Beeps that listeners should have heard.
    pub beeps: u64,
    /// Beeps that they did hear, within 300 ms.
    pub beeps_heard: u64,
}

/// Frames that were not as the same place of the sound had been before: lost, concealed, stretched or silent. Speech has no
/// such period, and is not counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Concealment {
    /// Frames compared.
    pub frames: u64,
    /// Of those, the ones that were not as before.
    pub disturbed: u64,
    /// The same, of 100.
    pub percent: f64,
    /// What the callers' own networks explain, of 100; more is a finding.
    pub percent_max: f64,
}

/// What the callers' own networks did to packets on their way to the node, in sums.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Impaired {
    /// Lost.
    pub lost: u64,
    /// Lost because nothing got through.
    pub blacked_out: u64,
    /// Held back until others had passed.
    pub reordered: u64,
    /// Sent twice.
    pub duplicated: u64,
}

/// The packets of the time measured, in sums.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Packets {
    /// Sent by the callers.
    pub sent: u64,
    /// That the callers' kernel would not send.
    pub send_errors: u64,
    /// Received by the callers.
    pub received: u64,
    /// That should have been received: 50 a second for each leg, but for one that the time's edge may cut.
    pub expected: u64,
    /// Missing by sequence number.
    pub lost: u64,
    /// Received again.
    pub duplicates: u64,
    /// Received after a later one.
    pub reordered: u64,
    /// Received within 20 ms of the best schedule.
    pub on_time: u64,
    /// What became of the callers' packets on their way, from the first to the last.
    pub impaired: Impaired,
    /// Those on time, of 100 expected.
    pub on_time_percent: f64,
}

/// Delays from talkers of one codec to listeners of another (or the same), with all that codecs and resampling add.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CodecDelay {
    /// What the talkers speak.
    pub from: Codec,
    /// What the listeners speak.
    pub to: Codec,
    /// From a talker's mouth to a listener's ear, ms.
    pub delay_ms: Times,
}

/// What a caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LegKind {
    /// A telephone, by SIP.
    Sip,
    /// A browser, by an offer over HTTP.
    Browser,
}

/// One leg.
#[derive(Clone, Debug, Serialize)]
pub struct LegReport {
    /// Its number.
    pub leg: LegNumber,
    /// The conference it dialled.
    pub conference: usize,
    /// Whether it is a telephone or a browser.
    pub kind: LegKind,
    /// Whether it talked.
    pub talker: bool,
    /// What it spoke.
    pub codec: Codec,
    /// From INVITE or offer to answer, ms; none when it was not answered.
    pub setup_ms: Option<f64>,
    /// From a browser's offer to the first packet with sound, ms.
    pub first_audio_ms: Option<f64>,
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets missing by sequence number.
    pub lost: u64,
    /// Packets received again.
    pub duplicates: u64,
    /// Packets received after a later one.
    pub reordered: u64,
    /// Packets within 20 ms of the best schedule.
    pub on_time: u64,
    /// The latest packet, ms.
    pub lateness_max_ms: f64,
    /// Mean interarrival jitter, ms.
    pub jitter_ms: f64,
    /// Delay of the beeps heard, ms.
    pub delay_ms: Times,
    /// Windows judged.
    pub windows: u32,
    /// Frames replaced by silence.
    pub silent: u64,
    /// Frames replaced by something else.
    pub broken: u64,
    /// Times the sound jumped.
    pub slips: u64,
    /// All frames that were not as before.
    pub disturbed: u64,
}

/// What a process cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Processor time, µs for one leg in one second: the process's own and the system's on its behalf.
    pub cpu_us_per_leg_second: f64,
    /// Of that, the system's.
    pub system_us_per_leg_second: f64,
    /// Of one core, in percent.
    pub core_percent: f64,
    /// Resident memory while measuring, KiB.
    pub rss_kib: u64,
    /// Resident memory added since before the first call, KiB for each leg.
    pub rss_kib_per_leg: f64,
}

impl Report {
    /// Whether there is a finding that `is` says yes to.
    pub fn has(&self, is: impl Fn(&Finding) -> bool) -> bool {
        self.findings.iter().any(is)
    }

    /// Whether the callers themselves were once so late that some faults were not counted. A test that
    /// wants every fault counted should run again then.
    pub fn is_disturbed(&self) -> bool {
        self.own_lateness_ms.max > LATE_MS || self.hearing.excused > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_calls(f)?;
        self.write_hearing(f)?;
        self.write_packets(f)?;
        self.write_meanwhile(f)?;
        self.write_costs(f)?;
        for note in &self.notes {
            writeln!(f, "note         {note}")?;
        }
        self.write_verdict(f)
    }
}

impl Report {
    fn write_calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, calls) = (&self.plan, &self.calls);
        writeln!(
            f,
            "run          {} legs in {} conferences, {} talkers in each, {}",
            plan.legs(),
            plan.conferences(),
            plan.talkers_each(),
            spoken(plan)
        )?;
        if let Some(speech) = plan.speech() {
            writeln!(f, "speech       {}", speech.name())?;
        }
        if !plan.network().is_none() {
            writeln!(f, "network      {}; seed {}", plan.network(), plan.seed())?;
        }
        writeln!(
            f,
            "calls        {} of {} answered; set-up ms: {}",
            calls.answered,
            calls.dialled,
            Row(&calls.setup_ms)
        )?;
        let Some(BrowserCalls { legs, connected, answer_ms, first_audio_ms }) = &self.browsers else {
            return Ok(());
        };
        writeln!(f, "browsers     {connected} of {legs} connected; offer to answer ms: {}", Row(answer_ms))?;
        writeln!(f, "             offer to first audio ms: {}", Row(first_audio_ms))
    }

    fn write_hearing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hearing = &self.hearing;
        write!(
            f,
            "hearing      {} of {} pairs heard; {} windows of {} ms",
            hearing.pairs_heard, hearing.pairs, hearing.windows, hearing.window_ms
        )?;
        if let (Some(min), Some(max)) = (hearing.level_min_db, hearing.level_max_db) {
            write!(f, "; levels {min:+.1} to {max:+.1} dB")?;
        }
        writeln!(f)?;
        if self.plan.speech().is_none() {
            self.write_continuity(f)?;
        }
        writeln!(
            f,
            "added delay  ms: {}; {} of {} beeps heard",
            Row(&self.delay_ms),
            hearing.beeps_heard,
            hearing.beeps
        )?;
        self.delay_by_codecs.iter().try_for_each(|CodecDelay { from, to, delay_ms }| {
            writeln!(f, "             {:>4} to {:<4}: {}", from.name(), to.name(), Row(delay_ms))
        })?;
        let Some(LedgerCheck { pairs, told_ms, measured_ms, difference_ms, worst_ms }) = self.ledger else {
            return Ok(());
        };
        let way = if self.plan.network().is_none() { "" } else { ", which has the way to the node in it" };
        writeln!(
            f,
            "ledger       ms: the node says {told_ms:.1}, measured {measured_ms:.1}{way}: {difference_ms:+.1} (medians of {pairs} \
             pairs; the worst {worst_ms:+.1})"
        )
    }

    fn write_continuity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hearing = &self.hearing;
        write!(
            f,
            "continuity   {} frames checked: {} silent, {} broken, {} jumps",
            hearing.frames, hearing.silent, hearing.broken, hearing.slips
        )?;
        if hearing.excused > 0 {
            write!(f, " ({} not counted: our own packets were late)", hearing.excused)?;
        }
        writeln!(f)?;
        let Concealment { percent, percent_max, .. } = self.concealment;
        if self.plan.network().harms() {
            writeln!(
                f,
                "concealment  {percent:.1} % of frames not as before; the network explains {percent_max:.1} %"
            )?;
        }
        Ok(())
    }

    fn write_packets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packets = &self.packets;
        writeln!(
            f,
            "packets      {} sent, {} of {} received; {} lost, {} twice, {} reordered",
            packets.sent,
            packets.received,
            packets.expected,
            packets.lost,
            packets.duplicates,
            packets.reordered
        )?;
        let Impaired { lost, blacked_out, reordered, duplicated } = packets.impaired;
        if !self.plan.network().is_none() {
            writeln!(
                f,
                "on the way   {lost} lost, {blacked_out} blacked out, {reordered} held back, {duplicated} doubled, of ours"
            )?;
        }
        writeln!(
            f,
            "on time      {:.3} % within 20 ms; lateness ms: {}",
            packets.on_time_percent,
            Row(&self.lateness_ms)
        )?;
        writeln!(f, "jitter       ms: {}", Row(&self.jitter_ms))?;
        writeln!(f, "callers      own lateness ms: {}", Row(&self.own_lateness_ms))
    }

    fn write_meanwhile(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(PassersBy { dialled, completed, per_second, setup_ms, .. }) = &self.set_ups {
            writeln!(
                f,
                "set-ups      {completed} of {dialled} came and went, {per_second:.1} a second; set-up ms: {}",
                Row(setup_ms)
            )?;
        }
        match &self.mutes {
            None => Ok(()),
            Some(Muting { requests, failed, took_ms, .. }) => {
                writeln!(
                    f,
                    "mutes        {} of {requests} done; ms: {}",
                    requests - failed.min(requests),
                    Row(took_ms)
                )
            }
        }
    }

    fn write_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let costs = [("node", &self.node), ("callers", &self.callers), ("reflector", &self.reflector)];
        for (who, cost) in costs {
            if let Some(cost) = cost {
                writeln!(
                    f,
                    "{who:<12} {:.0} µs CPU per leg-second, {:.0} of it the system's ({:.1} % of a core); {:.1} MiB \
                     resident, {:.1} KiB per leg",
                    cost.cpu_us_per_leg_second,
                    cost.system_us_per_leg_second,
                    cost.core_percent,
                    cost.rss_kib as f64 / 1_024.0,
                    cost.rss_kib_per_leg
                )?;
            }
        }
        if let Some(ratio) = self.ratio_to_reflector {
            writeln!(f, "ratio        {ratio:.2} times the reflector's CPU")?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.right {
            return writeln!(f, "verdict      RIGHT: everyone heard whom they should, and nobody else");
        }
        let s = if self.findings.len() == 1 { "" } else { "s" };
        writeln!(f, "verdict      WRONG: {} finding{s}", self.findings.len())?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "  - {finding}"))
    }
}

/// Codecs, how they are protected, and who is in a browser.
fn spoken(plan: &Plan) -> String {
    let listeners = if plan.all_have_microphones() { "" } else { ", listeners without microphones" };
    if plan.browsers() == plan.legs() {
        return format!("all in browsers{listeners}");
    }
    let codecs: Vec<_> = plan.codecs().iter().map(|codec| codec.name()).collect();
    let srtp = if plan.suites().is_empty() { "" } else { ", SRTP" };
    let browsers = match plan.browsers() {
        0 => String::new(),
        browsers => format!("; {browsers} of the legs in browsers{listeners}"),
    };
    format!("{}{srtp}{browsers}", codecs.join(" and "))
}

/// The percentiles in one row.
struct Row<'a>(&'a Times);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Times { count, p50, p95, p99, max } = self.0;
        if *count == 0 {
            return f.write_str("not measured");
        }
        write!(f, "p50 {p50:.1}  p95 {p95:.1}  p99 {p99:.1}  max {max:.1}")
    }
}
