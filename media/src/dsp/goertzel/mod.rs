//! Hears keys as tones in sound (ITU-T Q.23, Q.24), and keeps apart what only resembles them: speech and music
//! ("talk-off").
//!
//! ```text
//! frame ─▶ decimate ─▶ 10 ms ─▶ bank: eight Goertzel filters ─▶ a row and a column?
//!          to 8 kHz                                              │ seldom
//!                      20 ms ─▶ measure: frequencies, levels, ◀──┘
//!                               what is left over ─▶ hit or miss ─▶ three hits: a key
//! ```
//!
//! Each 10 ms the last 20 ms are judged. The eight filters only choose which row and column may be there; the
//! two are then measured exactly, in a window that keeps them apart. Three hits in a row make a key, so that one of
//! 40 ms is always heard and one of 23 ms never; three misses end it, so that pauses of 40 ms tell keys apart and
//! gaps of 10 ms do not.

mod bank;
mod decimate;
mod measure;
mod sense;

use std::fmt;
use std::time::Duration;

use self::bank::Halves;
use self::decimate::Decimator;
use self::measure::{Limits, loudest_band, measure};
use self::sense::{KEEN, Sense, USUAL};
use super::tone::key_at;
use crate::frame::Frame;

/// Samples a second of what is judged.
const RATE: f64 = 8_000.0;

/// Samples from one judgement to the next: 10 ms.
const HOP: usize = 80;

/// Samples that are judged at once: 20 ms.
const WINDOW: usize = 2 * HOP;

/// Judgements in a frame.
pub const HOPS: usize = WINDOW / HOP;

/// Hits in a row that make a key.
const HITS: u32 = 3;

/// How many of them must be pure. The first and the last may be half silence; between them nothing but tones is
/// left over of a key, while speech that happens to have two strong harmonics where a key has tones still has
/// others.
const PURE_HITS: u32 = 1;

/// Hits in a row that make a key among other sound: 60 ms.
const HITS_LASTING: u32 = 5;

/// Hits in a row that make a key among as much other sound, if its tones stay as they are: 80 ms.
const HITS_STEADY: u32 = 7;

/// How much a tone's peak may differ from its first and stay as it is: 2 dB.
const STEADY: f32 = 1.26;

/// Misses in a row that end it.
const MISSES: u32 = 3;

/// Windows after made sound whose misses do not count: they still hold some of it, and a decoder that has lost its place
/// takes as long to find it again.
const FORGIVEN: u32 = (WINDOW / HOP) as u32;

/// Windows are hits from when two thirds of them are tone on, so that a tone lasts this much longer than as
/// many hops as there are hits.
const BEYOND_HITS: Duration = Duration::from_millis(7);

/// One hop.
const HOP_DURATION: Duration = Duration::from_millis(10);

/// A key that was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HeardKey {
    /// Which, by its event code 0-15 (RFC 4733 §3.2).
    pub event: u8,
    /// How long it sounded, to 10 ms.
    pub duration: Duration,
}

/// Keys may be a card number: `Debug` does not show which.
impl fmt::Debug for HeardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeardKey").field("duration", &self.duration).finish_non_exhaustive()
    }
}

/// What 10 ms may hold of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Nothing.
    #[default]
    Clear,
    /// A row or a column by itself: what a decoder may make of a key while it finds its place again after a gap.
    Lone,
    /// Something that resembles a part of one.
    Maybe,
    /// The same that was there 10 ms before.
    Likely,
}

/// Listens to one leg for keys. All its memory is inside.
#[derive(Clone)]
pub struct KeyListener {
    sense: &'static Sense,
    decimator: Decimator,
    /// The last 20 ms.
    window: [f32; WINDOW],
    halves: Halves,
    verdicts: Verdicts,
    suspected: bool,
    marks: [Mark; HOPS],
    /// What the last 10 ms may have held, by its row and column.
    resembled: Option<(usize, usize)>,
    /// The last that came was nothing, and no key waits for its end.
    at_rest: bool,
}

impl Default for KeyListener {
    fn default() -> Self {
        Self {
            sense: &USUAL,
            decimator: Decimator::default(),
            window: [0.0; WINDOW],
            halves: Halves::default(),
            verdicts: Verdicts::default(),
            suspected: false,
            marks: [Mark::Clear; HOPS],
            resembled: None,
            at_rest: true,
        }
    }
}

impl KeyListener {
    /// Takes in the next frame, of any rate, and returns the key that it shows to have ended, if any.
    pub fn hear(&mut self, frame: &Frame) -> Option<HeardKey> {
        if peak(frame) < self.sense.quiet {
            return self.hear_nothing();
        }
        self.at_rest = false;
        let mut narrow = [0.0; WINDOW];
        self.decimator.narrow(frame, &mut narrow);
        self.listen(&narrow)
    }

    /// Takes in 20 ms in which there is no sound.
    pub fn hear_nothing(&mut self) -> Option<HeardKey> {
        self.suspected = false;
        self.marks = [Mark::Clear; HOPS];
        if self.at_rest {
            return None;
        }
        self.decimator.rest();
        let ended = self.listen(&[0.0; WINDOW]);
        self.at_rest = self.verdicts.sounding.is_none();
        ended
    }

    /// Whether one more tick of silence changes nothing.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.at_rest && !self.suspected
    }

    /// Takes in a frame of which a part was made to hide a gap: it can hold a key, and not be the end of one.
    pub fn hear_made(&mut self, frame: &Frame) -> Option<HeardKey> {
        let before = (self.verdicts, self.suspected);
        let ended = self.hear(frame);
        if self.verdicts.sounding.is_some_and(|sounding| sounding.misses == 0) || !before.1 {
            return ended;
        }
        (self.verdicts, self.suspected) = before;
        self.marks = [Mark::Likely; HOPS];
        self.at_rest = false;
        if let Some(sounding) = &mut self.verdicts.sounding {
            sounding.windows = sounding.windows.saturating_add((WINDOW / HOP) as u32);
            sounding.forgiven = FORGIVEN;
        }
        None
    }

    /// Begins to listen to somebody else. Whatever sounded until now has ended.
    pub fn start_over(&mut self) -> Option<HeardKey> {
        let ended = self.verdicts.sounding.take().map(Sounding::ended);
        *self = Self { sense: self.sense, ..Self::default() };
        ended
    }

    /// Listens so keenly that hardly a key is missed that anybody could make out, however quiet and whatever else is to be
    /// heard, and takes more of what is none for a part of one; or as usual. What sounds now goes on.
    pub fn set_keen(&mut self, keen: bool) {
        self.sense = if keen { &KEEN } else { &USUAL };
    }

    /// What each 10 ms of the last frame, and the 10 ms before them, may hold.
    pub const fn marks(&self) -> [Mark; HOPS] {
        self.marks
    }

    fn listen(&mut self, narrow: &[f32; WINDOW]) -> Option<HeardKey> {
        self.suspected = false;
        let mut ended = None;
        for (newer, n) in narrow.as_chunks::<HOP>().0.iter().zip(0..HOPS) {
            self.window.copy_within(HOP.., 0);
            self.window[HOP..].copy_from_slice(newer);
            self.marks[n] = Mark::Clear;
            let hit = self.look(newer, n);
            let heard = self.verdicts.add(hit);
            // Two keys cannot end within one frame: three hits lie between.
            ended = ended.or(heard);
        }
        ended
    }

    /// Whether the last frame may hold the beginning of a key, or a part of one. It says so with the first frame
    /// of which half is tone, before anybody can know: most that it suspects is a key, some is speech.
    pub const fn suspects(&self) -> bool {
        self.suspected
    }

    /// The key that sounds now, by its event code.
    pub fn sounding(&self) -> Option<u8> {
        self.verdicts.sounding.map(|sounding| sounding.event)
    }

    /// The key in the window, if there is one. Its newer half is told again.
    fn look(&mut self, newer: &[f32; HOP], hop: usize) -> Option<Hit> {
        let sense = self.sense;
        let resembled = self.resembled.take();
        let pair = self.halves.add(newer, sense);
        if self.halves.strongest_part() >= sense.lone_part {
            self.marks[hop] = Mark::Lone;
        }
        let pair = pair?;
        let tones = measure(&self.window, pair.row, pair.column);
        let holds = |limits: &Limits| tones.are_within(limits);
        let is_likely = holds(if pair.is_edge { &sense.edge_suspicion } else { &sense.suspicion });
        self.suspected |= is_likely;
        if is_likely || holds(&sense.resemblance) {
            let again = resembled == Some((pair.row, pair.column));
            self.marks[hop] = if again { Mark::Likely } else { Mark::Maybe };
            self.resembled = Some((pair.row, pair.column));
        }
        let (is_firm, lasts) = (holds(&sense.limits), sense.lasting.as_ref().is_some_and(holds));
        let steady = sense.steady.as_ref().is_some_and(holds).then(|| tones.peaks());
        if !is_firm && !lasts && steady.is_none() {
            return None;
        }
        Some(Hit {
            event: key_at(pair.row, pair.column)?,
            is_pure: holds(&sense.pure),
            is_firm,
            lasts,
            steady,
        })
    }
}

/// Measures what is left of keys in sound. All its memory is inside.
#[derive(Clone, Default)]
pub struct BandMeter {
    decimator: Decimator,
}

impl BandMeter {
    /// The greatest peak in any of the eight bands of keys in a frame, each some 75 Hz wide, in steps of 16 bits.
    pub fn measure(&mut self, frame: &Frame) -> f32 {
        let mut narrow = [0.0; WINDOW];
        self.decimator.narrow(frame, &mut narrow);
        loudest_band(&narrow)
    }
}

impl fmt::Debug for BandMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BandMeter").finish_non_exhaustive()
    }
}

/// The loudest sample: a line on which nobody speaks costs no more than this look.
fn peak(frame: &Frame) -> u16 {
    frame.samples().iter().fold(0, |peak, sample| sample.unsigned_abs().max(peak))
}

impl fmt::Debug for KeyListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyListener").finish_non_exhaustive()
    }
}

/// A window that is a key's.
#[derive(Clone, Copy)]
struct Hit {
    event: u8,
    /// There is hardly anything but the two tones in it.
    is_pure: bool,
    /// A few like it make a key, of which one is pure.
    is_firm: bool,
    /// Some more like it do, too.
    lasts: bool,
    /// The peaks of its tones: still more like it do, if these stay as they are.
    steady: Option<[f32; 2]>,
}

/// Turns hits and misses into keys.
#[derive(Clone, Copy, Default)]
struct Verdicts {
    candidate: Option<u8>,
    hits: u32,
    /// Of these hits, those of each kind.
    firm: u32,
    lasting: u32,
    pure: u32,
    /// Hits in a row whose tones have these peaks.
    steady: u32,
    peaks: [f32; 2],
    sounding: Option<Sounding>,
}

#[derive(Clone, Copy)]
struct Sounding {
    event: u8,
    /// Windows from the first hit to the last.
    windows: u32,
    misses: u32,
    /// Windows to come whose misses do not count.
    forgiven: u32,
}

impl Verdicts {
    fn add(&mut self, hit: Option<Hit>) -> Option<HeardKey> {
        self.count(hit);
        let hit = self.candidate;
        if let Some(sounding) = &mut self.sounding {
            if hit == Some(sounding.event) {
                sounding.windows = sounding.windows.saturating_add(sounding.misses + 1);
                sounding.misses = 0;
                return None;
            }
            if sounding.forgiven > 0 {
                sounding.forgiven -= 1;
                sounding.windows = sounding.windows.saturating_add(1);
                return None;
            }
            sounding.misses += 1;
            if sounding.misses < MISSES {
                return None;
            }
        }
        let ended = self.sounding.take().map(Sounding::ended);
        if let Some(event) = hit
            && (self.lasting >= HITS_LASTING
                || self.steady >= HITS_STEADY
                || (self.firm >= HITS && self.pure >= PURE_HITS))
        {
            self.sounding = Some(Sounding { event, windows: self.hits, misses: 0, forgiven: 0 });
        }
        ended
    }

    fn count(&mut self, hit: Option<Hit>) {
        let event = hit.map(|hit| hit.event);
        if event != self.candidate {
            (self.candidate, self.hits, self.firm, self.pure) = (event, 0, 0, 0);
            (self.lasting, self.steady) = (0, 0);
        }
        self.count_steady(hit.and_then(|hit| hit.steady));
        self.hits = self.hits.saturating_add(1);
        self.firm = self.firm.saturating_add(u32::from(hit.is_some_and(|hit| hit.is_firm)));
        self.lasting = self.lasting.saturating_add(u32::from(hit.is_some_and(|hit| hit.lasts)));
        self.pure = self.pure.saturating_add(u32::from(hit.is_some_and(|hit| hit.is_pure)));
    }
}

impl Verdicts {
    fn count_steady(&mut self, peaks: Option<[f32; 2]>) {
        let Some(peaks) = peaks else {
            self.steady = 0;
            return;
        };
        let stays = |(&now, first): (&f32, f32)| now <= first * STEADY && first <= now * STEADY;
        if self.steady == 0 || !peaks.iter().zip(self.peaks).all(stays) {
            (self.steady, self.peaks) = (0, peaks);
        }
        self.steady = self.steady.saturating_add(1);
    }
}

impl Sounding {
    fn ended(self) -> HeardKey {
        HeardKey { event: self.event, duration: HOP_DURATION * self.windows + BEYOND_HITS }
    }
}

#[cfg(test)]
mod tests;
