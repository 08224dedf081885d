//! The engine: receives, mixes and sends the sound of conferences, and knows nothing of sockets, clocks,
//! files, threads or locks.
//!
//! ```text
//!              handle_command            poll_event
//!    control ─────────────────▶ ┌──────┐ ───────────▶ control
//!                               │      │ poll_retired
//!              handle_datagram  │Engine│ ───────────▶ control (frees memory)
//!    sockets ─────────────────▶ │      │ poll_transmit
//!                               │      │ ───────────▶ sockets
//!    clock   ── tick ─────────▶ │      │ poll_tap
//!                               └──────┘ ───────────▶ recorders, forks
//! ```
//!
//! Seven calls: [`handle_command`](Engine::handle_command), [`handle_datagram`](Engine::handle_datagram),
//! [`tick`](Engine::tick) (or its halves, [`mix`](Engine::mix) and [`encode`](Mixed::encode)), and then draining
//! [`poll_transmit`](Engine::poll_transmit), [`poll_event`](Engine::poll_event), [`poll_tap`](Engine::poll_tap) and
//! [`poll_retired`](Engine::poll_retired). Whoever has a clock may tell what a tick took
//! ([`note_times`](Engine::note_times)): the legs' ledgers quote it. Sound that is made while it is heard comes through a
//! ring ([`feed`]): what is in that when a tick is made is part of what went in, and how many of its marks were passed is seen
//! at its other end.
//!
//! Invariants, each with a test:
//! - What comes out depends on what went in and on nothing else: no clock, entropy, socket, file or lock.
//! - Once its legs and conferences are in, the engine does not allocate.
//! - A datagram, however broken, harms no leg but its own, and is counted under a name when it is dropped.
//! - One full mix per conference and tick; a talker hears it without their own voice, sample for sample.
//! - Listeners who hear the same share one encoded frame.
//! - A participant whose [`Audience`] is `Nobody` cannot be heard.

pub mod codec;
mod command;
mod conference;
mod costs;
pub mod dsp;
mod engine;
mod event;
mod fault;
mod frame;
pub mod ice;
mod id;
mod leg;
pub mod playout;
pub mod prefetch;
pub mod rtp;
pub mod srtp;
mod stats;
mod tap;
mod time;
mod transmit;

pub use codec::{Codec, CodecError, ComfortNoise, Decoded, Decoder, Encoder, EncoderSettings};
pub use command::{
    Ask, Audience, Command, Direction, Hearing, LegChange, LegMedia, LegSet, LegTerms, OpusTerms,
};
pub use conference::{Conference, ConferenceSettings, ConferenceTap, Equipment, Seat, TapParts};
pub use costs::TickTimes;
pub use dsp::level::{Level, SpeechChange};
pub use engine::{
    COMMANDS_PER_DRAIN, Engine, EngineSettings, IdHasher, IdMap, Mixed, PROGRAMMES_MAX, Programme, id_map,
};
pub use event::{
    ConferenceEvent, Digit, Event, LegEvent, LevelReport, Refusal, Retired, Tap, TapHead, TapSide, Tapped,
};
#[cfg(feature = "planted-faults")]
pub use fault::Fault;
pub use frame::{FRAME_LEN_MAX, Frame, SampleRate};
pub use id::{CaptureId, CommandId, ConferenceId, LegId, PlayerId, ProgrammeId};
pub use leg::{
    Arrival, EXPECTED_LOSS_MAX, FarReception, LegRtcp, REPORT_INTERVAL, REPORT_LEN_MAX, Reception,
    ReceptionTotals, RtcpCounters, RtcpSettings, Sent, WallClock,
};
pub use leg::{Attestation, CAPTURED_DIGITS_MAX, Capture, CapturedDigit, CapturedDigits, Dbfs};
pub use leg::{
    CodecImpairment, DirectionQuality, DirectionSample, Impairments, LatencyLedger, Micros, Quality,
    QualityMeter, QualityReport, QualitySample, Score, SendSample,
};
pub use leg::{Coding, Datagram, Leg, LegSettings, LegSrtp, Port};
pub use leg::{
    DIGIT_DURATION, DIGIT_PAUSE, DIGIT_QUEUE_MAX, DUPLICATE_WINDOW, DigitCollector, DigitMethod,
    DigitPassage, DigitQueueFull, DigitSender, DigitWay, EventPacket, PREFERENCE_HOLD, PressedDigit,
};
pub use leg::{Feed, FeedWriter, feed};
pub use leg::{PlayEnd, Player, Plays, Sound, WeakSound};
pub use stats::{Counters, Discard};
pub use tap::TapSink;
pub use time::{Tick, Time};
pub use transmit::Transmit;
