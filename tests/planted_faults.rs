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

async fn judge(fault: Option<Fault>, seconds: u64) -> Report {
    for _ in 0..TRIES {
        let node = Running::start(Options { fault, ..Options::default() }).await;
        let plan = Plan::new(5, 1, 3, seconds).unwrap().with_ramp(100).unwrap();
        let report = execute(node.node.sip, &plan).await.unwrap();
        node.node.stop().await;
        println!("{report}");
        if !report.is_disturbed() && report.lateness_ms.max <= STALLED_MS {
            return report;
        }
    }
    panic!("this machine stalls too often to judge anything");
}

fn legs(numbers: impl IntoIterator<Item = usize>) -> Vec<LegNumber> {
    numbers.into_iter().map(LegNumber).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_is_found_right() {
    let report = judge(None, 3).await;
    assert_eq!(report.findings, []);
    assert!(report.right && report.hearing.windows > 0 && report.hearing.frames > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_is_found_right_in_every_codec_and_over_srtp() {
    let plain = judge_wide(&[Codec::Opus, Codec::Pcmu, Codec::G722, Codec::L16], &[]).await;
    let secure =
        judge_wide(&[Codec::Opus, Codec::Pcma], &[Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm]).await;
    for report in [plain, secure] {
        assert_eq!(report.findings, []);
        assert!(report.right && report.hearing.windows > 0);
    }
}

async fn judge_wide(codecs: &[Codec], suites: &[Suite]) -> Report {
    for _ in 0..TRIES {
        let node = Running::start_with(Options::default(), &["--srtp=optional"]).await;
        let plan = Plan::new(8, 1, 3, 3).unwrap().with_ramp(100).unwrap();
        let plan = plan.with_codecs(codecs).unwrap().with_suites(suites);
        let report = execute(node.node.sip, &plan).await.unwrap();
        node.node.stop().await;
        println!("{report}");
        if !report.is_disturbed() && report.lateness_ms.max <= STALLED_MS {
            return report;
        }
    }
    panic!("this machine stalls too often to judge anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_voice_kept_is_named() {
    let report = judge(Some(Fault::OwnVoiceKept), 3).await;
    assert_eq!(report.findings, [Finding::OwnVoice { legs: legs(0..3) }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_left_out_is_named() {
    let report = judge(Some(Fault::FirstUnmixed), 3).await;
    let unheard = Finding::Unheard { talker: LegNumber(0), listeners: legs(1..5), should: 4 };
    assert_eq!(report.findings, [unheard]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_legs_swapped_are_named() {
    let report = judge(Some(Fault::FirstTwoSwapped), 3).await;
    assert_eq!(report.findings, [Finding::LegsSwapped { a: LegNumber(0), b: LegNumber(1) }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_frame_in_a_thousand_silenced_is_named() {
    // A leg's thousandth packet comes after twenty seconds; the tones must still be up then.
    let report = judge(Some(Fault::SilentFrames), 22).await;
    assert!(
        matches!(report.findings[..], [Finding::SilentFrames { frames: 5, .. }]),
        "{:?}",
        report.findings
    );
}
