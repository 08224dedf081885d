//! Synthesised speech: vowels that glide, with pitch and formants of their own, hisses between them, in syllables.

use std::f64::consts::TAU;

/// A voice. Its samples have a mean square of about one while it speaks.
pub(crate) struct Speech {
    rate: f64,
    n: usize,
    random: u64,
    phase: f64,
    pitch: f64,
    formants: [f64; 3],
    target: [f64; 3],
    loud: f64,
    loud_target: f64,
    hiss: f64,
    hiss_target: f64,
    gains: Vec<f64>,
}

impl Speech {
    pub(crate) fn new(rate: u32, seed: u64) -> Self {
        let formants = [500.0, 1_500.0, 2_500.0];
        Self {
            rate: rate.into(),
            n: 0,
            random: seed.wrapping_mul(2).wrapping_add(99),
            phase: 0.0,
            // A man's, a woman's or a child's.
            pitch: [95.0, 130.0, 190.0, 240.0][(seed % 4) as usize],
            formants,
            target: formants,
            loud: 0.0,
            loud_target: 1.0,
            hiss: 0.0,
            hiss_target: 0.0,
            gains: Vec::new(),
        }
    }

    /// Between -1 and 1.
    fn random(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }

    fn syllable(&mut self) {
        self.pitch = (self.pitch * (1.0 + 0.15 * self.random())).clamp(75.0, 320.0);
        for (n, (low, high)) in
            [(250.0, 1_000.0), (800.0, 2_300.0), (2_000.0, 3_200.0)].into_iter().enumerate()
        {
            self.target[n] = low + (high - low) * (self.random() + 1.0) / 2.0;
        }
        self.loud_target = if self.random() > -0.6 { 1.0 } else { 0.0 };
        self.hiss_target = if self.random() > 0.4 { 0.6 } else { 0.0 };
    }

    /// How strong each harmonic is: the glottis falls by 6 dB an octave (with the lips' share), and a resonance is as wide
    /// as one is.
    fn shape(&mut self) {
        let harmonics = (3_600.0 / self.pitch) as usize;
        let [f0, f1, f2] = self.formants;
        let gain = |h: usize| {
            let hertz = self.pitch * h as f64;
            let near = |f: f64, width: f64| 1.0 / (1.0 + ((hertz - f) / width).powi(2)).sqrt();
            (near(f0, 40.0) + 0.6 * near(f1, 50.0) + 0.4 * near(f2, 80.0)) * 3.0 / h as f64
        };
        self.gains = (1..=harmonics).map(gain).collect();
    }

    pub(crate) fn next(&mut self) -> f64 {
        if self.n.is_multiple_of(self.rate as usize / 8) {
            self.syllable();
        }
        let glide = 30.0 / self.rate;
        self.loud += (self.loud_target - self.loud) * glide * 3.0;
        self.hiss += (self.hiss_target - self.hiss) * glide * 3.0;
        for n in 0..3 {
            self.formants[n] += (self.target[n] - self.formants[n]) * glide;
        }
        // Each millisecond: between, nothing moves that far.
        if self.n.is_multiple_of(self.rate as usize / 1_000) {
            self.shape();
        }
        self.n += 1;
        self.phase = (self.phase + self.pitch / self.rate) % 1.0;
        // Harmonics by a recurrence: sin(hx) = 2 cos(x) sin((h-1)x) - sin((h-2)x).
        let (sin, cos) = (TAU * self.phase).sin_cos();
        let (mut before, mut now, mut voiced) = (0.0, sin, 0.0);
        for gain in &self.gains {
            voiced += gain * now;
            (before, now) = (now, 2.0 * cos * now - before);
        }
        let breath = self.random() * (0.02 + self.hiss);
        (voiced * (1.0 - self.hiss) + breath) * self.loud * 0.8
    }
}
