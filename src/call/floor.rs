//! The floor of an account: everything that is going on, at one moment, for somebody who watches it. And how loud those are
//! who speak, which is asked of the media threads.
//!
//! Levels are answered at once, with what came home after they were asked for last: whoever watches asks many times a second,
//! and a question that finds a thread busy is not repeated.

use std::collections::HashMap;

use chrono::Utc;
use confab_media::LevelReport;
use confab_media::dsp::level::Level;

use super::event::What;
use super::handle::{CallError, Handle, Reach, Reply, Request};
use super::model::{Model, answer};
use super::queue::{Moment, QueueView, WaiterView};
use super::recordings::RecordingView;
use super::sid::{AccountSid, CallSid, ConferenceSid};
use super::state::{Call, Conference};
use super::view::{CallView, ConferenceView, PageRequest, ParticipantView};

/// Queues, and those who wait in one, that are told. More are not looked at one by one.
const QUEUE_PAGE: PageRequest = PageRequest { page: 0, size: 100 };

/// Calls in no conference that are told: those of a whole shift of agents. A dialler may have more.
const CALLS_MAX: usize = 500;

/// Agents whose phones are counted: as many as can be configured, and as many again whom only tokens know.
const AGENTS_MAX: usize = 20_000;

/// Everything that is going on in an account.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Conferences that are not over, and two-party calls, the oldest first.
    pub conferences: Vec<FloorConference>,
    /// Calls that are not over and sit nowhere, the oldest first.
    pub calls: Vec<CallView>,
    /// Queues, and who waits.
    pub queues: Vec<FloorQueue>,
    /// Agents by name, and how many phones and browsers each has registered; who has none any more is there with 0.
    pub agents: Vec<(String, usize)>,
    /// Recordings under way.
    pub recordings: Vec<RecordingView>,
}

/// A conference and who sits in it, in the order in which they came.
#[derive(Clone, Debug)]
pub struct FloorConference {
    /// The conference.
    pub view: ConferenceView,
    /// Its seats.
    pub seats: Vec<FloorSeat>,
}

/// Somebody in a conference.
#[derive(Clone, Debug)]
pub struct FloorSeat {
    /// How they sit.
    pub seat: ParticipantView,
    /// Their call.
    pub call: CallView,
    /// Their own phone holds us.
    pub held_by_far_end: bool,
}

/// A queue and who waits in it.
#[derive(Clone, Debug)]
pub struct FloorQueue {
    /// The queue.
    pub view: QueueView,
    /// Who waits, and who that is, those who have waited longest first.
    pub waiters: Vec<(WaiterView, String)>,
}

/// What can be asked.
pub(super) enum FloorRequest {
    Whole(AccountSid, Reply<Floor>),
    Levels(AccountSid, Reply<Vec<(CallSid, Level)>>),
}

impl FloorRequest {
    /// Answers that it will not be done. Whoever asked may have gone away.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::Whole(_, reply) => answer(reply, Err(why)),
            Self::Levels(_, reply) => answer(reply, Err(why)),
        }
    }
}

/// What only those who watch need.
#[derive(Default)]
pub(super) struct Watched {
    /// What agents have registered.
    agents: HashMap<(AccountSid, String), Registered>,
    /// What came home, until it is fetched. Only of conferences that are on.
    levels: HashMap<ConferenceSid, Vec<(CallSid, Level)>>,
}

/// What an agent has registered.
#[derive(Clone, Copy, Debug, Default)]
struct Registered {
    phones: usize,
    browsers: usize,
}

impl Registered {
    const fn total(self) -> usize {
        self.phones + self.browsers
    }
}

impl Handle {
    /// Everything that is going on in an account.
    pub async fn floor(&self, account: AccountSid) -> Result<Floor, CallError> {
        self.ask(|reply| Request::Floor(FloorRequest::Whole(account, reply))).await
    }

    /// How loud those are who speak in the account's conferences, as far as is known since this was asked last.
    pub async fn levels(&self, account: AccountSid) -> Result<Vec<(CallSid, Level)>, CallError> {
        self.ask(|reply| Request::Floor(FloorRequest::Levels(account, reply))).await
    }
}

impl Model {
    /// Notes and tells that an agent has so many phones or browsers now.
    pub(super) fn agent_is_at(&mut self, agent: (AccountSid, String), by: Reach, devices: usize) {
        let agents = &mut self.watched.agents;
        let mut registered = agents.get(&agent).copied().unwrap_or_default();
        match by {
            Reach::Phone => registered.phones = devices,
            Reach::Browser => registered.browsers = devices,
        }
        if agents.len() < AGENTS_MAX || agents.contains_key(&agent) {
            agents.insert(agent.clone(), registered);
        }
        let (account, name) = agent;
        self.journal.append(Utc::now(), What::Agent { account, name, devices: registered.total() });
    }

    pub(super) fn floor(&mut self, request: FloorRequest) {
        match request {
            FloorRequest::Whole(account, reply) => answer(reply, Ok(self.whole_floor(account))),
            FloorRequest::Levels(account, reply) => answer(reply, Ok(self.levels(account))),
        }
    }

    fn whole_floor(&self, account: AccountSid) -> Floor {
        let mut conferences: Vec<&Conference> = self.living_conferences(account).collect();
        conferences.sort_by_key(|conference| conference.view.created);
        let mut calls: Vec<&CallView> = self.calls_without_seat(account).take(CALLS_MAX).collect();
        calls.sort_by_key(|call| call.created);
        let agents = self.watched.agents.iter().filter(|((of, _), _)| *of == account);
        let mut agents: Vec<_> = agents.map(|((_, name), at)| (name.clone(), at.total())).collect();
        agents.sort();
        Floor {
            conferences: conferences.into_iter().map(|conference| self.on_floor(conference)).collect(),
            calls: calls.into_iter().cloned().collect(),
            queues: self.queues_on_floor(account),
            agents,
            recordings: self.recordings.all_under_way(account),
        }
    }

    fn living_conferences(&self, account: AccountSid) -> impl Iterator<Item = &Conference> {
        let living = self.places.values().filter_map(|sid| self.conferences.get(*sid));
        living.filter(move |conference| conference.view.account == account)
    }

    fn calls_without_seat(&self, account: AccountSid) -> impl Iterator<Item = &CallView> {
        let calls = self.legs.values().filter_map(|sid| self.calls.get(*sid));
        let seatless = calls.filter(move |call| {
            call.view.account == account && call.conference().is_none() && !call.view.status.is_final()
        });
        seatless.map(|call| &call.view)
    }

    fn on_floor(&self, conference: &Conference) -> FloorConference {
        let seat = |call: &Call| {
            Some(FloorSeat {
                seat: call.seat.clone()?,
                call: call.view.clone(),
                held_by_far_end: call.held_by_far_end,
            })
        };
        let seats = conference.seats.iter().filter_map(|sid| seat(self.calls.get(*sid)?));
        FloorConference { view: conference.view.clone(), seats: seats.collect() }
    }

    fn queues_on_floor(&self, account: AccountSid) -> Vec<FloorQueue> {
        let now = Moment { at: Utc::now(), clock: tokio::time::Instant::now() };
        let from = |call| self.calls.get(call).map(|call| call.view.from.clone()).unwrap_or_default();
        let waiters = |queue: &QueueView| {
            let page = self.queues.waiters(queue.sid, QUEUE_PAGE, now);
            let waiters = page.into_iter().flat_map(|page| page.items);
            waiters.map(|waiter| (from(waiter.call), waiter)).map(|(from, waiter)| (waiter, from)).collect()
        };
        let queues = self.queues.list(account, QUEUE_PAGE, now).items.into_iter();
        queues.map(|view| FloorQueue { waiters: waiters(&view), view }).collect()
    }

    fn levels(&mut self, account: AccountSid) -> Vec<(CallSid, Level)> {
        let on: Vec<_> =
            self.living_conferences(account).map(|found| (found.view.sid, found.place)).collect();
        if self.watched.levels.len() > self.places.len() {
            let conferences = &self.conferences;
            let is_on = |sid: ConferenceSid| conferences.get(sid).is_some_and(|it| !it.seats.is_empty());
            self.watched.levels.retain(|sid, _| is_on(*sid));
        }
        let mut heard = Vec::new();
        for (sid, place) in on {
            heard.extend(self.watched.levels.remove(&sid).unwrap_or_default());
            self.media.report_levels(place);
        }
        heard
    }

    /// What was asked of a conference has come home.
    pub(super) fn levels_home(&mut self, report: &LevelReport) {
        let Some(sid) = self.places.get(&report.conference) else {
            return;
        };
        let heard = report.iter().filter_map(|(leg, level)| Some((*self.legs.get(&leg)?, level)));
        self.watched.levels.insert(*sid, heard.collect());
    }
}
