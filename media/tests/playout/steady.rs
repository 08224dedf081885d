//! Streams to which nothing happens are played bit for bit, and as soon as the ticks allow.

use std::time::Duration;

use confab_media::codec::{Codec, L16Rate};
use confab_media::playout::{PlayoutCounters, Sound};

use super::PTIMES;
use super::line::{Line, Random, Sender, ms, us, zero};

/// Codecs of which every byte is sound, so that noise can be compared bit for bit: 8 and 16 kHz, of one sample a
/// byte, two samples a byte, and two bytes a sample.
const CODECS: [Codec; 4] =
    [Codec::Pcmu, Codec::G722, Codec::L16(L16Rate::Hz8000), Codec::L16(L16Rate::Hz16000)];

/// Linear samples at 16 kHz fill a datagram sooner than others.
fn fits(codec: Codec, ptime: u64) -> bool {
    codec != Codec::L16(L16Rate::Hz16000) || ptime <= 40
}

#[test]
fn a_steady_stream_is_played_bit_for_bit_at_every_phase() {
    for phase in 0..200 {
        let mut sender = Sender::noise(20);
        let mut line = Line::new();
        for n in 0..200 {
            line.arrive(us(phase * 100 + n * 20_000), &sender.next());
        }
        line.play_until(ms(4_100));
        line.expect_exactly(&sender.sent, phase);
        let delay = line.playout.delay();
        assert!((4..24).contains(&delay.as_millis()), "{phase}: {delay:?}");
    }
}

#[test]
fn a_steady_stream_of_any_codec_and_packet_time_is_played_bit_for_bit() {
    for codec in CODECS {
        for ptime in PTIMES.into_iter().filter(|&ptime| fits(codec, ptime)) {
            for phase in 0..20 {
                let mut sender = Sender::noise_of(codec, ptime);
                let mut line = Line::of(codec);
                for n in 0..100 {
                    line.arrive(ms(phase + n * ptime), &sender.next());
                }
                line.play_until(ms(100 * ptime + 160));
                line.expect_exactly(&sender.sent, (codec, ptime, phase));
                assert!(line.playout.delay().as_millis() < 24, "{codec:?} {ptime} {phase}");
            }
        }
    }
}

#[test]
fn an_opus_stream_is_played_bit_for_bit() {
    for ptime in [10, 20, 40, 60] {
        let mut sender = Sender::voice(Codec::Opus, ptime);
        let mut line = Line::of(Codec::Opus);
        for n in 0..100 {
            line.arrive(ms(13 + n * ptime), &sender.next());
        }
        line.play_until(ms(100 * ptime - 40));
        let len = line.played.len() - 3 * 960;
        line.expect_exactly(&sender.sent[..len], ptime);
    }
}

#[test]
fn jitter_of_2_ms_either_way_changes_nothing() {
    for codec in CODECS {
        for ptime in PTIMES.into_iter().filter(|&ptime| fits(codec, ptime)) {
            for phase in 0..20 {
                let mut random = Random(ptime * 100 + phase);
                let mut sender = Sender::noise_of(codec, ptime);
                let mut line = Line::of(codec);
                for n in 0..100 {
                    line.arrive(
                        us(phase * 1_000 + n * ptime * 1_000) + random.micros_below(4_000),
                        &sender.next(),
                    );
                }
                line.play_until(ms(100 * ptime + 160));
                line.expect_exactly(&sender.sent, (codec, ptime, phase));
            }
        }
    }
}

#[test]
fn two_hours_of_a_steady_stream_are_played_bit_for_bit() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..360_000 {
        line.arrive(ms(n * 20 + 7), &sender.next());
        line.play_until(ms(n * 20 + 20));
        if n % 500 == 499 {
            line.expect_and_forget(&mut sender.sent, n);
        }
    }
    assert_eq!(line.counters(), PlayoutCounters { received: 360_000, ..zero() });
}

#[test]
fn an_hour_of_a_tone_with_jitter_of_2_ms_is_played_bit_for_bit() {
    for phase in [0, 13_900] {
        let mut random = Random(phase);
        let mut sender = Sender::tone();
        let mut line = Line::new();
        for n in 0..180_000 {
            line.arrive(us(phase + n * 20_000) + random.micros_below(4_000), &sender.next());
            line.play_until(us(n * 20_000));
            if n % 500 == 499 {
                line.expect_and_forget(&mut sender.sent, (phase, n));
            }
        }
        let received = line.counters().received;
        assert_eq!(line.counters(), PlayoutCounters { received, ..zero() }, "{phase}");
    }
}

#[test]
fn a_stream_starts_at_the_next_tick_that_leaves_it_its_floor() {
    for (phase, delay) in [(1, 19), (10, 10), (16, 4), (17, 23), (19, 21)] {
        let mut sender = Sender::noise(20);
        let mut line = Line::new();
        for n in 0..10 {
            line.arrive(ms(100 + phase + n * 20), &sender.next());
        }
        line.play_until(ms(260));
        assert_eq!(line.playout.delay(), Duration::from_millis(delay), "{phase}");
    }
}

#[test]
fn nothing_is_heard_before_the_first_packet() {
    let mut line = Line::new();
    line.play_until(ms(200));
    assert!(line.sounds.iter().all(|&s| s == Sound::Silence));
    assert_eq!(line.counters(), zero());
}
