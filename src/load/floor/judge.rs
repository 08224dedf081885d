//! Packet by packet, what everybody heard against what they must have heard by then. Pure: it works on what was asked, what was
//! answered, and what came.
//!
//! ```text
//! journal ─▶ floor, act by act ─▶ turns of each person: these tones from then on
//!                                          │
//! packets of each person ──────────────────┴─▶ as it must be / wrong (which kind, by where they sat)
//! ```
//!
//! A change excuses the tones that it changes, for whom it changes them, from when it is asked for until so long after it was
//! answered ([`Group::settles`]); all other tones are judged meanwhile. How long it really took is measured.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finding::{FloorFinding, Wrong};
use super::naming::Names;
use super::reaction::{Group, Reactions};
use super::truth::{Act, Floor, Hearing, Music, Place, Whisper, Who};
use super::voices::{Glimpse, Tones};

/// How long music may take to come: it is fetched and decoded first.
const MUSIC_SETTLES: Duration = Duration::from_millis(1_000);
/// So many packets in a row, and what is missing is no gap that was hidden; nor is what is too much the noise of a jump.
const IN_A_ROW: u32 = 3;
/// How long after one of our packets left late what is missing may be its consequence.
const LATE_SHADOW_NS: i64 = 500_000_000;
/// The stamp of a late packet may be so much after what it has broken.
const LATE_BEFORE_NS: i64 = 50_000_000;
/// Wrong stretches that are looked into; a node that is wrong more often is wrong.
const STRETCHES_MAX: usize = 10_000;

/// Something that was asked for and done, by the node's word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noted {
    pub(super) act: Act,
    pub(super) asked_ns: i64,
    pub(super) answered_ns: i64,
}

/// Who sounds like what.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    /// By number.
    pub(super) voices: Vec<Tones>,
    pub(super) hold: Tones,
    pub(super) wait: Tones,
    pub(super) names: Names,
}

/// The verdict.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) findings: Vec<FloorFinding>,
    pub(super) reactions: Reactions,
    /// Packets of which every tone was judged.
    pub(super) whole: u64,
    /// Packets within a change, of which all others were.
    pub(super) partly: u64,
    /// Packets in which somebody was missing, too few in a row to be wrong.
    pub(super) gaps: u64,
    /// Packets excused because a packet of our own had been late.
    pub(super) excused: u64,
}

/// What somebody must hear from a moment on.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Which entry of the journal brought it.
    entry: usize,
    from_ns: i64,
    expected: Tones,
    /// What has changed, and until when it is excused: of people, and of music.
    people: (Tones, i64),
    music: (Tones, i64),
}

/// A run of packets that are wrong in the same way.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    listener: Who,
    /// Tones too many, or tones missing.
    tones: Tones,
    is_extra: bool,
    /// The last entry of the journal before it.
    entry: Option<usize>,
    first_ns: i64,
    packets: u64,
}

/// Judges everybody by what came to them; `late` are the moments at which packets of ours left late.
pub(super) fn judge(cast: &Cast, journal: &[Noted], heard: &[Vec<Glimpse>], late: &[i64]) -> Judgement {
    let mut journal = journal.to_vec();
    journal.sort_by_key(|noted| noted.asked_ns);
    let mut judgement = Judgement::default();
    let mut stretches = Vec::new();
    for (n, turns) in turns(cast, &journal).iter().enumerate() {
        let mut listener = Listener::new(cast, Who(n), turns, late);
        listener.listen(&heard[n], &mut judgement);
        listener.measure(&heard[n], &journal, &mut judgement.reactions);
        stretches.append(&mut listener.stretches);
    }
    stretches.truncate(STRETCHES_MAX);
    judgement.findings = named(cast, &journal, stretches);
    if judgement.whole == 0 {
        judgement.findings.push(FloorFinding::NothingJudged);
    }
    judgement
}

impl Cast {
    fn tones(&self, hearing: &Hearing) -> Tones {
        let people = hearing.people.iter().fold(Tones::NONE, |all, who| all.and(self.voices[who.0]));
        people.and(match hearing.music {
            Some(Music::Hold) => self.hold,
            Some(Music::Wait) => self.wait,
            None => Tones::NONE,
        })
    }

    fn music(&self) -> Tones {
        self.hold.and(self.wait)
    }
}

/// What each must hear from when on.
fn turns(cast: &Cast, journal: &[Noted]) -> Vec<Vec<Turn>> {
    let mut floor = Floor::new(cast.voices.len());
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); cast.voices.len()];
    for (entry, noted) in journal.iter().enumerate() {
        for who in floor.apply(noted.act) {
            let expected = cast.tones(&floor.hearing(who));
            let before = turns[who.0].last().map_or(Tones::NONE, |turn| turn.expected);
            let changed = expected.difference(before);
            let until = |settles: Duration| noted.answered_ns + settles.as_nanos() as i64;
            turns[who.0].push(Turn {
                entry,
                from_ns: noted.asked_ns,
                expected,
                people: (changed.without(cast.music()), until(Group::of(noted.act).settles())),
                music: (changed.common(cast.music()), until(MUSIC_SETTLES)),
            });
        }
    }
    turns
}

/// One person's packets, gone through in order.
struct Listener<'a> {
    who: Who,
    turns: &'a [Turn],
    late: &'a [i64],
    music: Tones,
    /// Tones that nobody has: they are not judged.
    known: Tones,
    extra: Run,
    missing: Run,
    stretches: Vec<Stretch>,
}

/// Packets in a row in which some tones are wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    tones: Tones,
    packets: u32,
    first_ns: i64,
}

impl Run {
    /// Goes on with what is wrong now; how many packets in a row it is.
    fn go_on(&mut self, wrong: Tones, at_ns: i64) -> u32 {
        let common = self.tones.common(wrong);
        if common.is_empty() {
            *self = Self { tones: wrong, packets: u32::from(!wrong.is_empty()), first_ns: at_ns };
        } else {
            self.tones = common;
            self.packets += 1;
        }
        self.packets
    }
}

impl<'a> Listener<'a> {
    fn new(cast: &Cast, who: Who, turns: &'a [Turn], late: &'a [i64]) -> Self {
        let known = cast.voices.iter().fold(cast.music(), |all, voice| all.and(*voice));
        let (extra, missing) = (Run::default(), Run::default());
        Self { who, turns, late, music: cast.music(), known, extra, missing, stretches: Vec::new() }
    }

    fn listen(&mut self, heard: &[Glimpse], judgement: &mut Judgement) {
        let mut next = 0;
        let mut excuses: Vec<(Tones, i64)> = Vec::new();
        for glimpse in heard {
            while let Some(turn) = self.turns.get(next).filter(|turn| turn.from_ns <= glimpse.at_ns) {
                excuses.extend([turn.people, turn.music]);
                next += 1;
            }
            excuses.retain(|(tones, until)| *until > glimpse.at_ns && !tones.is_empty());
            let excused = excuses.iter().fold(Tones::NONE, |all, (tones, _)| all.and(*tones));
            let turn = next.checked_sub(1).map(|n| self.turns[n]);
            if excused.is_empty() {
                judgement.whole += 1;
            } else {
                judgement.partly += 1;
            }
            self.compare(glimpse, turn, excused, judgement);
        }
    }

    fn compare(&mut self, glimpse: &Glimpse, turn: Option<Turn>, excused: Tones, judgement: &mut Judgement) {
        let expected = turn.map_or(Tones::NONE, |turn| turn.expected);
        let entry = turn.map(|turn| turn.entry);
        let judged = self.known.without(excused);
        let extra = glimpse.heard.without(expected).common(judged);
        let missing = expected.without(glimpse.strong).common(judged);
        if !extra.is_empty() || !missing.is_empty() {
            let is_whole = glimpse.is_whole();
            if self.is_in_late_shadow(glimpse.at_ns) && (!is_whole || extra.is_empty()) {
                judgement.excused += 1;
                (self.extra, self.missing) = (Run::default(), Run::default());
                return;
            }
        }
        let row = self.extra.go_on(extra, glimpse.at_ns);
        if !extra.is_empty() && (glimpse.is_whole() || row >= IN_A_ROW) {
            let tones = if glimpse.is_whole() { extra } else { self.extra.tones };
            self.note(Stretch { tones, is_extra: true, ..self.stretch(entry, self.extra.first_ns) });
        }
        let row = self.missing.go_on(missing, glimpse.at_ns);
        if row >= IN_A_ROW {
            let tones = self.missing.tones;
            self.note(Stretch { tones, is_extra: false, ..self.stretch(entry, self.missing.first_ns) });
        } else if !missing.is_empty() {
            judgement.gaps += 1;
        }
    }

    fn stretch(&self, entry: Option<usize>, first_ns: i64) -> Stretch {
        Stretch { listener: self.who, tones: Tones::NONE, is_extra: true, entry, first_ns, packets: 1 }
    }

    /// Goes on with the last stretch if it is the same.
    fn note(&mut self, stretch: Stretch) {
        let same = self.stretches.iter_mut().rev().take(2).find(|known| {
            known.is_extra == stretch.is_extra && known.tones == stretch.tones && known.entry == stretch.entry
        });
        match same {
            Some(known) => known.packets += 1,
            None => self.stretches.push(stretch),
        }
    }

    fn is_in_late_shadow(&self, at_ns: i64) -> bool {
        let first = self.late.partition_point(|late| *late < at_ns - LATE_SHADOW_NS);
        self.late.get(first).is_some_and(|late| *late <= at_ns + LATE_BEFORE_NS)
    }

    /// How long after each change was asked for it was heard here.
    fn measure(&self, heard: &[Glimpse], journal: &[Noted], reactions: &mut Reactions) {
        for (n, turn) in self.turns.iter().enumerate() {
            for (changed, until) in [turn.people, turn.music] {
                if changed.is_empty() {
                    continue;
                }
                // Another change of the same tones, and it cannot be told which of the two was heard.
                let again = self.turns[n + 1..]
                    .iter()
                    .find(|next| next.people.0.meets(changed) || next.music.0.meets(changed));
                let end = until.min(again.map_or(i64::MAX, |next| next.from_ns));
                let first = heard.partition_point(|glimpse| glimpse.at_ns < turn.from_ns);
                let is_so = |glimpse: &&Glimpse| {
                    let wanted = turn.expected.common(changed);
                    glimpse.heard.common(changed) == wanted && glimpse.strong.has(wanted)
                };
                let until_end = heard[first..].iter().take_while(|glimpse| glimpse.at_ns < end);
                if let Some(seen) = until_end.into_iter().find(is_so) {
                    let is_music = changed.meets(self.music) && turn.expected.meets(changed);
                    let group = if is_music { Group::Music } else { Group::of(journal[turn.entry].act) };
                    reactions.add(group, (seen.at_ns - turn.from_ns) as f64 / 1e6);
                }
            }
        }
    }
}

/// One kind of wrong about one person.
#[derive(Default)]
struct Told {
    others: Vec<Who>,
    packets: u64,
    first: Option<(i64, Option<usize>)>,
}

/// From tones to people: who was heard where they should not be, and why not.
fn named(cast: &Cast, journal: &[Noted], mut stretches: Vec<Stretch>) -> Vec<FloorFinding> {
    stretches.sort_by_key(|stretch| stretch.entry);
    let mut told: BTreeMap<(Wrong, Who), Told> = BTreeMap::new();
    let mut floor = Floor::new(cast.voices.len());
    let mut place_before: BTreeMap<Who, Place> = BTreeMap::new();
    // Who hung up, in order.
    let mut left: Vec<Who> = Vec::new();
    let mut done = 0;
    for stretch in &stretches {
        while done < stretch.entry.map_or(0, |entry| entry + 1) {
            for who in journal[done].act.subjects() {
                place_before.insert(who, floor.seat(who).place);
            }
            if let Act::HangUp(who) = journal[done].act {
                left.push(who);
            }
            floor.apply(journal[done].act);
            done += 1;
        }
        let wrongs = wrongs_of(cast, &floor, (&place_before, &left), stretch);
        for (wrong, who, other) in wrongs {
            let told = told.entry((wrong, who)).or_default();
            if let Some(other) = other.filter(|other| !told.others.contains(other)) {
                told.others.push(other);
            }
            told.packets += stretch.packets;
            let first = (stretch.first_ns, stretch.entry);
            told.first = Some(told.first.map_or(first, |known| known.min(first)));
        }
    }
    let began = journal.first().map_or(0, |noted| noted.asked_ns);
    let finding = |((wrong, who), told): ((Wrong, Who), Told)| {
        let (at_ns, entry) = told.first.unwrap_or_default();
        FloorFinding::Hearing {
            wrong,
            who: cast.names.of(who),
            others: told.others.iter().map(|who| cast.names.of(*who)).collect(),
            packets: told.packets,
            after: entry.map_or_else(String::new, |entry| cast.names.act(journal[entry].act)),
            at_s: (at_ns - began) as f64 / 1e9,
        }
    };
    told.into_iter().map(finding).collect()
}

type Named = (Wrong, Who, Option<Who>);

fn wrongs_of(
    cast: &Cast,
    floor: &Floor,
    (before, left): (&BTreeMap<Who, Place>, &[Who]),
    stretch: &Stretch,
) -> Vec<Named> {
    let listener = stretch.listener;
    let mut wrongs = Vec::new();
    if stretch.tones.meets(cast.music()) {
        let wrong = if stretch.is_extra { Wrong::StrayMusic } else { Wrong::NoMusic };
        wrongs.push((wrong, listener, None));
    }
    let hearing = floor.hearing(listener);
    if !stretch.is_extra {
        let missing = hearing.people.into_iter().filter(|who| stretch.tones.meets(cast.voices[who.0]));
        wrongs.extend(missing.map(|who| (Wrong::Unheard, who, Some(listener))));
        return wrongs;
    }
    let expected = cast.tones(&hearing);
    // Of a voice too much all tones are there that are nobody else's.
    let is_heard = |who: &Who| {
        let own = cast.voices[who.0].without(expected);
        !own.is_empty() && stretch.tones.has(own)
    };
    let everybody = (0..cast.voices.len()).map(Who);
    let on_the_line = everybody.filter(|who| floor.seat(*who).place != Place::Away);
    let found: Vec<Who> = on_the_line.filter(is_heard).collect();
    wrongs.extend(found.iter().map(|who| too_much(floor, before, listener, *who)));
    if found.is_empty() {
        // Then it is whoever went last.
        let gone = left.iter().rev().copied().find(is_heard);
        wrongs.extend(gone.map(|who| (Wrong::StillThere, who, Some(listener))));
    }
    wrongs
}

/// Why somebody should not be heard by this listener.
fn too_much(floor: &Floor, before: &BTreeMap<Who, Place>, listener: Who, who: Who) -> Named {
    let (own, seat) = (floor.seat(listener), floor.seat(who));
    if who == listener {
        (Wrong::OwnVoice, who, None)
    } else if own.held {
        (Wrong::HoldNotApplied, listener, Some(who))
    } else if own.place == Place::Waiting {
        (Wrong::WaitingHears, listener, Some(who))
    } else if seat.place != own.place || own.place == Place::Alone {
        let were_together = before.get(&who) == Some(&own.place)
            || before.get(&listener) == Some(&seat.place) && matches!(seat.place, Place::In(_));
        let wrong = if were_together { Wrong::StillThere } else { Wrong::CrossTalk };
        (wrong, who, Some(listener))
    } else if seat.held {
        (Wrong::HeldHeard, who, Some(listener))
    } else if seat.whisper != Whisper::No {
        (Wrong::CoachHeard, who, Some(listener))
    } else if seat.monitors {
        (Wrong::MonitorHeard, who, Some(listener))
    } else {
        (Wrong::MutedHeard, who, Some(listener))
    }
}

#[cfg(test)]
mod tests;
