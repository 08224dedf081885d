//! What somebody asked to be told of a call: each step once, in order, numbered from 0.

use tracing::error;

use super::conference_news::ConferenceNews;
use super::history::QueueDefinition;
use super::model::Model;
use super::sid::CallSid;
use super::view::{CallStatus, CallView, ConferenceView};
use super::voice::VoiceUrl;

/// News that may wait to be written down for delivery. Nothing of that waits for an application, so a full queue means that
/// something is badly wrong.
pub(super) const NEWS_MAX: usize = 16_384;

/// What somebody asked to be told.
#[derive(Clone, Debug)]
pub enum News {
    /// Of a call.
    Call(Box<CallNews>),
    /// Of a conference.
    Conference(Box<ConferenceNews>),
    /// Nothing yet, but of an end to come.
    Promise(Box<Promise>),
    /// Nothing, but a queue that somebody defines shall be there when the node starts again.
    Queue(Box<QueueDefinition>),
    /// That an agent's phone is called and should be woken: now or never.
    Wake(VoiceUrl, Box<CallView>),
}

/// Somebody is to be told when a call or conference ends, also if the node does not live to see that. The last one counts.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Who.
    pub to: VoiceUrl,
    /// The number of that news, as things stand.
    pub number: u32,
    /// What is to end.
    pub of: Promised,
}

/// What is to end, as it is now.
#[derive(Clone, Debug)]
pub enum Promised {
    /// A call.
    Call(CallView),
    /// A conference.
    Conference(ConferenceView),
}

/// A step of a call that somebody wants to be told of.
#[derive(Clone, Debug)]
pub struct CallNews {
    /// Who.
    pub to: VoiceUrl,
    /// Which step.
    pub step: CallStep,
    /// How many were told before.
    pub number: u32,
    /// The call, right after it.
    pub call: CallView,
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStep {
    /// It was begun.
    Initiated,
    /// It rings.
    Ringing,
    /// It was answered.
    Answered,
    /// It is over, however it ended.
    Completed,
}

impl CallStep {
    /// The step that a call has just made when it has this status.
    const fn of(status: CallStatus) -> Self {
        match status {
            CallStatus::Queued => Self::Initiated,
            CallStatus::Ringing => Self::Ringing,
            CallStatus::InProgress => Self::Answered,
            CallStatus::Completed
            | CallStatus::Busy
            | CallStatus::Failed
            | CallStatus::NoAnswer
            | CallStatus::Canceled => Self::Completed,
        }
    }
}

impl Model {
    /// The call has another status: whoever asked is told.
    pub(super) fn tell_status(&mut self, sid: CallSid) {
        self.tell_step(sid);
        self.promise_end(sid);
    }

    /// Whoever asked to be told when the call is over shall be, whatever becomes of the node.
    pub(super) fn promise_end(&self, sid: CallSid) {
        let Some(call) = self.calls.get(sid).filter(|call| !call.view.status.is_final()) else {
            return;
        };
        let Some(callback) = call.status.as_ref().filter(|callback| callback.events.completed) else {
            return;
        };
        let of = Promised::Call(call.view.clone());
        let promise = Promise { to: callback.url.clone(), number: call.told, of };
        if self.news.try_send(News::Promise(Box::new(promise))).is_err() {
            error!(call = %sid, "a promise of news was lost: nobody takes it");
        }
    }

    /// An agent is called: whoever wakes their phone is told, once.
    pub(super) fn wake(&mut self, sid: CallSid) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        if let Some(to) = call.wake.take()
            && self.news.try_send(News::Wake(to, Box::new(call.view.clone()))).is_err()
        {
            error!(call = %sid, "nobody is told to wake a phone: nobody takes it");
        }
    }

    fn tell_step(&mut self, sid: CallSid) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        let Some(callback) = &call.status else {
            return;
        };
        let step = CallStep::of(call.view.status);
        let is_wanted = match step {
            CallStep::Initiated => callback.events.initiated,
            CallStep::Ringing => callback.events.ringing,
            CallStep::Answered => callback.events.answered,
            CallStep::Completed => callback.events.completed,
        };
        if !is_wanted {
            return;
        }
        let news = CallNews { to: callback.url.clone(), step, number: call.told, call: call.view.clone() };
        call.told += 1;
        if self.news.try_send(News::Call(Box::new(news))).is_err() {
            error!(call = %sid, "news of a call was lost: nobody takes it");
        }
    }
}
