//! Which call a dialog is: so that whoever hangs up finds, when their BYE is answered, that their call is over. The library
//! answers a BYE as soon as it has told the call's task of it, which may come to hear of it only later.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rsipstack::dialog::DialogId;

use crate::call::CallSid;

/// Calls by their dialogs; as many as the node may have.
#[derive(Debug, Default)]
pub(super) struct Living(Mutex<HashMap<DialogId, CallSid>>);

impl Living {
    pub(super) fn begin(&self, dialog: DialogId, call: CallSid) {
        self.calls().insert(dialog, call);
    }

    pub(super) fn end(&self, dialog: &DialogId) {
        self.calls().remove(dialog);
    }

    /// Whether no call is on.
    pub(super) fn is_empty(&self) -> bool {
        self.calls().is_empty()
    }

    pub(super) fn call_of(&self, dialog: &DialogId) -> Option<CallSid> {
        self.calls().get(dialog).copied()
    }

    /// A panic while it was locked left it whole.
    fn calls(&self) -> MutexGuard<'_, HashMap<DialogId, CallSid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
