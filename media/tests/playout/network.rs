//! What networks and clocks do to packets, and what becomes of the sound and its delay.

use std::time::Duration;

use confab_media::Time;
use confab_media::codec::{Codec, Decoder};
use confab_media::playout::{Decoding, PlayoutCounters, PlayoutSettings};

use super::line::{Line, Random, Sender, ms, steepest, zero};
use super::{CEILING, FLOOR};

#[test]
fn jitter_within_the_ceiling_loses_nothing_for_good() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut sender = Sender::labels(20);
        let mut line = Line::new();
        for n in 0..3_000 {
            line.arrive(ms(n * 20 + 5) + random.micros_below(90_000), &sender.next());
        }
        line.play_until(ms(60_000));
        let counters = line.counters();
        assert_eq!((counters.resets, counters.lost), (0, 0), "{seed}");
        assert!(counters.discarded <= counters.late, "{seed}: {counters:?}");
        // The jitter is learnt by gaps, at the start and whenever it seemed to have gone.
        assert!(counters.concealed < 60, "seed {seed}: {counters:?}");
        line.expect_delay_below(Duration::from_millis(160), seed);
        line.expect_order(seed);
    }
}

#[test]
fn the_delay_returns_to_the_floor_after_a_spike() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..1_500 {
        let at = if (200..208).contains(&n) { 208 * 20 } else { n * 20 };
        line.arrive(ms(at + 5), &sender.next());
    }
    line.play_until(ms(5_000));
    assert!(line.playout.delay() > Duration::from_millis(150), "{:?}", line.playout.delay());
    line.play_until(ms(29_000));
    assert!(line.playout.delay() < FLOOR, "{:?}", line.playout.delay());
    let counters = line.counters();
    assert_eq!(counters.inserted, counters.removed, "{counters:?}");
    assert_eq!((counters.lost, counters.discarded), (0, 0), "{counters:?}");
    line.expect_delay_below(CEILING, "spike");
    line.expect_order("spike");
}

#[test]
fn every_size_is_back_at_its_floor_3_s_after_a_stall_of_half_a_second() {
    const SIZES: [(&str, PlayoutSettings); 4] = [
        ("off", PlayoutSettings::OFF),
        ("small", PlayoutSettings::SMALL),
        ("medium", PlayoutSettings::MEDIUM),
        ("large", PlayoutSettings::LARGE),
    ];
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut sender = Sender::voice(codec, 20);
        let packets: Vec<_> = (0..390).map(|_| sender.next()).collect();
        let steepest = steepest(&sender.sent);
        for (size, settings) in SIZES {
            for phase in [1, 6, 11, 16] {
                let decoding = Decoding::new(Decoder::new(codec).expect("memory"));
                let mut line = Line::with(settings, decoding);
                for (n, packet) in (0..).zip(&packets) {
                    // 25 packets, the last of which was hardly held up.
                    let at = if (200..225).contains(&n) { 225 * 20 } else { n * 20 };
                    line.arrive(ms(at + phase), packet);
                }
                let recovered = 225 * 20 + phase;
                let delay_at = |line: &mut Line, after: u64| {
                    line.play_until(ms(recovered + after));
                    line.playout.delay()
                };
                let most = (0..20).map(|n| delay_at(&mut line, n * 50)).max().expect("a delay");
                let delay = delay_at(&mut line, 3_000);
                let case = format!("{size} {codec:?} {phase}: {most:?}, {delay:?}");
                let ceiling = settings.ceiling();
                assert!(most > ceiling - Duration::from_millis(41) && most <= ceiling, "{case}");
                // As much above its own floor as the usual size is above 4 ms.
                let floor = FLOOR + settings.floor().saturating_sub(Duration::from_millis(4));
                assert!(delay < floor, "{case}");
                let counters = line.counters();
                assert_eq!((counters.lost, counters.resets), (0, 0), "{case} {counters:?}");
                assert!(line.steepest() < 2 * steepest, "{case}: {}", line.steepest());
            }
        }
    }
}

#[test]
fn the_delay_shrinks_in_a_pause_at_once_and_in_noise_within_a_second() {
    let shrinks_at = |always_set: u8| {
        let mut sender = Sender::noise(20);
        sender.always_set = always_set;
        let mut line = Line::new();
        for n in 0..600 {
            let at = if (100..105).contains(&n) { 105 * 20 } else { n * 20 };
            line.arrive(ms(at + 5), &sender.next());
        }
        let mut now = 0;
        while line.counters().shrunk == 0 && now < 10_000 {
            now += 20;
            line.play_until(ms(now));
        }
        now
    };
    let (in_pause, in_sound) = (shrinks_at(0x70), shrinks_at(0));
    assert!((in_pause..in_pause + 1_000).contains(&in_sound), "{in_pause} {in_sound}");
    // The last packet that was held up came after 2,100 ms.
    assert!((3_100..=3_600).contains(&in_pause), "{in_pause}");
}

#[test]
fn lost_packets_are_counted_and_concealed_and_the_rest_is_played_bit_for_bit() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut sender = Sender::noise(20);
        let mut line = Line::new();
        let mut lost = Vec::new();
        for n in 0..2_000 {
            let packet = sender.next();
            if n > 0 && n < 1_990 && random.below(100) < 5 {
                lost.push(n as usize);
            } else {
                line.arrive(ms(n * 20 + 11), &packet);
            }
        }
        line.play_until(ms(40_000));
        let counters = line.counters();
        let concealed = lost.len() as u64;
        let concealed_short = counters.concealed_short;
        let expected = PlayoutCounters {
            received: 2_000 - concealed,
            lost: concealed,
            concealed,
            concealed_short,
            ..zero()
        };
        assert_eq!(counters, expected, "seed {seed}");
        let start = line.first_voice();
        for n in 1..1_990 {
            // The beginning of what follows a gap is joined to it.
            let joined = if lost.contains(&(n - 1)) { 40 } else { 0 };
            if !lost.contains(&n) {
                let played = &line.played[(start + n) * 160..][joined..160];
                assert!(played == &sender.sent[n * 160..][joined..160], "seed {seed}, packet {n}");
            }
        }
    }
}

#[test]
fn packets_overtaken_within_the_delay_are_put_back_in_order() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    line.arrive(ms(1), &sender.next());
    for n in 0..500 {
        let (first, second) = (sender.next(), sender.next());
        line.arrive(ms(n * 40 + 37), &second);
        line.arrive(ms(n * 40 + 38), &first);
    }
    line.play_until(ms(20_060));
    line.expect_same_sound(&sender.sent, "overtaken");
    let counters = line.counters();
    assert_eq!((counters.reordered, counters.lost, counters.late), (500, 0, 0), "{counters:?}");
}

#[test]
fn a_packet_that_comes_after_its_successor_was_played_is_late_and_not_lost() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..100 {
        let held_up = if n == 50 { 100 } else { 0 };
        line.arrive(ms(n * 20 + 5 + held_up), &sender.next());
    }
    line.play_until(ms(2_000));
    let expected = PlayoutCounters {
        received: 100,
        late: 1,
        discarded: 1,
        reordered: 1,
        concealed: 1,
        concealed_short: 1,
        ..zero()
    };
    assert_eq!(line.counters(), expected);
}

#[test]
fn a_late_packet_that_would_push_others_beyond_the_ceiling_is_discarded() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..120 {
        let at = match n {
            // A stall brings the delay to the ceiling,
            50..70 => 70 * 20 + 5,
            // so this one is needed 200 ms later, just before it comes; its successor is here.
            80 => 80 * 20 + 5 + 200,
            _ => n * 20 + 5,
        };
        line.arrive(ms(at), &sender.next());
    }
    line.play_until(ms(80 * 20 + 4));
    let before = line.counters();
    line.play_until(ms(2_000));
    let after = line.counters();
    let gone = (after.late - before.late, after.discarded - before.discarded);
    assert_eq!((gone, after.lost), ((1, 1), 0), "{after:?}");
    assert_eq!(after.inserted, before.inserted, "{after:?}");
    line.expect_delay_below(CEILING, "at the ceiling");
}

#[test]
fn doubled_packets_are_played_once() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..500 {
        let packet = sender.next();
        for after in [3, 4, 50] {
            line.arrive(ms(n * 20 + after), &packet);
        }
    }
    line.play_until(ms(10_000));
    line.expect_same_sound(&sender.sent[..499 * 160], "doubled");
    let counters = line.counters();
    assert_eq!((counters.received, counters.reordered, counters.late), (1_498, 0, 0));
    assert_eq!(counters.duplicate, 998);
}

#[test]
fn after_a_second_of_loss_sound_resumes_at_the_floor() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..500 {
        let packet = sender.next();
        if !(100..150).contains(&n) {
            line.arrive(ms(n * 20 + 5), &packet);
        }
    }
    line.play_until(ms(10_000));
    let expected = PlayoutCounters { received: 450, lost: 50, concealed: 3, concealed_long: 1, ..zero() };
    assert_eq!(line.counters(), expected);
    assert!(line.playout.delay() < FLOOR, "{:?}", line.playout.delay());
}

#[test]
fn after_a_second_of_stall_the_burst_is_cut_to_the_ceiling_and_the_delay_returns_to_the_floor() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..2_000 {
        let at = if (100..150).contains(&n) { 150 * 20 } else { n * 20 };
        line.arrive(ms(at + 5), &sender.next());
    }
    line.play_until(ms(3_500));
    let delay = line.playout.delay();
    assert!(delay > Duration::from_millis(150) && delay <= CEILING, "{delay:?}");
    line.play_until(ms(39_900));
    let counters = line.counters();
    assert!(line.playout.delay() < FLOOR, "{:?}", line.playout.delay());
    assert!((35..=45).contains(&counters.discarded), "{counters:?}");
    assert_eq!((counters.lost, counters.resets), (0, 0), "{counters:?}");
    line.expect_delay_below(CEILING, "stall");
    line.expect_order("stall");
}

#[test]
fn a_drifting_clock_is_followed_for_an_hour() {
    for ppm in [-300i64, 300] {
        let mut sender = Sender::labels(20);
        let mut line = Line::new();
        for n in 0..180_000 {
            let at = Time::from_nanos((5_000_000 + n * (20_000_000 + 20 * ppm)) as u64);
            line.arrive(at, &sender.next());
            line.play_until(at - Duration::from_nanos(1));
        }
        let counters = line.counters();
        // 300 in a million of an hour are 1,080 ms.
        let (followed, other) = if ppm > 0 {
            (counters.inserted, counters.removed)
        } else {
            (counters.removed, counters.inserted)
        };
        assert!((1_055..=1_105).contains(&followed.as_millis()), "{ppm}: {counters:?}");
        assert_eq!((other, counters.concealed), (Duration::ZERO, 0), "{ppm}: {counters:?}");
        let gone = (counters.lost, counters.discarded, counters.resets);
        assert_eq!(gone, (0, 0, 0), "{ppm}: {counters:?}");
        line.expect_delay_below(Duration::from_millis(40), ppm);
        line.expect_order(ppm);
    }
}

#[test]
fn a_thread_that_was_held_up_adds_no_delay_for_good() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..1_500 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(2_000));
    line.sleep_until(ms(2_500));
    line.play_until(ms(3_000));
    assert!(line.playout.delay() <= CEILING, "{:?}", line.playout.delay());
    line.play_until(ms(29_000));
    assert!(line.playout.delay() < FLOOR, "{:?}", line.playout.delay());
    line.expect_delay_below(CEILING, "held up");
}
