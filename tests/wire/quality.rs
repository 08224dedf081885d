//! What the API tells of how real calls sound.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use confab::server::Options;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use crate::message::audio_port;
use crate::peer::{Peer, within};
use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_tells_how_it_sounds_while_it_lasts_and_when_it_is_over() {
    let node = Running::start(Options::default()).await;
    let (mut talker, mut listener) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    talker.dial("conf-quality").await;
    let call = newest_call(&node).await;
    listener.dial("conf-quality").await;
    let silent_call = newest_call(&node).await;
    talker.rtp.speak(700);
    listener.rtp.hears(700).await;

    let told = wait_for(&node, &call, |told| told["call"]["receive"]["packets"].as_u64() >= Some(60)).await;
    assert_eq!((&told["status"], &told["codec"]), (&json!("in-progress"), &json!("PCMU")));
    for heard in [&told["live"], &told["call"]] {
        assert!(heard["receive"]["mos"].as_f64().is_some_and(|mos| (1.0..=4.5).contains(&mos)), "{told}");
        assert!(heard["latency"]["total_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{told}");
        assert!(heard["send"]["packets"].as_u64() > Some(0), "{told}");
        assert_eq!(heard["send"]["mos"], json!(null), "nobody has said how that arrives");
    }
    assert!(told["playout"]["received"].as_u64() >= Some(60), "{told}");

    // Of one who says nothing there is nothing to judge.
    let told = wait_for(&node, &silent_call, |told| told["call"]["send"]["packets"].as_u64() > Some(0)).await;
    assert_eq!(
        (&told["call"]["receive"]["packets"], &told["call"]["receive"]["mos"]),
        (&json!(0), &json!(null))
    );

    // The talker says that half of it arrives.
    let report = receiver_report(talker.rtp.packets()[0].ssrc);
    let reported = async {
        loop {
            talker.rtp.send(&report).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let told = tokio::select! {
        told = wait_for(&node, &call, |told| told["call"]["send"]["lost"].is_u64()) => told,
        () = reported => unreachable!("it goes on and on"),
    };
    assert!(told["call"]["send"]["mos"].is_f64(), "{told}");

    talker.hang_up().await;
    node.wait_for_calls("completed", 1).await;
    let (status, told) = node.quality(&call).await;
    assert_eq!((status, &told["status"], &told["live"]), (200, &json!("completed"), &json!(null)));
    assert!(told["call"]["receive"]["packets"].as_u64() >= Some(60), "{told}");
    assert_eq!(node.figure("confab_call_mos_count", "receive").await, 1.0);
    assert!(node.figure("confab_playout_packets_total", "fate=\"received\"").await >= 60.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_call_that_is_not_known_nothing_is_told() {
    let node = Running::start(Options::default()).await;
    for call in ["CA00000000000000000000000000000000", "CF00000000000000000000000000000000", "none"] {
        let (status, answer) = node.quality(call).await;
        assert_eq!((status, &answer["code"]), (404, &json!(20404)), "{answer}");
    }
}

/// RTCP on its own port is looked at far less often than RTP; how long it lay there is not the network's doing.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_trip_is_the_networks_however_rarely_reports_are_read() {
    let node = Running::start(Options::default()).await;
    let mut caller = Peer::udp(node.node.sip).await;
    let answer = caller.dial("conf-round-trip").await;
    let rtcp_port = audio_port(&answer.description()) + 1;
    let call = newest_call(&node).await;
    caller.rtp.speak(700);
    let rtcp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    rtcp.connect((Ipv4Addr::LOCALHOST, rtcp_port)).await.unwrap();
    let empty_report = [0x80, 201, 0, 1, 0, 0, 0, 99];
    rtcp.send(&empty_report).await.unwrap();

    // A sender report (RFC 3550 §6.4.1) says when it was sent, on this machine's clock.
    let mut report = [0; 1_500];
    within("a sender report", rtcp.recv(&mut report)).await.unwrap();
    let sent = u64::from_be_bytes(report[8..16].try_into().unwrap());
    let waited = (ntp_now() - sent) >> 16;
    let mut answer = receiver_report(u32::from_be_bytes(report[4..8].try_into().unwrap()));
    answer[24..28].copy_from_slice(&((sent >> 16) as u32).to_be_bytes());
    answer[28..32].copy_from_slice(&(waited as u32).to_be_bytes());
    rtcp.send(&answer).await.unwrap();
    let on_the_way = (((ntp_now() - sent) >> 16) - waited) as f64 * 1_000.0 / 65_536.0;

    let told = wait_for(&node, &call, |told| told["live"]["round_trip_ms"].is_number()).await;
    let round_trip = told["live"]["round_trip_ms"].as_f64().unwrap();
    assert!(round_trip <= on_the_way + 1.0, "{round_trip} ms, {on_the_way} at most");
}

/// As NTP counts: seconds since 1900, and parts of them.
fn ntp_now() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let parts = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    (now.as_secs() + 2_208_988_800) << 32 | parts
}

async fn newest_call(node: &Running) -> String {
    node.get("Calls.json?Status=in-progress").await["calls"][0]["sid"].as_str().unwrap().to_owned()
}

/// What is told once it is so.
async fn wait_for(node: &Running, call: &str, is: impl Fn(&Value) -> bool) -> Value {
    within("a quality", async {
        loop {
            let (status, told) = node.quality(call).await;
            assert_eq!(status, 200, "{told}");
            if is(&told) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

/// A receiver report (RFC 3550 §6.4.2): half of the packets were lost, twenty in all.
fn receiver_report(about: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
    report.extend(about.to_be_bytes());
    report.extend((128_u32 << 24 | 20).to_be_bytes());
    report.extend([0; 16]);
    report
}
