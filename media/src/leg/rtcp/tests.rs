//! Streams with known loss and jitter go in, and reports come out; two ends talk in virtual time; then the far
//! end lies.

use proptest::prelude::*;

use super::*;
use crate::rtp::SequenceNumber;

const US: Ssrc = Ssrc(1);
const THEM: Ssrc = Ssrc(2);

fn rtcp(ssrc: Ssrc, seed: u64) -> LegRtcp {
    LegRtcp::new(RtcpSettings {
        ssrc,
        cname: *b"0123456789abcdef",
        seed,
        interval: REPORT_INTERVAL,
        wall: WallClock(NtpTime(0xe000_0000_8000_0000)),
    })
}

/// The `n`th of packets sent every 20 ms at 8 kHz, with no delay.
fn arrival(n: u64) -> Arrival {
    Arrival {
        ssrc: THEM,
        sequence_number: SequenceNumber(n as u16),
        timestamp: (n * 160) as u32,
        clock_rate: 8_000,
        at: Time::from_millis(n * 20),
    }
}

fn received(numbers: impl IntoIterator<Item = u64>) -> Reception {
    let mut reception = Reception::default();
    numbers.into_iter().for_each(|n| reception.note(&arrival(n)));
    reception
}

fn sent(packets: u64, at: Time) -> Sent {
    Sent { packets, octets: packets * 160, timestamp: 800, at, clock_rate: 8_000 }
}

#[test]
fn a_clean_stream_loses_nothing_and_has_no_jitter() {
    let mut reception = received(65_000..200_000);
    let block = reception.report().unwrap();
    assert_eq!((block.fraction_lost, block.cumulative_lost, block.jitter), (0, 0, 0));
    let cycles = 199_999 / 65_536;
    assert_eq!(block.highest_sequence, (cycles << 16) | (199_999 % 65_536));
    assert_eq!(reception.totals(), ReceptionTotals { packets: 135_000, lost: 0 });
}

#[test]
fn loss_is_a_fraction_since_the_last_report_and_a_sum_over_the_call() {
    let mut reception = received((0..100).filter(|n| n % 4 != 1));
    let first = reception.report().unwrap();
    assert_eq!((first.fraction_lost, first.cumulative_lost), (64, 25));
    (100..200).for_each(|n| reception.note(&arrival(n)));
    let second = reception.report().unwrap();
    assert_eq!((second.fraction_lost, second.cumulative_lost), (0, 25));
    assert_eq!(reception.report(), None, "nothing came");
}

#[test]
fn doubles_make_negative_loss_and_late_ones_take_theirs_back() {
    let mut reception = received([0, 1, 2, 2, 2]);
    assert_eq!(reception.report().unwrap().cumulative_lost, -2);
    let mut reception = received([0, 1, 5, 3, 2]);
    assert_eq!(reception.report().unwrap().cumulative_lost, 1);
    assert_eq!(reception.totals().lost, 1);
}

#[test]
fn jitter_follows_the_rfc_s_recursion() {
    let mut reception = Reception::default();
    let mut expected = 0.0;
    for n in 0..1_000 {
        // Every other packet is 5 ms late: 40 units from one to the next.
        let late = Duration::from_millis(if n % 2 == 0 { 5 } else { 0 });
        reception.note(&Arrival { at: arrival(n).at + late, ..arrival(n) });
        expected += if n == 0 { 0.0 } else { (40.0 - expected) / 16.0 };
    }
    let units = f64::from(reception.report().unwrap().jitter);
    assert!((units - expected).abs() <= 1.0, "{units} and {expected}");
    assert!(reception.jitter().abs_diff(Duration::from_millis(5)) < Duration::from_millis(1));
}

#[test]
fn a_change_of_clock_rate_keeps_the_jitter_s_duration() {
    let mut reception = Reception::default();
    for n in 0..100 {
        let late = Duration::from_millis(n % 2 * 5);
        reception.note(&Arrival { at: arrival(n).at + late, ..arrival(n) });
    }
    let before = reception.jitter();
    let changed = Arrival { clock_rate: 48_000, timestamp: 9_999_999, ..arrival(100) };
    reception.note(&changed);
    assert!(reception.jitter().abs_diff(before) < Duration::from_micros(50));
    let next = Arrival { clock_rate: 48_000, timestamp: 9_999_999 + 960, ..arrival(101) };
    reception.note(&next);
    assert!(reception.jitter() < before);
}

#[test]
fn a_jump_of_timestamps_is_no_jitter() {
    let mut reception = Reception::default();
    for n in 0..200 {
        let timestamp =
            if n < 100 { arrival(n).timestamp } else { arrival(n).timestamp.wrapping_sub(70_000) };
        reception.note(&Arrival { timestamp, ..arrival(n) });
    }
    assert_eq!(reception.jitter(), Duration::ZERO);
}

#[test]
fn packets_of_one_moment_are_no_jitter() {
    let mut reception = Reception::default();
    for n in 0..100 {
        // A telephone-event in the middle: its packets all carry the timestamp of its start.
        let timestamp = if (40..60).contains(&n) { arrival(40).timestamp } else { arrival(n).timestamp };
        reception.note(&Arrival { timestamp, ..arrival(n) });
    }
    assert_eq!(reception.jitter(), Duration::ZERO);
}

#[test]
fn a_new_source_begins_anew_and_the_call_s_totals_go_on() {
    let mut reception = received((0..100).filter(|n| n % 10 != 1));
    for n in 0..50 {
        reception.note(&Arrival {
            ssrc: Ssrc(3),
            sequence_number: SequenceNumber(30_000 + n as u16),
            ..arrival(n)
        });
    }
    let block = reception.report().unwrap();
    assert_eq!((block.ssrc, block.cumulative_lost), (3, 0));
    assert_eq!(reception.totals(), ReceptionTotals { packets: 140, lost: 10 });
}

#[test]
fn a_jump_of_sequence_numbers_is_believed_when_it_comes_twice() {
    let mut reception = received([0, 1, 2, 30_000, 3]);
    assert_eq!(reception.totals(), ReceptionTotals { packets: 4, lost: 0 });
    [40_000, 40_001, 40_002].iter().for_each(|&n| reception.note(&arrival(n)));
    assert_eq!(reception.totals(), ReceptionTotals { packets: 6, lost: 0 });
    assert_eq!(reception.report().unwrap().highest_sequence, 40_002);
}

#[test]
fn the_wall_clock_goes_with_the_time() {
    let wall = WallClock(NtpTime(5 << 32));
    assert_eq!(wall.ntp_at(Time::ZERO), NtpTime(5 << 32));
    assert_eq!(wall.ntp_at(Time::from_millis(1_500)), NtpTime(6 << 32 | 1 << 31));
    let end = WallClock(NtpTime(u64::MAX)).ntp_at(Time::from_millis(1_000));
    assert_eq!(end, NtpTime((1 << 32) - 1), "wraps");
}

/// Reports of one end travel to the other for `delay`, and back.
#[test]
fn two_ends_measure_their_round_trip() {
    let (mut a, mut b) = (rtcp(US, 1), rtcp(THEM, 2));
    let delay = Duration::from_millis(40);
    let mut out = [0; REPORT_LEN_MAX];
    let mut in_flight: Vec<(Time, bool, Vec<u8>)> = Vec::new();
    for n in 0..2_000 {
        let now = Time::from_millis(n * 20);
        a.note_rtp(&arrival(n));
        b.note_rtp(&Arrival { ssrc: US, ..arrival(n) });
        for (end, is_a) in [(&mut a, true), (&mut b, false)] {
            if end.is_due(now) {
                let len = end.write_report(now, &sent(n + 1, now), &mut out).unwrap();
                in_flight.push((now + delay, is_a, out[..len].to_vec()));
            }
        }
        in_flight.retain(|(at, from_a, bytes)| {
            if *at <= now {
                let to = if *from_a { &mut b } else { &mut a };
                to.receive(&Compound::parse(bytes).unwrap(), *at);
            }
            *at > now
        });
    }
    for end in [a, b] {
        let round_trip = end.round_trip().expect("measured");
        assert!(round_trip.abs_diff(delay * 2) < Duration::from_micros(100), "{round_trip:?}");
        assert_eq!(end.counters().nonsense, 0);
        assert_eq!(end.counters().foreign_blocks, 0);
        assert_eq!(end.far_reception().map(|far| far.lost), Some(0));
    }
}

#[test]
fn reports_are_spread_around_their_interval_and_the_first_comes_sooner() {
    for seed in 0..200 {
        let mut end = rtcp(US, seed);
        let (mut made, mut out) = (Vec::new(), [0; REPORT_LEN_MAX]);
        for n in 0..10_000 {
            let now = Time::from_millis(n * 20);
            if end.is_due(now) {
                end.write_report(now, &sent(n, now), &mut out).unwrap();
                made.push(now);
            }
        }
        let first = made[0].since(Time::ZERO);
        assert!((1_240..=3_780).contains(&first.as_millis()), "seed {seed}: {first:?}");
        for pair in made.windows(2) {
            let apart = pair[1].since(pair[0]).as_millis();
            assert!((2_500..=7_520).contains(&apart), "seed {seed}: {apart}");
        }
        assert!((30..=52).contains(&made.len()), "seed {seed}: {} reports", made.len());
    }
}

#[test]
fn who_sends_makes_sender_reports_and_who_stops_makes_receiver_reports() {
    let mut end = rtcp(US, 1);
    let mut out = [0; REPORT_LEN_MAX];
    let mut kinds = Vec::new();
    for (n, packets) in [0, 0, 10, 10, 10, 20].into_iter().enumerate() {
        let now = Time::from_millis(n as u64 * 5_000);
        let len = end.write_report(now, &sent(packets, now), &mut out).unwrap();
        let compound = Compound::parse(&out[..len]).unwrap();
        kinds.push(matches!(compound.packets().next(), Some(Packet::SenderReport(_))));
    }
    assert_eq!(kinds, [false, false, true, true, false, true]);
}

#[test]
fn a_sender_report_names_one_moment_on_both_clocks() {
    let mut end = rtcp(US, 1);
    let mut out = [0; REPORT_LEN_MAX];
    let now = Time::from_millis(1_010);
    let len = end.write_report(now, &sent(5, Time::from_millis(1_000)), &mut out).unwrap();
    let Some(Packet::SenderReport(report)) = Compound::parse(&out[..len]).unwrap().packets().next() else {
        panic!("a sender report");
    };
    assert_eq!(report.info.rtp_timestamp, 800 + 80);
    assert_eq!(report.info.ntp, WallClock(NtpTime(0xe000_0000_8000_0000)).ntp_at(now));
    assert_eq!((report.info.packets, report.info.octets), (5, 800));
}

#[test]
fn the_last_report_says_goodbye_and_fits() {
    let mut end = rtcp(US, 1);
    end.note_rtp(&arrival(0));
    let mut out = [0; REPORT_LEN_MAX];
    let len = end.write_goodbye(Time::ZERO, &sent(1, Time::ZERO), &mut out).unwrap();
    assert_eq!(len, REPORT_LEN_MAX);
    let mut far = rtcp(THEM, 2);
    far.note_rtp(&Arrival { ssrc: US, ..arrival(0) });
    far.receive(&Compound::parse(&out).unwrap(), Time::ZERO);
    assert!(far.has_far_end_left());
    far.note_rtp(&Arrival { ssrc: US, ..arrival(1) });
    assert!(!far.has_far_end_left(), "it is heard again");
}

/// A receiver report with one block.
fn claim(from: Ssrc, block: ReportBlock) -> Vec<u8> {
    let mut out = [0; 200];
    let mut writer = CompoundWriter::new(&mut out);
    writer.receiver_report(from, &[block]).unwrap();
    let len = writer.len();
    out[..len].to_vec()
}

fn hear(end: &mut LegRtcp, from: Ssrc, block: ReportBlock, at: Time) {
    end.receive(&Compound::parse(&claim(from, block)).unwrap(), at);
}

#[test]
fn one_claim_of_total_loss_moves_little_and_many_stop_at_the_cap() {
    let mut end = rtcp(US, 1);
    let total = ReportBlock { ssrc: US.0, fraction_lost: 255, ..ReportBlock::default() };
    hear(&mut end, THEM, total, Time::from_millis(5_000));
    assert_eq!(end.expected_loss_percent(Time::from_millis(5_000)), 8);
    for n in 0..100 {
        hear(&mut end, THEM, total, Time::from_millis(5_000 + n));
    }
    assert_eq!(end.expected_loss_percent(Time::from_millis(5_100)), 8, "a flood counts for one");
    for n in 2..100 {
        hear(&mut end, THEM, total, Time::from_millis(5_000 * n));
    }
    let expected = end.expected_loss_percent(Time::from_millis(495_000));
    assert!((28..=EXPECTED_LOSS_MAX).contains(&expected), "{expected}");
    assert_eq!(end.expected_loss_percent(Time::from_millis(530_000)), 0, "forgotten");
}

#[test]
fn small_changes_of_claimed_loss_change_nothing() {
    let mut end = rtcp(US, 1);
    let mut changes = 0;
    let mut before = 0;
    for n in 1..200u64 {
        // 9 % and 11 % in turn, in 256ths.
        let fraction_lost = if n % 2 == 0 { 23 } else { 28 };
        let at = Time::from_millis(5_000 * n);
        hear(&mut end, THEM, ReportBlock { ssrc: US.0, fraction_lost, ..ReportBlock::default() }, at);
        let now = end.expected_loss_percent(at);
        changes += u32::from(now != before);
        before = now;
    }
    assert!((8..=12).contains(&before), "{before}");
    assert!(changes <= 5, "{changes} changes on the way up, none then");
}

#[test]
fn blocks_about_others_and_from_our_own_ssrc_are_ignored() {
    let mut end = rtcp(US, 1);
    let at = Time::from_millis(5_000);
    hear(&mut end, THEM, ReportBlock { ssrc: 77, fraction_lost: 255, ..ReportBlock::default() }, at);
    hear(&mut end, US, ReportBlock { ssrc: US.0, fraction_lost: 255, ..ReportBlock::default() }, at);
    assert_eq!((end.counters().foreign_blocks, end.counters().collisions), (1, 1));
    assert_eq!((end.expected_loss_percent(at), end.far_reception()), (0, None));
}

#[test]
fn round_trips_that_cannot_be_are_counted_and_not_believed() {
    let mut end = rtcp(US, 1);
    let mut out = [0; REPORT_LEN_MAX];
    let at = Time::from_millis(1_000);
    end.write_report(at, &sent(1, at), &mut out).unwrap();
    let stamp = end.wall.ntp_at(at).middle();
    let block = |last_sr, delay_since_last_sr| ReportBlock {
        ssrc: US.0,
        last_sr,
        delay_since_last_sr,
        ..ReportBlock::default()
    };
    hear(&mut end, THEM, block(stamp ^ 1, 0), Time::from_millis(1_100));
    hear(&mut end, THEM, block(stamp, 1 << 16), Time::from_millis(1_100));
    hear(&mut end, THEM, block(stamp, u32::MAX), Time::from_millis(1_100));
    hear(&mut end, THEM, block(stamp, 0), Time::from_millis(11_001));
    assert_eq!((end.round_trip(), end.counters().nonsense), (None, 4));
    hear(&mut end, THEM, block(0, 0), Time::from_millis(1_100));
    assert_eq!((end.round_trip(), end.counters().nonsense), (None, 4), "it has not heard us yet");
    // 101 ms waited of 100: rounded by the far end.
    hear(&mut end, THEM, block(stamp, 6_620), Time::from_millis(1_100));
    assert_eq!(end.round_trip(), Some(Duration::ZERO));
    hear(&mut end, THEM, block(stamp, 3_277), Time::from_millis(1_100));
    let round_trip = end.round_trip().unwrap();
    assert!(round_trip.abs_diff(Duration::from_millis(50)) < Duration::from_micros(20));
}

#[test]
fn claims_beyond_what_was_sent_are_cut() {
    let mut end = rtcp(US, 1);
    let mut out = [0; REPORT_LEN_MAX];
    end.write_report(Time::ZERO, &sent(500, Time::ZERO), &mut out).unwrap();
    let lie =
        ReportBlock { ssrc: US.0, cumulative_lost: 8_000_000, jitter: u32::MAX, ..ReportBlock::default() };
    hear(&mut end, THEM, lie, Time::from_millis(10));
    let far = end.far_reception().unwrap();
    assert_eq!((far.lost, far.jitter), (500, FAR_JITTER_MAX));
}

proptest! {
    /// Counting by the book: what is expected less what came, over any loss and doubling across wraps.
    #[test]
    fn loss_agrees_with_what_was_dropped(
        first in any::<u16>(),
        copies in proptest::collection::vec(0u8..3, 2..2_000),
    ) {
        let mut reception = Reception::default();
        let (mut came, mut last) = (0i64, 0);
        for (n, &copies) in copies.iter().enumerate() {
            // Counting begins with the first that comes.
            let copies = if n == 0 { 1 } else { copies };
            for _ in 0..copies {
                reception.note(&arrival(u64::from(first) + n as u64));
                came += 1;
                last = n as i64;
            }
        }
        let block = reception.report().unwrap();
        prop_assert_eq!(i64::from(block.cumulative_lost), last + 1 - came);
        prop_assert_eq!(block.highest_sequence, u32::from(first) + last as u32);
    }

    /// Whatever arrives, nothing overflows and every figure stays within its bounds.
    #[test]
    fn any_stream_is_harmless(
        packets in proptest::collection::vec(any::<(u8, u16, u32, u32, u32)>(), 0..200),
    ) {
        let mut reception = Reception::default();
        let mut at = Time::ZERO;
        for (ssrc, sequence, timestamp, clock_rate, wait) in packets {
            at += Duration::from_nanos(wait.into());
            reception.note(&Arrival {
                ssrc: Ssrc(u32::from(ssrc % 2)),
                sequence_number: SequenceNumber(sequence),
                timestamp,
                clock_rate,
                at,
            });
            reception.report();
            reception.jitter();
        }
        prop_assert!(reception.totals().packets <= 200);
    }

    /// Whatever is claimed, what is expected stays within its bounds and moves by at most a quarter of
    /// them.
    #[test]
    fn any_claims_are_bounded(
        claims in proptest::collection::vec(any::<(u8, i32, u32, u32, u32, u16)>(), 0..100),
    ) {
        let mut end = rtcp(US, 1);
        let mut out = [0; REPORT_LEN_MAX];
        let (mut at, mut before) = (Time::ZERO, 0);
        for (fraction_lost, cumulative_lost, jitter, last_sr, delay_since_last_sr, wait) in claims {
            at += Duration::from_millis(wait.into());
            let block = ReportBlock {
                ssrc: US.0, fraction_lost, cumulative_lost, jitter, last_sr, delay_since_last_sr,
                ..ReportBlock::default()
            };
            hear(&mut end, THEM, block, at);
            end.write_report(at, &sent(1, at), &mut out).unwrap();
            let expected = end.expected_loss_percent(at);
            prop_assert!(expected <= EXPECTED_LOSS_MAX);
            prop_assert!(expected <= before + 10, "from {} to {}", before, expected);
            prop_assert!(end.round_trip().is_none_or(|r| r <= Duration::from_secs(10)));
            before = expected;
        }
    }
}
