//! The load tester against the real node: a sound one is found right, and each defect planted in the mixer is
//! named. The calls are real, over loopback, and last a few seconds.

use confab::load::{Codec, Finding, LegNumber, NodeApi, Plan, Report, Suite, Surroundings, execute_in};
use confab::server::Options;
use confab_media::Fault;

use crate::running::Running;
use crate::stalls::repeat;

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
    let run = async || {
        let node = Running::start_with(options, flags).await;
        let api = NodeApi::new(node.node.http, node.account_sid.clone(), node.auth_token.clone());
        // Nobody but browsers needs it, and who has it asks the node about its delay as well.
        let node_api = (plan.browsers() > 0).then_some(api);
        let surroundings = Surroundings { node_api, ..Surroundings::default() };
        let report = execute_in(node.node.sip, plan, &surroundings).await.unwrap();
        node.node.stop().await;
        report
    };
    let kept_time = |report: &Report| !report.is_disturbed() && report.lateness_ms.max <= STALLED_MS;
    repeat(run, |report| expected(&report.findings) || kept_time(report)).await
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

/// Three talk and two listen, some of them in browsers.
async fn is_named_with_browsers(fault: Fault, expected: Finding) {
    let plan = Plan::new(5, 1, 3, 3).and_then(|plan| plan.with_browsers(3)).unwrap().with_ramp(100).unwrap();
    let (expected, flags) = ([expected], ["--egress-allow=127.0.0.0/8"]);
    let options = Options { fault: Some(fault), ..Options::default() };
    let report = judge(options, &flags, &plan, |findings| findings == expected).await;
    assert_eq!(report.findings, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_voice_kept_is_named_where_callers_are_browsers() {
    is_named_with_browsers(Fault::OwnVoiceKept, Finding::OwnVoice { legs: legs(0..3) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_left_out_is_named() {
    // Which of them came first is not said by the order of dialling: a browser shakes hands before it is there.
    let is_one = |findings: &[Finding]| matches!(findings, [Finding::Unheard { should: 4, listeners, .. }] if listeners.len() == 4);
    let plan = Plan::new(5, 1, 5, 3).and_then(|plan| plan.with_browsers(5)).unwrap();
    let options = Options { fault: Some(Fault::FirstUnmixed), ..Options::default() };
    let report = judge(options, &["--egress-allow=127.0.0.0/8"], &plan, is_one).await;
    assert!(is_one(&report.findings), "{:?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_in_a_thousand_silenced_is_named() {
    let named = |findings: &[Finding]| matches!(findings, [Finding::SilentFrames { frames: 5, .. }]);
    // A leg's thousandth packet comes after twenty seconds; the tones must still be up then.
    let report = judge_fault(Some(Fault::SilentFrames), 22, named).await;
    assert!(named(&report.findings), "{:?}", report.findings);
}
