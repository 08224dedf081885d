//! `GET /v1/console/feed`: what the page shows, over a WebSocket, ten times a second. A watcher who reads slowly misses what
//! was in between and gets what is so now.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::Desk;
use super::login::{not_logged_in, refusal};
use super::pulse::{Beat, Pulses};
use crate::sid::AccountSid;

/// Watchers at a time on the node. Each has a task and some 40 KiB of buffers.
const WATCHERS_MAX: usize = 64;

/// What watchers send is not looked at; nothing honest is longer.
const MESSAGE_MAX: usize = 1_024;

/// How often it is asked whether the watcher is there, and is still logged in.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A watcher who says nothing for so long is gone. Two questions were not answered.
const SILENCE_MAX: Duration = Duration::from_secs(25);

/// How long a watcher may leave unread what was sent.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// RFC 6455 §7.4.1: the node goes away; and §7.4.2: ours, for a login that is over.
const GOING_AWAY: u16 = 1_001;
const LOGIN_OVER: u16 = 4_401;

/// Who watches.
#[derive(Debug)]
pub(super) struct Watchers {
    places: Arc<Semaphore>,
    pulses: Pulses,
}

impl Watchers {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(WATCHERS_MAX)), pulses: Pulses::default() }
    }
}

/// Begins to watch.
pub(super) async fn follow(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(who) = desk.logged_in(&headers) else {
        return not_logged_in();
    };
    let Ok(upgrade) = upgrade else {
        return refusal(StatusCode::BAD_REQUEST, "This is no request for a WebSocket as in RFC 6455.");
    };
    let Ok(place) = Arc::clone(&desk.watchers.places).try_acquire_owned() else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "As many watch as may.");
    };
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    upgrade.on_upgrade(move |mut socket| async move {
        let _place = place;
        let (code, why) = Watcher::new(&desk, who.account).tell(&mut socket, &desk, &headers).await;
        debug!(why, "a console's feed ended");
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(why) }));
        // They may be gone.
        let _ = timeout(SEND_PATIENCE, socket.send(close)).await;
    })
}

/// Somebody who watches.
struct Watcher {
    beats: watch::Receiver<Option<Beat>>,
    stopping: watch::Receiver<bool>,
    /// Which floor they were told last.
    floor: u64,
    levels: Utf8Bytes,
}

impl Watcher {
    fn new(desk: &Desk, account: AccountSid) -> Self {
        let state = &desk.state;
        let theirs = state.agents.iter().filter(|(of, _)| *of == account).map(|(_, name)| name.clone());
        Self {
            beats: desk.watchers.pulses.of(account, &state.calls, theirs.collect()),
            stopping: state.stopping.clone(),
            floor: 0,
            levels: Utf8Bytes::default(),
        }
    }

    /// Tells them, for as long as they read and may; why it ended.
    async fn tell(mut self, socket: &mut WebSocket, desk: &Desk, headers: &HeaderMap) -> (u16, &'static str) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut stopping) = (Instant::now(), self.stopping.clone());
        loop {
            let messages = tokio::select! {
                changed = self.beats.changed() => match changed {
                    Ok(()) => self.news(),
                    Err(_) => return (GOING_AWAY, "the node stops"),
                },
                _ = stopping.wait_for(|stopping| *stopping) => return (GOING_AWAY, "the node stops"),
                received = socket.recv() => match received {
                    Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                        heard = Instant::now();
                        continue;
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return (GOING_AWAY, "the watcher is gone"),
                },
                _ = looks.tick() => {
                    if desk.logged_in(headers).is_none() {
                        return (LOGIN_OVER, "the login is over");
                    }
                    if heard.elapsed() > SILENCE_MAX {
                        return (GOING_AWAY, "no answer to pings");
                    }
                    vec![Message::Ping(Vec::new().into())]
                }
            };
            for message in messages {
                if !matches!(timeout(SEND_PATIENCE, socket.send(message)).await, Ok(Ok(()))) {
                    return (GOING_AWAY, "the watcher does not read");
                }
            }
        }
    }

    /// What they were not told yet.
    fn news(&mut self) -> Vec<Message> {
        let Some(beat) = self.beats.borrow_and_update().clone() else {
            return Vec::new();
        };
        let mut news = Vec::new();
        if beat.floor.0 != self.floor {
            self.floor = beat.floor.0;
            news.push(Message::Text(beat.floor.1));
        }
        // All are silent most of the time.
        if beat.levels != self.levels {
            self.levels = beat.levels.clone();
            news.push(Message::Text(beat.levels));
        }
        news.extend(beat.quality.map(Message::Text));
        news
    }
}
