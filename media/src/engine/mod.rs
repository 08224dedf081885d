//! The tables of one media thread's legs and conferences. It routes; the logic is theirs.

pub(crate) mod legs;
pub(crate) mod programme;

use std::collections::VecDeque;

pub use self::legs::{IdHasher, IdMap, id_map};
use self::legs::{LegIndex, Legs};
use self::programme::{Air, Broadcast};
pub use self::programme::{PROGRAMMES_MAX, Programme};
use crate::command::{Ask, Audience, Command, LegChange};
use crate::conference::{Conference, ConferenceTap, Equipment, Participant, Seat, Step, TapBench};
use crate::costs::TickTimes;
use crate::event::{Event, LevelReport, Refusal, Retired, Tap, TapSide, Tapped};
use crate::fault::Planted;
use crate::frame::Frame;
use crate::id::{ConferenceId, LegId, ProgrammeId};
use crate::leg::{Capture, Datagram, DigitSender, Leg, Player, PressedDigit, QualityReport};
use crate::playout::Sound as Heard;
use crate::prefetch::fetch;
use crate::stats::{Counters, Discard};
use crate::tap::{self, AnySink, TapSink, Taps};
use crate::time::{Tick, Time};
use crate::transmit::Transmit;

/// Commands that may be handed in before events and the retired are drained. The lists for their answers are
/// as long.
pub const COMMANDS_PER_DRAIN: usize = 64;

/// How much an engine can hold. All of it is allocated at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Legs; one more is refused.
    pub legs_max: usize,
    /// Conferences; one more is refused.
    pub conferences_max: usize,
    /// Tap frames that may wait to be fetched, where they do not [go elsewhere at once](Engine::mix_into); one more is dropped
    /// and counted. A frame takes 2 KB.
    pub tap_frames_max: usize,
}

/// The engine.
pub struct Engine {
    legs: Legs,
    conferences: Vec<Box<Conference>>,
    conferences_max: usize,
    /// Conferences before this one have nothing to report before the next tick.
    reported: usize,
    seats: IdMap<LegId, ConferenceId>,
    answers: VecDeque<Event>,
    retired: VecDeque<Retired>,
    /// Legs that were removed and still have a goodbye to send; so many of them have sent it.
    leaving: VecDeque<Box<Leg>>,
    farewells: usize,
    taps: Taps,
    tap_bench: Box<TapBench>,
    broadcast: Broadcast,
    tick: Tick,
    /// The time the tick under way is for.
    now: Time,
    /// Datagrams fetched before it.
    sent_before: u64,
    counters: Counters,
    faults: Planted,
}

/// A tick half made: all is heard and mixed. While this is there, nothing else can be asked of the engine.
#[must_use = "what was mixed is to be encoded"]
pub struct Mixed<'a> {
    engine: &'a mut Engine,
    /// Where what is copied goes, unless it is to be fetched.
    taps: Option<&'a mut AnySink>,
}

impl Mixed<'_> {
    /// Encodes what each hears: afterwards each leg's packet is there to be fetched.
    pub fn encode(self) {
        self.engine.end_tick(self.taps);
    }
}

impl Engine {
    /// An empty engine.
    pub fn new(settings: EngineSettings) -> Self {
        Self {
            legs: Legs::new(settings.legs_max),
            conferences: Vec::with_capacity(settings.conferences_max),
            conferences_max: settings.conferences_max,
            reported: 0,
            seats: id_map(settings.legs_max),
            answers: VecDeque::with_capacity(COMMANDS_PER_DRAIN),
            // A leg that is removed can leave its capture beside itself.
            retired: VecDeque::with_capacity(2 * COMMANDS_PER_DRAIN),
            leaving: VecDeque::with_capacity(COMMANDS_PER_DRAIN),
            farewells: 0,
            taps: Taps::new(settings.tap_frames_max),
            tap_bench: TapBench::new(),
            broadcast: Broadcast::new(settings.legs_max),
            tick: Tick::default(),
            now: Time::ZERO,
            sent_before: 0,
            counters: Counters::default(),
            faults: Planted::default(),
        }
    }

    /// Makes the engine wrong on purpose.
    #[cfg(feature = "planted-faults")]
    pub fn plant(&mut self, fault: crate::fault::Fault) {
        self.faults.plant(fault);
    }

    /// Applies a command; it counts from the next tick on. Its answer is an event.
    ///
    /// At most [`COMMANDS_PER_DRAIN`] commands may come before [`poll_event`](Self::poll_event) and
    /// [`poll_retired`](Self::poll_retired) are drained; more are answered too, at the price of an allocation.
    pub fn handle_command(&mut self, command: Command) {
        let applied = self.apply(command.ask);
        self.answers.push_back(match applied {
            Ok(()) => Event::Applied { command: command.id, tick: self.tick },
            Err(refusal) => Event::Refused { command: command.id, refusal },
        });
    }

    /// Takes in what came to a leg's socket.
    pub fn handle_datagram(&mut self, leg: LegId, datagram: &Datagram<'_>) {
        self.counters.received += 1;
        self.faults.look_at(datagram.payload);
        let Some(index) = self.legs.index(leg) else {
            self.counters.count(Discard::NoLeg);
            return;
        };
        self.legs.at(index).receive(datagram, &mut self.counters);
        self.legs.list_events(index);
    }

    /// Has what datagrams of this leg will need fetched from memory, if somebody knows that some are to come soon.
    pub fn look_ahead(&self, leg: LegId) {
        self.legs.fetch_ahead(self.legs.index(leg), None);
    }

    /// Plays one 20 ms step: afterwards each leg's packet is there to be fetched.
    ///
    /// `now` is the time the step is for, which may be a little before the time it is made.
    pub fn tick(&mut self, now: Time) {
        self.mix(now).encode();
    }

    /// The first half of a [`tick`](Self::tick): hears all legs and mixes. Who wants to know what the halves take can
    /// look at a clock in between.
    pub fn mix(&mut self, now: Time) -> Mixed<'_> {
        self.mix_with(now, None)
    }

    /// The same. What is copied goes to `taps` at once, and none of it is to be fetched.
    pub fn mix_into<'a>(&'a mut self, now: Time, taps: &'a mut (dyn TapSink + 'static)) -> Mixed<'a> {
        self.mix_with(now, Some(taps))
    }

    fn mix_with<'a>(&'a mut self, now: Time, mut taps: Option<&'a mut AnySink>) -> Mixed<'a> {
        self.now = now;
        self.sent_before = self.counters.transmitted;
        self.legs.begin_tick();
        self.broadcast.begin();
        let (conferences, mut step) = self.step(taps.as_deref_mut());
        for n in 0..conferences.len() {
            fetch_ahead(conferences, n, step.legs);
            conferences[n].mix_all(&mut step);
        }
        Mixed { engine: self, taps }
    }

    fn end_tick(&mut self, mut taps: Option<&mut AnySink>) {
        let (conferences, mut step) = self.step(taps.as_deref_mut());
        for n in 0..conferences.len() {
            fetch_ahead(conferences, n, step.legs);
            conferences[n].give_all(&mut step);
        }
        idle(&mut step);
        self.air(taps);
        self.reported = 0;
        self.counters.ticks += 1;
        self.tick = self.tick.next();
    }

    fn step<'a>(&'a mut self, taps: Option<&'a mut AnySink>) -> (&'a mut [Box<Conference>], Step<'a>) {
        let step = Step {
            tick: self.tick,
            now: self.now,
            legs: &mut self.legs,
            taps: taps.unwrap_or(&mut self.taps),
            tap_bench: &mut self.tap_bench,
            counters: &mut self.counters,
            faults: self.faults,
            broadcast: &mut self.broadcast,
        };
        (&mut self.conferences, step)
    }

    fn air(&mut self, taps: Option<&mut AnySink>) {
        self.broadcast.send(&mut Air {
            tick: self.tick,
            now: self.now,
            legs: &mut self.legs,
            taps: taps.unwrap_or(&mut self.taps),
            counters: &mut self.counters,
            faults: self.faults,
        });
    }

    /// Takes in how long the last tick took, by the caller's clock, once its datagrams are sent: it is part of the
    /// legs' [`LatencyLedger`](crate::LatencyLedger)s, and of nothing else.
    pub fn note_times(&mut self, times: TickTimes) {
        self.legs.note_times(times, self.counters.transmitted - self.sent_before);
    }

    /// The next datagram to send. Fetch all before the next tick: it forgets those that were not.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        let transmit = match self.legs.poll_transmit() {
            None => {
                let farewell = self.leaving.get(self.farewells).and_then(|leg| leg.transmit(0));
                self.farewells += usize::from(farewell.is_some());
                farewell
            }
            transmit => transmit,
        };
        self.counters.transmitted += u64::from(transmit.is_some());
        transmit
    }

    /// The next thing that happened. What happened on a leg waits in the leg and merges with newer state, and so
    /// with conferences.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.answers.pop_front().or_else(|| self.legs.poll_event());
        event.or_else(|| self.conference_event())
    }

    /// The next copied frame.
    pub fn poll_tap(&mut self) -> Option<Tap> {
        let mut tap = Tap::empty();
        let (head, samples) = self.taps.next()?;
        tap.begin(head).copy_from_slice(samples);
        Some(tap)
    }

    /// The next thing the engine needs no more.
    pub fn poll_retired(&mut self) -> Option<Retired> {
        let retired = self.retired.pop_front();
        let retired = retired.or_else(|| self.legs.take_ended_capture().map(Retired::Capture));
        retired.or_else(|| self.broadcast.take_gone().map(Retired::Programme)).or_else(|| {
            // Who has said goodbye can go.
            self.farewells = self.farewells.checked_sub(1)?;
            self.leaving.pop_front().map(Retired::Leg)
        })
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        Counters { taps_dropped: self.taps.dropped(), playout: self.legs.playout(), ..self.counters }
    }

    /// Legs and conferences it holds.
    pub fn load(&self) -> (usize, usize) {
        (self.legs.len(), self.conferences.len())
    }

    fn conference_event(&mut self) -> Option<Event> {
        while let Some(conference) = self.conferences.get_mut(self.reported) {
            if let Some(event) = conference.take_event() {
                return Some(Event::Conference { conference: conference.id(), event });
            }
            self.reported += 1;
        }
        None
    }

    fn apply(&mut self, ask: Ask) -> Result<(), Refusal> {
        match ask {
            Ask::AddLeg(leg) => self.add_leg(leg),
            Ask::RemoveLeg(leg) => self.remove_leg(leg),
            Ask::DetachLeg(leg) => self.detach_leg(leg),
            Ask::SetLegMedia(leg, change) => self.set_leg_media(leg, change),
            Ask::Play(leg, player) => self.play(leg, player),
            Ask::PlayToAll(conference, player) => self.play_to_all(conference, player),
            Ask::PutOn(id, programme) => self.put_on(id, programme),
            Ask::Tune(leg, to) => self.tune(leg, to),
            Ask::TakeOff(programme) => self.broadcast.take_off(programme),
            Ask::StopPlaying(leg) => self.stop_playing(leg),
            Ask::HearDigit(leg, key) => self.hear_digit(leg, key),
            Ask::StartCapture(leg, capture) => self.start_capture(leg, capture),
            Ask::StopCapture(leg) => self.legs.get(leg).ok_or(Refusal::NoLeg)?.stop_capture(),
            Ask::PressDigits(leg, presses) => self.press_digits(leg, presses),
            Ask::ReportQuality(report) => self.report_quality(report),
            Ask::Equip(conference, equipment) => self.equip(conference, equipment),
            Ask::ReportLevels(report) => self.report_levels(report),
            Ask::AddConference(conference) => self.add_conference(conference),
            Ask::RemoveConference(conference) => self.remove_conference(conference),
            Ask::Join(leg, conference, seat) => self.join(leg, conference, seat),
            Ask::Leave(leg) => self.leave(leg),
            Ask::SetAudience(leg, audience) => self.set_audience(leg, audience),
            Ask::SetHearing(leg, hearing) => self.participant(leg).map(|p| p.seat.hearing = hearing),
            Ask::SetTap(leg, tapped) => {
                self.legs.get(leg).ok_or(Refusal::NoLeg)?.tapped = tapped;
                Ok(())
            }
            Ask::TapConference(conference, tap) => self.tap_conference(conference, tap),
            Ask::UntapConference(conference) => self.untap_conference(conference),
        }
    }

    fn add_leg(&mut self, leg: Box<Leg>) -> Result<(), Refusal> {
        match self.legs.add(leg, self.now) {
            Ok(index) => {
                // One that comes from another engine may have something to tell.
                self.legs.list_events(index);
                Ok(())
            }
            Err((leg, refusal)) => {
                self.retired.push_back(Retired::Leg(leg));
                Err(refusal)
            }
        }
    }

    fn remove_leg(&mut self, leg: LegId) -> Result<(), Refusal> {
        if self.seats.contains_key(&leg) {
            self.leave(leg)?;
        }
        let mut leg = self.legs.remove(leg).ok_or(Refusal::NoLeg)?;
        self.retired.extend(leg.take_capture().map(Retired::Capture));
        if self.leaving.len() < COMMANDS_PER_DRAIN && leg.say_goodbye() {
            self.leaving.push_back(leg);
        } else {
            self.retired.push_back(Retired::Leg(leg));
        }
        Ok(())
    }

    fn detach_leg(&mut self, leg: LegId) -> Result<(), Refusal> {
        if self.seats.contains_key(&leg) {
            self.leave(leg)?;
        }
        let leg = self.legs.remove(leg).ok_or(Refusal::NoLeg)?;
        self.retired.push_back(Retired::Leg(leg));
        Ok(())
    }

    fn set_leg_media(&mut self, leg: LegId, mut change: Box<LegChange>) -> Result<(), Refusal> {
        let changed = self.change_leg(leg, &mut change);
        self.retired.push_back(Retired::LegChange(change));
        changed
    }

    /// Leaves in `change` what is to travel home.
    fn change_leg(&mut self, leg: LegId, change: &mut LegChange) -> Result<(), Refusal> {
        let index = self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        if !self.legs.at(index).can_become(change) {
            return Err(Refusal::NotEquipped);
        }
        if let Some(&conference) = self.seats.get(&leg)
            && !self.conference(conference)?.is_equipped_for(change.media.codec.sample_rate())
        {
            return Err(Refusal::NotEquipped);
        }
        self.legs.at(index).become_other(change);
        self.legs.list_events(index);
        Ok(())
    }

    fn hear_digit(&mut self, leg: LegId, key: PressedDigit) -> Result<(), Refusal> {
        let index = self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        self.legs.at(index).hear_digit(key, &mut self.counters);
        self.legs.list_events(index);
        Ok(())
    }

    fn play(&mut self, leg: LegId, player: Box<Player>) -> Result<(), Refusal> {
        let (replaced, played) = match self.legs.get(leg) {
            Some(leg) => (leg.begin_playing(player), Ok(())),
            None => (Some(player), Err(Refusal::NoLeg)),
        };
        self.retired.extend(replaced.map(Retired::Player));
        played
    }

    fn put_on(&mut self, id: ProgrammeId, programme: Box<Programme>) -> Result<(), Refusal> {
        let (home, put_on) = match self.broadcast.put_on(id, programme) {
            Ok(replaced) => (replaced, Ok(())),
            Err(programme) => (Some(programme), Err(Refusal::EngineFull)),
        };
        self.retired.extend(home.map(Retired::Programme));
        put_on
    }

    fn tune(&mut self, leg: LegId, to: ProgrammeId) -> Result<(), Refusal> {
        if !self.broadcast.is_on(to) {
            return Err(Refusal::NotEquipped);
        }
        let replaced = self.legs.get(leg).ok_or(Refusal::NoLeg)?.tune(to);
        self.retired.extend(replaced.map(Retired::Player));
        Ok(())
    }

    fn play_to_all(&mut self, conference: ConferenceId, player: Box<Player>) -> Result<(), Refusal> {
        let (home, played) = match self.conference(conference) {
            Err(refusal) => (Some(player), Err(refusal)),
            Ok(conference) => match conference.announce(player) {
                Ok(over) => (over, Ok(())),
                Err(player) => (Some(player), Err(Refusal::AnnouncementsFull)),
            },
        };
        self.retired.extend(home.map(Retired::Player));
        played
    }

    fn stop_playing(&mut self, leg: LegId) -> Result<(), Refusal> {
        let index = self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        let stopped = self.legs.at(index).stop_playing();
        self.legs.list_events(index);
        if stopped { Ok(()) } else { Err(Refusal::NotPlaying) }
    }

    fn start_capture(&mut self, leg: LegId, capture: Box<Capture>) -> Result<(), Refusal> {
        let (tick, mut capture) = (self.tick, Some(capture));
        let leg = self.legs.get(leg);
        let started = leg.map_or(Err(Refusal::NoLeg), |leg| leg.start_capture(&mut capture, tick));
        self.retired.extend(capture.map(Retired::Capture));
        started
    }

    fn press_digits(&mut self, leg: LegId, presses: Box<DigitSender>) -> Result<(), Refusal> {
        let mut presses = Some(presses);
        let pressed = self.legs.get(leg).map_or(Err(Refusal::NoLeg), |leg| leg.press(&mut presses));
        self.retired.extend(presses.map(Retired::Presses));
        pressed
    }

    fn report_quality(&mut self, mut report: Box<QualityReport>) -> Result<(), Refusal> {
        let leg = self.legs.get(report.leg).ok_or(Refusal::NoLeg);
        let filled_in = leg.map(|leg| leg.report_quality(&mut report));
        self.retired.push_back(Retired::Quality(report));
        filled_in
    }

    fn report_levels(&mut self, mut report: Box<LevelReport>) -> Result<(), Refusal> {
        let conference = self.conference(report.conference);
        let filled_in = conference.map(|conference| conference.report_levels(&mut report));
        self.retired.push_back(Retired::Levels(report));
        filled_in
    }

    fn equip(&mut self, conference: ConferenceId, mut equipment: Box<Equipment>) -> Result<(), Refusal> {
        let equipped = self.conference(conference).map(|conference| conference.equip(&mut equipment));
        self.retired.push_back(Retired::Equipment(equipment));
        equipped
    }

    fn tap_conference(&mut self, id: ConferenceId, tap: Box<ConferenceTap>) -> Result<(), Refusal> {
        let (home, tapped) = match self.conference(id) {
            Ok(conference) => (conference.tap(tap), Ok(())),
            Err(refusal) => (Some(tap), Err(refusal)),
        };
        self.retired.extend(home.map(Retired::ConferenceTap));
        tapped
    }

    fn untap_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        let home = self.conference(id)?.untap();
        self.retired.extend(home.map(Retired::ConferenceTap));
        Ok(())
    }

    fn add_conference(&mut self, conference: Box<Conference>) -> Result<(), Refusal> {
        let refusal = if self.conference(conference.id()).is_ok() {
            Refusal::Exists
        } else if self.conferences.len() >= self.conferences_max {
            Refusal::EngineFull
        } else {
            self.conferences.push(conference);
            return Ok(());
        };
        self.retired.push_back(Retired::Conference(conference));
        Err(refusal)
    }

    fn remove_conference(&mut self, id: ConferenceId) -> Result<(), Refusal> {
        let place = self.conferences.iter().position(|c| c.id() == id);
        let conference = self.conferences.swap_remove(place.ok_or(Refusal::NoConference)?);
        for index in conference.leg_indices() {
            self.seats.remove(&self.legs.at(index).id());
            self.unseat(index);
        }
        self.retired.push_back(Retired::Conference(conference));
        Ok(())
    }

    fn join(&mut self, leg: LegId, conference: ConferenceId, seat: Seat) -> Result<(), Refusal> {
        let index = self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        let rate = self.legs.at(index).codec().sample_rate();
        if !self.conference(conference)?.is_equipped_for(rate) {
            return Err(Refusal::NotEquipped);
        }
        let already_here = self.seats.get(&leg) == Some(&conference);
        if self.conference(conference)?.is_full() && !already_here {
            return Err(Refusal::ConferenceFull);
        }
        if self.seats.contains_key(&leg) {
            self.leave(leg)?;
        }
        self.conference(conference)?.seat(leg, index, seat);
        self.seats.insert(leg, conference);
        self.legs.set_seated(index, true);
        Ok(())
    }

    fn leave(&mut self, leg: LegId) -> Result<(), Refusal> {
        let index = self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        let conference = self.seats.remove(&leg).ok_or(Refusal::NotSeated)?;
        self.conference(conference)?.unseat(leg);
        self.unseat(index);
        Ok(())
    }

    fn unseat(&mut self, index: LegIndex) {
        self.legs.set_seated(index, false);
        self.legs.at(index).speaks(false);
        self.legs.list_events(index);
    }

    /// Who is muted has stopped speaking, before anybody is told anything else.
    fn set_audience(&mut self, leg: LegId, audience: Audience) -> Result<(), Refusal> {
        let participant = self.participant(leg)?;
        participant.seat.audience = audience;
        let (index, speaks) = (participant.index, participant.is_heard_speaking());
        self.legs.at(index).speaks(speaks);
        self.legs.list_events(index);
        Ok(())
    }

    fn participant(&mut self, leg: LegId) -> Result<&mut Participant, Refusal> {
        self.legs.index(leg).ok_or(Refusal::NoLeg)?;
        let conference = *self.seats.get(&leg).ok_or(Refusal::NotSeated)?;
        self.conference(conference)?.participant_mut(leg).ok_or(Refusal::NotSeated)
    }

    fn conference(&mut self, id: ConferenceId) -> Result<&mut Conference, Refusal> {
        self.conferences.iter_mut().find(|c| c.id() == id).map(Box::as_mut).ok_or(Refusal::NoConference)
    }
}

/// Has fetched what will be needed of the next conferences after this one, step by step as it comes.
fn fetch_ahead(conferences: &[Box<Conference>], n: usize, legs: &Legs) {
    let ahead = |steps: usize| conferences.get(n + steps).map(Box::as_ref);
    if let Some(at) = conferences.get(n + 8) {
        fetch(at);
    }
    if let Some(conference) = ahead(4) {
        conference.fetch_ahead();
    }
    if let Some(conference) = ahead(3) {
        conference.fetch_beyond();
    }
    if let Some(conference) = ahead(2) {
        conference.fetch_first_legs(legs);
    }
    if let Some(conference) = ahead(1) {
        conference.fetch_beyond_first_legs(legs);
    }
}

/// Legs without a seat: what they say goes nowhere, and they are sent what they are played.
fn idle(step: &mut Step<'_>) {
    let mut n = 0;
    while let Some(index) = step.legs.unseated(n) {
        step.legs.fetch_ahead(step.legs.unseated(n + 2), step.legs.unseated(n + 1));
        idle_leg(index, step);
        n += 1;
    }
}

fn idle_leg(index: LegIndex, step: &mut Step<'_>) {
    let leg = step.legs.at(index);
    let mut frame = Frame::silence(leg.codec().sample_rate());
    let said = leg.hear(step.now, step.counters, &mut frame);
    let (when, of) = ((step.tick, step.now), Tapped::Leg(leg.id()));
    if leg.tapped {
        if said == Heard::Silence {
            frame.silence_at(frame.rate());
        }
        tap::copy(step.taps, when, of, TapSide::Received, frame.rate(), frame.samples());
    }
    if let Some(on) = leg.shares_broadcast() {
        return step.broadcast.heard_by(index, on);
    }
    leg.play(&mut frame, step.broadcast);
    if leg.tapped {
        tap::copy(step.taps, when, of, TapSide::Sent, frame.rate(), frame.samples());
    }
    let before = leg.comes_from_broadcast().and_then(|on| step.broadcast.listeners_before(on, leg.codec()));
    leg.send_own(frame.samples(), before, step.counters, step.faults);
    step.legs.done(index);
}
