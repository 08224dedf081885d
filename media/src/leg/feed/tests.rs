//! A feed by itself: whatever is written, marked and cleared when, what is played and told is what a simple account of it
//! says.

use proptest::prelude::*;

use super::*;

const RATE: SampleRate = SampleRate::Hz8000;
const FRAME: usize = RATE.frame_len();
const EDGE: usize = RATE.hertz() as usize / EDGE_FRACTION;

fn play(feed: &mut Feed) -> Vec<i16> {
    let mut out = vec![0; FRAME];
    feed.play(&mut out);
    out
}

/// What whoever writes is told when what was played is in packets that were fetched, if it is news.
fn pack(feed: &mut Feed, writer: &FeedWriter) -> Option<u64> {
    pack_waiting(feed, writer, 0)
}

/// The same when that of the last `waiting` ticks is in none yet.
fn pack_waiting(feed: &mut Feed, writer: &FeedWriter, waiting: usize) -> Option<u64> {
    let before = writer.passed();
    let are_more = feed.pack(waiting);
    assert_eq!(writer.passed(), before, "told of before they were fetched");
    feed.was_sent();
    assert_eq!(writer.passed() > before, are_more);
    are_more.then(|| writer.passed())
}

/// Loud, and another in each place.
fn sound(len: usize) -> Vec<i16> {
    (0..len).map(|n| 9_000 + (n % 1_000) as i16).collect()
}

#[test]
fn what_was_written_is_played_sample_for_sample_but_for_its_first_edge() {
    let (mut writer, mut feed) = feed(RATE);
    let sound = sound(800);
    for piece in sound.chunks(77) {
        assert_eq!(writer.write(piece), piece.len());
    }
    assert_eq!(writer.waiting(), 800);
    let heard: Vec<i16> = (0..5).flat_map(|_| play(&mut feed)).collect();
    assert_eq!(heard[EDGE..], sound[EDGE..]);
    assert!(heard[..EDGE].is_sorted() && heard[0] < 500);
    assert_eq!(writer.waiting(), 0);
}

#[test]
fn silence_begins_and_ends_without_an_edge_wherever_it_falls() {
    for len in [1, 10, 19, 20, 21, 130, 159, 160, 161, 300] {
        let (mut writer, mut feed) = feed(RATE);
        let mut heard = Vec::new();
        for _ in 0..3 {
            writer.write(&vec![20_000; len]);
            heard.extend((0..4).flat_map(|_| play(&mut feed)));
        }
        let step = heard.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        // Twice an edge's own: what has not swelled to its full height rings out along both slopes.
        assert!(step <= Some(2 * 20_000 / EDGE as i32), "of {len} samples: {step:?}");
        assert!(heard[FRAME * 4 - 80..FRAME * 4].iter().all(|sample| *sample == 0), "of {len} samples");
    }
}

#[test]
fn what_is_cleared_is_cut_off_and_what_comes_after_it_is_played() {
    let (mut writer, mut feed) = feed(RATE);
    writer.write(&sound(4_000));
    writer.mark(2);
    play(&mut feed);
    writer.clear(3);
    writer.write(&[100; 500]);
    writer.mark(1);
    let mut heard = [0; FRAME];
    assert!(feed.play(&mut heard), "not cut");
    assert_eq!(heard[EDGE..], [100; FRAME][EDGE..]);
    assert!(heard[..EDGE].is_sorted() && heard[0] < 10, "{:?}", &heard[..EDGE]);
    assert_eq!(pack(&mut feed, &writer), Some(5));
    play(&mut feed);
    assert_eq!(pack(&mut feed, &writer), None);
    play(&mut feed);
    play(&mut feed);
    assert_eq!(pack(&mut feed, &writer), Some(6));
    writer.write(&sound(400));
    play(&mut feed);
    writer.clear(0);
    assert_eq!(play(&mut feed), [0; FRAME]);
}

#[test]
fn marks_wait_for_packets_that_take_several_ticks_and_for_what_is_behind() {
    let (mut writer, mut feed) = feed(RATE);
    feed.set_encoding_delay(Duration::from_millis(9));
    writer.write(&sound(FRAME - 72));
    writer.mark(1);
    writer.write(&sound(72));
    writer.mark(1);
    let mut told = Vec::new();
    for waiting in [1, 2, 0, 1, 2, 0] {
        play(&mut feed);
        told.push(pack_waiting(&mut feed, &writer, waiting));
    }
    assert_eq!(told, [None, None, Some(2), None, None, None]);
    writer.mark(1);
    play(&mut feed);
    assert_eq!(pack(&mut feed, &writer), Some(3), "of a mark with nothing before it");
}

#[test]
fn a_ring_that_is_full_takes_no_more_and_says_so() {
    let (mut writer, mut feed) = feed(RATE);
    assert_eq!(writer.write(&vec![1; 9_000]), 8_000);
    assert_eq!((writer.write(&[1]), writer.vacancies()), (0, 0));
    let placed = (0..1_000).take_while(|_| writer.mark(1)).count();
    assert_eq!(placed, MARKS_AHEAD);
    play(&mut feed);
    assert_eq!(writer.vacancies(), FRAME);
    writer.clear(10);
    play(&mut feed);
    assert_eq!(pack(&mut feed, &writer), Some(placed as u64 + 10));
    assert!(writer.mark(1));
}

/// What can be done with a feed.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Write(usize),
    Mark(u64),
    Clear(u64),
    Play,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (1_usize..700).prop_map(Deed::Write),
        2 => (1_u64..4).prop_map(Deed::Mark),
        1 => (0_u64..4).prop_map(Deed::Clear),
        6 => Just(Deed::Play),
    ]
}

proptest! {
    /// Marks are told of in the frame in which the last sample before them is played or cleared, or in the one after when
    /// what is behind the feed holds it until then; never before, and none is lost.
    #[test]
    fn marks_are_passed_with_their_sound(
        deeds in prop::collection::vec(deed(), 1..200),
        delay in 0_u64..=10,
    ) {
        let (mut writer, mut feed) = feed(RATE);
        feed.set_encoding_delay(Duration::from_millis(delay));
        // Samples not played, marks with the samples before them, frames played, marks told of.
        let (mut waiting, mut marks, mut told) = (0_usize, Vec::<(usize, u64)>::new(), 0);
        let mut late = 0;
        for deed in deeds.into_iter().chain([Deed::Play; 60]) {
            match deed {
                Deed::Write(len) => waiting += writer.write(&sound(len)),
                Deed::Mark(count) => {
                    prop_assert!(writer.mark(count));
                    marks.push((waiting, count));
                }
                Deed::Clear(unplaced) => {
                    writer.clear(unplaced);
                    let all: u64 = marks.drain(..).map(|(_, count)| count).sum();
                    (waiting, late) = (0, late + all + unplaced);
                }
                Deed::Play => {
                    play(&mut feed);
                    let mut expected = std::mem::take(&mut late);
                    for (before, count) in &mut marks {
                        if *before <= FRAME {
                            let is_out = *before + delay as usize * 8 <= FRAME;
                            *if is_out { &mut expected } else { &mut late } += *count;
                            *count = 0;
                        }
                        *before = before.saturating_sub(FRAME);
                    }
                    marks.retain(|(_, count)| *count > 0);
                    waiting = waiting.saturating_sub(FRAME);
                    told += expected;
                    prop_assert_eq!(pack(&mut feed, &writer), (expected > 0).then_some(told));
                }
            }
        }
        prop_assert!(marks.is_empty());
    }
}
