//! Requests that come in: those of a dialog go to it, a new INVITE becomes a call, the rest is answered here.

use std::sync::Arc;
use std::time::Duration;

use rsipstack::dialog::dialog::Dialog;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, StatusCode, Transport, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::advertised::Advertised;
use super::call::take_call;
use super::counters::SipCounters;
use super::dialler::Dialler;
use super::forking::Elsewhere;
use super::guard::{ALLOW, SUPPORTED};
use super::headers::{self, merge_key, other};
use super::in_order::{InOrder, Turn};
use super::living::Living;
use super::merged::Recent;
use super::registrar::{self, Registrar};
use super::secure::SecureDialler;
use super::states::States;
use super::stream::transport_of;
use super::trunk::Trunks;
use super::udp::Gate;
use crate::call::{self, CallEnd};
use crate::config::{Codecs, Routes, SrtpPolicy};
use crate::directory::Directory;
use crate::webrtc::Browsers;

/// How long a request within a call waits for the ACK of the call's INVITE: T1, within which an ACK that was sent
/// before it has come (RFC 3261 §17.1.1.1).
const ACK_PATIENCE: Duration = Duration::from_millis(500);

/// How often a dialog that we began is looked for.
const LISTING_PAUSE: Duration = Duration::from_millis(10);

/// When a request that came before the ACK may be tried again, in seconds.
const RETRY_AFTER: u32 = 1;

/// What all requests need.
pub(super) struct Inbound {
    pub(super) dialogs: Arc<DialogLayer>,
    /// What happens in them.
    pub(super) states: Arc<States>,
    pub(super) endpoint: EndpointInnerRef,
    pub(super) trunks: Trunks,
    pub(super) dialler: Arc<Dialler>,
    pub(super) secure: Arc<SecureDialler>,
    pub(super) calls: call::Handle,
    /// Whose calls those are that a route lets in.
    pub(super) account: call::AccountSid,
    pub(super) routes: Routes,
    /// Whose numbers are called, and what they say.
    pub(super) directory: Directory,
    /// Agents, and where they are.
    pub(super) registrar: Arc<Registrar>,
    /// Makes the media of browsers' calls, and rings at those that agents have as well.
    pub(super) browsers: Browsers,
    /// Calls that were answered elsewhere.
    pub(super) elsewhere: Arc<Elsewhere>,
    /// Codecs, the best liked first.
    pub(super) codecs: Codecs,
    /// Whether media are SRTP where the route does not say.
    pub(super) srtp: SrtpPolicy,
    /// Where far ends reach us.
    pub(super) advertised: Advertised,
    pub(super) counters: Arc<SipCounters>,
    pub(super) tasks: TaskTracker,
    /// The shortest session interval that is accepted, in seconds (RFC 4028 §5).
    pub(super) session_interval_min: u32,
    pub(super) recent: Recent,
    pub(super) in_order: Arc<InOrder>,
    pub(super) living: Arc<Living>,
    pub(super) gate: Arc<Gate>,
    /// Rung when a call's INVITE is acknowledged, or its transaction is over without.
    pub(super) acknowledged: Notify,
}

/// Serves until the endpoint ends.
pub(super) async fn serve(inbound: Arc<Inbound>, mut requests: TransactionReceiver) {
    while let Some(transaction) = requests.recv().await {
        let inbound = Arc::clone(&inbound);
        let tasks = inbound.tasks.clone();
        // Tasks overtake each other, so a request's place is settled here.
        let turn = inbound.turn(&transaction);
        tasks.spawn(async move { inbound.take(transaction, turn).await });
    }
}

impl Inbound {
    /// Our Contact in the dialog that this request begins.
    pub(super) fn contact(&self, transaction: &Transaction) -> Uri {
        self.advertised.contact(came_over(transaction), transaction.original.uri.scheme.as_ref())
    }

    /// The place of a request of a dialog. An ACK has none: the INVITE that it acknowledges waits for it.
    fn turn(&self, transaction: &Transaction) -> Option<Turn> {
        if transaction.original.method == Method::Ack || !is_in_dialog(transaction) {
            return None;
        }
        let call_id = headers::value(&transaction.original, "Call-ID", Some("i"))?;
        Some(self.in_order.queue(&call_id))
    }

    async fn take(self: Arc<Self>, mut transaction: Transaction, turn: Option<Turn>) {
        let answered = match transaction.original.method {
            _ if is_in_dialog(&transaction) => Box::pin(self.take_in_dialog(&mut transaction, turn)).await,
            Method::Invite => return log_unanswered(self.take_invite(transaction).await),
            Method::Register => registrar::register(&self, &mut transaction).await,
            Method::Options => transaction.reply_with(StatusCode::OK, capabilities(), None).await,
            // Never answered, and of no use outside a dialog.
            Method::Ack => Ok(()),
            Method::Bye | Method::Info | Method::Update | Method::Cancel | Method::PRack => {
                transaction.reply(StatusCode::CallTransactionDoesNotExist).await
            }
            Method::Message | Method::Notify | Method::Publish | Method::Refer | Method::Subscribe => {
                transaction.reply_with(StatusCode::MethodNotAllowed, vec![allow()], None).await
            }
        };
        log_unanswered(answered);
    }

    async fn take_in_dialog(
        &self,
        transaction: &mut Transaction,
        mut turn: Option<Turn>,
    ) -> rsipstack::Result<()> {
        if let Some(turn) = &mut turn {
            turn.comes().await;
        }
        if transaction.original.method == Method::Invite {
            // It is over when it is acknowledged, which others need not wait for.
            turn = None;
        }
        let answered = self.serve_in_dialog(transaction).await;
        drop(turn);
        answered
    }

    async fn serve_in_dialog(&self, transaction: &mut Transaction) -> rsipstack::Result<()> {
        match self.find_dialog(transaction).await {
            Some(dialog) => self.hand_over(dialog, transaction).await,
            None if transaction.original.method == Method::Ack => Ok(()),
            None => transaction.reply(StatusCode::CallTransactionDoesNotExist).await,
        }
    }

    /// The dialog of a request. One that we began is listed a moment after our ACK has gone out, and a far end in a hurry
    /// may be faster than that. For an instant before that the library lists it nowhere at all, so what is not found is
    /// looked for once more.
    async fn find_dialog(&self, transaction: &Transaction) -> Option<Dialog> {
        let call_id = headers::value(&transaction.original, "Call-ID", Some("i"))?;
        let is_ours = || !self.dialogs.get_client_dialog_by_call_id(&call_id).is_empty();
        let give_up = Instant::now() + ACK_PATIENCE;
        let mut look_again = true;
        loop {
            let found = self.dialogs.match_dialog(transaction);
            if found.is_some() || Instant::now() >= give_up || !(is_ours() || look_again) {
                return found;
            }
            look_again = is_ours();
            sleep(LISTING_PAUSE).await;
        }
    }

    async fn hand_over(&self, mut dialog: Dialog, transaction: &mut Transaction) -> rsipstack::Result<()> {
        let method = transaction.original.method;
        if method == Method::Bye {
            self.end_call(&dialog, transaction).await;
        }
        if matches!(method, Method::Ack | Method::Bye) || self.is_acknowledged(&dialog).await {
            return dialog.handle(transaction).await;
        }
        if matches!(method, Method::Invite | Method::Update) {
            return transaction.reply(StatusCode::RequestPending).await;
        }
        let later = vec![other("Retry-After", RETRY_AFTER)];
        transaction.reply_with(StatusCode::ServerInternalError, later, None).await
    }

    /// Ends the call that a BYE hangs up, before the library answers it: its place is free then. One that the library will
    /// not take, for it is older than what came before it (RFC 3261 §12.2.2), ends nothing.
    async fn end_call(&self, dialog: &Dialog, bye: &Transaction) {
        let Dialog::Invite(invite) = dialog else {
            return;
        };
        let is_old = headers::cseq(&bye.original).is_none_or(|cseq| cseq < invite.snapshot().remote_cseq);
        if !is_old && let Some(call) = self.living.end(&invite.id()) {
            self.calls.call_ended(call, CallEnd::HungUp, None).await;
        }
    }

    /// Whether the ACK of a dialog's INVITE has been taken in. A request right behind it may be here first, since
    /// another task reads the ACK, and the library would take it in without ever answering it.
    async fn is_acknowledged(&self, dialog: &Dialog) -> bool {
        let waits =
            |dialog: &Dialog| matches!(dialog, Dialog::Invite(invite) if invite.state().waiting_ack());
        let acknowledged = async {
            loop {
                let rung = self.acknowledged.notified();
                if !waits(dialog) {
                    return;
                }
                rung.await;
            }
        };
        timeout(ACK_PATIENCE, acknowledged).await.is_ok()
    }

    async fn take_invite(self: &Arc<Self>, mut transaction: Transaction) -> rsipstack::Result<()> {
        self.counters.invites.increment();
        if self.recent.is_new(merge_key(&transaction.original), Instant::now()) {
            take_call(self, transaction).await
        } else {
            transaction.reply(StatusCode::LoopDetected).await
        }
    }
}

fn is_in_dialog(transaction: &Transaction) -> bool {
    transaction.original.to_header().and_then(|to| to.tag()).is_ok_and(|tag| tag.is_some())
}

/// What a request came over.
pub(super) fn came_over(transaction: &Transaction) -> Transport {
    transaction.connection.as_ref().map_or(Transport::Udp, transport_of)
}

pub(super) fn log_unanswered(answered: rsipstack::Result<()>) {
    if let Err(e) = answered {
        debug!(error = %e, "SIP request not answered");
    }
}

pub(super) fn allow() -> Header {
    Header::Allow(ALLOW.into())
}

/// What we can do (RFC 3261 §11.2).
fn capabilities() -> Vec<Header> {
    vec![allow(), Header::Supported(SUPPORTED.into()), Header::Accept("application/sdp".into())]
}
