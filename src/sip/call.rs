//! One call's signalling, from its INVITE to its BYE, as one task.

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason, TransactionHandle};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Method, Request, StatusCode, StatusCodeKind};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};

use super::counters::SipCounters;
use super::endpoint::contact;
use super::guard::SUPPORTED;
use super::headers::{self, other};
use super::inbound::{Inbound, Merging, allow, log_unanswered};
use super::media::MediaTerms;
use super::session_timer::{self, MIN_SE, SessionTimer};
use crate::call::{Admission, CallEnd, CallSid, Handle, HangUp, IncomingCall, NotAdmitted, Signal};
use crate::config::{Decision, SrtpPolicy};
use crate::sdp::{self, Offer, SdpError};

/// Signals that may wait for a call. There is one kind, and the first ends the call.
const SIGNALS_MAX: usize = 4;

/// When a caller who found the node full may try again, in seconds.
const RETRY_AFTER: u32 = 5;

/// An INVITE that we understood.
struct Invitation {
    conference: String,
    srtp: SrtpPolicy,
    /// None: the caller wants ours.
    offer: Option<Offer>,
    timer: Option<SessionTimer>,
}

/// A final answer other than 200.
struct Refusal {
    status: StatusCode,
    headers: Vec<Header>,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }
}

/// Answers a new INVITE. If it is let in, the call is lived to its end by a task of its own: what answering
/// needed must not hold memory for as long as the call lasts.
pub(super) async fn take_call(
    inbound: &Arc<Inbound>,
    mut transaction: Transaction,
    merging: Merging,
) -> rsipstack::Result<()> {
    let (signals, told) = mpsc::channel(SIGNALS_MAX);
    let admitted = match Invitation::read(inbound, &transaction.original) {
        Ok(invitation) => admit(inbound, &transaction.original, invitation, signals).await,
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok((invitation, admission)) => {
            match prepare(inbound, &mut transaction, invitation, admission).await {
                Ok((call, states)) => {
                    let tasks = inbound.tasks.clone();
                    tasks.spawn(live(Arc::clone(inbound), transaction, merging, call, states, told));
                    Ok(())
                }
                Err(refusal) => {
                    inbound.calls.call_ended(admission.call, CallEnd::Failed).await;
                    refuse(inbound, &mut transaction, refusal).await
                }
            }
        }
        Err(refusal) => refuse(inbound, &mut transaction, refusal).await,
    }
}

async fn refuse(inbound: &Inbound, transaction: &mut Transaction, refusal: Refusal) -> rsipstack::Result<()> {
    inbound.counters.invites_refused.increment();
    info!(status = u16::from(refusal.status.clone()), "call refused");
    transaction.reply_with(refusal.status, refusal.headers, None).await
}

impl Invitation {
    fn read(inbound: &Inbound, request: &Request) -> Result<Self, Refusal> {
        let user = headers::user(&request.uri);
        let domain = request.uri.host().to_string();
        let (conference, srtp) = match inbound.routes.decide(&user, &domain) {
            Decision::Conference { name, srtp } => (name, srtp.unwrap_or(inbound.srtp)),
            Decision::Refuse(status) => return Err(StatusCode::from(status).into()),
        };
        let timer = agree_timer(request)?;
        Ok(Self { conference, srtp, offer: read_offer(&inbound.counters, request)?, timer })
    }
}

fn agree_timer(request: &Request) -> Result<Option<SessionTimer>, Refusal> {
    let asked = headers::value(request, "Session-Expires", Some("x"));
    let supported = headers::lists(request, "Supported", Some("k"), "timer")
        || headers::lists(request, "Require", None, "timer");
    session_timer::agree(asked.as_deref(), supported).map_err(|_| Refusal {
        status: StatusCode::SessionIntervalTooSmall,
        headers: vec![other("Min-SE", MIN_SE)],
    })
}

/// The offer of a request, if it has one.
fn read_offer(counters: &SipCounters, request: &Request) -> Result<Option<Offer>, Refusal> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let content_type = headers::value(request, "Content-Type", Some("c")).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/sdp" {
        return Err(Refusal {
            status: StatusCode::UnsupportedMediaType,
            headers: vec![Header::Accept("application/sdp".into())],
        });
    }
    sdp::parse_offer(&request.body).map(Some).map_err(|e| not_acceptable(counters, e))
}

/// The answer to an offer that cannot be taken.
fn not_acceptable(counters: &SipCounters, error: SdpError) -> Refusal {
    debug!(%error, "offer not acceptable");
    counters.refuse_sdp(error);
    StatusCode::from(error.status()).into()
}

async fn admit(
    inbound: &Inbound,
    request: &Request,
    invitation: Invitation,
    signals: mpsc::Sender<Signal>,
) -> Result<(Invitation, Admission), Refusal> {
    let incoming = IncomingCall {
        from: headers::caller(request),
        to: headers::party(&request.uri),
        conference: invitation.conference.clone(),
        signals,
    };
    match inbound.calls.admit_call(incoming).await {
        Ok(admission) => Ok((invitation, admission)),
        Err(NotAdmitted::ConferenceFull) => Err(StatusCode::BusyHere.into()),
        Err(
            NotAdmitted::NodeFull | NotAdmitted::NoPorts | NotAdmitted::Overloaded | NotAdmitted::Stopping,
        ) => Err(Refusal {
            status: StatusCode::ServiceUnavailable,
            headers: vec![other("Retry-After", RETRY_AFTER)],
        }),
    }
}

/// Connects the media, if the offer is there, and makes the dialog with our 200 under way.
async fn prepare(
    inbound: &Inbound,
    transaction: &mut Transaction,
    invitation: Invitation,
    admission: Admission,
) -> Result<(Call, DialogStateReceiver), Refusal> {
    let signalling = signalling_address(transaction);
    let address = inbound.advertised.ip();
    let codecs = inbound.codecs.as_slice().to_vec();
    let mut terms = MediaTerms::new(address, admission.rtp_port, codecs, invitation.srtp, signalling)
        .map_err(|_| StatusCode::ServerInternalError)?;
    let description = match &invitation.offer {
        Some(offer) => {
            let answered = terms.answer(offer);
            let (answer, media) = answered.map_err(|e| not_acceptable(&inbound.counters, e))?;
            let connected = inbound.calls.connect_call(admission.call, media).await;
            connected.map_err(|_| StatusCode::ServiceUnavailable)?;
            answer
        }
        None => terms.offer(),
    };
    let transport = transaction.connection.as_ref().map_or(rsipstack::sip::Transport::Udp, |c| c.transport());
    let (states, happened) = inbound.dialogs.new_dialog_state_channel();
    let dialog = inbound
        .dialogs
        .get_or_create_server_invite(transaction, states, None, Some(contact(inbound.advertised, transport)))
        .map_err(|_| StatusCode::ServerInternalError)?;
    let call = Call {
        sid: admission.call,
        calls: inbound.calls.clone(),
        counters: Arc::clone(&inbound.counters),
        terms,
        timer: invitation.timer,
        act_at: None,
        awaits_answer: invitation.offer.is_none(),
        connected: invitation.offer.is_some(),
        peer_updates: headers::lists(&transaction.original, "Allow", None, "UPDATE"),
        dialog,
    };
    let accepted = call.dialog.accept(Some(call.answer_headers()), Some(description.into_bytes()));
    accepted.map_err(|_| StatusCode::ServerInternalError)?;
    Ok((call, happened))
}

fn signalling_address(transaction: &Transaction) -> Option<IpAddr> {
    let remote = transaction.connection.as_ref()?.get_remote_addr()?;
    remote.get_socketaddr().ok().map(|address| address.ip())
}

/// Lives a call to its end. A plain function: an `async fn` would hold its arguments beside what it makes of them.
fn live(
    inbound: Arc<Inbound>,
    mut transaction: Transaction,
    merging: Merging,
    call: Call,
    states: DialogStateReceiver,
    told: mpsc::Receiver<Signal>,
) -> impl Future<Output = ()> {
    let id = call.dialog.id();
    let mut driver = call.dialog.clone();
    // The INVITE's transaction is driven to its ACK while the call is lived, and forgotten long before it is over.
    let drive = Box::pin(async move {
        let driven = driver.handle(&mut transaction).await;
        drop(merging);
        log_unanswered(driven);
    });
    let live = call.live(states, told);
    async move {
        tokio::join!(drive, live);
        inbound.dialogs.remove_dialog(&id);
    }
}

struct Call {
    sid: CallSid,
    calls: Handle,
    counters: Arc<SipCounters>,
    dialog: InviteDialog,
    terms: MediaTerms,
    timer: Option<SessionTimer>,
    /// When the session timer wants something done.
    act_at: Option<Instant>,
    /// The next ACK carries the answer to our offer.
    awaits_answer: bool,
    connected: bool,
    /// The far end takes UPDATE, which refreshes without touching media.
    peer_updates: bool,
}

/// Whether the call goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Over,
}

impl Call {
    async fn live(mut self, mut states: DialogStateReceiver, mut told: mpsc::Receiver<Signal>) {
        self.restart_timer();
        loop {
            let next = tokio::select! {
                state = states.recv() => match state {
                    // In boxes: what happens now and then must not take room in each call's task for ever.
                    Some(state) => Box::pin(self.happened(state)).await,
                    None => Box::pin(self.ended(CallEnd::Failed)).await,
                },
                signal = told.recv() => match signal {
                    Some(Signal::HangUp(cause)) => Box::pin(self.hang_up(cause)).await,
                    // The model forgets a call only after it told us to hang up.
                    None => Box::pin(self.hang_up(HangUp::MediaFailed)).await,
                },
                () = at(self.act_at) => Box::pin(self.timer_is_due(&mut told)).await,
            };
            if next == Next::Over {
                return;
            }
        }
    }

    async fn happened(&mut self, state: DialogState) -> Next {
        match state {
            DialogState::Confirmed(..) => self.confirmed().await,
            DialogState::Updated(_, request, handle) => {
                self.renegotiate(&request, &handle).await;
                Next::GoOn
            }
            DialogState::Info(_, request, handle) => {
                respond(&handle, info_status(&request), Vec::new(), None).await;
                Next::GoOn
            }
            DialogState::Options(_, _, handle) => {
                respond(&handle, StatusCode::OK, vec![allow()], None).await;
                Next::GoOn
            }
            DialogState::Refer(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Notify(_, _, handle)
            | DialogState::Publish(_, _, handle) => {
                respond(&handle, StatusCode::MethodNotAllowed, vec![allow()], None).await;
                Next::GoOn
            }
            DialogState::Terminated(_, TerminatedReason::UacCancel) => self.ended(CallEnd::Canceled).await,
            DialogState::Terminated(..) => self.ended(CallEnd::HungUp).await,
            DialogState::Calling(_)
            | DialogState::Trying(_)
            | DialogState::Early(..)
            | DialogState::WaitAck(..) => Next::GoOn,
        }
    }

    /// An ACK came; the one to our offer carries the answer.
    async fn confirmed(&mut self) -> Next {
        if !std::mem::take(&mut self.awaits_answer) {
            return Next::GoOn;
        }
        let answer = self.dialog.last_remote_ack().map(|ack| ack.body).unwrap_or_default();
        let media = match self.terms.read_answer(&answer) {
            Ok(media) => media,
            Err(e) => {
                debug!(call = %self.sid, error = %e, "answer not acceptable");
                self.counters.refuse_sdp(e);
                return self.give_up("SIP;cause=488;text=\"answer not acceptable\"").await;
            }
        };
        let applied = if self.connected {
            self.calls.set_call_media(self.sid, media).await
        } else {
            self.calls.connect_call(self.sid, media).await
        };
        if applied.is_err() {
            return self.give_up("SIP;cause=503").await;
        }
        self.connected = true;
        Next::GoOn
    }

    /// A re-INVITE or an UPDATE: other media, a refresh, or both. What cannot be agreed leaves all as it was.
    async fn renegotiate(&mut self, request: &Request, handle: &TransactionHandle) {
        match self.answer_to(request).await {
            Ok(description) => {
                self.restart_timer();
                let headers = self.answer_headers();
                respond(handle, StatusCode::OK, headers, description).await;
            }
            Err(refusal) => respond(handle, refusal.status, refusal.headers, None).await,
        }
    }

    async fn answer_to(&mut self, request: &Request) -> Result<Option<String>, Refusal> {
        let timer = agree_timer(request)?;
        let Some(offer) = read_offer(&self.counters, request)? else {
            self.timer = timer;
            if request.method != Method::Invite {
                return Ok(None);
            }
            self.awaits_answer = true;
            return Ok(Some(self.terms.offer()));
        };
        let answered = self.terms.answer(&offer);
        let (answer, media) = answered.map_err(|e| not_acceptable(&self.counters, e))?;
        let applied = self.calls.set_call_media(self.sid, media).await;
        applied.map_err(|_| StatusCode::ServiceUnavailable)?;
        self.timer = timer;
        Ok(Some(answer))
    }

    fn answer_headers(&self) -> Vec<Header> {
        let mut headers =
            vec![Header::ContentType("application/sdp".into()), allow(), Header::Supported(SUPPORTED.into())];
        if let Some(timer) = &self.timer {
            headers.push(other("Session-Expires", timer.answer()));
            if timer.is_required() {
                headers.push(Header::Require("timer".into()));
            }
        }
        headers
    }

    fn restart_timer(&mut self) {
        self.act_at = self.timer.map(|timer| Instant::now() + timer.act_after());
    }

    async fn timer_is_due(&mut self, told: &mut mpsc::Receiver<Signal>) -> Next {
        match self.timer.map(|timer| timer.refresher) {
            Some(session_timer::Refresher::Us) => {
                let cause = tokio::select! {
                    refreshed = self.refresh() => {
                        if refreshed {
                            self.restart_timer();
                            return Next::GoOn;
                        }
                        None
                    }
                    signal = told.recv() => signal,
                };
                match cause {
                    Some(Signal::HangUp(cause)) => self.hang_up(cause).await,
                    None => self.give_up("SIP;cause=408;text=\"session refresh failed\"").await,
                }
            }
            Some(session_timer::Refresher::Them) => {
                self.give_up("SIP;cause=408;text=\"session expired\"").await
            }
            None => Next::GoOn,
        }
    }

    /// Asks for a sign of life (RFC 4028 §10). An answer that is no 2xx, but an answer, is one.
    async fn refresh(&self) -> bool {
        let headers = self.timer.map(|timer| {
            // Seen from the one who asks, the refresher is the UAC.
            vec![other("Session-Expires", format!("{};refresher=uac", timer.interval))]
        });
        let response = if self.peer_updates {
            Box::pin(self.dialog.update(headers, None)).await
        } else {
            // Without a body: the far end offers what it has, and our ACK would have to answer. An OPTIONS in the
            // dialog asks the same question without that.
            Box::pin(self.dialog.options(None)).await
        };
        let answered = response.ok().flatten();
        answered.is_some_and(|response| {
            let gone = [StatusCode::CallTransactionDoesNotExist, StatusCode::RequestTimeout];
            response.status_code.kind() == StatusCodeKind::Successful || !gone.contains(&response.status_code)
        })
    }

    /// Ends the call from our side because the far end did something that leaves no other way.
    async fn give_up(&self, reason: &str) -> Next {
        self.calls.call_ended(self.sid, CallEnd::HungUp).await;
        self.bye(reason).await
    }

    /// The model has ended the call; the far end is told.
    async fn hang_up(&self, cause: HangUp) -> Next {
        let reason = match cause {
            HangUp::Asked => "Q.850;cause=16;text=\"ended over the API\"",
            HangUp::SilentFarEnd => "Q.850;cause=102;text=\"no RTP received\"",
            HangUp::MediaFailed => "Q.850;cause=41;text=\"media failed\"",
            HangUp::Stopping => "Q.850;cause=16;text=\"the node is stopping\"",
        };
        self.bye(reason).await
    }

    async fn bye(&self, reason: &str) -> Next {
        let bye = self.dialog.bye_with_headers(Some(vec![other("Reason", reason)]));
        if let Err(e) = Box::pin(bye).await {
            debug!(call = %self.sid, error = %e, "BYE failed");
        }
        Next::Over
    }

    async fn ended(&self, end: CallEnd) -> Next {
        self.calls.call_ended(self.sid, end).await;
        Next::Over
    }
}

/// DTMF by INFO is taken note of (and not logged); other packages we do not know (RFC 6086 §4.2.2).
fn info_status(request: &Request) -> StatusCode {
    let content_type = headers::value(request, "Content-Type", Some("c")).unwrap_or_default();
    let is_dtmf = ["application/dtmf-relay", "application/dtmf"]
        .iter()
        .any(|dtmf| content_type.to_ascii_lowercase().starts_with(dtmf));
    if request.body.is_empty() || is_dtmf { StatusCode::OK } else { StatusCode::UnsupportedMediaType }
}

async fn respond(handle: &TransactionHandle, status: StatusCode, headers: Vec<Header>, body: Option<String>) {
    // A transaction that is gone wants no answer.
    let _ = handle.respond(status, Some(headers), body.map(String::into_bytes)).await;
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => pending().await,
    }
}
