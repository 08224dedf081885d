//! Listeners who hear the same get the same bytes: encoded once a tick and codec, not once a listener.

use crate::codec::Codec;
use crate::dsp::limiter::Gain;
use crate::frame::{Frame, SampleRate};
use crate::leg::Encoded;
use crate::stats::Counters;

pub(super) struct EncodeGroup {
    mix: Frame,
    mixed: bool,
    pcmu: Shared,
    pcma: Shared,
}

/// One codec's frames of the current tick, made when the first listener asks.
#[derive(Default)]
struct Shared {
    full_mix: Option<Encoded>,
    silence: Option<Encoded>,
}

impl EncodeGroup {
    pub(super) const fn new(rate: SampleRate) -> Self {
        const NONE: Shared = Shared { full_mix: None, silence: None };
        Self { mix: Frame::silence(rate), mixed: false, pcmu: NONE, pcma: NONE }
    }

    /// Forgets the tick before.
    pub(super) fn begin(&mut self) {
        self.mixed = false;
        self.pcmu.full_mix = None;
        self.pcma.full_mix = None;
    }

    /// The mix of all public talkers at the limiter's gain.
    pub(super) fn full_mix(
        &mut self,
        codec: Codec,
        sum: &[i32],
        gain: Gain,
        counters: &mut Counters,
    ) -> Encoded {
        if !self.mixed {
            gain.apply(sum, self.mix.samples_mut());
            self.mixed = true;
        }
        let mix = &self.mix;
        let shared = match codec {
            Codec::Pcmu => &mut self.pcmu,
            Codec::Pcma => &mut self.pcma,
        };
        *shared.full_mix.get_or_insert_with(|| encode(codec, mix.samples(), counters))
    }

    /// Digital silence; the same in every tick.
    pub(super) fn silence(&mut self, codec: Codec, counters: &mut Counters) -> Encoded {
        let len = self.mix.samples().len();
        let shared = match codec {
            Codec::Pcmu => &mut self.pcmu,
            Codec::Pcma => &mut self.pcma,
        };
        const SILENCE: [i16; 160] = [0; 160];
        *shared.silence.get_or_insert_with(|| encode(codec, &SILENCE[..len], counters))
    }
}

fn encode(codec: Codec, samples: &[i16], counters: &mut Counters) -> Encoded {
    counters.encoded += 1;
    Encoded::of(codec, samples)
}
