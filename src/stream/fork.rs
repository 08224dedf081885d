//! Streams that only listen: what a leg says and hears, sent to a server while it is said.
//!
//! Each has one task and one queue ([`Outbox`]). When a server is lost, the stream looks for it again for a while; what is
//! said meanwhile waits in the queue, as far as that has room, and what does not is a gap, which the times of what follows
//! show and a report states.

mod talk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use confab_media::LegId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

pub use self::talk::Speech;
use super::conversation::{Observed, Observer, converse};
use super::ears::Ears;
use super::outbox::Outbox;
use super::protocol::{Flaw, Opening, Writer};
use super::socket::{Dialler, SocketError, StreamUrl};
use crate::sid::StreamSid;
use crate::telemetry::{Counter, Gauge, Metrics};

/// Reports that may wait for the model. Streams wait for room.
const REPORTS_MAX: usize = 1_024;

/// How long a server that was there is looked for before the stream ends. A restart takes less; who is away for longer has
/// lost the thread of what was said.
const SEARCH_FOR: Duration = Duration::from_secs(60);

/// Between the first two attempts to reach it; then twice as long each time,
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// and so long at most.
const RETRY_MAX: Duration = Duration::from_secs(8);

/// One that stayed for so long was found, and is looked for from the start when it is lost again.
const STEADY: Duration = Duration::from_secs(10);

/// After a message of a server that has nothing to say here, no other is read for so long: a flood fills its own buffers.
const FLOOD_PAUSE: Duration = Duration::from_millis(20);

/// A sound's length, for those who are told of a gap.
const CHUNK_MS: u64 = 20;

/// The reference's code for sound that was dropped since the server did not take it.
const OVERFLOW: u32 = 31_930;

/// A stream that is to begin.
#[derive(Debug)]
pub struct Begin {
    /// Whose sound.
    pub leg: LegId,
    /// Where to.
    pub url: StreamUrl,
    /// What its server is told of it.
    pub opening: Opening,
    /// What it needs to speak too, if it is to.
    pub speech: Option<Speech>,
}

/// What becomes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Its server is there, and hears; for the first time or again.
    Started(StreamSid),
    /// Its server is not there, or no longer; if it is looked for again, that is not the end.
    Failed(StreamSid, Problem),
    /// Something else that whoever wrote the application should know.
    Noted(StreamSid, Problem),
    /// It is over. The last of its reports.
    Ended(StreamSid),
}

/// What went wrong, and the reference's code for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The code.
    pub code: u32,
    /// A sentence.
    pub message: String,
}

impl Problem {
    fn of_socket(error: &SocketError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }

    fn of_flaw(flaw: &Flaw) -> Self {
        Self { code: flaw.code(), message: flaw.to_string() }
    }

    fn of_gap(sounds: u64) -> Self {
        let ms = sounds.saturating_mul(CHUNK_MS);
        Self { code: OVERFLOW, message: format!("the server took too little; {ms} ms of sound were dropped") }
    }
}

/// Begins and ends streams that only listen. Cheap to clone.
#[derive(Clone)]
pub struct Forks {
    dialler: Dialler,
    ears: Arc<Ears>,
    runtime: Handle,
    reports: mpsc::Sender<Report>,
    stats: Stats,
}

/// Figures of streams.
#[derive(Clone)]
struct Stats {
    active: Arc<Gauge>,
    begun: Arc<Counter>,
    failed: Arc<Counter>,
    dropped: Arc<Counter>,
}

impl Stats {
    fn new(metrics: &Metrics) -> Self {
        let of = |what, help| metrics.counter(what, help, &[]);
        Self {
            active: metrics.gauge("confab_streams_active", "Media streams under way.", &[]),
            begun: of("confab_streams_total", "Media streams that were asked for."),
            failed: of("confab_stream_failures_total", "Servers of media streams not reached, or lost."),
            dropped: of(
                "confab_stream_sounds_dropped_total",
                "Sounds of 20 ms that a server of a media stream did not take in time.",
            ),
        }
    }
}

impl Forks {
    /// Streams of what `ears` hear, on the current runtime. What becomes of them comes out of the receiver.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(dialler: Dialler, ears: Arc<Ears>, metrics: &Metrics) -> (Self, mpsc::Receiver<Report>) {
        let (reports, reported) = mpsc::channel(REPORTS_MAX);
        let stats = Stats::new(metrics);
        (Self { dialler, ears, runtime: Handle::current(), reports, stats }, reported)
    }

    /// Begins a stream; its leg is to be tapped from now on. It is for the caller to bound how many there are.
    pub fn begin(&self, begin: Begin) {
        let outbox = Arc::new(Outbox::new());
        self.ears.open(begin.leg, begin.opening.stream, begin.opening.tracks, Arc::clone(&outbox));
        let fork = Fork {
            dialler: self.dialler.clone(),
            url: begin.url,
            leg: begin.leg,
            ears: Arc::clone(&self.ears),
            outbox,
            reports: self.reports.clone(),
            stats: self.stats.clone(),
        };
        self.stats.begun.increment();
        match begin.speech {
            None => self.runtime.spawn(fork.live(begin.opening)),
            Some(speech) => self.runtime.spawn(fork.talk(begin.opening, speech)),
        };
    }

    /// Ends a stream behind what was tapped until now.
    pub fn end(&self, leg: LegId, stream: StreamSid) {
        self.ears.close(leg, stream);
    }
}

impl fmt::Debug for Forks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forks").finish_non_exhaustive()
    }
}

/// One stream.
struct Fork {
    dialler: Dialler,
    url: StreamUrl,
    leg: LegId,
    ears: Arc<Ears>,
    outbox: Arc<Outbox>,
    reports: mpsc::Sender<Report>,
    stats: Stats,
}

/// How a WebSocket ended.
enum End {
    /// The stream is over.
    Ours,
    /// Its server wants no more.
    Theirs(SocketError),
    /// It was lost, or never there.
    Lost(SocketError),
}

impl Fork {
    async fn live(self, opening: Opening) {
        let stream = opening.stream;
        self.stats.active.add(1);
        let mut writer = Writer::new(opening);
        let (reports, dropped) = (self.reports.clone(), Arc::clone(&self.stats.dropped));
        let mut watch = Watch { stream, reports, dropped, search: Search::default(), is_flawed: false };
        loop {
            let end = self.once(&mut writer, &mut watch).await;
            let (error, goes_on) = match end {
                End::Ours => break,
                End::Theirs(error) => (error, false),
                End::Lost(error) => {
                    let goes_on = watch.search.goes_on();
                    (error, goes_on)
                }
            };
            self.stats.failed.increment();
            self.tell(Report::Failed(stream, Problem::of_socket(&error))).await;
            if !goes_on || !self.waits(watch.search.pause()).await {
                break;
            }
            writer = writer.reconnected();
        }
        self.ears.close(self.leg, stream);
        self.outbox.close();
        self.stats.active.add(-1);
        self.tell(Report::Ended(stream)).await;
    }

    /// One WebSocket, from its beginning to its end.
    async fn once(&self, writer: &mut Writer, watch: &mut Watch) -> End {
        let (account, stream) = (writer.opening().account, writer.opening().stream);
        let socket = tokio::select! {
            opened = self.dialler.open(&self.url, account, stream) => match opened {
                Ok(socket) => socket,
                Err(error) => return End::Lost(error),
            },
            () = self.outbox.closed() => return End::Ours,
        };
        match converse(socket, writer, &self.outbox, &(), watch).await {
            Ok(()) => End::Ours,
            Err(_) if self.outbox.is_closed() => End::Ours,
            Err(error) if error.is_wanted() => End::Theirs(error),
            Err(error) => End::Lost(error),
        }
    }

    /// Whether the stream is still wanted after a pause.
    async fn waits(&self, pause: Duration) -> bool {
        tokio::select! {
            () = sleep(pause) => true,
            () = self.outbox.closed() => false,
        }
    }

    async fn tell(&self, report: Report) {
        // A model that is gone wants to know nothing more.
        let _ = self.reports.send(report).await;
    }
}

/// Watches the WebSockets of one stream.
struct Watch {
    stream: StreamSid,
    reports: mpsc::Sender<Report>,
    dropped: Arc<Counter>,
    search: Search,
    /// Whether the server has said something wrong.
    is_flawed: bool,
}

impl Watch {
    /// For what happens while the stream must go on: without room it is not told.
    fn tell(&self, report: Report) {
        let _ = self.reports.try_send(report);
    }
}

impl Observer for Watch {
    fn observe(&mut self, observed: Observed) -> Duration {
        match observed {
            Observed::Started => {
                self.search.found();
                self.tell(Report::Started(self.stream));
                Duration::ZERO
            }
            Observed::Missed(count) => {
                self.dropped.add(count);
                self.tell(Report::Noted(self.stream, Problem::of_gap(count)));
                Duration::ZERO
            }
            Observed::Heard(heard) => {
                let flaw = heard.err().unwrap_or(Flaw::Unidirectional);
                // Once: a server that says one wrong thing says it again and again.
                if !std::mem::replace(&mut self.is_flawed, true) {
                    self.tell(Report::Noted(self.stream, Problem::of_flaw(&flaw)));
                }
                FLOOD_PAUSE
            }
        }
    }
}

/// The search for a server that was lost.
#[derive(Debug, Default)]
struct Search {
    /// When it was there last, if it ever was.
    found: Option<Instant>,
    since: Option<Instant>,
    attempts: u32,
}

impl Search {
    fn found(&mut self) {
        self.found = Some(Instant::now());
    }

    /// Whether it is looked for again. A server that was never there is not: its URL is likelier wrong than it. One that
    /// comes and goes is one search.
    fn goes_on(&mut self) -> bool {
        let Some(found) = self.found else {
            return false;
        };
        if found.elapsed() >= STEADY {
            (self.since, self.attempts) = (None, 0);
        }
        self.since.get_or_insert_with(Instant::now).elapsed() < SEARCH_FOR
    }

    /// How long until the next attempt.
    fn pause(&mut self) -> Duration {
        let pause = RETRY_FIRST.saturating_mul(1 << self.attempts.min(10)).min(RETRY_MAX);
        self.attempts += 1;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_was_there_is_looked_for_ever_more_seldom_and_for_a_minute() {
        let mut search = Search::default();
        assert!(!search.goes_on(), "it was never there");
        search.found();
        let mut pauses = Vec::new();
        while search.goes_on() {
            pauses.push(search.pause());
            tokio::time::advance(pauses[pauses.len() - 1]).await;
            // It comes and goes.
            search.found();
        }
        assert_eq!(pauses[..3], [RETRY_FIRST, RETRY_FIRST * 2, RETRY_FIRST * 4]);
        assert!(pauses.iter().sum::<Duration>() >= SEARCH_FOR && pauses.len() < 20, "{pauses:?}");
        search.found();
        tokio::time::advance(STEADY).await;
        assert!(search.goes_on());
        assert_eq!(search.pause(), RETRY_FIRST);
    }
}
