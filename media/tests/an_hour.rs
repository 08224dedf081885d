//! An hour of a call of two, in virtual time: what each is sent is what the other said, sample for sample, from the first
//! to the last.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::{
    Ask, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings, Datagram,
    DigitPassage, Direction, EncoderSettings, Engine, EngineSettings, Leg, LegId, LegMedia, LegSettings,
    LegTerms, Port, Retired, SampleRate, Seat, Time, WallClock,
};

const CONFERENCE: ConferenceId = ConferenceId(1);
const FRAME: usize = 160;

/// Ticks in an hour.
const HOUR: usize = 180_000;

/// Tones repeat after a quarter of a second, so that a packet that is played twice or left out is seen.
const ROUND: usize = 2_000;

/// When in a tick the packets come, with jitter of less than a millisecond.
const PHASES_US: [u64; 2] = [3_000, 11_000];

#[test]
fn an_hour_of_a_call_of_two_is_heard_sample_for_sample() {
    let mut engine = Engine::new(EngineSettings { legs_max: 2, conferences_max: 1, tap_frames_max: 0 });
    let mut ask = |ask| engine.handle_command(Command { id: CommandId(0), ask });
    let seats = ConferenceSettings::seats(2);
    ask(Ask::AddConference(Conference::equipped(CONFERENCE, seats, &[SampleRate::Hz8000]).unwrap()));
    for leg in [LegId(0), LegId(1)] {
        ask(Ask::AddLeg(Leg::new(settings(leg))));
        ask(Ask::Join(leg, CONFERENCE, Seat::default()));
    }
    let mut callers = [Caller::new(1_004.0), Caller::new(1_996.0)];
    for tick in 0..HOUR {
        let begin = Time::from_millis(1_000 + 20 * tick as u64);
        for (leg, (caller, phase)) in callers.iter_mut().zip(PHASES_US).enumerate() {
            let packet = caller.say(leg as u8);
            let jitter = (tick as u64 * 7_919 + leg as u64 * 31) % 1_000;
            let received_at = begin + Duration::from_micros(phase + jitter);
            let leg = LegId(leg as u64);
            let datagram = Datagram { port: Port::Rtp, source: address(leg), payload: &packet, received_at };
            engine.handle_datagram(leg, &datagram);
        }
        engine.tick(begin + Duration::from_millis(20));
        while let Some(sent) = engine.poll_transmit() {
            let [one, other] = &mut callers;
            let (listener, talker) = if sent.leg == LegId(0) { (one, other) } else { (other, one) };
            listener.hear(sent.datagram, talker, tick);
        }
    }
    for caller in &callers {
        assert!(caller.heard >= HOUR - 2, "{} of {HOUR}", caller.heard);
    }
    for leg in [LegId(0), LegId(1)] {
        engine.handle_command(Command { id: CommandId(0), ask: Ask::RemoveLeg(leg) });
    }
    let mut left = 0;
    while let Some(retired) = engine.poll_retired() {
        if let Retired::Leg(leg) = retired {
            let counters = *leg.playout_counters();
            assert_eq!(counters.received, HOUR as u64);
            let touched = [counters.lost, counters.late, counters.concealed, counters.discarded];
            assert_eq!((touched, counters.stretched, counters.shrunk), ([0; 4], 0, 0), "{counters:?}");
            left += 1;
        }
    }
    assert_eq!(left, 2);
}

/// One far end: a tone, and an ear for the other's.
struct Caller {
    /// Codes of a round of the tone.
    tone: Vec<u8>,
    said: usize,
    /// Frames of the other that were heard, from its first.
    heard: usize,
    next_number: Option<u16>,
}

impl Caller {
    fn new(hertz: f64) -> Self {
        let turn = |n: usize| n as f64 * hertz / 8_000.0 * std::f64::consts::TAU;
        let samples: Vec<i16> = (0..ROUND).map(|n| (9_000.0 * turn(n).sin()) as i16).collect();
        let mut tone = vec![0; ROUND];
        Codec::Pcmu.encode(&samples, &mut tone);
        Self { tone, said: 0, heard: 0, next_number: None }
    }

    fn payload(&self, frame: usize) -> Vec<u8> {
        (0..FRAME).map(|n| self.tone[(frame * FRAME + n) % ROUND]).collect()
    }

    fn say(&mut self, leg: u8) -> Vec<u8> {
        let mut packet = vec![0x80, 0];
        packet.extend((self.said as u16).to_be_bytes());
        packet.extend(((self.said * FRAME) as u32).to_be_bytes());
        packet.extend([0, 0, 0, leg]);
        packet.extend(self.payload(self.said));
        self.said += 1;
        packet
    }

    fn hear(&mut self, datagram: &[u8], talker: &Self, tick: usize) {
        let number = u16::from_be_bytes([datagram[2], datagram[3]]);
        assert!(self.next_number.is_none_or(|next| next == number), "in tick {tick}");
        self.next_number = Some(number.wrapping_add(1));
        let mut heard = [0; FRAME];
        assert_eq!(Codec::Pcmu.decode(&datagram[12..], &mut heard), FRAME);
        if self.heard == 0 && heard == [0; FRAME] {
            // The stream has not begun.
            return;
        }
        let mut said = [0; FRAME];
        Codec::Pcmu.decode(&talker.payload(self.heard), &mut said);
        assert!(heard == said, "tick {tick}");
        self.heard += 1;
    }
}

fn address(leg: LegId) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + leg.0 as u16))
}

fn settings(leg: LegId) -> LegSettings {
    LegSettings {
        id: leg,
        media: LegMedia {
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: None,
            telephone_event_offered: None,
            remote: address(leg),
            signalling: None,
            direction: Direction::BOTH,
            terms: LegTerms::default(),
        },
        coding: Coding::new(Codec::Pcmu, 20, EncoderSettings::default()).unwrap(),
        srtp: None,
        ssrc: leg.0 as u32,
        cname: *b"far-ends-0123456",
        wall: WallClock::default(),
        sequence_number: 65_500,
        timestamp: 0,
        playout: PlayoutSettings::default(),
        digits: DigitPassage::default(),
        receive_timeout: Duration::from_secs(60),
    }
}
