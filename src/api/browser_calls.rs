//! Calls of browsers over HTTP: an offer is posted, and the answer comes back, as WHIP does it (RFC 9725). Who may is said by
//! an access token, not by the account's credentials, which have no place in a browser.
//!
//! What an offer within a call is made for is said by an entity tag, which names the state of ICE (RFC 9725 §4.3.1): with each
//! restart it is another one.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH,
    LOCATION,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{patch, post};
use chrono::Utc;

use super::error::ApiError;
use super::form::Query;
use super::settings::flag;
use super::{BODY_MAX, Shared};
use crate::call::{CallSid, NotAdmitted};
use crate::token::Grant;
use crate::webrtc::{BrowserAnswer, BrowserError, BrowserOrder, Wanted};

/// Where they are.
const PATH: &str = "/v1/browser/calls";

/// What an offer and an answer are.
const SDP: &str = "application/sdp";

/// Which call it became, for those who cannot read `Location`.
const CALL_SID: HeaderName = HeaderName::from_static("x-call-sid");

/// What pages of other origins may read of an answer, and say in a request.
const EXPOSED: &str = "location, etag, x-call-sid";
const ALLOWED: &str = "authorization, content-type, if-match";

/// What the path's parameters are called that are not the application's.
const NOT_FOR_APPLICATION: [&str; 3] = ["Conference", "Muted", "Coach"];

/// The routes. They need no credentials but a token, which is looked at by each.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route(PATH, post(create))
        .route(&format!("{PATH}/{{call}}"), patch(renegotiate).delete(hang_up))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(allow_origins))
}

/// Lets pages of any origin ask: what lets them in is the token that they show, and no cookie does.
async fn allow_origins(request: axum::extract::Request, next: Next) -> Response {
    let is_question = request.method() == Method::OPTIONS;
    let mut response =
        if is_question { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if is_question {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, PATCH, DELETE"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED));
        // A day: as long as a token lives at most.
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    }
    response
}

/// What the token of a request grants.
pub(super) struct Granted(Grant);

impl FromRequestParts<Shared> for Granted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, ApiError> {
        const HOW: &str = "send an access token as `Authorization: Bearer ...`";
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        let (_, token) =
            token.ok_or_else(|| ApiError::no_token(20_101, &format!("No access token: {HOW}.")))?;
        let verified = state.tokens.verify(token.trim(), Utc::now());
        verified.map(Self).map_err(|error| ApiError::no_token(error.code(), &format!("{error}; {HOW}.")))
    }
}

/// Begins a call of a browser's.
///
/// The body is an offer as `RTCPeerConnection` makes it; the call follows the script of the access token's application,
/// which is told all other parameters as well. It is answered when the script answers, or after three seconds.
#[utoipa::path(
    post,
    path = "/v1/browser/calls",
    tag = "Browsers",
    operation_id = "CreateBrowserCall",
    params(
        ("To" = Option<String>, Query, description = "Whom it calls, as the application is told."),
        ("Conference" = Option<String>, Query, description = "Tokens of the console: the conference, CF..., to enter."),
        ("Muted" = Option<bool>, Query, description = "Nobody hears them there."),
        ("Coach" = Option<String>, Query, description = "The call, CA..., that alone hears them there."),
    ),
    request_body(content = String, content_type = "application/sdp", description = "The offer."),
    responses((
        status = 201,
        body = String,
        content_type = "application/sdp",
        description = "The answer.",
        headers(
            ("Location" = String, description = "The call's place."),
            ("ETag" = String, description = "The state of ICE, which a PATCH names."),
            ("X-Call-Sid" = String, description = "The call: CA and 32 hexadecimal digits.")
        )
    ))
)]
pub(super) async fn create(
    State(state): State<Shared>,
    Granted(grant): Granted,
    Query(parameters): Query,
    headers: HeaderMap,
    offer: Bytes,
) -> Result<Response, ApiError> {
    check_type(&headers)?;
    let sid = |name: &'static str| parameters.one(name).map(|value| value.filter(|value| !value.is_empty()));
    let conference = sid("Conference")?.map(|value| {
        value.parse().map_err(|_| ApiError::value("Conference", value, "the SID of a conference, CF..."))
    });
    let coach = sid("Coach")?
        .map(|value| value.parse().map_err(|_| ApiError::value("Coach", value, "the SID of a call, CA...")));
    let wanted = Wanted {
        to: parameters.one("To")?.unwrap_or_default().to_owned(),
        parameters: parameters.without(&NOT_FOR_APPLICATION),
        conference: conference.transpose()?,
        muted: flag(&parameters, "Muted")?.unwrap_or_default(),
        coach: coach.transpose()?,
    };
    let way = state.browsers.way(&state.directory, &grant, wanted).await.map_err(refusal)?;
    let order = BrowserOrder {
        account: grant.account,
        identity: grant.identity,
        to: way.to,
        destination: way.destination,
        status: way.status,
        offer: offer.into(),
    };
    let BrowserAnswer { call, sdp } = state.browsers.call(order).await.map_err(refusal)?;
    let text = |text: String| HeaderValue::from_str(&text).expect("a path of letters and digits");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(SDP)),
        (LOCATION, text(format!("{PATH}/{call}"))),
        (ETAG, entity_tag(&sdp)),
        (CALL_SID, text(call.to_string())),
    ];
    Ok((StatusCode::CREATED, headers, sdp).into_response())
}

/// Answers another offer within a call.
///
/// Other ICE credentials in it are a restart of ICE, another direction is a hold.
#[utoipa::path(
    patch,
    path = "/v1/browser/calls/{CallSid}",
    tag = "Browsers",
    operation_id = "RenegotiateBrowserCall",
    params((
        "If-Match" = String,
        Header,
        description = "The ETag of the answer that came last, or `*`. Without one it is a 428, with an old one a 412."
    )),
    request_body(content = String, content_type = "application/sdp", description = "The offer."),
    responses((
        status = 200,
        body = String,
        content_type = "application/sdp",
        description = "The answer.",
        headers(("ETag" = String, description = "The state of ICE, another one after a restart."))
    ))
)]
pub(super) async fn renegotiate(
    State(state): State<Shared>,
    Granted(grant): Granted,
    Path(call): Path<String>,
    headers: HeaderMap,
    offer: Bytes,
) -> Result<Response, ApiError> {
    check_type(&headers)?;
    let call = sid(&call)?;
    let known = known(&headers)?;
    let whose = (grant.account, grant.identity.as_str());
    let sdp = state.browsers.renegotiate_knowing(whose, call, known, &offer).await.map_err(refusal)?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(SDP)), (ETAG, entity_tag(&sdp))], sdp).into_response())
}

/// Names the state of ICE that an answer of ours describes: by our user fragment, which each restart draws anew.
fn entity_tag(answer: &str) -> HeaderValue {
    let ufrag = answer.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap_or_default();
    HeaderValue::from_str(&format!("\"{ufrag}\"")).expect("letters and digits")
}

/// Which states of ICE whoever asks knows of (RFC 9110 §13.1.1): none if any will do. A weak tag is like no other.
fn known(headers: &HeaderMap) -> Result<Option<Vec<String>>, ApiError> {
    let lines: Vec<&HeaderValue> = headers.get_all(IF_MATCH).iter().collect();
    if lines.is_empty() {
        return Err(ApiError::no_precondition());
    }
    let tags: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    if tags == ["*"] {
        return Ok(None);
    }
    let opaque = |tag: &&str| Some(tag.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    Ok(Some(tags.iter().filter_map(opaque).collect()))
}

/// Hangs up.
#[utoipa::path(
    delete,
    path = "/v1/browser/calls/{CallSid}",
    tag = "Browsers",
    operation_id = "DeleteBrowserCall",
    responses((status = 204, description = "It is over."))
)]
pub(super) async fn hang_up(
    State(state): State<Shared>,
    Granted(grant): Granted,
    Path(call): Path<String>,
) -> Result<StatusCode, ApiError> {
    let whose = (grant.account, grant.identity.as_str());
    state.browsers.hang_up(whose, sid(&call)?).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

fn sid(text: &str) -> Result<CallSid, ApiError> {
    text.parse().map_err(|_| refusal(BrowserError::NoCall))
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(SDP) { Ok(()) } else { Err(ApiError::not_sdp(given)) }
}

pub(super) fn refusal(error: BrowserError) -> ApiError {
    let message = format!("The browser's call: {error}.");
    match error {
        BrowserError::Offer(_)
        | BrowserError::Parameters
        | BrowserError::TooManyListeners
        | BrowserError::Call(_)
        // There was a seat when it was looked for, or whoever is to be coached has gone.
        | BrowserError::NotAdmitted(NotAdmitted::NoSeat(_)) => ApiError::parameter(message),
        BrowserError::Outdated => ApiError::outdated(message),
        BrowserError::NotGranted => ApiError::forbidden(20_106, message),
        BrowserError::NoScript => ApiError::coded(21_218, message),
        BrowserError::Refused => ApiError::forbidden(31_603, message),
        BrowserError::Busy => ApiError::forbidden(31_486, message),
        BrowserError::Ended => ApiError::coded(31_480, message),
        BrowserError::NoCall | BrowserError::NoPage => ApiError::not_found(message),
        BrowserError::NotAdmitted(_) | BrowserError::Certificate(_) | BrowserError::Overloaded => {
            ApiError::unavailable(message)
        }
    }
}
