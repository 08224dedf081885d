//! What legs and conferences should be played, in a few maps: which sample is heard next, what has ended and how, what
//! comes home. For those who hold the engine against it.
#![allow(dead_code, reason = "each user needs a part")]

use confab_media::{PROGRAMMES_MAX, PlayEnd, PlayerId, Plays, ProgrammeId, Refusal, SampleRate, Sound};

use super::engine_leg::FRAME;

/// What is played to a conference at a time.
const ANNOUNCEMENTS_MAX: usize = 4;

/// Ticks for which a programme that was taken off is still held.
const GOING_TICKS: u8 = 3;

/// So many samples that only this sound has, quiet enough that a few together need no limiter. None is silence.
pub(crate) fn sound(seed: u64, len: usize) -> Sound {
    Sound::new(SampleRate::Hz8000, (0..len).map(|n| sample(seed, n)).collect::<Vec<_>>())
}

fn sample(seed: u64, n: usize) -> i16 {
    let mixed = (seed << 32 | n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let loud = 50 + (mixed % 450) as i16;
    if mixed & 0x800 == 0 { loud } else { -loud }
}

/// A sound on its way to an ear.
#[derive(Clone, Debug)]
pub(crate) struct Sounding {
    pub(crate) id: PlayerId,
    len: usize,
    at: usize,
    /// Plays left; for ever if none.
    left: Option<u32>,
    /// All of it was read; the end is told a tick later.
    is_read: bool,
    is_stopped: bool,
    end: Option<PlayEnd>,
}

impl Sounding {
    pub(crate) fn new(id: PlayerId, len: usize, plays: Plays) -> Self {
        let left = match plays {
            Plays::Times(times) => Some(times.get()),
            Plays::Forever => None,
        };
        Self { id, len, at: 0, left, is_read: len == 0, is_stopped: false, end: None }
    }

    /// The next 20 ms.
    fn frame(&mut self) -> Vec<i16> {
        let mut frame = vec![0; FRAME];
        if self.end.is_some() {
            return frame;
        }
        if self.is_read {
            self.end = Some(PlayEnd::Finished);
            return frame;
        }
        for place in &mut frame {
            if self.is_read {
                break;
            }
            *place = sample(self.id.0, self.at);
            self.go_on();
        }
        if self.is_stopped {
            fade_out(&mut frame);
            self.end = Some(PlayEnd::Stopped);
        }
        frame
    }

    fn go_on(&mut self) {
        self.at += 1;
        if self.at == self.len {
            self.at = 0;
            self.left = self.left.map(|left| left - 1);
            self.is_read = self.left == Some(0);
        }
    }

    fn ended(&self) -> Option<End> {
        self.end.map(|end| (self.id, end))
    }
}

/// Which player, and how it ended.
pub(crate) type End = (PlayerId, PlayEnd);

/// From full loudness to none within the frame.
fn fade_out(frame: &mut [i16]) {
    let len = frame.len() as i32;
    for (place, sample) in (0..).zip(frame) {
        *sample = (i32::from(*sample) * (len - place) / len) as i16;
    }
}

/// What one leg is played.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayedTo {
    player: Option<Sounding>,
    tuned: Tuned,
    /// Whether it heard that in the last tick.
    heard: bool,
    /// An end that nobody fetched.
    pub(crate) ended: Option<End>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Tuned {
    #[default]
    Out,
    In(ProgrammeId),
    Fading(ProgrammeId),
}

impl PlayedTo {
    /// What it was played before comes home.
    pub(crate) fn play(&mut self, player: Sounding) -> Option<PlayerId> {
        (self.tuned, self.ended) = (Tuned::Out, None);
        self.player.replace(player).map(|before| before.id)
    }

    /// What it was played before comes home.
    pub(crate) fn tune(&mut self, to: ProgrammeId) -> Option<PlayerId> {
        (self.tuned, self.ended) = (Tuned::In(to), None);
        self.player.take().map(|before| before.id)
    }

    pub(crate) fn stop(&mut self) -> Result<(), Refusal> {
        if let Tuned::In(on) = self.tuned {
            self.tuned = if self.heard { Tuned::Fading(on) } else { Tuned::Out };
            return Ok(());
        }
        let playing = self.player.as_mut().filter(|player| player.end.is_none());
        let player = playing.ok_or(Refusal::NotPlaying)?;
        player.is_stopped = true;
        if !self.heard {
            player.end = Some(PlayEnd::Stopped);
            self.ended = player.ended();
        }
        Ok(())
    }

    /// A tick in which the leg hears what it is played.
    pub(crate) fn hear(&mut self, programmes: &mut Programmes) -> Vec<i16> {
        self.heard = true;
        match self.tuned {
            Tuned::In(on) => return programmes.frame(on),
            Tuned::Fading(on) => {
                self.tuned = Tuned::Out;
                let mut frame = programmes.frame(on);
                fade_out(&mut frame);
                return frame;
            }
            Tuned::Out => {}
        }
        let Some(player) = self.player.as_mut().filter(|player| player.end.is_none()) else {
            return vec![0; FRAME];
        };
        let frame = player.frame();
        self.ended = player.ended().or(self.ended);
        frame
    }

    /// A tick in which it hears something else: what was to be stopped has ended without a sound.
    pub(crate) fn rest(&mut self) {
        self.heard = false;
        if let Tuned::Fading(_) = self.tuned {
            self.tuned = Tuned::Out;
        }
        if let Some(player) = self.player.as_mut().filter(|player| player.is_stopped && player.end.is_none())
        {
            player.end = Some(PlayEnd::Stopped);
            self.ended = player.ended();
        }
    }
}

/// What is on for many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programmes(Vec<OnAir>);

#[derive(Clone, Debug)]
struct OnAir {
    id: ProgrammeId,
    music: Sounding,
    /// Of this tick, once somebody has heard it.
    frame: Option<Vec<i16>>,
    going: Option<u8>,
}

impl Programmes {
    /// Says whether it is on now, and how many come home.
    pub(crate) fn put_on(&mut self, id: ProgrammeId, seed: u64, len: usize) -> (Result<(), Refusal>, usize) {
        let music = Sounding::new(PlayerId(seed), len, Plays::Forever);
        let new = OnAir { id, music, frame: None, going: None };
        let same = self.0.iter().position(|on| on.id == id);
        if same.is_none() && self.0.len() < PROGRAMMES_MAX {
            self.0.push(new);
            return (Ok(()), 0);
        }
        match same.or_else(|| self.0.iter().position(|on| on.going.is_some())) {
            Some(place) => {
                self.0[place] = new;
                (Ok(()), 1)
            }
            None => (Err(Refusal::EngineFull), 1),
        }
    }

    pub(crate) fn take_off(&mut self, id: ProgrammeId) -> Result<(), Refusal> {
        let on = self.0.iter_mut().find(|on| on.id == id && on.going.is_none());
        on.ok_or(Refusal::NotPlaying)?.going = Some(GOING_TICKS);
        Ok(())
    }

    pub(crate) fn check_on(&self, id: ProgrammeId) -> Result<(), Refusal> {
        let is_on = self.0.iter().any(|on| on.id == id && on.going.is_none());
        if is_on { Ok(()) } else { Err(Refusal::NotEquipped) }
    }

    pub(crate) fn begin_tick(&mut self) {
        for on in &mut self.0 {
            on.frame = None;
            on.going = on.going.map(|ticks| ticks.saturating_sub(1));
        }
    }

    fn frame(&mut self, id: ProgrammeId) -> Vec<i16> {
        let Some(on) = self.0.iter_mut().find(|on| on.id == id) else {
            return vec![0; FRAME];
        };
        on.frame.get_or_insert_with(|| on.music.frame()).clone()
    }

    /// How many come home when what is not needed is fetched.
    pub(crate) fn take_gone(&mut self) -> usize {
        let before = self.0.len();
        // The engine looks for one after the other, and fills its place with the last.
        while let Some(place) = self.0.iter().position(|on| on.going == Some(0)) {
            self.0.swap_remove(place);
        }
        before - self.0.len()
    }
}

/// What is played to a conference.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announced([Option<Announcement>; ANNOUNCEMENTS_MAX]);

#[derive(Clone, Debug)]
struct Announcement {
    player: Sounding,
    is_told: bool,
}

impl Announced {
    /// Says whether it is played, and what comes home.
    pub(crate) fn begin(&mut self, player: Sounding) -> (Result<(), Refusal>, Option<PlayerId>) {
        let free = |place: &&mut Option<Announcement>| place.as_ref().is_none_or(|place| place.is_told);
        match self.0.iter_mut().find(free) {
            Some(place) => {
                let over = place.replace(Announcement { player, is_told: false });
                (Ok(()), over.map(|over| over.player.id))
            }
            None => (Err(Refusal::AnnouncementsFull), Some(player.id)),
        }
    }

    /// All that is heard of them in a tick.
    pub(crate) fn frame(&mut self) -> Vec<i16> {
        let mut sum = vec![0; FRAME];
        for place in self.0.iter_mut().flatten() {
            sum.iter_mut().zip(place.player.frame()).for_each(|(sum, sample)| *sum += sample);
        }
        sum
    }

    /// The ends that nobody was told.
    pub(crate) fn tell(&mut self) -> Vec<End> {
        let mut ends = Vec::new();
        for place in self.0.iter_mut().flatten().filter(|place| !place.is_told) {
            place.is_told = place.player.end.is_some();
            ends.extend(place.player.ended());
        }
        ends
    }
}
