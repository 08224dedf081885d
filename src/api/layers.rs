//! What is done to every request, whatever it asks.

use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::form::JSON;
use crate::call::RequestSid;
use crate::http::IDLE_SECONDS_HINT;

const REQUEST_ID: HeaderName = HeaderName::from_static("twilio-request-id");
const REQUEST_DURATION: HeaderName = HeaderName::from_static("twilio-request-duration");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How long a request may take, in seconds. The model answers within milliseconds, so whoever waits this long
/// waits for something broken; the SDKs give up after 30 s or never.
const REQUEST_SECONDS_MAX: u64 = 15;

/// Names the request, and says in the answer how long it took and how long the connection may idle.
///
/// Neither the path nor the query goes to the log: labels and numbers are people's.
pub(super) async fn stamp(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestSid::generate().to_string();
    let method = request.method().clone();

    let mut response = next.run(request).await;
    let took = began.elapsed();
    let status = response.status();
    tracing::debug!(request = id, %method, status = status.as_u16(), ?took, "answered");

    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, text(&id));
    headers.insert(REQUEST_DURATION, text(&format!("{:.3}", took.as_secs_f64())));
    headers.insert(KEEP_ALIVE, text(&format!("timeout={IDLE_SECONDS_HINT}")));
    if status != StatusCode::NO_CONTENT && status != StatusCode::SWITCHING_PROTOCOLS {
        headers.entry(CONTENT_TYPE).or_insert(JSON);
    }
    response
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("letters, digits and punctuation in ASCII")
}

/// Answers 503 for what takes too long, and lets go of it.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(Duration::from_secs(REQUEST_SECONDS_MAX), next.run(request));
    answer.await.unwrap_or_else(|_| {
        ApiError::unavailable(format!(
            "The request took longer than {REQUEST_SECONDS_MAX} seconds. It may or may not have been \
             done: fetch the resource to see."
        ))
        .into_response()
    })
}

/// Gives the router's bare 405 a body that says what the resource does allow.
pub(super) async fn explain_method(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    match response.headers_mut().remove(ALLOW) {
        Some(allow) => ApiError::method(&method, &path, allow).into_response(),
        None => response,
    }
}
