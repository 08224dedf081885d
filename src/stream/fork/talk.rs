//! Streams that speak too: their server is heard in their call, and hears the keys that are pressed there. One WebSocket,
//! and never another: what a server that comes back says belongs to nothing.
//!
//! ```text
//! server ─ media, mark, clear ─▶ Backlog ─▶ feed ─▶ the call
//!        ◀─ mark ──────────────────┘◀── how many were passed, looked at with each sound of the call
//!        ◀─ dtmf ───────────────────── keys
//! ```

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use confab_media::{Digit, FeedWriter};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::super::backlog::{Backlog, Overflow};
use super::super::conversation::{Marks, Observed, Observer, converse};
use super::super::outbox::{Outbox, Outgoing};
use super::super::protocol::{Flaw, FromServer, Opening, Received, Writer};
use super::super::socket::SocketError;
use super::{FLOOD_PAUSE, Fork, Problem, Report};
use crate::sid::StreamSid;
use crate::telemetry::Counter;

/// After a clear nothing is read for so long. Barging in happens some times a second; a server that does nothing else is
/// not to keep a processor busy.
const CLEAR_PAUSE: Duration = Duration::from_millis(1);

/// What a stream that speaks has of its call.
#[derive(Debug)]
pub struct Speech {
    /// What the call hears, at [`RATE`](super::super::RATE).
    pub feed: FeedWriter,
    /// Keys that the far end presses.
    pub keys: mpsc::Receiver<Digit>,
}

impl Fork {
    /// The life of a stream that speaks.
    pub(super) async fn talk(self, opening: Opening, speech: Speech) {
        let stream = opening.stream;
        self.stats.active.add(1);
        let over = self.converse_with(Writer::new(opening), speech).await;
        if let Err(error) = over
            && !self.outbox.is_closed()
            && !error.is_wanted()
        {
            self.stats.failed.increment();
            self.tell(Report::Failed(stream, Problem::of_socket(&error))).await;
        }
        self.ears.close(self.leg, stream);
        self.outbox.close();
        self.stats.active.add(-1);
        self.tell(Report::Ended(stream)).await;
    }

    async fn converse_with(&self, mut writer: Writer, speech: Speech) -> Result<(), SocketError> {
        let (account, stream) = (writer.opening().account, writer.opening().stream);
        let socket = tokio::select! {
            opened = self.dialler.open(&self.url, account, stream) => opened?,
            () = self.outbox.closed() => return Ok(()),
        };
        let Speech { feed, mut keys } = speech;
        let mouth = Mouth { backlog: Mutex::new(Backlog::new(feed)), news: Notify::new() };
        let mut ear = Ear {
            stream,
            mouth: &mouth,
            reports: self.reports.clone(),
            dropped: Arc::clone(&self.stats.dropped),
            told: HashSet::new(),
        };
        tokio::select! {
            over = converse(socket, &mut writer, &self.outbox, &mouth, &mut ear) => over,
            never = mouth.keep_up(&mut keys, &self.outbox) => match never {},
        }
    }
}

/// Watches the WebSocket of a stream that speaks.
struct Ear<'a> {
    stream: StreamSid,
    mouth: &'a Mouth,
    reports: mpsc::Sender<Report>,
    dropped: Arc<Counter>,
    /// Codes of what the server did wrong.
    told: HashSet<u32>,
}

impl Ear<'_> {
    /// For what happens while the stream must go on: without room it is not told.
    fn tell(&self, report: Report) {
        let _ = self.reports.try_send(report);
    }
}

impl Observer for Ear<'_> {
    fn observe(&mut self, observed: Observed) -> Duration {
        match observed {
            Observed::Started => {
                self.tell(Report::Started(self.stream));
                Duration::ZERO
            }
            Observed::Missed(count) => {
                self.dropped.add(count);
                self.tell(Report::Noted(self.stream, Problem::of_gap(count)));
                Duration::ZERO
            }
            Observed::Heard(heard) => {
                let (problem, pause) = self.mouth.hear(heard);
                // Each kind once: a server that says one wrong thing says it again and again.
                if let Some(problem) = problem.filter(|problem| self.told.insert(problem.code)) {
                    self.tell(Report::Noted(self.stream, problem));
                }
                pause
            }
        }
    }
}

/// What a server says, on its way to be heard.
struct Mouth {
    backlog: Mutex<Backlog>,
    /// There is more of it than the call has been given.
    news: Notify,
}

impl Mouth {
    /// Takes in what a server said: what is wrong with it, and how long nothing more is to be read.
    fn hear(&self, heard: Result<Received, Flaw>) -> (Option<Problem>, Duration) {
        let received = match heard {
            Ok(received) => received,
            Err(flaw) => return (Some(Problem::of_flaw(&flaw)), FLOOD_PAUSE),
        };
        let mut backlog = self.lock();
        let (taken, pause) = match received.message {
            FromServer::Media(sound) => (backlog.say(&sound), Duration::ZERO),
            FromServer::Mark(name) => (backlog.mark(name), Duration::ZERO),
            FromServer::Clear => {
                backlog.clear();
                (Ok(()), CLEAR_PAUSE)
            }
        };
        if backlog.next_pour().is_some() {
            self.news.notify_one();
        }
        match (taken, received.flaw) {
            (Err(overflow), _) => (Some(Problem::of_overflow(overflow)), FLOOD_PAUSE),
            (Ok(()), flaw) => (flaw.as_ref().map(Problem::of_flaw), pause),
        }
    }

    /// Gives the call what waits as it has room, and the server the keys, for as long as it is polled.
    async fn keep_up(&self, keys: &mut mpsc::Receiver<Digit>, outbox: &Outbox) -> Infallible {
        let mut has_keys = true;
        loop {
            let next = self.pour();
            tokio::select! {
                key = keys.recv(), if has_keys => match key {
                    // Without room a key is lost, as on a line.
                    Some(digit) => drop(outbox.put(Outgoing::Dtmf(digit))),
                    None => has_keys = false,
                },
                () = self.news.notified() => {}
                () = sleep(next.unwrap_or_default()), if next.is_some() => {}
            }
        }
    }

    /// Gives what there is room for, and says when there will be more.
    fn pour(&self) -> Option<Duration> {
        let mut backlog = self.lock();
        backlog.pour();
        backlog.next_pour()
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Marks for Mouth {
    fn reached(&self) -> Option<String> {
        self.lock().return_mark()
    }
}

impl Problem {
    fn of_overflow(overflow: Overflow) -> Self {
        Self { code: overflow.code(), message: overflow.to_string() }
    }
}
