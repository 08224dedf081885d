//! What is left of keys while a capture is on, over the whole corpus: prints a line for each clip, and writes what others
//! got as WAV files for other people's detectors.
//!
//!     cargo run -p confab-media --example masking -- [--seed N] [--every N [--offset N]] [--only CLIP] [--wav DIR]
//!     cargo run -p confab-media --example masking -- --speech FILE [--codec NAME] [--loss PERCENT]
//!
//! `--every` takes each Nth clip only, from the `--offset`th on. `tests/masking/run.sh` makes the README's table of it.
#![expect(clippy::unwrap_used, reason = "a panic is the report, as in the tests it shares its parts with")]
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it is a command, and no part of the engine"
)]

use std::path::Path;

#[path = "../tests/masking/corpus.rs"]
mod corpus;
#[path = "../tests/keys/ear.rs"]
mod ear;
#[path = "../tests/keys/phone.rs"]
mod phone;
#[path = "../tests/masking/speech.rs"]
mod speech;

use confab_media::{Codec, SampleRate};
use corpus::{Condition, Outcome};

/// Of so many clips one is written as it is without a capture, too: detectors are to show that they hear keys.
const OPEN_EVERY: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: u64| value(name).map_or(default, |value| value.parse().unwrap());
    if let Some(path) = value("--speech") {
        let codec = value("--codec").unwrap_or_else(|| "PCMU".to_owned());
        let codec = corpus::CODECS.into_iter().find(|known| known.name() == codec).unwrap();
        return speak(&path, codec, number("--loss", 0) as u32);
    }
    let every = number("--every", 1) as usize;
    let all = corpus::conditions(number("--seed", 1));
    let only = value("--only").map(|clip| clip.parse::<usize>().unwrap());
    let offset = number("--offset", 0) as usize % every;
    let is_chosen = |n: usize| only.map_or(n % every == offset, |only| n == only);
    println!(
        "clip\tcodec\tlevel\ttwist\tnoise\ttalk\tloss\ttyped\tcaptured\theard\tresidual\tat\tmasked\tticks\tattested\tlet_through"
    );
    for (n, condition) in all.iter().enumerate().filter(|(n, _)| is_chosen(*n)) {
        let outcome = corpus::play(condition);
        if let Some(folder) = value("--wav") {
            let path = Path::new(&folder).join(format!("{n:05}.wav"));
            std::fs::write(&path, wav(outcome.rate, &outcome.egress)).unwrap();
            if n.is_multiple_of(OPEN_EVERY) {
                std::fs::write(path.with_extension("open.wav"), wav(outcome.rate, &outcome.open)).unwrap();
            }
        }
        // Last: whoever reads this looks for the files.
        print(n, condition, &outcome);
    }
}

/// Plays a WAV file of speech at the codec's rate without any key in it.
fn speak(path: &str, codec: Codec, loss: u32) {
    let wav = std::fs::read(path).unwrap();
    let rate = codec.sample_rate().hertz();
    assert_eq!(wav[24..28], rate.to_le_bytes(), "{path} is to have {rate} samples a second");
    let sound: Vec<i16> = wav[44..].as_chunks().0.iter().map(|bytes| i16::from_le_bytes(*bytes)).collect();
    let kept = corpus::speak(codec, &sound, loss);
    println!(
        "{path}\t{:.1}\t{}\t{}\t{}",
        sound.len() as f64 / f64::from(rate),
        kept.captured,
        kept.spoken,
        kept.withheld
    );
}

fn print(n: usize, condition: &Condition, outcome: &Outcome) {
    let decibels = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{value}"));
    let attested = outcome.attestation.residual_max.map(|level| f64::from(level.hundredths()) / 100.0);
    println!(
        "{n}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.1}\t{:.3}\t{}\t{}\t{}\t{}",
        condition.codec.name(),
        condition.level,
        condition.twist,
        decibels(condition.noise),
        decibels(condition.talk),
        condition.loss,
        outcome.typed,
        outcome.captured,
        outcome.heard,
        outcome.residual,
        outcome.residual_at,
        outcome.attestation.masked_ticks,
        outcome.attestation.ticks,
        decibels(attested),
        outcome.attestation.keys_let_through,
    );
}

fn wav(rate: SampleRate, samples: &[i16]) -> Vec<u8> {
    let (rate, bytes) = (rate.hertz(), samples.len() as u32 * 2);
    let mut wav = Vec::new();
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    wav.extend([1u16, 1].iter().flat_map(|field| field.to_le_bytes()));
    wav.extend([rate, rate * 2].iter().flat_map(|field| field.to_le_bytes()));
    wav.extend([2u16, 16].iter().flat_map(|field| field.to_le_bytes()));
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}
