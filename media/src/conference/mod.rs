//! A conference: hears every participant, mixes once, gives each the mix without their own voice.
//!
//! ```text
//! legs ─hear─▶ voices ─▶ talkers ─▶ a bus for each sample rate ─┬▶ listeners: one frame, encoded once a codec
//!                │  (who is mixed)  sum, converters, limiter    └▶ talkers: mix − own, own encoder
//!                ├▶ private talkers ─▶ added for those who are in their audience
//!                └▶ the whole ─▶ a tap, for recorders
//! ```

mod announcements;
mod bus;
mod converters;
mod equipment;
mod participant;
mod speakers;
mod talkers;
mod voices;
mod whispers;
mod whole;

use self::announcements::Announcements;
pub(crate) use self::bus::Bus;
use self::converters::Converters;
pub use self::equipment::Equipment;
pub(crate) use self::participant::Participant;
use self::speakers::{Speakers, report_levels};
use self::talkers::take_turns;
use self::voices::Voices;
use self::whispers::Whispers;
use self::whole::Said;
pub(crate) use self::whole::TapBench;
pub use self::whole::{ConferenceTap, TapParts};
use crate::codec::CodecError;
use crate::command::{Audience, Hearing};
use crate::dsp::mix;
use crate::engine::legs::{LegIndex, Legs};
use crate::engine::programme::Broadcast;
use crate::event::{ConferenceEvent, LevelReport, TapSide, Tapped};
use crate::fault::Planted;
use crate::frame::{FRAME_LEN_MAX, Frame, SampleRate};
use crate::id::{ConferenceId, LegId};
use crate::leg::Player;
use crate::prefetch::{fetch, fetch_all, fetch_whole};
use crate::stats::Counters;
use crate::tap::{self, AnySink};
use crate::time::{Tick, Time};

/// A participant's place in the primitive of who hears whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Who hears them.
    pub audience: Audience,
    /// What they hear.
    pub hearing: Hearing,
}

impl Default for Seat {
    /// Heard by everyone, hearing everyone.
    fn default() -> Self {
        Self { audience: Audience::Everyone, hearing: Hearing::Conference }
    }
}

/// What a tick needs from its engine.
pub(crate) struct Step<'a> {
    pub(crate) tick: Tick,
    pub(crate) now: Time,
    pub(crate) legs: &'a mut Legs,
    pub(crate) taps: &'a mut AnySink,
    pub(crate) tap_bench: &'a mut TapBench,
    pub(crate) counters: &'a mut Counters,
    pub(crate) faults: Planted,
    pub(crate) broadcast: &'a mut Broadcast,
}

/// A conference. Built on the control side, with room for all its seats.
pub struct Conference {
    id: ConferenceId,
    participants: Vec<Participant>,
    seats_max: usize,
    talkers_max: usize,
    voices: Voices,
    buses: Buses,
    converters: Converters,
    whispers: Whispers,
    speakers: Speakers,
    announcements: Announcements,
    /// What is copied of the whole, if somebody wants it.
    tap: Option<Box<ConferenceTap>>,
    scratch: Scratch,
}

/// One for each rate at which somebody may speak.
type Buses = [Option<Box<Bus>>; SampleRate::ALL.len()];

/// What is written in each tick; kept so that nothing is allocated.
struct Scratch {
    heard: Frame,
    own_mix: [i32; FRAME_LEN_MAX],
}

/// How a conference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConferenceSettings {
    /// Participants; one more is refused.
    pub seats_max: usize,
    /// Participants that are mixed when more speak at once: the loudest. At least one.
    pub talkers_max: usize,
}

impl ConferenceSettings {
    /// More voices than this at once are a noise in which nobody is understood.
    pub const TALKERS_MAX_DEFAULT: usize = 16;

    /// A conference of so many seats that is otherwise as usual.
    pub const fn seats(seats_max: usize) -> Self {
        Self { seats_max, talkers_max: Self::TALKERS_MAX_DEFAULT }
    }
}

impl Conference {
    /// A conference with room for all its participants. It is not equipped for any rate yet.
    pub fn new(id: ConferenceId, settings: ConferenceSettings) -> Box<Self> {
        let seats_max = settings.seats_max;
        Box::new(Self {
            id,
            participants: Vec::with_capacity(seats_max),
            seats_max,
            talkers_max: settings.talkers_max.max(1),
            voices: Voices::none(),
            buses: Buses::default(),
            converters: Converters::default(),
            whispers: Whispers::new(seats_max),
            speakers: Speakers::default(),
            announcements: Announcements::default(),
            tap: None,
            scratch: Scratch { heard: Frame::silence(SampleRate::Hz8000), own_mix: [0; FRAME_LEN_MAX] },
        })
    }

    /// The same, equipped for these rates.
    ///
    /// # Errors
    ///
    /// When an encoder cannot be set up.
    pub fn equipped(
        id: ConferenceId,
        settings: ConferenceSettings,
        rates: &[SampleRate],
    ) -> Result<Box<Self>, CodecError> {
        let mut conference = Self::new(id, settings);
        for &rate in rates {
            conference.equip(&mut *Equipment::new(rate, settings.seats_max)?);
        }
        Ok(conference)
    }

    /// Its name.
    pub const fn id(&self) -> ConferenceId {
        self.id
    }

    pub(crate) fn is_full(&self) -> bool {
        self.participants.len() >= self.seats_max
    }

    /// Whether those who speak at `rate` can be seated.
    pub(crate) fn is_equipped_for(&self, rate: SampleRate) -> bool {
        self.buses[rate.index()].is_some()
    }

    /// Takes what it lacks of `equipment`, and leaves there what it needs no more.
    pub(crate) fn equip(&mut self, equipment: &mut Equipment) {
        let Some(rate) = equipment.bus.as_ref().map(|bus| bus.rate()) else {
            return;
        };
        if self.is_equipped_for(rate) {
            return;
        }
        self.buses[rate.index()] = equipment.bus.take();
        self.converters.take_missing(&mut equipment.converters);
        if equipment.voices.is_larger_than(&self.voices) {
            std::mem::swap(&mut self.voices, &mut equipment.voices);
            for participant in &mut self.participants {
                participant.move_to(&mut self.voices);
            }
        }
    }

    /// Seats a leg; there must be a free seat.
    pub(crate) fn seat(&mut self, leg: LegId, index: LegIndex, seat: Seat) {
        let slot = self.voices.take_slot().expect("there are as many slots as seats");
        self.participants.push(Participant::new(leg, index, seat, slot));
    }

    /// Takes a participant out; the others keep their order.
    pub(crate) fn unseat(&mut self, leg: LegId) {
        let voices = &mut self.voices;
        self.participants.retain(|p| {
            if p.leg == leg {
                voices.give_back(p.slot);
            }
            p.leg != leg
        });
    }

    pub(crate) fn participant_mut(&mut self, leg: LegId) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|p| p.leg == leg)
    }

    pub(crate) fn leg_indices(&self) -> impl Iterator<Item = LegIndex> {
        self.participants.iter().map(|p| p.index)
    }

    /// Fills in the levels of those who speak.
    pub(crate) fn report_levels(&self, report: &mut LevelReport) {
        report_levels(self.participants.iter().filter_map(Participant::speaker), report);
    }

    /// Plays this to all who hear the conference. What is not needed any more, or finds no place, comes back.
    pub(crate) fn announce(&mut self, player: Box<Player>) -> Result<Option<Box<Player>>, Box<Player>> {
        self.announcements.begin(player)
    }

    /// Has the conference copied as a whole from the next tick on. What is not needed comes back.
    pub(crate) fn tap(&mut self, tap: Box<ConferenceTap>) -> Option<Box<ConferenceTap>> {
        if let Some(before) = &mut self.tap {
            return Some(before.become_other(tap));
        }
        self.tap = Some(tap);
        None
    }

    /// Has it copied no more.
    pub(crate) fn untap(&mut self) -> Option<Box<ConferenceTap>> {
        self.tap.take()
    }

    /// The next thing that is otherwise and was not fetched.
    pub(crate) fn take_event(&mut self) -> Option<ConferenceEvent> {
        if let Some((player, end)) = self.announcements.take_ended() {
            return Some(ConferenceEvent::Played { player, end });
        }
        self.speakers.take_event(self.participants.iter().filter_map(Participant::speaker))
    }

    /// Has fetched what a tick needs of the conference itself.
    pub(crate) fn fetch_ahead(&self) {
        fetch(&self.participants);
        fetch(&self.tap);
        fetch(&self.voices);
        fetch(&self.whispers);
        fetch(&self.speakers);
        fetch(&self.announcements);
        fetch_all(&self.buses);
    }

    /// Has fetched what it points to, once it is here itself.
    pub(crate) fn fetch_beyond(&self) {
        fetch_all(&self.participants[..self.participants.len().min(HEARD_FIRST)]);
        for bus in self.buses.iter().flatten() {
            fetch_whole(bus.as_ref());
        }
        if let Some(tap) = &self.tap {
            tap.fetch_ahead();
        }
    }

    /// Has fetched what is beyond that: those who are heard first, and the sums.
    pub(crate) fn fetch_first_legs(&self, legs: &Legs) {
        for participant in self.participants.iter().take(HEARD_FIRST) {
            legs.fetch_ahead(Some(participant.index), None);
        }
        self.buses.iter().flatten().for_each(|bus| bus.fetch_ahead());
    }

    /// And what these point to.
    pub(crate) fn fetch_beyond_first_legs(&self, legs: &Legs) {
        for participant in self.participants.iter().take(HEARD_FIRST) {
            legs.fetch_ahead(None, Some(participant.index));
        }
    }

    /// The first half of a 20 ms step: hears everybody and mixes.
    pub(crate) fn mix_all(&mut self, step: &mut Step<'_>) {
        for bus in self.buses.iter_mut().flatten() {
            bus.begin();
        }
        self.hear(step);
        let crowded = take_turns(&mut self.participants, self.talkers_max, &mut self.voices);
        step.counters.crowded += u64::from(crowded);
        self.sum(step.faults);
        self.announcements.mix(&mut self.buses);
        if let Some(tap) = &mut self.tap {
            let said = Said { participants: &self.participants, voices: &self.voices, buses: &self.buses };
            tap.copy((step.tick, step.now), self.id, &said, (step.tap_bench, step.taps));
        }
        self.mix(step.counters);
        self.whispers.hear(&self.participants, &self.voices, step.legs);
    }

    /// The second half: gives each what they hear.
    pub(crate) fn give_all(&mut self, step: &mut Step<'_>) {
        // First those who hear something of their own: an encoder of theirs goes on where the listeners' was a tick ago,
        // so that one must not have gone on yet.
        for seat in 0..self.participants.len() {
            fetch_for(Turn::Own, &self.participants, seat, step.legs);
            self.give_what_is_own(seat, step);
        }
        for seat in 0..self.participants.len() {
            fetch_for(Turn::Shared, &self.participants, seat, step.legs);
            if self.participants[seat].turn == Turn::Shared {
                self.give_full_mix(seat, step);
            }
        }
    }

    fn hear(&mut self, step: &mut Step<'_>) {
        for seat in 0..self.participants.len() {
            fetch_ahead(&self.participants, seat, step.legs);
            let participant = &mut self.participants[seat];
            let leg = step.legs.at(participant.index);
            let frame = &mut self.scratch.heard;
            let sound = leg.hear(step.now, step.counters, frame);
            participant.hear(sound, frame, &mut self.voices);
            leg.speaks(participant.is_heard_speaking());
            if let Some(speaker) = participant.speaker() {
                self.speakers.hear(speaker);
            }
            if leg.tapped {
                let said = self.voices.now(participant.slot, participant.frame_len());
                tap::copy(
                    step.taps,
                    (step.tick, step.now),
                    Tapped::Leg(participant.leg),
                    TapSide::Received,
                    participant.rate(),
                    said,
                );
            }
        }
        self.speakers.decide();
    }

    fn sum(&mut self, faults: Planted) {
        for (seat, participant) in self.participants.iter().enumerate() {
            if let Some(frame) = participant.mixed(&self.voices)
                && let Some(bus) = &mut self.buses[participant.rate().index()]
                && !faults.leaves_out(seat)
            {
                bus.add(frame);
            }
        }
    }

    /// Each rate at which somebody hears gets what is said at all rates.
    fn mix(&mut self, counters: &mut Counters) {
        for to in SampleRate::ALL {
            if !self.participants.iter().any(|p| p.rate() == to) {
                self.converters.pause(to);
                continue;
            }
            let Some(mut bus) = self.buses[to.index()].take() else {
                continue;
            };
            bus.begin_mix();
            for from in self.buses.iter().flatten() {
                self.converters.convert(from, &mut bus);
            }
            counters.limited += u64::from(!bus.end_mix().is_unity());
            self.buses[to.index()] = Some(bus);
        }
    }

    /// Sends one participant what they alone hear, if anything; the others have their turn afterwards.
    fn give_what_is_own(&mut self, seat: usize, step: &mut Step<'_>) {
        let hearer = step.faults.mix_for(seat, self.participants.len());
        let heard = match self.hears(hearer, step.faults) {
            // A key is pressed towards them, which nobody else hears.
            Heard::FullMix if step.legs.at(self.participants[seat].index).hears_tone() => Heard::OwnMix,
            heard @ (Heard::Nothing | Heard::FullMix | Heard::OwnMix | Heard::Played) => heard,
        };
        self.participants[seat].turn = Turn::Own;
        match heard {
            Heard::FullMix => self.participants[seat].turn = Turn::Shared,
            Heard::OwnMix => {
                self.mix_own(hearer, step.faults);
                self.give_own(seat, step);
            }
            Heard::Played => self.give_played(seat, step),
            Heard::Nothing => {
                self.scratch.heard.silence_at(self.participants[seat].rate());
                self.give_own(seat, step);
            }
        }
    }

    fn give_played(&mut self, seat: usize, step: &mut Step<'_>) {
        let index = self.participants[seat].index;
        let leg = step.legs.at(index);
        if let Some(on) = leg.shares_broadcast() {
            return step.broadcast.heard_by(index, on);
        }
        leg.play(&mut self.scratch.heard, step.broadcast);
        self.give_own(seat, step);
    }

    fn give_full_mix(&mut self, seat: usize, step: &mut Step<'_>) {
        let hearer = step.faults.mix_for(seat, self.participants.len());
        let participant = &mut self.participants[hearer];
        let Some(bus) = &mut self.buses[participant.rate().index()] else {
            return;
        };
        // Who speaks next begins with the gain at which they have listened.
        participant.limiter = bus.limiter();
        let (index, rate) = (self.participants[seat].index, bus.rate());
        let leg = step.legs.at(index);
        if leg.tapped {
            let of = Tapped::Leg(leg.id());
            tap::copy(step.taps, (step.tick, step.now), of, TapSide::Sent, rate, bus.render());
        }
        if let Some(on) = leg.comes_from_broadcast() {
            let listeners = step.broadcast.listeners_before(on, leg.codec());
            leg.send_own(bus.render(), listeners, step.counters, step.faults);
        } else if leg.keeps_own_encoder() {
            leg.send_kept(bus.render(), step.counters, step.faults);
        } else if let Some(encoded) =
            bus.listeners(leg.codec(), leg.expected_loss(), leg.own_encoder(), step.counters)
        {
            leg.send_shared(encoded, step.faults);
        }
        step.legs.done(index);
    }

    /// What they hear is in the scratch.
    fn give_own(&mut self, seat: usize, step: &mut Step<'_>) {
        let participant = &self.participants[seat];
        let heard = self.scratch.heard.samples();
        if step.legs.at(participant.index).tapped {
            let when = (step.tick, step.now);
            tap::copy(
                step.taps,
                when,
                Tapped::Leg(participant.leg),
                TapSide::Sent,
                participant.rate(),
                heard,
            );
        }
        let leg = step.legs.at(participant.index);
        let listeners = if let Some(on) = leg.comes_from_broadcast() {
            step.broadcast.listeners_before(on, leg.codec())
        } else {
            let bus = self.buses[participant.rate().index()].as_deref();
            bus.and_then(|bus| bus.listeners_before(leg.codec()))
        };
        leg.send_own(heard, listeners, step.counters, step.faults);
        step.legs.done(participant.index);
    }

    fn hears(&self, seat: usize, faults: Planted) -> Heard {
        let participant = &self.participants[seat];
        match participant.seat.hearing {
            Hearing::Nothing => Heard::Nothing,
            Hearing::Played => Heard::Played,
            Hearing::Conference => {
                let own = participant.mixed(&self.voices).is_some() && !faults.keeps_own_voice();
                if own || self.whispers.reach(participant, &self.participants) {
                    Heard::OwnMix
                } else {
                    Heard::FullMix
                }
            }
        }
    }

    /// Mixes for one who hears something of their own: without their voice, with what is meant for them alone.
    /// Such a mix can be louder than the whole, so it has a limiter of its own.
    fn mix_own(&mut self, seat: usize, faults: Planted) {
        let participant = &self.participants[seat];
        let rate = participant.rate();
        let own_mix = &mut self.scratch.own_mix[..rate.frame_len()];
        let Some(bus) = &self.buses[rate.index()] else {
            return self.scratch.heard.silence_at(rate);
        };
        match participant.mixed(&self.voices) {
            Some(own) if !faults.leaves_out(seat) && !faults.keeps_own_voice() => {
                mix::without(bus.mix(), own, own_mix);
            }
            Some(_) | None => own_mix.copy_from_slice(bus.mix()),
        }
        self.whispers.add_to(participant, &self.participants, &self.voices, own_mix);
        let gain = self.participants[seat].limiter.follow(own_mix);
        gain.apply(own_mix, self.scratch.heard.samples_at(rate));
    }
}

/// Has what will be needed of the next two after this seat fetched from memory.
fn fetch_ahead(participants: &[Participant], seat: usize, legs: &Legs) {
    let ahead = |n: usize| participants.get(seat + n).map(|participant| participant.index);
    legs.fetch_ahead(ahead(2 * STEP_AHEAD), ahead(STEP_AHEAD));
}

/// Seats from the one whose turn it is to the one whose leg is here, and to the next whose leg is asked for. A turn is no
/// longer than a look at the memory takes, if not much is done in it.
const STEP_AHEAD: usize = 2;

/// Participants of a conference whose legs are fetched before it has its turn.
const HEARD_FIRST: usize = 2 * STEP_AHEAD;

/// Has fetched what will be needed of the next legs that are given something in this turn. Who will be is known of the first
/// turn only from the tick before.
fn fetch_for(turn: Turn, participants: &[Participant], seat: usize, legs: &Legs) {
    let ahead = |n: usize| participants.get(seat + n).filter(|ahead| ahead.turn == turn);
    let index = |n: usize| ahead(n).map(|ahead| ahead.index);
    legs.fetch_ahead(index(2 * STEP_AHEAD), index(STEP_AHEAD));
    if let Some(asked) = participants.get(seat + 2 * STEP_AHEAD).filter(|_| turn == Turn::Own) {
        legs.fetch_presses(asked.index);
    }
}

/// Whose turn it is to be given what they hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Those who hear something of their own.
    Own,
    /// Those who hear what all hear.
    Shared,
}

/// What a participant hears in a tick.
enum Heard {
    Nothing,
    /// What is played to them alone.
    Played,
    /// What all mere listeners hear.
    FullMix,
    OwnMix,
}

impl std::fmt::Debug for Conference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conference")
            .field("id", &self.id)
            .field("participants", &self.participants.len())
            .finish_non_exhaustive()
    }
}
