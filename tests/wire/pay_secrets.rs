//! A card that is typed into a whole process, with everything logged, recorded and told: its number and code are searched
//! for in every byte that the process wrote and said.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::api::http;
use crate::app::App;
use crate::pay::typed;
use crate::peer::{Peer, within};
use crate::running::planted::{assert_clean, search};
use crate::secrets::Process;

/// A number that is nobody's and in no other place; it is good by its check digit.
const CARD: &str = "4539578763621486";

/// Its code.
const CODE: &str = "841";

/// What was asked of the API, and all that it said.
struct Api {
    node: std::net::SocketAddr,
    authorization: String,
    account: String,
    said: String,
}

impl Api {
    fn of(node: &Process, home: &TempDir) -> Self {
        let kept = fs::read_to_string(home.path().join("confab-data/credentials.toml")).unwrap();
        let value = |key: &str| kept.split(&format!("{key} = \"")).nth(1).unwrap().split('"').next().unwrap();
        let (account, token) = (value("account_sid"), value("auth_token"));
        let authorization = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
        Self { node: node.http, authorization, account: account.to_owned(), said: String::new() }
    }

    async fn ask(&mut self, method: &str, path: &str, form: &str) -> Value {
        let path = match path.strip_prefix("/v1/") {
            Some(_) => path.to_owned(),
            None => format!("/2010-04-01/Accounts/{}/{path}", self.account),
        };
        let (_, body) = http(self.node, &self.authorization, method, &path, form).await;
        self.said.push_str(&body);
        serde_json::from_str(&body).unwrap_or(Value::Null)
    }
}

async fn answered(peer: &mut Peer) {
    let description = peer.description_of("0 101", "a=rtpmap:101 telephone-event/8000\r\n");
    let invite = peer.invite("conf-desk").sdp(&description);
    peer.dial_with(&invite).await;
}

/// Whoever pays, and their call, which is the first.
async fn customer(node: &Process, api: &mut Api) -> (Peer, String) {
    let mut customer = Peer::udp(node.sip).await;
    answered(&mut customer).await;
    let calls = api.ask("GET", "Calls.json", "").await;
    (customer, calls["calls"][0]["sid"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_in_no_byte_that_the_node_wrote() {
    let home = TempDir::new().unwrap();
    let mut node = Process::start_with(&home, &["--egress-allow=127.0.0.0/8"]);
    let mut api = Api::of(&node, &home);
    let app = App::start().await;
    app.says("pay", "");
    let (mut customer, call) = customer(&node, &mut api).await;
    let mut agent = Peer::udp(node.sip).await;
    answered(&mut agent).await;
    agent.rtp.speak(1_100);
    customer.rtp.speak(700);
    agent.rtp.hears(700).await;
    api.ask("POST", &format!("Calls/{call}/Recordings.json"), "RecordingChannels=dual").await;

    let url: String = form_urlencoded::byte_serialize(app.url("pay").as_bytes()).collect();
    let begin = format!("IdempotencyKey=0&StatusCallback={url}&PostalCode=false&ValidCardTypes=visa");
    let payment = api.ask("POST", &format!("Calls/{call}/Payments.json"), &begin).await;
    let payment = payment["sid"].as_str().unwrap().to_owned();
    let path = format!("Calls/{call}/Payments/{payment}.json");
    let mut number = 0;
    let mut asked = async |api: &mut Api, what: &str| {
        number += 1;
        let form = format!("IdempotencyKey={number}&StatusCallback={url}&{what}");
        let answer = api.ask("POST", &path, &form).await;
        assert_eq!(answer["sid"], payment, "{answer}");
    };
    asked(&mut api, "Capture=payment-card-number").await;
    typed(&customer, CARD).await;
    whole(&app, "payment-card-number", "PaymentCardNumber", "xxxxxxxxxxxx1486").await;
    asked(&mut api, "Capture=expiration-date").await;
    typed(&customer, "0899").await;
    whole(&app, "expiration-date", "ExpirationDate", "0899").await;
    asked(&mut api, "Capture=security-code").await;
    // This time in signalling, and not within the second in which both ways tell of one press.
    customer.rtp.next(60).await;
    for key in CODE.chars() {
        let info = customer
            .within_call("INFO")
            .body("application/dtmf-relay", format!("Signal={key}\r\nDuration=160\r\n"));
        assert_eq!(customer.ask(&info).await.status(), Some(200));
    }
    whole(&app, "security-code", "SecurityCode", "xxx").await;
    asked(&mut api, "Status=complete").await;
    whole(&app, "", "PayErrorCode", "64022").await;
    for path in
        [format!("Calls/{call}.json"), format!("Calls/{call}/Events.json"), "Notifications.json".to_owned()]
    {
        api.ask("GET", &path, "").await;
    }
    node.tell("TERM");
    assert_eq!(within("its end", node.ended()).await, Some(0));

    let told: String = app.told("pay", 1).await.iter().map(|told| told.body.clone()).collect();
    for (place, bytes) in [("callbacks", told.as_bytes()), ("the API", api.said.as_bytes())] {
        assert_clean(place, bytes);
    }
    let log = fs::read_to_string(home.path().join("log")).unwrap();
    assert!(log.contains("payment begun") && !log.contains("Signal="), "a key is in the log");
    let files = search(home.path());
    assert!(files > 4, "{files} files: the log, the database, a recording, an attestation");
}

/// Waits until an item is told as whole, with a parameter that says so.
async fn whole(app: &App, item: &str, name: &str, value: &str) {
    within(&format!("{name}={value}"), async {
        let mut times = 1;
        loop {
            let told = app.told("pay", times).await;
            if told.iter().any(|told| told.get("Capture") == item && told.get(name) == value) {
                return;
            }
            times = told.len() + 1;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_aborted_with_a_card_in_its_memory_leaves_none_of_it_behind() {
    let home = TempDir::new().unwrap();
    let mut node = Process::start_with(&home, &["--egress-allow=127.0.0.0/8"]);
    node.may_dump_its_core();
    let mut api = Api::of(&node, &home);
    let app = App::start().await;
    app.says("pay", "");
    let (customer, call) = customer(&node, &mut api).await;
    let url: String = form_urlencoded::byte_serialize(app.url("pay").as_bytes()).collect();
    let path = format!("Calls/{call}/Payments");
    let payment =
        api.ask("POST", &format!("{path}.json"), &format!("IdempotencyKey=0&StatusCallback={url}")).await;
    let path = format!("{path}/{}.json", payment["sid"].as_str().unwrap());
    api.ask("POST", &path, &format!("IdempotencyKey=1&StatusCallback={url}&Capture=payment-card-number"))
        .await;
    typed(&customer, &CARD[..15]).await;
    whole(&app, "payment-card-number", "PaymentCardNumber", "xxxxxxxxxxxxxxx").await;
    node.tell("ABRT");
    assert_eq!(within("its end", node.ended()).await, None, "a signal");
    assert!(search(home.path()) > 2);
}
