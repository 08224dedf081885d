//! Listeners who hear the same get the same bytes: encoded once a tick and codec, not once a listener.

use crate::codec::Codec;
use crate::dsp::limiter::Gain;
use crate::frame::{Frame, SampleRate};
use crate::leg::Encoded;
use crate::stats::Counters;

pub(super) struct EncodeGroup {
    mix: Frame,
    mixed: bool,
    shared: [Shared; Codec::ALL.len()],
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
        Self { mix: Frame::silence(rate), mixed: false, shared: [NONE; Codec::ALL.len()] }
    }

    /// Forgets the tick before.
    pub(super) fn begin(&mut self) {
        self.mixed = false;
        for shared in &mut self.shared {
            shared.full_mix = None;
        }
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
        let shared = of_codec(&mut self.shared, codec);
        *shared.full_mix.get_or_insert_with(|| encode(codec, mix.samples(), counters))
    }

    /// Digital silence; the same in every tick.
    pub(super) fn silence(&mut self, codec: Codec, counters: &mut Counters) -> Encoded {
        let len = self.mix.samples().len();
        let shared = of_codec(&mut self.shared, codec);
        const SILENCE: [i16; 160] = [0; 160];
        *shared.silence.get_or_insert_with(|| encode(codec, &SILENCE[..len], counters))
    }
}

fn of_codec(shared: &mut [Shared; Codec::ALL.len()], codec: Codec) -> &mut Shared {
    let at = Codec::ALL.into_iter().position(|listed| listed == codec);
    &mut shared[at.unwrap_or(0)]
}

fn encode(codec: Codec, samples: &[i16], counters: &mut Counters) -> Encoded {
    counters.encoded += 1;
    Encoded::of(codec, samples)
}
