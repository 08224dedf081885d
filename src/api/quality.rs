//! `GET /v1/calls/{CA}/quality`: how a call sounds, live and over the whole call, and how it sounded once it is over.
//!
//! Times are milliseconds. What nobody knows is null, never 0. What each line means is in `docs/quality.md`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use confab_media::dsp::converter::conversion_delay;
use confab_media::playout::PlayoutCounters;
use confab_media::{DirectionQuality, Micros, Quality, QualityReport, SampleRate};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::auth::Acting;
use super::error::{ApiError, Asked};
use super::form::Json;
use super::path::CallPath;
use crate::call::{CallQuality, CallSid};

/// Fetches how a call sounds, live and over the whole call, or how it sounded once it is over.
///
/// Times are milliseconds. What nobody knows is null, never 0.
#[utoipa::path(
    get,
    path = "/v1/calls/{CallSid}/quality",
    tag = "Own additions",
    operation_id = "FetchCallQuality",
    responses((status = 200, body = Representation, description = "What was asked for."))
)]
pub(super) async fn fetch(
    State(state): State<Arc<ApiState>>,
    Acting(account): Acting,
    CallPath(call): CallPath,
) -> Result<Json<Representation>, ApiError> {
    let quality = state.calls.of(account).quality(call).await;
    let quality = quality.map_err(|error| ApiError::of(error, Asked::Call(call)))?;
    Ok(Json(Representation::of(call, &quality)))
}

/// A call's quality as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = CallQuality)]
pub(super) struct Representation {
    call_sid: String,
    /// Of the call.
    status: &'static str,
    /// Which is used now, or was last.
    codec: Option<&'static str>,
    /// In hertz.
    sample_rate: Option<u32>,
    /// Over the last seconds; null when it is over.
    live: Option<Heard>,
    /// Over the whole call.
    call: Option<Heard>,
    /// What the receive buffer did.
    playout: Option<Playout>,
    /// By the rate at which others speak.
    #[schema(value_type = Option<BTreeMap<String, f64>>)]
    conversion_ms: Option<BTreeMap<u32, f64>>,
}

/// Over some time.
#[derive(Serialize, ToSchema)]
#[schema(as = QualityHeard)]
struct Heard {
    receive: Direction,
    send: Direction,
    round_trip_ms: Option<f64>,
    latency: Latency,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityDirection)]
struct Direction {
    packets: u64,
    /// Packets.
    lost: Option<u64>,
    /// Packets that came too late to be heard.
    discarded: Option<u64>,
    jitter_ms: Option<f64>,
    /// 1 to 5.
    mos: Option<f64>,
    /// 0 to 100.
    r_factor: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityLatency)]
struct Latency {
    network_jitter_ms: Option<f64>,
    playout_ms: Option<f64>,
    wait_for_tick_ms: Option<f64>,
    decode_ms: Option<f64>,
    mix_ms: Option<f64>,
    encode_ms: Option<f64>,
    pace_ms: Option<f64>,
    total_ms: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QualityPlayout)]
struct Playout {
    target_ms: f64,
    delay_ms: f64,
    received: u64,
    lost: u64,
    late: u64,
    duplicate: u64,
    reordered: u64,
    discarded: u64,
    damaged: u64,
    resets: u64,
    concealed_frames: u64,
    concealed_short: u64,
    concealed_long: u64,
    stretched: u64,
    shrunk: u64,
    inserted_ms: f64,
    removed_ms: f64,
}

impl Representation {
    fn of(call: CallSid, quality: &CallQuality) -> Self {
        let report = quality.report.as_ref();
        let rate = report.and_then(|report| report.codec).map(|codec| codec.sample_rate());
        Self {
            call_sid: call.to_string(),
            status: quality.status.word(),
            codec: report.and_then(|report| report.codec).map(|codec| codec.name()),
            sample_rate: rate.map(SampleRate::hertz),
            // What is over is not live.
            live: report.filter(|_| !quality.status.is_final()).map(|report| Heard::of(&report.live)),
            call: report.map(|report| Heard::of(&report.call)),
            playout: report.map(Playout::of),
            conversion_ms: rate.map(conversions),
        }
    }
}

/// What converting what others say costs, by the rate at which they say it.
fn conversions(to: SampleRate) -> BTreeMap<u32, f64> {
    SampleRate::ALL.into_iter().map(|from| (from.hertz(), millis(conversion_delay(from, to)))).collect()
}

impl Heard {
    fn of(quality: &Quality) -> Self {
        Self {
            receive: Direction::of(&quality.receive),
            send: Direction::of(&quality.send),
            round_trip_ms: quality.round_trip.map(in_millis),
            latency: Latency::of(quality),
        }
    }
}

impl Direction {
    fn of(quality: &DirectionQuality) -> Self {
        Self {
            packets: quality.packets,
            lost: quality.lost,
            discarded: quality.discarded,
            jitter_ms: quality.jitter.map(in_millis),
            mos: quality.score.map(|score| (score.mos() * 100.0).round() / 100.0),
            r_factor: quality.score.map(|score| score.r()),
        }
    }
}

impl Latency {
    /// Of one who says nothing, nobody knows how late they would be heard; nor how late one would hear who is sent nothing.
    fn of(Quality { receive, send, ledger, .. }: &Quality) -> Self {
        let (has_come, has_gone) = (receive.packets > 0, send.packets > 0);
        let said = |line: Micros| has_come.then(|| in_millis(line));
        let heard = |line: Micros| has_gone.then(|| in_millis(line));
        Self {
            network_jitter_ms: said(ledger.network_jitter),
            playout_ms: said(ledger.playout),
            wait_for_tick_ms: said(ledger.wait_for_tick),
            decode_ms: said(ledger.decode),
            mix_ms: heard(ledger.mix),
            encode_ms: heard(ledger.encode),
            pace_ms: heard(ledger.pace),
            total_ms: said(ledger.total()).filter(|_| has_gone),
        }
    }
}

impl Playout {
    fn of(report: &QualityReport) -> Self {
        let counters: PlayoutCounters = report.playout;
        Self {
            target_ms: in_millis(report.target),
            delay_ms: in_millis(report.delay),
            received: counters.received,
            lost: counters.lost,
            late: counters.late,
            duplicate: counters.duplicate,
            reordered: counters.reordered,
            discarded: counters.discarded,
            damaged: counters.damaged,
            resets: counters.resets,
            concealed_frames: counters.concealed,
            concealed_short: counters.concealed_short,
            concealed_long: counters.concealed_long,
            stretched: counters.stretched,
            shrunk: counters.shrunk,
            inserted_ms: millis(counters.inserted),
            removed_ms: millis(counters.removed),
        }
    }
}

fn in_millis(micros: Micros) -> f64 {
    f64::from(micros.0) / 1e3
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    in_millis(duration.into())
}
