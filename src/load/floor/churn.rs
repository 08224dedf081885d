//! Callers who come and go all the time, in many conferences, each of which has somebody who stays. Everybody speaks as long as
//! they are there, and everybody's hearing is judged, also of those who are there for half a second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::drive::Driver;
use super::judge::Cast;
use super::naming::Names;
use super::palette::{Visit, visits};
use super::report::FloorReport;
use super::run::{Meters, conclude, driver};
use super::scenario::ScenarioPlan;
use super::truth::{Act, Floor, Spot, Who};
use super::voices::Tones;
use crate::load::run::Surroundings;

/// How long those who stay are by themselves before and after the others.
const REST: Duration = Duration::from_millis(600);
/// How often somebody looks whether it is time for the next one.
const STEP: Duration = Duration::from_millis(5);

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let stay = plan.conferences;
    let visits = visits(plan).map_err(anyhow::Error::msg)?;
    let voices: Vec<Tones> =
        super::palette::stayers(stay).chain(visits.iter().map(|visit| visit.voice)).collect();
    let records = voices.iter().map(|_| Arc::default()).collect();
    let cast = Cast { voices, hold: Tones::NONE, wait: Tones::NONE, names: Names::Visitors { stay } };
    let mut meters = Meters::before(surroundings);
    let driver = Arc::new(driver(target, (cast, records), plan, surroundings).await?);
    for n in 0..stay {
        dial(&driver, Who(n), Spot(n)).await;
    }
    tokio::time::sleep(REST).await;
    meters.begin();
    let mut inside = JoinSet::new();
    let start = Instant::now();
    for (n, visit) in visits.into_iter().enumerate() {
        while start.elapsed() < visit.at {
            tokio::time::sleep(STEP.min(visit.at - start.elapsed().min(visit.at))).await;
        }
        if surroundings.interrupt.load(Ordering::Relaxed) {
            break;
        }
        // Those who are gone leave their place.
        while inside.try_join_next().is_some() {}
        let driver = Arc::clone(&driver);
        inside.spawn(async move { come_and_go(&driver, Who(stay + n), visit).await });
    }
    inside.join_all().await;
    tokio::time::sleep(REST).await;
    let driver = Arc::into_inner(driver).context("somebody is still there")?;
    let mut report = conclude(driver, plan, &meters, &surroundings.interrupt).await?;
    // How many were there at a time is not known well enough to say what each cost.
    report.node = None;
    Ok(report)
}

async fn dial(driver: &Driver, who: Who, spot: Spot) -> bool {
    let act = Act::Dial { who, into: Some(spot) };
    driver.perform(act, &Floor::new(0), &mut None).await
}

async fn come_and_go(driver: &Driver, who: Who, visit: Visit) {
    if dial(driver, who, visit.spot).await {
        tokio::time::sleep(visit.stay).await;
        driver.perform(Act::HangUp(who), &Floor::new(0), &mut None).await;
    }
}
