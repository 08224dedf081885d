//! What somebody says over and over, as G.711 leaves it, and who follows it: of every sound that comes, where in the round it
//! was said. Tones repeat every 20 ms; the clicks on top of them, at moments that nobody else has, tell one place from another.

use std::sync::Arc;

use crate::load::floor::recording::clicks;
use crate::load::law::Law;

/// Octets of 20 ms.
pub(super) const PACKET: usize = 160;
/// Silence in mu-law, which has two of it: this one, and one that counts as it.
pub(super) const SILENCE: u8 = 0xff;
const OTHER_SILENCE: u8 = 0x7f;
/// So much of what has no place yet is kept: a second, in which a dozen clicks are.
const LOST_MAX: usize = 50 * PACKET;
/// So many clicks at their distance, and the next as far again, are nowhere else in the round.
const CLICKS_MIN: usize = 3;

/// An octet as it is compared.
pub(super) const fn canonical(octet: u8) -> u8 {
    if octet == OTHER_SILENCE { SILENCE } else { octet }
}

/// Samples as octets. What was octets once becomes the same again.
pub(super) fn octets_of(sound: &[i16]) -> Vec<u8> {
    sound.iter().map(|&sample| canonical(Law::Pcmu.encode(sample))).collect()
}

/// Whether nothing is heard.
pub(super) fn is_silent(sound: &[u8]) -> bool {
    sound.iter().all(|&octet| Law::Pcmu.decode(octet).unsigned_abs() <= 8)
}

fn clicks_in(sound: &[u8]) -> Vec<usize> {
    let samples: Vec<i16> = sound.iter().map(|&octet| Law::Pcmu.decode(octet)).collect();
    clicks(&samples).collect()
}

/// What somebody says over and over.
#[derive(Debug)]
pub(super) struct Round {
    octets: Box<[u8]>,
    clicks: Vec<usize>,
}

impl Round {
    pub(super) fn of(sound: &[i16]) -> Self {
        let octets: Box<[u8]> = octets_of(sound).into();
        Self { clicks: clicks_in(&octets), octets }
    }

    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// So many octets from a place on.
    pub(super) fn part(&self, at: usize, len: usize) -> Vec<u8> {
        (at..at + len).map(|place| self.octet(place)).collect()
    }

    /// The first place from here on where a packet may begin that has a click behind its first `edge` samples, by which it is
    /// told from others with the same tones.
    pub(super) fn packet_with_click(&self, from: usize, edge: usize) -> usize {
        let from = from % self.octets.len();
        let is_clear = |click: &&usize| **click % PACKET >= edge;
        let behind = self.clicks.iter().filter(is_clear).find(|click| **click / PACKET * PACKET >= from);
        behind.or_else(|| self.clicks.iter().find(is_clear)).map_or(from, |click| click / PACKET * PACKET)
    }

    fn octet(&self, place: usize) -> u8 {
        self.octets[place % self.octets.len()]
    }

    /// Whether this is what is said from a place on.
    pub(super) fn agrees(&self, at: usize, sound: &[u8]) -> bool {
        sound.iter().enumerate().all(|(n, octet)| self.octet(at + n) == *octet)
    }

    /// Where in the round the end of this sound is, and how much of the end is from there on: if it has clicks enough that
    /// this can be one place only.
    pub(super) fn find(&self, sound: &[u8]) -> Option<(usize, usize)> {
        let heard = clicks_in(sound);
        let (last, enough) = (*heard.last()?, heard.len().checked_sub(CLICKS_MIN)?);
        let (from, len) = (heard[enough], self.octets.len());
        let mut found = None;
        for click in &self.clicks {
            // Where the first octet of the sound would be.
            let start = (click + len - last % len) % len;
            let agreeing = sound.iter().enumerate().rev();
            let agreeing = agreeing.take_while(|(n, octet)| self.octet(start + n) == **octet).count();
            if sound.len() - agreeing <= from {
                if found.is_some() {
                    return None;
                }
                found = Some(((start + sound.len()) % len, agreeing));
            }
        }
        found
    }
}

/// Where a sound was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// From here on, in the round.
    At(u32),
    /// Nowhere: it is silence.
    Silence,
    /// Nowhere: it is something else.
    Other,
}

/// A sound of 20 ms that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// When, on the monotonic clock.
    pub(super) at_ns: i64,
    pub(super) place: Place,
}

/// One who follows a round.
#[derive(Debug)]
pub(super) struct Follower {
    round: Arc<Round>,
    notes: Vec<Note>,
    /// Where the next sound should be.
    next: Option<usize>,
    /// Where it would be if nothing had been lost or added since that was known last.
    expected: Option<usize>,
    /// What has come since then.
    lost: Vec<u8>,
    /// Times it went on elsewhere.
    slips: u64,
}

impl Follower {
    pub(super) fn new(round: Arc<Round>) -> Self {
        Self { round, notes: Vec::new(), next: None, expected: None, lost: Vec::new(), slips: 0 }
    }

    /// Takes in 20 ms.
    pub(super) fn hear(&mut self, at_ns: i64, sound: &[u8]) {
        let place = self.next.or(self.expected);
        let agrees = place.is_some_and(|at| self.round.agrees(at, sound));
        let ahead = place.map(|at| (at + sound.len()) % self.round.len());
        if let (Some(at), true) = (self.next, agrees) {
            self.notes.push(Note { at_ns, place: Place::At(at as u32) });
            self.next = ahead;
            return;
        }
        let silent_or_not = if is_silent(sound) { Place::Silence } else { Place::Other };
        self.notes.push(Note { at_ns, place: silent_or_not });
        (self.next, self.expected) = (None, ahead);
        self.lost.extend(sound);
        let too_many = self.lost.len().saturating_sub(LOST_MAX);
        self.lost.drain(..too_many);
        match ahead {
            // A click where one should be: some of it was otherwise, and nothing is missing.
            Some(next) if agrees && !clicks_in(sound).is_empty() => self.resume(next),
            Some(_) | None => self.look(),
        }
    }

    /// Goes on at this place, as if nothing had been otherwise but what was.
    fn resume(&mut self, next: usize) {
        let len = self.round.len();
        for (back, sound) in (1..).zip(self.lost.rchunks_exact(PACKET)) {
            let at = (next + len - back * PACKET % len) % len;
            let last = self.notes.len() - back;
            if self.round.agrees(at, sound) {
                self.notes[last].place = Place::At(at as u32);
            }
        }
        (self.next, self.expected) = (Some(next), None);
        self.lost.clear();
    }

    /// Looks for where it goes on, and notes that of what has come already.
    fn look(&mut self) {
        let Some((next, agreeing)) = self.round.find(&self.lost) else {
            return;
        };
        let (whole, len) = (agreeing / PACKET, self.round.len());
        for (back, note) in self.notes.iter_mut().rev().take(whole).enumerate() {
            note.place = Place::At(((next + len - (back + 1) * PACKET) % len) as u32);
        }
        self.slips += u64::from(self.expected.is_some_and(|expected| expected != next));
        (self.next, self.expected) = (Some(next), None);
        self.lost.clear();
    }

    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    pub(super) fn slips(&self) -> u64 {
        self.slips
    }

    /// What came last and has no place, if there is such.
    pub(super) fn strange(&self) -> &[u8] {
        &self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::floor::recording::{clicking, two_voices};
    use crate::load::floor::truth::Who;

    fn rounds() -> [Arc<Round>; 2] {
        // Two with the same tones.
        [4, 5].map(|who| Arc::new(Round::of(&clicking(two_voices(0)[0], 1, (9, Who(who))))))
    }

    fn places(follower: &Follower) -> Vec<Place> {
        follower.notes().iter().map(|note| note.place).collect()
    }

    #[test]
    fn every_sound_has_its_place_once_there_were_clicks_enough_wherever_it_begins() {
        let [round, _] = rounds();
        for start in [0, 77, 5_001, round.len() - 1_000] {
            let mut follower = Follower::new(Arc::clone(&round));
            for n in 0..900 {
                follower.hear(n, &round.part(start + n as usize * PACKET, PACKET));
            }
            let wanted = (0..900).map(|n| Place::At(((start + n * PACKET) % round.len()) as u32));
            assert_eq!(places(&follower), wanted.collect::<Vec<_>>());
            assert_eq!((follower.slips(), follower.strange().len()), (0, 0));
        }
    }

    #[test]
    fn what_is_lost_altered_or_of_somebody_else_has_no_place_and_what_follows_has() {
        let [round, other] = rounds();
        let mut follower = Follower::new(Arc::clone(&round));
        let packet = |n: usize| round.part(n * PACKET, PACKET);
        (0..100).for_each(|n| follower.hear(n as i64, &packet(n)));
        follower.hear(100, &[SILENCE; PACKET]);
        (101..200).for_each(|n| follower.hear(n as i64, &packet(n)));
        // 20 ms and some are not there.
        (200..300).for_each(|n| follower.hear(n as i64, &round.part(n * PACKET + 200, PACKET)));
        (300..400).for_each(|n| follower.hear(n as i64, &other.part(n * PACKET, PACKET)));
        let places = places(&follower);
        assert_eq!(places[100], Place::Silence, "and what follows it is known at the next click");
        assert!(places[..100].iter().chain(&places[101..200]).all(|place| matches!(place, Place::At(_))));
        let unplaced = places[200..300].iter().filter(|place| **place == Place::Other).count();
        assert!(unplaced < 10, "{unplaced}");
        assert_eq!(places[299], Place::At((299 * PACKET + 200) as u32));
        assert_eq!(follower.slips(), 1);
        assert!(places[310..].iter().all(|place| *place == Place::Other));
        assert!(other.find(follower.strange()).is_some() && round.find(follower.strange()).is_none());
    }
}
