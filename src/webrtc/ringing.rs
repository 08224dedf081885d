//! Calls to browsers: one offer of ours goes to all that an identity has registered, and the first that answers it has the call.
//!
//! ```text
//!            ┌─ invitation ─▶ browser   answer ─▶ picked up: connected, and lived as any other
//! ring ──────┼─ invitation ─▶ browser   ◀──────── stopped
//! (one offer)└─ invitation ─▶ browser   reject ─▶ nobody is to ring any more
//! ```

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::call::{BrowserCall, Live};
use super::devices::DEVICES_MAX;
use super::error::BrowserError;
use super::media::BrowserMedia;
use super::{Browsers, Living};
use crate::call::{AccountSid, CallMedia, CallSid, Progress, Signal};

/// A call that is to ring at browsers.
#[derive(Clone, Debug)]
pub struct RingOrder {
    /// Which. It is dialled already, and not connected.
    pub call: CallSid,
    /// Whose.
    pub account: AccountSid,
    /// Whose browsers.
    pub identity: String,
    /// Who calls.
    pub from: String,
    /// What their program is told besides.
    pub parameters: Vec<(String, String)>,
}

/// A call that rings at a browser. Whoever drops it lets it ring elsewhere.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// What rings.
    pub order: Arc<RingOrder>,
    /// Our offer.
    pub sdp: Arc<str>,
    /// Cancelled when it is to ring no more: it was given up, or picked up elsewhere.
    pub stopped: CancellationToken,
    replies: mpsc::Sender<Reply>,
}

/// What a browser says to it.
#[derive(Debug)]
enum Reply {
    Answer(Vec<u8>, oneshot::Sender<Result<BrowserCall, BrowserError>>),
    Reject,
}

impl Invitation {
    /// Answers the call; it is this browser's if nobody was quicker.
    ///
    /// # Errors
    /// [`BrowserError::NoCall`] if somebody was, or why the answer cannot be taken.
    pub async fn answer(&self, sdp: Vec<u8>) -> Result<BrowserCall, BrowserError> {
        let (reply, picked_up) = oneshot::channel();
        // There is room: each browser says one thing.
        let sent = self.replies.try_send(Reply::Answer(sdp, reply));
        sent.map_err(|_| BrowserError::NoCall)?;
        picked_up.await.unwrap_or(Err(BrowserError::NoCall))
    }

    /// Refuses the call for everybody.
    pub fn reject(&self) {
        // If it does not ring any more there is nothing to be refused.
        let _ = self.replies.try_send(Reply::Reject);
    }
}

/// Why nobody picked a call up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotPickedUp {
    /// No browser is there, or all have gone.
    Nobody,
    /// One refused it for all.
    Rejected,
    /// It cannot ring: why.
    Failed(BrowserError),
}

/// A call that a browser has answered and that is not connected yet.
#[derive(Debug)]
pub struct PickedUp {
    browsers: Browsers,
    order: Arc<RingOrder>,
    media: BrowserMedia,
    agreed: CallMedia,
    reply: oneshot::Sender<Result<BrowserCall, BrowserError>>,
}

impl Browsers {
    /// Rings all browsers of an identity until one answers. They ring no more when this is done or dropped.
    ///
    /// # Errors
    /// Why nobody answered. How long is for whoever waits for this to say.
    pub async fn ring(&self, order: RingOrder) -> Result<PickedUp, NotPickedUp> {
        let devices = self.0.devices.of(order.account, &order.identity);
        if devices.is_empty() {
            return Err(NotPickedUp::Nobody);
        }
        let mut media = self.open(order.call).await.map_err(NotPickedUp::Failed)?;
        let (replies, mut told) = mpsc::channel(DEVICES_MAX);
        let invitation = Invitation {
            order: Arc::new(order),
            sdp: media.offer().into(),
            stopped: CancellationToken::new(),
            replies,
        };
        let order = Arc::clone(&invitation.order);
        let _stop = invitation.stopped.clone().drop_guard();
        // One that takes nothing in is as good as gone.
        let rings = devices.iter().filter(|device| device.try_send(invitation.clone()).is_ok()).count();
        drop(invitation);
        debug!(call = %order.call, rings, "rings at browsers");
        if rings > 0 {
            self.0.calls.call_progressed(order.call, Progress::Ringing).await;
        }
        while let Some(reply) = told.recv().await {
            let (sdp, reply) = match reply {
                Reply::Answer(sdp, reply) => (sdp, reply),
                Reply::Reject => return Err(NotPickedUp::Rejected),
            };
            match media.read_answer(&sdp).await {
                Ok(agreed) => return Ok(PickedUp { browsers: self.clone(), order, media, agreed, reply }),
                // It may ring elsewhere still.
                Err(error) => drop(reply.send(Err(error))),
            }
        }
        Err(NotPickedUp::Nobody)
    }
}

impl PickedUp {
    /// Connects the call and lives it to its end, for whoever hears what it is told.
    pub async fn live(self, signals: mpsc::Receiver<Signal>) {
        let Self { browsers, order, media, agreed, reply } = self;
        let (live, ends) = Live::new(&browsers, order.call, media, signals);
        if let Err(error) = live.connect(agreed).await {
            // It may have gone away as well.
            let _ = reply.send(Err(error));
            return;
        }
        live.enlist(Living::new(order.account, order.identity.clone(), ends.control.clone()));
        let call = BrowserCall::picked_up(order.call, ends);
        if reply.send(Ok(call)).is_err() {
            debug!(call = %order.call, "a browser answered and was gone");
            return live.give_up().await;
        }
        live.live().await;
    }
}
