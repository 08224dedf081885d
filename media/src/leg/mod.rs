//! A leg: one far end's media. Receives and plays out what it says, sends what it hears.
//!
//! ```text
//! datagram ─▶ RTP? RTCP? ─▶ transport ─▶ payload type ─┬▶ telephone-event ─▶ digits ─▶ event
//!                           (far end?)                 └▶ audio ─▶ playout ─▶ hear (one frame a tick)
//! frame to be heard ─▶ encoded (own or shared) ─▶ send ─▶ datagram
//! ```

mod pending;
mod send;
mod transport;

use std::net::SocketAddr;
use std::time::Duration;

use self::pending::Pending;
pub(crate) use self::send::Encoded;
use self::send::{Sender, StreamStart};
use self::transport::{Source, Transport};
use crate::codec::Codec;
use crate::command::LegMedia;
use crate::event::{Digit, LegEvent};
use crate::fault::Planted;
use crate::frame::Frame;
use crate::id::LegId;
use crate::playout::{Playout, PlayoutCounters, PlayoutSettings, Sound};
use crate::rtp::DigitReceiver;
use crate::rtp::{PacketView, is_rtcp};
use crate::stats::{Counters, Discard};
use crate::time::Time;
use crate::transmit::Transmit;

/// The shortest RTCP packet: a header and the sender's SSRC (RFC 3550 §6.4.2).
const RTCP_LEN_MIN: usize = 8;

/// What a leg is built from.
#[derive(Clone, Debug)]
pub struct LegSettings {
    /// Its name.
    pub id: LegId,
    /// What signalling agreed.
    pub media: LegMedia,
    /// SSRC of what we send, drawn at random by the caller (RFC 3550 §8).
    pub ssrc: u32,
    /// The first sequence number we send, drawn at random by the caller.
    pub sequence_number: u16,
    /// The first timestamp we send, drawn at random by the caller.
    pub timestamp: u32,
    /// How the receive buffer behaves.
    pub playout: PlayoutSettings,
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

/// One far end's media. Built on the control side; lives in the engine; travels home when it is removed.
pub struct Leg {
    id: LegId,
    media: LegMedia,
    transport: Transport,
    playout: Playout,
    digits: DigitReceiver,
    sender: Sender,
    receive_timeout: Duration,
    last_sign_of_life: Option<Time>,
    reported_silent: bool,
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
        Box::new(Self {
            id: settings.id,
            transport: Transport::new(&settings.media),
            playout: Playout::new(settings.playout),
            digits: DigitReceiver::new(),
            sender: Sender::new(start, settings.media.payload_type),
            media: settings.media,
            receive_timeout: settings.receive_timeout,
            last_sign_of_life: None,
            reported_silent: false,
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
    pub const fn codec(&self) -> Codec {
        self.media.codec
    }

    /// What its receive buffer has seen.
    pub fn playout_counters(&self) -> &PlayoutCounters {
        self.playout.counters()
    }

    /// Packets it was sent.
    pub const fn packets_sent(&self) -> u64 {
        self.sender.packets()
    }

    /// What signalling agreed anew. A far end that stays where it is is reported as latched again: whoever
    /// opened the way for another one may close it.
    pub(crate) fn set_media(&mut self, media: LegMedia) {
        self.transport.renegotiate(&media);
        if let Some(source) = self.transport.latched() {
            self.pending.latched(source);
        }
        self.sender.set_payload_type(media.payload_type);
        self.media = media;
    }

    /// Takes a datagram in, or says why not.
    pub(crate) fn receive(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) {
        let taken = match datagram.port {
            Port::Rtcp => self.receive_rtcp(datagram),
            Port::Rtp if is_rtcp(datagram.payload) => self.receive_rtcp(datagram),
            Port::Rtp => self.receive_rtp(datagram, counters),
        };
        if let Err(discard) = taken {
            counters.count(discard);
        }
    }

    /// RTCP is only a sign of life so far.
    fn receive_rtcp(&mut self, datagram: &Datagram<'_>) -> Result<(), Discard> {
        if !is_rtcp(datagram.payload) {
            return Err(Discard::NotRtp);
        }
        if datagram.payload.len() < RTCP_LEN_MIN {
            return Err(Discard::Malformed);
        }
        if !self.transport.is_far_host(datagram.source) {
            return Err(Discard::NotFarEnd);
        }
        self.live(datagram.received_at);
        Ok(())
    }

    fn receive_rtp(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) -> Result<(), Discard> {
        // RFC 7983 §7: RTP and RTCP begin with version 2 in the two upper bits; STUN, DTLS and junk do not.
        if datagram.payload.first().is_none_or(|first| first >> 6 != 2) {
            return Err(Discard::NotRtp);
        }
        let packet = PacketView::parse(datagram.payload).map_err(|_| Discard::Malformed)?;
        match self.transport.judge(datagram.source, &packet) {
            Source::FarEnd => {}
            Source::Latched => self.pending.latched(datagram.source),
            Source::OnProbation => return Err(Discard::OnProbation),
            Source::Stranger => return Err(Discard::NotFarEnd),
        }
        self.live(datagram.received_at);
        if !self.media.direction.receive {
            return Err(Discard::NotReceiving);
        }
        if self.is_event(packet.payload_type()) {
            return self.receive_event(&packet, datagram.received_at, counters);
        }
        let codec = self.codec_of(packet.payload_type()).ok_or(Discard::UnknownPayloadType)?;
        self.playout.receive(&packet, codec, datagram.received_at);
        Ok(())
    }

    /// Telephone-events, as agreed or as we offered them. What was agreed for audio is audio all the same.
    fn is_event(&self, payload_type: u8) -> bool {
        let agreed = Some(payload_type) == self.media.telephone_event;
        let offered = Some(payload_type) == self.media.telephone_event_offered;
        agreed || (offered && payload_type != self.media.payload_type)
    }

    /// The agreed payload type, or a static one of the same family: many far ends answer with one G.711 law and
    /// send the other, and both are always decodable.
    fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        if payload_type == self.media.payload_type {
            return Some(self.media.codec);
        }
        Codec::G711.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    fn receive_event(
        &mut self,
        packet: &PacketView<'_>,
        received_at: Time,
        counters: &mut Counters,
    ) -> Result<(), Discard> {
        self.playout.note_event(packet);
        for ended in self.digits.receive(packet, received_at) {
            self.report_digit(ended, counters);
        }
        Ok(())
    }

    /// Events that are no keys (flash hook, fax tones) are not reported.
    fn report_digit(&mut self, event: u8, counters: &mut Counters) {
        let Some(digit) = Digit::from_event(event) else {
            return;
        };
        if !self.pending.digit(digit) {
            counters.digits_dropped += 1;
        }
    }

    fn live(&mut self, now: Time) {
        self.last_sign_of_life = Some(now);
        self.reported_silent = false;
    }

    /// What the far end says in this tick.
    pub(crate) fn hear(&mut self, now: Time, counters: &mut Counters, frame: &mut Frame) -> Sound {
        if let Some(ended) = self.digits.expire(now) {
            self.report_digit(ended, counters);
        }
        self.watch(now);
        let sound = self.playout.play(now, frame);
        // What came before a hold must not be heard after it was agreed.
        if self.media.direction.receive { sound } else { Sound::Silence }
    }

    fn watch(&mut self, now: Time) {
        let since = *self.last_sign_of_life.get_or_insert(now);
        if !self.reported_silent && now.since(since) >= self.receive_timeout {
            self.reported_silent = true;
            self.pending.silent();
        }
    }

    /// Makes this tick's packet. `false` if signalling does not let us send.
    pub(crate) fn send(&mut self, encoded: &Encoded, faults: Planted) -> bool {
        // Both laws are clocked at 8 kHz with one sample a byte.
        let duration = encoded.bytes().len() as u32;
        if !self.media.direction.send {
            self.sender.pass(duration);
            return false;
        }
        if faults.silences(self.sender.packets()) {
            let silence = Encoded::of(encoded.codec, &[0; 160]);
            self.sender.packetise(silence.bytes(), duration);
        } else {
            self.sender.packetise(encoded.bytes(), duration);
        }
        true
    }

    pub(crate) fn transmit(&self) -> Transmit<'_> {
        Transmit { leg: self.id, destination: self.transport.destination(), datagram: self.sender.packet() }
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn take_event(&mut self) -> Option<LegEvent> {
        self.pending.take()
    }
}

impl std::fmt::Debug for Leg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leg").field("id", &self.id).field("codec", &self.media.codec).finish_non_exhaustive()
    }
}
