//! Keys of a call, both ways.

use confab_media::{PressedDigit, Refusal};

use super::{Model, Waiter, answer, overloaded};
use crate::call::digits::DigitString;
use crate::call::handle::{CallError, Reply};
use crate::call::sid::CallSid;

impl Model {
    /// A key that the far end's signalling told.
    pub(in crate::call) fn hear_digit(&mut self, sid: CallSid, key: PressedDigit, reply: Reply<()>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        if let Err(refused) = self.media.hear_digit(&call.leg, key, Waiter::DigitHeard(reply)) {
            overloaded(refused);
        }
    }

    /// Keys that somebody wants pressed towards the far end.
    pub(in crate::call) fn press_digits(&mut self, sid: CallSid, keys: &DigitString, reply: Reply<()>) {
        if let Err(e) = self.connected(sid) {
            return answer(reply, Err(e));
        }
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let Some(presses) = keys.presses() else {
            return answer(reply, Err(CallError::DigitsFull));
        };
        if let Err(refused) = self.media.press_digits(&call.leg, presses, Waiter::DigitsPressed(reply)) {
            overloaded(refused);
        }
    }
}

/// What whoever wanted keys pressed is told when they are not.
pub(in crate::call) const fn not_pressed(refusal: Refusal) -> CallError {
    match refusal {
        Refusal::DigitsFull => CallError::DigitsFull,
        Refusal::NoLeg
        | Refusal::NoConference
        | Refusal::NotSeated
        | Refusal::Exists
        | Refusal::ConferenceFull
        | Refusal::NotEquipped
        | Refusal::NotPlaying
        | Refusal::Capturing
        | Refusal::NotCapturing
        | Refusal::AnnouncementsFull
        | Refusal::EngineFull => CallError::WrongState,
    }
}
