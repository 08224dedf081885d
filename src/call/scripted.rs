//! A model without media or SIP, for the tests of adapters: tables in memory behind a real [`Handle`].
//!
//! It answers as the model does, at once: a mute flips the row, a kick removes it and ends the call.

use chrono::{DateTime, TimeDelta, Utc};
use confab_media::QualityReport;
use tokio::sync::mpsc;

use super::event::{Events, Journal, What};
use super::floor::{Floor, FloorConference, FloorRequest, FloorSeat};
use super::handle::{CallError, EndCall, Handle, ParticipantKey, Request};
use super::history::{Owed, Unkept};
use super::list::page;
use super::quality::CallQuality;
use super::queue::request::QueueRequest;
use super::queue::{Moment, QueueName, Queues};
use super::seating::{CoachChange, SeatChange};
use super::sid::{CallSid, ConferenceSid, QueueSid};
pub(crate) use super::stalled::account;
use super::view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    ConferenceView, Page, PageRequest, ParticipantFilter, ParticipantStatus, ParticipantView,
};

/// The rows, newest first.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) calls: Vec<CallView>,
    pub(crate) conferences: Vec<ConferenceView>,
    pub(crate) participants: Vec<ParticipantView>,
    pub(super) queues: Queues,
    /// How every call sounds.
    pub(crate) quality: Option<QualityReport>,
}

impl Script {
    /// Adds a conference in progress with `callers` in it, each later by a second than the one before.
    pub(crate) fn conference(&mut self, name: &str, callers: usize) -> ConferenceSid {
        let created = began();
        let sid = ConferenceSid::generate();
        for caller in 0..callers {
            let at = created + TimeDelta::seconds(i64::try_from(caller).expect("a few"));
            let call = call(&format!("caller-{caller}"), &format!("conf-{name}"), at);
            self.participants.insert(0, participant(call.sid, sid, at));
            self.calls.insert(0, call);
        }
        let view = ConferenceView {
            sid,
            account: account(),
            friendly_name: name.to_owned(),
            status: ConferenceStatus::InProgress,
            created,
            updated: created,
            reason_ended: None,
            call_sid_ending: None,
            participants: callers,
            is_listed: true,
        };
        self.conferences.insert(0, view);
        sid
    }

    /// Answers from these rows for as long as there is a handle.
    pub(crate) fn play(mut self) -> Handle {
        let (requests, mut asked) = mpsc::channel(16);
        let journal = Journal::new(Utc::now());
        let events = journal.events();
        tokio::spawn(async move {
            while let Some((_, request)) = asked.recv().await {
                self.answer(request, &journal);
            }
        });
        Handle { requests, events, account: None, store: None }
    }

    fn answer(&mut self, request: Request, journal: &Journal) {
        // Whoever asked may have given up waiting.
        match request {
            Request::ListCalls(filter, page, reply) => drop(reply.send(Ok(self.calls(&filter, page)))),
            Request::FetchCall(call, reply) => drop(reply.send(self.call(call).cloned())),
            Request::CallQuality(call, reply) => drop(reply.send(self.quality_of(call))),
            Request::EndCall(call, how, reply) => drop(reply.send(self.end_call(call, how))),
            Request::ListConferences(filter, page, reply) => {
                drop(reply.send(Ok(self.conferences(&filter, page))));
            }
            Request::FetchConference(sid, reply) | Request::Announce(sid, _, reply) => {
                drop(reply.send(self.conference_mut(sid).map(|view| view.clone())));
            }
            Request::EndConference(sid, reply) => drop(reply.send(self.end_conference(sid))),
            Request::ListParticipants(sid, filter, page, reply) => {
                drop(reply.send(self.participants(sid, filter, page)));
            }
            Request::FetchParticipant(sid, key, reply) => {
                drop(reply.send(self.seat(sid, &key).map(|at| self.participants[at].clone())));
            }
            Request::ChangeSeat(sid, key, change, reply) => {
                drop(reply.send(self.change_seat(sid, &key, &change, journal)));
            }
            Request::KickParticipant(sid, key, reply) => drop(reply.send(self.kick(sid, &key))),
            // This one has recorded nothing.
            Request::Recording(request) => request.refuse(CallError::NoRecording),
            Request::Stream(request) => request.refuse(CallError::NoStream),
            // Nobody presses keys here.
            Request::Capture(request) => request.refuse(CallError::WrongState),
            Request::Floor(request) => self.floor(request),
            // This node may call nobody.
            Request::PlaceCall(_, reply) => drop(reply.send(Err(CallError::NotAllowed))),
            Request::Queue(request) => self.queue(*request),
            Request::ChangeCall(call, _, reply) => drop(reply.send(self.call(call).cloned())),
            Request::UnkeptCalls(filter, count, reply) => {
                drop(reply.send(Ok(self.unkept_calls(&filter, count))));
            }
            Request::UnkeptConferences(filter, count, reply) => {
                drop(reply.send(Ok(self.unkept_conferences(&filter, count))));
            }
            Request::ForgetCall(call, reply) => drop(reply.send(self.forget_call(call))),
            Request::Owed(reply) => drop(reply.send(Ok(Owed::default()))),
            Request::RedirectCall(call, _, reply) => drop(reply.send(self.call(call).cloned())),
            // Of adapters that bring calls; whoever asks sees the model gone. What was kept is not kept again.
            Request::Kept(_)
            | Request::AdmitCall(..)
            | Request::AnswerCall(..)
            | Request::CallUsesTrunk(..)
            | Request::RejectCall(..)
            | Request::JoinConference(..)
            | Request::LeaveConference(..)
            | Request::Bridge(..)
            | Request::Play(..)
            | Request::Feed(..)
            | Request::StopPlaying(..)
            | Request::Transfer(..)
            | Request::Whispered(..)
            | Request::PlaySound(..)
            | Request::SoundOver(..)
            | Request::CallProgressed(..)
            | Request::ConnectCall(..)
            | Request::UseBrowserPort(..)
            | Request::SetCallMedia(..)
            | Request::CallEnded(..)
            | Request::AgentIsAt(..)
            | Request::HearDigit(..)
            | Request::PressDigits(..)
            | Request::Stop(_) => {}
        }
    }

    /// Conferences, and nothing else; nobody speaks.
    fn floor(&self, request: FloorRequest) {
        let reply = match request {
            FloorRequest::Whole(_, reply) => reply,
            FloorRequest::Levels(_, reply) => return drop(reply.send(Ok(Vec::new()))),
        };
        let seats = |sid| {
            let seats = self.participants.iter().filter(move |seat| seat.conference_sid == sid);
            let with_call =
                |seat: &ParticipantView| Some((seat.clone(), self.call(seat.call_sid).ok()?.clone()));
            let seats = seats.filter_map(with_call);
            seats.map(|(seat, call)| FloorSeat { seat, call, held_by_far_end: false }).collect()
        };
        let whole = |view: &ConferenceView| FloorConference { view: view.clone(), seats: seats(view.sid) };
        let conferences = self.conferences.iter().map(whole).collect();
        let _ = reply.send(Ok(Floor { conferences, ..Floor::default() }));
    }

    fn quality_of(&self, call: CallSid) -> Result<CallQuality, CallError> {
        Ok(CallQuality { status: self.call(call)?.status, report: self.quality })
    }

    fn unkept_calls(&self, filter: &CallFilter, count: usize) -> Unkept<CallView> {
        let name = |call: &CallView| call.sid.to_string();
        Unkept::of(self.calls.iter(), |call| filter.takes(call), name, CallView::age, count)
    }

    fn unkept_conferences(&self, filter: &ConferenceFilter, count: usize) -> Unkept<ConferenceView> {
        let name = |view: &ConferenceView| view.sid.to_string();
        Unkept::of(self.conferences.iter(), |view| filter.takes(view), name, ConferenceView::age, count)
    }

    fn forget_call(&mut self, sid: CallSid) -> Result<(), CallError> {
        if !self.call(sid)?.status.is_final() {
            return Err(CallError::WrongState);
        }
        self.calls.retain(|call| call.sid != sid);
        Ok(())
    }

    /// Queues in which nobody ever waits: no call follows a script here.
    fn queue(&mut self, request: QueueRequest) {
        let now = Moment { at: Utc::now(), clock: tokio::time::Instant::now() };
        let view = |queues: &Queues, sid| queues.view(sid, now).ok_or(CallError::NoQueue);
        match request {
            QueueRequest::Create(account, name, size, reply) => {
                let sid = QueueSid::generate();
                let made = self.queues.define(sid, QueueName { account, name }, size, now);
                let _ = reply.send(made.map_err(CallError::from).and_then(|()| view(&self.queues, sid)));
            }
            QueueRequest::List(account, page, reply) => {
                let _ = reply.send(Ok(self.queues.list(account, page, now)));
            }
            QueueRequest::Fetch(sid, reply) => drop(reply.send(view(&self.queues, sid))),
            QueueRequest::Update(sid, update, reply) => {
                let done = self.queues.update(sid, &update, now).map_err(CallError::from);
                let _ = reply.send(done.and_then(|()| view(&self.queues, sid)));
            }
            QueueRequest::Delete(sid, reply) => {
                let _: Result<(), _> = reply.send(self.queues.remove(sid).map_err(CallError::from));
            }
            QueueRequest::ListWaiters(sid, page, reply) => {
                let _ = reply.send(self.queues.waiters(sid, page, now).ok_or(CallError::NoQueue));
            }
            nobody @ (QueueRequest::Enter(..)
            | QueueRequest::Place(..)
            | QueueRequest::Leave(..)
            | QueueRequest::Take(..)
            | QueueRequest::StopTaking(..)
            | QueueRequest::Connect(..)
            | QueueRequest::FetchWaiter(..)
            | QueueRequest::Redirect(..)
            | QueueRequest::Restore(..)) => nobody.refuse(CallError::NotQueued),
        }
    }

    fn calls(&self, filter: &CallFilter, request: PageRequest) -> Page<CallView> {
        page(self.calls.iter().filter(|call| filter.takes(call)), request)
    }

    fn conferences(&self, filter: &ConferenceFilter, request: PageRequest) -> Page<ConferenceView> {
        page(self.conferences.iter().filter(|conference| filter.takes(conference)), request)
    }

    fn participants(
        &mut self,
        sid: ConferenceSid,
        filter: ParticipantFilter,
        request: PageRequest,
    ) -> Result<Page<ParticipantView>, CallError> {
        self.conference_mut(sid)?;
        let seats = self.participants.iter().filter(|seat| seat.conference_sid == sid);
        Ok(page(seats.filter(|seat| filter.takes(seat)), request))
    }

    fn call(&self, sid: CallSid) -> Result<&CallView, CallError> {
        self.calls.iter().find(|call| call.sid == sid).ok_or(CallError::NoCall)
    }

    fn conference_mut(&mut self, sid: ConferenceSid) -> Result<&mut ConferenceView, CallError> {
        let found = self.conferences.iter_mut().find(|conference| conference.sid == sid);
        found.ok_or(CallError::NoConference)
    }

    fn seat(&mut self, sid: ConferenceSid, key: &ParticipantKey) -> Result<usize, CallError> {
        if self.conference_mut(sid)?.status == ConferenceStatus::Completed {
            return Err(CallError::ConferenceCompleted);
        }
        let is = |seat: &ParticipantView| match key {
            ParticipantKey::Call(call) => seat.call_sid == *call,
            ParticipantKey::Label(label) => seat.label.as_ref() == Some(label),
        };
        let at = self.participants.iter().position(|seat| seat.conference_sid == sid && is(seat));
        at.ok_or(CallError::NoParticipant)
    }

    fn change_seat(
        &mut self,
        sid: ConferenceSid,
        key: &ParticipantKey,
        change: &SeatChange,
        journal: &Journal,
    ) -> Result<ParticipantView, CallError> {
        let at = self.seat(sid, key)?;
        let seat = &mut self.participants[at];
        seat.muted = change.muted.unwrap_or(seat.muted);
        seat.hold = change.hold.unwrap_or(seat.hold);
        seat.end_on_exit = change.end_on_exit.unwrap_or(seat.end_on_exit);
        match change.coaching {
            None => {}
            Some(CoachChange::Nobody) => (seat.coaching, seat.call_sid_to_coach) = (false, None),
            Some(CoachChange::Of(call)) => (seat.coaching, seat.call_sid_to_coach) = (true, Some(call)),
        }
        journal.append(Utc::now(), What::Muted(seat.clone()));
        Ok(seat.clone())
    }

    fn kick(&mut self, sid: ConferenceSid, key: &ParticipantKey) -> Result<(), CallError> {
        let at = self.seat(sid, key)?;
        let call = self.participants[at].call_sid;
        self.end_call(call, EndCall::Completed).map(|_| ())
    }

    fn end_call(&mut self, sid: CallSid, how: EndCall) -> Result<CallView, CallError> {
        let found = self.calls.iter_mut().find(|call| call.sid == sid);
        let call = found.ok_or(CallError::NoCall)?;
        call.status = match (how, call.status) {
            (_, CallStatus::Ringing) => CallStatus::Canceled,
            (EndCall::Completed, CallStatus::InProgress) => CallStatus::Completed,
            _ => return Err(CallError::WrongState),
        };
        call.ended = Some(call.created + TimeDelta::seconds(90));
        let call = call.clone();
        self.participants.retain(|seat| seat.call_sid != sid);
        Ok(call)
    }

    fn end_conference(&mut self, sid: ConferenceSid) -> Result<ConferenceView, CallError> {
        let view = self.conference_mut(sid)?;
        if view.status != ConferenceStatus::Completed {
            view.status = ConferenceStatus::Completed;
            view.reason_ended = Some(ConferenceEnd::ViaApi);
        }
        let view = view.clone();
        let seats = self.participants.iter().filter(|seat| seat.conference_sid == sid);
        for call in seats.map(|seat| seat.call_sid).collect::<Vec<_>>() {
            self.end_call(call, EndCall::Completed)?;
        }
        Ok(view)
    }
}

/// A handle of a model that has no room for a request.
pub(crate) fn overloaded() -> (Handle, impl Sized) {
    let (requests, asked) = mpsc::channel(1);
    let (reply, _) = tokio::sync::oneshot::channel();
    let waiting = Request::FetchCall(CallSid::generate(), reply);
    requests.try_send((None, waiting)).map_err(|_| ()).expect("room for one");
    (Handle { requests, events: no_events(), account: None, store: None }, asked)
}

/// A handle of a model that has stopped.
pub(crate) fn stopped() -> Handle {
    Handle { requests: mpsc::channel(1).0, events: no_events(), account: None, store: None }
}

/// A handle of a model that takes requests and never answers them.
pub(crate) fn silent() -> (Handle, impl Sized) {
    let (requests, asked) = mpsc::channel(16);
    (Handle { requests, events: no_events(), account: None, store: None }, asked)
}

/// When the first call of a script was answered.
pub(crate) fn began() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).expect("in range")
}

/// An answered inbound call.
pub(crate) fn call(from: &str, to: &str, at: DateTime<Utc>) -> CallView {
    CallView {
        sid: CallSid::generate(),
        account: account(),
        parent: None,
        from: from.to_owned(),
        to: to.to_owned(),
        direction: CallDirection::Inbound,
        status: CallStatus::InProgress,
        created: at,
        updated: at,
        started: Some(at),
        ended: None,
        queue_time: TimeDelta::zero(),
        trunk: None,
        sip_status: None,
    }
}

fn participant(call_sid: CallSid, conference_sid: ConferenceSid, at: DateTime<Utc>) -> ParticipantView {
    ParticipantView {
        account: account(),
        call_sid,
        conference_sid,
        label: None,
        muted: false,
        hold: false,
        coaching: false,
        call_sid_to_coach: None,
        start_on_enter: true,
        end_on_exit: false,
        status: ParticipantStatus::Connected,
        created: at,
        updated: at,
    }
}

/// What happens where nothing does.
fn no_events() -> Events {
    Journal::new(Utc::now()).events()
}
