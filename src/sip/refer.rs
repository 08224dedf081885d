//! REFER and the NOTIFYs that follow it (RFC 3515), both ways, within a call.
//!
//! ```text
//! far end ── REFER ──▶ us: 202, NOTIFY 100 ─▶ model ─▶ … ─▶ NOTIFY with what became of it
//! us ── REFER ──▶ far end: 202, NOTIFYs ─▶ model
//! ```

use std::time::Duration;

use rsipstack::sip::{Header, Method, Request, StatusCode};
use tokio::time::timeout;
use tracing::debug;

use super::asking::Asker;
use super::headers::{self, other};
use crate::call::{CallSid, Handle, ReferStep};

/// The longest URI that is passed on, in bytes: a URI with a Replaces header has some hundreds.
const TARGET_MAX: usize = 1_024;

/// How long the call's task waits for the answer to a NOTIFY. What the far end makes of it changes nothing.
const NOTIFY_PATIENCE: Duration = Duration::from_secs(2);

/// How long the far end need not ask again what became of its REFER (RFC 3515 §2.4.4), in seconds.
const EXPIRES: u32 = 60;

/// Whom a REFER wants called: the URI in its one Refer-To.
pub(super) fn target(request: &Request) -> Option<String> {
    let mut values = headers::values(request, "Refer-To", Some("r")).into_iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let uri = match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>')?.0,
        None => value.split(';').next()?,
    };
    let uri = uri.trim();
    let is_fine = !uri.is_empty() && uri.len() <= TARGET_MAX && uri.chars().all(|c| c.is_ascii_graphic());
    is_fine.then(|| uri.to_owned())
}

/// The status that a NOTIFY of a REFER tells: the first line of its `message/sipfrag` (RFC 3420).
pub(super) fn notified(request: &Request) -> Option<u16> {
    let event = headers::value(request, "Event", Some("o"))?;
    let is_refer = event.split(';').next()?.trim().eq_ignore_ascii_case("refer");
    if is_refer { status_of(&request.body) } else { None }
}

fn status_of(fragment: &[u8]) -> Option<u16> {
    let status = fragment.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    (100..700).contains(&status).then_some(status)
}

/// Tells the far end how far its REFER got. A final status ends the subscription.
pub(super) async fn notify(asker: &Asker, status: u16) {
    let state = match status {
        ..200 => format!("active;expires={EXPIRES}"),
        200.. => "terminated;reason=noresource".to_owned(),
    };
    let code = StatusCode::from(status);
    let body = format!("SIP/2.0 {status} {}\r\n", code.text()).into_bytes();
    let headers = vec![
        Header::Event("refer".into()),
        Header::SubscriptionState(state.into()),
        Header::ContentType("message/sipfrag;version=2.0".into()),
    ];
    if timeout(NOTIFY_PATIENCE, asker.ask(Method::Notify, headers, Some(body))).await.is_err() {
        debug!("NOTIFY not answered");
    }
}

/// Asks the far end to call somebody, and tells the model what it answers.
pub(super) async fn send(asker: Asker, calls: Handle, call: CallSid, to: String) {
    let headers = vec![other("Refer-To", format!("<{to}>"))];
    let response = asker.ask(Method::Refer, headers, None).await;
    // No answer is one that says so (RFC 3261 §8.1.3.1).
    let status = response.map_or(408, |response| response.status_code.into());
    calls.refer_progressed(call, ReferStep::Answered(status)).await;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fragment_says_its_status_in_its_first_line() {
        for (fragment, status) in [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("SIP/2.0 100 Trying", Some(100)),
            ("SIP/2.0 603", Some(603)),
            ("SIP/2.0 099 Never", None),
            ("SIP/2.0 7000", None),
            ("SIP/2.0 2", None),
            ("INVITE sip:a@b SIP/2.0", None),
            ("", None),
        ] {
            assert_eq!(status_of(fragment.as_bytes()), status, "{fragment}");
        }
    }

    proptest! {
        #[test]
        fn no_fragment_is_too_odd(fragment in proptest::collection::vec(any::<u8>(), 0..32)) {
            let status = status_of(&[b"SIP/2.0 ".as_slice(), &fragment].concat());
            prop_assert!(status.is_none_or(|status| (100..700).contains(&status)));
        }
    }
}
