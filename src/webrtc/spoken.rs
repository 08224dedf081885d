//! What an application and the page of a browser say to each other within a call.

use serde_json::Value;

use super::{BrowserError, Browsers};
use crate::call::{AccountSid, CallSid, VoiceUrl};
use crate::sid::{CallMessageSid, SubscriptionSid};

/// Who may be told at a time what a call's page says.
const LISTENERS_MAX: usize = 4;

/// Something for a page.
#[derive(Clone, Debug, PartialEq)]
pub struct CallMessage {
    /// Its name.
    pub sid: CallMessageSid,
    /// What is said.
    pub content: Value,
}

/// Somebody who is told what a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The name of their wish.
    pub sid: SubscriptionSid,
    /// Where they are told.
    pub url: VoiceUrl,
}

impl Browsers {
    /// Says something to the page of a call's browser.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] when the account has no such call of a browser that is connected, and as
    /// [`tell`](super::CallControl::tell).
    pub fn say(
        &self,
        account: AccountSid,
        call: CallSid,
        content: Value,
    ) -> Result<CallMessageSid, BrowserError> {
        let control = self
            .living()
            .get(&call)
            .filter(|living| living.account == account)
            .ok_or(BrowserError::NoCall)?
            .control
            .clone();
        let sid = CallMessageSid::generate();
        control.tell(CallMessage { sid, content })?;
        Ok(sid)
    }

    /// Has somebody told what the page of a call's browser says, for as long as the call lives.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] as above, [`BrowserError::TooManyListeners`].
    pub fn listen(
        &self,
        account: AccountSid,
        call: CallSid,
        url: VoiceUrl,
    ) -> Result<SubscriptionSid, BrowserError> {
        let mut all = self.living();
        let living = all.get_mut(&call).filter(|living| living.account == account);
        let living = living.ok_or(BrowserError::NoCall)?;
        if living.listeners.len() >= LISTENERS_MAX {
            return Err(BrowserError::TooManyListeners);
        }
        let sid = SubscriptionSid::generate();
        living.listeners.push(Listener { sid, url });
        Ok(sid)
    }

    /// Has somebody told no more.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] when there is no such wish.
    pub fn listen_no_more(
        &self,
        account: AccountSid,
        call: CallSid,
        sid: SubscriptionSid,
    ) -> Result<(), BrowserError> {
        let mut all = self.living();
        let living = all.get_mut(&call).filter(|living| living.account == account);
        let living = living.ok_or(BrowserError::NoCall)?;
        let before = living.listeners.len();
        living.listeners.retain(|listener| listener.sid != sid);
        if living.listeners.len() < before { Ok(()) } else { Err(BrowserError::NoCall) }
    }

    /// Who is told what the page of a call's browser says.
    pub fn listeners(&self, call: CallSid) -> Vec<Listener> {
        self.living().get(&call).map(|living| living.listeners.clone()).unwrap_or_default()
    }
}
