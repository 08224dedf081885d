//! Telephones that come and go: a thread that sends each one's voice every 20 ms and looks at every packet that comes. Phones
//! are handed in through a bounded queue and taken back by number; what they saw is kept in their owner's record.
//!
//! As in the thread of the steady callers, a frame's 20 ms are cut into 20 slots, and the schedule is absolute.

use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pay::{Event, Keypad, Way};
use super::recording::Note;
use super::voices::{Eye, Glimpse, Tones};
use crate::load::codec::{Codec, Decoder, PAYLOAD_MAX, Track};
use crate::load::histogram::{Histogram, Times};
use crate::load::plan::random_u32;
use crate::load::rtp::{self, HEADER, Header, PACKET_MAX};
use crate::load::sdp::{Answer, EVENTS};
use crate::load::wire;

/// A slot for each millisecond of a packet.
const SLOTS: u64 = 20;
/// A slot's length.
const SLOT_NS: i64 = 1_000_000;
/// A packet of ours that leaves this long after its time is late.
const LATE_NS: i64 = 10_000_000;
/// Moments of lateness closer together than this are one.
const LATE_APART_NS: i64 = 20_000_000;
/// Orders that wait for the thread; it looks every 20 ms, and more than this many at once wait for that.
const ORDERS_MAX: usize = 1_024;
/// The largest datagram we look at.
const DATAGRAM_MAX: usize = 2_048;
/// Datagrams taken from one phone in one slot.
const TAKE_MAX: usize = 64;

/// One who takes note of a phone's packets in their own way, instead of the phone.
pub(super) trait Attendant: fmt::Debug + Send + Sync {
    /// The phone's next packet leaves at this moment.
    fn spoke(&self, at_ns: i64);

    /// A packet came.
    fn heard(&self, header: &Header, at_ns: i64, sound: &[i16]);
}

/// A packet's sound, and when it came.
type Heard = (i64, Box<[i16]>);

/// What one person's phones have seen, one after the other.
#[derive(Debug, Default)]
pub(super) struct Record {
    glimpses: Mutex<Vec<Glimpse>>,
    /// Each packet's sound, if that is wanted too.
    sounds: Option<Mutex<Vec<Heard>>>,
    /// What a recording can be held against, if that is wanted.
    notes: Option<Mutex<Vec<Note>>>,
    /// Who takes note of all that instead.
    attendant: Option<Arc<dyn Attendant>>,
    lost: AtomicU64,
    /// Packets that tell of keys.
    events: AtomicU64,
}

impl Record {
    /// One that keeps the sound itself too.
    pub(super) fn with_sound() -> Self {
        Self { sounds: Some(Mutex::default()), ..Self::default() }
    }

    /// One that notes what a recording can be held against.
    pub(super) fn with_notes() -> Self {
        Self { notes: Some(Mutex::default()), ..Self::default() }
    }

    /// One that leaves it to somebody else to take note.
    pub(super) fn attended_by(attendant: Arc<dyn Attendant>) -> Self {
        Self { attendant: Some(attendant), ..Self::default() }
    }

    /// What was noted, in order.
    pub(super) fn take_notes(&self) -> Vec<Note> {
        let notes = self.notes.as_ref().map(|notes| notes.lock().unwrap_or_else(PoisonError::into_inner));
        notes.map(|mut notes| std::mem::take(&mut *notes)).unwrap_or_default()
    }

    /// What was seen, in order; the record is empty then.
    pub(super) fn take(&self) -> Vec<Glimpse> {
        std::mem::take(&mut *self.glimpses.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The sound that came from `from_ns` until `until_ns`.
    pub(super) fn sound(&self, from_ns: i64, until_ns: i64) -> Vec<i16> {
        let Some(sounds) = &self.sounds else {
            return Vec::new();
        };
        let sounds = sounds.lock().unwrap_or_else(PoisonError::into_inner);
        let within = sounds.iter().filter(|(at_ns, _)| (from_ns..until_ns).contains(at_ns));
        within.flat_map(|(_, sound)| sound.iter().copied()).collect()
    }

    /// The sound that has come since this was asked last.
    pub(super) fn take_sound(&self) -> Vec<i16> {
        let Some(sounds) = &self.sounds else {
            return Vec::new();
        };
        let sounds = std::mem::take(&mut *sounds.lock().unwrap_or_else(PoisonError::into_inner));
        sounds.iter().flat_map(|(_, sound)| sound.iter().copied()).collect()
    }

    /// Whether these are in what came last.
    pub(super) fn hears_now(&self, tones: Tones) -> bool {
        let glimpses = self.glimpses.lock().unwrap_or_else(PoisonError::into_inner);
        glimpses.last().is_some_and(|glimpse| glimpse.heard.has(tones))
    }

    /// Packets that told of keys (RFC 4733).
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Packets missing by sequence number.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// What is said on a phone.
pub(super) enum Voice {
    /// The same over and over.
    Round(Track),
    /// The same with keys in it.
    Keypad(Box<Keypad>),
}

/// One phone on the line.
pub(super) struct Phone {
    number: u64,
    socket: UdpSocket,
    codec: Codec,
    voice: Voice,
    payload_type: u8,
    level_id: Option<u8>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    frame: u64,
    /// The timestamp at which the key that is down went down.
    pressed: u32,
    decoder: Decoder,
    sound: Box<[i16]>,
    last_heard: Option<u16>,
    record: Arc<Record>,
}

impl Phone {
    /// A phone that says this, to where the answer says.
    ///
    /// # Errors
    /// When the socket cannot be connected or its stamps cannot be switched on.
    pub(super) fn new(
        number: u64,
        codec: Codec,
        voice: Voice,
        (socket, answer): (UdpSocket, &Answer),
        record: Arc<Record>,
    ) -> io::Result<Self> {
        socket.connect(answer.remote)?;
        socket.set_nonblocking(true)?;
        wire::enable_stamps(&socket)?;
        let seed = random_u32();
        Ok(Self {
            number,
            socket,
            codec,
            voice,
            payload_type: answer.payload_type,
            level_id: answer.audio_level,
            ssrc: seed,
            sequence: (seed >> 8) as u16,
            timestamp: seed.rotate_left(7),
            frame: 0,
            pressed: 0,
            decoder: Decoder::new(codec),
            sound: vec![0; codec.samples_max()].into(),
            last_heard: None,
            record,
        })
    }

    fn speak(&mut self) {
        let mut payload = [0; PAYLOAD_MAX];
        let (length, level, event) = match &mut self.voice {
            Voice::Round(track) => (track.write(self.frame, &mut payload), track.level(self.frame), None),
            Voice::Keypad(keypad) => keypad.speak(&mut payload),
        };
        self.send_sound(&payload[..length], level);
        if let Some(event) = event {
            self.send_event(event);
        }
        self.timestamp = self.timestamp.wrapping_add(self.codec.frame_ticks());
        self.frame += 1;
    }

    fn send_sound(&mut self, payload: &[u8], level: Option<u8>) {
        let header = Header {
            payload_type: self.payload_type,
            marker: self.frame == 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let mut packet = [0; PACKET_MAX];
        header.write(&mut packet);
        let start = match self.level_id.zip(level) {
            Some((id, level)) => {
                rtp::write_level(&mut packet, id, level);
                HEADER + rtp::LEVEL_EXTENSION
            }
            None => HEADER,
        };
        packet[start..start + payload.len()].copy_from_slice(payload);
        if let Some(attendant) = &self.record.attendant {
            attendant.spoke(wire::monotonic_ns());
        }
        self.send(&packet[..start + payload.len()]);
    }

    /// Tells of a key that is down, or has gone up: that is said three times (RFC 4733 §2.5.1.4).
    fn send_event(&mut self, event: Event) {
        if event.is_first {
            self.pressed = self.timestamp;
        }
        for _ in 0..if event.is_last { 3 } else { 1 } {
            let header = Header {
                payload_type: EVENTS,
                marker: event.is_first,
                sequence: self.sequence,
                timestamp: self.pressed,
                ssrc: self.ssrc,
            };
            let mut packet = [0; PACKET_MAX];
            header.write(&mut packet);
            let body = event.body(self.codec.frame_ticks());
            packet[HEADER..HEADER + body.len()].copy_from_slice(&body);
            self.send(&packet[..HEADER + body.len()]);
        }
    }

    fn send(&mut self, packet: &[u8]) {
        // What the kernel does not take is a packet that the node misses, and is heard as that.
        let _ = self.socket.send(packet);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn listen(&mut self, eyes: &Eyes, buffer: &mut [u8; DATAGRAM_MAX]) {
        let to_monotonic = wire::stamp_to_monotonic();
        for _ in 0..TAKE_MAX {
            let Ok(Some((length, stamp))) = wire::receive(&self.socket, buffer) else {
                return;
            };
            let arrival = stamp.map_or_else(wire::monotonic_ns, |stamp| stamp + to_monotonic);
            self.hear(&buffer[..length], arrival, eyes);
        }
    }

    fn hear(&mut self, datagram: &[u8], at_ns: i64, eyes: &Eyes) {
        let Some((header, payload)) = rtp::parse(datagram) else {
            return;
        };
        if header.payload_type == EVENTS {
            self.record.events.fetch_add(1, Ordering::Relaxed);
        }
        if header.payload_type != self.codec.payload_type() {
            return;
        }
        let Some(samples) = self.decoder.decode(payload, &mut self.sound) else {
            return;
        };
        let step = self.last_heard.map_or(1, |last| header.sequence.wrapping_sub(last));
        self.last_heard = Some(header.sequence);
        // What comes late or twice steps back, and is no hole.
        if (2..0x8000).contains(&step) {
            self.record.lost.fetch_add(u64::from(step) - 1, Ordering::Relaxed);
        }
        let sound = &self.sound[..samples];
        if let Some(attendant) = &self.record.attendant {
            attendant.heard(&header, at_ns, sound);
            return;
        }
        if let Some(sounds) = &self.record.sounds {
            sounds.lock().unwrap_or_else(PoisonError::into_inner).push((at_ns, sound.into()));
        }
        if let Some(notes) = &self.record.notes {
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(Note::of(&header, at_ns, sound));
        }
        if let Some(glimpse) = eyes.of(self.codec).look(sound, at_ns) {
            self.record.glimpses.lock().unwrap_or_else(PoisonError::into_inner).push(glimpse);
        }
    }
}

/// An eye for each sample rate.
struct Eyes([Eye; 3]);

impl Eyes {
    fn new() -> Self {
        Self([1, 2, 6].map(Eye::new))
    }

    fn of(&self, codec: Codec) -> &Eye {
        match codec.factor() {
            1 => &self.0[0],
            2 => &self.0[1],
            _ => &self.0[2],
        }
    }
}

enum Order {
    Add(Box<Phone>),
    Press(u64, String, Way),
    Remove(u64),
}

/// How well the phones kept their own schedule.
#[derive(Clone, Debug, Default)]
pub(super) struct Punctuality {
    lateness: Histogram,
    /// When packets left late, in order.
    pub(super) late_ns: Vec<i64>,
    late: u64,
}

impl Punctuality {
    pub(super) fn times(&self) -> Times {
        self.lateness.times()
    }

    /// Of 100 packets, how many left late.
    pub(super) fn late_percent(&self) -> f64 {
        100.0 * self.late as f64 / self.lateness.times().count.max(1) as f64
    }

    fn note(&mut self, late_ns: i64, now_ns: i64) {
        self.lateness.add(late_ns as f64 / 1e6);
        if late_ns > LATE_NS {
            self.late += 1;
            if self.late_ns.last().is_none_or(|last| now_ns - last > LATE_APART_NS) {
                self.late_ns.push(now_ns);
            }
        }
    }
}

/// The thread with all phones.
pub(super) struct Phones {
    door: SyncSender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Punctuality>>,
}

impl Phones {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (door, orders) = sync_channel(ORDERS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("phones".into());
        let thread = Some(thread.spawn(move || serve(&orders, &stopped))?);
        Ok(Self { door, stop, thread })
    }

    /// Lets a phone speak and hear from now on.
    ///
    /// # Errors
    /// When the thread has died or does not keep up.
    pub(super) fn add(&self, phone: Phone) -> io::Result<()> {
        self.order(Order::Add(Box::new(phone)))
    }

    /// Has keys pressed on a phone that has a keypad, one after the other.
    ///
    /// # Errors
    /// When the thread has died or does not keep up.
    pub(super) fn press(&self, number: u64, keys: &str, way: Way) -> io::Result<()> {
        self.order(Order::Press(number, keys.to_owned(), way))
    }

    /// Ends a phone.
    ///
    /// # Errors
    /// When the thread has died or does not keep up.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        self.order(Order::Remove(number))
    }

    fn order(&self, order: Order) -> io::Result<()> {
        self.door.try_send(order).map_err(|_| io::Error::other("the phones do not keep up"))
    }

    /// Stops it. Waits for the thread: call it where waiting is allowed.
    pub(super) fn finish(mut self) -> Punctuality {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Phones {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(orders: &Receiver<Order>, stop: &AtomicBool) -> Punctuality {
    wire::prefer_this_thread();
    let eyes = Eyes::new();
    let mut punctuality = Punctuality::default();
    let mut slots: [Vec<Phone>; SLOTS as usize] = Default::default();
    let mut buffer = [0; DATAGRAM_MAX];
    let zero = wire::monotonic_ns();
    let mut tick: u64 = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = zero + tick as i64 * SLOT_NS;
        if let Ok(wait) = u64::try_from(due - wire::monotonic_ns()) {
            std::thread::sleep(Duration::from_nanos(wait));
        }
        if tick.is_multiple_of(SLOTS) {
            orders.try_iter().for_each(|order| obey(order, &mut slots));
        }
        for phone in &mut slots[(tick % SLOTS) as usize] {
            phone.listen(&eyes, &mut buffer);
            phone.speak();
            let now = wire::monotonic_ns();
            punctuality.note(now - due, now);
        }
        tick += 1;
    }
    punctuality
}

fn obey(order: Order, slots: &mut [Vec<Phone>; SLOTS as usize]) {
    match order {
        Order::Add(phone) => slots[(phone.number % SLOTS) as usize].push(*phone),
        Order::Press(number, keys, way) => {
            let pressed = slots[(number % SLOTS) as usize].iter_mut().find(|phone| phone.number == number);
            if let Some(Voice::Keypad(keypad)) = pressed.map(|phone| &mut phone.voice) {
                keypad.press(&keys, way);
            }
        }
        Order::Remove(number) => {
            slots[(number % SLOTS) as usize].retain(|phone| phone.number != number);
        }
    }
}
