//! The courier: brings news of calls and conferences to applications, in order, until they are taken.
//!
//! - Jobs of one key go strictly one after the other; a job that fails holds only its own key.
//! - A server that stalls or is dead holds at most its host's share of what may be under way.
//! - What may pass (no connection, no answer, 5xx, 429) is tried again with growing pauses, until a job is given up. Other
//!   failures would be the same the next time: they are given up at once.
//! - A job that a node finds in its spool when it starts, older than jobs are tried, is given up untried.
//! - A job is in the spool from the moment it is accepted until it is taken or given up. A node that dies in between
//!   delivers it again when it starts: with the same idempotency token, since it cannot know whether it was heard.
//! - Whoever hands a job in never waits.
//!
//! One thing is not promised: if a node starts with more in its spool than the courier holds in memory, new jobs go before
//! those that are still in the spool.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::select;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::board::{Admission, Board, Bounds, Going};
use super::client::Client;
use super::exchange::Attempt;
use super::failure::Failure;
use super::job::{Job, Spool, SpoolError};
use super::metrics::DeliveryMetrics;
use super::request::Request;
use super::target::Target;
use crate::telemetry::Metrics;

/// How much the courier takes on, and how patient it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CourierSettings {
    /// Jobs in memory, waiting or under way. Default 10,000: some 20 MB, ten minutes of a dead application at 16 events
    /// a second.
    pub capacity: usize,
    /// Requests under way at a time. Default 256.
    pub under_way_max: usize,
    /// Requests under way to one host at a time. Default 32: eight hosts must stall before others wait.
    pub under_way_per_host_max: usize,
    /// A job is given up so long after it happened. Default an hour: longer than most applications are down, and after
    /// it the news is of no use.
    pub give_up_after: Duration,
    /// The pause after the first failure; it doubles with each. Default 1 s.
    pub first_pause: Duration,
    /// The longest pause. Default 60 s.
    pub longest_pause: Duration,
}

impl Default for CourierSettings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            under_way_max: 256,
            under_way_per_host_max: 32,
            give_up_after: Duration::from_secs(3_600),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

/// Where chance comes from: from 0 to 1, without 1. A pause is between half of its length and all of it, so that jobs
/// which failed together do not come back together.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Chance from the system.
pub fn system_jitter() -> Jitter {
    Arc::new(|| {
        let random = getrandom::u32().expect("the system gives entropy once it has booted");
        f64::from(random) / (f64::from(u32::MAX) + 1.0)
    })
}

/// Takes jobs. Cheap to clone: a clone is the same courier.
#[derive(Clone)]
pub struct Courier {
    shared: Arc<Shared>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    settings: CourierSettings,
    client: Client,
    spool: Arc<dyn Spool>,
    jitter: Jitter,
    metrics: DeliveryMetrics,
    state: Mutex<State>,
    /// Rung when something was handed in.
    bell: Notify,
    /// When to stop, once that is known.
    stop_at: watch::Sender<Option<Instant>>,
}

struct State {
    board: Board,
    /// Jobs are in the spool that are not on the board.
    set_aside: bool,
    is_stopping: bool,
}

impl Courier {
    /// Starts a courier, with what the spool still holds before all else. If that cannot be read it stays there.
    pub async fn start(
        settings: CourierSettings,
        client: Client,
        spool: Arc<dyn Spool>,
        jitter: Jitter,
        metrics: &Metrics,
    ) -> Self {
        let bounds = Bounds {
            waiting: settings.capacity,
            under_way: settings.under_way_max,
            under_way_per_host: settings.under_way_per_host_max,
        };
        let state = State { board: Board::new(bounds), set_aside: true, is_stopping: false };
        let shared = Arc::new(Shared {
            settings,
            client,
            spool,
            jitter,
            metrics: DeliveryMetrics::new(metrics),
            state: Mutex::new(state),
            bell: Notify::new(),
            stop_at: watch::Sender::new(None),
        });
        shared.fetch_set_aside().await;
        let task = tokio::spawn(Arc::clone(&shared).run());
        Self { shared, task: Arc::new(Mutex::new(Some(task))) }
    }

    /// Takes a job. Returns at once; what it returns is for those who count.
    pub fn send(&self, job: Job) -> Admission {
        let admission = self.shared.admit(job);
        self.shared.bell.notify_one();
        admission
    }

    /// Delivers what can be delivered within `patience`, and leaves the rest in the spool. Says how many are left. What
    /// is handed in from now on goes to the spool alone.
    pub async fn stop(&self, patience: Duration) -> usize {
        self.shared.lock().is_stopping = true;
        self.shared.stop_at.send_replace(Some(Instant::now() + patience));
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // It ends by itself; that it panicked is a mistake of ours which the log already has.
            let _ = task.await;
        }
        self.shared.lock().board.len()
    }
}

impl Shared {
    /// A panic while it was locked would be a mistake of ours; the state is still the best there is.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, mut job: Job) -> Admission {
        job.request.idempotency_token = Some(job.id.clone());
        let (host, until) = (host_of(&job.request), self.until(&job));
        let job = Arc::new(job);
        // The spool is told while the board is held, so that both have the same order.
        let mut state = self.lock();
        let admission = if state.is_stopping {
            Admission::SetAside
        } else {
            state.board.admit(Arc::clone(&job), host, until)
        };
        match &admission {
            Admission::Known => {}
            Admission::Dropped => self.metrics.dropped.increment(),
            // Without the spool it is delivered all the same, unless the process ends before.
            Admission::Accepted => {
                let _ = self.keep(&job);
            }
            Admission::InPlaceOf(dropped) => {
                self.metrics.dropped.increment();
                self.spool.done(dropped);
                let _ = self.keep(&job);
            }
            Admission::SetAside => match self.keep(&job) {
                Ok(()) => {
                    state.set_aside = true;
                    self.metrics.set_aside.increment();
                }
                Err(_) => {
                    self.metrics.dropped.increment();
                    return Admission::Dropped;
                }
            },
        }
        self.gauge(&state.board);
        admission
    }

    fn keep(&self, job: &Job) -> Result<(), SpoolError> {
        self.spool.put(job).inspect_err(|error| {
            self.metrics.spool_errors.increment();
            tracing::warn!(%error, key = job.key, "the spool did not take a callback");
        })
    }

    /// When a job is given up: by the clock on the wall, so that a restart gives it no second life.
    fn until(&self, job: &Job) -> Instant {
        let age = SystemTime::now().duration_since(job.accepted_at).unwrap_or_default();
        Instant::now() + self.settings.give_up_after.saturating_sub(age)
    }

    fn is_too_old(&self, job: &Job) -> bool {
        let age = SystemTime::now().duration_since(job.accepted_at).unwrap_or_default();
        age > self.settings.give_up_after && !self.lock().board.knows(job)
    }

    /// What was pending for longer than it is tried is given up untried, and whoever keeps failures is told.
    fn give_up(&self, job: &Job) {
        self.metrics.given_up.increment();
        self.spool.done(&job.id);
        self.client.give_up(&job.request);
    }

    async fn run(self: Arc<Self>) {
        let mut stop_at = self.stop_at.subscribe();
        let mut flights = Flights::default();
        while stop_at.borrow().is_none() {
            self.lock().board.wake(Instant::now());
            self.launch(&mut flights);
            let wake = self.lock().board.next_wake();
            select! {
                () = self.bell.notified() => {}
                landed = flights.next() => self.settle(landed),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                _ = stop_at.changed() => {}
            }
            if self.may_fetch() {
                self.fetch_set_aside().await;
            }
        }
        let at = stop_at.borrow().unwrap_or_else(Instant::now);
        self.finish(flights, at).await;
    }

    /// What is ready goes; what pauses stays.
    async fn finish(&self, mut flights: Flights, at: Instant) {
        loop {
            self.launch(&mut flights);
            if flights.is_empty() {
                return;
            }
            select! {
                landed = flights.next() => self.settle(landed),
                // Those under way are broken off with the set that holds them.
                () = sleep_until(at) => return,
            }
        }
    }

    fn launch(&self, flights: &mut Flights) {
        loop {
            let mut state = self.lock();
            let Some(going) = state.board.next() else { return };
            self.gauge(&state.board);
            drop(state);
            flights.start(self.client.clone(), going);
        }
    }

    fn settle(&self, landed: Landed) {
        let Landed { going, outcome } = landed;
        let now = Instant::now();
        let mut state = self.lock();
        let pause = match outcome {
            Ok(()) => {
                self.metrics.delivered.increment();
                None
            }
            Err(failure) => {
                let pause = self.pause(going.attempts);
                let may_pass = failure.as_ref().is_none_or(|failure| failure.kind.may_pass());
                let is_over = !may_pass || now + pause > going.until;
                // Of one that failed once its author has just been told.
                if let Some(failure) = failure.filter(|_| is_over && going.attempts > 0) {
                    self.client.lost(&going.job.request, &failure, going.attempts.saturating_add(1));
                }
                let outcome = if is_over { &self.metrics.given_up } else { &self.metrics.retried };
                outcome.increment();
                (!is_over).then_some(pause)
            }
        };
        match pause {
            Some(pause) => state.board.again(&going.job.key, now + pause),
            None => {
                state.board.done(&going.job.key);
                self.spool.done(&going.job.id);
            }
        }
        self.gauge(&state.board);
    }

    /// How long to wait after so many failures before the last one.
    fn pause(&self, failures: u32) -> Duration {
        let doubled =
            self.settings.first_pause.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
        let whole = doubled.min(self.settings.longest_pause);
        whole.mul_f64(0.5 + (self.jitter)().clamp(0.0, 1.0) / 2.0)
    }

    fn may_fetch(&self) -> bool {
        let state = self.lock();
        state.set_aside && !state.is_stopping && state.board.has_room()
    }

    /// Brings what is in the spool alone onto the board, as far as there is room.
    async fn fetch_set_aside(&self) {
        let limit = {
            let mut state = self.lock();
            state.set_aside = false;
            state.board.len() + state.board.room()
        };
        // One more than can be taken tells whether there are more.
        let pending = match self.spool.pending(limit + 1).await {
            Ok(pending) => pending,
            Err(error) => {
                self.metrics.spool_errors.increment();
                tracing::warn!(%error, "callbacks stay in the spool until the next start");
                return;
            }
        };
        for mut job in pending {
            if self.is_too_old(&job) {
                self.give_up(&job);
                continue;
            }
            job.request.idempotency_token = Some(job.id.clone());
            let (host, until) = (host_of(&job.request), self.until(&job));
            let mut state = self.lock();
            if state.board.room() == 0 {
                state.set_aside = true;
                break;
            }
            state.board.admit(Arc::new(job), host, until);
            self.gauge(&state.board);
        }
    }

    fn gauge(&self, board: &Board) {
        let as_gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.waiting.set(as_gauge(board.len() - board.under_way()));
        self.metrics.in_flight.set(as_gauge(board.under_way()));
    }
}

/// Requests under way.
#[derive(Default)]
struct Flights {
    tasks: JoinSet<Result<(), Failure>>,
    going: HashMap<Id, Going>,
}

/// A request that came to an end.
struct Landed {
    going: Going,
    /// Without a failure if the task itself failed.
    outcome: Result<(), Option<Failure>>,
}

impl Flights {
    fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn start(&mut self, client: Client, going: Going) {
        let job = Arc::clone(&going.job);
        let attempt = if going.attempts == 0 { Attempt::First } else { Attempt::Again };
        let task = self.tasks.spawn(async move { client.tell(&job.request, attempt).await });
        self.going.insert(task.id(), going);
    }

    /// The next that ends. Never, if there is none.
    async fn next(&mut self) -> Landed {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let (id, outcome) = match ended {
                Ok((id, outcome)) => (id, outcome.map_err(Some)),
                Err(error) => (error.id(), Err(None)),
            };
            if let Some(going) = self.going.remove(&id) {
                return Landed { going, outcome };
            }
        }
    }
}

/// What bounds are counted by: the host, whatever its port.
fn host_of(request: &Request) -> String {
    let origin = Target::parse(&request.url).and_then(|target| target.origin());
    origin.map_or_else(|_| String::new(), |origin| origin.host)
}
