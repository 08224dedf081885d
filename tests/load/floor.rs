//! The judge of the contact centre's floor, judged: a sound node is right in each scenario, and a node that does not do what it
//! is asked is named by what it did not do. The defects are planted between the load tester and the node: a gateway in front of
//! the API answers that all is well and asks for something else, so that no build of the node needs to be wrong.

use confab::load::{
    FloorFinding, FloorReport, Group, NodeApi, ScenarioPlan, Surroundings, What, Wrong, run_scenario,
};
use confab::server::Options;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::gateway::{gateway, message};
use crate::running::Running;
use crate::stalls::repeat;

/// What a defective node would do when it is asked for something.
type Defect = fn(&Asked) -> Option<Instead>;

/// A request as it comes to the gateway.
struct Asked {
    method: String,
    path: String,
    form: String,
}

/// What is asked of the node in its place.
enum Instead {
    /// Nothing is changed: the resource is read.
    Nothing,
    /// Another form.
    Form(&'static str),
}

async fn pass(mut caller: TcpStream, mut node: TcpStream, defect: Defect) -> std::io::Result<()> {
    loop {
        let (head, form) = message(&mut caller).await?;
        let first = head.lines().next().unwrap_or_default().to_owned();
        let mut words = first.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let asked = Asked { method: word(), path: word(), form: String::from_utf8(form).unwrap() };
        let instead = defect(&asked);
        let (method, path, form) = match &instead {
            None => (&*asked.method, asked.path.clone(), asked.form.as_str()),
            Some(Instead::Nothing) => ("GET", asked.path.clone(), ""),
            Some(Instead::Form(form)) => (&*asked.method, asked.path.clone(), *form),
        };
        let headers =
            head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("content-length"));
        let headers: String =
            headers.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
        let length = form.len();
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}content-length: {length}\r\n\r\n{form}");
        node.write_all(request.as_bytes()).await?;
        let (head, body) = message(&mut node).await?;
        caller.write_all(head.as_bytes()).await?;
        caller.write_all(&body).await?;
    }
}

async fn run(plan: &ScenarioPlan, defect: Option<Defect>) -> FloorReport {
    let run = async || {
        let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
        let address = match defect {
            Some(defect) => gateway(node.node.http, move |caller, node| pass(caller, node, defect)).await,
            None => node.node.http,
        };
        let api = NodeApi::new(address, node.account_sid.clone(), node.auth_token.clone());
        let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
        let report = run_scenario(node.node.sip, plan, &surroundings).await.unwrap();
        node.node.stop().await;
        report
    };
    repeat(run, |report| !report.is_disturbed()).await
}

/// Some seconds at one desk. The seeds are of days on which what a defect concerns comes early.
async fn day(seed: u64, seconds: u64, defect: Option<Defect>) -> FloorReport {
    run(&ScenarioPlan::new(What::Floor, 4, 1, seconds, seed).unwrap(), defect).await
}

/// In which way what is wrong is wrong, and about whom.
fn wrongs(report: &FloorReport) -> Vec<(Wrong, &str)> {
    let mut found = Vec::new();
    for finding in &report.findings {
        if let FloorFinding::Hearing { wrong, who, .. } = finding {
            found.push((*wrong, &**who));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_is_right_whatever_its_people_do() {
    let report = day(1, 15, None).await;
    assert_eq!(report.findings, []);
    assert!(report.right && report.acts > 8 && report.heard.whole > 1_000);
    assert!(report.reactions_ms[&Group::Seat].count > 0 && report.reactions_ms[&Group::Move].count > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_who_is_heard_by_the_customer_is_named() {
    // Whoever is only to listen again speaks on.
    let report = day(
        1055,
        11,
        Some(|asked| (asked.form == "Muted=true&Coaching=false").then_some(Instead::Form("Coaching=false"))),
    )
    .await;
    assert!(wrongs(&report).contains(&(Wrong::MonitorHeard, "the supervisor of desk 0")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_not_done_is_named() {
    let report =
        day(2026, 8, Some(|asked| asked.form.starts_with("Hold=true").then_some(Instead::Nothing))).await;
    let customer = "the customer of desk 0";
    let found = wrongs(&report);
    assert!(
        found.contains(&(Wrong::HoldNotApplied, customer)) && found.contains(&(Wrong::HeldHeard, customer)),
        "{report}"
    );
    assert!(found.contains(&(Wrong::NoMusic, customer)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coach_whom_all_hear_is_named() {
    let report = day(
        2972,
        9,
        Some(|asked| {
            asked.form.contains("Coaching=true").then_some(Instead::Form("Muted=false&Coaching=false"))
        }),
    )
    .await;
    assert!(wrongs(&report).contains(&(Wrong::CoachHeard, "the supervisor of desk 0")), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_stays_after_they_were_taken_out_is_named() {
    let report = day(2972, 14, Some(|asked| (asked.method == "DELETE").then_some(Instead::Nothing))).await;
    assert!(wrongs(&report).iter().any(|(wrong, _)| *wrong == Wrong::StillThere), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_come_and_go_are_heard_where_they_are_and_nowhere_else() {
    let plan = ScenarioPlan::new(What::Churn, 10, 4, 6, 3).unwrap().with_churn(8).unwrap();
    let report = run(&plan, None).await;
    assert_eq!(report.findings, []);
    assert_eq!((report.people, report.acts), (4 + 48, 4 + 96));
    assert!(report.heard.whole > 500, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_does_not_leak_to_the_customer_through_any_codec() {
    let report = run(&ScenarioPlan::new(What::Leak, 10, 1, 10, 1).unwrap(), None).await;
    assert_eq!(report.findings, []);
    assert_eq!(report.leaks.len(), 5 * 6);
    assert!(report.leaks.iter().all(|leak| leak.db <= -70.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_who_leaks_is_measured() {
    let plan = ScenarioPlan::new(What::Leak, 10, 1, 10, 1).unwrap();
    let report =
        run(&plan, Some(|asked| asked.form.starts_with("Muted=true").then_some(Instead::Nothing))).await;
    let muted = |finding: &FloorFinding| matches!(finding, FloorFinding::Leak { mode, db, .. } if mode == "muted" && *db > -3.0);
    assert!(report.has(muted), "{report}");
}
