//! Callers who come and go while others are listened to: so many set-ups a second, each hung up a second after its answer.
//! Nobody listens to them; what counts is that each is answered, stays, and is let go.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::net::UdpSocket;

use super::call::{Call, Dialling, Happening, Outbox};
use super::histogram::{Histogram, Times};
use super::message::{Message, Start};
use super::plan::Plan;
use super::sdp;

/// How long a call lasts from its answer.
const STAY: Duration = Duration::from_secs(1);
/// Conferences they go to, in turn: some are always beginning and some ending.
const CONFERENCES: usize = 50;
/// How often timers are looked at.
const TIMER: Duration = Duration::from_millis(20);
/// How long those who are left may take to be gone at the end: a call's stay, and the repetitions of a lost BYE.
const LEAVE_MAX: Duration = Duration::from_secs(8);
/// The largest datagram UDP can carry.
const DATAGRAM_MAX: usize = 65_535;

/// How they fared.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PassersBy {
    /// Calls dialled.
    pub dialled: u64,
    /// Of those, calls that were answered, stayed, and ended with an answered BYE.
    pub completed: u64,
    /// How many a second, from the first INVITE to the last.
    pub per_second: f64,
    /// Refused, by SIP status.
    pub refused: BTreeMap<u16, u64>,
    /// Never answered.
    pub unanswered: u64,
    /// Ended by the node.
    pub ended_early: u64,
    /// Whose BYE was not answered.
    pub hang_up_unanswered: u64,
    /// From INVITE to answer, ms.
    pub setup_ms: Times,
}

/// Dials from now until `until`, and returns when all are gone.
///
/// # Errors
/// When there is no way to the target or no socket.
pub(super) async fn come_and_go(
    plan: &Plan,
    target: SocketAddr,
    until: Instant,
    interrupt: &AtomicBool,
) -> io::Result<PassersBy> {
    let mut street = Street::new(plan, target).await?;
    let start = Instant::now();
    let interval = Duration::from_secs(1) / plan.passers_by().max(1);
    let give_up = until + LEAVE_MAX;
    loop {
        let now = Instant::now();
        if interrupt.load(Ordering::Relaxed) || now >= give_up || (now >= until && street.calls.is_empty()) {
            break;
        }
        let due = (now.min(until) - start).as_nanos() / interval.as_nanos();
        while u128::from(street.outcome.dialled) < due {
            street.dial(now)?;
        }
        street.step(now + interval.min(TIMER)).await;
    }
    let dialling = until.min(Instant::now()) - start;
    Ok(street.outcome(dialling))
}

struct Street {
    name: String,
    target: SocketAddr,
    socket: UdpSocket,
    /// Where the node sends what they hear. Nobody reads it.
    _media: StdSocket,
    offer: String,
    calls: HashMap<String, Passer>,
    setup: Histogram,
    outcome: PassersBy,
    outbox: Outbox,
    buffer: Vec<u8>,
}

struct Passer {
    call: Call,
    /// When it hangs up; not before its answer.
    leaves: Option<Instant>,
}

impl Street {
    async fn new(plan: &Plan, target: SocketAddr) -> io::Result<Self> {
        let any = if target.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(target).await?;
        socket.writable().await?;
        let media = StdSocket::bind((socket.local_addr()?.ip(), 0))?;
        let offered = sdp::Offered { codec: plan.codecs()[0], keys: &[], audio_level: false };
        let offer = sdp::offer(media.local_addr()?, &offered);
        Ok(Self {
            name: plan.name().to_owned(),
            target,
            socket,
            _media: media,
            offer,
            calls: HashMap::new(),
            setup: Histogram::default(),
            outcome: PassersBy::default(),
            outbox: Outbox::new(),
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    fn dial(&mut self, now: Instant) -> io::Result<()> {
        let number = self.outcome.dialled;
        let mut call = Call::new(Dialling {
            local: self.socket.local_addr()?,
            target: self.target,
            user: format!("conf-{}-passing-{}", self.name, number % CONFERENCES as u64),
            caller: format!("{}-passer-{number}", self.name),
            offer: self.offer.clone(),
        });
        call.dial(now, &mut self.outbox);
        self.calls.insert(call.call_id.clone(), Passer { call, leaves: None });
        self.outcome.dialled += 1;
        self.send_all();
        Ok(())
    }

    async fn step(&mut self, deadline: Instant) {
        let _ = tokio::time::timeout_at(deadline.into(), self.socket.readable()).await;
        while let Ok(length) = self.socket.try_recv(&mut self.buffer) {
            self.take(length);
            self.send_all();
        }
        let now = Instant::now();
        let mut happened = Vec::new();
        for (id, passer) in &mut self.calls {
            if passer.leaves.is_some_and(|leaves| leaves <= now) {
                passer.leaves = None;
                passer.call.hang_up(now, &mut self.outbox);
            }
            if let Some(happening) = passer.call.on_timer(now, &mut self.outbox) {
                happened.push((id.clone(), happening));
            }
        }
        for (id, happening) in happened {
            self.note(&id, &happening);
        }
        self.send_all();
    }

    fn take(&mut self, length: usize) {
        let Some(message) = Message::parse(&self.buffer[..length]) else {
            return;
        };
        let Some(id) = message.header("Call-ID").map(str::to_owned) else {
            return;
        };
        let is_request = matches!(message.start, Start::Request { .. });
        let Some(passer) = self.calls.get_mut(&id) else {
            if is_request && message.cseq_method() != Some("ACK") {
                self.outbox.push(message.answer("481 Call/Transaction Does Not Exist", "", ""));
            }
            return;
        };
        let happening = if is_request {
            passer.call.on_request(&message, &mut self.outbox)
        } else {
            passer.call.on_response(&message, Instant::now(), &mut self.outbox)
        };
        if let Some(happening) = happening {
            self.note(&id, &happening);
        }
    }

    fn note(&mut self, id: &str, happening: &Happening) {
        match happening {
            Happening::Answered { setup, .. } => {
                self.setup.add(setup.as_secs_f64() * 1e3);
                if let Some(passer) = self.calls.get_mut(id) {
                    passer.leaves = Some(Instant::now() + STAY);
                }
                return;
            }
            Happening::Refused { status, .. } => *self.outcome.refused.entry(*status).or_default() += 1,
            Happening::Unanswered => self.outcome.unanswered += 1,
            Happening::EndedByNode => self.outcome.ended_early += 1,
            Happening::HungUp => self.outcome.completed += 1,
            Happening::HangUpUnanswered => self.outcome.hang_up_unanswered += 1,
            Happening::Informed { .. } => {}
        }
        self.calls.remove(id);
    }

    /// What the kernel does not take is repeated by the calls' timers.
    fn send_all(&mut self) {
        for message in self.outbox.drain(..) {
            let _ = self.socket.try_send(message.as_bytes());
        }
    }

    /// Those who are still there at the end were not let go.
    fn outcome(mut self, dialling: Duration) -> PassersBy {
        for passer in self.calls.values() {
            if passer.call.is_pending() {
                self.outcome.unanswered += 1;
            } else {
                self.outcome.hang_up_unanswered += 1;
            }
        }
        self.outcome.per_second = self.outcome.dialled as f64 / dialling.as_secs_f64().max(f64::EPSILON);
        self.outcome.setup_ms = self.setup.times();
        self.outcome
    }
}
