//! A payment that an application takes over the API, item by item, while somebody talks with the caller: one task, from its
//! beginning to its end.

use tokio::sync::mpsc;

use super::desk::{Ask, Change};
use super::payment::{Given, NotNow, Step};
use super::status::{Outcome, of_outcome, of_step, of_terms};
use super::taking::{Taking, facts};
use crate::call::{CallSid, VoiceUrl};

/// One under way.
pub(super) struct Running {
    taking: Taking,
    /// Which call the application is told of: that which dialled the one whose keys are captured, if one did.
    call: CallSid,
    /// Who is told: whoever the last request named.
    callback: VoiceUrl,
}

impl Running {
    pub(super) const fn new(taking: Taking, call: CallSid, callback: VoiceUrl) -> Self {
        Self { taking, call, callback }
    }

    pub(super) async fn run(mut self, mut asked: mpsc::Receiver<Ask>) {
        self.tell(None);
        let outcome = loop {
            let step = tokio::select! {
                // Keys that came before a request are not what it asks for.
                biased;
                step = self.taking.next() => Some(step),
                Some(ask) = asked.recv() => self.asked(ask),
            };
            match step {
                Some(Step::Submit) => break self.taking.submit(refuse_all(&mut asked)).await,
                Some(Step::Over(given)) => break Outcome::Given(given),
                Some(Step::Confirm) => self.taking.confirm().await,
                Some(step @ (Step::Typed(_) | Step::Captured(_) | Step::Failed(..) | Step::Unconfirmed)) => {
                    self.tell(Some(step))
                }
                None => {}
            }
        };
        // From here on nobody is asked any more.
        drop(asked);
        let mut told = facts(&self.taking.view(), self.call);
        told.extend(of_terms(self.taking.payment()));
        told.extend(of_outcome(&outcome, self.taking.payment().terms().amount.is_some()));
        let callback = self.callback;
        self.taking.close(&outcome, Some((callback, told))).await;
    }

    fn asked(&mut self, ask: Ask) -> Option<Step> {
        let payment = self.taking.payment_mut();
        let done = match ask.change {
            Change::Capture(capture) => payment.capture(capture),
            Change::Complete => payment.complete().map(Some),
            Change::Cancel => payment.cancel(Given::Cancelled).map(Some),
        };
        if done.is_ok() {
            self.callback = ask.callback;
        }
        let (answer, step) = match done {
            Ok(step) => (Ok(()), step),
            Err(why) => (Err(why), None),
        };
        // Whoever asked may have gone away; it is done all the same.
        let _ = ask.reply.send(answer);
        step
    }

    fn tell(&mut self, step: Option<Step>) {
        let mut told = facts(&self.taking.view(), self.call);
        told.extend(of_terms(self.taking.payment()));
        told.extend(of_step(self.taking.payment(), step));
        self.taking.tell(&self.callback, told, false);
    }
}

/// What the connector has nobody can change.
async fn refuse_all(asked: &mut mpsc::Receiver<Ask>) {
    while let Some(ask) = asked.recv().await {
        let _ = ask.reply.send(Err(NotNow::Submitted));
    }
}
