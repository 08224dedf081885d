//! The judge judged: a node that mixes exactly gives no finding, and each fault it can be told to have is
//! named. The calls are real, over loopback, and last a few seconds; verdicts that need no sockets are
//! tested where the judge is.
//!
//! A machine that stalls the callers themselves proves nothing about the judge: such a run is repeated.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "tests and what helps them: a panic is a failure, output is shown with it, faults are picked out"
)]

mod load_node;

use std::sync::atomic::Ordering;

use confab::load::{Finding, Law, LegNumber, Plan, Report, Surroundings, execute, execute_in};
use load_node::{FakeNode, Fault};

/// Repetitions before we believe that the machine is too busy for any of this.
const TRIES: usize = 5;

async fn run(plan: (usize, usize, usize), law: Law, fault: Fault) -> Report {
    let (legs, conferences, talkers) = plan;
    for _ in 0..TRIES {
        let node = FakeNode::start(law, fault);
        let plan = Plan::new(legs, conferences, talkers, 3).unwrap();
        let plan = plan.with_law(law).with_ramp(200).unwrap();
        let report = execute(node.sip, &plan).await.unwrap();
        // The node of these tests has five frames in hand; what is later breaks its sound.
        let node_stalled = report.lateness_ms.max > 60.0;
        if !report.is_disturbed() && !node_stalled {
            println!("{report}");
            return report;
        }
        println!("stalled, once more: {report}");
    }
    panic!("this machine stalls too often to judge anything");
}

fn legs(numbers: impl IntoIterator<Item = usize>) -> Vec<LegNumber> {
    numbers.into_iter().map(LegNumber).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_mixer_gives_no_finding() {
    let (mu, a) =
        tokio::join!(run((7, 2, 3), Law::Pcmu, Fault::None), run((7, 2, 3), Law::Pcma, Fault::None));
    for report in [mu, a] {
        assert_eq!(report.findings, []);
        assert!(report.right);
        assert_eq!(report.calls.answered, 7);
        assert_eq!(report.hearing.pairs_heard, report.hearing.pairs);
        assert!(report.hearing.windows > 0 && report.hearing.frames > 0);
        assert!(report.hearing.beeps > 0 && report.hearing.beeps_heard == report.hearing.beeps);
        assert!(report.packets.received > 0 && report.packets.lost == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn own_voice_not_subtracted_is_named() {
    let report = run((5, 1, 3), Law::Pcmu, Fault::OwnVoice).await;
    assert_eq!(report.findings, [Finding::OwnVoice { legs: legs(0..3) }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_who_is_not_mixed_is_named() {
    let report = run((5, 1, 3), Law::Pcmu, Fault::NotMixed(1)).await;
    // Taking away what was never added would be a fault of another kind: leg 1 itself hears all others.
    let unheard = Finding::Unheard { talker: LegNumber(1), listeners: legs([0, 2, 3, 4]), should: 4 };
    assert_eq!(report.findings, [unheard]);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_legs_are_named() {
    let (outputs, neighbours, strangers) = tokio::join!(
        run((6, 2, 2), Law::Pcmu, Fault::OutputsSwapped(1, 4)),
        run((5, 1, 3), Law::Pcmu, Fault::InputsSwapped(0, 2)),
        run((6, 2, 2), Law::Pcmu, Fault::InputsSwapped(0, 3)),
    );
    let legs = |a, b| Finding::LegsSwapped { a: LegNumber(a), b: LegNumber(b) };
    assert_eq!(outputs.findings, [legs(1, 4)]);
    assert_eq!(neighbours.findings, [legs(0, 2)]);
    let talkers = |a, b| Finding::TalkersSwapped { a: LegNumber(a), b: LegNumber(b) };
    assert_eq!(strangers.findings, [talkers(0, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_frames_of_silence_are_counted() {
    let report = run((5, 1, 3), Law::Pcmu, Fault::SilentFrame { every: 25 }).await;
    let [Finding::SilentFrames { frames, .. }] = &report.findings[..] else {
        panic!("{:?}", report.findings);
    };
    assert!((2..=6).contains(frames), "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talkers_missing_frames_are_laid_at_its_door() {
    let report = run((5, 1, 3), Law::Pcmu, Fault::TalkerFrame { leg: 1, every: 40 }).await;
    let missing = |finding: &Finding| {
        matches!(finding, Finding::TalkerFramesMissing { talker, listeners, .. }
            if *talker == LegNumber(1) && *listeners == legs([0, 2, 3, 4]))
    };
    assert!(report.has(missing), "{:?}", report.findings);
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn sequence_gaps_and_frames_never_sent_are_told_apart() {
    let (gapped, omitted) = tokio::join!(
        run((4, 1, 2), Law::Pcmu, Fault::SequenceGap { every: 20 }),
        run((2, 1, 2), Law::Pcmu, Fault::Omitted { every: 10 }),
    );
    let gaps = |f: &Finding| matches!(f, Finding::SequenceGaps { gaps, lost, .. } if gaps == lost);
    assert!(gapped.has(gaps), "{:?}", gapped.findings);
    let never_sent = |f: &Finding| matches!(f, Finding::NeverSent { .. });
    assert!(omitted.has(never_sent) && !omitted.has(gaps), "{:?}", omitted.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_talk_and_wrong_levels_are_named() {
    let (crossed, quiet) = tokio::join!(
        run((6, 2, 2), Law::Pcmu, Fault::CrossTalk { from: 1, to: 4 }),
        run((4, 1, 2), Law::Pcmu, Fault::Quiet(0)),
    );
    let listeners = legs([4]);
    assert_eq!(crossed.findings, [Finding::CrossTalk { talker: LegNumber(1), from: 1, listeners }]);
    let is_quiet = |f: &Finding| {
        matches!(f, Finding::WrongLevel { talker, listeners, worst_db }
            if *talker == LegNumber(0) && *listeners == legs([1, 2, 3]) && (-13.0..-11.0).contains(worst_db))
    };
    assert!(quiet.has(is_quiet) && quiet.findings.len() == 1, "{:?}", quiet.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_early_ended_calls_are_named() {
    let node = FakeNode::start(Law::Pcmu, Fault::Refuse);
    let plan = Plan::new(3, 1, 1, 3).unwrap();
    let report = execute(node.sip, &plan).await.unwrap();
    let reason = "Service Unavailable".to_owned();
    assert_eq!(report.findings, [Finding::Refused { status: 503, reason, legs: legs(0..3) }]);
    assert_eq!(report.calls.answered, 0);

    let report = run((4, 1, 2), Law::Pcmu, Fault::HangUp(0)).await;
    assert!(report.has(|f| *f == Finding::EndedEarly { legs: legs([0]) }), "{:?}", report.findings);
    assert!(!report.has(|f| matches!(f, Finding::Unheard { .. })), "{:?}", report.findings);
}

#[tokio::test]
async fn a_target_where_nobody_listens_is_given_up() {
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plan = Plan::new(4, 1, 1, 3).unwrap();
    let report = execute(nobody, &plan).await.unwrap();
    let [Finding::Unanswered { legs }] = &report.findings[..] else {
        panic!("{:?}", report.findings);
    };
    assert!(legs.contains(&LegNumber(0)));
}

#[tokio::test]
async fn an_interrupted_run_proves_nothing() {
    let node = FakeNode::start(Law::Pcmu, Fault::OwnVoice);
    let surroundings = Surroundings::default();
    surroundings.interrupt.store(true, Ordering::Relaxed);
    let plan = Plan::new(4, 1, 1, 86_400).unwrap();
    let report = execute_in(node.sip, &plan, &surroundings).await.unwrap();
    assert_eq!(report.findings, [Finding::Interrupted]);
}
