//! Keys that are pressed towards a far end.

use std::time::Duration;

use confab_media::dsp::goertzel::KeyListener;
use confab_media::rtp::{DigitReceiver, PacketView, TelephoneEvent};
use confab_media::srtp::{Profile, SrtpKeys};
use confab_media::{
    Ask, Codec, DIGIT_DURATION, Digit, DigitPassage, DigitSender, Frame, LegChange, LegId, LegTerms, Refusal,
    Retired, Time,
};

use crate::ear;
use crate::phone::{EVENTS, Says, Stage, coding, media};

fn presses(keys: &str) -> Box<DigitSender> {
    let mut sender = Box::new(DigitSender::new());
    for key in keys.chars() {
        sender.press(Digit::from_char(key).unwrap(), DIGIT_DURATION).unwrap();
    }
    sender
}

fn press(stage: &mut Stage, leg: u64, keys: &str) {
    stage.ask(Ask::PressDigits(LegId(leg), presses(keys)));
}

/// What a receiver of events makes of the packets that a telephone was sent.
fn received(stage: &Stage, leg: usize) -> Vec<(char, u128)> {
    let phone = &stage.phones[leg];
    let mut receiver = DigitReceiver::at_clock_rate(phone.media.terms.telephone_event_rate);
    let mut keys = Vec::new();
    for (n, packet) in phone.packets.iter().enumerate() {
        let packet = PacketView::parse(packet).unwrap();
        let now = Time::from_millis(n as u64 * 20);
        if packet.payload_type() == EVENTS {
            keys.extend(receiver.receive(&packet, now));
        }
        keys.extend(receiver.expire(now));
    }
    let shown = |event| Digit::from_event(event).unwrap().expose();
    keys.into_iter().map(|key| (shown(key.event), key.duration.as_millis())).collect()
}

/// The same by the rules of RFC 4733 §2.5.1 alone: a marker begins a key, all its packets have its timestamp, its
/// duration grows, and its end comes three times.
fn read(stage: &Stage, leg: usize) -> String {
    let mut keys = String::new();
    let mut begun = None;
    let mut ends = 0;
    for packet in &stage.phones[leg].packets {
        let packet = PacketView::parse(packet).unwrap();
        if packet.payload_type() != EVENTS {
            assert!(begun.is_none(), "sound before the third end");
            continue;
        }
        let event = TelephoneEvent::parse(packet.payload()).unwrap();
        let (timestamp, duration) = match begun {
            None => {
                assert!(packet.marker(), "a key begins with a marker");
                (packet.timestamp(), 0)
            }
            Some((timestamp, duration)) => {
                assert!(!packet.marker() && packet.timestamp() == timestamp);
                assert!(event.duration > duration || ends > 0);
                (timestamp, duration)
            }
        };
        begun = Some((timestamp, event.duration.max(duration)));
        ends += u8::from(event.end);
        if ends == 3 {
            keys.push(Digit::from_event(event.event).unwrap().expose());
            (begun, ends) = (None, 0);
        }
    }
    assert!(begun.is_none());
    keys
}

/// One stream: numbers without a gap, and sound where its time is.
fn expect_one_stream(stage: &Stage, leg: usize) {
    let phone = &stage.phones[leg];
    let units = phone.media.codec.clock_rate() / 50;
    let mut expected = None;
    for packet in &phone.packets {
        let packet = PacketView::parse(packet).unwrap();
        let (number, timestamp) = expected.unwrap_or_else(|| (packet.sequence_number(), packet.timestamp()));
        assert_eq!(packet.sequence_number(), number);
        if packet.payload_type() != EVENTS {
            assert_eq!(packet.timestamp(), timestamp);
        }
        expected = Some((number.next(), timestamp.wrapping_add(units)));
    }
}

#[test]
fn keys_are_sent_as_events_in_place_of_sound_and_nobody_else_notices() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut stage = Stage::new(DigitPassage::Withheld, &[codec, codec, codec], true);
        let mut other = Stage::new(DigitPassage::Withheld, &[codec, codec, codec], true);
        let len = codec.sample_rate().frame_len();
        for tick in 0..80 {
            if tick == 10 {
                press(&mut stage, 1, "19#");
            }
            let frame: Vec<i16> = (0..len).map(|n| ((n * 37 + tick * 11) % 900) as i16).collect();
            stage.tick(&[Says::Sound(&frame)]);
            other.tick(&[Says::Sound(&frame)]);
        }
        assert_eq!(received(&stage, 1), [('1', 100), ('9', 100), ('#', 100)], "{codec:?}");
        assert_eq!(read(&stage, 1), "19#", "{codec:?}");
        expect_one_stream(&stage, 1);
        for leg in [0, 2] {
            assert_eq!(stage.phones[leg].packets, other.phones[leg].packets, "{codec:?}, leg {leg}");
        }
    }
}

#[test]
fn keys_are_sent_as_tones_where_no_events_were_agreed() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let mut stage = Stage::new(DigitPassage::Withheld, &[codec, codec, codec], false);
        let mut other = Stage::new(DigitPassage::Withheld, &[codec, codec, codec], false);
        let len = codec.sample_rate().frame_len();
        for tick in 0..150 {
            // To one who listens, and to one who speaks.
            if tick == 10 {
                press(&mut stage, 1, "147*");
                press(&mut stage, 0, "D8");
            }
            let frame: Vec<i16> = (0..len).map(|n| ((n * 37 + tick * 11) % 900) as i16).collect();
            stage.tick(&[Says::Sound(&frame)]);
            other.tick(&[Says::Sound(&frame)]);
        }
        let rate = codec.sample_rate();
        for (leg, keys) in [(1, "147*"), (0, "D8")] {
            let mut listener = KeyListener::default();
            let heard = stage.phones[leg].heard.chunks_exact(rate.frame_len()).filter_map(|chunk| {
                let mut frame = Frame::silence(rate);
                frame.samples_mut().copy_from_slice(chunk);
                listener.hear(&frame)
            });
            let heard: String = heard.map(|key| Digit::from_event(key.event).unwrap().expose()).collect();
            assert_eq!(heard, keys, "{codec:?}");
            let mut others = ear::heard(&stage.phones[leg].heard, rate.hertz());
            others.dedup();
            assert!(keys.chars().all(|key| others.contains(&key)), "{codec:?}: {others:?}");
        }
        expect_one_stream(&stage, 1);
        assert_eq!(stage.phones[2].packets, other.phones[2].packets, "{codec:?}");
    }
}

#[test]
fn keys_that_come_while_others_are_pressed_wait_and_too_many_are_refused_whole() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu, Codec::Pcmu], true);
    press(&mut stage, 0, "12");
    stage.quiet(2);
    press(&mut stage, 0, "34");
    assert_eq!(stage.retired.len(), 1, "what brought them is not needed");
    press(&mut stage, 0, "55555555555555555555555555555555");
    assert_eq!(stage.refused, [Refusal::DigitsFull]);
    stage.quiet(80);
    assert_eq!(read(&stage, 0), "1234");
    press(&mut stage, 0, "6");
    stage.quiet(20);
    assert_eq!(read(&stage, 0), "12346");
    assert!(stage.retired.iter().all(|retired| matches!(retired, Retired::Presses(_) | Retired::Player(_))));
    assert_eq!(stage.retired.len(), 3);
    press(&mut stage, 9, "1");
    assert_eq!(stage.refused[1..], [Refusal::NoLeg]);
}

#[test]
fn keys_are_sent_over_srtp_as_any_packet_and_counted() {
    let keys = SrtpKeys::new(Profile::AeadAes128Gcm, &[7; 28]).unwrap();
    let mut stage = Stage::secured(DigitPassage::Withheld, vec![media(0, Codec::Pcmu, true)], Some(keys));
    press(&mut stage, 0, "5*");
    for _ in 0..40 {
        stage.tick(&[]);
    }
    assert_eq!(read(&stage, 0), "5*");
    expect_one_stream(&stage, 0);
    stage.ask(Ask::RemoveLeg(LegId(0)));
    let sent: u64 = stage
        .retired
        .iter()
        .map(|retired| match retired {
            Retired::Leg(leg) => leg.packets_sent(),
            Retired::Conference(_)
            | Retired::LegChange(_)
            | Retired::Presses(_)
            | Retired::Capture(_)
            | Retired::Equipment(_)
            | Retired::Player(_)
            | Retired::ConferenceTap(_)
            | Retired::Programme(_)
            | Retired::Levels(_)
            | Retired::Quality(_) => 0,
        })
        .sum();
    assert_eq!(sent, 40);
}

#[test]
fn pauses_between_keys_are_kept() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu], true);
    let mut sender = presses("1");
    sender.pause(Duration::from_millis(500)).unwrap();
    sender.press(Digit::from_char('2').unwrap(), DIGIT_DURATION).unwrap();
    stage.ask(Ask::PressDigits(LegId(0), sender));
    stage.quiet(60);
    let marked = stage.phones[0].packets.iter().enumerate().filter(|(_, packet)| {
        let packet = PacketView::parse(packet).unwrap();
        packet.marker() && packet.payload_type() == EVENTS
    });
    let marked: Vec<usize> = marked.map(|(n, _)| n).collect();
    assert_eq!(marked, [0, 35], "a key, its pause, and half a second");
}

#[test]
fn keys_go_on_in_the_other_way_after_a_re_invite() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu, Codec::Pcmu], true);
    press(&mut stage, 0, "123");
    stage.quiet(15);
    let change = |media: confab_media::LegMedia| {
        Ask::SetLegMedia(LegId(0), Box::new(LegChange { coding: Some(coding(&media)), srtp: None, media }))
    };
    stage.ask(change(media(0, Codec::Pcmu, false)));
    stage.quiet(60);
    assert_eq!(received(&stage, 0).iter().map(|key| key.0).collect::<String>(), "12", "the second is let go");
    assert!(ear::heard(&stage.phones[0].heard, 8_000).iter().all(|&key| key == '3'));
    assert!(!ear::heard(&stage.phones[0].heard, 8_000).is_empty());
}

#[test]
fn on_hold_keys_wait() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu], true);
    let mut held = media(0, Codec::Pcmu, true);
    held.direction.send = false;
    stage.ask(Ask::SetLegMedia(LegId(0), Box::new(LegChange { coding: None, srtp: None, media: held })));
    press(&mut stage, 0, "7");
    stage.quiet(50);
    assert!(stage.phones[0].packets.is_empty());
    let back = media(0, Codec::Pcmu, true);
    stage.ask(Ask::SetLegMedia(LegId(0), Box::new(LegChange { coding: None, srtp: None, media: back })));
    stage.quiet(20);
    assert_eq!(read(&stage, 0), "7");
}

#[test]
fn far_ends_that_want_other_packets_get_their_keys_in_time() {
    for ptime in [10, 30, 60] {
        let mut media = media(0, Codec::Pcmu, true);
        media.terms = LegTerms { ptime, ..media.terms };
        let mut stage = Stage::of(DigitPassage::Withheld, vec![media]);
        stage.quiet(7);
        press(&mut stage, 0, "40");
        stage.quiet(50);
        assert_eq!(read(&stage, 0), "40", "{ptime}");
        // Time goes on as the clock does: no packet says that it is later than it is.
        let first = PacketView::parse(&stage.phones[0].packets[0]).unwrap().timestamp();
        let last = stage.phones[0].packets.iter().rev().map(|packet| PacketView::parse(packet).unwrap());
        let last = last.into_iter().find(|packet| packet.payload_type() == 0).unwrap().timestamp();
        let (at, end) = (last.wrapping_sub(first), 57 * 160);
        assert!(at < end && at + 2 * 480 + 160 > end, "{ptime}: {at} of {end}");
    }
}
