//! The control API: Twilio's voice REST resources over [`crate::call::Handle`], one file a resource.
//!
//! ```text
//! connection (serve) → stamp → in_time → explain_method → auth::guard → resource handler → call::Handle
//! ```
//!
//! Everything under `/2010-04-01` and `/v1`, which has what the original does not, wants HTTP Basic credentials;
//! `/healthz` and `/metrics` do not. A path
//! is served with and without the `.json` suffix, and both answer JSON: the official SDKs send the suffix.
//! A parameter that the original documents and this node cannot honour yet is refused, because to ignore it
//! would leave the asker believing it was done; a parameter nobody documents is ignored, as the original does.

mod auth;
mod calls;
mod conferences;
mod date;
mod dial;
mod error;
mod events;
mod form;
mod health;
mod layers;
mod paging;
mod participants;
mod path;
mod quality;
mod recording_media;
mod recordings;
mod serve;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, get};
use tokio::sync::{Semaphore, watch};

use crate::call::{AccountSid, Handle};
use crate::config::Secret;

pub use events::followers;
pub use health::Listening;
pub use serve::serve;

use error::ApiError;

/// The version in every path and in the resources that tell theirs.
const API_VERSION: &str = "2010-04-01";

/// The largest request body, in bytes. The largest honest one is a call script of 4,000 characters, percent
/// encoded to thrice that, beside a few addresses.
const BODY_MAX: usize = 64 * 1_024;

/// What the API needs to answer.
pub struct ApiState {
    /// The model that is asked.
    pub calls: Handle,
    /// The one account of this node: the user name, and part of every path.
    pub account: AccountSid,
    /// The password that goes with it.
    pub auth_token: Secret,
    /// Where the node really listens, for `/healthz`.
    pub listening: Listening,
    /// Where the files of recordings are.
    pub recordings: PathBuf,
    /// Where applications reach this API: `http://host:port`, without a slash at the end.
    pub public_url: String,
    /// Turns true when the node begins to stop: `/healthz` answers 503 from then on.
    pub stopping: watch::Receiver<bool>,
    /// Writes the node's metrics in Prometheus text format. Called for each scrape, on an async thread: it must
    /// not block.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Places for those who follow the events over WebSockets.
    pub followers: Arc<Semaphore>,
}

type Shared = Arc<ApiState>;

/// All routes, ready for [`serve()`].
pub fn router(state: ApiState) -> Router {
    let state = Arc::new(state);
    let routes = Router::new()
        .merge(control(&state))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .fallback(unknown_path)
        .with_state(state);
    // The routes add `Allow` to a 405 outside of their own layers, so these have to be around them as a whole.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn(layers::explain_method))
        .layer(from_fn(layers::in_time))
        .layer(from_fn(layers::stamp))
}

/// The routes that want credentials. The catch-all is among them, so that nobody without credentials learns
/// which paths exist.
fn control(state: &Shared) -> Router<Shared> {
    let account = format!("/{API_VERSION}/Accounts/{{account}}");
    let conferences = format!("{account}/Conferences");
    let participants = format!("{conferences}/{{conference}}/Participants");
    let calls = format!("{account}/Calls");
    let recordings = format!("{account}/Recordings");

    let mut routes = Router::new();
    for suffix in ["", ".json"] {
        routes = routes
            .route(&format!("{calls}{suffix}"), get(calls::list).post(calls::create))
            .route(&format!("{recordings}{suffix}"), get(recordings::list))
            .route(
                &format!("{calls}/{{call}}/Recordings{suffix}"),
                get(recordings::list_of_call).post(recordings::create),
            )
            .route(&format!("{conferences}{suffix}"), get(conferences::list))
            .route(&format!("{participants}{suffix}"), participants_routes());
    }
    routes
        .route(&format!("{calls}/{{call}}"), get(calls::fetch).post(calls::update))
        .route(&format!("{recordings}/{{recording}}"), get(recording_media::fetch).delete(recordings::delete))
        .route(
            &format!("{calls}/{{call}}/Recordings/{{recording}}"),
            get(recordings::fetch_of_call)
                .post(recordings::update_of_call)
                .delete(recordings::delete_of_call),
        )
        .route(&format!("{conferences}/{{conference}}"), get(conferences::fetch).post(conferences::update))
        .route(
            &format!("{participants}/{{participant}}"),
            get(participants::fetch).post(participants::update).delete(participants::kick),
        )
        .route("/v1/events", get(events::follow))
        .route("/v1/calls/{call}/quality", get(quality::fetch))
        .route("/v1/{*rest}", any(unknown_path))
        .route(&format!("/{API_VERSION}"), any(unknown_path))
        .route(&format!("/{API_VERSION}/"), any(unknown_path))
        .route(&format!("/{API_VERSION}/{{*rest}}"), any(unknown_path))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(state), auth::guard))
}

fn participants_routes() -> MethodRouter<Shared> {
    get(participants::list).post(participants::create)
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
