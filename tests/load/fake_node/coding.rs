//! What the test's node hears and says in each codec, at the rate at which it mixes: 8 kHz, or 16 kHz if it is wide.
//! Between the two stands a plain windowed sinc.

use confab::load::{Codec, Law};
use ezk_g722::libg722::{Bitrate, decoder::Decoder as G722Decoder, encoder::Encoder as G722Encoder};
use opus::{Application, Channels};

/// Taps of the filter between 8 and 16 kHz; a stop band well below what a leak is taken for.
const TAPS: usize = 95;

/// One leg's ear and mouth.
pub(crate) struct Coding {
    codec: Codec,
    frame: usize,
    kind: Kind,
    up: Filter,
    down: Filter,
}

enum Kind {
    Law(Law),
    L16,
    G722(Box<(G722Decoder, G722Encoder)>),
    Opus(Box<(opus::Decoder, opus::Encoder)>),
}

impl Coding {
    /// For a node that mixes frames of so many samples.
    pub(crate) fn new(codec: Codec, frame: usize) -> Self {
        let kind = match codec {
            Codec::Pcmu => Kind::Law(Law::Pcmu),
            Codec::Pcma => Kind::Law(Law::Pcma),
            Codec::L16 => Kind::L16,
            Codec::G722 => {
                let rate = || Bitrate::Mode1_64000;
                Kind::G722(Box::new((
                    G722Decoder::new(rate(), false, false),
                    G722Encoder::new(rate(), false, false),
                )))
            }
            Codec::Opus => {
                let rate = frame as u32 * 50;
                let mut encoder = opus::Encoder::new(rate, Channels::Mono, Application::Voip).unwrap();
                encoder.set_bitrate(opus::Bitrate::Bits(24_000)).unwrap();
                Kind::Opus(Box::new((opus::Decoder::new(rate, Channels::Mono).unwrap(), encoder)))
            }
        };
        Self { codec, frame, kind, up: Filter::new(2.0), down: Filter::new(1.0) }
    }

    /// The sound of a payload.
    pub(crate) fn decode(&mut self, payload: &[u8]) -> Vec<i16> {
        let sound = match &mut self.kind {
            Kind::Law(law) => payload.iter().map(|&octet| law.decode(octet)).collect(),
            Kind::L16 => payload.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect(),
            Kind::G722(pair) => pair.0.decode(payload),
            Kind::Opus(pair) => {
                let mut sound = vec![0; self.frame];
                assert_eq!(pair.0.decode(payload, &mut sound, false).unwrap(), self.frame);
                sound
            }
        };
        match (sound.len(), self.frame) {
            (160, 320) => self.up.twice(&sound),
            (have, want) => {
                assert_eq!(have, want, "{:?} is too wide for this node", self.codec);
                sound
            }
        }
    }

    /// The payload of a sound.
    pub(crate) fn encode(&mut self, sound: &[i16]) -> Vec<u8> {
        match &mut self.kind {
            Kind::Law(law) if self.frame == 160 => sound.iter().map(|&sample| law.encode(sample)).collect(),
            Kind::Law(law) => self.down.half(sound).into_iter().map(|sample| law.encode(sample)).collect(),
            Kind::L16 => sound.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
            Kind::G722(pair) => pair.1.encode(sound),
            Kind::Opus(pair) => pair.1.encode_vec(sound, 1_000).unwrap(),
        }
    }

    pub(crate) fn ticks(&self) -> u32 {
        self.codec.clock_rate() / 50
    }
}

/// A low pass at 3.7 kHz, for 16 kHz.
struct Filter {
    taps: Vec<f64>,
    past: Vec<f64>,
}

impl Filter {
    fn new(gain: f64) -> Self {
        let tap = |n: usize| {
            let x = n as f64 - (TAPS - 1) as f64 / 2.0;
            let turn = std::f64::consts::TAU * n as f64 / (TAPS - 1) as f64;
            let window = 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos();
            let cut = 2.0 * 3_700.0 / 16_000.0;
            let y = std::f64::consts::PI * cut * x;
            gain * cut * window * if x == 0.0 { 1.0 } else { y.sin() / y }
        };
        Self { taps: (0..TAPS).map(tap).collect(), past: vec![0.0; TAPS - 1] }
    }

    fn twice(&mut self, sound: &[i16]) -> Vec<i16> {
        self.past.extend(sound.iter().flat_map(|&sample| [f64::from(sample), 0.0]));
        // Every other sample is 0 and need not be multiplied.
        let at =
            |n: usize| (n % 2..TAPS).step_by(2).map(|tap| self.past[n + tap] * self.taps[tap]).sum::<f64>();
        let filtered = (0..2 * sound.len()).map(|n| at(n).round() as i16).collect();
        self.past.drain(..2 * sound.len());
        filtered
    }

    fn half(&mut self, sound: &[i16]) -> Vec<i16> {
        self.past.extend(sound.iter().map(|&sample| f64::from(sample)));
        let at = |n: usize| (0..TAPS).map(|tap| self.past[n + tap] * self.taps[tap]).sum::<f64>();
        let filtered = (0..sound.len()).step_by(2).map(|n| at(n).round() as i16).collect();
        self.past.drain(..sound.len());
        filtered
    }
}
