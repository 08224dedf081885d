//! What a media thread publishes of itself: written by it after each tick without a lock, read by whoever
//! scrapes.

use std::sync::Arc;
use std::time::Duration;

use confab_media::playout::PlayoutCounters;
use confab_media::{Counters, Discard};

use crate::telemetry::{Counter, Gauge, Histogram, Metrics};

/// Ends of the lateness histogram's buckets. The last is where a frame is lost to a peer with a jitter buffer
/// of one packet.
const LATENESS_BOUNDS: [Duration; 9] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
];

/// Figures of one media thread.
#[derive(Debug)]
pub(crate) struct WorkerStats {
    ticks: Arc<Counter>,
    received: Arc<Counter>,
    transmitted: Arc<Counter>,
    encoded: Arc<Counter>,
    limited: Arc<Counter>,
    crowded: Arc<Counter>,
    digits_dropped: Arc<Counter>,
    taps_not_taken: Arc<Counter>,
    discards: [Arc<Counter>; Discard::ALL.len()],
    legs: Arc<Gauge>,
    conferences: Arc<Gauge>,
    playout: PlayoutStats,
    lateness: Arc<Histogram>,
    caught_up: Arc<Counter>,
    skipped: Arc<Counter>,
    send_failed: Arc<Counter>,
    panics: Arc<Counter>,
}

impl WorkerStats {
    pub(crate) fn new(metrics: &Metrics, worker: usize) -> Self {
        let worker = worker.to_string();
        let labels: &[(&'static str, &str)] = &[("worker", &worker)];
        let counter = |name, help| metrics.counter(name, help, labels);
        Self {
            ticks: counter("confab_media_ticks_total", "20 ms steps made."),
            received: counter("confab_media_datagrams_received_total", "Datagrams that came to legs."),
            transmitted: counter("confab_media_datagrams_sent_total", "Datagrams sent to legs."),
            encoded: counter(
                "confab_media_frames_encoded_total",
                "Frames encoded; fewer than were sent, since listeners share.",
            ),
            limited: counter("confab_media_ticks_limited_total", "Ticks of a mix that was turned down."),
            crowded: counter(
                "confab_media_ticks_crowded_total",
                "Ticks in which more spoke in a conference than are mixed.",
            ),
            taps_not_taken: counter(
                "confab_media_taps_not_taken_total",
                "Frames to be recorded that were dropped because the recorder did not keep up.",
            ),
            digits_dropped: counter("confab_media_digits_dropped_total", "Keys pressed that nobody fetched."),
            discards: Discard::ALL.map(|discard| {
                let labels: &[(&'static str, &str)] = &[("worker", &worker), ("reason", discard.name())];
                let help = "Datagrams dropped, by reason.";
                metrics.counter("confab_media_datagrams_discarded_total", help, labels)
            }),
            legs: metrics.gauge("confab_media_legs", "Legs.", labels),
            conferences: metrics.gauge("confab_media_conferences", "Conferences.", labels),
            playout: PlayoutStats::new(metrics, &worker),
            lateness: metrics.histogram(
                "confab_media_tick_lateness_seconds",
                "How late ticks began.",
                labels,
                &LATENESS_BOUNDS,
            ),
            caught_up: counter("confab_media_ticks_caught_up_total", "Ticks made at once after a late one."),
            skipped: counter("confab_media_ticks_skipped_total", "Ticks given up because of lateness."),
            send_failed: counter("confab_media_send_failed_total", "Datagrams the kernel did not take."),
            panics: counter("confab_media_panics_total", "Times the thread failed and was started again."),
        }
    }

    pub(crate) fn publish(&self, counters: &Counters, (legs, conferences): (usize, usize)) {
        self.ticks.advance_to(counters.ticks);
        self.received.advance_to(counters.received);
        self.transmitted.advance_to(counters.transmitted);
        self.encoded.advance_to(counters.encoded);
        self.limited.advance_to(counters.limited);
        self.crowded.advance_to(counters.crowded);
        self.digits_dropped.advance_to(counters.digits_dropped);
        for (counter, &total) in self.discards.iter().zip(&counters.discards) {
            counter.advance_to(total);
        }
        self.playout.publish(&counters.playout);
        self.legs.set(i64::try_from(legs).unwrap_or(i64::MAX));
        self.conferences.set(i64::try_from(conferences).unwrap_or(i64::MAX));
    }

    pub(crate) fn tick_late_by(&self, late: Duration) {
        self.lateness.observe(late);
    }

    pub(crate) fn taps_not_taken(&self, total: u64) {
        self.taps_not_taken.advance_to(total);
    }

    pub(crate) fn caught_up(&self) {
        self.caught_up.increment();
    }

    pub(crate) fn skipped(&self, ticks: u64) {
        self.skipped.add(ticks);
    }

    pub(crate) fn send_failed(&self) {
        self.send_failed.increment();
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment();
    }
}

/// What happened in the receive buffers of one media thread's legs, those that are gone included.
#[derive(Debug)]
struct PlayoutStats {
    packets: [Arc<Counter>; PACKETS.len()],
    sound: [Arc<Counter>; SOUND.len()],
    resets: Arc<Counter>,
}

/// A counter's name and where it is found.
type Figure = (&'static str, fn(&PlayoutCounters) -> u64);

/// What becomes of packets.
const PACKETS: [Figure; 7] = [
    ("received", |counters| counters.received),
    ("lost", |counters| counters.lost),
    ("late", |counters| counters.late),
    ("duplicate", |counters| counters.duplicate),
    ("reordered", |counters| counters.reordered),
    ("discarded", |counters| counters.discarded),
    ("damaged", |counters| counters.damaged),
];

/// What is done to the sound.
const SOUND: [Figure; 5] = [
    ("concealed_frame", |counters| counters.concealed),
    ("concealed_short_gap", |counters| counters.concealed_short),
    ("concealed_long_gap", |counters| counters.concealed_long),
    ("stretched", |counters| counters.stretched),
    ("shrunk", |counters| counters.shrunk),
];

impl PlayoutStats {
    fn new(metrics: &Metrics, worker: &str) -> Self {
        let by = |name, help, label, value: &str| {
            metrics.counter(name, help, &[("worker", worker), (label, value)])
        };
        Self {
            packets: PACKETS.map(|(fate, _)| {
                let help = "Packets of sound by what became of them; a late one may be discarded as well.";
                by("confab_playout_packets_total", help, "fate", fate)
            }),
            sound: SOUND.map(|(change, _)| {
                let help = "Times that sound was not played as it was sent, by what was done.";
                by("confab_playout_changes_total", help, "change", change)
            }),
            resets: metrics.counter(
                "confab_playout_resets_total",
                "Times that a far end's stream began anew.",
                &[("worker", worker)],
            ),
        }
    }

    fn publish(&self, counters: &PlayoutCounters) {
        for (counter, (_, of)) in self.packets.iter().zip(PACKETS).chain(self.sound.iter().zip(SOUND)) {
            counter.advance_to(of(counters));
        }
        self.resets.advance_to(counters.resets);
    }
}
