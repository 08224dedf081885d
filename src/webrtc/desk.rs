//! The handshakes of all browsers that come to one port, as one task: a handshake is some milliseconds of work in all, and
//! none of it may happen on the thread that looks at the port.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confab_media::LegId;
use confab_media::srtp::SrtpPair;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tracing::{debug, info};

use super::handshake::{Handshake, Step};
use crate::telemetry::{Counter, Metrics};
use crate::worker::{BrowserPort, HandshakeDatagram, HandshakeReader};

/// Handshakes that may wait to be begun. Whoever begins one waits for room.
const BEGINNINGS_MAX: usize = 256;

/// News of one handshake that may wait: its keys, and its end.
pub(super) const NEWS_MAX: usize = 4;

/// How often it is looked for what must be sent again, and for calls that are over. The library sends again after a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// So long a handshake may take, from the answer: as long as a browser tries to reach somebody.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a call is told of its handshake. When the call drops the other end, the handshake is closed.
#[derive(Debug)]
pub(super) enum HandshakeNews {
    Keys(SrtpPair),
    Failed(&'static str),
    Closed,
}

/// A handshake that is to be waited for.
pub(super) struct Beginning {
    pub(super) leg: LegId,
    pub(super) handshake: Handshake,
    pub(super) news: mpsc::Sender<HandshakeNews>,
}

/// The way to the desks, one a thread.
pub(super) type Desks = Vec<mpsc::Sender<Beginning>>;

/// Starts a port's desk on the current tokio runtime. It ends with the last who could begin a handshake.
pub(super) fn start(
    port: BrowserPort,
    reader: HandshakeReader,
    metrics: &Metrics,
) -> mpsc::Sender<Beginning> {
    let (begin, begun) = mpsc::channel(BEGINNINGS_MAX);
    let figures = Figures::new(metrics);
    tokio::spawn(Desk { port, figures, under_way: HashMap::new() }.run(reader, begun));
    begin
}

struct Figures {
    done: Arc<Counter>,
    failed: Arc<Counter>,
}

impl Figures {
    fn new(metrics: &Metrics) -> Self {
        let counter = |result| {
            let help = "DTLS handshakes of browsers that came to an end, by their result.";
            metrics.counter("confab_browser_handshakes_total", help, &[("result", result)])
        };
        Self { done: counter("done"), failed: counter("failed") }
    }
}

struct Desk {
    port: BrowserPort,
    figures: Figures,
    /// As many as there are legs of browsers: an entry stays as long as its call.
    under_way: HashMap<LegId, UnderWay>,
}

struct UnderWay {
    handshake: Handshake,
    news: mpsc::Sender<HandshakeNews>,
    began: Instant,
    /// Where the browser's last datagram came from.
    source: Option<SocketAddr>,
    has_failed: bool,
}

impl Desk {
    async fn run(mut self, mut reader: HandshakeReader, mut begun: mpsc::Receiver<Beginning>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // A handshake is begun before its first datagram comes, and is to be found when that does.
                biased;
                beginning = begun.recv() => match beginning {
                    Some(beginning) => self.begin(beginning),
                    None => return,
                },
                datagram = reader.next() => match datagram {
                    Ok(datagram) => self.take(&datagram),
                    // The runtime ends.
                    Err(_) => return,
                },
                _ = looks.tick() => self.look(Instant::now()),
            }
        }
    }

    fn begin(&mut self, Beginning { leg, handshake, news }: Beginning) {
        let began = Instant::now();
        let under_way = UnderWay { handshake, news, began, source: None, has_failed: false };
        self.under_way.insert(leg, under_way);
    }

    fn take(&mut self, datagram: &HandshakeDatagram) {
        let Some(under_way) = self.under_way.get_mut(&datagram.leg).filter(|one| !one.has_failed) else {
            return;
        };
        under_way.source = Some(datagram.source);
        let step = under_way.handshake.take(datagram.payload(), Instant::now());
        under_way.send(&self.port);
        let news = match step {
            Step::GoesOn => return,
            Step::Done(keys) => {
                self.figures.done.increment();
                debug!(leg = %datagram.leg, profile = keys.send.profile().name(), "keys agreed with a browser");
                HandshakeNews::Keys(keys)
            }
            Step::Failed(why) => {
                self.figures.failed.increment();
                under_way.has_failed = true;
                info!(leg = %datagram.leg, why, "the handshake of a browser failed");
                HandshakeNews::Failed(why)
            }
            Step::Closed => HandshakeNews::Closed,
        };
        // There is room for all that a handshake can bring; a call that is over wants to know nothing more.
        let _ = under_way.news.try_send(news);
    }

    fn look(&mut self, now: Instant) {
        let Self { port, figures, under_way } = self;
        under_way.retain(|leg, one| {
            if one.news.is_closed() {
                one.handshake.close(now);
                one.send(port);
                return false;
            }
            if !one.handshake.is_done() && !one.has_failed {
                one.handshake.look_at_clock(now);
                one.send(port);
                if now.saturating_duration_since(one.began) >= PATIENCE {
                    one.has_failed = true;
                    figures.failed.increment();
                    info!(%leg, "a browser did not finish its handshake in time");
                    let _ =
                        one.news.try_send(HandshakeNews::Failed("the browser did not finish its handshake"));
                }
            }
            true
        });
    }
}

impl UnderWay {
    /// Sends what is there to be sent. What is lost is sent again later.
    fn send(&mut self, port: &BrowserPort) {
        while let Some(datagram) = self.handshake.next_to_send() {
            if let Some(source) = self.source {
                port.send(&datagram, source);
            }
        }
    }
}
