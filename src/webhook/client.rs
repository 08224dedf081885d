//! The client: one request with its redirects and retries, bounded in time and size, signed for its account, and sent
//! only where the guard lets it.
//!
//! ```text
//! Request ─► URL read ─► hop: judge, connect or reuse, sign, send ─► redirect? next hop (10 at most)
//!                  ▲                                              ├► failure that the URL's policy retries ─┐
//!                  └──────────────────────────────────────────────┴─────────────────────────────────────────┘
//!                                                                 └► answer, or one Failure, reported and counted
//! ```
//!
//! It knows nothing of calls: what a request says and what an answer means is its caller's affair.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, SET_COOKIE};
use tokio::time::{Instant, timeout_at};

use super::body::{Body, Bounds};
use super::connection::{Connections, Sender, TrustError};
use super::content::{Content, Script, Sound, is_sound, kind_of};
use super::cookies::Cookies;
use super::egress::Egress;
use super::exchange::{Attempt, BODY_SHOWN_MAX, OnExchange, Sighting};
use super::failure::{Failure, FailureKind, OnFailure};
use super::hop::Hop;
use super::ledger::{Books, Ledger};
use super::metrics::RequestMetrics;
use super::network::Network;
use super::request::{Fallback, Payload, Purpose, Request};
use super::target::Target;
use crate::config::Secret;
use crate::telemetry::Metrics;

/// Redirects followed; the reference's own bound.
const REDIRECTS_MAX: usize = 10;

/// The longest call script; the reference's own bound.
const SCRIPT_BYTES_MAX: u64 = 64 * 1024;

/// How much of the answer to a callback is read so that its connection can be used again. Nobody looks at it.
const CALLBACK_BYTES_MAX: u64 = 16 * 1024;

/// How long the page that comes with an error is waited for: whoever looks into it later wants it, and a call waits.
const ERROR_PAGE_PATIENCE: Duration = Duration::from_millis(500);

/// The longest sound if nothing else is said: 40 minutes at 8 kHz and 16 bits are 38 MB, and few are longer.
const SOUND_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The auth tokens that requests are signed with.
pub trait SigningKeys: Send + Sync {
    /// The account's auth token, if there is such an account. Must not wait.
    fn auth_token(&self, account_sid: &str) -> Option<Secret>;
}

impl<F: Fn(&str) -> Option<Secret> + Send + Sync> SigningKeys for F {
    fn auth_token(&self, account_sid: &str) -> Option<Secret> {
        self(account_sid)
    }
}

/// What a client is made with.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Where requests may go.
    pub egress: Egress,
    /// A PEM file of authorities that are trusted besides the machine's.
    pub extra_authorities: Option<PathBuf>,
    /// The longest sound, in bytes. Default 64 MiB.
    pub sound_bytes_max: u64,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self { egress: Egress::default(), extra_authorities: None, sound_bytes_max: SOUND_BYTES_MAX }
    }
}

/// Sends requests to applications. Cheap to clone: a clone shares its connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    connections: Connections,
    keys: Arc<dyn SigningKeys>,
    books: Arc<Books>,
    sound_bytes_max: u64,
}

/// A success, its body still to be read.
struct Answer {
    /// Where it came from in the end.
    target: Target,
    headers: HeaderMap,
    body: Body,
}

impl Client {
    /// A client that signs with `keys` and tells `on_failure` of each request that failed.
    ///
    /// # Errors
    /// When authorities that should be trusted cannot be read.
    pub fn new(
        settings: &ClientSettings,
        network: Arc<dyn Network>,
        keys: Arc<dyn SigningKeys>,
        on_failure: OnFailure,
        metrics: &Metrics,
    ) -> Result<Self, TrustError> {
        let extra = settings.extra_authorities.as_deref();
        let connections = Connections::new(network, settings.egress.clone(), extra)?;
        let metrics = RequestMetrics::new(metrics);
        let books = Arc::new(Books { on_failure, on_exchange: OnceLock::new(), metrics });
        let sound_bytes_max = settings.sound_bytes_max;
        Ok(Self { inner: Arc::new(Inner { connections, keys, books, sound_bytes_max }) })
    }

    /// Tells `on_exchange` of each request from now on, when it is over. Only the first that is given is told.
    pub fn observe(&self, on_exchange: OnExchange) {
        let _ = self.inner.books.on_exchange.set(on_exchange);
    }

    /// Fetches a call script. What an application keeps in cookies goes with it and comes back in `cookies`.
    ///
    /// # Errors
    /// See [`FailureKind`].
    pub async fn fetch_script(&self, request: &Request, cookies: &mut Cookies) -> Result<Script, Failure> {
        let ledger = self.ledger(request, Purpose::Script);
        match self.inner.script(request, cookies, &ledger).await {
            Ok(script) => {
                ledger.succeeded();
                Ok(script)
            }
            Err(kind) => Err(ledger.failed(kind)),
        }
    }

    /// Fetches a call script, and from `fallback` if that fails.
    ///
    /// # Errors
    /// The fallback's failure if there is a fallback, otherwise the first.
    pub async fn fetch_with_fallback(
        &self,
        request: &Request,
        fallback: Option<&Fallback>,
        cookies: &mut Cookies,
    ) -> Result<Script, Failure> {
        match (self.fetch_script(request, cookies).await, fallback) {
            (Err(failure), Some(fallback)) => {
                self.fetch_fallback(request, fallback, failure.code(), cookies).await
            }
            (outcome, _) => outcome,
        }
    }

    /// Fetches a call script from `fallback` because what `request` asks for failed with `code`: the request's own
    /// parameters, and `ErrorCode` and `ErrorUrl`. Also for scripts that came and could not be understood.
    ///
    /// # Errors
    /// See [`FailureKind`].
    pub async fn fetch_fallback(
        &self,
        request: &Request,
        fallback: &Fallback,
        code: u32,
        cookies: &mut Cookies,
    ) -> Result<Script, Failure> {
        let mut params = match &request.payload {
            Payload::Form(params) => params.clone(),
            Payload::Json(_) => Vec::new(),
        };
        params.push(("ErrorCode".to_owned(), code.to_string()));
        // As it was requested: without user and fragment. What is no URL cannot hold a password that was meant as one.
        let failed =
            Target::parse(&request.url).map_or_else(|_| request.url.clone(), |url| url.as_str().to_owned());
        params.push(("ErrorUrl".to_owned(), failed));
        let second = Request {
            url: fallback.url.clone(),
            method: fallback.method,
            payload: Payload::Form(params),
            idempotency_token: None,
            ..request.clone()
        };
        self.fetch_script(&second, cookies).await
    }

    /// Fetches a sound, which is then read piece by piece.
    ///
    /// # Errors
    /// See [`FailureKind`]; also later, while it is read.
    pub async fn fetch_sound(&self, request: &Request, cookies: &mut Cookies) -> Result<Sound, Failure> {
        let ledger = self.ledger(request, Purpose::Sound);
        match self.inner.transact(request, Purpose::Sound, cookies, &ledger).await {
            Ok(answer) => Ok(answer.into_sound(ledger)),
            Err(kind) => Err(ledger.failed(kind)),
        }
    }

    /// Tells an application something. What it answers does not matter if its status is a success.
    ///
    /// # Errors
    /// See [`FailureKind`].
    pub async fn notify(&self, request: &Request) -> Result<(), Failure> {
        self.tell(request, Attempt::First).await
    }

    /// The same, for one who may have been told before.
    pub(super) async fn tell(&self, request: &Request, attempt: Attempt) -> Result<(), Failure> {
        let ledger = self.ledger(request, Purpose::Callback).of_attempt(attempt);
        match self.inner.transact(request, Purpose::Callback, &mut Cookies::default(), &ledger).await {
            Ok(answer) => {
                // It was heard, whatever becomes of the rest.
                let _ = answer.body.whole().await;
                ledger.succeeded();
                Ok(())
            }
            Err(kind) => Err(ledger.failed(kind)),
        }
    }

    /// Reports a callback that is not sent any more because it is too old.
    pub(super) fn give_up(&self, request: &Request) {
        let ledger = self.ledger(request, Purpose::Callback).of_attempt(Attempt::GivenUp);
        ledger.failed(FailureKind::TooLate);
    }

    /// Reports a callback that is not sent any more because it failed too often.
    pub(super) fn lost(&self, request: &Request, last: &Failure, attempts: u32) {
        self.ledger(request, Purpose::Callback).of_attempt(Attempt::GivenUp).given_up(last, attempts);
    }

    fn ledger(&self, request: &Request, purpose: Purpose) -> Ledger {
        Ledger::open(&self.inner.books, request, purpose)
    }
}

impl Inner {
    async fn script(
        &self,
        request: &Request,
        cookies: &mut Cookies,
        ledger: &Ledger,
    ) -> Result<Script, FailureKind> {
        let answer = self.transact(request, Purpose::Script, cookies, ledger).await?;
        let url = answer.target.as_str().to_owned();
        let said = answer.content_type().map(str::to_owned);
        if said.as_deref().is_some_and(is_sound) {
            let deadline = Instant::now() + Purpose::Sound.patience();
            let body = answer.body.within(self.sound_bytes_max, deadline);
            let sound = Sound::new(url.clone(), said, body, ledger.again(Purpose::Sound));
            return Ok(Script { url, content: Content::Sound(Box::new(sound)) });
        }
        let body = answer.body.whole().await?;
        ledger.sighting.read(&body);
        let content = kind_of(said.as_deref(), body)?;
        Ok(Script { url, content })
    }

    /// The request with its retries.
    async fn transact(
        &self,
        request: &Request,
        purpose: Purpose,
        cookies: &mut Cookies,
        ledger: &Ledger,
    ) -> Result<Answer, FailureKind> {
        let target = Target::parse(&request.url)?;
        let auth_token = self.keys.auth_token(&request.account_sid).ok_or(FailureKind::NoKey)?;
        let overrides = target.overrides();
        let patience = overrides.total.unwrap_or_else(|| purpose.patience());
        let token = request.idempotency_token.clone().unwrap_or_else(random_token);
        let order = Order {
            request,
            auth_token: &auth_token,
            token: &token,
            bytes: self.bytes_max(purpose),
            deadline: Instant::now() + patience,
            sighting: &ledger.sighting,
        };
        let mut retries = overrides.retries;
        loop {
            match self.follow(&order, &target, cookies).await {
                Err(kind) if retries > 0 && overrides.policy.covers(&kind) && order.has_time() => {
                    retries -= 1
                }
                outcome => return outcome,
            }
        }
    }

    const fn bytes_max(&self, purpose: Purpose) -> u64 {
        match purpose {
            Purpose::Script => SCRIPT_BYTES_MAX,
            Purpose::Callback => CALLBACK_BYTES_MAX,
            Purpose::Sound => self.sound_bytes_max,
        }
    }

    /// One try, with its redirects.
    async fn follow(
        &self,
        order: &Order<'_>,
        target: &Target,
        cookies: &mut Cookies,
    ) -> Result<Answer, FailureKind> {
        let mut hop = Hop::first(order.request, target);
        for _ in 0..=REDIRECTS_MAX {
            if !order.has_time() {
                return Err(FailureKind::TimedOut);
            }
            let (status, answer) = self.ask(order, &hop, cookies).await?;
            order.sighting.saw(status.as_u16(), &answer.headers);
            if let Some(next) = hop.next(status, &answer.headers)? {
                answer.body.dismiss();
                hop = next;
            } else if status.is_success() {
                return Ok(answer);
            } else {
                let deadline = order.deadline.min(Instant::now() + ERROR_PAGE_PATIENCE);
                let page = answer.body.within(CALLBACK_BYTES_MAX, deadline);
                order.sighting.read(&page.beginning(BODY_SHOWN_MAX).await);
                return Err(FailureKind::Status(status.as_u16()));
            }
        }
        Err(FailureKind::TooManyRedirects)
    }

    /// One hop. A connection that was idle may have been closed by its server just now: then the request is sent once
    /// more on a new one. The idempotency token tells an application that heard both.
    async fn ask(
        &self,
        order: &Order<'_>,
        hop: &Hop<'_>,
        cookies: &mut Cookies,
    ) -> Result<(StatusCode, Answer), FailureKind> {
        let origin = hop.target.origin()?;
        if let Some(sender) = self.connections.idle(&origin).await {
            match self.exchange(order, hop, cookies, sender).await {
                Err(FailureKind::Broken) => {}
                outcome => return outcome,
            }
        }
        let time_left = order.deadline.saturating_duration_since(Instant::now());
        let patience = hop.target.overrides().connect.min(time_left);
        let sender = self.connections.connect(&origin, patience).await?;
        self.exchange(order, hop, cookies, sender).await
    }

    async fn exchange(
        &self,
        order: &Order<'_>,
        hop: &Hop<'_>,
        cookies: &mut Cookies,
        mut sender: Sender,
    ) -> Result<(StatusCode, Answer), FailureKind> {
        let message = hop.message(order.auth_token, order.token, cookies)?;
        let bounds =
            Bounds { deadline: order.deadline, pause: hop.target.overrides().read, bytes: order.bytes };
        let answered = timeout_at(bounds.next(), sender.send_request(message)).await;
        let response = answered.map_err(|_| FailureKind::ReadTimedOut)?.map_err(|_| FailureKind::Broken)?;
        let (head, incoming) = response.into_parts();
        for cookie in head.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            cookies.take(&hop.target, cookie, SystemTime::now());
        }
        let home = self.connections.home(hop.target.origin()?, sender);
        let body = Body::new(incoming, home, bounds);
        Ok((head.status, Answer { target: hop.target.clone(), headers: head.headers, body }))
    }
}

impl Answer {
    fn content_type(&self) -> Option<&str> {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
    }

    fn into_sound(self, ledger: Ledger) -> Sound {
        let content_type = self.content_type().map(str::to_owned);
        Sound::new(self.target.as_str().to_owned(), content_type, self.body, ledger)
    }
}

/// What all hops of one request share.
struct Order<'a> {
    request: &'a Request,
    auth_token: &'a Secret,
    token: &'a str,
    bytes: u64,
    deadline: Instant,
    sighting: &'a Sighting,
}

impl Order<'_> {
    fn has_time(&self) -> bool {
        Instant::now() < self.deadline
    }
}

/// 128 random bits, as the reference's own tokens look.
fn random_token() -> String {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives entropy once it has booted");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
