//! The load tester against the real node: a sound one is found right, and each defect planted in the mixer is
//! named. The calls are real, over loopback, and last a few seconds.
//!
//! A machine that stalls callers or node proves nothing about either: such a run is repeated.
#![cfg(feature = "planted-faults")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test a panic is the report, helpers included; the load report is shown with a failure"
)]

mod running;

use confab::load::{Codec, Finding, LegNumber, Plan, Report, Suite, execute};
use confab::server::Options;
use confab_media::Fault;
use running::Running;

/// Repetitions before we believe that the machine is too busy for any of this.
const TRIES: usize = 5;

/// Later than this and a frame may have come too late for the playout, which is no defect of the mixer.
const STALLED_MS: f64 = 15.0;

/// The report of a run of this plan against a fresh node, which is `expected` or shows what else was found.
///
/// No stall of the machine can make up exactly what was planted, so such a run is believed at once. One that says
/// anything else is believed only if the machine kept time.
async fn judge(
    options: Options,
    flags: &[&str],
    plan: &Plan,
    expected: impl Fn(&[Finding]) -> bool,
) -> Report {
    for _ in 0..TRIES {
        let node = Running::start_with(options, flags).await;
        let report = execute(node.node.sip, plan).await.unwrap();
        node.node.stop().await;
        println!("{report}");
        let kept_time = !report.is_disturbed() && report.lateness_ms.max <= STALLED_MS;
        if expected(&report.findings) || kept_time {
            return report;
        }
    }
    panic!("this machine stalls too often to judge anything");
}

/// Three talk and two listen for so many seconds to a node with this fault planted.
async fn judge_fault(fault: Option<Fault>, seconds: u64, expected: impl Fn(&[Finding]) -> bool) -> Report {
    let plan = Plan::new(5, 1, 3, seconds).unwrap().with_ramp(100).unwrap();
    judge(Options { fault, ..Options::default() }, &[], &plan, expected).await
}

fn legs(numbers: impl IntoIterator<Item = usize>) -> Vec<LegNumber> {
    numbers.into_iter().map(LegNumber).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_is_found_right() {
    let report = judge_fault(None, 3, <[Finding]>::is_empty).await;
    assert_eq!(report.findings, []);
    assert!(report.right && report.hearing.windows > 0 && report.hearing.frames > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_is_found_right_in_every_codec_and_over_srtp() {
    let codecs: [&[Codec]; 2] =
        [&[Codec::Opus, Codec::Pcmu, Codec::G722, Codec::L16], &[Codec::Opus, Codec::Pcma]];
    let suites: [&[Suite]; 2] = [&[], &[Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm]];
    for (codecs, suites) in codecs.into_iter().zip(suites) {
        let plan = Plan::new(8, 1, 3, 3).unwrap().with_ramp(100).unwrap();
        let plan = plan.with_codecs(codecs).unwrap().with_suites(suites);
        let flags = &["--srtp=optional"];
        let report = judge(Options::default(), flags, &plan, <[Finding]>::is_empty).await;
        assert_eq!(report.findings, []);
        assert!(report.right && report.hearing.windows > 0);
    }
}

async fn is_named(fault: Fault, expected: Finding) {
    let expected = [expected];
    let report = judge_fault(Some(fault), 3, |findings| findings == expected).await;
    assert_eq!(report.findings, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_voice_kept_is_named() {
    is_named(Fault::OwnVoiceKept, Finding::OwnVoice { legs: legs(0..3) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_left_out_is_named() {
    let unheard = Finding::Unheard { talker: LegNumber(0), listeners: legs(1..5), should: 4 };
    is_named(Fault::FirstUnmixed, unheard).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_legs_swapped_are_named() {
    is_named(Fault::FirstTwoSwapped, Finding::LegsSwapped { a: LegNumber(0), b: LegNumber(1) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_in_a_thousand_silenced_is_named() {
    let named = |findings: &[Finding]| matches!(findings, [Finding::SilentFrames { frames: 5, .. }]);
    // A leg's thousandth packet comes after twenty seconds; the tones must still be up then.
    let report = judge_fault(Some(Fault::SilentFrames), 22, named).await;
    assert!(named(&report.findings), "{:?}", report.findings);
}
