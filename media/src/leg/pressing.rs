//! Keys that are pressed towards a far end: they take the place of what it would hear.

use super::sending::TICKS_PER_SECOND;
use super::{DigitSender, DigitWay, EventPacket, Leg};
use crate::event::Refusal;
use crate::frame::Frame;

impl Leg {
    /// Presses keys when those before are done. What is not needed for it is left in `presses` and travels home.
    pub(crate) fn press(&mut self, presses: &mut Option<Box<DigitSender>>) -> Result<(), Refusal> {
        match (&mut self.presses, presses) {
            (Some(busy), Some(more)) if !busy.is_idle() => {
                busy.append(more).map_err(|_| Refusal::DigitsFull)?;
            }
            (mine, theirs) => std::mem::swap(mine, theirs),
        }
        Ok(())
    }

    /// Begins a tick's step of the keys under way. On hold they wait.
    pub(super) fn begin_press(&mut self) {
        let Some(presses) = &mut self.presses else {
            return;
        };
        let way = match self.media.telephone_event {
            Some(_) => DigitWay::Events(self.media.terms.telephone_event_rate),
            None => DigitWay::Tones,
        };
        if self.media.direction.send {
            presses.begin(way);
        } else {
            presses.hold();
        }
    }

    /// Whether it is sent a tone in this tick, whatever it would hear.
    pub(crate) fn hears_tone(&self) -> bool {
        self.presses.as_ref().is_some_and(|presses| presses.sounds())
    }

    /// The tone of this tick, in place of what it would hear.
    pub(super) fn tone(&mut self) -> Option<Frame> {
        let rate = self.coding.codec().sample_rate();
        let presses = self.presses.as_mut().filter(|presses| presses.sounds())?;
        let mut frame = Frame::silence(rate);
        presses.tone(&mut frame).then_some(frame)
    }

    /// The telephone-event of this tick and its payload type, in place of a packet of sound.
    pub(super) fn event(&mut self) -> Option<(EventPacket, u8)> {
        let payload_type = self.media.telephone_event?;
        let tick = self.codec().clock_rate() / TICKS_PER_SECOND;
        let timestamp = self.sender.next_timestamp(tick, &self.coding.framing);
        let packet = self.presses.as_mut()?.event(timestamp)?;
        Some((packet, payload_type))
    }
}
