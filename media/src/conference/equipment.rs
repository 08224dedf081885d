//! What a conference needs for participants of a further sample rate. Built on the control side, handed over before
//! the first of them joins.

use super::bus::Bus;
use super::converters::Converters;
use super::voices::Voices;
use crate::codec::CodecError;
use crate::frame::SampleRate;

/// The means to mix and encode at one more rate.
pub struct Equipment {
    pub(super) bus: Option<Box<Bus>>,
    pub(super) converters: Converters,
    pub(super) voices: Voices,
}

impl Equipment {
    /// For a conference of so many seats.
    ///
    /// # Errors
    ///
    /// When an encoder cannot be set up.
    pub fn new(rate: SampleRate, seats_max: usize) -> Result<Box<Self>, CodecError> {
        Ok(Box::new(Self {
            bus: Some(Box::new(Bus::new(rate)?)),
            converters: Converters::between(rate),
            voices: Voices::new(seats_max, rate),
        }))
    }
}

impl std::fmt::Debug for Equipment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Equipment").finish_non_exhaustive()
    }
}
