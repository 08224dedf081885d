//! Transfers over the API, as changes of who sits in one conference: the customer's media are never begun anew, and a
//! transfer that fails leaves them where they were.

use confab::server::Options;
use tempfile::NamedTempFile;

use super::{AGENT, CUSTOMER, MUSIC, SUPERVISOR, Seated, add, encoded, is_one_stream, node, path_of, seats};
use crate::app::{App, wav};
use crate::peer::Peer;
use crate::running::Running;

/// The one to whom a customer is passed on has the tone that no supervisor needs here.
const EXPERT: u32 = SUPERVISOR;

fn address(peer: &Peer) -> String {
    format!("sip:agent@{}", peer.address())
}

struct Talk {
    app: App,
    node: Running,
    customer: Seated,
    agent: Seated,
}

impl Talk {
    /// A customer and an agent who talk.
    async fn begin() -> Self {
        Self::begin_on(node().await).await
    }

    async fn begin_on(node: Running) -> Self {
        let app = App::start().await;
        app.gives("hold.wav", "audio/wav", wav(f64::from(MUSIC), 60.0));
        let customer = Seated::dialled(&node, CUSTOMER, "").await;
        let agent = Seated::dialled(&node, AGENT, "").await;
        tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
        Self { app, node, customer, agent }
    }

    async fn hold(&self, who: &Seated) {
        who.update(&self.node, &format!("Hold=true&HoldUrl={}", encoded(&self.app.url("hold.wav")))).await;
    }

    async fn resume(&self, who: &Seated) {
        who.update(&self.node, "Hold=false").await;
    }

    /// All that the customer was sent is one stream, from the first packet on, and nobody asked their phone for anything.
    async fn customer_noticed_nothing(&mut self) {
        is_one_stream(&self.customer.peer.rtp.packets());
        self.customer.peer.is_in_call().await;
        assert_eq!(self.customer.peer.unanswered(), [""; 0], "the customer's phone was bothered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_transfer_consults_swaps_and_completes_without_a_break_for_the_customer() {
    let mut talk = Talk::begin().await;
    talk.hold(&talk.customer).await;
    tokio::join!(talk.customer.hears_just(&[MUSIC]), talk.agent.hears_just(&[]));
    // In private.
    let expert = Seated::dialled(&talk.node, EXPERT, "").await;
    tokio::join!(
        talk.customer.hears_just(&[MUSIC]),
        talk.agent.hears_just(&[EXPERT]),
        expert.hears_just(&[AGENT])
    );
    // The other way round: first on hold, then off it, so that the two never hear each other.
    talk.hold(&expert).await;
    talk.resume(&talk.customer).await;
    tokio::join!(
        talk.customer.hears_just(&[AGENT]),
        talk.agent.hears_just(&[CUSTOMER]),
        expert.hears_just(&[MUSIC])
    );
    assert!(!crate::rtp::Rtp::any_has(&talk.customer.peer.rtp.packets(), EXPERT), "not private");
    // All three, and then without the agent.
    talk.resume(&expert).await;
    tokio::join!(talk.customer.hears_just(&[AGENT, EXPERT]), expert.hears_just(&[CUSTOMER, AGENT]));
    assert_eq!(talk.node.delete(&talk.agent.path).await, 204);
    talk.agent.peer.is_hung_up().await;
    tokio::join!(talk.customer.hears_just(&[EXPERT]), expert.hears_just(&[CUSTOMER]));
    talk.customer_noticed_nothing().await;
    assert_eq!(talk.customer.conference(), expert.conference());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_transfer_that_is_cancelled_leaves_agent_and_customer_as_they_were() {
    let mut talk = Talk::begin().await;
    talk.hold(&talk.customer).await;
    let mut expert = Seated::dialled(&talk.node, EXPERT, "").await;
    tokio::join!(talk.agent.hears_just(&[EXPERT]), talk.customer.hears_just(&[MUSIC]));
    assert_eq!(talk.node.delete(&expert.path).await, 204);
    expert.peer.is_hung_up().await;
    talk.resume(&talk.customer).await;
    tokio::join!(talk.customer.hears_just(&[AGENT]), talk.agent.hears_just(&[CUSTOMER]));
    assert!(!crate::rtp::Rtp::any_has(&talk.customer.peer.rtp.packets(), EXPERT), "not private");
    talk.customer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_cannot_be_had_leaves_the_customer_with_the_music_and_the_agent() {
    let mut talk = Talk::begin().await;
    talk.hold(&talk.customer).await;
    talk.customer.hears_just(&[MUSIC]).await;
    for (answer, status) in
        [(Some("486 Busy Here"), "busy"), (Some("404 Not Found"), "failed"), (None, "no-answer")]
    {
        let mut expert = Peer::udp(talk.node.node.sip).await;
        let seat = add(&talk.node, &address(&expert), "Timeout=5").await;
        let invite = expert.is_called().await;
        match answer {
            Some(answer) => expert.reply(&invite, answer).await,
            None => {
                expert.reply(&invite, "180 Ringing").await;
                let cancel = expert.request_of("CANCEL").await;
                expert.answer(&cancel, "200 OK").await;
                expert.reply(&invite, "487 Request Terminated").await;
            }
        }
        let call = format!("Calls/{}.json", seat["call_sid"].as_str().unwrap());
        talk.node.wait_for(&call, "status", status).await;
        assert_eq!(seats(&talk.node, talk.customer.conference(), 2).await.len(), 2);
        tokio::join!(talk.customer.hears_just(&[MUSIC]), talk.agent.hears_just(&[]));
    }
    // Nor is one who may not be called at all.
    for (to, code) in [("%2B4930123", 21_215), ("sip:expert@192.0.2.9", 21_215), ("nobody", 21_211)] {
        let form = format!("To={to}&From=x");
        let (status, error) = talk.node.create("Conferences/desk/Participants.json", &form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{to}: {error}");
    }
    talk.resume(&talk.customer).await;
    tokio::join!(talk.customer.hears_just(&[AGENT]), talk.agent.hears_just(&[CUSTOMER]));
    talk.customer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_transfer_to_an_agent_keeps_the_customer_in_their_seat() {
    let mut talk = Talk::begin().await;
    talk.hold(&talk.customer).await;
    let mut expert = Peer::udp(talk.node.node.sip).await;
    let seat = add(&talk.node, &address(&expert), "").await;
    let invite = expert.is_called().await;
    // The agent does not wait for the answer.
    assert_eq!(talk.node.delete(&talk.agent.path).await, 204);
    talk.agent.peer.is_hung_up().await;
    talk.customer.hears_just(&[MUSIC]).await;
    expert.pick_up(&invite).await;
    expert.rtp.speak(EXPERT);
    talk.node.wait_for(&path_of(&seat), "status", "connected").await;
    talk.resume(&talk.customer).await;
    tokio::join!(talk.customer.hears_just(&[EXPERT]), expert.rtp.hears(CUSTOMER));
    talk.customer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_transfer_to_a_number_goes_over_a_trunk_into_the_same_conference() {
    let mut carrier = Peer::udp("127.0.0.1:9".parse().unwrap()).await;
    let file = format!("[[trunk]]\nname = \"carrier\"\naddress = \"{}\"\n", carrier.address());
    let config = NamedTempFile::new().unwrap();
    std::fs::write(config.path(), file).unwrap();
    let config = format!("--config={}", config.path().display());
    let ours = [&config, "--outbound-allow=+*,sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    let node = Running::start_with(Options::default(), &ours).await;
    carrier.serve(node.node.sip);
    let mut talk = Talk::begin_on(node).await;
    talk.hold(&talk.customer).await;
    let form = "To=%2B493012345&From=%2B4930999&Beep=false&WaitUrl=";
    let (status, seat) = talk.node.create("Conferences/desk/Participants.json", form).await;
    assert_eq!(status, 201, "{seat}");
    let invite = carrier.is_called().await;
    assert!(invite.uri().contains("+493012345"), "{}", invite.uri());
    carrier.pick_up(&invite).await;
    carrier.rtp.speak(EXPERT);
    talk.node.wait_for(&path_of(&seat), "status", "connected").await;
    talk.resume(&talk.customer).await;
    assert_eq!(talk.node.delete(&talk.agent.path).await, 204);
    talk.agent.peer.is_hung_up().await;
    tokio::join!(talk.customer.hears_just(&[EXPERT]), carrier.rtp.hears(CUSTOMER));
    talk.customer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_transfer_to_a_queue_takes_the_customer_to_whoever_is_free() {
    let mut talk = Talk::begin().await;
    talk.app.says("music", "<Play>/hold.wav</Play>");
    talk.app.says("experts", "<Enqueue waitUrl=\"/music\">experts</Enqueue>");
    talk.app.says("take", "<Dial><Queue>experts</Queue></Dial>");
    let path = format!("Calls/{}.json", talk.customer.call());
    talk.node.post(&path, &format!("Url={}", encoded(&talk.app.url("experts")))).await;
    tokio::join!(talk.customer.hears_just(&[MUSIC]), talk.agent.hears_just(&[]));
    let mut expert = Peer::udp(talk.node.node.sip).await;
    let form = format!("To=sip:x@{}&From=x&Url={}", expert.address(), encoded(&talk.app.url("take")));
    assert_eq!(talk.node.create("Calls.json", &form).await.0, 201);
    let invite = expert.is_called().await;
    expert.pick_up(&invite).await;
    expert.rtp.speak(EXPERT);
    tokio::join!(talk.customer.hears_just(&[EXPERT]), expert.rtp.hears(CUSTOMER));
    talk.customer_noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_transfer_that_fails_brings_the_customer_back_to_the_agent() {
    let mut talk = Talk::begin().await;
    let busy = Peer::udp(talk.node.node.sip).await;
    let back = "<Dial><Conference beep=\"false\" waitUrl=\"\">desk</Conference></Dial>";
    talk.app.says("back", back);
    talk.app.says("away", &format!("<Dial action=\"/back\"><Sip>sip:x@{}</Sip></Dial>", busy.address()));
    let path = format!("Calls/{}.json", talk.customer.call());
    // A script that cannot be asked for is refused, and the customer stays where they are.
    let (status, error) = talk.node.create(&path, "Url=nowhere").await;
    assert_eq!((status, &error["code"]), (400, &21_205.into()), "{error}");
    tokio::join!(talk.customer.hears_just(&[AGENT]), talk.agent.hears_just(&[CUSTOMER]));

    let mut busy = busy;
    talk.node.post(&path, &format!("Url={}", encoded(&talk.app.url("away")))).await;
    let invite = busy.is_called().await;
    talk.agent.hears_just(&[]).await;
    busy.reply(&invite, "486 Busy Here").await;
    assert_eq!(talk.app.told("back", 1).await[0].get("DialCallStatus"), "busy");
    tokio::join!(talk.customer.hears_just(&[AGENT]), talk.agent.hears_just(&[CUSTOMER]));
    talk.customer_noticed_nothing().await;
}
