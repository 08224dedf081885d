//! The rules: who is let in, when a conference begins and ends, what muting and removing mean.
//!
//! Requests and reports come in, one at a time; orders to the media threads, signals to adapters and answers go
//! out. Nothing here waits.

mod digits;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use confab_media::{
    Audience, ConferenceEvent, ConferenceId, ConferenceSettings, Event, Leg, LegEvent, LegId, QualityReport,
    Retired, SpeechChange,
};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::event::{Journal, What};
use super::handle::{
    Admission, CallEnd, CallError, CallMedia, EndCall, HangUp, IncomingCall, NotAdmitted, ParticipantKey,
    Reply, Signal,
};
use super::media::{Full, Media};
use super::quality::{Arrived, CallQuality, Departures, QualityStats, answer_all};
use super::records::Records;
use super::sid::{CallSid, ConferenceSid};
use super::state::{Call, Conference};
use super::view::{
    CallDirection, CallStatus, CallView, ConferenceEnd, ConferenceStatus, ConferenceView, ParticipantStatus,
    ParticipantView,
};
use crate::telemetry::Metrics;
use crate::worker::{Report, WorkerIndex};

/// Limits of the node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls at a time.
    pub calls: usize,
    /// Participants of a conference.
    pub participants: usize,
    /// Voices mixed at a time in a conference.
    pub talkers: usize,
}

/// All calls and conferences.
pub(super) struct Model {
    pub(super) calls: Records<CallSid, Call>,
    pub(super) conferences: Records<ConferenceSid, Conference>,
    /// The conferences that can be joined, by the name people dial.
    open: HashMap<String, ConferenceSid>,
    legs: HashMap<LegId, CallSid>,
    /// The conferences on the media threads.
    places: HashMap<ConferenceId, ConferenceSid>,
    media: Media<Waiter>,
    limits: Limits,
    journal: Journal,
    stopping: Option<Vec<oneshot::Sender<()>>>,
    /// Calls whose media are being stopped.
    leaving: usize,
    departures: Departures,
    stats: QualityStats,
}

/// Who waits for the media threads, and what is to be done when they have answered.
pub(super) enum Waiter {
    Joined(CallSid, Reply<()>),
    MediaSet(Reply<()>),
    DigitHeard(Reply<()>),
    DigitsPressed(Reply<()>),
    Muted(CallSid, bool, Reply<ParticipantView>),
    /// The call's report has come home.
    Quality(CallSid, Reply<CallQuality>),
    /// The call's media have stopped.
    Left(CallSid, AfterLeaving),
    ConferenceGone(ConferenceSid, Option<Reply<ConferenceView>>),
}

/// Who wants to know that a call's media have stopped.
pub(super) enum AfterLeaving {
    Nobody,
    AnswerCall(Reply<CallView>),
    AnswerKick(Reply<()>),
}

/// Why a call ends, as seen by its conference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    HungUp,
    Kicked,
    ConferenceEnded,
}

impl Model {
    pub(super) fn new(media: Media<Waiter>, limits: Limits, journal: Journal, metrics: &Metrics) -> Self {
        Self {
            calls: Records::new(),
            conferences: Records::new(),
            open: HashMap::new(),
            legs: HashMap::new(),
            places: HashMap::new(),
            media,
            limits,
            journal,
            stopping: None,
            leaving: 0,
            departures: Departures::default(),
            stats: QualityStats::new(metrics),
        }
    }

    pub(super) fn admit(&mut self, incoming: IncomingCall) -> Result<Admission, NotAdmitted> {
        if self.stopping.is_some() {
            return Err(NotAdmitted::Stopping);
        }
        if self.calls.living() >= self.limits.calls {
            return Err(NotAdmitted::NodeFull);
        }
        // Each call brings orders that must not be lost; more of them than there is room for must not pile up.
        if self.media.is_behind() {
            return Err(NotAdmitted::Overloaded);
        }
        let conference_sid = self.open_conference(&incoming.conference)?;
        let sid = CallSid::generate();
        let admitted = self.admit_to(sid, conference_sid, incoming);
        if admitted.is_err() {
            self.close_if_empty(conference_sid, sid, Leaving::HungUp);
        }
        admitted
    }

    fn admit_to(
        &mut self,
        sid: CallSid,
        conference_sid: ConferenceSid,
        incoming: IncomingCall,
    ) -> Result<Admission, NotAdmitted> {
        let conference = self.conferences.get_mut(conference_sid).ok_or(NotAdmitted::Overloaded)?;
        let (leg, rtp_port) = self.media.reserve_leg(conference.place).map_err(|e| {
            warn!(error = %e, "no RTP ports for a call");
            NotAdmitted::NoPorts
        })?;
        conference.seats.push(sid);
        self.legs.insert(leg.leg, sid);
        let now = Utc::now();
        let call = Call {
            view: CallView {
                sid,
                from: incoming.from,
                to: incoming.to,
                direction: CallDirection::Inbound,
                status: CallStatus::Ringing,
                created: now,
                updated: now,
                started: None,
                ended: None,
            },
            seat: new_seat(sid, conference_sid, now),
            leg,
            signals: incoming.signals,
            connected: false,
            report: None,
        };
        self.journal.append(now, What::Call(call.view.clone()));
        self.calls.insert(sid, call);
        info!(call = %sid, conference = %conference_sid, "call let in");
        Ok(Admission { call: sid, rtp_port })
    }

    /// The conference of this name that can be joined, begun now if there is none.
    fn open_conference(&mut self, name: &str) -> Result<ConferenceSid, NotAdmitted> {
        if let Some(&sid) = self.open.get(name) {
            let seats = self.conferences.get(sid).map_or(0, |conference| conference.seats.len());
            return if seats < self.limits.participants { Ok(sid) } else { Err(NotAdmitted::ConferenceFull) };
        }
        let sid = ConferenceSid::generate();
        let now = Utc::now();
        let view = ConferenceView {
            sid,
            friendly_name: name.to_owned(),
            status: ConferenceStatus::Init,
            created: now,
            updated: now,
            reason_ended: None,
            call_sid_ending: None,
            participants: 0,
        };
        let settings =
            ConferenceSettings { seats_max: self.limits.participants, talkers_max: self.limits.talkers };
        let place = self.media.add_conference(settings);
        self.places.insert(place.conference, sid);
        self.journal.append(now, What::Conference(view.clone()));
        self.conferences.insert(sid, Conference { view, place, seats: Vec::new() });
        self.open.insert(name.to_owned(), sid);
        info!(conference = %sid, "conference begun");
        Ok(sid)
    }

    pub(super) fn connect(&mut self, sid: CallSid, media: CallMedia, reply: Reply<()>) {
        let Some(call) = self.calls.get_mut(sid) else {
            return answer(reply, Err(CallError::NoCall));
        };
        let place = self.conferences.get(call.conference()).map(|conference| conference.place);
        let (Some(place), CallStatus::Ringing, false) = (place, call.view.status, call.connected) else {
            return answer(reply, Err(CallError::WrongState));
        };
        match self.media.connect_leg(&mut call.leg, media, place, Waiter::Joined(sid, reply)) {
            Ok(()) => call.connected = true,
            Err(refused) => overloaded(refused),
        }
    }

    pub(super) fn set_media(&mut self, sid: CallSid, media: CallMedia, reply: Reply<()>) {
        let connected = self.calls.get_mut(sid).filter(|call| call.connected && !call.view.status.is_final());
        let Some(call) = connected else {
            return answer(reply, Err(CallError::NoCall));
        };
        let Some(place) = self.conferences.get(call.conference()).map(|conference| conference.place) else {
            return answer(reply, Err(CallError::WrongState));
        };
        if let Err(refused) = self.media.set_leg_media(&mut call.leg, media, place, Waiter::MediaSet(reply)) {
            overloaded(refused);
        }
    }

    pub(super) fn mute(
        &mut self,
        conference: ConferenceSid,
        key: &ParticipantKey,
        muted: bool,
        reply: Reply<ParticipantView>,
    ) {
        let found = self.participant(conference, key).map(|call| (call.connected, call.view.sid));
        let sid = match found {
            Ok((true, sid)) => sid,
            Ok((false, _)) => return answer(reply, Err(CallError::WrongState)),
            Err(e) => return answer(reply, Err(e)),
        };
        let Some(call) = self.calls.get(sid) else {
            return answer(reply, Err(CallError::NoParticipant));
        };
        let audience = if muted { Audience::Nobody } else { Audience::Everyone };
        let waiter = Waiter::Muted(sid, muted, reply);
        if let Err(refused) = self.media.set_audience(&call.leg, audience, waiter) {
            overloaded(refused);
        }
    }

    pub(super) fn quality(&mut self, sid: CallSid, reply: Reply<CallQuality>) {
        let living = self.calls.get(sid).filter(|call| call.connected && !call.view.status.is_final());
        let Some(call) = living else {
            return self.remembered_quality(sid, reply);
        };
        if let Err(refused) = self.media.report_quality(&call.leg, Waiter::Quality(sid, reply)) {
            overloaded(refused);
        }
    }

    /// Answers with what came home of a call. If its leg is on the way, it brings more.
    fn remembered_quality(&mut self, sid: CallSid, reply: Reply<CallQuality>) {
        let Some(call) = self.calls.get(sid) else {
            return answer(reply, Err(CallError::NoCall));
        };
        if let Err(reply) = self.departures.wait(call.leg.leg, reply) {
            answer(reply, Ok(call.quality()));
        }
    }

    pub(super) fn kick(&mut self, conference: ConferenceSid, key: &ParticipantKey, reply: Reply<()>) {
        match self.participant(conference, key).map(|call| call.view.sid) {
            Ok(sid) => {
                self.signal(sid, HangUp::Asked);
                self.leave(sid, CallStatus::Completed, Leaving::Kicked, AfterLeaving::AnswerKick(reply));
            }
            Err(e) => answer(reply, Err(e)),
        }
    }

    pub(super) fn end_call(&mut self, sid: CallSid, how: EndCall, reply: Reply<CallView>) {
        let Some(status) = self.calls.get(sid).map(|call| call.view.status) else {
            return answer(reply, Err(CallError::NoCall));
        };
        let ended = match (status, how) {
            (CallStatus::Ringing, EndCall::Canceled) => CallStatus::Canceled,
            (CallStatus::Ringing | CallStatus::InProgress, EndCall::Completed) => CallStatus::Completed,
            _ => return answer(reply, Err(CallError::WrongState)),
        };
        self.signal(sid, HangUp::Asked);
        self.leave(sid, ended, Leaving::HungUp, AfterLeaving::AnswerCall(reply));
    }

    pub(super) fn call_ended(&mut self, sid: CallSid, end: CallEnd) {
        let status = match end {
            CallEnd::HungUp => CallStatus::Completed,
            CallEnd::Canceled => CallStatus::Canceled,
            CallEnd::Failed => CallStatus::Failed,
        };
        self.leave(sid, status, Leaving::HungUp, AfterLeaving::Nobody);
    }

    pub(super) fn end_conference(&mut self, sid: ConferenceSid, reply: Reply<ConferenceView>) {
        match self.conferences.get(sid) {
            None => answer(reply, Err(CallError::NoConference)),
            Some(conference) if conference.view.status == ConferenceStatus::Completed => {
                answer(reply, Ok(conference.view.clone()));
            }
            Some(_) => self.finish_conference(sid, HangUp::Asked, Some(reply)),
        }
    }

    pub(super) fn stop(&mut self, reply: oneshot::Sender<()>) {
        self.stopping.get_or_insert_default().push(reply);
        let open: Vec<ConferenceSid> = self.open.values().copied().collect();
        for conference in open {
            self.finish_conference(conference, HangUp::Stopping, None);
        }
        self.stopped();
    }

    /// Ends a conference and the calls in it.
    fn finish_conference(&mut self, sid: ConferenceSid, cause: HangUp, reply: Option<Reply<ConferenceView>>) {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return;
        };
        let seats = conference.seats.clone();
        self.close_conference(sid, ConferenceEnd::ViaApi, None, reply);
        for call in seats {
            self.signal(call, cause);
            self.leave(call, CallStatus::Completed, Leaving::ConferenceEnded, AfterLeaving::Nobody);
        }
    }

    /// Ends a call: it leaves its conference, its media stop, and it is only remembered.
    fn leave(&mut self, sid: CallSid, status: CallStatus, why: Leaving, after: AfterLeaving) {
        let living = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final());
        let Some(call) = living else {
            return after.answer(Err(CallError::WrongState), self.calls.get(sid));
        };
        let now = Utc::now();
        // What was never answered cannot have been completed.
        call.view.status = match (call.view.started, status) {
            (None, CallStatus::Completed) => CallStatus::Canceled,
            (_, status) => status,
        };
        call.view.ended = Some(now);
        call.view.updated = now;
        let was_there = call.seat.status == ParticipantStatus::Connected;
        call.seat.status = ParticipantStatus::Complete;
        call.seat.updated = now;
        if was_there {
            self.journal.append(now, What::Left(call.seat.clone()));
        }
        self.journal.append(now, What::Call(call.view.clone()));
        self.media.forget_leg(&call.leg);
        self.legs.remove(&call.leg.leg);
        let conference = call.conference();
        info!(call = %sid, status = ?call.view.status, "call ended");
        if call.connected {
            self.leaving += 1;
            self.departures.begin(call.leg.leg, sid, call.leg.worker);
            self.media.remove_leg(&call.leg, Waiter::Left(sid, after));
        } else {
            call.leg.sockets = None;
            after.answer(Ok(()), Some(call));
        }
        self.calls.end(sid);
        self.unseat(sid, conference, why);
        self.stopped();
    }

    fn unseat(&mut self, call: CallSid, conference: ConferenceSid, why: Leaving) {
        let Some(record) = self.conferences.get_mut(conference) else {
            return;
        };
        record.seats.retain(|&seat| seat != call);
        record.view.participants = record.seats.len();
        record.view.updated = Utc::now();
        self.close_if_empty(conference, call, why);
    }

    fn close_if_empty(&mut self, conference: ConferenceSid, last: CallSid, why: Leaving) {
        let is_over = self.conferences.get(conference).is_none_or(|record| {
            !record.seats.is_empty() || record.view.status == ConferenceStatus::Completed
        });
        if is_over {
            return;
        }
        let reason = match why {
            Leaving::HungUp => ConferenceEnd::LastParticipantLeft,
            Leaving::Kicked => ConferenceEnd::LastParticipantKicked,
            Leaving::ConferenceEnded => ConferenceEnd::ViaApi,
        };
        self.close_conference(conference, reason, Some(last), None);
    }

    fn close_conference(
        &mut self,
        sid: ConferenceSid,
        reason: ConferenceEnd,
        ending: Option<CallSid>,
        reply: Option<Reply<ConferenceView>>,
    ) {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return;
        };
        conference.view.status = ConferenceStatus::Completed;
        conference.view.reason_ended = Some(reason);
        conference.view.call_sid_ending = ending;
        conference.view.updated = Utc::now();
        self.journal.append(conference.view.updated, What::Conference(conference.view.clone()));
        self.open.remove(&conference.view.friendly_name);
        self.places.remove(&conference.place.conference);
        self.media.remove_conference(conference.place, Waiter::ConferenceGone(sid, reply));
        self.conferences.end(sid);
        info!(conference = %sid, ?reason, "conference ended");
    }

    fn signal(&mut self, sid: CallSid, cause: HangUp) {
        if let Some(call) = self.calls.get(sid) {
            // A full queue already holds a signal to hang up; a closed one belongs to an adapter that is done.
            let _ = call.signals.try_send(Signal::HangUp(cause));
        }
    }

    fn stopped(&mut self) {
        if self.leaving == 0 && self.calls.living() == 0 {
            for waiter in self.stopping.iter_mut().flat_map(|waiters| waiters.drain(..)) {
                // Whoever asked may have gone away.
                let _ = waiter.send(());
            }
        }
    }

    /// Ends the calls whose adapters are gone without a word: whatever broke there, nothing stays behind here.
    pub(super) fn sweep(&mut self) {
        self.media.retry();
        let orphans: Vec<CallSid> = self
            .legs
            .values()
            .copied()
            .filter(|&sid| self.calls.get(sid).is_some_and(|call| call.signals.is_closed()))
            .collect();
        for sid in orphans {
            warn!(call = %sid, "call lost its signalling");
            self.leave(sid, CallStatus::Failed, Leaving::HungUp, AfterLeaving::Nobody);
        }
    }

    pub(super) fn report(&mut self, worker: WorkerIndex, report: Report) {
        match report {
            Report::Event(Event::Applied { command, .. }) => {
                if let Some(waiter) = self.media.answered(command) {
                    self.done(waiter, true);
                }
            }
            Report::Event(Event::Refused { command, refusal }) => {
                debug!(%command, ?refusal, "media thread refused");
                match self.media.answered(command) {
                    Some(Waiter::DigitsPressed(reply)) => answer(reply, Err(digits::not_pressed(refusal))),
                    Some(waiter) => self.done(waiter, false),
                    None => {}
                }
            }
            Report::Event(Event::Leg { leg, event }) => self.leg_event(leg, event),
            Report::Event(Event::Conference { conference, event }) => {
                self.conference_event(conference, event)
            }
            // What is not looked at is freed, and closed, here.
            Report::Retired(Retired::Leg(leg), _) => self.leg_home(leg),
            Report::Retired(Retired::Quality(report), _) => self.report_home(report),
            Report::Retired(retired, sockets) => drop((retired, sockets)),
            Report::Restarted => self.worker_restarted(worker),
        }
        self.media.retry();
    }

    /// A leg that was removed tells how the whole call sounded; one that was never taken has nothing to tell.
    fn leg_home(&mut self, leg: Box<Leg>) {
        if let Some(arrived) = self.departures.arrived(leg.id()) {
            let report = leg.last_report();
            self.stats.note(&report);
            if let Some(call) = self.calls.get_mut(arrived.0) {
                call.report = Some(Box::new(report));
            }
            self.tell_quality(arrived);
        }
    }

    fn report_home(&mut self, report: Box<QualityReport>) {
        let sid = self.legs.get(&report.leg).filter(|_| report.codec.is_some());
        if let Some(call) = sid.and_then(|&sid| self.calls.get_mut(sid)) {
            call.report = Some(report);
        }
    }

    fn tell_quality(&self, (sid, waiting): Arrived) {
        answer_all(waiting, self.calls.get(sid).map(Call::quality).ok_or(CallError::NoCall));
    }

    fn leg_event(&mut self, leg: LegId, event: LegEvent) {
        let Some(&sid) = self.legs.get(&leg) else {
            return;
        };
        match event {
            LegEvent::Latched { .. } => debug!(call = %sid, "far end's media address known"),
            LegEvent::SilentFarEnd => {
                warn!(call = %sid, "no RTP and no RTCP from the far end, ending the call");
                self.signal(sid, HangUp::SilentFarEnd);
                self.leave(sid, CallStatus::Completed, Leaving::HungUp, AfterLeaving::Nobody);
            }
            LegEvent::Digit(pressed) => {
                debug!(call = %sid, "key pressed");
                self.journal.append(Utc::now(), What::Digit { call: sid, pressed });
            }
            LegEvent::Speech(change) => self.speech(sid, change),
        }
    }

    fn speech(&self, sid: CallSid, change: SpeechChange) {
        if let Some(call) = self.calls.get(sid) {
            self.journal.append(Utc::now(), What::Speech { participant: call.seat.clone(), change });
        }
    }

    fn conference_event(&self, id: ConferenceId, event: ConferenceEvent) {
        let conference = self.places.get(&id).copied();
        match (conference, event) {
            (Some(conference), ConferenceEvent::ActiveSpeaker(leg)) => {
                let participant = leg.and_then(|leg| self.legs.get(&leg)).copied();
                self.journal.append(Utc::now(), What::ActiveSpeaker { conference, participant });
            }
            // One that is over has no speaker.
            (None, ConferenceEvent::ActiveSpeaker(_)) => {}
        }
    }

    /// The thread forgot all its legs and conferences; nothing is left to be removed there.
    fn worker_restarted(&mut self, worker: WorkerIndex) {
        warn!(worker, "a media thread failed and was started again; its calls end");
        for waiter in self.media.abandoned(worker) {
            self.done(waiter, false);
        }
        for arrived in self.departures.lost_with(worker) {
            self.tell_quality(arrived);
        }
        let lost: Vec<CallSid> = self
            .legs
            .values()
            .copied()
            .filter(|&sid| self.calls.get(sid).is_some_and(|call| call.leg.worker == worker))
            .collect();
        for sid in lost {
            self.signal(sid, HangUp::MediaFailed);
            self.leave(sid, CallStatus::Failed, Leaving::HungUp, AfterLeaving::Nobody);
        }
    }

    /// A media thread has done what it was told, or could not.
    fn done(&mut self, waiter: Waiter, applied: bool) {
        match waiter {
            Waiter::Joined(sid, reply) => self.joined(sid, applied, reply),
            Waiter::MediaSet(reply) | Waiter::DigitHeard(reply) | Waiter::DigitsPressed(reply) => {
                answer(reply, if applied { Ok(()) } else { Err(CallError::NoCall) });
            }
            Waiter::Muted(sid, muted, reply) => {
                let seat = self.calls.get_mut(sid).filter(|_| applied).map(|call| {
                    let changed = call.seat.muted != muted;
                    call.seat.muted = muted;
                    call.seat.updated = Utc::now();
                    if changed {
                        self.journal.append(call.seat.updated, What::Muted(call.seat.clone()));
                    }
                    call.seat.clone()
                });
                answer(reply, seat.ok_or(CallError::NoParticipant));
            }
            // Refused, the leg is gone: it was removed in between.
            Waiter::Quality(sid, reply) => self.remembered_quality(sid, reply),
            // Gone is gone, also when the thread did not know it any more.
            Waiter::Left(sid, after) => {
                self.leaving -= 1;
                if !applied {
                    // Then it does not come home either.
                    for arrived in self.departures.lost(sid) {
                        self.tell_quality(arrived);
                    }
                }
                after.answer(Ok(()), self.calls.get(sid));
                self.stopped();
            }
            Waiter::ConferenceGone(sid, reply) => {
                if let Some(reply) = reply {
                    let view = self.conferences.get(sid).map(|conference| conference.view.clone());
                    answer(reply, view.ok_or(CallError::NoConference));
                }
            }
        }
    }

    fn joined(&mut self, sid: CallSid, applied: bool, reply: Reply<()>) {
        let living = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final());
        let Some(call) = living else {
            return answer(reply, Err(CallError::WrongState));
        };
        if !applied {
            self.leave(sid, CallStatus::Failed, Leaving::HungUp, AfterLeaving::Nobody);
            return answer(reply, Err(CallError::Overloaded));
        }
        let now = Utc::now();
        call.view.status = CallStatus::InProgress;
        call.view.started = Some(now);
        call.view.updated = now;
        call.seat.status = ParticipantStatus::Connected;
        call.seat.updated = now;
        let (seat, conference) = (call.seat.clone(), call.conference());
        self.journal.append(now, What::Call(call.view.clone()));
        self.seat_taken(conference, now);
        self.journal.append(now, What::Joined(seat));
        answer(reply, Ok(()));
    }

    fn seat_taken(&mut self, sid: ConferenceSid, now: DateTime<Utc>) {
        let Some(conference) = self.conferences.get(sid) else {
            return;
        };
        let connected = |call: &&CallSid| {
            self.calls.get(**call).is_some_and(|call| call.seat.status == ParticipantStatus::Connected)
        };
        let participants = conference.seats.iter().filter(connected).count();
        if let Some(conference) = self.conferences.get_mut(sid) {
            conference.view.participants = participants;
            conference.view.updated = now;
            // One alone waits; with the second there is something to confer about.
            if participants >= 2 && conference.view.status == ConferenceStatus::Init {
                conference.view.status = ConferenceStatus::InProgress;
                self.journal.append(now, What::Conference(conference.view.clone()));
            }
        }
    }

    /// One who sits in the conference now.
    pub(super) fn participant(
        &self,
        conference: ConferenceSid,
        key: &ParticipantKey,
    ) -> Result<&Call, CallError> {
        let record = self.conferences.get(conference).ok_or(CallError::NoConference)?;
        if record.view.status == ConferenceStatus::Completed {
            return Err(CallError::ConferenceCompleted);
        }
        let mut seats = record.seats.iter().filter_map(|&sid| self.calls.get(sid));
        let found = match key {
            ParticipantKey::Call(sid) => seats.find(|call| call.view.sid == *sid),
            ParticipantKey::Label(label) => seats.find(|call| call.seat.label.as_ref() == Some(label)),
        };
        found.ok_or(CallError::NoParticipant)
    }
}

impl AfterLeaving {
    fn answer(self, left: Result<(), CallError>, call: Option<&Call>) {
        match self {
            Self::Nobody => {}
            Self::AnswerKick(reply) => answer(reply, left),
            Self::AnswerCall(reply) => {
                let view = call.map(|call| call.view.clone()).ok_or(CallError::NoCall);
                answer(reply, left.and(view));
            }
        }
    }
}

fn new_seat(call: CallSid, conference: ConferenceSid, now: DateTime<Utc>) -> ParticipantView {
    ParticipantView {
        call_sid: call,
        conference_sid: conference,
        label: None,
        muted: false,
        hold: false,
        status: ParticipantStatus::Connecting,
        created: now,
        updated: now,
    }
}

/// Answers whoever still waits; one who went away is none of our business.
fn answer<T>(reply: Reply<T>, with: Result<T, CallError>) {
    let _ = reply.send(with);
}

fn overloaded((Full, waiter): (Full, Waiter)) {
    match waiter {
        Waiter::Joined(_, reply)
        | Waiter::MediaSet(reply)
        | Waiter::DigitHeard(reply)
        | Waiter::DigitsPressed(reply) => answer(reply, Err(CallError::Overloaded)),
        Waiter::Muted(_, _, reply) => answer(reply, Err(CallError::Overloaded)),
        Waiter::Quality(_, reply) => answer(reply, Err(CallError::Overloaded)),
        // These are never refused for want of room: they wait.
        Waiter::Left(..) | Waiter::ConferenceGone(..) => {}
    }
}
