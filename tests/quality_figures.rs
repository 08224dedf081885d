//! What a leg says of its quality is true. In virtual time, with losses and delays that are known: the ledger says what
//! the tap shows, the score is what the E-model has for what was done to the packets, and what a far end claims is told
//! as its word and believed no further.

mod engine_leg;

use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Decoder, Engine,
    EngineSettings, LegId, Micros, Port, QualityReport, Retired, SampleRate, Seat, TapSide, TickTimes, Time,
};
use engine_leg::{DYNAMIC, FRAME, address, is_audio, rtp};

const TALKER: LegId = LegId(1);
const LISTENER: LegId = LegId(2);

/// A conference of two, of whom the first talks.
struct Stage {
    engine: Engine,
    now: Time,
    /// What the listener is sent.
    sent: Vec<Vec<u8>>,
}

/// A loud sample, in PCMU.
const LOUD: u8 = 0x90;

/// When the first tick is.
const START: Time = Time::from_millis(1_000);

impl Stage {
    fn new(listener: Codec) -> Self {
        let settings = EngineSettings { legs_max: 4, conferences_max: 1, tap_frames_max: 8 };
        let mut stage = Self { engine: Engine::new(settings), now: START, sent: Vec::new() };
        let rates = [SampleRate::Hz8000, SampleRate::Hz48000];
        stage.ask(Ask::AddConference(engine_leg::conference(1, ConferenceSettings::seats(2), &rates)));
        for (leg, codec) in [(TALKER, Codec::Pcmu), (LISTENER, listener)] {
            stage.ask(Ask::AddLeg(engine_leg::leg(leg.0, engine_leg::media(leg.0, codec))));
            stage.ask(Ask::Join(leg, ConferenceId(1), Seat::default()));
        }
        stage
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(1), ask });
        while self.engine.poll_event().is_some() {}
    }

    /// Gives the talker's `n`th packet, as having come at `at`: 400 Hz between one code and its opposite.
    fn talk(&mut self, n: u16, code: u8, at: Time) {
        let payload: [u8; FRAME] = std::array::from_fn(|i| if i / 10 % 2 == 0 { code } else { code ^ 0x80 });
        let packet = rtp(0, n, u32::from(n) * FRAME as u32, 77, &payload);
        self.give(TALKER, &packet, at);
    }

    fn give(&mut self, leg: LegId, payload: &[u8], received_at: Time) {
        let datagram = Datagram { port: Port::Rtp, source: address(leg.0), payload, received_at };
        self.engine.handle_datagram(leg, &datagram);
    }

    fn tick(&mut self) {
        self.engine.tick(self.now);
        while let Some(transmit) = self.engine.poll_transmit() {
            if transmit.leg == LISTENER && is_audio(transmit.datagram) {
                self.sent.push(transmit.datagram[12..].to_vec());
            }
        }
        self.now += Duration::from_millis(20);
    }

    /// Lets the talker's packets come `n * 20` ms after the first tick and as much later as `late` says, or never; for
    /// so many ticks.
    fn run(&mut self, ticks: u64, mut late: impl FnMut(u64) -> Option<Duration>) {
        let mut on_the_way: Vec<(Time, u16)> = Vec::new();
        for n in 0..ticks {
            if let Some(late) = late(n) {
                on_the_way.push((self.now - Duration::from_millis(20) + late, n as u16));
            }
            on_the_way.sort_unstable();
            let here = on_the_way.partition_point(|(at, _)| *at <= self.now);
            for (at, n) in on_the_way.drain(..here).collect::<Vec<_>>() {
                self.talk(n, LOUD, at);
            }
            self.tick();
        }
    }

    fn quality(&mut self, leg: LegId) -> QualityReport {
        self.ask(Ask::ReportQuality(QualityReport::about(leg)));
        match self.engine.poll_retired() {
            Some(Retired::Quality(report)) => *report,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_ledger_s_playout_and_wait_are_what_the_tap_shows() {
    for (micros, kept) in [(13_000, 0), (500, 0), (18_250, 20_000)] {
        let mut stage = Stage::new(Codec::Pcmu);
        stage.ask(Ask::SetTap(TALKER, true));
        let (mut came, mut waited) = (Vec::new(), Vec::new());
        for n in 0..200_u16 {
            let (tick, at) =
                (stage.now, stage.now - Duration::from_millis(20) + Duration::from_micros(micros));
            // The last hundred packets can be told apart by their sound.
            let code = 0x80 + (n % 100) as u8;
            let mut value = [0];
            Codec::Pcmu.decode(&[code], &mut value);
            came.push((value[0], at));
            stage.talk(n, code, at);
            stage.tick();
            while let Some(tap) = stage.engine.poll_tap() {
                let first = tap.frame.samples()[0];
                let packet =
                    came.iter().rev().find(|(value, _)| *value == first && tap.side == TapSide::Received);
                waited.extend(packet.map(|(_, at)| tick.since(*at)));
            }
        }
        let shown = waited[100..].iter().sum::<Duration>() / (waited.len() - 100) as u32;
        let report = stage.quality(TALKER);
        for ledger in [report.live.ledger, report.call.ledger] {
            let told = Duration::from(ledger.playout) + ledger.wait_for_tick.into();
            assert_eq!(told, shown, "a packet that comes after {micros} us");
            assert_eq!(ledger.playout, Micros(kept), "{micros}");
        }
    }
}

/// What of 20 packets is lost: every twentieth alone, or of eighty packets four in a row.
const SCATTERED: fn(u64) -> bool = |n| n % 20 == 7;
const IN_BURSTS: fn(u64) -> bool = |n| n % 80 >= 76;

#[test]
fn the_score_is_the_e_model_s_for_the_losses_there_were() {
    for (is_lost, burst_ratio) in [(SCATTERED, 1.0), (IN_BURSTS, 4.0 * 0.95)] {
        let mut stage = Stage::new(Codec::Pcmu);
        stage.run(4_000, |n| (!is_lost(n)).then_some(Duration::from_millis(13)));
        let report = stage.quality(TALKER);
        let receive = report.call.receive;
        let share = receive.lost.unwrap() as f64 / (receive.packets + receive.lost.unwrap()) as f64;
        assert!((share - 0.05).abs() < 0.001, "{receive:?}");
        assert_eq!((receive.discarded, report.playout.late), (Some(0), 0));
        expect_mos(receive.score.unwrap().mos(), 27.0, 5.0, burst_ratio);
    }
}

#[test]
fn what_comes_too_late_counts_once_as_what_the_listener_missed() {
    let mut stage = Stage::new(Codec::Pcmu);
    // Half a second is beyond what a receive buffer waits for.
    stage.run(4_000, |n| Some(Duration::from_millis(if SCATTERED(n) { 513 } else { 13 })));
    let report = stage.quality(TALKER);
    let receive = report.call.receive;
    assert!(receive.lost.unwrap() <= 2, "all but the last have come: {receive:?}");
    let missed = receive.discarded.unwrap();
    assert!((195..=200).contains(&missed), "{receive:?}");
    expect_mos(receive.score.unwrap().mos(), 20.0 + report.call.ledger.playout.0 as f64 / 1e3, 5.0, 1.0);
}

#[test]
fn jitter_that_is_waited_for_costs_delay_and_no_loss() {
    let mut stage = Stage::new(Codec::Pcmu);
    // Up to 40 ms, in a pattern without order.
    stage.run(4_000, |n| Some(Duration::from_millis(1 + ((n * 0x9e37_79b9) >> 12) % 41)));
    let report = stage.quality(TALKER);
    let (receive, ledger) = (report.call.receive, report.call.ledger);
    let jitter = Duration::from(receive.jitter.unwrap()).as_secs_f64() * 1e3;
    // The mean difference of two of 41 equally likely values is 14; that some overtake others adds to it.
    assert!((12.0..25.0).contains(&jitter), "{jitter}");
    let kept = f64::from(ledger.playout.0 + ledger.wait_for_tick.0) / 1e3;
    assert!((20.0..60.0).contains(&kept), "{ledger:?}");
    expect_mos(receive.score.unwrap().mos(), 20.0 + kept, 0.0, 1.0);
}

/// G.107 with its defaults, for G.711 with concealment; delay in ms, loss in per cent. The delay's cost is the usual
/// approximation for short delays: 0.024 of R for each millisecond.
#[track_caller]
fn expect_mos(told: f64, delay: f64, loss: f64, burst_ratio: f64) {
    let r = 93.2 - 0.024 * delay - 95.0 * loss / (loss / burst_ratio + 25.1);
    let expected = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    assert!((told - expected).abs() < 0.1, "MOS {told}, expected {expected}");
}

/// A receiver report (RFC 3550 §6.4.2) about what the leg sends.
fn receiver_report(about: LegId, fraction_lost: u8, lost: u32, jitter: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
    report.extend((about.0 as u32).to_be_bytes());
    report.extend((u32::from(fraction_lost) << 24 | lost).to_be_bytes());
    report.extend(1_000_u32.to_be_bytes());
    report.extend(jitter.to_be_bytes());
    report.extend([0; 8]);
    report
}

#[test]
fn a_far_end_that_claims_to_lose_all_is_quoted_and_wrecks_nothing() {
    let mut stage = Stage::new(Codec::Opus);
    let mut silent_packet = rtp(DYNAMIC, 0, 0, 55, &[0xf8]);
    for n in 0..60_u16 {
        let lie = receiver_report(LISTENER, 255, 0x7f_ffff, u32::MAX);
        stage.give(LISTENER, &lie, stage.now);
        for m in 0..50 {
            let sequence = n * 50 + m;
            silent_packet[2..4].copy_from_slice(&sequence.to_be_bytes());
            silent_packet[4..8].copy_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
            stage.give(LISTENER, &silent_packet, stage.now - Duration::from_millis(7));
            stage.talk(sequence, LOUD, stage.now - Duration::from_millis(7));
            stage.tick();
        }
    }
    let report = stage.quality(LISTENER);
    let (receive, send) = (report.call.receive, report.call.send);
    assert!(send.lost.unwrap() > 2_000 && send.lost.unwrap() <= send.packets, "{send:?}");
    assert!(send.score.unwrap().mos() < 1.1, "{send:?}");
    assert_eq!(send.jitter, Some(Micros(10_000_000)), "as much as is believed");
    assert!(receive.score.unwrap().mos() > 4.2, "{receive:?}");
    assert!(stage.quality(TALKER).call.receive.score.unwrap().mos() > 4.2, "and nobody else's");

    let mut decoder = Decoder::new(Codec::Opus).unwrap();
    let mut energy = 0.0;
    for payload in &stage.sent[2_500..] {
        let mut sound = [0; 5_760];
        let samples = decoder.decode(payload, &mut sound).samples;
        energy += sound[..samples].iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples as f64;
    }
    let heard = (energy / 500.0).sqrt();
    let mut said = [0];
    Codec::Pcmu.decode(&[LOUD], &mut said);
    assert!(heard > f64::from(said[0]) / 2.0, "{heard} of {}", said[0]);
}

#[test]
fn what_the_caller_measured_of_a_tick_is_in_the_ledger_by_the_place_in_the_row() {
    let mut stage = Stage::new(Codec::Pcmu);
    let times = TickTimes {
        mix: Duration::from_micros(300),
        encode: Duration::from_micros(100),
        send: Duration::from_micros(80),
    };
    for n in 0..200 {
        stage.talk(n, LOUD, stage.now - Duration::from_millis(7));
        stage.tick();
        stage.engine.note_times(times);
    }
    let ledgers = [TALKER, LISTENER].map(|leg| stage.quality(leg).live.ledger);
    for ledger in ledgers {
        assert_eq!((ledger.mix, ledger.encode), (Micros(300), Micros(100)));
    }
    // The talker hears something of its own, and such are served first.
    assert_eq!(ledgers.map(|ledger| ledger.pace), [Micros(40), Micros(80)]);
    assert_eq!(ledgers[0].total(), Micros(7_000 + 300 + 100 + 40));
}

#[test]
fn long_packets_make_their_first_frame_wait() {
    let mut stage = Stage::new(Codec::Pcmu);
    let mut media = engine_leg::media(LISTENER.0, Codec::Pcmu);
    media.terms.ptime = 60;
    stage.ask(Ask::SetLegMedia(LISTENER, engine_leg::change(media)));
    stage.run(120, |_| Some(Duration::from_millis(13)));
    let change = stage.engine.poll_retired();
    assert!(matches!(change, Some(Retired::LegChange(_))), "{change:?}");
    assert_eq!(stage.quality(LISTENER).live.ledger.pace, Micros(40_000));
    assert_eq!(stage.quality(TALKER).live.ledger.pace, Micros(0));
}

#[test]
fn a_leg_that_leaves_takes_its_figures_home_and_leaves_its_counts() {
    let mut stage = Stage::new(Codec::Pcmu);
    stage.run(120, |n| (!SCATTERED(n)).then_some(Duration::from_millis(13)));
    stage.ask(Ask::RemoveLeg(TALKER));
    let Some(Retired::Leg(leg)) = std::iter::from_fn(|| stage.engine.poll_retired()).next() else {
        panic!("no leg came home");
    };
    let report = leg.last_report();
    // With what came after the last full second.
    assert_eq!((report.call.receive.packets, report.call.receive.lost), (114, Some(6)));
    assert_eq!(report.codec, Some(Codec::Pcmu));
    let counted = stage.engine.counters().playout;
    assert_eq!((counted.received, counted.lost), (114, 6));
    assert_eq!((report.playout.received, report.playout.lost), (114, 6));
}

#[test]
fn of_a_leg_that_is_not_there_nothing_is_told() {
    let mut stage = Stage::new(Codec::Pcmu);
    let report = stage.quality(LegId(9));
    assert_eq!(report, *QualityReport::about(LegId(9)));
}
