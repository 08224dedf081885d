//! One who listens alone through a codec that remembers: whichever encoder they are sent from, their own, that of a
//! conference's listeners or that of what is on for many, all of it is one stream, as one encoder would have made it.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Encoder, EncoderSettings,
    Engine, EngineSettings, Event, Hearing, LegId, Player, PlayerId, Plays, Port, Programme, ProgrammeId,
    SampleRate, Seat, Sound, TapSide, Tapped, Time,
};

const CONFERENCE: ConferenceId = ConferenceId(1);
const ON: ProgrammeId = ProgrammeId(1);

/// Who listens, and who talks all the while.
const LISTENER: LegId = LegId(0);
const TALKER: LegId = LegId(1);

/// More than a leg keeps its own encoder for.
const LONG: u32 = 12;

struct Stage {
    engine: Engine,
    now: Time,
    ticks: u32,
    /// Whether the listener speaks as well.
    speaks: bool,
    heard: Vec<Vec<i16>>,
    packets: Vec<Vec<u8>>,
}

impl Stage {
    fn new() -> Self {
        let settings = EngineSettings { legs_max: 2, conferences_max: 1, tap_frames_max: 8 };
        let (now, engine) = (Time::from_millis(1_000), Engine::new(settings));
        let mut stage = Self { engine, now, ticks: 0, speaks: false, heard: Vec::new(), packets: Vec::new() };
        let rates = [SampleRate::Hz8000, SampleRate::Hz16000];
        let conference = engine_leg::conference(CONFERENCE.0, ConferenceSettings::seats(2), &rates);
        stage.ask(Ask::AddConference(conference));
        for (leg, codec) in [(LISTENER, Codec::G722), (TALKER, Codec::Pcmu)] {
            stage.ask(Ask::AddLeg(engine_leg::leg(leg.0, engine_leg::media(leg.0, codec))));
            stage.ask(Ask::Join(leg, CONFERENCE, Seat::default()));
        }
        stage.ask(Ask::SetTap(LISTENER, true));
        stage.ask(Ask::PutOn(ON, Programme::new(&tone(9_000, 450.0)).unwrap()));
        stage
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        while let Some(event) = self.engine.poll_event() {
            assert!(!matches!(event, Event::Refused { .. }), "{event:?}");
        }
        while self.engine.poll_retired().is_some() {}
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            self.say(TALKER, 0, 700.0);
            if self.speaks {
                self.say(LISTENER, 9, 1_100.0);
            }
            self.now += Duration::from_millis(12);
            self.engine.tick(self.now);
            self.ticks += 1;
            while let Some(transmit) = self.engine.poll_transmit() {
                if transmit.leg == LISTENER && engine_leg::is_audio(transmit.datagram) {
                    self.packets.push(transmit.datagram[12..].to_vec());
                }
            }
            while let Some(tap) = self.engine.poll_tap() {
                if tap.side == TapSide::Sent && tap.of == Tapped::Leg(LISTENER) {
                    self.heard.push(tap.frame.samples().to_vec());
                }
            }
            while self.engine.poll_event().is_some() {}
        }
    }

    /// G.722's 160 bytes and G.711's are any noise, if they are not silence.
    fn say(&mut self, leg: LegId, payload_type: u8, hertz: f64) {
        let samples = tone(4_000, hertz);
        let from = self.ticks as usize % 50 * 160;
        let mut payload = vec![0; 160];
        Codec::Pcmu.encode(&samples.samples()[from..from + 160], &mut payload);
        let packet =
            engine_leg::rtp(payload_type, self.ticks as u16, self.ticks * 160, leg.0 as u32, &payload);
        let source = engine_leg::address(leg.0);
        let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at: self.now };
        self.engine.handle_datagram(leg, &datagram);
    }

    /// What was sent is what one encoder makes of what was heard.
    fn expect_one_stream(&self, what: &str) {
        assert_eq!(self.packets.len(), self.heard.len());
        let mut encoder = Encoder::new(Codec::G722, EncoderSettings::default()).unwrap();
        // As every encoder that nobody was before.
        encoder.warm_up(&[0; 640]);
        for (tick, (heard, packet)) in self.heard.iter().zip(&self.packets).enumerate() {
            let mut payload = [0; 640];
            let len = encoder.encode(heard, &mut payload);
            assert!(payload[..len] == packet[..], "{what}: another stream from tick {tick} on");
        }
    }
}

/// A second of a tone.
fn tone(loudness: i16, hertz: f64) -> Sound {
    let wave = |n: u32| {
        let angle = f64::from(n) * hertz / 8_000.0 * std::f64::consts::TAU;
        (angle.sin() * f64::from(loudness)) as i16
    };
    Sound::new(SampleRate::Hz8000, (0..8_000).map(wave).collect::<Vec<_>>())
}

#[test]
fn who_stops_speaking_goes_on_in_the_encoder_of_the_listeners() {
    let mut stage = Stage::new();
    for speaks in [false, true, false, true, false] {
        stage.speaks = speaks;
        stage.run(3 * LONG);
    }
    stage.expect_one_stream("speaking and not");
}

#[test]
fn who_is_on_hold_and_back_goes_on_in_whichever_encoder_is_next() {
    let mut stage = Stage::new();
    stage.run(LONG);
    let player = || Player::new(PlayerId(1), tone(9_000, 650.0), Plays::Forever);
    for (what, ask) in [
        ("music of their own", Some(Ask::Play(LISTENER, player()))),
        ("music with others", Some(Ask::Tune(LISTENER, ON))),
        ("music of their own again", Some(Ask::Play(LISTENER, player()))),
        ("nothing", None),
    ] {
        let hearing = if ask.is_some() { Hearing::Played } else { Hearing::Nothing };
        if let Some(ask) = ask {
            stage.ask(ask);
        }
        stage.ask(Ask::SetHearing(LISTENER, hearing));
        stage.run(LONG);
        stage.expect_one_stream(what);
        stage.ask(Ask::SetHearing(LISTENER, Hearing::Conference));
        stage.run(LONG);
        stage.expect_one_stream("the conference again");
    }
}
