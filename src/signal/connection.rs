//! One browser's connection: what goes over it, for how long, and how it ends. What the browser says is heard in `hearing`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use chrono::Utc;
use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tracing::debug;

use super::call::{Seat, WISHES_MAX, Wish};
use super::fault::Fault;
use super::figures::Wrong;
use super::line::Line;
use super::message::Told;
use super::pace::Pace;
use super::places::Place;
use super::{Desk, incoming};
use crate::call::{AccountSid, CallSid};
use crate::token::Grant;
use crate::webrtc::{Invitation, Registered};

/// How long a browser has to say who it is.
const LISTEN_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is given a sign of life, and asked for one: three times in the fifteen seconds after which the SDK gives a
/// connection up.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// A browser that says nothing for so long is gone. It was asked four times.
const SILENCE_MAX: Duration = Duration::from_secs(22);

/// What a sign of life is.
const BEAT: &str = "\n";

/// How long a browser may leave unread what was sent.
const SEND_PATIENCE: Duration = Duration::from_secs(10);

/// How long a node that stops waits for calls to end, so that their browsers hear of it.
const LAST_WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// How long a browser whose token is over, and that has no calls, may stay without another.
const EXPIRED_PATIENCE: Duration = Duration::from_secs(600);

/// The end of a token is looked for at least so often: clocks are set.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// Calls of one browser at a time: one it has, those that wait, and those that ring.
const CALLS_MAX: usize = 16;

/// How long a call waits for its browser if that says nothing else.
const RETURN_PATIENCE: Duration = Duration::from_secs(15);

/// Why connections are closed (RFC 6455 §7.4.1).
pub(super) const NORMAL: u16 = 1_000;
pub(super) const GOING_AWAY: u16 = 1_001;
pub(super) const POLICY: u16 = 1_008;
pub(super) const TOO_BIG: u16 = 1_009;

/// How a connection ends: how it is closed, and why.
pub(super) type End = (u16, &'static str);

/// A browser's connection.
pub(super) struct Connection {
    pub(super) desk: Arc<Desk>,
    pub(super) place: Place,
    pub(super) line: Line,
    /// What it is told.
    outbox: mpsc::Receiver<Utf8Bytes>,
    pub(super) who: Who,
    pub(super) registered: Option<Registered>,
    /// Calls that are to ring at it; at an end when so many others have registered that it had to go.
    pub(super) invitations: Option<mpsc::Receiver<Invitation>>,
    calls: Vec<Entry>,
    pub(super) patience: Duration,
    pub(super) pace: Pace,
    pub(super) heard: Instant,
}

/// Who a browser is.
pub(super) enum Who {
    /// Nobody knows, and it has so long to say.
    Stranger(Instant),
    /// It has shown this.
    Known(Box<Grant>),
    /// It was, and has so long to show another token.
    Expired(Instant),
}

/// A call of this connection's.
struct Entry {
    /// What the browser called it before it had a name.
    temporary: Option<String>,
    call: CallSid,
    wishes: mpsc::Sender<Wish>,
}

impl Entry {
    fn is(&self, name: &str) -> bool {
        self.temporary.as_deref() == Some(name) || name.parse() == Ok(self.call)
    }
}

/// What a select of the connection brought.
enum Happened {
    Send(Utf8Bytes),
    Received(Option<Result<Message, axum::Error>>),
    Rings(Option<Invitation>),
    Beat,
    Deadline,
    End(End),
}

impl Connection {
    pub(super) fn new(desk: Arc<Desk>, place: Place) -> Self {
        let (line, outbox) = Line::new();
        let now = Instant::now();
        Self {
            desk,
            place,
            line,
            outbox,
            who: Who::Stranger(now + LISTEN_PATIENCE),
            registered: None,
            invitations: None,
            calls: Vec::new(),
            patience: RETURN_PATIENCE,
            pace: Pace::new(now),
            heard: now,
        }
    }

    /// Serves the browser until it goes, or has to.
    pub(super) async fn serve(mut self, mut socket: WebSocket) {
        self.desk.figures.connections.add(1);
        let (code, reason) = self.run(&mut socket).await;
        debug!(reason, "a browser's connection ended");
        self.desk.figures.connections.add(-1);
        // It is called no more from now on.
        (self.registered, self.invitations) = (None, None);
        if *self.desk.state.stopping.borrow() {
            let over = self.calls.iter().map(|entry| entry.wishes.closed());
            let _ = timeout(LAST_WORDS_PATIENCE, join_all(over)).await;
        }
        // Those that are not over wait for it.
        self.calls.clear();
        let close = Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) }));
        let last = async {
            // What waits may say why.
            while let Ok(message) = self.outbox.try_recv() {
                socket.send(Message::Text(message)).await?;
            }
            socket.send(close).await
        };
        // It may be gone.
        let _ = timeout(SEND_PATIENCE, last).await;
    }

    async fn run(&mut self, socket: &mut WebSocket) -> End {
        let mut beats = interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.reset();
        loop {
            let happened = self.wait(socket, &mut beats).await;
            let ended = match happened {
                Happened::Send(message) => self.send(socket, message).await,
                Happened::Received(received) => self.receive(received).await,
                Happened::Rings(Some(invitation)) => self.rings(invitation),
                Happened::Rings(None) => self.is_replaced(),
                Happened::Beat => self.beat(socket).await,
                Happened::Deadline => self.deadline_passed(),
                Happened::End(end) => Err(end),
            };
            if let Err(end) = ended {
                return end;
            }
        }
    }

    async fn wait(&mut self, socket: &mut WebSocket, beats: &mut tokio::time::Interval) -> Happened {
        let deadline = self.deadline();
        let mut stopping = self.desk.state.stopping.clone();
        let overflowed = self.line.overflowed.clone();
        tokio::select! {
            // What was said to it goes out before its calls end.
            biased;
            Some(message) = self.outbox.recv() => Happened::Send(message),
            () = overflowed.cancelled() => {
                self.desk.figures.count(Wrong::Slow);
                Happened::End((POLICY, "the browser does not read"))
            }
            received = socket.recv() => Happened::Received(received),
            invitation = next(&mut self.invitations) => Happened::Rings(invitation),
            _ = beats.tick() => Happened::Beat,
            () = sleep_until(deadline) => Happened::Deadline,
            _ = stopping.wait_for(|stopping| *stopping) => Happened::End((GOING_AWAY, "the node stops")),
        }
    }

    async fn send(&self, socket: &mut WebSocket, message: Utf8Bytes) -> Result<(), End> {
        match timeout(SEND_PATIENCE, socket.send(Message::Text(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err((GOING_AWAY, "the connection broke")),
            Err(_) => {
                self.desk.figures.count(Wrong::Slow);
                Err((POLICY, "the browser does not read"))
            }
        }
    }

    async fn beat(&self, socket: &mut WebSocket) -> Result<(), End> {
        if self.heard.elapsed() > SILENCE_MAX {
            self.desk.figures.count(Wrong::Silent);
            return Err((GOING_AWAY, "the browser is silent"));
        }
        self.send(socket, Utf8Bytes::from_static(BEAT)).await
    }

    fn deadline(&self) -> Instant {
        match &self.who {
            Who::Stranger(until) | Who::Expired(until) => *until,
            Who::Known(grant) => {
                let left = (grant.expires - Utc::now()).to_std().unwrap_or_default();
                Instant::now() + left.min(LOOK_EVERY)
            }
        }
    }

    /// Who has said nothing is let go of. Whose token is over is told so, and called no more; its calls go on.
    fn deadline_passed(&mut self) -> Result<(), End> {
        let now = Instant::now();
        match &mut self.who {
            Who::Stranger(_) => Err((POLICY, "no access token came")),
            Who::Expired(until) => {
                *until = now + EXPIRED_PATIENCE;
                self.forget_calls();
                if self.calls.is_empty() { Err((POLICY, "the access token has expired")) } else { Ok(()) }
            }
            Who::Known(grant) if grant.expires > Utc::now() => Ok(()),
            Who::Known(_) => {
                self.who = Who::Expired(now + EXPIRED_PATIENCE);
                self.line.say(&Told::fault(Fault::expired()));
                self.unregister();
                Ok(())
            }
        }
    }

    /// Lets it be called no more, and tells it so.
    pub(super) fn unregister(&mut self) {
        self.invitations = None;
        if self.registered.take().is_some() {
            self.line.say(&Told::Offline {});
        }
    }

    fn is_replaced(&mut self) -> Result<(), End> {
        debug!("a browser is called no more, since as many others of its identity are there as may be");
        self.unregister();
        Ok(())
    }

    /// A call rings here, if there is room for it.
    fn rings(&mut self, invitation: Invitation) -> Result<(), End> {
        let (call, account) = (invitation.order.call, invitation.order.account);
        let whose = (account, invitation.order.identity.clone());
        if let Some(seat) = self.seat(call, None, whose) {
            tokio::spawn(incoming::run(seat, invitation));
        }
        Ok(())
    }

    /// A place for a call among this connection's.
    pub(super) fn seat(
        &mut self,
        call: CallSid,
        temporary: Option<String>,
        whose: (AccountSid, String),
    ) -> Option<Seat> {
        let wishes = self.enter(call, temporary)?;
        let (desk, line) = (Arc::clone(&self.desk), self.line.clone());
        Some(Seat { desk, line, wishes, whose, patience: self.patience })
    }

    /// Has a call among this connection's; what the browser wishes of it comes out of the receiver.
    pub(super) fn enter(&mut self, call: CallSid, temporary: Option<String>) -> Option<mpsc::Receiver<Wish>> {
        self.forget_calls();
        self.calls.retain(|entry| entry.call != call);
        if self.is_full() {
            return None;
        }
        let (wishes, granted) = mpsc::channel(WISHES_MAX);
        self.calls.push(Entry { temporary, call, wishes });
        Some(granted)
    }

    pub(super) fn is_full(&self) -> bool {
        self.calls.len() >= CALLS_MAX
    }

    /// Forgets calls that are over.
    pub(super) fn forget_calls(&mut self) {
        self.calls.retain(|entry| !entry.wishes.is_closed());
    }

    /// Wishes something of a call. Whether there is such a call.
    pub(super) fn wish(&self, name: &str, wish: Wish) -> bool {
        let entry = self.calls.iter().find(|entry| entry.is(name));
        // One that has more wishes than anybody is not heard.
        entry.is_some_and(|entry| {
            !matches!(entry.wishes.try_send(wish), Err(mpsc::error::TrySendError::Closed(_)))
        })
    }
}

async fn next(invitations: &mut Option<mpsc::Receiver<Invitation>>) -> Option<Invitation> {
    match invitations {
        Some(invitations) => invitations.recv().await,
        None => std::future::pending().await,
    }
}
