//! What recording costs, and whether the files hold what was said where it was said. Callers meet in pairs, each with two tones
//! of their own and clicks at moments that nobody else has. All conferences are recorded in dual over the API, and then not:
//!
//! ```text
//! nobody │ everybody recorded │ nobody ┊ nobody │ everybody recorded │ nobody ┊ …
//!    1   :         2          :   1
//! ```
//!
//! so that a machine that gets slower or quicker meanwhile costs both alike. What the node's process takes and how late packets
//! come is compared. Then the files are fetched and held against what the two heard of each other ([`held`]).

mod clicks;
mod held;
mod parts;
mod taped;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub(super) use self::clicks::{Note, clicking, clicks};
use self::held::{Matter, hold};
use self::parts::Parts;
pub use self::parts::{Lateness, RecordingCost};
pub use self::taped::{Fault, Taped};
use super::drive::Driver;
use super::finding::FloorFinding;
use super::judge::Cast;
use super::naming::Names;
use super::phones::Record;
use super::report::FloorReport;
use super::run::{Meters, conclude, driver};
use super::scenario::ScenarioPlan;
use super::truth::{Act, Floor, Spot, Who};
use super::voices::{Tones, pairs};
use crate::load::codec::Codec;
use crate::load::node_api::{Connection, NodeApi};
use crate::load::run::Surroundings;
use crate::load::wire;
use crate::recording::{Verdict, verify};

/// Between two calls, so that they come at the pace of a ramp.
const RAMP: Duration = Duration::from_millis(20);
/// Requests under way at a time, as a pool of an SDK has.
const AT_ONCE: usize = 4;
/// Before something is measured, until what was asked for is done.
const REST: Duration = Duration::from_millis(1_500);
/// How often it is asked whether a recording is there, and how often at most: for a minute.
const ASK_EVERY: Duration = Duration::from_millis(200);
const ASKS_MAX: u32 = 300;
/// Bytes of a file in a second at most, at 16 kHz, and what it may have beside.
const FILE_BYTES_PER_SECOND: u64 = 64_000;
const FILE_BYTES_BESIDE: u64 = 1 << 20;

/// A conference of two, who know each other by the order in which they called.
#[derive(Clone, Debug)]
struct Pair {
    spot: usize,
    sid: String,
}

/// A recording of a pair.
#[derive(Clone, Debug)]
struct Recording {
    spot: usize,
    sid: String,
    /// When it was asked for, and answered.
    begun_ns: [i64; 2],
    /// When its end was.
    ended_ns: [i64; 2],
    /// What the node says of it in the end.
    told: Value,
}

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let voices: Vec<Tones> = (0..plan.legs / 2).flat_map(two_voices).collect();
    let records: Vec<Arc<Record>> = voices.iter().map(|_| Arc::new(Record::with_notes())).collect();
    let cast = Cast { voices: voices.clone(), hold: Tones::NONE, wait: Tones::NONE, names: Names::Callers };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, records.clone()), plan, surroundings).await?);
    let api = driver.api().context("there is no API to be asked")?.clone();
    let pairs = seat_all(&driver, plan.legs, &api).await;
    meters.begin();
    let mut parts = Parts::new(surroundings, plan.legs);
    let mut recordings = Vec::new();
    // Half of the time, in as many pieces as there are rounds.
    let half = Duration::from_secs(plan.seconds) / plan.rounds() / 2;
    for _ in 0..plan.rounds() {
        tokio::time::sleep(REST).await;
        parts.measure(false, half / 2).await;
        if surroundings.interrupt.load(Ordering::Relaxed) {
            break;
        }
        let begun = each(&driver, pairs.clone(), |api, kept, pair| Box::pin(begin(api, kept, pair))).await;
        tokio::time::sleep(REST).await;
        parts.measure(true, half).await;
        let over = each(&driver, begun, |api, kept, recording| Box::pin(end(api, kept, recording))).await;
        recordings.extend(each(&driver, over, |api, kept, done| Box::pin(wait_for(api, kept, done))).await);
        tokio::time::sleep(REST).await;
        parts.measure(false, half / 2).await;
    }
    let codecs: Vec<Codec> = (0..plan.legs).map(|n| driver.codec_of(Who(n))).collect();
    let driver = Arc::into_inner(driver).context("somebody is still at work")?;
    let mut report = conclude(driver, plan, &meters, &surroundings.interrupt).await?;
    report.node = None;
    let heard = Heard { voices, codecs, notes: records.iter().map(|record| record.take_notes()).collect() };
    let folder = surroundings.node_data.as_ref().map(|data| data.join("recordings"));
    let judged = judge(&api, Arc::new(heard), &parts, (recordings, folder)).await?;
    report.findings.extend(judged.findings);
    if surroundings.interrupt.load(Ordering::Relaxed) {
        report.findings = vec![FloorFinding::Interrupted];
    }
    report.right = report.findings.is_empty();
    Ok(FloorReport { recording: Some(judged.taped), ..report })
}

/// The voices of a pair. No two of hundreds of pairs have the same two.
pub(super) fn two_voices(pair: usize) -> [Tones; 2] {
    let all = pairs();
    let (one, turn) = (pair % all.len(), pair / all.len());
    [all[one], all[(one + 1 + turn % (all.len() - 1)) % all.len()]]
}

/// Lets everybody call, one after the other, and asks for their conferences.
async fn seat_all(driver: &Arc<Driver>, legs: usize, api: &NodeApi) -> Vec<Pair> {
    let mut floor = Floor::new(legs);
    for n in 0..legs {
        let act = Act::Dial { who: Who(n), into: Some(Spot(n / 2)) };
        driver.perform(act, &floor, &mut None).await;
        floor.apply(act);
        tokio::time::sleep(RAMP).await;
    }
    let mut pairs = Vec::new();
    for spot in 0..legs / 2 {
        match driver.conference_sid(api, Spot(spot)).await {
            Ok(sid) => pairs.push(Pair { spot, sid }),
            Err(error) => failed(driver, &format!("the SID of conference {spot}"), &error),
        }
    }
    pairs
}

fn failed(driver: &Driver, act: &str, error: &anyhow::Error) {
    driver.find(FloorFinding::RequestFailed { act: act.to_owned(), problem: format!("{error:#}") });
}

type Asking<'a, U> = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<U>> + Send + 'a>>;

/// Asks for the same of each, a few at a time; what was not done is a finding, and not there afterwards.
async fn each<T, U>(
    driver: &Arc<Driver>,
    all: Vec<T>,
    ask: for<'a> fn(&'a NodeApi, &'a mut Option<Connection>, T) -> Asking<'a, U>,
) -> Vec<U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    let (pool, mut asking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for one in all {
        let (driver, pool) = (Arc::clone(driver), Arc::clone(&pool));
        asking.spawn(async move {
            // Nobody closes it.
            let _turn = pool.acquire().await;
            let api = driver.api()?;
            let done = ask(api, &mut None, one).await;
            done.map_err(|error| failed(&driver, "a recording", &error)).ok()
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

async fn begin(api: &NodeApi, kept: &mut Option<Connection>, pair: Pair) -> anyhow::Result<Recording> {
    let path = format!("{}/Conferences/{}/Recordings.json", api.account_path(), pair.sid);
    let asked_ns = wire::monotonic_ns();
    let told = api.ask(kept, "POST", &path, "RecordingChannels=dual&Trim=do-not-trim").await?;
    let begun_ns = [asked_ns, wire::monotonic_ns()];
    let sid = told["sid"].as_str().context("its recording has no SID")?.to_owned();
    Ok(Recording { spot: pair.spot, sid, begun_ns, ended_ns: [0; 2], told })
}

async fn end(
    api: &NodeApi,
    kept: &mut Option<Connection>,
    recording: Recording,
) -> anyhow::Result<Recording> {
    let conference = recording.told["conference_sid"].as_str().context("it is of no conference")?;
    let path = format!("{}/Conferences/{conference}/Recordings/{}.json", api.account_path(), recording.sid);
    let asked_ns = wire::monotonic_ns();
    let told = api.ask(kept, "POST", &path, "Status=stopped").await?;
    Ok(Recording { ended_ns: [asked_ns, wire::monotonic_ns()], told, ..recording })
}

/// Asks until the recording is there, or is not to be.
async fn wait_for(
    api: &NodeApi,
    kept: &mut Option<Connection>,
    recording: Recording,
) -> anyhow::Result<Recording> {
    let path = format!("{}/Recordings/{}.json", api.account_path(), recording.sid);
    let mut told = Value::Null;
    for _ in 0..ASKS_MAX {
        told = api.ask(kept, "GET", &path, "").await?;
        if matches!(told["status"].as_str(), Some("completed" | "absent")) {
            break;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Ok(Recording { told, ..recording })
}

/// What all callers said and heard, by number.
struct Heard {
    voices: Vec<Tones>,
    codecs: Vec<Codec>,
    notes: Vec<Vec<Note>>,
}

struct Judged {
    taped: Taped,
    findings: Vec<FloorFinding>,
}

/// Fetches the files and holds them against what was heard.
async fn judge(
    api: &NodeApi,
    heard: Arc<Heard>,
    parts: &Parts<'_>,
    (recordings, folder): (Vec<Recording>, Option<PathBuf>),
) -> anyhow::Result<Judged> {
    let mut taped = Taped { cost: parts.cost(), ..Taped::default() };
    [taped.lateness_without, taped.lateness_with] = parts.lateness(&heard.notes);
    taped.gaps = folder.as_ref().map(|_| 0);
    let mut faults: BTreeMap<Fault, (Vec<String>, String)> = BTreeMap::new();
    let mut find = |spot: usize, fault: Fault, what: String| {
        let (conferences, _) = faults.entry(fault).or_insert_with(|| (Vec::new(), what));
        let name = format!("conference {spot}");
        if !conferences.contains(&name) {
            conferences.push(name);
        }
    };
    for recording in recordings {
        taped.recordings += 1;
        let (spot, sid) = (recording.spot, recording.sid.clone());
        if recording.told["status"] != "completed" {
            let (status, error) = (&recording.told["status"], &recording.told["error_code"]);
            find(spot, Fault::NotCompleted, format!("it is {status}, its error is {error}"));
            continue;
        }
        let path = format!("{}/Recordings/{sid}.wav", api.account_path());
        let seconds = (recording.ended_ns[1] - recording.begun_ns[0]).unsigned_abs() / 1_000_000_000;
        let len_max = 2 * seconds * FILE_BYTES_PER_SECOND + FILE_BYTES_BESIDE;
        let file = match api.fetch_file(&path, len_max as usize).await {
            Ok(file) => file,
            Err(error) => {
                find(spot, Fault::NotCompleted, format!("its file: {error:#}"));
                continue;
            }
        };
        let (of, manifest) =
            (Arc::clone(&heard), folder.as_ref().map(|folder| folder.join(format!("{sid}.wav"))));
        let held = tokio::task::spawn_blocking(move || {
            let verdict = manifest.map(|path| verify(&path));
            (hold(&matter(&of, &recording), &file), verdict)
        });
        let (held, verdict) = held.await.context("holding a recording against what was heard")?;
        for (fault, what) in
            taped.add(held).into_iter().chain(verdict.and_then(|found| taped.add_verdict(found)))
        {
            find(spot, fault, what);
        }
    }
    let findings = faults.into_iter().map(|(fault, (conferences, what))| FloorFinding::Recording {
        fault,
        conferences,
        what,
    });
    Ok(Judged { findings: findings.collect(), taped })
}

/// What a pair's recording is held against. Who called first is on the first track, and was heard by the other.
fn matter<'a>(heard: &'a Heard, recording: &Recording) -> Matter<'a> {
    let first = 2 * recording.spot;
    Matter {
        heard: [&heard.notes[first + 1], &heard.notes[first]],
        voices: [heard.voices[first], heard.voices[first + 1]],
        codec: heard.codecs[first],
        begun_ns: recording.begun_ns,
        ended_ns: recording.ended_ns,
        duration: recording.told["duration"].as_str().and_then(|seconds| seconds.parse().ok()),
    }
}

impl Taped {
    /// Counts what a manifest says; what is wrong with it or its file.
    fn add_verdict(&mut self, verdict: std::io::Result<Verdict>) -> Option<(Fault, String)> {
        let problem = match verdict {
            Ok(verdict) => {
                let gaps = verdict.gaps as u64 + verdict.gaps_unlisted;
                self.gaps = self.gaps.map(|before| before + gaps);
                verdict.damages.first().map(ToString::to_string)
            }
            Err(error) => Some(error.to_string()),
        };
        problem.map(|problem| (Fault::Damaged, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pairs_sound_alike_and_nobody_sounds_like_the_one_they_talk_to() {
        let mut known = Vec::new();
        for pair in 0..500 {
            let [one, other] = two_voices(pair);
            assert!(!one.meets(other) && !known.contains(&[one, other]), "{pair}");
            known.push([one, other]);
        }
    }
}
