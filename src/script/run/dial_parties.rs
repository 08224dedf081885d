//! Dial, others: numbers, agents and addresses are called, and the first to answer is connected.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::super::code::{NO_TRUNK, NUMBER_FORMAT};
use super::super::verbs::dial::{CallEvent as Step, Called, Dial, Party, Sip, SipAddress};
use super::announce::told;
use super::wait::{Other, Woken};
use super::{Flow, Runner};
use crate::call::{
    CallError, CallEvents, CallSid, CallStatus, CallView, Destination, DialCredentials, DialOrder,
    DialTarget, StatusCallback, Voice, VoiceSource,
};
use crate::config::Secret;

/// How it went with those who were called.
struct Dialled {
    status: CallStatus,
    /// Who answered, and when.
    answered: Option<(CallSid, Instant)>,
}

/// One who was called and has neither won nor lost.
struct Ringing {
    call: CallSid,
    /// They hear something when they answer, and are ready only after that. Until then others go on ringing: a machine
    /// that answers must not keep people from it.
    whispers: bool,
}

fn calls(ringing: &[Ringing]) -> Vec<CallSid> {
    ringing.iter().map(|party| party.call).collect()
}

/// One who was called got further; who, if they have won.
fn further(ringing: &mut Vec<Ringing>, view: &CallView, last: &mut CallStatus) -> Option<CallSid> {
    let at = ringing.iter().position(|party| party.call == view.sid)?;
    if view.status == CallStatus::InProgress && !ringing[at].whispers {
        ringing.remove(at);
        return Some(view.sid);
    }
    if view.status.is_final() {
        ringing.remove(at);
        // Who answered and was not connected has declined.
        let has_declined = view.status == CallStatus::Completed;
        *last = if has_declined { CallStatus::NoAnswer } else { view.status };
    }
    None
}

impl Runner {
    pub(super) async fn dial_parties(&mut self, dial: &Dial, parties: &[Party]) -> Flow {
        if !dial.answer_on_bridge {
            if let Err(flow) = self.answer().await {
                return flow;
            }
            self.ring_back().await;
        }
        let called = match self.call_them(dial, parties).await {
            Ok(called) => called,
            Err(flow) => return flow,
        };
        let Some((child, since)) = called.answered else {
            self.stop_playing_if_answered().await;
            return self.after(
                dial.action.as_ref(),
                vec![told("DialCallStatus", called.status.word()), told("DialBridged", "false")],
            );
        };
        if let Err(flow) = self.answer().await {
            self.give_up(&[child]).await;
            return flow;
        }
        self.stop_playing().await;
        if let Err(error) = self.scripts.calls.bridge(self.call.sid, child).await {
            debug!(call = %self.call.sid, %error, "not connected");
            self.give_up(&[child]).await;
            return self.after(dial.action.as_ref(), vec![told("DialCallStatus", "failed")]);
        }
        let recording = self.record_dial(dial).await;
        let flow = self.connected(dial, since).await;
        self.give_up(&[child]).await;
        let recorded = match recording {
            Some(recording) => self.stop_recording(recording).await,
            None => None,
        };
        if let Some(flow) = flow {
            return flow;
        }
        let mut facts = recorded.map(|view| self.facts(&view)).unwrap_or_default();
        facts.extend([
            told("DialCallStatus", "completed"),
            told("DialCallSid", child),
            told("DialCallDuration", since.elapsed().as_secs()),
            told("DialBridged", "true"),
        ]);
        self.after(dial.action.as_ref(), facts)
    }

    /// Calls all at once, or one after another; the first to answer is kept, the others are given up.
    async fn call_them(&mut self, dial: &Dial, parties: &[Party]) -> Result<Dialled, Flow> {
        let mut targets: Vec<DialOrder> = parties.iter().flat_map(|party| self.orders(dial, party)).collect();
        let mut last = CallStatus::Failed;
        while !targets.is_empty() {
            let now =
                if dial.sequential { targets.drain(..1).collect() } else { std::mem::take(&mut targets) };
            let outcome = self.call_at_once(now, &mut last).await?;
            if outcome.is_some() {
                return Ok(Dialled { status: CallStatus::Completed, answered: outcome });
            }
        }
        Ok(Dialled { status: last, answered: None })
    }

    async fn call_at_once(
        &mut self,
        orders: Vec<DialOrder>,
        last: &mut CallStatus,
    ) -> Result<Option<(CallSid, Instant)>, Flow> {
        let mut ringing: Vec<Ringing> = Vec::new();
        for order in orders {
            let whispers = matches!(order.destination, Destination::Whisper(_));
            match self.scripts.calls.place_call(order).await {
                Ok(placed) => ringing.push(Ringing { call: placed.call.sid, whispers }),
                Err(error) => {
                    let code = if error == CallError::NoTrunk { NO_TRUNK } else { NUMBER_FORMAT };
                    self.note(code, &format!("Not called: {error}."));
                    *last = CallStatus::Failed;
                }
            }
        }
        while !ringing.is_empty() {
            let winner = match self.wait(None, None).await {
                Woken::Other(Other::Dialled(view)) => further(&mut ringing, &view, last),
                Woken::Other(Other::Whispered(call, is_ready)) => {
                    let found = ringing.iter().any(|party| party.call == call);
                    ringing.retain(|party| party.call != call);
                    *last = CallStatus::NoAnswer;
                    Some(call).filter(|_| found && is_ready)
                }
                Woken::Gone(flow) => {
                    self.give_up(&calls(&ringing)).await;
                    return Err(flow);
                }
                Woken::Other(_) | Woken::Key(_) | Woken::Played | Woken::Left | Woken::Time => None,
            };
            if let Some(winner) = winner {
                self.give_up(&calls(&ringing)).await;
                return Ok(Some((winner, Instant::now())));
            }
        }
        Ok(None)
    }

    /// Ends calls that are not wanted any more.
    async fn give_up(&self, calls: &[CallSid]) {
        for &call in calls {
            // Who has hung up already need not be told.
            let _ = self.scripts.calls.give_up_dialled(self.call.sid, call).await;
        }
    }

    /// What those who are called do when they answer.
    fn destination(&self, called: &Called) -> Destination {
        let whisper = called.whisper.as_ref().and_then(|callback| self.voice_url(callback));
        match whisper {
            Some(url) => Destination::Whisper(Voice {
                source: VoiceSource::Url(url),
                fallback: None,
                parameters: Vec::new(),
            }),
            None => Destination::Wait,
        }
    }

    fn orders(&self, dial: &Dial, party: &Party) -> Vec<DialOrder> {
        let called = match party {
            Party::Number(number) => &number.called,
            Party::Client(client) => &client.called,
            Party::Sip(sip) => &sip.called,
        };
        let order = |to: DialTarget, credentials: Option<DialCredentials>| DialOrder {
            account: self.call.account,
            to,
            headers: Vec::new(),
            parameters: Vec::new(),
            from: dial.caller_id.clone().unwrap_or_else(|| self.call.from.clone()),
            display_name: None,
            credentials,
            ring_timeout: dial.timeout,
            time_limit: Some(dial.time_limit + Duration::from_secs(1)),
            destination: self.destination(called),
            parent: Some(self.call.sid),
            send_digits: None,
            status: self.status_callback(called),
            record: None,
            reason: dial.call_reason.clone(),
            trunk: None,
            is_forwarded: false,
            wake: None,
        };
        match party {
            Party::Number(number) => {
                let mut order = order(DialTarget::Number(number.number.clone()), None);
                order.trunk.clone_from(&number.trunk);
                order.send_digits.clone_from(&number.send_digits);
                vec![order]
            }
            Party::Client(client) => {
                let mut order = order(DialTarget::Client(client.identity.clone()), None);
                order.parameters.clone_from(&client.parameters);
                order.wake = client.wake.as_ref().and_then(|wake| self.voice_url(wake));
                vec![order]
            }
            Party::Sip(sip) => {
                let order = |address: &SipAddress| DialOrder {
                    headers: address.headers.clone(),
                    ..order(DialTarget::Sip(address.uri.clone()), credentials(address))
                };
                first(sip).map(order).into_iter().collect()
            }
        }
    }

    /// Who is told of a call that is dialled.
    fn status_callback(&self, called: &Called) -> Option<StatusCallback> {
        let callback = called.status.as_ref()?;
        let url = self.voice_url(callback)?;
        let wants = |event| called.status_events.contains(&event);
        Some(StatusCallback {
            url,
            events: CallEvents {
                initiated: wants(Step::Initiated),
                ringing: wants(Step::Ringing),
                answered: wants(Step::Answered),
                completed: wants(Step::Completed),
            },
        })
    }

    async fn stop_playing_if_answered(&mut self) {
        if self.call.status == CallStatus::InProgress {
            self.stop_playing().await;
        }
    }
}

/// Where a Sip leads: only its first address is tried at the same time as others.
fn first(sip: &Sip) -> Option<&SipAddress> {
    sip.addresses.iter().min_by_key(|address| address.priority.unwrap_or(u16::MAX))
}

fn credentials(address: &SipAddress) -> Option<DialCredentials> {
    let credentials = address.credentials.as_ref()?;
    Some(DialCredentials {
        username: credentials.username.clone(),
        password: Secret::new(credentials.password.expose().to_owned()),
    })
}
