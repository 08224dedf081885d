//! Strangers and liars at the port that browsers share: they get no answer, are counted, and cost nobody else anything.

use confab::server::Options;
use tokio::net::UdpSocket;

use crate::app::App;
use crate::end::{Browser, Call, Node, application, token};
use crate::peer::{Peer, within};
use crate::running::Running;
use crate::stun;

const DISCARDED: &str = "confab_browser_datagrams_discarded_total";

async fn stage() -> (Running, App, String) {
    let flags = ["--egress-allow=127.0.0.0/8", "--media-threads=1"];
    let (node, app) = (Running::start_with(Options::default(), &flags).await, App::start().await);
    app.says("voice", "<Dial><Conference>floor</Conference></Dial>");
    let application = application(&node, &app.url("voice")).await;
    let token = token(&node, "alice", &application).await;
    (node, app, token)
}

async fn wait_for(node: &Running, reason: &str, least: f64) {
    let label = format!("reason=\"{reason}\"");
    within(reason, async {
        while node.figure(DISCARDED, &label).await < least {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_answer_are_counted_and_cost_the_call_nothing() {
    let (node, _app, token) = stage().await;
    let call = Browser::new().await.call(&node, &token, "").await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let user = format!("{}:x", call.node.ufrag);
    let wrong = stun::request(1, &user, "not the password at all!", true);
    let nobody = stun::request(2, "nobody00:x", &call.node.password, true);
    let good = stun::request(3, &user, &call.node.password, true);
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut long = good.clone();
    long.resize(1_900, 0);
    // A ClientHello, or what begins like one.
    let hello = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 1][..], &[0; 39]].concat();
    let mut media = vec![0x80, 111, 0, 1];
    media.extend([0; 60]);
    let short = good[..40].to_vec();
    let strange = [&wrong, &nobody, &damaged, &long, &hello, &media, &vec![200; 50], &short];
    for _ in 0..20 {
        for datagram in strange {
            stranger.send_to(datagram, call.node.port).await.unwrap();
        }
        // No more at a time than the kernel keeps.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    wait_for(&node, "stun_wrong_password", 20.0).await;
    wait_for(&node, "stun_unknown_user", 20.0).await;
    wait_for(&node, "stun_malformed", 60.0).await;
    wait_for(&node, "not_validated", 40.0).await;
    wait_for(&node, "unknown_protocol", 20.0).await;
    assert!(stranger.try_recv(&mut [0; 100]).is_err(), "a stranger gets no answer");
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));
    // Where a browser is nobody else can be, even one who knows another's password; who it is can be nowhere else.
    assert_eq!(node.figure("confab_browser_handshakes_total", "result=\"failed\"").await, 0.0);
    drop(call);
}

#[tokio::test(flavor = "multi_thread")]
async fn spoofed_sources_of_sound_are_not_heard_and_fill_no_table() {
    let (node, _app, token) = stage().await;
    let call = Browser::new().await.call(&node, &token, "").await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.hears(700).await;
    // Somebody at the browser's own address, without its keys.
    let label = "reason=\"srtp_not_authentic\"";
    within("forgeries to be counted", async {
        while node.figure("confab_media_datagrams_discarded_total", label).await < 300.0 {
            call.forge(50).await;
        }
    })
    .await;
    phone.rtp.hears(700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_with_another_certificate_than_it_told_is_sent_away() {
    let (node, _app, token) = stage().await;
    let (mut liar, other) = (Browser::new().await, Browser::new().await);
    let told = liar.offer().replace(&liar.fingerprint(), &other.fingerprint());
    let answered = crate::end::ask(&node, "POST", "/v1/browser/calls", &token, &told).await;
    assert_eq!(answered.status, 201, "{}", answered.body);
    let at = Node::of(&answered.body);
    liar.prove(&at).await;
    assert!(liar.shake_hands(&at).await.is_err());
    node.wait_for_calls("in-progress", 0).await;
    assert_eq!(node.figure("confab_browser_handshakes_total", "result=\"failed\"").await, 1.0);
}

impl Call {
    /// Sends packets of other sources, protected with no keys of this call, from where the browser is.
    async fn forge(&self, count: u32) {
        let socket = self.current_socket();
        for number in 0..count {
            let mut packet = vec![0x80, 111];
            packet.extend((number as u16).to_be_bytes());
            packet.extend([0; 4]);
            packet.extend((0xbad0_0000_u32 + number).to_be_bytes());
            packet.extend([0x55; 80]);
            socket.send_to(&packet, self.node.port).await.unwrap();
        }
    }
}
