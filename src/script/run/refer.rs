//! Transfers: Refer asks the caller's phone to call somebody itself (RFC 3515), and `referUrl` of Dial hears of phones
//! that want another called instead of themselves.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;
use tracing::debug;

use super::super::code::CANNOT_REFER;
use super::super::verbs::Refer;
use super::super::verbs::dial::{Dial, SipAddress};
use super::announce::told;
use super::wait::{Other, Woken};
use super::{Flow, Runner};
use crate::call::{CallSid, ReferStep};

/// How long a phone may take to say what became of the call that it was asked to make. It may ring for as long as a
/// call of ours may by default.
const REFER_PATIENCE: Duration = Duration::from_secs(60);

/// What is told to a phone whose wish was taken up, and to one whose was not (RFC 3261 §21).
const TAKEN_UP: u16 = 200;
const DECLINED: u16 = 603;

/// How a phone says that it knows no REFER (RFC 3261 §8.2.1), and how those do that know no other methods than their own.
const METHOD_NOT_ALLOWED: u16 = 405;
const NOT_IMPLEMENTED: u16 = 501;

/// What a phone said of the call that it was asked to make.
#[derive(Default)]
struct Referral {
    response: Option<u16>,
    notified: Option<u16>,
}

impl Runner {
    pub(super) async fn refer(&mut self, refer: &Refer) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let mut referral = Referral::default();
        if let Err(error) = self.scripts.calls.refer(self.call.sid, refer_to(&refer.to)).await {
            self.note(CANNOT_REFER, &format!("The far end cannot be asked to call somebody else: {error}."));
            return self.after(refer.action.as_ref(), referral.told());
        }
        let until = Some(Instant::now() + REFER_PATIENCE);
        loop {
            match self.wait(None, until).await {
                Woken::Other(Other::Refer(step)) => {
                    if referral.is_decided_by(step) {
                        break;
                    }
                }
                Woken::Time => break,
                Woken::Gone(Flow::Over) => {
                    self.inform(refer.action.as_ref(), referral.told());
                    return Flow::Over;
                }
                Woken::Gone(flow) => return flow,
                Woken::Other(_) | Woken::Played | Woken::Key(_) | Woken::Left => {}
            }
        }
        if let Some(status @ (METHOD_NOT_ALLOWED | NOT_IMPLEMENTED)) = referral.response {
            self.note(CANNOT_REFER, &format!("The far end takes no REFER: it answered {status}."));
        }
        self.after(refer.action.as_ref(), referral.told())
    }

    /// One who was called wants another called instead. Where the script goes on, if somebody listens to such wishes.
    pub(super) async fn referred(&mut self, dial: &Dial, call: CallSid, to: String) -> Option<Flow> {
        let Some(callback) = &dial.refer else {
            self.note(13_802, "One who was called wants another called instead; <Dial> has no referUrl.");
            self.answer_refer(call, DECLINED).await;
            return None;
        };
        self.answer_refer(call, TAKEN_UP).await;
        self.leave().await;
        Some(self.go_to(callback, vec![told("ReferTransferTarget", to)]))
    }

    async fn answer_refer(&self, call: CallSid, status: u16) {
        if let Err(error) = self.scripts.calls.answer_refer(call, status).await {
            debug!(%call, %error, "not told what became of its wish");
        }
    }
}

impl Referral {
    /// The NOTIFY may overtake the answer (RFC 3515 §2.4.4), which is waited for all the same: it always comes, if only
    /// because nobody answered.
    fn is_decided_by(&mut self, step: ReferStep) -> bool {
        match step {
            ReferStep::Answered(status) => self.response = Some(status),
            ReferStep::Notified(status) => self.notified = Some(status),
        }
        self.response
            .is_some_and(|status| !is_success(status) || self.notified.is_some_and(|last| last >= 200))
    }

    fn told(&self) -> Vec<(String, String)> {
        let is_completed = self.notified.is_some_and(is_success);
        let status = if is_completed { "completed" } else { "failed" };
        let mut parameters = vec![told("ReferCallStatus", status)];
        parameters.extend(self.response.map(|status| told("ReferSipResponseCode", status)));
        parameters.extend(self.notified.map(|status| told("NotifySipResponseCode", status)));
        parameters
    }
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// The URI with its headers (RFC 3261 §19.1.1), whose values are escaped.
fn refer_to(address: &SipAddress) -> String {
    let headers: Vec<String> = address
        .headers
        .iter()
        .map(|header| format!("{}={}", header.name, utf8_percent_encode(&header.value, NON_ALPHANUMERIC)))
        .collect();
    match headers.is_empty() {
        true => address.uri.clone(),
        false => format!("{}?{}", address.uri, headers.join("&")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phone_says_is_waited_for_in_either_order() {
        for steps in [
            [ReferStep::Answered(202), ReferStep::Notified(200)],
            [ReferStep::Notified(200), ReferStep::Answered(202)],
        ] {
            let mut referral = Referral::default();
            assert_eq!(steps.map(|step| referral.is_decided_by(step)), [false, true]);
            assert_eq!((referral.response, referral.notified), (Some(202), Some(200)));
        }
        assert!(Referral::default().is_decided_by(ReferStep::Answered(603)));
        assert!(!Referral::default().is_decided_by(ReferStep::Notified(100)));
    }
}
