//! Opus over the whole engine, in virtual time: what is not decoded, and packets of the length that the far end asks for,
//! read by libopus itself.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::{PlayoutCounters, PlayoutSettings};
use confab_media::{
    Ask, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings, Datagram,
    DigitPassage, Direction, Encoder, EncoderSettings, Engine, EngineSettings, Leg, LegChange, LegId,
    LegMedia, LegSettings, LegTerms, Port, Retired, SampleRate, Seat, Time, WallClock,
};

const CONFERENCE: ConferenceId = ConferenceId(1);
const LEVEL_ID: u8 = 3;

#[test]
fn who_says_that_nobody_speaks_is_not_decoded() {
    // 200 of 210 packets; the first ten are decoded in any case.
    let cases = [
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4, 127, 0, 0], 200, "silence"),
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4, 0x80 | 127, 0, 0], 200, "silence that is called a voice"),
        (vec![0x10, 0, 0, 1, LEVEL_ID, 1, 127, 0], 200, "with a header of two bytes"),
        (vec![0xbe, 0xde, 0, 1, 0x10, 9, LEVEL_ID << 4, 127], 200, "behind another element"),
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4, 75, 0, 0], 200, "the hum of a line"),
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4, 0x80 | 75, 0, 0], 0, "a quiet voice"),
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4, 60, 0, 0], 0, "noise that can be heard"),
        (vec![0xbe, 0xde, 0, 1, (LEVEL_ID + 1) << 4, 127, 0, 0], 0, "another element"),
        (vec![0xbe, 0xde, 0, 1, LEVEL_ID << 4 | 4, 127, 0, 0], 0, "an element that goes beyond the end"),
    ];
    for (extension, undecoded, case) in cases {
        let mut stage = Stage::new(20);
        stage.extension = extension;
        stage.run(210);
        assert_eq!(stage.counters().undecoded, undecoded, "{case}");
    }
    let mut stage = Stage::new(20);
    stage.run(210);
    assert_eq!(stage.counters().undecoded, 0, "without a word of it");
}

#[test]
fn packets_are_as_long_as_the_far_end_asks_for_and_nothing_else_changes() {
    for ptime in [40, 60] {
        let mut stage = Stage::new(ptime);
        let before = stage.engine.counters().encoded;
        stage.run(300);
        // Both listeners share one encoder, and the talker hears nobody.
        assert_eq!(stage.engine.counters().encoded - before, 300 + 300, "{ptime}");
        let (wanted, usual) = (stage.heard(1), stage.heard(2));
        assert_eq!(wanted.durations, vec![u32::from(ptime) * 48; 300 * 20 / usize::from(ptime)]);
        assert_eq!(wanted.sound, usual.sound, "sample for sample, {ptime}");
    }
}

#[test]
fn packets_of_10_ms_come_from_an_encoder_that_makes_such() {
    let mut stage = Stage::new(10);
    stage.run(300);
    let wanted = stage.heard(1);
    assert_eq!(wanted.durations, [480; 600]);
    let recent = &wanted.sound[100_000..];
    assert!(level(recent, 440.0) > 6_000.0, "{}", level(recent, 440.0));
}

#[test]
fn time_goes_on_through_a_hold_and_a_change_of_packet_length() {
    let mut stage = Stage::new(60);
    stage.run(50);
    for (direction, ptime, ticks) in [
        (Direction { send: false, ..Direction::BOTH }, None, 40),
        (Direction::BOTH, None, 50),
        (Direction::BOTH, Some(40), 51),
        (Direction::BOTH, Some(10), 50),
        (Direction::BOTH, Some(20), 50),
    ] {
        stage.change(LegId(1), direction, ptime);
        stage.run(ticks);
    }
    // From the first packet to the last, every timestamp is where its tick is.
    let packets = &stage.sent_to[1];
    let (first, last) = (packets[0].clone(), packets[packets.len() - 1].clone());
    assert_eq!((first.tick, last.tick), (2, 290));
    // The first holds this tick and the two before it, the last this one only.
    assert_eq!(last.timestamp.wrapping_sub(first.timestamp), (last.tick - first.tick + 2) * 960);
    for pair in packets.windows(2) {
        assert_eq!(pair[1].number, pair[0].number.wrapping_add(1));
        let passed = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(passed >= pair[0].duration() && passed.is_multiple_of(480), "{passed}");
    }
}

/// One who talks and two who listen, all in Opus.
struct Stage {
    engine: Engine,
    encoder: Encoder,
    /// What talkers' packets have beside a header.
    extension: Vec<u8>,
    sent: u32,
    now: Time,
    /// What each leg was sent.
    sent_to: [Vec<Packet>; 3],
}

/// A packet that a far end got.
#[derive(Clone)]
struct Packet {
    tick: u32,
    number: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

impl Packet {
    /// In units of the timestamp, by libopus's word.
    fn duration(&self) -> u32 {
        opus::packet::get_nb_samples(&self.payload, 48_000).unwrap() as u32
    }
}

/// What libopus makes of a stream.
struct Heard {
    durations: Vec<u32>,
    sound: Vec<i16>,
}

impl Stage {
    /// The first listener asks for packets of that length.
    fn new(ptime: u8) -> Self {
        let mut engine = Engine::new(EngineSettings { legs_max: 3, conferences_max: 1, tap_frames_max: 0 });
        let settings = ConferenceSettings::seats(3);
        let conference = Conference::equipped(CONFERENCE, settings, &[SampleRate::Hz48000]).unwrap();
        let mut ask = |ask| engine.handle_command(Command { id: CommandId(0), ask });
        ask(Ask::AddConference(conference));
        for (leg, ptime) in [(LegId(0), 20), (LegId(1), ptime), (LegId(2), 20)] {
            ask(Ask::AddLeg(Leg::new(settings_of(leg, ptime))));
            ask(Ask::Join(leg, CONFERENCE, Seat::default()));
        }
        let encoder = Encoder::new(Codec::Opus, EncoderSettings::default()).unwrap();
        Self {
            engine,
            encoder,
            extension: Vec::new(),
            sent: 0,
            now: Time::from_millis(1_000),
            sent_to: [const { Vec::new() }; 3],
        }
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            let packet = self.packet();
            let source = address(LegId(0));
            let received_at = self.now;
            let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
            self.engine.handle_datagram(LegId(0), &datagram);
            self.now += Duration::from_millis(12);
            self.engine.tick(self.now);
            while let Some(sent) = self.engine.poll_transmit() {
                let (header, payload) = sent.datagram.split_at(12);
                self.sent_to[sent.leg.0 as usize].push(Packet {
                    tick: self.sent - 1,
                    number: u16::from_be_bytes([header[2], header[3]]),
                    timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
                    payload: payload.to_vec(),
                });
            }
        }
    }

    /// What a far end heard.
    fn heard(&self, leg: usize) -> Heard {
        let packets = &self.sent_to[leg];
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).unwrap();
        let mut sound = Vec::new();
        for packet in packets {
            let mut samples = [0; 5_760];
            let decoded = decoder.decode(&packet.payload, &mut samples, false).unwrap();
            sound.extend(&samples[..decoded]);
        }
        for pair in packets.windows(2) {
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), pair[0].duration());
        }
        Heard { durations: packets.iter().map(Packet::duration).collect(), sound }
    }

    /// A re-INVITE, perhaps with another length of packets.
    fn change(&mut self, leg: LegId, direction: Direction, ptime: Option<u8>) {
        let media = LegMedia { direction, ..media(leg, ptime.unwrap_or(20)) };
        let coding = |ptime| Coding::new(Codec::Opus, ptime, EncoderSettings::default()).unwrap();
        let change = Box::new(LegChange { media, coding: ptime.map(coding), srtp: None });
        self.engine.handle_command(Command { id: CommandId(0), ask: Ask::SetLegMedia(leg, change) });
    }

    /// A tone of 440 Hz.
    fn packet(&mut self) -> Vec<u8> {
        let turn = |i: u32| f64::from(self.sent * 960 + i) * 440.0 / 48_000.0 * std::f64::consts::TAU;
        let sound: Vec<i16> = (0..960).map(|i| (8_000.0 * turn(i).sin()) as i16).collect();
        let mut payload = [0; 640];
        let len = self.encoder.encode(&sound, &mut payload);
        self.sent += 1;
        let mut packet = vec![if self.extension.is_empty() { 0x80 } else { 0x90 }, 96];
        packet.extend((self.sent as u16).to_be_bytes());
        packet.extend((self.sent * 960).to_be_bytes());
        packet.extend([0, 0, 0, 9]);
        packet.extend(&self.extension);
        packet.extend(&payload[..len]);
        packet
    }

    /// Of the talker, who leaves.
    fn counters(&mut self) -> PlayoutCounters {
        self.engine.handle_command(Command { id: CommandId(0), ask: Ask::RemoveLeg(LegId(0)) });
        while let Some(retired) = self.engine.poll_retired() {
            if let Retired::Leg(leg) = retired {
                return *leg.playout_counters();
            }
        }
        panic!("the leg comes home");
    }
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + leg.0 as u16))
}

fn media(leg: LegId, ptime: u8) -> LegMedia {
    LegMedia {
        codec: Codec::Opus,
        payload_type: 96,
        telephone_event: None,
        telephone_event_offered: None,
        remote: address(leg),
        signalling: None,
        direction: Direction::BOTH,
        terms: LegTerms { ptime, audio_level: Some(LEVEL_ID), ..LegTerms::default() },
    }
}

/// The amplitude of a tone in the sound.
fn level(sound: &[i16], hertz: f64) -> f64 {
    let turn = |i: usize| hertz * i as f64 / 48_000.0 * std::f64::consts::TAU;
    let part = |of: fn(f64) -> f64| -> f64 {
        sound.iter().enumerate().map(|(i, &sample)| f64::from(sample) * of(turn(i))).sum()
    };
    part(f64::sin).hypot(part(f64::cos)) * 2.0 / sound.len() as f64
}

fn settings_of(leg: LegId, ptime: u8) -> LegSettings {
    LegSettings {
        id: leg,
        media: media(leg, ptime),
        coding: Coding::new(Codec::Opus, ptime, EncoderSettings::default()).unwrap(),
        srtp: None,
        ssrc: leg.0 as u32,
        cname: *b"far-ends-0123456",
        wall: WallClock::default(),
        sequence_number: 65_500,
        timestamp: 0u32.wrapping_sub(9_600),
        playout: PlayoutSettings::default(),
        digits: DigitPassage::default(),
        receive_timeout: Duration::from_secs(60),
    }
}
