//! How calls and conferences end.

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::event::What;
use super::handle::{CallEnd, CallError, CallEvent, EndCall, HangUp, Reply, Signal};
use super::model::{AfterLeaving, Model, Waiter, answer};
use super::sid::{CallSid, ConferenceSid};
use super::state::{Call, Stage};
use super::view::{CallStatus, CallView, ConferenceEnd, ConferenceStatus, ConferenceView};

/// Why a call leaves its conference.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    HungUp,
    /// The API removed them.
    Kicked,
    /// The API ended their call, or sent it elsewhere.
    Updated,
    /// Another is in their place.
    Transferred,
    ConferenceEnded,
}

impl Model {
    pub(super) fn end_call(&mut self, sid: CallSid, how: EndCall, reply: Reply<CallView>) {
        let Some(status) = self.calls.get(sid).map(|call| call.view.status) else {
            return answer(reply, Err(CallError::NoCall));
        };
        let ended = match (status, how) {
            (CallStatus::Queued | CallStatus::Ringing, EndCall::Canceled) => CallStatus::Canceled,
            (CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress, EndCall::Completed) => {
                CallStatus::Completed
            }
            _ => return answer(reply, Err(CallError::WrongState)),
        };
        self.signal(sid, Signal::HangUp(HangUp::Asked));
        self.end_as(sid, ended, Leaving::Updated, AfterLeaving::AnswerCall(reply));
    }

    pub(super) fn call_ended(&mut self, sid: CallSid, end: CallEnd, sip_status: Option<u16>) {
        let status = match end {
            CallEnd::HungUp => CallStatus::Completed,
            CallEnd::Canceled => CallStatus::Canceled,
            CallEnd::Busy => CallStatus::Busy,
            CallEnd::NoAnswer => CallStatus::NoAnswer,
            CallEnd::Failed => CallStatus::Failed,
        };
        if let Some(call) = self.calls.get_mut(sid) {
            call.view.sip_status = sip_status.or(call.view.sip_status);
        }
        self.end(sid, status, AfterLeaving::Nobody);
    }

    /// Ends a call: it leaves its conference, its media stop, and it is only remembered.
    pub(super) fn end(&mut self, sid: CallSid, status: CallStatus, after: AfterLeaving) {
        self.end_as(sid, status, Leaving::HungUp, after);
    }

    pub(super) fn end_as(&mut self, sid: CallSid, status: CallStatus, why: Leaving, after: AfterLeaving) {
        let living = self.calls.get_mut(sid).filter(|call| !call.view.status.is_final());
        let Some(call) = living else {
            return after.answer(Err(CallError::WrongState), self.calls.get(sid));
        };
        let (now, was) = (Utc::now(), call.view.status);
        // What was never answered cannot have been completed.
        call.view.status = match (call.view.started, status) {
            (None, CallStatus::Completed) => CallStatus::Canceled,
            (_, status) => status,
        };
        call.view.ended = Some(now);
        call.view.updated = now;
        info!(call = %sid, status = ?call.view.status, "call ended");
        let (stage, answering) =
            (std::mem::replace(&mut call.stage, Stage::Reserved), std::mem::take(&mut call.answering));
        let (account, was_queued) = (call.view.account, was == CallStatus::Queued);
        self.media.forget_leg(&call.leg);
        self.legs.remove(&call.leg.leg);
        for reply in answering {
            answer(reply, Err(CallError::WrongState));
        }
        match stage {
            Stage::Connected | Stage::Seated => {
                self.leaving += 1;
                self.departures.begin(call.leg.leg, sid, call.leg.worker);
                self.media.remove_leg(&call.leg, Waiter::Left(sid, after));
            }
            // When it comes home nobody will miss it.
            Stage::Moving(reply) => {
                reply.refuse(CallError::WrongState);
                after.answer(Ok(()), self.calls.get(sid));
            }
            Stage::Reserved => {
                call.leg.forget_ways();
                after.answer(Ok(()), self.calls.get(sid));
            }
        }
        if was_queued {
            self.forget_turn(account, sid);
        }
        self.end_recordings(sid);
        self.end_streams(sid);
        self.call_with_capture_over(sid);
        self.vacate(sid, why);
        self.quit_queues(sid);
        if let Some(call) = self.calls.get_mut(sid) {
            // Whoever runs its script sees the end of the channel.
            call.script = None;
            self.journal.append(now, What::Call(call.view.clone()));
        }
        self.tell_status(sid);
        self.calls.end(sid);
        self.tell_parent(sid);
        self.stopped();
    }

    /// A call that was not taken up after all.
    pub(super) fn forget_unanswered(&mut self, sid: CallSid) {
        self.end(sid, CallStatus::Failed, AfterLeaving::Nobody);
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
        let rest: Vec<CallSid> = self.legs.values().copied().collect();
        for call in rest {
            self.hang_up(call, HangUp::Stopping);
        }
        self.stopped();
    }

    /// Ends a conference, and the calls in it that have nothing else to do.
    pub(super) fn finish_conference(
        &mut self,
        sid: ConferenceSid,
        cause: HangUp,
        reply: Option<Reply<ConferenceView>>,
    ) {
        let seats = self.conferences.get(sid).map(|conference| conference.seats.clone()).unwrap_or_default();
        self.close_conference(sid, ConferenceEnd::ViaApi, None, reply);
        self.dismiss(sid, &seats, cause);
    }

    /// One with whom the conference ends has left it.
    pub(super) fn end_with_moderator(&mut self, sid: ConferenceSid, moderator: CallSid, why: Leaving) {
        let Some(conference) = self.conferences.get(sid) else {
            return;
        };
        if conference.view.status == ConferenceStatus::Completed {
            return;
        }
        let seats = conference.seats.clone();
        let reason = match why {
            Leaving::Kicked => ConferenceEnd::ModeratorKicked,
            Leaving::HungUp | Leaving::Updated | Leaving::Transferred | Leaving::ConferenceEnded => {
                ConferenceEnd::ModeratorLeft
            }
        };
        self.close_conference(sid, reason, Some(moderator), None);
        self.dismiss(sid, &seats, HangUp::Asked);
    }

    /// Those who sat in a conference that is over go on with their scripts, or are over too.
    fn dismiss(&mut self, conference: ConferenceSid, seats: &[CallSid], cause: HangUp) {
        for &sid in seats {
            let goes_on = cause != HangUp::Stopping
                && self.calls.get(sid).is_some_and(|call| {
                    call.script.is_some()
                        && matches!(call.stage, Stage::Seated)
                        && !call.view.status.is_final()
                });
            if goes_on {
                self.vacate(sid, Leaving::ConferenceEnded);
                if let Some(call) = self.calls.get(sid) {
                    call.tell(CallEvent::LeftConference { conference, kicked: false });
                }
            } else {
                self.signal(sid, Signal::HangUp(cause));
                self.end_as(sid, CallStatus::Completed, Leaving::ConferenceEnded, AfterLeaving::Nobody);
            }
        }
    }

    pub(super) fn close_if_empty(&mut self, conference: ConferenceSid, last: Option<CallSid>, why: Leaving) {
        let is_over = self.conferences.get(conference).is_none_or(|record| {
            !record.seats.is_empty() || record.view.status == ConferenceStatus::Completed
        });
        if is_over {
            return;
        }
        let reason = match why {
            Leaving::HungUp | Leaving::Updated | Leaving::Transferred => ConferenceEnd::LastParticipantLeft,
            Leaving::Kicked => ConferenceEnd::LastParticipantKicked,
            Leaving::ConferenceEnded => ConferenceEnd::ViaApi,
        };
        self.close_conference(conference, reason, last, None);
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
        if conference.view.is_listed {
            self.journal.append(conference.view.updated, What::Conference(conference.view.clone()));
            self.open.remove(&(conference.view.account, conference.view.friendly_name.clone()));
        }
        self.places.remove(&conference.place.conference);
        let place = conference.place;
        self.end_conference_recordings(sid);
        self.media.remove_conference(place, Waiter::ConferenceGone(sid, reply));
        self.conferences.end(sid);
        info!(conference = %sid, ?reason, "conference ended");
        self.silence_everybody(sid);
        self.tell_end_if_empty(sid);
    }

    pub(super) fn stopped(&mut self) {
        if self.leaving == 0 && self.calls.living() == 0 {
            for waiter in self.stopping.iter_mut().flat_map(|waiters| waiters.drain(..)) {
                // Whoever asked may have gone away.
                let _ = waiter.send(());
            }
        }
    }

    /// Ends the calls whose adapters or scripts are gone without a word, whatever broke there, and those whose time is up.
    pub(super) fn sweep(&mut self) {
        self.media.retry();
        self.finish_recordings();
        self.tend_captures();
        let is_lost = |call: &Call| {
            call.signals.is_closed() || call.script.as_ref().is_some_and(mpsc::Sender::is_closed)
        };
        let lost: Vec<CallSid> =
            self.legs.values().copied().filter(|&sid| self.calls.get(sid).is_some_and(is_lost)).collect();
        for sid in lost {
            warn!(call = %sid, "call lost its signalling or its script");
            self.signal(sid, Signal::HangUp(HangUp::MediaFailed));
            self.end(sid, CallStatus::Failed, AfterLeaving::Nobody);
        }
        self.watch_the_time();
    }
}

impl AfterLeaving {
    pub(super) fn answer(self, left: Result<(), CallError>, call: Option<&Call>) {
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
