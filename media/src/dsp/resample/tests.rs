//! What can be seen sample by sample; spectra are in `tests/spectral`.

use super::*;
use proptest::prelude::*;

use SampleRate::{Hz8000, Hz16000, Hz48000};

/// Every pair of rates, the lower one first.
const PAIRS: [(SampleRate, SampleRate); 3] = [(Hz8000, Hz16000), (Hz8000, Hz48000), (Hz16000, Hz48000)];

fn up(resampler: &mut Upsampler, input: &[i16]) -> Vec<i16> {
    let mut out = vec![0; input.len() * resampler.ratio()];
    resampler.resample(input, &mut out);
    out
}

fn down(resampler: &mut Downsampler, input: &[i16]) -> Vec<i16> {
    let mut out = vec![0; input.len() / resampler.ratio()];
    resampler.resample(input, &mut out);
    out
}

fn noise(len: usize, peak: i32) -> Vec<i32> {
    let mut random = 1_u32;
    let next = |_| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (i64::from(random as i32) * i64::from(peak) / (1 << 31)) as i32
    };
    (0..len).map(next).collect()
}

fn short(samples: &[i32]) -> Vec<i16> {
    samples.iter().map(|&s| s as i16).collect()
}

#[test]
fn the_same_rate_passes_unchanged_and_at_once() {
    let input = short(&noise(320, 32_000));
    let mut resampler = Upsampler::new(Hz16000, Hz16000);
    assert_eq!((resampler.delay(), resampler.ratio()), (0, 1));
    assert_eq!(up(&mut resampler, &input), input);
    let mut resampler = Downsampler::new(Hz16000, Hz16000);
    assert_eq!((resampler.delay(), resampler.ratio()), (0, 1));
    assert_eq!(down(&mut resampler, &input), input);
}

#[test]
fn a_click_comes_out_where_the_delay_says() {
    for (low, high) in PAIRS {
        let mut click = vec![0; low.frame_len()];
        click[7] = 20_000;
        let mut resampler = Upsampler::new(low, high);
        let out = up(&mut resampler, &click);
        let at = 7 * resampler.ratio() + resampler.delay();
        assert_eq!(out.iter().max(), Some(&out[at]), "{low:?} to {high:?}");
        assert!((1..at.min(out.len() - at)).all(|i| out[at - i] == out[at + i]));
        assert!(resampler.delay() * 1_000 <= high.hertz() as usize * 3);

        let mut resampler = Downsampler::new(high, low);
        let mut click = vec![0; high.frame_len()];
        click[7 * resampler.ratio()] = 20_000;
        let out = down(&mut resampler, &click);
        let at = 7 + resampler.delay();
        assert_eq!(out.iter().max(), Some(&out[at]), "{high:?} to {low:?}");
        assert!((1..at.min(out.len() - at)).all(|i| out[at - i] == out[at + i]));
        assert!(resampler.delay() * 1_000 <= low.hertz() as usize * 3);
    }
}

#[test]
fn frames_of_any_length_make_one_stream() {
    let input = short(&noise(9_600, 20_000));
    for (low, high) in PAIRS {
        let whole = up(&mut Upsampler::new(low, high), &input);
        let parts = |len| {
            let mut resampler = Upsampler::new(low, high);
            input.chunks(len).flat_map(|part| up(&mut resampler, part)).collect::<Vec<_>>()
        };
        assert!([1, 13, 80, 160, 320, 960].into_iter().all(|len| parts(len) == whole));

        let whole = down(&mut Downsampler::new(high, low), &input);
        let parts = |len| {
            let mut resampler = Downsampler::new(high, low);
            input.chunks(len).flat_map(|part| down(&mut resampler, part)).collect::<Vec<_>>()
        };
        assert!([6, 42, 480, 960, 1_920].into_iter().all(|len| parts(len) == whole));
    }
}

#[test]
fn a_sum_is_resampled_like_a_frame_and_is_not_limited() {
    let input = noise(960, 16_000);
    let loud: Vec<i32> = input.iter().map(|s| s * 500).collect();
    for (low, high) in PAIRS {
        let mut frame = vec![0; 160];
        Downsampler::new(high, low).resample(&short(&input), &mut frame);
        let (mut sum, mut loud_sum) = (vec![0; 160], vec![0; 160]);
        Downsampler::new(high, low).resample(&input, &mut sum);
        Downsampler::new(high, low).resample(&loud, &mut loud_sum);
        assert_eq!(short(&sum), frame);
        assert!(sum.iter().zip(&loud_sum).all(|(&s, &l)| s.abs_diff(l / 500) <= 1));
        assert!(loud_sum.iter().any(|s| s.abs() > 1 << 20));
    }
}

#[test]
fn what_overshoots_is_held_at_full_scale() {
    let square: Vec<i16> = (0..160).map(|i| if i / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let out = up(&mut Upsampler::new(Hz8000, Hz48000), &square);
    let (mut falls, mut rises) = (0, 0);
    for pair in out[300..].windows(2) {
        falls += usize::from(pair[0] == i16::MAX && pair[1] < 0);
        rises += usize::from(pair[0] == i16::MIN && pair[1] > 0);
    }
    assert_eq!((falls, rises), (0, 0), "nothing wraps around");
    assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
}

#[test]
fn a_primed_resampler_begins_without_an_edge() {
    for (low, high) in PAIRS {
        let mut resampler = Upsampler::new(low, high);
        resampler.prime(&[9_000; 160]);
        assert!(up(&mut resampler, &[9_000; 160]).iter().all(|&s| s == 9_000));
        let mut resampler = Downsampler::new(high, low);
        resampler.prime(&[-9_000; 480]);
        assert!(down(&mut resampler, &[-9_000; 480]).iter().all(|&s| s == -9_000));
    }
}

#[test]
fn an_instance_is_small() {
    assert!(size_of::<Upsampler>() <= 256, "{}", size_of::<Upsampler>());
    assert!(size_of::<Downsampler>() <= 1_280, "{}", size_of::<Downsampler>());
}

proptest! {
    /// The difference of what two signals become is what their difference becomes: so a talker's own voice can be
    /// taken out of a mix before or after it.
    #[test]
    fn resampling_is_linear(seed_of_a in 0..1_000_i32, seed_of_b in 0..1_000_i32, pair in 0..PAIRS.len()) {
        let (low, high) = PAIRS[pair];
        let wave = |seed: i32| -> Vec<i32> {
            (0..960).map(|n| ((n * n * (seed + 3)) % 20_011) - 10_000).collect()
        };
        let (a, b) = (wave(seed_of_a), wave(seed_of_b));
        let both: Vec<i32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        let through = |input: &[i32]| {
            let mut out = vec![0; 960 / Downsampler::new(high, low).ratio()];
            Downsampler::new(high, low).resample(input, &mut out);
            out
        };
        let (a, b, both) = (through(&a), through(&b), through(&both));
        for ((a, b), both) in a.iter().zip(&b).zip(&both) {
            prop_assert!((a + b).abs_diff(*both) <= 1);
        }
    }
}
