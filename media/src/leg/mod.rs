//! A leg: one far end's media. Receives and plays out what it says, sends what it hears.
//!
//! ```text
//! datagram ─▶ RTP? RTCP? ─▶ SRTP ─▶ transport ─▶ payload type ─┬▶ telephone-event ─▶ digits ─▶ event
//!                                   (far end?)                 └▶ audio ─▶ playout ─▶ hear (one frame a tick)
//! frame to be heard ─▶ encoded (own or shared) ─▶ send ─▶ SRTP ─▶ outbox ─▶ datagrams
//! player (a sound, or a feed from outside) ─▶ frame to be heard, when it is heard instead of the conference
//! RTCP both ways ─▶ condition: how good it sounds, how much loss to expect
//! ```

mod capture;
mod coding;
mod condition;
mod dtmf;
mod feed;
mod fetch_ahead;
mod framing;
mod outbox;
mod pending;
mod player;
mod pressing;
mod quality;
mod receive;
mod rtcp;
mod security;
mod send;
mod sending;
mod transport;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::capture::{Attestation, CAPTURED_DIGITS_MAX, Capture, CapturedDigit, CapturedDigits, Dbfs};
pub use self::coding::Coding;
pub(crate) use self::coding::Encoded;
use self::condition::Condition;
use self::dtmf::Keys;
pub use self::dtmf::{
    DIGIT_DURATION, DIGIT_PAUSE, DIGIT_QUEUE_MAX, DUPLICATE_WINDOW, DigitCollector, DigitMethod,
    DigitPassage, DigitQueueFull, DigitSender, DigitWay, EventPacket, PREFERENCE_HOLD, PressedDigit,
};
pub use self::feed::{Feed, FeedWriter, feed};
use self::pending::Pending;
pub use self::player::{PlayEnd, Player, Plays, Sound, WeakSound};
pub use self::quality::{
    CodecImpairment, DirectionQuality, DirectionSample, Impairments, LatencyLedger, Micros, Quality,
    QualityMeter, QualityReport, QualitySample, Score, SendSample,
};
pub use self::rtcp::{
    Arrival, EXPECTED_LOSS_MAX, FarReception, LegRtcp, REPORT_INTERVAL, REPORT_LEN_MAX, Reception,
    ReceptionTotals, RtcpCounters, RtcpSettings, Sent, WallClock,
};
pub use self::security::LegSrtp;
use self::send::{Sender, StreamStart};
use self::transport::Transport;
use crate::codec::Codec;
use crate::command::{LegChange, LegMedia};
use crate::event::{LegEvent, Refusal};
use crate::frame::SampleRate;
use crate::id::{LegId, ProgrammeId};
use crate::playout::{Playout, PlayoutCounters, PlayoutSettings};
use crate::rtp::Ssrc;
use crate::time::{Tick, Time};
use crate::transmit::Transmit;

/// What a leg is built from.
#[derive(Debug)]
pub struct LegSettings {
    /// Its name.
    pub id: LegId,
    /// What signalling agreed.
    pub media: LegMedia,
    /// The state of its codec.
    pub coding: Box<Coding>,
    /// The keys of SRTP; none over plain RTP.
    pub srtp: Option<Box<LegSrtp>>,
    /// SSRC of what we send, drawn at random by the caller (RFC 3550 §8).
    pub ssrc: u32,
    /// The first sequence number we send, drawn at random by the caller.
    pub sequence_number: u16,
    /// The first timestamp we send, drawn at random by the caller.
    pub timestamp: u32,
    /// Our name in RTCP, drawn at random by the caller (RFC 7022 §4.2).
    pub cname: [u8; 16],
    /// What the wall clock showed at the engine's time zero.
    pub wall: WallClock,
    /// How the receive buffer behaves.
    pub playout: PlayoutSettings,
    /// Whether others hear the keys that the far end presses.
    pub digits: DigitPassage,
    /// No RTP and no RTCP for so long is reported, once per silence.
    pub receive_timeout: Duration,
}

/// One datagram as it came from a leg's sockets.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Which of the leg's ports it came to.
    pub port: Port,
    /// Who sent it.
    pub source: SocketAddr,
    /// Its content.
    pub payload: &'a [u8],
    /// When the kernel had it.
    pub received_at: Time,
}

/// A leg's two ports (RFC 3550 §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Even: RTP, and RTCP of those who multiplex (RFC 5761).
    Rtp,
    /// The next: RTCP.
    Rtcp,
}

/// Whether a leg hears what is on for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tuned {
    Out,
    In(ProgrammeId),
    /// The next frame fades out, and is the last: an edge would click.
    Fading(ProgrammeId),
}

/// One far end's media. Built on the control side; lives in the engine; travels home when it is removed.
pub struct Leg {
    id: LegId,
    media: LegMedia,
    transport: Transport,
    srtp: Option<Box<LegSrtp>>,
    playout: Playout,
    keys: Keys,
    /// What is being pressed towards the far end, once somebody has asked for it.
    presses: Option<Box<DigitSender>>,
    sender: Sender,
    coding: Box<Coding>,
    rtcp: LegRtcp,
    condition: Condition,
    /// What is played to it; also when that has ended, until it is played something else.
    player: Option<Box<Player>>,
    /// What is on for many and is heard instead, if anything.
    tuned: Tuned,
    /// When it last heard either.
    heard_played: Option<Time>,
    /// Marks of what it is played are in packets of this tick.
    has_packed_marks: bool,
    /// Payload type and codec before the last change: packets of it may still be on the way.
    format_before: Option<(u8, Codec)>,
    receive_timeout: Duration,
    last_sign_of_life: Option<Time>,
    reported_silent: bool,
    now: Time,
    /// It says nothing, at this rate, until something comes: neither its receive buffer nor what hears keys is looked at.
    resting: Option<SampleRate>,
    pending: Pending,
    /// Whether what it says and hears is copied.
    pub(crate) tapped: bool,
    /// Whether it is in the engine's list of legs with something to report.
    pub(crate) listed: bool,
}

impl Leg {
    /// Builds a leg with all the memory it will ever need.
    pub fn new(settings: LegSettings) -> Box<Self> {
        let start = StreamStart {
            ssrc: settings.ssrc,
            sequence_number: settings.sequence_number,
            timestamp: settings.timestamp,
        };
        let rtcp = RtcpSettings {
            ssrc: Ssrc(settings.ssrc),
            cname: settings.cname,
            // As random as the name.
            seed: u64::from(settings.ssrc) << 32 | u64::from(settings.timestamp),
            interval: REPORT_INTERVAL,
            wall: settings.wall,
        };
        let mut coding = settings.coding;
        Box::new(Self {
            id: settings.id,
            transport: Transport::new(&settings.media),
            srtp: settings.srtp,
            playout: Playout::new(settings.playout, coding.take_decoding()),
            keys: Keys::new(&settings.media, settings.digits),
            presses: None,
            sender: Sender::new(start, settings.media.payload_type),
            media: settings.media,
            coding,
            rtcp: LegRtcp::new(rtcp),
            condition: Condition::new(settings.id),
            player: None,
            tuned: Tuned::Out,
            heard_played: None,
            has_packed_marks: false,
            format_before: None,
            receive_timeout: settings.receive_timeout,
            last_sign_of_life: None,
            reported_silent: false,
            now: Time::ZERO,
            resting: None,
            pending: Pending::default(),
            tapped: false,
            listed: false,
        })
    }

    /// Its name.
    pub const fn id(&self) -> LegId {
        self.id
    }

    /// The codec it is sent.
    pub fn codec(&self) -> Codec {
        self.coding.codec()
    }

    /// What its receive buffer has seen.
    pub fn playout_counters(&self) -> &PlayoutCounters {
        self.playout.counters()
    }

    /// Packets it was sent.
    pub const fn packets_sent(&self) -> u64 {
        self.sender.packets()
    }

    /// Whether the codec can become what was agreed anew, with what is here and in `change`.
    pub(crate) fn can_become(&self, change: &LegChange) -> bool {
        change.coding.as_ref().map_or_else(|| self.codec(), |coding| coding.codec()) == change.media.codec
    }

    /// Becomes what was agreed anew. What is needed no more is left in `change`.
    ///
    /// A far end that stays where it is is reported as latched again: whoever opened the way for another one may
    /// close it.
    pub(crate) fn become_other(&mut self, change: &mut LegChange) {
        self.wake();
        self.transport.renegotiate(&change.media);
        if let Some(source) = self.transport.latched() {
            self.pending.latched(source);
        }
        self.sender.set_payload_type(change.media.payload_type);
        if let Some(coding) = change.coding.take() {
            self.format_before = Some((self.media.payload_type, self.media.codec));
            change.coding = Some(self.recode(coding));
        }
        change.srtp = security::renew(&mut self.srtp, change.srtp.take());
        self.keys.renegotiate(&self.media, &change.media, self.now);
        std::mem::swap(&mut self.media, &mut change.media);
    }

    /// Goes on with another codec. What comes back travels home.
    fn recode(&mut self, mut coding: Box<Coding>) -> Box<Coding> {
        // Packets of this tick may not have been fetched yet.
        coding.outbox.take_over(&self.coding.outbox);
        let tick = self.codec().clock_rate() / sending::TICKS_PER_SECOND;
        self.sender.drop_gathered(tick, &mut self.coding.framing);
        let replaced = self.playout.set_decoding(coding.take_decoding());
        let mut before = std::mem::replace(&mut self.coding, coding);
        before.take_home(replaced);
        before
    }

    /// It is in an engine that has come as far as `now`, maybe another one than before: nobody there knows where its
    /// far end is, or that it has something to report. What it is told before its first tick has happened now, not at
    /// the beginning of time.
    pub(crate) fn arrive(&mut self, now: Time) {
        self.wake();
        self.now = self.now.max(now);
        self.listed = false;
        // What is on here is not where it was there.
        self.coding.leave_broadcast();
        if let Some(source) = self.transport.latched() {
            self.pending.latched(source);
        }
    }

    /// Whether it speaks in its conference, as somebody hears it there.
    pub(crate) fn speaks(&mut self, speaks: bool) {
        self.pending.speaks(speaks);
    }

    /// The `n`th datagram of this tick.
    pub(crate) fn transmit(&self, n: usize) -> Option<Transmit<'_>> {
        let (port, datagram) = self.coding.outbox.get(n)?;
        // Seldom is one a report to another port than sound goes to.
        let apart = (port == Port::Rtcp).then(|| self.transport.rtcp_destination()).flatten();
        let destination = match apart {
            Some((Port::Rtcp, place)) => place,
            Some(_) | None => self.transport.destination(),
        };
        Some(Transmit { leg: self.id, port, destination, datagram })
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.pending.is_empty() || (self.resting.is_none() && self.keys.is_ready(self.now))
    }

    pub(crate) fn take_event(&mut self) -> Option<LegEvent> {
        let pressed = self.keys.poll(self.now).map(LegEvent::Digit);
        let pressed = pressed.or_else(|| self.keys.take_captured().map(LegEvent::DigitsCaptured));
        pressed.or_else(|| self.pending.take())
    }

    /// Captures the keys that the far end presses, from `tick` on. What is not needed for it is left in `capture`.
    pub(crate) fn start_capture(
        &mut self,
        capture: &mut Option<Box<Capture>>,
        tick: Tick,
    ) -> Result<(), Refusal> {
        self.wake();
        self.keys.start_capture(capture, tick)
    }

    /// Ends the capture as soon as nothing of it is left.
    pub(crate) fn stop_capture(&mut self) -> Result<(), Refusal> {
        self.keys.stop_capture(self.now)
    }

    /// Its capture: it goes, and no key will come of it any more.
    pub(crate) fn take_capture(&mut self) -> Option<Box<Capture>> {
        self.keys.take_capture()
    }

    /// Its capture, if that has ended.
    pub(crate) fn take_ended_capture(&mut self) -> Option<Box<Capture>> {
        self.keys.take_ended_capture()
    }

    /// Whether its capture has ended and was not fetched.
    pub(crate) const fn has_ended_capture(&self) -> bool {
        self.resting.is_none() && self.keys.has_ended_capture()
    }
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leg").field("id", &self.id).field("codec", &self.media.codec).finish_non_exhaustive()
    }
}
