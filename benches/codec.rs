//! What one leg's sound costs for each 20 ms: decoding, encoding and resampling, codec by codec.

use std::hint::black_box;

use confab_media::codec::{L16Rate, PACKET_SAMPLES_MAX, PAYLOAD_MAX};
use confab_media::dsp::resample::{Downsampler, Upsampler};
use confab_media::{Codec, ComfortNoise, Decoder, Encoder, EncoderSettings, SampleRate};
use criterion::{Criterion, criterion_group, criterion_main};

/// A second.
const FRAMES: usize = 50;

const CODECS: [(&str, Codec); 4] = [
    ("pcmu", Codec::Pcmu),
    ("g722", Codec::G722),
    ("l16-16k", Codec::L16(L16Rate::Hz16000)),
    ("opus", Codec::Opus),
];

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, codec) in CODECS {
        let payloads = payloads(codec, EncoderSettings::default());
        let mut decoder = Decoder::new(codec).expect("memory");
        let mut out = [0; PACKET_SAMPLES_MAX];
        let mut turn = payloads.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| turn.next().map(|payload| decoder.decode(payload, black_box(&mut out))));
        });
    }
    let lossy = EncoderSettings { expected_loss_percent: 25, ..EncoderSettings::default() };
    let payloads = payloads(Codec::Opus, lossy);
    let mut decoder = Decoder::new(Codec::Opus).expect("memory");
    let mut out = [0; 960];
    decoder.decode(&payloads[9], &mut out);
    group.bench_function("opus-conceal", |b| b.iter(|| decoder.conceal(black_box(&mut out))));
    let mut turn = payloads.iter().cycle();
    group.bench_function("opus-recover", |b| {
        b.iter(|| turn.next().map(|payload| decoder.recover(payload, black_box(&mut out))));
    });
    group.bench_function("comfort-noise-8k", |b| {
        let mut noise = ComfortNoise::new(SampleRate::Hz8000, 1);
        noise.update(&[50, 100, 140, 120]);
        b.iter(|| noise.fill(black_box(&mut out[..160])));
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for (name, codec) in CODECS {
        bench_encoder(&mut group, name, codec, EncoderSettings::default());
    }
    for complexity in [1, 10] {
        let settings = EncoderSettings { complexity, ..EncoderSettings::default() };
        bench_encoder(&mut group, &format!("opus-complexity-{complexity}"), Codec::Opus, settings);
    }
    let speech = speech(SampleRate::Hz48000);
    let mut encoder = Encoder::new(Codec::Opus, EncoderSettings::default()).expect("memory");
    group.bench_function("opus-warm-up-40-ms", |b| b.iter(|| encoder.warm_up(black_box(&speech[..1_920]))));
    group.finish();
}

fn bench_encoder(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    codec: Codec,
    settings: EncoderSettings,
) {
    let speech = speech(codec.sample_rate());
    let mut encoder = Encoder::new(codec, settings).expect("memory");
    let mut out = [0; PAYLOAD_MAX];
    let mut turn = speech.chunks(codec.sample_rate().frame_len()).cycle();
    group.bench_function(name, |b| {
        b.iter(|| turn.next().map(|frame| encoder.encode(frame, black_box(&mut out))));
    });
}

fn resample(c: &mut Criterion) {
    use SampleRate::{Hz8000, Hz16000, Hz48000};
    let mut group = c.benchmark_group("resample");
    for (low, high) in [(Hz8000, Hz16000), (Hz8000, Hz48000), (Hz16000, Hz48000)] {
        let name =
            |from: SampleRate, to: SampleRate| format!("{}-to-{}", from.hertz() / 1_000, to.hertz() / 1_000);
        let (narrow, wide) = (speech(low), speech(high));
        let mut out = [0; 960];
        let mut resampler = Upsampler::new(low, high);
        group.bench_function(name(low, high), |b| {
            b.iter(|| resampler.resample(&narrow[..low.frame_len()], black_box(&mut out)));
        });
        let mut resampler = Downsampler::new(high, low);
        group.bench_function(name(high, low), |b| {
            b.iter(|| resampler.resample(&wide[..high.frame_len()], black_box(&mut out[..low.frame_len()])));
        });
        let sum: Vec<i32> = wide.iter().map(|&s| i32::from(s)).collect();
        let mut out = [0; 960];
        group.bench_function(format!("{}-sum", name(high, low)), |b| {
            b.iter(|| resampler.resample(&sum[..high.frame_len()], black_box(&mut out[..low.frame_len()])));
        });
    }
    group.finish();
}

fn payloads(codec: Codec, settings: EncoderSettings) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, settings).expect("memory");
    let mut out = [0; PAYLOAD_MAX];
    let speech = speech(codec.sample_rate());
    let payload = |frame: &[i16]| {
        let len = encoder.encode(frame, &mut out);
        out[..len].to_vec()
    };
    speech.chunks(codec.sample_rate().frame_len()).map(payload).collect()
}

/// A gliding voice in syllables, and hiss.
fn speech(rate: SampleRate) -> Vec<i16> {
    let (mut random, mut phase) = (1_u32, 0.0_f64);
    let sample = |n: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let time = n as f64 / f64::from(rate.hertz());
        phase += (140.0 + 40.0 * (time * 7.0).sin()) / f64::from(rate.hertz()) * std::f64::consts::TAU;
        let voice: f64 = (1..=20).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        let hiss = f64::from(random as i32) / 2_147_483_648.0;
        (voice * 5_000.0 * (time * 9.0).sin().max(0.0) + hiss * 300.0) as i16
    };
    (0..FRAMES * rate.frame_len()).map(sample).collect()
}

criterion_group!(benches, decode, encode, resample);
criterion_main!(benches);
