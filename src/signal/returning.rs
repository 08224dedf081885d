//! Calls whose browsers may come back to them: over another connection, with what they were given when the call was answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::call::Wish;
use super::line::Line;
use crate::call::{AccountSid, CallSid};
use crate::config::Secret;

/// Bits of what a browser comes back with, in bytes: nobody guesses it.
const ENTROPY: usize = 16;

/// All calls that are answered: never more than the node has.
#[derive(Debug, Default)]
pub(super) struct Returning(Mutex<HashMap<CallSid, Entry>>);

#[derive(Debug)]
struct Entry {
    whose: (AccountSid, String),
    key: Secret,
    returns: mpsc::Sender<Return>,
}

/// A browser that has come back.
#[derive(Debug)]
pub(super) struct Return {
    /// Where it is told things from now on.
    pub(super) line: Line,
    /// What it wishes from now on.
    pub(super) wishes: mpsc::Receiver<Wish>,
    /// What it has, as an offer.
    pub(super) sdp: Vec<u8>,
}

/// A call that can be come back to, until this is dropped.
#[derive(Debug)]
pub(super) struct Returnable {
    all: Arc<Returning>,
    call: CallSid,
    /// What the browser is given.
    pub(super) key: Secret,
    /// Those who come.
    pub(super) returns: mpsc::Receiver<Return>,
}

impl Drop for Returnable {
    fn drop(&mut self) {
        self.all.entries().remove(&self.call);
    }
}

impl Returning {
    /// Lets the browsers of an identity come back to a call. Without entropy nobody can.
    pub(super) fn allow(self: &Arc<Self>, call: CallSid, whose: (AccountSid, String)) -> Returnable {
        let mut drawn = [0_u8; ENTROPY];
        let key = match getrandom::fill(&mut drawn) {
            Ok(()) => Secret::new(drawn.iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(_) => Secret::new(String::new()),
        };
        let (sender, returns) = mpsc::channel(1);
        self.entries().insert(call, Entry { whose, key: key.clone(), returns: sender });
        Returnable { all: Arc::clone(self), call, key, returns }
    }

    /// Hands a browser that has come back to its call. Whether that is one it may have.
    pub(super) fn come_back(
        &self,
        call: CallSid,
        whose: (AccountSid, &str),
        key: &Secret,
        back: Return,
    ) -> bool {
        let entries = self.entries();
        let entry = entries.get(&call).filter(|entry| {
            (entry.whose.0, entry.whose.1.as_str()) == whose
                && !entry.key.expose().is_empty()
                && entry.key.matches(key.expose().as_bytes())
        });
        // One who comes twice at a time comes once.
        entry.is_some_and(|entry| entry.returns.try_send(back).is_ok())
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CallSid, Entry>> {
        // A panic while it was locked left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whose_call_it_is_comes_back_and_only_with_what_they_were_given() {
        let all = Arc::new(Returning::default());
        let (call, account) = (CallSid::generate(), AccountSid::generate());
        let mut allowed = all.allow(call, (account, "alice".to_owned()));
        let key = allowed.key.clone();
        let back = || Return { line: Line::new().0, wishes: mpsc::channel(1).1, sdp: Vec::new() };
        let wrong = Secret::new("0".repeat(32));
        assert!(!all.come_back(call, (account, "alice"), &wrong, back()));
        assert!(!all.come_back(call, (account, "alice"), &Secret::new(String::new()), back()));
        assert!(!all.come_back(call, (account, "mallory"), &key, back()));
        assert!(!all.come_back(call, (AccountSid::generate(), "alice"), &key, back()));
        assert!(!all.come_back(CallSid::generate(), (account, "alice"), &key, back()));
        assert!(allowed.returns.try_recv().is_err());
        assert!(all.come_back(call, (account, "alice"), &key, back()));
        assert!(allowed.returns.try_recv().is_ok());
        drop(allowed);
        assert!(!all.come_back(call, (account, "alice"), &key, back()));
    }
}
