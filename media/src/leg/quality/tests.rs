//! Calls of a few minutes, a sample a second.

use proptest::prelude::*;

use super::*;

fn direction(packets: u64, lost: u64) -> DirectionSample {
    DirectionSample {
        packets,
        lost,
        recovered: 0,
        discarded: 0,
        bursts: 0,
        jitter: Duration::from_millis(2),
        playout_delay: Some(Duration::from_millis(30)),
        codec: CodecImpairment::G711,
    }
}

fn sample(packets: u64, lost: u64) -> QualitySample {
    QualitySample {
        receive: direction(packets, lost),
        send: SendSample { packets, told: None },
        round_trip: Some(Duration::from_millis(20)),
        ledger: LatencyLedger { playout: Micros(30_000), ..LatencyLedger::default() },
    }
}

fn mos(direction: DirectionQuality) -> f64 {
    direction.score.expect("something to judge").mos()
}

#[test]
fn before_anything_happened_nothing_is_said() {
    let mut meter = QualityMeter::default();
    assert_eq!(meter.live(), Quality::default());
    meter.observe(&sample(0, 0));
    for quality in [meter.live(), meter.whole_call()] {
        assert_eq!(quality.receive, DirectionQuality::default());
    }
}

#[test]
fn a_clean_call_is_good_both_live_and_whole() {
    let mut meter = QualityMeter::default();
    for second in 0..60 {
        meter.observe(&sample(second * 50, 0));
    }
    for quality in [meter.live(), meter.whole_call()] {
        assert!(mos(quality.receive) > 4.3, "{quality:?}");
        assert_eq!(quality.round_trip, Some(Micros(20_000)));
        assert_eq!(quality.ledger.playout, Micros(30_000));
        let said = DirectionQuality { packets: quality.send.packets, ..DirectionQuality::default() };
        assert_eq!(quality.send, said, "the far end says nothing");
    }
    assert_eq!((meter.live().send.packets, meter.whole_call().send.packets), (500, 59 * 50));
    assert_eq!(meter.live().receive.packets, 500);
    assert_eq!(meter.whole_call().receive.packets, 59 * 50);
}

#[test]
fn a_bad_spell_shows_live_passes_and_stays_in_the_whole_call() {
    let mut meter = QualityMeter::default();
    let (mut packets, mut lost) = (0, 0);
    let mut lowest = 5.0f64;
    for second in 0..60 {
        let gone = if (20..25).contains(&second) { 15 } else { 0 };
        (packets, lost) = (packets + 50 - gone, lost + gone);
        meter.observe(&sample(packets, lost));
        lowest = lowest.min(mos(meter.live().receive));
    }
    assert!(lowest < 3.2, "{lowest}");
    assert!(mos(meter.live().receive) > 4.3);
    let whole = mos(meter.whole_call().receive);
    assert!((3.5..4.3).contains(&whole), "{whole}");
    assert_eq!(meter.whole_call().receive.lost, Some(75));
}

#[test]
fn what_comes_too_late_is_as_bad_as_what_is_lost() {
    let judged = |sample: DirectionSample| {
        let mut meter = QualityMeter::default();
        meter.observe(&QualitySample { receive: sample, ..self::sample(0, 0) });
        meter.whole_call().receive
    };
    let late = judged(DirectionSample { discarded: 50, ..direction(1_000, 0) });
    let lost = judged(direction(950, 50));
    assert_eq!(late.score, lost.score);
}

#[test]
fn losses_in_bursts_are_worse_than_the_same_scattered() {
    let judged = |bursts| {
        let mut meter = QualityMeter::default();
        meter.observe(&QualitySample {
            receive: DirectionSample { bursts, ..direction(900, 100) },
            ..sample(0, 0)
        });
        mos(meter.whole_call().receive)
    };
    assert!(judged(10) < judged(100), "{} {}", judged(10), judged(100));
}

#[test]
fn what_a_copy_made_good_counts_as_lost_and_does_no_harm() {
    let judged = |direction| {
        let mut meter = QualityMeter::default();
        meter.observe(&QualitySample { receive: direction, ..sample(0, 0) });
        meter.whole_call().receive
    };
    let mended = judged(DirectionSample { recovered: 50, ..direction(950, 50) });
    assert_eq!(mended.lost, Some(50));
    assert_eq!(mended.score, judged(direction(1_000, 0)).score);
    assert!(mos(mended) > mos(judged(direction(950, 50))));
}

#[test]
fn the_far_end_s_word_judges_what_is_sent() {
    let mut meter = QualityMeter::default();
    for second in 0..30u64 {
        let send = DirectionSample {
            playout_delay: None,
            jitter: Duration::from_millis(40),
            ..direction(second * 50, second * 2)
        };
        let send = SendSample { packets: second * 50, told: Some(send) };
        meter.observe(&QualitySample { send, ..sample(second * 50, 0) });
    }
    let live = meter.live();
    assert!(mos(live.send) < mos(live.receive), "{live:?}");
    assert_eq!((live.send.lost, live.send.jitter), (Some(20), Some(Micros(40_000))));
    assert_eq!(live.send.discarded, None, "no report tells of that");
}

#[test]
fn long_times_stay_at_the_end_of_the_scale() {
    assert_eq!(Micros::from(Duration::from_secs(1_000_000)), Micros(u32::MAX));
    assert_eq!(Duration::from(Micros(5)), Duration::from_micros(5));
}

proptest! {
    /// Whatever the counters do, also when they fall, scores stay on their scale.
    #[test]
    fn any_counters_are_harmless(samples in proptest::collection::vec(
        (any::<[u64; 5]>(), any::<(u32, u32, u32)>()), 1..30,
    )) {
        let mut meter = QualityMeter::default();
        for ([packets, lost, recovered, discarded, bursts], (jitter, playout, round_trip)) in samples {
            let direction = DirectionSample {
                packets, lost, recovered, discarded, bursts,
                jitter: Duration::from_micros(jitter.into()),
                playout_delay: Some(Duration::from_micros(playout.into())),
                codec: CodecImpairment::G711,
            };
            meter.observe(&QualitySample {
                receive: direction,
                send: SendSample { packets, told: Some(direction) },
                round_trip: Some(Duration::from_micros(round_trip.into())),
                ledger: LatencyLedger::default(),
            });
            for quality in [meter.live(), meter.whole_call()] {
                for direction in [quality.receive, quality.send] {
                    prop_assert!(direction.score.is_none_or(|s| (1.0..=4.5).contains(&s.mos())));
                }
            }
        }
    }

    /// With everything else the same, more loss is never judged better.
    #[test]
    fn more_loss_is_never_better(lost in 0u64..1_000, more in 0u64..1_000) {
        let judged = |lost| {
            let mut meter = QualityMeter::default();
            let receive = DirectionSample { discarded: lost, bursts: 0, ..direction(2_000, 0) };
            meter.observe(&QualitySample { receive, ..sample(0, 0) });
            meter.live().receive.score
        };
        prop_assert!(judged(lost + more) <= judged(lost));
    }
}
