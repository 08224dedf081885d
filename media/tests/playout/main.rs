//! Playout behind an emulated network, in virtual time: a [`Sender`] makes packets, a test says when
//! each of them arrives, and a [`Line`] hands them in and plays a step every 20 ms.

mod line;

use std::time::Duration;

use confab_media::codec::Codec;
use confab_media::playout::{Playout, PlayoutCounters, PlayoutSettings, Sound};
use confab_media::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};
use confab_media::{Frame, SampleRate};
use confab_media::{Tick, Time};
use proptest::prelude::*;

use self::line::{Line, Random, Sender, ms, us, zero};

/// The ceiling that is set if nothing else is said.
const CEILING: Duration = Duration::from_millis(200);

/// What a stream of 20 ms packets without jitter waits at most.
const FLOOR: Duration = Duration::from_millis(30);

const PTIMES: [u64; 6] = [10, 20, 30, 40, 50, 60];

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
        assert!(delay >= Duration::from_millis(10) && delay < FLOOR, "{phase}: {delay:?}");
    }
}

#[test]
fn a_steady_stream_of_any_packet_time_is_played_bit_for_bit() {
    for ptime in PTIMES {
        for phase in 0..20 {
            let mut sender = Sender::noise(ptime);
            let mut line = Line::new();
            for n in 0..300 {
                line.arrive(ms(phase + n * ptime), &sender.next());
            }
            line.play_until(ms(300 * ptime + 100));
            line.expect_exactly(&sender.sent, (ptime, phase));
        }
    }
}

#[test]
fn a_stream_of_any_packet_time_bears_almost_10_ms_of_jitter_bit_for_bit() {
    for ptime in PTIMES {
        for phase in 0..20 {
            let mut random = Random(ptime * 100 + phase);
            let mut sender = Sender::noise(ptime);
            let mut line = Line::new();
            line.arrive(ms(phase), &sender.next());
            for n in 1..300 {
                line.arrive(ms(phase + n * ptime) + random.micros_below(9_900), &sender.next());
            }
            line.play_until(ms(300 * ptime + 100));
            line.expect_same_sound(&sender.sent, (ptime, phase));
            let counters = line.counters();
            assert_eq!((counters.inserted, counters.dropped), (0, 0), "{ptime} {counters:?}");
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
fn nothing_is_heard_before_the_first_packet() {
    let mut line = Line::new();
    line.play_until(ms(200));
    assert!(line.sounds.iter().all(|&s| s == Sound::Silence));
    assert_eq!(line.counters(), zero());
}

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
        assert_eq!((counters.discarded, counters.resets, counters.lost), (0, 0, 0), "{seed}");
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
    assert_eq!(counters.inserted, counters.dropped, "{counters:?}");
    assert_eq!((counters.lost, counters.discarded), (0, 0), "{counters:?}");
    line.expect_delay_below(CEILING, "spike");
    line.expect_order("spike");
}

#[test]
fn the_delay_shrinks_in_a_pause_at_once_and_in_sound_a_second_later() {
    let shrinks_at = |always_set: u8| {
        let mut sender = Sender::noise(20);
        sender.always_set = always_set;
        let mut line = Line::new();
        for n in 0..600 {
            let at = if (100..105).contains(&n) { 105 * 20 } else { n * 20 };
            line.arrive(ms(at + 5), &sender.next());
        }
        let mut now = 0;
        while line.counters().dropped == 0 && now < 10_000 {
            now += 20;
            line.play_until(ms(now));
        }
        now
    };
    let (in_pause, in_sound) = (shrinks_at(0x70), shrinks_at(0));
    assert_eq!(in_pause + 1_000, in_sound);
    // The last packet that was held up came after 2,100 ms.
    assert!((4_100..=5_200).contains(&in_pause), "{in_pause}");
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
        let expected = PlayoutCounters { received: 2_000 - concealed, lost: concealed, concealed, ..zero() };
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
    let expected = PlayoutCounters { received: 100, late: 1, reordered: 1, concealed: 1, ..zero() };
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
    let expected = PlayoutCounters { received: 450, lost: 50, concealed: 3, ..zero() };
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
        // 300 in a million of an hour are 1,080 ms: 54 steps.
        let (followed, other) = if ppm > 0 {
            (counters.inserted, counters.dropped)
        } else {
            (counters.dropped, counters.inserted)
        };
        assert!((52..=56).contains(&followed) && other == 0, "{ppm}: {counters:?}");
        let gone = (counters.lost, counters.discarded, counters.resets);
        assert_eq!(gone, (0, 0, 0), "{ppm}: {counters:?}");
        line.expect_delay_below(Duration::from_millis(40), ppm);
        line.expect_order(ppm);
    }
}

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
        let (received, concealed) = (counters.received, counters.concealed);
        assert_eq!(counters, PlayoutCounters { received, concealed, ..zero() }, "phase {phase}");
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
    let expected = PlayoutCounters { received: 290, concealed: 3, ..zero() };
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
        sender.codec = if n % 3 == 0 { Codec::Pcma } else { Codec::Pcmu };
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
            40 => packet.truncate(RtpHeader::LEN),
            50 => packet.resize(RtpHeader::LEN + 481, 0),
            _ => (),
        }
        line.arrive(ms(n * 20 + 5), &packet);
    }
    line.play_until(ms(2_000));
    let expected = PlayoutCounters { received: 100, discarded: 2, concealed: 2, ..zero() };
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
    let expected = PlayoutCounters { received: 50, concealed: 3, ..zero() };
    assert_eq!(line.counters(), expected);
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
    Playout::new(PlayoutSettings::default()).play(Time::ZERO, &mut frame);
    assert_eq!(frame.rate(), SampleRate::Hz8000);
}

proptest! {
    /// Whatever is lost, held up and doubled: order is kept and no packet waits beyond the ceiling.
    #[test]
    fn any_network_is_survived(
        seed: u64,
        loss in 0u64..40,
        jitter_us in 1u64..400_000,
        ptime in prop::sample::select(&PTIMES[..]),
    ) {
        let mut random = Random(seed);
        let mut sender = Sender::labels(ptime);
        let mut line = Line::new();
        for n in 0..400 {
            let packet = sender.next();
            let at = ms(n * ptime) + random.micros_below(jitter_us);
            if random.below(100) >= loss {
                line.arrive(at, &packet);
            }
            if random.below(100) < 3 {
                line.arrive(at + random.micros_below(300_000), &packet);
            }
        }
        line.play_until(ms(400 * ptime + 1_000));
        prop_assert_eq!(line.counters().resets, 0);
        prop_assert!(line.counters().lost <= 400);
        prop_assert!(line.delay_max <= CEILING, "{:?}", line.delay_max);
        if ptime == 20 {
            line.expect_order(seed);
            line.expect_delay_below(CEILING, seed);
        }
    }

    /// Packets of any number, timestamp, length and source never stop it, and never wait beyond the
    /// ceiling.
    #[test]
    fn hostile_packets_are_survived(
        packets in proptest::collection::vec(hostile_packet(), 0..300),
        ceiling_ms in 0u64..2_000,
    ) {
        let delay_ceiling = Duration::from_millis(ceiling_ms);
        let ceiling = delay_ceiling.clamp(Duration::from_millis(60), Duration::from_millis(500));
        let mut playout = Playout::new(PlayoutSettings { delay_ceiling });
        let mut frame = Frame::silence(SampleRate::Hz8000);
        let mut now = ms(1_000);
        for hostile in packets {
            let mut datagram = hostile.header.to_bytes().to_vec();
            datagram.resize(RtpHeader::LEN + hostile.len, hostile.header.timestamp as u8);
            let packet = PacketView::parse(&datagram).expect("a sound header");
            if hostile.event {
                playout.note_event(&packet);
            } else {
                playout.receive(&packet, hostile.codec, now + hostile.after);
            }
            for _ in 0..hostile.ticks {
                now += Tick::DURATION;
                playout.play(now, &mut frame);
                prop_assert!(playout.delay() <= ceiling, "{:?}", playout.delay());
            }
        }
    }

    /// The same with clocks that go anywhere: nothing is promised but that it goes on.
    #[test]
    fn hostile_clocks_are_survived(
        packets in proptest::collection::vec((hostile_packet(), any::<u64>(), any::<u64>()), 0..100),
    ) {
        let mut playout = Playout::new(PlayoutSettings::default());
        let mut frame = Frame::silence(SampleRate::Hz8000);
        for (hostile, received_at, now) in packets {
            let mut datagram = hostile.header.to_bytes().to_vec();
            datagram.resize(RtpHeader::LEN + hostile.len, 3);
            let packet = PacketView::parse(&datagram).expect("a sound header");
            playout.receive(&packet, hostile.codec, Time::from_nanos(received_at));
            playout.play(Time::from_nanos(now), &mut frame);
        }
    }
}

#[derive(Clone, Debug)]
struct Hostile {
    header: RtpHeader,
    len: usize,
    codec: Codec,
    after: Duration,
    ticks: u8,
    event: bool,
}

fn hostile_packet() -> impl Strategy<Value = Hostile> {
    let number = prop_oneof![4 => 0u16..70, 1 => any::<u16>()];
    let timestamp = prop_oneof![
        4 => (0u32..70).prop_map(|n| n * 160),
        2 => 0u32..20_000,
        1 => any::<u32>(),
        1 => (0u32..3_000).prop_map(u32::wrapping_neg),
    ];
    let len = prop_oneof![3 => Just(160usize), 2 => 0usize..500];
    let codec = prop::sample::select(vec![Codec::Pcmu, Codec::Pcma]);
    let rest = (0u32..20, any::<bool>(), 0u64..20, 0u8..4, 0u8..10);
    (number, timestamp, len, codec, rest).prop_map(|(number, timestamp, len, codec, rest)| {
        let (source, marker, after, ticks, event) = rest;
        Hostile {
            header: RtpHeader {
                marker,
                payload_type: codec.static_payload_type().expect("G.711 has one"),
                sequence_number: SequenceNumber(number),
                timestamp,
                ssrc: Ssrc(source / 18),
            },
            len,
            codec,
            after: Duration::from_millis(after),
            ticks,
            event: event == 0,
        }
    })
}
