//! Samples as they are in a file: coded in one of several ways, a channel beside the other.

use confab_media::{Codec, Decoder, SampleRate};

use super::Limits;
use super::error::SoundError;
use super::rendering::Rendering;

/// The rates that are read, in samples a second: from what a bad line carries to what a studio records.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// The most channels that are mixed into one.
const CHANNELS_MAX: u16 = 32;
/// Samples that are given on at once.
const BLOCK: usize = 1_024;

/// Samples as they are in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcm<'a> {
    pub(super) coding: Coding,
    pub(super) channels: u16,
    pub(super) rate: u32,
    /// All of it, without what is before and behind.
    pub(super) data: &'a [u8],
}

/// How one sample is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Eight bits from 0.
    Unsigned8,
    /// Eight bits around 0.
    Signed8,
    /// This many bytes, 2 to 4, around 0.
    Signed { bytes: usize, order: Order },
    /// 32 bits, full scale at 1.
    Float32(Order),
    /// 64 bits, full scale at 1.
    Float64(Order),
    /// G.711 µ-law.
    Ulaw,
    /// G.711 A-law.
    Alaw,
}

/// Which byte is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The least.
    Little,
    /// The greatest.
    Big,
}

impl Coding {
    /// Bytes of one sample.
    fn len(self) -> usize {
        match self {
            Self::Unsigned8 | Self::Signed8 | Self::Ulaw | Self::Alaw => 1,
            Self::Signed { bytes, .. } => bytes,
            Self::Float32(_) => 4,
            Self::Float64(_) => 8,
        }
    }
}

impl Pcm<'_> {
    /// Mixes the channels and converts the rate.
    pub(super) fn render(&self, to: SampleRate, limits: &Limits) -> Result<Vec<i16>, SoundError> {
        if !RATES.contains(&self.rate) {
            let (low, high) = (RATES.start(), RATES.end());
            let why = format!("it has {} samples a second; {low} to {high} can be played", self.rate);
            return Err(SoundError::broken(&why));
        }
        if !(1..=CHANNELS_MAX).contains(&self.channels) {
            let why = format!("it has {} channels; 1 to {CHANNELS_MAX} can be played", self.channels);
            return Err(SoundError::broken(&why));
        }
        let law = Law::of(self.coding);
        let len = self.coding.len();
        let frame_len = len * usize::from(self.channels);
        let scale = 1.0 / f32::from(self.channels);
        let frames = self.data.len() / frame_len;
        let mut rendering = Rendering::new(self.rate, to, limits)?;
        rendering.expect(frames)?;
        let mut block = Vec::with_capacity(BLOCK);
        for part in self.data.chunks(frame_len * BLOCK) {
            block.clear();
            block.extend(part.chunks_exact(frame_len).map(|frame| {
                let sum: f32 = frame.chunks_exact(len).map(|sample| self.sample(sample, &law)).sum();
                sum * scale
            }));
            rendering.push(&block)?;
        }
        rendering.finish()
    }

    /// One sample, full scale at 1.
    fn sample(&self, bytes: &[u8], law: &Law) -> f32 {
        match self.coding {
            Coding::Unsigned8 => (f32::from(bytes[0]) - 128.0) / 128.0,
            Coding::Signed8 => f32::from(bytes[0].cast_signed()) / 128.0,
            Coding::Signed { order, .. } => {
                let mut wide = [0; 4];
                match order {
                    Order::Little => wide[4 - bytes.len()..].copy_from_slice(bytes),
                    Order::Big => bytes
                        .iter()
                        .rev()
                        .zip(&mut wide[4 - bytes.len()..])
                        .for_each(|(from, to)| *to = *from),
                }
                (f64::from(i32::from_le_bytes(wide)) / 2_147_483_648.0) as f32
            }
            Coding::Float32(order) => finite(f64::from(f32::from_bits(word(bytes, order) as u32))),
            Coding::Float64(order) => finite(f64::from_bits(word(bytes, order))),
            Coding::Ulaw | Coding::Alaw => f32::from(law.0[usize::from(bytes[0])]) / 32_768.0,
        }
    }
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8], order: Order) -> u64 {
    let join = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
    match order {
        Order::Little => bytes.iter().rev().fold(0, join),
        Order::Big => bytes.iter().fold(0, join),
    }
}

/// Without what is no number, which a filter would spread, and clipped as it will be in the end.
fn finite(sample: f64) -> f32 {
    if sample.is_nan() { 0.0 } else { sample.clamp(-1.0, 1.0) as f32 }
}

/// The samples of the bytes of a law; of none if there is no law.
struct Law([i16; 256]);

impl Law {
    fn of(coding: Coding) -> Self {
        let codec = match coding {
            Coding::Ulaw => Some(Codec::Pcmu),
            Coding::Alaw => Some(Codec::Pcma),
            Coding::Unsigned8
            | Coding::Signed8
            | Coding::Signed { .. }
            | Coding::Float32(_)
            | Coding::Float64(_) => None,
        };
        let mut samples = [0; 256];
        if let Some(mut decoder) = codec.and_then(|codec| Decoder::new(codec).ok()) {
            let bytes: [u8; 256] = std::array::from_fn(|byte| byte as u8);
            decoder.decode(&bytes, &mut samples);
        }
        Self(samples)
    }
}
