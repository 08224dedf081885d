//! What of a supervisor reaches a customer who should not hear them, in every way of sitting and through every codec: nothing
//! at all. What the customer is sent is compared, bit for bit, with a run in which the supervisor makes no sound; the codecs
//! have no memory of what they were not given, so a difference of one bit would be a leak. That the comparison can fail is
//! shown by a supervisor who speaks to all.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::time::Duration;

use confab_media::{
    Ask, Audience, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Encoder,
    EncoderSettings, Engine, EngineSettings, Hearing, LegId, LegSet, Player, PlayerId, Plays, Port,
    SampleRate, Seat, Sound, Time,
};

const CONFERENCE: ConferenceId = ConferenceId(1);
const CUSTOMER: LegId = LegId(0);
const AGENT: LegId = LegId(1);
const SUPERVISOR: LegId = LegId(2);
/// A packet comes so long before the tick that plays it, and the receive buffer has no reason to wait.
const AHEAD: Duration = Duration::from_millis(12);
/// Two seconds: buffers and codecs have come to rest.
const TICKS: u64 = 100;

/// How the supervisor sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Monitors,
    Coaches,
    Muted,
    OnHold,
    Waits,
    SpeaksToAll,
}

impl Mode {
    const SILENT: [Self; 5] = [Self::Monitors, Self::Coaches, Self::Muted, Self::OnHold, Self::Waits];

    fn seat(self) -> Seat {
        let agent = LegSet::new(&[AGENT]).unwrap();
        let (audience, hearing) = match self {
            Self::Monitors | Self::Muted => (Audience::Nobody, Hearing::Conference),
            Self::Coaches => (Audience::Only(agent), Hearing::Conference),
            Self::OnHold => (Audience::Nobody, Hearing::Played),
            Self::Waits => (Audience::Nobody, Hearing::Nothing),
            Self::SpeaksToAll => (Audience::Everyone, Hearing::Conference),
        };
        Seat { audience, hearing }
    }
}

/// One far end that gives a tone, or nothing.
struct FarEnd {
    codec: Codec,
    encoder: Encoder,
    hertz: f64,
    at: usize,
}

impl FarEnd {
    fn packet(&mut self, id: u64, tick: u64, speaks: bool) -> Vec<u8> {
        let rate = self.codec.sample_rate();
        let samples = rate.hertz() as usize / 50;
        let tone = |n: usize| {
            let turns = self.hertz * (self.at + n) as f64 / f64::from(rate.hertz());
            if speaks { (6_000.0 * (turns * std::f64::consts::TAU).sin()) as i16 } else { 0 }
        };
        let sound: Vec<i16> = (0..samples).map(tone).collect();
        self.at += samples;
        let mut payload = vec![0; 2_000];
        let length = self.encoder.encode(&sound, &mut payload);
        let clock = self.codec.clock_rate() / 50;
        let payload_type = self.codec.static_payload_type().unwrap_or(engine_leg::DYNAMIC);
        engine_leg::rtp(payload_type, tick as u16, tick as u32 * clock, id as u32 + 1, &payload[..length])
    }
}

/// All that the customer is sent, packet by packet.
fn sent_to_customer(codec: Codec, mode: Mode, supervisor_speaks: bool) -> Vec<Vec<u8>> {
    let mut engine = Engine::new(EngineSettings { legs_max: 3, conferences_max: 1, tap_frames_max: 0 });
    let ask = |engine: &mut Engine, ask| {
        engine.handle_command(Command { id: CommandId(0), ask });
        while engine.poll_event().is_some() {}
    };
    let conference = engine_leg::conference(CONFERENCE.0, ConferenceSettings::seats(8), &SampleRate::ALL);
    ask(&mut engine, Ask::AddConference(conference));
    let mut far_ends = Vec::new();
    for (leg, hertz) in [(CUSTOMER, 440.0), (AGENT, 700.0), (SUPERVISOR, 1_150.0)] {
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(leg.0, engine_leg::media(leg.0, codec))));
        let seat = if leg == SUPERVISOR { mode.seat() } else { Seat::default() };
        ask(&mut engine, Ask::Join(leg, CONFERENCE, seat));
        let encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
        far_ends.push(FarEnd { codec, encoder, hertz, at: 0 });
    }
    if mode == Mode::OnHold {
        let music = Sound::new(SampleRate::Hz8000, vec![500; 160_000]);
        ask(&mut engine, Ask::Play(SUPERVISOR, Player::new(PlayerId(7), music, Plays::ONCE)));
    }
    let mut sent = Vec::new();
    for tick in 0..TICKS {
        let now = Time::from_millis(1_000 + 20 * tick);
        for (id, far_end) in (0..).zip(&mut far_ends) {
            let packet = far_end.packet(id, tick, LegId(id) != SUPERVISOR || supervisor_speaks);
            let (source, received_at) = (engine_leg::address(id), now - AHEAD);
            let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
            engine.handle_datagram(LegId(id), &datagram);
        }
        engine.tick(now);
        while let Some(transmit) = engine.poll_transmit() {
            if transmit.leg == CUSTOMER && engine_leg::is_audio(transmit.datagram) {
                sent.push(transmit.datagram.to_vec());
            }
        }
        while engine.poll_event().is_some() {}
    }
    sent
}

#[test]
fn not_one_bit_of_a_supervisor_who_should_not_be_heard_reaches_the_customer() {
    for codec in Codec::ALL {
        for mode in Mode::SILENT {
            let (speaks, silent) =
                (sent_to_customer(codec, mode, true), sent_to_customer(codec, mode, false));
            assert_eq!(speaks.len(), TICKS as usize, "{codec:?}");
            let differ = speaks.iter().zip(&silent).position(|(a, b)| a != b);
            assert_eq!(differ, None, "{codec:?}, {mode:?}: the first packet that differs");
        }
    }
}

#[test]
fn one_who_speaks_to_all_is_in_every_packet_that_the_customer_is_sent() {
    for codec in Codec::ALL {
        let [speaks, silent] = [true, false].map(|speaks| sent_to_customer(codec, Mode::SpeaksToAll, speaks));
        let same = speaks.iter().zip(&silent).skip(TICKS as usize / 2).filter(|(a, b)| a == b).count();
        assert_eq!(same, 0, "{codec:?}");
    }
}
