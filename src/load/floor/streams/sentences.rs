//! What a caller hears of an agent that says one sentence after the other: which packet had the last of each, and when it was
//! silent again.

use std::collections::VecDeque;
use std::sync::Arc;

use super::round::{Round, is_silent};

/// Where sound begins and ends it may be rounded off over so much: 2.5 ms.
pub(super) const EDGE: usize = 20;

/// Something an agent says at a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) number: usize,
    /// Where in the agent's round it is.
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A sentence as it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeardSentence {
    pub(super) number: usize,
    /// How many of its samples were.
    pub(super) len: usize,
    pub(super) is_whole: bool,
    /// When the packet with the first of it came, the one with the last, and the last one in which anything was heard.
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    pub(super) sound_ns: i64,
}

/// One who hears an agent.
#[derive(Debug)]
pub(super) struct Ear {
    round: Arc<Round>,
    coming: VecDeque<Sentence>,
    now: Option<(Sentence, HeardSentence)>,
    heard: Vec<HeardSentence>,
    /// When packets came that are not what was said.
    altered_ns: Vec<i64>,
    /// Or were heard though nothing was said.
    stray_ns: Vec<i64>,
}

impl Ear {
    pub(super) fn new(round: Arc<Round>) -> Self {
        Self {
            round,
            coming: VecDeque::new(),
            now: None,
            heard: Vec::new(),
            altered_ns: Vec::new(),
            stray_ns: Vec::new(),
        }
    }

    /// This is about to be said.
    pub(super) fn expect(&mut self, sentence: Sentence) {
        self.coming.push_back(sentence);
    }

    /// Takes in 20 ms.
    pub(super) fn hear(&mut self, at_ns: i64, sound: &[u8]) {
        if is_silent(sound) {
            self.is_over();
            return;
        }
        match self.now {
            None => self.begins(at_ns, sound),
            Some((sentence, heard)) => self.goes_on(sentence, heard, at_ns, sound),
        }
    }

    fn is_over(&mut self) {
        self.heard.extend(self.now.take().map(|(_, heard)| heard));
    }

    fn begins(&mut self, at_ns: i64, sound: &[u8]) {
        let round = &self.round;
        let is_this = |sentence: &Sentence| {
            let whole = sound.len().min(sentence.len);
            round.agrees(sentence.start + EDGE, &sound[EDGE.min(whole)..whole])
        };
        let Some(at) = self.coming.iter().position(is_this) else {
            self.stray_ns.push(at_ns);
            return;
        };
        // What was to come before it is not heard any more.
        let Some(sentence) = self.coming.drain(..=at).next_back() else {
            return;
        };
        let len = sound.len().min(sentence.len);
        let is_whole = len == sentence.len;
        let number = sentence.number;
        let heard = HeardSentence { number, len, is_whole, first_ns: at_ns, last_ns: at_ns, sound_ns: at_ns };
        self.now = Some((sentence, heard));
    }

    fn goes_on(&mut self, sentence: Sentence, mut heard: HeardSentence, at_ns: i64, sound: &[u8]) {
        heard.sound_ns = at_ns;
        let whole = sound.len().min(sentence.len - heard.len);
        let is_ringing = is_silent(&sound[EDGE..]);
        if whole > 0 && self.round.agrees(sentence.start + heard.len, &sound[..whole]) {
            heard.len += whole;
            heard.last_ns = at_ns;
            heard.is_whole = heard.len == sentence.len;
            if self.goes_over(at_ns, &sound[whole..]) {
                self.heard.push(heard);
                return;
            }
        } else if whole == 0 && !is_ringing {
            // The next one, right behind it.
            self.is_over();
            return self.begins(at_ns, sound);
        } else if is_ringing {
            // It was cut off, or its end was the end of a packet.
            self.now = Some((sentence, heard));
            self.is_over();
            return;
        } else {
            self.altered_ns.push(at_ns);
            heard.len += whole;
        }
        self.now = Some((sentence, heard));
    }

    /// Whether the next sentence begins with this, right behind the one that ends before it: then it is the one that is heard.
    fn goes_over(&mut self, at_ns: i64, rest: &[u8]) -> bool {
        let next = self.coming.front().copied();
        let is_next = |next: &Sentence| rest.len() > EDGE && self.round.agrees(next.start, rest);
        let Some(next) = next.filter(is_next) else {
            return false;
        };
        self.coming.pop_front();
        let (number, len) = (next.number, rest.len());
        let heard =
            HeardSentence { number, len, is_whole: false, first_ns: at_ns, last_ns: at_ns, sound_ns: at_ns };
        self.now = Some((next, heard));
        true
    }

    /// All that was heard; the last may still be going on.
    pub(super) fn sentences(&self) -> Vec<HeardSentence> {
        self.heard.iter().copied().chain(self.now.map(|(_, heard)| heard)).collect()
    }

    pub(super) fn altered_ns(&self) -> &[i64] {
        &self.altered_ns
    }

    pub(super) fn stray_ns(&self) -> &[i64] {
        &self.stray_ns
    }
}

#[cfg(test)]
mod tests {
    use super::super::round::{PACKET, SILENCE};
    use super::*;
    use crate::load::floor::recording::{clicking, two_voices};
    use crate::load::floor::truth::Who;

    fn round() -> Arc<Round> {
        Arc::new(Round::of(&clicking(two_voices(3)[1], 1, (5, Who(1)))))
    }

    fn sentence(number: usize, len: usize) -> Sentence {
        Sentence { number, start: round().packet_with_click(number * 40 * PACKET, EDGE), len }
    }

    /// What is sent of a sentence in packets, with rounded edges.
    fn packets(round: &Round, sentence: Sentence, len: usize) -> Vec<Vec<u8>> {
        let mut sound = round.part(sentence.start, len);
        sound[..EDGE].fill(0x10);
        sound.extend([0x90; EDGE]);
        sound.resize(sound.len().div_ceil(PACKET) * PACKET, SILENCE);
        sound.chunks(PACKET).map(<[u8]>::to_vec).chain([vec![SILENCE; PACKET]]).collect()
    }

    #[test]
    fn of_each_sentence_it_is_known_which_packet_had_its_last_sample_and_which_was_the_last_to_be_heard() {
        let round = round();
        let mut ear = Ear::new(Arc::clone(&round));
        // The end of the second is the end of a packet, the third is cut off at the end of one.
        let said = [(sentence(0, 1_000), 1_000), (sentence(1, 960), 960), (sentence(2, 3_000), 1_600)];
        let mut at_ns = 0;
        for (sentence, len) in said {
            ear.expect(sentence);
            for packet in packets(&round, sentence, len) {
                at_ns += 1;
                ear.hear(at_ns, &packet);
            }
        }
        let heard = ear.sentences();
        let of = |n: usize| (heard[n].len, heard[n].is_whole, heard[n].last_ns, heard[n].sound_ns);
        assert_eq!([of(0), of(1)], [(1_000, true, 7, 7), (960, true, 14, 15)]);
        assert_eq!(of(2), (1_600, false, 26, 27));
        assert!(ear.altered_ns().is_empty() && ear.stray_ns().is_empty());
    }

    #[test]
    fn sentences_right_behind_each_other_are_told_apart() {
        let round = round();
        let mut ear = Ear::new(Arc::clone(&round));
        let said = [sentence(0, 1_000), sentence(1, 760), sentence(2, 500)];
        said.iter().for_each(|sentence| ear.expect(*sentence));
        let mut sound: Vec<u8> =
            said.iter().flat_map(|sentence| round.part(sentence.start, sentence.len)).collect();
        sound.resize(sound.len().next_multiple_of(PACKET), SILENCE);
        for (n, packet) in sound.chunks(PACKET).chain([&[SILENCE; PACKET][..]]).enumerate() {
            ear.hear(n as i64, packet);
        }
        let heard: Vec<_> =
            ear.sentences().iter().map(|heard| (heard.number, heard.is_whole, heard.last_ns)).collect();
        assert_eq!(heard, [(0, true, 6), (1, true, 10), (2, true, 14)]);
        assert!(ear.altered_ns().is_empty() && ear.stray_ns().is_empty());
    }

    #[test]
    fn what_is_not_said_is_stray_and_what_is_not_as_it_was_said_is_altered() {
        let round = round();
        let mut ear = Ear::new(Arc::clone(&round));
        ear.hear(1, &round.part(40 * PACKET, PACKET));
        assert_eq!(ear.stray_ns(), [1]);
        ear.expect(sentence(0, 800));
        ear.expect(sentence(1, 800));
        // The first is never heard.
        let mut packets = packets(&round, sentence(1, 800), 800);
        packets[2] = vec![0x22; PACKET];
        for (n, packet) in packets.iter().enumerate() {
            ear.hear(10 + n as i64, packet);
        }
        assert_eq!(ear.altered_ns(), [12]);
        assert_eq!(ear.sentences().len(), 1);
        assert!(ear.sentences()[0].is_whole && ear.sentences()[0].number == 1);
    }
}
