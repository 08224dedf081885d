//! The signalling of the official browser SDK: JSON messages over a WebSocket at `/signal`, by which a browser registers, calls,
//! is called, and comes back when its connection was lost.
//!
//! ```text
//! socket ─▶ connection: who is there, by their token ─ a wish ─▶ call, a task each ─▶ Browsers
//!    ◀──────── line: what the browser is told, bounded ◀──────────┘  (lives on when the connection is lost)
//! ```
//!
//! A browser that says what nobody understands is told so, or not heard; it costs nobody but itself.

mod call;
mod connection;
mod fault;
mod figures;
mod hearing;
mod incoming;
mod line;
mod message;
mod outgoing;
mod pace;
mod places;
mod returning;
mod spoken;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use crate::call::Handle;
use crate::directory::Directory;
use crate::telemetry::Metrics;
use crate::token::Tokens;
use crate::webhook::Job;
use crate::webrtc::Browsers;

use connection::Connection;
use figures::Figures;
use message::MESSAGE_LEN_MAX;
use places::Places;
use returning::Returning;

pub use message::{Said, parse_message};

/// Where the SDK connects to.
const PATH: &str = "/signal";

/// How much is read from a socket at once, in bytes. Most messages fit; the library's own is a hundred times that for each.
const READ_BUFFER: usize = 4 * 1_024;

/// What signalling needs.
pub struct SignalState {
    /// The model.
    pub calls: Handle,
    /// Browsers' calls.
    pub browsers: Browsers,
    /// Whose applications there are.
    pub directory: Directory,
    /// What lets browsers in.
    pub tokens: Tokens,
    /// Takes what pages say to their applications.
    pub tell: Box<dyn Fn(Job) + Send + Sync>,
    /// Turns true when the node begins to stop.
    pub stopping: watch::Receiver<bool>,
}

/// What all connections share.
struct Desk {
    state: SignalState,
    figures: Figures,
    places: Places,
    returning: Arc<Returning>,
}

/// The route of signalling, in front of `others`, which have all paths that are not it.
pub fn router(state: SignalState, metrics: &Metrics, others: Router) -> Router {
    let desk = Arc::new(Desk {
        state,
        figures: Figures::new(metrics),
        places: Places::default(),
        returning: Arc::default(),
    });
    Router::new().route(PATH, get(open)).with_state(desk).fallback_service(others)
}

/// Begins a connection. A page of any origin may: what lets it in is the token that it sends.
async fn open(
    State(desk): State<Arc<Desk>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        let how = "This is where the browser SDK connects, with a request for a WebSocket as in RFC 6455.";
        return (StatusCode::BAD_REQUEST, how).into_response();
    };
    let Some(place) = desk.places.take() else {
        desk.figures.no_place.increment();
        return (StatusCode::SERVICE_UNAVAILABLE, "As many browsers are connected as may be.")
            .into_response();
    };
    upgrade
        .read_buffer_size(READ_BUFFER)
        .max_message_size(MESSAGE_LEN_MAX)
        .max_frame_size(MESSAGE_LEN_MAX)
        .on_upgrade(move |socket| Connection::new(desk, place).serve(socket))
}
