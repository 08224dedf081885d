//! How long calls and conferences may last, and the tone that tells that they are about to end.
//!
//! A call's time runs from its answer, a conference's from when its first participant was let in, whether it ever starts or
//! not. Both are looked at once a second.

use std::time::Duration;

use confab_media::{PlayerId, Plays};
use tokio::time::Instant;
use tracing::info;

use super::handle::HangUp;
use super::media::Play;
use super::model::Model;
use super::sid::{CallSid, ConferenceSid};
use super::state::{Call, Stage};
use crate::sound::Chime;

/// How long things may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// A call, if it has no limit of its own.
    pub call: Duration,
    /// A conference.
    pub conference: Duration,
    /// How long before either's end its tone is heard; none is if this is not set.
    pub warning: Option<Duration>,
}

impl Default for Lasting {
    /// Four hours, as long as `<Dial>` gives a call; no tone.
    fn default() -> Self {
        const USUAL: Duration = Duration::from_secs(4 * 3_600);
        Self { call: USUAL, conference: USUAL, warning: None }
    }
}

/// When something ends, and whether that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    is_told: bool,
}

impl Deadline {
    /// The end of what may last so long from now on, of which so much is over. What may last no longer than the time of
    /// its warning is not warned of.
    pub(super) fn after(lasting: Duration, over: Duration, warning: Option<Duration>) -> Self {
        let is_told = warning.is_none_or(|warning| lasting <= warning);
        Self { at: Instant::now() + lasting.saturating_sub(over), is_told }
    }

    fn is_due(self, now: Instant) -> bool {
        self.at <= now
    }

    fn is_to_be_told(self, now: Instant, warning: Option<Duration>) -> bool {
        !self.is_told && warning.is_some_and(|warning| self.at <= now + warning)
    }
}

impl Model {
    /// How long a call may last from its answer.
    pub(super) fn time_limit(&self, call: &Call) -> Duration {
        call.time_limit.unwrap_or(self.limits.lasting.call)
    }

    /// Ends what has lasted long enough, and warns of what soon has.
    pub(super) fn watch_the_time(&mut self) {
        let (now, warning) = (Instant::now(), self.limits.lasting.warning);
        let calls = self.legs.values().filter_map(|&sid| Some((sid, self.calls.get(sid)?.deadline?)));
        let calls: Vec<(CallSid, Deadline)> = calls.collect();
        for (sid, deadline) in calls {
            if deadline.is_due(now) {
                info!(call = %sid, "call reached its time limit");
                self.hang_up(sid, HangUp::TimeUp);
            } else if deadline.is_to_be_told(now, warning) {
                self.warn_call(sid);
            }
        }
        let open = self.open.values().filter_map(|&sid| Some((sid, self.conferences.get(sid)?.deadline)));
        let open: Vec<(ConferenceSid, Deadline)> = open.collect();
        for (sid, deadline) in open {
            if deadline.is_due(now) {
                info!(conference = %sid, "conference reached its time limit");
                self.finish_conference(sid, HangUp::TimeUp, None);
            } else if deadline.is_to_be_told(now, warning) {
                self.warn_conference(sid);
            }
        }
    }

    fn warn_conference(&mut self, sid: ConferenceSid) {
        if let Some(conference) = self.conferences.get_mut(sid) {
            conference.deadline.is_told = true;
            self.media.play_to_all(conference.place, Chime::Warning.sound(), Plays::ONCE);
        }
    }

    /// Lets a call hear that it is about to end: over the talk of two who are connected, instead of a conference for as long
    /// as the tone lasts. What a script plays, or an announcement, is not cut off: then it is tried again in a second.
    fn warn_call(&mut self, sid: CallSid) {
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let found = call.conference().and_then(|sid| self.conferences.get(sid));
        let bridge = found.filter(|found| !found.view.is_listed).map(|found| found.place);
        let is_busy = call.playing.is_some() || call.sitting.is_announced_to();
        let told = match (bridge, &call.stage) {
            (Some(place), Stage::Seated) => {
                self.media.play_to_all(place, Chime::Warning.sound(), Plays::ONCE);
                true
            }
            (None, Stage::Seated) if !is_busy => self.warn_alone(sid),
            (None, Stage::Connected) if !is_busy => {
                self.media.play_surely(&call.leg, Chime::Warning.sound(), Play::Alone(Plays::ONCE));
                true
            }
            (_, Stage::Seated | Stage::Connected | Stage::Reserved | Stage::Moving(_)) => false,
        };
        if let Some(deadline) = self.calls.get_mut(sid).and_then(|call| call.deadline.as_mut()) {
            deadline.is_told |= told;
        }
    }

    fn warn_alone(&mut self, sid: CallSid) -> bool {
        let Some(call) = self.calls.get_mut(sid) else {
            return false;
        };
        let player = self.media.play_surely(&call.leg, Chime::Warning.sound(), Play::Alone(Plays::ONCE));
        call.sitting.warning = Some(player);
        self.forget_base(sid);
        self.reseat(sid);
        true
    }

    /// Whether it was the tone that somebody in a conference heard; what they heard before goes on.
    pub(super) fn warning_is_over(&mut self, sid: CallSid, player: PlayerId) -> bool {
        let call = self.calls.get_mut(sid);
        let was_it = call.is_some_and(|call| call.sitting.warning.take_if(|it| *it == player).is_some());
        if was_it {
            self.reseat(sid);
            self.resound(sid);
        }
        was_it
    }
}
