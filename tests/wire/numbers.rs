//! Incoming phone numbers and applications: what a call to a number does, and whose it is.

use confab::server::Options;

use crate::app::App;
use crate::peer::Peer;
use crate::running::Running;

const NUMBER: &str = "+442079460123";
const FORM: &str = "PhoneNumber=%2B442079460123";

/// A node that may ask applications on this machine, and that may call it.
async fn node() -> Running {
    let flags = ["--egress-allow=127.0.0.0/8", "--outbound-allow=sip:*@127.0.0.1:*"];
    Running::start_with(Options::default(), &flags).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_number_follows_its_script_and_its_end_is_told() {
    let (node, app) = (node().await, App::start().await);
    app.says("voice", "<Pause/><Dial><Conference>front</Conference></Dial>");
    let form = format!("{FORM}&VoiceUrl={}&StatusCallback={}", app.url("voice"), app.url("status"));
    let (status, number) = node.create("IncomingPhoneNumbers.json", &form).await;
    assert_eq!(status, 201, "{number}");

    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial(NUMBER).await;
    let asked = &app.told("voice", 1).await[0];
    assert_eq!((asked.get("To"), asked.get("AccountSid")), (NUMBER, &*node.account_sid));
    assert!(asked.is_signed_with(&node.auth_token, &app.url("voice")));
    caller.hang_up().await;
    let told = &app.told("status", 1).await[0];
    assert_eq!((told.get("CallStatus"), told.get("CallSid")), ("completed", asked.get("CallSid")));
    assert_eq!(told.get("SequenceNumber"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_a_script_goes_by_the_routes_as_one_that_is_not_there_does() {
    let node = node().await;
    node.create("IncomingPhoneNumbers.json", FORM).await;
    let mut caller = Peer::udp(node.node.sip).await;
    for user in [NUMBER, "+442079460124"] {
        let invite = caller.invite(user);
        let answer = caller.ask(&invite).await;
        assert_eq!(answer.status(), Some(404), "{user}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_another_account_is_called_in_its_name_until_it_is_suspended() {
    let (node, app) = (node().await, App::start().await);
    app.says("voice", "<Dial><Conference>front</Conference></Dial>");
    let (status, account) = node.ask("POST", "/2010-04-01/Accounts.json", "FriendlyName=customer").await;
    assert_eq!(status, 201, "{account}");
    let sub = format!("/2010-04-01/Accounts/{}", account["sid"].as_str().unwrap());
    let wanted = format!("PhoneNumber=%2B442079460123&VoiceUrl={}", app.url("voice"));
    let (status, number) = node.ask("POST", &format!("{sub}/IncomingPhoneNumbers.json"), &wanted).await;
    assert_eq!(status, 201, "{number}");

    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial(NUMBER.trim_start_matches('+')).await;
    let asked = &app.told("voice", 1).await[0];
    assert_eq!(asked.get("AccountSid"), account["sid"]);
    let token = account["auth_token"].as_str().unwrap();
    assert!(asked.is_signed_with(token, &app.url("voice")), "in the name of the number's account");
    let call = format!("{sub}/Calls/{}.json", asked.get("CallSid"));
    assert_eq!(node.ask("GET", &call, "").await.1["account_sid"], account["sid"]);
    let own = node.get("Calls.json").await;
    assert_eq!(own["calls"].as_array().unwrap().len(), 0, "{own}");
    caller.hang_up().await;

    node.ask("POST", &format!("{sub}.json"), "Status=suspended").await;
    let mut caller = Peer::udp(node.node.sip).await;
    let invite = caller.invite(NUMBER);
    assert_eq!(caller.ask(&invite).await.status(), Some(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_names_an_application_follows_it_and_tells_it() {
    let (node, app) = (node().await, App::start().await);
    app.says("voice", "<Hangup/>");
    let form = format!("VoiceUrl={}&StatusCallback={}", app.url("voice"), app.url("status"));
    let (status, application) = node.create("Applications.json", &form).await;
    assert_eq!(status, 201, "{application}");
    let sid = application["sid"].as_str().unwrap();
    let mut agent = Peer::udp(node.node.sip).await;
    let form = format!(
        "To=sip:agent@{}&From=desk&ApplicationSid={sid}&Url=http://127.0.0.1:9/&StatusCallbackEvent=answered+completed",
        agent.address()
    );
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.is_hung_up().await;
    let told = app.told("status", 2).await;
    let steps: Vec<&str> = told.iter().map(|told| told.get("CallStatus")).collect();
    assert_eq!(steps, ["in-progress", "completed"]);
    assert_eq!(app.told("voice", 1).await[0].get("CallSid"), call["sid"]);
}
