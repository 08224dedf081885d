//! Requests that come in: those of a dialog go to it, a new INVITE becomes a call, the rest is answered here.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::call::take_call;
use super::counters::SipCounters;
use super::guard::{ALLOW, SUPPORTED};
use super::headers::merge_key;
use crate::call;
use crate::config::{Codecs, Routes, SrtpPolicy};

/// What all requests need.
pub(super) struct Inbound {
    pub(super) dialogs: Arc<DialogLayer>,
    pub(super) calls: call::Handle,
    pub(super) routes: Routes,
    /// Codecs, the best liked first.
    pub(super) codecs: Codecs,
    /// Whether media are SRTP where the route does not say.
    pub(super) srtp: SrtpPolicy,
    pub(super) advertised: SocketAddr,
    pub(super) counters: Arc<SipCounters>,
    pub(super) tasks: TaskTracker,
    /// INVITEs being answered, to know one that came by two ways. Bounded by the calls that are let in.
    pub(super) merging: Arc<Mutex<HashSet<String>>>,
}

/// An INVITE is being answered, as long as this is there: the same one by another way is a merged request.
pub(super) struct Merging {
    key: Option<String>,
    all: Arc<Mutex<HashSet<String>>>,
}

impl Merging {
    /// None if the INVITE is being answered already. One that lacks what tells INVITEs apart is like no other.
    fn begin(key: Option<String>, all: &Arc<Mutex<HashSet<String>>>) -> Option<Self> {
        let is_new = key.as_ref().is_none_or(|key| lock(all).insert(key.clone()));
        is_new.then(|| Self { key, all: Arc::clone(all) })
    }
}

impl Drop for Merging {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            lock(&self.all).remove(key);
        }
    }
}

fn lock(all: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the endpoint ends.
pub(super) async fn serve(inbound: Arc<Inbound>, mut requests: TransactionReceiver) {
    while let Some(transaction) = requests.recv().await {
        let inbound = Arc::clone(&inbound);
        let tasks = inbound.tasks.clone();
        tasks.spawn(async move { inbound.take(transaction).await });
    }
}

impl Inbound {
    async fn take(self: Arc<Self>, mut transaction: Transaction) {
        let is_in_dialog =
            transaction.original.to_header().and_then(|to| to.tag()).is_ok_and(|tag| tag.is_some());
        let answered = match transaction.original.method {
            _ if is_in_dialog => Box::pin(self.take_in_dialog(&mut transaction)).await,
            Method::Invite => return log_unanswered(self.take_invite(transaction).await),
            Method::Options => transaction.reply_with(StatusCode::OK, capabilities(), None).await,
            // Never answered, and of no use outside a dialog.
            Method::Ack => Ok(()),
            Method::Bye | Method::Info | Method::Update | Method::Cancel | Method::PRack => {
                transaction.reply(StatusCode::CallTransactionDoesNotExist).await
            }
            Method::Message
            | Method::Notify
            | Method::Publish
            | Method::Refer
            | Method::Register
            | Method::Subscribe => {
                transaction.reply_with(StatusCode::MethodNotAllowed, vec![allow()], None).await
            }
        };
        log_unanswered(answered);
    }

    async fn take_in_dialog(&self, transaction: &mut Transaction) -> rsipstack::Result<()> {
        match self.dialogs.match_dialog(transaction) {
            Some(mut dialog) => dialog.handle(transaction).await,
            None if transaction.original.method == Method::Ack => Ok(()),
            None => transaction.reply(StatusCode::CallTransactionDoesNotExist).await,
        }
    }

    async fn take_invite(self: &Arc<Self>, mut transaction: Transaction) -> rsipstack::Result<()> {
        self.counters.invites.increment();
        match Merging::begin(merge_key(&transaction.original), &self.merging) {
            Some(merging) => take_call(self, transaction, merging).await,
            None => transaction.reply(StatusCode::LoopDetected).await,
        }
    }
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
