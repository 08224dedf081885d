//! How calls sound: asked of the media threads while a call lasts, and remembered from its leg when that has come home.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use confab_media::{DirectionQuality, LegId, Micros, QualityReport};

use super::handle::{CallError, Reply};
use super::sid::CallSid;
use super::view::CallStatus;
use crate::telemetry::{Distribution, Histogram, Metrics};
use crate::worker::WorkerIndex;

/// How a call sounds, or sounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallQuality {
    /// How far the call got.
    pub status: CallStatus,
    /// What its leg has seen; nothing before it was answered. Of a call that is over, what it saw last.
    pub report: Option<QualityReport>,
}

/// Legs that were taken from their calls and have not come home, with what they know.
#[derive(Default)]
pub(super) struct Departures {
    /// Ended by the leg's return, by its thread's word that there is none, or by the thread's end.
    legs: HashMap<LegId, Departure>,
}

struct Departure {
    call: CallSid,
    worker: WorkerIndex,
    /// Who wants to know what it brings home: requests of the API, of which there are only so many at a time.
    waiting: Vec<Reply<CallQuality>>,
}

/// A call whose leg is not on its way any more, and who wants to know how it sounded.
pub(super) type Arrived = (CallSid, Vec<Reply<CallQuality>>);

impl Departures {
    pub(super) fn begin(&mut self, leg: LegId, call: CallSid, worker: WorkerIndex) {
        self.legs.insert(leg, Departure { call, worker, waiting: Vec::new() });
    }

    /// Lets somebody wait for the leg, or gives them back if it is not on its way.
    pub(super) fn wait(&mut self, leg: LegId, reply: Reply<CallQuality>) -> Result<(), Reply<CallQuality>> {
        match self.legs.get_mut(&leg) {
            Some(departure) => departure.waiting.push(reply),
            None => return Err(reply),
        }
        Ok(())
    }

    pub(super) fn arrived(&mut self, leg: LegId) -> Option<Arrived> {
        self.legs.remove(&leg).map(|departure| (departure.call, departure.waiting))
    }

    /// The call's leg is nowhere.
    pub(super) fn lost(&mut self, call: CallSid) -> Vec<Arrived> {
        self.extract(|departure| departure.call == call)
    }

    /// All legs of a thread that forgot them.
    pub(super) fn lost_with(&mut self, worker: WorkerIndex) -> Vec<Arrived> {
        self.extract(|departure| departure.worker == worker)
    }

    fn extract(&mut self, is: impl Fn(&Departure) -> bool) -> Vec<Arrived> {
        let lost = self.legs.extract_if(|_, departure| is(departure));
        lost.map(|(_, departure)| (departure.call, departure.waiting)).collect()
    }
}

/// Answers all who wait.
pub(super) fn answer_all(waiting: Vec<Reply<CallQuality>>, with: Result<CallQuality, CallError>) {
    for reply in waiting {
        // Whoever asked may have gone away.
        let _ = reply.send(with);
    }
}

/// Ends of the buckets of scores: where users begin to be dissatisfied, many of them, and nearly all (R of 80, 70, 60 and
/// 50 on the scale of ITU-T G.109), and what is between a very good call and the best there is.
const MOS_BOUNDS: [f64; 8] = [1.5, 2.0, 2.58, 3.1, 3.6, 4.02, 4.2, 4.35];

/// Ends of the buckets of jitter.
const JITTER_BOUNDS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// Ends of the buckets of round trips.
const ROUND_TRIP_BOUNDS: [Duration; 8] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(1_000),
];

/// Figures of calls that are over.
pub(super) struct QualityStats {
    receive: DirectionStats,
    send: DirectionStats,
    round_trip: Arc<Histogram>,
}

struct DirectionStats {
    mos: Arc<Distribution>,
    jitter: Arc<Histogram>,
}

impl QualityStats {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let direction = |direction| {
            let labels = [("direction", direction)];
            DirectionStats {
                mos: metrics.distribution(
                    "confab_call_mos",
                    "How whole calls sounded (E-model's MOS): received from the far end, and sent to it.",
                    &labels,
                    &MOS_BOUNDS,
                ),
                jitter: metrics.histogram(
                    "confab_call_jitter_seconds",
                    "Mean interarrival jitter of whole calls.",
                    &labels,
                    &JITTER_BOUNDS,
                ),
            }
        };
        Self {
            receive: direction("receive"),
            send: direction("send"),
            round_trip: metrics.histogram(
                "confab_call_round_trip_seconds",
                "Mean round trips of whole calls, from the node to the far end and back.",
                &[],
                &ROUND_TRIP_BOUNDS,
            ),
        }
    }

    /// A call is over.
    pub(super) fn note(&self, report: &QualityReport) {
        self.receive.note(&report.call.receive);
        self.send.note(&report.call.send);
        observe(&self.round_trip, report.call.round_trip);
    }
}

impl DirectionStats {
    fn note(&self, quality: &DirectionQuality) {
        if let Some(score) = quality.score {
            self.mos.observe(score.mos());
        }
        observe(&self.jitter, quality.jitter);
    }
}

/// What nobody knows is not observed.
fn observe(histogram: &Histogram, time: Option<Micros>) {
    if let Some(time) = time {
        histogram.observe(time.into());
    }
}
