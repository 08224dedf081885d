//! A media thread's side of the port that its browsers share: tells apart what comes, answers what proves that browsers are
//! there and willing, and lets the legs' packets out in batches.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use confab_media::ice::{Agents, IceCredentials, IceDiscard, Place, REPLY_MAX, Reply, Taken};
use confab_media::{Datagram, Engine, LegId, Port, Time};

use super::WorkerIndex;
use super::browser_port::{BrowserPort, HandshakeSink};
use super::clock::{self, Stamps};
use super::passing::{Neighbours, PASSED_LEN_MAX, Passed};
use super::socket::{Batch, Received, SendBatch};
use crate::telemetry::{Counter, Metrics};

/// Datagrams taken from the port at a time.
const BATCH: usize = 64;

/// Times that the port is looked at for more in one tick: 4,096 datagrams are what 2,000 browsers send in two. What is more
/// waits in the kernel, and is dropped there, so a flood costs a tick no more than this.
const BATCHES_MAX: usize = 64;

/// How often it is looked for browsers that are gone.
const LOST_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Browsers found gone that may wait to be reported; more are found again a second later.
const LOST_MAX: usize = 64;

/// One media thread's side of its browsers' port.
pub(crate) struct Door {
    me: WorkerIndex,
    port: BrowserPort,
    agents: Agents,
    batch: Batch<BATCH>,
    reply: Reply,
    out: SendBatch<BATCH>,
    handshakes: HandshakeSink,
    neighbours: Neighbours,
    lost: Vec<LegId>,
    looked_at: Time,
    figures: Figures,
}

/// What it counts.
struct Figures {
    discards: [Arc<Counter>; IceDiscard::ALL.len()],
    answers: Arc<Counter>,
    passed: Arc<Counter>,
    not_passed: Arc<Counter>,
    send_failed: Arc<Counter>,
}

impl Figures {
    fn new(metrics: &Metrics, worker: &str) -> Self {
        let counter = |name, help| metrics.counter(name, help, &[("worker", worker)]);
        Self {
            discards: IceDiscard::ALL.map(|discard| {
                let labels = &[("worker", worker), ("reason", discard.name())];
                let help = "Datagrams to the browsers' port dropped before they reached a leg, by reason.";
                metrics.counter("confab_browser_datagrams_discarded_total", help, labels)
            }),
            answers: counter("confab_browser_stun_answers_total", "STUN requests of browsers answered."),
            passed: counter(
                "confab_browser_datagrams_passed_total",
                "Datagrams of browsers passed on to the media thread where their leg lives.",
            ),
            not_passed: counter(
                "confab_browser_datagrams_not_passed_total",
                "Datagrams of browsers dropped because that thread did not keep up.",
            ),
            send_failed: counter(
                "confab_browser_send_failed_total",
                "Datagrams to browsers the kernel did not take.",
            ),
        }
    }

    fn count(&self, discard: IceDiscard) {
        self.discards[discard as usize].increment();
    }
}

impl Door {
    pub(super) fn new(
        me: WorkerIndex,
        port: BrowserPort,
        legs_max: usize,
        handshakes: HandshakeSink,
        neighbours: Neighbours,
        metrics: &Metrics,
    ) -> Self {
        Self {
            me,
            port,
            agents: Agents::new(legs_max),
            batch: Batch::new(),
            reply: [0; REPLY_MAX],
            out: SendBatch::new(),
            handshakes,
            neighbours,
            lost: Vec::with_capacity(LOST_MAX),
            looked_at: clock::now(),
            figures: Figures::new(metrics, &me.to_string()),
        }
    }

    /// Answers for a leg from now on, or under these credentials as well.
    pub(super) fn answer_for(&mut self, leg: LegId, credentials: IceCredentials) {
        // As many as there may be legs find room, and one without would find none in the engine either: it is ended as one
        // who is gone.
        if !self.agents.set(leg, credentials, self.me, clock::now()) && self.lost.len() < LOST_MAX {
            self.lost.push(leg);
        }
    }

    pub(super) fn answer_for_no_more(&mut self, leg: LegId) {
        self.agents.remove(leg);
    }

    /// A leg lives on this thread now. If it is known where its far end is, it is told: it may have been on its way when that
    /// was found.
    pub(super) fn leg_is_at(&mut self, leg: LegId, place: Place, engine: &mut Engine) {
        if let Some(far_end) = self.agents.move_to(leg, place) {
            let Self { me, neighbours, figures, .. } = self;
            let mut onwards = Onwards { me: *me, neighbours, figures, engine };
            onwards.hand_on(leg, place, far_end, &[], clock::now());
        }
    }

    /// Takes what has come to the port, and what others have passed on.
    pub(super) fn receive(&mut self, engine: &mut Engine, stamps: Stamps) {
        let now = clock::now();
        let Self { me, port, agents, batch, reply, handshakes, neighbours, figures, .. } = self;
        let onwards = Onwards { me: *me, neighbours, figures, engine };
        let mut way = Inwards { onwards, port, agents, reply, handshakes, now };
        for _ in 0..BATCHES_MAX {
            let taken = batch.receive(port.socket(), |received| way.take(stamps, &received));
            if taken < BATCH {
                break;
            }
        }
        handshakes.flush();
        self.take_passed(engine);
        self.find_lost(now);
    }

    fn take_passed(&mut self, engine: &mut Engine) {
        let mut buffer = [0; PASSED_LEN_MAX];
        for ring in &mut self.neighbours.from {
            while let Some(Passed { leg, far_end, received_at, payload }) = ring.take(&mut buffer) {
                let datagram = Datagram { port: Port::Rtp, source: far_end, payload, received_at };
                engine.handle_datagram(leg, &datagram);
            }
        }
    }

    fn find_lost(&mut self, now: Time) {
        if now.since(self.looked_at) < LOST_LOOK_INTERVAL {
            return;
        }
        self.looked_at = now;
        let lost = &mut self.lost;
        self.agents.find_lost(now, LOST_MAX - lost.len(), |leg| lost.push(leg));
    }

    /// The next browser that was found gone.
    pub(super) fn take_lost(&mut self) -> Option<LegId> {
        self.lost.pop()
    }

    /// Puts a datagram of a leg of this thread among those that are sent next, on whichever port is the leg's.
    pub(super) fn send(&mut self, socket: &Arc<UdpSocket>, destination: SocketAddr, datagram: &[u8]) {
        self.figures.send_failed.add(self.out.push(socket, destination, datagram));
    }

    /// Sends them.
    pub(super) fn flush(&mut self) {
        self.figures.send_failed.add(self.out.flush());
    }
}

/// The way of one datagram inwards.
struct Inwards<'a> {
    onwards: Onwards<'a>,
    port: &'a BrowserPort,
    agents: &'a mut Agents,
    reply: &'a mut Reply,
    handshakes: &'a mut HandshakeSink,
    now: Time,
}

impl Inwards<'_> {
    fn take(&mut self, stamps: Stamps, received: &Received<'_>) {
        match self.agents.handle(received.source, received.payload, self.now, self.reply) {
            Ok(Taken::Answer { len, far_end_of }) => {
                self.onwards.figures.answers.increment();
                if !self.port.send(&self.reply[..len], received.source) {
                    self.onwards.figures.send_failed.increment();
                }
                if let Some((leg, place)) = far_end_of {
                    self.onwards.hand_on(leg, place, received.source, &[], self.now);
                }
            }
            Ok(Taken::Dtls(leg)) => self.handshakes.put(leg, received.source, received.payload),
            Ok(Taken::Media { leg, place, far_end }) => {
                let received_at = stamps.received_at(received.stamp);
                self.onwards.hand_on(leg, place, far_end, received.payload, received_at);
            }
            Err(discard) => self.onwards.figures.count(discard),
        }
    }
}

/// The way from the port to where a leg lives.
struct Onwards<'a> {
    me: WorkerIndex,
    neighbours: &'a mut Neighbours,
    figures: &'a Figures,
    engine: &'a mut Engine,
}

impl Onwards<'_> {
    /// To the engine here, or to the thread where the leg lives.
    fn hand_on(&mut self, leg: LegId, place: Place, source: SocketAddr, payload: &[u8], received_at: Time) {
        if place == self.me {
            let datagram = Datagram { port: Port::Rtp, source, payload, received_at };
            return self.engine.handle_datagram(leg, &datagram);
        }
        let passed = Passed { leg, far_end: source, received_at, payload };
        match self.neighbours.to(place).is_some_and(|ring| ring.put(&passed)) {
            true => self.figures.passed.increment(),
            false => self.figures.not_passed.increment(),
        }
    }
}
