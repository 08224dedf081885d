//! The whole tick of the engine, as DESIGN's budget has it: receive, playout, mix, encode, packetise. One
//! iteration is one 20 ms step of one conference; divide by its legs for the cost of a leg.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Engine, EngineSettings,
    LegId, Port, SampleRate, Seat, Time,
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

struct Load {
    engine: Engine,
    packets: Vec<(LegId, SocketAddr, [u8; 172])>,
    now: Time,
    sequence: u16,
}

impl Load {
    fn new(legs: u64, talkers: u64) -> Self {
        let settings = EngineSettings { legs_max: legs as usize, conferences_max: 1, tap_frames_max: 0 };
        let mut load = Self {
            engine: Engine::new(settings),
            packets: Vec::new(),
            now: Time::from_millis(1),
            sequence: 0,
        };
        // The figure is for all talking and all mixed.
        let all = ConferenceSettings { seats_max: legs as usize, talkers_max: legs as usize };
        load.ask(Ask::AddConference(engine_leg::conference(1, all, &[SampleRate::Hz8000])));
        for id in 0..legs {
            load.ask(Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, Codec::Pcmu))));
            load.ask(Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
            load.packets.push((LegId(id), engine_leg::address(id), packet(id, id < talkers)));
        }
        load
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
        for (leg, source, packet) in &mut self.packets {
            packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
            let timestamp = u32::from(self.sequence).wrapping_mul(160);
            packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
            let datagram =
                Datagram { port: Port::Rtp, source: *source, payload: packet, received_at: self.now };
            self.engine.handle_datagram(*leg, &datagram);
        }
        self.now += Duration::from_millis(12);
        self.engine.tick(self.now);
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

criterion_group!(benches, whole_tick);
criterion_main!(benches);
