//! What watchers are told, as JSON. Names that people chose are in it as they are: it is the page that must not take them for
//! anything but text.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use confab_media::dsp::level::Level;
use confab_media::{Micros, QualityReport};
use serde::Serialize;

use crate::call::{
    CallQuality, CallSid, CallView, ConferenceStatus, Floor, FloorConference, FloorQueue, FloorSeat,
    RecordingView,
};

/// The floor.
#[derive(Serialize)]
pub(super) struct FloorTold<'a> {
    r#type: &'static str,
    /// By the node's clock, so that the page can tell how long ago something was by its own.
    now: i64,
    conferences: Vec<ConferenceTold<'a>>,
    calls: Vec<CallTold<'a>>,
    queues: Vec<QueueTold<'a>>,
    agents: Vec<AgentTold<'a>>,
    recordings: Vec<RecordingTold>,
}

#[derive(Serialize)]
struct ConferenceTold<'a> {
    sid: String,
    name: &'a str,
    started: bool,
    since: i64,
    /// Without, it is a call of two.
    listed: bool,
    participants: Vec<SeatTold<'a>>,
}

#[derive(Serialize)]
struct SeatTold<'a> {
    #[serde(flatten)]
    call: CallTold<'a>,
    label: Option<&'a str>,
    muted: bool,
    hold: bool,
    far_hold: bool,
    coaching: bool,
    coached: Option<String>,
}

#[derive(Serialize)]
struct CallTold<'a> {
    call: String,
    from: &'a str,
    to: &'a str,
    direction: &'static str,
    status: &'static str,
    since: i64,
}

#[derive(Serialize)]
struct QueueTold<'a> {
    sid: String,
    name: &'a str,
    size: usize,
    max: usize,
    waiters: Vec<WaiterTold<'a>>,
}

#[derive(Serialize)]
struct WaiterTold<'a> {
    call: String,
    from: &'a str,
    since: i64,
}

#[derive(Serialize)]
struct AgentTold<'a> {
    name: &'a str,
    devices: usize,
}

#[derive(Serialize)]
struct RecordingTold {
    sid: String,
    call: String,
    conference: Option<String>,
    status: &'static str,
    since: i64,
}

impl<'a> FloorTold<'a> {
    /// `agents` are those who are configured, whether they have a phone registered or not.
    pub(super) fn of(floor: &'a Floor, agents: &'a [String], now: DateTime<Utc>) -> Self {
        let known: HashSet<&str> = floor.agents.iter().map(|(name, _)| name.as_str()).collect();
        let absent = agents.iter().filter(|name| !known.contains(name.as_str()));
        let present = floor.agents.iter().map(|(name, devices)| AgentTold { name, devices: *devices });
        let absent = absent.map(|name| AgentTold { name, devices: 0 });
        Self {
            r#type: "floor",
            now: now.timestamp_millis(),
            conferences: floor.conferences.iter().map(ConferenceTold::of).collect(),
            calls: floor.calls.iter().map(CallTold::of).collect(),
            queues: floor.queues.iter().map(QueueTold::of).collect(),
            agents: present.chain(absent).collect(),
            recordings: floor.recordings.iter().map(RecordingTold::of).collect(),
        }
    }
}

impl<'a> ConferenceTold<'a> {
    fn of(FloorConference { view, seats }: &'a FloorConference) -> Self {
        Self {
            sid: view.sid.to_string(),
            name: &view.friendly_name,
            started: view.status == ConferenceStatus::InProgress,
            since: view.created.timestamp_millis(),
            listed: view.is_listed,
            participants: seats.iter().map(SeatTold::of).collect(),
        }
    }
}

impl<'a> SeatTold<'a> {
    fn of(FloorSeat { seat, call, held_by_far_end }: &'a FloorSeat) -> Self {
        Self {
            call: CallTold::of(call),
            label: seat.label.as_deref(),
            muted: seat.muted,
            hold: seat.hold,
            far_hold: *held_by_far_end,
            coaching: seat.coaching,
            coached: seat.call_sid_to_coach.map(|call| call.to_string()),
        }
    }
}

impl<'a> CallTold<'a> {
    fn of(call: &'a CallView) -> Self {
        Self {
            call: call.sid.to_string(),
            from: &call.from,
            to: &call.to,
            direction: call.direction.word(),
            status: call.status.word(),
            since: call.started.unwrap_or(call.created).timestamp_millis(),
        }
    }
}

impl<'a> QueueTold<'a> {
    fn of(FloorQueue { view, waiters }: &'a FloorQueue) -> Self {
        let waiter = |(waiter, from): &'a (_, String)| {
            let waiter: &crate::call::WaiterView = waiter;
            WaiterTold { call: waiter.call.to_string(), from, since: waiter.enqueued.timestamp_millis() }
        };
        Self {
            sid: view.sid.to_string(),
            name: &view.friendly_name,
            size: view.current_size,
            max: view.max_size,
            waiters: waiters.iter().map(waiter).collect(),
        }
    }
}

impl RecordingTold {
    fn of(view: &RecordingView) -> Self {
        Self {
            sid: view.sid.to_string(),
            call: view.call.to_string(),
            conference: view.conference.map(|conference| conference.to_string()),
            status: view.status.word(),
            since: view.created.timestamp_millis(),
        }
    }
}

/// How loud those are who speak, in dBov, by their calls. Who is not there is silent.
#[derive(Serialize)]
pub(super) struct LevelsTold {
    r#type: &'static str,
    levels: BTreeMap<String, i16>,
}

impl LevelsTold {
    pub(super) fn of(levels: &[(CallSid, Level)]) -> Self {
        let levels = levels.iter().map(|(call, level)| (call.to_string(), -i16::from(level.minus_dbov())));
        Self { r#type: "levels", levels: levels.collect() }
    }
}

/// How some calls sound.
#[derive(Serialize)]
pub(super) struct QualityTold {
    r#type: &'static str,
    quality: BTreeMap<String, QualityOfOne>,
}

/// Times are milliseconds. What nobody knows is null.
#[derive(Serialize)]
struct QualityOfOne {
    codec: Option<&'static str>,
    mos_receive: Option<f64>,
    mos_send: Option<f64>,
    /// Of a hundred packets.
    loss_receive: Option<f64>,
    loss_send: Option<f64>,
    jitter: Option<f64>,
    round_trip: Option<f64>,
    /// Where time goes: network jitter, playout, wait for the tick, decode, mix, encode, pace.
    ledger: Option<[f64; 7]>,
}

impl QualityTold {
    pub(super) fn of(calls: &[(CallSid, CallQuality)]) -> Self {
        let told = |(call, quality): &(CallSid, CallQuality)| {
            Some((call.to_string(), QualityOfOne::of(quality.report.as_ref()?)))
        };
        Self { r#type: "quality", quality: calls.iter().filter_map(told).collect() }
    }
}

impl QualityOfOne {
    fn of(report: &QualityReport) -> Self {
        let live = &report.live;
        let mos =
            |score: Option<confab_media::Score>| score.map(|score| (score.mos() * 100.0).round() / 100.0);
        let ledger = &live.ledger;
        let lines = [
            ledger.network_jitter,
            ledger.playout,
            ledger.wait_for_tick,
            ledger.decode,
            ledger.mix,
            ledger.encode,
            ledger.pace,
        ];
        Self {
            codec: report.codec.map(|codec| codec.name()),
            mos_receive: mos(live.receive.score),
            mos_send: mos(live.send.score),
            loss_receive: loss(live.receive.lost, live.receive.packets),
            loss_send: loss(live.send.lost, live.send.packets),
            jitter: live.receive.jitter.map(millis),
            round_trip: live.round_trip.map(millis),
            ledger: (live.receive.packets > 0).then(|| lines.map(millis)),
        }
    }
}

/// Of those that were sent. Who is sent nothing loses nothing.
fn loss(lost: Option<u64>, packets: u64) -> Option<f64> {
    let lost = lost?;
    let share = lost as f64 / (lost + packets).max(1) as f64;
    Some((share * 1_000.0).round() / 10.0)
}

fn millis(time: Micros) -> f64 {
    f64::from(time.0 / 100) / 10.0
}
