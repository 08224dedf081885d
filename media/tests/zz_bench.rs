use confab_media::dsp::goertzel::KeyListener;
use confab_media::{Frame, SampleRate};
#[test]
fn zz() {
    let b = std::fs::read("/tmp/sp.raw").unwrap();
    let pcm: Vec<i16> = b.chunks_exact(2).map(|c| i16::from_le_bytes([c[0], c[1]])).collect();
    for rate in SampleRate::ALL {
        let pcm: Vec<i16> = match rate {
            SampleRate::Hz8000 => pcm.iter().step_by(2).copied().collect(),
            SampleRate::Hz16000 => pcm.clone(),
            SampleRate::Hz48000 => pcm.iter().take(3_000_000).flat_map(|&s| [s; 3]).collect(),
        };
        let frames: Vec<Frame> = pcm.chunks_exact(rate.frame_len()).map(|c| { let mut f = Frame::silence(rate); f.samples_mut().copy_from_slice(c); f }).collect();
        let mut best = f64::MAX;
        for _ in 0..5 {
            let mut l = KeyListener::default();
            let t = std::time::Instant::now();
            let mut n = 0;
            for f in &frames { n += usize::from(l.hear(f).is_some()); n += usize::from(l.suspects()); }
            std::hint::black_box(n);
            best = best.min(t.elapsed().as_secs_f64() / frames.len() as f64);
        }
        println!("FIG {rate:?} {:.1} us per leg-second", best * 50.0 * 1e6);
    }
    println!("FIG size listener {}", size_of::<KeyListener>());
    println!("FIG size collector {}", size_of::<confab_media::DigitCollector>());
    println!("FIG size leg {}", size_of::<confab_media::Leg>());
}
