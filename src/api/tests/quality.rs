//! How a call sounds, as it is shown.

use std::time::Duration;

use confab_media::playout::PlayoutCounters;
use confab_media::{
    Codec, CodecImpairment, DirectionQuality, Impairments, LatencyLedger, LegId, Micros, Quality,
    QualityReport,
};
use serde_json::json;

use super::*;
use crate::call::CallStatus;

/// A call of which much is known, and live nothing is said.
fn report() -> QualityReport {
    let score = Impairments {
        codec: CodecImpairment::OPUS,
        network_delay: Duration::ZERO,
        jitter: Duration::ZERO,
        playout_delay: None,
        loss: 0.0,
        burst_ratio: 1.0,
    }
    .score();
    let receive = DirectionQuality {
        packets: 4_000,
        lost: Some(40),
        discarded: Some(4),
        jitter: Some(Micros(1_250)),
        score: Some(score),
    };
    let ledger = LatencyLedger {
        network_jitter: Micros(1_250),
        playout: Micros(20_000),
        wait_for_tick: Micros(9_750),
        decode: Micros(6_500),
        mix: Micros(300),
        encode: Micros(6_900),
        pace: Micros(300),
    };
    let send = DirectionQuality { packets: 4_100, ..DirectionQuality::default() };
    let call = Quality { receive, send, round_trip: Some(Micros(31_000)), ledger };
    let live = Quality { send: DirectionQuality { packets: 500, ..send }, ledger, ..Quality::default() };
    let playout = PlayoutCounters {
        received: 4_000,
        lost: 40,
        late: 6,
        discarded: 4,
        inserted: Duration::from_millis(20),
        ..PlayoutCounters::default()
    };
    let (target, delay) = (Micros(12_000), Micros(29_750));
    QualityReport {
        codec: Some(Codec::Opus),
        live,
        call,
        playout,
        target,
        delay,
        ..*QualityReport::about(LegId(1))
    }
}

fn tour(status: CallStatus, report: Option<QualityReport>) -> Tour {
    Tour::start_with(|script| {
        script.quality = report;
        script.calls[0].status = status;
    })
}

impl Tour {
    async fn quality(&self) -> Value {
        self.node.send("GET", &format!("/v1/calls/{}/quality", self.calls[0]), None).await.ok()
    }
}

#[tokio::test]
async fn a_call_tells_how_it_sounds_in_both_directions_and_where_time_goes() {
    let shown = tour(CallStatus::InProgress, Some(report())).quality().await;
    assert_eq!((&shown["status"], &shown["codec"]), (&json!("in-progress"), &json!("opus")));
    assert_eq!(shown["sample_rate"], 48_000);
    let call = &shown["call"];
    let mos = call["receive"]["mos"].as_f64().expect("a score");
    assert!((4.3..4.5).contains(&mos), "{mos}");
    assert_eq!(call["receive"]["jitter_ms"], 1.25);
    assert_eq!((&call["receive"]["lost"], &call["receive"]["discarded"]), (&json!(40), &json!(4)));
    assert_eq!(call["round_trip_ms"], 31.0);
    let lines = ["network_jitter", "playout", "wait_for_tick", "decode", "mix", "encode", "pace"];
    let line = |name: &str| call["latency"][format!("{name}_ms")].as_f64().expect("a time");
    let sum: f64 = lines.into_iter().map(line).sum();
    assert!((sum - line("total")).abs() < 1e-6 && (sum - 45.0).abs() < 1e-6, "{sum}");
    assert_eq!(shown["playout"]["late"], 6);
    assert_eq!(
        (&shown["playout"]["target_ms"], &shown["playout"]["delay_ms"]),
        (&json!(12.0), &json!(29.75))
    );
    assert_eq!(shown["conversion_ms"], json!({"8000": 3.0, "16000": 1.5, "48000": 0.0}));
}

#[tokio::test]
async fn what_nobody_knows_is_null() {
    let shown = tour(CallStatus::InProgress, Some(report())).quality().await;
    let unknown = |packets: u64| json!({"packets": packets, "lost": null, "discarded": null, "jitter_ms": null, "mos": null, "r_factor": null});
    assert_eq!(shown["call"]["send"], unknown(4_100), "the far end has not reported");
    assert_eq!(shown["live"]["receive"], unknown(0), "nothing came");
    assert_eq!(shown["live"]["round_trip_ms"], json!(null));
    let latency = &shown["live"]["latency"];
    assert_eq!((&latency["playout_ms"], &latency["total_ms"]), (&json!(null), &json!(null)));
    assert_eq!(latency["mix_ms"], 0.3);
}

#[tokio::test]
async fn a_call_that_is_over_tells_what_its_record_holds() {
    let shown = tour(CallStatus::Completed, Some(report())).quality().await;
    assert_eq!((&shown["status"], &shown["live"]), (&json!("completed"), &json!(null)));
    assert_eq!(shown["call"]["receive"]["packets"], 4_000);
}

#[tokio::test]
async fn before_the_answer_there_is_nothing_to_tell() {
    let tour = tour(CallStatus::Ringing, None);
    let expected = json!({
        "call_sid": tour.calls[0].to_string(),
        "status": "ringing",
        "codec": null,
        "sample_rate": null,
        "live": null,
        "call": null,
        "playout": null,
        "conversion_ms": null,
    });
    assert_eq!(tour.quality().await, expected);
}

#[tokio::test]
async fn quality_is_told_of_calls_that_are_known_and_to_who_may_ask() {
    let tour = tour(CallStatus::InProgress, None);
    for path in ["CA00000000000000000000000000000000", "none"] {
        tour.node.send("GET", &format!("/v1/calls/{path}/quality"), None).await.assert_error(404, 20404);
    }
    let path = format!("/v1/calls/{}/quality", tour.calls[0]);
    tour.node.send("POST", &path, Some("a=b")).await.assert_error(405, 20004);
    let anonymous = Request::get(&path).body(Body::empty()).expect("a request");
    tour.node.ask(anonymous).await.assert_error(401, 20003);
}
