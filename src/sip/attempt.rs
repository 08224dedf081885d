//! One attempt to call somebody by one way: an INVITE, again with credentials if we are asked for them by whom we may tell
//! them, and what came of it.

use std::time::Duration;

use confab_media::Codec;
use rsipstack::dialog::dialog::DialogState;
use rsipstack::dialog::invitation::{InviteAsyncResult, InviteOption};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::platform::{CancellationToken, JoinHandle};
use rsipstack::sip::typed::Route;
use rsipstack::sip::{Header, Response, StatusCode, StatusCodeKind, Transport, Uri};
use rsipstack::transport::SipAddr;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::challenge::{Asked, Challenged, Credentials};
use super::guard::SUPPORTED;
use super::headers::{self, other};
use super::inbound::{Inbound, allow};
use super::media::MediaTerms;
use super::outgoing;
use super::secure::{NO_CONNECTION, NoConnection};
use super::states::Happened;
use super::terms::Terms;
use crate::call::{CallEnd, OutgoingCall, Progress, Signal};
use crate::config::SrtpPolicy;

/// How long a connection may take where nothing else is said: two lost SYNs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A way to somebody.
pub(super) struct Way {
    /// The Request-URI and To.
    pub(super) callee: Uri,
    /// Where that is sent.
    pub(super) destination: SipAddr,
    /// Our From.
    pub(super) caller: Uri,
    pub(super) media: WayMedia,
    /// What challenges are answered with.
    pub(super) credentials: Option<Credentials>,
    /// How long nothing at all may come back before the way is given up.
    pub(super) answer_within: Option<Duration>,
    /// The proxies on the way.
    pub(super) route: Vec<Route>,
    /// The name that its certificate must be for, where it is called over TLS.
    pub(super) name: Option<String>,
    /// The callee opened a connection to us from there, which the library knows.
    pub(super) is_connected: bool,
    /// Cancelled when that connection is gone: whoever is called by it cannot answer any more.
    pub(super) gone: Option<CancellationToken>,
    /// The Call-ID, if it is to be known.
    pub(super) call_id: Option<String>,
}

/// What the callee is offered.
pub(super) enum WayMedia {
    /// A port of the leg's own.
    Phone { codecs: Vec<Codec>, srtp: SrtpPolicy },
    /// What browsers want.
    Browser,
}

/// Why a call was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAnswered {
    pub(super) end: CallEnd,
    pub(super) status: Option<u16>,
}

impl NotAnswered {
    pub(super) const FAILED: Self = Self { end: CallEnd::Failed, status: None };
    pub(super) const CANCELED: Self = Self { end: CallEnd::Canceled, status: None };

    pub(super) const fn failed(status: u16) -> Self {
        Self { end: CallEnd::Failed, status: Some(status) }
    }
}

/// An attempt that brought no call about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The callee has decided, or whoever called: there is nothing more to try.
    Over(NotAnswered),
    /// The way does not lead to the callee. Another may.
    Astray {
        /// What is said of the call if there is no other.
        last: NotAnswered,
        /// What is wrong with the way.
        why: &'static str,
        /// It does not work for anybody now, not only for this callee.
        is_broken: bool,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Missed {
    const fn broken(status: u16, why: &'static str) -> Self {
        Self::Astray { last: NotAnswered::failed(status), why, is_broken: true, retry_after: None }
    }
}

/// An INVITE with its 2xx.
pub(super) struct Answered {
    pub(super) dialog: InviteDialog,
    pub(super) states: Happened,
    pub(super) terms: Terms,
    pub(super) response: Response,
    /// What challenges within the call are answered with.
    pub(super) credentials: Option<Credentials>,
}

/// What is told of an INVITE until it is answered. What comes behind the answer is left to whoever lives the call: a far end
/// in a hurry sends requests within it, and hangs up, before we are done with its 2xx. A request that is taken out here
/// would be answered 501 by the library, and a BYE be lost.
struct Unanswered {
    states: Happened,
    /// It was answered.
    is_over: bool,
}

impl Unanswered {
    /// What is told next; nothing any more once it is answered.
    async fn next(&mut self) -> DialogState {
        if self.is_over {
            return std::future::pending().await;
        }
        let state = self.states.next().await;
        self.is_over = state.is_confirmed();
        state
    }
}

/// Calls by one way, until `give_up` at the latest.
pub(super) async fn attempt(
    shared: &Inbound,
    outgoing: &mut OutgoingCall,
    way: Way,
    give_up: Instant,
) -> Result<Answered, Missed> {
    connect(shared, &way).await?;
    let mut terms = offer_of(shared, outgoing, &way).await?;
    let uri = outgoing::written(&way.callee);
    let mut challenged = Challenged::new(way.credentials);
    let mut invite = InviteOption {
        caller_display_name: outgoing.order.display_name.clone(),
        caller: way.caller,
        callee: way.callee,
        content_type: Some("application/sdp".to_owned()),
        offer: Some(terms.offer().into_bytes()),
        contact: shared.advertised.contact(way.destination.r#type.unwrap_or(Transport::Udp), None),
        destination: Some(way.destination),
        headers: Some(headers_of(outgoing, None)),
        route_set: way.route,
        call_id: way.call_id,
        ..InviteOption::default()
    };
    loop {
        let said =
            Attempt { give_up, answer_within: way.answer_within, gone: way.gone.clone(), has_rung: false };
        let (dialog, states, response) = said.invite(shared, outgoing, invite.clone()).await?;
        if response.status_code.kind() == StatusCodeKind::Successful {
            let credentials = challenged.into_credentials();
            return Ok(Answered { dialog, states, terms, response, credentials });
        }
        let credentials = answer_challenge(&mut challenged, &response, &uri)?;
        // The same call, with a CSeq that is higher (RFC 3261 §22.2).
        invite.call_id = headers::value(&response, "Call-ID", Some("i"));
        invite.headers = Some(headers_of(outgoing, Some(credentials)));
    }
}

/// Our half of what is to be agreed on with the callee.
async fn offer_of(shared: &Inbound, outgoing: &OutgoingCall, way: &Way) -> Result<Terms, Missed> {
    match &way.media {
        WayMedia::Phone { codecs, srtp } => {
            let far_host = way.destination.get_socketaddr().ok().map(|address| address.ip());
            let (address, port) = (shared.advertised.ip(), outgoing.rtp_port);
            let made = MediaTerms::new(address, port, codecs.clone(), *srtp, far_host);
            made.map(Terms::from).map_err(|_| Missed::Over(NotAnswered::FAILED))
        }
        WayMedia::Browser => match shared.browsers.open(outgoing.call).await {
            Ok(media) => Ok(Terms::Browser(Box::new(media))),
            Err(error) => {
                debug!(call = %outgoing.call, %error, "a browser's media cannot be had");
                Err(Missed::Over(NotAnswered::FAILED))
            }
        },
    }
}

/// What an INVITE says besides. Why somebody is called is said as RFC 9796 has it, with data that are none since the
/// header is about something (RFC 2397).
fn headers_of(outgoing: &OutgoingCall, credentials: Option<Header>) -> Vec<Header> {
    let reason = outgoing.order.reason.as_ref().map(|reason| {
        let quoted = reason.replace('\\', "\\\\").replace('"', "\\\"");
        other("Call-Info", format!("<data:,>;call-reason=\"{quoted}\""))
    });
    let told = outgoing.order.headers.iter().map(|header| other(&header.name, &header.value));
    let usual = [allow(), Header::Supported(SUPPORTED.into())];
    usual.into_iter().chain(reason).chain(told).chain(credentials).collect()
}

/// Sees to it that there is a connection where one is needed: without it the library would wait for half a minute.
async fn connect(shared: &Inbound, way: &Way) -> Result<(), Missed> {
    if way.is_connected {
        return Ok(());
    }
    let none = |NoConnection(why)| Missed::broken(503, why);
    let to = || way.destination.get_socketaddr().map_err(|_| none(NO_CONNECTION));
    let patience = way.answer_within.unwrap_or(CONNECT_TIMEOUT);
    match (way.destination.r#type, &way.name) {
        (Some(Transport::Tcp), _) => {
            shared.dialler.connect(to()?, patience).await.map_err(|_| none(NO_CONNECTION))
        }
        (Some(Transport::Tls), Some(name)) => {
            shared.secure.connect(to()?, name, patience).await.map_err(none)
        }
        // Browsers come to us.
        (Some(Transport::Ws | Transport::Wss), _) => Err(none(NO_CONNECTION)),
        _ => Ok(()),
    }
}

/// The header that answers a challenge.
fn answer_challenge(challenged: &mut Challenged, response: &Response, uri: &str) -> Result<Header, Missed> {
    challenged.header(response, Asked { method: "INVITE", uri }).map_err(|why| {
        debug!(%why, "challenge not answered");
        Missed::broken(response.status_code.clone().into(), "it does not let us call")
    })
}

/// How patient one INVITE is.
struct Attempt {
    give_up: Instant,
    answer_within: Option<Duration>,
    gone: Option<CancellationToken>,
    has_rung: bool,
}

impl Attempt {
    /// Sends an INVITE and waits until it is answered with a 2xx or a challenge.
    async fn invite(
        mut self,
        shared: &Inbound,
        outgoing: &mut OutgoingCall,
        invite: InviteOption,
    ) -> Result<(InviteDialog, Happened, Response), Missed> {
        let sent = shared.states.follow(
            |states| shared.dialogs.do_invite_async(invite, states).map_err(Box::new),
            |(dialog, _): &(InviteDialog, _)| dialog.id(),
        );
        let ((dialog, mut done), states) = sent.map_err(|e| {
            debug!(call = %outgoing.call, error = %e, "INVITE not sent");
            Missed::broken(503, "nothing can be sent to it")
        })?;
        let mut happened = Unanswered { states, is_over: false };
        let mut silent_until = self.answer_within.map(|patience| Instant::now() + patience);
        loop {
            tokio::select! {
                // In this order: that it rang must be known when what came after it is judged.
                biased;
                state = happened.next() => match state {
                    DialogState::Early(_, response) => {
                        silent_until = None;
                        self.rings(shared, outgoing, &response).await;
                    }
                    DialogState::Trying(_) | DialogState::Confirmed(..) => silent_until = None,
                    DialogState::Calling(_)
                    | DialogState::WaitAck(..)
                    | DialogState::Updated(..)
                    | DialogState::Notify(..)
                    | DialogState::Info(..)
                    | DialogState::Options(..)
                    | DialogState::Refer(..)
                    | DialogState::Message(..)
                    | DialogState::Publish(..)
                    | DialogState::Terminated(..) => {}
                },
                answered = &mut done => {
                    let response = answered.ok().and_then(Result::ok).and_then(|(_, response)| response);
                    return self.judge(response).map(|response| (dialog, happened.states, response));
                }
                signal = outgoing.signals.recv() => {
                    if !matches!(signal, Some(Signal::Answer)) {
                        cancel(shared, &dialog, done).await;
                        return Err(Missed::Over(NotAnswered::CANCELED));
                    }
                }
                () = sleep_until(self.give_up) => {
                    cancel(shared, &dialog, done).await;
                    return Err(Missed::Over(NotAnswered { end: CallEnd::NoAnswer, status: Some(487) }));
                }
                () = at(silent_until) => {
                    cancel(shared, &dialog, done).await;
                    return Err(Missed::broken(408, "it does not answer"));
                }
                () = gone(self.gone.as_ref()) => {
                    // There is nobody who could be told.
                    done.abort();
                    shared.dialogs.remove_dialog(&dialog.id());
                    return Err(Missed::Over(refused(480)));
                }
            }
        }
    }

    async fn rings(&mut self, shared: &Inbound, outgoing: &OutgoingCall, response: &Response) {
        if response.status_code != StatusCode::Trying {
            self.has_rung = true;
            shared.calls.call_progressed(outgoing.call, Progress::Ringing).await;
        }
    }

    /// The answer, if it is a 2xx or a challenge, or what it means.
    fn judge(&self, response: Option<Response>) -> Result<Response, Missed> {
        let Some(response) = response else {
            return Err(self.astray(408, "it does not answer", None));
        };
        let status = u16::from(response.status_code.clone());
        if (200..300).contains(&status) || ((status == 401 || status == 407) && !self.has_rung) {
            return Ok(response);
        }
        let retry_after = headers::value(&response, "Retry-After", None);
        let seconds = retry_after.and_then(|value| value.split([' ', ';', '(']).next()?.parse().ok());
        Err(match status {
            408 => self.astray(408, "it does not answer", None),
            503 => self.astray(503, "it takes no calls", seconds.map(Duration::from_secs)),
            500..=599 => self.astray(status, "it failed", None),
            _ => Missed::Over(refused(status)),
        })
    }

    /// Once a phone has rung, the way did lead to the callee: another would only ring a second one.
    fn astray(&self, status: u16, why: &'static str, retry_after: Option<Duration>) -> Missed {
        let last = refused(status);
        if self.has_rung {
            return Missed::Over(last);
        }
        // Other errors of servers may be about this callee only.
        Missed::Astray { last, why, is_broken: matches!(status, 408 | 503), retry_after }
    }
}

/// What a final answer says of the call.
const fn refused(status: u16) -> NotAnswered {
    let end = match status {
        486 | 600 | 603 => CallEnd::Busy,
        408 | 480 | 487 => CallEnd::NoAnswer,
        _ => CallEnd::Failed,
    };
    NotAnswered { end, status: Some(status) }
}

/// Takes an INVITE back. If it was answered at the same moment, the call is ended: the library cancels nothing then.
async fn cancel(shared: &Inbound, dialog: &InviteDialog, done: JoinHandle<InviteAsyncResult>) {
    if let Err(e) = dialog.cancel().await {
        debug!(error = %e, "CANCEL not answered");
    }
    if !matches!(dialog.state(), DialogState::Confirmed(..)) {
        return;
    }
    // It is listed when this is over.
    let _ = done.await;
    if let Err(e) = dialog.bye_with_headers(None).await {
        debug!(error = %e, "BYE failed");
    }
    shared.dialogs.remove_dialog(&dialog.id());
}

async fn gone(connection: Option<&CancellationToken>) {
    match connection {
        Some(connection) => connection.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rsipstack::dialog::DialogId;
    use rsipstack::dialog::dialog::{TerminatedReason, TransactionHandle};
    use rsipstack::dialog::dialog_layer::DialogLayer;
    use rsipstack::sip::Request;

    use super::super::states::States;
    use super::*;

    #[test]
    fn what_comes_behind_the_answer_is_left_to_the_call() {
        let endpoint = rsipstack::EndpointBuilder::new().build();
        let all = States::new(&DialogLayer::new(endpoint.inner.clone()));
        let id = || DialogId { call_id: "c".into(), local_tag: "l".into(), remote_tag: "r".into() };
        let (handle, mut answers) = TransactionHandle::new();
        let request =
            Request::try_from("OPTIONS sip:a@192.0.2.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n".as_bytes())
                .unwrap();
        let (states, happened) = all.follow(Ok::<_, NotAnswered>, |_| id()).unwrap();
        states.send(DialogState::Early(id(), Response::default())).unwrap();
        states.send(DialogState::Confirmed(id(), Response::default())).unwrap();
        states.send(DialogState::Options(id(), request, handle)).unwrap();
        states.send(DialogState::Terminated(id(), TerminatedReason::UasBye)).unwrap();

        let mut unanswered = Unanswered { states: happened, is_over: false };
        assert!(matches!(unanswered.next().now_or_never(), Some(DialogState::Early(..))));
        assert!(matches!(unanswered.next().now_or_never(), Some(DialogState::Confirmed(..))));
        assert!(unanswered.next().now_or_never().is_none());

        let mut states = unanswered.states;
        let Some(DialogState::Options(_, _, handle)) = states.next().now_or_never() else {
            panic!("a request was lost")
        };
        assert!(answers.try_recv().is_err_and(|e| e == tokio::sync::mpsc::error::TryRecvError::Empty));
        drop(handle);
        assert!(matches!(states.next().now_or_never(), Some(DialogState::Terminated(..))));
    }

    fn judged(status: &str, has_rung: bool) -> Result<u16, Missed> {
        let attempt = Attempt { give_up: Instant::now(), answer_within: None, gone: None, has_rung };
        let text = format!("SIP/2.0 {status}\r\nRetry-After: 20 (soon)\r\nContent-Length: 0\r\n\r\n");
        let response = Response::try_from(text.as_bytes()).unwrap();
        attempt.judge(Some(response)).map(|response| response.status_code.into())
    }

    #[test]
    fn the_callee_speaks_for_themselves_and_servers_do_not() {
        for (status, end) in [
            ("486 Busy Here", CallEnd::Busy),
            ("603 Decline", CallEnd::Busy),
            ("404 Not Found", CallEnd::Failed),
            ("403 Forbidden", CallEnd::Failed),
            ("480 Away", CallEnd::NoAnswer),
            ("302 Moved Temporarily", CallEnd::Failed),
        ] {
            let number = status[..3].parse().unwrap();
            let expected = Missed::Over(NotAnswered { end, status: Some(number) });
            assert_eq!(judged(status, false), Err(expected), "{status}");
        }
        for (status, broken) in [("500 x", false), ("502 x", false), ("503 x", true), ("408 x", true)] {
            let Err(Missed::Astray { is_broken, .. }) = judged(status, false) else { panic!("{status}") };
            assert_eq!(is_broken, broken, "{status}");
            assert!(matches!(judged(status, true), Err(Missed::Over(_))), "{status} after ringing");
        }
        let Err(Missed::Astray { retry_after, .. }) = judged("503 x", false) else { panic!("503") };
        assert_eq!(retry_after, Some(Duration::from_secs(20)));
        assert_eq!(judged("401 x", false), Ok(401));
        assert!(matches!(judged("401 x", true), Err(Missed::Over(_))));
        assert_eq!(judged("200 OK", true), Ok(200));
    }
}
