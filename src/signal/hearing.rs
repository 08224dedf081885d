//! What a browser says, and what is done about it.

use std::error::Error as _;
use std::time::Duration;

use axum::extract::ws::Message;
use chrono::Utc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::call::Wish;
use super::connection::{Connection, End, GOING_AWAY, NORMAL, POLICY, TOO_BIG, Who};
use super::fault::{Fault, of_call};
use super::figures::Wrong;
use super::message::{Described, Invite, Listen, Said, TokenSays, Told, parse_message};
use super::outgoing;
use super::returning::Return;
use crate::config::Secret;
use crate::token::Grant;
use crate::webrtc::{BrowserCall, BrowserError, BrowserOrder, Wanted};

/// Calls that may wait to ring at one browser.
const INVITATIONS_MAX: usize = 8;

/// How long a call waits for its browser at most, in seconds.
const RETURN_PATIENCE_MAX: f64 = 30.0;

/// What the SDK is told of where it is, which says nothing here.
const PLACE: &str = "confab";

/// What the parameter is called that says whom a browser calls.
const TO: &str = "To";

impl Connection {
    /// Takes in what came over the socket.
    pub(super) async fn receive(
        &mut self,
        received: Option<Result<Message, axum::Error>>,
    ) -> Result<(), End> {
        let text = match received {
            Some(Ok(Message::Text(text))) => text,
            // The library answers pings.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                self.heard = Instant::now();
                return self.keeps_pace();
            }
            Some(Ok(Message::Binary(_))) => return self.misunderstood("it is not text"),
            Some(Ok(Message::Close(_))) | None => return Err((NORMAL, "the browser is gone")),
            Some(Err(error)) => return Err(self.broke(&error)),
        };
        self.heard = Instant::now();
        self.keeps_pace()?;
        // A sign of life.
        if text.trim().is_empty() {
            return Ok(());
        }
        match parse_message(&text) {
            Ok(said) => self.hear(said).await,
            Err(why) => self.misunderstood(why),
        }
    }

    fn broke(&self, error: &axum::Error) -> End {
        let is_too_long = error.source().is_some_and(|source| source.to_string().contains("too long"));
        if !is_too_long {
            return (GOING_AWAY, "the connection broke");
        }
        self.desk.figures.count(Wrong::TooLong);
        self.line.say(&Told::fault(Fault::too_long()));
        (TOO_BIG, "a message is too long")
    }

    fn keeps_pace(&mut self) -> Result<(), End> {
        if self.pace.take(Instant::now()) {
            return Ok(());
        }
        self.desk.figures.count(Wrong::Flooded);
        self.line.say(&Told::fault(Fault::flood()));
        Err((POLICY, "too many messages"))
    }

    fn misunderstood(&self, why: &str) -> Result<(), End> {
        self.desk.figures.count(Wrong::Malformed);
        self.line.say(&Told::fault(Fault::malformed(why)));
        Ok(())
    }

    async fn hear(&mut self, said: Said) -> Result<(), End> {
        match said {
            Said::Listen(listen) => return self.listen(&listen),
            Said::Register(register) => self.register(register.media.audio),
            Said::Invite(Invite { callsid, sdp, reconnect: Some(key), .. }) => {
                self.come_back(&callsid, sdp, &key)
            }
            Said::Invite(invite) => self.invite(invite).await,
            Said::Answer(Described { callsid, sdp }) => self.of_call(&callsid, Wish::Answer(sdp.into())),
            Said::Reinvite(Described { callsid, sdp }) => self.of_call(&callsid, Wish::Reinvite(sdp.into())),
            Said::Reject(named) => self.of_call(&named.callsid, Wish::Reject),
            Said::Dtmf(keys) => self.of_call(&keys.callsid, Wish::Press(keys.dtmf)),
            Said::Message(spoken) => self.of_call(&spoken.callsid.clone(), Wish::Say(spoken)),
            // One that is over already needs no more.
            Said::Hangup(named) => {
                self.wish(&named.callsid, Wish::HangUp);
            }
            Said::Unknown => self.desk.figures.count(Wrong::Unknown),
        }
        Ok(())
    }

    fn of_call(&self, name: &str, wish: Wish) {
        if !self.wish(name, wish) {
            self.line.say(&Told::over(name, Some(Fault::no_call())));
        }
    }

    /// Looks at a token. A stranger with one that lets nobody in has to go, and not to come again with it; who is known stays
    /// who they are.
    fn listen(&mut self, listen: &Listen) -> Result<(), End> {
        let now = Utc::now();
        let grant = match self.desk.state.tokens.verify(listen.token.expose(), now) {
            Ok(grant) => grant,
            Err(error) => {
                debug!(%error, "a browser is not let in");
                self.desk.figures.not_let_in.increment();
                self.line.say(&Told::fault(error.into()));
                return match self.who {
                    Who::Known(_) | Who::Expired(_) => Ok(()),
                    Who::Stranger(_) => {
                        self.line.say(&Told::Close {});
                        Err((POLICY, "the access token lets nobody in"))
                    }
                };
            }
        };
        self.place.is_known();
        let wanted = listen.reconnect_timeout;
        if wanted.is_finite() && wanted > 0.0 {
            self.patience = Duration::from_secs_f64(wanted.min(RETURN_PATIENCE_MAX));
        }
        let token = TokenSays { identity: &grant.identity, ttl: (grant.expires - now).num_seconds() };
        self.line.say(&Told::Connected { edge: PLACE, region: PLACE, home: PLACE, gateway: PLACE, token });
        // With a token of another's it is called as they are, once it says so again.
        if self
            .grant()
            .is_some_and(|before| (before.account, &before.identity) != (grant.account, &grant.identity))
        {
            self.unregister();
        }
        self.who = Who::Known(Box::new(grant));
        Ok(())
    }

    fn grant(&self) -> Option<&Grant> {
        match &self.who {
            Who::Known(grant) => Some(grant),
            Who::Stranger(_) | Who::Expired(_) => None,
        }
    }

    /// What is said to somebody who may do nothing now.
    fn not_known(&self) -> Fault {
        match &self.who {
            Who::Expired(_) => Fault::expired(),
            Who::Known(_) | Who::Stranger(_) => Fault::no_token(),
        }
    }

    fn register(&mut self, wants_calls: bool) {
        if !wants_calls {
            // One that was not registered waits to be told all the same.
            if self.registered.is_none() {
                self.line.say(&Told::Offline {});
            }
            return self.unregister();
        }
        let Some(grant) = self.grant() else {
            return self.line.say(&Told::fault(self.not_known()));
        };
        if !grant.incoming_allow {
            return self.line.say(&Told::fault(Fault::not_callable()));
        }
        if self.registered.is_none() {
            let (calls, invitations) = mpsc::channel(INVITATIONS_MAX);
            let browsers = &self.desk.state.browsers;
            let registered = browsers.register(grant.account, &grant.identity, calls);
            (self.registered, self.invitations) = (Some(registered), Some(invitations));
        }
        self.line.say(&Told::Ready {});
    }

    /// Begins a call.
    async fn invite(&mut self, Invite { callsid, sdp, twilio, .. }: Invite) {
        self.forget_calls();
        let begun = match self.grant().cloned() {
            None => Err(Some(self.not_known())),
            Some(_) if self.is_full() => Err(Some(Fault::too_many_calls())),
            Some(grant) => {
                let whose = (grant.account, grant.identity.clone());
                let begun = self.begin(grant, sdp, &twilio.params).await;
                begun.map(|call| (call, whose)).map_err(|error| of_call(&error))
            }
        };
        let (call, whose) = match begun {
            Ok(begun) => begun,
            Err(fault) => return self.line.say(&Told::over(&callsid, fault)),
        };
        if let Some(seat) = self.seat(call.call, Some(callsid), whose) {
            tokio::spawn(outgoing::run(seat, call));
        }
    }

    async fn begin(&self, grant: Grant, sdp: String, params: &str) -> Result<BrowserCall, BrowserError> {
        let state = &self.desk.state;
        let mut wanted = Wanted::default();
        for (name, value) in form_urlencoded::parse(params.as_bytes()).into_owned() {
            if name == TO {
                wanted.to = value;
            } else {
                wanted.parameters.push((name, value));
            }
        }
        let way = state.browsers.way(&state.directory, &grant, wanted).await?;
        let order = BrowserOrder {
            account: grant.account,
            identity: grant.identity,
            to: way.to,
            destination: way.destination,
            status: way.status,
            offer: sdp.into(),
        };
        state.browsers.ring_out(order).await
    }

    /// Comes back to a call that was on when the connection before was lost.
    fn come_back(&mut self, name: &str, sdp: String, key: &Secret) {
        let Some(whose) = self.grant().map(|grant| (grant.account, grant.identity.clone())) else {
            return self.line.say(&Told::over(name, Some(self.not_known())));
        };
        let call = name.parse().ok();
        let entered = call.and_then(|call| Some((call, self.enter(call, None)?)));
        let is_back = entered.is_some_and(|(call, wishes)| {
            let back = Return { line: self.line.clone(), wishes, sdp: sdp.into() };
            self.desk.returning.come_back(call, (whose.0, &whose.1), key, back)
        });
        if !is_back {
            self.line.say(&Told::over(name, Some(Fault::cannot_return())));
        }
    }
}
