//! What should be heard, copied, told and given back, by the definitions of [`Ask`](confab_media::Ask) alone.

use std::collections::BTreeMap;

use confab_media::{
    Audience, Hearing, LegId, PlayerId, ProgrammeId, Refusal, Seat, TapParts, TapSide, Tapped,
};

use super::engine_leg::FRAME;
use super::played::{Announced, End, PlayedTo, Programmes, Sounding};
use super::{LATE, Step};

/// All that the engine should hold.
pub(super) struct Oracle {
    legs: Vec<Held>,
    programmes: Programmes,
    conferences: BTreeMap<u64, Gathering>,
}

#[derive(Default)]
struct Held {
    seat: Option<(u64, Seat)>,
    played: PlayedTo,
}

/// A conference.
#[derive(Default)]
struct Gathering {
    announced: Announced,
    tap: Option<Copies>,
}

/// A tap, and the ends of the last frames, which come out in the next.
struct Copies {
    parts: TapParts,
    mix: [i32; LATE],
    apart: [i32; LATE],
}

/// Something that comes home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    Player(PlayerId),
    Programme,
    ConferenceTap,
    Conference,
    Leg(LegId),
}

/// A copy, by what it is of.
pub(super) type Copy = (String, Vec<i16>);

/// What a tick brings.
pub(super) struct Outcome {
    /// What each leg hears.
    pub(super) heard: Vec<Vec<i16>>,
    pub(super) copies: Vec<Copy>,
    pub(super) ends: Vec<End>,
    pub(super) home: Vec<Home>,
}

pub(super) fn label(of: Tapped, side: TapSide) -> String {
    format!("{of:?} {side:?}")
}

impl Oracle {
    pub(super) fn new(legs: usize, conferences: u64) -> Self {
        Self {
            legs: std::iter::repeat_with(Held::default).take(legs).collect(),
            programmes: Programmes::default(),
            conferences: (0..conferences).map(|id| (id, Gathering::default())).collect(),
        }
    }

    /// What should be answered, and come home. `id` is that of a player or a programme's sound.
    pub(super) fn ask(&mut self, step: &Step, id: PlayerId) -> (Result<(), Refusal>, Vec<Home>) {
        let home = |player: Option<PlayerId>| player.map(Home::Player).into_iter().collect();
        match *step {
            Step::Join(leg, conference, seat) => (self.seat(leg, Some((conference, seat))), Vec::new()),
            Step::Leave(leg) if self.legs[leg].seat.is_none() => (Err(Refusal::NotSeated), Vec::new()),
            Step::Leave(leg) => (self.seat(leg, None), Vec::new()),
            Step::Audience(leg, audience) => (self.change(leg, |seat| seat.audience = audience), Vec::new()),
            Step::Hearing(leg, hearing) => (self.change(leg, |seat| seat.hearing = hearing), Vec::new()),
            Step::Play(leg, len, plays) => {
                let before = self.legs[leg].played.play(Sounding::new(id, len, plays));
                (Ok(()), home(before))
            }
            Step::Stop(leg) => (self.legs[leg].played.stop(), Vec::new()),
            Step::PutOn(programme, len) => {
                let (put_on, gone) = self.programmes.put_on(ProgrammeId(programme), id.0, len);
                (put_on, vec![Home::Programme; gone])
            }
            Step::TakeOff(programme) => (self.programmes.take_off(ProgrammeId(programme)), Vec::new()),
            Step::Tune(leg, programme) => match self.programmes.check_on(ProgrammeId(programme)) {
                Ok(()) => (Ok(()), home(self.legs[leg].played.tune(ProgrammeId(programme)))),
                Err(refusal) => (Err(refusal), Vec::new()),
            },
            Step::Announce(conference, len) => {
                let announced = &mut self.at(conference).announced;
                let (announced, gone) = announced.begin(Sounding::new(id, len, confab_media::Plays::ONCE));
                (announced, home(gone))
            }
            Step::Tap(conference, parts) => (Ok(()), self.tap(conference, parts)),
            Step::Untap(conference) => {
                let gone = self.at(conference).tap.take();
                (Ok(()), gone.map(|_| Home::ConferenceTap).into_iter().collect())
            }
            Step::Move(leg) => {
                self.legs[leg].seat = None;
                (Ok(()), vec![Home::Leg(LegId(leg as u64))])
            }
            Step::Renew(conference) => {
                *self.at(conference) = Gathering::default();
                let sits = |held: &&mut Held| held.seat.is_some_and(|(at, _)| at == conference);
                self.legs.iter_mut().filter(sits).for_each(|held| held.seat = None);
                (Ok(()), vec![Home::Conference])
            }
        }
    }

    fn at(&mut self, conference: u64) -> &mut Gathering {
        self.conferences.entry(conference).or_default()
    }

    fn seat(&mut self, leg: usize, seat: Option<(u64, Seat)>) -> Result<(), Refusal> {
        self.legs[leg].seat = seat;
        Ok(())
    }

    fn change(&mut self, leg: usize, change: impl FnOnce(&mut Seat)) -> Result<(), Refusal> {
        let (_, seat) = self.legs[leg].seat.as_mut().ok_or(Refusal::NotSeated)?;
        change(seat);
        Ok(())
    }

    /// Where something was copied before, that goes on; what is copied anew begins after silence.
    fn tap(&mut self, conference: u64, parts: TapParts) -> Vec<Home> {
        let tap = &mut self.at(conference).tap;
        let before = tap.take();
        let replaced = before.is_some();
        let mut copies = before.unwrap_or(Copies { parts, mix: [0; LATE], apart: [0; LATE] });
        if !(copies.parts.mix || copies.parts.apart.is_some()) {
            copies.mix = [0; LATE];
        }
        if copies.parts.apart.is_none() {
            copies.apart = [0; LATE];
        }
        copies.parts = parts;
        *tap = Some(copies);
        replaced.then_some(Home::ConferenceTap).into_iter().collect()
    }

    /// A step of 20 ms in which each says this.
    pub(super) fn tick(&mut self, said: &[Vec<i16>]) -> Outcome {
        self.programmes.begin_tick();
        let mut outcome =
            Outcome { heard: Vec::new(), copies: Vec::new(), ends: Vec::new(), home: Vec::new() };
        let seats: Vec<_> = self.legs.iter().map(|held| held.seat).collect();
        let mut told = BTreeMap::new();
        for (&id, gathering) in &mut self.conferences {
            let announced = gathering.announced.frame();
            if let Some(tap) = &mut gathering.tap {
                tap.copy(id, &seats, said, &announced, &mut outcome.copies);
            }
            told.insert(id, announced);
            outcome.ends.extend(gathering.announced.tell());
        }
        for (leg, held) in self.legs.iter_mut().enumerate() {
            let heard = held.hear(leg, &seats, said, &told, &mut self.programmes);
            let of = Tapped::Leg(LegId(leg as u64));
            outcome.copies.push((label(of, TapSide::Received), said[leg].clone()));
            outcome.copies.push((label(of, TapSide::Sent), heard.clone()));
            outcome.heard.push(heard);
            outcome.ends.extend(held.played.ended.take());
        }
        outcome.home = vec![Home::Programme; self.programmes.take_gone()];
        outcome
    }

    /// Ends that are told with the answer to what was asked.
    pub(super) fn ends(&mut self) -> Vec<End> {
        self.legs.iter_mut().filter_map(|held| held.played.ended.take()).collect()
    }
}

impl Held {
    fn hear(
        &mut self,
        leg: usize,
        seats: &[Option<(u64, Seat)>],
        said: &[Vec<i16>],
        told: &BTreeMap<u64, Vec<i16>>,
        programmes: &mut Programmes,
    ) -> Vec<i16> {
        match self.seat {
            None | Some((_, Seat { hearing: Hearing::Played, .. })) => self.played.hear(programmes),
            Some((_, Seat { hearing: Hearing::Nothing, .. })) => {
                self.played.rest();
                vec![0; FRAME]
            }
            Some((conference, Seat { hearing: Hearing::Conference, .. })) => {
                self.played.rest();
                let mut mix = told[&conference].clone();
                for (other, seat) in seats.iter().enumerate().filter(|(other, _)| *other != leg) {
                    let reaches = seat.is_some_and(|(at, seat)| {
                        at == conference
                            && match seat.audience {
                                Audience::Everyone => true,
                                Audience::Only(legs) => legs.contains(LegId(leg as u64)),
                                Audience::Nobody => false,
                            }
                    });
                    if reaches {
                        mix.iter_mut().zip(&said[other]).for_each(|(mix, sample)| *mix += sample);
                    }
                }
                mix
            }
        }
    }
}

impl Copies {
    fn copy(
        &mut self,
        conference: u64,
        seats: &[Option<(u64, Seat)>],
        said: &[Vec<i16>],
        announced: &[i16],
        copies: &mut Vec<Copy>,
    ) {
        let of = Tapped::Conference(confab_media::ConferenceId(conference));
        let (mut mix, mut apart) = (widened(announced), vec![0; FRAME]);
        for (leg, seat) in seats.iter().enumerate() {
            let Some((_, seat)) = seat.filter(|(at, _)| *at == conference) else {
                continue;
            };
            let id = LegId(leg as u64);
            let is_public = seat.audience == Audience::Everyone;
            let says = if is_public { said[leg].clone() } else { vec![0; FRAME] };
            mix.iter_mut().zip(&says).for_each(|(mix, sample)| *mix += i32::from(*sample));
            if self.parts.apart == Some(id) {
                apart = widened(&says);
            }
            if self.parts.each {
                copies.push((label(of, TapSide::Seat(id)), says));
            }
        }
        let (mix, apart) = (late(&mut self.mix, &mix), late(&mut self.apart, &apart));
        if self.parts.mix {
            copies.push((label(of, TapSide::Mix), narrowed(&mix)));
        }
        if self.parts.apart.is_some() {
            let rest: Vec<i32> = mix.iter().zip(&apart).map(|(mix, apart)| mix - apart).collect();
            copies.push((label(of, TapSide::Apart), narrowed(&apart)));
            copies.push((label(of, TapSide::Rest), narrowed(&rest)));
        }
    }
}

/// The frame after what is left of the one before, whose place its own end takes.
fn late(held: &mut [i32; LATE], frame: &[i32]) -> Vec<i32> {
    let mut all = held.to_vec();
    all.extend(frame);
    held.copy_from_slice(&all[FRAME..]);
    all.truncate(FRAME);
    all
}

fn widened(frame: &[i16]) -> Vec<i32> {
    frame.iter().map(|&sample| sample.into()).collect()
}

fn narrowed(frame: &[i32]) -> Vec<i16> {
    frame.iter().map(|&sample| sample.try_into().expect("no limiting here")).collect()
}
