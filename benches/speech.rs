//! What it costs to know who speaks. One iteration is one 20 ms step of one leg; fifty of them are a leg-second.

use std::hint::black_box;

use confab_media::SampleRate;
use confab_media::dsp::level::{Power, SpeechGate};
use criterion::{Criterion, criterion_group, criterion_main};

fn speech(c: &mut Criterion) {
    let mut group = c.benchmark_group("speech");
    for rate in SampleRate::ALL {
        let frames = voice(rate.frame_len());
        group.bench_function(format!("talker-{}", rate.hertz()), |b| {
            let (mut gate, mut step) = (SpeechGate::default(), 0);
            b.iter(|| {
                step = (step + 1) % frames.len();
                let power = Power::of(black_box(&frames[step]));
                black_box(power.amplitude());
                gate.hear(power.level())
            });
        });
    }
    group.bench_function("silent", |b| {
        let mut gate = SpeechGate::default();
        b.iter(|| gate.hear(black_box(Power::SILENCE).level()));
    });
    group.finish();
}

/// A second of syllables.
fn voice(frame_len: usize) -> Vec<Vec<i16>> {
    let loudness = |frame: i32| 200.0 + 3_000.0 * f64::from(frame % 12);
    let sample = |frame, i: usize| (loudness(frame) * (i as f64 * 0.2).sin()) as i16;
    (0..50).map(|frame| (0..frame_len).map(|i| sample(frame, i)).collect()).collect()
}

criterion_group!(benches, speech);
criterion_main!(benches);
