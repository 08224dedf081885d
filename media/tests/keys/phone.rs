//! Telephones around one engine, in virtual time.
#![allow(dead_code, reason = "each user needs a part")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::rtp::PacketView;
use confab_media::srtp::{SrtpKeys, SrtpPair, Unprotector};
use confab_media::{
    Ask, CaptureId, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings,
    Datagram, Decoder, DigitPassage, Direction, Encoder, EncoderSettings, Engine, EngineSettings, Event, Leg,
    LegEvent, LegId, LegMedia, LegSettings, LegSrtp, LegTerms, Port, PressedDigit, Refusal, Retired,
    SampleRate, Seat, Time, WallClock,
};

/// Payload type of telephone-events.
pub(crate) const EVENTS: u8 = 101;

/// One telephone: it sends a packet a tick, and keeps what it is sent.
pub(crate) struct Phone {
    pub(crate) id: u64,
    pub(crate) media: LegMedia,
    encoder: Encoder,
    decoder: Decoder,
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    /// What it heard, at its codec's rate: only sound, events leave it as it is.
    pub(crate) heard: Vec<i16>,
    /// All RTP packets that it was sent.
    pub(crate) packets: Vec<Vec<u8>>,
    unprotector: Option<Unprotector>,
}

/// What a telephone sends in a tick.
pub(crate) enum Says<'a> {
    Sound(&'a [i16]),
    /// The payload of a telephone-event that began at this timestamp.
    Event(u32, [u8; 4]),
    /// Sound whose packet gets lost.
    Lost(&'a [i16]),
    Nothing,
}

pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) phones: Vec<Phone>,
    pub(crate) now: Time,
    pub(crate) pressed: Vec<(u64, PressedDigit)>,
    /// The news of captured keys.
    pub(crate) captured: Vec<(u64, CaptureId)>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) retired: Vec<Retired>,
    passage: DigitPassage,
    /// What is sent is protected with these.
    keys: Option<SrtpKeys>,
}

/// A far end's media.
pub(crate) fn media(id: u64, codec: Codec, events: bool) -> LegMedia {
    LegMedia {
        codec,
        payload_type: codec.static_payload_type().unwrap_or(96),
        telephone_event: events.then_some(EVENTS),
        telephone_event_offered: None,
        remote: SocketAddr::from(([192, 0, 2, 1], 4_000 + id as u16)),
        signalling: None,
        direction: Direction::BOTH,
        terms: LegTerms { telephone_event_rate: codec.clock_rate(), ..LegTerms::default() },
    }
}

pub(crate) fn coding(media: &LegMedia) -> Box<Coding> {
    Coding::new(media.codec, media.terms.ptime, EncoderSettings::default()).unwrap()
}

impl Stage {
    /// Telephones of these codecs in one conference.
    pub(crate) fn new(passage: DigitPassage, codecs: &[Codec], events: bool) -> Self {
        let media = codecs.iter().enumerate().map(|(id, &codec)| media(id as u64, codec, events));
        Self::of(passage, media.collect())
    }

    pub(crate) fn of(passage: DigitPassage, media: Vec<LegMedia>) -> Self {
        Self::secured(passage, media, None)
    }

    /// The same over SRTP, if there are keys.
    pub(crate) fn secured(passage: DigitPassage, media: Vec<LegMedia>, keys: Option<SrtpKeys>) -> Self {
        let engine = Engine::new(EngineSettings { legs_max: 20, conferences_max: 2, tap_frames_max: 64 });
        let mut stage = Self {
            engine,
            phones: Vec::new(),
            now: Time::from_millis(5_000),
            pressed: Vec::new(),
            captured: Vec::new(),
            refused: Vec::new(),
            retired: Vec::new(),
            passage,
            keys,
        };
        let settings = ConferenceSettings::seats(20);
        let conference = Conference::equipped(ConferenceId(1), settings, &SampleRate::ALL).unwrap();
        stage.ask(Ask::AddConference(conference));
        for (id, media) in media.into_iter().enumerate() {
            stage.add(id as u64, media);
        }
        stage
    }

    pub(crate) fn add(&mut self, id: u64, media: LegMedia) {
        let leg = Leg::new(LegSettings {
            id: LegId(id),
            coding: coding(&media),
            srtp: self
                .keys
                .as_ref()
                .map(|keys| LegSrtp::new(&SrtpPair { send: keys.clone(), receive: keys.clone() })),
            ssrc: 0x5000 + id as u32,
            cname: *b"far-ends-0123456",
            wall: WallClock::default(),
            sequence_number: 65_530,
            timestamp: u32::MAX - 1_000,
            playout: PlayoutSettings::default(),
            digits: self.passage,
            receive_timeout: Duration::from_secs(60),
            media: media.clone(),
        });
        self.ask(Ask::AddLeg(leg));
        self.ask(Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
        self.phones.push(Phone {
            id,
            encoder: Encoder::new(media.codec, EncoderSettings::default()).unwrap(),
            decoder: Decoder::new(media.codec).unwrap(),
            ssrc: id as u32 + 1,
            sequence: 7,
            timestamp: 10_000,
            heard: Vec::new(),
            packets: Vec::new(),
            unprotector: self.keys.as_ref().map(Unprotector::new),
            media,
        });
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(1), ask });
        self.drain();
    }

    /// A tick. Telephones beyond `says` send nothing.
    pub(crate) fn tick(&mut self, says: &[Says<'_>]) {
        for (phone, says) in self.phones.iter_mut().zip(says) {
            let packet = phone.packet(says);
            if !packet.is_empty() {
                give(&mut self.engine, phone, &packet, self.now + Duration::from_millis(8));
            }
        }
        self.now += Duration::from_millis(20);
        self.engine.tick(self.now);
        while let Some(transmit) = self.engine.poll_transmit() {
            let phone = self.phones.iter_mut().find(|phone| LegId(phone.id) == transmit.leg).unwrap();
            phone.take(transmit.datagram);
        }
        self.drain();
    }

    /// Hands in a packet of the first telephone, made elsewhere.
    pub(crate) fn give(&mut self, packet: &[u8]) {
        give(&mut self.engine, &self.phones[0], packet, self.now + Duration::from_millis(8));
    }

    /// The first telephone says this, and the others nothing.
    pub(crate) fn play(&mut self, sound: &[i16]) {
        let len = self.phones[0].media.codec.sample_rate().frame_len();
        for chunk in sound.chunks(len) {
            let mut frame = chunk.to_vec();
            frame.resize(len, 0);
            self.tick(&[Says::Sound(&frame)]);
        }
    }

    pub(crate) fn quiet(&mut self, ticks: usize) {
        let len = self.phones[0].media.codec.sample_rate().frame_len();
        self.play(&vec![0; len * ticks]);
    }

    /// What the first telephone's presses were told as: which, for how long in milliseconds, how.
    pub(crate) fn keys(&self) -> Vec<(char, u128, confab_media::DigitMethod)> {
        let mine = self.pressed.iter().filter(|(leg, _)| *leg == 0);
        mine.map(|(_, key)| (key.digit.expose(), key.duration.as_millis(), key.method)).collect()
    }

    fn drain(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Leg { leg, event: LegEvent::Digit(key) } => self.pressed.push((leg.0, key)),
                Event::Leg { leg, event: LegEvent::DigitsCaptured(id) } => self.captured.push((leg.0, id)),
                Event::Refused { refusal, .. } => self.refused.push(refusal),
                Event::Applied { .. } | Event::Leg { .. } | Event::Conference { .. } => {}
            }
        }
        self.retired.extend(std::iter::from_fn(|| self.engine.poll_retired()));
    }
}

fn give(engine: &mut Engine, phone: &Phone, packet: &[u8], received_at: Time) {
    let datagram = Datagram { port: Port::Rtp, source: phone.media.remote, payload: packet, received_at };
    engine.handle_datagram(LegId(phone.id), &datagram);
}

impl Phone {
    fn packet(&mut self, says: &Says<'_>) -> Vec<u8> {
        let units = self.media.codec.clock_rate() / 50;
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(units);
        let mut payload = [0; 2_000];
        match says {
            Says::Sound(samples) => {
                let len = self.encoder.encode(samples, &mut payload);
                self.rtp(self.media.payload_type, timestamp, &payload[..len])
            }
            Says::Lost(samples) => {
                self.encoder.encode(samples, &mut payload);
                self.sequence = self.sequence.wrapping_add(1);
                Vec::new()
            }
            Says::Event(start, payload) => self.rtp(EVENTS, *start, payload),
            Says::Nothing => Vec::new(),
        }
    }

    pub(crate) fn rtp(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }

    fn take(&mut self, datagram: &[u8]) {
        if confab_media::rtp::is_rtcp(datagram) {
            return;
        }
        let mut opened = [0; 2_000];
        let datagram = match &mut self.unprotector {
            Some(unprotector) => unprotector.unprotect(datagram, &mut opened).unwrap(),
            None => datagram,
        };
        let packet = PacketView::parse(datagram).unwrap();
        if packet.payload_type() == self.media.payload_type {
            let mut samples = [0; 960 * 6];
            let decoded = self.decoder.decode(packet.payload(), &mut samples);
            self.heard.extend(&samples[..decoded.samples]);
        }
        self.packets.push(datagram.to_vec());
    }
}
