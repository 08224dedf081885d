//! Each codec's own means against loss, and what happens where one follows another.

use confab_media::codec::{Codec, Decoder, L16Rate};
use confab_media::playout::{Decoding, PlayoutCounters, PlayoutSettings, Sound};
use confab_media::{Frame, SampleRate, Time};

use super::line::{Line, Random, Sender, ms, steepest, zero};

#[test]
fn lost_opus_packets_are_recovered_from_their_successors() {
    // With 20 ms to spare, the successor is here when the lost one is needed; with none, it never is.
    let (with, without) = (difference(PlayoutSettings::LARGE), difference(PlayoutSettings::OFF));
    assert!(with < 0.5 * without, "{with} {without}");
}

#[test]
fn under_loss_the_delay_grows_until_copies_come_in_time_and_shrinks_when_it_has_gone() {
    const BEGINS: u64 = 500;
    const ENDS: u64 = 2_000;
    for settings in [PlayoutSettings::SMALL, PlayoutSettings::MEDIUM] {
        for seed in 0..2 {
            let mut random = Random(seed);
            let mut sender = Sender::voice(Codec::Opus, 20);
            let mut line = Line::with(settings, Decoding::new(Decoder::new(Codec::Opus).expect("memory")));
            let (mut follows_lost, mut mendable) = (false, 0);
            for n in 0..3_000 {
                let packet = sender.next();
                if (BEGINS..ENDS).contains(&n) && random.below(100) < 5 {
                    follows_lost = true;
                    continue;
                }
                line.arrive(ms(n * 20 + 11), &packet);
                let mends = std::mem::take(&mut follows_lost) && Codec::Opus.has_copy(&packet.bytes[12..]);
                mendable += u64::from(mends);
            }
            line.play_until(ms(BEGINS * 20));
            assert_eq!(line.counters(), PlayoutCounters { received: BEGINS, ..zero() }, "{seed}");
            let clean = line.playout.delay();
            line.play_until(ms(ENDS * 20));
            let lossy = line.counters();
            // But for those before it was noticed.
            let missed = mendable - lossy.recovered;
            assert!(mendable > 40 && missed <= 8, "{seed}: {missed} of {mendable}, {lossy:?}");
            let grown = line.playout.delay() - clean;
            assert!((19..=25).contains(&grown.as_millis()), "{seed}: {grown:?}");
            line.play_until(ms(2_990 * 20));
            assert!(line.playout.delay() < super::FLOOR, "{seed}: {:?}", line.playout.delay());
            let after = line.counters();
            assert_eq!((after.lost, after.recovered), (lossy.lost, lossy.recovered), "{seed}");
            // Some of a grown delay went before the loss did, and came back.
            assert!(after.removed <= after.inserted, "{seed}: {after:?}");
        }
    }
}

#[test]
fn nothing_is_waited_for_without_copies_or_without_leave() {
    for (codec, settings) in [(Codec::Opus, PlayoutSettings::OFF), (Codec::Pcmu, PlayoutSettings::MEDIUM)] {
        let mut random = Random(1);
        let mut sender = Sender::voice(codec, 20);
        let mut line = Line::with(settings, Decoding::new(Decoder::new(codec).expect("memory")));
        for n in 0..1_000 {
            let packet = sender.next();
            if n < 10 || random.below(100) >= 5 {
                line.arrive(ms(n * 20 + 11), &packet);
            }
        }
        line.play_until(ms(19_900));
        let counters = line.counters();
        assert_eq!((counters.recovered, counters.stretched), (0, 0), "{codec:?}: {counters:?}");
        assert_eq!(line.playout.delay(), line.delays[100], "{codec:?}");
    }
}

/// The energy of the difference between what was played for lost packets and what was in them, as a part of what was
/// in them.
fn difference(settings: PlayoutSettings) -> f64 {
    let mut sender = Sender::voice(Codec::Opus, 20);
    let mut line = Line::with(settings, Decoding::new(Decoder::new(Codec::Opus).expect("memory")));
    let is_lost = |n: u64| n > 10 && n.is_multiple_of(7);
    for n in 0..400 {
        let packet = sender.next();
        if !is_lost(n) {
            line.arrive(ms(n * 20 + 11), &packet);
        }
    }
    line.play_until(ms(7_900));
    let counters = line.counters();
    assert_eq!((counters.concealed, counters.concealed_long), (counters.lost, 0), "{counters:?}");
    assert!(line.steepest() < 2 * steepest(&sender.sent), "{}", line.steepest());
    let start = line.first_voice();
    let (mut off, mut sent_energy) = (0.0, 0.0);
    for n in (20..380).filter(|&n| is_lost(n)) {
        let n = n as usize;
        let (played, sent) = (&line.played[(start + n) * 960..][..960], &sender.sent[n * 960..][..960]);
        for (&played, &sent) in played.iter().zip(sent) {
            off += (f64::from(played) - f64::from(sent)).powi(2);
            sent_energy += f64::from(sent).powi(2);
        }
    }
    off / sent_energy
}

#[test]
fn what_is_said_to_be_silent_is_not_decoded_and_what_follows_sounds_as_if_it_were() {
    // What is cheap to decode is decoded all the same.
    for (codec, undecoded) in [(Codec::Opus, 190), (Codec::G722, 0), (Codec::Pcmu, 0)] {
        let mut sender = Sender::voice(codec, 20);
        let (mut line, mut decoding) = (Line::of(codec), Line::of(codec));
        let is_silent = |n: u64| (100..300).contains(&n);
        for n in 0..500 {
            let at = ms(n * 20 + 5);
            if is_silent(n) {
                let packet = sender.next_quiet(70);
                line.silent_arrives(at, &packet);
                decoding.arrive(at, &packet);
            } else {
                let packet = sender.next();
                line.arrive(at, &packet);
                decoding.arrive(at, &packet);
            }
        }
        line.play_until(ms(10_000));
        decoding.play_until(ms(10_000));
        // 200 ms are decoded as usual.
        assert_eq!(line.counters(), PlayoutCounters { received: 500, undecoded, ..zero() }, "{codec:?}");
        if undecoded == 0 {
            assert_eq!(line.played, decoding.played, "{codec:?}");
            continue;
        }
        let (start, len) = (line.first_voice(), line.played.len() / line.sounds.len());
        let begin = start + 300;
        assert_eq!(line.played[..(start + 110) * len], decoding.played[..(start + 110) * len], "{codec:?}");
        assert!(line.sounds[start + 111..begin].iter().all(|&sound| sound == Sound::Silence), "{codec:?}");
        assert!(line.sounds[begin..begin + 190].iter().all(|&sound| sound == Sound::Voice), "{codec:?}");
        let level = |line: &Line, from: usize| {
            let tick = &line.played[from * len..][..len];
            10.0 * (tick.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / len as f64 + 1.0).log10()
        };
        for n in 0..20 {
            let (heard, sent) = (level(&line, begin + n), level(&decoding, begin + n));
            // The decoder finds its way back in the first packet.
            let most = if n == 0 { 8.0 } else { 1.0 };
            assert!((heard - sent).abs() < most, "{codec:?}, tick {n}: {heard} for {sent} dB");
        }
    }
}

#[test]
fn bursts_of_loss_are_concealed_by_every_codec_without_a_click() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus, Codec::L16(L16Rate::Hz16000)] {
        let mut random = Random(3);
        let mut sender = Sender::voice(codec, 20);
        let mut line = Line::of(codec);
        let (mut lost, mut burst) = (0, 0);
        for n in 0..1_000 {
            let packet = sender.next();
            if burst == 0 && random.below(100) < 4 {
                burst = 1 + random.below(3);
            }
            if burst > 0 && (50..950).contains(&n) {
                (burst, lost) = (burst - 1, lost + 1);
            } else {
                line.arrive(ms(n * 20 + 3), &packet);
            }
        }
        line.play_until(ms(19_900));
        let counters = line.counters();
        assert_eq!(
            (counters.lost, counters.discarded, counters.damaged),
            (lost, 0, 0),
            "{codec:?} {counters:?}"
        );
        // With a delay that is no whole number of ticks, one packet is in two frames.
        let most = if codec == Codec::Opus { 2 * lost } else { lost + 10 };
        assert!((lost - 10..=most).contains(&counters.concealed), "{codec:?} {counters:?}");
        let limit = steepest(&sender.sent) * 2;
        assert!(line.steepest() <= limit, "{codec:?}: {} {limit}", line.steepest());
    }
}

#[test]
fn an_opus_stream_that_ends_fades_and_falls_silent() {
    let mut sender = Sender::voice(Codec::Opus, 20);
    let mut line = Line::of(Codec::Opus);
    for n in 0..50 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(1_400));
    let end = 1 + line.sounds.iter().rposition(|&s| s == Sound::Voice).expect("a voice");
    assert_eq!(line.sounds[end..end + 6], [Sound::Concealed; 6]);
    assert!(line.sounds[end + 6..].iter().all(|&s| s == Sound::Silence));
    assert!(line.steepest() <= 2 * steepest(&sender.sent));
}

#[test]
fn a_change_of_codec_neither_clicks_nor_moves_the_timeline() {
    let pairs = [
        (Codec::Pcmu, Codec::G722),
        (Codec::G722, Codec::Pcma),
        (Codec::Opus, Codec::Pcmu),
        (Codec::Pcmu, Codec::Opus),
        (Codec::G722, Codec::Opus),
        (Codec::L16(L16Rate::Hz16000), Codec::L16(L16Rate::Hz8000)),
    ];
    for (before, after) in pairs {
        let mut line = Line::of(before);
        let (mut first, mut second) = (Sender::voice(before, 20), Sender::voice(after, 20));
        for n in 0..100 {
            line.arrive(ms(n * 20 + 5), &first.next());
        }
        second.number = first.number;
        second.timestamp = first.timestamp;
        for n in 100..200 {
            line.arrive(ms(n * 20 + 5), &second.next());
        }
        // The re-INVITE is done while the old codec's last packets are on the way.
        line.play_until(ms(1_950));
        let replaced = line.playout.set_decoding(Decoding::new(Decoder::new(after).expect("memory")));
        drop(replaced);
        line.play_until(ms(4_000));
        let counters = line.counters();
        assert_eq!(counters, PlayoutCounters { received: 200, ..zero() }, "{before:?} {after:?}");
        assert_eq!(line.playout.delay().as_millis(), 15, "{before:?} {after:?}");
        let voice = line.sounds.iter().skip(line.first_voice());
        assert!(voice.copied().all(|s| s == Sound::Voice), "{before:?} {after:?}");
        // At 8 kHz a voice has steeper steps than at 48.
        let limit = steepest(&first.sent).max(steepest(&second.sent)) * 3 / 2;
        assert!(line.steepest() <= limit, "{before:?} {after:?}: {} {limit}", line.steepest());
    }
}

#[test]
fn either_law_is_played_whatever_was_agreed() {
    for (agreed, rate) in [(Codec::Opus, SampleRate::Hz48000), (Codec::G722, SampleRate::Hz16000)] {
        for law in Codec::G711 {
            let mut sender = Sender::noise_of(law, 20);
            let mut line = Line::of(agreed);
            let mut frame = Frame::silence(SampleRate::Hz8000);
            line.playout.play(Time::ZERO, &mut frame);
            assert_eq!(frame.rate(), rate);
            for n in 0..50 {
                line.arrive(ms(n * 20 + 5), &sender.next());
            }
            line.play_until(ms(1_000));
            assert!(line.has_played(&sender.sent[..40 * 160]), "{agreed:?} {law:?}");
        }
    }
}

#[test]
fn a_codec_that_was_not_agreed_is_discarded() {
    let mut sender = Sender::voice(Codec::Opus, 20);
    let mut line = Line::new();
    for n in 0..10 {
        line.arrive(ms(n * 20 + 5), &sender.next());
    }
    line.play_until(ms(300));
    assert_eq!(line.counters(), PlayoutCounters { received: 10, discarded: 10, ..zero() });
}

#[test]
fn garbage_in_opus_packets_is_counted_and_the_next_good_ones_are_heard() {
    let mut sender = Sender::voice(Codec::Opus, 20);
    let mut line = Line::of(Codec::Opus);
    let mut random = Random(9);
    for n in 0..200 {
        let mut packet = sender.next();
        if (50..80).contains(&n) {
            packet.bytes.truncate(12 + 1);
            let len = 1 + random.below(200);
            packet.bytes.extend((0..len).map(|_| random.next() as u8));
        }
        line.arrive(ms(n * 20 + 5), &packet);
    }
    line.play_until(ms(3_900));
    let start = line.first_voice();
    assert!(line.sounds[start + 90..].iter().all(|&s| s == Sound::Voice));
    let (played, sent) = (&line.played[(start + 150) * 960..], &sender.sent[150 * 960..]);
    let far = played.iter().zip(sent).filter(|(a, b)| a.abs_diff(**b) > 2_000).count();
    assert!(far < played.len() / 100, "{far}");
}

#[test]
fn comfort_noise_is_heard_until_the_next_sound_and_hides_nothing() {
    let mut sender = Sender::noise(20);
    let mut line = Line::new();
    for n in 0..100 {
        let mut packet = sender.next();
        match n {
            50 => {
                packet.bytes.truncate(12);
                packet.bytes.push(45);
                line.noise_arrives(ms(n * 20 + 5), &packet);
            }
            51..80 => {
                // Nothing was sent, and no number used.
                sender.number = sender.number.previous();
            }
            _ => line.arrive(ms(n * 20 + 5), &packet),
        }
    }
    line.play_until(ms(2_000));
    let start = line.first_voice();
    assert!(line.sounds[start + 52..start + 79].iter().all(|&s| s == Sound::Noise), "{:?}", line.sounds);
    let pause = &line.played[(start + 52) * 160..(start + 79) * 160];
    assert!(pause.iter().any(|&s| s != 0) && pause.iter().all(|s| s.unsigned_abs() < 2_000));
    assert_eq!(line.counters(), PlayoutCounters { received: 71, ..zero() });
    assert!(line.has_played(&sender.sent[80 * 160..98 * 160]));
}

#[test]
fn packets_of_opus_that_say_only_that_nothing_is_said_are_silent() {
    let mut sender = Sender::voice(Codec::Opus, 20);
    let mut line = Line::of(Codec::Opus);
    for n in 0..200 {
        let mut packet = sender.next();
        if (50..150).contains(&n) {
            packet.bytes.truncate(13);
            if n % 20 != 10 {
                sender.number = sender.number.previous();
                continue;
            }
        }
        line.arrive(ms(n * 20 + 5), &packet);
    }
    line.play_until(ms(3_900));
    let counters = line.counters();
    assert_eq!((counters.lost, counters.resets, counters.late), (0, 0, 0), "{counters:?}");
    let start = line.first_voice();
    assert!(line.sounds[start + 70..start + 149].iter().all(|&s| s == Sound::Silence), "{:?}", line.sounds);
    assert!(line.sounds[start + 151..].iter().all(|&s| s == Sound::Voice));
    assert_eq!(counters.undecoded, 5);
}
