//! A model without media or SIP, for the tests of adapters: tables in memory behind a real [`Handle`].
//!
//! It answers as the model does, at once: a mute flips the row, a kick removes it and ends the call.

use chrono::{DateTime, TimeDelta, Utc};
use confab_media::QualityReport;
use tokio::sync::mpsc;

use super::event::{Events, Journal, What};
use super::handle::{CallError, EndCall, Handle, ParticipantKey, Request};
use super::list::page;
use super::quality::CallQuality;
use super::sid::{CallSid, ConferenceSid};
pub(crate) use super::stalled::account;
use super::view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    ConferenceView, Page, PageRequest, ParticipantFilter, ParticipantStatus, ParticipantView,
};

/// The rows, newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) calls: Vec<CallView>,
    pub(crate) conferences: Vec<ConferenceView>,
    pub(crate) participants: Vec<ParticipantView>,
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
        Handle { requests, events, account: None }
    }

    fn answer(&mut self, request: Request, journal: &Journal) {
        // Whoever asked may have given up waiting.
        match request {
            Request::ListCalls(filter, page, reply) => drop(reply.send(Ok(self.calls(&filter, page)))),
            Request::FetchCall(call, reply) => drop(reply.send(self.call(call).cloned())),
            Request::CallQuality(call, reply) => {
                let report = self.quality;
                let quality = self.call(call).map(|call| CallQuality { status: call.status, report });
                let _ = reply.send(quality);
            }
            Request::EndCall(call, how, reply) => drop(reply.send(self.end_call(call, how))),
            Request::ListConferences(filter, page, reply) => {
                drop(reply.send(Ok(self.conferences(&filter, page))));
            }
            Request::FetchConference(sid, reply) => {
                drop(reply.send(self.conference_mut(sid).map(|view| view.clone())));
            }
            Request::EndConference(sid, reply) => drop(reply.send(self.end_conference(sid))),
            Request::ListParticipants(sid, filter, page, reply) => {
                drop(reply.send(self.participants(sid, filter, page)));
            }
            Request::FetchParticipant(sid, key, reply) => {
                drop(reply.send(self.seat(sid, &key).map(|at| self.participants[at].clone())));
            }
            Request::MuteParticipant(sid, key, muted, reply) => {
                let done = self.mute(sid, &key, muted);
                if let Ok(seat) = &done {
                    journal.append(Utc::now(), What::Muted(seat.clone()));
                }
                drop(reply.send(done));
            }
            Request::KickParticipant(sid, key, reply) => drop(reply.send(self.kick(sid, &key))),
            // This one has recorded nothing.
            Request::Recording(request) => request.refuse(CallError::NoRecording),
            // This node may call nobody.
            Request::PlaceCall(_, reply) => drop(reply.send(Err(CallError::NotAllowed))),
            Request::RedirectCall(call, _, reply) => drop(reply.send(self.call(call).cloned())),
            // Of adapters that bring calls; whoever asks sees the model gone.
            Request::AdmitCall(..)
            | Request::AnswerCall(..)
            | Request::RejectCall(..)
            | Request::JoinConference(..)
            | Request::LeaveConference(..)
            | Request::Bridge(..)
            | Request::Play(..)
            | Request::StopPlaying(..)
            | Request::CallProgressed(..)
            | Request::ConnectCall(..)
            | Request::SetCallMedia(..)
            | Request::CallEnded(..)
            | Request::HearDigit(..)
            | Request::PressDigits(..)
            | Request::Stop(_) => {}
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

    fn mute(
        &mut self,
        sid: ConferenceSid,
        key: &ParticipantKey,
        muted: bool,
    ) -> Result<ParticipantView, CallError> {
        let at = self.seat(sid, key)?;
        self.participants[at].muted = muted;
        Ok(self.participants[at].clone())
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
    (Handle { requests, events: no_events(), account: None }, asked)
}

/// A handle of a model that has stopped.
pub(crate) fn stopped() -> Handle {
    Handle { requests: mpsc::channel(1).0, events: no_events(), account: None }
}

/// A handle of a model that takes requests and never answers them.
pub(crate) fn silent() -> (Handle, impl Sized) {
    let (requests, asked) = mpsc::channel(16);
    (Handle { requests, events: no_events(), account: None }, asked)
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
