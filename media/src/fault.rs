//! Defects planted on purpose, so that tests can prove that the load tester names them. Without the
//! feature `planted-faults` there is nothing here but answers of "no".

/// A defect of the mixer.
#[cfg(feature = "planted-faults")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Talkers hear themselves: their own voice is not subtracted.
    OwnVoiceKept,
    /// The first participant of each conference is not mixed.
    FirstUnmixed,
    /// The first two participants of each conference are sent each other's frames.
    FirstTwoSwapped,
    /// One frame in a thousand is sent as silence.
    SilentFrames,
    /// A datagram of these bytes, to any leg, makes the thread panic.
    Panic(&'static [u8]),
}

/// The planted fault, if any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Planted {
    #[cfg(feature = "planted-faults")]
    fault: Option<Fault>,
}

#[cfg(feature = "planted-faults")]
impl Planted {
    pub(crate) fn plant(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    pub(crate) fn keeps_own_voice(self) -> bool {
        self.fault == Some(Fault::OwnVoiceKept)
    }

    pub(crate) fn leaves_out(self, seat: usize) -> bool {
        self.fault == Some(Fault::FirstUnmixed) && seat == 0
    }

    /// The seat whose frame the seat is sent.
    pub(crate) fn mix_for(self, seat: usize, seats: usize) -> usize {
        if self.fault == Some(Fault::FirstTwoSwapped) && seats > 1 && seat < 2 { 1 - seat } else { seat }
    }

    pub(crate) fn silences(self, packets: u64) -> bool {
        self.fault == Some(Fault::SilentFrames) && packets % 1_000 == 999
    }

    pub(crate) fn look_at(self, datagram: &[u8]) {
        if let Some(Fault::Panic(trigger)) = self.fault {
            assert!(datagram != trigger, "planted");
        }
    }
}

#[cfg(not(feature = "planted-faults"))]
impl Planted {
    pub(crate) const fn keeps_own_voice(self) -> bool {
        false
    }

    pub(crate) const fn leaves_out(self, _seat: usize) -> bool {
        false
    }

    pub(crate) const fn mix_for(self, seat: usize, _seats: usize) -> usize {
        seat
    }

    pub(crate) const fn silences(self, _packets: u64) -> bool {
        false
    }

    pub(crate) const fn look_at(self, _datagram: &[u8]) {}
}
