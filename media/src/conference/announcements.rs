//! What is played to a whole conference: announcements, and the tones that tell of who comes and goes. It is mixed like
//! somebody who speaks, so all who hear the conference hear it, over the talk.

use super::Buses;
use crate::frame::{Frame, SampleRate};
use crate::id::PlayerId;
use crate::leg::{PlayEnd, Player};

/// Sounds at a time: an announcement, a tone over it, and one of each more that comes as they end.
const AT_ONCE_MAX: usize = 4;

/// The sounds of a conference. Each is mixed at one rate, from which all others have it as they have a voice.
pub(super) struct Announcements {
    places: [Option<Place>; AT_ONCE_MAX],
    frame: Frame,
}

struct Place {
    player: Box<Player>,
    /// Where it is mixed, from its first tick in a conference that somebody hears.
    rate: Option<SampleRate>,
    /// Whether its end was fetched.
    told: bool,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { places: [const { None }; AT_ONCE_MAX], frame: Frame::silence(SampleRate::Hz8000) }
    }
}

impl Announcements {
    /// Plays this from the next tick on.
    ///
    /// # Errors
    /// Gives the player back if too many play. Otherwise one that is over may come home in its place.
    pub(super) fn begin(&mut self, player: Box<Player>) -> Result<Option<Box<Player>>, Box<Player>> {
        let is_free = |place: &&mut Option<Place>| place.as_ref().is_none_or(|place| place.told);
        match self.places.iter_mut().find(is_free) {
            Some(free) => Ok(free.replace(Place { player, rate: None, told: false }).map(|old| old.player)),
            None => Err(player),
        }
    }

    /// Adds this tick of each to what is said.
    pub(super) fn mix(&mut self, buses: &mut Buses) {
        for place in self.places.iter_mut().flatten().filter(|place| place.player.end().is_none()) {
            let rate = *place.rate.get_or_insert_with(|| rate_for(place.player.rate(), buses));
            self.frame.silence_at(rate);
            place.player.play(&mut self.frame);
            if let Some(bus) = &mut buses[rate.index()] {
                bus.add(self.frame.samples());
            }
        }
    }

    /// The next that has ended and was not told yet.
    pub(super) fn take_ended(&mut self) -> Option<(PlayerId, PlayEnd)> {
        self.places.iter_mut().flatten().filter(|place| !place.told).find_map(|place| {
            let end = place.player.end()?;
            place.told = true;
            Some((place.player.id(), end))
        })
    }
}

/// Its own rate if somebody may speak at it, else the next above, else the next below; its own where nobody is.
fn rate_for(own: SampleRate, buses: &Buses) -> SampleRate {
    let has = |rate: &SampleRate| buses[rate.index()].is_some();
    let above = SampleRate::ALL.into_iter().filter(|rate| rate.hertz() >= own.hertz()).find(has);
    above.or_else(|| SampleRate::ALL.into_iter().rev().find(has)).unwrap_or(own)
}
