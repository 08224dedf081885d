//! How those who sit in a conference hear and are heard, and how that is changed.

use chrono::Utc;
use confab_media::Seat;

use super::conference_news::ConferenceStep;
use super::event::What;
use super::handle::{CallError, ParticipantKey, Reply};
use super::hearing::{self, Coaching, Standing};
use super::model::{Model, Waiter, answer, overloaded};
use super::seating::{CoachChange, SeatChange, SeatSound};
use super::sid::{CallSid, ConferenceSid};
use super::state::{Call, Stage};
use super::view::{ConferenceStatus, ParticipantStatus, ParticipantView};

/// A change of a seat that the mixer has been told of.
#[derive(Debug)]
pub(super) struct Reseated {
    /// How they sit after it.
    seat: ParticipantView,
    was_muted: bool,
    was_on_hold: bool,
    /// Whether something was changed that is told as a modification.
    is_modified: bool,
}

impl Model {
    /// What a call's seat means to the mixer now.
    fn seat_now(&self, sid: CallSid) -> Option<Seat> {
        let call = self.calls.get(sid)?;
        let seat = call.seat.as_ref()?;
        let coached = seat.call_sid_to_coach.and_then(|coached| self.calls.get(coached));
        let coaching = match (seat.coaching, coached) {
            (false, _) => Coaching::Nobody,
            (true, Some(coached)) => Coaching::Leg(coached.leg.leg),
            (true, None) => Coaching::Gone,
        };
        let conference = self.conferences.get(seat.conference_sid);
        Some(hearing::seat(Standing {
            muted: seat.muted,
            hold: seat.hold,
            // One of two who are connected hears the other's music, as on any telephone.
            held_by_far_end: call.held_by_far_end && conference.is_some_and(|found| found.view.is_listed),
            waits: self.waits(sid),
            announced_to: call.sitting.is_announced_to(),
            coaching,
        }))
    }

    /// Where a call sits or will sit. The mixer is to be told so by whoever asks.
    pub(super) fn seat_to_order(&mut self, sid: CallSid) -> Option<Seat> {
        let seat = self.seat_now(sid)?;
        self.calls.get_mut(sid)?.sitting.ordered = Some(seat);
        Some(seat)
    }

    /// Whether they wait for the conference to start. Whoever starts it as they come in does not, and one who starts it
    /// and would hear nothing meanwhile may as well sit in it.
    pub(super) fn waits(&self, sid: CallSid) -> bool {
        let Some(call) = self.calls.get(sid) else {
            return false;
        };
        let Some(seat) = &call.seat else {
            return false;
        };
        let Some(conference) = self.conferences.get(seat.conference_sid) else {
            return false;
        };
        if !conference.view.is_listed || conference.view.status != ConferenceStatus::Init {
            return false;
        }
        let others = || {
            let others = conference.seats.iter().filter(|other| **other != sid);
            let seats = others.filter_map(|other| self.calls.get(*other)?.seat.as_ref());
            seats.filter(|seat| seat.status == ParticipantStatus::Connected)
        };
        let starts =
            others().next().is_some() && (seat.start_on_enter || others().any(|other| other.start_on_enter));
        let hears_nothing = seat.start_on_enter && call.sitting.wait == SeatSound::Silence;
        !starts && !hears_nothing
    }

    /// Tells the mixer how somebody sits, if that is otherwise than it knows.
    pub(super) fn reseat(&mut self, sid: CallSid) {
        let Some(seat) = self.seat_now(sid) else {
            return;
        };
        let Some(call) = self.calls.get_mut(sid).filter(|call| matches!(call.stage, Stage::Seated)) else {
            return;
        };
        let before = call.sitting.ordered.replace(seat);
        if before.map(|before| before.hearing) != Some(seat.hearing) {
            self.media.set_hearing(&call.leg, seat.hearing);
        }
        if before.map(|before| before.audience) != Some(seat.audience) {
            self.media.set_audience_surely(&call.leg, seat.audience);
        }
    }

    /// The conference has started: those who waited for it are in it.
    pub(super) fn reseat_all(&mut self, conference: ConferenceSid) {
        let seats = self.conferences.get(conference).map(|found| found.seats.clone()).unwrap_or_default();
        for sid in seats {
            self.reseat(sid);
            self.resound(sid);
        }
    }

    pub(super) fn change_seat(
        &mut self,
        conference: ConferenceSid,
        key: &ParticipantKey,
        change: SeatChange,
        reply: Reply<ParticipantView>,
    ) {
        let (sid, after) = match self.may_change(conference, key, &change) {
            Ok(found) => found,
            Err(e) => return answer(reply, Err(e)),
        };
        if let Err((error, reply)) = self.try_to_change(sid, after, change, reply) {
            answer(reply, Err(error));
        }
    }

    /// Who it is about, and how they would sit.
    fn may_change(
        &self,
        conference: ConferenceSid,
        key: &ParticipantKey,
        change: &SeatChange,
    ) -> Result<(CallSid, ParticipantView), CallError> {
        let call = self.participant(conference, key)?;
        let sid = call.view.sid;
        let call = self.connected(sid)?;
        let mut seat = call.seat.clone().ok_or(CallError::NoParticipant)?;
        if change.announce.is_some() && !call.sitting.takes_announcement() {
            return Err(CallError::AnnouncementsFull);
        }
        match change.coaching {
            None => {}
            Some(CoachChange::Nobody) => (seat.coaching, seat.call_sid_to_coach) = (false, None),
            Some(CoachChange::Of(coached)) => {
                self.may_be_coached(conference, coached, Some(sid))?;
                (seat.coaching, seat.call_sid_to_coach) = (true, Some(coached));
            }
        }
        seat.muted = change.muted.unwrap_or(seat.muted);
        seat.hold = change.hold.unwrap_or(seat.hold);
        seat.end_on_exit = change.end_on_exit.unwrap_or(seat.end_on_exit);
        Ok((sid, seat))
    }

    /// Whether somebody is there to be coached, and hears their coach.
    pub(super) fn may_be_coached(
        &self,
        conference: ConferenceSid,
        coached: CallSid,
        coach: Option<CallSid>,
    ) -> Result<(), CallError> {
        let seat = self.participant(conference, &ParticipantKey::Call(coached)).ok();
        let seat = seat.filter(|_| coach != Some(coached)).and_then(|call| call.seat.as_ref());
        match seat.filter(|seat| seat.status == ParticipantStatus::Connected) {
            None => Err(CallError::CoachedAbsent),
            Some(seat) if seat.hold => Err(CallError::CoachedOnHold),
            Some(_) => Ok(()),
        }
    }

    /// Changes what can be changed, or nothing.
    fn try_to_change(
        &mut self,
        sid: CallSid,
        mut after: ParticipantView,
        change: SeatChange,
        reply: Reply<ParticipantView>,
    ) -> Result<(), (CallError, Reply<ParticipantView>)> {
        let Some(call) = self.calls.get_mut(sid) else {
            return Err((CallError::NoParticipant, reply));
        };
        // What they hear changes by hold alone; who hears them is said in any case.
        let orders = if change.hold.is_some() { 2 } else { 1 };
        if !self.media.has_room(&call.leg, orders) {
            return Err((CallError::Overloaded, reply));
        }
        after.updated = Utc::now();
        let Some(before) = call.seat.replace(after.clone()) else {
            return Err((CallError::NoParticipant, reply));
        };
        let reseated = Reseated {
            is_modified: is_modified(&before, &after, call, &change),
            was_muted: before.muted,
            was_on_hold: before.hold,
            seat: after,
        };
        settle(call, &change);
        let told = call.sitting.ordered;
        let seat = self.seat_to_order(sid);
        let (Some(seat), Some(call)) = (seat, self.calls.get(sid)) else {
            return Err((CallError::NoParticipant, reply));
        };
        if told.map(|told| told.hearing) != Some(seat.hearing) {
            self.media.set_hearing(&call.leg, seat.hearing);
        }
        let waiter = Waiter::Reseated(Box::new(reseated), reply);
        if let Err(refused) = self.media.set_audience(&call.leg, seat.audience, waiter) {
            // There was room for it.
            overloaded(refused);
        }
        self.resound(sid);
        if let Some(url) = change.announce {
            self.announce_to(sid, url);
        }
        Ok(())
    }

    /// The mixer has done it, or the leg is gone.
    pub(super) fn reseated(&mut self, done: Reseated, applied: bool, reply: Reply<ParticipantView>) {
        let Reseated { seat, was_muted, was_on_hold, is_modified } = done;
        let is_there =
            self.calls.get(seat.call_sid).is_some_and(|call| call.conference() == Some(seat.conference_sid));
        if !applied || !is_there {
            return answer(reply, Err(CallError::NoParticipant));
        }
        if seat.muted != was_muted {
            self.happened(&seat, What::Muted, ConferenceStep::Muted);
        }
        if seat.hold != was_on_hold {
            self.happened(&seat, What::Held, ConferenceStep::Held);
        }
        if is_modified {
            self.happened(&seat, What::Modified, ConferenceStep::Modified);
        }
        answer(reply, Ok(seat));
    }

    fn happened(
        &mut self,
        seat: &ParticipantView,
        what: fn(ParticipantView) -> What,
        step: fn(ParticipantView) -> ConferenceStep,
    ) {
        self.journal.append(Utc::now(), what(seat.clone()));
        self.tell_conference(seat.conference_sid, step(seat.clone()));
    }

    /// Somebody has left: whoever coached them is heard by nobody until told otherwise.
    pub(super) fn abandon_coaches_of(&mut self, coached: CallSid, conference: ConferenceSid) {
        let seats = self.conferences.get(conference).map(|found| found.seats.clone()).unwrap_or_default();
        for sid in seats {
            let Some(seat) = self.calls.get_mut(sid).and_then(|call| call.seat.as_mut()) else {
                continue;
            };
            if seat.call_sid_to_coach == Some(coached) {
                seat.call_sid_to_coach = None;
                seat.updated = Utc::now();
                let seat = seat.clone();
                self.reseat(sid);
                self.happened(&seat, What::Modified, ConferenceStep::Modified);
            }
        }
    }
}

/// Whether something of a seat was changed that is told as a modification.
fn is_modified(before: &ParticipantView, after: &ParticipantView, call: &Call, change: &SeatChange) -> bool {
    before.end_on_exit != after.end_on_exit
        || before.coaching != after.coaching
        || before.call_sid_to_coach != after.call_sid_to_coach
        || change.beep_on_exit.is_some_and(|beep| beep != call.sitting.beep.on_exit)
        || change.wait.as_ref().is_some_and(|wait| *wait != call.sitting.wait)
}

/// What a change means beside what others may see of the seat.
fn settle(call: &mut Call, change: &SeatChange) {
    let sitting = &mut call.sitting;
    sitting.beep.on_exit = change.beep_on_exit.unwrap_or(sitting.beep.on_exit);
    if let Some(wait) = &change.wait {
        sitting.wait = wait.clone();
    }
    match (&change.hold_sound, change.hold) {
        (Some(sound), _) => sitting.hold = sound.clone(),
        // Put on hold anew without a word of what they hear: the music.
        (None, Some(true)) => sitting.hold = SeatSound::Music,
        (None, Some(false) | None) => {}
    }
}
