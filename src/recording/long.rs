//! Recordings of more hours than anybody listens to, and of more than 4 GiB, in files that have holes where the hours before would be.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use confab_media::TapSide;

use super::collector::Spare;
use super::placing::tests::{frame, hear, terms};
use super::placing::{Block, Placing};
use super::sound_hash::HashKind;
use super::tests::name;
use super::wav::{self, HEADER_LEN, Head};
use super::writer::{Append, Open, Waiting};
use super::{Files, Playback, Tracks};

/// Samples of each of two tracks in 4 GiB.
const MANY: u64 = 1 << 30;

#[test]
fn a_recording_that_outgrows_four_gibibytes_goes_on_in_the_same_file_which_can_be_read_anywhere() {
    let folder = tempfile::TempDir::new().unwrap();
    let (name, shape) = (name(1), terms(Tracks::Both).shape);
    let mut open =
        Open::new(folder.path(), (name.clone(), serde_json::Value::Null, shape), HashKind::default());
    open.create(&Files).unwrap();
    let part = folder.path().join(format!("{name}.wav.part"));
    // As if 37 hours had been recorded, all but a second.
    open.has_written(MANY - 8_000);
    let mut at = MANY - 8_000;
    let file = File::options().write(true).open(&part).unwrap();
    file.set_len(HEADER_LEN + at * 4).unwrap();
    for number in 1..=4_i16 {
        let block = Block { at, samples: vec![number; 8_000], heard: 8_000, ..Block::default() };
        let append = Append {
            name: name.clone(),
            block,
            began: None,
            room: Spare::default(),
            _waiting: Waiting::new(&Arc::default(), 0),
        };
        open.append(&Files, &append).unwrap();
        at += 4_000;
        let head = Head::read(&File::open(&part).unwrap()).unwrap().unwrap();
        assert_eq!((head.data, head.data_at), (at * 4, HEADER_LEN), "its header is right at every moment");
    }
    let mut begin = [0; 16];
    File::open(&part).unwrap().read_exact_at(&mut begin, 0).unwrap();
    assert_eq!(&begin, b"RF64\xff\xff\xff\xffWAVEds64");

    // A process that ended in the middle of a sample leaves all before it.
    file.set_len(HEADER_LEN + at * 4 - 3).unwrap();
    assert_eq!(wav::fit(&part, 2, u64::MAX).unwrap(), Some(at - 1));
    fs::rename(&part, folder.path().join(format!("{name}.wav"))).unwrap();
    let playback = Playback::open(folder.path(), &name).unwrap();
    assert_eq!(playback.len(), HEADER_LEN + (at - 1) * 4);
    let mut bytes = [0; 6];
    // Across the end of what 32 bits can tell, and across the end.
    assert_eq!(playback.read_at(HEADER_LEN + MANY * 4 - 2, &mut bytes).unwrap(), 6);
    assert_eq!(bytes, [2, 0, 3, 0, 3, 0]);
    assert_eq!(playback.read_at(playback.len() - 4, &mut bytes).unwrap(), 4);
    assert_eq!(&bytes[..4], [4, 0, 4, 0]);
    let mixed = Playback::open(folder.path(), &name).unwrap().mixed();
    assert_eq!(mixed.read_at(HEADER_LEN + MANY * 2, &mut bytes).unwrap(), 6);
    assert_eq!(bytes, [3, 0, 3, 0, 3, 0]);
    assert!(Head::parse(&wav::header(2, 8_000, (at - 1) * 4)).is_some_and(|head| head.data == (at - 1) * 4));
}

/// Steps of 20 ms in an hour.
const HOUR: u64 = 180_000;

#[test]
fn after_six_hours_every_sample_still_lies_where_it_was_heard() {
    let mut placing = Placing::new(terms(Tracks::Both));
    let (mut next, mut heard, mut gaps) = (0, 0, Vec::new());
    let mut put = |block: Block| {
        assert_eq!(block.at, next);
        for (n, pair) in block.samples.as_chunks::<2>().0.iter().enumerate() {
            let step = (block.at + n as u64) / 160;
            // A minute is heard at the beginning of each hour.
            let said = if step % HOUR < 3_000 { 1 + (step / HOUR) as i16 } else { 0 };
            assert_eq!(*pair, [said, -said], "step {step}");
        }
        next += block.samples.len() as u64 / 2;
        heard += block.heard;
        gaps.extend(block.gaps);
    };
    for step in (0..6).flat_map(|hour| hour * HOUR..hour * HOUR + 3_000) {
        let said = 1 + (step / HOUR) as i16;
        for (side, sample) in [(TapSide::Received, said), (TapSide::Sent, -said)] {
            assert_eq!(hear(&mut placing, &frame(step, side, sample)), None);
            if let Some(block) = placing.take_block() {
                put(block);
            }
        }
    }
    let (rest, kept) = placing.finish();
    put(rest);
    assert_eq!((kept, next), ((5 * HOUR + 3_000) * 160, kept));
    assert_eq!(heard, 2 * 6 * 3_000 * 160);
    let missing: u64 = gaps.iter().map(|gap| gap.samples).sum();
    assert_eq!(missing, 5 * (HOUR - 3_000) * 160);
    assert!(gaps.iter().all(|gap| gap.track.is_none()));
}
