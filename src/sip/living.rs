//! Which call a dialog is: so that whoever hangs up finds, when their BYE is answered, that their call is over (the library
//! answers a BYE as soon as it has told the call's task of it, which may come to hear of it only later), and so that a
//! dialog can be named by others (RFC 3891).
//!
//! A dialog leaves this table once: by whoever ends its call, or by whoever takes the call over. Who comes second has
//! nothing more to say about the call.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rsipstack::dialog::DialogId;

use crate::call::CallSid;

/// Dialogs that are remembered when they are over: as many as a busy node ends in half a minute, by when nobody names them
/// any more.
const OVER_MAX: usize = 4_096;

/// Calls by their dialogs; as many as the node may have.
#[derive(Debug, Default)]
pub(super) struct Living(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    calls: HashMap<DialogId, Lived>,
    /// The last at the end.
    over: VecDeque<DialogId>,
}

/// A call that is lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lived {
    pub(super) call: CallSid,
    /// Where its leg receives; a browser's has no port of its own.
    pub(super) rtp_port: Option<u16>,
}

/// What is known of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Living(Lived),
    /// Its call is over, or with somebody else.
    Over,
    Nobody,
}

impl Living {
    pub(super) fn begin(&self, dialog: DialogId, lived: Lived) {
        self.known().calls.insert(dialog, lived);
    }

    /// The call that is to be ended or taken over, unless somebody was faster.
    pub(super) fn end(&self, dialog: &DialogId) -> Option<CallSid> {
        let mut known = self.known();
        let lived = known.calls.remove(dialog)?;
        if known.over.len() >= OVER_MAX {
            known.over.pop_front();
        }
        known.over.push_back(dialog.clone());
        Some(lived.call)
    }

    /// Whether no call is on.
    pub(super) fn is_empty(&self) -> bool {
        self.known().calls.is_empty()
    }

    /// Whether a call of this Call-ID is lived, or was a moment ago.
    pub(super) fn has(&self, call_id: &str) -> bool {
        let known = self.known();
        known.calls.keys().chain(&known.over).any(|dialog| dialog.call_id == call_id)
    }

    pub(super) fn named(&self, dialog: &DialogId) -> Named {
        let known = self.known();
        match known.calls.get(dialog) {
            Some(lived) => Named::Living(*lived),
            None if known.over.contains(dialog) => Named::Over,
            None => Named::Nobody,
        }
    }

    /// A panic while it was locked left it whole.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(number: usize) -> DialogId {
        DialogId { call_id: format!("call{number}"), local_tag: "a".into(), remote_tag: "b".into() }
    }

    #[test]
    fn a_dialog_is_ended_once_and_remembered_for_a_while() {
        let living = Living::default();
        let lived = Lived { call: CallSid::generate(), rtp_port: Some(20_000) };
        assert_eq!(living.named(&dialog(0)), Named::Nobody);
        living.begin(dialog(0), lived);
        assert_eq!(living.named(&dialog(0)), Named::Living(lived));
        assert_eq!(living.end(&dialog(0)), Some(lived.call));
        assert_eq!((living.end(&dialog(0)), living.named(&dialog(0))), (None, Named::Over));
        for number in 1..=OVER_MAX {
            living.begin(dialog(number), lived);
            living.end(&dialog(number));
        }
        assert_eq!(living.named(&dialog(0)), Named::Nobody);
        assert_eq!(living.named(&dialog(1)), Named::Over);
    }
}
