//! The judge of recordings on a node as a whole: what a sound node records is right to the sample, and files that are not what
//! was said are named by what is wrong with them. The defects are planted between the load tester and the node, in files as
//! they are fetched, so that no build of the node needs to be wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use confab::load::{
    Fault, FloorFinding, FloorReport, NodeApi, ScenarioPlan, Surroundings, What, run_scenario,
};
use confab::server::Options;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::gateway::{gateway, message};
use crate::running::Running;
use crate::stalls::repeat;

/// Later than this and a tick may have been given up, behind which what was heard lies elsewhere in the file: no defect of
/// the recorder.
const STALLED_MS: f64 = 15.0;

/// What is before the samples in a recording's file.
const HEADER_LEN: usize = 80;

/// What is done to the samples of a file, both tracks in turn.
type Defect = fn(&mut [i16]);

/// Does something else to each file that is fetched, as long as there is something to be done.
async fn pass(
    mut caller: TcpStream,
    mut node: TcpStream,
    mut next: impl FnMut() -> Option<&'static Defect>,
) -> std::io::Result<()> {
    loop {
        let (head, form) = message(&mut caller).await?;
        node.write_all(head.as_bytes()).await?;
        node.write_all(&form).await?;
        let (answer, mut body) = message(&mut node).await?;
        if head.lines().next().is_some_and(|first| first.contains(".wav "))
            && let Some(defect) = next()
        {
            let pairs = body[HEADER_LEN..].as_chunks::<2>().0;
            let mut samples: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
            defect(&mut samples);
            body.truncate(HEADER_LEN);
            body.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        }
        caller.write_all(answer.as_bytes()).await?;
        caller.write_all(&body).await?;
    }
}

/// So many callers, some seconds. No stall of the machine can make up what is `expected`, so such a run is believed at once.
async fn run(
    legs: usize,
    defects: &'static [Defect],
    expected: impl Fn(&FloorReport) -> bool,
) -> FloorReport {
    let plan = ScenarioPlan::new(What::Record, legs, 1, 8, 5).unwrap();
    let run = async || {
        let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
        let fetched = Arc::new(AtomicUsize::new(0));
        let pass = move |caller, to_node| {
            let fetched = Arc::clone(&fetched);
            pass(caller, to_node, move || defects.get(fetched.fetch_add(1, Ordering::SeqCst)))
        };
        let address = gateway(node.node.http, pass).await;
        let api = NodeApi::new(address, node.account_sid.clone(), node.auth_token.clone());
        let node_data = Some(node.data.path().to_owned());
        let surroundings = Surroundings {
            node_api: Some(api),
            node_pid: Some(std::process::id()),
            node_data,
            ..Surroundings::default()
        };
        let report = run_scenario(node.node.sip, &plan, &surroundings).await.unwrap();
        node.node.stop().await;
        report
    };
    let kept_time = |report: &FloorReport| !report.is_disturbed() && report.own_lateness_ms.max <= STALLED_MS;
    repeat(run, |report| expected(report) || kept_time(report)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sound_node_records_is_right_to_the_sample() {
    let report = run(4, &[], |report| report.right).await;
    assert_eq!(report.findings, []);
    let taped = report.recording.as_ref().unwrap();
    assert_eq!((taped.recordings, taped.misalignment_samples), (2, 0));
    assert!(taped.seconds > 2.0 * 4.0 && taped.clicks > 60 && taped.packets > 2 * 2 * 150, "{report}");
    assert!(taped.cost.is_some() && taped.gaps.is_some());
    assert!(taped.lateness_with.packets > 400 && taped.lateness_without.packets > 400, "{report}");
    assert!(report.to_string().contains("misalignment"));
}

/// What the planted defects are.
const FAULTS: [Fault; 3] = [Fault::Misaligned, Fault::ForeignVoice, Fault::SoundMissing];

/// The conferences of whose recordings this was found.
fn of(report: &FloorReport, wanted: Fault) -> Option<Vec<String>> {
    report.findings.iter().find_map(|finding| {
        let FloorFinding::Recording { fault, conferences, .. } = finding else { return None };
        (*fault == wanted).then(|| conferences.clone())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_not_what_was_said_are_named_by_what_is_wrong() {
    let report = run(
        8,
        &[
            // The second track is a sample late.
            |samples| {
                let seconds: Vec<i16> = samples.iter().copied().skip(1).step_by(2).collect();
                samples.iter_mut().skip(3).step_by(2).zip(seconds).for_each(|(into, sample)| *into = sample);
            },
            // They changed places.
            |samples| samples.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.rotate_left(1)),
            // A tenth of a second is lost.
            |samples| samples[16_000..17_600].fill(0),
        ],
        |report| FAULTS.iter().all(|fault| of(report, *fault).is_some_and(|named| named.len() == 1)),
    )
    .await;
    let of = |wanted| of(&report, wanted);
    let (late, swapped, lost) = (of(Fault::Misaligned), of(Fault::ForeignVoice), of(Fault::SoundMissing));
    for named in [&late, &swapped, &lost] {
        assert_eq!(named.as_ref().map(Vec::len), Some(1), "{report}");
    }
    assert!(late != swapped && swapped != lost && lost != late, "{report}");
    assert_eq!(of(Fault::VoiceMissing), swapped, "{report}");
    assert_eq!(report.recording.as_ref().unwrap().misalignment_samples, 1, "{report}");
    assert!(!report.right && report.to_string().contains("is 1 samples early"), "{report}");
}
