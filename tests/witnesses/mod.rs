//! Two far ends that talk all the time, in virtual time, and must hear each other bit for bit and nothing else,
//! whatever is done to other legs of the same engine: the proof that harm stays where it was done.
//!
//! Each 20 ms: [`say`](Witnesses::say) some time before the engine's tick, [`hear`](Witnesses::hear) for each
//! datagram that it hands out, and at the end [`judge`](Witnesses::judge). Others may sit in their conference as
//! long as the witnesses are not in their audience.
#![allow(dead_code, reason = "each user needs a part")]

use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Engine, Event, LegId, Port,
    SampleRate, Seat, Time, Transmit,
};

use super::engine_leg::{FRAME, address, conference, is_audio, leg, media, rtp};

/// Their legs.
pub(crate) const WITNESSES: [LegId; 2] = [LegId(1_000), LegId(1_001)];

/// Their conference.
pub(crate) const CONFERENCE: ConferenceId = ConferenceId(0);

/// A packet comes so long before the tick that plays it: the middle of the 20 ms, where playout has no reason to
/// wait for a later one.
pub(crate) const AHEAD: Duration = Duration::from_millis(12);

/// Ticks until the first packets are played.
const WARM_UP_TICKS: usize = 5;

/// Bytes of a fixed RTP header.
const HEADER: usize = 12;

/// The two, and what they said and heard.
pub(crate) struct Witnesses {
    said: [Vec<Vec<u8>>; 2],
    heard: [Vec<Vec<u8>>; 2],
}

impl Witnesses {
    /// Opens their conference, with so many seats beside their own, and seats them in it.
    pub(crate) fn seated(engine: &mut Engine, seats_beside: usize) -> Self {
        let ask = |engine: &mut Engine, ask| {
            engine.handle_command(Command { id: CommandId(0), ask });
            let answer = engine.poll_event();
            assert!(matches!(answer, Some(Event::Applied { .. })), "{answer:?}");
        };
        ask(
            engine,
            Ask::AddConference(conference(
                CONFERENCE.0,
                ConferenceSettings::seats(2 + seats_beside),
                &[SampleRate::Hz8000],
            )),
        );
        for witness in WITNESSES {
            ask(engine, Ask::AddLeg(leg(witness.0, media(witness.0, Codec::Pcmu))));
            ask(engine, Ask::Join(witness, CONFERENCE, Seat::default()));
        }
        Self { said: [Vec::new(), Vec::new()], heard: [Vec::new(), Vec::new()] }
    }

    /// Hands in what each says in the next tick.
    pub(crate) fn say(&mut self, engine: &mut Engine, received_at: Time) {
        for (said, witness) in self.said.iter_mut().zip(WITNESSES) {
            let number = said.len();
            let payload = voice(witness, number);
            // Both numbers wrap in a long run.
            let sequence = 65_500_u16.wrapping_add(number as u16);
            let timestamp = (u32::MAX - 8_000).wrapping_add(160_u32.wrapping_mul(number as u32));
            let packet = rtp(0, sequence, timestamp, witness.0 as u32, &payload);
            said.push(payload);
            let source = address(witness.0);
            let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
            engine.handle_datagram(witness, &datagram);
        }
    }

    /// Takes a datagram if it is for one of them.
    pub(crate) fn hear(&mut self, transmit: &Transmit<'_>) -> bool {
        let Some(witness) = WITNESSES.iter().position(|&witness| witness == transmit.leg) else {
            return false;
        };
        assert_eq!(transmit.destination, address(transmit.leg.0), "a witness's sound goes to the witness");
        if is_audio(transmit.datagram) {
            self.heard[witness].push(transmit.datagram[HEADER..].to_vec());
        }
        true
    }

    /// After a tick: each got one packet, which holds what the other said in this tick.
    pub(crate) fn judge(&self) {
        let ticks = self.said[0].len();
        for (listener, witness) in WITNESSES.iter().enumerate() {
            assert_eq!(self.heard[listener].len(), ticks, "{witness} gets one packet a tick");
            let (said, heard) = (self.said[1 - listener].last(), self.heard[listener].last());
            assert!(ticks < WARM_UP_TICKS || said == heard, "{witness} hears something else in tick {ticks}");
        }
    }
}

/// Noise that only this one sends in this tick: code words of G.711 µ-law that come out of decoding and encoding
/// as they went in (the second zero does not), and quiet enough that two together need no limiter.
fn voice(witness: LegId, tick: usize) -> Vec<u8> {
    const QUIET: u8 = 0x40;
    const NEGATIVE_ZERO: u8 = 0x7f;
    let mut state = (witness.0 << 32 | tick as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match (state >> 40) as u8 | QUIET {
            NEGATIVE_ZERO => QUIET,
            word => word,
        }
    };
    std::iter::repeat_with(word).take(FRAME).collect()
}
