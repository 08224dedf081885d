//! Payments: what an application asks, what the caller types, and what is told of it.

use confab::server::Options;
use serde_json::Value;

use crate::app::{App, Told};
use crate::peer::{Peer, within};
use crate::rtp::{KEY_TONES, Rtp};
use crate::running::Running;

const CARD: &str = "4111111111111111";

pub(crate) async fn node() -> Running {
    Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await
}

/// A phone in a conference that presses keys as events, and the SID of its call.
pub(crate) async fn caller(node: &Running, user: &str) -> (Peer, String) {
    let mut peer = phone(node).await;
    let description = peer.description_of("0 101", "a=rtpmap:101 telephone-event/8000\r\n");
    let invite = peer.invite(user).sdp(&description);
    peer.dial_with(&invite).await;
    let calls = node.get("Calls.json?Status=in-progress&PageSize=1").await;
    (peer, calls["calls"][0]["sid"].as_str().unwrap().to_owned())
}

async fn phone(node: &Running) -> Peer {
    Peer::udp(node.node.sip).await
}

/// Types keys as events.
pub(crate) async fn typed(peer: &Peer, keys: &str) {
    for key in keys.chars() {
        let event = "0123456789*#".find(key).unwrap() as u8;
        peer.rtp.press(101, event).await;
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A payment under way.
pub(crate) struct Payment<'a> {
    node: &'a Running,
    app: App,
    call: String,
    sid: String,
    asked: usize,
    key: String,
}

impl<'a> Payment<'a> {
    pub(crate) async fn start(node: &'a Running, call: &str, more: &str) -> Self {
        let app = App::start().await;
        app.says("pay", "");
        // Each has an application of its own, on a port of its own.
        let key = format!("start-{}", app.address.port());
        let form = format!("IdempotencyKey={key}&StatusCallback={}&{more}", encoded(&app.url("pay")));
        let (status, made) = node.create(&format!("Calls/{call}/Payments.json"), &form).await;
        assert_eq!(status, 201, "{made}");
        let sid = made["sid"].as_str().unwrap().to_owned();
        assert!(sid.starts_with("PK") && made["call_sid"] == call, "{made}");
        assert!(made["uri"].as_str().unwrap().ends_with(&format!("/Calls/{call}/Payments/{sid}.json")));
        Self { node, app, call: call.to_owned(), sid, asked: 0, key }
    }

    pub(crate) async fn update(&mut self, what: &str) -> (u16, Value) {
        self.asked += 1;
        self.update_as(&format!("update-{}", self.asked), what).await
    }

    async fn update_as(&self, key: &str, what: &str) -> (u16, Value) {
        let url = encoded(&self.app.url("pay"));
        let form = format!("IdempotencyKey={key}&StatusCallback={url}&{what}");
        self.node.create(&format!("Calls/{}/Payments/{}.json", self.call, self.sid), &form).await
    }

    /// Asks for an item.
    pub(crate) async fn ask(&mut self, item: &str) {
        let (status, answer) = self.update(&format!("Capture={item}")).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// What was told with this in it.
    pub(crate) async fn told(&self, name: &str, value: &str) -> Told {
        within(&format!("{name}={value} to be told"), async {
            let mut times = 1;
            loop {
                let told = self.app.told("pay", times).await;
                if let Some(found) = told.iter().find(|told| told.get(name) == value) {
                    return found.clone();
                }
                times = told.len() + 1;
            }
        })
        .await
    }

    /// What was told when an item was whole for the so many-th time.
    pub(crate) async fn captured_again(&self, item: &str, times: usize) -> Told {
        within(&format!("{item} to be captured again"), async {
            let mut enough = 1;
            loop {
                let told = self.app.told("pay", enough).await;
                let of_item =
                    |told: &&Told| told.get("Capture") == item && told.get("PartialResult") == "false";
                if let Some(found) = told.iter().filter(of_item).nth(times - 1) {
                    return found.clone();
                }
                enough = told.len() + 1;
            }
        })
        .await
    }

    /// What was told when an item was whole.
    pub(crate) async fn captured(&self, item: &str) -> Told {
        within(&format!("{item} to be captured"), async {
            let mut times = 1;
            loop {
                let told = self.app.told("pay", times).await;
                let of_item =
                    |told: &&Told| told.get("Capture") == item && told.get("PartialResult") == "false";
                if let Some(found) = told.iter().rev().find(of_item) {
                    return found.clone();
                }
                times = told.len() + 1;
            }
        })
        .await
    }

    pub(crate) async fn attested(&self) -> Value {
        let path = format!("/v1/payments/{}/attestation", self.sid);
        within("an attestation", async {
            loop {
                let (status, found) = self.node.ask("GET", &path, "").await;
                if status == 200 {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_typed_while_the_agent_talks_and_only_its_end_is_told() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let (agent, agent_call) = caller(&node, "conf-desk").await;
    agent.rtp.speak(1_100);
    customer.rtp.hears(1_100).await;
    let mut payment = Payment::start(&node, &call, "ChargeAmount=12.50&Description=Tea").await;
    let begun =
        payment.told("Required", "payment-card-number,expiration-date,security-code,postal-code").await;
    assert_eq!((begun.get("Sid"), begun.get("ChargeAmount")), (payment.sid.as_str(), "12.50"));
    assert!(begun.is_signed_with(&node.auth_token, &payment.app.url("pay")));

    payment.ask("payment-card-number").await;
    typed(&customer, CARD).await;
    let told = payment.captured("payment-card-number").await;
    assert_eq!((told.get("PaymentCardNumber"), told.get("PaymentCardType")), ("xxxxxxxxxxxx1111", "visa"));
    assert_eq!(told.get("Required"), "expiration-date,security-code,postal-code");
    payment.ask("expiration-date").await;
    typed(&customer, "0899").await;
    assert_eq!(payment.captured("expiration-date").await.get("ExpirationDate"), "0899");
    payment.ask("security-code").await;
    typed(&customer, "739").await;
    assert_eq!(payment.captured("security-code").await.get("SecurityCode"), "xxx");
    let (status, early) = payment.update("Status=complete").await;
    assert_eq!((status, &early["code"]), (400, &64_019.into()), "{early}");
    payment.ask("postal-code").await;
    typed(&customer, "94109#").await;
    assert_eq!(payment.captured("postal-code").await.get("PaymentCardPostalCode"), "94109");

    assert_eq!(payment.update("Status=complete").await.0, 202);
    let told = payment.told("Result", "success").await;
    assert!(told.get("PaymentConfirmationCode").starts_with("sandbox_ch_"), "{told:?}");
    let all = payment.app.told("pay", 1).await;
    // What is drawn at random, a name, may have them by chance; it is longer than any card number.
    let words = all.iter().flat_map(|told| told.body.split(|c: char| !c.is_ascii_alphanumeric()));
    for word in words.filter(|word| word.len() <= 20) {
        assert!(!word.contains("4111") && !word.contains("739"), "{word}");
    }
    // Each digit but the last.
    let parts = |item: &str| {
        all.iter().filter(|told| told.get("Capture") == item && told.get("PartialResult") == "true").count()
    };
    assert_eq!((parts("payment-card-number"), parts("security-code")), (15, 2));
    // None of the keys came to the agent.
    assert!(agent.rtp.packets().iter().all(|packet| packet.payload_type == 0));

    let attested = payment.attested().await;
    let statement = &attested["statement"];
    assert_eq!(
        (&statement["result"], &statement["payment_sid"]),
        (&"success".into(), &payment.sid.clone().into())
    );
    assert_eq!(statement["masking"]["keys_captured"], 16 + 4 + 3 + 6);
    assert_eq!(statement["masking"]["keys_let_through"], 0);
    assert_eq!(statement["listeners"]["calls"], serde_json::json!([agent_call]));
    assert_eq!(attested["jws"].as_str().unwrap().split('.').count(), 3);
    let (_, keys) = node.ask("GET", "/v1/attestation-keys", "").await;
    assert_eq!(keys["keys"][0]["alg"], "EdDSA");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_in_the_wrong_way_is_refused_and_changes_nothing() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let path = format!("Calls/{call}/Payments.json");
    let start = |more: &str| format!("IdempotencyKey=a&StatusCallback=http%3A%2F%2F127.0.0.1%3A9%2F&{more}");
    for (form, code) in [
        (start("PaymentConnector=Nobody"), 64_004),
        (start("ChargeAmount=-1"), 64_003),
        (start("Currency=euro"), 64_011),
        (start("PaymentMethod=cash"), 64_013),
        (start("Timeout=0"), 64_020),
        ("StatusCallback=http%3A%2F%2F127.0.0.1%3A9%2F".to_owned(), 20_001),
        ("IdempotencyKey=a".to_owned(), 20_001),
        ("IdempotencyKey=a&StatusCallback=here".to_owned(), 21_205),
    ] {
        let (status, answer) = node.create(&path, &form).await;
        assert_eq!((status, &answer["code"]), (400, &code.into()), "{form}: {answer}");
    }
    let nobody = format!("Calls/CA{:032x}/Payments.json", 7);
    assert_eq!(node.create(&nobody, &start("")).await.0, 404);

    let mut payment = Payment::start(&node, &call, "").await;
    for (what, code) in [
        ("Capture=card", 64_020),
        ("Capture=bank-account-number", 64_020),
        ("Capture=postal-code-matcher", 64_020),
        ("Status=paused", 64_020),
        ("", 64_018),
        ("Capture=postal-code&Status=cancel", 64_018),
        ("Status=complete", 64_019),
    ] {
        let (status, answer) = payment.update(what).await;
        assert_eq!((status, &answer["code"]), (400, &code.into()), "{what}: {answer}");
    }
    // One at a time; and the request that began it, once more, begins no other.
    let (status, second) = node.create(&path, &start("")).await;
    assert_eq!((status, &second["code"]), (400, &64_021.into()), "{second}");
    let url = encoded(&payment.app.url("pay"));
    let form = format!("IdempotencyKey={}&StatusCallback={url}&", payment.key);
    let (status, again) = node.create(&path, &form).await;
    assert_eq!((status, again["sid"].as_str()), (201, Some(payment.sid.as_str())));
    assert_eq!(node.create(&path, &format!("{form}Timeout=9")).await.1["code"], 64_020);

    payment.ask("security-code").await;
    let early = payment.captured("security-code").await;
    assert_eq!(early.get("ErrorType"), "invalid-card-number-security-code-capture-sequence");
    payment.ask("payment-card-number").await;
    typed(&customer, "6011111111111117").await;
    assert_eq!(payment.captured("payment-card-number").await.get("ErrorType"), "invalid-card-type");
    assert_eq!(payment.update_as("once", "Capture=expiration-date").await.0, 202);
    typed(&customer, "0101").await;
    assert_eq!(payment.captured("expiration-date").await.get("ErrorType"), "invalid-date");
    assert_eq!(payment.update_as("once", "Capture=expiration-date").await.0, 202);
    assert_eq!(payment.update_as("once", "Status=cancel").await.1["code"], 64_020);

    assert_eq!(payment.update("Status=cancel").await.0, 202);
    payment.told("Result", "transaction-cancelled").await;
    assert_eq!(payment.update("Capture=postal-code").await.1["code"], 64_020);
    let other = format!("Calls/{call}/Payments/PK{:032x}.json", 3);
    assert_eq!(node.create(&other, &form).await.0, 400);
    assert_eq!(node.create(&other, &format!("{form}Status=cancel")).await.0, 404);
    // Another may begin.
    Payment::start(&node, &call, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_and_a_hang_up_end_it_whatever_was_typed() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let mut payment = Payment::start(&node, &call, "").await;
    payment.ask("payment-card-number").await;
    typed(&customer, "41111*").await;
    let told = payment.told("Result", "caller-interrupted-with-star").await;
    assert_eq!(told.get("PaymentCardNumber"), "");
    assert_eq!(payment.attested().await["statement"]["masking"]["keys_captured"], 6);

    let (mut other, call) = caller(&node, "conf-other").await;
    let mut payment = Payment::start(&node, &call, "").await;
    payment.ask("payment-card-number").await;
    typed(&other, "41").await;
    payment.told("PaymentCardNumber", "xx").await;
    other.hang_up().await;
    payment.told("Result", "caller-hung-up").await;
    assert_eq!(payment.attested().await["statement"]["result"], "caller-hung-up");
}

#[tokio::test(flavor = "multi_thread")]
async fn holding_muting_and_ending_the_conference_leak_nothing_and_are_survived_or_told() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let (agent, _) = caller(&node, "conf-desk").await;
    let conferences = node.get("Conferences.json?Status=in-progress").await;
    let conference = conferences["conferences"][0]["sid"].as_str().unwrap().to_owned();
    let mut payment = Payment::start(&node, &call, "").await;
    payment.ask("payment-card-number").await;
    typed(&customer, "4111").await;
    payment.told("PaymentCardNumber", "xxxx").await;
    let seat = format!("Conferences/{conference}/Participants/{call}.json");
    node.post(&seat, "Muted=true").await;
    typed(&customer, "1111").await;
    node.post(&seat, "Hold=true").await;
    typed(&customer, "1111").await;
    node.post(&seat, "Hold=false&Muted=false").await;
    typed(&customer, "1111").await;
    let told = payment.captured("payment-card-number").await;
    assert_eq!(told.get("PaymentCardNumber"), "xxxxxxxxxxxx1111");
    node.post(&format!("Conferences/{conference}.json"), "Status=completed").await;
    payment.told("Result", "caller-hung-up").await;
    assert!(agent.rtp.packets().iter().all(|packet| packet.payload_type == 0));
    assert!(KEY_TONES.iter().all(|hertz| !Rtp::any_has(&agent.rtp.packets(), *hertz)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_is_sent_to_another_conference_goes_on_typing() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let (_agent, _) = caller(&node, "conf-desk").await;
    let (other, other_call) = caller(&node, "conf-back").await;
    let mut payment = Payment::start(&node, &call, "").await;
    payment.ask("payment-card-number").await;
    typed(&customer, "41111111").await;
    payment.told("PaymentCardNumber", "xxxxxxxx").await;
    let script = encoded("<Response><Dial><Conference beep='false'>back</Conference></Dial></Response>");
    node.post(&format!("Calls/{call}.json"), &format!("Twiml={script}")).await;
    other.rtp.speak(1_500);
    customer.rtp.hears(1_500).await;
    typed(&customer, "11111111").await;
    payment.captured("payment-card-number").await;
    payment.update("Status=cancel").await;
    let attested = payment.attested().await;
    let listeners = attested["statement"]["listeners"]["calls"].to_string();
    assert!(listeners.contains(&other_call), "{listeners}");
    assert!(other.rtp.packets().iter().all(|packet| packet.payload_type == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_tells_that_nothing_comes_of_it() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let mut payment = Payment::start(&node, &call, "").await;
    payment.ask("payment-card-number").await;
    typed(&customer, "4111").await;
    payment.told("PaymentCardNumber", "xxxx").await;
    let app = payment.app.clone();
    node.stop().await;
    let told = app.told("pay", 1).await;
    let results: Vec<&str> =
        told.iter().map(|told| told.get("Result")).filter(|word| !word.is_empty()).collect();
    assert_eq!(results, ["caller-hung-up"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_who_is_asked_says_one_and_nobody_else_hears_the_question() {
    let node = node().await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let (agent, _) = caller(&node, "conf-desk").await;
    agent.rtp.speak(1_100);
    customer.rtp.hears(1_100).await;
    let mut payment = Payment::start(&node, &call, "PaymentMethod=ach-debit&Confirmation=true").await;
    payment.ask("bank-account-number").await;
    typed(&customer, "12345678#").await;
    assert_eq!(payment.captured("bank-account-number").await.get("BankAccountNumber"), "******78");
    payment.ask("bank-routing-number").await;
    typed(&customer, "121181976").await;
    assert_eq!(payment.captured("bank-routing-number").await.get("BankRoutingNumber"), "121181976");
    assert_eq!(payment.update("Status=complete").await.0, 202);
    // The tones of a node on which nobody speaks, in place of the conference.
    customer.rtp.hears_no_more(1_100).await;
    typed(&customer, "1").await;
    let told = payment.told("Result", "success").await;
    assert_eq!((told.get("BankAccountType"), told.get("TokenType")), ("consumer-checking", "reusable"));
    customer.rtp.hears(1_100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_takes_a_payment_item_by_item() {
    let app = App::start().await;
    app.says(
        "voice",
        "<Pay action='/paid' statusCallback='/status' chargeAmount='5' postalCode='false' timeout='600'>\
         <Prompt for='payment-card-number'><Pause length='60'/></Prompt>\
         <Prompt for='payment-card-number' attempt='2' errorType='invalid-card-number'><Pause length='60'/></Prompt>\
         <Prompt for='expiration-date security-code'><Pause length='60'/></Prompt>\
         <Prompt for='payment-processing'><Pause length='1'/></Prompt></Pay>",
    );
    app.says("paid", "<Hangup/>");
    app.says("status", "");
    let text = format!(
        "egress_allow = [\"127.0.0.0/8\"]\n[[route]]\nuser = \"ivr\"\nvoice_url = \"{}\"\n",
        app.url("voice")
    );
    let node = Running::start_with_file(Options::default(), &text).await;
    let (mut customer, _) = caller(&node, "ivr").await;
    let stage = async |at: usize, stage: &str, error: &str| {
        let told = app.told("status", at).await;
        let last = &told[at - 1];
        assert_eq!((last.get("For"), last.get("ErrorType")), (stage, error), "{last:?}");
    };
    stage(1, "payment-card-number", "").await;
    typed(&customer, "4111111111111112").await;
    stage(2, "payment-card-number", "invalid-card-number").await;
    typed(&customer, CARD).await;
    stage(3, "expiration-date", "").await;
    typed(&customer, "0899").await;
    stage(4, "security-code", "").await;
    typed(&customer, "739").await;
    let paid = &app.told("paid", 1).await[0];
    for (name, value) in [
        ("Result", "success"),
        ("PaymentCardNumber", "xxxxxxxxxxxx1111"),
        ("PaymentCardType", "visa"),
        ("ExpirationDate", "0899"),
        ("SecurityCode", "***"),
        ("PaymentMethod", "credit-card"),
    ] {
        assert_eq!(paid.get(name), value, "{name}: {paid:?}");
    }
    assert!(paid.get("PaymentConfirmationCode").starts_with("sandbox_ch_"));
    customer.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_asks_for_what_cannot_be_is_told_so() {
    let app = App::start().await;
    app.says("voice", "<Pay action='/paid' chargeAmount='-0.5'/>");
    app.says("paid", "<Hangup/>");
    let text = format!(
        "egress_allow = [\"127.0.0.0/8\"]\n[[route]]\nuser = \"ivr\"\nvoice_url = \"{}\"\n",
        app.url("voice")
    );
    let node = Running::start_with_file(Options::default(), &text).await;
    let mut customer = phone(&node).await;
    customer.dial("ivr").await;
    let paid = &app.told("paid", 1).await[0];
    assert_eq!((paid.get("Result"), paid.get("PayErrorCode")), ("validation-error", "64003"));
    customer.is_hung_up().await;
}
