//! Calls to agents: an INVITE to each of their phones, all at once or one after the other. The first that answers has the
//! call, and the others stop ringing (RFC 3261 §16.7 calls it forking; here the one who calls does it).
//!
//! ```text
//!              ┌─ attempt ─▶ phone   180, 200 ─▶ the call
//! client:NAME ─┼─ attempt ─▶ phone   180 ◀────── CANCEL, "Call completed elsewhere" (RFC 3326)
//!              └─ attempt ─▶ phone   486
//! ```
//!
//! All attempts offer the one leg of the call, be it by its port or by that of the browsers: it listens to whoever answered,
//! and to nobody before.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::sip::{Header, Method, Request};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::attempt::{Answered, Missed, NotAnswered, Way, WayMedia, attempt};
use super::headers::{self, other};
use super::inbound::Inbound;
use super::outbound::caller;
use super::registrar::Device;
use crate::call::{CallEnd, OutgoingCall, Signal};
use crate::config::Ring;

/// What those are told whose phone stops ringing because another was picked up.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// How long a phone rings at least before the next one of its agent does: two rings.
const RINGS_AT_LEAST: Duration = Duration::from_secs(6);

/// An INVITE that was given no answer at all is over by then (64*T1, RFC 3261 §17.1.1.2).
const CANCELLED_WITHIN: Duration = Duration::from_secs(32);

/// Signals that may wait for an attempt: there is only one, that it is over.
const SIGNALS_MAX: usize = 1;

/// Calls that were answered elsewhere, by their Call-ID: what is still to be cancelled of them is cancelled with that
/// reason. They are as many as were lost in the last half minute, so as many as phones that rang and calls that the node
/// may have let them.
#[derive(Debug, Default)]
pub(super) struct Elsewhere(Mutex<HashSet<String>>);

impl Elsewhere {
    /// Writes the reason into a CANCEL that has one, and into the BYE that a phone gets in its place if it was picked up at
    /// the same moment. The library gives no other way in.
    pub(super) fn explain(&self, request: &mut Request) {
        let ends = matches!(request.method, Method::Cancel | Method::Bye);
        if !ends || request.headers.iter().any(|h| matches!(h, Header::Reason(_))) {
            return;
        }
        let call_id = headers::value(request, "Call-ID", Some("i"));
        if call_id.is_some_and(|call_id| self.calls().contains(&call_id)) {
            request.headers.push(Header::Reason(ELSEWHERE.into()));
        }
    }

    /// Remembers calls for as long as something of theirs may be cancelled.
    fn remember(self: &Arc<Self>, calls: Vec<String>) {
        self.calls().extend(calls.iter().cloned());
        let elsewhere = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(CANCELLED_WITHIN).await;
            elsewhere.calls().retain(|call| !calls.contains(call));
        });
    }

    fn calls(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls an agent's phones, until `give_up` at the latest.
pub(super) async fn fork(
    shared: &Arc<Inbound>,
    outgoing: &mut OutgoingCall,
    name: &str,
    give_up: Instant,
) -> Result<Answered, NotAnswered> {
    let found = shared.registrar.devices(name, outgoing.order.account);
    let (devices, ring) = found.ok_or(NotAnswered::failed(404))?;
    if devices.is_empty() {
        return Err(NotAnswered { end: CallEnd::NoAnswer, status: Some(480) });
    }
    // Each attempt ends with one.
    let (outcomes, mut ended) = mpsc::channel(devices.len());
    let share = give_up.saturating_duration_since(Instant::now()) / u32::try_from(devices.len()).unwrap_or(1);
    let mut fork = Fork {
        shared: Arc::clone(shared),
        outcomes,
        waiting: devices.into(),
        ringing: Vec::new(),
        patience: match ring {
            Ring::All => None,
            Ring::Order => Some(share.max(RINGS_AT_LEAST)),
        },
        next_at: None,
        best: None,
        begun: 0,
        is_elsewhere: false,
    };
    fork.ring_more(outgoing, give_up);
    let result = fork.run(outgoing, &mut ended, give_up).await;
    let is_answered = result.is_ok() || fork.is_elsewhere;
    fork.stop(is_answered);
    // Who answers from now on hears of it by themselves.
    ended.close();
    while let Ok((_, outcome)) = ended.try_recv() {
        // Whoever was quicker does not wait until this one has said that they heard.
        let shared = Arc::clone(shared);
        if let Ok(answered) = outcome {
            shared.tasks.clone().spawn(async move { hang_up(&shared, answered).await });
        }
    }
    result
}

/// What came of an attempt, by its number.
type Outcome = (usize, Result<Answered, Missed>);

/// The attempts to reach one agent.
struct Fork {
    shared: Arc<Inbound>,
    outcomes: mpsc::Sender<Outcome>,
    /// Phones that do not ring yet.
    waiting: VecDeque<Device>,
    ringing: Vec<Ringing>,
    /// How long one rings before the next does; none: all ring at once.
    patience: Option<Duration>,
    next_at: Option<Instant>,
    /// What is said of the call if nobody answers.
    best: Option<NotAnswered>,
    begun: usize,
    /// It was answered by no phone of theirs.
    is_elsewhere: bool,
}

/// An attempt that is under way. It is cancelled when this is dropped.
struct Ringing {
    number: usize,
    call_id: String,
    _signals: mpsc::Sender<Signal>,
}

impl Fork {
    async fn run(
        &mut self,
        outgoing: &mut OutgoingCall,
        ended: &mut mpsc::Receiver<Outcome>,
        give_up: Instant,
    ) -> Result<Answered, NotAnswered> {
        loop {
            tokio::select! {
                Some((number, outcome)) = ended.recv() => {
                    self.ringing.retain(|ringing| ringing.number != number);
                    match outcome {
                        Ok(answered) => return Ok(answered),
                        Err(missed) => self.missed(missed)?,
                    }
                    if self.ringing.is_empty() {
                        self.ring_more(outgoing, give_up);
                    }
                    if self.ringing.is_empty() {
                        return Err(self.best.unwrap_or(NotAnswered::FAILED));
                    }
                }
                signal = outgoing.signals.recv() => {
                    if !matches!(signal, Some(Signal::Answer)) {
                        self.is_elsewhere = signal == Some(Signal::Replaced);
                        return Err(NotAnswered::CANCELED);
                    }
                }
                () = sleep_until(give_up) => {
                    return Err(NotAnswered { end: CallEnd::NoAnswer, status: Some(487) });
                }
                () = at(self.next_at) => self.move_on(outgoing, give_up),
            }
        }
    }

    /// A phone did not answer. If its owner does not want the call at all, no other is to ring (RFC 3261 §21.6).
    fn missed(&mut self, missed: Missed) -> Result<(), NotAnswered> {
        let last = match missed {
            Missed::Over(last) | Missed::Astray { last, .. } => last,
        };
        if matches!(last.status, Some(600..=699)) {
            return Err(last);
        }
        let weight = |missed: &NotAnswered| match missed.end {
            CallEnd::Busy => 2,
            CallEnd::NoAnswer => 1,
            CallEnd::Failed | CallEnd::Canceled | CallEnd::HungUp => 0,
        };
        if self.best.as_ref().is_none_or(|best| weight(best) < weight(&last)) {
            self.best = Some(last);
        }
        Ok(())
    }

    /// Lets the next phone ring, or all of them.
    fn ring_more(&mut self, outgoing: &OutgoingCall, give_up: Instant) {
        let many = if self.patience.is_some() { 1 } else { self.waiting.len() };
        for _ in 0..many {
            if let Some(device) = self.waiting.pop_front() {
                self.begin(outgoing, device, give_up);
            }
        }
        let next = self.patience.map(|patience| Instant::now() + patience);
        self.next_at = next.filter(|_| !self.waiting.is_empty());
    }

    /// The one that rings has had its time; the next has its own.
    fn move_on(&mut self, outgoing: &OutgoingCall, give_up: Instant) {
        self.ringing.clear();
        self.ring_more(outgoing, give_up);
    }

    fn begin(&mut self, outgoing: &OutgoingCall, device: Device, give_up: Instant) {
        self.begun += 1;
        let number = self.begun;
        let (signals, told) = mpsc::channel(SIGNALS_MAX);
        // As nobody else's, and found in CANCEL again.
        let call_id = format!("{}-{number}@{}", outgoing.call, self.shared.advertised.ip());
        let Some(way) = way(&self.shared, outgoing, device, &call_id) else {
            // A task of its own for one outcome: there is room for each.
            let _ = self.outcomes.try_send((number, Err(Missed::Over(NotAnswered::FAILED))));
            self.ringing.push(Ringing { number, call_id, _signals: signals });
            return;
        };
        self.ringing.push(Ringing { number, call_id: call_id.clone(), _signals: signals });
        let mut its_own = OutgoingCall {
            call: outgoing.call,
            rtp_port: outgoing.rtp_port,
            order: outgoing.order.clone(),
            signals: told,
        };
        let (shared, outcomes) = (Arc::clone(&self.shared), self.outcomes.clone());
        self.shared.tasks.spawn(async move {
            let outcome = Box::pin(attempt(&shared, &mut its_own, way, give_up)).await;
            if let Err(refused) = outcomes.send((number, outcome)).await
                && let Ok(answered) = refused.0.1
            {
                hang_up(&shared, answered).await;
            }
        });
    }

    /// No phone is to ring any more; those that do are told whether another was picked up.
    fn stop(self, is_answered: bool) {
        if is_answered && !self.ringing.is_empty() {
            let calls: Vec<String> = self.ringing.iter().map(|ringing| ringing.call_id.clone()).collect();
            self.shared.elsewhere.remember(calls);
        }
        // The attempts end when their signals do.
        drop(self.ringing);
    }
}

/// Ends a call that was answered when another had been already.
pub(super) async fn hang_up(shared: &Inbound, Answered { dialog, .. }: Answered) {
    if let Err(e) = dialog.bye_with_headers(Some(vec![other("Reason", ELSEWHERE)])).await {
        debug!(error = %e, "BYE failed");
    }
    shared.dialogs.remove_dialog(&dialog.id());
}

/// The way to a phone.
fn way(shared: &Inbound, outgoing: &OutgoingCall, device: Device, call_id: &str) -> Option<Way> {
    Some(Way {
        caller: caller(&outgoing.order.from, &shared.advertised.sip.to_string())?,
        callee: device.uri,
        destination: device.destination,
        is_connected: device.route.is_empty(),
        name: None,
        route: device.route,
        call_id: Some(call_id.to_owned()),
        media: if device.is_browser {
            WayMedia::Browser
        } else {
            WayMedia::Phone { codecs: shared.codecs.as_slice().to_vec(), srtp: shared.srtp }
        },
        gone: device.gone,
        credentials: None,
        answer_within: None,
    })
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
