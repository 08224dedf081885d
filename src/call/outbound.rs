//! Calls that the node makes: asked for here, dialled by an adapter.

use std::cmp::max;
use std::fmt;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::digits::DigitString;
use super::ending::Leaving;
use super::event::What;
use super::handle::{CallError, CallEvent, HangUp, Progress, Reply, Signal};
use super::model::{Model, SIGNALS_MAX, answer};
use super::pacing::Lanes;
use super::recordings::RecordingTerms;
use super::sid::{AccountSid, CallSid};
use super::sip_header::SipHeader;
use super::state::{Call, Stage};
use super::view::{CallDirection, CallStatus, CallView, ParticipantStatus, ParticipantView};
use super::voice::{Destination, StatusCallback, Voice, VoiceUrl};
use crate::config::{Accounts, Carriage, OutboundAllow, Secret, Trunks};

/// Calls of one account that may wait for their turn. At the usual rate the last of them waits half a minute; at one a
/// second, a quarter of an hour.
const WAITING_MAX: usize = 1_000;

/// How soon it is tried again when the adapter does not keep up with the calls whose turn has come.
const ADAPTER_PAUSE: Duration = Duration::from_millis(10);

/// What may be dialled, by whom, and how much of it.
#[derive(Clone, Debug)]
pub struct DialRules {
    /// What anybody may dial.
    pub allow: OutboundAllow,
    /// What carries numbers.
    pub trunks: Trunks,
    /// Accounts with terms of their own.
    pub accounts: Accounts,
    /// Calls that any other account may begin over the API in a second.
    pub calls_per_second: u32,
}

impl DialRules {
    /// Those of a node that nobody told anything, but what may be dialled.
    pub fn allowing(allow: OutboundAllow) -> Self {
        Self { allow, trunks: Trunks::default(), accounts: Accounts::default(), calls_per_second: 30 }
    }

    /// Whether the account may dial it at all.
    fn check(&self, order: &DialOrder) -> Result<(), CallError> {
        let dialled = order.to.to_string();
        let terms = self.accounts.terms(&order.account.to_string());
        let of_account = terms.and_then(|terms| terms.allow.as_ref());
        if !self.allow.allows(&dialled) || of_account.is_some_and(|allow| !allow.allows(&dialled)) {
            return Err(CallError::NotAllowed);
        }
        match &order.to {
            DialTarget::Number(number) => match self.trunks.carriage(number, order.trunk.as_deref()) {
                Carriage::Carried => Ok(()),
                Carriage::NotAllowed => Err(CallError::NotAllowed),
                Carriage::NotReached => Err(CallError::NotReached),
                Carriage::NoTrunk => Err(CallError::NoTrunk),
            },
            // Of a trunk nobody asks here.
            DialTarget::Sip(_) | DialTarget::Client(_) => Ok(()),
        }
    }

    fn calls_max(&self, account: AccountSid) -> Option<usize> {
        self.accounts.terms(&account.to_string())?.max_calls
    }

    fn calls_per_second(&self, account: AccountSid) -> u32 {
        let terms = self.accounts.terms(&account.to_string());
        terms.and_then(|terms| terms.calls_per_second).unwrap_or(self.calls_per_second)
    }
}

/// Calls that wait for their turn to be dialled, by whose they are.
pub(super) type DialQueue = Lanes<AccountSid, OutgoingCall>;

pub(super) fn dial_queue() -> DialQueue {
    Lanes::new(WAITING_MAX)
}

/// A call to be made.
#[derive(Clone, Debug)]
pub struct DialOrder {
    /// In whose name.
    pub account: AccountSid,
    /// Whom to call.
    pub to: DialTarget,
    /// What they are told besides, if it is a SIP URI.
    pub headers: Vec<SipHeader>,
    /// What the program of an agent is told besides.
    pub parameters: Vec<(String, String)>,
    /// Who calls, as the far end is told: a number or a SIP user.
    pub from: String,
    /// A name beside it.
    pub display_name: Option<String>,
    /// What the far end may ask us for.
    pub credentials: Option<DialCredentials>,
    /// How long it may ring.
    pub ring_timeout: Duration,
    /// How long it may last once answered.
    pub time_limit: Option<Duration>,
    /// What it does when it is answered.
    pub destination: Destination,
    /// The call whose script asks for it.
    pub parent: Option<CallSid>,
    /// Keys to be pressed when it is answered.
    pub send_digits: Option<DigitString>,
    /// Who is told how far it gets.
    pub status: Option<StatusCallback>,
    /// How it is recorded from its answer on, if it is.
    pub record: Option<RecordingTerms>,
    /// Why they are called, as they are told.
    pub reason: Option<String>,
    /// The trunk that alone a number goes over: its name, or its SID at the original.
    pub trunk: Option<String>,
    /// Who calls is who called the node; an order of the API has proved that.
    pub is_forwarded: bool,
    /// Who wakes an agent's phone: they are told when it is called, and one that is not there is waited for.
    pub wake: Option<VoiceUrl>,
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTarget {
    /// A telephone number in E.164, with its `+`: over a trunk.
    Number(String),
    /// A SIP URI without headers.
    Sip(String),
    /// A registered agent.
    Client(String),
}

impl fmt::Display for DialTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => f.write_str(number),
            Self::Sip(uri) => f.write_str(uri),
            Self::Client(name) => write!(f, "client:{name}"),
        }
    }
}

/// A user and a password for digest authentication.
#[derive(Clone, Debug)]
pub struct DialCredentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A call that is queued to be dialled.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The call.
    pub call: CallView,
    /// The seat that waits for it, if it is to take one.
    pub seat: Option<ParticipantView>,
}

/// A call that an adapter is to dial.
#[derive(Debug)]
pub struct OutgoingCall {
    /// Its name.
    pub call: CallSid,
    /// The port where its RTP will be received; RTCP is on the next.
    pub rtp_port: u16,
    /// What was asked for.
    pub order: DialOrder,
    /// What the adapter is told. When it drops this, the call is over.
    pub signals: mpsc::Receiver<Signal>,
}

impl Model {
    pub(super) fn place(&mut self, order: DialOrder, reply: Reply<Placed>) {
        let placed = self.try_to_place(order);
        answer(reply, placed);
    }

    /// Whether there may be such a call, and room for it.
    fn check_order(&mut self, order: &DialOrder) -> Result<(), CallError> {
        if self.is_stopping() {
            return Err(CallError::Stopping);
        }
        self.outbound.check(order)?;
        let made = || self.calls_made_for(order.account);
        if self.outbound.calls_max(order.account).is_some_and(|most| made() >= most) {
            return Err(CallError::TooManyCalls);
        }
        if self.calls.living() >= self.limits.calls {
            return Err(CallError::NodeFull);
        }
        if self.media.is_behind() {
            return Err(CallError::Overloaded);
        }
        if self.outgoing.capacity() == 0 {
            return Err(CallError::Overloaded);
        }
        Ok(())
    }

    fn try_to_place(&mut self, mut order: DialOrder) -> Result<Placed, CallError> {
        self.check_order(&order)?;
        let wait = self.expect_turn(&order)?;
        // One who is to take a seat has it from now on, or the conference might be full when they answer.
        let seat = match &order.destination {
            Destination::Conference(terms) => {
                Some((self.conference_for(order.account, terms)?, terms.clone()))
            }
            Destination::Script(_) | Destination::Whisper(_) | Destination::Wait => None,
        };
        let conference = seat.as_ref().map(|(conference, _)| *conference);
        let place = conference.and_then(|sid| self.conferences.get(sid)).map(|found| found.place);
        let (leg, rtp_port) = match self.media.reserve_leg(place) {
            Ok(reserved) => reserved,
            Err(e) => {
                warn!(error = %e, "no RTP ports for a call");
                if let Some(conference) = conference {
                    self.close_if_empty(conference, None, Leaving::HungUp);
                }
                return Err(CallError::Overloaded);
            }
        };
        let sid = CallSid::generate();
        let (signals, told) = mpsc::channel(SIGNALS_MAX);
        let (status, send_digits) = (order.status.take(), order.send_digits.take());
        self.record_when_answered(sid, order.record.take());
        let outgoing = OutgoingCall { call: sid, rtp_port, order: order.clone(), signals: told };
        let (leg_id, mut view) = (leg.leg, outgoing_view(sid, &order));
        // What is expected, until it is known.
        view.queue_time = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let call = Call {
            view: view.clone(),
            seat: None,
            sitting: Default::default(),
            leg,
            signals,
            script: None,
            stage: Stage::Reserved,
            answering: Vec::new(),
            playing: None,
            deadline: None,
            time_limit: order.time_limit,
            destination: Some(order.destination).filter(|_| seat.is_none()),
            status,
            told: 0,
            send_digits,
            wake: order.wake,
            dialler: order.parent,
            held_by_far_end: false,
            is_sent_away: false,
            report: None,
        };
        self.begin_call(leg_id, call);
        self.send_out(outgoing);
        self.tell_status(sid);
        if let Some((conference, terms)) = &seat {
            self.take_seat(sid, *conference, terms);
            self.set_seat_status(sid, ParticipantStatus::Queued);
        }
        let seat = self.calls.get(sid).and_then(|call| call.seat.clone());
        Ok(Placed { call: view, seat })
    }

    /// Calls that the node makes for an account now.
    fn calls_made_for(&self, account: AccountSid) -> usize {
        let living = self.legs.values().filter_map(|sid| self.calls.get(*sid));
        let is_made =
            |call: &&Call| call.view.account == account && call.view.direction != CallDirection::Inbound;
        living.filter(is_made).count()
    }

    /// How long a call will wait to be dialled. Only those that the API asks for wait: a script that dials has a caller
    /// who is waiting already.
    fn expect_turn(&mut self, order: &DialOrder) -> Result<Duration, CallError> {
        if order.parent.is_some() {
            return Ok(Duration::ZERO);
        }
        let rate = self.outbound.calls_per_second(order.account);
        let expected = self.queue.expect(order.account, rate, Instant::now());
        expected.map_err(|full| CallError::DialQueueFull {
            // Nobody is told to come back at once.
            retry_after: max(full.retry_after.as_secs(), 1),
        })
    }

    /// Hands a call to whoever dials it, now or when its turn comes.
    fn send_out(&mut self, outgoing: OutgoingCall) {
        if outgoing.order.parent.is_some() {
            // There is room: nobody else puts anything in.
            let _ = self.outgoing.try_send(outgoing);
            return;
        }
        // Its lane is there and has room, as its turn was asked for a moment ago.
        let _ = self.queue.push(outgoing.order.account, outgoing);
        self.send_due();
    }

    /// Hands the calls whose turn has come to whoever dials them.
    pub(super) fn send_due(&mut self) {
        let now = Instant::now();
        while self.outgoing.capacity() > 0
            && let Some(outgoing) = self.queue.next_due(now)
        {
            // There is room.
            let _ = self.outgoing.try_send(outgoing);
        }
    }

    /// When a waiting call's turn comes next.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        let now = Instant::now();
        let turn = self.queue.next_turn(now)?;
        // One whose turn is past waits for room at the adapter.
        Some(if turn <= now { now + ADAPTER_PAUSE } else { turn })
    }

    /// A call is over: if it waited for its turn, it does no more.
    pub(super) fn forget_turn(&mut self, account: AccountSid, sid: CallSid) {
        self.queue.remove(account, |waiting| waiting.call == sid);
    }

    fn set_seat_status(&mut self, sid: CallSid, status: ParticipantStatus) {
        let seat = self.calls.get_mut(sid).and_then(|call| call.seat.as_mut());
        if let Some(seat) = seat.filter(|seat| seat.status != ParticipantStatus::Complete) {
            seat.status = status;
            seat.updated = Utc::now();
        }
    }

    pub(super) fn progressed(&mut self, sid: CallSid, progress: Progress) {
        let living = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final());
        let Some(call) = living else {
            return;
        };
        let now = Utc::now();
        match progress {
            Progress::Dialling => {
                call.view.queue_time = now - call.view.created;
                self.wake(sid);
                self.set_seat_status(sid, ParticipantStatus::Connecting);
            }
            Progress::Ringing if call.view.status == CallStatus::Queued => {
                call.view.status = CallStatus::Ringing;
                call.view.updated = now;
                self.journal.append(now, What::Call(call.view.clone()));
                self.set_seat_status(sid, ParticipantStatus::Ringing);
                self.tell_parent(sid);
                self.tell_status(sid);
            }
            Progress::Ringing => {}
        }
    }

    pub(super) fn uses_trunk(&mut self, sid: CallSid, trunk: String) {
        if let Some(call) = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final()) {
            call.view.trunk = Some(trunk);
        }
    }

    /// An answered call does what it was made for, if that was not begun before.
    pub(super) fn begin_destination(&mut self, sid: CallSid) {
        match self.calls.get_mut(sid).and_then(|call| call.destination.take()) {
            Some(Destination::Script(voice)) => self.begin_script(sid, voice, false),
            Some(Destination::Whisper(voice)) => self.begin_script(sid, voice, true),
            Some(Destination::Conference(terms)) => self.join_unasked(sid, &terms),
            Some(Destination::Wait) | None => {}
        }
    }

    fn begin_script(&mut self, sid: CallSid, voice: Voice, is_whisper: bool) {
        if !self.follow_script(sid, voice, is_whisper) {
            warn!(call = %sid, "too many scripts begin at once; call ended");
            self.hang_up(sid, HangUp::Asked);
        }
    }

    /// Tells the call whose script dialled this one how far it got.
    pub(super) fn tell_parent(&self, sid: CallSid) {
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        if let Some(parent) = call.view.parent.and_then(|parent| self.calls.get(parent)) {
            parent.tell(CallEvent::Dialled(Box::new(call.view.clone())));
        }
    }
}

fn outgoing_view(sid: CallSid, order: &DialOrder) -> CallView {
    let now = Utc::now();
    CallView {
        sid,
        account: order.account,
        parent: order.parent,
        from: order.from.clone(),
        to: order.to.to_string(),
        direction: match order.parent {
            Some(_) => CallDirection::OutboundDial,
            None => CallDirection::OutboundApi,
        },
        status: CallStatus::Queued,
        created: now,
        updated: now,
        started: None,
        ended: None,
        queue_time: TimeDelta::zero(),
        trunk: None,
        sip_status: None,
    }
}
