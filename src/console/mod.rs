//! The console: a page at `/` on which a supervisor sees the floor and acts on it.
//!
//! ```text
//! page (static) ── log in ──▶ cookie ── feed, a WebSocket ◀── pulse, ten times a second for all who watch an account
//!                                └──── everything else is the control API, which takes the cookie too
//! ```
//!
//! The page never keeps the auth token: logging in exchanges it for a cookie that scripts cannot read, that other sites
//! cannot use, and that is worth something only on this node and until it stops.

mod attempts;
mod feed;
mod login;
mod page;
mod pulse;
mod telling;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use tokio::sync::watch;

use crate::call::Handle;
use crate::directory::{Directory, Logins};
use crate::token::Tokens;

use attempts::Attempts;
use feed::Watchers;

/// The longest request. The longest honest one is an account's SID and its token.
const BODY_MAX: usize = 4 * 1_024;

/// What the console needs.
#[derive(Debug)]
pub struct ConsoleState {
    /// The model that is watched.
    pub calls: Handle,
    /// Whose credentials there are.
    pub directory: Directory,
    /// Who is logged in.
    pub logins: Logins,
    /// Makes the tokens with which the page calls.
    pub tokens: Tokens,
    /// Agents of the configuration, by the account they belong to and their name.
    pub agents: Vec<(crate::sid::AccountSid, String)>,
    /// Whether browsers can call this node.
    pub has_browser_media: bool,
    /// Turns true when the node begins to stop.
    pub stopping: watch::Receiver<bool>,
}

/// What all requests share.
struct Desk {
    state: ConsoleState,
    attempts: Attempts,
    watchers: Watchers,
}

/// The console's routes, in front of those of `api`, which has all paths that are not the console's.
pub fn router(state: ConsoleState, api: Router) -> Router {
    let desk = Arc::new(Desk { state, attempts: Attempts::default(), watchers: Watchers::new() });
    let mut routes = Router::new();
    for file in page::FILES {
        routes = routes.route(file.path, get(move || std::future::ready(page::answer(file))));
    }
    routes
        .route("/v1/console/login", post(login::begin).get(login::fetch).delete(login::end))
        .route("/v1/console/token", post(login::token))
        .route("/v1/console/feed", get(feed::follow))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(desk)
        .fallback_service(api)
}
