//! What the media threads report.

use std::time::Duration;

use chrono::Utc;
use confab_media::{
    ConferenceEvent, ConferenceId, Event, Leg, LegEvent, LegId, QualityReport, Retired, SpeechChange,
};
use tracing::{debug, warn};

use super::conference_news::ConferenceStep;
use super::event::What;
use super::handle::{CallError, CallEvent, HangUp, Reply, Signal};
use super::lasting::Deadline;
use super::model::digits::not_pressed;
use super::model::{AfterLeaving, Model, Waiter, answer};
use super::quality::{Arrived, answer_all};
use super::sid::CallSid;
use super::state::{Call, Stage};
use super::view::CallStatus;
use crate::worker::{LegWay, Report, WorkerIndex};

impl Model {
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
                    Some(Waiter::DigitsPressed(reply)) => answer(reply, Err(not_pressed(refusal))),
                    Some(waiter) => self.done(waiter, false),
                    None => {}
                }
            }
            Report::Event(Event::Leg { leg, event }) => self.leg_event(leg, event),
            Report::Event(Event::Conference { conference, event }) => {
                self.conference_event(conference, event);
            }
            Report::Retired(Retired::Quality(report), _) => self.report_home(report),
            Report::Retired(Retired::Levels(report), _) => self.levels_home(&report),
            Report::Retired(Retired::Capture(capture), _) => self.capture_home(&capture),
            Report::Retired(Retired::Leg(leg), Some(way)) if self.is_moving(leg.id()) => {
                self.move_on(leg, way);
            }
            Report::Retired(Retired::Leg(leg), _) => self.leg_home(leg),
            // What is not looked at is freed, and closed, here.
            Report::Retired(retired, way) => drop((retired, way)),
            Report::ConsentLost(leg) => self.consent_lost(leg),
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

    fn is_moving(&self, leg: LegId) -> bool {
        let call = self.legs.get(&leg).and_then(|&sid| self.calls.get(sid));
        call.is_some_and(|call| matches!(call.stage, Stage::Moving(_)))
    }

    /// A leg is back from its thread, to move to another.
    fn move_on(&mut self, leg: Box<Leg>, way: LegWay) {
        let Some(sid) = self.legs.get(&leg.id()).copied() else {
            return;
        };
        let Some(call) = self.calls.get_mut(sid).filter(|call| matches!(call.stage, Stage::Moving(_))) else {
            return;
        };
        let Stage::Moving(reply) = std::mem::replace(&mut call.stage, Stage::Connected) else {
            return;
        };
        let conference = call.conference();
        match conference.and_then(|conference| self.seat_of(sid, conference)) {
            Some(seat) => {
                let Some(call) = self.calls.get_mut(sid) else {
                    return;
                };
                call.stage = Stage::Seated;
                self.media.attach(&call.leg, leg, way, seat, Waiter::Joined(sid, reply));
            }
            // Without a conference to go to it has no thread either.
            None => {
                reply.refuse(CallError::NoConference);
                self.hang_up(sid, HangUp::MediaFailed);
            }
        }
    }

    fn consent_lost(&mut self, leg: LegId) {
        if let Some(&sid) = self.legs.get(&leg) {
            warn!(call = %sid, "the browser is gone, ending the call");
            self.hang_up(sid, HangUp::SilentFarEnd);
        }
    }

    fn leg_event(&mut self, leg: LegId, event: LegEvent) {
        let Some(&sid) = self.legs.get(&leg) else {
            return;
        };
        match event {
            LegEvent::Latched { .. } => debug!(call = %sid, "far end's media address known"),
            LegEvent::SilentFarEnd => {
                warn!(call = %sid, "no RTP and no RTCP from the far end, ending the call");
                self.hang_up(sid, HangUp::SilentFarEnd);
            }
            LegEvent::Digit(pressed) => {
                debug!(call = %sid, "key pressed");
                if let Some(call) = self.calls.get(sid) {
                    let what = What::Digit { account: call.view.account, call: sid, pressed };
                    self.journal.append(Utc::now(), what);
                    call.tell(CallEvent::Digit(pressed));
                }
            }
            // Of these nobody is told but who captures them.
            LegEvent::DigitsCaptured(capture) => self.digits_captured(capture),
            LegEvent::Speech(change) => self.speech(sid, change),
            LegEvent::Played { player, .. } if self.warning_is_over(sid, player) => {
                self.told_captured(sid, player);
            }
            LegEvent::Played { player, end } if self.piece_is_over(sid, player, end) => {}
            LegEvent::Played { player, end } => {
                self.told_captured(sid, player);
                let playing = self.calls.get_mut(sid).filter(|call| call.playing == Some(player));
                if let Some(call) = playing {
                    call.playing = None;
                    call.tell(CallEvent::Played { player, end });
                }
            }
        }
    }

    fn speech(&mut self, sid: CallSid, change: SpeechChange) {
        if let Some(seat) = self.calls.get(sid).and_then(|call| call.seat.clone()) {
            self.tell_conference(seat.conference_sid, ConferenceStep::Speech(seat.clone(), change));
            self.journal.append(Utc::now(), What::Speech { participant: seat, change });
        }
    }

    fn conference_event(&mut self, id: ConferenceId, event: ConferenceEvent) {
        let found = self.places.get(&id).and_then(|&sid| self.conferences.get(sid));
        let listed = found.map(|found| &found.view).filter(|view| view.is_listed);
        match (listed.map(|view| (view.account, view.sid)), event) {
            (Some((account, conference)), ConferenceEvent::ActiveSpeaker(leg)) => {
                let participant = leg.and_then(|leg| self.legs.get(&leg)).copied();
                self.journal.append(Utc::now(), What::ActiveSpeaker { account, conference, participant });
            }
            (Some((_, conference)), ConferenceEvent::Played { player, end }) => {
                self.played_to_everybody(conference, player, end);
            }
            // One that is over has no speaker; of two who are bridged nobody asks.
            (None, ConferenceEvent::ActiveSpeaker(_) | ConferenceEvent::Played { .. }) => {}
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
        let on_it = |sid: &CallSid| self.calls.get(*sid).is_some_and(|call| call.leg.worker == worker);
        let lost: Vec<CallSid> = self.legs.values().copied().filter(on_it).collect();
        for sid in lost {
            self.signal(sid, Signal::HangUp(HangUp::MediaFailed));
            self.end(sid, CallStatus::Failed, AfterLeaving::Nobody);
        }
    }

    /// A media thread has done what it was told, or could not.
    fn done(&mut self, waiter: Waiter, applied: bool) {
        match waiter {
            Waiter::Connected(sid, reply) => self.is_connected(sid, applied, reply),
            Waiter::Joined(sid, reply) => {
                if let Some(call) = self.calls.get(sid).filter(|_| applied) {
                    self.media.has_arrived(&call.leg);
                }
                self.joined(sid, applied, reply);
            }
            Waiter::MediaSet(reply) | Waiter::DigitHeard(reply) | Waiter::DigitsPressed(reply) => {
                answer(reply, if applied { Ok(()) } else { Err(CallError::NoCall) });
            }
            Waiter::Capturing(begun) => self.capture_begun(*begun, applied),
            // Refused, the leg is gone: it was removed in between.
            Waiter::Quality(sid, reply) => self.remembered_quality(sid, reply),
            Waiter::Reseated(done, reply) => self.reseated(*done, applied, reply),
            Waiter::Playing(sid, player, reply) => {
                let playing =
                    self.calls.get_mut(sid).and_then(|call| applied.then(|| call.playing = Some(player)));
                answer(reply, playing.map(|()| player).ok_or(CallError::WrongState));
            }
            Waiter::StoppedPlaying(reply) => {
                answer(reply, if applied { Ok(()) } else { Err(CallError::NotPlaying) });
            }
            // Gone is gone, also when the thread did not know it any more.
            Waiter::Unseated(reply) => answer(reply, Ok(())),
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

    fn is_connected(&mut self, sid: CallSid, applied: bool, reply: Reply<()>) {
        if self.calls.get(sid).is_none_or(|call| call.view.status.is_final()) {
            return answer(reply, Err(CallError::WrongState));
        }
        if !applied {
            self.end(sid, CallStatus::Failed, AfterLeaving::Nobody);
            return answer(reply, Err(CallError::Overloaded));
        }
        self.answered(sid);
        answer(reply, Ok(()));
    }

    /// A call's media flow: it is answered.
    pub(super) fn answered(&mut self, sid: CallSid) {
        let now = Utc::now();
        let limit = self.calls.get(sid).map(|call| self.time_limit(call)).unwrap_or_default();
        let warning = self.limits.lasting.warning;
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        call.view.status = CallStatus::InProgress;
        call.view.started = Some(now);
        call.view.updated = now;
        call.deadline = Some(Deadline::after(limit, Duration::ZERO, warning));
        let view = call.view.clone();
        for reply in std::mem::take(&mut call.answering) {
            answer(reply, Ok(view.clone()));
        }
        let (keys, is_held) = (call.send_digits.take(), call.held_by_far_end);
        self.journal.append(now, What::Call(view.clone()));
        if is_held {
            self.journal.append(now, What::HeldByFarEnd { call: view, held: true });
        }
        self.tell_parent(sid);
        self.tell_status(sid);
        if let Some(keys) = keys {
            // Nobody waits for them.
            self.press_digits(sid, &keys, tokio::sync::oneshot::channel().0);
        }
        self.begin_recordings(sid);
        self.begin_destination(sid);
    }
}
