//! Music that goes round, and that many hear: who hears what on which media thread, and with how many others. One who is alone
//! with it has a player of their own, from its beginning; the second and all after them are tuned to one programme of their
//! thread, which is put on for them and taken off when the last of them has gone.

use std::collections::HashMap;

use confab_media::{Ask, LegId, PROGRAMMES_MAX, Player, PlayerId, Plays, Programme, ProgrammeId, Sound};
use tracing::error;

use super::{LegPlace, Media};
use crate::sound::hold_music;
use crate::worker::WorkerIndex;

/// How a sound is played to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Play {
    /// To them alone, from its beginning.
    Alone(Plays),
    /// As music that goes round: where others hear it too, they hear the same place of it.
    Together,
}

/// One sound on one thread. A sound that is held has its place in memory for itself.
type Key = (WorkerIndex, usize);

/// Who hears what.
#[derive(Default)]
pub(super) struct OnAir {
    music: HashMap<Key, Music>,
    heard: HashMap<LegId, Hears>,
}

/// A sound that goes round on a thread.
struct Music {
    sound: Sound,
    /// It is the node's own: always on, from its first listener on.
    is_ours: bool,
    on: Option<ProgrammeId>,
    /// Legs with a player of their own, and legs that are tuned.
    alone: usize,
    tuned: usize,
}

struct Hears {
    key: Key,
    is_tuned: bool,
}

/// How a leg hears music.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// By a player of its own.
    Alone,
    /// With others.
    On(ProgrammeId),
    /// The same, with what has to be put on first.
    New(ProgrammeId),
}

impl OnAir {
    /// Lets a leg that hears nothing hear this from now on. `id` is the name of what has to be put on, if it has.
    fn begin(&mut self, leg: LegId, worker: WorkerIndex, sound: &Sound, id: ProgrammeId) -> Place {
        let key = (worker, sound.samples().as_ptr().addr());
        let is_ours = sound.is_same(&hold_music());
        let has_room = is_ours || self.others_on(worker) < PROGRAMMES_MAX - 1;
        let new = || Music { sound: sound.clone(), is_ours, on: None, alone: 0, tuned: 0 };
        let music = self.music.entry(key).or_insert_with(new);
        let place = match music.on {
            Some(on) => Place::On(on),
            None if has_room && (is_ours || music.alone > 0) => Place::New(id),
            None => Place::Alone,
        };
        match place {
            Place::Alone => music.alone += 1,
            Place::On(on) | Place::New(on) => {
                music.on = Some(on);
                music.tuned += 1;
            }
        }
        self.heard.insert(leg, Hears { key, is_tuned: place != Place::Alone });
        place
    }

    /// Notes that a leg hears no music any more. What nobody is tuned to now has to be taken off.
    fn end(&mut self, leg: LegId) -> Option<(WorkerIndex, ProgrammeId)> {
        let Hears { key, is_tuned } = self.heard.remove(&leg)?;
        let music = self.music.get_mut(&key)?;
        let count = if is_tuned { &mut music.tuned } else { &mut music.alone };
        *count = count.saturating_sub(1);
        if music.is_ours {
            return None;
        }
        let over = music.on.take_if(|_| music.tuned == 0);
        if music.alone + music.tuned == 0 {
            self.music.remove(&key);
        }
        over.map(|on| (key.0, on))
    }

    /// A leg that was to be tuned first has a player of its own after all.
    fn is_alone(&mut self, leg: LegId) {
        if let Some(hears) = self.heard.get_mut(&leg)
            && let Some(music) = self.music.get_mut(&hears.key)
        {
            hears.is_tuned = false;
            (music.on, music.tuned, music.alone) = (None, 0, music.alone + 1);
        }
    }

    /// The music that a leg hears.
    fn heard_by(&self, leg: LegId) -> Option<Sound> {
        Some(self.music.get(&self.heard.get(&leg)?.key)?.sound.clone())
    }

    /// What is on beside the node's own.
    fn others_on(&self, worker: WorkerIndex) -> usize {
        let on = |(key, music): &(&Key, &Music)| key.0 == worker && music.on.is_some() && !music.is_ours;
        self.music.iter().filter(on).count()
    }

    /// A thread has forgotten what it was told.
    pub(super) fn forget(&mut self, worker: WorkerIndex) {
        self.music.retain(|key, _| key.0 != worker);
        self.heard.retain(|_, hears| hears.key.0 != worker);
    }
}

/// Orders that playing takes at most: what nobody hears any more is taken off, something is put on, and the leg is tuned to it.
pub(super) const PLAY_ORDERS: usize = 3;

impl<W> Media<W> {
    /// What has to be asked for this to be played to a leg, with what had to be asked before.
    pub(super) fn playing(&mut self, place: &LegPlace, id: PlayerId, sound: Sound, play: Play) -> Ask {
        self.hears_no_music(place.leg);
        let plays = match play {
            Play::Alone(plays) => plays,
            Play::Together => match self.tunes(place, &sound) {
                Some(on) => return Ask::Tune(place.leg, on),
                None => Plays::Forever,
            },
        };
        Ask::Play(place.leg, Player::new(id, sound, plays))
    }

    /// Notes that a leg hears no music any more, or something else instead.
    pub(super) fn hears_no_music(&mut self, leg: LegId) {
        if let Some((worker, on)) = self.on_air.end(leg) {
            self.surely(worker, Ask::TakeOff(on), None);
        }
    }

    /// Lets a leg that has come to another thread hear the music there that it heard where it was.
    pub(super) fn hears_music_again(&mut self, place: &LegPlace) {
        if let Some(sound) = self.on_air.heard_by(place.leg) {
            let id = PlayerId(self.next());
            let ask = self.playing(place, id, sound, Play::Together);
            self.surely(place.worker, ask, None);
        }
    }

    /// What a leg is to be tuned to, which is on by then; none if it is to have a player.
    fn tunes(&mut self, place: &LegPlace, sound: &Sound) -> Option<ProgrammeId> {
        let id = ProgrammeId(self.next());
        match self.on_air.begin(place.leg, place.worker, sound, id) {
            Place::Alone => None,
            Place::On(on) => Some(on),
            Place::New(on) => match Programme::new(sound) {
                Ok(programme) => {
                    self.surely(place.worker, Ask::PutOn(on, programme), None);
                    Some(on)
                }
                Err(e) => {
                    error!(error = %e, "no means for music");
                    self.on_air.is_alone(place.leg);
                    None
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use confab_media::SampleRate;

    use super::*;

    fn sound() -> Sound {
        Sound::new(SampleRate::Hz8000, vec![1; 80])
    }

    fn begin(air: &mut OnAir, leg: u64, worker: WorkerIndex, sound: &Sound) -> Place {
        air.begin(LegId(leg), worker, sound, ProgrammeId(100 + leg))
    }

    #[test]
    fn the_second_and_all_after_share_what_is_taken_off_with_the_last_of_them() {
        let (mut air, music) = (OnAir::default(), sound());
        assert_eq!(begin(&mut air, 1, 0, &music), Place::Alone);
        assert_eq!(begin(&mut air, 2, 0, &music), Place::New(ProgrammeId(102)));
        assert_eq!(begin(&mut air, 3, 0, &music), Place::On(ProgrammeId(102)));
        assert_eq!(begin(&mut air, 4, 1, &music), Place::Alone, "another thread");
        assert_eq!(begin(&mut air, 5, 0, &sound()), Place::Alone, "one that sounds like it");
        assert_eq!(air.end(LegId(2)), None);
        assert_eq!(air.end(LegId(3)), Some((0, ProgrammeId(102))));
        assert_eq!(begin(&mut air, 6, 0, &music), Place::New(ProgrammeId(106)), "the first is there still");
        assert_eq!(air.end(LegId(6)), Some((0, ProgrammeId(106))));
        assert_eq!(air.end(LegId(6)), None);
        for leg in [1, 4, 5] {
            assert_eq!(air.end(LegId(leg)), None);
        }
        assert!(air.music.is_empty() && air.heard.is_empty());
    }

    #[test]
    fn the_nodes_own_is_on_for_the_first_already_and_stays() {
        let mut air = OnAir::default();
        assert_eq!(begin(&mut air, 1, 0, &hold_music()), Place::New(ProgrammeId(101)));
        assert_eq!(air.end(LegId(1)), None);
        assert_eq!(begin(&mut air, 2, 0, &hold_music()), Place::On(ProgrammeId(101)));
        assert_eq!(begin(&mut air, 3, 1, &hold_music()), Place::New(ProgrammeId(103)));
        air.forget(0);
        assert_eq!(air.end(LegId(2)), None);
        assert_eq!(begin(&mut air, 4, 0, &hold_music()), Place::New(ProgrammeId(104)));
    }

    #[test]
    fn beyond_so_many_each_has_a_player_of_their_own_until_one_is_taken_off() {
        let (mut air, music) = (OnAir::default(), [(); PROGRAMMES_MAX].map(|()| sound()));
        let mut places = Vec::new();
        for (leg, music) in (0..).step_by(2).zip(&music) {
            begin(&mut air, leg, 0, music);
            places.push(begin(&mut air, leg + 1, 0, music));
        }
        let last = places.pop();
        assert!(places.iter().all(|place| matches!(place, Place::New(_))));
        assert_eq!(last, Some(Place::Alone));
        assert!(
            matches!(begin(&mut air, 200, 0, &hold_music()), Place::New(_)),
            "there is room for the node's"
        );
        assert!(air.end(LegId(1)).is_some());
        assert!(matches!(begin(&mut air, 201, 0, &music[PROGRAMMES_MAX - 1]), Place::New(_)));
    }

    #[test]
    fn one_for_whom_nothing_could_be_put_on_is_alone() {
        let mut air = OnAir::default();
        begin(&mut air, 1, 0, &hold_music());
        air.is_alone(LegId(1));
        assert_eq!(begin(&mut air, 2, 0, &hold_music()), Place::New(ProgrammeId(102)));
        assert_eq!(air.heard_by(LegId(1)).map(|sound| sound.is_same(&hold_music())), Some(true));
    }
}
