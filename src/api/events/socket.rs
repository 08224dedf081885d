//! The live feed over a WebSocket (RFC 6455): a text message for each event, with the same JSON as over server-sent
//! events.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::{Feed, Told};

/// How often a client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(15);

/// A client from which nothing came for so long is gone: it answered none of three pings.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// How long a message may wait for a client that does not read. Then the connection ends; who comes back with the last id
/// misses nothing that is still kept.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// Clients have nothing to say.
pub(super) const MESSAGE_MAX: usize = 4 * 1_024;

/// Tells one client of events until it leaves or the node stops. Its place among those who may follow is free then.
pub(super) async fn tell(mut socket: WebSocket, mut feed: Feed, place: OwnedSemaphorePermit) {
    let reason = until_over(&mut socket, &mut feed).await;
    debug!(reason, "a follower over a WebSocket is gone");
    let close = CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::from_static(reason) };
    // One that is gone already hears nothing of it.
    let _ = timeout(SEND_PATIENCE, socket.send(Message::Close(Some(close)))).await;
    drop(place);
}

async fn until_over(socket: &mut WebSocket, feed: &mut Feed) -> &'static str {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let message = tokio::select! {
            told = feed.next() => match told {
                Some(Told { json, .. }) => Message::Text(json.into()),
                None => return "the node stops",
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_))) | None => return "closed by the client",
                Some(Err(_)) => return "the connection broke",
                Some(Ok(Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {
                    heard = Instant::now();
                    continue;
                }
            },
            _ = pings.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return "no answer to pings";
                }
                Message::Ping(Vec::new().into())
            }
        };
        match timeout(SEND_PATIENCE, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return "the connection broke",
            Err(_) => return "the client does not read",
        }
    }
}
