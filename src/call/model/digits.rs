//! Keys of a call, both ways.

use confab_media::{PressedDigit, Refusal};

use super::{Call, Model, Records, Waiter, answer, overloaded};
use crate::call::digits::DigitString;
use crate::call::handle::{CallError, Reply};
use crate::call::sid::CallSid;

impl Model {
    /// A key that the far end's signalling told.
    pub(in crate::call) fn hear_digit(&mut self, sid: CallSid, key: PressedDigit, reply: Reply<()>) {
        let leg = match connected(&self.calls, sid) {
            Ok(call) => &call.leg,
            Err(e) => return answer(reply, Err(e)),
        };
        if let Err(refused) = self.media.hear_digit(leg, key, Waiter::DigitHeard(reply)) {
            overloaded(refused);
        }
    }

    /// Keys that somebody wants pressed towards the far end.
    pub(in crate::call) fn press_digits(&mut self, sid: CallSid, keys: &DigitString, reply: Reply<()>) {
        let leg = match connected(&self.calls, sid) {
            Ok(call) => &call.leg,
            Err(e) => return answer(reply, Err(e)),
        };
        let Some(presses) = keys.presses() else {
            return answer(reply, Err(CallError::DigitsFull));
        };
        if let Err(refused) = self.media.press_digits(leg, presses, Waiter::DigitsPressed(reply)) {
            overloaded(refused);
        }
    }
}

/// A call whose media are there.
fn connected(calls: &Records<CallSid, Call>, sid: CallSid) -> Result<&Call, CallError> {
    let call = calls.get(sid).ok_or(CallError::NoCall)?;
    let is_connected = call.connected && !call.view.status.is_final();
    is_connected.then_some(call).ok_or(CallError::WrongState)
}

/// What whoever wanted keys pressed is told when they are not.
pub(super) const fn not_pressed(refusal: Refusal) -> CallError {
    match refusal {
        Refusal::DigitsFull => CallError::DigitsFull,
        Refusal::NoLeg
        | Refusal::NoConference
        | Refusal::NotSeated
        | Refusal::Exists
        | Refusal::ConferenceFull
        | Refusal::NotEquipped
        | Refusal::EngineFull => CallError::WrongState,
    }
}
