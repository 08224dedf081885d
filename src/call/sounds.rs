//! What is played to those in a conference beside the talk: music to those who wait or are on hold, announcements to one
//! or to all, and the tones that tell of who comes and goes.
//!
//! The model knows what is to be heard and plays it; where that is behind a URL it hands an order to an adapter, who
//! fetches it and gives it back piece by piece. An order that is of no use any more is refused its next piece.
//!
//! ```text
//! model ── order ──▶ adapter: fetch, decode
//!   ▲                     │
//!   └── piece by piece ───┘   each answered when it was heard to its end
//! ```

mod everybody;
mod seat;

use std::collections::{HashMap, VecDeque};

use confab_media::{PlayEnd, PlayerId, Plays, Sound};
use tokio::sync::mpsc;
use tracing::warn;

use super::handle::{CallError, Reply};
use super::model::{Model, answer};
use super::seating::{Beep, SeatSound};
use super::sid::{CallSid, ConferenceSid};
use super::view::{CallView, ConferenceView};
use super::voice::VoiceUrl;

/// Announcements that may wait for one participant, or for a whole conference, with the one under way.
pub(super) const ANNOUNCEMENTS_MAX: usize = 8;

/// Orders that may wait for the adapter. Each is taken up at once, so a full queue means that something is badly wrong.
pub(super) const SOUND_ORDERS_MAX: usize = 1_024;

/// Names an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SoundId(u64);

/// Something to be fetched and played.
#[derive(Clone, Debug)]
pub struct SoundOrder {
    /// Its name.
    pub id: SoundId,
    /// From where.
    pub url: VoiceUrl,
    /// What for.
    pub purpose: SoundPurpose,
    /// In which conference.
    pub conference: ConferenceView,
    /// To which call; to all of the conference if to none.
    pub call: Option<CallView>,
}

/// What a sound is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundPurpose {
    /// To be heard until the conference starts.
    Wait,
    /// To be heard on hold.
    Hold,
    /// To be told once.
    Announcement,
}

/// Something behind a URL that is being played.
#[derive(Debug)]
pub(super) struct Sounding {
    /// None for what is built in, which needs no order.
    id: Option<SoundId>,
    purpose: SoundPurpose,
    sound: SeatSound,
    /// Whether any of it has been played.
    is_heard: bool,
    /// Whether it stands still, until they are put on hold again.
    rests: bool,
    /// The piece under way, and who waits for its end.
    piece: Option<(PlayerId, Reply<PlayEnd>)>,
}

impl Sounding {
    const fn new(id: Option<SoundId>, purpose: SoundPurpose, sound: SeatSound) -> Self {
        Self { id, purpose, sound, is_heard: false, rests: false, piece: None }
    }

    /// Whether there is more of it to come.
    fn goes_on(&self) -> bool {
        self.id.is_some() || self.sound == SeatSound::Music
    }

    /// Answers whoever waits for the piece, if it was this one.
    fn piece_is_over(&mut self, player: PlayerId, end: PlayEnd) -> bool {
        match self.piece.take_if(|(piece, _)| *piece == player) {
            Some((_, reply)) => {
                answer(reply, Ok(end));
                true
            }
            None => false,
        }
    }

    fn url(&self) -> String {
        match &self.sound {
            SeatSound::At(url) => url.url.clone(),
            SeatSound::Music | SeatSound::Silence => String::new(),
        }
    }
}

/// How a call sits, beside what others may see of it.
#[derive(Debug, Default)]
pub(super) struct Sitting {
    pub(super) beep: Beep,
    pub(super) wait: SeatSound,
    pub(super) hold: SeatSound,
    /// When they came.
    pub(super) since: Option<chrono::DateTime<chrono::Utc>>,
    /// What the mixer was told last.
    pub(super) ordered: Option<confab_media::Seat>,
    /// What is heard while they wait or are on hold.
    base: Option<Sounding>,
    /// What they are told.
    announcing: Option<Sounding>,
    announcements: VecDeque<VoiceUrl>,
    /// The tone that tells that their call is about to end, while they hear it.
    pub(super) warning: Option<PlayerId>,
}

/// What is played to a whole conference.
#[derive(Debug, Default)]
pub(super) struct Announcing {
    current: Option<Sounding>,
    waiting: VecDeque<VoiceUrl>,
    /// The tone under way: those who come together are told of by one.
    chime: Option<PlayerId>,
}

/// Which seats and conferences orders belong to.
#[derive(Debug)]
pub(super) struct SoundDesk {
    orders: mpsc::Sender<SoundOrder>,
    owners: HashMap<SoundId, Owner>,
    next: u64,
}

#[derive(Clone, Copy, Debug)]
enum Owner {
    Seat(CallSid),
    Conference(ConferenceSid),
}

impl SoundDesk {
    pub(super) fn new(orders: mpsc::Sender<SoundOrder>) -> Self {
        Self { orders, owners: HashMap::new(), next: 1 }
    }

    /// Hands an order on; its name, if there was room.
    fn order(&mut self, owner: Owner, order: impl FnOnce(SoundId) -> SoundOrder) -> Option<SoundId> {
        let id = SoundId(self.next);
        self.next += 1;
        if self.orders.try_send(order(id)).is_err() {
            warn!("too many sounds are asked for at once");
            return None;
        }
        self.owners.insert(id, owner);
        Some(id)
    }

    fn forget(&mut self, sounding: Option<Sounding>) {
        let Some(sounding) = sounding else {
            return;
        };
        if let Some(id) = sounding.id {
            self.owners.remove(&id);
        }
        if let Some((_, reply)) = sounding.piece {
            answer(reply, Err(CallError::NotPlaying));
        }
    }
}

impl Sitting {
    pub(super) fn new(beep: Beep, wait: SeatSound) -> Self {
        Self { beep, wait, ..Self::default() }
    }

    /// They hear what they are told instead of anything else. While it is fetched they do not.
    pub(super) fn is_announced_to(&self) -> bool {
        self.warning.is_some() || self.announcing.as_ref().is_some_and(|sounding| sounding.is_heard)
    }

    /// Whether one more announcement can be made to them.
    pub(super) fn takes_announcement(&self) -> bool {
        self.announcements.len() + usize::from(self.announcing.is_some()) < ANNOUNCEMENTS_MAX
    }
}

impl Model {
    /// Plays a piece of an order; answers when it was heard to its end.
    pub(super) fn play_sound(&mut self, id: SoundId, sound: Sound, plays: Plays, reply: Reply<PlayEnd>) {
        match self.desk.owners.get(&id).copied() {
            None => answer(reply, Err(CallError::NotPlaying)),
            Some(Owner::Seat(sid)) => self.play_to_seat(sid, id, (sound, plays), reply),
            Some(Owner::Conference(sid)) => self.play_to_everybody(sid, (sound, plays), reply),
        }
    }

    /// An order is carried out, or could not be.
    pub(super) fn sound_over(&mut self, id: SoundId, failed: Option<String>) {
        match self.desk.owners.remove(&id) {
            None => {}
            Some(Owner::Seat(sid)) => self.seat_sound_over(sid, id, failed),
            Some(Owner::Conference(sid)) => self.announced_to_everybody(sid, failed),
        }
    }
}
