//! One call's signalling, from its INVITE to its BYE, as one task.

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;

use rsipstack::dialog::DialogId;
use rsipstack::dialog::dialog::{Dialog, DialogState, TerminatedReason, TransactionHandle};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::prelude::{HeadersExt, ToTypedHeader};
use rsipstack::sip::{Header, Method, Request, Response, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};

use super::asking::Asker;
use super::caller::{self, Caller};
use super::challenge::Credentials;
use super::guard::SUPPORTED;
use super::headers::{self, other};
use super::inbound::{Inbound, allow, came_over, log_unanswered};
use super::info;
use super::invitation::{Invitation, Refusal, agree_timer, read_offer};
use super::living::{Lived, Named};
use super::media::MediaTerms;
use super::refer;
use super::refresh::{Refreshing, answer_to};
use super::replaces;
use super::session_timer::SessionTimer;
use super::states::Happened;
use super::stream::is_websocket;
use super::takeover;
use super::terms::{NotAgreed, Offered, Terms};
use super::trunk::Line;
use super::trunk::caller::source_of;
use crate::call::{
    Admission, CallEnd, CallError, CallMedia, CallSid, Destination, Handle, HangUp, IncomingCall,
    NotAdmitted, ReferStep, Rejection, Signal,
};
use crate::webrtc::MediaNews;

/// Signals that may wait for a call: to answer it and to end it.
pub(super) const SIGNALS_MAX: usize = 4;

/// When a caller who found the node full may try again, in seconds.
const RETRY_AFTER: u32 = 5;

/// Answers a new INVITE. If it is let in, the call is lived to its end by a task of its own: what answering
/// needed must not hold memory for as long as the call lasts.
pub(super) async fn take_call(inbound: &Arc<Inbound>, mut transaction: Transaction) -> rsipstack::Result<()> {
    match replaces::of_invite(&transaction.original) {
        Ok(None) => {}
        Ok(Some(replaces)) => return Box::pin(takeover::take(inbound, transaction, replaces)).await,
        Err(_) => return refuse(inbound, &mut transaction, StatusCode::BadRequest.into()).await,
    }
    let (signals, told) = mpsc::channel(SIGNALS_MAX);
    let admitted = match read(inbound, &transaction) {
        Ok((caller, invitation)) => admit(inbound, &transaction.original, caller, invitation, signals).await,
        Err(refusal) => Err(refusal),
    };
    match admitted {
        Ok((invitation, admission)) => {
            match prepare(inbound, &mut transaction, invitation, admission).await {
                Ok((call, states)) => {
                    start(inbound, transaction, call, states, told);
                    Ok(())
                }
                Err(refusal) => {
                    inbound
                        .calls
                        .call_ended(admission.call, CallEnd::Failed, Some(refusal.status.clone().into()))
                        .await;
                    refuse(inbound, &mut transaction, refusal).await
                }
            }
        }
        Err(refusal) => refuse(inbound, &mut transaction, refusal).await,
    }
}

/// Who sent an INVITE, and what it asks for, by the routes of whoever that is.
fn read(inbound: &Inbound, transaction: &Transaction) -> Result<(Caller, Invitation), Refusal> {
    let request = &transaction.original;
    let (user, domain) = (headers::user(&request.uri), request.uri.host().to_string());
    let wanted = inbound.routes.trunk_wanted(&user, &domain);
    let line = line_of(inbound, transaction, wanted)?;
    let trunk = line.map(|line| &line.trunk);
    let caller = caller::identify(inbound, transaction, trunk.map(|trunk| trunk.name.as_str()))?;
    Ok((caller, Invitation::read(inbound, request, trunk)?))
}

/// The trunk that an INVITE comes over, if it does: never one that comes over a WebSocket, wherever its browser is.
pub(super) fn line_of<'i>(
    inbound: &'i Inbound,
    transaction: &Transaction,
    wanted: Option<&str>,
) -> Result<Option<&'i Arc<Line>>, Refusal> {
    if is_websocket(came_over(transaction)) {
        return Ok(None);
    }
    inbound.trunks.identify(&transaction.original, source_of(transaction), wanted)
}

/// Refuses an INVITE.
pub(super) async fn refuse(
    inbound: &Inbound,
    transaction: &mut Transaction,
    refusal: Refusal,
) -> rsipstack::Result<()> {
    inbound.counters.invites_refused.increment();
    info!(status = u16::from(refusal.status.clone()), "call refused");
    transaction.reply_with(refusal.status, refusal.headers, None).await
}

async fn admit(
    inbound: &Inbound,
    request: &Request,
    caller: Caller,
    invitation: Invitation,
    signals: mpsc::Sender<Signal>,
) -> Result<(Invitation, Admission), Refusal> {
    let incoming = IncomingCall {
        account: caller.account.unwrap_or(invitation.account),
        trunk: invitation.trunk.clone(),
        from: caller.name,
        to: headers::party(&request.uri),
        destination: invitation.destination.clone(),
        status: invitation.status.clone(),
        signals,
    };
    match inbound.calls.admit_call(incoming).await {
        Ok(admission) => Ok((invitation, admission)),
        Err(NotAdmitted::ConferenceFull | NotAdmitted::NoSeat(_)) => Err(StatusCode::BusyHere.into()),
        Err(
            NotAdmitted::NodeFull | NotAdmitted::NoPorts | NotAdmitted::Overloaded | NotAdmitted::Stopping,
        ) => Err(Refusal {
            status: StatusCode::ServiceUnavailable,
            headers: vec![other("Retry-After", RETRY_AFTER)],
        }),
    }
}

/// Agrees on media, and makes the dialog. The call rings until the model says that it is to be answered.
async fn prepare(
    inbound: &Arc<Inbound>,
    transaction: &mut Transaction,
    mut invitation: Invitation,
    admission: Admission,
) -> Result<(Call, Happened), Refusal> {
    let offer = invitation.offer.take();
    let awaits_answer = headers::cseq(&transaction.original).filter(|_| offer.is_none());
    let (terms, unanswered) = agree(inbound, transaction, &invitation, admission, offer).await?;
    let (dialog, happened) = set_up(inbound, transaction)?;
    let request = &transaction.original;
    let mut call = Call::ringing(inbound, admission.call, dialog, terms, invitation.timer, request);
    call.answer_with(unanswered, awaits_answer);
    let connection = transaction.connection.as_ref().filter(|_| is_websocket(came_over(transaction)));
    call.rings_over(connection.and_then(SipConnection::cancel_token));
    call.answers_challenges_with(inbound.trunks.credentials(invitation.trunk.as_deref()));
    if matches!(invitation.destination, Destination::Script(_)) {
        // Its script may take a while to say what is to become of it.
        call.dialog.ringing(None, None).map_err(|_| StatusCode::ServerInternalError)?;
    }
    Ok((call, happened))
}

/// Agrees on media with whoever calls: a browser by what it offers, or by what it comes over if it wants ours.
async fn agree(
    inbound: &Inbound,
    transaction: &Transaction,
    invitation: &Invitation,
    admission: Admission,
    offer: Option<Offered>,
) -> Result<(Terms, Unanswered), Refusal> {
    let is_browser = match &offer {
        Some(Offered::Browser(_)) => true,
        Some(Offered::Phone(_)) => false,
        None => is_websocket(came_over(transaction)),
    };
    let mut terms = if is_browser {
        let opened = inbound.browsers.open(admission.call).await;
        let media = opened.map_err(|e| NotAgreed::from(e).refusal(&inbound.counters))?;
        Terms::Browser(Box::new(media))
    } else {
        let (address, signalling) = (inbound.advertised.ip(), signalling_address(transaction));
        let codecs = invitation.codecs.as_slice().to_vec();
        MediaTerms::new(address, admission.rtp_port, codecs, invitation.srtp, signalling)
            .map(Terms::from)
            .map_err(|_| StatusCode::ServerInternalError)?
    };
    let unanswered = match offer {
        Some(offered @ Offered::Phone(_)) => {
            let answered = terms.answer(&offered).await;
            let (description, media) = answered.map_err(|e| e.refusal(&inbound.counters))?;
            Unanswered::Ready { description, media: Some(media) }
        }
        Some(offered @ Offered::Browser(_)) => {
            terms.can_answer(&offered).map_err(|e| e.refusal(&inbound.counters))?;
            Unanswered::Offered(offered)
        }
        None => Unanswered::Ready { description: terms.offer(), media: None },
    };
    Ok((terms, unanswered))
}

/// Makes the dialog of an INVITE.
pub(super) fn set_up(
    inbound: &Inbound,
    transaction: &Transaction,
) -> Result<(InviteDialog, Happened), Refusal> {
    let contact = Some(inbound.contact(transaction));
    let made = inbound.states.follow(
        |states| {
            let made = inbound.dialogs.get_or_create_server_invite(transaction, states, None, contact);
            made.map_err(Box::new)
        },
        InviteDialog::id,
    );
    Ok(made.map_err(|_| StatusCode::ServerInternalError)?)
}

pub(super) fn signalling_address(transaction: &Transaction) -> Option<IpAddr> {
    let remote = transaction.connection.as_ref()?.get_remote_addr()?;
    remote.get_socketaddr().ok().map(|address| address.ip())
}

/// Lives a call by a task of its own.
pub(super) fn start(
    inbound: &Arc<Inbound>,
    transaction: Transaction,
    call: Call,
    states: Happened,
    told: mpsc::Receiver<Signal>,
) {
    let tasks = inbound.tasks.clone();
    tasks.spawn(live(Arc::clone(inbound), transaction, call, states, told));
}

/// Lives a call to its end. A plain function: an `async fn` would hold its arguments beside what it makes of them.
fn live(
    inbound: Arc<Inbound>,
    mut transaction: Transaction,
    call: Call,
    states: Happened,
    told: mpsc::Receiver<Signal>,
) -> impl Future<Output = ()> {
    let id = call.dialog.id();
    let mut driver = call.dialog.clone();
    // The INVITE's transaction is driven to its ACK while the call is lived, and forgotten long before it is over.
    let answering = Arc::clone(&inbound);
    call.is_living();
    let drive = Box::pin(async move {
        log_unanswered(driver.handle(&mut transaction).await);
        answering.acknowledged.notify_waiters();
    });
    let live = call.live(states, told);
    async move {
        tokio::join!(drive, live);
        inbound.living.end(&id);
        inbound.dialogs.remove_dialog(&id);
    }
}

/// A call's signalling, from when its dialog is there.
pub(super) struct Call {
    pub(super) sid: CallSid,
    pub(super) calls: Handle,
    shared: Arc<Inbound>,
    pub(super) dialog: InviteDialog,
    pub(super) terms: Terms,
    pub(super) timer: Option<SessionTimer>,
    pub(super) session_interval_min: u32,
    credentials: Option<Arc<Credentials>>,
    /// When the session timer wants something done.
    pub(super) act_at: Option<Instant>,
    /// Our refresh, until it is answered.
    pub(super) refreshing: Option<Refreshing>,
    /// The INVITE, by the number of its CSeq, whose ACK carries the answer to our offer.
    pub(super) awaits_answer: Option<u32>,
    connected: bool,
    /// What it will be answered with.
    unanswered: Option<Box<Unanswered>>,
    /// Cancelled when nobody can be told any more that it is answered.
    unreached: Option<CancellationToken>,
    /// The far end takes UPDATE, which refreshes without touching media.
    pub(super) peer_updates: bool,
    transfer: Transfer,
}

/// Transfers that are under way.
#[derive(Default)]
struct Transfer {
    /// The far end wants another called and was not told yet what became of it.
    is_referred: bool,
    /// We have asked the far end to call somebody.
    has_referred: bool,
}

/// What a call that rings is answered with.
pub(super) enum Unanswered {
    /// It is made already.
    Ready {
        /// Our session description.
        description: String,
        /// What it means for the leg; none if the answer to it comes with the ACK.
        media: Option<CallMedia>,
    },
    /// The answer to this, which a browser begins a handshake upon: nobody waits for that while the call rings.
    Offered(Offered),
}

/// Whether the call goes on.
#[derive(PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Over,
}

impl Call {
    /// A call that came in, and is to be told what it is answered with.
    pub(super) fn ringing(
        shared: &Arc<Inbound>,
        sid: CallSid,
        dialog: InviteDialog,
        terms: Terms,
        timer: Option<SessionTimer>,
        invite: &Request,
    ) -> Self {
        Self {
            sid,
            calls: shared.calls.clone(),
            shared: Arc::clone(shared),
            dialog,
            terms,
            timer,
            session_interval_min: shared.session_interval_min,
            credentials: None,
            act_at: None,
            refreshing: None,
            awaits_answer: None,
            connected: false,
            unanswered: None,
            unreached: None,
            peer_updates: headers::lists(invite, "Allow", None, "UPDATE"),
            transfer: Transfer::default(),
        }
    }

    /// What it is answered with, and the INVITE, by the number of its CSeq, whose ACK is to answer that.
    pub(super) fn answer_with(&mut self, unanswered: Unanswered, awaits_answer: Option<u32>) {
        self.unanswered = Some(Box::new(unanswered));
        self.awaits_answer = awaits_answer;
    }

    /// It rings over a connection without which it cannot be answered.
    pub(super) fn rings_over(&mut self, gone: Option<CancellationToken>) {
        self.unreached = gone;
    }

    /// It was another's before; its media are there.
    pub(super) const fn is_taken_over(&mut self) {
        self.connected = true;
    }

    /// A call that we made, answered and connected.
    pub(super) fn established(
        shared: &Arc<Inbound>,
        sid: CallSid,
        dialog: InviteDialog,
        terms: Terms,
        timer: Option<SessionTimer>,
        answer: &Response,
    ) -> Self {
        let mut call = Self {
            sid,
            calls: shared.calls.clone(),
            shared: Arc::clone(shared),
            dialog,
            terms,
            timer,
            session_interval_min: shared.session_interval_min,
            credentials: None,
            act_at: None,
            refreshing: None,
            awaits_answer: None,
            connected: true,
            unanswered: None,
            unreached: None,
            peer_updates: headers::values(answer, "Allow", None).iter().any(|method| method == "UPDATE"),
            transfer: Transfer::default(),
        };
        call.restart_timer();
        call
    }

    /// It can be found by its dialog from now on.
    pub(super) fn is_living(&self) {
        let lived = Lived { call: self.sid, rtp_port: self.terms.port() };
        self.shared.living.begin(self.dialog.id(), lived);
    }

    pub(super) fn dialog_id(&self) -> DialogId {
        self.dialog.id()
    }

    pub(super) async fn live(mut self, mut states: Happened, mut told: mpsc::Receiver<Signal>) {
        loop {
            let next = tokio::select! {
                // In boxes: what happens now and then must not take room in each call's task for ever.
                state = states.next() => Box::pin(self.happened(state)).await,
                signal = told.recv() => Box::pin(self.told(signal)).await,
                response = answer_to(&mut self.refreshing) => Box::pin(self.is_answered(response)).await,
                () = at(self.act_at) => Box::pin(self.timer_is_due()).await,
                news = self.terms.news() => Box::pin(self.heard(news)).await,
                () = gone(self.unreached.as_ref()), if self.unanswered.is_some() => self.is_unreached().await,
            };
            if next == Next::Over {
                return;
            }
        }
    }

    async fn told(&mut self, signal: Option<Signal>) -> Next {
        match signal {
            Some(Signal::Answer) => self.answer().await,
            Some(Signal::Reject(how)) => {
                let status = match how {
                    Rejection::Busy => StatusCode::BusyHere,
                    Rejection::Declined => StatusCode::Decline,
                };
                self.refuse(status)
            }
            Some(Signal::HangUp(cause)) => self.hang_up(cause).await,
            Some(Signal::Refer(to)) => {
                self.transfer.has_referred = true;
                // The call goes on while the far end thinks about it.
                tokio::spawn(refer::send(self.asker(), self.calls.clone(), self.sid, to));
                Next::GoOn
            }
            Some(Signal::ReferAnswered(status)) => {
                if std::mem::take(&mut self.transfer.is_referred) {
                    refer::notify(&self.asker(), status).await;
                }
                Next::GoOn
            }
            Some(Signal::Replaced) => self.bye("SIP;cause=200;text=\"taken over by another\"").await,
            // The model forgets a call only after it told us to hang up.
            None => self.hang_up(HangUp::MediaFailed).await,
        }
    }

    /// Connects the media, if it is known what they are to be, and sends our 200.
    async fn answer(&mut self) -> Next {
        let Some(unanswered) = self.unanswered.take() else {
            return Next::GoOn;
        };
        let (description, media) = match *unanswered {
            Unanswered::Ready { description, media } => (description, media),
            Unanswered::Offered(offered) => match self.terms.answer(&offered).await {
                Ok((description, media)) => (description, Some(media)),
                Err(e) => {
                    let status = e.refusal(&self.shared.counters).status;
                    self.is_over(CallEnd::Failed, Some(status.clone().into())).await;
                    return self.refuse(status);
                }
            },
        };
        if let Some(media) = media {
            if self.calls.connect_call(self.sid, media).await.is_err() {
                self.calls.call_ended(self.sid, CallEnd::Failed, Some(503)).await;
                return self.refuse(StatusCode::ServiceUnavailable);
            }
            self.connected = true;
        }
        if self.dialog.accept(Some(self.answer_headers(true)), Some(description.into_bytes())).is_err() {
            // The transaction is gone.
            return self.ended(CallEnd::Failed).await;
        }
        self.restart_timer();
        Next::GoOn
    }

    /// Refuses the call, which was not answered.
    fn refuse(&self, status: StatusCode) -> Next {
        self.shared.counters.invites_refused.increment();
        if let Err(e) = self.dialog.reject(Some(status), None) {
            debug!(call = %self.sid, error = %e, "refusal not sent");
        }
        Next::Over
    }

    async fn happened(&mut self, state: DialogState) -> Next {
        match state {
            DialogState::Confirmed(..) => self.confirmed().await,
            DialogState::Updated(_, request, handle) => {
                self.renegotiate(&request, &handle).await;
                Next::GoOn
            }
            DialogState::Info(_, request, handle) => {
                let (status, headers) =
                    info::receive(&self.calls, self.sid, &self.shared.counters, &request).await;
                respond(&handle, status, headers, None).await;
                Next::GoOn
            }
            DialogState::Options(_, _, handle) => {
                respond(&handle, StatusCode::OK, vec![allow()], None).await;
                Next::GoOn
            }
            DialogState::Refer(_, request, handle) => {
                self.referred(&request, &handle).await;
                Next::GoOn
            }
            DialogState::Notify(_, request, handle) => {
                self.notified(&request, &handle).await;
                Next::GoOn
            }
            DialogState::Message(_, _, handle) | DialogState::Publish(_, _, handle) => {
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

    /// The far end wants another called instead of itself (RFC 3515 §2.4.2).
    async fn referred(&mut self, request: &Request, handle: &TransactionHandle) {
        let status = match refer::target(request) {
            None => StatusCode::BadRequest,
            Some(_) if self.transfer.is_referred => StatusCode::RequestPending,
            Some(to) => self.pass_on(to).await,
        };
        self.transfer.is_referred |= status == StatusCode::Accepted;
        let is_taken = status == StatusCode::Accepted;
        respond(handle, status, Vec::new(), None).await;
        if is_taken {
            refer::notify(&self.asker(), 100).await;
        }
    }

    /// Takes up what a REFER wants: another call of the far end's, if it names one of ours, takes this one's place; all else
    /// is for the script that dialled.
    async fn pass_on(&self, to: String) -> StatusCode {
        let named = match replaces::of_uri(&to) {
            Err(_) => return StatusCode::BadRequest,
            Ok(None) => Named::Nobody,
            Ok(Some(replaces)) => self.shared.living.named(&replaces.dialog),
        };
        let passed = match named {
            Named::Living(other) => self.calls.connect_far_ends(self.sid, other.call).await,
            Named::Over => Err(CallError::NoCall),
            Named::Nobody => self.calls.refer_received(self.sid, to).await,
        };
        if passed.is_ok() { StatusCode::Accepted } else { StatusCode::Decline }
    }

    /// The far end tells how far the call got that we asked it to make.
    async fn notified(&self, request: &Request, handle: &TransactionHandle) {
        let status = refer::notified(request).filter(|_| self.transfer.has_referred);
        let Some(status) = status else {
            // Nothing was subscribed to (RFC 6665 §4.1.3).
            return respond(handle, StatusCode::CallTransactionDoesNotExist, Vec::new(), None).await;
        };
        respond(handle, StatusCode::OK, Vec::new(), None).await;
        self.calls.refer_progressed(self.sid, ReferStep::Notified(status)).await;
    }

    /// An ACK came, or another request was answered; the ACK to our offer carries the answer.
    async fn confirmed(&mut self) -> Next {
        let is_awaited =
            |ack: &Request| self.awaits_answer.is_some() && headers::cseq(ack) == self.awaits_answer;
        let Some(ack) = self.dialog.last_remote_ack().filter(is_awaited) else {
            return Next::GoOn;
        };
        self.awaits_answer = None;
        let media = match self.terms.read_answer(&ack.body).await {
            Ok(media) => media,
            Err(e) => {
                debug!(call = %self.sid, error = ?e, "answer not acceptable");
                e.refusal(&self.shared.counters);
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
        if self.meets_ours(request) {
            return respond(handle, StatusCode::RequestPending, Vec::new(), None).await;
        }
        match self.agree(request).await {
            Ok(description) => {
                self.follow(request);
                self.restart_timer();
                let headers = self.answer_headers(description.is_some());
                respond(handle, StatusCode::OK, headers, description).await;
            }
            Err(refusal) => respond(handle, refusal.status, refusal.headers, None).await,
        }
    }

    /// The far end may have moved (RFC 3261 §12.2.2); the library does not look.
    fn follow(&self, request: &Request) {
        let Ok(contact) = request.contact_header() else {
            return;
        };
        if let Ok(typed) = contact.typed() {
            Dialog::Invite(self.dialog.clone()).set_remote_target(typed.uri, Some(contact.clone()));
        }
    }

    async fn agree(&mut self, request: &Request) -> Result<Option<String>, Refusal> {
        let timer = agree_timer(request, self.session_interval_min)?;
        let Some(offer) = read_offer(&self.shared.counters, request)? else {
            self.timer = timer;
            if request.method != Method::Invite {
                return Ok(None);
            }
            self.awaits_answer = headers::cseq(request);
            return Ok(Some(self.terms.offer()));
        };
        let answered = self.terms.renegotiate(&offer, (&self.calls, self.sid)).await;
        let answer = answered.map_err(|e| e.refusal(&self.shared.counters))?;
        self.timer = timer;
        Ok(Some(answer))
    }

    fn answer_headers(&self, is_described: bool) -> Vec<Header> {
        let mut headers = vec![allow(), Header::Supported(SUPPORTED.into())];
        if is_described {
            headers.push(sdp_follows());
        }
        if let Some(timer) = &self.timer {
            headers.push(other("Session-Expires", timer.answer()));
            if timer.is_required() {
                headers.push(Header::Require("timer".into()));
            }
        }
        headers
    }

    /// Ends the call from our side because the far end did something that leaves no other way.
    pub(super) async fn give_up(&self, reason: &str) -> Next {
        self.is_over(CallEnd::HungUp, None).await;
        self.bye(reason).await
    }

    /// The model has ended the call; the far end is told.
    async fn hang_up(&self, cause: HangUp) -> Next {
        if self.unanswered.is_some() {
            return self.refuse(match cause {
                HangUp::Asked | HangUp::Transferred | HangUp::TimeUp => StatusCode::TemporarilyUnavailable,
                HangUp::SilentFarEnd | HangUp::MediaFailed => StatusCode::ServerInternalError,
                HangUp::Stopping => StatusCode::ServiceUnavailable,
            });
        }
        let reason = match cause {
            HangUp::Asked => "Q.850;cause=16;text=\"ended over the API\"",
            HangUp::SilentFarEnd => "Q.850;cause=102;text=\"no RTP received\"",
            HangUp::MediaFailed => "Q.850;cause=41;text=\"media failed\"",
            HangUp::TimeUp => "Q.850;cause=16;text=\"its time is up\"",
            HangUp::Transferred => "Q.850;cause=16;text=\"transferred\"",
            HangUp::Stopping => "Q.850;cause=16;text=\"the node is stopping\"",
        };
        self.bye(reason).await
    }

    async fn bye(&self, reason: &str) -> Next {
        let reason = vec![other("Reason", reason)];
        // The library's own way to say it leaves no dialog in which it could be said again.
        if self.credentials.is_some() && self.dialog.state().is_confirmed() {
            Box::pin(self.asker().ask(Method::Bye, reason, None)).await;
            return Next::Over;
        }
        if let Err(e) = Box::pin(self.dialog.bye_with_headers(Some(reason))).await {
            debug!(call = %self.sid, error = %e, "BYE failed");
        }
        Next::Over
    }

    /// Whoever asks in its name.
    pub(super) fn asker(&self) -> Asker {
        Asker { dialog: self.dialog.clone(), credentials: self.credentials.clone() }
    }

    /// What challenges within it are answered with.
    pub(super) fn answers_challenges_with(&mut self, credentials: Option<Credentials>) {
        self.credentials = credentials.map(Arc::new);
    }

    /// What became of a browser's media by themselves.
    async fn heard(&mut self, news: MediaNews) -> Next {
        match news {
            MediaNews::Flowing => Next::GoOn,
            MediaNews::Failed(why) => {
                debug!(call = %self.sid, why, "a browser's media failed");
                self.is_over(CallEnd::Failed, None).await;
                self.bye("Q.850;cause=41;text=\"media failed\"").await
            }
            // It says so in SIP as well, or is gone with its page.
            MediaNews::Closed => self.give_up("Q.850;cause=16;text=\"the media were closed\"").await,
        }
    }

    /// Nobody can be told any more that it is answered.
    async fn is_unreached(&self) -> Next {
        self.is_over(CallEnd::Canceled, None).await;
        self.refuse(StatusCode::RequestTerminated)
    }

    async fn ended(&self, end: CallEnd) -> Next {
        self.is_over(end, None).await;
        Next::Over
    }

    /// Tells the model, unless it knows, or the call is with somebody else.
    async fn is_over(&self, end: CallEnd, status: Option<u16>) {
        if self.shared.living.end(&self.dialog.id()).is_some() {
            self.calls.call_ended(self.sid, end, status).await;
        }
    }
}

pub(super) fn sdp_follows() -> Header {
    Header::ContentType("application/sdp".into())
}

async fn respond(handle: &TransactionHandle, status: StatusCode, headers: Vec<Header>, body: Option<String>) {
    // A transaction that is gone wants no answer.
    let _ = handle.respond(status, Some(headers), body.map(String::into_bytes)).await;
}

async fn gone(connection: Option<&CancellationToken>) {
    match connection {
        Some(connection) => connection.cancelled().await,
        None => pending().await,
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => pending().await,
    }
}
