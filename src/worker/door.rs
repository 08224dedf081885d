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
use super::guests::Guests;
use super::passing::{For, Incoming, Neighbours, Others, PASSED_LEN_MAX, Passed};
use super::socket::{Batch, SendBatch};
use crate::telemetry::{Counter, Metrics};

/// Datagrams taken from the port at a time.
const BATCH: usize = 64;

/// Times that the port is looked at for more in one tick: 4,096 datagrams are what 2,000 browsers send in two. What is more
/// waits in the kernel, and is dropped there, so a flood costs a tick no more than this.
const BATCHES_MAX: usize = 64;

/// Times that another thread's port is looked at in one tick: 1,024 datagrams are what 1,000 guests send in one. What is more
/// is left to that thread, so a flood of its port costs this one less.
const GUESTS_BATCHES_MAX: usize = 16;

/// How often it is looked for browsers that are gone.
const LOST_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Browsers found gone that may wait to be reported; more are found again a second later.
const LOST_MAX: usize = 64;

/// One media thread's side of its browsers' port.
pub(crate) struct Door {
    me: WorkerIndex,
    port: BrowserPort,
    agents: Agents,
    /// Of other threads' ports.
    guests: Guests,
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
    fetched: Arc<Counter>,
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
                "Datagrams of browsers passed on to the media thread where their leg lives, or whose port they came to.",
            ),
            fetched: counter(
                "confab_browser_datagrams_fetched_total",
                "Datagrams of browsers taken from another thread's port by the media thread where their leg lives.",
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
        ports: &[BrowserPort],
        legs_max: usize,
        handshakes: HandshakeSink,
        neighbours: Neighbours,
        metrics: &Metrics,
    ) -> Self {
        Self {
            me,
            port: ports[me].clone(),
            agents: Agents::new(legs_max),
            guests: Guests::new(ports.to_vec(), legs_max),
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

    /// A leg lives at that place now. If it is known where its far end is, that place is told: it may have been on its way when
    /// that was found.
    pub(super) fn leg_is_at(&mut self, leg: LegId, place: Place, engine: &mut Engine) {
        if let Some(far_end) = self.agents.move_to(leg, place) {
            let Self { me, neighbours, figures, .. } = self;
            let mut onwards = Onwards { me: *me, others: &mut neighbours.to, figures, engine };
            onwards.hand_on(leg, place, far_end, &[], clock::now());
        }
    }

    /// A leg lives on this thread from now on whose browser comes to that port.
    pub(super) fn leg_arrives(&mut self, leg: LegId, port: &BrowserPort) {
        if !port.is(&self.port) {
            self.guests.arrives(leg, port);
        }
    }

    /// A leg lives on this thread no more.
    pub(super) fn leg_leaves(&mut self, leg: LegId) {
        self.guests.leaves(leg);
    }

    /// All legs of this thread are gone.
    pub(super) fn legs_are_lost(&mut self) {
        self.guests.all_leave();
    }

    /// Takes what has come to the port and, of guests, to others' ports, and what others have passed on.
    pub(super) fn receive(&mut self, engine: &mut Engine, stamps: Stamps) {
        let now = clock::now();
        let Self { me, port, agents, guests, batch, reply, handshakes, neighbours, figures, .. } = self;
        let Neighbours { to: others, from } = neighbours;
        let onwards = Onwards { me: *me, others, figures, engine };
        let mut way = Inwards { onwards, port, agents, guests, reply, handshakes, now };
        // What others found came before what is still to be found.
        way.take_passed(from);
        way.look_at_port(batch, stamps);
        way.look_at_ports_of_guests(batch, stamps);
        // Others may have been looking at the same port.
        way.take_passed(from);
        handshakes.flush();
        self.find_lost(now);
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

/// The way of datagrams inwards.
struct Inwards<'a> {
    onwards: Onwards<'a>,
    port: &'a BrowserPort,
    agents: &'a mut Agents,
    guests: &'a mut Guests,
    reply: &'a mut Reply,
    handshakes: &'a mut HandshakeSink,
    now: Time,
}

impl Inwards<'_> {
    fn look_at_port(&mut self, batch: &mut Batch<BATCH>, stamps: Stamps) {
        let port = self.port;
        for _ in 0..BATCHES_MAX {
            let taken = batch.receive(port.socket(), |received| {
                self.take(received.source, received.payload, stamps.received_at(received.stamp));
            });
            if taken < BATCH {
                return;
            }
        }
    }

    fn look_at_ports_of_guests(&mut self, batch: &mut Batch<BATCH>, stamps: Stamps) {
        let Self { onwards, guests, now, .. } = self;
        for (home, port) in guests.ports() {
            for _ in 0..GUESTS_BATCHES_MAX {
                let taken = batch.receive(port.socket(), |received| {
                    let (source, payload) = (received.source, received.payload);
                    let received_at = stamps.received_at(received.stamp);
                    match guests.whose(home, source, payload, *now) {
                        Some(leg) => onwards.take_for_guest(leg, source, payload, received_at),
                        None => onwards.pass(home, &Passed { to: For::Port, source, received_at, payload }),
                    }
                });
                if taken < BATCH {
                    break;
                }
            }
        }
    }

    fn take_passed(&mut self, from: &mut [Incoming]) {
        let mut buffer = [0; PASSED_LEN_MAX];
        for ring in from {
            while let Some(Passed { to, source, received_at, payload }) = ring.take(&mut buffer) {
                match to {
                    For::Leg(leg) => {
                        if payload.is_empty() {
                            self.guests.is_at(leg, source, self.now);
                        }
                        self.onwards.take(leg, source, payload, received_at);
                    }
                    For::Port => self.take(source, payload, received_at),
                }
            }
        }
    }

    /// One that came to this thread's port.
    fn take(&mut self, source: SocketAddr, payload: &[u8], received_at: Time) {
        match self.agents.handle(source, payload, self.now, self.reply) {
            Ok(Taken::Answer { len, far_end_of }) => {
                self.onwards.figures.answers.increment();
                if !self.port.send(&self.reply[..len], source) {
                    self.onwards.figures.send_failed.increment();
                }
                if let Some((leg, place)) = far_end_of {
                    self.onwards.hand_on(leg, place, source, &[], self.now);
                }
            }
            Ok(Taken::Dtls(leg)) => self.handshakes.put(leg, source, payload),
            Ok(Taken::Media { leg, place, far_end }) => {
                self.onwards.hand_on(leg, place, far_end, payload, received_at);
            }
            Err(discard) => self.onwards.figures.count(discard),
        }
    }
}

/// The way from a port to where a leg lives.
struct Onwards<'a> {
    me: WorkerIndex,
    others: &'a mut Others,
    figures: &'a Figures,
    engine: &'a mut Engine,
}

impl Onwards<'_> {
    /// To the engine here, or to the thread where the leg lives.
    fn hand_on(&mut self, leg: LegId, place: Place, source: SocketAddr, payload: &[u8], received_at: Time) {
        if place == self.me {
            return self.take(leg, source, payload, received_at);
        }
        self.pass(place, &Passed { to: For::Leg(leg), source, received_at, payload });
    }

    fn take_for_guest(&mut self, leg: LegId, source: SocketAddr, payload: &[u8], received_at: Time) {
        self.figures.fetched.increment();
        self.take(leg, source, payload, received_at);
    }

    fn take(&mut self, leg: LegId, source: SocketAddr, payload: &[u8], received_at: Time) {
        let datagram = Datagram { port: Port::Rtp, source, payload, received_at };
        self.engine.handle_datagram(leg, &datagram);
    }

    fn pass(&mut self, to: WorkerIndex, passed: &Passed<'_>) {
        match self.others.at(to).is_some_and(|ring| ring.put(passed)) {
            true => self.figures.passed.increment(),
            false => self.figures.not_passed.increment(),
        }
    }
}
