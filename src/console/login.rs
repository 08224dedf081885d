//! Logging in and out, and what only somebody who is logged in can have.
//!
//! An account's SID and auth token are exchanged for a cookie: `HttpOnly`, so that no script can read it, and
//! `SameSite=Strict`, so that it comes with requests of this node's own pages only.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::info;

use super::Desk;
use super::page::HEADERS;
use crate::config::Secret;
use crate::directory::{LOGIN_MAX, Logins, Principal, PrincipalKind};
use crate::http::{Connection, cookie, is_same_origin};
use crate::sid::AccountSid;
use crate::token::Wanted;

/// How long a token with which the page calls is valid: it is used at once.
const TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(2);

#[derive(Deserialize)]
struct Credentials {
    account_sid: String,
    auth_token: Secret,
}

/// Logs in.
pub(super) async fn begin(
    State(desk): State<Arc<Desk>>,
    Extension(on): Extension<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_ours(&headers) {
        return refusal(StatusCode::FORBIDDEN, "This is for the console's own page.");
    }
    let (from, now) = (on.peer.ip(), Instant::now());
    if let Some(wait) = desk.attempts.wait(from, now) {
        let told = "Too many wrong tokens came from here; wait a minute.";
        let mut refused = refusal(StatusCode::TOO_MANY_REQUESTS, told);
        refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return refused;
    }
    let Ok(credentials) = serde_json::from_slice::<Credentials>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "That is no account SID and auth token in JSON.");
    };
    let token = credentials.auth_token.expose().as_bytes();
    let found = desk.state.directory.authenticate(credentials.account_sid.as_bytes(), token);
    // A key may be taken back, and whoever has it could go on for hours: it is for programs.
    let Some(who) = found.ok().filter(|who| who.kind == PrincipalKind::Account) else {
        desk.attempts.failed(from, now);
        info!(%from, "log in at the console refused");
        return refusal(StatusCode::UNAUTHORIZED, "The account SID or the auth token is wrong.");
    };
    info!(account = %who.account, %from, "logged in at the console");
    let name = desk.state.logins.begin(who, now);
    let mut response = described(&desk, who.account);
    set_cookie(&mut response, name.expose(), LOGIN_MAX.as_secs(), on.is_secure);
    response
}

/// Who is logged in.
pub(super) async fn fetch(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    match desk.logged_in(&headers) {
        Some(who) => described(&desk, who.account),
        None => not_logged_in(),
    }
}

/// Logs out.
pub(super) async fn end(
    State(desk): State<Arc<Desk>>,
    Extension(on): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    if !is_ours(&headers) {
        return refusal(StatusCode::FORBIDDEN, "This is for the console's own page.");
    }
    if let Some(name) = cookie(&headers, Logins::COOKIE) {
        desk.state.logins.end(name);
    }
    let mut response = (StatusCode::NO_CONTENT, HEADERS).into_response();
    set_cookie(&mut response, "", 0, on.is_secure);
    response
}

/// A token with which the page calls this node: to listen, whisper and barge, and to dial.
pub(super) async fn token(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    let Some(who) = desk.logged_in(&headers).filter(|_| is_ours(&headers)) else {
        return not_logged_in();
    };
    let wanted = Wanted {
        account: who.account,
        identity: "console".to_owned(),
        application_sid: None,
        incoming_allow: false,
        is_supervisor: true,
        lifetime: TOKEN_LIFETIME,
    };
    let token = desk.state.tokens.issue(&wanted, Utc::now());
    told(StatusCode::OK, &json!({"token": token}))
}

impl Desk {
    /// Who is logged in, by their cookie.
    pub(super) fn logged_in(&self, headers: &HeaderMap) -> Option<Principal> {
        let name = cookie(headers, Logins::COOKIE).filter(|_| is_same_origin(headers))?;
        let who = self.state.logins.find(name, Instant::now())?;
        self.state.directory.is_active(who.account).then_some(who)
    }
}

/// Whether the page itself asks.
fn is_ours(headers: &HeaderMap) -> bool {
    headers.contains_key(Logins::HEADER) && is_same_origin(headers)
}

fn described(desk: &Desk, account: AccountSid) -> Response {
    let found = desk.state.directory.account(account);
    let description = json!({
        "account_sid": account,
        "friendly_name": found.map(|account| account.friendly_name.clone()),
        "version": env!("CARGO_PKG_VERSION"),
        "browser_media": desk.state.has_browser_media,
    });
    told(StatusCode::OK, &description)
}

pub(super) fn not_logged_in() -> Response {
    refusal(StatusCode::UNAUTHORIZED, "Nobody is logged in.")
}

pub(super) fn refusal(status: StatusCode, message: &str) -> Response {
    told(status, &json!({"status": status.as_u16(), "message": message}))
}

fn told(status: StatusCode, json: &Value) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
    (status, HEADERS, [(CONTENT_TYPE, JSON)], json.to_string()).into_response()
}

fn set_cookie(response: &mut Response, name: &str, seconds: u64, is_secure: bool) {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = Logins::COOKIE;
    let text = format!("{cookie}={name}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let value = HeaderValue::try_from(text).expect("letters, digits and punctuation in ASCII");
    response.headers_mut().insert(SET_COOKIE, value);
}
