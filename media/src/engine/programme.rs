//! Music that many legs hear at once, wherever they are: those who wait, are on hold, or have no seat yet. It is read,
//! converted and encoded once a tick for all of them (one packet for each codec), so that ten thousand who wait cost
//! little more than their packets. Several can be on at a time; each leg hears the one that it is tuned to.
//!
//! One goes on while anybody hears it and stands still meanwhile, as a radio that is turned off with its last listener.
//! Who comes back hears it further on, not from its beginning, unless it was taken off in between.

use super::legs::{LegIndex, Legs};
use crate::codec::{Codec, CodecError, Encoder};
use crate::conference::Bus;
use crate::event::{Refusal, TapSide, Tapped};
use crate::fault::Planted;
use crate::frame::{Frame, SampleRate};
use crate::id::{PlayerId, ProgrammeId};
use crate::leg::{Player, Plays, Sound};
use crate::stats::Counters;
use crate::tap::{self, AnySink};
use crate::time::{Tick, Time};

/// The music, with all that it needs to be heard in every codec. Built on the control side.
#[derive(Debug)]
pub struct Programme {
    /// One for each rate at which somebody may hear it.
    studios: [Studio; SampleRate::ALL.len()],
}

/// The music at one rate.
struct Studio {
    player: Box<Player>,
    bus: Bus,
    /// Whether this tick's 20 ms are in the bus.
    is_on: bool,
    /// Ticks since somebody heard it, as far as they matter.
    rested: u8,
}

/// Ticks after which a bus that nobody hears has forgotten what was heard.
const RESTED_TICKS: u8 = 4;

impl Programme {
    /// This sound, over and over.
    ///
    /// # Errors
    /// When an encoder cannot be set up.
    pub fn new(sound: &Sound) -> Result<Box<Self>, CodecError> {
        let [narrow, wide, full] = SampleRate::ALL.map(|rate| Studio::new(sound, rate));
        Ok(Box::new(Self { studios: [narrow?, wide?, full?] }))
    }

    fn begin(&mut self) {
        self.studios.iter_mut().for_each(Studio::begin);
    }

    fn at(&mut self, rate: SampleRate) -> &mut Bus {
        self.studios[rate.index()].play()
    }
}

impl Studio {
    fn new(sound: &Sound, rate: SampleRate) -> Result<Self, CodecError> {
        // Nobody asks how far it is.
        let player = Player::new(PlayerId(0), sound.clone(), Plays::Forever);
        Ok(Self { player, bus: Bus::new(rate)?, is_on: false, rested: 0 })
    }

    fn begin(&mut self) {
        self.rested = if std::mem::take(&mut self.is_on) { 0 } else { self.rested.saturating_add(1) };
        if self.rested <= RESTED_TICKS {
            self.bus.begin();
        }
    }

    fn play(&mut self) -> &mut Bus {
        if !self.is_on {
            let mut frame = Frame::silence(self.bus.rate());
            self.player.play(&mut frame);
            self.bus.add(frame.samples());
            self.bus.begin_mix();
            self.bus.end_mix();
            self.is_on = true;
        }
        &mut self.bus
    }
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studio").field("rate", &self.bus.rate()).finish_non_exhaustive()
    }
}

/// Programmes that may be on at a time in an engine. Each costs its encoders while somebody hears it, so that many that one
/// hears each would win nothing; and who looks for one looks through all.
pub const PROGRAMMES_MAX: usize = 16;

/// Ticks for which one that was taken off stays: who heard it fades out in the first, and the encoder of each goes on from its
/// encoders in the next.
const GOING_TICKS: u8 = 3;

/// What is on in an engine, and who hears it in this tick.
pub(crate) struct Broadcast {
    on: Vec<OnAir>,
    /// With what they hear.
    listeners: Vec<(LegIndex, ProgrammeId)>,
}

struct OnAir {
    id: ProgrammeId,
    programme: Box<Programme>,
    /// The ticks that it has left, once it was taken off.
    going: Option<u8>,
}

impl Broadcast {
    /// Nothing on yet, with room for so many listeners.
    pub(super) fn new(legs_max: usize) -> Self {
        Self { on: Vec::with_capacity(PROGRAMMES_MAX), listeners: Vec::with_capacity(legs_max) }
    }

    /// What is on under this name from now on. What makes room for it travels home: what was on under the name, or what has
    /// been taken off. Without room it comes back itself.
    pub(super) fn put_on(
        &mut self,
        id: ProgrammeId,
        programme: Box<Programme>,
    ) -> Result<Option<Box<Programme>>, Box<Programme>> {
        let new = OnAir { id, programme, going: None };
        let same = self.on.iter().position(|on| on.id == id);
        if same.is_none() && self.on.len() < PROGRAMMES_MAX {
            self.on.push(new);
            return Ok(None);
        }
        match same.or_else(|| self.on.iter().position(|on| on.going.is_some())) {
            Some(place) => Ok(Some(std::mem::replace(&mut self.on[place], new).programme)),
            None => Err(new.programme),
        }
    }

    pub(super) fn take_off(&mut self, id: ProgrammeId) -> Result<(), Refusal> {
        let on = self.on.iter_mut().find(|on| on.id == id && on.going.is_none());
        on.ok_or(Refusal::NotPlaying)?.going = Some(GOING_TICKS);
        Ok(())
    }

    /// The next that was taken off and is needed no more.
    pub(super) fn take_gone(&mut self) -> Option<Box<Programme>> {
        let place = self.on.iter().position(|on| on.going == Some(0))?;
        Some(self.on.swap_remove(place).programme)
    }

    /// Whether it can be tuned to.
    pub(super) fn is_on(&self, id: ProgrammeId) -> bool {
        self.on.iter().any(|on| on.id == id && on.going.is_none())
    }

    pub(super) fn begin(&mut self) {
        self.listeners.clear();
        for on in &mut self.on {
            on.programme.begin();
            on.going = on.going.map(|ticks| ticks.saturating_sub(1));
        }
    }

    /// This leg hears it in this tick: it is sent it when all others have been sent theirs.
    pub(crate) fn heard_by(&mut self, leg: LegIndex, id: ProgrammeId) {
        self.listeners.push((leg, id));
    }

    /// What is heard in this tick under this name; silence if nothing is on there.
    pub(crate) fn render(&mut self, id: ProgrammeId, frame: &mut Frame) {
        if let Some(programme) = self.find(id) {
            let heard = programme.at(frame.rate()).render();
            frame.samples_mut().copy_from_slice(heard);
        }
    }

    /// The encoder of a codec's listeners, and what they heard in the tick before.
    pub(crate) fn listeners_before(&self, id: ProgrammeId, codec: Codec) -> Option<(&Encoder, &[i16])> {
        let on = self.on.iter().find(|on| on.id == id)?;
        on.programme.studios[codec.sample_rate().index()].bus.listeners_before(codec)
    }

    fn find(&mut self, id: ProgrammeId) -> Option<&mut Programme> {
        self.on.iter_mut().find(|on| on.id == id).map(|on| &mut *on.programme)
    }

    /// Sends all listeners what is on. Last of all in a tick: whoever has turned away was sent what their own encoder
    /// made, which goes on where this one was a tick ago.
    pub(super) fn send(&mut self, air: &mut Air<'_>) {
        for n in 0..self.listeners.len() {
            self.send_to(self.listeners[n], air);
        }
    }

    fn send_to(&mut self, (index, id): (LegIndex, ProgrammeId), air: &mut Air<'_>) {
        let leg = air.legs.at(index);
        leg.hears_played();
        let (codec, of, when) = (leg.codec(), Tapped::Leg(leg.id()), (air.tick, air.now));
        let rate = codec.sample_rate();
        let Some(programme) = self.find(id) else {
            let silence = Frame::silence(rate);
            if leg.tapped {
                tap::copy(air.taps, when, of, TapSide::Sent, rate, silence.samples());
            }
            leg.send_own(silence.samples(), None, air.counters, air.faults);
            return air.legs.done(index);
        };
        let bus = programme.at(rate);
        if leg.tapped {
            tap::copy(air.taps, when, of, TapSide::Sent, rate, bus.render());
        }
        if leg.keeps_own_encoder() {
            leg.send_kept(bus.render(), air.counters, air.faults);
        } else if let Some(encoded) =
            bus.listeners(codec, leg.expected_loss(), leg.own_encoder(), air.counters)
        {
            leg.send_broadcast(id, encoded, air.faults);
        }
        air.legs.done(index);
    }
}

/// What sending needs from the engine.
pub(super) struct Air<'a> {
    pub(super) tick: Tick,
    pub(super) now: Time,
    pub(super) legs: &'a mut Legs,
    pub(super) taps: &'a mut AnySink,
    pub(super) counters: &'a mut Counters,
    pub(super) faults: Planted,
}
