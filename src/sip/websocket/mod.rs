//! SIP over WebSocket (RFC 7118): browsers with SIP of their own come by `/sip` on the node's HTTP and HTTPS listeners.
//!
//! ```text
//! GET /sip, `sip` ─▶ places ─▶ WebSocket ─┬─ each frame a message ─▶ guard ─▶ library
//!                                         └─ each message a frame ◀── handed over ◀── library
//! ```
//!
//! A request to open one bears nobody's credentials: no cookie is looked at, and whoever registers or calls over it proves to be
//! an agent first, so that a page of any origin may open one and none can do anything with it in its visitor's name.

mod frames;
mod places;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use rsipstack::transport::SipAddr;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::debug;

use self::frames::{Closed, Frames};
use self::places::{Place, Places};
use super::advertised::Advertised;
use super::guard::MESSAGE_MAX;
use super::stream::{Link, Served, Serving};
use super::tls::hand_over;
use crate::http::Connection;

/// Where they are opened.
const PATH: &str = "/sip";

/// The subprotocol (RFC 7118 §4).
const PROTOCOL: &str = "sip";

/// How often a far end is asked whether it is there: browsers answer by themselves, and what is on the way sees that the
/// connection is in use.
const PING_EVERY: Duration = Duration::from_secs(20);

/// One that says nothing for so long is gone. Two questions were not answered.
const SILENCE_MAX: Duration = Duration::from_secs(50);

/// What may wait to be written to one, in bytes: some messages of the greatest length.
const WRITE_BUFFER_MAX: usize = 4 * MESSAGE_MAX;

/// What serving them takes. Cheap to clone.
#[derive(Clone)]
pub(super) struct WebSockets(Arc<Shared>);

struct Shared {
    serving: Arc<Serving>,
    advertised: Advertised,
    places: Arc<Places>,
    stop: CancellationToken,
}

impl WebSockets {
    pub(super) fn new(serving: Serving, advertised: Advertised, stop: CancellationToken) -> Self {
        let places = Arc::new(Places::default());
        Self(Arc::new(Shared { serving: Arc::new(serving), advertised, places, stop }))
    }

    /// The place where they are opened, in front of all other places.
    pub(super) fn routes(self, others: Router) -> Router {
        Router::new().route(PATH, get(open)).with_state(self).fallback_service(others)
    }
}

/// Opens one.
async fn open(
    State(WebSockets(shared)): State<WebSockets>,
    Extension(on): Extension<Connection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return refusal(StatusCode::BAD_REQUEST, "This is no request for a WebSocket as in RFC 6455.");
    };
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return refusal(StatusCode::BAD_REQUEST, "The subprotocol must be `sip` (RFC 7118).");
    }
    let Some(place) = shared.places.take(on.peer.ip()) else {
        shared.serving.gate.counters.connections_refused.increment();
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "There are as many connections as may be.");
    };
    upgrade
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        // Each message goes out at once.
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .on_upgrade(move |socket| async move { shared.serve(socket, on, place).await })
}

fn refusal(status: StatusCode, why: &'static str) -> Response {
    (status, why).into_response()
}

impl Shared {
    /// Serves one to its end.
    async fn serve(&self, socket: WebSocket, on: Connection, _place: Place) {
        let transport = if on.is_secure { Transport::Wss } else { Transport::Ws };
        let token = self.stop.child_token();
        let (sink, comes) = socket.split();
        let frames = Frames::new(sink, self.advertised.over(transport), token.clone());
        let far_end = SipAddr { r#type: Some(transport), addr: on.peer.into() };
        let connection = match hand_over(Box::new(frames.clone()), far_end, token.clone()).await {
            Ok(connection) => connection,
            Err(error) => return debug!(%error, "a WebSocket was not taken"),
        };
        let link = Link::Tls(connection);
        self.serving.endpoint.transport_layer.add_connection(link.clone().into());
        let served = Served { link, source: on.peer, serving: Arc::clone(&self.serving), token };
        let closed = tokio::select! {
            closed = read(&served, &frames, comes) => closed,
            () = served.token.cancelled() => Closed::GoingAway,
        };
        debug!(?closed, "a WebSocket ends");
        // Before the far end knows: it may be back at once.
        served.token.cancel();
        frames.close(closed).await;
        served.end().await;
    }
}

/// Reads until there is nothing more to be read; why.
async fn read(served: &Served, frames: &Frames, mut comes: SplitStream<WebSocket>) -> Closed {
    let mut looks = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            frame = comes.next() => {
                heard = Instant::now();
                let is_intact = match frame {
                    Some(Ok(Message::Text(text))) => served.take(text.as_bytes()).await,
                    Some(Ok(Message::Binary(bytes))) => served.take(&bytes).await,
                    // Pings are answered by whoever reads them for us.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    Some(Ok(Message::Close(_))) | None => return Closed::GoingAway,
                    Some(Err(error)) => return Closed::over(error),
                };
                if !is_intact {
                    return Closed::GoingAway;
                }
            }
            _ = looks.tick() => {
                if heard.elapsed() > SILENCE_MAX || frames.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return Closed::GoingAway;
                }
            }
        }
    }
}
