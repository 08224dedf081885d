//! All who speak and hear at one sample rate.
//!
//! What is said at a rate is summed as it is; what is said at other rates is converted once, as a sum, and
//! added. So those who speak the same rate hear each other sample for sample, whoever else is there; a
//! wideband participant costs a narrowband one one conversion that all of them share; and nothing changes
//! for anybody when participants of another rate come or go.

use crate::codec::{Codec, CodecError, Encoder, EncoderSettings};
use crate::dsp::limiter::{Gain, Limiter};
use crate::dsp::mix;
use crate::frame::SampleRate;
use crate::leg::Encoded;
use crate::prefetch::fetch_all;
use crate::stats::Counters;

pub(crate) struct Bus {
    rate: SampleRate,
    /// The sum of what is said at this rate.
    said: Box<[i32]>,
    /// The sum of all that is heard at this rate.
    mix: Box<[i32]>,
    limiter: Limiter,
    gain: Gain,
    /// Whether anything was said in this tick.
    speaks: bool,
    /// The mix as mere listeners hear it, once somebody wants it.
    heard: Box<[i16]>,
    is_heard: bool,
    /// The same of the two ticks before, silence where nobody wanted it: who leaves or joins the listeners goes on
    /// from there. One tick is not enough for Opus to find its voice.
    heard_before: Box<[i16]>,
    /// So many of the newest of these are silence. When all are, one more changes nothing.
    silent_before: usize,
    groups: Vec<EncodeGroup>,
    /// No group has encoded anything in this tick or the one before.
    groups_rest: bool,
}

/// Ticks of sound that an encoder is warmed up with: 40 ms, after which a far end cannot tell the change from an
/// encoder that ran all along (`codec/tests/handover.rs`).
const BEFORE_TICKS: usize = 2;

/// Listeners of one codec. They get the same bytes, encoded once a tick and not once a listener.
struct EncodeGroup {
    encoder: Encoder,
    encoded: Encoded,
    /// Whether `encoded` is of this tick.
    is_encoded: bool,
    /// Whether it was of the tick before: an encoder that paused must be warmed up.
    was_encoded: bool,
    /// The loss, in per cent, that the encoder provides for, and the most that a listener of this tick wants.
    loss: u8,
    loss_wanted: u8,
}

impl Bus {
    /// A bus with an encoder for each codec of that rate.
    pub(crate) fn new(rate: SampleRate) -> Result<Self, CodecError> {
        let len = rate.frame_len();
        let codecs = Codec::ALL.into_iter().filter(|codec| codec.sample_rate() == rate);
        Ok(Self {
            rate,
            said: vec![0; len].into(),
            mix: vec![0; len].into(),
            limiter: Limiter::default(),
            gain: Gain::UNITY,
            speaks: false,
            heard: vec![0; len].into(),
            is_heard: false,
            heard_before: vec![0; BEFORE_TICKS * len].into(),
            silent_before: BEFORE_TICKS,
            groups: codecs.map(EncodeGroup::new).collect::<Result<_, _>>()?,
            groups_rest: true,
        })
    }

    pub(crate) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Forgets the tick before.
    pub(crate) fn begin(&mut self) {
        if std::mem::take(&mut self.speaks) {
            self.said.fill(0);
        }
        self.keep_heard();
        if !self.groups_rest {
            self.groups.iter_mut().for_each(EncodeGroup::begin);
            self.groups_rest = self.groups.iter().all(|group| !group.was_encoded);
        }
    }

    /// What was heard in this tick was heard before.
    fn keep_heard(&mut self) {
        let is_heard = std::mem::take(&mut self.is_heard);
        if !is_heard && self.silent_before == BEFORE_TICKS {
            return;
        }
        let len = self.heard.len();
        self.heard_before.copy_within(len.., 0);
        let newest = &mut self.heard_before[(BEFORE_TICKS - 1) * len..];
        if is_heard {
            newest.copy_from_slice(&self.heard);
            self.silent_before = 0;
        } else {
            newest.fill(0);
            self.silent_before += 1;
        }
    }

    /// Has fetched what a tick needs of it.
    pub(super) fn fetch_ahead(&self) {
        fetch_all(&self.said);
        fetch_all(&self.mix);
    }

    /// Adds what somebody says.
    pub(crate) fn add(&mut self, frame: &[i16]) {
        mix::add(&mut self.said, frame);
        self.speaks = true;
    }

    /// Whether anything was said in this tick.
    pub(super) const fn speaks(&self) -> bool {
        self.speaks
    }

    /// The sum of what was said.
    pub(super) fn said(&self) -> &[i32] {
        &self.said
    }

    /// Begins the mix with what was said at this rate.
    pub(crate) fn begin_mix(&mut self) {
        self.mix.copy_from_slice(&self.said);
    }

    /// Adds what was said at another rate.
    pub(super) fn add_converted(&mut self, converted: &[i32]) {
        for (mixed, &sample) in self.mix.iter_mut().zip(converted) {
            *mixed += sample;
        }
    }

    /// The mix is whole: decides its gain.
    pub(crate) fn end_mix(&mut self) -> Gain {
        self.gain = self.limiter.follow(&self.mix);
        self.gain
    }

    /// All that is heard at this rate, before the limiter.
    pub(super) fn mix(&self) -> &[i32] {
        &self.mix
    }

    /// The limiter of the full mix.
    pub(super) const fn limiter(&self) -> Limiter {
        self.limiter
    }

    /// The encoder of a codec's listeners, and what they heard in the tick before.
    pub(crate) fn listeners_before(&self, codec: Codec) -> Option<(&Encoder, &[i16])> {
        let group = self.groups.iter().find(|group| group.encoder.codec() == codec)?;
        Some((&group.encoder, &self.heard_before))
    }

    /// What mere listeners of that codec are sent. `loss` is what one of them loses, in per cent: from the next tick
    /// on, provision is made for the one who loses most. `before` is that one's own encoder, if it was what they were sent
    /// from in the tick before: where nobody else listened then, it is gone on from.
    pub(crate) fn listeners(
        &mut self,
        codec: Codec,
        loss: u8,
        before: Option<&Encoder>,
        counters: &mut Counters,
    ) -> Option<&Encoded> {
        self.render();
        self.groups_rest = false;
        let group = self.groups.iter_mut().find(|group| group.encoder.codec() == codec)?;
        group.loss_wanted = group.loss_wanted.max(loss);
        if !group.is_encoded {
            group.encode(before, &self.heard_before, &self.heard);
            counters.encoded += 1;
        }
        Some(&group.encoded)
    }

    /// The full mix at the limiter's gain.
    pub(crate) fn render(&mut self) -> &[i16] {
        if !self.is_heard {
            self.gain.apply(&self.mix, &mut self.heard);
            self.is_heard = true;
        }
        &self.heard
    }
}

impl EncodeGroup {
    fn new(codec: Codec) -> Result<Self, CodecError> {
        let encoder = Encoder::new(codec, EncoderSettings::default())?;
        Ok(Self {
            encoder,
            encoded: Encoded::default(),
            is_encoded: false,
            was_encoded: false,
            loss: 0,
            loss_wanted: 0,
        })
    }

    fn begin(&mut self) {
        self.was_encoded = std::mem::take(&mut self.is_encoded);
        let wanted = std::mem::take(&mut self.loss_wanted);
        if self.was_encoded && wanted != self.loss {
            self.loss = wanted;
            self.encoder.set_expected_loss(wanted);
        }
    }

    fn encode(&mut self, before: Option<&Encoder>, heard_before: &[i16], samples: &[i16]) {
        match before.filter(|_| !self.was_encoded) {
            Some(before) => self.encoder.succeed(before, heard_before),
            None if !self.was_encoded => self.encoder.warm_up(heard_before),
            None => {}
        }
        self.encoded.fill(&mut self.encoder, samples);
        self.is_encoded = true;
    }
}
