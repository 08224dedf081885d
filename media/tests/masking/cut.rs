//! Keys of which a part does not come, because the call is on hold or packets are lost: what is left of them on either side may
//! be too short to be known for what it is, and is heard all the same by nobody.

use confab_media::codec::L16Rate;
use confab_media::dsp::goertzel::BandMeter;
use confab_media::{
    Ask, Capture, CaptureId, Codec, Dbfs, DigitPassage, Direction, Frame, LegChange, LegId, LegMedia,
    SampleRate,
};

use crate::corpus::{CODECS, LIMIT};
use crate::ear;
use crate::phone::{Says, Stage, media};

const CUSTOMER: LegId = LegId(0);

/// Who listens hears what is sent as it is.
const EXACT: Codec = Codec::L16(L16Rate::Hz8000);

#[derive(Clone, Copy, Debug)]
enum Cut {
    Hold,
    Loss,
}

/// A key whose first ticks come, whose next do not, and of whose rest comes what there is.
#[derive(Clone, Copy, Debug)]
struct Case {
    codec: Codec,
    cut: Cut,
    key: char,
    first: usize,
    missing: usize,
    /// Milliseconds after the cut.
    rest: u32,
}

fn hold(stage: &mut Stage, codec: Codec, on: bool) {
    let direction = Direction { send: true, receive: !on };
    let media = LegMedia { direction, ..media(0, codec, false) };
    stage.ask(Ask::SetLegMedia(CUSTOMER, Box::new(LegChange { coding: None, srtp: None, media })));
}

/// How loud what is left of the key is, in any band, in hundredths of a dBFS.
fn left_of(case: Case) -> Dbfs {
    let Case { codec, cut, key, first, missing, rest } = case;
    let mut stage = Stage::new(DigitPassage::Withheld, &[codec, EXACT], false);
    stage.quiet(5);
    let (capture, _digits) = Capture::new(CaptureId(1));
    stage.ask(Ask::StartCapture(CUSTOMER, capture));
    stage.quiet(5);
    let rate = codec.sample_rate();
    let milliseconds = (20 * (first + missing)) as u32 + rest;
    let mut sound = ear::tone(key, rate.hertz(), milliseconds.into(), -10.0);
    sound.resize(sound.len().next_multiple_of(rate.frame_len()), 0);
    for (tick, samples) in sound.chunks(rate.frame_len()).enumerate() {
        let is_missing = (first..first + missing).contains(&tick);
        match cut {
            Cut::Hold => {
                if tick == first || tick == first + missing {
                    hold(&mut stage, codec, is_missing);
                }
                stage.tick(&[Says::Sound(samples)]);
            }
            Cut::Loss if is_missing => stage.tick(&[Says::Lost(samples)]),
            Cut::Loss => stage.tick(&[Says::Sound(samples)]),
        }
    }
    if rest == 0 && matches!(cut, Cut::Hold) {
        hold(&mut stage, codec, false);
    }
    stage.quiet(15);
    loudest(&stage.phones[1].heard)
}

fn loudest(heard: &[i16]) -> Dbfs {
    let mut meter = BandMeter::default();
    let level = |samples: &[i16]| {
        let mut frame = Frame::silence(SampleRate::Hz8000);
        frame.samples_mut().copy_from_slice(samples);
        Dbfs::of_peak(meter.measure(&frame).into())
    };
    heard.chunks_exact(SampleRate::Hz8000.frame_len()).map(level).max().unwrap()
}

fn nothing_is_left(cut: Cut) {
    let mut worst: Vec<(Dbfs, Case)> = Vec::new();
    for codec in CODECS {
        for (first, missing) in [(0, 3), (1, 1), (1, 3), (1, 8), (2, 2), (2, 5), (2, 20), (5, 4), (5, 12)] {
            for rest in [0, 1, 5, 10, 14, 18, 23, 40] {
                for key in ['1', '9', 'D'] {
                    let case = Case { codec, cut, key, first, missing, rest };
                    worst.push((left_of(case), case));
                }
            }
        }
    }
    worst.retain(|(level, _)| f64::from(level.hundredths()) / 100.0 > LIMIT);
    worst.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    assert!(
        worst.is_empty(),
        "{} cases, of which the worst {:#?}",
        worst.len(),
        &worst[..worst.len().min(40)]
    );
}

#[test]
fn nothing_is_left_of_a_key_in_which_the_call_was_on_hold() {
    nothing_is_left(Cut::Hold);
}

#[test]
fn nothing_is_left_of_a_key_in_which_packets_were_lost() {
    nothing_is_left(Cut::Loss);
}
