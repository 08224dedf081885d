//! One leg's playout: what a tick costs, decoding included. One iteration is 20 ms of sound, packet in and frame
//! out; fifty of them are a leg-second.

use std::hint::black_box;
use std::time::Duration;

use confab_media::codec::{Codec, Decoder, Encoder, EncoderSettings};
use confab_media::playout::{Decoding, Playout, PlayoutSettings};
use confab_media::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};
use confab_media::{Frame, SampleRate, Tick, Time};
use criterion::{Criterion, criterion_group, criterion_main};

fn playout(c: &mut Criterion) {
    let mut group = c.benchmark_group("playout");
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        group.bench_function(format!("{}-steady", codec.name()), |b| {
            let mut leg = Leg::new(codec);
            b.iter(|| leg.step(Duration::ZERO, false));
        });
    }
    group.bench_function("PCMU-jitter-60-ms", |b| {
        let mut leg = Leg::new(Codec::Pcmu);
        b.iter(|| {
            let jitter = leg.random() % 60_000;
            leg.step(Duration::from_micros(jitter), false)
        });
    });
    group.bench_function("PCMU-loss-5-percent", |b| {
        let mut leg = Leg::new(Codec::Pcmu);
        b.iter(|| {
            let lost = leg.random().is_multiple_of(20);
            leg.step(Duration::ZERO, lost)
        });
    });
    group.finish();
}

/// A leg, its packets, and those on the way to it.
struct Leg {
    playout: Playout,
    frame: Frame,
    codec: Codec,
    payloads: Vec<Vec<u8>>,
    now: Time,
    /// Packets sent; the sequence number is its lower half.
    number: u32,
    state: u64,
    on_the_way: Vec<(Time, [u8; 512], usize)>,
}

impl Leg {
    fn new(codec: Codec) -> Self {
        let decoding = Decoding::new(Decoder::new(codec).expect("memory"));
        let mut leg = Self {
            playout: Playout::new(PlayoutSettings::default(), decoding),
            frame: Frame::silence(SampleRate::Hz8000),
            codec,
            payloads: payloads(codec),
            now: Time::from_millis(1_000),
            number: 0,
            state: 1,
            on_the_way: Vec::with_capacity(64),
        };
        for _ in 0..500 {
            leg.step(Duration::ZERO, false);
        }
        leg
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.state >> 33
    }

    /// A packet is sent 8 ms into a tick and comes `late`; then the tick plays.
    fn step(&mut self, late: Duration, lost: bool) {
        if !lost {
            self.send(late);
        }
        self.number += 1;
        self.now += Tick::DURATION;
        let mut n = 0;
        while n < self.on_the_way.len() {
            if self.on_the_way[n].0 > self.now {
                n += 1;
                continue;
            }
            let (at, datagram, len) = self.on_the_way.swap_remove(n);
            let packet = PacketView::parse(&datagram[..len]).expect("a packet");
            self.playout.receive(&packet, self.codec, at);
        }
        self.playout.play(self.now, &mut self.frame);
        black_box(self.frame.samples());
    }

    fn send(&mut self, late: Duration) {
        let header = RtpHeader {
            marker: false,
            payload_type: 0,
            sequence_number: SequenceNumber(self.number as u16),
            timestamp: self.number.wrapping_mul(self.codec.clock_rate() / 50),
            ssrc: Ssrc(1),
        };
        let payload = &self.payloads[self.number as usize % self.payloads.len()];
        let mut datagram = [0; 512];
        datagram[..RtpHeader::LEN].copy_from_slice(&header.to_bytes());
        datagram[RtpHeader::LEN..][..payload.len()].copy_from_slice(payload);
        let at = self.now + Duration::from_millis(8) + late;
        self.on_the_way.push((at, datagram, RtpHeader::LEN + payload.len()));
    }
}

/// A second of a voice-like tone, encoded.
fn payloads(codec: Codec) -> Vec<Vec<u8>> {
    let rate = codec.sample_rate();
    let mut encoder = Encoder::new(codec, EncoderSettings::default()).expect("memory");
    let mut at = 0.0;
    let mut sample = || {
        at += 1.0 / f64::from(rate.hertz());
        let turn = at * 130.0 * std::f64::consts::TAU;
        (6_000.0 * turn.sin() + 3_000.0 * (5.0 * turn).sin()) as i16
    };
    (0..50)
        .map(|_| {
            let frame: Vec<i16> = (0..rate.frame_len()).map(|_| sample()).collect();
            let mut payload = vec![0; 1_920];
            let len = encoder.encode(&frame, &mut payload);
            payload.truncate(len);
            payload
        })
        .collect()
}

criterion_group!(benches, playout);
criterion_main!(benches);
