//! What those cost who wait: one iteration is one 20 ms step of the engine, as in `tick.rs`. The same legs listen to a
//! conference in which nobody but three speak, hear the node's music (one programme for all), one file of sixteen that are on,
//! each one of the sixteen, or each a sound of their own; and ten thousand wait without a conference, as in a queue.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, Audience, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Encoder,
    EncoderSettings, Engine, EngineSettings, Hearing, LegId, PROGRAMMES_MAX, Player, PlayerId, Plays, Port,
    Programme, ProgrammeId, SampleRate, Seat, Sound, Time,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/engine_leg/mod.rs"]
mod engine_leg;

/// The last of what is on.
const ON_AIR: u64 = PROGRAMMES_MAX as u64 - 1;

/// What the legs do.
#[derive(Clone, Copy, PartialEq)]
enum Do {
    /// Sit in a conference and hear it.
    Listen,
    /// Sit in it on hold, all with the same music.
    Hold,
    /// The same with one file, which many others are on beside.
    HoldFile,
    /// The same with one file of as many as can be on.
    HoldFiles,
    /// The same with a sound of their own each.
    HoldOwn,
    /// Have no seat, and hear the same music.
    Wait,
}

fn waiting(c: &mut Criterion) {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let mut group = c.benchmark_group(format!("waiting/{codec:?}"));
        for (name, what) in [
            ("listen", Do::Listen),
            ("hold", Do::Hold),
            ("hold-file", Do::HoldFile),
            ("hold-files", Do::HoldFiles),
            ("hold-own", Do::HoldOwn),
        ] {
            bench(&mut group, name, Load::new(250, codec, what), 250);
        }
        group.sample_size(20);
        bench(&mut group, "wait", Load::new(10_000, codec, Do::Wait), 10_000);
        group.finish();
    }
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn bench(group: &mut Group<'_>, name: &str, mut load: Load, legs: u64) {
    group.throughput(Throughput::Elements(legs));
    for _ in 0..100 {
        load.step();
    }
    group.bench_function(BenchmarkId::new(name, legs), |b| b.iter(|| load.step()));
}

struct Load {
    engine: Engine,
    codec: Codec,
    /// Who sends what: nobody but three says anything.
    senders: Vec<(LegId, SocketAddr, Vec<u8>)>,
    now: Time,
    sequence: u16,
}

impl Load {
    fn new(legs: u64, codec: Codec, what: Do) -> Self {
        let settings = EngineSettings { legs_max: legs as usize, conferences_max: 1, tap_frames_max: 0 };
        let mut load = Self {
            engine: Engine::new(settings),
            codec,
            senders: Vec::new(),
            now: Time::from_millis(1),
            sequence: 0,
        };
        let seats = if what == Do::Wait { 1 } else { legs as usize };
        let all = ConferenceSettings { seats_max: seats, talkers_max: 3 };
        load.ask(Ask::AddConference(engine_leg::conference(1, all, &[codec.sample_rate()])));
        // The node's own, and what else is heard somewhere.
        for id in 0..=ON_AIR {
            load.ask(Ask::PutOn(ProgrammeId(id), Programme::new(&music(id)).expect("encoders")));
        }
        for id in 0..legs {
            load.ask(Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec))));
            load.seat(id, what);
            let talks = id < 3 && what == Do::Listen;
            load.senders.push((LegId(id), engine_leg::address(id), payload(codec, talks)));
        }
        load
    }

    fn seat(&mut self, id: u64, what: Do) {
        let leg = LegId(id);
        if what != Do::Wait {
            self.ask(Ask::Join(leg, ConferenceId(1), Seat::default()));
        }
        match what {
            Do::Listen => return,
            Do::Hold | Do::Wait => self.ask(Ask::Tune(leg, ProgrammeId(0))),
            Do::HoldFile => self.ask(Ask::Tune(leg, ProgrammeId(ON_AIR))),
            Do::HoldFiles => self.ask(Ask::Tune(leg, ProgrammeId(id % (ON_AIR + 1)))),
            Do::HoldOwn => self.ask(Ask::Play(leg, Player::new(PlayerId(id), music(id), Plays::Forever))),
        }
        if what != Do::Wait {
            self.ask(Ask::SetAudience(leg, Audience::Nobody));
            self.ask(Ask::SetHearing(leg, Hearing::Played));
        }
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        while self.engine.poll_event().is_some() {}
        while self.engine.poll_retired().is_some() {}
    }

    fn step(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.now += Duration::from_millis(8);
        let timestamp = u32::from(self.sequence).wrapping_mul(self.codec.clock_rate() / 50);
        for (leg, source, packet) in &mut self.senders {
            packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
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
    }
}

/// Two seconds of a tone at the rate that the node's music has.
fn music(id: u64) -> Sound {
    let step = 0.1 + id as f64 / 1_000.0;
    let samples: Vec<i16> = (0..32_000).map(|n| ((f64::from(n) * step).sin() * 4_000.0) as i16).collect();
    Sound::new(SampleRate::Hz16000, samples)
}

/// A packet of a tone for who talks, of digital silence for who does not.
fn payload(codec: Codec, talks: bool) -> Vec<u8> {
    let rate = codec.sample_rate();
    let loudness = if talks { 2_000.0 } else { 0.0 };
    let samples: Vec<i16> =
        (0..rate.frame_len()).map(|i| ((i as f64 * 0.2).sin() * loudness) as i16).collect();
    let mut encoder = Encoder::new(codec, EncoderSettings::default()).expect("an encoder");
    let mut payload = vec![0; 1_920];
    let len = encoder.encode(&samples, &mut payload);
    let payload_type = codec.static_payload_type().unwrap_or(engine_leg::DYNAMIC);
    engine_leg::rtp(payload_type, 0, 0, 7, &payload[..len])
}

criterion_group!(benches, waiting);
criterion_main!(benches);
