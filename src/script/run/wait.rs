//! What a script waits for. Whatever it is, the call's end and a redirect come first.

use std::pin::pin;
use std::time::Duration;

use confab_media::{Digit, PlayerId};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::fetch::Errand;
use super::{Flow, Runner};
use crate::call::{CallEvent, CallSid, CallView, QueueExit, RecordingSid, ReferStep, StreamSid, VoiceUrl};

/// What a script was waiting for has happened, or something else did.
pub(super) enum Woken {
    /// It is time.
    Time,
    /// The sound is over.
    Played,
    /// A key was pressed.
    Key(Digit),
    /// The call left its conference.
    Left,
    /// Something that only some verbs care about.
    Other(Other),
    /// The script goes on elsewhere, or not at all.
    Gone(Flow),
}

/// Events that are kept while something is fetched: as many as the model keeps for a call, which are keys and the ends of
/// sounds. More is not a caller.
const HELD_MAX: usize = 64;

/// What only some verbs care about.
pub(super) enum Other {
    /// A recording ended by itself.
    Recorded(RecordingSid),
    /// The stream over which the call talked is over.
    Talked(StreamSid),
    /// A call that this script dialled got further.
    Dialled(Box<CallView>),
    /// One of them has heard what it was to hear first; it can be connected, or never will be.
    Whispered(CallSid, bool),
    /// One of them wants another called instead of itself.
    Referred(CallSid, String),
    /// It is connected with a caller whom it took out of a queue.
    Dequeued(CallSid),
    /// The far end was asked to call somebody, and got so far.
    Refer(ReferStep),
}

/// What happens to a call that waits in a queue, whatever it hears meanwhile.
pub(super) enum QueueTurn {
    /// Somebody takes it, and it is to hear this first.
    Taken { by: CallSid, whisper: Option<VoiceUrl> },
    /// Who took it is gone; it waits on.
    Back,
    /// It is out.
    Left(QueueExit),
}

/// What a call is told that takes its script elsewhere; none of what only some verbs care about.
pub(super) fn interruption(event: &Option<CallEvent>, is_queued: bool) -> Option<Flow> {
    Some(match event {
        None => Flow::Over,
        Some(CallEvent::Redirected(voice)) => Flow::Redirected(Box::new(Errand::begin(voice.clone()))),
        // Told late, of a queue that it has left.
        Some(CallEvent::TakenFromQueue { .. } | CallEvent::BackInQueue | CallEvent::LeftQueue(_))
            if !is_queued =>
        {
            return None;
        }
        Some(CallEvent::TakenFromQueue { by, whisper }) => {
            Flow::Queue(QueueTurn::Taken { by: *by, whisper: whisper.clone() })
        }
        Some(CallEvent::BackInQueue) => Flow::Queue(QueueTurn::Back),
        Some(CallEvent::LeftQueue(exit)) => Flow::Queue(QueueTurn::Left(QueueExit::clone(exit))),
        Some(
            CallEvent::Digit(_)
            | CallEvent::LeftConference { .. }
            | CallEvent::Recorded(_)
            | CallEvent::Talked(_)
            | CallEvent::Dialled(_)
            | CallEvent::Dequeued { .. }
            | CallEvent::Whispered { .. }
            | CallEvent::Referred { .. }
            | CallEvent::Refer(_)
            | CallEvent::Played { .. },
        ) => return None,
    })
}

impl Runner {
    /// Does something that takes a while and has nothing to do with the call, unless the call goes elsewhere meanwhile.
    /// Whatever else happens meanwhile is kept for whoever waits next.
    pub(super) async fn unless_interrupted<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> T,
    ) -> Result<T, Flow> {
        // Whoever works needs the runner, so its events are taken out of it for as long.
        let mut events = std::mem::replace(&mut self.events, mpsc::channel(1).1);
        let is_queued = self.is_queued;
        let mut held = Vec::new();
        let outcome = {
            let mut working = pin!(work(self));
            loop {
                tokio::select! {
                    done = &mut working => break Ok(done),
                    event = events.recv() => match interruption(&event, is_queued) {
                        Some(flow) => break Err(flow),
                        None => held.extend(event.filter(|_| held.len() < HELD_MAX)),
                    }
                }
            }
        };
        self.events = events;
        self.held.extend(held);
        outcome
    }

    /// Waits until something happens: `player` is over, it is `until`, or the call tells something.
    pub(super) async fn wait(&mut self, player: Option<PlayerId>, until: Option<Instant>) -> Woken {
        loop {
            let event = match self.held.pop_front() {
                Some(event) => Some(event),
                None => tokio::select! {
                    event = self.events.recv() => event,
                    () = at(until) => return Woken::Time,
                },
            };
            if let Some(flow) = interruption(&event, self.is_queued) {
                return Woken::Gone(flow);
            }
            return match event {
                None => Woken::Gone(Flow::Over),
                Some(CallEvent::Digit(pressed)) => Woken::Key(pressed.digit),
                Some(CallEvent::LeftConference { .. }) => Woken::Left,
                Some(CallEvent::Recorded(recording)) => Woken::Other(Other::Recorded(recording)),
                Some(CallEvent::Talked(stream)) => Woken::Other(Other::Talked(stream)),
                Some(CallEvent::Dialled(view)) => Woken::Other(Other::Dialled(view)),
                Some(CallEvent::Played { player: over, .. }) if Some(over) == player => Woken::Played,
                Some(CallEvent::Dequeued { caller }) => Woken::Other(Other::Dequeued(caller)),
                Some(CallEvent::Whispered { call, is_ready }) => {
                    Woken::Other(Other::Whispered(call, is_ready))
                }
                Some(CallEvent::Referred { call, to }) => Woken::Other(Other::Referred(call, to)),
                Some(CallEvent::Refer(step)) => Woken::Other(Other::Refer(step)),
                // A sound that something else took the place of, or a queue that the call has left.
                Some(
                    CallEvent::Played { .. }
                    | CallEvent::Redirected(_)
                    | CallEvent::TakenFromQueue { .. }
                    | CallEvent::BackInQueue
                    | CallEvent::LeftQueue(_),
                ) => continue,
            };
        }
    }

    /// Lets time pass.
    pub(super) async fn pause(&mut self, length: Duration) -> Flow {
        // As the first verb it delays the answer.
        let until = Some(Instant::now() + length);
        loop {
            match self.wait(None, until).await {
                Woken::Time => return Flow::Next,
                Woken::Gone(flow) => return flow,
                Woken::Played | Woken::Key(_) | Woken::Left | Woken::Other(_) => {}
            }
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
