//! Opus over the whole engine, in virtual time: what is not decoded, and packets of the length that the far end asks for,
//! read by libopus itself.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::{PlayoutCounters, PlayoutSettings};
use confab_media::{
    Ask, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings, Datagram,
    Direction, Encoder, EncoderSettings, Engine, EngineSettings, Leg, LegId, LegMedia, LegSettings, LegTerms,
    Port, Retired, SampleRate, Seat, Time, WallClock,
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

/// One who talks and one who listens, both in Opus.
struct Stage {
    engine: Engine,
    encoder: Encoder,
    /// What talkers' packets have beside a header.
    extension: Vec<u8>,
    sent: u32,
    now: Time,
}

impl Stage {
    /// The listener asks for packets of that length.
    fn new(ptime: u8) -> Self {
        let mut engine = Engine::new(EngineSettings { legs_max: 2, conferences_max: 1, tap_frames_max: 0 });
        let settings = ConferenceSettings::seats(2);
        let conference = Conference::equipped(CONFERENCE, settings, &[SampleRate::Hz48000]).unwrap();
        let mut ask = |ask| engine.handle_command(Command { id: CommandId(0), ask });
        ask(Ask::AddConference(conference));
        for (leg, ptime) in [(LegId(0), 20), (LegId(1), ptime)] {
            ask(Ask::AddLeg(Leg::new(settings_of(leg, ptime))));
            ask(Ask::Join(leg, CONFERENCE, Seat::default()));
        }
        let encoder = Encoder::new(Codec::Opus, EncoderSettings::default()).unwrap();
        Self { engine, encoder, extension: Vec::new(), sent: 0, now: Time::from_millis(1_000) }
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
        }
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

fn settings_of(leg: LegId, ptime: u8) -> LegSettings {
    let terms = LegTerms { ptime, audio_level: Some(LEVEL_ID), ..LegTerms::default() };
    LegSettings {
        id: leg,
        media: LegMedia {
            codec: Codec::Opus,
            payload_type: 96,
            telephone_event: None,
            telephone_event_offered: None,
            remote: address(leg),
            signalling: None,
            direction: Direction::BOTH,
            terms,
        },
        coding: Coding::new(Codec::Opus, ptime, EncoderSettings::default()).unwrap(),
        srtp: None,
        ssrc: leg.0 as u32,
        cname: *b"far-ends-0123456",
        wall: WallClock::default(),
        sequence_number: 65_500,
        timestamp: 0u32.wrapping_sub(9_600),
        playout: PlayoutSettings::default(),
        receive_timeout: Duration::from_secs(60),
    }
}
