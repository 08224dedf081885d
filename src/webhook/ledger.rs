//! What becomes of each request, for those who keep failures and figures.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::exchange::{Attempt, Exchange, OnExchange, Sighting};
use super::failure::{Failure, FailureKind, OnFailure};
use super::metrics::RequestMetrics;
use super::request::{Method, Purpose, Request};
use super::target::Target;

/// Where it is written.
pub(super) struct Books {
    pub(super) on_failure: OnFailure,
    pub(super) on_exchange: OnceLock<OnExchange>,
    pub(super) metrics: RequestMetrics,
}

/// What is known of one request until it succeeds or fails.
pub(super) struct Ledger {
    books: Arc<Books>,
    account_sid: String,
    subject: Option<String>,
    method: Method,
    url: String,
    purpose: Purpose,
    since: Instant,
    attempt: Attempt,
    /// What was said, and what came.
    pub(super) sighting: Arc<Sighting>,
}

impl Ledger {
    /// The account of a request that begins now.
    pub(super) fn open(books: &Arc<Books>, request: &Request, purpose: Purpose) -> Self {
        Self {
            books: Arc::clone(books),
            account_sid: request.account_sid.clone(),
            subject: request.subject.clone(),
            method: request.method,
            url: Target::parse(&request.url).map_or_else(|_| "?".to_owned(), |target| target.shown()),
            purpose,
            since: Instant::now(),
            attempt: Attempt::First,
            sighting: Arc::new(Sighting::of(request)),
        }
    }

    /// The same of one of several attempts.
    pub(super) fn of_attempt(self, attempt: Attempt) -> Self {
        Self { attempt, ..self }
    }

    /// The same for a part that is judged by itself: a sound that came where a script was asked for.
    pub(super) fn again(&self, purpose: Purpose) -> Self {
        Self {
            books: Arc::clone(&self.books),
            account_sid: self.account_sid.clone(),
            subject: self.subject.clone(),
            method: self.method,
            url: self.url.clone(),
            purpose,
            since: self.since,
            attempt: self.attempt,
            sighting: Arc::clone(&self.sighting),
        }
    }

    pub(super) fn succeeded(&self) {
        self.books.metrics.succeeded(self.purpose, self.elapsed());
        self.tell(None);
    }

    pub(super) fn failed(&self, kind: FailureKind) -> Failure {
        let duration = self.elapsed();
        self.books.metrics.failed(self.purpose, &kind, duration);
        let failure = Failure {
            account_sid: self.account_sid.clone(),
            subject: self.subject.clone(),
            purpose: self.purpose,
            method: self.method,
            url: self.url.clone(),
            kind,
            duration,
        };
        (self.books.on_failure)(&failure);
        self.tell(Some((failure.code(), failure.kind.to_string())));
        failure
    }

    /// It was tried often enough, in vain: the last time for this reason.
    pub(super) fn given_up(&self, last: &Failure, attempts: u32) {
        let message = format!("{}; it was tried {attempts} times and is given up", last.kind);
        self.tell(Some((last.code(), message)));
    }

    fn tell(&self, failure: Option<(u32, String)>) {
        let Some(on_exchange) = self.books.on_exchange.get() else { return };
        on_exchange(&Exchange {
            account_sid: self.account_sid.clone(),
            subject: self.subject.clone(),
            purpose: self.purpose,
            method: self.method,
            url: self.url.clone(),
            parameters: self.sighting.parameters.clone(),
            answer: self.sighting.answer(),
            failure,
            duration: self.elapsed(),
            attempt: self.attempt,
        });
    }

    fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}
