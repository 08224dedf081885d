//! Agents' phones: how they log in and who is sent away, and the calls to them and from them.

use std::time::Duration;

use confab::server::Options;
use serde_json::Value;

use crate::feed::Feed;
use crate::message::{Message, audio_port};
use crate::peer::{Peer, within};
use crate::proof::{Proof, authorization, nonce};
use crate::running::Running;

/// Two agents, and what is for agents only.
const AGENTS: &str = "\
[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\nmax_devices = 2\n\
[[agent]]\nname = \"bob\"\npassword = \"let me in\"\nring = \"order\"\n\
[[route]]\nuser = \"conf-*\"\nconference = \"{1}\"\n\
[[route]]\nuser = \"staff\"\nconference = \"staff\"\nagents_only = true\n";

async fn node() -> Running {
    Running::start_with_file(Options::default(), AGENTS).await
}

/// A phone of an agent, not registered yet.
async fn phone(node: &Running) -> Peer {
    Peer::udp(node.node.sip).await
}

/// A REGISTER of a phone for an agent.
fn register(phone: &mut Peer, agent: &str, contact: &str) -> Message {
    phone.register(agent).with("Contact", contact).with("Expires", "600")
}

/// The same with what proves the password, once it was asked for.
async fn log_in(phone: &mut Peer, agent: &str, password: &str, contact: &str) -> Message {
    let first = register(phone, agent, contact);
    let challenge = phone.ask(&first).await;
    assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
    let proof = Proof { user: agent, password, ..Proof::of(&challenge) };
    let again = register(phone, agent, contact);
    let again = again.clone().with("Authorization", authorization(&proof, "REGISTER", again.uri()));
    phone.ask(&again).await
}

/// A phone that is registered for an agent.
pub(crate) async fn registered(node: &Running, agent: &str, password: &str) -> Peer {
    let mut phone = phone(node).await;
    let contact = format!("<{}>", phone.contact);
    let ok = log_in(&mut phone, agent, password, &contact).await;
    assert_eq!(ok.status(), Some(200), "{}", ok.text());
    phone
}

/// Has the node dial an agent into a conference; the path of its call.
async fn dial(node: &Running, agent: &str, more: &str) -> String {
    let form = format!("To=client:{agent}&From=%2B4930123&{more}");
    let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!(status, 201, "{seat}");
    format!("Calls/{}.json", seat["call_sid"].as_str().unwrap())
}

/// The contacts that an answer lists, without their parameters.
fn contacts(ok: &Message) -> Vec<String> {
    ok.all("Contact").iter().map(|contact| contact.split('>').next().unwrap()[1..].to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_logs_in_is_listed_and_leaves() {
    let node = node().await;
    let mut phone = phone(&node).await;
    let contact = format!("<{}>", phone.contact);
    let ok = log_in(&mut phone, "alice", "open sesame", &contact).await;
    assert_eq!(ok.status(), Some(200), "{}", ok.text());
    assert!(ok.header("Contact").contains(";expires=600") || ok.header("Contact").contains(";expires=599"));

    // It asks what is registered, with the next count of the same nonce, and then takes all back.
    let first = phone.register("alice");
    let challenge = phone.ask(&first).await;
    let mut proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    for (contact, expires, left) in [(None, None, 1), (Some("*"), Some("0"), 0)] {
        let mut request = phone.register("alice");
        for (name, value) in [("Contact", contact), ("Expires", expires)] {
            request = value.into_iter().fold(request, |request, value: &str| request.with(name, value));
        }
        request = request.clone().with("Authorization", authorization(&proof, "REGISTER", request.uri()));
        let ok = phone.ask(&request).await;
        assert_eq!((ok.status(), contacts(&ok).len()), (Some(200), left), "{}", ok.text());
        proof.count += 1;
    }
    let call = dial(&node, "alice", "").await;
    node.wait_for(&call, "status", "no-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_events_hears_where_agents_are() {
    let node = node().await;
    let mut feed = Feed::of(&node).await;
    let mut phone = registered(&node, "alice", "open sesame").await;
    let told = feed.next_of("agent.registered").await;
    assert_eq!(told["agent"], serde_json::json!({"name": "alice", "devices": 1}));
    assert_eq!(told["account_sid"], node.account_sid);
    registered(&node, "alice", "open sesame").await;
    assert_eq!(feed.next_of("agent.registered").await["agent"]["devices"], 2);
    let ok = log_in(&mut phone, "alice", "open sesame", "*").await;
    assert_eq!(ok.status(), Some(400), "only with an Expires of 0");
    for phone in contacts(&registered_now(&mut phone).await) {
        let contact = format!("<{phone}>;expires=0");
        let mut other = Peer::udp(node.node.sip).await;
        assert_eq!(log_in(&mut other, "alice", "open sesame", &contact).await.status(), Some(200));
    }
    assert_eq!(feed.next_of("agent.registered").await["agent"]["devices"], 1);
    assert_eq!(feed.next_of("agent.unregistered").await["agent"]["devices"], 0);
}

/// What an agent has registered.
async fn registered_now(phone: &mut Peer) -> Message {
    let first = phone.register("alice");
    let challenge = phone.ask(&first).await;
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let request = phone.register("alice");
    let request = request.clone().with("Authorization", authorization(&proof, "REGISTER", request.uri()));
    phone.ask(&request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_logs_in_in_these_ways() {
    let node = node().await;
    let mut phone = phone(&node).await;
    let contact = format!("<{}>", phone.contact);
    let first = register(&mut phone, "alice", &contact);
    let challenge = phone.ask(&first).await;
    let right = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let fresh = |change: fn(Proof) -> Proof| change(right.clone());
    for (what, proof, status) in [
        ("wrong password", fresh(|p| Proof { password: "open barley", ..p }), 401),
        ("unknown user", fresh(|p| Proof { user: "mallory", ..p }), 401),
        ("wrong realm", fresh(|p| Proof { realm: "elsewhere".into(), ..p }), 401),
        ("another's nonce", fresh(|p| Proof { nonce: "0123456789abcdef".repeat(4), ..p }), 401),
        ("another algorithm", fresh(|p| Proof { algorithm: "SHA-512-256", ..p }), 401),
        ("another uri", fresh(|p| Proof { uri: Some("sip:elsewhere.example".into()), ..p }), 401),
        ("another agent's name", fresh(|p| Proof { user: "bob", password: "let me in", ..p }), 403),
    ] {
        let request = register(&mut phone, "alice", &contact);
        let request = request.clone().with("Authorization", authorization(&proof, "REGISTER", request.uri()));
        let answer = phone.ask(&request).await;
        assert_eq!(answer.status(), Some(status), "{what}: {}", answer.text());
        // Only a right password with a wrong nonce is told to try the same again.
        let stale = answer.all("WWW-Authenticate").iter().any(|value| value.contains("stale=true"));
        assert_eq!(stale, what == "another's nonce", "{what}");
    }
    assert_eq!(node.figure("confab_sip_phones", "").await, 0.0);
    let guesses = node.figure("confab_sip_credentials_refused_total", "wrong_digest").await;
    assert_eq!(guesses, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_overheard_is_worth_nothing() {
    let node = node().await;
    let mut phone = phone(&node).await;
    let contact = format!("<{}>", phone.contact);
    let first = register(&mut phone, "alice", &contact);
    let challenge = phone.ask(&first).await;
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let request = register(&mut phone, "alice", &contact);
    let proved = authorization(&proof, "REGISTER", request.uri());
    assert_eq!(phone.ask(&request.with("Authorization", &proved)).await.status(), Some(200));

    let mut thief = Peer::udp(node.node.sip).await;
    let theirs = format!("<{}>", thief.contact);
    let replayed = register(&mut thief, "alice", &theirs).with("Authorization", &proved);
    let answer = thief.ask(&replayed).await;
    assert_eq!(answer.status(), Some(401), "{}", answer.text());
    assert_ne!(nonce(&answer), proof.nonce);
    assert_eq!(node.figure("confab_sip_phones", "").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_too_often_is_not_looked_at_any_more() {
    let node = node().await;
    let mut phone = phone(&node).await;
    let contact = format!("<{}>", phone.contact);
    let mut statuses = Vec::new();
    while statuses.last() != Some(&Some(503)) && statuses.len() < 100 {
        statuses.push(log_in_or_not(&mut phone, "alice", "guess", &contact).await);
    }
    assert_eq!(statuses.last(), Some(&Some(503)), "{statuses:?}");
    // Not even with the right password.
    assert_eq!(log_in_or_not(&mut phone, "alice", "open sesame", &contact).await, Some(503));
    let blocked = node.figure("confab_sip_guessing_blocked_total", "by=\"user\"").await;
    assert!(blocked >= 2.0);
}

async fn log_in_or_not(phone: &mut Peer, agent: &str, password: &str, contact: &str) -> Option<u16> {
    log_in(phone, agent, password, contact).await.status()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_has_only_so_many_phones() {
    let node = node().await;
    let mut phones = Vec::new();
    for _ in 0..4 {
        phones.push(registered(&node, "alice", "open sesame").await);
    }
    assert_eq!(node.figure("confab_sip_phones", "").await, 2.0);
    // Those that were heard of last.
    let call = dial(&node, "alice", "").await;
    for phone in &mut phones[2..] {
        phone.is_called().await;
    }
    node.post(&call, "Status=canceled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registration_may_not_ask_is_refused() {
    let node = node().await;
    let mut phone = registered(&node, "alice", "open sesame").await;
    let contact = format!("<{}>", phone.contact);
    for (headers, status) in [
        (vec![("Contact", contact.as_str()), ("Expires", "30")], 423),
        (vec![("Contact", "*"), ("Expires", "600")], 400),
        (vec![("Contact", "*, <sip:a@127.0.0.1>"), ("Expires", "0")], 400),
        (vec![("Contact", "<mailto:alice@example.com>")], 400),
        (vec![("Contact", "<sip:a@127.0.0.1>, <sip:b@127.0.0.1>, <sip:c@127.0.0.1>")], 403),
    ] {
        let first = phone.register("alice");
        let challenge = phone.ask(&first).await;
        let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
        let request = phone.register("alice");
        let request = headers.iter().fold(request, |request, (name, value)| request.with(name, value));
        let request = request.clone().with("Authorization", authorization(&proof, "REGISTER", request.uri()));
        let answer = phone.ask(&request).await;
        assert_eq!(answer.status(), Some(status), "{headers:?}: {}", answer.text());
        assert_eq!(answer.has("Min-Expires"), status == 423);
    }
    assert_eq!(node.figure("confab_sip_phones", "").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_phones_of_an_agent_ring_and_the_first_that_answers_has_the_call() {
    let node = node().await;
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("conf-desk").await;
    let mut desk = registered(&node, "alice", "open sesame").await;
    let mut mobile = registered(&node, "alice", "open sesame").await;
    let call = dial(&node, "alice", "").await;
    let (at_desk, at_mobile) = (desk.is_called().await, mobile.is_called().await);
    assert_ne!(at_desk.header("Call-ID"), at_mobile.header("Call-ID"));
    desk.reply(&at_desk, "180 Ringing").await;
    mobile.reply(&at_mobile, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;

    mobile.pick_up(&at_mobile).await;
    let cancel = desk.request_of("CANCEL").await;
    assert!(cancel.header("Reason").contains("Call completed elsewhere"), "{}", cancel.text());
    desk.answer(&cancel, "200 OK").await;
    desk.reply(&at_desk, "487 Request Terminated").await;
    desk.request_of("ACK").await;
    node.wait_for(&call, "status", "in-progress").await;

    mobile.rtp.speak(700);
    caller.rtp.speak(1_100);
    desk.rtp.aim((node.node.sip.ip(), audio_port(&at_desk.description())).into());
    desk.rtp.speak(1_700);
    tokio::join!(mobile.rtp.hears(1_100), caller.rtp.hears(700));
    caller.rtp.hears_no_more(1_700).await;
    mobile.hang_up().await;
    node.wait_for(&call, "status", "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_phones_that_answer_at_the_same_moment_one_has_the_call_and_the_other_is_told() {
    let node = node().await;
    let mut phones =
        [registered(&node, "alice", "open sesame").await, registered(&node, "alice", "open sesame").await];
    for _ in 0..5 {
        let call = dial(&node, "alice", "").await;
        let [one, other] = &mut phones;
        let (at_one, at_other) = (one.is_called().await, other.is_called().await);
        tokio::join!(one.pick_up(&at_one), other.pick_up(&at_other));
        node.wait_for(&call, "status", "in-progress").await;
        // Whoever has lost is hung up on with the reason; the other when the call ends.
        let hung_up = async {
            tokio::select! {
                reason = one.is_hung_up() => (0, reason),
                reason = other.is_hung_up() => (1, reason),
            }
        };
        let (lost, reason) = hung_up.await;
        assert!(reason.contains("Call completed elsewhere"), "{reason}");
        phones[1 - lost].is_in_call().await;
        node.post(&call, "Status=completed").await;
        phones[1 - lost].is_hung_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_that_do_not_want_the_call_decide_what_is_said_of_it() {
    let node = node().await;
    let mut desk = registered(&node, "alice", "open sesame").await;
    let mut mobile = registered(&node, "alice", "open sesame").await;
    for (first, second, status) in [
        ("486 Busy Here", Some("486 Busy Here"), "busy"),
        ("480 Away", Some("486 Busy Here"), "busy"),
        ("404 Not Found", Some("480 Away"), "no-answer"),
        ("603 Decline", None, "busy"),
    ] {
        let call = dial(&node, "alice", "").await;
        let (at_desk, at_mobile) = (desk.is_called().await, mobile.is_called().await);
        mobile.reply(&at_mobile, "180 Ringing").await;
        node.wait_for(&call, "status", "ringing").await;
        desk.reply(&at_desk, first).await;
        match second {
            Some(second) => mobile.reply(&at_mobile, second).await,
            // Whose owner does not want it at all, rings nowhere else.
            None => {
                let cancel = mobile.request_of("CANCEL").await;
                assert!(!cancel.has("Reason"));
                mobile.answer(&cancel, "200 OK").await;
                mobile.reply(&at_mobile, "487 Request Terminated").await;
            }
        }
        node.wait_for(&call, "status", status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phones_that_ring_in_order_ring_one_after_the_other() {
    let node = node().await;
    let (mut first, mut second) = (phone(&node).await, phone(&node).await);
    for (phone, q) in [(&mut second, "0.3"), (&mut first, "0.9")] {
        let contact = format!("<{}>;q={q}", phone.contact);
        assert_eq!(log_in(phone, "bob", "let me in", &contact).await.status(), Some(200));
    }
    let call = dial(&node, "bob", "").await;
    let invite = first.is_called().await;
    assert_eq!(second.count_for(Duration::from_millis(300)).await, 0);
    first.reply(&invite, "486 Busy Here").await;
    let invite = second.is_called().await;
    second.pick_up(&invite).await;
    node.wait_for(&call, "status", "in-progress").await;
    second.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_and_a_cancellation_reach_all_phones() {
    let node = node().await;
    let mut phones =
        [registered(&node, "alice", "open sesame").await, registered(&node, "alice", "open sesame").await];
    for (more, cancelled, status) in [("Timeout=1", false, "no-answer"), ("", true, "canceled")] {
        let call = dial(&node, "alice", more).await;
        let mut invites = Vec::new();
        for phone in &mut phones {
            let invite = phone.is_called().await;
            phone.reply(&invite, "180 Ringing").await;
            invites.push(invite);
        }
        if cancelled {
            node.wait_for(&call, "status", "ringing").await;
            node.post(&call, "Status=canceled").await;
        }
        for (phone, invite) in phones.iter_mut().zip(&invites) {
            let cancel = phone.request_of("CANCEL").await;
            phone.answer(&cancel, "200 OK").await;
            phone.reply(invite, "487 Request Terminated").await;
            phone.request_of("ACK").await;
        }
        node.wait_for(&call, "status", status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_logs_out_while_it_rings_may_still_answer() {
    let node = node().await;
    let mut phone = registered(&node, "alice", "open sesame").await;
    let call = dial(&node, "alice", "").await;
    let invite = phone.is_called().await;
    let mut same = Peer::udp(node.node.sip).await;
    let contact = format!("<{}>;expires=0", phone.contact);
    assert_eq!(log_in(&mut same, "alice", "open sesame", &contact).await.status(), Some(200));
    assert_eq!(node.figure("confab_sip_phones", "").await, 0.0);
    phone.pick_up(&invite).await;
    node.wait_for(&call, "status", "in-progress").await;
    phone.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_behind_a_nat_is_called_where_it_registered_from() {
    let node = node().await;
    let mut phone = phone(&node).await;
    let address = phone.address();
    // An address of its own network, where nobody is reached from here.
    phone.contact = "sip:alice@127.0.0.77:5099".to_owned();
    let contact = format!("<{}>", phone.contact);
    assert_eq!(log_in(&mut phone, "alice", "open sesame", &contact).await.status(), Some(200));
    let call = dial(&node, "alice", "").await;
    let invite = phone.is_called().await;
    assert_eq!(invite.uri(), format!("sip:alice@{address}"));
    // The ACK and the BYE find it as well, though its 200 names that address again.
    phone.pick_up(&invite).await;
    node.wait_for(&call, "status", "in-progress").await;
    node.post(&call, "Status=completed").await;
    phone.is_hung_up().await;

    // So does CANCEL, and so does the BYE of a call that it makes.
    let call = dial(&node, "alice", "").await;
    let invite = phone.is_called().await;
    phone.reply(&invite, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;
    node.post(&call, "Status=canceled").await;
    let cancel = phone.request_of("CANCEL").await;
    phone.answer(&cancel, "200 OK").await;
    phone.reply(&invite, "487 Request Terminated").await;
    phone.begin_anew();
    phone.dial("conf-nat").await;
    node.end_all_calls().await;
    phone.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_over_tcp_is_called_over_its_connection_and_gone_with_it() {
    let node = node().await;
    let mut phone = Peer::tcp(node.node.sip).await;
    phone.contact = "sip:alice@10.1.2.3:5060;transport=tcp".to_owned();
    let contact = format!("<{}>", phone.contact);
    assert_eq!(log_in(&mut phone, "alice", "open sesame", &contact).await.status(), Some(200));
    let call = dial(&node, "alice", "").await;
    let invite = phone.is_called().await;
    phone.pick_up(&invite).await;
    node.wait_for(&call, "status", "in-progress").await;
    node.post(&call, "Status=completed").await;
    phone.is_hung_up().await;
    drop(phone);
    within("the phone to be gone", async {
        while node.figure("confab_sip_phones", "").await > 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let call = dial(&node, "alice", "").await;
    node.wait_for(&call, "status", "no-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_not_there_or_do_not_exist_are_not_waited_for() {
    let node = node().await;
    for (agent, status) in [("alice", "no-answer"), ("carol", "failed")] {
        let call = dial(&node, agent, "").await;
        node.wait_for(&call, "status", status).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_an_agent_is_theirs_once_they_have_proved_it() {
    let node = node().await;
    let mut phone = phone(&node).await;
    phone.is_named(&format!("sip:alice@{}", node.node.sip));
    for user in ["conf-agents", "staff"] {
        phone.begin_anew();
        let invite = phone.invite(user);
        let challenge = phone.ask(&invite).await;
        assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
        let wrong = Proof { user: "alice", password: "guess", ..Proof::of(&challenge) };
        // The proof of the other used the nonce once.
        let right = Proof { password: "open sesame", count: 2, ..wrong.clone() };
        let other = Proof { user: "bob", password: "let me in", ..wrong.clone() };
        for (proof, status) in [(wrong, 401), (other, 403)] {
            let again = phone.invite(user);
            let again = again.clone().with("Authorization", authorization(&proof, "INVITE", again.uri()));
            assert_eq!(phone.ask(&again).await.status(), Some(status));
        }
        let again = phone.invite(user);
        let again = again.clone().with("Authorization", authorization(&right, "INVITE", again.uri()));
        phone.dial_with(&again).await;
        let calls = node.get("Calls.json?Status=in-progress").await;
        assert_eq!(from(&calls), ["client:alice"]);
        phone.hang_up().await;
        node.wait_for_calls("in-progress", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_call_as_before_but_not_as_agents_and_not_what_is_for_agents() {
    let node = node().await;
    let mut stranger = phone(&node).await;
    stranger.dial("conf-open").await;
    let calls = node.get("Calls.json?Status=in-progress").await;
    assert_eq!(from(&calls), ["peer"]);
    stranger.hang_up().await;

    stranger.begin_anew();
    let invite = stranger.invite("staff");
    assert_eq!(stranger.ask(&invite).await.status(), Some(401));
    for (name, status) in [("sip:client%3Aalice@example.com", 403), ("sip:alice@127.0.0.1", 401)] {
        let mut impostor = phone(&node).await;
        impostor.is_named(name);
        let invite = impostor.invite("conf-open");
        assert_eq!(impostor.ask(&invite).await.status(), Some(status), "{name}");
    }
    // One of that name elsewhere is somebody else.
    let mut namesake = phone(&node).await;
    namesake.is_named("sip:alice@elsewhere.example");
    namesake.dial("conf-open").await;
    assert_eq!(from(&node.get("Calls.json?Status=in-progress").await), ["alice"]);
}

fn from(calls: &Value) -> Vec<&str> {
    calls["calls"].as_array().unwrap().iter().map(|call| call["from"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_agents_nothing_is_registered() {
    let node = Running::start(Options::default()).await;
    let mut phone = phone(&node).await;
    let answer = phone.ask(&phone.request("REGISTER", "alice")).await;
    assert_eq!(answer.status(), Some(405));
    assert!(!answer.header("Allow").contains("REGISTER"));
}
