//! The judge judged: a node that mixes exactly gives no finding, and each fault it can be told to have is
//! named. The calls are real, over loopback, and last a few seconds; verdicts that need no sockets are
//! tested where the judge is.
//!
//! The node of these tests has so much in hand that short stalls of the machine change nothing that is heard. A longer one
//! proves nothing about the judge: such a run is repeated.

use std::path::Path;
use std::sync::atomic::Ordering;

use confab::load::{
    Codec, Finding, Impairment, LegNumber, Plan, Report, Speech, Suite, Surroundings, execute, execute_in,
};

use crate::fake_node::{FakeNode, Fault};
use crate::stalls::repeat;

/// How late callers or node may be before a leg of [`FakeNode`], with 200 ms in hand, runs out of sound: less than that,
/// since both may be.
const STALL_MAX_MS: f64 = 80.0;

async fn run(shape: (usize, usize, usize), fault: Fault) -> Report {
    run_plan(&plan(shape, &[Codec::Pcmu]), fault).await
}

fn plan((legs, conferences, talkers): (usize, usize, usize), codecs: &[Codec]) -> Plan {
    let plan = Plan::new(legs, conferences, talkers, 3).unwrap();
    plan.with_codecs(codecs).unwrap().with_ramp(200).unwrap()
}

/// A run that no stall has changed. That the callers were late is not among its findings: they were not by much.
async fn run_plan(plan: &Plan, fault: Fault) -> Report {
    let is_fit = |report: &Report| report.lateness_ms.max.max(report.own_lateness_ms.max) < STALL_MAX_MS;
    let mut report = run_until(plan, fault, is_fit).await;
    report.findings.retain(|finding| !matches!(finding, Finding::CallersLate { .. }));
    report.right = report.findings.is_empty();
    report
}

/// A run in which every fault was counted: none is excused by callers who were late.
async fn run_counted(shape: (usize, usize, usize), codec: Codec, fault: Fault) -> Report {
    let is_fit = |report: &Report| !report.is_disturbed() && report.lateness_ms.max < STALL_MAX_MS;
    run_until(&plan(shape, &[codec]), fault, is_fit).await
}

async fn run_until(plan: &Plan, fault: Fault, is_fit: impl Fn(&Report) -> bool) -> Report {
    let is_narrow = plan.codecs().iter().all(|codec| codec.sample_rate() == 8_000);
    let run = async || {
        let node = if is_narrow { FakeNode::start(fault) } else { FakeNode::start_wide(fault) };
        execute(node.sip, plan).await.unwrap()
    };
    repeat(run, is_fit).await
}

fn legs(numbers: impl IntoIterator<Item = usize>) -> Vec<LegNumber> {
    numbers.into_iter().map(LegNumber).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_mixer_gives_no_finding() {
    let (mu, a) = tokio::join!(run((7, 2, 3), Fault::None), async {
        run_plan(&plan((7, 2, 3), &[Codec::Pcma]), Fault::None).await
    });
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
async fn every_codec_alone_gives_no_finding() {
    for codec in [Codec::G722, Codec::Opus, Codec::L16] {
        let report = run_plan(&plan((6, 1, 3), &[codec]), Fault::None).await;
        assert_eq!(report.findings, [], "{codec:?}");
        assert_eq!(report.hearing.beeps_heard, report.hearing.beeps, "{codec:?}");
        assert!(report.delay_by_codecs.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codecs_mixed_in_one_conference_are_judged_like_one() {
    let all = [Codec::Opus, Codec::Pcmu, Codec::G722, Codec::Pcma, Codec::L16];
    let report = run_plan(&plan((10, 1, 5), &all), Fault::None).await;
    assert_eq!(report.findings, []);
    assert_eq!(report.hearing.pairs_heard, report.hearing.pairs);
    // In three seconds two talkers beep, to five codecs each.
    assert_eq!(report.delay_by_codecs.len(), 10, "{:?}", report.delay_by_codecs);

    let own = run_plan(&plan((10, 1, 5), &all), Fault::OwnVoice).await;
    assert_eq!(own.findings, [Finding::OwnVoice { legs: legs(0..5) }]);
    let mute = run_plan(&plan((10, 1, 5), &all), Fault::NotMixed(2)).await;
    let listeners = legs((0..10).filter(|leg| *leg != 2));
    assert_eq!(mute.findings, [Finding::Unheard { talker: LegNumber(2), listeners, should: 9 }]);
    let crossed = run_plan(&plan((10, 2, 2), &all), Fault::CrossTalk { from: 1, to: 4 }).await;
    let listeners = legs([4]);
    assert_eq!(crossed.findings, [Finding::CrossTalk { talker: LegNumber(1), from: 1, listeners }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_silence_are_counted_through_lossy_codecs_too() {
    for codec in [Codec::G722, Codec::Opus] {
        let report = run_counted((5, 1, 3), codec, Fault::SilentFrame { every: 25 }).await;
        let damage = |f: &Finding| matches!(f, Finding::SilentFrames { .. } | Finding::BrokenFrames { .. });
        assert!(report.has(damage), "{codec:?}: {:?}", report.findings);
        let hearing = |f: &Finding| matches!(f, Finding::Unheard { .. } | Finding::OwnVoice { .. });
        assert!(!report.has(hearing), "{codec:?}: {:?}", report.findings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_calls_are_heard_and_what_does_not_fit_the_key_is_named() {
    for suites in [
        &[Suite::AesCm128HmacSha1_80][..],
        &[Suite::AeadAes128Gcm],
        &[Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80],
    ] {
        let report = run_plan(&plan((4, 1, 2), &[Codec::Pcmu]).with_suites(suites), Fault::None).await;
        assert_eq!(report.findings, [], "{suites:?}");
    }
    let plan = plan((4, 1, 2), &[Codec::Pcmu]).with_suites(&[Suite::AeadAes128Gcm]);
    let report = run_plan(&plan, Fault::Forged { every: 20 }).await;
    assert!(report.has(|f| matches!(f, Finding::NotGenuine { .. })), "{:?}", report.findings);
}

/// Loss and unevenness that the node of these tests, with five frames in hand, can bear.
fn rough() -> Impairment {
    Impairment {
        loss: 0.04,
        burst: Some(2.0),
        jitter_ms: 4.0,
        reorder: 0.01,
        duplicate: 0.01,
        ..Impairment::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_rough_network_who_hears_whom_is_judged_and_gaps_are_reported() {
    for codec in [Codec::Pcmu, Codec::Opus] {
        let plan = |shape| plan(shape, &[codec]).with_network(rough(), 7).unwrap();
        let report = run_plan(&plan((5, 1, 3)), Fault::None).await;
        assert_eq!(report.findings, [], "{codec:?}");
        assert_eq!(report.hearing.pairs_heard, report.hearing.pairs);
        assert!(report.packets.impaired.lost > 0 && report.packets.impaired.duplicated > 0);
        assert!(report.concealment.disturbed > 0 && report.concealment.percent_max > 0.0);

        let own = run_plan(&plan((5, 1, 3)), Fault::OwnVoice).await;
        assert_eq!(own.findings, [Finding::OwnVoice { legs: legs(0..3) }], "{codec:?}");
        let mute = run_plan(&plan((5, 1, 3)), Fault::NotMixed(1)).await;
        let unheard = Finding::Unheard { talker: LegNumber(1), listeners: legs([0, 2, 3, 4]), should: 4 };
        assert_eq!(mute.findings, [unheard], "{codec:?}");
        let crossed = run_plan(&plan((6, 2, 2)), Fault::CrossTalk { from: 1, to: 4 }).await;
        let listeners = legs([4]);
        assert_eq!(crossed.findings, [Finding::CrossTalk { talker: LegNumber(1), from: 1, listeners }]);
    }
}

/// Nine seconds that differ everywhere: noise that swells and fades, at 22.05 kHz.
fn speech(directory: &Path, codecs: &[Codec]) -> Speech {
    let path = directory.join("speech.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 22_050,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    let (mut state, mut low) = (7_u32, 0.0);
    for n in 0..9 * 22_050 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        low += 0.3 * (f64::from(state >> 16) / 32_768.0 - 1.0 - low);
        let swell = 0.6 + 0.4 * (f64::from(n) / 2_200.0).sin();
        wav.write_sample((9_000.0 * swell * low) as i16).unwrap();
    }
    wav.finalize().unwrap();
    Speech::read(&path, codecs).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn speakers_are_told_apart_and_what_each_leg_hears_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let codecs = [Codec::Pcmu, Codec::Opus];
    let plan = |shape: (usize, usize, usize)| {
        let plan = Plan::new(shape.0, shape.1, shape.2, 7).unwrap().with_codecs(&codecs).unwrap();
        plan.with_ramp(200).unwrap().with_speech(speech(directory.path(), &codecs)).unwrap()
    };
    let recorded = plan((5, 1, 3)).with_record(directory.path().join("heard")).unwrap();
    let report = run_plan(&recorded, Fault::None).await;
    assert_eq!(report.findings, []);
    assert_eq!(report.hearing.pairs_heard, report.hearing.pairs);
    for (name, rate) in [("leg-0000-pcmu", 8_000), ("leg-0003-opus", 48_000)] {
        let path = directory.path().join(format!("heard/{name}.wav"));
        let mut wav = hound::WavReader::open(path).unwrap();
        assert_eq!(wav.spec().sample_rate, rate);
        let heard: Vec<i16> = wav.samples().map(Result::unwrap).collect();
        assert!((6 * rate as usize..8 * rate as usize).contains(&heard.len()), "{name}: {}", heard.len());
        let last = &heard[heard.len() - rate as usize..];
        assert!(last.iter().any(|sample| sample.unsigned_abs() > 1_000), "{name} is silent at its end");
    }

    let own = run_plan(&plan((5, 1, 3)), Fault::OwnVoice).await;
    assert_eq!(own.findings, [Finding::OwnVoice { legs: legs(0..3) }]);
    let crossed = run_plan(&plan((6, 2, 2)), Fault::CrossTalk { from: 1, to: 4 }).await;
    let listeners = legs([4]);
    assert_eq!(crossed.findings, [Finding::CrossTalk { talker: LegNumber(1), from: 1, listeners }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_voice_not_subtracted_is_named() {
    let report = run((5, 1, 3), Fault::OwnVoice).await;
    assert_eq!(report.findings, [Finding::OwnVoice { legs: legs(0..3) }]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_who_is_not_mixed_is_named() {
    let report = run((5, 1, 3), Fault::NotMixed(1)).await;
    // Taking away what was never added would be a fault of another kind: leg 1 itself hears all others.
    let unheard = Finding::Unheard { talker: LegNumber(1), listeners: legs([0, 2, 3, 4]), should: 4 };
    assert_eq!(report.findings, [unheard]);
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_legs_are_named() {
    let (outputs, neighbours, strangers) = tokio::join!(
        run((6, 2, 2), Fault::OutputsSwapped(1, 4)),
        run((5, 1, 3), Fault::InputsSwapped(0, 2)),
        run((6, 2, 2), Fault::InputsSwapped(0, 3)),
    );
    let legs = |a, b| Finding::LegsSwapped { a: LegNumber(a), b: LegNumber(b) };
    assert_eq!(outputs.findings, [legs(1, 4)]);
    assert_eq!(neighbours.findings, [legs(0, 2)]);
    let talkers = |a, b| Finding::TalkersSwapped { a: LegNumber(a), b: LegNumber(b) };
    assert_eq!(strangers.findings, [talkers(0, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_frames_of_silence_are_counted() {
    let report = run_counted((5, 1, 3), Codec::Pcmu, Fault::SilentFrame { every: 25 }).await;
    let [Finding::SilentFrames { frames, .. }] = &report.findings[..] else {
        panic!("{:?}", report.findings);
    };
    assert!((2..=6).contains(frames), "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_talkers_missing_frames_are_laid_at_its_door() {
    let report = run_counted((5, 1, 3), Codec::Pcmu, Fault::TalkerFrame { leg: 1, every: 40 }).await;
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
        run_counted((4, 1, 2), Codec::Pcmu, Fault::SequenceGap { every: 20 }),
        run_counted((2, 1, 2), Codec::Pcmu, Fault::Omitted { every: 10 }),
    );
    let gaps = |f: &Finding| matches!(f, Finding::SequenceGaps { gaps, lost, .. } if gaps == lost);
    assert!(gapped.has(gaps), "{:?}", gapped.findings);
    let never_sent = |f: &Finding| matches!(f, Finding::NeverSent { .. });
    assert!(omitted.has(never_sent) && !omitted.has(gaps), "{:?}", omitted.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_talk_and_wrong_levels_are_named() {
    let (crossed, quiet) =
        tokio::join!(run((6, 2, 2), Fault::CrossTalk { from: 1, to: 4 }), run((4, 1, 2), Fault::Quiet(0)),);
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
    let node = FakeNode::start(Fault::Refuse);
    let plan = Plan::new(3, 1, 1, 3).unwrap();
    let report = execute(node.sip, &plan).await.unwrap();
    let reason = "Service Unavailable".to_owned();
    assert_eq!(report.findings, [Finding::Refused { status: 503, reason, legs: legs(0..3) }]);
    assert_eq!(report.calls.answered, 0);

    let report = run((4, 1, 2), Fault::HangUp(0)).await;
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
    let node = FakeNode::start(Fault::OwnVoice);
    let surroundings = Surroundings::default();
    surroundings.interrupt.store(true, Ordering::Relaxed);
    let plan = Plan::new(4, 1, 1, 86_400).unwrap();
    let report = execute_in(node.sip, &plan, &surroundings).await.unwrap();
    assert_eq!(report.findings, [Finding::Interrupted]);
}
