//! What the engine should hold, in a few maps: enough to foretell the answer to each command, who is sent to, and
//! where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::{
    Ask, Audience, Capture, CaptureId, CapturedDigit, CapturedDigits, ConferenceId, ConferenceSettings,
    ConferenceTap, EngineSettings, Equipment, Hearing, Leg, LegId, LegMedia, LegSettings, LevelReport,
    PlayEnd, Player, PlayerId, Plays, Programme, ProgrammeId, QualityReport, Refusal, SampleRate, Seat,
    SpeechChange,
};

use super::super::engine_leg;
use super::super::engine_leg::{address, change, settings};
use super::super::played::{Announced, PlayedTo, Programmes, Sounding, sound};
use super::super::witnesses::{CONFERENCE, WITNESSES};
use super::script::{LEGS, Script, nat};

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
    conferences: BTreeMap<u64, Announced>,
    /// Conferences that are copied as a whole.
    tapped: BTreeSet<u64>,
    programmes: Programmes,
    /// What is played to somebody is named by its number.
    sounds: u64,
    /// For each of the scripts' legs, how many keys it may be reported to have pressed: what came while no capture was on.
    tellable: [u64; LEGS as usize],
    /// Who may take captured keys.
    holders: Vec<CapturedDigits>,
    /// What must come home.
    pub(super) homeward: usize,
}

struct Held {
    media: LegMedia,
    /// The conference it sits in.
    seat: Option<u64>,
    /// Who hears it there.
    audience: Audience,
    hearing: Hearing,
    played: PlayedTo,
    /// Whether it was last said to speak.
    speaks: bool,
    /// Whether a capture is on that was not told to stop.
    captured: bool,
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
                (Ask::Join(id, conference, seat), self.join(id, conference, seat))
            }
            7 => (Ask::Leave(id), self.leave(id)),
            8 => {
                let seat = self.legs.get(&id.0).and_then(|held| held.seat).unwrap_or(0);
                let audience = script.audience(ConferenceId(seat));
                (Ask::SetAudience(id, audience), self.set_audience(id, audience))
            }
            _ => self.ask_more(id, conference, script),
        }
    }

    fn ask_more(
        &mut self,
        id: LegId,
        conference: ConferenceId,
        script: &mut Script<'_>,
    ) -> (Ask, Result<(), Refusal>) {
        match script.byte() % 16 {
            0 => {
                let hearing = script.hearing();
                (Ask::SetHearing(id, hearing), self.set_hearing(id, hearing))
            }
            2 => {
                self.may_tell(id);
                (Ask::HearDigit(id, script.told_digit()), self.held(id).map(drop))
            }
            3 => (Ask::PressDigits(id, script.presses()), self.held(id).map(drop)),
            4 => {
                self.homeward += 1;
                (Ask::ReportLevels(LevelReport::about(conference)), self.known(conference))
            }
            5 => {
                self.homeward += 1;
                (Ask::ReportQuality(QualityReport::about(id)), self.held(id).map(drop))
            }
            6 => {
                self.homeward += 1;
                let equipment = Equipment::new(SampleRate::Hz16000, SEATS + WITNESSES.len());
                (Ask::Equip(conference, equipment.expect("memory for codecs")), self.known(conference))
            }
            7 => (Ask::DetachLeg(id), self.remove_leg(id)),
            8 => {
                let parts = script.parts();
                (
                    Ask::TapConference(conference, ConferenceTap::new(script.rate(), parts)),
                    self.tap(conference),
                )
            }
            9 => (Ask::UntapConference(conference), self.untap(conference)),
            10..=15 => self.ask_sound(id, conference, script),
            _ => (Ask::SetTap(id, script.byte().is_multiple_of(2)), self.held(id).map(drop)),
        }
    }

    fn ask_sound(
        &mut self,
        id: LegId,
        conference: ConferenceId,
        script: &mut Script<'_>,
    ) -> (Ask, Result<(), Refusal>) {
        self.sounds += 1;
        let number = PlayerId(self.sounds);
        match script.byte() % 8 {
            0 => {
                let (len, plays) = (script.samples(), script.plays());
                let played = self.play(id, Sounding::new(number, len, plays));
                (Ask::Play(id, Player::new(number, sound(number.0, len), plays)), played)
            }
            1 => (Ask::StopPlaying(id), self.held(id).and_then(|held| held.played.stop())),
            2 => {
                // The witnesses' own stays as it is.
                let (conference, len) = (ConferenceId(conference.0.max(1)), script.samples());
                let player = Player::new(number, sound(number.0, len), Plays::ONCE);
                let announced = self.announce(conference, Sounding::new(number, len, Plays::ONCE));
                (Ask::PlayToAll(conference, player), announced)
            }
            3 => {
                let (on, len) = (script.programme(), script.samples());
                let (put_on, home) = self.programmes.put_on(on, number.0, len);
                self.homeward += home;
                let programme = Programme::new(&sound(number.0, len)).expect("memory for codecs");
                (Ask::PutOn(on, programme), put_on)
            }
            4 => {
                let on = script.programme();
                (Ask::TakeOff(on), self.programmes.take_off(on))
            }
            5 => {
                let on = script.programme();
                (Ask::Tune(id, on), self.tune(id, on))
            }
            6 => {
                let (capture, digits) = Capture::new(CaptureId(number.0));
                self.holders.push(digits);
                (Ask::StartCapture(id, capture), self.start_capture(id))
            }
            _ => (Ask::StopCapture(id), self.stop_capture(id)),
        }
    }

    fn start_capture(&mut self, id: LegId) -> Result<(), Refusal> {
        let was_on = std::mem::replace(&mut self.held(id)?.captured, true);
        if was_on { Err(Refusal::Capturing) } else { Ok(()) }
    }

    fn stop_capture(&mut self, id: LegId) -> Result<(), Refusal> {
        let was_on = std::mem::take(&mut self.held(id)?.captured);
        if was_on { Ok(()) } else { Err(Refusal::NotCapturing) }
    }

    /// Something came of a leg's far end, which may be a key; while a capture is on it is nobody else's.
    pub(super) fn may_tell(&mut self, id: LegId) {
        if self.legs.get(&id.0).is_some_and(|held| !held.captured) {
            self.tellable[id.0 as usize] += 1;
        }
    }

    /// A key was reported.
    pub(super) fn check_digit(&mut self, id: LegId) {
        let tellable = &mut self.tellable[id.0 as usize];
        assert!(*tellable > 0, "a key of {id} was captured, and is reported");
        *tellable -= 1;
    }

    /// All keys that were captured since this was last asked.
    pub(super) fn captured(&mut self) -> Vec<CapturedDigit> {
        self.holders.iter_mut().flat_map(|digits| std::iter::from_fn(|| digits.take())).collect()
    }

    fn play(&mut self, id: LegId, player: Sounding) -> Result<(), Refusal> {
        let home = match self.held(id) {
            Ok(held) => held.played.play(player).is_some(),
            Err(refusal) => {
                self.homeward += 1;
                return Err(refusal);
            }
        };
        self.homeward += usize::from(home);
        Ok(())
    }

    fn announce(&mut self, conference: ConferenceId, player: Sounding) -> Result<(), Refusal> {
        let Some(announced) = self.conferences.get_mut(&conference.0) else {
            self.homeward += 1;
            return Err(Refusal::NoConference);
        };
        let (announced, home) = announced.begin(player);
        self.homeward += usize::from(home.is_some());
        announced
    }

    fn tune(&mut self, id: LegId, on: ProgrammeId) -> Result<(), Refusal> {
        self.programmes.check_on(on)?;
        let home = self.held(id)?.played.tune(on);
        self.homeward += usize::from(home.is_some());
        Ok(())
    }

    fn tap(&mut self, conference: ConferenceId) -> Result<(), Refusal> {
        let known = self.known(conference);
        let is_new = known.is_ok() && self.tapped.insert(conference.0);
        self.homeward += usize::from(!is_new);
        known
    }

    fn untap(&mut self, conference: ConferenceId) -> Result<(), Refusal> {
        self.known(conference)?;
        self.homeward += usize::from(self.tapped.remove(&conference.0));
        Ok(())
    }

    /// A step of 20 ms: what is played goes on where it is heard.
    pub(super) fn tick(&mut self) {
        self.programmes.begin_tick();
        for announced in self.conferences.values_mut() {
            announced.frame();
        }
        for held in self.legs.values_mut() {
            if held.seat.is_none() || held.hearing == Hearing::Played {
                held.played.hear(&mut self.programmes);
            } else {
                held.played.rest();
            }
        }
    }

    /// What must come home by now, as it is fetched.
    pub(super) fn take_homeward(&mut self) -> usize {
        std::mem::take(&mut self.homeward) + self.programmes.take_gone()
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
        let (audience, hearing) = (Audience::Nobody, Hearing::Conference);
        let played = PlayedTo::default();
        self.legs.insert(
            id.0,
            Held { media, seat: None, audience, hearing, played, speaks: false, captured: false },
        );
        Ok(())
    }

    fn remove_leg(&mut self, id: LegId) -> Result<(), Refusal> {
        self.legs.remove(&id.0).ok_or(Refusal::NoLeg)?;
        self.homeward += 1;
        Ok(())
    }

    fn add_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        let refusal = if self.known(id).is_ok() {
            Refusal::Exists
        } else if self.load().1 == SETTINGS.conferences_max {
            Refusal::EngineFull
        } else {
            self.conferences.insert(id.0, Announced::default());
            return Ok(());
        };
        self.homeward += 1;
        Err(refusal)
    }

    fn remove_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        self.conferences.remove(&id.0).ok_or(Refusal::NoConference)?;
        self.tapped.remove(&id.0);
        self.homeward += 1;
        self.legs.values_mut().filter(|held| held.seat == Some(id.0)).for_each(|held| held.seat = None);
        Ok(())
    }

    fn known(&self, conference: ConferenceId) -> Result<(), Refusal> {
        let known = conference == CONFERENCE || self.conferences.contains_key(&conference.0);
        if known { Ok(()) } else { Err(Refusal::NoConference) }
    }

    fn set_audience(&mut self, id: LegId, audience: Audience) -> Result<(), Refusal> {
        self.seated(id)?;
        self.held(id)?.audience = audience;
        Ok(())
    }

    fn set_hearing(&mut self, id: LegId, hearing: Hearing) -> Result<(), Refusal> {
        self.seated(id)?;
        self.held(id)?.hearing = hearing;
        Ok(())
    }

    fn join(&mut self, id: LegId, conference: ConferenceId, to: Seat) -> Result<(), Refusal> {
        let seat = self.held(id)?.seat;
        self.known(conference)?;
        let taken = self.legs.values().filter(|held| held.seat == Some(conference.0)).count();
        if taken == SEATS && seat != Some(conference.0) {
            return Err(Refusal::ConferenceFull);
        }
        let held = self.held(id)?;
        (held.seat, held.audience, held.hearing) = (Some(conference.0), to.audience, to.hearing);
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

    /// Each end of what was played to a leg is told once, or was forgotten for what came next.
    pub(super) fn check_played(&mut self, leg: LegId, player: PlayerId, end: PlayEnd) {
        let held = self.legs.get_mut(&leg.0).expect("only legs that are held are played something");
        assert_eq!(held.played.ended.take(), Some((player, end)), "{leg}");
    }

    /// The same of what was played to all.
    pub(super) fn check_announced(&mut self, told: &[(ConferenceId, PlayerId, PlayEnd)]) {
        let mut expected = Vec::new();
        for (&conference, announced) in &mut self.conferences {
            let ends = announced.tell();
            expected.extend(ends.into_iter().map(|(player, end)| (ConferenceId(conference), player, end)));
        }
        let mut told = told.to_vec();
        told.sort_by_key(|(conference, player, _)| (*conference, *player));
        expected.sort_by_key(|(conference, player, _)| (*conference, *player));
        assert_eq!(told, expected, "ends of what was played to all");
        let owed = self.legs.iter().find(|(_, held)| held.played.ended.is_some());
        assert!(owed.is_none(), "an end that was not told: leg {owed:?}", owed = owed.map(|(id, _)| id));
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
