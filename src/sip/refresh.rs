//! Signs of life that we owe (RFC 4028 §10): an UPDATE, or a re-INVITE that asks for nothing new; and what happens when one
//! meets an offer of the far end (RFC 3261 §14, RFC 3311 §5.2).
//!
//! ```text
//! us ── re-INVITE ──▶        us ── re-INVITE ──▶
//!    ◀── re-INVITE ── far       ◀──── 491 ────── far end
//! us ──── 491 ────▶          again after a time that is drawn, so that the two miss each other
//! ```

use std::future::pending;
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, Response, StatusCode, StatusCodeKind};
use rsipstack::transaction::key::TransactionRole;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::debug;

use super::call::{Call, Next, sdp_follows};
use super::guard::SUPPORTED;
use super::headers::{self, other};
use super::session_timer::Refresher;

/// A refresh that was sent, until it is answered. It is let go when the call ends.
pub(super) struct Refreshing {
    /// It has an offer in it: it is a re-INVITE.
    has_offer: bool,
    answer: JoinHandle<Option<Response>>,
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

/// What a refresh is answered with; if there is none, never.
pub(super) async fn answer_to(refreshing: &mut Option<Refreshing>) -> Option<Response> {
    match refreshing {
        // One that broke has brought no answer.
        Some(refreshing) => (&mut refreshing.answer).await.ok().flatten(),
        None => pending().await,
    }
}

impl Call {
    /// Whether an offer of the far end comes while one of ours is unanswered: then it is to try again later, and so are we.
    pub(super) fn meets_ours(&self, request: &Request) -> bool {
        let offers = request.method == Method::Invite || !request.body.is_empty();
        let we_offer = self.refreshing.as_ref().is_some_and(|refreshing| refreshing.has_offer);
        offers && (we_offer || self.awaits_answer.is_some())
    }

    pub(super) fn restart_timer(&mut self) {
        self.act_at = self.timer.map(|timer| Instant::now() + timer.act_after());
    }

    pub(super) async fn timer_is_due(&mut self) -> Next {
        self.act_at = None;
        match self.timer.map(|timer| timer.refresher) {
            Some(Refresher::Us) => {
                self.refresh();
                Next::GoOn
            }
            Some(Refresher::Them) => self.give_up("SIP;cause=408;text=\"session expired\"").await,
            None => Next::GoOn,
        }
    }

    /// Asks for a sign of life. The call goes on while the far end thinks about it.
    fn refresh(&mut self) {
        let timer = self.timer.map(|timer| other("Session-Expires", timer.refresh()));
        let mut headers: Vec<Header> = timer.into_iter().collect();
        headers.push(Header::Supported(SUPPORTED.into()));
        let has_offer = !self.peer_updates;
        let said = has_offer.then(|| self.terms.offer_the_same().into_bytes());
        let method = if has_offer { Method::Invite } else { Method::Update };
        headers.extend(has_offer.then(sdp_follows));
        let asker = self.asker();
        let answer = tokio::spawn(async move { asker.ask(method, headers, said).await });
        self.refreshing = Some(Refreshing { has_offer, answer });
    }

    /// Our refresh was answered. An answer that is no 2xx, but an answer, is a sign of life as well.
    pub(super) async fn is_answered(&mut self, response: Option<Response>) -> Next {
        self.refreshing = None;
        let gone = [StatusCode::CallTransactionDoesNotExist, StatusCode::RequestTimeout];
        let Some(response) = response.filter(|response| !gone.contains(&response.status_code)) else {
            return self.give_up("SIP;cause=408;text=\"session refresh failed\"").await;
        };
        if response.status_code == StatusCode::RequestPending {
            self.act_at = Some(Instant::now() + pause_after_glare(self.dialog.role(), draw()));
            return Next::GoOn;
        }
        if response.status_code.kind() == StatusCodeKind::Successful {
            self.refreshed(&response).await;
        }
        self.restart_timer();
        Next::GoOn
    }

    /// What the answer to our refresh says: the interval, and to a re-INVITE how the far end's media stand.
    async fn refreshed(&mut self, response: &Response) {
        let interval = headers::value(response, "Session-Expires", Some("x"));
        self.timer = self.timer.map(|timer| timer.answered(interval.as_deref(), self.session_interval_min));
        if response.body.is_empty() {
            return;
        }
        // We asked for nothing new; what cannot be read or done leaves all as it was.
        if let Ok(media) = self.terms.read_answer(&response.body).await
            && let Err(e) = self.calls.set_call_media(self.sid, media).await
        {
            debug!(call = %self.sid, error = %e, "media not refreshed");
        }
    }
}

/// How long whoever was answered 491 waits (RFC 3261 §14.1), in steps of 10 ms: whoever made the Call-ID, which is who
/// called, 2.1 to 4 seconds, the other up to 2, so that they do not meet again.
fn pause_after_glare(role: TransactionRole, drawn: u8) -> Duration {
    let (least, steps) = match role {
        TransactionRole::Client => (2_100, 191),
        TransactionRole::Server => (0, 201),
    };
    Duration::from_millis(least + u64::from(drawn) * steps / 256 * 10)
}

/// Chance that is missing is no reason to give a call up.
fn draw() -> u8 {
    let mut drawn = [0];
    let _ = getrandom::fill(&mut drawn);
    drawn[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_called_waits_longer_after_glare_than_who_was_called() {
        let pauses =
            |role: TransactionRole| [0, 128, 255].map(|drawn| pause_after_glare(role, drawn).as_millis());
        assert_eq!(pauses(TransactionRole::Client), [2_100, 3_050, 4_000]);
        assert_eq!(pauses(TransactionRole::Server), [0, 1_000, 2_000]);
    }
}
