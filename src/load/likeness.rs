//! Who is heard when talkers speak instead of giving tones. All say the same file, each from a place of its own, so
//! what a listener hears is compared with the file at the places where each talker was: if the talker is in it, the two agree
//! at one delay and nowhere else.
//!
//! ```text
//! heard, 4 s ──FFT──╮
//!                   ├─ phases only, 300 to 3,300 Hz ──inverse──▶ highest of all delays up to 1 s
//! file, 5 s ───FFT──╯
//! ```
//!
//! Only phases count (generalised cross-correlation, PHAT), so that vowels, which are all alike, do not agree at every
//! delay. A talker at the same level as two others reaches about 0.2 to 0.5, silence and others stay below 0.03. A leak
//! 12 dB below one talker is found; a fainter one may not be: tones find what is 20 dB below.

use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use super::codec::{BASE_RATE, Codec};
use super::ear::Count;
use super::media::Harvest;
use super::speech::Speech;
use super::stage::Stage;

/// Samples compared at once: 4.096 s, within which everybody who reads says something.
pub(super) const SEGMENT: usize = 32_768;
/// The longest delay looked for, in samples: 1 s.
const DELAY_MAX: usize = 8_000;
/// Room for a segment and what came before it.
const SIZE: usize = 65_536;
/// Segments of each leg that are compared; longer runs are judged by their first 16 s.
pub(super) const SEGMENTS_MAX: usize = 4;
/// Agreement above this is a talker: twice what chance was measured to reach.
const ALIKE: f32 = 0.06;
/// The band that is compared, in Hz: what telephones let through.
const BAND: (usize, usize) = (300, 3_300);
/// A second, in ns.
const SECOND_NS: i128 = 1_000_000_000;

/// What one leg heard of speech, at the lowest rate.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// When the first sample came (monotonic), and its RTP timestamp.
    first: Option<(i64, u32)>,
    sound: Vec<i16>,
}

impl Heard {
    /// Takes a packet's sound in this codec.
    pub(super) fn take(&mut self, sound: &[i16], codec: Codec, timestamp: u32, arrival_ns: i64) {
        let factor = codec.factor();
        let (_, first) = *self.first.get_or_insert((arrival_ns, timestamp));
        let since =
            i64::from(timestamp.wrapping_sub(first).cast_signed()) * codec.samples_per_tick() / factor as i64;
        let Ok(place) = usize::try_from(since) else {
            return;
        };
        if place >= SEGMENT * SEGMENTS_MAX {
            return;
        }
        // What did not come is silence, what comes late is left out.
        if self.sound.len() < place {
            self.sound.resize(place, 0);
        }
        if self.sound.len() == place {
            let mean =
                |group: &[i16]| (group.iter().map(|&s| i32::from(s)).sum::<i32>() / factor as i32) as i16;
            self.sound.extend(sound.chunks_exact(factor).map(mean));
        }
    }
}

/// Says of each leg which talkers were in what it heard.
pub(super) fn judge(stage: &Stage, harvest: &mut Harvest) {
    let Some(speech) = stage.plan.speech() else {
        return;
    };
    let Some(begin_ns) = stage.speech_begin_ns() else {
        return;
    };
    let mut likeness = Likeness::new(speech);
    for leg in &mut harvest.legs {
        leg.ear.votes.rough = likeness.count(&leg.ear.heard, begin_ns, stage.plan.talkers());
    }
}

/// The comparison, and what it needs.
struct Likeness<'a> {
    speech: &'a Speech,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl<'a> Likeness<'a> {
    fn new(speech: &'a Speech) -> Self {
        let mut planner = RealFftPlanner::new();
        Self { speech, forward: planner.plan_fft_forward(SIZE), inverse: planner.plan_fft_inverse(SIZE) }
    }

    /// Segment by segment, who was heard. The speech began at `begin_ns`.
    fn count(&mut self, heard: &Heard, begin_ns: i64, talkers: usize) -> Count {
        let mut count = Count::default();
        let Some((first_ns, _)) = heard.first else {
            return count;
        };
        for (n, segment) in heard.sound.chunks_exact(SEGMENT).enumerate() {
            let since = (i128::from(first_ns - begin_ns) * BASE_RATE as i128 / SECOND_NS) as i64;
            let place = since + (n * SEGMENT) as i64;
            let spectrum = self.spectrum(segment.iter().copied());
            let voices: Vec<u32> = (0..talkers)
                .filter(|&talker| self.agreement(&spectrum, talker, talkers, place) > ALIKE)
                .map(|talker| talker as u32)
                .collect();
            count.add(talkers, &voices);
        }
        count
    }

    /// How well what was heard agrees with the talker, at the delay at which it does best.
    fn agreement(&mut self, heard: &[Complex32], talker: usize, talkers: usize, place: i64) -> f32 {
        let file = self.speech.at_base();
        let frame = file.len() / (self.speech.seconds() * 50.0).round().max(1.0) as usize;
        let first = self.speech.first_frame(talker, talkers) as i64 * frame as i64;
        let start = (place + first - DELAY_MAX as i64).rem_euclid(file.len() as i64) as usize;
        let said = file[start..].iter().chain(file.iter().cycle()).copied();
        let said = self.spectrum(said.take(SEGMENT + DELAY_MAX));
        let band = BAND.0 * SIZE / BASE_RATE..BAND.1 * SIZE / BASE_RATE;
        let mut phases = vec![Complex32::default(); SIZE / 2 + 1];
        for bin in band.clone() {
            let product = said[bin] * heard[bin].conj();
            let strength = product.norm();
            if strength > 0.0 {
                phases[bin] = product / strength;
            }
        }
        let mut delays = vec![0.0; SIZE];
        if self.inverse.process(&mut phases, &mut delays).is_err() {
            return 0.0;
        }
        // The file's part begins a whole second before: no delay at all is at its end.
        let best = delays[..=DELAY_MAX].iter().copied().fold(0.0, f32::max);
        best / (2 * band.len()) as f32
    }

    fn spectrum(&self, sound: impl Iterator<Item = i16>) -> Vec<Complex32> {
        let mut samples: Vec<f32> = sound.map(f32::from).collect();
        samples.resize(SIZE, 0.0);
        let mut spectrum = self.forward.make_output_vec();
        match self.forward.process(&mut samples, &mut spectrum) {
            Ok(()) => spectrum,
            // It cannot, with buffers of these lengths; nothing is like nothing.
            Err(_) => vec![Complex32::default(); SIZE / 2 + 1],
        }
    }
}

#[cfg(test)]
mod tests;
