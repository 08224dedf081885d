//! A payment with its keys: what both ways of taking one, over the API and in a script, have in common. Whoever takes it
//! waits for the next step, tells the application, and closes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use confab_media::{Digit, SampleRate, Sound};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::attestation::Statement;
use super::connector::Order;
use super::desk::{Inner, PaymentView, Place};
use super::payment::{Given, Payment, Step};
use super::status::{Outcome, Told, last_digits};
use crate::call::{CallSid, CaptureEnd, CaptureNews, Capturing, HttpMethod, VoiceUrl};
use crate::sound::SayRequest;
use crate::webhook::{Job, Method, Payload, Request};

/// How long the end of a capture is waited for before it is attested without: it needs a third of a second and a pause in
/// what is said.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// Samples a second of what is spoken: as good as G.722 has it.
const RATE: SampleRate = SampleRate::Hz16000;

/// The keys of a call, and what happens to them.
pub(super) struct Keys {
    take: Box<dyn FnMut() -> Option<Digit> + Send>,
    news: mpsc::Receiver<CaptureNews>,
    is_over: bool,
}

impl Keys {
    pub(super) fn of(capturing: Capturing) -> Self {
        let Capturing { mut digits, news } = capturing;
        // What was taken is wiped at the end of this line, and its copy goes into the vault.
        let take = move || digits.take().and_then(|digit| Digit::from_char(digit.expose()));
        Self { take: Box::new(take), news, is_over: false }
    }

    async fn news(&mut self) -> Option<CaptureNews> {
        if self.is_over {
            return std::future::pending().await;
        }
        let news = self.news.recv().await;
        self.is_over = news.is_none();
        news
    }
}

/// A payment that is being taken.
pub struct Taking {
    desk: Arc<Inner>,
    payment: Payment,
    view: PaymentView,
    keys: Keys,
    end: Option<CaptureEnd>,
    memory_locked: bool,
    core_dumps_off: bool,
    /// Messages to the application so far.
    told: u32,
    place: Place,
}

impl Taking {
    pub(super) fn new(place: Place, payment: Payment, view: PaymentView, keys: Keys) -> Self {
        let (memory_locked, core_dumps_off) = (payment.is_locked(), payment.is_out_of_dumps());
        let desk = place.desk();
        Self { desk, payment, view, keys, end: None, memory_locked, core_dumps_off, told: 0, place }
    }

    /// What it is called, and whose it is.
    pub const fn view(&self) -> PaymentView {
        self.view
    }

    /// The payment.
    pub const fn payment(&self) -> &Payment {
        &self.payment
    }

    /// The same, to be asked something.
    pub const fn payment_mut(&mut self) -> &mut Payment {
        &mut self.payment
    }

    /// The caller has heard what they are to do.
    pub fn prompts_ended(&mut self) {
        self.payment.prompts_ended(now());
    }

    /// What happens next: to the keys, the time or the call.
    pub async fn next(&mut self) -> Step {
        loop {
            while let Some(key) = (self.keys.take)() {
                if let Some(step) = self.payment.press(key, now(), Utc::now()) {
                    return step;
                }
            }
            let deadline = self.payment.deadline();
            tokio::select! {
                news = self.keys.news() => match news {
                    Some(CaptureNews::Digits) => {}
                    Some(CaptureNews::Told) => self.prompts_ended(),
                    Some(CaptureNews::Ended(end)) => {
                        self.end = Some(*end);
                        return self.hung_up();
                    }
                    Some(CaptureNews::CallOver) | None => return self.hung_up(),
                },
                () = at(deadline) => if let Some(step) = self.payment.time(now(), Utc::now()) {
                    return step;
                },
            }
        }
    }

    fn hung_up(&mut self) -> Step {
        self.payment.cancel(Given::HungUp).unwrap_or(Step::Over(Given::HungUp))
    }

    /// Asks the caller alone whether the last digits are right. Their answer is waited for when they have heard it.
    pub async fn confirm(&mut self) {
        let digits = last_digits(&self.payment);
        let text = format!("The number ends in {digits}. Press 1 to confirm, or 2 to cancel.");
        let request = SayRequest { voice: "man".to_owned(), language: "en-US".to_owned(), text };
        let saying = Arc::clone(&self.desk.saying);
        let said = tokio::task::spawn_blocking(move || saying.say(&request, RATE)).await;
        let Ok(said) = said else {
            return;
        };
        let sound = Sound::new(said.sound.rate, said.sound.samples.as_slice());
        if let Err(error) = self.desk.calls.tell_captured(self.view.call, sound).await {
            debug!(payment = %self.view.sid, %error, "the caller was not asked");
            self.prompts_ended();
        }
    }

    /// Hands it to its connector; `meanwhile` is done until that has answered. Keys are nobody's meanwhile.
    pub async fn submit(&mut self, meanwhile: impl Future<Output = ()>) -> Outcome {
        let name = self.view.sid.to_string();
        let Some(connector) = self.desk.connectors.find(&self.payment.terms().connector) else {
            return Outcome::Given(Given::Internal);
        };
        let order = Order::new(&self.payment, &name);
        let mut submitting = std::pin::pin!(connector.submit(&order));
        let mut meanwhile = std::pin::pin!(meanwhile);
        let mut is_done = false;
        let outcome = loop {
            tokio::select! {
                outcome = &mut submitting => break outcome,
                () = &mut meanwhile, if !is_done => is_done = true,
                news = self.keys.news() => {
                    while (self.keys.take)().is_some() {}
                    // What the connector has goes on without its caller.
                    if let Some(CaptureNews::Ended(end)) = news {
                        self.end = Some(*end);
                    }
                }
            }
        };
        outcome.map_or_else(Outcome::Declined, Outcome::Done)
    }

    /// Tells the application something, in order.
    pub fn tell(&mut self, to: &VoiceUrl, told: Told, is_last: bool) {
        let request = Request {
            method: match to.method {
                HttpMethod::Get => Method::Get,
                HttpMethod::Post => Method::Post,
            },
            payload: Payload::Form(told),
            ..Request::post(to.url.clone(), self.view.account.to_string(), Vec::new())
        };
        let key = self.view.sid.to_string();
        let job = Job {
            id: format!("{key}-{}", self.told),
            is_last,
            request: request.about(self.view.call.to_string()),
            key,
            accepted_at: SystemTime::now(),
        };
        self.told += 1;
        (self.desk.tell)(job);
    }

    /// Closes it: everything that was typed is forgotten, the call's keys are its own again, another payment may begin; and
    /// what was is attested when the last of it is known. `last` is what the application is told of that.
    pub async fn close(mut self, outcome: &Outcome, last: Option<(VoiceUrl, Told)>) {
        self.payment.finish();
        let (sid, call, result) = (self.view.sid, self.view.call, outcome.word());
        info!(payment = %sid, %call, result, "payment over");
        self.desk.calls.stop_capture(call).await;
        self.place.give_back();
        if let Some((to, told)) = last {
            self.tell(&to, told, true);
        }
        let Self { desk, view, mut keys, mut end, memory_locked, core_dumps_off, .. } = self;
        let tasks = desk.tasks.clone();
        tasks.spawn(async move {
            let deadline = Instant::now() + END_PATIENCE;
            while end.is_none() {
                match timeout_at(deadline, keys.news()).await {
                    Ok(Some(CaptureNews::Ended(ended))) => end = Some(*ended),
                    Ok(Some(CaptureNews::Digits | CaptureNews::Told | CaptureNews::CallOver)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
            let statement = Statement {
                payment: view.sid,
                call: view.call,
                account: view.account,
                begun: view.created,
                ended: Utc::now(),
                result,
                capture: end,
                memory_locked,
                core_dumps_off,
            };
            let kept = tokio::task::spawn_blocking(move || desk.seal.keep(&statement)).await;
            if let Ok(Err(error)) = kept {
                warn!(payment = %view.sid, %error, "the attestation of a payment could not be kept");
            }
        });
    }
}

/// What is said of every payment over the API.
pub(super) fn facts(view: &PaymentView, call: CallSid) -> Told {
    let named = |name: &str, value: String| (name.to_owned(), value);
    vec![
        named("AccountSid", view.account.to_string()),
        named("CallSid", call.to_string()),
        named("Sid", view.sid.to_string()),
        named("DateCreated", date(view.created)),
        named("DateUpdated", date(Utc::now())),
    ]
}

/// As RFC 2822 has it.
fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// By the clock of the runtime, which tests may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn at(when: Option<std::time::Instant>) {
    match when {
        Some(when) => sleep_until(Instant::from_std(when)).await,
        None => std::future::pending().await,
    }
}
