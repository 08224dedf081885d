//! Whatever a network or a hostile sender does, playing goes on and nothing waits beyond the ceiling.

use proptest::prelude::*;
use std::time::Duration;

use confab_media::codec::Codec;
use confab_media::playout::{Decoding, Playout, PlayoutSettings};
use confab_media::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};
use confab_media::{Frame, SampleRate, Tick, Time};

use super::line::{Line, Random, Sender, ms};
use super::{CEILING, PTIMES};

const SIZES: [PlayoutSettings; 4] =
    [PlayoutSettings::OFF, PlayoutSettings::SMALL, PlayoutSettings::MEDIUM, PlayoutSettings::LARGE];

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
        settings in prop::sample::select(&SIZES[..]),
    ) {
        let ceiling = settings.ceiling();
        let mut playout = Playout::new(settings, Decoding::g711());
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
        let mut playout = Playout::new(PlayoutSettings::default(), Decoding::g711());
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
                payload_type: 0,
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
