//! What senders do to their streams: pauses, events, other sources, jumps, other codecs.

use std::time::Duration;

use confab_media::codec::Codec;
use confab_media::playout::{Decoding, Playout, PlayoutCounters, PlayoutSettings, Sound};
use confab_media::rtp::{RtpHeader, SequenceNumber, Ssrc};
use confab_media::{Frame, SampleRate, Time};

use super::line::{Line, Random, Sender, ms, zero};
use super::{CEILING, FLOOR};

#[test]
fn what_was_not_sent_is_silent_and_each_talk_spurt_is_played_bit_for_bit() {
    for phase in 0..20 {
        let mut random = Random(phase);
        let mut sender = Sender::noise(20);
        let mut line = Line::new();
        let mut at = phase;
        let mut pauses = vec![0];
        for _ in 0..50 {
            for n in 0..25 {
                let packet = if n == 0 { sender.next_marked() } else { sender.next() };
                line.arrive(ms(at), &packet);
                at += 20;
            }
            let pause = random.below(100) * random.below(2);
            pauses.push(pause);
            sender.timestamp = sender.timestamp.wrapping_add(160 * pause as u32);
            at += 20 * pause;
        }
        line.play_until(ms(at + 200));
        let counters = line.counters();
        let expected = PlayoutCounters {
            received: counters.received,
            concealed: counters.concealed,
            concealed_short: counters.concealed_short,
            concealed_long: counters.concealed_long,
            ..zero()
        };
        assert_eq!(counters, expected, "phase {phase}");
        for (spurt, pause) in sender.sent.chunks(25 * 160).zip(pauses) {
            // What follows on concealment is joined to it; concealment is over after 60 ms.
            let joined = if (1..=3).contains(&pause) { 40 } else { 0 };
            assert!(line.has_played(&spurt[joined..]), "phase {phase}, pause {pause}");
        }
    }
}

#[test]
fn a_pause_that_the_timestamps_do_not_show_costs_no_delay() {
    for pause in [100, 1_000, 5_000] {
        let mut sender = Sender::labels(20);
        let mut line = Line::new();
        for n in 0..100 {
            line.arrive(ms(n * 20 + 5 + if n < 50 { 0 } else { pause }), &sender.next());
        }
        line.play_until(ms(2_000 + pause));
        assert!(line.playout.delay() < FLOOR, "{pause}: {:?}", line.playout.delay());
        assert_eq!(line.counters().lost, 0, "{pause}");
    }
}

#[test]
fn timestamps_that_run_ahead_in_a_pause_cost_no_delay_for_long() {
    for ahead in [50, 300, 1_500, 100_000] {
        let mut sender = Sender::labels(20);
        let mut line = Line::new();
        for n in 0..400 {
            if n == 50 {
                sender.timestamp = sender.timestamp.wrapping_add(ahead * 8);
            }
            line.arrive(ms(n * 20 + 5 + if n < 50 { 0 } else { 500 }), &sender.next());
        }
        line.play_until(ms(8_400));
        assert!(line.playout.delay() < FLOOR, "{ahead}: {:?}", line.playout.delay());
        line.expect_delay_below(CEILING, ahead);
        assert_eq!(line.counters().lost, 0, "{ahead}");
    }
}

#[test]
fn telephone_events_use_up_sequence_numbers_and_are_not_lost() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..300 {
        let packet = sender.next();
        if (100..110).contains(&n) {
            line.event_arrives(ms(n * 20 + 5), &packet);
        } else {
            line.arrive(ms(n * 20 + 5), &packet);
        }
    }
    line.play_until(ms(6_000));
    let expected = PlayoutCounters { received: 290, ..zero() };
    assert_eq!(line.counters(), expected);
}

#[test]
fn another_ssrc_is_followed_at_once() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..100 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    let first = std::mem::take(&mut sender.sent);
    sender.ssrc = Ssrc(99);
    sender.number = SequenceNumber(40_000);
    sender.timestamp = 12_345;
    for n in 100..200 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(4_100));
    assert!(line.has_played(&first[..98 * 160]));
    assert!(line.has_played(&sender.sent[40..]));
    let counters = line.counters();
    assert_eq!((counters.resets, counters.lost), (1, 0), "{counters:?}");
    assert!(line.playout.delay() < FLOOR, "{:?}", line.playout.delay());
}

#[test]
fn a_jump_of_the_sequence_is_followed_when_two_packets_agree() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..200 {
        if n == 50 {
            let mut elsewhere = Sender::noise(20);
            elsewhere.number = SequenceNumber(30_000);
            line.arrive(ms(n * 20 + 4), &elsewhere.next());
        }
        if n == 100 {
            sender.number = SequenceNumber(60_000);
            sender.timestamp = 7;
        }
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(4_100));
    let counters = line.counters();
    assert_eq!((counters.resets, counters.lost), (1, 0), "{counters:?}");
    assert!(line.has_played(&sender.sent[..98 * 160]));
    assert!(line.has_played(&sender.sent[101 * 160 + 40..]));
}

#[test]
fn a_jump_of_the_timestamp_is_followed() {
    for jump in [1_000_000, 0x8000_0000, 500_000u32.wrapping_neg()] {
        let mut sender = Sender::noise(20);
        let mut line = Line::new();
        for n in 0..200 {
            if n == 100 {
                sender.timestamp = sender.timestamp.wrapping_add(jump);
            }
            line.arrive(ms(n * 20 + 5), &sender.next());
        }
        line.play_until(ms(4_100));
        let counters = line.counters();
        assert_eq!((counters.resets, counters.lost), (1, 0), "{jump:x}: {counters:?}");
        assert!(line.has_played(&sender.sent[100 * 160 + 40..]), "{jump:x}");
        assert!(line.playout.delay() < FLOOR, "{jump:x}: {:?}", line.playout.delay());
    }
}

#[test]
fn a_packet_overtaken_by_a_jump_of_the_timestamp_does_not_undo_it() {
    let mut sender = Sender::labels(20);
    let mut line = Line::new();
    for n in 0..200 {
        if n == 100 {
            sender.timestamp = sender.timestamp.wrapping_add(1_000_000);
        }
        let overtaken = if n == 99 { 21 } else { 0 };
        line.arrive(ms(n * 20 + 5 + overtaken), &sender.next());
    }
    line.play_until(ms(4_000));
    let counters = line.counters();
    assert_eq!((counters.resets, counters.late), (1, 1), "{counters:?}");
    line.expect_delay_below(FLOOR, "overtaken by a jump");
}

#[test]
fn the_codec_can_change_from_packet_to_packet() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..200 {
        sender.change_codec(if n % 3 == 0 { Codec::Pcma } else { Codec::Pcmu });
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(4_040));
    line.expect_exactly(&sender.sent, "codecs");
}

#[test]
fn packets_too_long_or_empty_are_discarded_and_the_stream_goes_on() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..100 {
        let mut packet = sender.next();
        match n {
            40 => packet.bytes.truncate(RtpHeader::LEN),
            50 => packet.bytes.resize(RtpHeader::LEN + 1_501, 0),
            _ => (),
        }
        line.arrive(ms(n * 20 + 5), &packet);
    }
    line.play_until(ms(2_000));
    let expected = PlayoutCounters { received: 100, discarded: 2, ..zero() };
    assert_eq!(line.counters(), expected);
}

#[test]
fn a_stream_that_ends_is_concealed_for_60_ms_and_then_silent() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..50 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(1_200));
    let end = 1 + line.sounds.iter().rposition(|&s| s == Sound::Voice).expect("a voice");
    assert_eq!(line.sounds[end..end + 3], [Sound::Concealed; 3]);
    assert!(line.sounds[end + 3..].iter().all(|&s| s == Sound::Silence));
    // The far end may have fallen silent: nothing is known to be lost.
    let expected = PlayoutCounters { received: 50, concealed: 3, concealed_long: 1, ..zero() };
    assert_eq!(line.counters(), expected);
}

#[test]
fn reset_forgets_the_stream_and_keeps_the_counters() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..10 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(100));
    line.playout.reset();
    assert_eq!(line.counters().received, 5);
    assert_eq!(line.playout.delay(), Duration::ZERO);
    let mut frame = Frame::silence(SampleRate::Hz8000);
    assert_eq!(line.playout.play(ms(120), &mut frame), Sound::Silence);
}

#[test]
fn a_frame_of_another_rate_takes_the_rate_of_the_sound() {
    let mut frame = Frame::silence(SampleRate::Hz48000);
    Playout::new(PlayoutSettings::default(), Decoding::g711()).play(Time::ZERO, &mut frame);
    assert_eq!(frame.rate(), SampleRate::Hz8000);
}
