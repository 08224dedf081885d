//! What a browser asks for over HTTP: a call by its offer, and the end of it. Each request has a connection of its own.

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, LOCATION};
use hyper::{Request, StatusCode};
use serde_json::Value;
use std::time::{Duration, Instant};

use crate::load::node_api::NodeApi;

/// Where calls begin.
const CALLS: &str = "/v1/browser/calls";
/// Whoever is called may think for three seconds, and a busy machine for some more.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// An answer has some kilobytes.
const ANSWER_LEN_MAX: usize = 1 << 16;

/// An offer that was answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) sdp: String,
    /// Where the call is from then on.
    pub(super) location: String,
    pub(super) took: Duration,
}

/// Why one was not.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// By a status that is none of success, with what it says.
    Refused(u16, String),
    /// No answer came, or none that can be read.
    Silent,
}

/// Offers a call to whoever is named, in the name of the token's holder.
pub(super) async fn offer(
    api: &NodeApi,
    token: &str,
    to: &str,
    offer: String,
) -> Result<Answered, Unanswered> {
    let query: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let asked = ask(api, "POST", &format!("{CALLS}?To={query}"), token, offer).await;
    let (status, headers, body, took) = asked.map_err(|_| Unanswered::Silent)?;
    if !status.is_success() {
        return Err(Unanswered::Refused(status.as_u16(), reason(&body)));
    }
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or(Unanswered::Silent)?;
    Ok(Answered { sdp: body, location: location.to_owned(), took })
}

/// Ends a call.
///
/// # Errors
/// When that is not answered with success.
pub(super) async fn hang_up(api: &NodeApi, token: &str, location: &str) -> anyhow::Result<()> {
    let (status, _, body, _) = ask(api, "DELETE", location, token, String::new()).await?;
    // One that is over already: how it ended is seen where its media was.
    let is_over = status.is_success() || status == StatusCode::NOT_FOUND;
    anyhow::ensure!(is_over, "it answers {status}: {}", reason(&body));
    Ok(())
}

type Got = (StatusCode, HeaderMap, String, Duration);

async fn ask(api: &NodeApi, method: &str, path: &str, token: &str, sdp: String) -> anyhow::Result<Got> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, api.address().to_string())
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(CONTENT_TYPE, "application/sdp")
        .body(Full::new(Bytes::from(sdp)))?;
    tokio::time::timeout(ANSWER_MAX, exchange(api, request)).await.context("it does not answer")?
}

async fn exchange(api: &NodeApi, request: Request<Full<Bytes>>) -> anyhow::Result<Got> {
    let mut connection = api.connect().await?;
    connection.ready().await?;
    // A browser is connected already: it has its page from somewhere.
    let start = Instant::now();
    let answer = connection.send_request(request).await?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_LEN_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("its answer: {error}"))?.to_bytes();
    let took = start.elapsed();
    Ok((head.status, head.headers, String::from_utf8_lossy(&body).into_owned(), took))
}

/// What the node says of a refusal.
fn reason(body: &str) -> String {
    let parsed = serde_json::from_str::<Value>(body).ok();
    parsed.and_then(|problem| Some(problem["message"].as_str()?.to_owned())).unwrap_or_default()
}
