//! A scenario from its first call to its report.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::drive::{Driver, Manner};
use super::finding::FloorFinding;
use super::judge::{self, Cast, Judgement};
use super::naming::Names;
use super::phones::{Punctuality, Record};
use super::reaction::Group;
use super::report::{FloorReport, Heard};
use super::scenario::{ScenarioPlan, What};
use super::script::{Desk, PEOPLE_EACH, Step};
use super::served::Served;
use super::switchboard::Switchboard;
use super::truth::{Act, Floor};
use super::voices::pairs;
use super::{churn, leak, music, pay, recording, streams};
use crate::load::plan::random_u32;
use crate::load::process::{self, Reading};
use crate::load::report::Cost;
use crate::load::run::{Meter, Surroundings, cost};
use crate::load::wire;

/// More late packets of our own than this share of 100, and the run proves nothing.
pub(super) const OWN_LATE_PERCENT_MAX: f64 = 1.0;
/// How long everybody rests once all have called.
const REST: Duration = Duration::from_millis(500);
/// How long music may take to begin.
const MUSIC: Duration = Duration::from_millis(1_000);

/// Runs a scenario on a node, and says what was heard.
///
/// # Errors
/// When the callers cannot work at all. What the node does wrong is no error but a finding.
pub async fn run_scenario(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    wire::raise_file_limit();
    match plan.what {
        What::Floor => floor(target, plan, surroundings).await,
        What::Churn => churn::run(target, plan, surroundings).await,
        What::Leak => leak::run(target, plan, surroundings).await,
        What::Music => music::run(target, plan, surroundings).await,
        What::Record => recording::run(target, plan, surroundings).await,
        What::Streams => streams::run(target, plan, surroundings).await,
        What::Pay => pay::run(target, plan, surroundings).await,
    }
}

/// A driver for these people, who need the API unless they only come and go.
pub(super) async fn driver(
    target: SocketAddr,
    (cast, records): (Cast, Vec<Arc<Record>>),
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<Driver> {
    let switchboard = Switchboard::start(target).await.with_context(|| format!("no way to {target}"))?;
    let api = match &surroundings.node_api {
        Some(api) => {
            let at = switchboard.local().ip();
            let served =
                Served::start(at, cast.hold, cast.wait).await.context("no port for scripts and music")?;
            Some((api.clone(), served))
        }
        None => None,
    };
    let name = format!("{}-{:08x}", plan.what.name(), random_u32());
    let manner = match plan.what {
        What::Record | What::Streams => Manner::Clicks(plan.seed),
        What::Pay => Manner::Keys,
        What::Floor | What::Churn | What::Leak | What::Music => Manner::Tones,
    };
    Ok(Driver::new(name, (cast, records, plan.codecs.clone(), manner), switchboard, api)?)
}

/// What is measured of the node while something goes on.
pub(super) struct Meters {
    pid: Option<u32>,
    before: Option<Reading>,
    first: Option<Reading>,
    start: Instant,
}

impl Meters {
    pub(super) fn before(surroundings: &Surroundings) -> Self {
        let before = surroundings.node_pid.and_then(|pid| process::read(pid).ok());
        Self { pid: surroundings.node_pid, before, first: None, start: Instant::now() }
    }

    pub(super) fn begin(&mut self) {
        self.first = self.pid.and_then(|pid| process::read(pid).ok());
        self.start = Instant::now();
    }

    /// What the process cost since then for so many legs.
    pub(super) fn cost(&self, legs: usize) -> Option<Cost> {
        let last = self.pid.and_then(|pid| process::read(pid).ok());
        let elapsed = self.start.elapsed();
        let meter = self.first.zip(last).map(|(first, last)| Meter { first, last, elapsed });
        cost(self.before, meter, legs)
    }
}

/// Ends a run and judges it.
pub(super) async fn conclude(
    driver: Driver,
    plan: &ScenarioPlan,
    meters: &Meters,
    interrupt: &AtomicBool,
) -> anyhow::Result<FloorReport> {
    let end_ns = wire::monotonic_ns();
    let (elapsed, node) = (meters.start.elapsed(), meters.cost(plan.legs));
    driver.hang_up_all().await;
    let (answers, people) = (driver.answers(), driver.cast.voices.len());
    let judged = tokio::task::spawn_blocking(move || Judged::of(driver, end_ns)).await.context("judging")?;
    let Judged { judgement, punctuality, lost, acts } = judged;
    let mut findings = judgement.findings;
    if interrupt.load(Ordering::Relaxed) {
        findings = vec![FloorFinding::Interrupted];
    }
    Ok(FloorReport {
        scenario: plan.what.name().to_owned(),
        seed: plan.seed,
        right: findings.is_empty(),
        findings,
        people,
        acts: acts as u64,
        seconds: elapsed.as_secs_f64(),
        heard: Heard {
            whole: judgement.whole,
            partly: judgement.partly,
            gaps: judgement.gaps,
            excused: judgement.excused,
            lost,
        },
        reactions_ms: judgement.reactions.times(),
        answers_ms: answers,
        leaks: Vec::new(),
        music: None,
        recording: None,
        streams: None,
        paid: None,
        own_lateness_ms: punctuality.times(),
        node,
    })
}

/// What the callers bring home, judged.
struct Judged {
    judgement: Judgement,
    punctuality: Punctuality,
    lost: u64,
    acts: usize,
}

impl Judged {
    /// Stops the phones, and judges what came until `end_ns`. Waits: call it where waiting is allowed.
    fn of(driver: Driver, end_ns: i64) -> Self {
        let (journal, mut findings) = (driver.journal(), driver.findings());
        let ended = driver.switchboard.ended();
        let Driver { phones, records, cast, .. } = driver;
        let punctuality = phones.finish();
        let heard = |record: &Arc<Record>| {
            let mut glimpses = record.take();
            glimpses.sort_by_key(|glimpse| glimpse.at_ns);
            glimpses.retain(|glimpse| glimpse.at_ns < end_ns);
            glimpses
        };
        let heard: Vec<_> = records.iter().map(heard).collect();
        let lost: u64 = records.iter().map(|record| record.lost()).sum();
        let mut judgement = judge::judge(&cast, &journal, &heard, &punctuality.late_ns);
        findings.append(&mut judgement.findings);
        if !ended.is_empty() {
            findings.push(FloorFinding::EndedEarly { who: ended });
        }
        if lost > 0 {
            findings.push(FloorFinding::Lost { packets: lost });
        }
        if punctuality.late_percent() > OWN_LATE_PERCENT_MAX {
            findings.push(FloorFinding::CallersLate { percent: punctuality.late_percent() });
        }
        judgement.findings = findings;
        Self { judgement, punctuality, lost, acts: journal.len() }
    }
}

/// Desks at which everything happens at once.
async fn floor(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let desks = plan.desks();
    let mut voices = pairs();
    let music = voices.split_off(voices.len() - 2);
    voices.truncate(desks * PEOPLE_EACH);
    let records = voices.iter().map(|_| Arc::default()).collect();
    let cast = Cast { voices, hold: music[0], wait: music[1], names: Names::Desks };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, records), plan, surroundings).await?);
    let mut at_work = JoinSet::new();
    let until = Instant::now() + REST + Duration::from_secs(plan.seconds);
    meters.begin();
    for number in 0..desks {
        let (driver, interrupt) = (Arc::clone(&driver), Arc::clone(&surroundings.interrupt));
        // More acts than fit into the time: each takes a third of a second at least.
        let desk = Desk::new(number);
        let day = desk.day(plan.seed, plan.seconds as usize * 3 + 1);
        at_work.spawn(async move { work(&driver, desk, day, until, &interrupt).await });
    }
    at_work.join_all().await;
    let driver = Arc::into_inner(driver).context("somebody is still at work")?;
    conclude(driver, plan, &meters, &surroundings.interrupt).await
}

/// A desk's day. What cannot be done ends it: what comes after would make no sense.
async fn work(driver: &Driver, desk: Desk, day: Vec<Step>, until: Instant, interrupt: &AtomicBool) {
    let mut floor = Floor::new(driver.cast.voices.len());
    let mut connection = None;
    for act in desk.dial_in() {
        if !driver.perform(act, &floor, &mut connection).await {
            return;
        }
        floor.apply(act);
    }
    tokio::time::sleep(REST).await;
    for step in day {
        if Instant::now() >= until || interrupt.load(Ordering::Relaxed) {
            return;
        }
        if !driver.perform(step.act, &floor, &mut connection).await {
            return;
        }
        floor.apply(step.act);
        tokio::time::sleep(settles(step.act) + step.listen).await;
    }
}

/// How long to wait until all that an act changes can be heard.
fn settles(act: Act) -> Duration {
    if matches!(act, Act::Hold { on: true, .. }) { MUSIC } else { Group::of(act).settles() }
}
