//! Captures: keys of a call that one learns and nobody else. The media thread withholds them from everybody and hands them
//! to the holder; neither the call's script nor those who follow events hear of them. What was measured meanwhile, and who
//! was listening, is told at the end.
//!
//! ```text
//! holder ── start, stop ──▶ model ── orders ──▶ leg on its media thread
//!    ▲  ▲                     │ ▲                │ │
//!    │  └── news ─────────────┘ └── reports ─────┘ │
//!    └───────────────── keys ──────────────────────┘   around the model
//! ```

use std::collections::{BTreeSet, HashMap};

use confab_media::{Attestation, CaptureId, CapturedDigits, Plays, Sound};
use tokio::sync::mpsc;

use super::handle::{CallError, Handle, Reply, Request};
use super::media::Play;
use super::model::{Model, Waiter, answer, overloaded};
use super::sid::{CallSid, RecordingSid, StreamSid};
use super::state::Stage;

/// News that may wait for the holder: that keys came, which is said once for all that wait, that the call is over, and the
/// end.
const NEWS_MAX: usize = 8;

/// Names of each kind that are kept of those who listen: more than any conference has at a time, with what is made of its
/// calls.
const LISTENERS_MAX: usize = 2_000;

/// Places in it that are kept for the last two.
const NEWS_KEPT: usize = 4;

/// A capture under way, as its holder has it.
#[derive(Debug)]
pub struct Capturing {
    /// The keys, in order.
    pub digits: CapturedDigits,
    /// What happens to it.
    pub news: mpsc::Receiver<CaptureNews>,
}

/// What happens to a capture.
#[derive(Debug)]
pub enum CaptureNews {
    /// Keys wait to be taken.
    Digits,
    /// The call is over, and with it the capture.
    CallOver,
    /// What the call was told alone was heard to its end.
    Told,
    /// It has ended, and nothing is withheld any more.
    Ended(Box<CaptureEnd>),
}

/// What is left of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureEnd {
    /// What was measured.
    pub attestation: Attestation,
    /// Who was listening meanwhile.
    pub listeners: Listeners,
}

/// Who hears a call, or keeps what is heard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Others in its conference.
    pub calls: BTreeSet<CallSid>,
    /// Recordings of it, of its conference and of the others.
    pub recordings: BTreeSet<RecordingSid>,
    /// Streams of it and of the others.
    pub streams: BTreeSet<StreamSid>,
    /// There were more than are named here.
    pub are_more: bool,
}

impl Listeners {
    fn note(&mut self, calls: &[CallSid], recordings: &[RecordingSid], streams: &[StreamSid]) {
        let known = [note(&mut self.calls, calls), note(&mut self.recordings, recordings)];
        self.are_more |= known.contains(&false) || !note(&mut self.streams, streams);
    }
}

/// Whether all found room.
fn note<T: Copy + Ord>(known: &mut BTreeSet<T>, all: &[T]) -> bool {
    all.iter().all(|one| known.contains(one) || (known.len() < LISTENERS_MAX && known.insert(*one)))
}

/// What can be asked of captures.
pub(super) enum CaptureRequest {
    Start(CallSid, Reply<Capturing>),
    Stop(CallSid),
    Tell(CallSid, Sound, Reply<()>),
}

impl CaptureRequest {
    pub(super) const fn call(&self) -> CallSid {
        match self {
            Self::Start(call, _) | Self::Stop(call) | Self::Tell(call, ..) => *call,
        }
    }

    /// Answers that it will not be done.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::Start(_, reply) => answer(reply, Err(why)),
            Self::Tell(_, _, reply) => answer(reply, Err(why)),
            Self::Stop(_) => {}
        }
    }
}

/// A capture that waits for its media thread to begin it.
pub(super) struct Begun {
    id: CaptureId,
    capturing: Capturing,
    reply: Reply<Capturing>,
}

impl Begun {
    pub(super) fn refuse(self, why: CallError) {
        answer(self.reply, Err(why));
    }
}

/// All that are under way, or are about to come home.
#[derive(Default)]
pub(super) struct Captures(HashMap<CaptureId, Held>);

struct Held {
    call: CallSid,
    news: mpsc::Sender<CaptureNews>,
    listeners: Listeners,
    stopping: Stopping,
    /// What the call is told alone.
    telling: Option<confab_media::PlayerId>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// Its leg was on no thread that could be told.
    ToBeTold,
    Told,
}

impl Handle {
    /// Captures the keys of a call from now on; answers when nobody else learns them any more.
    ///
    /// # Errors
    /// When it is not connected, or its keys are captured already.
    pub async fn start_capture(&self, call: CallSid) -> Result<Capturing, CallError> {
        self.ask(|reply| Request::Capture(CaptureRequest::Start(call, reply))).await
    }

    /// Ends it. It goes on for a moment, so that a key that is down comes to nobody; then its holder is told.
    pub async fn stop_capture(&self, call: CallSid) {
        // An owner that is gone captures nothing.
        let _ = self.requests.send((self.account, Request::Capture(CaptureRequest::Stop(call)))).await;
    }

    /// Plays a sound to a call whose keys are captured, and to nobody else, wherever it is. Its end is told to the holder.
    ///
    /// # Errors
    /// When its keys are not captured, or it is told something else.
    pub async fn tell_captured(&self, call: CallSid, sound: Sound) -> Result<(), CallError> {
        self.ask(|reply| Request::Capture(CaptureRequest::Tell(call, sound, reply))).await
    }
}

impl Model {
    pub(super) fn capture(&mut self, request: CaptureRequest) {
        match request {
            CaptureRequest::Start(call, reply) => self.start_capture(call, reply),
            CaptureRequest::Stop(call) => self.stop_capture(call),
            CaptureRequest::Tell(call, sound, reply) => {
                let told = self.tell_captured(call, sound);
                answer(reply, told);
            }
        }
    }

    fn start_capture(&mut self, sid: CallSid, reply: Reply<Capturing>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let mut of_call = self.captures.0.values().filter(|held| held.call == sid);
        if of_call.any(|held| held.stopping == Stopping::No) {
            return answer(reply, Err(CallError::KeysCaptured));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let id = self.media.capture_id();
        let (capture, digits) = confab_media::Capture::new(id);
        let (news, told) = mpsc::channel(NEWS_MAX);
        let (listeners, stopping) = (Listeners::default(), Stopping::No);
        self.captures.0.insert(id, Held { call: sid, news, listeners, stopping, telling: None });
        let begun = Begun { id, capturing: Capturing { digits, news: told }, reply };
        if let Err(refused) = self.media.start_capture(&call.leg, capture, Waiter::Capturing(Box::new(begun)))
        {
            self.captures.0.remove(&id);
            overloaded(refused);
        }
    }

    /// A media thread captures from now on, or could not.
    pub(super) fn capture_begun(&mut self, begun: Begun, applied: bool) {
        let Begun { id, capturing, reply } = begun;
        if !applied {
            self.captures.0.remove(&id);
            return answer(reply, Err(CallError::WrongState));
        }
        self.note_listeners(id);
        if reply.send(Ok(capturing)).is_err()
            && let Some(call) = self.captures.0.get(&id).map(|held| held.call)
        {
            self.stop_capture(call);
        }
    }

    fn stop_capture(&mut self, sid: CallSid) {
        let living =
            self.captures.0.iter().find(|(_, held)| held.call == sid && held.stopping == Stopping::No);
        if let Some((&id, _)) = living {
            self.note_listeners(id);
            self.order_stop(id);
        }
    }

    fn order_stop(&mut self, id: CaptureId) {
        let Some(held) = self.captures.0.get_mut(&id) else {
            return;
        };
        let on_thread = |stage: &Stage| matches!(stage, Stage::Connected | Stage::Seated);
        let call = self.calls.get(held.call).filter(|call| on_thread(&call.stage));
        held.stopping = match call {
            Some(call) => {
                self.media.stop_capture(&call.leg);
                Stopping::Told
            }
            None => Stopping::ToBeTold,
        };
    }

    /// Keys wait for whoever captures them.
    pub(super) fn digits_captured(&mut self, id: CaptureId) {
        self.note_listeners(id);
        if let Some(held) = self.captures.0.get(&id)
            && held.news.capacity() > NEWS_KEPT
        {
            let _ = held.news.try_send(CaptureNews::Digits);
        }
    }

    /// A capture has come home.
    pub(super) fn capture_home(&mut self, capture: &confab_media::Capture) {
        let Some(held) = self.captures.0.remove(&capture.id()) else {
            return;
        };
        let end = CaptureEnd { attestation: capture.attestation(), listeners: held.listeners };
        // Keys that came last are taken before the end is looked at.
        let _ = held.news.try_send(CaptureNews::Digits);
        let _ = held.news.try_send(CaptureNews::Ended(Box::new(end)));
    }

    /// A call is over: whoever captures its keys is told, and that it came so far is told when its leg is home.
    pub(super) fn call_with_capture_over(&mut self, sid: CallSid) {
        for (_, held) in self.captures.0.iter_mut().filter(|(_, held)| held.call == sid) {
            held.stopping = Stopping::Told;
            let _ = held.news.try_send(CaptureNews::CallOver);
        }
    }

    /// Tells media threads what could not be told before, and forgets what nobody waits for.
    pub(super) fn tend_captures(&mut self) {
        self.captures.0.retain(|_, held| held.stopping == Stopping::No || !held.news.is_closed());
        let waiting = self.captures.0.iter().filter(|(_, held)| held.stopping == Stopping::ToBeTold);
        let orphans =
            self.captures.0.iter().filter(|(_, held)| held.stopping == Stopping::No && held.news.is_closed());
        let to_stop: Vec<CaptureId> = waiting.chain(orphans).map(|(id, _)| *id).collect();
        for id in to_stop {
            self.order_stop(id);
        }
    }

    fn tell_captured(&mut self, sid: CallSid, sound: Sound) -> Result<(), CallError> {
        let is_free = {
            let call = self.connected(sid)?;
            call.playing.is_none() && !call.sitting.is_announced_to()
        };
        let held = self.captures.0.values_mut().find(|held| held.call == sid);
        let Some(held) = held.filter(|held| is_free && held.stopping == Stopping::No) else {
            return Err(CallError::WrongState);
        };
        let Some(call) = self.calls.get_mut(sid) else {
            return Err(CallError::NoCall);
        };
        let player = self.media.play_surely(&call.leg, sound, Play::Alone(Plays::ONCE));
        held.telling = Some(player);
        if matches!(call.stage, Stage::Seated) {
            // As the tone that tells of the end: they hear it instead of the conference.
            call.sitting.warning = Some(player);
            self.forget_base(sid);
            self.reseat(sid);
        }
        Ok(())
    }

    /// If it was what a call was told alone, the holder of its keys is told that it was heard.
    pub(super) fn told_captured(&mut self, sid: CallSid, player: confab_media::PlayerId) {
        for (_, held) in self.captures.0.iter_mut().filter(|(_, held)| held.call == sid) {
            if held.telling.take_if(|telling| *telling == player).is_some() {
                let _ = held.news.try_send(CaptureNews::Told);
            }
        }
    }

    /// Notes who listens to calls whose keys are captured, after whatever may have changed that.
    pub(super) fn note_all_listeners(&mut self) {
        if self.captures.0.is_empty() {
            return;
        }
        let ids: Vec<CaptureId> = self.captures.0.keys().copied().collect();
        ids.into_iter().for_each(|id| self.note_listeners(id));
    }

    /// Notes who hears the call now, or keeps what is heard.
    fn note_listeners(&mut self, id: CaptureId) {
        let Some(held) = self.captures.0.get_mut(&id) else {
            return;
        };
        let conference = self.calls.get(held.call).and_then(|call| call.conference());
        let seats = conference.and_then(|sid| self.conferences.get(sid)).map(|found| found.seats.as_slice());
        let seats = seats.unwrap_or_default().iter().copied();
        let others: Vec<CallSid> = seats.filter(|other| *other != held.call).collect();
        let calls = || others.iter().copied().chain([held.call]);
        let mut recordings: Vec<RecordingSid> = self.recordings.under_way(held.call, conference).collect();
        recordings.extend(others.iter().flat_map(|other| self.recordings.under_way(*other, None)));
        let streams: Vec<StreamSid> = calls().flat_map(|call| self.streams.under_way(call)).collect();
        held.listeners.note(&others, &recordings, &streams);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_is_named_once_and_that_some_are_not_is_said() {
        let mut listeners = Listeners::default();
        let calls: Vec<CallSid> = (0..LISTENERS_MAX).map(|_| CallSid::generate()).collect();
        listeners.note(&calls, &[], &[]);
        listeners.note(&calls, &[], &[]);
        assert_eq!((listeners.calls.len(), listeners.are_more), (LISTENERS_MAX, false));
        listeners.note(&[CallSid::generate()], &[], &[]);
        assert_eq!((listeners.calls.len(), listeners.are_more), (LISTENERS_MAX, true));
    }
}
