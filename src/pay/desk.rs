//! All payments of a node: begins them, one at a time for each call, hands on what applications ask of them, and remembers
//! for a while those that are over, so that a request that is repeated is not done twice.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::info;

use super::attestation::Seal;
use super::connector::Connectors;
use super::field::Capture;
use super::payment::{NotNow, Payment};
use super::running::Running;
use super::taking::{Keys, Taking};
use super::terms::Terms;
use crate::call::{AccountSid, CallError, CallSid, CallView, Handle, VoiceUrl};
use crate::sid::PaymentSid;
use crate::sound::Saying;
use crate::webhook::Job;

/// Payments that are over and still known. A repeated request comes within minutes; a busy node has some hundreds in them.
const OVER_MAX: usize = 4_096;

/// Requests that a payment remembers, so that each is done once. Nobody asks for more: each is an item of a card.
const KEYS_MAX: usize = 256;

/// What an application may ask of a payment before it has answered.
const ASKED_MAX: usize = 16;

/// Delivers what applications are told. What it does when it is full is its own affair.
pub type Tell = Box<dyn Fn(Job) + Send + Sync>;

/// Payments. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) calls: Handle,
    pub(super) tell: Tell,
    pub(super) connectors: Connectors,
    pub(super) seal: Seal,
    pub(super) saying: Arc<Saying>,
    pub(super) tasks: TaskTracker,
    book: Mutex<Book>,
}

/// A payment as others may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// Its name.
    pub sid: PaymentSid,
    /// Whose it is.
    pub account: AccountSid,
    /// Whose keys it captures.
    pub call: CallSid,
    /// When it began.
    pub created: DateTime<Utc>,
    /// When somebody asked something of it last.
    pub updated: DateTime<Utc>,
}

/// A request's name, and what it asked, as a hash: the same name for something else is a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    name: String,
    asked: [u8; 32],
}

impl RequestKey {
    /// The name that an application gave it, and all that it says.
    pub fn new(name: &str, says: &[(String, String)]) -> Self {
        let mut hash = Sha256::new();
        for (name, value) in says {
            for text in [name, value] {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
        Self { name: name.to_owned(), asked: hash.finalize().into() }
    }
}

/// What an application asks of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The caller types this from now on.
    Capture(Capture),
    /// It goes to the connector.
    Complete,
    /// It is given up.
    Cancel,
}

/// Why a payment cannot be begun, or changed.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// The call has one.
    #[error("the call has a payment under way; one at a time")]
    UnderWay,
    /// There is no connector of this name.
    #[error("there is no connector of this name; there are {0}")]
    NoConnector(String),
    /// There is no such payment of this call.
    #[error("the call has no such payment")]
    NoPayment,
    /// It cannot be done now.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The key named another request.
    #[error("the IdempotencyKey was that of another request; use each for one")]
    KeyUsed,
    /// The model refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The system has no memory.
    #[error("there is no memory for what is typed: {0}")]
    Memory(#[from] io::Error),
    /// The node is stopping, or has too much to do.
    #[error("the node cannot take it on now")]
    Unavailable,
}

/// What a payment is asked, and where the answer goes.
pub(super) struct Ask {
    pub(super) change: Change,
    pub(super) callback: VoiceUrl,
    pub(super) reply: oneshot::Sender<Result<(), NotNow>>,
}

#[derive(Default)]
struct Book {
    entries: HashMap<PaymentSid, Entry>,
    /// Calls with a payment under way, or about to be.
    busy: HashSet<CallSid>,
    /// Those that are over, the oldest first.
    over: VecDeque<PaymentSid>,
}

struct Entry {
    view: PaymentView,
    /// Requests that were done, that which began it first.
    keys: VecDeque<RequestKey>,
    asks: mpsc::Sender<Ask>,
}

/// What the desk works with.
pub struct Means {
    /// The model.
    pub calls: Handle,
    /// Who tells applications.
    pub tell: Tell,
    /// Who charges.
    pub connectors: Connectors,
    /// Who signs.
    pub seal: Seal,
    /// Who speaks.
    pub saying: Arc<Saying>,
}

impl Payments {
    /// None so far.
    pub fn new(means: Means) -> Self {
        let Means { calls, tell, connectors, seal, saying } = means;
        let (tasks, book) = (TaskTracker::new(), Mutex::default());
        Self { inner: Arc::new(Inner { calls, tell, connectors, seal, saying, tasks, book }) }
    }

    /// Begins a payment of a call; answers when its keys are withheld from everybody.
    ///
    /// # Errors
    /// [`PayError`]; no keys are withheld then.
    pub async fn start(
        &self,
        call: &CallView,
        key: RequestKey,
        callback: VoiceUrl,
        terms: Terms,
    ) -> Result<PaymentView, PayError> {
        let place = match self.reserve(call.sid, &key)? {
            Ok(place) => place,
            Err(begun) => return Ok(begun),
        };
        let taking = self.take_in(place, call, terms).await?;
        let view = taking.view();
        let (asks, asked) = mpsc::channel(ASKED_MAX);
        self.inner.lock().enter(view, key, asks);
        let running = Running::new(taking, call.parent.unwrap_or(call.sid), callback);
        self.inner.tasks.spawn(running.run(asked));
        Ok(view)
    }

    /// Begins a payment that a script takes; answers when its keys are withheld from everybody.
    ///
    /// # Errors
    /// [`PayError`]; no keys are withheld then.
    pub async fn take(&self, call: &CallView, terms: Terms) -> Result<Taking, PayError> {
        let place = Place::take(&self.inner, call.sid)?;
        self.take_in(place, call, terms).await
    }

    async fn take_in(&self, mut place: Place, call: &CallView, terms: Terms) -> Result<Taking, PayError> {
        let payment = self.payment(terms)?;
        let capturing = self.inner.calls.start_capture(call.sid).await?;
        let now = Utc::now();
        let (sid, account) = (PaymentSid::generate(), call.account);
        let view = PaymentView { sid, account, call: call.sid, created: now, updated: now };
        info!(payment = %sid, call = %call.sid, connector = payment.terms().connector, "payment begun");
        place.payment = Some(sid);
        Ok(Taking::new(place, payment, view, Keys::of(capturing)))
    }

    /// Asks something of a payment; answers when that is so.
    ///
    /// # Errors
    /// [`PayError`]; nothing is changed then.
    pub async fn update(
        &self,
        (account, call, sid): (AccountSid, CallSid, PaymentSid),
        key: RequestKey,
        callback: VoiceUrl,
        change: Change,
    ) -> Result<PaymentView, PayError> {
        let asks = {
            let mut book = self.inner.lock();
            let entry = book.entries.get_mut(&sid);
            let entry = entry.filter(|entry| entry.view.account == account && entry.view.call == call);
            let entry = entry.ok_or(PayError::NoPayment)?;
            if entry.has_done(&key)? {
                return Ok(entry.view);
            }
            // From now on: the same request may come again before this one is answered.
            entry.remember(key.clone());
            entry.asks.clone()
        };
        let done = ask(&asks, change, callback).await;
        let mut book = self.inner.lock();
        let entry = book.entries.get_mut(&sid).ok_or(PayError::NoPayment)?;
        match done {
            Ok(()) => entry.view.updated = Utc::now(),
            Err(_) => entry.keys.retain(|known| *known != key),
        }
        done.map(|()| entry.view)
    }

    /// What is attested of a payment that is over, signed. Blocks.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn attestation(&self, payment: PaymentSid, account: AccountSid) -> io::Result<Option<Value>> {
        self.inner.seal.find(payment, account)
    }

    /// With what attestations are checked (RFC 7517).
    pub fn attestation_key(&self) -> Value {
        self.inner.seal.public_key()
    }

    /// Waits until all payments are over, which they soon are when their calls are.
    pub async fn stop(&self, patience: Duration) -> bool {
        self.inner.tasks.close();
        tokio::time::timeout(patience, self.inner.tasks.wait()).await.is_ok()
    }

    /// A call's one place, or the payment that this request has begun.
    fn reserve(&self, call: CallSid, key: &RequestKey) -> Result<Result<Place, PaymentView>, PayError> {
        let begun = {
            let book = self.inner.lock();
            let mut of_call = book.entries.values().filter(|entry| entry.view.call == call);
            let same = of_call.find(|entry| entry.keys.front().is_some_and(|first| first.name == key.name));
            same.map(|entry| entry.has_done(key).map(|_| entry.view)).transpose()?
        };
        match begun {
            Some(view) => Ok(Err(view)),
            None => Place::take(&self.inner, call).map(Ok),
        }
    }

    /// A payment that nothing was typed of.
    fn payment(&self, terms: Terms) -> Result<Payment, PayError> {
        if self.inner.connectors.find(&terms.connector).is_none() {
            return Err(PayError::NoConnector(self.inner.connectors.names()));
        }
        Ok(Payment::new(terms)?)
    }
}

/// The one payment that a call may have at a time, given back when it is over or was not begun, however that came.
pub(super) struct Place {
    desk: Arc<Inner>,
    call: CallSid,
    payment: Option<PaymentSid>,
    is_given_back: bool,
}

impl Place {
    fn take(desk: &Arc<Inner>, call: CallSid) -> Result<Self, PayError> {
        if !desk.lock().busy.insert(call) {
            return Err(PayError::UnderWay);
        }
        Ok(Self { desk: Arc::clone(desk), call, payment: None, is_given_back: false })
    }

    pub(super) fn desk(&self) -> Arc<Inner> {
        Arc::clone(&self.desk)
    }

    pub(super) fn give_back(&mut self) {
        if !self.is_given_back {
            self.is_given_back = true;
            self.desk.lock().close(self.call, self.payment);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Inner {
    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A call has no payment any more.
    fn close(&mut self, call: CallSid, payment: Option<PaymentSid>) {
        self.busy.remove(&call);
        self.over.extend(payment);
        if self.over.len() > OVER_MAX
            && let Some(oldest) = self.over.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    fn enter(&mut self, view: PaymentView, key: RequestKey, asks: mpsc::Sender<Ask>) {
        self.entries.insert(view.sid, Entry { view, keys: VecDeque::from([key]), asks });
    }
}

/// Has a payment do something; answers when it has.
async fn ask(asks: &mpsc::Sender<Ask>, change: Change, callback: VoiceUrl) -> Result<(), PayError> {
    let (reply, answer) = oneshot::channel();
    let asked = asks.try_send(Ask { change, callback, reply });
    asked.map_err(|refused| match refused {
        mpsc::error::TrySendError::Full(_) => PayError::Unavailable,
        mpsc::error::TrySendError::Closed(_) => PayError::NotNow(NotNow::Over),
    })?;
    Ok(answer.await.unwrap_or(Err(NotNow::Over))?)
}

impl Entry {
    fn remember(&mut self, key: RequestKey) {
        if self.keys.len() == KEYS_MAX {
            // Not that which began it.
            self.keys.remove(1);
        }
        self.keys.push_back(key);
    }

    /// Whether a request was done before.
    fn has_done(&self, key: &RequestKey) -> Result<bool, PayError> {
        match self.keys.iter().find(|done| done.name == key.name) {
            None => Ok(false),
            Some(done) if done == key => Ok(true),
            Some(_) => Err(PayError::KeyUsed),
        }
    }
}
