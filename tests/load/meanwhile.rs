//! What the load tester does while it listens: calls that come and go, and mutes over the API. Each is counted, timed and
//! held against the node.

use confab::load::{Finding, NodeApi, Plan, Report, Surroundings, execute_in};
use confab::server::Options;

use crate::running::Running;

/// Four callers, one of whom talks, while `set_ups` come and go and `mutes` are asked for.
async fn run(node: &Running, token: &str, set_ups: u32, mutes: u32) -> Report {
    let plan = Plan::new(4, 1, 1, 4).and_then(|plan| plan.with_passers_by(set_ups));
    let plan = plan.and_then(|plan| plan.with_mutes(mutes)).expect("a plan");
    let api = NodeApi::new(node.node.http, node.account_sid.clone(), token.to_owned());
    let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
    execute_in(node.node.sip, &plan, &surroundings).await.expect("a run")
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_come_and_go_and_mutes_are_all_counted_and_timed() {
    let node = Running::start(Options::default()).await;
    let report = run(&node, &node.auth_token, 25, 20).await;
    let gone = report.set_ups.as_ref().expect("calls came and went");
    assert!(gone.dialled >= 75 && gone.completed == gone.dialled, "{report}");
    assert_eq!(gone.setup_ms.count, gone.dialled, "{report}");
    let mutes = report.mutes.as_ref().expect("somebody was muted");
    assert!(mutes.requests >= 40 && mutes.failed == 0, "{report}");
    assert_eq!(mutes.took_ms.count, mutes.requests, "{report}");
    // Who hears whom is as if nothing had happened beside it.
    assert_eq!((report.hearing.pairs, report.hearing.pairs_heard), (3, 3), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_refused_are_named_by_their_status() {
    let node = Running::start_with(Options::default(), &["--max-calls=6"]).await;
    let report = run(&node, &node.auth_token, 25, 0).await;
    let is_refused = |finding: &Finding| matches!(finding, Finding::SetUpsFailed { refused, .. } if refused.contains_key(&503));
    assert!(report.has(is_refused), "{report}");
    assert!(!report.right && report.to_string().contains("with 503"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_refused_are_a_finding() {
    let node = Running::start(Options::default()).await;
    let report = run(&node, "not its token", 0, 20).await;
    assert!(report.has(|finding| matches!(finding, Finding::RequestsFailed { .. })), "{report}");
    assert!(report.to_string().contains("401"), "{report}");
}
