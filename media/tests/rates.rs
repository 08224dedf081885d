//! Conferences whose participants speak at different rates, in virtual time: each far end sends a tone of its own,
//! and what it is sent must hold the tones of those it should hear, and not its own.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::codec::L16Rate;
use confab_media::{
    Ask, Audience, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings, Datagram,
    Decoder, Encoder, EncoderSettings, Engine, EngineSettings, Equipment, Event, Leg, LegChange, LegId,
    LegMedia, LegSet, LegSettings, LegTerms, Port, Refusal, SampleRate, Seat, Time,
};

const CONFERENCE: ConferenceId = ConferenceId(1);

/// What a tone is sent with.
const AMPLITUDE: f64 = 6_000.0;

/// A tone is heard from this part (-6 dB) of what was sent, and not heard up to this part (-30 dB): Opus makes noise of
/// its own up to -38 dB between the tones of four talkers.
const HEARD: f64 = 0.5;
const UNHEARD: f64 = 0.03;

/// One far end: a codec both ways and a tone.
struct FarEnd {
    codec: Codec,
    hertz: f64,
    encoder: Encoder,
    decoder: Decoder,
    sequence: u16,
    timestamp: u32,
    sample: u64,
    talks: bool,
    heard: Vec<i16>,
    payload_lens: Vec<usize>,
}

struct Stage {
    engine: Engine,
    far_ends: Vec<FarEnd>,
    rtcp: Vec<(Port, SocketAddr, Vec<u8>)>,
    now: Time,
}

#[test]
fn all_rates_hear_each_other_and_not_themselves() {
    let mut stage =
        Stage::new(&[Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16(L16Rate::Hz16000), Codec::Pcma]);
    stage.run(100);
    for leg in 0..5 {
        stage.expect(leg, |other| other != leg);
    }
}

#[test]
fn nothing_changes_for_narrow_participants_when_wide_ones_come() {
    let alone = {
        let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcma]);
        stage.run(100);
        stage.far_ends.swap_remove(0).heard
    };
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcma]);
    stage.run(50);
    stage.add(Codec::Opus);
    stage.far_ends[2].talks = false;
    stage.run(50);
    assert_eq!(stage.far_ends[0].heard, alone, "sample for sample");
}

#[test]
fn a_coach_of_another_rate_is_heard_by_the_coached_alone() {
    let codecs = [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::Pcmu];
    let mut stage = Stage::new(&codecs);
    let agent = LegSet::new(&[LegId(1)]).unwrap();
    stage.ask(Ask::SetAudience(LegId(2), Audience::Only(agent))).unwrap();
    stage.run(100);
    stage.expect(0, |other| other == 1 || other == 3);
    stage.expect(1, |other| other != 1);
    stage.expect(2, |other| other != 2);
    stage.expect(3, |other| other == 0 || other == 1);
}

#[test]
fn a_codec_can_change_in_the_middle_and_the_stream_goes_on() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Opus]);
    stage.run(60);
    for codec in [Codec::G722, Codec::Pcmu, Codec::Opus] {
        stage.change(0, codec);
        stage.run(100);
        stage.expect(0, |other| other == 1);
        stage.expect(1, |other| other == 0);
    }
}

#[test]
fn who_is_in_no_conference_is_sent_silence_of_whole_frames() {
    let mut stage = Stage::new(&[Codec::Opus, Codec::G722, Codec::L16(L16Rate::Hz16000)]);
    stage.run(50);
    for leg in 0..3 {
        stage.ask(Ask::Leave(LegId(leg))).unwrap();
        stage.far_ends[leg as usize].payload_lens.clear();
    }
    stage.run(100);
    for leg in 0..3 {
        stage.expect(leg, |_| false);
        let far_end = &stage.far_ends[leg];
        let whole = |len: &usize| far_end.codec == Codec::Opus || *len == [0, 160, 640][leg];
        assert!(far_end.payload_lens.len() == 100 && far_end.payload_lens.iter().all(whole));
    }
}

#[test]
fn a_far_end_gets_reports_and_a_goodbye() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Opus]);
    let mut heard = media(0, Codec::Pcmu, 20);
    heard.terms.rtcp = Some(engine_leg::address(77));
    let change = LegChange { media: heard, coding: None, srtp: None };
    stage.ask(Ask::SetLegMedia(LegId(0), Box::new(change))).unwrap();
    stage.run(1_000);
    let reports = stage.rtcp.len();
    assert!((2..=8).contains(&reports), "about every five seconds in twenty: {reports}");
    // Sender reports (200), in a compound with a name.
    assert!(stage.rtcp.iter().all(|(port, to, report)| {
        *port == Port::Rtcp && *to == engine_leg::address(77) && report[1] == 200 && report.len() > 60
    }));
    stage.engine.handle_command(Command { id: CommandId(0), ask: Ask::RemoveLeg(LegId(0)) });
    assert!(stage.engine.poll_retired().is_none(), "it has something to say first");
    let goodbye = stage.engine.poll_transmit().unwrap();
    assert_eq!((goodbye.port, goodbye.destination), (Port::Rtcp, engine_leg::address(77)));
    // The last packet of the compound is a goodbye (203).
    assert_eq!(goodbye.datagram[goodbye.datagram.len() - 7], 203);
    assert!(stage.engine.poll_transmit().is_none());
    assert!(stage.engine.poll_retired().is_some());
}

#[test]
fn packets_are_as_long_as_the_far_end_wants_them() {
    for (ptime, len) in [(10, 80), (20, 160), (30, 240), (40, 320), (60, 480)] {
        let mut stage = Stage::empty();
        stage.add_with(Codec::Pcmu, ptime);
        stage.add(Codec::Opus);
        stage.run(120);
        assert!(stage.far_ends[0].payload_lens.iter().all(|&l| l == len), "{ptime} ms");
        stage.expect(0, |other| other == 1);
    }
}

#[test]
fn who_speaks_at_a_rate_the_conference_has_no_means_for_is_refused() {
    let mut stage = Stage::empty();
    let bare = ConferenceId(2);
    stage.ask(Ask::AddConference(Conference::new(bare, ConferenceSettings::seats(2)))).unwrap();
    stage.add(Codec::G722);
    let join = |stage: &mut Stage| stage.ask(Ask::Join(LegId(0), bare, Seat::default()));
    assert_eq!(join(&mut stage), Err(Refusal::NotEquipped));
    stage.ask(Ask::Equip(bare, Equipment::new(SampleRate::Hz16000, 2).unwrap())).unwrap();
    assert_eq!(join(&mut stage), Ok(()));
}

impl Stage {
    fn empty() -> Self {
        let settings = EngineSettings { legs_max: 16, conferences_max: 2, tap_frames_max: 0 };
        let mut stage = Self {
            engine: Engine::new(settings),
            far_ends: Vec::new(),
            rtcp: Vec::new(),
            now: Time::from_millis(1_000),
        };
        let conference =
            Conference::equipped(CONFERENCE, ConferenceSettings::seats(8), &SampleRate::ALL).unwrap();
        stage.ask(Ask::AddConference(conference)).unwrap();
        stage
    }

    fn new(codecs: &[Codec]) -> Self {
        let mut stage = Self::empty();
        codecs.iter().for_each(|codec| stage.add(*codec));
        stage
    }

    fn add(&mut self, codec: Codec) {
        self.add_with(codec, 20);
    }

    fn add_with(&mut self, codec: Codec, ptime: u8) {
        let id = self.far_ends.len() as u64;
        let coding = Coding::new(codec, ptime, EncoderSettings::default()).unwrap();
        let settings = LegSettings { coding, ..engine_leg::settings(id, media(id, codec, ptime)) };
        self.ask(Ask::AddLeg(Leg::new(settings))).unwrap();
        self.ask(Ask::Join(LegId(id), CONFERENCE, Seat::default())).unwrap();
        self.far_ends.push(FarEnd::new(codec, 400.0 + 350.0 * id as f64));
    }

    fn change(&mut self, leg: u64, codec: Codec) {
        let before = &mut self.far_ends[leg as usize];
        let coding = Coding::new(codec, 20, EncoderSettings::default()).unwrap().coming_from(before.codec);
        let (sequence, timestamp, hertz) = (before.sequence, before.timestamp, before.hertz);
        *before = FarEnd::new(codec, hertz);
        (before.sequence, before.timestamp) = (sequence, timestamp);
        let change = LegChange { media: media(leg, codec, 20), coding: Some(coding), srtp: None };
        self.ask(Ask::SetLegMedia(LegId(leg), Box::new(change))).unwrap();
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        while self.engine.poll_retired().is_some() {}
        loop {
            match self.engine.poll_event().expect("a command is answered") {
                Event::Applied { .. } => return Ok(()),
                Event::Refused { refusal, .. } => return Err(refusal),
                Event::Leg { .. } | Event::Conference { .. } => {}
            }
        }
    }

    fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            for (id, far_end) in self.far_ends.iter_mut().enumerate() {
                let packet = far_end.packet(id as u32);
                let (source, received_at) = (engine_leg::address(id as u64), self.now);
                let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
                self.engine.handle_datagram(LegId(id as u64), &datagram);
            }
            self.now += Duration::from_millis(12);
            self.engine.tick(self.now);
            while let Some(transmit) = self.engine.poll_transmit() {
                if transmit.port == Port::Rtcp {
                    self.rtcp.push((transmit.port, transmit.destination, transmit.datagram.to_vec()));
                } else {
                    self.far_ends[transmit.leg.0 as usize].hear(transmit.datagram);
                }
            }
            while self.engine.poll_event().is_some() {}
        }
    }

    /// In the last half second.
    fn expect(&self, leg: usize, hears: impl Fn(usize) -> bool) {
        let listener = &self.far_ends[leg];
        let rate = listener.codec.sample_rate().hertz() as usize;
        let recent = &listener.heard[listener.heard.len() - rate / 2..];
        for (other, talker) in self.far_ends.iter().enumerate() {
            let level = level(recent, talker.hertz, rate) / AMPLITUDE;
            let right = if hears(other) { level > HEARD } else { level < UNHEARD };
            assert!(right, "{:?} {leg} hears {other} at {level:.4}", listener.codec);
        }
    }
}

impl FarEnd {
    fn new(codec: Codec, hertz: f64) -> Self {
        Self {
            codec,
            hertz,
            encoder: Encoder::new(codec, EncoderSettings::default()).unwrap(),
            decoder: Decoder::new(codec).unwrap(),
            sequence: 0,
            timestamp: 0,
            sample: 0,
            talks: true,
            heard: Vec::new(),
            payload_lens: Vec::new(),
        }
    }

    fn packet(&mut self, ssrc: u32) -> Vec<u8> {
        let rate = f64::from(self.codec.sample_rate().hertz());
        let samples: Vec<i16> = (0..self.codec.sample_rate().frame_len())
            .map(|_| {
                self.sample += 1;
                let turn = self.sample as f64 * self.hertz / rate;
                if self.talks { (AMPLITUDE * (turn * TAU).sin()) as i16 } else { 0 }
            })
            .collect();
        let mut payload = [0; 1_920];
        let len = self.encoder.encode(&samples, &mut payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
        let mut packet = vec![0x80, engine_leg::payload_type(self.codec)];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(&payload[..len]);
        packet
    }

    fn hear(&mut self, packet: &[u8]) {
        assert_eq!(packet[1] & 0x7f, engine_leg::payload_type(self.codec));
        let mut sound = [0; 5_760];
        let decoded = self.decoder.decode(&packet[12..], &mut sound);
        assert!(!decoded.damaged);
        self.payload_lens.push(packet.len() - 12);
        self.heard.extend(&sound[..decoded.samples]);
    }
}

fn media(id: u64, codec: Codec, ptime: u8) -> LegMedia {
    LegMedia { terms: LegTerms { ptime, ..LegTerms::default() }, ..engine_leg::media(id, codec) }
}

/// The amplitude of a tone in the sound.
fn level(sound: &[i16], hertz: f64, rate: usize) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in sound.iter().enumerate() {
        // A window without edges, so that a loud tone does not leak into the place of another.
        let window = 1.0 - (TAU * i as f64 / sound.len() as f64).cos();
        let (sin, cos) = (TAU * hertz * i as f64 / rate as f64).sin_cos();
        re += window * f64::from(sample) * cos;
        im += window * f64::from(sample) * sin;
    }
    2.0 * re.hypot(im) / sound.len() as f64
}
