//! Legs whose far end ICE knows: where they send, when they begin to, and what they take.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::srtp::{Profile, Protector, SrtpKeys, SrtpPair, Unprotector};
use confab_media::{
    Ask, Audience, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Discard, Engine,
    EngineSettings, Event, Hearing, LegChange, LegEvent, LegId, LegMedia, LegSrtp, LegTerms, Port,
    SampleRate, Seat, Time,
};
use engine_leg::{FRAME, address, conference, leg, media, rtp};

const BROWSER: LegId = LegId(1);
const PHONE: LegId = LegId(2);

/// An engine with a browser and a phone in a conference, in virtual time.
struct Stage {
    engine: Engine,
    now: Time,
    ticks: u16,
    commands: u64,
}

impl Stage {
    fn new() -> Self {
        let settings = EngineSettings { legs_max: 4, conferences_max: 1, tap_frames_max: 1 };
        let mut stage = Self { engine: Engine::new(settings), now: Time::ZERO, ticks: 0, commands: 0 };
        let rates = [SampleRate::Hz8000];
        stage.ask(Ask::AddConference(conference(9, ConferenceSettings::seats(2), &rates)));
        stage.ask(Ask::AddLeg(leg(1, over_ice())));
        stage.ask(Ask::AddLeg(leg(2, media(2, Codec::Pcmu))));
        for leg in [BROWSER, PHONE] {
            let seat = Seat { audience: Audience::Everyone, hearing: Hearing::Conference };
            stage.ask(Ask::Join(leg, ConferenceId(9), seat));
        }
        stage
    }

    fn ask(&mut self, ask: Ask) {
        self.commands += 1;
        self.engine.handle_command(Command { id: CommandId(self.commands), ask });
        let answered = self.events();
        assert!(answered.iter().all(|event| !matches!(event, Event::Refused { .. })), "{answered:?}");
        while self.engine.poll_retired().is_some() {}
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.poll_event()).collect()
    }

    fn hand_in(&mut self, leg: LegId, source: SocketAddr, payload: &[u8]) {
        self.engine
            .handle_datagram(leg, &Datagram { port: Port::Rtp, source, payload, received_at: self.now });
    }

    /// One step, in which the phone speaks; what the browser is sent, and where.
    fn tick(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let loud = rtp(0, self.ticks, u32::from(self.ticks) * FRAME as u32, 77, &[0x10; FRAME]);
        self.hand_in(PHONE, address(2), &loud);
        self.ticks += 1;
        self.now += Duration::from_millis(20);
        self.engine.tick(self.now);
        let mut sent = Vec::new();
        while let Some(transmit) = self.engine.poll_transmit() {
            if transmit.leg == BROWSER {
                sent.push((transmit.destination, transmit.datagram.to_vec()));
            }
        }
        sent
    }

    fn discarded(&self, why: Discard) -> u64 {
        self.engine.counters().discards[why as usize]
    }

    fn latched(&mut self) -> Option<SocketAddr> {
        self.events().iter().find_map(|event| {
            let Event::Leg { leg: BROWSER, event: LegEvent::Latched { source } } = event else {
                return None;
            };
            Some(*source)
        })
    }
}

fn over_ice() -> LegMedia {
    let nowhere = SocketAddr::from(([0, 0, 0, 0], 9));
    let terms = LegTerms { ice: true, rtcp_mux: true, rtcp: Some(nowhere), ..LegTerms::default() };
    LegMedia { remote: nowhere, terms, ..media(1, Codec::Pcmu) }
}

fn keys(seed: u8) -> SrtpKeys {
    SrtpKeys::new(Profile::AeadAes128Gcm, &[seed; 28]).unwrap()
}

fn with_keys() -> Box<LegChange> {
    let pair = SrtpPair { send: keys(1), receive: keys(2) };
    Box::new(LegChange { media: over_ice(), coding: None, srtp: Some(LegSrtp::new(&pair)) })
}

fn here() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 4], 40_000))
}

#[test]
fn nothing_goes_out_or_in_before_there_is_a_way_and_keys() {
    let mut stage = Stage::new();
    assert!((0..100).all(|_| stage.tick().is_empty()), "neither sound nor reports");
    stage.hand_in(BROWSER, here(), &[]);
    assert_eq!(stage.latched(), Some(here()));
    assert!((0..100).all(|_| stage.tick().is_empty()), "a way alone is not enough");
    stage.hand_in(BROWSER, here(), &rtp(0, 1, 160, 5, &[0x10; FRAME]));
    assert_eq!(stage.discarded(Discard::NoKeys), 1);

    let mut stage = Stage::new();
    stage.ask(Ask::SetLegMedia(BROWSER, with_keys()));
    assert!((0..100).all(|_| stage.tick().is_empty()), "nor are keys alone");
    stage.hand_in(BROWSER, here(), &[]);
    assert!(!stage.tick().is_empty());
}

#[test]
fn it_sends_protected_to_where_ice_says_and_takes_what_is_protected() {
    let mut stage = Stage::new();
    stage.hand_in(BROWSER, here(), &[]);
    stage.ask(Ask::SetLegMedia(BROWSER, with_keys()));
    let (mut opened, mut ears) = (0, Unprotector::new(&keys(1)));
    for _ in 0..20 {
        for (to, datagram) in stage.tick() {
            assert_eq!(to, here());
            let mut packet = [0; 2_048];
            if datagram[1] == 0 || datagram[1] == 128 {
                ears.unprotect(&datagram, &mut packet).expect("protected as agreed");
                opened += 1;
            }
        }
    }
    assert_eq!(opened, 20);

    // Somewhere else by ICE's word, it goes on there at once.
    let there = SocketAddr::from(([203, 0, 113, 9], 50_000));
    stage.hand_in(BROWSER, there, &[]);
    assert!(stage.tick().iter().all(|(to, _)| *to == there));
    assert_eq!(stage.latched(), Some(there));

    let mut voice = Protector::new(&keys(2));
    let mut datagram = [0; 2_048];
    let spoken = voice.protect_rtp(&rtp(0, 1, 160, 5, &[0x10; FRAME]), &mut datagram).unwrap().to_vec();
    stage.hand_in(BROWSER, there, &spoken);
    stage.hand_in(BROWSER, there, &spoken);
    assert_eq!(stage.discarded(Discard::Replayed), 1);
    for source in 0..1_000 {
        stage.hand_in(BROWSER, there, &rtp(0, 1, 160, 0xbad0_0000 + source, &[0x10; FRAME]));
    }
    assert_eq!(stage.discarded(Discard::NotAuthentic), 1_000);
}

#[test]
fn a_leg_that_moves_to_another_engine_goes_on_where_it_was() {
    let mut stage = Stage::new();
    stage.hand_in(BROWSER, here(), &[]);
    stage.ask(Ask::SetLegMedia(BROWSER, with_keys()));
    stage.tick();
    stage.engine.handle_command(Command { id: CommandId(900), ask: Ask::DetachLeg(BROWSER) });
    let Some(confab_media::Retired::Leg(leg)) = stage.engine.poll_retired() else { panic!("no leg") };
    let mut other = Engine::new(EngineSettings { legs_max: 1, conferences_max: 1, tap_frames_max: 1 });
    other.handle_command(Command { id: CommandId(901), ask: Ask::AddLeg(leg) });
    other.tick(stage.now + Duration::from_millis(20));
    let sent = other.poll_transmit().expect("it goes on");
    assert_eq!(sent.destination, here());
}
