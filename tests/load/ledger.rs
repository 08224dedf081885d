//! The load tester asks the node about its own delay, and puts that beside what it measured.

use confab::load::{NodeApi, Plan, Surroundings, execute_in};
use confab::server::Options;

use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn the_node_s_word_is_put_beside_what_was_measured_for_each_pair() {
    let node = Running::start(Options::default()).await;
    let plan = Plan::new(4, 1, 2, 4).expect("a plan");
    let api = NodeApi::new(node.node.http, node.account_sid.clone(), node.auth_token.clone());
    let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
    let report = execute_in(node.node.sip, &plan, &surroundings).await.expect("a run");
    // How far apart they are depends on what else this machine does; that is for the tester's verdict.
    let ledger = report.ledger.expect("the node was asked");
    assert_eq!(ledger.pairs, 6, "{report}");
    assert!(ledger.told_ms > 0.0 && ledger.measured_ms > 0.0, "{report}");
    assert!(report.to_string().contains("the node says"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_let_itself_be_asked_is_judged_without() {
    let node = Running::start(Options::default()).await;
    let plan = Plan::new(2, 1, 1, 4).expect("a plan");
    let api = NodeApi::new(node.node.http, node.account_sid.clone(), "not its token".to_owned());
    let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
    let report = execute_in(node.node.sip, &plan, &surroundings).await.expect("a run");
    assert!(report.ledger.is_none());
    assert!(report.notes.iter().any(|note| note.contains("it answers 401")), "{report}");
}
