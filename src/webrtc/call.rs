//! A browser's call as one task: from its offer, or its answer to ours, to its end.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::debug;

use super::error::BrowserError;
use super::media::{BrowserMedia, MediaNews};
use super::spoken::CallMessage;
use super::{Browsers, Living};
use crate::call::{
    AccountSid, CallEnd, CallMedia, CallSid, Destination, Handle, HangUp, IncomingCall, ReferStep, Rejection,
    Signal, StatusCallback,
};
use crate::sdp::browser::{self, BrowserOffer};

/// Signals that may wait for a call: to answer it and to end it.
const SIGNALS_MAX: usize = 4;

/// What may be asked of one call at a time. One more is refused.
const ASKED_MAX: usize = 4;

/// Messages for a browser's page that may wait. One more is refused.
const MESSAGES_MAX: usize = 16;

/// How long whoever is called may think about it before a browser is answered that cannot be told that it rings; answered, it
/// hears what it would hear while it did.
const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// The status that says that a browser was asked to call somebody: it cannot do that (RFC 3261 §21.4.6).
const CANNOT_REFER: u16 = 405;

/// A call that a browser begins.
#[derive(Debug)]
pub struct BrowserOrder {
    /// In whose name.
    pub account: AccountSid,
    /// Who calls, by the token that let them in.
    pub identity: String,
    /// Whom they call, as others are told.
    pub to: String,
    /// Where that leads.
    pub destination: Destination,
    /// Who is told how far it gets.
    pub status: Option<StatusCallback>,
    /// What the browser offers.
    pub offer: Vec<u8>,
}

/// What a browser is answered.
#[derive(Debug)]
pub struct BrowserAnswer {
    /// The call.
    pub call: CallSid,
    /// Our session description.
    pub sdp: String,
}

/// A browser's call, as its signalling has it.
#[derive(Debug)]
pub struct BrowserCall {
    /// Which.
    pub call: CallSid,
    /// Our session description.
    pub sdp: String,
    /// What can be asked of it.
    pub control: CallControl,
    /// Whether whoever is called answers. Whoever drops this before gives the call up.
    pub answered: oneshot::Receiver<Result<(), BrowserError>>,
    /// How it ended, once it was answered.
    pub over: oneshot::Receiver<Over>,
    /// What its application says to the browser's page. Whoever drops this has no page that could be told.
    pub messages: mpsc::Receiver<CallMessage>,
}

impl BrowserCall {
    /// One that the browser answered.
    pub(super) fn picked_up(call: CallSid, ends: Ends) -> Self {
        let (answer, answered) = oneshot::channel();
        // It is received below.
        let _ = answer.send(Ok(()));
        let Ends { control, over, messages } = ends;
        Self { call, sdp: String::new(), control, answered, over, messages }
    }
}

/// How a call ended that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Somebody ended it.
    HungUp,
    /// Its media are gone.
    MediaFailed,
    /// The node stops.
    Stopping,
}

/// What can be asked of a call that lives.
#[derive(Debug)]
pub(super) enum Asked {
    Renegotiate(Box<BrowserOffer>, Option<Vec<String>>, oneshot::Sender<Result<String, BrowserError>>),
    Resume(Box<BrowserOffer>, oneshot::Sender<Result<String, BrowserError>>),
    HangUp(oneshot::Sender<()>),
}

/// Asks a call. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallControl {
    asked: mpsc::Sender<Asked>,
    messages: mpsc::Sender<CallMessage>,
}

impl CallControl {
    /// Answers another offer within a call: a restart of ICE, a hold.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] when it is over, or why the offer cannot be taken.
    pub async fn renegotiate(&self, offer: &[u8]) -> Result<String, BrowserError> {
        self.renegotiate_knowing(None, offer).await
    }

    /// The same for whoever says which user fragments of ours they know of.
    async fn renegotiate_knowing(
        &self,
        known: Option<Vec<String>>,
        offer: &[u8],
    ) -> Result<String, BrowserError> {
        let offer = Box::new(browser::parse_offer(offer)?);
        self.ask(|reply| Asked::Renegotiate(offer, known, reply)).await?
    }

    /// The answer for a browser that comes back with what it has: what it was told last, unless it has begun anew.
    ///
    /// # Errors
    /// As with [`Self::renegotiate`].
    pub async fn resume(&self, offer: &[u8]) -> Result<String, BrowserError> {
        let offer = Box::new(browser::parse_offer(offer)?);
        self.ask(|reply| Asked::Resume(offer, reply)).await?
    }

    /// Ends a call for its browser; answers when the model knows. One that is over already is as well.
    ///
    /// # Errors
    /// [`BrowserError::Overloaded`] when too much is asked of it.
    pub async fn hang_up(&self) -> Result<(), BrowserError> {
        match self.ask(Asked::HangUp).await {
            Ok(()) | Err(BrowserError::NoCall) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Tells the browser's page something.
    ///
    /// # Errors
    /// [`BrowserError::NoPage`] when there is none that could be told, [`BrowserError::Overloaded`] when it hears too slowly.
    pub fn tell(&self, message: CallMessage) -> Result<(), BrowserError> {
        self.messages.try_send(message).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => BrowserError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => BrowserError::NoPage,
        })
    }

    async fn ask<T>(&self, asked: impl FnOnce(oneshot::Sender<T>) -> Asked) -> Result<T, BrowserError> {
        let (reply, answer) = oneshot::channel();
        self.asked.try_send(asked(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => BrowserError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => BrowserError::NoCall,
        })?;
        answer.await.map_err(|_| BrowserError::NoCall)
    }
}

impl Browsers {
    /// Begins a call of a browser's, and answers its offer when whoever is called answers, or has thought about it for
    /// three seconds. Whoever does not wait for that gives the call up. It lives until either side hangs up.
    ///
    /// # Errors
    /// When the offer cannot be taken, the call is not let in, or it is refused.
    pub async fn call(&self, order: BrowserOrder) -> Result<BrowserAnswer, BrowserError> {
        let BrowserCall { call, sdp, answered, .. } = self.start_call(order, Some(ANSWER_PATIENCE)).await?;
        answered.await.unwrap_or(Err(BrowserError::Ended))?;
        Ok(BrowserAnswer { call, sdp })
    }

    /// Begins a call of a browser's that can be told that it rings.
    ///
    /// # Errors
    /// When the offer cannot be taken, or the call is not let in.
    pub async fn ring_out(&self, order: BrowserOrder) -> Result<BrowserCall, BrowserError> {
        self.start_call(order, None).await
    }

    async fn start_call(
        &self,
        order: BrowserOrder,
        patience: Option<Duration>,
    ) -> Result<BrowserCall, BrowserError> {
        let offer = browser::parse_offer(&order.offer)?;
        let calls = self.0.calls.clone();
        let (signals, mut told) = mpsc::channel(SIGNALS_MAX);
        let incoming = IncomingCall {
            account: order.account,
            from: format!("client:{}", order.identity),
            to: order.to,
            trunk: None,
            destination: order.destination,
            status: order.status,
            signals,
        };
        let call = calls.admit_call(incoming).await?.call;
        let (sdp, media, agreed) = match self.prepare(call, &offer).await {
            Ok(prepared) => prepared,
            Err(error) => {
                calls.call_ended(call, CallEnd::Failed, None).await;
                return Err(why(&mut told).unwrap_or(error));
            }
        };
        let (live, ends) = Live::new(self, call, media, told);
        let living = Living::new(order.account, order.identity, ends.control.clone());
        let (ready, answered) = oneshot::channel();
        tokio::spawn(live.begin(patience, agreed, living, ready));
        let Ends { control, over, messages } = ends;
        Ok(BrowserCall { call, sdp, control, answered, over, messages })
    }

    async fn prepare(
        &self,
        call: CallSid,
        offer: &BrowserOffer,
    ) -> Result<(String, BrowserMedia, CallMedia), BrowserError> {
        let mut media = self.open(call).await?;
        let (sdp, agreed) = media.answer(offer).await?;
        Ok((sdp, media, agreed))
    }

    /// Answers another offer within a call: a restart of ICE, a hold.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] when it is not this identity's or over, or why the offer cannot be taken.
    pub async fn renegotiate(
        &self,
        whose: (AccountSid, &str),
        call: CallSid,
        offer: &[u8],
    ) -> Result<String, BrowserError> {
        self.renegotiate_knowing(whose, call, None, offer).await
    }

    /// The same for whoever says which user fragments of ours they know of: only if the one that holds is among them.
    ///
    /// # Errors
    /// [`BrowserError::Outdated`] when it is not, and as above.
    pub async fn renegotiate_knowing(
        &self,
        (account, identity): (AccountSid, &str),
        call: CallSid,
        known: Option<Vec<String>>,
        offer: &[u8],
    ) -> Result<String, BrowserError> {
        self.find(account, identity, call)?.control.renegotiate_knowing(known, offer).await
    }

    /// Ends a call for its browser; answers when the model knows.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] when it is not this identity's or over.
    pub async fn hang_up(
        &self,
        (account, identity): (AccountSid, &str),
        call: CallSid,
    ) -> Result<(), BrowserError> {
        self.find(account, identity, call)?.control.hang_up().await
    }

    fn find(&self, account: AccountSid, identity: &str, call: CallSid) -> Result<Living, BrowserError> {
        let found = self.living().get(&call).cloned();
        found
            .filter(|living| living.account == account && living.identity == identity)
            .ok_or(BrowserError::NoCall)
    }
}

/// A call's task.
pub(super) struct Live {
    browsers: Browsers,
    calls: Handle,
    call: CallSid,
    media: BrowserMedia,
    told: mpsc::Receiver<Signal>,
    asks: mpsc::Receiver<Asked>,
    over: oneshot::Sender<Over>,
}

/// What others have of it.
pub(super) struct Ends {
    pub(super) control: CallControl,
    pub(super) over: oneshot::Receiver<Over>,
    messages: mpsc::Receiver<CallMessage>,
}

/// Whether the call goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Over(Over),
}

impl Live {
    pub(super) fn new(
        browsers: &Browsers,
        call: CallSid,
        media: BrowserMedia,
        told: mpsc::Receiver<Signal>,
    ) -> (Self, Ends) {
        let (asked, asks) = mpsc::channel(ASKED_MAX);
        let (over, is_over) = oneshot::channel();
        let (said, messages) = mpsc::channel(MESSAGES_MAX);
        let calls = browsers.0.calls.clone();
        let live = Self { browsers: browsers.clone(), calls, call, media, told, asks, over };
        (live, Ends { control: CallControl { asked, messages: said }, over: is_over, messages })
    }

    /// Waits until the call is to be answered, connects it, and lives it.
    async fn begin(
        mut self,
        patience: Option<Duration>,
        media: CallMedia,
        living: Living,
        mut ready: oneshot::Sender<Result<(), BrowserError>>,
    ) {
        let decided = tokio::select! {
            decided = self.decision(patience) => decided,
            // Nobody waits for the answer any more.
            () = ready.closed() => {
                return self.calls.call_ended(self.call, CallEnd::Canceled, None).await;
            }
        };
        let connected = match decided {
            Ok(()) => self.connect(media).await.map_err(|error| why(&mut self.told).unwrap_or(error)),
            refused => refused,
        };
        let is_connected = connected.is_ok();
        if is_connected {
            self.enlist(living);
        }
        if ready.send(connected).is_err() && is_connected {
            self.give_up().await;
        } else if is_connected {
            self.live().await;
        }
    }

    /// Whether the call is to be answered.
    async fn decision(&mut self, patience: Option<Duration>) -> Result<(), BrowserError> {
        let signal = match patience {
            None => self.told.recv().await,
            Some(patience) => tokio::select! {
                signal = self.told.recv() => signal,
                () = sleep(patience) => return Ok(()),
            },
        };
        decided(signal)
    }

    /// Lets the call's media begin.
    pub(super) async fn connect(&self, media: CallMedia) -> Result<(), BrowserError> {
        match self.calls.connect_call(self.call, media).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.calls.call_ended(self.call, CallEnd::Failed, None).await;
                Err(error.into())
            }
        }
    }

    /// Lets its identity find a connected call, before anybody is told that it is.
    pub(super) fn enlist(&self, living: Living) {
        self.browsers.living().insert(self.call, living);
    }

    /// Ends a connected call whose browser is gone.
    pub(super) async fn give_up(self) {
        self.browsers.living().remove(&self.call);
        self.calls.call_ended(self.call, CallEnd::HungUp, None).await;
    }

    /// Lives a connected call to its end.
    pub(super) async fn live(mut self) {
        let over = loop {
            let next = tokio::select! {
                signal = self.told.recv() => self.heed(signal).await,
                news = self.media.next() => self.note(news).await,
                Some(asked) = self.asks.recv() => self.answer(asked).await,
            };
            if let Next::Over(over) = next {
                break over;
            }
        };
        self.browsers.living().remove(&self.call);
        // Not all signalling wants to know.
        let _ = self.over.send(over);
    }

    async fn heed(&self, signal: Option<Signal>) -> Next {
        match signal {
            Some(Signal::Answer | Signal::ReferAnswered(_)) => Next::GoOn,
            Some(Signal::Refer(_)) => {
                self.calls.refer_progressed(self.call, ReferStep::Answered(CANNOT_REFER)).await;
                Next::GoOn
            }
            Some(Signal::HangUp(HangUp::Stopping)) => Next::Over(Over::Stopping),
            Some(Signal::HangUp(HangUp::SilentFarEnd | HangUp::MediaFailed)) => Next::Over(Over::MediaFailed),
            Some(
                Signal::HangUp(HangUp::Asked | HangUp::Transferred | HangUp::TimeUp)
                | Signal::Reject(_)
                | Signal::Replaced,
            )
            | None => Next::Over(Over::HungUp),
        }
    }

    async fn note(&self, news: MediaNews) -> Next {
        let (end, over) = match news {
            MediaNews::Flowing => return Next::GoOn,
            MediaNews::Failed(why) => {
                debug!(call = %self.call, why, "a browser's media failed");
                (CallEnd::Failed, Over::MediaFailed)
            }
            MediaNews::Closed => (CallEnd::HungUp, Over::HungUp),
        };
        self.calls.call_ended(self.call, end, None).await;
        Next::Over(over)
    }

    async fn answer(&mut self, asked: Asked) -> Next {
        match asked {
            Asked::Renegotiate(offer, known, reply) => {
                let is_known =
                    known.is_none_or(|known| known.iter().any(|ufrag| ufrag == self.media.ufrag()));
                let answer = match is_known {
                    true => self.media.renegotiate(&offer).await,
                    false => Err(BrowserError::Outdated),
                };
                // Whoever asked may have gone away.
                let _ = reply.send(answer);
                Next::GoOn
            }
            Asked::Resume(offer, reply) => {
                let _ = reply.send(self.media.resume(&offer).await);
                Next::GoOn
            }
            Asked::HangUp(reply) => {
                self.calls.call_ended(self.call, CallEnd::HungUp, None).await;
                let _ = reply.send(());
                Next::Over(Over::HungUp)
            }
        }
    }
}

/// Why a call got no media: a script that is faster than its browser's task has refused it or hung up, and what is over cannot be
/// connected.
fn why(told: &mut mpsc::Receiver<Signal>) -> Option<BrowserError> {
    std::iter::from_fn(|| told.try_recv().ok()).find_map(|signal| decided(Some(signal)).err())
}

/// Whether a call is to be answered, by the first that its task is told.
fn decided(signal: Option<Signal>) -> Result<(), BrowserError> {
    match signal {
        Some(Signal::Reject(Rejection::Busy)) => Err(BrowserError::Busy),
        Some(Signal::Reject(Rejection::Declined)) => Err(BrowserError::Refused),
        Some(Signal::HangUp(_) | Signal::Replaced) | None => Err(BrowserError::Ended),
        Some(Signal::Answer | Signal::Refer(_) | Signal::ReferAnswered(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_call_got_no_media_is_the_first_end_that_was_told() {
        let (tell, mut told) = mpsc::channel(4);
        assert!(why(&mut told).is_none(), "nothing was told");
        for signal in [Signal::Answer, Signal::HangUp(HangUp::Asked), Signal::Reject(Rejection::Busy)] {
            tell.try_send(signal).unwrap();
        }
        assert!(matches!(why(&mut told), Some(BrowserError::Ended)));
        assert!(matches!(why(&mut told), Some(BrowserError::Busy)));
        drop(tell);
        assert!(why(&mut told).is_none(), "who tells nothing more has not refused it");
    }
}
