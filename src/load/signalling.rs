//! The callers' signalling: one UDP socket for all calls of telephones, one task that dials at the ramp's rate, answers
//! what the node asks, and hangs up. Browsers' calls are begun and ended in turn with them, over HTTP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use super::browser::{Connected, Desk, Has, News, Order, Reached};
use super::call::{Call, Dialling, Happening, Outbox};
use super::caller::{BrowserCall, Caller};
use super::message::{Message, Start};
use super::plan::{LegNumber, Plan};
use super::sdp::{self, Answer};
use super::srtp::Keys;
use super::tally::Tally;

/// How often timers are looked at. Retransmissions start at 500 ms, so this is fine enough.
const TIMER: Duration = Duration::from_millis(20);
/// The largest datagram UDP can carry.
const DATAGRAM_MAX: usize = 65_535;
/// Hanging up goes at this many times the ramp's rate: it is less work than setting up.
const HANG_UP_FASTER: u32 = 4;
/// After this long without an answer to our BYEs we leave.
const HANG_UP_MAX: Duration = Duration::from_secs(8);
/// The same, when somebody waits for us to go.
const HANG_UP_HURRIED: Duration = Duration::from_secs(2);
/// After so many ICMP refusals and not one word we believe that nobody is there. A node that is just
/// starting may miss the first.
const TURNED_AWAY_MAX: u32 = 3;

/// A call that was answered: where its audio goes.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) leg: LegNumber,
    pub(super) socket: StdSocket,
    pub(super) answer: Answer,
    /// The connection of a caller in a browser.
    pub(super) browser: Option<Connected>,
}

/// What a leg that has no answer yet will need.
#[derive(Debug)]
struct Waiting {
    socket: StdSocket,
    /// The keys offered.
    keys: Vec<Keys>,
}

/// All calls of a run.
pub(super) struct Signalling<'a> {
    plan: &'a Plan,
    target: SocketAddr,
    socket: UdpSocket,
    calls: Vec<Caller>,
    /// Where browsers call, if any do.
    desk: Option<Desk>,
    /// Of legs not answered yet.
    waiting: Vec<Option<Waiting>>,
    by_call_id: HashMap<String, LegNumber>,
    pub(super) tally: Tally,
    outbox: Outbox,
    buffer: Vec<u8>,
    /// Whether anything has ever come from the target.
    heard: bool,
    /// Hanging up has begun.
    leaving: bool,
    /// Times the target's host said that nobody listens there (ICMP).
    turned_away: u32,
    interrupt: &'a AtomicBool,
}

impl<'a> Signalling<'a> {
    /// Opens the socket.
    ///
    /// # Errors
    /// When there is no way to the target or no socket.
    pub(super) async fn new(
        plan: &'a Plan,
        target: SocketAddr,
        interrupt: &'a AtomicBool,
    ) -> io::Result<Self> {
        let any = if target.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(target).await?;
        // Until the runtime has seen that it is writable, the first INVITEs would be dropped.
        socket.writable().await?;
        Ok(Self {
            plan,
            target,
            socket,
            calls: Vec::with_capacity(plan.legs()),
            desk: None,
            waiting: Vec::with_capacity(plan.legs()),
            by_call_id: HashMap::with_capacity(plan.legs()),
            tally: Tally { setup_ms: vec![None; plan.legs()], ..Tally::default() },
            outbox: Outbox::new(),
            buffer: vec![0; DATAGRAM_MAX],
            heard: false,
            leaving: false,
            turned_away: 0,
            interrupt,
        })
    }

    /// Where calls come from.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn local_ip(&self) -> io::Result<IpAddr> {
        Ok(self.socket.local_addr()?.ip())
    }

    /// Lets browsers call as well.
    pub(super) fn use_desk(&mut self, desk: Desk) {
        self.desk = Some(desk);
    }

    /// Dials all legs at the ramp's rate and waits until each has an answer of some kind. Hands over
    /// each leg that may speak.
    ///
    /// # Errors
    /// When a socket for a leg cannot be had, or `answered` fails.
    pub(super) async fn dial(
        &mut self,
        mut answered: impl FnMut(Answered) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = Instant::now();
        let interval = Duration::from_secs(1) / self.plan.ramp();
        loop {
            let due = (start.elapsed().as_nanos() / interval.as_nanos()) as usize + 1;
            while self.calls.len() < due.min(self.plan.legs()) {
                self.dial_next()?;
            }
            if !self.heard && self.turned_away >= TURNED_AWAY_MAX {
                self.give_up();
                return Ok(());
            }
            let all_dialled = self.calls.len() == self.plan.legs();
            if self.is_interrupted() || all_dialled && !self.calls.iter().any(Caller::is_pending) {
                return Ok(());
            }
            let soon = Instant::now() + TIMER;
            let next = start + interval * self.calls.len() as u32;
            // Once all are dialled the next call's time is past, and waiting for it would be no waiting.
            let deadline = if all_dialled { soon } else { next.min(soon) };
            self.step(deadline, &mut answered).await?;
        }
    }

    /// Answers what the node asks until then.
    pub(super) async fn attend(&mut self, until: Instant, mut every_step: impl FnMut()) -> io::Result<()> {
        while Instant::now() < until && !self.is_interrupted() {
            self.step(until.min(Instant::now() + TIMER), &mut |_| Ok(())).await?;
            every_step();
        }
        Ok(())
    }

    /// Hangs up all calls and waits for the node to agree.
    pub(super) async fn hang_up(&mut self) -> io::Result<()> {
        let start = Instant::now();
        let interval = Duration::from_secs(1) / (self.plan.ramp() * HANG_UP_FASTER);
        self.leaving = true;
        let mut told = 0;
        let patience = if self.is_interrupted() { HANG_UP_HURRIED } else { HANG_UP_MAX };
        while start.elapsed() < patience + interval * self.calls.len() as u32 {
            let due = (start.elapsed().as_nanos() / interval.as_nanos()) as usize + 1;
            while told < due.min(self.calls.len()) {
                self.hang_up_one(LegNumber(told));
                told += 1;
            }
            if told == self.calls.len() && self.calls.iter().all(Caller::is_over) {
                return Ok(());
            }
            self.step(Instant::now() + interval.min(TIMER), &mut |_| Ok(())).await?;
        }
        let open = self.calls.iter().enumerate().filter(|(_, call)| !call.is_over());
        self.tally.hang_up_unanswered.extend(open.map(|(leg, _)| LegNumber(leg)));
        Ok(())
    }

    /// Who is called.
    pub(super) fn target(&self) -> SocketAddr {
        self.target
    }

    /// Calls dialled so far, and of those the ones that were answered.
    pub(super) fn progress(&self) -> (usize, usize) {
        (self.calls.len(), self.tally.answered())
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }

    fn hang_up_one(&mut self, leg: LegNumber) {
        match &mut self.calls[leg.0] {
            Caller::Phone(call) => call.hang_up(Instant::now(), &mut self.outbox),
            Caller::Browser(call) => {
                if let (BrowserCall::Up(location), Some(desk)) = (&*call, &mut self.desk) {
                    desk.hang_up(leg, &self.plan.caller(leg), location.clone());
                    *call = BrowserCall::Ending;
                }
            }
        }
        self.send_all();
    }

    fn dial_next(&mut self) -> io::Result<()> {
        let leg = LegNumber(self.calls.len());
        if self.plan.is_browser(leg) {
            return self.dial_browser(leg);
        }
        let local = self.socket.local_addr()?;
        let media = StdSocket::bind((local.ip(), 0))
            .map_err(|error| io::Error::new(error.kind(), format!("no socket for {leg}: {error}")))?;
        let keys: Vec<_> = self.plan.suites().iter().map(|&suite| Keys::random(suite)).collect();
        let mut call = Call::new(Dialling {
            local,
            target: self.target,
            user: self.plan.dialled(leg),
            caller: self.plan.caller(leg),
            offer: sdp::offer(media.local_addr()?, &self.offered(leg, &keys)),
        });
        call.dial(Instant::now(), &mut self.outbox);
        self.by_call_id.insert(call.call_id.clone(), leg);
        self.calls.push(Caller::Phone(Box::new(call)));
        self.waiting.push(Some(Waiting { socket: media, keys }));
        self.send_all();
        Ok(())
    }

    fn dial_browser(&mut self, leg: LegNumber) -> io::Result<()> {
        let desk = self.desk.as_mut().ok_or_else(|| io::Error::other("browsers have nowhere to call"))?;
        let (identity, to) = (self.plan.caller(leg), self.plan.dialled(leg));
        let has = Has { microphone: self.plan.has_microphone(leg), audio_level: self.plan.says_level(leg) };
        desk.dial(leg, Order { identity, to, has })?;
        self.calls.push(Caller::Browser(BrowserCall::Pending));
        self.waiting.push(None);
        Ok(())
    }

    fn offered<'k>(&self, leg: LegNumber, keys: &'k [Keys]) -> sdp::Offered<'k> {
        sdp::Offered { codec: self.plan.codec_of(leg), keys, audio_level: self.plan.says_level(leg) }
    }

    /// Waits for messages or `deadline`, handles them, and looks after the timers.
    async fn step(
        &mut self,
        deadline: Instant,
        answered: &mut impl FnMut(Answered) -> io::Result<()>,
    ) -> io::Result<()> {
        let _ = tokio::time::timeout_at(deadline.into(), self.socket.readable()).await;
        while let Ok(length) = self.socket.try_recv(&mut self.buffer) {
            self.heard = true;
            if let Some((leg, happening)) = self.take(length) {
                self.note(leg, happening, answered)?;
            }
            self.send_all();
        }
        let now = Instant::now();
        for leg in 0..self.calls.len() {
            let happened = self.calls[leg].phone().and_then(|call| call.on_timer(now, &mut self.outbox));
            if let Some(happening) = happened {
                self.note(LegNumber(leg), happening, answered)?;
            }
        }
        self.send_all();
        while let Some((leg, news)) = self.desk.as_mut().map_or(Ok(None), Desk::next)? {
            self.note_browser(leg, news, answered)?;
        }
        Ok(())
    }

    /// Stops waiting for answers where nobody is.
    fn give_up(&mut self) {
        for (leg, call) in self.calls.iter_mut().enumerate().filter(|(_, call)| call.is_pending()) {
            call.give_up();
            self.tally.unanswered.push(LegNumber(leg));
        }
    }

    /// Gives a datagram to its call.
    fn take(&mut self, length: usize) -> Option<(LegNumber, Happening)> {
        let message = Message::parse(&self.buffer[..length])?;
        let known = message.header("Call-ID").and_then(|id| self.by_call_id.get(id));
        let is_request = matches!(message.start, Start::Request { .. });
        let Some(&leg) = known else {
            if is_request && message.cseq_method() != Some("ACK") {
                let status = "481 Call/Transaction Does Not Exist";
                self.outbox.push(message.answer(status, "", ""));
            }
            return None;
        };
        let call = self.calls[leg.0].phone()?;
        let happening = if is_request {
            call.on_request(&message, &mut self.outbox)
        } else {
            call.on_response(&message, Instant::now(), &mut self.outbox)
        };
        happening.map(|happening| (leg, happening))
    }

    fn note(
        &mut self,
        leg: LegNumber,
        happening: Happening,
        answered: &mut impl FnMut(Answered) -> io::Result<()>,
    ) -> io::Result<()> {
        match happening {
            Happening::Answered { setup, sdp } => {
                let Some(Waiting { socket, keys }) = self.waiting[leg.0].take() else {
                    return Ok(());
                };
                match sdp::read_answer(&sdp, &self.offered(leg, &keys)) {
                    Ok(answer) => {
                        let ms = setup.as_secs_f64() * 1e3;
                        self.tally.setup.add(ms);
                        self.tally.setup_ms[leg.0] = Some(ms);
                        return answered(Answered { leg, socket, answer, browser: None });
                    }
                    Err(problem) => {
                        let entry = &mut self.tally.bad_answer;
                        entry.get_or_insert_with(|| (problem.to_string(), Vec::new())).1.push(leg);
                    }
                }
            }
            Happening::Refused { status, reason } => {
                self.tally.refused.entry((status, reason)).or_default().push(leg);
            }
            Happening::Unanswered => self.tally.unanswered.push(leg),
            Happening::EndedByNode => self.tally.ended_early.push(leg),
            Happening::HungUp | Happening::Informed { .. } => {}
            Happening::HangUpUnanswered => self.tally.hang_up_unanswered.push(leg),
        }
        Ok(())
    }

    fn note_browser(
        &mut self,
        leg: LegNumber,
        news: News,
        answered: &mut impl FnMut(Answered) -> io::Result<()>,
    ) -> io::Result<()> {
        let add = |to: &mut Option<(String, Vec<LegNumber>)>, problem| {
            to.get_or_insert_with(|| (problem, Vec::new())).1.push(leg);
        };
        let tally = &mut self.tally;
        let mut call = BrowserCall::Over;
        match news {
            // Somebody who is late for a run that was cut short.
            News::Connected(reached) if self.leaving => call = BrowserCall::Up(reached.location),
            News::Connected(reached) => {
                let Reached { socket, answer, connected, took, location } = *reached;
                let ms = took.as_secs_f64() * 1e3;
                tally.setup_ms[leg.0] = Some(ms);
                self.calls[leg.0] = Caller::Browser(BrowserCall::Up(location));
                return answered(Answered { leg, socket, answer, browser: Some(connected) });
            }
            News::Refused { status, reason } => {
                tally.refused.entry((status, reason)).or_default().push(leg);
            }
            News::Unanswered => tally.unanswered.push(leg),
            News::BadAnswer(problem) => add(&mut tally.bad_answer, problem),
            News::NotReached(problem, location) => {
                add(&mut tally.not_reached, problem);
                // The node may still wait for it.
                call = BrowserCall::Up(location);
            }
            News::HungUp => {}
            News::HangUpUnanswered => tally.hang_up_unanswered.push(leg),
        }
        self.calls[leg.0] = Caller::Browser(call);
        if self.leaving {
            self.hang_up_one(leg);
        }
        Ok(())
    }

    /// Sends what calls have to say. What the kernel will not take is repeated by the timers; it refuses
    /// when an ICMP message about an earlier one has come.
    fn send_all(&mut self) {
        for message in self.outbox.drain(..) {
            let sent = self.socket.try_send(message.as_bytes());
            let kind = sent.err().map(|error| error.kind());
            self.turned_away += u32::from(kind == Some(io::ErrorKind::ConnectionRefused));
        }
    }
}
