//! One run from the first INVITE to the report.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::browser::{Application, Desk};
use super::ledger::{self, Told};
use super::media::{Harvest, MediaLeg, MediaThreads};
use super::muting::{self, Muting};
use super::node_api::NodeApi;
use super::passers_by::{self, PassersBy};
use super::plan::{Plan, frames_to_duration};
use super::process::{self, Reading};
use super::progress::Progress;
use super::record::Recorder;
use super::report::{Cost, Report};
use super::signalling::Signalling;
use super::stage::Stage;
use super::{likeness, verdict, wire};

/// What a run may know besides its target and plan.
#[derive(Debug)]
pub struct Surroundings {
    /// The node's process, if it is on this machine: its cost is measured.
    pub node_pid: Option<u32>,
    /// The node's API: it is asked about its own delay.
    pub node_api: Option<NodeApi>,
    /// The node's data directory, if it is on this machine: the manifests of recordings are read.
    pub node_data: Option<PathBuf>,
    /// Where progress is shown.
    pub progress: Progress,
    /// Set it to end the run early; calls are hung up and the report says so.
    pub interrupt: Arc<AtomicBool>,
}

impl Default for Surroundings {
    fn default() -> Self {
        let interrupt = Arc::default();
        Self { node_pid: None, node_api: None, node_data: None, progress: Progress::hidden(), interrupt }
    }
}

/// Calls `target` as planned, listens, hangs up, and says what was heard.
///
/// # Errors
/// When the callers cannot work at all: no sockets, no threads. What the node does wrong is no error
/// but a finding.
pub async fn execute(target: SocketAddr, plan: &Plan) -> anyhow::Result<Report> {
    execute_in(target, plan, &Surroundings::default()).await
}

/// The same, with the node's costs, progress, and a way to interrupt.
///
/// # Errors
/// As [`execute`].
pub async fn execute_in(
    target: SocketAddr,
    plan: &Plan,
    surroundings: &Surroundings,
) -> anyhow::Result<Report> {
    // Two sockets for each leg of a spawned node's and ours, and some.
    wire::raise_file_limit();
    let mut stage = Stage::new(plan);
    let recorder = match plan.record() {
        None => None,
        Some(directory) => {
            let started = Recorder::start(directory, plan);
            let (recorder, microphone) =
                started.with_context(|| format!("cannot record to {}", directory.display()))?;
            stage.microphone = Some(microphone);
            Some(recorder)
        }
    };
    let stage = Arc::new(stage);
    let media = MediaThreads::start(&stage).context("cannot start the sending threads")?;
    let mut signalling = Signalling::new(plan, target, &surroundings.interrupt)
        .await
        .with_context(|| format!("no way to {target}"))?;

    let application = surroundings.let_browsers_in(plan, &mut signalling).await?;

    let before = (surroundings.read_node(), read_ourselves());
    let measured = set_up_and_measure(&mut signalling, &media, &stage, surroundings).await?;
    let (meters, meanwhile) = measured.unwrap_or_default();
    let told = surroundings.ask_ledger(plan, &signalling).await;
    let (dialled, answered) = signalling.progress();
    surroundings.progress.hanging_up(answered);
    signalling.hang_up().await.context("hanging up")?;
    if let Some(application) = application {
        application.end().await;
    }
    surroundings.progress.finish();

    let harvest = take_home(media, &stage).await?;
    let closed = harvest.legs.iter().filter(|leg| leg.closed_early).map(|leg| leg.number);
    signalling.tally.ended_early.extend(closed);
    let mut report = verdict::report(&stage, &signalling.tally, dialled, &harvest);
    if let Some(told) = told {
        ledger::compare(&mut report, told, &harvest);
    }
    if let Some(recorder) = recorder {
        report.notes.extend(end_recording(recorder, &stage).await?);
    }
    let report = report.with_meanwhile(meanwhile.set_ups, meanwhile.mutes);
    let report = report.with_callers_cost(cost(before.1, meters.callers, answered));
    let report = report.with_costs(cost(before.0, meters.node, answered), None);
    let interrupted = surroundings.interrupt.load(Ordering::Relaxed);
    Ok(if interrupted { report.cut_short() } else { report })
}

/// What processes showed when measuring began and ended.
#[derive(Clone, Copy, Debug, Default)]
struct Meters {
    node: Option<Meter>,
    /// Our own.
    callers: Option<Meter>,
}

/// What a process showed when measuring began and ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    pub(super) first: Reading,
    pub(super) last: Reading,
    pub(super) elapsed: Duration,
}

impl Surroundings {
    fn read_node(&self) -> Option<Reading> {
        process::read(self.node_pid?).ok()
    }

    /// Makes ready for callers in browsers, if the plan has any: an application of theirs at the node.
    async fn let_browsers_in(
        &self,
        plan: &Plan,
        signalling: &mut Signalling<'_>,
    ) -> anyhow::Result<Option<Arc<Application>>> {
        if plan.browsers() == 0 {
            return Ok(None);
        }
        let api = self.node_api.as_ref().context("browsers call over the node's API, which is not known")?;
        let at = signalling.local_ip()?;
        let application = Arc::new(Application::start(api, at).await?);
        signalling.use_desk(Desk::new(api.clone(), Arc::clone(&application), at));
        Ok(Some(application))
    }

    /// What the plan wants to happen while others are listened to.
    async fn meanwhile(&self, target: SocketAddr, plan: &Plan, until: Instant) -> io::Result<Meanwhile> {
        let come_and_go = async {
            match plan.passers_by() {
                0 => Ok(None),
                _ => passers_by::come_and_go(plan, target, until, &self.interrupt).await.map(Some),
            }
        };
        let mute = async {
            match &self.node_api {
                Some(api) if plan.mutes() > 0 => {
                    Some(muting::mute_listeners(api, plan, until, &self.interrupt).await)
                }
                Some(_) | None => None,
            }
        };
        let (set_ups, mutes) = tokio::join!(come_and_go, mute);
        Ok(Meanwhile { set_ups: set_ups?, mutes })
    }

    /// What the node says of its own delay, while the calls last.
    async fn ask_ledger(&self, plan: &Plan, signalling: &Signalling<'_>) -> Option<Told> {
        let api = self.node_api.as_ref()?;
        let (_, answered) = signalling.progress();
        if answered < plan.legs() || signalling.is_interrupted() {
            return None;
        }
        Some(ledger::ask(api, plan).await)
    }
}

async fn set_up_and_measure(
    signalling: &mut Signalling<'_>,
    media: &MediaThreads,
    stage: &Arc<Stage>,
    surroundings: &Surroundings,
) -> anyhow::Result<Option<(Meters, Meanwhile)>> {
    let progress = &surroundings.progress;
    progress.dialling(&stage.plan);
    let mut answered = 0;
    let dialled = signalling.dial(|call| {
        answered += 1;
        progress.at(answered);
        media.add(MediaLeg::new(call, stage)?)
    });
    dialled.await.context("calling")?;
    if answered == 0 || signalling.is_interrupted() {
        return Ok(None);
    }
    measure(signalling, stage, surroundings).await.map(Some).context("measuring")
}

async fn measure(
    signalling: &mut Signalling<'_>,
    stage: &Stage,
    surroundings: &Surroundings,
) -> io::Result<(Meters, Meanwhile)> {
    let progress = &surroundings.progress;
    let (begin_ns, end_ns) = stage.begin();
    signalling.attend(instant_of(begin_ns), || {}).await?;

    let start = Instant::now();
    let first = (surroundings.read_node(), read_ourselves());
    progress.measuring(frames_to_duration(stage.plan.measured_frames()));
    let show = || progress.at(start.elapsed().as_secs());
    let target = signalling.target();
    let (attended, meanwhile) = tokio::join!(
        async {
            let attended = signalling.attend(instant_of(end_ns), show).await;
            // Those who come and go are gone a little later; that is not part of what is measured.
            attended.map(|()| (start.elapsed(), surroundings.read_node(), read_ourselves()))
        },
        surroundings.meanwhile(target, &stage.plan, instant_of(end_ns)),
    );
    let ((elapsed, node, ourselves), meanwhile) = (attended?, meanwhile?);
    let meter = |first: Option<Reading>, last: Option<Reading>| {
        first.zip(last).map(|(first, last)| Meter { first, last, elapsed })
    };
    Ok((Meters { node: meter(first.0, node), callers: meter(first.1, ourselves) }, meanwhile))
}

fn read_ourselves() -> Option<Reading> {
    process::read(std::process::id()).ok()
}

/// What happened while others were listened to.
#[derive(Debug, Default)]
struct Meanwhile {
    set_ups: Option<PassersBy>,
    mutes: Option<Muting>,
}

/// The moment of our own clock as the runtime's clock has it; both are the monotonic one.
fn instant_of(time_ns: i64) -> Instant {
    let ahead = u64::try_from(time_ns - wire::monotonic_ns()).unwrap_or(0);
    Instant::now() + Duration::from_nanos(ahead)
}

/// Waits for the sending threads where waiting is allowed.
pub(super) async fn take_home(media: MediaThreads, stage: &Arc<Stage>) -> anyhow::Result<Harvest> {
    let stage = Arc::clone(stage);
    let harvest = tokio::task::spawn_blocking(move || {
        let mut harvest = media.finish()?;
        likeness::judge(&stage, &mut harvest);
        io::Result::Ok(harvest)
    });
    Ok(harvest.await.context("waiting for the sending threads")??)
}

/// Waits until all is written; what to say of it.
async fn end_recording(recorder: Recorder, stage: &Arc<Stage>) -> anyhow::Result<Vec<String>> {
    let stage = Arc::clone(stage);
    let ended = tokio::task::spawn_blocking(move || {
        let Some(microphone) = &stage.microphone else {
            return Vec::new();
        };
        microphone.end();
        let written = match recorder.finish() {
            Ok(files) => format!("{files} recordings were written"),
            Err(problem) => problem,
        };
        let left_out = microphone.left_out();
        let gaps = (left_out > 0).then(|| format!("the disk was too slow for {left_out} packets of them"));
        [Some(written), gaps].into_iter().flatten().collect()
    });
    ended.await.context("waiting for the recorder")
}

/// What the process cost for `legs` legs; `before` is the reading without any.
pub(super) fn cost(before: Option<Reading>, meter: Option<Meter>, legs: usize) -> Option<Cost> {
    let (before, Meter { first, last, elapsed }) = before.zip(meter)?;
    let (seconds, legs) = (elapsed.as_secs_f64(), legs.max(1) as f64);
    let cpu_us = last.cpu_us - first.cpu_us;
    let system_us = last.system_us - first.system_us;
    Some(Cost {
        cpu_us_per_leg_second: cpu_us / (seconds * legs),
        system_us_per_leg_second: system_us / (seconds * legs),
        core_percent: cpu_us / seconds / 1e4,
        rss_kib: last.rss_kib,
        rss_kib_per_leg: last.rss_kib.saturating_sub(before.rss_kib) as f64 / legs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_for_one_leg_in_one_second() {
        let reading = |cpu_us, rss_kib| Reading { cpu_us, system_us: cpu_us / 4.0, rss_kib };
        let meter = Meter {
            first: reading(1e6, 20_000),
            last: reading(2e6, 22_000),
            elapsed: Duration::from_secs(10),
        };
        let cost = cost(Some(reading(0.0, 12_000)), Some(meter), 100).unwrap();
        assert!((cost.cpu_us_per_leg_second - 1_000.0).abs() < 1e-6);
        assert!((cost.system_us_per_leg_second - 250.0).abs() < 1e-6);
        assert!((cost.core_percent - 10.0).abs() < 1e-6);
        assert!((cost.rss_kib_per_leg - 100.0).abs() < 1e-6);
    }
}
