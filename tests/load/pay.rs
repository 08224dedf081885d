//! The judge of payments on a node as a whole: on a sound node every card is captured and nobody learns of one, in whatever way
//! it is typed; a node that withholds nothing, and a recording with a key in it, are named. The defects are planted between the
//! load tester and the node, so that no build of the node needs to be wrong.

use std::f64::consts::TAU;
use std::sync::{Arc, Mutex};

use confab::load::{
    Codec, FloorFinding, FloorReport, NodeApi, PayFault, ScenarioPlan, Surroundings, Way, What, run_scenario,
};
use confab::server::Options;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::gateway::{gateway, message};
use crate::running::Running;
use crate::stalls::repeat;

/// Later than this and callers or node were stalled: keys may have run into each other.
const STALLED_MS: f64 = 15.0;

/// What is before the samples in a recording's file.
const HEADER_LEN: usize = 80;

/// Has the payment begun of another call than was asked for, and adds a key to each recording. `streamed` are the customer's
/// call and the agent's, in the order in which they are streamed.
async fn pass(
    mut caller: TcpStream,
    mut node: TcpStream,
    streamed: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    loop {
        let (mut head, form) = message(&mut caller).await?;
        let first = head.lines().next().unwrap().to_owned();
        if first.contains("/v1/events") {
            node.write_all(head.as_bytes()).await?;
            tokio::io::copy_bidirectional(&mut caller, &mut node).await?;
            return Ok(());
        }
        let call = first.split("/Calls/").nth(1).and_then(|rest| rest.get(..34)).map(str::to_owned);
        if let (true, Some(call)) = (first.contains("/Streams.json"), call) {
            streamed.lock().unwrap().push(call);
        }
        if first.contains("/Payments")
            && let [customer, agent] = &streamed.lock().unwrap()[..]
        {
            head = head.replacen(customer, agent, 1);
        }
        node.write_all(head.as_bytes()).await?;
        node.write_all(&form).await?;
        let (answer, mut body) = message(&mut node).await?;
        if first.contains(".wav ") {
            add_key(&mut body[HEADER_LEN..]);
        }
        caller.write_all(answer.as_bytes()).await?;
        caller.write_all(&body).await?;
    }
}

/// A key, 40 dB below full scale, for a tenth of a second of both tracks of a file at 8 kHz.
fn add_key(samples: &mut [u8]) {
    for (n, pair) in samples.as_chunks_mut::<2>().0.iter_mut().enumerate().skip(8_000).take(1_600) {
        let at = TAU * (n / 2) as f64 / 8_000.0;
        let key = 300.0 * ((at * 852.0).sin() + (at * 1_336.0).sin());
        *pair = i16::from_le_bytes(*pair).saturating_add(key as i16).to_le_bytes();
    }
}

/// A payment at each desk. No stall of the machine can make up what is `expected`, so such a run is believed at once.
async fn run(
    (legs, codecs): (usize, &[Codec]),
    is_defective: bool,
    expected: impl Fn(&FloorReport) -> bool,
) -> FloorReport {
    let plan = ScenarioPlan::new(What::Pay, legs, 1, 1, 5).unwrap().with_codecs(codecs).unwrap();
    let run = async || {
        // Keys that are not withheld are heard.
        let flags = ["--egress-allow=127.0.0.0/8", "--digits-in-conference=heard"];
        let node = Running::start_with(Options::default(), &flags).await;
        let streamed = Arc::<Mutex<Vec<String>>>::default();
        let pass = move |caller, to_node| pass(caller, to_node, Arc::clone(&streamed));
        let address = if is_defective { gateway(node.node.http, pass).await } else { node.node.http };
        let api = NodeApi::new(address, node.account_sid.clone(), node.auth_token.clone());
        let node_data = Some(node.data.path().to_owned());
        let surroundings = Surroundings { node_api: Some(api), node_data, ..Surroundings::default() };
        let report = run_scenario(node.node.sip, &plan, &surroundings).await.unwrap();
        node.stop().await;
        report
    };
    let kept_time = |report: &FloorReport| !report.is_disturbed() && report.own_lateness_ms.max <= STALLED_MS;
    repeat(run, |report| expected(report) || kept_time(report)).await
}

/// Whose this was found to be.
fn of(report: &FloorReport, wanted: PayFault) -> Vec<String> {
    let named = report.findings.iter().find_map(|finding| {
        let FloorFinding::Pay { fault, whose, .. } = finding else { return None };
        (*fault == wanted).then(|| whose.clone())
    });
    named.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_sound_node_each_card_is_captured_and_nobody_learns_of_it() {
    let report = run((9, &[Codec::Pcmu]), false, |report| report.right).await;
    assert_eq!(report.findings, []);
    let paid = report.paid.as_ref().unwrap();
    assert_eq!(paid.by_way.keys().copied().collect::<Vec<_>>(), [Way::Tones, Way::Events, Way::Info]);
    assert!(paid.by_way.values().all(|by| by.payments == by.right && by.payments > 0 && by.keys >= 27));
    for place in ["legs", "recordings", "streams"] {
        let listened = paid.listened[place];
        assert!(listened.keys == 0 && listened.seconds > 10.0, "{place}: {listened:?}");
    }
    assert!(paid.callbacks > 80 && paid.answers > 30 && paid.events > 10 && paid.files > Some(3), "{report}");
    assert!(report.to_string().contains("payments by INFO"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_withheld_are_found_wherever_they_are_heard() {
    let is_found = |report: &FloorReport| of(report, PayFault::KeyHeard).len() == 6;
    let report = run((3, &[Codec::Pcmu]), true, is_found).await;
    let heard = of(&report, PayFault::KeyHeard);
    for place in [
        "the agent of desk 0",
        "the supervisor of desk 0",
        "the inbound stream of the customer of desk 0",
        "the outbound stream of the agent of desk 0",
        "track 0 of the recording of desk 0",
        // Where there is none but the one that was added.
        "track 1 of the recording of desk 0",
    ] {
        assert!(heard.iter().any(|named| named == place), "{place}: {heard:?}");
    }
    assert_eq!(heard.len(), 6, "{heard:?}");
    assert_eq!(of(&report, PayFault::NotCaptured), ["payment 0 of desk 0 by tones"]);
    assert!(!report.right && report.to_string().contains("keys can be made out"));
}
