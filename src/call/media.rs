//! The model's hold on the media threads: places conferences, gives orders, and remembers who waits for which
//! to be carried out.

mod on_air;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::time::Duration;

use confab_media::ice::IceCredentials;
use confab_media::playout::PlayoutSettings;
use confab_media::{
    Ask, Audience, Capture, CaptureId, Codec, CodecError, Coding, Command, CommandId, Conference,
    ConferenceId, ConferenceSettings, ConferenceTap, DigitPassage, DigitSender, EncoderSettings, Equipment,
    Feed, Hearing, Leg, LegChange, LegId, LegMedia, LegSettings, LegSrtp, LevelReport, OpusTerms, Player,
    PlayerId, Plays, PressedDigit, QualityReport, SampleRate, Seat, Sound,
};

use tracing::error;

pub(super) use self::on_air::Play;
use self::on_air::{OnAir, PLAY_ORDERS};
use super::handle::CallMedia;
use crate::worker::{LegWay, Order, Ports, WorkerIndex, Workers, wall_clock};

/// A stream begins with a sequence number of 15 bits. How often the numbers have begun again is part of how SRTP protects a
/// packet, and told in none (RFC 3711 §3.3.1): were a stream's first packets lost and the numbers began again in them, its
/// far end could open nothing of it, ever.
const FIRST_SEQUENCE_NUMBERS: u16 = 0x7fff;

/// A leg's place on the media threads.
#[derive(Debug)]
pub(super) struct LegPlace {
    pub(super) leg: LegId,
    pub(super) worker: WorkerIndex,
    /// Held until the leg is handed to its thread.
    pub(super) way: Option<LegWay>,
    /// The thread that looks at the port of the leg's browser, whichever the leg lives on.
    home: Option<WorkerIndex>,
    /// The codec it was told to speak last, and the length of its packets.
    format: Option<(Codec, u8)>,
}

impl LegPlace {
    /// Gives back the ports of a leg that never came to its thread.
    pub(super) fn forget_ways(&mut self) {
        self.way = None;
    }

    /// Samples a second of what it says and hears.
    pub(super) fn sample_rate(&self) -> SampleRate {
        self.format.map_or(SampleRate::Hz8000, |(codec, _)| codec.sample_rate())
    }
}

/// A leg that a browser reaches by a port that it shares with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrowserLeg {
    /// Which.
    pub leg: LegId,
    /// The thread that looks at the port.
    pub worker: WorkerIndex,
    /// The port.
    pub port: u16,
}

/// A conference's place on the media threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConferencePlace {
    pub(super) conference: ConferenceId,
    pub(super) worker: WorkerIndex,
    seats_max: usize,
}

/// No room before a media thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// How legs receive.
#[derive(Clone, Copy, Debug)]
pub struct Receiving {
    /// A leg from which neither RTP nor RTCP came for so long is ended.
    pub timeout: Duration,
    /// How its receive buffer behaves.
    pub playout: PlayoutSettings,
    /// Whether others hear the keys that it presses.
    pub digits: DigitPassage,
}

/// The media threads. `W` is what waits for an answer.
pub(super) struct Media<W> {
    workers: Workers,
    ports: Ports,
    receiving: Receiving,
    /// Legs and conferences given to each thread, to find the least loaded.
    load: Vec<usize>,
    /// Which conferences are equipped for which sample rates.
    equipped: HashSet<(ConferenceId, SampleRate)>,
    /// Music that goes round, and who hears it.
    on_air: OnAir,
    /// What waits for a command to be carried out. Each entry is answered by the thread, or dropped when the
    /// thread restarts; so it is bounded by the rings.
    waiting: HashMap<CommandId, (WorkerIndex, W)>,
    /// Orders that must not be lost and found no room. Bounded because no call is let in meanwhile, and those that
    /// are here have at most four orders each before they are gone.
    backlog: VecDeque<(WorkerIndex, Order)>,
    next_id: u64,
}

impl<W> Media<W> {
    pub(super) fn new(workers: Workers, ports: Ports, receiving: Receiving) -> Self {
        Self {
            load: vec![0; workers.len()],
            workers,
            ports,
            receiving,
            equipped: HashSet::new(),
            on_air: OnAir::default(),
            waiting: HashMap::new(),
            backlog: VecDeque::new(),
            next_id: 1,
        }
    }

    /// Whether orders that must not be lost wait for room: a media thread does not keep up.
    pub(super) fn is_behind(&mut self) -> bool {
        self.retry();
        !self.backlog.is_empty()
    }

    /// Takes ports for a leg that will live beside `conference`, or anywhere.
    pub(super) fn reserve_leg(&mut self, conference: Option<ConferencePlace>) -> io::Result<(LegPlace, u16)> {
        let sockets = self.ports.bind()?;
        let port = sockets.port();
        let leg = LegId(self.next());
        let worker = conference.map_or_else(|| self.least_loaded(), |place| place.worker);
        self.load[worker] += 1;
        let way = Some(LegWay::Own(sockets));
        Ok((LegPlace { leg, worker, way, home: None, format: None }, port))
    }

    /// By what port for browsers a leg could come that is not on its thread yet. Without such a port there is none to be had.
    pub(super) fn browser_leg(&self, place: &LegPlace) -> Option<BrowserLeg> {
        let port = self.workers.browser_port(place.worker).filter(|_| place.way.is_some())?;
        Some(BrowserLeg { leg: place.leg, worker: place.worker, port: port.address().port() })
    }

    /// Lets a leg come by that port instead of ports of its own.
    fn share_port(&self, place: &mut LegPlace) {
        if let Some(port) = self.workers.browser_port(place.worker).filter(|_| place.way.is_some()) {
            place.way = Some(LegWay::Shared(port.clone()));
            place.home = Some(place.worker);
        }
    }

    /// Has a leg's browser answered under these credentials.
    fn answer_browser(&mut self, place: &LegPlace, credentials: Option<IceCredentials>) {
        if let (Some(home), Some(credentials)) = (place.home, credentials) {
            self.push(home, Order::AnswerFor(place.leg, credentials));
        }
    }

    fn least_loaded(&self) -> WorkerIndex {
        let least = self.load.iter().enumerate().min_by_key(|(_, load)| **load);
        least.map_or(0, |(worker, _)| worker)
    }

    /// Gives back what a leg that never was, or is no more, had.
    pub(super) fn forget_leg(&mut self, place: &LegPlace) {
        self.load[place.worker] = self.load[place.worker].saturating_sub(1);
        if let Some(home) = place.home {
            self.push(home, Order::AnswerForNoMore(place.leg));
        }
        self.hears_no_music(place.leg);
    }

    /// Puts a conference on the least loaded thread, for life.
    pub(super) fn add_conference(&mut self, settings: ConferenceSettings) -> ConferencePlace {
        let worker = self.least_loaded();
        let conference = ConferenceId(self.next());
        self.load[worker] += 1;
        self.surely(worker, Ask::AddConference(Conference::new(conference, settings)), None);
        ConferencePlace { conference, worker, seats_max: settings.seats_max }
    }

    /// Takes a conference from its thread; `waiter` waits until that is done, and with it all that was asked of
    /// the thread before.
    pub(super) fn remove_conference(&mut self, place: ConferencePlace, waiter: W) {
        self.load[place.worker] = self.load[place.worker].saturating_sub(1);
        for rate in SampleRate::ALL {
            self.equipped.remove(&(place.conference, rate));
        }
        self.surely(place.worker, Ask::RemoveConference(place.conference), Some(waiter));
    }

    /// Hands a leg to its thread and seats it, if it is to have a seat; `waiter` waits for the last of it.
    pub(super) fn connect_leg(
        &mut self,
        place: &mut LegPlace,
        mut media: CallMedia,
        seat: Option<(ConferencePlace, Seat)>,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        let coding = self.equip(seat.map(|(conference, _)| conference), &media.leg);
        // One order for the leg, one for who asks whether its browser may send, and one for its seat: half of it would be
        // worse than nothing.
        if self.workers.room(place.worker) < 3 || !self.backlog.is_empty() {
            return Err((Full, waiter));
        }
        if media.ice.is_some() {
            self.share_port(place);
        }
        let (Some(way), Some(coding)) = (place.way.take(), coding) else {
            return Err((Full, waiter));
        };
        let credentials = media.ice.take();
        place.format = Some(format(&media.leg));
        let leg = Leg::new(self.leg_settings(place.leg, media, coding));
        let id = self.command_id();
        let mut waiter = Some(waiter);
        if seat.is_none()
            && let Some(waiter) = waiter.take()
        {
            self.waiting.insert(id, (place.worker, waiter));
        }
        if self.workers.send(place.worker, Order::AddLeg(id, leg, way)).is_err() {
            let waiter = waiter.or_else(|| self.answered(id)).expect("it is here or waits");
            return Err((Full, waiter));
        }
        // Behind the leg: what its browser's first request tells is for it.
        self.answer_browser(place, credentials);
        match (seat, waiter) {
            (Some((conference, seat)), Some(waiter)) => {
                self.ask(place.worker, Ask::Join(place.leg, conference.conference, seat), waiter)
            }
            _ => Ok(()),
        }
    }

    /// Seats a leg in a conference of its thread.
    pub(super) fn join(
        &mut self,
        place: &LegPlace,
        (conference, seat): (ConferencePlace, Seat),
        waiter: W,
    ) -> Result<(), (Full, W)> {
        if let Some((codec, _)) = place.format
            && self.equip_conference(conference, codec.sample_rate()).is_err()
        {
            return Err((Full, waiter));
        }
        self.ask(place.worker, Ask::Join(place.leg, conference.conference, seat), waiter)
    }

    /// Takes a leg out of its conference; it stays on its thread.
    pub(super) fn leave(&mut self, place: &LegPlace, waiter: W) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::Leave(place.leg), waiter)
    }

    /// The same, without anybody waiting for it.
    pub(super) fn leave_surely(&mut self, place: &LegPlace) {
        self.surely(place.worker, Ask::Leave(place.leg), None);
    }

    /// Calls a leg home from its thread, to be [attached](Self::attach) to another.
    pub(super) fn detach(&mut self, place: &mut LegPlace, to: ConferencePlace) {
        self.surely(place.worker, Ask::DetachLeg(place.leg), None);
        self.load[place.worker] = self.load[place.worker].saturating_sub(1);
        self.load[to.worker] += 1;
        place.worker = to.worker;
    }

    /// Hands a leg that came home to its new thread and seats it there; `waiter` waits for the seat.
    pub(super) fn attach(
        &mut self,
        place: &LegPlace,
        leg: Box<Leg>,
        way: LegWay,
        (conference, seat): (ConferencePlace, Seat),
        waiter: W,
    ) {
        if let Some((codec, _)) = place.format
            && let Err(e) = self.equip_conference(conference, codec.sample_rate())
        {
            // The thread refuses the seat, and so the waiter is told.
            error!(error = %e, "no means for a codec");
        }
        let id = self.command_id();
        self.push(place.worker, Order::AddLeg(id, leg, way));
        if let Some(home) = place.home {
            self.push(home, Order::LegIsAt(place.leg, place.worker));
        }
        self.hears_music_again(place);
        self.surely(place.worker, Ask::Join(place.leg, conference.conference, seat), Some(waiter));
    }

    /// A leg is on its thread for certain. The thread to whose port its browser comes is told again: what it passed on
    /// before, as where the browser is, may have come to a thread that did not have the leg yet, or no longer.
    pub(super) fn has_arrived(&mut self, place: &LegPlace) {
        if let Some(home) = place.home {
            self.push(home, Order::LegIsAt(place.leg, place.worker));
        }
    }

    /// Plays a sound to a leg instead of what it was played.
    pub(super) fn play(
        &mut self,
        place: &LegPlace,
        sound: Sound,
        play: Play,
        waiter: impl FnOnce(PlayerId) -> W,
    ) -> Result<PlayerId, (Full, W)> {
        let id = PlayerId(self.next());
        // All of it or nothing.
        if !self.has_room(place, PLAY_ORDERS) {
            return Err((Full, waiter(id)));
        }
        let ask = self.playing(place, id, sound, play);
        self.ask(place.worker, ask, waiter(id)).map(|()| id)
    }

    /// Lets a leg hear what is written to a feed instead of what it was played.
    pub(super) fn feed(
        &mut self,
        place: &LegPlace,
        feed: Box<Feed>,
        waiter: impl FnOnce(PlayerId) -> W,
    ) -> Result<PlayerId, (Full, W)> {
        let id = PlayerId(self.next());
        // All of it or nothing.
        if !self.has_room(place, PLAY_ORDERS) {
            return Err((Full, waiter(id)));
        }
        self.hears_no_music(place.leg);
        self.ask(place.worker, Ask::Play(place.leg, Player::of_feed(id, *feed)), waiter(id)).map(|()| id)
    }

    /// Has what a leg says and hears handed out, or no more.
    pub(super) fn set_tap(&mut self, place: &LegPlace, tapped: bool) {
        self.surely(place.worker, Ask::SetTap(place.leg, tapped), None);
    }

    /// Has a conference copied as a whole, or no more.
    pub(super) fn tap_conference(&mut self, place: ConferencePlace, tap: Option<Box<ConferenceTap>>) {
        let ask = match tap {
            Some(tap) => Ask::TapConference(place.conference, tap),
            None => Ask::UntapConference(place.conference),
        };
        self.surely(place.worker, ask, None);
    }

    /// Stops what a leg is played.
    pub(super) fn stop_playing(&mut self, place: &LegPlace, waiter: W) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::StopPlaying(place.leg), waiter)?;
        self.hears_no_music(place.leg);
        Ok(())
    }

    /// The same, without anybody waiting for it.
    pub(super) fn stop_playing_surely(&mut self, place: &LegPlace) {
        self.surely(place.worker, Ask::StopPlaying(place.leg), None);
        self.hears_no_music(place.leg);
    }

    /// Plays a sound to a leg instead of what it was played, without anybody waiting for it to begin.
    pub(super) fn play_surely(&mut self, place: &LegPlace, sound: Sound, play: Play) -> PlayerId {
        let id = PlayerId(self.next());
        let ask = self.playing(place, id, sound, play);
        self.surely(place.worker, ask, None);
        id
    }

    /// Plays a sound to all who hear a conference.
    pub(super) fn play_to_all(&mut self, place: ConferencePlace, sound: Sound, plays: Plays) -> PlayerId {
        let id = PlayerId(self.next());
        self.surely(place.worker, Ask::PlayToAll(place.conference, Player::new(id, sound, plays)), None);
        id
    }

    /// Whether a leg's thread would take so many orders at once.
    pub(super) fn has_room(&self, place: &LegPlace, orders: usize) -> bool {
        self.workers.room(place.worker) >= orders && self.backlog.is_empty()
    }

    /// Changes what a participant hears, without anybody waiting for it.
    pub(super) fn set_hearing(&mut self, place: &LegPlace, hearing: Hearing) {
        self.surely(place.worker, Ask::SetHearing(place.leg, hearing), None);
    }

    /// Changes who hears a participant, without anybody waiting for it.
    pub(super) fn set_audience_surely(&mut self, place: &LegPlace, audience: Audience) {
        self.surely(place.worker, Ask::SetAudience(place.leg, audience), None);
    }

    pub(super) fn set_leg_media(
        &mut self,
        place: &mut LegPlace,
        media: CallMedia,
        conference: Option<ConferencePlace>,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        let (leg, worker, new) = (place.leg, place.worker, format(&media.leg));
        let credentials = media.ice;
        let coding = match place.format {
            Some(format) if format == new => None,
            before => {
                let Some(coding) = self.equip(conference, &media.leg) else {
                    return Err((Full, waiter));
                };
                Some(match before {
                    Some((codec, _)) => coding.coming_from(codec),
                    None => coding,
                })
            }
        };
        let srtp = media.srtp.as_ref().map(LegSrtp::new);
        let change = Box::new(LegChange { media: media.leg, coding, srtp });
        self.ask(worker, Ask::SetLegMedia(leg, change), waiter)?;
        self.answer_browser(place, credentials);
        place.format = Some(new);
        Ok(())
    }

    /// Sees to it that the conference can take a leg of that codec, and makes the leg's part of it.
    fn equip(&mut self, place: Option<ConferencePlace>, media: &LegMedia) -> Option<Box<Coding>> {
        let rate = media.codec.sample_rate();
        let made = place.map_or(Ok(()), |place| self.equip_conference(place, rate));
        let encoder = encoder_settings(&media.terms.opus);
        let coding = made.and_then(|()| Coding::new(media.codec, media.terms.ptime, encoder));
        coding.inspect_err(|e| error!(error = %e, "no means for a codec")).ok()
    }

    fn equip_conference(&mut self, place: ConferencePlace, rate: SampleRate) -> Result<(), CodecError> {
        if self.equipped.contains(&(place.conference, rate)) {
            return Ok(());
        }
        let equipment = Equipment::new(rate, place.seats_max)?;
        self.surely(place.worker, Ask::Equip(place.conference, equipment), None);
        self.equipped.insert((place.conference, rate));
        Ok(())
    }

    pub(super) fn set_audience(
        &mut self,
        place: &LegPlace,
        audience: Audience,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::SetAudience(place.leg, audience), waiter)
    }

    pub(super) fn hear_digit(
        &mut self,
        place: &LegPlace,
        key: PressedDigit,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::HearDigit(place.leg, key), waiter)
    }

    pub(super) fn press_digits(
        &mut self,
        place: &LegPlace,
        presses: Box<DigitSender>,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::PressDigits(place.leg, presses), waiter)
    }

    /// A name for a capture.
    pub(super) fn capture_id(&mut self) -> CaptureId {
        CaptureId(self.next())
    }

    /// Withholds the keys of a leg's far end from everybody but whoever holds the capture's digits.
    pub(super) fn start_capture(
        &mut self,
        place: &LegPlace,
        capture: Box<Capture>,
        waiter: W,
    ) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::StartCapture(place.leg, capture), waiter)
    }

    /// Ends that.
    pub(super) fn stop_capture(&mut self, place: &LegPlace) {
        self.surely(place.worker, Ask::StopCapture(place.leg), None);
    }

    /// Asks how a leg sounds: first its report comes home, then `waiter` is answered.
    pub(super) fn report_quality(&mut self, place: &LegPlace, waiter: W) -> Result<(), (Full, W)> {
        self.ask(place.worker, Ask::ReportQuality(QualityReport::about(place.leg)), waiter)
    }

    /// Asks how loud those are who speak in a conference. The report comes home, or nothing does if the thread has no room.
    pub(super) fn report_levels(&mut self, place: ConferencePlace) {
        if self.backlog.is_empty() {
            let (id, ask) = (self.command_id(), Ask::ReportLevels(LevelReport::about(place.conference)));
            // It is asked again soon.
            let _ = self.workers.send(place.worker, Order::Command(Command { id, ask }));
        }
    }

    /// Takes a leg from its thread; `waiter` waits until it is silent.
    pub(super) fn remove_leg(&mut self, place: &LegPlace, waiter: W) {
        self.surely(place.worker, Ask::RemoveLeg(place.leg), Some(waiter));
    }

    /// Who waited for a command.
    pub(super) fn answered(&mut self, command: CommandId) -> Option<W> {
        self.waiting.remove(&command).map(|(_, waiter)| waiter)
    }

    /// All who wait for a thread that forgot what it was told.
    pub(super) fn abandoned(&mut self, worker: WorkerIndex) -> Vec<W> {
        self.on_air.forget(worker);
        self.waiting.extract_if(|_, (w, _)| *w == worker).map(|(_, (_, waiter))| waiter).collect()
    }

    /// Tries again what found no room.
    pub(super) fn retry(&mut self) {
        while let Some((worker, order)) = self.backlog.pop_front() {
            if let Err(order) = self.workers.send(worker, order) {
                self.backlog.push_front((worker, order));
                return;
            }
        }
    }

    fn ask(&mut self, worker: WorkerIndex, ask: Ask, waiter: W) -> Result<(), (Full, W)> {
        let id = self.command_id();
        // Behind what already waits, or the order of things would change.
        if !self.backlog.is_empty() {
            return Err((Full, waiter));
        }
        if self.workers.send(worker, Order::Command(Command { id, ask })).is_err() {
            return Err((Full, waiter));
        }
        self.waiting.insert(id, (worker, waiter));
        Ok(())
    }

    /// For what may be late but not be lost.
    fn surely(&mut self, worker: WorkerIndex, ask: Ask, waiter: Option<W>) {
        let id = self.command_id();
        if let Some(waiter) = waiter {
            self.waiting.insert(id, (worker, waiter));
        }
        self.push(worker, Order::Command(Command { id, ask }));
    }

    fn push(&mut self, worker: WorkerIndex, order: Order) {
        self.backlog.push_back((worker, order));
        self.retry();
    }

    fn leg_settings(&self, id: LegId, media: CallMedia, coding: Box<Coding>) -> LegSettings {
        let (mut random, mut cname) = ([0; 10], [0; 16]);
        getrandom::fill(&mut cname).expect("the system gives entropy");
        // A name is text (RFC 3550 §6.5): six bits of each byte make a letter.
        for byte in &mut cname {
            *byte = b'0' + (*byte & 0x3f);
        }
        getrandom::fill(&mut random).expect("the system gives entropy");
        let [s0, s1, s2, s3, n0, n1, t0, t1, t2, t3] = random;
        LegSettings {
            id,
            srtp: media.srtp.as_ref().map(LegSrtp::new),
            media: media.leg,
            coding,
            cname,
            wall: wall_clock(),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            sequence_number: u16::from_be_bytes([n0, n1]) & FIRST_SEQUENCE_NUMBERS,
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            playout: self.receiving.playout,
            digits: self.receiving.digits,
            receive_timeout: self.receiving.timeout,
        }
    }

    fn command_id(&mut self) -> CommandId {
        CommandId(self.next())
    }

    fn next(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

/// What a leg's coding state is made for.
const fn format(media: &LegMedia) -> (Codec, u8) {
    (media.codec, media.terms.ptime)
}

/// How the far end wants its Opus; the others have no choice.
fn encoder_settings(wanted: &OpusTerms) -> EncoderSettings {
    let usual = EncoderSettings::default();
    EncoderSettings {
        bitrate: wanted.bitrate_max.map_or(usual.bitrate, |most| most.min(usual.bitrate)),
        // Redundancy that the far end does not read costs bits and nothing else.
        fec: wanted.fec,
        ..usual
    }
}
