//! What music on hold costs: all legs of one conference listen to one talker, then all but the talker are on hold and hear one
//! source of music, then they listen again. What the node's process takes is compared; that each hears what they should, packet
//! by packet, is judged as in every scenario.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::drive::Driver;
use super::judge::Cast;
use super::naming::Names;
use super::report::FloorReport;
use super::run::{Meters, conclude, driver};
use super::scenario::ScenarioPlan;
use super::truth::{Act, Floor, Spot, Who};
use super::voices::{Tones, pairs};
use crate::load::process;
use crate::load::run::Surroundings;

/// Where they all are.
const SPOT: Spot = Spot(0);
/// Between two calls, so that they come at the pace of a ramp.
const RAMP: Duration = Duration::from_millis(20);
/// Requests under way at a time, as a pool of an SDK has.
const AT_ONCE: usize = 4;
/// Until everybody hears what they should.
const REST: Duration = Duration::from_millis(1_500);

/// What the node's process took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MusicCost {
    /// While all listened, mean of before and after, in µs for each leg in a second.
    pub listening_us: f64,
    /// While all but one were on hold.
    pub held_us: f64,
    /// The second over the first.
    pub ratio: f64,
}

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let [talker, hold, wait] = [0, 1, 2].map(|n| pairs()[n]);
    let mut voices = vec![Tones::NONE; plan.legs];
    voices[0] = talker;
    let records = voices.iter().map(|_| Arc::default()).collect();
    let cast = Cast { voices, hold, wait, names: Names::Callers };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, records), plan, surroundings).await?);
    let mut floor = Floor::new(plan.legs);
    for n in 0..plan.legs {
        let act = Act::Dial { who: Who(n), into: Some(SPOT) };
        driver.perform(act, &floor, &mut None).await;
        floor.apply(act);
        tokio::time::sleep(RAMP).await;
    }
    meters.begin();
    // Two parts listen, one is on hold; the whole is as long as was asked for.
    let part = Duration::from_secs(plan.seconds) / 3;
    let is_over = || surroundings.interrupt.load(Ordering::Relaxed);
    let mut took = Vec::new();
    for held in [None, Some(true), Some(false)] {
        if let Some(on) = held.filter(|_| !is_over()) {
            hold_all(&driver, &mut floor, on).await;
        }
        tokio::time::sleep(REST).await;
        took.push(measure(surroundings, part, plan.legs).await);
    }
    let driver = Arc::into_inner(driver).context("somebody is still at work")?;
    let mut report = conclude(driver, plan, &meters, &surroundings.interrupt).await?;
    report.node = None;
    if let [Some(before), Some(held_us), Some(after)] = took[..] {
        let listening_us = f64::midpoint(before, after);
        report.music = Some(MusicCost { listening_us, held_us, ratio: held_us / listening_us });
    }
    Ok(report)
}

/// Everybody but the talker, a few at a time.
async fn hold_all(driver: &Arc<Driver>, floor: &mut Floor, on: bool) {
    let (pool, mut asking) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let people = driver.cast.voices.len();
    let before = Arc::new(floor.clone());
    for who in (1..people).map(Who) {
        let act = Act::Hold { who, on };
        floor.apply(act);
        let (driver, pool, before) = (Arc::clone(driver), Arc::clone(&pool), Arc::clone(&before));
        asking.spawn(async move {
            // Nobody closes it.
            let _turn = pool.acquire().await;
            driver.perform(act, &before, &mut None).await
        });
    }
    asking.join_all().await;
}

/// What the node takes for each leg in a second, in µs, if its process can be looked at.
async fn measure(surroundings: &Surroundings, time: Duration, legs: usize) -> Option<f64> {
    let read = || surroundings.node_pid.and_then(|pid| process::read(pid).ok());
    let (first, start) = (read(), Instant::now());
    tokio::time::sleep(time).await;
    let took = read()?.cpu_us - first?.cpu_us;
    Some(took / start.elapsed().as_secs_f64() / legs as f64)
}
