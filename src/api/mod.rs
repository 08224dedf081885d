//! The control API: Twilio's voice REST resources over [`crate::call::Handle`], one file a resource.
//!
//! ```text
//! connection (`http`) → stamp → in_time → explain_method → auth::guard → resource handler → call::Handle
//! ```
//!
//! Everything under `/2010-04-01` and `/v1`, which has what the original does not, wants HTTP Basic credentials;
//! `/healthz`, `/metrics` and the document at `/v1/openapi.json` do not. A path
//! is served with and without the `.json` suffix, and both answer JSON: the official SDKs send the suffix.
//! A parameter that the original documents and this node cannot honour yet is refused, because to ignore it
//! would leave the asker believing it was done; a parameter nobody documents is ignored, as the original does.

mod accounts;
mod applications;
mod auth;
mod browser_calls;
mod call_messages;
mod calls;
mod conference_recordings;
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
mod openapi;
mod paging;
mod participants;
mod path;
mod payments;
mod quality;
mod queues;
mod recording_media;
mod recordings;
mod seating;
mod settings;
mod streams;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, any, delete, get, post};
use tokio::sync::{Semaphore, watch};

use crate::call::{CallTokens, Handle};
use crate::directory::{Directory, Logins};
use crate::pay::Payments;
use crate::store::Store;
use crate::token::Tokens;
use crate::webrtc::Browsers;

use error::ApiError;
pub use events::followers;
pub use health::Listening;
use numbers::Shop;

/// The version in every path and in the resources that tell theirs.
const API_VERSION: &str = "2010-04-01";

/// The largest request body, in bytes. The largest honest one is a call script of 4,000 characters, percent
/// encoded to thrice that, beside a few addresses.
const BODY_MAX: usize = 64 * 1_024;

/// Encodes recordings as MP3, no more at a time than a node has cores to spare.
#[derive(Clone, Debug, Default)]
pub struct Mp3Encoders(recording_media::Encoders);

/// What the API needs to answer.
pub struct ApiState {
    /// The model that is asked.
    pub calls: Handle,
    /// Browsers' calls.
    pub browsers: Browsers,
    /// What allows a caller to be passed on as who they are.
    pub call_tokens: Arc<CallTokens>,
    /// What callers pay.
    pub payments: Payments,
    /// What lets browsers in.
    pub tokens: Tokens,
    /// Who is logged in at the console.
    pub logins: Logins,
    /// Who may ask, and what they have.
    pub directory: Directory,
    /// What is on record.
    pub store: Store,
    /// Where the node really listens, for `/healthz`.
    pub listening: Listening,
    /// Where the files of recordings are.
    pub recordings: PathBuf,
    /// Turns at the encoder of recordings.
    pub encoders: Mp3Encoders,
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

/// All routes, ready to be [served](crate::http::serve).
pub fn router(state: ApiState) -> Router {
    let state = Arc::new(state);
    let routes = Router::new()
        .merge(control(&state))
        .merge(browser_calls::routes())
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .route("/v1/openapi.json", get(openapi::fetch))
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
    let mut routes = Router::new();
    for (path, methods) in resources() {
        // A path that ends in what it names takes the suffix with the name.
        if let Some(bare) = path.strip_suffix(".json") {
            routes = routes.route(bare, methods.clone());
        }
        routes = routes.route(&path, methods);
    }
    routes
        .route("/v1/{*rest}", any(unknown_path))
        .route(&format!("/{API_VERSION}"), any(unknown_path))
        .route(&format!("/{API_VERSION}/"), any(unknown_path))
        .route(&format!("/{API_VERSION}/{{*rest}}"), any(unknown_path))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(Arc::clone(state), auth::guard))
}

/// A path, and what can be done there.
type Resource = (String, MethodRouter<Shared>);

/// Everything that wants credentials.
fn resources() -> Vec<Resource> {
    let account = format!("/{API_VERSION}/Accounts/{{account}}");
    let own = [
        ("/v1/events".to_owned(), get(events::follow)),
        ("/v1/calls/{call}/quality".to_owned(), get(quality::fetch)),
        ("/v1/payments/{payment}/attestation".to_owned(), get(payments::attestation)),
        ("/v1/attestation-keys".to_owned(), get(payments::attestation_keys)),
    ];
    let all = own.into_iter().chain(accounts_and_keys(&account)).chain(applications_and_numbers(&account));
    all.chain(calls_and_what_they_leave(&account)).chain(conferences_and_queues(&account)).collect()
}

fn accounts_and_keys(account: &str) -> [Resource; 4] {
    [
        (format!("/{API_VERSION}/Accounts.json"), get(accounts::list).post(accounts::create)),
        (account.to_owned(), get(accounts::fetch).post(accounts::update)),
        (format!("{account}/Keys.json"), get(keys::list).post(keys::create)),
        (format!("{account}/Keys/{{key}}"), get(keys::fetch).post(keys::update).delete(keys::delete)),
    ]
}

fn applications_and_numbers(account: &str) -> Vec<Resource> {
    let applications = format!("{account}/Applications");
    let mut resources = vec![
        (format!("{applications}.json"), get(applications::list).post(applications::create)),
        (
            format!("{applications}/{{application}}"),
            get(applications::fetch).post(applications::update).delete(applications::delete),
        ),
        (
            format!("{account}/IncomingPhoneNumbers/{{number}}"),
            get(numbers::fetch).post(numbers::update).delete(numbers::delete),
        ),
    ];
    for shop in Shop::ALL {
        let list = move |state, acting, query| ready(numbers::list(shop, state, acting, query));
        let create = move |state, acting, form| numbers::create(shop, state, acting, form);
        resources.push((format!("{account}/{}.json", shop.path()), get(list).post(create)));
    }
    resources
}

fn calls_and_what_they_leave(account: &str) -> [Resource; 18] {
    let calls = format!("{account}/Calls");
    let recordings = format!("{account}/Recordings");
    let recordings_of_call = format!("{calls}/{{call}}/Recordings");
    let notifications = format!("{account}/Notifications");
    let of_call = format!("{calls}/{{call}}/Notifications");
    let streams = format!("{calls}/{{call}}/Streams");
    let messages = format!("{calls}/{{call}}/UserDefinedMessage");
    [
        (format!("{calls}.json"), get(calls::list).post(calls::create)),
        (format!("{calls}/{{call}}"), get(calls::fetch).post(calls::update).delete(calls::delete)),
        (format!("{calls}/{{call}}/Events.json"), get(notifications::events)),
        (format!("{calls}/{{call}}/Payments.json"), post(payments::create)),
        (format!("{calls}/{{call}}/Payments/{{payment}}"), post(payments::update)),
        (format!("{of_call}.json"), get(notifications::list_of_call)),
        (format!("{of_call}/{{notification}}"), get(notifications::fetch_of_call)),
        (format!("{notifications}.json"), get(notifications::list)),
        (format!("{notifications}/{{notification}}"), get(notifications::fetch)),
        (format!("{recordings}.json"), get(recordings::list)),
        (format!("{recordings}/{{recording}}"), get(recording_media::fetch).delete(recordings::delete)),
        (format!("{streams}.json"), post(streams::create)),
        (format!("{streams}/{{stream}}"), post(streams::update)),
        (format!("{messages}s.json"), post(call_messages::create)),
        (format!("{messages}Subscriptions.json"), post(call_messages::subscribe)),
        (format!("{messages}Subscriptions/{{subscription}}"), delete(call_messages::unsubscribe)),
        (format!("{recordings_of_call}.json"), get(recordings::list_of_call).post(recordings::create)),
        (
            format!("{recordings_of_call}/{{recording}}"),
            get(recordings::fetch_of_call)
                .post(recordings::update_of_call)
                .delete(recordings::delete_of_call),
        ),
    ]
}

fn conferences_and_queues(account: &str) -> [Resource; 10] {
    let conferences = format!("{account}/Conferences");
    let participants = format!("{conferences}/{{conference}}/Participants");
    let recordings = format!("{conferences}/{{conference}}/Recordings");
    let queues = format!("{account}/Queues");
    let waiters = format!("{queues}/{{queue}}/Members");
    [
        (format!("{conferences}.json"), get(conferences::list)),
        (format!("{conferences}/{{conference}}"), get(conferences::fetch).post(conferences::update)),
        (format!("{participants}.json"), get(participants::list).post(participants::create)),
        (
            format!("{participants}/{{participant}}"),
            get(participants::fetch).post(participants::update).delete(participants::kick),
        ),
        (format!("{recordings}.json"), get(conference_recordings::list).post(conference_recordings::create)),
        (
            format!("{recordings}/{{recording}}"),
            get(conference_recordings::fetch)
                .post(conference_recordings::update)
                .delete(conference_recordings::delete),
        ),
        (format!("{queues}.json"), get(queues::list).post(queues::create)),
        (format!("{queues}/{{queue}}"), get(queues::fetch).post(queues::update).delete(queues::delete)),
        (format!("{waiters}.json"), get(queues::list_waiters)),
        (format!("{waiters}/{{waiter}}"), get(queues::fetch_waiter).post(queues::redirect_waiter)),
    ]
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::unknown_path(uri.path())
}
