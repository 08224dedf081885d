//! A leg to which nothing comes is not looked at; whatever comes then is played as by a receive buffer that was.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::time::Duration;

use confab_media::playout::{Decoding, Playout, PlayoutSettings, Sound};
use confab_media::rtp::PacketView;
use confab_media::{
    Ask, Codec, Command, CommandId, Datagram, Decoder, Encoder, EncoderSettings, Engine, EngineSettings,
    Event, Frame, LegEvent, LegId, Port, QualityReport, Retired, SampleRate, TapSide, Time,
};
use proptest::prelude::*;

const LEG: LegId = LegId(0);

/// The engine with one leg, and a receive buffer that is given the same.
struct Both {
    engine: Engine,
    alone: Playout,
    codec: Codec,
    encoder: Encoder,
    now: Time,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    events: Vec<LegEvent>,
}

impl Both {
    fn new(codec: Codec) -> Self {
        let mut engine = Engine::new(EngineSettings { legs_max: 1, conferences_max: 1, tap_frames_max: 8 });
        let leg = engine_leg::leg(LEG.0, engine_leg::media(LEG.0, codec));
        for ask in [Ask::AddLeg(leg), Ask::SetTap(LEG, true)] {
            engine.handle_command(Command { id: CommandId(0), ask });
        }
        let decoding = Decoding::new(Decoder::new(codec).unwrap());
        Self {
            engine,
            alone: Playout::new(PlayoutSettings::default(), decoding),
            codec,
            encoder: Encoder::new(codec, EncoderSettings::default()).unwrap(),
            now: Time::from_millis(1_000),
            sequence: 60_000,
            timestamp: 7_000,
            ssrc: 9,
            events: Vec::new(),
        }
    }

    /// A packet that has come so long after 10 ms before the last tick, which may have missed it. Not all senders send while
    /// they are silent.
    fn packet(&mut self, after: Duration, skipped: u32) {
        let samples: Vec<i16> = (0..self.codec.sample_rate().frame_len())
            .map(|n| (n as i16 - 80) * 50 + self.sequence as i16)
            .collect();
        self.timestamp = self.timestamp.wrapping_add(skipped * self.codec.clock_rate() / 50);
        let mut payload = [0; 640];
        let len = self.encoder.encode(&samples, &mut payload);
        let mut packet = vec![0x80, self.codec.static_payload_type().unwrap()];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(&payload[..len]);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / 50);
        let received_at = self.now - Duration::from_millis(10) + after;
        let source = engine_leg::media(LEG.0, self.codec).remote;
        let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
        self.engine.handle_datagram(LEG, &datagram);
        self.alone.receive(&PacketView::parse(&packet).unwrap(), self.codec, received_at);
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(20);
        self.engine.tick(self.now);
        let mut frame = Frame::silence(SampleRate::Hz8000);
        if self.alone.play(self.now, &mut frame) == Sound::Silence {
            frame = Frame::silence(frame.rate());
        }
        while self.engine.poll_transmit().is_some() {}
        let mut heard = None;
        while let Some(tap) = self.engine.poll_tap() {
            if tap.side == TapSide::Received {
                heard = Some(tap.frame);
            }
        }
        let heard = heard.unwrap();
        assert_eq!((heard.rate(), heard.samples()), (frame.rate(), frame.samples()), "at {:?}", self.now);
        self.provides_as_much();
        while let Some(event) = self.engine.poll_event() {
            if let Event::Leg { event, .. } = event {
                self.events.push(event);
            }
        }
    }
}

impl Both {
    /// Both have seen packets come as late as each other.
    fn provides_as_much(&mut self) {
        let ask = Ask::ReportQuality(QualityReport::about(LEG));
        self.engine.handle_command(Command { id: CommandId(1), ask });
        while let Some(retired) = self.engine.poll_retired() {
            let Retired::Quality(report) = retired else { continue };
            let alone = [self.alone.target(), self.alone.delay()].map(Into::into);
            assert_eq!([report.target, report.delay], alone, "at {:?}", self.now);
        }
    }
}

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Pcmu), Just(Codec::G722)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_comes_to_one_who_has_rested_is_played_as_if_they_had_not(
        codec in codec(),
        spurts in prop::collection::vec(
            (0_u32..60, prop::collection::vec(prop::collection::vec(0_u64..30, 0..3), 0..20), any::<bool>()),
            1..6,
        ),
    ) {
        let mut both = Both::new(codec);
        for (rest, ticks, is_other) in spurts {
            (0..rest).for_each(|_| both.tick());
            let mut skipped = rest;
            if is_other {
                both.ssrc += 1;
            }
            for arrivals in ticks {
                for after in arrivals {
                    both.packet(Duration::from_millis(after), std::mem::take(&mut skipped));
                }
                both.tick();
            }
        }
        (0..20).for_each(|_| both.tick());
    }
}

#[test]
fn one_who_rests_is_missed_as_any_other_and_all_the_same_only_once() {
    let mut both = Both::new(Codec::Pcmu);
    let timeout = engine_leg::settings(0, engine_leg::media(0, Codec::Pcmu)).receive_timeout;
    let ticks = (timeout.as_millis() / 20) as usize;
    (0..ticks).for_each(|_| both.tick());
    assert!(!both.events.contains(&LegEvent::SilentFarEnd), "{:?}", both.events);
    (0..2 * ticks).for_each(|_| both.tick());
    let missed = both.events.iter().filter(|event| **event == LegEvent::SilentFarEnd).count();
    assert_eq!(missed, 1);
}
