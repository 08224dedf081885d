//! What comes to a leg, and what it says in a tick.

use std::net::SocketAddr;

use super::capture::Tainted;
use super::outbox::DATAGRAM_MAX;
use super::transport::Source;
use super::{Arrival, Datagram, Leg, Port, PressedDigit};
use crate::codec::Codec;
use crate::command::Direction;
use crate::frame::Frame;
use crate::playout::Sound;
use crate::rtp::rtcp::Compound;
use crate::rtp::{AudioLevel, Extensions, PacketView, is_rtcp};
use crate::srtp::SrtpError;
use crate::stats::{Counters, Discard};
use crate::time::Time;

/// The shortest RTCP packet: a header and the sender's SSRC (RFC 3550 §6.4.2).
const RTCP_LEN_MIN: usize = 8;

/// A packet at most this loud, in -dBov, holds nothing that 16 bits could tell from silence (RFC 6464 §3: 127 is a
/// muted microphone).
const SILENT: u8 = 100;

/// One at most this loud, of which the sender says that nobody speaks in it, is the noise of an idle line: ITU-T G.712 §9
/// lets a telephone line have -65 dBm0p of it, which is 6 dB less in dBov.
const IDLE: u8 = 71;

impl Leg {
    /// Takes a datagram in, or says why not.
    pub(crate) fn receive(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) {
        if self.media.terms.ice {
            if self.transport.follow(datagram.source) {
                self.pending.latched(datagram.source);
            }
            // It only tells where the far end is.
            if datagram.payload.is_empty() {
                return;
            }
            if self.srtp.is_none() {
                return counters.count(Discard::NoKeys);
            }
        }
        let taken = match datagram.port {
            Port::Rtcp => self.receive_rtcp(datagram, counters),
            Port::Rtp if is_rtcp(datagram.payload) => self.receive_rtcp(datagram, counters),
            Port::Rtp => self.receive_rtp(datagram, counters),
        };
        if let Err(discard) = taken {
            counters.count(discard);
        }
    }

    fn receive_rtcp(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) -> Result<(), Discard> {
        if !is_rtcp(datagram.payload) {
            return Err(Discard::NotRtp);
        }
        if !self.transport.is_far_host(datagram.source) {
            return Err(Discard::NotFarEnd);
        }
        let mut opened = [0; DATAGRAM_MAX];
        let compound = self.open(datagram.payload, &mut opened)?;
        if compound.len() < RTCP_LEN_MIN {
            return Err(Discard::Malformed);
        }
        let compound = Compound::parse(compound).map_err(|_| Discard::Malformed)?;
        if datagram.port == Port::Rtcp {
            self.transport.learn_rtcp(datagram.source);
        }
        let malformed = self.rtcp.counters().malformed;
        self.rtcp.note_sent(self.sender.sent());
        self.rtcp.receive(&compound, datagram.received_at);
        counters.rtcp_malformed += self.rtcp.counters().malformed - malformed;
        self.live(datagram.received_at);
        Ok(())
    }

    fn receive_rtp(&mut self, datagram: &Datagram<'_>, counters: &mut Counters) -> Result<(), Discard> {
        // RFC 7983 §7: RTP and RTCP begin with version 2 in the two upper bits; STUN, DTLS and junk do not.
        if datagram.payload.first().is_none_or(|first| first >> 6 != 2) {
            return Err(Discard::NotRtp);
        }
        if self.srtp.is_none() {
            return self.receive_plain(datagram, datagram.payload, counters);
        }
        if !self.transport.may_be(datagram.source) {
            return Err(Discard::NotFarEnd);
        }
        let mut opened = [0; DATAGRAM_MAX];
        let len = self.open(datagram.payload, &mut opened)?.len();
        self.receive_plain(datagram, &opened[..len], counters)
    }

    /// Opens SRTP; what is plain is open.
    fn open<'a>(&mut self, datagram: &'a [u8], out: &'a mut [u8]) -> Result<&'a [u8], Discard> {
        let Some(srtp) = &mut self.srtp else {
            return Ok(datagram);
        };
        srtp.unprotector.unprotect(datagram, out).map_err(|error| match error {
            SrtpError::Replayed => Discard::Replayed,
            SrtpError::TooShort | SrtpError::TooLong => Discard::Malformed,
            SrtpError::NotAuthentic | SrtpError::TooManyStreams | SrtpError::IndexUsedUp => {
                Discard::NotAuthentic
            }
        })
    }

    fn receive_plain(
        &mut self,
        datagram: &Datagram<'_>,
        packet: &[u8],
        counters: &mut Counters,
    ) -> Result<(), Discard> {
        let packet = PacketView::parse(packet).map_err(|_| Discard::Malformed)?;
        self.judge(datagram.source, &packet)?;
        self.live(datagram.received_at);
        if !self.media.direction.receive {
            return Err(Discard::NotReceiving);
        }
        let is_event = self.is_event(packet.payload_type());
        let is_noise = Some(packet.payload_type()) == self.comfort_noise();
        let codec = self.codec_of(packet.payload_type());
        if !is_event && !is_noise && codec.is_none() {
            return Err(Discard::UnknownPayloadType);
        }
        self.wake();
        let clock_rate = self.media.codec.clock_rate();
        self.rtcp.note_rtp(&Arrival {
            ssrc: packet.ssrc(),
            sequence_number: packet.sequence_number(),
            timestamp: packet.timestamp(),
            clock_rate: codec.map_or(clock_rate, Codec::clock_rate),
            at: datagram.received_at,
        });
        match codec {
            _ if is_event => self.receive_event(&packet, datagram.received_at, counters),
            Some(codec) if self.says_silent(&packet) => {
                self.playout.receive_silent(&packet, codec, datagram.received_at);
            }
            Some(codec) => self.playout.receive(&packet, codec, datagram.received_at),
            None => self.playout.receive_comfort_noise(&packet, clock_rate, datagram.received_at),
        }
        Ok(())
    }

    /// Whether the packet says of itself that nothing is to be heard in it (RFC 6464). From a sender that does not tell
    /// speech from noise, it is silent where speech would be too quiet to be heard.
    fn says_silent(&self, packet: &PacketView<'_>) -> bool {
        let level = self.media.terms.audio_level.zip(packet.extension()).and_then(|(id, (profile, data))| {
            Extensions::new(profile, data).find(id).and_then(AudioLevel::parse)
        });
        level.is_some_and(|AudioLevel { voice, level }| {
            level.minus_dbov() >= SILENT || (!voice && level.minus_dbov() >= IDLE)
        })
    }

    fn judge(&mut self, source: SocketAddr, packet: &PacketView<'_>) -> Result<(), Discard> {
        match self.transport.judge(source, packet) {
            Source::FarEnd => {}
            Source::Latched => self.pending.latched(source),
            Source::OnProbation => return Err(Discard::OnProbation),
            Source::Stranger => return Err(Discard::NotFarEnd),
        }
        Ok(())
    }

    /// Telephone-events, as agreed or as we offered them. What was agreed for audio is audio all the same.
    fn is_event(&self, payload_type: u8) -> bool {
        let agreed = Some(payload_type) == self.media.telephone_event;
        let offered = Some(payload_type) == self.media.telephone_event_offered;
        agreed || (offered && payload_type != self.media.payload_type)
    }

    /// Comfort noise as agreed; at 8 kHz far ends send it by its static payload type (RFC 3389 §4) unasked.
    fn comfort_noise(&self) -> Option<u8> {
        const STATIC: u8 = 13;
        let is_narrow = self.media.codec.clock_rate() == 8_000;
        self.media.terms.comfort_noise.or_else(|| is_narrow.then_some(STATIC))
    }

    /// The agreed payload type, or a static one of the same family: many far ends answer with one G.711 law and
    /// send the other, and both are always decodable.
    fn codec_of(&self, payload_type: u8) -> Option<Codec> {
        if payload_type == self.media.payload_type {
            return Some(self.media.codec);
        }
        if let Some((before, codec)) = self.format_before
            && before == payload_type
        {
            return Some(codec);
        }
        let is_g711 = Codec::G711.contains(&self.media.codec);
        Codec::G711.into_iter().find(|codec| is_g711 && codec.static_payload_type() == Some(payload_type))
    }

    fn receive_event(&mut self, packet: &PacketView<'_>, received_at: Time, counters: &mut Counters) {
        self.playout.note_event(packet);
        self.keys.receive(packet, received_at, self.now, counters);
    }

    /// Takes in a key that signalling told.
    pub(crate) fn hear_digit(&mut self, key: PressedDigit, counters: &mut Counters) {
        self.wake();
        counters.digits_dropped += u64::from(!self.keys.hear(key, self.now));
    }

    fn live(&mut self, now: Time) {
        self.last_sign_of_life = Some(now);
        self.reported_silent = false;
    }

    /// What the far end says in this tick, at the rate of its codec. A tick of the leg begins with it.
    pub(crate) fn hear(&mut self, now: Time, counters: &mut Counters, frame: &mut Frame) -> Sound {
        self.now = now;
        self.coding.outbox.clear();
        self.begin_press();
        self.watch(now);
        if let Some(rate) = self.resting {
            if frame.rate() != rate {
                *frame = Frame::silence(rate);
            }
            return Sound::Silence;
        }
        self.keys.expire(now, counters);
        let said = Tainted::play(&mut self.playout, &mut self.coding, now, frame);
        let said = if self.media.direction.receive { said } else { said.held() };
        let heard = self.keys.listen(now, self.playout.counters().resets, said, counters);
        if heard == Sound::Silence && self.playout.is_at_rest() && self.keys.are_at_rest() {
            self.resting = Some(self.codec().sample_rate());
        }
        heard
    }

    /// Something comes: what it rests from is looked at again, as if it had been in each tick.
    pub(super) fn wake(&mut self) {
        if self.resting.take().is_some() {
            self.playout.has_rested(self.now);
        }
    }

    /// Only one with whom sound flows both ways is missed when nothing comes: others have agreed to be silent, or send
    /// music if they like, and have all their time when they are back.
    fn watch(&mut self, now: Time) {
        if self.media.direction != Direction::BOTH {
            self.last_sign_of_life = Some(now);
            return;
        }
        let since = *self.last_sign_of_life.get_or_insert(now);
        if !self.reported_silent && now.since(since) >= self.receive_timeout {
            self.reported_silent = true;
            self.pending.silent();
        }
    }
}
