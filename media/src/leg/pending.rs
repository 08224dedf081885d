//! What has happened on a leg and has not been fetched. It waits here, in the leg, and merges with newer
//! state: a slow control side loses no state and costs no memory.

use std::net::SocketAddr;

use crate::event::{Digit, LegEvent};

/// Keys pressed that may wait. A person presses some ten a second; the control side looks at least every
/// tick.
const DIGITS_MAX: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    latched: Option<SocketAddr>,
    silent: bool,
    digits: [Option<Digit>; DIGITS_MAX],
    digits_len: usize,
}

impl Pending {
    pub(crate) fn latched(&mut self, source: SocketAddr) {
        self.latched = Some(source);
    }

    pub(crate) fn silent(&mut self) {
        self.silent = true;
    }

    /// Whether there was room.
    #[must_use]
    pub(crate) fn digit(&mut self, digit: Digit) -> bool {
        let Some(free) = self.digits.get_mut(self.digits_len) else {
            return false;
        };
        *free = Some(digit);
        self.digits_len += 1;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.latched.is_none() && !self.silent && self.digits_len == 0
    }

    pub(crate) fn take(&mut self) -> Option<LegEvent> {
        if let Some(source) = self.latched.take() {
            return Some(LegEvent::Latched { source });
        }
        if let Some(digit) = self.take_digit() {
            return Some(LegEvent::Digit(digit));
        }
        std::mem::take(&mut self.silent).then_some(LegEvent::SilentFarEnd)
    }

    fn take_digit(&mut self) -> Option<Digit> {
        let digit = self.digits[0].take()?;
        self.digits.rotate_left(1);
        self.digits_len -= 1;
        Some(digit)
    }
}
