//! Dial, a queue: whoever waits longest there is connected with this call.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::super::code::SCHEMA;
use super::super::verbs::dial::{Dial, Queue};
use super::announce::told;
use super::wait::{Other, Woken};
use super::{Flow, Runner};
use crate::call::{CallError, CallSid, StopTaking};

/// How long we wait on when the time is up and a caller is on the way, before we look again.
const NEARLY: Duration = Duration::from_secs(1);

impl Runner {
    pub(super) async fn dial_queue(&mut self, dial: &Dial, queue: &Queue) -> Flow {
        if queue.reservation_sid.is_some() || queue.post_work_activity_sid.is_some() {
            self.note(SCHEMA, "This node runs no workflows: what <Queue> says of one was skipped.");
        }
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let failed = || vec![told("DialCallStatus", "failed"), told("DialBridged", "false")];
        if queue.name.is_empty() {
            return self.after(dial.action.as_ref(), failed());
        }
        self.ring_back().await;
        let whisper = queue.whisper.as_ref().and_then(|callback| self.voice_url(callback));
        let taking = self.scripts.calls.take_from_queue(self.call.sid, queue.name.clone(), whisper).await;
        let caller = match taking {
            Ok(()) => self.await_caller(dial).await,
            Err(error) => {
                self.note(SCHEMA, &format!("Nobody can be taken out of the queue: {error}."));
                self.stop_playing().await;
                return self.after(dial.action.as_ref(), failed());
            }
        };
        self.stop_playing().await;
        let caller = match caller {
            Ok(Some(caller)) => caller,
            Ok(None) => {
                let nobody = vec![told("DialCallStatus", "no-answer"), told("DialBridged", "false")];
                return self.after(dial.action.as_ref(), nobody);
            }
            Err(flow) => return flow,
        };
        let since = Instant::now();
        if let Some(flow) = self.connected(dial, since).await {
            return flow;
        }
        self.after(
            dial.action.as_ref(),
            vec![
                told("DialCallStatus", "completed"),
                told("DialCallSid", caller),
                told("DialCallDuration", since.elapsed().as_secs()),
                told("DialBridged", "true"),
            ],
        )
    }

    /// The caller with whom this call is connected; none, if nobody came in time.
    async fn await_caller(&mut self, dial: &Dial) -> Result<Option<CallSid>, Flow> {
        let mut until = Instant::now() + dial.timeout;
        let mut is_nearly_told = false;
        loop {
            match self.wait(None, Some(until)).await {
                Woken::Other(Other::Dequeued(caller)) => return Ok(Some(caller)),
                Woken::Time => {
                    match self.scripts.calls.stop_taking(self.call.sid, StopTaking::IfIdle).await {
                        // A caller hears something before they are connected.
                        Err(CallError::WrongState) => {}
                        // They are connected this moment, and we are about to be told.
                        Err(CallError::NotQueued) if !is_nearly_told => is_nearly_told = true,
                        Ok(()) | Err(_) => return Ok(None),
                    }
                    until = Instant::now() + NEARLY;
                }
                Woken::Key(digit) if dial.hang_up_on_star && digit.expose() == super::dial::STAR => {
                    self.stop_taking().await;
                    return Ok(None);
                }
                Woken::Gone(flow) => {
                    self.stop_taking().await;
                    return Err(flow);
                }
                Woken::Key(_) | Woken::Played | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    async fn stop_taking(&self) {
        if let Err(error) = self.scripts.calls.stop_taking(self.call.sid, StopTaking::Now).await {
            debug!(call = %self.call.sid, %error, "took nobody");
            // Connected this moment.
            self.leave().await;
        }
    }
}
