//! One leg's receive buffer: packets go in whenever they come, and every 20 ms a frame comes out, the
//! sender's sound at a delay that is as short as the network allows and never beyond a ceiling.
//!
//! ```text
//!  packet ─▶ arrivals ─▶ sender_clock ─▶ packet_buffer ─▶ decoders ─▶ decoded ─┬─▶ frame
//!            double?     where on the    in order                  time_stretch │
//!            far off?    timeline?                                      conceal ┘ gaps
//!               └─▶ transit: how late ─▶ decision: longer or shorter ──┘
//! ```
//!
//! Playing follows the RTP timestamps (RFC 3550 §5.1): what was not sent is silent, what was lost is
//! concealed, by the codec's own means if it has any. A packet that misses its tick moves playing back to itself,
//! so that the concealment it caused becomes added delay. When packets come earlier than they need to, pitch periods
//! are left out of the sound, or silence is made shorter; when they come later and later, periods are repeated
//! before one is too late. So a sender whose clock drifts is followed too. A steady stream is played bit for bit.

mod arena;
mod arrivals;
mod bursts;
mod conceal;
mod counters;
mod decision;
mod decoded;
mod decoders;
mod exercise;
mod fitting;
mod histogram;
mod history;
mod join;
mod media_time;
mod packet_buffer;
mod pitch;
mod placing;
mod playing;
mod redundancy;
mod sender_clock;
mod settings;
mod time_stretch;
mod timeline;
mod transit;

use std::time::Duration;

use self::arrivals::Arrivals;
use self::bursts::LossBursts;
pub use self::counters::PlayoutCounters;
use self::decision::Decision;
use self::decoders::{Decoders, SoundMemory};
pub use self::decoders::{Decoding, Replaced};
#[doc(hidden)]
pub use self::exercise::exercise;
use self::media_time::MediaTime;
use self::packet_buffer::PacketBuffer;
use self::redundancy::Redundancy;
use self::sender_clock::SenderClock;
pub use self::settings::PlayoutSettings;
use self::timeline::{Pattern, Timeline};
use self::transit::Transits;
use crate::codec::{Codec, ComfortNoise};
use crate::frame::Frame;
use crate::prefetch::fetch;
use crate::rtp::{SequenceNumber, Ssrc};
use crate::time::Time;

/// What a frame that was played holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Sound that was received.
    Voice,
    /// Sound made, in whole or in part, to hide a gap.
    Concealed,
    /// Comfort noise, as the far end described it (RFC 3389).
    Noise,
    /// Digital silence: nothing has come yet, nothing was sent, or a gap has outlasted concealment.
    Silence,
}

/// The receive buffer of one leg. All its memory is inside, or came with its decoder.
pub struct Playout {
    settings: PlayoutSettings,
    counters: PlayoutCounters,
    bursts: LossBursts,
    source: Option<Ssrc>,
    phase: Phase,
    arrivals: Arrivals,
    /// The last packet that was played or given up: nothing up to it can be played any more.
    passed: Option<SequenceNumber>,
    clock: SenderClock,
    timeline: Timeline,
    pattern: Pattern,
    transits: Transits,
    redundancy: Redundancy,
    decision: Decision,
    buffer: PacketBuffer,
    decoders: Decoders,
    sound: SoundMemory,
    /// The codec of the sound that was decoded last.
    codec: Option<Codec>,
    /// How long packets have said that they are silent, as far as it matters.
    silent_for: MediaTime,
    /// Whether the sender said, with the last that was played, that it pauses.
    pause: Option<Pause>,
    noise: ComfortNoise,
    gap: Gap,
    last: Sound,
    delay: Duration,
    wait: Duration,
}

/// A leg's memory is bounded; with this go the payloads of the packet buffer, 10 KB of which a steady stream touches
/// the first few hundred bytes, and 5 KB for sound at 8 kHz, of which it touches 1.
const _: () = assert!(size_of::<Playout>() < 5 * 1024);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come.
    Idle,
    /// Packets have come, and the next tick decides when to play them.
    Starting,
    /// Playing has its place on the sender's timeline.
    Playing,
}

/// What a sender's pause sounds like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Silent,
    Noise,
}

/// Whether the gap under way is counted, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    None,
    Short,
    Long,
}

/// Comfort noise is the same in every call, which harms nobody.
const NOISE_SEED: u32 = 1;

impl Playout {
    /// A buffer to which nothing has come.
    pub fn new(settings: PlayoutSettings, decoding: Decoding) -> Self {
        let Decoding { decoder, sound } = decoding;
        Self {
            settings,
            counters: PlayoutCounters::default(),
            bursts: LossBursts::default(),
            source: None,
            phase: Phase::Idle,
            arrivals: Arrivals::default(),
            passed: None,
            clock: SenderClock::default(),
            timeline: Timeline::default(),
            pattern: Pattern::default(),
            transits: Transits::new(),
            redundancy: Redundancy::default(),
            decision: Decision::default(),
            buffer: PacketBuffer::new(),
            noise: ComfortNoise::new(sound.rate, NOISE_SEED),
            decoders: Decoders::new(decoder),
            sound,
            codec: None,
            silent_for: MediaTime::ZERO,
            pause: None,
            gap: Gap::None,
            last: Sound::Silence,
            delay: Duration::ZERO,
            wait: Duration::ZERO,
        }
    }

    /// Goes on with another decoder, as after a re-INVITE. Packets of the codec before are still played, and the
    /// timeline goes on if the timestamps do. What comes back is to be freed where that does no harm.
    pub fn set_decoding(&mut self, decoding: Decoding) -> Replaced {
        decoders::replace(&mut self.decoders, &mut self.sound, decoding)
    }

    /// Follows other settings from now on.
    pub fn set_settings(&mut self, settings: PlayoutSettings) {
        self.settings = settings;
    }

    /// Plays one 20 ms step into `out`, which takes the sound's rate, and says what it is.
    pub fn play(&mut self, now: Time, out: &mut Frame) -> Sound {
        self.timeline.begin_tick(now);
        self.start_if_due();
        self.choose_rate();
        if out.rate() != self.sound.rate {
            *out = Frame::silence(self.sound.rate);
        }
        let samples = out.samples_mut();
        let sound = match self.phase {
            Phase::Playing => self.play_on(now, samples),
            Phase::Idle | Phase::Starting => self.play_nothing(samples),
        };
        self.sound.history.remember(samples);
        self.timeline.end_tick(now);
        self.counters.concealed += u64::from(sound == Sound::Concealed);
        self.last = sound;
        sound
    }

    /// Has fetched what a tick needs of it.
    pub(crate) fn fetch_ahead(&self) {
        fetch(&self.phase);
        fetch(&self.delay);
        fetch(&self.clock);
        fetch(&self.decision);
        fetch(&self.counters);
        fetch(&self.counters.concealed);
        fetch(&self.sound.decoded);
        fetch(&self.sound.history);
        fetch(&self.sound.concealer);
        fetch(&self.decoders);
        fetch(&self.noise);
        self.buffer.fetch_ahead();
    }

    /// Has fetched what it points to, once it is here itself.
    pub(crate) fn fetch_beyond(&self) {
        self.sound.history.fetch_ahead();
        self.buffer.fetch_beyond();
    }

    /// Whether each tick brings silence and leaves all as it is until something comes: nothing has, or it was forgotten and has
    /// faded away.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.phase == Phase::Idle
            && self.last == Sound::Silence
            && self.pause.is_none()
            && !self.sound.concealer.is_active()
            && self.sound.history.is_silent()
    }

    /// Its ticks up to that at `now` were passed over in such a rest.
    pub(crate) fn has_rested(&mut self, now: Time) {
        self.timeline.end_tick(now);
    }

    /// What has happened to the packets so far.
    pub fn counters(&self) -> &PlayoutCounters {
        &self.counters
    }

    /// How long the packet that was begun last waited from its arrival to the play of its first sample. Of that, a
    /// part of up to 20 ms is the wait for the tick.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// The part of [`delay`](Self::delay) for which no setting is to blame: from the arrival to the next tick.
    pub fn wait_for_tick(&self) -> Duration {
        self.wait
    }

    /// Runs of packets that were not played, whether they were lost or discarded. What is lost at random is lost in
    /// as many runs; what is lost in bursts, in fewer.
    pub fn loss_bursts(&self) -> u64 {
        self.bursts.count()
    }

    /// The lateness that is provided for: how much later than the fastest ones packets come, but for a few, and at
    /// least the settings' floor.
    pub fn target(&self) -> Duration {
        Duration::from_nanos(u64::try_from(self.provision()).unwrap_or(0))
    }

    /// The interarrival jitter of the stream, as RTCP reports it (RFC 3550 §6.4.1), as a time.
    pub fn network_jitter(&self) -> Duration {
        self.transits.jitter()
    }

    /// Forgets the stream, as when signalling has agreed on another one. Counters stay.
    pub fn reset(&mut self) {
        self.start_over(None);
        self.forget_source();
        self.source = None;
        self.sound.history.forget();
        self.sound.concealer.stop();
        self.gap = Gap::None;
        self.last = Sound::Silence;
        (self.delay, self.wait) = (Duration::ZERO, Duration::ZERO);
    }

    /// Another source counts anew, and its codec remembers nothing of this one.
    fn forget_source(&mut self) {
        self.arrivals = Arrivals::default();
        self.decoders.reset();
    }

    /// The stream begins anew, after `passed`.
    fn start_over(&mut self, passed: Option<SequenceNumber>) {
        self.counters.discarded += self.buffer.len();
        if !self.buffer.is_empty() {
            self.bursts.note(false);
        }
        self.buffer.clear();
        self.sound.decoded.clear();
        self.clock.forget();
        self.transits = Transits::new();
        self.redundancy = Redundancy::default();
        self.decision = Decision::default();
        self.silent_for = MediaTime::ZERO;
        self.pause = None;
        self.passed = passed;
        self.phase = Phase::Idle;
    }
}

impl std::fmt::Debug for Playout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playout")
            .field("phase", &self.phase)
            .field("waiting", &self.buffer.len())
            .field("delay", &self.delay)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
