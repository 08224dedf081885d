//! The whole tick of the engine, as DESIGN's budget has it: receive, playout, mix, encode, packetise. One
//! iteration is one 20 ms step of one conference; divide by its legs for the cost of a leg.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, ConferenceTap, Datagram, Engine,
    EngineSettings, LegId, Port, SampleRate, Seat, TapHead, TapParts, TapSink, Time,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/engine_leg/mod.rs"]
mod engine_leg;

fn whole_tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("tick");
    for (legs, talkers) in [(10, 10), (250, 3), (250, 250)] {
        group.throughput(Throughput::Elements(legs));
        group.bench_function(BenchmarkId::new(format!("{legs}-legs"), format!("{talkers}-talk")), |b| {
            let mut load = Load::new(legs, talkers);
            load.warm_up();
            b.iter(|| load.step());
        });
    }
    group.finish();
}

/// The same with caches that other work has used since the tick before, as on a node that has more to do than this.
/// Only what the engine does is timed.
fn cold_tick(c: &mut Criterion) {
    let mut group = c.benchmark_group("cold-tick");
    group.throughput(Throughput::Elements(LEGS));
    let floors: [(&str, Floor); 3] = [
        ("250-legs/3-talk", || Load::new(LEGS, 3)),
        ("125-calls/all-talk", || Load::of_calls(None)),
        ("125-calls/copied-apart", || Load::of_calls(Some(Copies::new()))),
    ];
    for (name, load) in floors {
        group.bench_function(name, |b| {
            let mut load = load();
            load.warm_up();
            let mut other = vec![0_u8; OTHER_WORK];
            b.iter_custom(|times| {
                let mut taken = Duration::ZERO;
                for _ in 0..times {
                    other.iter_mut().step_by(LINE).for_each(|byte| *byte = byte.wrapping_add(1));
                    let begun = Instant::now();
                    load.step();
                    taken += begun.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

/// How it is filled.
type Floor = fn() -> Load;

/// What a node of this size is to bear.
const LEGS: u64 = 250;

/// More than the caches hold that a core has for itself: 2 MiB on the servers of these years.
const OTHER_WORK: usize = 8 << 20;

/// Bytes that are fetched from memory at a time.
const LINE: usize = 64;

/// Where copies go: room for some ticks, used in turn.
struct Copies {
    room: Vec<i16>,
    at: usize,
}

impl Copies {
    fn new() -> Self {
        Self { room: vec![0; 1 << 20], at: 0 }
    }
}

impl TapSink for Copies {
    fn put(&mut self, head: &TapHead, samples: &[i16]) {
        black_box(head);
        if self.at + samples.len() > self.room.len() {
            self.at = 0;
        }
        self.room[self.at..self.at + samples.len()].copy_from_slice(samples);
        self.at += samples.len();
    }
}

struct Load {
    engine: Engine,
    copies: Option<Copies>,
    packets: Vec<(LegId, SocketAddr, [u8; 172])>,
    now: Time,
    sequence: u16,
}

impl Load {
    fn new(legs: u64, talkers: u64) -> Self {
        let mut load = Self::empty(legs, 1, None);
        // The figure is for all talking and all mixed.
        let all = ConferenceSettings { seats_max: legs as usize, talkers_max: legs as usize };
        load.ask(Ask::AddConference(engine_leg::conference(1, all, &[SampleRate::Hz8000])));
        (0..legs).for_each(|id| load.join(id, 1, id < talkers));
        load
    }

    /// Calls of two, both talking. One of the two is copied apart from the other, if at all.
    fn of_calls(copies: Option<Copies>) -> Self {
        let mut load = Self::empty(LEGS, LEGS as usize / 2, copies);
        for call in 0..LEGS / 2 {
            let two = ConferenceSettings { seats_max: 2, talkers_max: 2 };
            load.ask(Ask::AddConference(engine_leg::conference(call, two, &[SampleRate::Hz8000])));
            if load.copies.is_some() {
                let parts = TapParts { apart: Some(LegId(2 * call)), ..TapParts::default() };
                let tap = ConferenceTap::new(SampleRate::Hz8000, parts);
                load.ask(Ask::TapConference(ConferenceId(call), tap));
            }
            [2 * call, 2 * call + 1].into_iter().for_each(|id| load.join(id, call, true));
        }
        load
    }

    fn empty(legs: u64, conferences_max: usize, copies: Option<Copies>) -> Self {
        let settings = EngineSettings { legs_max: legs as usize, conferences_max, tap_frames_max: 0 };
        Self {
            engine: Engine::new(settings),
            copies,
            packets: Vec::new(),
            now: Time::from_millis(1),
            sequence: 0,
        }
    }

    fn join(&mut self, id: u64, conference: u64, talks: bool) {
        self.ask(Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, Codec::Pcmu))));
        self.ask(Ask::Join(LegId(id), ConferenceId(conference), Seat::default()));
        self.packets.push((LegId(id), engine_leg::address(id), packet(id, talks)));
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        while self.engine.poll_event().is_some() {}
    }

    fn warm_up(&mut self) {
        for _ in 0..100 {
            self.step();
        }
    }

    fn step(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.now += Duration::from_millis(8);
        for n in 0..self.packets.len() {
            // As those do who have several at a time from the system.
            if let Some((next, ..)) = self.packets.get(n + 1) {
                self.engine.look_ahead(*next);
            }
            let (leg, source, packet) = &mut self.packets[n];
            packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            let timestamp = u32::from(self.sequence).wrapping_mul(160);
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
            let datagram =
                Datagram { port: Port::Rtp, source: *source, payload: packet, received_at: self.now };
            self.engine.handle_datagram(*leg, &datagram);
        }
        self.now += Duration::from_millis(12);
        match &mut self.copies {
            Some(copies) => self.engine.mix_into(self.now, copies).encode(),
            None => self.engine.tick(self.now),
        }
        while let Some(transmit) = self.engine.poll_transmit() {
            black_box(transmit.datagram);
        }
        while self.engine.poll_event().is_some() {}
        // The timestamps wrap with the 16-bit sequence here, each 22 minutes of conference: a re-anchoring that a
        // real stream does not have, and too rare to count.
    }
}

/// A tone for who talks, digital silence for who does not.
fn packet(id: u64, talks: bool) -> [u8; 172] {
    let mut samples = [0_i16; 160];
    if talks {
        for (i, sample) in samples.iter_mut().enumerate() {
            *sample = ((i as f64 * 0.2 + id as f64).sin() * 2_000.0) as i16;
        }
    }
    let mut packet = [0; 172];
    packet[0] = 0x80;
    packet[8..12].copy_from_slice(&(id as u32 + 1).to_be_bytes());
    Codec::Pcmu.encode(&samples, &mut packet[12..]);
    packet
}

criterion_group!(benches, whole_tick, cold_tick);
criterion_main!(benches);
