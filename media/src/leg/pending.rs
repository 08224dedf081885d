//! What has happened on a leg and has not been fetched. It waits here, in the leg, and merges with newer
//! state: a slow control side loses no state and costs no memory. Keys that were pressed wait with what heard them.

use std::net::SocketAddr;

use super::condition::Condition;
use crate::event::LegEvent;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    latched: Option<SocketAddr>,
    silent: bool,
    quality: bool,
}

impl Pending {
    pub(crate) fn latched(&mut self, source: SocketAddr) {
        self.latched = Some(source);
    }

    pub(crate) fn silent(&mut self) {
        self.silent = true;
    }

    pub(crate) fn quality(&mut self) {
        self.quality = true;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.latched.is_none() && !self.silent && !self.quality
    }

    pub(crate) fn take(&mut self, condition: &Condition) -> Option<LegEvent> {
        if let Some(source) = self.latched.take() {
            return Some(LegEvent::Latched { source });
        }
        if std::mem::take(&mut self.quality) {
            let meter = condition.meter();
            return Some(LegEvent::Quality { live: meter.live(), call: meter.whole_call() });
        }
        std::mem::take(&mut self.silent).then_some(LegEvent::SilentFarEnd)
    }
}
