//! Who sits in which conference: taking a seat, leaving it, being muted or removed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use confab_media::{ConferenceSettings, Seat};
use tracing::info;

use super::conference_news::{ConferenceStep, Telling};
use super::ending::Leaving;
use super::event::What;
use super::handle::{
    Admission, CallError, CallEvent, HangUp, IncomingCall, NotAdmitted, ParticipantKey, Reply, Signal,
};
use super::lasting::Deadline;
use super::media::{ConferencePlace, Full};
use super::model::{AfterLeaving, Model, Waiter, answer, overloaded};
use super::sid::{AccountSid, CallSid, ConferenceSid};
use super::sounds::{Announcing, Sitting};
use super::state::{Call, Conference, JoinReply, Stage};
use super::view::{CallStatus, ConferenceStatus, ConferenceView, ParticipantStatus, ParticipantView};
use super::voice::JoinTerms;
use crate::sound::Chime;

/// The two of a call, and those who listen in on it: a supervisor, one who takes over from them, and two who learn.
const BRIDGE_SEATS_MAX: usize = 6;

impl Model {
    /// Lets a call in that goes straight into a conference: its seat is taken before it is answered.
    pub(super) fn admit_to_conference(
        &mut self,
        incoming: IncomingCall,
        terms: &JoinTerms,
    ) -> Result<Admission, NotAdmitted> {
        let conference = self.conference_for(incoming.account, terms).map_err(|error| {
            if error == CallError::ConferenceFull {
                NotAdmitted::ConferenceFull
            } else {
                NotAdmitted::NoSeat(error)
            }
        })?;
        let admitted = self.reserve(incoming, Some(conference));
        match &admitted {
            Ok(admission) => {
                self.take_seat(admission.call, conference, terms);
                self.signal(admission.call, Signal::Answer);
            }
            Err(_) => self.close_if_empty(conference, None, Leaving::HungUp),
        }
        admitted
    }

    /// Seats an answered call.
    pub(super) fn join(&mut self, sid: CallSid, terms: &JoinTerms, reply: JoinReply) {
        let conference = match self.may_join(sid, terms) {
            Ok(conference) => conference,
            Err(e) => return reply.refuse(e),
        };
        self.take_seat(sid, conference, terms);
        self.order_seat(sid, conference, reply);
    }

    /// Seats a call that nobody asked about just now; one that cannot have its seat is ended.
    pub(super) fn join_unasked(&mut self, sid: CallSid, terms: &JoinTerms) {
        match self.may_join(sid, terms) {
            Ok(conference) => {
                self.take_seat(sid, conference, terms);
                self.order_seat(sid, conference, JoinReply::Nobody);
            }
            Err(e) => {
                info!(call = %sid, error = %e, "no seat for the call; call ended");
                self.hang_up(sid, HangUp::Asked);
            }
        }
    }

    fn may_join(&mut self, sid: CallSid, terms: &JoinTerms) -> Result<ConferenceSid, CallError> {
        let call = self.connected(sid)?;
        if !matches!(call.stage, Stage::Connected) {
            return Err(CallError::WrongState);
        }
        let account = call.view.account;
        self.conference_for(account, terms)
    }

    /// The conference of these terms, with a free seat; begun now if there is none and it goes by its name.
    pub(super) fn conference_for(
        &mut self,
        account: AccountSid,
        terms: &JoinTerms,
    ) -> Result<ConferenceSid, CallError> {
        let name = (account, terms.conference.clone());
        let Some(sid) = terms.listens_in.or_else(|| self.open.get(&name).copied()) else {
            if terms.coach.is_some() {
                return Err(CallError::CoachedAbsent);
            }
            let sid = self.begin_conference(account, &terms.conference, terms.participants_max, true);
            let telling = terms.news.clone().map(Telling::new);
            if let Some(conference) = self.conferences.get_mut(sid) {
                conference.telling = telling;
            }
            self.promise_conference_end(sid);
            self.open.insert(name, sid);
            return Ok(sid);
        };
        let conference = self.conferences.get(sid).filter(|found| found.view.account == account);
        let conference = conference.ok_or(CallError::NoConference)?;
        if conference.view.status == ConferenceStatus::Completed {
            return Err(CallError::ConferenceCompleted);
        }
        if conference.seats.len() >= conference.participants_max {
            return Err(CallError::ConferenceFull);
        }
        if let Some(coached) = terms.coach {
            self.may_be_coached(sid, coached, None)?;
        }
        if let Some(label) = &terms.label
            && self.participant(sid, &ParticipantKey::Label(label.clone())).is_ok()
        {
            return Err(CallError::LabelInUse);
        }
        Ok(sid)
    }

    fn begin_conference(
        &mut self,
        account: AccountSid,
        name: &str,
        most: Option<usize>,
        is_listed: bool,
    ) -> ConferenceSid {
        let (sid, now) = (ConferenceSid::generate(), Utc::now());
        let view = ConferenceView {
            sid,
            account,
            friendly_name: name.to_owned(),
            status: ConferenceStatus::Init,
            created: now,
            updated: now,
            reason_ended: None,
            call_sid_ending: None,
            participants: 0,
            is_listed,
        };
        let participants_max =
            most.map_or(self.limits.participants, |most| most.min(self.limits.participants));
        let settings = ConferenceSettings { seats_max: participants_max, talkers_max: self.limits.talkers };
        let place = self.media.add_conference(settings);
        self.places.insert(place.conference, sid);
        if is_listed {
            self.journal.append(now, What::Conference(view.clone()));
        }
        let (telling, announcing) = (None, Announcing::default());
        let lasting = self.limits.lasting;
        let deadline = Deadline::after(lasting.conference, Duration::ZERO, lasting.warning);
        let conference = Conference {
            view,
            place,
            seats: Vec::new(),
            participants_max,
            telling,
            deadline,
            announcing,
            record: None,
            is_to_be_recorded: false,
        };
        self.conferences.insert(sid, conference);
        info!(conference = %sid, "conference begun");
        sid
    }

    /// Two calls hear each other and nobody else.
    pub(super) fn bridge(&mut self, one: CallSid, other: CallSid, reply: Reply<()>) {
        let mut account = None;
        for call in [one, other] {
            match self.connected(call) {
                Ok(call) if matches!(call.stage, Stage::Connected) => account = Some(call.view.account),
                Ok(_) => return answer(reply, Err(CallError::WrongState)),
                Err(e) => return answer(reply, Err(e)),
            }
        }
        let Some(account) = account else {
            return;
        };
        let terms = JoinTerms::named(String::new());
        let conference = self.begin_conference(account, "", Some(BRIDGE_SEATS_MAX), false);
        for (call, join) in [(one, JoinReply::Nobody), (other, JoinReply::Connecting(reply))] {
            self.take_seat(call, conference, &terms);
            self.order_seat(call, conference, join);
        }
    }

    pub(super) fn take_seat(&mut self, sid: CallSid, conference: ConferenceSid, terms: &JoinTerms) {
        let now = Utc::now();
        if let Some(record) = self.conferences.get_mut(conference) {
            record.seats.push(sid);
        }
        self.want_conference_recorded(conference, terms.record.as_ref());
        if let Some(call) = self.calls.get_mut(sid) {
            call.sitting = Sitting::new(terms.beep, terms.wait.clone());
            call.is_sent_away = false;
            call.seat = Some(ParticipantView {
                account: call.view.account,
                call_sid: sid,
                conference_sid: conference,
                label: terms.label.clone(),
                muted: terms.muted,
                hold: false,
                coaching: terms.coach.is_some(),
                call_sid_to_coach: terms.coach,
                start_on_enter: terms.start_on_enter,
                end_on_exit: terms.end_on_exit,
                status: ParticipantStatus::Connecting,
                created: now,
                updated: now,
            });
        }
    }

    /// Has the mixer seat a call whose leg is on a thread: on the conference's own, or after a move to it.
    pub(super) fn order_seat(&mut self, sid: CallSid, conference: ConferenceSid, reply: JoinReply) {
        let Some((place, seat)) = self.seat_of(sid, conference) else {
            return reply.refuse(CallError::NoConference);
        };
        let Some(call) = self.calls.get_mut(sid) else {
            return reply.refuse(CallError::NoCall);
        };
        if call.leg.worker != place.worker {
            self.media.detach(&mut call.leg, place);
            call.stage = Stage::Moving(reply);
            return;
        }
        match self.media.join(&call.leg, (place, seat), Waiter::Joined(sid, reply)) {
            Ok(()) => call.stage = Stage::Seated,
            Err((Full, waiter)) => {
                self.vacate(sid, Leaving::HungUp);
                overloaded((Full, waiter));
            }
        }
    }

    /// Where a call sits or will sit, and how; the mixer is to be told so.
    pub(super) fn seat_of(
        &mut self,
        sid: CallSid,
        conference: ConferenceSid,
    ) -> Option<(ConferencePlace, Seat)> {
        let place = self.conferences.get(conference)?.place;
        let seat = self.seat_to_order(sid)?;
        self.seat_in_recordings(sid, conference);
        Some((place, seat))
    }

    pub(super) fn joined(&mut self, sid: CallSid, applied: bool, reply: JoinReply) {
        let living = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final());
        let Some(call) = living else {
            return reply.refuse(CallError::WrongState);
        };
        if !applied {
            self.signal(sid, Signal::HangUp(HangUp::MediaFailed));
            self.end(sid, CallStatus::Failed, AfterLeaving::Nobody);
            return reply.refuse(CallError::Overloaded);
        }
        let now = Utc::now();
        let Some(seat) = call.seat.as_mut().filter(|seat| {
            !matches!(seat.status, ParticipantStatus::Connected | ParticipantStatus::Complete)
        }) else {
            return reply.refuse(CallError::WrongState);
        };
        seat.status = ParticipantStatus::Connected;
        seat.updated = now;
        let seat = seat.clone();
        call.sitting.since = Some(now);
        if call.view.status != CallStatus::InProgress {
            self.answered(sid);
        }
        self.seat_taken(&seat, now);
        reply.answer(seat);
    }

    fn seat_taken(&mut self, seat: &ParticipantView, now: DateTime<Utc>) {
        let connected = |call: &&CallSid| {
            let seat = self.calls.get(**call).and_then(|call| call.seat.as_ref());
            seat.filter(|seat| seat.status == ParticipantStatus::Connected).is_some()
        };
        let starts = |call: &&CallSid| {
            let seat = self.calls.get(**call).and_then(|call| call.seat.as_ref());
            seat.is_some_and(|seat| seat.start_on_enter)
        };
        let Some(conference) = self.conferences.get(seat.conference_sid) else {
            return;
        };
        let participants = conference.seats.iter().filter(connected).count();
        let has_starter = conference.seats.iter().filter(connected).any(|call| starts(&call));
        let was_waiting = conference.view.status == ConferenceStatus::Init;
        let is_listed = conference.view.is_listed;
        // One alone waits; with the second there is something to confer about.
        let begins = was_waiting && has_starter && participants >= 2;
        if let Some(conference) = self.conferences.get_mut(seat.conference_sid) {
            conference.view.participants = participants;
            conference.view.updated = now;
            if begins {
                conference.view.status = ConferenceStatus::InProgress;
            }
            if begins && is_listed {
                self.journal.append(now, What::Conference(conference.view.clone()));
            }
        }
        if is_listed {
            self.journal.append(now, What::Joined(seat.clone()));
        }
        if begins {
            self.tell_conference(seat.conference_sid, ConferenceStep::Started);
        }
        self.tell_conference(seat.conference_sid, ConferenceStep::Joined(seat.clone()));
        if begins {
            self.reseat_all(seat.conference_sid);
        } else {
            self.reseat(seat.call_sid);
            self.resound(seat.call_sid);
        }
        self.begin_conference_recording(seat.conference_sid);
        if self.calls.get(seat.call_sid).is_some_and(|call| call.sitting.beep.on_enter) {
            self.chime(seat.conference_sid, Chime::Enter);
        }
    }

    pub(super) fn leave_conference(&mut self, sid: CallSid, reply: Reply<()>) {
        match self.connected(sid) {
            Ok(call) if matches!(call.stage, Stage::Seated) => {}
            Ok(_) => return answer(reply, Err(CallError::NoParticipant)),
            Err(e) => return answer(reply, Err(e)),
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let why = if call.is_sent_away { Leaving::Updated } else { Leaving::HungUp };
        match self.media.leave(&call.leg, Waiter::Unseated(reply)) {
            Ok(()) => self.vacate(sid, why),
            Err(refused) => overloaded(refused),
        }
    }

    /// Takes a call out of its conference, if it sits in one.
    pub(super) fn unseat_unasked(&mut self, sid: CallSid) {
        if let Some(call) = self.calls.get(sid).filter(|call| matches!(call.stage, Stage::Seated)) {
            self.media.leave_surely(&call.leg);
            self.vacate(sid, Leaving::Updated);
        }
    }

    /// A call's seat is empty: it hears its script again.
    pub(super) fn vacate(&mut self, sid: CallSid, why: Leaving) {
        let now = Utc::now();
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        let Some(conference) = call.conference() else {
            return;
        };
        if call.is_connected() && !call.view.status.is_final() {
            call.stage = Stage::Connected;
        }
        if let Some(seat) = &mut call.seat {
            let was_there = seat.status == ParticipantStatus::Connected;
            seat.status = ParticipantStatus::Complete;
            seat.updated = now;
            let is_listed = self.conferences.get(conference).is_some_and(|found| found.view.is_listed);
            let (seat, beeps) = (seat.clone(), was_there && call.sitting.beep.on_exit);
            if was_there && is_listed {
                self.journal.append(now, What::Left(seat.clone()));
            }
            self.silence_seat(sid);
            self.tell_left(seat, was_there, why);
            self.abandon_coaches_of(sid, conference);
            if beeps {
                self.chime(conference, Chime::Exit);
            }
        }
        self.unseat(sid, conference, why);
    }

    fn unseat(&mut self, call: CallSid, conference: ConferenceSid, why: Leaving) {
        let Some(record) = self.conferences.get_mut(conference) else {
            return;
        };
        record.seats.retain(|&seat| seat != call);
        record.view.participants = record.seats.len();
        record.view.updated = Utc::now();
        let (is_bridge, rest) = (!record.view.is_listed, record.seats.clone());
        let seat = |call: CallSid| self.calls.get(call).and_then(|call| call.seat.as_ref());
        // Who listens in on a call of two does not end it, and is nothing without them.
        let is_of_two = |call: CallSid| is_bridge && seat(call).is_some_and(|seat| seat.start_on_enter);
        let ends = seat(call).is_some_and(|seat| seat.end_on_exit) || is_of_two(call);
        let is_settled = matches!(why, Leaving::ConferenceEnded | Leaving::Transferred);
        let is_idle = is_bridge && !rest.is_empty() && !rest.iter().any(|&call| is_of_two(call));
        if (ends && !is_settled) || is_idle {
            self.end_with_moderator(conference, call, why);
        }
        self.close_if_empty(conference, Some(call), why);
        self.tell_end_if_empty(conference);
    }

    pub(super) fn kick(&mut self, conference: ConferenceSid, key: &ParticipantKey, reply: Reply<()>) {
        let (sid, has_script) = match self.participant(conference, key) {
            Ok(call) => (call.view.sid, call.script.is_some()),
            Err(e) => return answer(reply, Err(e)),
        };
        let seated = self.calls.get(sid).filter(|call| matches!(call.stage, Stage::Seated));
        if has_script && let Some(call) = seated {
            match self.media.leave(&call.leg, Waiter::Unseated(reply)) {
                Ok(()) => {
                    call.tell(CallEvent::LeftConference { conference, kicked: true });
                    self.vacate(sid, Leaving::Kicked);
                }
                Err(refused) => overloaded(refused),
            }
            return;
        }
        self.signal(sid, Signal::HangUp(HangUp::Asked));
        self.end_as(sid, CallStatus::Completed, Leaving::Kicked, AfterLeaving::AnswerKick(reply));
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
            ParticipantKey::Label(label) => {
                seats.find(|call| call.seat.as_ref().is_some_and(|seat| seat.label.as_ref() == Some(label)))
            }
        };
        found.ok_or(CallError::NoParticipant)
    }
}

impl JoinReply {
    pub(super) fn refuse(self, error: CallError) {
        match self {
            Self::Connecting(reply) => answer(reply, Err(error)),
            Self::Joining(reply) => answer(reply, Err(error)),
            Self::Nobody => {}
        }
    }

    fn answer(self, seat: ParticipantView) {
        match self {
            Self::Connecting(reply) => answer(reply, Ok(())),
            Self::Joining(reply) => answer(reply, Ok(seat)),
            Self::Nobody => {}
        }
    }
}
