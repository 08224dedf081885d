//! Calls that the node makes: asked for here, dialled by an adapter.

use std::fmt;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::sync::mpsc;
use tracing::warn;

use super::digits::DigitString;
use super::ending::Leaving;
use super::event::What;
use super::handle::{CallError, CallEvent, HangUp, Progress, Reply, Signal};
use super::model::{Model, SIGNALS_MAX, answer};
use super::recordings::RecordingTerms;
use super::sid::{AccountSid, CallSid};
use super::state::{Call, Stage};
use super::view::{CallDirection, CallStatus, CallView, ParticipantStatus, ParticipantView};
use super::voice::{Destination, StatusCallback};
use crate::config::Secret;

/// A call to be made.
#[derive(Clone, Debug)]
pub struct DialOrder {
    /// In whose name.
    pub account: AccountSid,
    /// Whom to call.
    pub to: DialTarget,
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
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTarget {
    /// A telephone number in E.164, with its `+`: over a trunk.
    Number(String),
    /// A SIP URI.
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

    fn try_to_place(&mut self, mut order: DialOrder) -> Result<Placed, CallError> {
        if self.is_stopping() {
            return Err(CallError::Stopping);
        }
        if !self.outbound.allows(&order.to.to_string()) {
            return Err(CallError::NotAllowed);
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
        // One who is to take a seat has it from now on, or the conference might be full when they answer.
        let seat = match &order.destination {
            Destination::Conference(terms) => {
                Some((self.conference_for(order.account, terms)?, terms.clone()))
            }
            Destination::Script(_) | Destination::Wait => None,
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
        // There is room: nobody else puts anything in.
        let _ = self.outgoing.try_send(outgoing);
        let (leg_id, view) = (leg.leg, outgoing_view(sid, &order));
        let call = Call {
            view: view.clone(),
            seat: None,
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
            report: None,
        };
        self.begin_call(leg_id, call);
        self.tell_status(sid);
        if let Some((conference, terms)) = &seat {
            self.take_seat(sid, *conference, terms);
            self.set_seat_status(sid, ParticipantStatus::Queued);
        }
        let seat = self.calls.get(sid).and_then(|call| call.seat.clone());
        Ok(Placed { call: view, seat })
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

    /// An answered call does what it was made for, if that was not begun before.
    pub(super) fn begin_destination(&mut self, sid: CallSid) {
        match self.calls.get_mut(sid).and_then(|call| call.destination.take()) {
            Some(Destination::Script(voice)) => {
                if !self.follow_script(sid, voice) {
                    warn!(call = %sid, "too many scripts begin at once; call ended");
                    self.hang_up(sid, HangUp::Asked);
                }
            }
            Some(Destination::Conference(terms)) => self.join_unasked(sid, &terms),
            Some(Destination::Wait) | None => {}
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
        sip_status: None,
    }
}
