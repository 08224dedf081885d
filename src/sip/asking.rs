//! Requests of ours within a call, and the challenges to them: answered as those to the call's INVITE are, with the same
//! credentials, for the same realm, and for nobody else (RFC 3261 §22.2).
//!
//! The library ends a dialog over a challenge that it cannot answer, and gives no way to answer it. So it is shown such an
//! answer as one of another kind ([`hide`]), and here it is what it was again.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::prelude::HasHeaders;
use rsipstack::sip::{Header, Method, Response, StatusCode};
use tokio::time::sleep;
use tracing::debug;

use super::challenge::{Asked, Challenged, Credentials};
use super::headers;
use super::living::Living;
use super::outgoing;

/// How often we look whether the dialog is free for a request of ours, and how many times: while a request of the far end
/// is being answered, the library sends none.
const FREE_PAUSE: Duration = Duration::from_millis(20);
const FREE_TRIES: usize = 100;

/// What a challenge is shown to the library as: a status that nobody gives who has challenges to make (RFC 3329 §2.3.1).
const HIDDEN: StatusCode = StatusCode::SecurityAgreementRequired;

/// Where challenges stand, and the status that goes with each.
const CHALLENGES: [(&str, StatusCode); 2] = [
    ("WWW-Authenticate", StatusCode::Unauthorized),
    ("Proxy-Authenticate", StatusCode::ProxyAuthenticationRequired),
];

/// Who asks within a call.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) dialog: InviteDialog,
    /// What challenges are answered with.
    pub(super) credentials: Option<Arc<Credentials>>,
}

impl Asker {
    /// Sends a request as soon as the dialog is free for one, again with each challenge that we may answer; the last answer.
    /// None came in time if there is none.
    pub(super) async fn ask(
        &self,
        method: Method,
        headers: Vec<Header>,
        body: Option<Vec<u8>>,
    ) -> Option<Response> {
        let mut challenged = Challenged::new(self.credentials.as_deref().cloned());
        let mut proof = None;
        loop {
            let all = headers.iter().cloned().chain(proof.take()).collect();
            let mut response = self.send(method, all, body.clone()).await?;
            if !show(&mut response) {
                return Some(response);
            }
            let uri = outgoing::written(&self.dialog.snapshot().remote_uri);
            let name = method.to_string();
            // It answers two at most.
            match challenged.header(&response, Asked { method: &name, uri: &uri }) {
                Ok(header) => proof = Some(header),
                Err(why) => {
                    debug!(%why, method = name, "challenge within a call not answered");
                    return Some(response);
                }
            }
        }
    }

    async fn send(&self, method: Method, headers: Vec<Header>, body: Option<Vec<u8>>) -> Option<Response> {
        for _ in 0..FREE_TRIES {
            if self.dialog.state().is_confirmed() {
                break;
            }
            sleep(FREE_PAUSE).await;
        }
        let sent = Box::pin(self.dialog.request(method, Some(headers), body)).await;
        sent.inspect_err(|e| debug!(error = %e, "request not sent")).ok().flatten()
    }
}

/// Hides a challenge to a request within a call from the library.
pub(super) fn hide(response: &mut Response, living: &Living) {
    let is_challenge = CHALLENGES.iter().any(|(_, status)| *status == response.status_code);
    if is_challenge
        && let Some(call_id) = headers::value(response, "Call-ID", Some("i"))
        && living.has(&call_id)
    {
        response.status_code = HIDDEN;
    }
}

/// Shows an answer as it came. Whether it is a challenge.
fn show(response: &mut Response) -> bool {
    if response.status_code != HIDDEN {
        return false;
    }
    let has = |name: &str| response.headers().iter().any(|header| header.name().eq_ignore_ascii_case(name));
    match CHALLENGES.into_iter().find(|(name, _)| has(name)) {
        Some((_, status)) => {
            response.status_code = status;
            true
        }
        None => false,
    }
}
