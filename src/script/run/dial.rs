//! Dial: a conference, or others who are called, of whom the first to answer is connected.

use std::time::Duration;

use confab_media::{Plays, SampleRate, Sound};
use tokio::time::Instant;
use tracing::debug;

use super::super::verbs::dial::{CallEvent as Step, Called, Conference, Dial, DialTo, Party, Sip};
use super::announce::told;
use super::wait::Woken;
use super::{Flow, Runner};
use crate::call::{
    CallEvents, CallSid, CallStatus, Destination, DialCredentials, DialOrder, DialTarget, EndCall, JoinTerms,
    StatusCallback, VoiceUrl,
};
use crate::config::Secret;

/// The key that ends a connection where `hangupOnStar` says so.
const STAR: char = '*';

/// How it went with those who were called.
struct Dialled {
    status: CallStatus,
    /// Who answered, and when.
    answered: Option<(CallSid, Instant)>,
}

impl Runner {
    pub(super) async fn dial(&mut self, dial: Dial) -> Flow {
        match &dial.to {
            DialTo::Conference(conference) => self.dial_conference(&dial, conference).await,
            DialTo::Parties(parties) => self.dial_parties(&dial, parties).await,
            DialTo::Queue(_) => {
                self.note(super::super::code::SCHEMA, "Queues are not run by this node yet; skipped.");
                Flow::Next
            }
        }
    }

    async fn dial_conference(&mut self, dial: &Dial, conference: &Conference) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let terms = JoinTerms {
            conference: conference.name.clone(),
            label: conference.label.clone(),
            muted: conference.muted,
            start_on_enter: conference.start_on_enter,
            end_on_exit: conference.end_on_exit,
            participants_max: Some(usize::from(conference.max_participants)),
        };
        if let Err(error) = self.scripts.calls.join_conference(self.call.sid, terms).await {
            self.note(13_000, &format!("No seat in the conference: {error}."));
            return self.after(dial.action.as_ref(), vec![told("DialCallStatus", "failed")]);
        }
        match self.connected(dial, Instant::now()).await {
            Some(flow) => flow,
            None => self.after(dial.action.as_ref(), vec![told("DialCallStatus", "answered")]),
        }
    }

    /// Waits until the call is connected no more; what happens then if it is not what comes after the verb.
    async fn connected(&mut self, dial: &Dial, since: Instant) -> Option<Flow> {
        let until = Some(since + dial.time_limit);
        loop {
            match self.wait(None, until).await {
                Woken::Left => return None,
                Woken::Time => break,
                Woken::Key(digit) if dial.hang_up_on_star && digit.expose() == STAR => break,
                Woken::Gone(Flow::Over) => return Some(Flow::Over),
                Woken::Gone(flow) => {
                    self.leave().await;
                    return Some(flow);
                }
                Woken::Key(_) | Woken::Played | Woken::Recorded(_) | Woken::Dialled(_) => {}
            }
        }
        self.leave().await;
        None
    }

    async fn leave(&self) {
        if let Err(error) = self.scripts.calls.leave_conference(self.call.sid).await {
            debug!(call = %self.call.sid, %error, "in no conference");
        }
    }

    async fn dial_parties(&mut self, dial: &Dial, parties: &[Party]) -> Flow {
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
        let mut ringing: Vec<CallSid> = Vec::new();
        for order in orders {
            match self.scripts.calls.place_call(order).await {
                Ok(placed) => ringing.push(placed.call.sid),
                Err(error) => {
                    self.note(13_223, &format!("Not called: {error}."));
                    *last = CallStatus::Failed;
                }
            }
        }
        while !ringing.is_empty() {
            match self.wait(None, None).await {
                Woken::Dialled(view) if ringing.contains(&view.sid) => {
                    if view.status == CallStatus::InProgress {
                        ringing.retain(|call| *call != view.sid);
                        self.give_up(&ringing).await;
                        return Ok(Some((view.sid, Instant::now())));
                    }
                    if view.status.is_final() {
                        ringing.retain(|call| *call != view.sid);
                        *last = view.status;
                    }
                }
                Woken::Gone(flow) => {
                    self.give_up(&ringing).await;
                    return Err(flow);
                }
                Woken::Recorded(_)
                | Woken::Dialled(_)
                | Woken::Key(_)
                | Woken::Played
                | Woken::Left
                | Woken::Time => {}
            }
        }
        Ok(None)
    }

    /// Ends calls that are not wanted any more.
    async fn give_up(&self, calls: &[CallSid]) {
        for &call in calls {
            // Who has hung up already need not be told.
            let _ = self.scripts.calls.end_call(call, EndCall::Completed).await;
        }
    }

    fn orders(&self, dial: &Dial, party: &Party) -> Vec<DialOrder> {
        let order = |to: DialTarget, credentials: Option<DialCredentials>| DialOrder {
            account: self.call.account,
            to,
            from: dial.caller_id.clone().unwrap_or_else(|| self.call.from.clone()),
            display_name: None,
            credentials,
            ring_timeout: dial.timeout,
            time_limit: Some(dial.time_limit + Duration::from_secs(1)),
            destination: Destination::Wait,
            parent: Some(self.call.sid),
            send_digits: None,
            status: None,
            record: None,
        };
        match party {
            Party::Number(number) => {
                let mut order = order(DialTarget::Number(number.number.clone()), None);
                order.send_digits = number.send_digits.as_ref().and_then(super::announce::keys);
                order.status = self.status_callback(&number.called);
                vec![order]
            }
            Party::Client(client) => {
                let mut order = order(DialTarget::Client(client.identity.clone()), None);
                order.status = self.status_callback(&client.called);
                vec![order]
            }
            Party::Sip(sip) => addresses(sip)
                .map(|(to, credentials)| DialOrder {
                    status: self.status_callback(&sip.called),
                    ..order(to, credentials)
                })
                .collect(),
        }
    }

    /// Who is told of a call that is dialled.
    fn status_callback(&self, called: &Called) -> Option<StatusCallback> {
        let callback = called.status.as_ref()?;
        let url = self.resolve(&callback.target)?;
        let wants = |event| called.status_events.contains(&event);
        Some(StatusCallback {
            url: VoiceUrl { url: url.into(), method: super::method(callback.method) },
            events: CallEvents {
                initiated: wants(Step::Initiated),
                ringing: wants(Step::Ringing),
                answered: wants(Step::Answered),
                completed: wants(Step::Completed),
            },
        })
    }

    /// The caller hears that it rings.
    async fn ring_back(&mut self) {
        let played = self.scripts.calls.play(self.call.sid, ringing_tone(), Plays::Forever).await;
        if let Err(error) = played {
            debug!(call = %self.call.sid, %error, "no ringing tone");
        }
    }

    async fn stop_playing_if_answered(&mut self) {
        if self.call.status == CallStatus::InProgress {
            self.stop_playing().await;
        }
    }
}

/// Where a Sip leads: only its first address is tried at the same time as others.
fn addresses(sip: &Sip) -> impl Iterator<Item = (DialTarget, Option<DialCredentials>)> {
    let mut addresses: Vec<_> = sip.addresses.iter().collect();
    addresses.sort_by_key(|address| address.priority.unwrap_or(u16::MAX));
    addresses.into_iter().take(1).map(|address| {
        let credentials = address.credentials.as_ref().map(|credentials| DialCredentials {
            username: credentials.username.clone(),
            password: Secret::new(credentials.password.expose().to_owned()),
        });
        (DialTarget::Sip(address.uri.clone()), credentials)
    })
}

/// Two tones for two seconds, silence for four (ITU-T E.180, North America).
fn ringing_tone() -> Sound {
    const RATE: f64 = 8_000.0;
    const PEAK: f64 = 2_500.0;
    let sample = |n: usize| {
        let t = n as f64 / RATE * std::f64::consts::TAU;
        (PEAK * ((440.0 * t).sin() + (480.0 * t).sin())) as i16
    };
    let samples: Vec<i16> = (0..6 * 8_000).map(|n| if n < 2 * 8_000 { sample(n) } else { 0 }).collect();
    Sound::new(SampleRate::Hz8000, samples)
}
