//! Ten times a second, for each account that somebody watches: what is told to all who do. It is found out once, however many
//! watch, and each of them takes the newest when they are ready for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use chrono::Utc;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::telling::{FloorTold, LevelsTold, QualityTold};
use crate::call::{CallQuality, CallSid, CallStatus, Floor, Followed, Follower, Handle, What};
use crate::sid::AccountSid;

/// As often as an eye sees a level move.
const EVERY: Duration = Duration::from_millis(100);

/// In so many beats each call is asked how it sounds once: two seconds, in which a figure hardly changes.
const QUALITY_BEATS: usize = 20;

/// Calls that are asked in one beat at most. Each costs its media thread a microsecond; of more calls than twenty times this,
/// each is asked less often.
const QUALITY_AT_A_TIME_MAX: usize = 50;

/// In so many beats the floor is told anew though nothing happened that is known of: five seconds.
const FLOOR_BEATS: u64 = 50;

/// What is told at one beat. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    /// The floor, and how often it was told before.
    pub(super) floor: (u64, Utf8Bytes),
    /// Who speaks.
    pub(super) levels: Utf8Bytes,
    /// How some sound; none if nobody was asked.
    pub(super) quality: Option<Utf8Bytes>,
}

/// All accounts that are watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulses(Arc<Mutex<HashMap<AccountSid, watch::Sender<Option<Beat>>>>>);

impl Pulses {
    /// What is told of an account, from now on. Begins with nothing if nobody watched it before.
    pub(super) fn of(
        &self,
        account: AccountSid,
        calls: &Handle,
        agents: Vec<String>,
    ) -> watch::Receiver<Option<Beat>> {
        let mut pulses = self.lock();
        if let Some(pulse) = pulses.get(&account) {
            return pulse.subscribe();
        }
        let (pulse, watcher) = watch::channel(None);
        pulses.insert(account, pulse.clone());
        let heart = Heart {
            account,
            calls: calls.clone(),
            agents,
            follower: calls.events().follow(),
            floor: (0, Utf8Bytes::default()),
            on: Vec::new(),
            asked: 0,
            stale: FLOOR_BEATS,
        };
        tokio::spawn(heart.beat(self.clone(), pulse));
        watcher
    }

    /// Takes a pulse away that nobody feels. Whoever comes meanwhile waits, and finds either it or none.
    fn is_over(&self, account: AccountSid, pulse: &watch::Sender<Option<Beat>>) -> bool {
        let mut pulses = self.lock();
        let is_over = pulse.receiver_count() == 0;
        if is_over {
            pulses.remove(&account);
        }
        is_over
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountSid, watch::Sender<Option<Beat>>>> {
        // A panic while it was locked left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What finds out.
struct Heart {
    account: AccountSid,
    calls: Handle,
    /// Who is configured.
    agents: Vec<String>,
    follower: Follower,
    floor: (u64, Utf8Bytes),
    /// Calls that can be asked how they sound, and who of them is next.
    on: Vec<CallSid>,
    asked: usize,
    /// Beats since the floor was looked at.
    stale: u64,
}

impl Heart {
    async fn beat(mut self, pulses: Pulses, pulse: watch::Sender<Option<Beat>>) {
        let mut beats = interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            if pulses.is_over(self.account, &pulse) {
                return;
            }
            // A model that is too busy for this has better things to do: what was told is told a little longer.
            if let Some(beat) = self.next().await {
                pulse.send_replace(Some(beat));
            }
        }
    }

    async fn next(&mut self) -> Option<Beat> {
        self.stale += 1;
        if self.something_happened() || self.stale >= FLOOR_BEATS {
            let floor = self.calls.floor(self.account).await.ok()?;
            (self.on, self.stale) = (on_air(&floor), 0);
            let text = json(&FloorTold::of(&floor, &self.agents, Utc::now()));
            self.floor = (self.floor.0 + 1, text);
        }
        let levels = self.calls.levels(self.account).await.ok()?;
        let quality = self.some_quality().await;
        let quality = (!quality.is_empty()).then(|| json(&QualityTold::of(&quality)));
        Some(Beat { floor: self.floor.clone(), levels: json(&LevelsTold::of(&levels)), quality })
    }

    /// Whether anything happened since that the floor shows.
    fn something_happened(&mut self) -> bool {
        let mut happened = self.floor.0 == 0;
        while let Some(followed) = self.follower.ready() {
            happened |= match followed {
                Followed::Event(event) => event.what.account() == self.account && shows(&event.what),
                Followed::Missed(..) => true,
            };
        }
        happened
    }

    async fn some_quality(&mut self) -> Vec<(CallSid, CallQuality)> {
        let count = self.on.len().div_ceil(QUALITY_BEATS).min(QUALITY_AT_A_TIME_MAX);
        let begin = self.asked.min(self.on.len());
        let end = (begin + count).min(self.on.len());
        self.asked = if end == self.on.len() { 0 } else { end };
        let ask = |call: &CallSid| {
            let (calls, call) = (&self.calls, *call);
            async move { calls.quality(call).await.ok().map(|quality| (call, quality)) }
        };
        join_all(self.on[begin..end].iter().map(ask)).await.into_iter().flatten().collect()
    }
}

/// Who speaks, and who presses keys, is not on the floor itself.
const fn shows(what: &What) -> bool {
    !matches!(
        what,
        What::Speech { .. } | What::ActiveSpeaker { .. } | What::Digit { .. } | What::Announced { .. }
    )
}

fn on_air(floor: &Floor) -> Vec<CallSid> {
    let seats = floor.conferences.iter().flat_map(|conference| &conference.seats).map(|seat| &seat.call);
    let all = seats.chain(&floor.calls).filter(|call| call.status == CallStatus::InProgress);
    all.map(|call| call.sid).collect()
}

fn json(told: &impl Serialize) -> Utf8Bytes {
    serde_json::to_string(told).expect("texts and numbers").into()
}
