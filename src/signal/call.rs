//! A call that is answered, as its browser sees it: what it wishes is done, what happens is told, and when its connection is lost
//! it is waited for.

use std::sync::Arc;
use std::time::Duration;

use confab_media::{DIGIT_DURATION, Digit, DigitMethod, PressedDigit};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::Desk;
use super::fault::{Fault, of_call};
use super::line::Line;
use super::message::{Spoken, Told};
use super::returning::{Return, Returnable};
use super::spoken;
use crate::call::{AccountSid, CallSid};
use crate::config::Secret;
use crate::webrtc::{BrowserCall, BrowserError, CallControl, CallMessage, Over};

/// Wishes that may wait for a call; a browser that has more is not heard.
pub(super) const WISHES_MAX: usize = 16;

/// What a browser wishes of a call.
#[derive(Debug)]
pub(super) enum Wish {
    /// To have it, with this description.
    Answer(Vec<u8>),
    /// That it ring no more, for nobody.
    Reject,
    /// That it end.
    HangUp,
    /// To begin ICE anew.
    Reinvite(Vec<u8>),
    /// To press keys.
    Press(Secret),
    /// To tell its application something.
    Say(Spoken),
}

/// What a call needs of the connection over which it came.
pub(super) struct Seat {
    pub(super) desk: Arc<Desk>,
    pub(super) line: Line,
    pub(super) wishes: mpsc::Receiver<Wish>,
    /// Whose browser.
    pub(super) whose: (AccountSid, String),
    /// How long the call waits for it when it is lost.
    pub(super) patience: Duration,
}

/// A call that is answered.
pub(super) struct Talk {
    seat: Seat,
    call: CallSid,
    name: String,
    control: CallControl,
    over: oneshot::Receiver<Over>,
    /// What the call's application says to the page.
    messages: mpsc::Receiver<CallMessage>,
    returnable: Returnable,
    /// When a browser that is lost is not waited for any longer.
    give_up: Option<Instant>,
}

/// Whether the call goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Over,
}

impl Talk {
    pub(super) fn new(seat: Seat, call: BrowserCall) -> Self {
        let BrowserCall { call, control, over, messages, .. } = call;
        let returnable = seat.desk.returning.allow(call, seat.whose.clone());
        Self { seat, call, name: call.to_string(), control, over, messages, returnable, give_up: None }
    }

    /// Tells the browser that the call is on, and how it comes back to it.
    pub(super) fn say_answered(&self, sdp: Option<&str>) {
        let reconnect = Some(self.returnable.key.expose());
        self.seat.line.say(&Told::Answer { callsid: &self.name, sdp, reconnect });
    }

    /// Lives it to its end.
    pub(super) async fn live(mut self) {
        loop {
            let is_lost = self.give_up.is_some();
            let next = tokio::select! {
                over = &mut self.over => {
                    self.say_over(over.unwrap_or(Over::HungUp));
                    Next::Over
                }
                Some(back) = self.returnable.returns.recv() => self.come_back(back).await,
                Some(message) = self.messages.recv() => self.pass_on(&message),
                wish = self.seat.wishes.recv(), if !is_lost => match wish {
                    Some(wish) => self.grant(wish).await,
                    None => self.lose(),
                },
                () = at(self.give_up) => {
                    debug!(call = %self.call, "a browser did not come back");
                    self.hang_up().await
                }
            };
            if next == Next::Over {
                return;
            }
        }
    }

    fn say_over(&self, over: Over) {
        let error = match over {
            Over::HungUp => None,
            Over::MediaFailed => Some(Fault::media_failed()),
            Over::Stopping => Some(Fault::stopping()),
        };
        self.seat.line.say(&Told::over(&self.name, error));
    }

    fn lose(&mut self) -> Next {
        debug!(call = %self.call, "a browser lost its connection; it is waited for");
        self.give_up = Some(Instant::now() + self.seat.patience);
        Next::GoOn
    }

    async fn come_back(&mut self, Return { line, wishes, sdp }: Return) -> Next {
        (self.seat.line, self.seat.wishes, self.give_up) = (line, wishes, None);
        match self.control.resume(&sdp).await {
            Ok(sdp) => {
                self.seat.desk.figures.resumed.increment();
                self.say_answered(Some(&sdp));
                Next::GoOn
            }
            Err(error) => self.cannot(&error),
        }
    }

    async fn grant(&mut self, wish: Wish) -> Next {
        match wish {
            Wish::HangUp => self.hang_up().await,
            Wish::Reinvite(offer) => match self.control.renegotiate(&offer).await {
                Ok(sdp) => {
                    self.seat.line.say(&Told::Answer {
                        callsid: &self.name,
                        sdp: Some(&sdp),
                        reconnect: None,
                    });
                    Next::GoOn
                }
                Err(error) => self.cannot(&error),
            },
            Wish::Press(keys) => {
                self.press(&keys).await;
                Next::GoOn
            }
            Wish::Say(spoken) => {
                self.hear(&spoken);
                Next::GoOn
            }
            // It is answered.
            Wish::Answer(_) | Wish::Reject => Next::GoOn,
        }
    }

    /// What the application says goes to the page.
    fn pass_on(&self, message: &CallMessage) -> Next {
        self.seat.line.say(&Told::Message {
            callsid: &self.name,
            content: &message.content,
            contenttype: spoken::JSON,
            messagetype: spoken::KIND,
            voiceeventsid: &message.sid.to_string(),
        });
        Next::GoOn
    }

    /// What the page says goes to whoever wants to be told.
    fn hear(&self, spoken: &Spoken) {
        let (callsid, voiceeventsid) = (&*self.name, &*spoken.voiceeventsid);
        let told = match spoken::deliver(&self.seat.desk.state, (self.seat.whose.0, self.call), spoken) {
            Ok(()) => Told::Ack { acktype: "message", callsid, voiceeventsid },
            Err(error) => Told::Error { error, callsid: Some(callsid), voiceeventsid: Some(voiceeventsid) },
        };
        self.seat.line.say(&told);
    }

    /// What was asked cannot be done; the call goes on as it was, unless it is over.
    fn cannot(&self, error: &BrowserError) -> Next {
        if let Some(error) = of_call(error) {
            self.seat.line.say(&Told::Error { error, callsid: Some(&self.name), voiceeventsid: None });
        }
        Next::GoOn
    }

    async fn hang_up(&self) -> Next {
        match self.control.hang_up().await {
            Ok(()) => Next::Over,
            // It asks too much; it may ask again.
            Err(_) => Next::GoOn,
        }
    }

    /// Keys of a browser that cannot send them as sound. Pauses between them are the browser's wish and nobody's need.
    async fn press(&self, keys: &Secret) {
        for digit in keys.expose().chars().filter_map(Digit::from_char) {
            let key = PressedDigit { digit, duration: DIGIT_DURATION, method: DigitMethod::Info };
            if self.seat.desk.state.calls.heard_info_digit(self.call, key).await.is_err() {
                return;
            }
        }
    }
}

pub(super) async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
