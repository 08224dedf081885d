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

mod accounts;
mod applications;
mod auth;
mod calls;
mod conferences;
mod date;
mod dial;
mod error;
mod events;
mod form;
mod health;
mod keys;
mod layers;
mod notifications;
mod numbers;
mod paging;
mod participants;
mod path;
mod quality;
mod queues;
mod recording_media;
mod recordings;
mod seating;
mod serve;
mod settings;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, get};
use tokio::sync::{Semaphore, watch};

use crate::call::Handle;
use crate::directory::Directory;
use crate::store::Store;

pub use events::followers;
pub use health::Listening;
pub use serve::serve;

use error::ApiError;
use numbers::Shop;

/// The version in every path and in the resources that tell theirs.
const API_VERSION: &str = "2010-04-01";

/// The largest request body, in bytes. The largest honest one is a call script of 4,000 characters, percent
/// encoded to thrice that, beside a few addresses.
const BODY_MAX: usize = 64 * 1_024;

/// What the API needs to answer.
pub struct ApiState {
    /// The model that is asked.
    pub calls: Handle,
    /// Who may ask, and what they have.
    pub directory: Directory,
    /// What is on record.
    pub store: Store,
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
    let queues = format!("{account}/Queues");
    let waiters = format!("{queues}/{{queue}}/Members");
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
            .route(&format!("{account}/Notifications{suffix}"), get(notifications::list))
            .route(&format!("{calls}/{{call}}/Notifications{suffix}"), get(notifications::list_of_call))
            .route(&format!("{calls}/{{call}}/Events{suffix}"), get(notifications::events))
            .route(&format!("{participants}{suffix}"), participants_routes())
            .route(&format!("{queues}{suffix}"), get(queues::list).post(queues::create))
            .route(&format!("{waiters}{suffix}"), get(queues::list_waiters));
    }
    routes
        .merge(directory_routes(&account))
        .route(&format!("{calls}/{{call}}"), get(calls::fetch).post(calls::update).delete(calls::delete))
        .route(&format!("{calls}/{{call}}/Notifications/{{notification}}"), get(notifications::fetch_of_call))
        .route(&format!("{account}/Notifications/{{notification}}"), get(notifications::fetch))
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
        .route(&format!("{queues}/{{queue}}"), get(queues::fetch).post(queues::update).delete(queues::delete))
        .route(&format!("{waiters}/{{waiter}}"), get(queues::fetch_waiter).post(queues::redirect_waiter))
        .route("/v1/events", get(events::follow))
        .route("/v1/calls/{call}/quality", get(quality::fetch))
        .route("/v1/{*rest}", any(unknown_path))
        .route(&format!("/{API_VERSION}"), any(unknown_path))
        .route(&format!("/{API_VERSION}/"), any(unknown_path))
        .route(&format!("/{API_VERSION}/{{*rest}}"), any(unknown_path))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(state), auth::guard))
}

/// Accounts, and what they have of their own.
fn directory_routes(account: &str) -> Router<Shared> {
    let mut routes = Router::new();
    for suffix in ["", ".json"] {
        let accounts = format!("/{API_VERSION}/Accounts{suffix}");
        routes = routes
            .route(&accounts, get(accounts::list).post(accounts::create))
            .route(&format!("{account}/Keys{suffix}"), get(keys::list).post(keys::create))
            .route(
                &format!("{account}/Applications{suffix}"),
                get(applications::list).post(applications::create),
            );
        for shop in Shop::ALL {
            let list = move |state, acting, query| ready(shop.list(state, acting, query));
            let create = move |state, acting, form| shop.create(state, acting, form);
            routes = routes.route(&format!("{account}/{}{suffix}", shop.path()), get(list).post(create));
        }
    }
    routes
        .route(account, get(accounts::fetch).post(accounts::update))
        .route(&format!("{account}/Keys/{{key}}"), get(keys::fetch).post(keys::update).delete(keys::delete))
        .route(
            &format!("{account}/Applications/{{application}}"),
            get(applications::fetch).post(applications::update).delete(applications::delete),
        )
        .route(
            &format!("{account}/IncomingPhoneNumbers/{{number}}"),
            get(numbers::fetch).post(numbers::update).delete(numbers::delete),
        )
}

fn participants_routes() -> MethodRouter<Shared> {
    get(participants::list).post(participants::create)
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
