//! How much of a supervisor reaches a customer who should not hear them, in each way of sitting silently and through each codec.
//! Only the supervisor makes a sound; what the customer gets is held against their two tones over a second, and compared with
//! what they get when the supervisor speaks to all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use super::drive::Driver;
use super::finding::FloorFinding;
use super::judge::Cast;
use super::naming::Names;
use super::phones::Record;
use super::reaction::Group;
use super::report::FloorReport;
use super::run::{Meters, conclude, driver};
use super::scenario::ScenarioPlan;
use super::script::PEOPLE_EACH;
use super::truth::{Act, Floor, Spot, Who};
use super::voices::{AMPLITUDE, Tones, pairs, power};
use crate::load::codec::Codec;
use crate::load::run::Surroundings;
use crate::load::wire;

/// More than this, in dB of what is heard when they may be heard, is a leak.
const LEAK_DB_MAX: f64 = -70.0;
/// What is not there at all is said to be this strong.
const NOTHING_DB: f64 = -150.0;
/// The measured time: fifty packets and some, whose edges are cut to whole ones.
const LISTEN: Duration = Duration::from_millis(1_100);
/// After the change has settled, for codecs and buffers with a memory.
const CALM: Duration = Duration::from_millis(500);
/// Every codec there is.
const CODECS: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16];

/// What was measured in one way of sitting.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leak {
    /// How the supervisor sat.
    pub mode: String,
    /// The codec of all.
    pub codec: String,
    /// How strong they were at the customer's, in dB of what is heard when they speak to all.
    pub db: f64,
}

/// At a desk with the codec's number.
#[derive(Clone, Copy)]
struct Desk(usize);

impl Desk {
    fn who(self, n: usize) -> Who {
        Who(self.0 * PEOPLE_EACH + n)
    }

    fn customer(self) -> Who {
        self.who(0)
    }

    fn agent(self) -> Who {
        self.who(1)
    }

    fn supervisor(self) -> Who {
        self.who(PEOPLE_EACH - 1)
    }

    /// How the supervisor sits, one after the other.
    fn modes(self) -> [(&'static str, Vec<Act>); 6] {
        let (who, whom, spot) = (self.supervisor(), self.agent(), Spot(self.0));
        let enter = Act::Enter { who, spot, monitors: false };
        [
            ("monitoring", vec![Act::Monitor(who)]),
            ("coaching", vec![Act::Coach { who, whom }]),
            ("muted", vec![Act::Barge(who), Act::Mute { who, on: true }]),
            ("on hold", vec![Act::Mute { who, on: false }, Act::Hold { who, on: true }]),
            ("waiting", vec![Act::Wait(who)]),
            ("elsewhere", vec![enter, Act::Park(who)]),
        ]
    }
}

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let mut pairs = pairs().into_iter();
    let mut pair = || pairs.next().unwrap_or_default();
    let (hold, wait) = (pair(), pair());
    let voices: Vec<Tones> = (0..CODECS.len() * PEOPLE_EACH)
        .map(|n| if n % PEOPLE_EACH == PEOPLE_EACH - 1 { pair() } else { Tones::NONE })
        .collect();
    let records = voices.iter().map(|_| Arc::new(Record::with_sound())).collect();
    let cast = Cast { voices, hold, wait, names: Names::Desks };
    let codecs = CODECS.iter().flat_map(|codec| [*codec; PEOPLE_EACH]).collect();
    let plan = ScenarioPlan { codecs, ..plan.clone() };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, records), &plan, surroundings).await?);
    meters.begin();
    let mut at_work = JoinSet::new();
    for n in 0..CODECS.len() {
        let (driver, interrupt) = (Arc::clone(&driver), Arc::clone(&surroundings.interrupt));
        at_work.spawn(async move { measure(&driver, Desk(n), || interrupt.load(Ordering::Relaxed)).await });
    }
    let leaks: Vec<Leak> = at_work.join_all().await.into_iter().flatten().collect();
    let driver = Arc::into_inner(driver).context("somebody is still at work")?;
    let mut report = conclude(driver, &plan, &meters, &surroundings.interrupt).await?;
    // Of a codec with a memory a single packet does not say who is heard; a second does.
    report.findings.retain(|finding| !matches!(finding, FloorFinding::Hearing { .. }));
    let too_much = leaks.iter().filter(|leak| leak.db > LEAK_DB_MAX);
    let finding = |Leak { mode, codec, db }| FloorFinding::Leak { mode, codec, db };
    report.findings.extend(too_much.cloned().map(finding));
    report.right = report.findings.is_empty();
    Ok(FloorReport { leaks, ..report })
}

async fn measure(driver: &Driver, desk: Desk, is_over: impl Fn() -> bool) -> Vec<Leak> {
    let codec = CODECS[desk.0];
    let mut floor = Floor::new(driver.cast.voices.len());
    let mut leaks = Vec::new();
    let enter = |who| Act::Enter { who, spot: Spot(desk.0), monitors: false };
    let people = [desk.customer(), desk.agent(), desk.supervisor()];
    let dial = people.map(|who| Act::Dial { who, into: None });
    let opening = dial.into_iter().chain(people.map(enter)).collect();
    let Some(open) = sit(driver, desk, &mut floor, opening).await else {
        return leaks;
    };
    if open < (AMPLITUDE / 2.0).powi(2).into() {
        driver.find(FloorFinding::NothingJudged);
        return leaks;
    }
    for (mode, acts) in desk.modes() {
        if is_over() {
            break;
        }
        let Some(power) = sit(driver, desk, &mut floor, acts).await else {
            break;
        };
        let db = (10.0 * (power / open).log10()).max(NOTHING_DB);
        leaks.push(Leak { mode: mode.to_owned(), codec: codec.name().to_owned(), db });
    }
    leaks
}

/// Does this, and measures how strong the supervisor is at the customer's then.
async fn sit(driver: &Driver, desk: Desk, floor: &mut Floor, acts: Vec<Act>) -> Option<f64> {
    let mut connection = None;
    for act in acts {
        if !driver.perform(act, floor, &mut connection).await {
            return None;
        }
        floor.apply(act);
        tokio::time::sleep(Group::of(act).settles()).await;
    }
    tokio::time::sleep(CALM).await;
    let from_ns = wire::monotonic_ns();
    tokio::time::sleep(LISTEN).await;
    let sound = driver.records[desk.customer().0].sound(from_ns, wire::monotonic_ns());
    let voice = driver.cast.voices[desk.supervisor().0];
    Some(power(voice, &sound, CODECS[desk.0].factor()))
}
