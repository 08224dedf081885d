//! What the engine should hold, in a few maps: enough to foretell the answer to each command, who is sent to, and
//! where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, Audience, ConferenceId, ConferenceSettings, EngineSettings, Leg, LegId, LegMedia, LegSettings,
    LevelReport, Refusal, SampleRate, Seat, SpeechChange,
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
    /// Who hears it there.
    audience: Audience,
    /// Whether it was last said to speak.
    speaks: bool,
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
                (Ask::Join(id, conference, seat), self.join(id, conference, seat.audience))
            }
            7 => (Ask::Leave(id), self.leave(id)),
            8 => {
                let seat = self.legs.get(&id.0).and_then(|held| held.seat).unwrap_or(0);
                let audience = script.audience(ConferenceId(seat));
                (Ask::SetAudience(id, audience), self.set_audience(id, audience))
            }
            _ => match script.byte() % 5 {
                0 => (Ask::SetHearing(id, script.hearing()), self.seated(id)),
                2 => (Ask::HearDigit(id, script.told_digit()), self.held(id).map(drop)),
                3 => (Ask::PressDigits(id, script.presses()), self.held(id).map(drop)),
                4 => {
                    self.homeward += 1;
                    (Ask::ReportLevels(LevelReport::about(conference)), self.known(conference))
                }
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
        let audience = Audience::Nobody;
        self.legs.insert(id.0, Held { media, seat: None, audience, speaks: false });
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

    fn known(&self, conference: ConferenceId) -> Result<(), Refusal> {
        let known = conference == CONFERENCE || self.conferences.contains(&conference.0);
        if known { Ok(()) } else { Err(Refusal::NoConference) }
    }

    fn set_audience(&mut self, id: LegId, audience: Audience) -> Result<(), Refusal> {
        self.seated(id)?;
        self.held(id)?.audience = audience;
        Ok(())
    }

    fn join(&mut self, id: LegId, conference: ConferenceId, audience: Audience) -> Result<(), Refusal> {
        let seat = self.held(id)?.seat;
        self.known(conference)?;
        let taken = self.legs.values().filter(|held| held.seat == Some(conference.0)).count();
        if taken == SEATS && seat != Some(conference.0) {
            return Err(Refusal::ConferenceFull);
        }
        let held = self.held(id)?;
        (held.seat, held.audience) = (Some(conference.0), audience);
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

    /// Starts and stops take turns, and only those who can be heard start.
    pub(super) fn check_speech(&mut self, leg: LegId, change: SpeechChange) {
        let Some(held) = self.legs.get_mut(&leg.0) else {
            assert!(WITNESSES.contains(&leg), "{leg} speaks and is not here");
            return;
        };
        assert_ne!(held.speaks, change == SpeechChange::Started, "{leg}: {change:?} twice");
        held.speaks = change == SpeechChange::Started;
        let is_heard = held.seat.is_some() && held.audience != Audience::Nobody;
        assert!(!held.speaks || is_heard, "{leg} speaks to nobody");
    }

    /// Whoever is shown as speaking can be heard by all.
    pub(super) fn check_speaker(&self, conference: ConferenceId, leg: LegId) {
        assert_eq!(self.known(conference), Ok(()));
        let is_witness = conference == CONFERENCE && WITNESSES.contains(&leg);
        let heard = self
            .legs
            .get(&leg.0)
            .is_some_and(|held| held.seat == Some(conference.0) && held.audience == Audience::Everyone);
        assert!(heard || is_witness, "{leg} speaks in {conference} and cannot be heard");
    }

    /// The event may be older than the leg's last media.
    pub(super) fn check_latched(&self, leg: LegId, source: SocketAddr) {
        assert!(source.ip() == address(leg.0).ip() || source.ip() == nat(leg), "{leg} latched to {source}");
    }
}

fn impatient(id: LegId, media: LegMedia) -> Box<Leg> {
    Leg::new(LegSettings { receive_timeout: RECEIVE_TIMEOUT, ..settings(id.0, media) })
}
