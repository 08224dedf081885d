//! The load tester's browsers, which are somebody else's peer connections, beside its telephones: the judge finds a sound node
//! right, and tells browsers from telephones.

use confab::load::{Codec, LegKind, NodeApi, Plan, Report, Surroundings, execute_in};
use confab::server::Options;

use crate::running::Running;

/// Repetitions before we believe what is found.
const TRIES: usize = 5;

async fn run(plan: &Plan) -> Report {
    let mut found = String::new();
    for _ in 0..TRIES {
        let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
        let api = NodeApi::new(node.node.http, node.account_sid.clone(), node.auth_token.clone());
        let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
        let report = execute_in(node.node.sip, plan, &surroundings).await.unwrap();
        node.wait_for_calls("in-progress", 0).await;
        // What was made for them at the node is gone with them.
        assert_eq!(node.get("Applications.json").await["applications"].as_array().map(Vec::len), Some(0));
        // No stall makes up a run in which all is right; one frame of Opus in thousands is as far off as a broken one.
        if report.right {
            return report;
        }
        found = report.to_string();
    }
    panic!("a sound node is found wrong again and again: {found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_and_telephones_in_one_conference_are_judged_alike() {
    let plan = Plan::new(7, 1, 3, 3).and_then(|plan| plan.with_browsers(4)).unwrap();
    let plan = plan.with_codecs(&[Codec::Pcmu, Codec::G722]).and_then(|plan| plan.with_ramp(100)).unwrap();
    let report = run(&plan).await;
    assert_eq!(report.findings, [], "{report}");
    assert_eq!((report.hearing.pairs, report.hearing.pairs_heard), (18, 18), "{report}");
    let browsers = report.browsers.expect("some are browsers");
    assert_eq!((browsers.legs, browsers.connected, browsers.first_audio_ms.count), (4, 4, 4), "{report}");
    assert!(browsers.first_audio_ms.p50 >= browsers.answer_ms.p50, "{report}");
    let is_browser = |leg: &confab::load::LegReport| leg.kind == LegKind::Browser && leg.codec == Codec::Opus;
    let kinds: Vec<_> = report.legs.iter().map(is_browser).collect();
    assert_eq!(kinds, [true, false, true, false, true, false, true], "{report}");
    assert!(report.legs.iter().all(|leg| leg.first_audio_ms.is_some() == is_browser(leg)), "{report}");
    assert_eq!(report.calls.answered, 7, "{report}");
}
