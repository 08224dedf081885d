//! Trunks at work: which of them is tried for a number, and how each fares. Their registrations are beside it.

pub(super) mod caller;
mod circuit;
mod order;
pub(super) mod register;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use self::circuit::Circuit;
use self::order::{Candidate, order};
use crate::call::Pace;
use crate::config::{self, Trunk, TrunkAddress};
use crate::sip::challenge::Credentials;
use crate::sip::digest::{self, Verifier};
use crate::telemetry::{Counter, Gauge, Metrics};

/// How long a call waits for its turn on a trunk at most; by then the next one is the better choice, or the caller has
/// gone.
const TURN_MAX: Duration = Duration::from_secs(60);

/// All trunks of the node.
pub(super) struct Trunks {
    lines: Vec<Arc<Line>>,
    /// Asks callers of trunks for their passwords.
    verifier: Verifier,
    started: Instant,
}

/// One trunk.
pub(super) struct Line {
    pub(super) trunk: Trunk,
    state: Mutex<State>,
    pub(super) figures: Figures,
}

struct State {
    /// One for each address.
    circuits: Vec<Circuit>,
    pace: Option<Pace>,
    /// Calls that the node makes over it now.
    calls: usize,
}

/// What is counted for each trunk.
pub(super) struct Figures {
    calls: Arc<Gauge>,
    failing: Arc<Gauge>,
    pub(super) registered: Arc<Gauge>,
    outcomes: [Arc<Counter>; Outcome::ALL.len()],
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    /// The callee did not take the call, or whoever called gave up.
    Refused,
    /// Another had to be tried.
    Failed,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Answered, Self::Refused, Self::Failed];

    const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// One address of a trunk, to be tried.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) line: Arc<Line>,
    place: usize,
}

/// Why a trunk takes no call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Busy;

/// A call's place on a trunk, until it is dropped.
pub(super) struct Place {
    line: Arc<Line>,
    /// When the call may begin.
    pub(super) turn: Instant,
}

impl Trunks {
    /// # Errors
    /// When the system has no entropy.
    pub(super) fn new(trunks: &config::Trunks, metrics: &Metrics) -> Result<Self, getrandom::Error> {
        Ok(Self {
            lines: trunks.iter().map(|trunk| Arc::new(Line::new(trunk.clone(), metrics))).collect(),
            verifier: Verifier::with_fresh_key(digest::Settings::default())?,
            started: Instant::now(),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.lines.iter()
    }

    /// The addresses to be tried for a number, in order. A trunk's own are together, those that failed last. If one trunk
    /// was `chosen`, they are only its own.
    pub(super) fn choices(
        &self,
        number: &str,
        chosen: Option<&str>,
        now: Instant,
        draw: impl FnMut(u32) -> u32,
    ) -> Vec<Choice> {
        let carries = |trunk: &Trunk| {
            let is_meant = chosen.is_none_or(|chosen| trunk.is_called(chosen));
            is_meant && trunk.numbers.allows(number) && trunk.allow.allows(number)
        };
        let lines: Vec<&Arc<Line>> = self.iter().filter(|line| carries(&line.trunk)).collect();
        let candidates: Vec<Candidate> = lines.iter().map(|line| line.candidate(now)).collect();
        let ordered = order(&candidates, draw);
        ordered.into_iter().flat_map(|at| Line::choices(lines[at], now)).collect()
    }

    fn of_source(&self, source: IpAddr) -> Option<&Arc<Line>> {
        let source = source.to_canonical();
        self.iter().find(|line| line.trunk.inbound_from.contain(source))
    }

    /// What challenges of a trunk are answered with within its calls.
    pub(super) fn credentials(&self, name: Option<&str>) -> Option<Credentials> {
        self.named(name?)?.credentials()
    }

    fn named(&self, name: &str) -> Option<&Arc<Line>> {
        self.iter().find(|line| line.trunk.name == name)
    }
}

impl Line {
    fn new(trunk: Trunk, metrics: &Metrics) -> Self {
        let figures = Figures::new(&trunk.name, metrics);
        let circuits = vec![Circuit::default(); trunk.addresses.len()];
        let pace = trunk.calls_per_second.map(Pace::new);
        Self { trunk, state: Mutex::new(State { circuits, pace, calls: 0 }), figures }
    }

    /// What the trunk's challenges are answered with.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        self.trunk.credentials.as_ref().map(|credentials| Credentials {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            realm: credentials.realm.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn candidate(&self, now: Instant) -> Candidate {
        let is_failing = self.state().circuits.iter().all(|circuit| circuit.is_open(now));
        Candidate { priority: self.trunk.priority, weight: self.trunk.weight, is_failing }
    }

    fn choices(line: &Arc<Self>, now: Instant) -> Vec<Choice> {
        let mut places: Vec<usize> = (0..line.trunk.addresses.len()).collect();
        {
            let state = line.state();
            places.sort_by_key(|&place| state.circuits[place].is_open(now));
        }
        places.into_iter().map(|place| Choice { line: Arc::clone(line), place }).collect()
    }

    /// Takes a place for a call, if the trunk may have another. Its turn may be a while off; a turn that is not used is
    /// lost.
    pub(super) fn take(line: &Arc<Self>, now: Instant) -> Result<Place, Busy> {
        let mut state = line.state();
        if line.trunk.max_calls.is_some_and(|most| state.calls >= most) {
            return Err(Busy);
        }
        let turn = match &mut state.pace {
            Some(pace) if pace.turn(now) > now + TURN_MAX => return Err(Busy),
            Some(pace) => pace.take(now),
            None => now,
        };
        state.calls += 1;
        line.figures.calls.add(1);
        Ok(Place { line: Arc::clone(line), turn })
    }

    /// When a call that came now would have its turn.
    pub(super) fn turn(&self, now: Instant) -> Instant {
        self.state().pace.as_ref().map_or(now, |pace| pace.turn(now))
    }
}

impl Choice {
    pub(super) fn address(&self) -> &TrunkAddress {
        &self.line.trunk.addresses[self.place]
    }

    /// Notes what came of an attempt.
    pub(super) fn count(&self, outcome: Outcome) {
        let place = Outcome::ALL.iter().position(|&other| other == outcome);
        if let Some(counter) = place.and_then(|place| self.line.figures.outcomes.get(place)) {
            counter.increment();
        }
    }

    /// The address works: it has answered something that is no complaint of its own.
    pub(super) fn works(&self) {
        self.change(Circuit::succeed);
    }

    /// The address does not work, and is tried last for a while.
    pub(super) fn fails(&self, why: &str, at_least: Option<Duration>) {
        warn!(trunk = self.line.trunk.name, address = %self.address(), why, "trunk failed; others are tried first for a while");
        self.change(|circuit| circuit.fail(Instant::now(), at_least));
    }

    fn change(&self, change: impl FnOnce(&mut Circuit)) {
        let now = Instant::now();
        let mut state = self.line.state();
        let was_open = state.circuits[self.place].is_open(now);
        change(&mut state.circuits[self.place]);
        let failing = state.circuits.iter().filter(|circuit| circuit.is_open(now)).count();
        drop(state);
        self.line.figures.failing.set(i64::try_from(failing).unwrap_or(i64::MAX));
        if was_open && failing == 0 {
            info!(trunk = self.line.trunk.name, "trunk works again");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.state().calls -= 1;
        self.line.figures.calls.add(-1);
    }
}

impl Figures {
    fn new(trunk: &str, metrics: &Metrics) -> Self {
        let gauge = |name, help| metrics.gauge(name, help, &[("trunk", trunk)]);
        Self {
            calls: gauge("confab_trunk_calls", "Calls that the node makes over the trunk now."),
            failing: gauge(
                "confab_trunk_circuits_open",
                "Addresses of the trunk that failed last and are tried after the others.",
            ),
            registered: gauge("confab_trunk_registered", "1 while the node is registered with the trunk."),
            outcomes: Outcome::ALL.map(|outcome| {
                let help = "Attempts to call over the trunk, by what came of them.";
                let labels = [("trunk", trunk), ("outcome", outcome.name())];
                metrics.counter("confab_trunk_attempts_total", help, &labels)
            }),
        }
    }
}
