//! Calls that the node makes: who may be called, what the far end is told, and how each answer is understood.

use confab::server::Options;

use crate::peer::Peer;
use crate::running::Running;

/// A node that may call this machine.
async fn node() -> Running {
    Running::start_with(Options::default(), &["--outbound-allow=sip:*@127.0.0.1:*"]).await
}

/// Has the node dial a phone into a conference; the path of its call.
async fn dial_in(node: &Running, peer: &Peer, more: &str) -> String {
    let form = format!("To=sip:agent@{}&From=%2B4930123&{more}", peer.address());
    let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!((status, seat["status"].as_str()), (201, Some("queued")), "{seat}");
    format!("Calls/{}.json", seat["call_sid"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_dialled_in_rings_answers_and_is_heard() {
    let node = node().await;
    let (mut agent, mut caller) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    caller.dial("conf-desk").await;
    let call = dial_in(&node, &agent, "Label=agent").await;
    let invite = agent.is_called().await;
    assert!(invite.header("From").contains("sip:+4930123@"), "{}", invite.text());
    assert_eq!(invite.uri(), format!("sip:agent@{}", agent.address()));
    agent.reply(&invite, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;
    agent.pick_up(&invite).await;
    let answered = node.wait_for(&call, "status", "in-progress").await;
    assert_eq!(answered["direction"], "outbound-api");

    agent.rtp.speak(700);
    caller.rtp.speak(1_100);
    tokio::join!(agent.rtp.hears(1_100), caller.rtp.hears(700), agent.rtp.hears_no_more(700));
    let seats = node.get("Conferences.json?FriendlyName=desk&Status=in-progress").await;
    let conference = seats["conferences"][0]["sid"].as_str().unwrap().to_owned();
    let seat = node.get(&format!("Conferences/{conference}/Participants/agent.json")).await;
    assert_eq!(seat["status"], "connected");

    agent.hang_up().await;
    node.wait_for(&call, "status", "completed").await;
    caller.rtp.hears_no_more(700).await;
    caller.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_not_to_answer_has_its_status() {
    let node = node().await;
    for (answer, status) in [
        ("486 Busy Here", "busy"),
        ("600 Busy Everywhere", "busy"),
        ("480 Temporarily Unavailable", "no-answer"),
        ("404 Not Found", "failed"),
        ("503 Service Unavailable", "failed"),
    ] {
        let mut agent = Peer::udp(node.node.sip).await;
        let call = dial_in(&node, &agent, "").await;
        let invite = agent.is_called().await;
        agent.reply(&invite, answer).await;
        agent.request_of("ACK").await;
        let ended = node.wait_for(&call, "status", status).await;
        assert_eq!((ended["duration"].as_str(), &ended["start_time"]), (Some("0"), &serde_json::Value::Null));
    }
    // Nobody is left in the conference, so it is over.
    let open = node.get("Conferences.json?Status=init").await;
    assert_eq!(open["conferences"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_rings_too_long_is_cancelled() {
    let node = node().await;
    let mut agent = Peer::udp(node.node.sip).await;
    let call = dial_in(&node, &agent, "Timeout=1").await;
    let invite = agent.is_called().await;
    agent.reply(&invite, "180 Ringing").await;
    let cancel = agent.request_of("CANCEL").await;
    agent.answer(&cancel, "200 OK").await;
    agent.reply(&invite, "487 Request Terminated").await;
    node.wait_for(&call, "status", "no-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_rings_can_be_cancelled_and_one_that_is_answered_ended() {
    let node = node().await;
    let mut agent = Peer::udp(node.node.sip).await;
    let call = dial_in(&node, &agent, "").await;
    let invite = agent.is_called().await;
    agent.reply(&invite, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;
    node.post(&call, "Status=canceled").await;
    let cancel = agent.request_of("CANCEL").await;
    agent.answer(&cancel, "200 OK").await;
    agent.reply(&invite, "487 Request Terminated").await;
    node.wait_for(&call, "status", "canceled").await;

    let mut agent = Peer::udp(node.node.sip).await;
    let call = dial_in(&node, &agent, "").await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    node.wait_for(&call, "status", "in-progress").await;
    node.post(&call, "Status=completed").await;
    agent.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_a_call() {
    let node = node().await;
    let mut agent = Peer::udp(node.node.sip).await;
    let call = dial_in(&node, &agent, "TimeLimit=1").await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.is_hung_up().await;
    node.wait_for(&call, "status", "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_answered_with_the_credentials_that_were_given_and_only_then() {
    let node = node().await;
    let mut agent = Peer::udp(node.node.sip).await;
    dial_in(&node, &agent, "SipAuthUsername=confab&SipAuthPassword=secret-word").await;
    let invite = agent.is_called().await;
    let challenge =
        agent.answer_to(&invite, "401 Unauthorized").set("To", format!("{};tag=c", invite.header("To")));
    let challenge =
        challenge.with("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n0\", algorithm=MD5, qop=\"auth\"");
    agent.send(&challenge).await;
    agent.request_of("ACK").await;
    let again = agent.is_called().await;
    let credentials = again.header("Authorization");
    assert!(
        credentials.contains("username=\"confab\"") && credentials.contains("nonce=\"n0\""),
        "{credentials}"
    );
    assert!(!again.text().contains("secret-word"));
    agent.pick_up(&again).await;
    agent.is_in_call().await;

    // Without any, a challenge is a refusal.
    let mut stranger = Peer::udp(node.node.sip).await;
    let call = dial_in(&node, &stranger, "").await;
    let invite = stranger.is_called().await;
    let challenge =
        stranger.answer_to(&invite, "401 Unauthorized").set("To", format!("{};tag=c", invite.header("To")));
    stranger.send(&challenge.with("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n0\"")).await;
    node.wait_for(&call, "status", "failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_sip_uri_are_told_in_the_invite_and_are_not_a_part_of_it() {
    let node = node().await;
    let mut agent = Peer::udp(node.node.sip).await;
    let to = |headers: &str| {
        let uri = format!("sip:agent@{}{headers}", agent.address());
        form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>()
    };
    let told = to("?X-Order=4%202&User-to-User=ab%3Bencoding%3Dhex");
    let refused = [to("?Route=x"), to("?X-A=b%0d%0aVia:%20x"), to(&format!("?X-A={}", "b".repeat(1_024)))];
    let form = |to: &str| format!("To={to}&From=x&SipAuthUsername=a&SipAuthPassword=b");
    for to in refused {
        let (status, error) = node.create("Conferences/desk/Participants.json", &form(&to)).await;
        assert_eq!((status, &error["code"]), (400, &21_211.into()), "{error}");
    }
    let (status, _) = node.create("Conferences/desk/Participants.json", &form(&told)).await;
    assert_eq!(status, 201);
    let invite = agent.is_called().await;
    assert_eq!(invite.uri(), format!("sip:agent@{}", agent.address()));
    assert!(!invite.header("To").contains('?'), "{}", invite.text());
    let challenge =
        agent.answer_to(&invite, "401 Unauthorized").set("To", format!("{};tag=c", invite.header("To")));
    agent.send(&challenge.with("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n0\"")).await;
    agent.request_of("ACK").await;
    let again = agent.is_called().await;
    for invite in [&invite, &again] {
        assert_eq!(invite.header("X-Order"), "4 2");
        assert_eq!(invite.header("User-to-User"), "ab;encoding=hex");
    }
    agent.pick_up(&again).await;
    agent.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_be_called_is_not_called() {
    let node = node().await;
    for (to, code) in [
        ("%2B442071234567", 21_215),
        ("sip:agent@192.0.2.1", 21_215),
        ("client:alice", 21_215),
        ("alice", 21_211),
        ("", 21_201),
    ] {
        let form = format!("To={to}&From=x&Twiml=%3CResponse%2F%3E");
        let (status, error) = node.create("Calls.json", &form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{to}: {error}");
        let (status, error) = node.create("Conferences/desk/Participants.json", &form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{to}: {error}");
    }
    assert_eq!(node.get("Conferences.json?Status=init").await["conferences"], serde_json::json!([]));
}
