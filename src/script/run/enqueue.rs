//! Enqueue: the caller waits in a queue, hears a document over and over, and is told how they came out.
//!
//! ```text
//! enqueue ─▶ wait document ─▶ again ─▶ … ─▶ taken ─▶ whisper ─▶ connected ─▶ action
//!                 ▲                           │
//!                 └── who took them is gone ──┘        any time: leave, redirect, hang up ─▶ action
//! ```

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::super::code::SCHEMA;
use super::super::verbs::{Enqueue, Waiting};
use super::super::{Callback, Use};
use super::announce::told;
use super::fetch::Errand;
use super::wait::{QueueTurn, Woken};
use super::{Flow, Runner};
use crate::call::{
    CallError, CallSid, QueueExit, QueuePlace, QueueResult, QueueSid, Voice, VoiceSource, VoiceUrl,
};
use crate::sound::hold_music;

/// What is heard when a wait document cannot be had lasts so long; then it is asked for again.
const WAIT_AGAIN: Duration = Duration::from_secs(10);

/// A wait document that is over sooner is asked for again only when so much time has passed: an empty one must not
/// keep an application busy.
const ROUND_MIN: Duration = Duration::from_secs(1);

/// Documents of one round that may follow each other at once: a menu in the queue leads to a few, one that redirects to
/// itself is slowed down.
const AT_ONCE_MAX: u32 = 10;

impl Runner {
    pub(super) async fn enqueue(&mut self, enqueue: &Enqueue) -> Flow {
        let name = enqueue.queue.clone().filter(|_| enqueue.workflow_sid.is_none());
        let Some(name) = name else {
            self.warn(SCHEMA, "This node runs no workflows: <Enqueue> with a workflowSid was skipped.");
            return Flow::Next;
        };
        if enqueue.task.is_some() {
            self.warn(SCHEMA, "This node runs no workflows: <Task> was skipped.");
        }
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let size = enqueue.max_queue_size.and_then(|size| usize::try_from(size.get()).ok());
        let entered = self.scripts.calls.enqueue(self.call.sid, name, size).await;
        match entered {
            Ok(place) => self.be_queued(enqueue, &place).await,
            Err(error) => {
                debug!(call = %self.call.sid, %error, "not enqueued");
                let (result, queue) = if let CallError::QueueFull(queue) = error {
                    (QueueResult::QueueFull, Some(queue))
                } else {
                    (QueueResult::SystemError, None)
                };
                self.after(enqueue.action.as_ref(), outcome(result, queue, Duration::ZERO))
            }
        }
    }

    async fn be_queued(&mut self, enqueue: &Enqueue, place: &QueuePlace) -> Flow {
        let outer = self.document.clone();
        (self.is_queued, self.purpose) = (true, Use::Queue);
        let mut exit = self.wait_in_queue(&enqueue.wait, place).await;
        (self.is_queued, self.purpose) = (false, Use::Call);
        self.document = outer;
        let mut flow = match exit.to.take() {
            Some(voice) => Flow::Redirected(Box::new(Errand::begin(voice))),
            None => Flow::Next,
        };
        if exit.result == QueueResult::Bridged {
            flow = self.stay_connected().await;
            if matches!(flow, Flow::Redirected(_)) {
                exit.result = QueueResult::RedirectedFromBridged;
            }
        }
        if matches!(exit.result, QueueResult::HangUp | QueueResult::BridgingInProcess) {
            flow = Flow::Over;
        }
        let told = outcome(exit.result, Some(exit.queue), exit.waited);
        if matches!(flow, Flow::Next) {
            return self.after(enqueue.action.as_ref(), told);
        }
        // The script goes on elsewhere, or nowhere; what the application answers changes nothing.
        self.inform(enqueue.action.as_ref(), told);
        flow
    }

    /// Until the call is out of its queue, and how that came.
    async fn wait_in_queue(&mut self, wait: &Waiting, place: &QueuePlace) -> QueueExit {
        let url = match wait {
            Waiting::At(callback) => self.voice_url(callback),
            Waiting::Music | Waiting::Silence => None,
        };
        let entered = Instant::now();
        let mut flow = Flow::Next;
        loop {
            flow = match flow {
                Flow::Queue(QueueTurn::Left(exit)) => return exit,
                Flow::Queue(QueueTurn::Taken { by, whisper }) => match self.be_taken(by, whisper).await {
                    Ok(exit) => return exit,
                    Err(flow) => flow,
                },
                Flow::Leave => {
                    match self.scripts.calls.leave_queue(self.call.sid, QueueResult::Leave).await {
                        Ok(exit) => return exit,
                        // Something was faster, and we are about to be told what.
                        Err(_) => self.linger(None).await,
                    }
                }
                Flow::Redirected(errand) => {
                    let to =
                        Voice { source: errand.source, fallback: errand.fallback, parameters: Vec::new() };
                    match self.scripts.calls.leave_queue(self.call.sid, QueueResult::Redirected).await {
                        Ok(exit) => return QueueExit { to: Some(to), ..exit },
                        // It was sent elsewhere again, or hung up, and that is the last word. What we are about to be told
                        // must not be taken for news of the next queue.
                        Err(_) => self.linger(None).await,
                    }
                }
                Flow::Over => return self.walk_out(place, entered).await,
                Flow::Next | Flow::Goto(_) | Flow::Queue(QueueTurn::Back) => match (wait, &url) {
                    (_, Some(url)) => self.hear_round(url).await,
                    (Waiting::Silence, None) => self.linger(None).await,
                    (Waiting::Music | Waiting::At(_), None) => self.music(None).await,
                },
            };
        }
    }

    /// Out of the queue for good, also if the model has it out already.
    async fn walk_out(&self, place: &QueuePlace, entered: Instant) -> QueueExit {
        let result = QueueResult::HangUp;
        match self.scripts.calls.leave_queue(self.call.sid, result).await {
            Ok(exit) => exit,
            Err(_) => QueueExit { queue: place.queue.sid, result, waited: entered.elapsed(), to: None },
        }
    }

    /// The wait document, and those it leads to, once.
    async fn hear_round(&mut self, url: &VoiceUrl) -> Flow {
        let began = Instant::now();
        let flow = self.hear(errand_to(url), Vec::new()).await;
        let again = began + ROUND_MIN;
        match flow {
            Ok(Flow::Next) if again > Instant::now() => self.linger(Some(again)).await,
            Ok(flow) => flow,
            Err(NotHad) => self.music(Some(Instant::now() + WAIT_AGAIN)).await,
        }
    }

    /// A document and those it leads to: what they lead to beside documents.
    pub(super) async fn hear(&mut self, first: Errand, more: Vec<(String, String)>) -> Result<Flow, NotHad> {
        let mut errand = first;
        for count in 0_u32.. {
            if self.is_queued && self.purpose == Use::Queue {
                errand.parameters.extend(self.place_parameters().await);
            }
            errand.parameters.extend(more.iter().cloned());
            let fetched = self.unless_interrupted(async |runner| runner.fetch(errand).await).await;
            let document = match fetched {
                Ok(Some(document)) => document,
                Ok(None) => return Err(NotHad),
                Err(flow) => return Ok(flow),
            };
            let flow = self.perform(document).await;
            let Flow::Goto(next) = flow else {
                return Ok(flow);
            };
            errand = *next;
            if count >= AT_ONCE_MAX {
                let pause = self.linger(Some(Instant::now() + ROUND_MIN)).await;
                if !matches!(pause, Flow::Next) {
                    return Ok(pause);
                }
            }
        }
        Ok(Flow::Next)
    }

    /// Where the call stands.
    async fn place_parameters(&self) -> Vec<(String, String)> {
        let Ok(place) = self.scripts.calls.queue_place(self.call.sid).await else {
            // It is out, and we are about to be told.
            return Vec::new();
        };
        vec![
            told("QueuePosition", place.waiter.position),
            told("QueueSid", place.queue.sid),
            told("QueueTime", place.waiter.waited.as_secs()),
            told("AvgQueueTime", place.queue.average_wait.as_secs()),
            told("CurrentQueueSize", place.queue.current_size),
            told("MaxQueueSize", place.queue.max_size),
        ]
    }

    /// Somebody takes the caller: they hear what that one wants, and are connected.
    async fn be_taken(&mut self, by: CallSid, whisper: Option<VoiceUrl>) -> Result<QueueExit, Flow> {
        if let Some(url) = whisper {
            let mut parameters = vec![told("DequeingCallSid", by)];
            if let Ok(place) = self.scripts.calls.queue_place(self.call.sid).await {
                parameters.push(told("QueueSid", place.queue.sid));
                parameters.push(told("QueueTime", place.waiter.waited.as_secs()));
            }
            self.purpose = Use::Whisper;
            let heard = self.hear(errand_to(&url), parameters).await;
            self.purpose = Use::Queue;
            match heard {
                // Who has waited is not lost for want of a document.
                Ok(Flow::Next) | Err(NotHad) => {}
                Ok(flow) => return Err(flow),
            }
        }
        let connected = self.scripts.calls.connect_from_queue(self.call.sid).await;
        connected.map_err(|error| {
            debug!(call = %self.call.sid, %error, "not connected out of the queue");
            Flow::Next
        })
    }

    /// Until the one with whom the caller is connected is gone.
    async fn stay_connected(&mut self) -> Flow {
        loop {
            match self.wait(None, None).await {
                Woken::Left => return Flow::Next,
                Woken::Gone(flow) => {
                    self.leave().await;
                    return flow;
                }
                Woken::Time | Woken::Played | Woken::Key(_) | Woken::Other(_) => {}
            }
        }
    }

    /// Nothing is heard, until it is time or something happens.
    async fn linger(&mut self, until: Option<Instant>) -> Flow {
        loop {
            match self.wait(None, until).await {
                Woken::Time => return Flow::Next,
                Woken::Gone(flow) => return flow,
                Woken::Played | Woken::Key(_) | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    async fn music(&mut self, until: Option<Instant>) -> Flow {
        let playing = self.scripts.calls.play_music(self.call.sid, hold_music()).await;
        let flow = self.linger(until).await;
        if playing.is_ok() {
            self.stop_playing().await;
        }
        flow
    }

    /// Tells an application something whose answer changes nothing, and does not wait for it.
    pub(super) fn inform(&self, action: Option<&Callback>, more: Vec<(String, String)>) {
        let Some(Flow::Goto(errand)) = action.map(|action| self.go_to(action, more)) else {
            return;
        };
        let mut messenger = Self::new(self.scripts.clone(), self.call.clone(), mpsc::channel(1).1);
        messenger.cookies = self.cookies.clone();
        tokio::spawn(async move {
            // The call as it is by then: it may be over.
            if let Ok(call) = messenger.scripts.calls.fetch_call(messenger.call.sid).await {
                messenger.call = call;
            }
            messenger.fetch(*errand).await;
        });
    }

    /// Where a callback leads, and how it is asked.
    pub(super) fn voice_url(&self, callback: &Callback) -> Option<VoiceUrl> {
        let url = self.resolve(&callback.target)?;
        Some(VoiceUrl { url: url.into(), method: super::method(callback.method) })
    }
}

fn errand_to(url: &VoiceUrl) -> Errand {
    Errand { source: VoiceSource::Url(url.clone()), fallback: None, parameters: Vec::new() }
}

/// A document could not be had or read.
pub(super) struct NotHad;

fn outcome(result: QueueResult, queue: Option<QueueSid>, waited: Duration) -> Vec<(String, String)> {
    let mut parameters = vec![told("QueueResult", result.word())];
    parameters.extend(queue.map(|queue| told("QueueSid", queue)));
    parameters.push(told("QueueTime", waited.as_secs()));
    parameters
}
