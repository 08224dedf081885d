//! Calls to agents: their phones and their browsers ring at the same time, and whichever answers first has the call.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::attempt::{Answered, NotAnswered};
use super::forking::{fork, hang_up};
use super::inbound::Inbound;
use crate::call::{CallEnd, OutgoingCall, Rejection, Signal};
use crate::webrtc::{NotPickedUp, PickedUp, RingOrder};

/// Signals that may wait for the phones: there is only one, that it is over.
const SIGNALS_MAX: usize = 1;

/// What answered.
pub(super) enum Picked {
    Phone(Box<Answered>),
    Browser(Box<PickedUp>),
}

/// Calls an agent, until `give_up` at the latest.
pub(super) async fn call(
    shared: &Arc<Inbound>,
    outgoing: &mut OutgoingCall,
    name: &str,
    give_up: Instant,
) -> Result<Picked, NotAnswered> {
    if outgoing.order.wake.is_some() {
        wake(shared, outgoing, name, give_up).await?;
    }
    let order = RingOrder {
        call: outgoing.call,
        account: outgoing.order.account,
        identity: name.to_owned(),
        from: outgoing.order.from.clone(),
        parameters: outgoing.order.parameters.clone(),
    };
    let browsers = shared.browsers.registered_of(order.account, name);
    if browsers.unwrap_or_default() == 0 {
        let answered = fork(shared, outgoing, name, give_up).await;
        let is_known = |why: &NotAnswered| browsers.is_some() && why.status == Some(404);
        return match answered {
            Ok(answered) => Ok(Picked::Phone(Box::new(answered))),
            // Their browser was here a while ago.
            Err(why) if is_known(&why) => Err(not_answered(&NotPickedUp::Nobody)),
            Err(why) => Err(why),
        };
    }
    Both::begin(shared, outgoing, name, give_up).run(outgoing, order, give_up).await
}

/// Waits until an agent who is to be woken has something that could ring, or for as long as may be.
async fn wake(
    shared: &Inbound,
    outgoing: &mut OutgoingCall,
    name: &str,
    give_up: Instant,
) -> Result<(), NotAnswered> {
    let account = outgoing.order.account;
    loop {
        let (phone, browser) = (shared.registrar.registered(), shared.browsers.registered());
        let phones = shared.registrar.devices(name, account).map_or(0, |(devices, _)| devices.len());
        if phones + shared.browsers.registered_of(account, name).unwrap_or_default() > 0 {
            return Ok(());
        }
        tokio::select! {
            () = phone => {}
            () = browser => {}
            signal = outgoing.signals.recv() => {
                if !matches!(signal, Some(Signal::Answer)) {
                    return Err(NotAnswered::CANCELED);
                }
            }
            () = sleep_until(give_up) => return Ok(()),
        }
    }
}

/// Phones, which ring by themselves, beside browsers.
struct Both {
    shared: Arc<Inbound>,
    /// What came of the phones.
    phones: mpsc::Receiver<Result<Answered, NotAnswered>>,
    /// How they are told that it is over.
    hang: mpsc::Sender<Signal>,
}

impl Both {
    fn begin(shared: &Arc<Inbound>, outgoing: &OutgoingCall, name: &str, give_up: Instant) -> Self {
        let (hang, told) = mpsc::channel(SIGNALS_MAX);
        let (outcome, phones) = mpsc::channel(1);
        let mut theirs = OutgoingCall {
            call: outgoing.call,
            rtp_port: outgoing.rtp_port,
            order: outgoing.order.clone(),
            signals: told,
        };
        let (name, phoning) = (name.to_owned(), Arc::clone(shared));
        shared.tasks.spawn(async move {
            let answered = Box::pin(fork(&phoning, &mut theirs, &name, give_up)).await;
            if let Err(refused) = outcome.send(answered).await
                && let Ok(answered) = refused.0
            {
                hang_up(&phoning, answered).await;
            }
        });
        Self { shared: Arc::clone(shared), phones, hang }
    }

    async fn run(
        mut self,
        outgoing: &mut OutgoingCall,
        order: RingOrder,
        give_up: Instant,
    ) -> Result<Picked, NotAnswered> {
        let browsers = self.shared.browsers.clone();
        let mut ringing = Box::pin(browsers.ring(order));
        let (mut phones, mut rang) = (None, None);
        loop {
            tokio::select! {
                picked = &mut ringing, if rang.is_none() => match picked {
                    Ok(picked) => {
                        self.stop(Signal::Replaced);
                        return Ok(Picked::Browser(Box::new(picked)));
                    }
                    Err(why) => rang = Some(not_answered(&why)),
                },
                Some(answered) = self.phones.recv(), if phones.is_none() => match answered {
                    Ok(answered) => return Ok(Picked::Phone(Box::new(answered))),
                    Err(why) => phones = Some(why),
                },
                signal = outgoing.signals.recv() => {
                    if !matches!(signal, Some(Signal::Answer)) {
                        self.stop(Signal::Reject(Rejection::Declined));
                        return Err(NotAnswered::CANCELED);
                    }
                }
                () = sleep_until(give_up) => {
                    self.stop(Signal::Reject(Rejection::Declined));
                    return Err(NotAnswered { end: CallEnd::NoAnswer, status: Some(487) });
                }
            }
            if let Some(last) = decided(rang, phones) {
                self.stop(Signal::Reject(Rejection::Declined));
                return Err(last);
            }
        }
    }

    /// No phone is to ring any more. One that was picked up at the same moment is hung up.
    fn stop(mut self, why: Signal) {
        // It is told this once.
        let _ = self.hang.try_send(why);
        drop(self.hang);
        self.phones.close();
        if let Ok(Ok(answered)) = self.phones.try_recv() {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn(async move { hang_up(&shared, answered).await });
        }
    }
}

/// What is said of a call that nobody answers any more, once that is known: when neither rings, or one side does not want it at
/// all (RFC 3261 §21.6).
fn decided(rang: Option<NotAnswered>, phones: Option<NotAnswered>) -> Option<NotAnswered> {
    let is_final = |why: &NotAnswered| matches!(why.status, Some(600..=699));
    if let Some(last) = [rang, phones].into_iter().flatten().find(is_final) {
        return Some(last);
    }
    let (rang, phones) = (rang?, phones?);
    // Somebody who is busy says more than nobody.
    Some(if phones.end == CallEnd::Busy { phones } else { rang })
}

fn not_answered(why: &NotPickedUp) -> NotAnswered {
    match why {
        NotPickedUp::Nobody => NotAnswered { end: CallEnd::NoAnswer, status: Some(480) },
        NotPickedUp::Rejected => NotAnswered { end: CallEnd::Busy, status: Some(603) },
        NotPickedUp::Failed(error) => {
            debug!(%error, "browsers cannot ring");
            NotAnswered::failed(503)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_want_a_call_at_all_decides_for_all_and_nobody_else_does() {
        let (absent, busy) =
            (not_answered(&NotPickedUp::Nobody), NotAnswered { end: CallEnd::Busy, status: Some(486) });
        let rejected = not_answered(&NotPickedUp::Rejected);
        assert_eq!(decided(Some(rejected), None), Some(rejected));
        assert_eq!(decided(None, Some(rejected)), Some(rejected));
        assert_eq!(decided(Some(absent), None), None);
        assert_eq!(decided(None, Some(busy)), None);
        assert_eq!(decided(Some(absent), Some(busy)), Some(busy));
        assert_eq!(decided(Some(absent), Some(NotAnswered::failed(404))), Some(absent));
    }
}
