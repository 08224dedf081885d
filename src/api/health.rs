//! For those who look after the node: is it serving, and how is it doing. Neither wants credentials, so
//! neither tells anything about calls.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::form::Json;

/// The addresses the node really listens on: with port 0 in the configuration, the ports it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Listening {
    /// This API.
    pub http: String,
    /// This API over TLS, if it is served.
    pub https: Option<String>,
    /// SIP over UDP.
    pub sip_udp: String,
    /// SIP over TCP.
    pub sip_tcp: String,
}

#[derive(Serialize, ToSchema)]
struct Health<'a> {
    /// `serving` or `stopping`.
    status: &'static str,
    /// Of the node.
    version: &'static str,
    #[serde(flatten)]
    listening: &'a Listening,
}

/// Tells whether the node serves.
///
/// 200 while it does, 503 once it stops: a balancer then sends new calls elsewhere.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "Operation",
    operation_id = "FetchHealth",
    responses(
        (status = 200, body = Health, description = "It serves."),
        (status = 503, body = Health, description = "It stops.")
    )
)]
pub(super) async fn healthz(State(state): State<Arc<ApiState>>) -> Response {
    let (code, status) = match *state.stopping.borrow() {
        false => (StatusCode::OK, "serving"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
    };
    let version = env!("CARGO_PKG_VERSION");
    (code, Json(Health { status, version, listening: &state.listening })).into_response()
}

/// Everything counted, in Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "Operation",
    operation_id = "FetchMetrics",
    responses((status = 200, body = String, content_type = "text/plain", description = "The figures."))
)]
pub(super) async fn metrics(State(state): State<Arc<ApiState>>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (state.metrics)()).into_response()
}
