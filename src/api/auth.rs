//! Who may ask: HTTP Basic (RFC 7617) with the account's SID and its auth token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::error::{ApiError, Quoted};
use super::form::check_encoding;
use super::{API_VERSION, ApiState};
use crate::call::AccountSid;

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

/// Lets a request through if it brings the credentials and its path is well-formed and in their account.
pub(super) async fn guard(
    State(state): State<Arc<ApiState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    authenticate(&state, request.headers())?;
    check_path(&state, request.uri().path())?;
    request.extensions_mut().insert(Acting(state.account));
    Ok(next.run(request).await)
}

fn authenticate(state: &ApiState, headers: &HeaderMap) -> Result<(), ApiError> {
    const HOW: &str =
        "use HTTP Basic with the account SID as the user name and its auth token as the password";

    if !headers.contains_key(AUTHORIZATION) {
        return Err(ApiError::unauthenticated(&format!("No credentials were sent; {HOW}.")));
    }
    let Some(credentials) = basic_credentials(headers) else {
        return Err(ApiError::unauthenticated(&format!(
            "The Authorization header cannot be read as credentials; {HOW}."
        )));
    };
    // Both are compared whichever differs: how long a refusal takes says nothing of which was right.
    let account = bool::from(state.account.to_string().as_bytes().ct_eq(&credentials.user));
    let token = state.auth_token.matches(&credentials.password);
    if account & token {
        return Ok(());
    }
    Err(ApiError::unauthenticated(&format!("The user name or the password is wrong; {HOW}.")))
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

/// Another account is answered as one that does not exist: on this node it does not.
fn check_path(state: &ApiState, path: &str) -> Result<(), ApiError> {
    check_encoding(path.as_bytes(), "The path")?;
    let Some(rest) = path.strip_prefix(&format!("/{API_VERSION}/Accounts/")) else {
        return Ok(());
    };
    let account = rest.split('/').next().unwrap_or_default();
    let account = account.strip_suffix(".json").unwrap_or(account);
    if account.parse() == Ok(state.account) {
        return Ok(());
    }
    Err(ApiError::not_found(format!(
        "There is no account {} on this node; its account is {}.",
        Quoted(account),
        state.account
    )))
}
