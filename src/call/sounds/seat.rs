//! What one participant is played alone.

use chrono::Utc;
use confab_media::{PlayEnd, PlayerId, Plays, Sound};

use super::{Owner, SoundId, SoundOrder, SoundPurpose, Sounding};
use crate::call::conference_news::ConferenceStep;
use crate::call::event::What;
use crate::call::handle::{CallError, Reply};
use crate::call::media::Play;
use crate::call::model::{Model, answer};
use crate::call::seating::SeatSound;
use crate::call::sid::CallSid;
use crate::call::state::{Call, Stage};
use crate::call::view::ParticipantStatus;
use crate::call::voice::VoiceUrl;
use crate::sound::hold_music;

impl Model {
    /// Lets somebody who sits in a conference hear what their seat says: music on hold, what is played while they wait, or
    /// neither.
    pub(in crate::call) fn resound(&mut self, sid: CallSid) {
        let wanted = self.wanted_sound(sid);
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        // Then it is begun again.
        if call.sitting.is_announced_to() {
            return;
        }
        if let Some(base) = &mut call.sitting.base {
            // Off hold it stands still where it is, since it is not heard; and from there it goes on.
            let rests = wanted.is_none() && base.purpose == SoundPurpose::Hold && base.goes_on();
            let is_wanted = wanted.as_ref().is_some_and(|w| (w.0, &w.1) == (base.purpose, &base.sound));
            if rests || (is_wanted && (base.goes_on() || !base.rests)) {
                base.rests = rests;
                return;
            }
        }
        self.begin_sound(sid, wanted);
    }

    fn wanted_sound(&self, sid: CallSid) -> Option<(SoundPurpose, SeatSound)> {
        let call = self.calls.get(sid).filter(|call| matches!(call.stage, Stage::Seated))?;
        let seat = call.seat.as_ref().filter(|seat| seat.status == ParticipantStatus::Connected)?;
        if seat.hold {
            return Some((SoundPurpose::Hold, call.sitting.hold.clone()));
        }
        self.waits(sid).then(|| (SoundPurpose::Wait, call.sitting.wait.clone()))
    }

    fn begin_sound(&mut self, sid: CallSid, wanted: Option<(SoundPurpose, SeatSound)>) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        let before = call.sitting.base.take();
        if before.is_some() {
            self.media.stop_playing_surely(&call.leg);
        }
        self.desk.forget(before);
        let Some((purpose, sound)) = wanted else {
            return;
        };
        let id = match &sound {
            SeatSound::Music => {
                self.play_music(sid);
                None
            }
            SeatSound::Silence => None,
            SeatSound::At(url) => {
                let id = self.order_for(sid, url.clone(), purpose);
                if id.is_none() {
                    self.play_music(sid);
                }
                id
            }
        };
        if let Some(call) = self.calls.get_mut(sid) {
            call.sitting.base = Some(Sounding::new(id, purpose, sound));
        }
    }

    /// What they hear while they wait or are on hold is over for now; it begins again with [`resound`](Self::resound).
    pub(in crate::call) fn forget_base(&mut self, sid: CallSid) {
        let base = self.calls.get_mut(sid).and_then(|call| call.sitting.base.take());
        self.desk.forget(base);
    }

    fn play_music(&mut self, sid: CallSid) {
        if let Some(call) = self.calls.get(sid) {
            self.media.play_surely(&call.leg, hold_music(), Play::Together);
        }
    }

    fn order_for(&mut self, sid: CallSid, url: VoiceUrl, purpose: SoundPurpose) -> Option<SoundId> {
        let call = self.calls.get(sid)?;
        let conference = self.conferences.get(call.conference()?)?;
        let (call, conference) = (Some(call.view.clone()), conference.view.clone());
        self.desk.order(Owner::Seat(sid), |id| SoundOrder { id, url, purpose, conference, call })
    }

    /// Tells somebody something, alone, when what they are told already is over.
    pub(in crate::call) fn announce_to(&mut self, sid: CallSid, url: VoiceUrl) {
        if let Some(call) = self.calls.get_mut(sid) {
            call.sitting.announcements.push_back(url);
        }
        self.next_announcement(sid);
    }

    fn next_announcement(&mut self, sid: CallSid) {
        while let Some(call) = self.calls.get_mut(sid).filter(|call| call.sitting.announcing.is_none()) {
            let Some(url) = call.sitting.announcements.pop_front() else {
                return;
            };
            match self.order_for(sid, url.clone(), SoundPurpose::Announcement) {
                Some(id) => {
                    let sounding = Sounding::new(Some(id), SoundPurpose::Announcement, SeatSound::At(url));
                    if let Some(call) = self.calls.get_mut(sid) {
                        call.sitting.announcing = Some(sounding);
                    }
                }
                None => self.tell_announced_to(sid, url.url, Some("The node is overloaded.".to_owned())),
            }
        }
    }

    pub(super) fn play_to_seat(
        &mut self,
        sid: CallSid,
        id: SoundId,
        (sound, plays): (Sound, Plays),
        reply: Reply<PlayEnd>,
    ) {
        let Some(call) = self.calls.get_mut(sid).filter(|call| matches!(call.stage, Stage::Seated)) else {
            return answer(reply, Err(CallError::NotPlaying));
        };
        let sitting = &mut call.sitting;
        let is_announcement = is_of(sitting.announcing.as_ref(), id);
        if !is_announcement && (sitting.is_announced_to() || !is_of(sitting.base.as_ref(), id)) {
            return answer(reply, Err(CallError::NotPlaying));
        }
        if is_announcement {
            // What they heard until now begins again afterwards.
            self.desk.forget(sitting.base.take());
        }
        // An announcement is told from its beginning.
        let goes_round = plays == Plays::Forever && !is_announcement;
        let play = if goes_round { Play::Together } else { Play::Alone(plays) };
        let player = self.media.play_surely(&call.leg, sound, play);
        let sounding = if is_announcement { &mut sitting.announcing } else { &mut sitting.base };
        if let Some(sounding) = sounding {
            sounding.is_heard = true;
            sounding.piece = Some((player, reply));
        }
        self.reseat(sid);
    }

    /// Whether it was a piece of what they are played in the conference.
    pub(in crate::call) fn piece_is_over(&mut self, sid: CallSid, player: PlayerId, end: PlayEnd) -> bool {
        let Some(call) = self.calls.get_mut(sid) else {
            return false;
        };
        let sitting = &mut call.sitting;
        let mut soundings = [sitting.announcing.as_mut(), sitting.base.as_mut()].into_iter().flatten();
        soundings.any(|sounding| sounding.piece_is_over(player, end))
    }

    pub(super) fn seat_sound_over(&mut self, sid: CallSid, id: SoundId, failed: Option<String>) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        if let Some(over) = call.sitting.announcing.take_if(|sounding| sounding.id == Some(id)) {
            if over.is_heard {
                self.media.stop_playing_surely(&call.leg);
            }
            let url = over.url();
            self.desk.forget(Some(over));
            self.reseat(sid);
            self.resound(sid);
            self.tell_announced_to(sid, url, failed);
            return self.next_announcement(sid);
        }
        if let Some(base) = call.sitting.base.as_mut().filter(|sounding| sounding.id == Some(id)) {
            // It is over and silence follows; what cannot be had is replaced by the music.
            base.id = None;
            if failed.is_some() {
                self.play_music(sid);
            }
        }
    }

    fn tell_announced_to(&mut self, sid: CallSid, url: String, failed: Option<String>) {
        let Some(seat) = self.calls.get(sid).and_then(|call| call.seat.clone()) else {
            return;
        };
        let conference = seat.conference_sid;
        let what = What::Announced {
            account: seat.account,
            conference,
            participant: Some(seat.clone()),
            failed: failed.clone(),
        };
        self.journal.append(Utc::now(), what);
        let participant = Some(seat).filter(|seat| seat.status != ParticipantStatus::Complete);
        self.tell_conference(conference, ConferenceStep::Announced { participant, url, failed });
    }

    /// They leave: nothing is played to them in the conference any more, and what they were to be told is not.
    pub(in crate::call) fn silence_seat(&mut self, sid: CallSid) {
        let Some(call) = self.calls.get_mut(sid) else {
            return;
        };
        let (base, announcing) = (call.sitting.base.take(), call.sitting.announcing.take());
        let unheard = std::mem::take(&mut call.sitting.announcements);
        let warning = call.sitting.warning.take();
        if (base.is_some() || announcing.is_some() || warning.is_some()) && is_on_thread(call) {
            self.media.stop_playing_surely(&call.leg);
        }
        let begun = announcing.as_ref().map(Sounding::url);
        self.desk.forget(base);
        self.desk.forget(announcing);
        for url in begun.into_iter().chain(unheard.into_iter().map(|url| url.url)) {
            self.tell_announced_to(sid, url, Some("The participant left.".to_owned()));
        }
    }
}

fn is_of(sounding: Option<&Sounding>, id: SoundId) -> bool {
    sounding.is_some_and(|sounding| sounding.id == Some(id))
}

const fn is_on_thread(call: &Call) -> bool {
    matches!(call.stage, Stage::Connected | Stage::Seated)
}
