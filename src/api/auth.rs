//! Who may ask: HTTP Basic (RFC 7617) with an account's SID and its auth token, or with a key's SID and its secret. Or whoever
//! is logged in at the console, by their cookie: for a page of this node itself and no other. A request that is more than a
//! look must say that in a header, which no page of another origin can send.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tracing::info;
use zeroize::Zeroizing;

use super::error::{ApiError, Quoted};
use super::form::check_encoding;
use super::{API_VERSION, ApiState};
use crate::call::AccountSid;
use crate::directory::{Denied, Logins, NotAuthenticated, Principal, Subject};
use crate::http::{cookie, is_same_origin};

/// The account in whose name a request is made: the one in its path, or where there is none that of the credentials.
#[derive(Clone, Copy)]
pub(super) struct Acting(pub(super) AccountSid);

impl<S: Send + Sync> FromRequestParts<S> for Acting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Put there by the guard, which is around every resource that wants it.
        parts.extensions.get().copied().ok_or_else(|| ApiError::unknown_path(parts.uri.path()))
    }
}

/// Whose credentials a request brought.
#[derive(Clone, Copy)]
pub(super) struct Caller(pub(super) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().copied().ok_or_else(|| ApiError::unknown_path(parts.uri.path()))
    }
}

/// Lets a request through if it brings credentials, its path is well-formed, and they reach what it is about.
pub(super) async fn guard(
    State(state): State<Arc<ApiState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let from_console = cookie(request.headers(), Logins::COOKIE).is_some();
    let logged_in = if from_console { logged_in(&state, &request) } else { None };
    let caller = match logged_in.map_or_else(|| authenticate(&state, request.headers()), Ok) {
        Ok(caller) => caller,
        Err(refused) if from_console => return Ok(without_question(refused)),
        Err(refused) => return Err(refused),
    };
    let path = request.uri().path();
    check_encoding(path.as_bytes(), "The path")?;
    let (account, subject) = target(path, caller.account)?;
    let changes = request.method() == Method::POST;
    let checked = state.directory.check(caller, account, subject, changes);
    checked.map_err(|denied| refusal(denied, &account.to_string()))?;
    request.extensions_mut().insert(Acting(account));
    request.extensions_mut().insert(Caller(caller));
    Ok(next.run(request).await)
}

/// Who is logged in at the console that asks.
fn logged_in(state: &ApiState, request: &Request) -> Option<Principal> {
    let headers = request.headers();
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    let may = is_same_origin(headers) && (is_look || headers.contains_key(Logins::HEADER));
    if !may || headers.contains_key(AUTHORIZATION) {
        return None;
    }
    let found = state.logins.find(cookie(headers, Logins::COOKIE)?, Instant::now());
    found.filter(|who| state.directory.is_active(who.account))
}

/// The console asks for credentials itself; without this the browser would.
fn without_question(refused: ApiError) -> Response {
    let mut response = refused.into_response();
    response.headers_mut().remove(WWW_AUTHENTICATE);
    response
}

fn authenticate(state: &ApiState, headers: &HeaderMap) -> Result<Principal, ApiError> {
    const HOW: &str = "use HTTP Basic with the account SID as the user name and its auth token as the password, \
                       or a key's SID and its secret";

    if !headers.contains_key(AUTHORIZATION) {
        return Err(ApiError::unauthenticated(&format!("No credentials were sent; {HOW}.")));
    }
    let Some(credentials) = basic_credentials(headers) else {
        return Err(ApiError::unauthenticated(&format!(
            "The Authorization header cannot be read as credentials; {HOW}."
        )));
    };
    state.directory.authenticate(&credentials.user, &credentials.password).map_err(|refused| match refused {
        NotAuthenticated::Unknown => {
            ApiError::unauthenticated(&format!("The user name or the password is wrong; {HOW}."))
        }
        NotAuthenticated::Inactive(account) => {
            info!(%account, "credentials of an account that is not active");
            ApiError::unauthenticated(&format!("The account {account} is not active: suspended or closed."))
        }
    })
}

struct Credentials {
    user: Vec<u8>,
    password: Zeroizing<Vec<u8>>,
}

fn basic_credentials(headers: &HeaderMap) -> Option<Credentials> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(Credentials {
        user: decoded[..colon].to_vec(),
        password: Zeroizing::new(decoded[colon + 1..].to_vec()),
    })
}

/// What a path is about: the account in it, or the caller's own where there is none, and what of that account.
///
/// The path is read as the router reads it, so that neither takes for keys what the other takes for something else.
fn target(path: &str, own: AccountSid) -> Result<(AccountSid, Subject), ApiError> {
    let bare = |segment: &str| segment.strip_suffix(".json").unwrap_or(segment).to_owned();
    let Some(below) = path.strip_prefix(&format!("/{API_VERSION}/Accounts")) else {
        return Ok((own, Subject::Resources));
    };
    if below.is_empty() || below == ".json" {
        return Ok((own, Subject::Accounts));
    }
    let Some(below) = below.strip_prefix('/') else {
        return Ok((own, Subject::Resources));
    };
    let mut segments = below.split('/').map(bare);
    let account = segments.next().unwrap_or_default();
    let account = account.parse().map_err(|_| refusal(Denied::NoAccount, &account))?;
    let subject = match segments.next().as_deref() {
        None => Subject::Accounts,
        Some("Keys") => Subject::Keys,
        Some(_) => Subject::Resources,
    };
    Ok((account, subject))
}

/// Another's account is answered as one that does not exist.
fn refusal(denied: Denied, account: &str) -> ApiError {
    match denied {
        Denied::NoAccount => ApiError::not_found(format!(
            "There is no account {} that these credentials reach.",
            Quoted(account)
        )),
        Denied::StandardKey => ApiError::unauthenticated(
            "A standard key manages neither accounts nor keys; use the account's auth token or a main key.",
        ),
        Denied::KeyOfAnother => ApiError::unauthenticated(
            "A key reaches what its own account has; use the main account's auth token, or credentials of the \
             account in the path.",
        ),
        Denied::Inactive => ApiError::inactive(account),
    }
}
