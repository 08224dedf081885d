//! What else may be said of a call that is on: how long it may last, and who is told how it ends.

use std::time::Duration;

use super::handle::{CallError, CallEvent, HangUp};
use super::lasting::Deadline;
use super::model::Model;
use super::sid::CallSid;
use super::view::CallView;
use super::voice::VoiceUrl;

/// What is to change about a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallChange {
    /// Who is told from now on how far it gets. Of which steps, stays as it was; of its end, if nobody was told before.
    pub status: Option<VoiceUrl>,
    /// How long it may last from its answer. One that has lasted as long ends.
    pub time_limit: Option<Duration>,
}

impl Model {
    pub(super) fn change_call(&mut self, sid: CallSid, change: CallChange) -> Result<CallView, CallError> {
        let call = self.calls.get_mut(sid).ok_or(CallError::NoCall)?;
        if call.view.status.is_final() {
            return Err(CallError::WrongState);
        }
        let is_promised_anew = change.status.is_some();
        if let Some(url) = change.status {
            let events = call.status.as_ref().map(|status| status.events).unwrap_or_default();
            call.status = Some(super::voice::StatusCallback { url, events });
        }
        if let Some(limit) = change.time_limit {
            call.time_limit = Some(limit);
            let lasted = call.view.started.map(|started| chrono::Utc::now() - started);
            let lasted = lasted.map(|lasted| lasted.to_std().unwrap_or_default());
            // One that was not answered has its time counted from then.
            let warning = self.limits.lasting.warning;
            call.deadline = lasted.map(|lasted| Deadline::after(limit, lasted, warning));
        }
        let view = call.view.clone();
        if is_promised_anew {
            self.promise_end(sid);
        }
        Ok(view)
    }

    /// A call has heard what it was to hear before it is connected, or will not be connected.
    pub(super) fn whispered(&mut self, sid: CallSid, is_ready: bool) -> Result<(), CallError> {
        let parent = self.connected(sid)?.view.parent;
        if is_ready && let Some(call) = self.calls.get_mut(sid) {
            // From here on it does what whoever dialled it says.
            call.script = None;
        }
        let script =
            parent.and_then(|parent| self.calls.get(parent)).and_then(|parent| parent.script.as_ref());
        let told = script
            .is_some_and(|script| script.try_send(CallEvent::Whispered { call: sid, is_ready }).is_ok());
        if is_ready && !told {
            // Nobody is there to be connected with.
            self.hang_up(sid, HangUp::Asked);
        }
        Ok(())
    }
}
