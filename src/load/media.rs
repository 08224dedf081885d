//! The threads that send and receive RTP. Each owns its legs; legs come in through a bounded channel as their
//! calls are answered, and go home when the run is over.
//!
//! A frame's 20 ms are cut into 20 slots of 1 ms. Each leg has a slot, in which it first takes what has
//! arrived (the kernel has stamped it, so when it is taken does not matter) and then sends. The
//! schedule is absolute: a late slot is caught up with and never moves those after it.
//!
//! Who only listens may be late without harm; a talker who is late is heard to be. So where few of many talk they have a
//! thread to themselves, which goes before ordinary ones. The others then go after the node's: what they do at once for
//! hundreds of listeners takes both cores of a small machine, and would make the node late that they judge.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::browser::{Connected, Peer, Taken};
use super::codec::Codec;
use super::delay_line::{DelayLine, Seat};
use super::ear::Ear;
use super::histogram::Histogram;
use super::network::{self, Network, Passage, Toll};
use super::plan::{FRAME_NS, LegNumber, Plan};
use super::rtp::PACKET_MAX;
use super::signalling::Answered;
use super::srtp::{Keys, Protection};
use super::stage::{Part, Stage};
use super::voice::Voice;
use super::wire;

/// Legs' phases are spread over the 20 ms of a packet, a slot for each millisecond.
const SLOTS: u64 = 20;
/// A slot's length.
const SLOT_NS: i64 = 1_000_000;
/// A packet of ours that leaves this long after its time is late.
pub(super) const LATE_MS: f64 = 10.0;
const LATE_NS: i64 = (LATE_MS * 1e6) as i64;
/// With this lateness what breaks soon after may be its doing: a node keeps so much in reserve on a line without jitter, and
/// more would be delay for everybody.
const FELT_NS: i64 = 4_000_000;
/// Who only listens may be late, but not by so much: what waits in their sockets meanwhile is a few seconds' worth at most, and
/// what finds no room there would be held against the node.
const BEHIND_NS: i64 = 1_000_000_000;
/// Of a second, what one thread may take for its legs without falling behind, in µs: half.
const THREAD_LOAD_MAX: usize = 500_000;
/// The same of talkers who have a thread to themselves: an eighth, so that they hardly ever wait for each other either.
const TALKERS_LOAD_MAX: usize = 125_000;
/// The largest datagram we look at; audio packets are far smaller.
const DATAGRAM_MAX: usize = 2_048;
/// What a browser's connection takes besides, in µs. It only settles how many threads share the callers.
const BROWSER_LOAD: usize = 500;
/// Datagrams taken from one leg in one slot, so that a flood on one cannot hold up the others.
const TAKE_MAX: usize = 64;

/// One leg's media, from its answer to the end of the run.
#[derive(Debug)]
pub(super) struct MediaLeg {
    pub(super) number: LegNumber,
    pub(super) ear: Ear,
    /// Packets sent while measuring.
    pub(super) sent: u64,
    /// Packets that the kernel would not send.
    pub(super) send_errors: u64,
    /// Packets that did not prove to be from who has the key.
    pub(super) not_genuine: u64,
    /// When a caller in a browser sent its offer.
    offered_ns: Option<i64>,
    /// When the first packet with sound came.
    heard_ns: Option<i64>,
    /// The far end closed the connection before the run was over.
    pub(super) closed_early: bool,
    conference: usize,
    socket: UdpSocket,
    voice: Voice,
    cover: Cover,
    /// Between the leg and the node, unless packets go out just as they are made.
    way: Option<Way>,
}

/// A leg's own clock, and its network.
#[derive(Debug)]
struct Way {
    network: Network,
    drift_ppm: f64,
    /// When the leg's first packet left, and which frame it was.
    first: Option<(i64, u64)>,
    /// Packets made so far.
    made: u64,
}

/// What is between the leg's packets and its socket.
#[derive(Debug)]
enum Cover {
    /// Nothing.
    Plain,
    /// SRTP, with keys from signalling.
    Keyed(Box<Protections>),
    /// A browser's connection.
    Browser(Box<Peer>),
}

/// SRTP in both directions.
#[derive(Debug)]
struct Protections {
    sending: Protection,
    receiving: Protection,
    /// The packet that is being protected.
    packet: Vec<u8>,
}

impl MediaLeg {
    /// A leg that speaks from its socket to its answer's address only.
    ///
    /// # Errors
    /// When the socket cannot be connected or its stamps cannot be switched on.
    pub(super) fn new(answered: Answered, stage: &Stage) -> io::Result<Self> {
        let Answered { leg: number, socket, answer, browser } = answered;
        let (impairment, luck) = (stage.plan.network(), stage.plan.seed());
        socket.connect(answer.remote)?;
        socket.set_nonblocking(true)?;
        wire::enable_stamps(&socket)?;
        let offered_ns = browser.as_ref().map(|browser| browser.offered_ns);
        let seed = browser.as_ref().map_or_else(super::plan::random_u32, |browser| browser.peer.ssrc());
        Ok(Self {
            number,
            ear: Ear::new(number, stage),
            sent: 0,
            send_errors: 0,
            not_genuine: 0,
            offered_ns,
            heard_ns: None,
            closed_early: false,
            conference: stage.plan.conference_of(number),
            socket,
            voice: Voice::new(number, &answer, stage, seed),
            cover: Cover::of(answer.keys, browser),
            way: (!impairment.is_none()).then(|| Way {
                network: Network::new(impairment, luck, number.0),
                drift_ppm: impairment.drift_of(number.0),
                first: None,
                made: 0,
            }),
        })
    }

    fn listen(&mut self, stage: &Stage, buffer: &mut [u8; DATAGRAM_MAX]) {
        let to_monotonic = wire::stamp_to_monotonic();
        for _ in 0..TAKE_MAX {
            // An error here is the echo of something we sent (ICMP); the stream itself is judged.
            let Ok(Some((length, stamp))) = wire::receive(&self.socket, buffer) else {
                return;
            };
            let arrival = stamp.map_or_else(wire::monotonic_ns, |stamp| stamp + to_monotonic);
            let datagram = match &mut self.cover {
                Cover::Plain => Some(length),
                // Also before anything is judged: the count of wraps must be known from the beginning.
                Cover::Keyed(protections) => protections.receiving.unprotect(&mut buffer[..length]),
                Cover::Browser(peer) => {
                    let taken = peer.take(&buffer[..length], Instant::now());
                    self.hear_browser(taken, arrival, stage);
                    continue;
                }
            };
            match datagram {
                Some(length) => self.ear.hear(&buffer[..length], arrival, stage),
                None => self.not_genuine += u64::from(stage.part_at(arrival).is_measured()),
            }
        }
    }

    fn hear_browser(&mut self, taken: Taken, arrival_ns: i64, stage: &Stage) {
        match taken {
            Taken::Sound { header, payload } => {
                self.heard_ns.get_or_insert(arrival_ns);
                self.ear.hear_packet(&header, &payload, arrival_ns, stage);
            }
            Taken::Refused(header) => {
                let is_measured = stage.part_at(arrival_ns).is_measured();
                self.not_genuine += u64::from(is_measured && !self.ear.arrivals.note_again(&header));
            }
            Taken::Nothing => {}
        }
    }

    /// From a browser's offer to the first packet with sound, in ms.
    pub(super) fn first_audio_ms(&self) -> Option<f64> {
        Some((self.heard_ns? - self.offered_ns?) as f64 / 1e6)
    }

    /// Sends the packet of this frame, due at `due_ns`; returns how late it left, if there is one.
    fn speak(&mut self, frame: u64, due_ns: i64, stage: &Stage) -> Option<i64> {
        if let Cover::Browser(peer) = &mut self.cover
            && !peer.has_microphone()
        {
            self.closed_early |= peer.is_closed() && stage.part_of(frame) != Part::After;
            // What is lost of it is sent again.
            peer.keep_up(Instant::now(), |datagram| drop(self.socket.send(datagram)));
            return None;
        }
        let mut packet = [0; PACKET_MAX];
        let said = self.voice.say(frame, stage, &mut packet);
        let now = wire::monotonic_ns();
        if let Some(slot) = said.beep {
            stage.note_beep(self.conference, slot, now);
        }
        if stage.part_of(frame).is_measured() {
            self.sent += 1;
        }
        let packet = &packet[..said.length];
        let is_sent = match &mut self.cover {
            Cover::Plain => self.socket.send(packet).is_ok(),
            Cover::Keyed(protections) => self.socket.send(protections.protect(packet)).is_ok(),
            Cover::Browser(peer) => {
                self.closed_early |= peer.is_closed() && stage.part_of(frame) != Part::After;
                peer.say(packet, Instant::now(), |datagram| self.socket.send(datagram).is_ok())
            }
        };
        self.send_errors += u64::from(!is_sent);
        Some(now - due_ns)
    }
}

impl MediaLeg {
    /// Makes the packets that are due in the 20 ms from `slot_ns` by the leg's own clock, and sends them on their way.
    fn speak_ahead(&mut self, frame: u64, slot_ns: i64, seat: Seat, stage: &Stage, line: &mut DelayLine) {
        let Some(mut way) = self.way.take() else {
            return;
        };
        let (first_ns, first_frame) = *way.first.get_or_insert((slot_ns, frame));
        let mut buffer = [0; PACKET_MAX];
        loop {
            let due_ns = first_ns + network::due_ns(way.made, way.drift_ppm);
            if due_ns >= slot_ns + FRAME_NS as i64 {
                break;
            }
            let said = self.voice.say(first_frame + way.made, stage, &mut buffer);
            way.made += 1;
            if let Some(slot) = said.beep {
                stage.note_beep(self.conference, slot, due_ns);
            }
            self.sent += u64::from(stage.part_at(due_ns).is_measured());
            let packet = match &mut self.cover {
                Cover::Plain => &buffer[..said.length],
                Cover::Keyed(protections) => protections.protect(&buffer[..said.length]),
                // Plans with both are refused.
                Cover::Browser(_) => break,
            };
            let Passage { first, again } = way.network.pass(due_ns, stage.begin_ns());
            for arrival in first.into_iter().chain(again) {
                self.send_errors += u64::from(!line.put(arrival, seat, packet));
            }
        }
        self.way = Some(way);
    }

    /// What the leg's network has done to its packets.
    pub(super) fn toll(&self) -> Toll {
        self.way.as_ref().map(|way| way.network.toll).unwrap_or_default()
    }
}

impl Cover {
    fn of(keys: Option<(Keys, Keys)>, browser: Option<Connected>) -> Self {
        let keyed = |(ours, theirs): (Keys, Keys)| Protections {
            sending: Protection::new(&ours),
            receiving: Protection::new(&theirs),
            packet: Vec::with_capacity(PACKET_MAX),
        };
        match (browser, keys) {
            (Some(browser), _) => Self::Browser(browser.peer),
            (None, Some(keys)) => Self::Keyed(Box::new(keyed(keys))),
            (None, None) => Self::Plain,
        }
    }
}

impl Protections {
    fn protect(&mut self, packet: &[u8]) -> &[u8] {
        self.packet.clear();
        self.packet.extend_from_slice(packet);
        self.sending.protect(&mut self.packet);
        &self.packet
    }
}

/// Whether it matters when a thread's legs send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Schedule {
    /// Some of them talk.
    Kept,
    /// None does: what they send is silence.
    Loose,
}

/// How well the callers kept their own schedule, while measuring: those whose lateness could be heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Punctuality {
    /// Lateness of each packet sent, ms.
    pub(super) lateness: Histogram,
    /// Packets that left more than 10 ms late.
    pub(super) late: u64,
}

/// What the threads bring home.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub(super) legs: Vec<MediaLeg>,
    pub(super) punctuality: Punctuality,
}

/// The running threads.
#[derive(Debug)]
pub(super) struct MediaThreads {
    stage: Arc<Stage>,
    /// To all talkers' thread, if they have one.
    talkers: Option<SyncSender<MediaLeg>>,
    doors: Vec<SyncSender<MediaLeg>>,
    threads: Vec<JoinHandle<Harvest>>,
}

impl MediaThreads {
    /// Starts as many threads as the plan's legs need.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(stage: &Arc<Stage>) -> io::Result<Self> {
        let mut all =
            Self { stage: Arc::clone(stage), talkers: None, doors: Vec::new(), threads: Vec::new() };
        if talkers_are_apart(&stage.plan) {
            all.talkers = Some(all.start_one("talkers".to_owned(), Schedule::Kept)?);
        }
        let schedule = if all.talkers.is_some() { Schedule::Loose } else { Schedule::Kept };
        let count = load(&stage.plan, |_| true).div_ceil(THREAD_LOAD_MAX).min(stage.plan.legs());
        for n in 0..count {
            let door = all.start_one(format!("callers-{n}"), schedule)?;
            all.doors.push(door);
        }
        Ok(all)
    }

    fn start_one(&mut self, name: String, schedule: Schedule) -> io::Result<SyncSender<MediaLeg>> {
        // Room for all legs at once, so that handing one over never waits.
        let (door, incoming) = sync_channel(self.stage.plan.legs());
        let stage = Arc::clone(&self.stage);
        let work = move || serve(&incoming, &stage, schedule);
        self.threads.push(std::thread::Builder::new().name(name).spawn(work)?);
        Ok(door)
    }

    /// Lets a leg begin to speak and hear.
    pub(super) fn add(&self, leg: MediaLeg) -> io::Result<()> {
        let talks = self.stage.plan.is_talker(leg.number);
        let apart = self.talkers.as_ref().filter(|_| talks);
        let door = apart.unwrap_or(&self.doors[leg.number.0 % self.doors.len()]);
        door.try_send(leg).map_err(|refused| match refused {
            TrySendError::Full(_) => io::Error::other("more legs than planned"),
            TrySendError::Disconnected(_) => io::Error::other("a sending thread has died"),
        })
    }

    /// Stops the threads and takes what they have. Waits for them: call it where waiting is allowed.
    ///
    /// # Errors
    /// When a thread has panicked.
    pub(super) fn finish(mut self) -> io::Result<Harvest> {
        self.stage.stop();
        let mut harvest = Harvest::default();
        for thread in std::mem::take(&mut self.threads) {
            let part = thread.join().map_err(|_| io::Error::other("a sending thread has died"))?;
            harvest.legs.extend(part.legs);
            harvest.punctuality.lateness.merge(&part.punctuality.lateness);
            harvest.punctuality.late += part.punctuality.late;
        }
        harvest.legs.sort_by_key(|leg| leg.number);
        Ok(harvest)
    }
}

impl Drop for MediaThreads {
    /// Threads that nobody finished stop by themselves.
    fn drop(&mut self) {
        self.stage.stop();
    }
}

/// What those of all legs take in a second, in µs, with room to spare: at 50 packets each, G.711 was measured at 300, Opus at
/// 2,000.
fn load(plan: &Plan, counts: impl Fn(LegNumber) -> bool) -> usize {
    let of = |leg| {
        let sound = match plan.codec_of(leg) {
            Codec::Pcmu | Codec::Pcma => 1_000,
            Codec::L16 => 1_500,
            Codec::G722 => 2_000,
            Codec::Opus => 4_000,
        };
        sound + if plan.is_browser(leg) { BROWSER_LOAD } else { 0 }
    };
    (0..plan.legs()).map(LegNumber).filter(|leg| counts(*leg)).map(of).sum()
}

/// Whether there are so few talkers among others that a thread to themselves keeps their schedule better.
fn talkers_are_apart(plan: &Plan) -> bool {
    plan.talkers() < plan.legs() && load(plan, |leg| plan.is_talker(leg)) <= TALKERS_LOAD_MAX
}

/// A thread's life: slot after slot until the run stops.
fn serve(incoming: &Receiver<MediaLeg>, stage: &Stage, schedule: Schedule) -> Harvest {
    if schedule == Schedule::Kept {
        wire::prefer_this_thread();
    }
    let mut harvest = Harvest::default();
    let mut slots: [Vec<MediaLeg>; SLOTS as usize] = Default::default();
    let mut buffer = [0; DATAGRAM_MAX];
    let mut line = DelayLine::new(stage.plan.legs());
    let elapsed = wire::monotonic_ns() - stage.zero_ns();
    let mut tick = (elapsed / SLOT_NS) as u64 + 1;
    while !stage.is_stopped() {
        let due = stage.zero_ns() + tick as i64 * SLOT_NS;
        sleep_until(due);
        if tick.is_multiple_of(SLOTS) {
            take_new(incoming, &mut slots);
        }
        let frame = tick / SLOTS;
        let slot = (tick % SLOTS) as usize;
        for (place, leg) in slots[slot].iter_mut().enumerate() {
            leg.listen(stage, &mut buffer);
            if leg.way.is_some() {
                leg.speak_ahead(frame, due, (slot, place), stage, &mut line);
                continue;
            }
            let late = leg.speak(frame, due, stage);
            if let Some(late) = late.filter(|_| schedule == Schedule::Kept) {
                harvest.punctuality.note(leg, late, stage.part_of(frame), stage);
            }
        }
        harvest.punctuality.note_slot(wire::monotonic_ns() - due, schedule, stage.part_of(frame));
        send_due(due, &mut line, &mut slots, (&mut harvest.punctuality, schedule), stage);
        tick += 1;
    }
    harvest.legs = slots.into_iter().flatten().collect();
    for leg in &mut harvest.legs {
        leg.listen(stage, &mut buffer);
        leg.ear.finish();
    }
    harvest
}

/// Sends what has come through the legs' networks by now.
fn send_due(
    now_ns: i64,
    line: &mut DelayLine,
    slots: &mut [Vec<MediaLeg>; SLOTS as usize],
    (punctuality, schedule): (&mut Punctuality, Schedule),
    stage: &Stage,
) {
    while let Some(waiting) = line.take_due(now_ns) {
        let (slot, place) = waiting.seat;
        let leg = &mut slots[slot][place];
        if leg.socket.send(&waiting.packet).is_err() {
            leg.send_errors += 1;
        }
        // Looked for once a millisecond: up to that long is as it should be.
        let late = (wire::monotonic_ns() - waiting.due_ns - SLOT_NS).max(0);
        if schedule == Schedule::Kept {
            punctuality.note(leg, late, stage.part_at(waiting.due_ns), stage);
        }
    }
}

impl Punctuality {
    /// A slot's legs have listened and sent. Where it does not matter when they do, it counts that they are far behind.
    fn note_slot(&mut self, late_ns: i64, schedule: Schedule, part: Part) {
        if schedule == Schedule::Loose && late_ns > BEHIND_NS && part.is_measured() {
            self.lateness.add(late_ns as f64 / 1e6);
            self.late += 1;
        }
    }

    fn note(&mut self, leg: &MediaLeg, late_ns: i64, part: Part, stage: &Stage) {
        // Behind a network that jitters a node has more in reserve.
        let felt_ns = if leg.way.is_some() { LATE_NS } else { FELT_NS };
        if late_ns > felt_ns {
            stage.note_late(leg.conference, wire::monotonic_ns());
        }
        if part.is_measured() {
            self.lateness.add(late_ns as f64 / 1e6);
            self.late += u64::from(late_ns > LATE_NS);
        }
    }
}

fn take_new(incoming: &Receiver<MediaLeg>, slots: &mut [Vec<MediaLeg>; SLOTS as usize]) {
    loop {
        match incoming.try_recv() {
            Ok(leg) => slots[slot_of(leg.number)].push(leg),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
        }
    }
}

/// Spreads legs evenly over the 20 ms, whatever regular choice of them a conference has (golden ratio).
fn slot_of(leg: LegNumber) -> usize {
    ((leg.0 as f64 * 0.618_034).fract() * SLOTS as f64) as usize
}

fn sleep_until(due_ns: i64) {
    let wait = due_ns - wire::monotonic_ns();
    if let Ok(wait) = u64::try_from(wait) {
        std::thread::sleep(Duration::from_nanos(wait));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_may_be_late_unless_they_are_far_behind() {
        let mut punctuality = Punctuality::default();
        for (late_ms, schedule, part) in [
            (900, Schedule::Loose, Part::Tones),
            (9_000, Schedule::Loose, Part::Before),
            (9_000, Schedule::Kept, Part::Tones),
        ] {
            punctuality.note_slot(late_ms * 1_000_000, schedule, part);
        }
        assert_eq!((punctuality.late, punctuality.lateness.times().count), (0, 0));
        punctuality.note_slot(1_100_000_000, Schedule::Loose, Part::Tones);
        assert_eq!((punctuality.late, punctuality.lateness.times().count), (1, 1));
    }

    #[test]
    fn a_few_talkers_among_many_are_apart_and_many_or_none_but_they_are_not() {
        let is_apart = |legs, conferences, talkers| {
            talkers_are_apart(&Plan::new(legs, conferences, talkers, 5).unwrap())
        };
        assert!(is_apart(250, 1, 3) && is_apart(250, 25, 5));
        assert!(!is_apart(250, 25, 6) && !is_apart(250, 25, 10) && !is_apart(2, 1, 2));
    }

    #[test]
    fn legs_of_any_conference_are_spread_over_the_frame() {
        for conferences in [1, 5, 20, 25] {
            let mut counts = [0; SLOTS as usize];
            (0..200).for_each(|n| counts[slot_of(LegNumber(n * conferences))] += 1);
            assert!(counts.iter().all(|&count| (5..=20).contains(&count)), "{counts:?}");
        }
    }
}
