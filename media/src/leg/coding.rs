//! What a leg's codec remembers of what it is sent, and its voice at other rates. Built on the control side; a
//! leg whose codec changes is given another one.

use super::framing::Framing;
use super::outbox::Outbox;
use super::rtcp::REPORT_LEN_MAX;
use crate::codec::{Codec, CodecError, Decoder, Encoder, EncoderSettings, L16Rate};
use crate::dsp::converter::RateConverter;
use crate::dsp::level::Level;
use crate::frame::{Frame, SampleRate};
use crate::id::ProgrammeId;
use crate::playout::{Decoding, Replaced, Sound};
use crate::prefetch::fetch;
use crate::rtp::AudioLevel;

/// The longest payload that 20 ms are encoded to: L16 at 16 kHz. Opus is told to stay below.
pub(crate) const PAYLOAD_MAX: usize = 640;

/// Ticks for which a leg that hears what all hear again keeps its own encoder: 100 ms, in which its encoder and the
/// listeners' come to remember the same, so that the change cannot be heard. And who pauses between two words does
/// not change at all.
const OWN_KEPT_TICKS: u8 = 5;

/// 20 ms of encoded sound: one payload, or two of 10 ms.
#[derive(Clone)]
pub(crate) struct Encoded {
    /// Bytes of the first, or only, payload.
    first: usize,
    len: usize,
    bytes: [u8; PAYLOAD_MAX],
    /// How loud the sound is.
    level: Level,
}

impl Default for Encoded {
    fn default() -> Self {
        Self { first: 0, len: 0, bytes: [0; PAYLOAD_MAX], level: Level::SILENCE }
    }
}

impl Encoded {
    pub(crate) fn fill(&mut self, encoder: &mut Encoder, samples: &[i16]) {
        self.first = encoder.encode(samples, &mut self.bytes);
        self.len = self.first;
        self.level = Level::of(samples);
    }

    /// The same in two payloads.
    fn fill_halves(&mut self, encoder: &mut Encoder, samples: &[i16]) {
        let (first, second) = samples.split_at(samples.len() / 2);
        let half = PAYLOAD_MAX / 2;
        self.first = encoder.encode(first, &mut self.bytes[..half]);
        self.len = self.first + encoder.encode(second, &mut self.bytes[self.first..][..half]);
        self.level = Level::of(samples);
    }

    /// Silence that needs no encoder, and stops what a decoder still has to say, in one payload or two.
    fn fill_silence(&mut self, silence: &[u8], halves: bool) {
        let payloads = if halves { 2 } else { 1 };
        self.first = silence.len();
        self.len = payloads * silence.len();
        self.level = Level::SILENCE;
        self.bytes[..self.len]
            .chunks_exact_mut(silence.len())
            .for_each(|payload| payload.copy_from_slice(silence));
    }

    /// How loud it is.
    pub(crate) const fn level(&self) -> Level {
        self.level
    }

    /// What was made, of equal lengths in time. There is at least one.
    pub(crate) fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        let (first, second) = self.bytes[..self.len].split_at(self.first);
        std::iter::once(first).chain((!second.is_empty()).then_some(second))
    }
}

/// One codec's state for one leg.
pub struct Coding {
    /// Until the leg's playout has it.
    decoding: Option<Decoding>,
    /// What the playout had before, on its way home.
    replaced: Option<Replaced>,
    /// For sound of the codec before, which still waits when the codec changes.
    from_before: Option<RateConverter>,
    encoder: Encoder,
    /// What its own encoder made last.
    pub(super) encoded: Encoded,
    origin: Origin,
    /// It wants fewer bits than the listeners of its codec get, or shorter frames.
    own_always: bool,
    /// Its encoder makes frames of 10 ms: Opus cannot be cut afterwards.
    halves: bool,
    /// What was sent is not to be heard any more, if what comes is silence.
    is_cut: bool,
    /// Packets of the length that the far end wants.
    pub(super) framing: Framing,
    /// What is sent in this tick.
    pub(super) outbox: Outbox,
    /// Its voice, for those who hear at another rate and are spoken to alone.
    voice: Vec<RateConverter>,
    voice_rings: bool,
}

/// Whose encoder the last packet came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The listeners' of its conference.
    Shared,
    /// That of all who hear what is on under this name.
    Broadcast(ProgrammeId),
    /// The leg's own, so many ticks after it heard something of its own.
    Own(u8),
}

impl Coding {
    /// The state of a codec at the beginning of a stream that is sent in packets of `ptime` milliseconds.
    ///
    /// # Errors
    ///
    /// When a codec cannot be set up.
    pub fn new(codec: Codec, ptime: u8, settings: EncoderSettings) -> Result<Box<Self>, CodecError> {
        let rate = codec.sample_rate();
        let framing = Framing::new(codec, ptime, frame_bytes(codec));
        let halves = codec == Codec::Opus && ptime < 20;
        let room = framing.most_a_tick(frame_bytes(codec)) + 2 * PACKET_OVERHEAD + REPORT_OVERHEAD;
        let others = SampleRate::ALL.into_iter().filter(|other| *other != rate);
        Ok(Box::new(Self {
            decoding: Some(decoding(codec)?),
            replaced: None,
            from_before: None,
            encoder: Encoder::new(codec, settings)?,
            encoded: Encoded::default(),
            origin: Origin::Shared,
            own_always: halves || settings.bitrate < EncoderSettings::default().bitrate,
            halves,
            is_cut: false,
            framing,
            outbox: Outbox::new(room),
            voice: others.map(|other| RateConverter::new(rate, other)).collect(),
            voice_rings: false,
        }))
    }

    /// The codec.
    pub const fn codec(&self) -> Codec {
        self.encoder.codec()
    }

    /// The same, for a leg that spoke at another rate before.
    #[must_use]
    pub fn coming_from(mut self: Box<Self>, codec: Codec) -> Box<Self> {
        let (before, now) = (codec.sample_rate(), self.codec().sample_rate());
        self.from_before = (before != now).then(|| RateConverter::new(before, now));
        self
    }

    pub(crate) fn take_decoding(&mut self) -> Decoding {
        self.decoding.take().unwrap_or_else(Decoding::g711)
    }

    /// Takes home what the playout does not need any more.
    pub(crate) fn take_home(&mut self, replaced: Replaced) {
        self.replaced = Some(replaced);
    }

    /// Brings what a leg says to the codec's rate: right after a change of codecs it can be at the one before.
    pub(crate) fn follow(&mut self, sound: Sound, frame: &mut Frame) -> Sound {
        let rate = self.codec().sample_rate();
        if frame.rate() == rate {
            return sound;
        }
        let before = frame.clone();
        frame.silence_at(rate);
        match &mut self.from_before {
            Some(converter) if converter.from() == before.rate() => {
                converter.convert(before.samples(), frame.samples_mut());
                sound
            }
            Some(_) | None => Sound::Silence,
        }
    }

    /// Has fetched what a tick needs of it.
    pub(super) fn fetch_ahead(&self) {
        fetch(&self.encoder);
        fetch(&self.origin);
        fetch(&self.framing);
        self.outbox.fetch_ahead();
    }

    /// Prepares for the loss that the far end reports, in per cent.
    pub(crate) fn set_expected_loss(&mut self, percent: u8) {
        self.encoder.set_expected_loss(percent);
    }

    /// Whether the leg must be sent what its own encoder makes, even of what all hear.
    pub(crate) const fn keeps_own(&self) -> bool {
        match self.origin {
            Origin::Shared | Origin::Broadcast(_) => self.own_always && self.codec().is_stateful(),
            Origin::Own(ticks) => self.codec().is_stateful() && (self.own_always || ticks < OWN_KEPT_TICKS),
        }
    }

    /// Notes that the leg is sent what the listeners' encoder made.
    pub(crate) const fn share(&mut self) {
        self.origin = Origin::Shared;
    }

    /// Notes that the leg is sent what the encoder made of all who hear what is on under this name.
    pub(crate) const fn share_broadcast(&mut self, on: ProgrammeId) {
        self.origin = Origin::Broadcast(on);
    }

    /// What was on when the last packet came from that encoder, if it did and the codec remembers what was before.
    pub(crate) const fn comes_from_broadcast(&self) -> Option<ProgrammeId> {
        match self.origin {
            Origin::Broadcast(on) if self.codec().is_stateful() => Some(on),
            Origin::Broadcast(_) | Origin::Shared | Origin::Own(_) => None,
        }
    }

    /// Whether it came from the listeners' of a conference, and the codec remembers.
    pub(crate) fn comes_from_mix(&self) -> bool {
        self.origin == Origin::Shared && self.codec().is_stateful()
    }

    /// The leg's own encoder, if the last packet came from it and the codec remembers.
    pub(crate) fn own_encoder(&self) -> Option<&Encoder> {
        let is_own = matches!(self.origin, Origin::Own(_));
        (is_own && self.codec().is_stateful()).then_some(&self.encoder)
    }

    /// Forgets those encoders: they are not here.
    pub(crate) fn leave_broadcast(&mut self) {
        if matches!(self.origin, Origin::Broadcast(_)) {
            self.origin = Origin::Own(0);
        }
    }

    /// Encodes what the leg alone hears. `listeners` is their encoder and what they heard a tick before: if the
    /// leg was one of them until now, its own encoder goes on from there.
    pub(crate) fn encode_own(&mut self, samples: &[i16], listeners: Option<(&Encoder, &[i16])>) {
        if matches!(self.origin, Origin::Shared | Origin::Broadcast(_))
            && let Some((encoder, before)) = listeners
        {
            self.encoder.succeed(encoder, before);
        }
        self.origin = Origin::Own(0);
        self.encode(samples);
    }

    /// Encodes what all hear with the leg's own encoder.
    pub(crate) fn encode_kept(&mut self, samples: &[i16]) {
        self.origin = match self.origin {
            Origin::Shared | Origin::Broadcast(_) => Origin::Own(0),
            Origin::Own(ticks) => Origin::Own(ticks.saturating_add(1)),
        };
        self.encode(samples);
    }

    /// What the leg was sent until now is not to be heard any more: neither what its encoder still holds of it nor what a
    /// decoder makes of that.
    pub(super) const fn cut(&mut self) {
        self.is_cut = true;
    }

    fn encode(&mut self, samples: &[i16]) {
        if std::mem::take(&mut self.is_cut)
            && samples.iter().all(|sample| *sample == 0)
            && let Some(silence) = self.encoder.cut(samples.len() / if self.halves { 2 } else { 1 })
        {
            self.encoded.fill_silence(&silence, self.halves);
        } else if self.halves {
            self.encoded.fill_halves(&mut self.encoder, samples);
        } else {
            self.encoded.fill(&mut self.encoder, samples);
        }
    }

    /// Writes what the leg says at another rate.
    pub(crate) fn convert_voice(&mut self, rate: SampleRate, said: &[i16], out: &mut [i16]) {
        if let Some(converter) = self.voice.iter_mut().find(|converter| converter.to() == rate) {
            converter.convert(said, out);
            self.voice_rings = true;
        }
    }

    /// Nothing is said: what is left of the voice would be old when something is.
    pub(crate) fn rest_voice(&mut self) {
        if std::mem::take(&mut self.voice_rings) {
            self.voice.iter_mut().for_each(RateConverter::reset);
        }
    }
}

/// Bytes of the longest frame of 20 ms.
const fn frame_bytes(codec: Codec) -> usize {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => 160,
        Codec::L16(L16Rate::Hz8000) => 320,
        Codec::L16(L16Rate::Hz16000) | Codec::Opus => PAYLOAD_MAX,
    }
}

/// A header with its extension and the longest tag of SRTP; and a report with what SRTCP adds.
const PACKET_OVERHEAD: usize = 12 + AudioLevel::EXTENSION_LEN + 16;
const REPORT_OVERHEAD: usize = REPORT_LEN_MAX + 24;

/// G.711 needs no decoder.
fn decoding(codec: Codec) -> Result<Decoding, CodecError> {
    if Codec::G711.contains(&codec) { Ok(Decoding::g711()) } else { Decoder::new(codec).map(Decoding::new) }
}

impl std::fmt::Debug for Coding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coding").field("codec", &self.codec()).finish_non_exhaustive()
    }
}
