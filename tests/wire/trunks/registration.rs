//! The node registers where its trunks want it to.

use super::challenges::{md5, parameter};
use super::{figure, gateway, node_with, trunk};
use crate::message::Message;
use crate::peer::{Peer, within};
use crate::running::Running;

const TERMS: &str =
    "username = \"confab\"\npassword = \"open sesame\"\nregister = true\nregister_expires = \"60s\"";

async fn wait_for_registered(node: &Running, registered: f64) {
    within(&format!("registered {registered}"), async {
        while figure(node, "confab_trunk_registered", "carrier").await != registered {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn accept(carrier: &mut Peer, register: &Message, seconds: u32) {
    let answer = carrier.answer_to(register, "200 OK");
    let answer = answer.with("Contact", format!("{};expires={seconds}", register.header("Contact")));
    carrier.send(&answer).await;
}

/// The next REGISTER that asks for so many seconds: others may come again before it.
async fn register(carrier: &mut Peer, expires: &str, nonce: Option<&str>) -> Message {
    loop {
        let register = carrier.request_of("REGISTER").await;
        let of_nonce = match nonce {
            Some(nonce) => {
                let said = register.all("Authorization");
                said.first().is_some_and(|said| said.contains(&format!("nonce=\"{nonce}\"")))
            }
            None => !register.has("Authorization"),
        };
        if register.header("Expires") == expires && of_nonce {
            return register;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_registers_with_its_password_for_as_long_as_the_trunk_wants_renews_that_and_leaves() {
    let mut carrier = gateway().await;
    let node = node_with(&trunk("carrier", &carrier, TERMS)).await;
    carrier.serve(node.node.sip);
    let first = register(&mut carrier, "60", None).await;
    assert_eq!(first.uri(), format!("sip:{}", carrier.address()));
    assert!(first.header("To").contains(&format!("sip:confab@{}", carrier.address())), "{}", first.text());
    assert_eq!(first.header("Contact"), format!("<sip:confab@{}>", node.node.sip));
    let asked = carrier.answer_to(&first, "401 Unauthorized");
    carrier.send(&asked.with("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n1\"")).await;
    let again = register(&mut carrier, "60", Some("n1")).await;
    let (ours, theirs) = (md5("confab:r:open sesame"), md5(&format!("REGISTER:{}", again.uri())));
    assert_eq!(parameter(&again.header("Authorization"), "response"), md5(&format!("{ours}:n1:{theirs}")));
    assert_eq!(again.header("Call-ID"), first.header("Call-ID"));
    assert_eq!(figure(&node, "confab_trunk_registered", "carrier").await, 0.0);

    let brief = carrier.answer_to(&again, "423 Interval Too Brief").with("Min-Expires", "120");
    carrier.send(&brief).await;
    let longer = register(&mut carrier, "120", None).await;
    accept(&mut carrier, &longer, 2).await;
    wait_for_registered(&node, 1.0).await;

    // Before the two seconds are over it is renewed, without anybody asking.
    let renewed = loop {
        let renewed = register(&mut carrier, "120", None).await;
        if renewed.header("CSeq") != longer.header("CSeq") {
            break renewed;
        }
    };
    assert_eq!(renewed.header("Call-ID"), first.header("Call-ID"));
    accept(&mut carrier, &renewed, 60).await;
    wait_for_registered(&node, 1.0).await;

    let stopping = tokio::spawn(node.node.stop());
    let leaving = register(&mut carrier, "0", None).await;
    carrier.answer(&leaving, "200 OK").await;
    within("the node to stop", stopping).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_is_refused_is_tried_again_later() {
    let mut carrier = gateway().await;
    let node = node_with(&trunk("carrier", &carrier, TERMS)).await;
    carrier.serve(node.node.sip);
    let first = register(&mut carrier, "60", None).await;
    carrier.answer(&first, "503 Service Unavailable").await;
    let again = loop {
        let again = register(&mut carrier, "60", None).await;
        if again.header("CSeq") != first.header("CSeq") {
            break again;
        }
    };
    assert_eq!(figure(&node, "confab_trunk_registered", "carrier").await, 0.0);
    accept(&mut carrier, &again, 60).await;
    wait_for_registered(&node, 1.0).await;
}
