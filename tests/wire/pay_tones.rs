//! Keys as tones in what a customer says, on a whole node: the payment gets them, and nobody else who hears the customer.

use confab::server::Options;

use crate::pay::{Payment, caller};
use crate::peer::Peer;
use crate::record::{Api, loudest};
use crate::rtp::{KEY_TONES, Rtp};
use crate::running::Running;
use crate::stream_server::StreamServer;

/// As strong as this in 200 ms, a sixteenth of what is sent, nobody would make out a key.
const LEFT_MAX: f64 = 500.0;

/// How often an item is typed at most.
const TRIES: usize = 5;

/// What the customer and the agent say, in Hz, far from any key.
const CUSTOMER: u32 = 2_600;
const AGENT: u32 = 3_100;

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_sounds_while_its_owner_talks_is_captured_and_is_in_nobodys_ear_recording_or_stream() {
    let server = StreamServer::start().await;
    let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let (agent, _) = caller(&node, "conf-desk").await;
    customer.rtp.speak(CUSTOMER);
    agent.rtp.speak(AGENT);
    agent.rtp.hears(CUSTOMER).await;
    customer.rtp.hears(AGENT).await;
    let api = Api::of(&node);
    let conferences = node.get("Conferences.json?Status=in-progress").await;
    let conference = conferences["conferences"][0]["sid"].as_str().unwrap().to_owned();
    let recordings = format!("Conferences/{conference}/Recordings");
    let (status, recording) = api.json("POST", &format!("{recordings}.json"), "RecordingChannels=dual").await;
    assert_eq!(status, 201, "{recording}");
    let url = server.url("sound").replace(':', "%3A").replace('/', "%2F");
    let (status, stream) =
        api.json("POST", &format!("Calls/{call}/Streams.json"), &format!("Url={url}")).await;
    assert_eq!(status, 200, "{stream}");
    let streamed = server.connection(0).await;

    let mut payment = Payment::start(&node, &call, "PostalCode=false&SecurityCode=false&Timeout=1").await;
    for (item, keys) in [("payment-card-number", "4111111111111111"), ("expiration-date", "0899")] {
        typed_in_tones(&mut payment, &customer, item, keys).await;
    }
    assert_eq!(payment.update("Status=complete").await.0, 202);
    payment.told("Result", "success").await;
    // They hear each other as before, and nobody stopped.
    agent.rtp.hears(CUSTOMER).await;
    customer.rtp.hears(AGENT).await;

    let path = format!("{recordings}/{}.json", recording["sid"].as_str().unwrap());
    api.json("POST", &path, "Status=stopped").await;
    let recording = api.completed(&format!("Recordings/{}.json", recording["sid"].as_str().unwrap())).await;
    let tracks = api.sound(&format!("Recordings/{}.wav", recording["sid"].as_str().unwrap())).await;
    let sound = sound_of(&streamed.heard());
    assert!(sound.len() > 8_000 * 2, "{} samples", sound.len());
    for hertz in KEY_TONES {
        assert!(!Rtp::any_is_loud(&agent.rtp.packets(), hertz), "the agent heard {hertz} Hz");
        for heard in tracks.iter().chain([&sound]) {
            let left = loudest(heard, f64::from(hertz));
            assert!(left < LEFT_MAX, "{hertz} Hz at {left}");
        }
    }
    let attested = payment.attested().await;
    let masking = &attested["statement"]["masking"];
    assert!(masking["keys_captured"].as_u64().unwrap() >= 20, "{masking}");
    assert_eq!(masking["keys_let_through"], 0);
    assert!(masking["masked_ticks"].as_u64().unwrap() >= 20 * 3, "{masking}");
}

/// Types an item until all its keys have come: a phone that is held up loses packets, and keys with them.
async fn typed_in_tones(payment: &mut Payment<'_>, customer: &Peer, item: &str, keys: &str) {
    for asked in 1..=TRIES {
        payment.ask(item).await;
        customer.rtp.sound_keys(keys);
        let told = payment.captured_again(item, asked).await;
        if told.get("ErrorType").is_empty() {
            let expected = [("PaymentCardNumber", "xxxxxxxxxxxx1111"), ("ExpirationDate", "0899")];
            assert!(expected.iter().any(|(name, value)| told.get(name) == *value), "{told:?}");
            return;
        }
        customer.rtp.has_sounded_all().await;
    }
    panic!("{item} was never captured");
}

/// The samples of a stream's messages.
fn sound_of(messages: &[serde_json::Value]) -> Vec<i16> {
    use base64::Engine as _;
    let payloads = messages.iter().filter_map(|message| message["media"]["payload"].as_str());
    let octets = payloads.map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap());
    octets.flatten().map(crate::rtp::from_mu_law).collect()
}
