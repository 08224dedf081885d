//! What a whole conference is played, over the talk.

use chrono::Utc;
use confab_media::{PlayEnd, PlayerId, Plays, Sound};

use super::{ANNOUNCEMENTS_MAX, Owner, SoundOrder, SoundPurpose, Sounding};
use crate::call::conference_news::ConferenceStep;
use crate::call::event::What;
use crate::call::handle::{CallError, Reply};
use crate::call::model::{Model, answer};
use crate::call::seating::SeatSound;
use crate::call::sid::ConferenceSid;
use crate::call::view::{ConferenceStatus, ConferenceView};
use crate::call::voice::VoiceUrl;
use crate::sound::Chime;

impl Model {
    /// Tells all in a conference something, when what they are told already is over.
    pub(in crate::call) fn announce_to_everybody(
        &mut self,
        sid: ConferenceSid,
        url: VoiceUrl,
        reply: Reply<ConferenceView>,
    ) {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return answer(reply, Err(CallError::NoConference));
        };
        if conference.view.status == ConferenceStatus::Completed {
            return answer(reply, Err(CallError::ConferenceCompleted));
        }
        let announcing = &mut conference.announcing;
        if announcing.waiting.len() + usize::from(announcing.current.is_some()) >= ANNOUNCEMENTS_MAX {
            return answer(reply, Err(CallError::AnnouncementsFull));
        }
        announcing.waiting.push_back(url);
        answer(reply, Ok(conference.view.clone()));
        self.next_to_everybody(sid);
    }

    fn next_to_everybody(&mut self, sid: ConferenceSid) {
        while let Some(found) = self.conferences.get_mut(sid).filter(|it| it.announcing.current.is_none()) {
            let Some(url) = found.announcing.waiting.pop_front() else {
                return;
            };
            let (conference, asked) = (found.view.clone(), url.clone());
            let purpose = SoundPurpose::Announcement;
            let order = |id| SoundOrder { id, url: asked, purpose, conference, call: None };
            match self.desk.order(Owner::Conference(sid), order) {
                Some(id) => {
                    found.announcing.current = Some(Sounding::new(Some(id), purpose, SeatSound::At(url)));
                }
                None => {
                    self.tell_everybody_announced(sid, url.url, Some("The node is overloaded.".to_owned()))
                }
            }
        }
    }

    pub(super) fn play_to_everybody(
        &mut self,
        sid: ConferenceSid,
        (sound, plays): (Sound, Plays),
        reply: Reply<PlayEnd>,
    ) {
        let current = self.conferences.get_mut(sid).and_then(|conference| {
            let place = conference.place;
            conference.announcing.current.as_mut().map(|current| (place, current))
        });
        match current {
            Some((place, current)) => {
                let player = self.media.play_to_all(place, sound, plays);
                current.piece = Some((player, reply));
            }
            None => answer(reply, Err(CallError::NotPlaying)),
        }
    }

    /// Something that was played to all has ended.
    pub(in crate::call) fn played_to_everybody(
        &mut self,
        sid: ConferenceSid,
        player: PlayerId,
        end: PlayEnd,
    ) {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return;
        };
        if conference.announcing.chime.take_if(|chime| *chime == player).is_none()
            && let Some(current) = &mut conference.announcing.current
        {
            current.piece_is_over(player, end);
        }
    }

    pub(super) fn announced_to_everybody(&mut self, sid: ConferenceSid, failed: Option<String>) {
        let over = self.conferences.get_mut(sid).and_then(|found| found.announcing.current.take());
        if let Some(over) = over {
            let url = over.url();
            self.desk.forget(Some(over));
            self.tell_everybody_announced(sid, url, failed);
        }
        self.next_to_everybody(sid);
    }

    fn tell_everybody_announced(&mut self, sid: ConferenceSid, url: String, failed: Option<String>) {
        let Some(account) = self.conferences.get(sid).map(|found| found.view.account) else {
            return;
        };
        let what = What::Announced { account, conference: sid, participant: None, failed: failed.clone() };
        self.journal.append(Utc::now(), what);
        self.tell_conference(sid, ConferenceStep::Announced { participant: None, url, failed });
    }

    /// All in a conference hear a tone, unless one is just being heard.
    pub(in crate::call) fn chime(&mut self, sid: ConferenceSid, chime: Chime) {
        let running = |status| status == ConferenceStatus::InProgress;
        let found = self.conferences.get_mut(sid).filter(|found| running(found.view.status));
        if let Some(conference) = found.filter(|found| found.announcing.chime.is_none()) {
            let player = self.media.play_to_all(conference.place, chime.sound(), Plays::ONCE);
            conference.announcing.chime = Some(player);
        }
    }

    /// The conference is over, and what was to be told in it is not.
    pub(in crate::call) fn silence_everybody(&mut self, sid: ConferenceSid) {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return;
        };
        let announcing = std::mem::take(&mut conference.announcing);
        let begun = announcing.current.as_ref().map(Sounding::url);
        self.desk.forget(announcing.current);
        for url in begun.into_iter().chain(announcing.waiting.into_iter().map(|url| url.url)) {
            self.tell_everybody_announced(sid, url, Some("The conference ended.".to_owned()));
        }
    }
}
