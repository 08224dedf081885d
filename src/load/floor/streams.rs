//! What streams are worth: servers of our own, to which the node streams what callers say and hear, and which speak to them.
//! Nothing is believed of what the node says; it is measured from outside what left when and came when:
//!
//! ```text
//! caller ── packets, each of which says whose it is ──▶ node ── messages ──▶ server   (fork: two callers and their streams)
//! caller ◀── packets ── node ◀── sentences, marks, clears ── agent                     (talk: a caller and an agent)
//! ```
//!
//! Callers speak as in [`recording`](super::recording): tones that repeat and clicks that do not. G.711 and a conference of two
//! leave every sample as it is, so each message and each packet tells which samples it has, and of whom.

mod agent;
mod fault;
mod judge;
mod line;
mod peer;
mod round;
mod sentences;
mod streamed;
mod talk;
mod told;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::agent::Agent;
pub use self::fault::StreamFault;
use self::judge::{Matter, Verdict, judge};
use self::line::Line;
use self::peer::{Peer, Station, Stations, open};
use self::round::Round;
pub use self::streamed::Streamed;
use self::told::StreamEar;
use super::drive::{Driver, encoded};
use super::finding::FloorFinding;
use super::judge::Cast;
use super::naming::Names;
use super::phones::{Attendant, Punctuality, Record};
use super::recording::{clicking, two_voices};
use super::report::{FloorReport, Heard};
use super::run::{Meters, OWN_LATE_PERCENT_MAX, driver};
use super::scenario::ScenarioPlan;
use super::truth::{Act, Floor, Spot, Who};
use super::voices::Tones;
use crate::load::node_api::NodeApi;
use crate::load::run::Surroundings;
use crate::load::wire;

/// Between two calls, so that they come at the pace of a ramp.
const RAMP: Duration = Duration::from_millis(20);
/// Requests under way at a time, as a pool of an SDK has.
const AT_ONCE: usize = 4;
/// Before it is measured, until buffers have come to rest and everybody's place is known.
const REST: Duration = Duration::from_millis(1_500);
/// How often it is looked whether the run is to end.
const STEP: Duration = Duration::from_millis(100);
/// How long servers have at most until they have been told of the end.
const END_MAX: Duration = Duration::from_secs(5);

/// All who take part.
struct Party {
    rounds: Vec<Arc<Round>>,
    lines: Vec<Arc<Line>>,
    stations: Stations,
}

impl Party {
    fn new(plan: &ScenarioPlan) -> Self {
        let forks = plan.forks();
        let voices = voices(plan.legs);
        let round = |who: usize| {
            let voice = voices[who % plan.legs];
            Arc::new(Round::of(&clicking(voice, 1, (plan.seed, Who(who)))))
        };
        let rounds: Vec<_> = (0..plan.legs).map(round).collect();
        // Agents speak as further callers would.
        let agents: Vec<_> = (forks..plan.legs).map(|who| round(plan.legs + who)).collect();
        let lines = (0..plan.legs).map(|who| match who.checked_sub(forks) {
            None => Arc::new(Line::with_partner(Arc::clone(&rounds[who ^ 1]))),
            Some(n) => Arc::new(Line::with_agent(Arc::clone(&agents[n]))),
        });
        let lines: Vec<Arc<Line>> = lines.collect();
        let station = |who: usize| {
            let own = ("inbound", Arc::clone(&rounds[who]));
            Mutex::new(match who.checked_sub(forks) {
                None => {
                    let other = ("outbound", Arc::clone(&rounds[who ^ 1]));
                    Station { ear: StreamEar::new(vec![own, other]), agent: None }
                }
                Some(n) => {
                    let (round, line) = (Arc::clone(&agents[n]), Arc::clone(&lines[who]));
                    let agent = Agent::new(round, line, plan.seed ^ who as u64);
                    Station { ear: StreamEar::new(vec![own]), agent: Some(agent) }
                }
            })
        };
        let stations = Arc::new((0..plan.legs).map(station).collect());
        Self { rounds, lines, stations }
    }

    fn records(&self) -> Vec<Arc<Record>> {
        let of = |line: &Arc<Line>| Arc::new(Record::attended_by(Arc::clone(line) as Arc<dyn Attendant>));
        self.lines.iter().map(of).collect()
    }
}

fn voices(legs: usize) -> Vec<Tones> {
    (0..legs.div_ceil(2)).flat_map(two_voices).take(legs).collect()
}

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let party = Party::new(plan);
    let cast =
        Cast { voices: voices(plan.legs), hold: Tones::NONE, wait: Tones::NONE, names: Names::Callers };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, party.records()), plan, surroundings).await?);
    let at = plan.streams.listen.unwrap_or_else(|| SocketAddr::new(driver.switchboard.local().ip(), 0));
    let peer = Peer::start(at, Arc::clone(&party.stations)).await.context("no port for streams")?;
    seat_all(&driver, plan).await;
    begin_all(&driver, plan, plan.streams.told.unwrap_or(peer.address)).await;
    tokio::time::sleep(REST).await;
    meters.begin();
    let from_ns = wire::monotonic_ns();
    pass(Duration::from_secs(plan.seconds), &surroundings.interrupt).await;
    let (until_ns, node) = (wire::monotonic_ns(), meters.cost(plan.legs));
    driver.hang_up_all().await;
    wait_for_end(&party.stations).await;
    drop(peer);
    let driver = Arc::into_inner(driver).context("somebody is still at work")?;
    let report = conclude(driver, &party, plan, (from_ns, until_ns)).await?;
    let is_cut_short = surroundings.interrupt.load(Ordering::Relaxed);
    let findings = if is_cut_short { vec![FloorFinding::Interrupted] } else { report.findings };
    Ok(FloorReport { right: findings.is_empty(), findings, node, ..report })
}

/// Judges what everybody brings home.
async fn conclude(
    driver: Driver,
    party: &Party,
    plan: &ScenarioPlan,
    (from_ns, until_ns): (i64, i64),
) -> anyhow::Result<FloorReport> {
    let (answers_ms, mut findings) = (driver.answers(), driver.findings());
    let (ended, journal) = (driver.switchboard.ended(), driver.journal());
    let Driver { phones, records, .. } = driver;
    let punctuality = tokio::task::spawn_blocking(|| phones.finish()).await.context("the phones")?;
    let verdict = party.judged(plan, (from_ns, until_ns), &punctuality.late_ns);
    let lost: u64 = records.iter().map(|record| record.lost()).sum();
    findings.extend(findings_of(&verdict, &punctuality, ended, lost));
    let Verdict { streamed, excused, .. } = verdict;
    let whole = streamed.sounds - streamed.sounds_other;
    Ok(FloorReport {
        scenario: plan.what.name().to_owned(),
        seed: plan.seed,
        right: findings.is_empty(),
        findings,
        people: plan.legs,
        acts: journal.len() as u64,
        seconds: (until_ns - from_ns) as f64 / 1e9,
        heard: Heard { whole, partly: 0, gaps: streamed.dropped, excused, lost },
        reactions_ms: BTreeMap::default(),
        answers_ms,
        leaks: Vec::new(),
        music: None,
        recording: None,
        paid: None,
        streams: Some(Streamed { misbehaving: plan.streams.misbehaving, ..streamed }),
        own_lateness_ms: punctuality.times(),
        node: None,
    })
}

fn findings_of(
    verdict: &Verdict,
    punctuality: &Punctuality,
    ended: Vec<String>,
    lost: u64,
) -> Vec<FloorFinding> {
    let stream = |(fault, (callers, what)): (&StreamFault, &(Vec<usize>, String))| {
        let streams = callers.iter().map(|who| Names::Callers.of(Who(*who))).collect();
        FloorFinding::Stream { fault: *fault, streams, what: what.clone() }
    };
    let mut findings: Vec<_> = verdict.faults.iter().map(stream).collect();
    if !ended.is_empty() {
        findings.push(FloorFinding::EndedEarly { who: ended });
    }
    if lost > 0 {
        findings.push(FloorFinding::Lost { packets: lost });
    }
    if verdict.streamed.sounds == 0 {
        findings.push(FloorFinding::NothingJudged);
    }
    if punctuality.late_percent() > OWN_LATE_PERCENT_MAX {
        findings.push(FloorFinding::CallersLate { percent: punctuality.late_percent() });
    }
    findings
}

impl Party {
    fn judged(&self, plan: &ScenarioPlan, (from_ns, until_ns): (i64, i64), late_ns: &[i64]) -> Verdict {
        let lines: Vec<_> = self.lines.iter().map(|line| line.notes()).collect();
        let stations: Vec<_> = self.stations.iter().map(open).collect();
        judge(&Matter {
            rounds: &self.rounds,
            lines: lines.iter().map(|line| &**line).collect(),
            stations: stations.iter().map(|station| &**station).collect(),
            forks: plan.forks(),
            from_ns,
            until_ns,
            late_ns,
        })
    }
}

/// Lets everybody call, one after the other: those whose streams listen in pairs, the others alone.
async fn seat_all(driver: &Arc<Driver>, plan: &ScenarioPlan) {
    let mut floor = Floor::new(plan.legs);
    for n in 0..plan.legs {
        let into = (n < plan.forks()).then_some(Spot(n / 2));
        let act = Act::Dial { who: Who(n), into };
        driver.perform(act, &floor, &mut None).await;
        floor.apply(act);
        tokio::time::sleep(RAMP).await;
    }
}

/// Asks for all streams, a few at a time.
async fn begin_all(driver: &Arc<Driver>, plan: &ScenarioPlan, told: SocketAddr) {
    let (pool, mut asking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let forks = plan.forks();
    let judged = (0..plan.legs).map(|who| {
        let kind = if who < forks { Kind::Fork } else { Kind::Talk };
        (kind, who, format!("ws://{told}/{}/{who}", if who < forks { "fork" } else { "talk" }))
    });
    // Beside the streams of those who have one already; a call has room for two more tracks.
    let bad = (0..plan.streams.misbehaving)
        .map(|n| (Kind::Misbehaving, n % forks.max(1), format!("ws://{told}/bad/{n}")));
    for (kind, who, url) in judged.chain(bad) {
        let (driver, pool) = (Arc::clone(driver), Arc::clone(&pool));
        asking.spawn(async move {
            // Nobody closes it.
            let _turn = pool.acquire().await;
            let Some(api) = driver.api() else {
                return;
            };
            if let Err(error) = begin(&driver, api, kind, Who(who), &url).await {
                let act = format!("a stream of caller {who}");
                driver.find(FloorFinding::RequestFailed { act, problem: format!("{error:#}") });
            }
        });
    }
    asking.join_all().await;
}

#[derive(Clone, Copy)]
enum Kind {
    Fork,
    Talk,
    Misbehaving,
}

async fn begin(driver: &Driver, api: &NodeApi, kind: Kind, who: Who, url: &str) -> anyhow::Result<()> {
    let call = format!("{}/Calls/{}", api.account_path(), driver.sid_of(api, who).await?);
    let (path, form) = match kind {
        Kind::Fork => (format!("{call}/Streams.json"), format!("Url={}&Track=both_tracks", encoded(url))),
        Kind::Misbehaving => (format!("{call}/Streams.json"), format!("Url={}", encoded(url))),
        Kind::Talk => {
            let script = format!("<Response><Connect><Stream url=\"{url}\"/></Connect></Response>");
            (format!("{call}.json"), format!("Twiml={}", encoded(&script)))
        }
    };
    api.ask(&mut None, "POST", &path, &form).await.map(drop)
}

/// Lets time pass, unless the run is to end.
async fn pass(time: Duration, interrupt: &AtomicBool) {
    let start = Instant::now();
    while start.elapsed() < time && !interrupt.load(Ordering::Relaxed) {
        tokio::time::sleep(STEP.min(time.saturating_sub(start.elapsed()))).await;
    }
}

/// Until all servers have been told of the end.
async fn wait_for_end(stations: &Stations) {
    let start = Instant::now();
    while start.elapsed() < END_MAX && !stations.iter().all(|station| open(station).ear.is_stopped) {
        tokio::time::sleep(STEP).await;
    }
}
