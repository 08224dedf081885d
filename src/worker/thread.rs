//! A media thread: takes orders, receives, ticks, sends, reports, sleeps. It owns its engine and its legs'
//! sockets outright; only values cross to other threads.
//!
//! Sockets are looked at once a tick, just before it: the mixer cannot use a datagram earlier, and the kernel's
//! stamps keep the true arrival times. So a thread wakes 50 times a second however many legs it has.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use confab_media::{
    Ask, COMMANDS_PER_DRAIN, Command, Datagram, Engine, EngineSettings, Event, IdMap, LegEvent, LegId, Port,
    Retired, Tick, TickTimes, Time, Transmit, id_map,
};

use super::browser_port::BrowserPort;
use super::clock::{self, Stamps};
use super::deadline::{Deadline, Due};
use super::door::Door;
use super::fan_out::Bell;
use super::queue::{Desk, LegWay, Order, Report};
use super::socket::{Batch, LegSockets, raise_priority};
use super::stats::WorkerStats;
use super::taps::TapWriter;

/// Ticks between two looks at a leg's RTCP socket: RTCP comes every few seconds (RFC 3550 §6.2), so once a
/// second is soon enough and costs next to nothing. Legs take turns.
const RTCP_LOOK_TICKS: u64 = 50;

/// So long may RTCP have lain in its socket when it is looked at.
const RTCP_LOOK_INTERVAL: Duration = Tick::DURATION.saturating_mul(RTCP_LOOK_TICKS as u32);

/// What a media thread is started with.
pub(crate) struct Start {
    pub(crate) settings: EngineSettings,
    pub(crate) desk: Desk,
    pub(crate) taps: TapWriter,
    pub(crate) bell: Bell,
    /// The port of its browsers, if it has one.
    pub(crate) door: Option<Door>,
    pub(crate) stats: WorkerStats,
    /// A time at which one of its ticks is due.
    pub(crate) phase: Time,
    #[cfg(feature = "planted-faults")]
    pub(crate) fault: Option<confab_media::Fault>,
}

/// The thread's whole life. A panic costs the legs and conferences it held and nothing else.
pub(crate) fn run(mut start: Start) {
    if !raise_priority() {
        tracing::info!("media threads run at ordinary priority: raising it was not permitted");
    }
    loop {
        let life = catch_unwind(AssertUnwindSafe(|| Thread::new(&mut start).live()));
        if life.is_ok() {
            return;
        }
        start.stats.panicked();
        // Only when the control side has stopped taking reports is there no room: then it is gone too.
        start.desk.report(Report::Restarted);
        start.desk.flush();
    }
}

struct Thread<'a> {
    engine: Engine,
    desk: &'a mut Desk,
    taps: &'a mut TapWriter,
    bell: &'a Bell,
    stats: &'a WorkerStats,
    /// Outlives a panic, as its browsers do.
    door: Option<&'a mut Door>,
    legs: Vec<Polled>,
    /// By leg.
    ways: IdMap<LegId, Way>,
    batch: Batch,
    deadline: Deadline,
    last_look: Time,
    ticks: u64,
    /// What did not fit in the ring of reports, to be reported first next time.
    held_back: Option<Report>,
}

/// What a leg is sent on.
enum Way {
    /// Sockets of its own, at this place of those that are looked at.
    Own(usize),
    /// A port that it shares with others.
    Shared(BrowserPort),
}

/// A leg's sockets.
struct Polled {
    leg: LegId,
    sockets: LegSockets,
    connected: bool,
}

impl<'a> Thread<'a> {
    fn new(start: &'a mut Start) -> Self {
        let now = clock::now();
        if let Some(door) = &mut start.door {
            door.legs_are_lost();
        }
        Self {
            engine: engine(start),
            legs: Vec::with_capacity(start.settings.legs_max),
            ways: id_map(start.settings.legs_max),
            desk: &mut start.desk,
            taps: &mut start.taps,
            bell: &start.bell,
            stats: &start.stats,
            door: start.door.as_mut(),
            batch: Batch::new(),
            deadline: Deadline::first_after(now, start.phase),
            last_look: now,
            ticks: 0,
            held_back: None,
        }
    }

    fn live(mut self) {
        loop {
            if !self.take_orders() {
                return;
            }
            if let Some(due) = self.deadline.due(clock::now()) {
                self.tick(due);
            }
            self.report();
            self.desk.orders_waker.sleep(self.deadline.wait(clock::now()));
            self.desk.orders_waker.drain();
        }
    }

    /// `false` when told to stop.
    fn take_orders(&mut self) -> bool {
        for _ in 0..COMMANDS_PER_DRAIN {
            match self.desk.next_order() {
                None => break,
                Some(Order::Stop) => return false,
                Some(Order::AddLeg(id, leg, way)) => {
                    match way {
                        LegWay::Own(sockets) => self.poll(leg.id(), sockets),
                        LegWay::Shared(port) => self.share(leg.id(), port),
                    }
                    self.engine.handle_command(Command { id, ask: Ask::AddLeg(leg) });
                }
                Some(Order::AnswerFor(leg, credentials)) => {
                    self.at_door(|door| door.answer_for(leg, credentials));
                }
                Some(Order::AnswerForNoMore(leg)) => self.at_door(|door| door.answer_for_no_more(leg)),
                Some(Order::LegIsAt(leg, worker)) => {
                    if let Some(door) = self.door.as_deref_mut() {
                        door.leg_is_at(leg, worker, &mut self.engine);
                    }
                }
                Some(Order::Command(command)) => {
                    self.forget_far_end(&command.ask);
                    self.engine.handle_command(command);
                }
            }
        }
        true
    }

    fn at_door(&mut self, what: impl FnOnce(&mut Door)) {
        if let Some(door) = self.door.as_deref_mut() {
            what(door);
        }
    }

    fn tick(&mut self, due: Due) {
        self.stats.tick_late_by(due.late);
        self.stats.skipped(due.skipped);
        if due.catches_up {
            self.stats.caught_up();
        }
        self.receive();
        let tapped_before = self.taps.count();
        let mixed = self.engine.mix_into(due.at, self.taps);
        let mixed_at = clock::now();
        mixed.encode();
        let encoded_at = clock::now();
        self.send();
        self.engine.note_times(TickTimes {
            mix: mixed_at.since(due.at),
            encode: encoded_at.since(mixed_at),
            send: clock::now().since(encoded_at),
        });
        // Behind the packets: who is in a call comes before who is told of it.
        if self.taps.count() > tapped_before {
            self.bell.ring();
        }
        self.ticks += 1;
        self.stats.taps_not_taken(self.taps.dropped());
        self.stats.publish(&self.engine.counters(), self.engine.load());
    }

    fn receive(&mut self) {
        let stamps = Stamps::since(self.last_look);
        let stamps_of_rtcp = Stamps::since(self.last_look - RTCP_LOOK_INTERVAL);
        self.last_look = clock::now();
        if let Some(door) = self.door.as_deref_mut() {
            door.receive(&mut self.engine, stamps);
        }
        for (place, polled) in self.legs.iter().enumerate() {
            if let Some(next) = self.legs.get(place + 1) {
                self.engine.look_ahead(next.leg);
            }
            let engine = &mut self.engine;
            let mut take = |port, stamps: Stamps, received: super::socket::Received<'_>| {
                let datagram = Datagram {
                    port,
                    source: received.source,
                    payload: received.payload,
                    received_at: stamps.received_at(received.stamp),
                };
                engine.handle_datagram(polled.leg, &datagram);
            };
            self.batch.receive(&polled.sockets.rtp, |received| take(Port::Rtp, stamps, received));
            if (self.ticks + place as u64).is_multiple_of(RTCP_LOOK_TICKS) {
                self.batch
                    .receive(&polled.sockets.rtcp, |received| take(Port::Rtcp, stamps_of_rtcp, received));
            }
        }
    }

    fn send(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            match (self.ways.get(&transmit.leg), self.door.as_deref_mut()) {
                (Some(Way::Own(place)), _) => {
                    if !send_on(&self.legs[*place], &transmit) {
                        self.stats.send_failed();
                    }
                }
                (Some(Way::Shared(port)), Some(door)) => {
                    door.send(port.socket(), transmit.destination, transmit.datagram);
                }
                (Some(Way::Shared(_)), None) | (None, _) => {}
            }
        }
        self.at_door(Door::flush);
    }

    fn report(&mut self) {
        if let Some(report) = self.held_back.take() {
            self.held_back = self.desk.report(report);
        }
        while self.held_back.is_none() && self.desk.has_room() {
            let Some(report) = self.next_report() else {
                break;
            };
            self.held_back = self.desk.report(report);
        }
        self.desk.flush();
    }

    fn next_report(&mut self) -> Option<Report> {
        if let Some(retired) = self.engine.poll_retired() {
            let sockets = match &retired {
                Retired::Leg(leg) => self.unpoll(leg.id()),
                Retired::Conference(_)
                | Retired::LegChange(_)
                | Retired::Player(_)
                | Retired::Presses(_)
                | Retired::Capture(_)
                | Retired::ConferenceTap(_)
                | Retired::Equipment(_)
                | Retired::Programme(_)
                | Retired::Levels(_)
                | Retired::Quality(_) => None,
            };
            return Some(Report::Retired(retired, sockets));
        }
        if let Some(leg) = self.door.as_deref_mut().and_then(Door::take_lost) {
            return Some(Report::ConsentLost(leg));
        }
        let event = self.engine.poll_event()?;
        if let Event::Leg { leg, event: LegEvent::Latched { source } } = event {
            self.connect(leg, source);
        }
        Some(Report::Event(event))
    }

    fn poll(&mut self, leg: LegId, sockets: LegSockets) {
        self.ways.insert(leg, Way::Own(self.legs.len()));
        self.legs.push(Polled { leg, sockets, connected: false });
    }

    fn share(&mut self, leg: LegId, port: BrowserPort) {
        self.at_door(|door| door.leg_arrives(leg, &port));
        self.ways.insert(leg, Way::Shared(port));
    }

    fn unpoll(&mut self, leg: LegId) -> Option<LegWay> {
        let place = match self.ways.remove(&leg)? {
            Way::Own(place) => place,
            Way::Shared(port) => {
                self.at_door(|door| door.leg_leaves(leg));
                return Some(LegWay::Shared(port));
            }
        };
        let polled = self.legs.swap_remove(place);
        if let Some(moved) = self.legs.get(place) {
            self.ways.insert(moved.leg, Way::Own(place));
        }
        Some(LegWay::Own(polled.sockets))
    }

    /// The leg's sockets, if it has its own.
    fn polled(&mut self, leg: LegId) -> Option<&mut Polled> {
        match self.ways.get(&leg)? {
            Way::Own(place) => self.legs.get_mut(*place),
            Way::Shared(_) => None,
        }
    }

    fn connect(&mut self, leg: LegId, source: std::net::SocketAddr) {
        if let Some(polled) = self.polled(leg) {
            // A failure leaves the socket open to all; the engine discards what is not from the far end.
            polled.connected = polled.sockets.connect(source).is_ok();
        }
    }

    /// A far end about to be renamed must be let in from anywhere until it is latched again.
    fn forget_far_end(&mut self, ask: &Ask) {
        let Ask::SetLegMedia(leg, ..) = ask else {
            return;
        };
        if let Some(polled) = self.polled(*leg).filter(|polled| polled.connected) {
            polled.connected = polled.sockets.disconnect().is_err();
        }
    }
}

fn engine(start: &Start) -> Engine {
    #[cfg_attr(not(feature = "planted-faults"), expect(unused_mut, reason = "planting mutates"))]
    let mut engine = Engine::new(start.settings);
    #[cfg(feature = "planted-faults")]
    if let Some(fault) = start.fault {
        engine.plant(fault);
    }
    engine
}

/// Whether the kernel took it. A far end whose port is closed answers with ICMP, which shows as an error of the
/// next send; that one is tried once more, since the error was not its own.
fn send_on(polled: &Polled, transmit: &Transmit<'_>) -> bool {
    let (socket, connected) = match transmit.port {
        Port::Rtp => (&polled.sockets.rtp, polled.connected),
        Port::Rtcp => (&polled.sockets.rtcp, false),
    };
    let once = || {
        if connected {
            socket.send(transmit.datagram)
        } else {
            socket.send_to(transmit.datagram, transmit.destination)
        }
    };
    once().or_else(|_| once()).is_ok()
}
