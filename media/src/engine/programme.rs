//! Music that many legs hear at once, wherever they are: those who wait, are on hold, or have no seat yet. It is read,
//! converted and encoded once a tick for all of them (one packet for each codec), so that ten thousand who wait cost
//! little more than their packets.
//!
//! It goes on while anybody hears it and stands still meanwhile, as a radio that is turned off with its last listener.
//! Who comes back hears it further on, not from its beginning.

use super::legs::{LegIndex, Legs};
use crate::codec::{Codec, CodecError, Encoder};
use crate::conference::Bus;
use crate::event::{TapSide, Tapped};
use crate::fault::Planted;
use crate::frame::{Frame, SampleRate};
use crate::id::PlayerId;
use crate::leg::{Player, Plays, Sound};
use crate::stats::Counters;
use crate::tap::Taps;
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
}

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
        for studio in &mut self.studios {
            studio.is_on = false;
            studio.bus.begin();
        }
    }

    fn at(&mut self, rate: SampleRate) -> &mut Bus {
        self.studios[rate.index()].play()
    }
}

impl Studio {
    fn new(sound: &Sound, rate: SampleRate) -> Result<Self, CodecError> {
        // Nobody asks how far it is.
        let player = Player::new(PlayerId(0), sound.clone(), Plays::Forever);
        Ok(Self { player, bus: Bus::new(rate)?, is_on: false })
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

/// An engine's programme, and who hears it in this tick.
pub(crate) struct Broadcast {
    programme: Option<Box<Programme>>,
    listeners: Vec<LegIndex>,
}

impl Broadcast {
    /// Nothing on yet, with room for so many listeners.
    pub(super) fn new(legs_max: usize) -> Self {
        Self { programme: None, listeners: Vec::with_capacity(legs_max) }
    }

    /// What is on from now on. What was travels home.
    pub(super) fn put_on(&mut self, programme: Box<Programme>) -> Option<Box<Programme>> {
        self.programme.replace(programme)
    }

    pub(super) const fn is_on(&self) -> bool {
        self.programme.is_some()
    }

    pub(super) fn begin(&mut self) {
        self.listeners.clear();
        if let Some(programme) = &mut self.programme {
            programme.begin();
        }
    }

    /// This leg hears it in this tick: it is sent it when all others have been sent theirs.
    pub(crate) fn heard_by(&mut self, leg: LegIndex) {
        self.listeners.push(leg);
    }

    /// What is heard in this tick; silence if nothing is on.
    pub(crate) fn render(&mut self, frame: &mut Frame) {
        if let Some(programme) = &mut self.programme {
            let heard = programme.at(frame.rate()).render();
            frame.samples_mut().copy_from_slice(heard);
        }
    }

    /// The encoder of a codec's listeners, and what they heard in the tick before.
    pub(crate) fn listeners_before(&self, codec: Codec) -> Option<(&Encoder, &[i16])> {
        let studio = &self.programme.as_ref()?.studios[codec.sample_rate().index()];
        studio.bus.listeners_before(codec)
    }

    /// Sends all listeners what is on. Last of all in a tick: whoever has turned away was sent what their own encoder
    /// made, which goes on where this one was a tick ago.
    pub(super) fn send(&mut self, air: &mut Air<'_>) {
        for n in 0..self.listeners.len() {
            self.send_to(self.listeners[n], air);
        }
    }

    fn send_to(&mut self, index: LegIndex, air: &mut Air<'_>) {
        let leg = air.legs.at(index);
        let codec = leg.codec();
        let Some(programme) = &mut self.programme else {
            let silence = Frame::silence(codec.sample_rate());
            leg.send_own(silence.samples(), None, air.counters, air.faults);
            return air.legs.done(index);
        };
        let bus = programme.at(codec.sample_rate());
        if leg.tapped {
            let rate = bus.rate();
            air.taps.copy((air.tick, air.now), Tapped::Leg(leg.id()), TapSide::Sent, rate, bus.render());
        }
        leg.hears_played();
        if leg.keeps_own_encoder() {
            leg.send_kept(bus.render(), air.counters, air.faults);
        } else if let Some(encoded) = bus.listeners(codec, leg.expected_loss(), air.counters) {
            leg.send_broadcast(encoded, air.faults);
        }
        air.legs.done(index);
    }
}

/// What sending needs from the engine.
pub(super) struct Air<'a> {
    pub(super) tick: Tick,
    pub(super) now: Time,
    pub(super) legs: &'a mut Legs,
    pub(super) taps: &'a mut Taps,
    pub(super) counters: &'a mut Counters,
    pub(super) faults: Planted,
}
