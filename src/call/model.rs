//! The rules: who is let in, when a call is answered, what it plays. Seats, endings and what media threads report
//! have files of their own.
//!
//! Requests and reports come in, one at a time; orders to the media threads, signals to adapters and answers go
//! out. Nothing here waits.

pub(super) mod digits;

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use confab_media::{ConferenceId, Feed, LegId, PlayerId, Sound};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::capture::{Begun, Captures};
use super::event::{Journal, What};
use super::floor::Watched;
use super::handle::{
    Adapters, Admission, Arrival, CallError, CallEvent, CallMedia, HangUp, IncomingCall, NotAdmitted,
    Rejection, Reply, Signal,
};
use super::lasting::Lasting;
use super::media::{BrowserLeg, Full, Media, Play};
use super::news::{NEWS_MAX, News};
use super::outbound::{DialQueue, DialRules, OutgoingCall, dial_queue};
use super::quality::{CallQuality, Departures, QualityStats};
use super::queue::Queues;
use super::recordings::Recordings;
use super::records::Records;
use super::sid::{AccountSid, CallSid, ConferenceSid};
use super::sitting::Reseated;
use super::sounds::{SOUND_ORDERS_MAX, SoundDesk};
use super::state::{Call, Conference, JoinReply, Stage};
use super::streams::Streams;
use super::view::{CallDirection, CallStatus, CallView, ConferenceView, ParticipantView};
use super::voice::{Destination, Voice};
use crate::telemetry::Metrics;

/// Signals that may wait for an adapter: an answer and an end, and room for more of either.
pub(super) const SIGNALS_MAX: usize = 4;

/// Events that may wait for a call's script. One that does not take its keys for so long has lost its caller.
pub(super) const CALL_EVENTS_MAX: usize = 64;

/// Calls that may wait to be taken up by a script, or to be dialled.
const ADAPTER_QUEUE_MAX: usize = 1_024;

/// Limits of the node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls at a time.
    pub calls: usize,
    /// Participants of a conference.
    pub participants: usize,
    /// Voices mixed at a time in a conference.
    pub talkers: usize,
    /// How long calls and conferences may last.
    pub lasting: Lasting,
}

/// All calls and conferences.
pub(super) struct Model {
    pub(super) calls: Records<CallSid, Call>,
    pub(super) conferences: Records<ConferenceSid, Conference>,
    /// The conferences that can be joined, by whose they are and the name people dial.
    pub(super) open: HashMap<(AccountSid, String), ConferenceSid>,
    pub(super) legs: HashMap<LegId, CallSid>,
    /// The conferences on the media threads.
    pub(super) places: HashMap<ConferenceId, ConferenceSid>,
    pub(super) queues: Queues,
    pub(super) media: Media<Waiter>,
    pub(super) limits: Limits,
    /// What may be dialled.
    pub(super) outbound: DialRules,
    /// Calls that wait to be dialled.
    pub(super) queue: DialQueue,
    pub(super) journal: Journal,
    pub(super) arrivals: mpsc::Sender<Arrival>,
    pub(super) outgoing: mpsc::Sender<OutgoingCall>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) desk: SoundDesk,
    pub(super) stopping: Option<Vec<oneshot::Sender<()>>>,
    /// Calls whose media are being stopped.
    pub(super) leaving: usize,
    pub(super) departures: Departures,
    pub(super) recordings: Recordings,
    pub(super) streams: Streams,
    pub(super) captures: Captures,
    pub(super) stats: QualityStats,
    pub(super) watched: Watched,
}

/// Who waits for the media threads, and what is to be done when they have answered.
pub(super) enum Waiter {
    /// The call's leg is on its thread, without a seat.
    Connected(CallSid, Reply<()>),
    Joined(CallSid, JoinReply),
    MediaSet(Reply<()>),
    DigitHeard(Reply<()>),
    DigitsPressed(Reply<()>),
    /// A call's keys are captured.
    Capturing(Box<Begun>),
    /// The mixer knows how somebody sits now.
    Reseated(Box<Reseated>, Reply<ParticipantView>),
    /// The call's report has come home.
    Quality(CallSid, Reply<CallQuality>),
    Playing(CallSid, PlayerId, Reply<PlayerId>),
    StoppedPlaying(Reply<()>),
    /// The call has left its conference and goes on.
    Unseated(Reply<()>),
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

impl Model {
    pub(super) fn new(
        media: Media<Waiter>,
        limits: Limits,
        outbound: DialRules,
        journal: Journal,
        metrics: &Metrics,
    ) -> (Self, Adapters) {
        let (arrivals, arrived) = mpsc::channel(ADAPTER_QUEUE_MAX);
        let (outgoing, to_dial) = mpsc::channel(ADAPTER_QUEUE_MAX);
        let (news, told) = mpsc::channel(NEWS_MAX);
        let (orders, sounds) = mpsc::channel(SOUND_ORDERS_MAX);
        let model = Self {
            calls: Records::new(),
            conferences: Records::new(),
            open: HashMap::new(),
            legs: HashMap::new(),
            places: HashMap::new(),
            queues: Queues::default(),
            media,
            limits,
            outbound,
            queue: dial_queue(),
            journal,
            arrivals,
            outgoing,
            news,
            desk: SoundDesk::new(orders),
            stopping: None,
            leaving: 0,
            departures: Departures::default(),
            recordings: Recordings::new(),
            streams: Streams::default(),
            captures: Captures::default(),
            stats: QualityStats::new(metrics),
            watched: Watched::default(),
        };
        (model, Adapters { arrivals: arrived, outgoing: to_dial, news: told, sounds })
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
        match incoming.destination.clone() {
            Destination::Conference(terms) => self.admit_to_conference(incoming, &terms),
            Destination::Script(voice) => {
                let admission = self.reserve(incoming, None)?;
                if self.follow_script(admission.call, voice, false) {
                    return Ok(admission);
                }
                self.forget_unanswered(admission.call);
                Err(NotAdmitted::Overloaded)
            }
            Destination::Wait | Destination::Whisper(_) => self.reserve(incoming, None),
        }
    }

    /// Gives a call that came in a name and ports.
    pub(super) fn reserve(
        &mut self,
        incoming: IncomingCall,
        conference: Option<ConferenceSid>,
    ) -> Result<Admission, NotAdmitted> {
        let beside = conference.and_then(|sid| self.conferences.get(sid)).map(|conference| conference.place);
        let (leg, rtp_port) = self.media.reserve_leg(beside).map_err(|e| {
            warn!(error = %e, "no RTP ports for a call");
            NotAdmitted::NoPorts
        })?;
        let (sid, leg_id, now) = (CallSid::generate(), leg.leg, Utc::now());
        let view = CallView {
            sid,
            account: incoming.account,
            parent: None,
            from: incoming.from,
            to: incoming.to,
            direction: CallDirection::Inbound,
            status: CallStatus::Ringing,
            created: now,
            updated: now,
            started: None,
            ended: None,
            queue_time: TimeDelta::zero(),
            trunk: incoming.trunk,
            sip_status: None,
        };
        let call = Call {
            view,
            seat: None,
            sitting: Default::default(),
            leg,
            signals: incoming.signals,
            script: None,
            stage: Stage::Reserved,
            answering: Vec::new(),
            playing: None,
            deadline: None,
            time_limit: None,
            destination: None,
            status: incoming.status,
            told: 0,
            send_digits: None,
            wake: None,
            dialler: None,
            held_by_far_end: false,
            is_sent_away: false,
            report: None,
        };
        self.begin_call(leg_id, call);
        Ok(Admission { call: sid, rtp_port })
    }

    pub(super) fn begin_call(&mut self, leg: LegId, call: Call) {
        let sid = call.view.sid;
        info!(call = %sid, direction = ?call.view.direction, trunk = call.view.trunk, "call begun");
        self.legs.insert(leg, sid);
        self.journal.append(call.view.created, What::Call(call.view.clone()));
        self.calls.insert(sid, call);
        self.promise_end(sid);
    }

    /// Hands a call to those who run scripts; `false` if they do not keep up.
    pub(super) fn follow_script(&mut self, sid: CallSid, voice: Voice, is_whisper: bool) -> bool {
        let Some(call) = self.calls.get_mut(sid) else {
            return false;
        };
        let (script, events) = mpsc::channel(CALL_EVENTS_MAX);
        let arrival = Arrival { call: call.view.clone(), voice, is_whisper, events };
        call.script = Some(script);
        self.arrivals.try_send(arrival).is_ok()
    }

    /// Lets a call follow another script. One that has none follows this one from now on, out of its conference.
    pub(super) fn redirect(&mut self, sid: CallSid, voice: Voice, reply: Reply<CallView>) {
        let living = self.calls.get_mut(sid).filter(|call| call.view.status == CallStatus::InProgress);
        let Some(call) = living else {
            let error = if self.calls.get(sid).is_some() { CallError::WrongState } else { CallError::NoCall };
            return answer(reply, Err(error));
        };
        let view = call.view.clone();
        call.is_sent_away = true;
        if self.redirect_out_of_queue(sid, &voice) {
            return answer(reply, Ok(view));
        }
        let followed = match self.calls.get(sid).and_then(|call| call.script.as_ref()) {
            Some(script) => script.try_send(CallEvent::Redirected(voice)).is_ok(),
            None => {
                self.unseat_unasked(sid);
                self.follow_script(sid, voice, false)
            }
        };
        answer(reply, if followed { Ok(view) } else { Err(CallError::Overloaded) });
    }

    pub(super) fn answer_call(&mut self, sid: CallSid, reply: Reply<CallView>) {
        let Some(call) = self.calls.get_mut(sid) else {
            return answer(reply, Err(CallError::NoCall));
        };
        match (call.view.status, call.view.direction) {
            (CallStatus::InProgress, _) => answer(reply, Ok(call.view.clone())),
            (CallStatus::Ringing, CallDirection::Inbound) => {
                if call.answering.is_empty() {
                    // A full queue already holds an end.
                    let _ = call.signals.try_send(Signal::Answer);
                }
                call.answering.push(reply);
            }
            _ => answer(reply, Err(CallError::WrongState)),
        }
    }

    pub(super) fn reject(&mut self, sid: CallSid, how: Rejection, reply: Reply<()>) {
        let ringing = self.calls.get(sid).filter(|call| {
            call.view.status == CallStatus::Ringing && call.view.direction == CallDirection::Inbound
        });
        if ringing.is_none() {
            return answer(reply, Err(CallError::WrongState));
        }
        self.signal(sid, Signal::Reject(how));
        let status = match how {
            Rejection::Busy => CallStatus::Busy,
            Rejection::Declined => CallStatus::Failed,
        };
        self.end(sid, status, AfterLeaving::AnswerKick(reply));
    }

    pub(super) fn use_browser_port(&self, sid: CallSid, reply: Reply<BrowserLeg>) {
        let reserved = self
            .calls
            .get(sid)
            .filter(|call| matches!(call.stage, Stage::Reserved) && !call.view.status.is_final());
        answer(
            reply,
            match reserved {
                Some(call) => self.media.browser_leg(&call.leg).ok_or(CallError::NoBrowserPort),
                None => Err(CallError::WrongState),
            },
        );
    }

    pub(super) fn connect(&mut self, sid: CallSid, media: CallMedia, reply: Reply<()>) {
        let Some(call) = self.calls.get(sid) else {
            return answer(reply, Err(CallError::NoCall));
        };
        if call.view.status.is_final() || call.is_connected() {
            return answer(reply, Err(CallError::WrongState));
        }
        let conference = call.conference();
        if let Some(call) = self.calls.get_mut(sid) {
            call.held_by_far_end = !media.leg.direction.send;
        }
        let seat = match conference {
            None => None,
            Some(conference) => match self.seat_of(sid, conference) {
                Some(seat) => Some(seat),
                None => return answer(reply, Err(CallError::WrongState)),
            },
        };
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        let (stage, waiter) = match seat {
            None => (Stage::Connected, Waiter::Connected(sid, reply)),
            Some(_) => (Stage::Seated, Waiter::Joined(sid, JoinReply::Connecting(reply))),
        };
        match self.media.connect_leg(&mut call.leg, media, seat, waiter) {
            Ok(()) => call.stage = stage,
            Err(refused) => overloaded(refused),
        }
    }

    pub(super) fn set_media(&mut self, sid: CallSid, media: CallMedia, reply: Reply<()>) {
        let living =
            self.calls.get_mut(sid).filter(|call| call.is_connected() && !call.view.status.is_final());
        let Some(call) = living else {
            return answer(reply, Err(CallError::NoCall));
        };
        if matches!(call.stage, Stage::Moving(_)) {
            // Its leg is on no thread for a moment.
            return answer(reply, Err(CallError::Overloaded));
        }
        let place = call.conference().and_then(|sid| self.conferences.get(sid)).map(|found| found.place);
        let held = !media.leg.direction.send;
        match self.media.set_leg_media(&mut call.leg, media, place, Waiter::MediaSet(reply)) {
            Ok(()) => self.held_by_far_end(sid, held),
            Err(refused) => overloaded(refused),
        }
    }

    /// A call's far end wants to be sent nothing, or again something. A conference does not hear it meanwhile.
    fn held_by_far_end(&mut self, sid: CallSid, held: bool) {
        let changed = self.calls.get_mut(sid).filter(|call| call.held_by_far_end != held);
        if let Some(call) = changed {
            call.held_by_far_end = held;
            let call = call.view.clone();
            info!(call = %sid, held, "hold by the far end");
            self.journal.append(Utc::now(), What::HeldByFarEnd { call, held });
            self.reseat(sid);
        }
    }

    pub(super) fn play(&mut self, sid: CallSid, sound: Sound, play: Play, reply: Reply<PlayerId>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let waiter = |player| Waiter::Playing(sid, player, reply);
        if let Err(refused) = self.media.play(&call.leg, sound, play, waiter) {
            overloaded(refused);
        }
    }

    pub(super) fn feed(&mut self, sid: CallSid, feed: Box<Feed>, reply: Reply<PlayerId>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let waiter = |player| Waiter::Playing(sid, player, reply);
        if let Err(refused) = self.media.feed(&call.leg, feed, waiter) {
            overloaded(refused);
        }
    }

    pub(super) fn stop_playing(&mut self, sid: CallSid, reply: Reply<()>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        if let Err(refused) = self.media.stop_playing(&call.leg, Waiter::StoppedPlaying(reply)) {
            overloaded(refused);
        }
    }

    pub(super) fn quality(&mut self, sid: CallSid, reply: Reply<CallQuality>) {
        let on_thread = |call: &&Call| {
            matches!(call.stage, Stage::Connected | Stage::Seated) && !call.view.status.is_final()
        };
        let Some(call) = self.calls.get(sid).filter(on_thread) else {
            return self.remembered_quality(sid, reply);
        };
        if let Err(refused) = self.media.report_quality(&call.leg, Waiter::Quality(sid, reply)) {
            overloaded(refused);
        }
    }

    /// Answers with what came home of a call. If its leg is on the way, it brings more.
    pub(super) fn remembered_quality(&mut self, sid: CallSid, reply: Reply<CallQuality>) {
        let Some(call) = self.calls.get(sid) else {
            return answer(reply, Err(CallError::NoCall));
        };
        if let Err(reply) = self.departures.wait(call.leg.leg, reply) {
            answer(reply, Ok(call.quality()));
        }
    }

    /// A call whose leg is on its media thread.
    pub(super) fn connected(&self, sid: CallSid) -> Result<&Call, CallError> {
        let call = self.calls.get(sid).ok_or(CallError::NoCall)?;
        match call.stage {
            _ if call.view.status.is_final() => Err(CallError::WrongState),
            Stage::Connected | Stage::Seated => Ok(call),
            Stage::Reserved => Err(CallError::WrongState),
            Stage::Moving(_) => Err(CallError::Overloaded),
        }
    }

    pub(super) fn signal(&self, sid: CallSid, signal: Signal) {
        if let Some(call) = self.calls.get(sid) {
            // A full queue already holds a signal to hang up; a closed one belongs to an adapter that is done.
            let _ = call.signals.try_send(signal);
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Ends a call for a reason of ours.
    pub(super) fn hang_up(&mut self, sid: CallSid, cause: HangUp) {
        self.signal(sid, Signal::HangUp(cause));
        self.end(sid, CallStatus::Completed, AfterLeaving::Nobody);
    }
}

/// Answers whoever still waits; one who went away is none of our business.
pub(super) fn answer<T>(reply: Reply<T>, with: Result<T, CallError>) {
    let _ = reply.send(with);
}

pub(super) fn overloaded((Full, waiter): (Full, Waiter)) {
    match waiter {
        Waiter::Connected(_, reply)
        | Waiter::MediaSet(reply)
        | Waiter::DigitHeard(reply)
        | Waiter::DigitsPressed(reply)
        | Waiter::StoppedPlaying(reply)
        | Waiter::Unseated(reply)
        | Waiter::Joined(_, JoinReply::Connecting(reply)) => answer(reply, Err(CallError::Overloaded)),
        Waiter::Joined(_, JoinReply::Joining(reply)) | Waiter::Reseated(_, reply) => {
            answer(reply, Err(CallError::Overloaded));
        }
        Waiter::Playing(_, _, reply) => answer(reply, Err(CallError::Overloaded)),
        Waiter::Quality(_, reply) => answer(reply, Err(CallError::Overloaded)),
        Waiter::Capturing(begun) => begun.refuse(CallError::Overloaded),
        // These are never refused for want of room: they wait.
        Waiter::Left(..) | Waiter::ConferenceGone(..) | Waiter::Joined(_, JoinReply::Nobody) => {}
    }
}
