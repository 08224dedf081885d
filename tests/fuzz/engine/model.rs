//! What the engine should hold, in a few maps: enough to foretell the answer to each command, who is sent to, and
//! where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, ConferenceId, ConferenceSettings, EngineSettings, Leg, LegId, LegMedia, LegSettings, Refusal,
    SampleRate, Seat,
};

use super::super::engine_leg;
use super::super::engine_leg::{address, change, settings};
use super::super::witnesses::{CONFERENCE, WITNESSES};
use super::script::{Script, nat};

/// What the engine is built for: little, so that scripts fill it.
pub(super) const SETTINGS: EngineSettings =
    EngineSettings { legs_max: 8, conferences_max: 3, tap_frames_max: 6 };

/// When a silent far end is reported: soon enough for a short script to get there.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(100);

/// Seats in each conference, those of witnesses not counted.
pub(super) const SEATS: usize = 3;

/// The model.
#[derive(Default)]
pub(super) struct Model {
    /// Those of scripts, as all here: the witnesses' are never touched.
    legs: BTreeMap<u64, Held>,
    conferences: BTreeSet<u64>,
    /// Legs and conferences that must come home.
    pub(super) homeward: usize,
}

struct Held {
    media: LegMedia,
    /// The conference it sits in.
    seat: Option<u64>,
}

impl Model {
    /// What a script asks, and the answer that it should get.
    pub(super) fn ask(&mut self, script: &mut Script<'_>) -> (Ask, Result<(), Refusal>) {
        let (id, conference) = (script.own_leg(), script.conference());
        match script.byte() % 10 {
            0 | 1 => {
                let media = script.media(id);
                (Ask::AddLeg(impatient(id, media.clone())), self.add_leg(id, media))
            }
            2 => (Ask::RemoveLeg(id), self.remove_leg(id)),
            3 => {
                let media = script.media(id);
                (Ask::SetLegMedia(id, change(media.clone())), self.held(id).map(|held| held.media = media))
            }
            4 => (
                Ask::AddConference(engine_leg::conference(
                    conference.0,
                    ConferenceSettings::seats(SEATS),
                    &[SampleRate::Hz8000],
                )),
                self.add_conference(conference),
            ),
            5 => {
                // The witnesses' own stays.
                let conference = ConferenceId(conference.0.max(1));
                (Ask::RemoveConference(conference), self.remove_conference(conference))
            }
            6 => {
                let seat = Seat { audience: script.audience(conference), hearing: script.hearing() };
                (Ask::Join(id, conference, seat), self.join(id, conference))
            }
            7 => (Ask::Leave(id), self.leave(id)),
            8 => {
                let seat = self.legs.get(&id.0).and_then(|held| held.seat).unwrap_or(0);
                let seated = self.seated(id);
                (Ask::SetAudience(id, script.audience(ConferenceId(seat))), seated)
            }
            _ => match script.byte() % 4 {
                0 => (Ask::SetHearing(id, script.hearing()), self.seated(id)),
                2 => (Ask::HearDigit(id, script.told_digit()), self.held(id).map(drop)),
                3 => (Ask::PressDigits(id, script.presses()), self.held(id).map(drop)),
                _ => (Ask::SetTap(id, script.byte().is_multiple_of(2)), self.held(id).map(drop)),
            },
        }
    }

    fn held(&mut self, id: LegId) -> Result<&mut Held, Refusal> {
        self.legs.get_mut(&id.0).ok_or(Refusal::NoLeg)
    }

    fn seated(&mut self, id: LegId) -> Result<(), Refusal> {
        self.held(id)?.seat.map(drop).ok_or(Refusal::NotSeated)
    }

    fn add_leg(&mut self, id: LegId, media: LegMedia) -> Result<(), Refusal> {
        if self.legs.contains_key(&id.0) {
            self.homeward += 1;
            return Err(Refusal::Exists);
        }
        if self.load().0 == SETTINGS.legs_max {
            self.homeward += 1;
            return Err(Refusal::EngineFull);
        }
        self.legs.insert(id.0, Held { media, seat: None });
        Ok(())
    }

    fn remove_leg(&mut self, id: LegId) -> Result<(), Refusal> {
        self.legs.remove(&id.0).ok_or(Refusal::NoLeg)?;
        self.homeward += 1;
        Ok(())
    }

    fn add_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        let refusal = if id == CONFERENCE || self.conferences.contains(&id.0) {
            Refusal::Exists
        } else if self.load().1 == SETTINGS.conferences_max {
            Refusal::EngineFull
        } else {
            self.conferences.insert(id.0);
            return Ok(());
        };
        self.homeward += 1;
        Err(refusal)
    }

    fn remove_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        if !self.conferences.remove(&id.0) {
            return Err(Refusal::NoConference);
        }
        self.homeward += 1;
        self.legs.values_mut().filter(|held| held.seat == Some(id.0)).for_each(|held| held.seat = None);
        Ok(())
    }

    fn join(&mut self, id: LegId, conference: ConferenceId) -> Result<(), Refusal> {
        let seat = self.held(id)?.seat;
        if conference != CONFERENCE && !self.conferences.contains(&conference.0) {
            return Err(Refusal::NoConference);
        }
        let taken = self.legs.values().filter(|held| held.seat == Some(conference.0)).count();
        if taken == SEATS && seat != Some(conference.0) {
            return Err(Refusal::ConferenceFull);
        }
        self.held(id)?.seat = Some(conference.0);
        Ok(())
    }

    fn leave(&mut self, id: LegId) -> Result<(), Refusal> {
        self.held(id)?.seat.take().map(drop).ok_or(Refusal::NotSeated)
    }

    /// As [`Engine::load`] has it, witnesses included.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.legs.len() + WITNESSES.len(), self.conferences.len() + 1)
    }

    /// Whether the engine holds this leg.
    pub(super) fn knows(&self, leg: LegId) -> bool {
        WITNESSES.contains(&leg) || self.legs.contains_key(&leg.0)
    }

    /// Legs that get a packet each tick, in order.
    pub(super) fn senders(&self) -> Vec<LegId> {
        let sent_to = self.legs.iter().filter(|(_, held)| held.media.direction.send);
        sent_to.map(|(id, _)| LegId(*id)).collect()
    }

    /// Sound goes to where signalling said, or out through the far end's NAT.
    pub(super) fn check_destination(&self, leg: LegId, destination: SocketAddr) {
        let held = self.legs.get(&leg.0).expect("only legs that are held are sent to");
        assert!(
            destination == held.media.remote || destination.ip() == nat(leg),
            "{leg} is sent to {destination}"
        );
    }

    /// The event may be older than the leg's last media.
    pub(super) fn check_latched(&self, leg: LegId, source: SocketAddr) {
        assert!(source.ip() == address(leg.0).ip() || source.ip() == nat(leg), "{leg} latched to {source}");
    }
}

fn impatient(id: LegId, media: LegMedia) -> Box<Leg> {
    Leg::new(LegSettings { receive_timeout: RECEIVE_TIMEOUT, ..settings(id.0, media) })
}
