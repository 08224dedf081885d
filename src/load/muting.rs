//! Somebody who mutes and unmutes listeners over the node's API while others are listened to: who hears whom stays as it
//! is, and how long each request takes is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::histogram::{Histogram, Times};
use super::node_api::{NodeApi, Seat};
use super::plan::{LegNumber, Plan};

/// Connections that are kept open for it, each with one request at a time, as a pool of an SDK has.
const CONNECTIONS: usize = 4;
/// Listeners who are muted in turn.
const LISTENERS: usize = 20;

/// How it went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Muting {
    /// Requests sent.
    pub requests: u64,
    /// Of those, the ones that were not answered with what was asked for.
    pub failed: u64,
    /// What was wrong with the first of them.
    pub problem: Option<String>,
    /// From request to answer, ms.
    pub took_ms: Times,
}

/// Mutes and unmutes from now until `until`, as often in a second as the plan says.
pub(super) async fn mute_listeners(
    api: &NodeApi,
    plan: &Plan,
    until: Instant,
    interrupt: &Arc<AtomicBool>,
) -> Muting {
    let seats = match find_seats(api, plan).await {
        Ok(seats) => Arc::new(seats),
        Err(error) => {
            return Muting { failed: 1, problem: Some(format!("{error:#}")), ..Muting::default() };
        }
    };
    let mut workers = JoinSet::new();
    for worker in 0..CONNECTIONS {
        let (api, seats, interrupt) = (api.clone(), Arc::clone(&seats), Arc::clone(interrupt));
        let every = Duration::from_secs(1) * CONNECTIONS as u32 / plan.mutes().max(1);
        workers.spawn(async move { work(&api, &seats, worker, every, until, &interrupt).await });
    }
    let mut all = Work::default();
    while let Some(done) = workers.join_next().await {
        match done {
            Ok(done) => all.add(done),
            Err(error) => all.fail(error.to_string()),
        }
    }
    Muting { requests: all.requests, failed: all.failed, problem: all.problem, took_ms: all.took.times() }
}

#[derive(Default)]
struct Work {
    requests: u64,
    failed: u64,
    problem: Option<String>,
    took: Histogram,
}

impl Work {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.took.merge(&other.took);
        self.problem = self.problem.take().or(other.problem);
    }

    fn fail(&mut self, problem: String) {
        self.failed += 1;
        self.problem.get_or_insert(problem);
    }
}

async fn work(
    api: &NodeApi,
    seats: &[Seat],
    worker: usize,
    every: Duration,
    until: Instant,
    interrupt: &AtomicBool,
) -> Work {
    let mut done = Work::default();
    let mut connection = None;
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0_usize.. {
        turns.tick().await;
        if Instant::now() >= until || interrupt.load(Ordering::Relaxed) {
            break;
        }
        // Each worker has listeners of its own: two at one of them would undo each other's work.
        let own = seats.iter().skip(worker).step_by(CONNECTIONS);
        let Some(seat) = own.clone().nth(turn / 2 % own.count().max(1)) else {
            break;
        };
        done.requests += 1;
        let start = Instant::now();
        match api.mute(&mut connection, seat, turn % 2 == 0).await {
            Ok(()) => done.took.add(start.elapsed().as_secs_f64() * 1e3),
            Err(error) => {
                connection = None;
                done.fail(format!("{error:#}"));
            }
        }
    }
    done
}

/// Some of those who only listen.
async fn find_seats(api: &NodeApi, plan: &Plan) -> anyhow::Result<Vec<Seat>> {
    let mut seats = Vec::new();
    for leg in (plan.talkers()..plan.legs()).take(LISTENERS).map(LegNumber) {
        seats.push(api.seat(&plan.dialled(leg), &plan.told_caller(leg)).await?);
    }
    Ok(seats)
}
