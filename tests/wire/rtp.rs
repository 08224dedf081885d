//! A peer's media: an RTP socket that speaks a tone, or is silent, every 20 ms, and keeps all that comes. What was
//! heard is found in the decoded samples, tone by tone.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::peer::within;

/// Samples in 20 ms. Tones of whole multiples of 50 Hz have whole periods in it, so that none leaks into another.
const FRAME: usize = 160;

/// How loud peers speak: clearly audible, and three of them together are far from the limit.
const LOUDNESS: f64 = 6_000.0;

/// The two tones of a key, each at this peak, and for so many packets; then so many without.
const KEY_LOUDNESS: f64 = 8_000.0;
const KEY_DOWN: u32 = 3;
const KEY_UP: u32 = 2;

/// What keys are made of, in Hz (ITU-T Q.23): rows and columns.
pub(crate) const KEY_TONES: [u32; 8] = [697, 770, 852, 941, 1_209, 1_336, 1_477, 1_633];

/// The keys, row by row.
const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];

/// A click, which mu-law has exactly.
const CLICK: i16 = 7_932;

/// Louder than this, a tone is heard.
const HEARD: f64 = 2_000.0;

/// Softer than this, a tone is not there. The steps of G.711 are smaller.
const UNHEARD: f64 = 300.0;

/// Packets in a row that are looked at.
const WINDOW: usize = 10;

/// As many of [`WINDOW`] must have a tone: on a busy machine one comes too late now and then.
const WINDOW_HEARD: usize = 8;

/// G.711's two laws, by their static payload types.
pub(crate) const PCMU: u8 = 0;
pub(crate) const PCMA: u8 = 8;

/// A packet that came.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: SocketAddr,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    fn parse(bytes: &[u8], source: SocketAddr) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        // Nor is it what somebody else's RTCP is sent to, on the port after theirs (RFC 5761 §4).
        if bytes.first()? >> 6 != 2 || (192..224).contains(bytes.get(1)?) {
            return None;
        }
        Some(Self {
            source,
            payload_type: bytes.get(1)? & 0x7f,
            sequence: (word(0)? & 0xffff) as u16,
            timestamp: word(4)?,
            ssrc: word(8)?,
            payload: bytes.get(12..)?.to_vec(),
        })
    }

    /// Its samples.
    pub(crate) fn samples(&self) -> Vec<i16> {
        let decode = if self.payload_type == PCMA { from_a_law } else { from_mu_law };
        self.payload.iter().map(|byte| decode(*byte)).collect()
    }

    /// How loud a tone is in it.
    fn loudness(&self, hertz: u32) -> f64 {
        let decode = if self.payload_type == PCMA { from_a_law } else { from_mu_law };
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &byte) in self.payload.iter().enumerate() {
            let angle = TAU * f64::from(hertz) * i as f64 / 8_000.0;
            re += f64::from(decode(byte)) * angle.cos();
            im += f64::from(decode(byte)) * angle.sin();
        }
        2.0 * re.hypot(im) / self.payload.len().max(1) as f64
    }
}

/// What is said, and where to.
struct Voice {
    to: Option<SocketAddr>,
    hertz: Option<u32>,
    /// It clicks here and there instead, each phone elsewhere.
    clicks: bool,
    payload_type: u8,
    /// 20 ms of it, encoded.
    frame: Vec<u8>,
    /// Keys that sound yet, as tones; for so many packets the first does.
    keys: VecDeque<char>,
    sounded: u32,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

struct Shared {
    socket: UdpSocket,
    /// The port above, where its RTCP is sent to: it is nobody else's, so nobody else gets that.
    _rtcp: UdpSocket,
    voice: Mutex<Voice>,
    heard: Mutex<Vec<Packet>>,
    came: Notify,
}

/// Two ports that follow each other: of RTP and of RTCP (RFC 3550 §11).
async fn pair(address: Ipv4Addr) -> (UdpSocket, UdpSocket) {
    for _ in 0..100 {
        let rtp = UdpSocket::bind((address, 0)).await.unwrap();
        let Some(above) = rtp.local_addr().unwrap().port().checked_add(1) else { continue };
        if let Ok(rtcp) = UdpSocket::bind((address, above)).await {
            return (rtp, rtcp);
        }
    }
    panic!("no two ports of {address} that follow each other are free");
}

/// A peer's media. Silent until told where to speak and what.
pub(crate) struct Rtp {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Rtp {
    pub(crate) async fn new() -> Self {
        Self::at(Ipv4Addr::LOCALHOST).await
    }

    /// At another address of this machine.
    pub(crate) async fn at(address: Ipv4Addr) -> Self {
        let (socket, rtcp) = pair(address).await;
        let address = socket.local_addr().unwrap();
        let ssrc = u32::from(address.port()) << 8 | 0x77;
        let voice = Voice {
            to: None,
            hertz: None,
            clicks: false,
            payload_type: PCMU,
            frame: Vec::new(),
            keys: VecDeque::new(),
            sounded: 0,
            sequence: 1,
            timestamp: 1,
            ssrc,
        };
        let shared = Arc::new(Shared {
            socket,
            _rtcp: rtcp,
            voice: Mutex::new(voice),
            heard: Mutex::new(Vec::new()),
            came: Notify::new(),
        });
        let tasks = [tokio::spawn(speak(Arc::clone(&shared))), tokio::spawn(listen(Arc::clone(&shared)))];
        Self { shared, address, tasks }
    }

    /// Where it speaks to.
    pub(crate) fn aim(&self, to: SocketAddr) {
        self.voice().to = Some(to);
    }

    /// Speaks a tone from now on.
    pub(crate) fn speak(&self, hertz: u32) {
        self.voice().say(Some(hertz));
    }

    /// Clicks from now on, at moments that do not repeat: whatever has the same clicks is the same.
    pub(crate) fn click(&self) {
        let mut voice = self.voice();
        voice.clicks = true;
        voice.say(Some(0));
    }

    /// Sends nothing any more.
    pub(crate) fn be_quiet(&self) {
        self.voice().say(None);
    }

    /// Speaks in another law.
    pub(crate) fn use_payload_type(&self, payload_type: u8) {
        let mut voice = self.voice();
        voice.payload_type = payload_type;
        let hertz = voice.hertz;
        voice.say(hertz);
    }

    /// Sends a datagram that is none of its stream.
    pub(crate) async fn send(&self, datagram: &[u8]) {
        let to = self.voice().to.expect("somewhere to send to");
        self.shared.socket.send_to(datagram, to).await.unwrap();
    }

    /// Presses and releases a key (RFC 4733): one packet of it, and its end three times.
    pub(crate) async fn press(&self, payload_type: u8, event: u8) {
        let (first, ssrc) = {
            let mut voice = self.voice();
            voice.sequence = voice.sequence.wrapping_add(4);
            voice.timestamp = voice.timestamp.wrapping_add(800);
            ((voice.sequence.wrapping_sub(4), voice.timestamp), voice.ssrc)
        };
        for (i, end) in [(0, 0x0a), (1, 0x8a), (2, 0x8a), (3, 0x8a)] {
            let mut packet = header(payload_type, first.0.wrapping_add(i), first.1, ssrc);
            packet.extend([event, end, 0x03, 0x20]);
            self.send(&packet).await;
        }
    }

    /// Presses keys as tones in what is said, one after the other.
    pub(crate) fn sound_keys(&self, keys: &str) {
        self.voice().keys.extend(keys.chars());
    }

    /// Waits until no key is left.
    pub(crate) async fn has_sounded_all(&self) {
        while !self.voice().keys.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Packets that have come so far.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        self.heard().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.heard().len()
    }

    /// Waits for some packets that come from now on.
    pub(crate) async fn next(&self, count: usize) -> Vec<Packet> {
        let start = self.count();
        self.wait(&format!("{count} packets"), |heard| heard.len() >= start + count).await;
        self.heard()[start..start + count].to_vec()
    }

    /// Waits until a tone is heard.
    pub(crate) async fn hears(&self, hertz: u32) {
        let heard = |window: &[f64]| window.iter().filter(|&&level| level > HEARD).count() >= WINDOW_HEARD;
        self.listen_for(&format!("{hertz} Hz"), hertz, heard).await;
    }

    /// Waits until packets come in which a tone is not.
    pub(crate) async fn hears_no_more(&self, hertz: u32) {
        let quiet = |window: &[f64]| window.iter().all(|&level| level < UNHEARD);
        self.listen_for(&format!("the end of {hertz} Hz"), hertz, quiet).await;
    }

    async fn listen_for(&self, what: &str, hertz: u32, is_so: impl Fn(&[f64]) -> bool) {
        let start = self.count();
        let mut levels = Vec::new();
        self.wait(what, |heard| {
            levels.extend(heard[start + levels.len()..].iter().map(|packet| packet.loudness(hertz)));
            levels.len() >= WINDOW && is_so(&levels[levels.len() - WINDOW..])
        })
        .await;
    }

    /// Waits until a tone was in any packet, from the first on.
    pub(crate) async fn has_heard(&self, hertz: u32) {
        self.has_heard_since(0, hertz).await;
    }

    /// The same, from a packet on.
    pub(crate) async fn has_heard_since(&self, start: usize, hertz: u32) {
        let has = |heard: &[Packet]| heard[start..].iter().any(|packet| packet.loudness(hertz) > HEARD);
        self.wait(&format!("{hertz} Hz at any time"), has).await;
    }

    /// Whether a tone is in any of the packets.
    pub(crate) fn any_has(packets: &[Packet], hertz: u32) -> bool {
        packets.iter().any(|packet| packet.loudness(hertz) > UNHEARD)
    }

    /// Whether a tone is loud in any of the packets, as far ends speak. What is lost of another may be in it softly.
    pub(crate) fn any_is_loud(packets: &[Packet], hertz: u32) -> bool {
        packets.iter().any(|packet| packet.loudness(hertz) > HEARD)
    }

    async fn wait(&self, what: &str, mut is_so: impl FnMut(&[Packet]) -> bool) {
        within(what, async {
            loop {
                let came = self.shared.came.notified();
                if is_so(&self.heard()) {
                    return;
                }
                came.await;
            }
        })
        .await;
    }

    fn voice(&self) -> MutexGuard<'_, Voice> {
        self.shared.voice.lock().unwrap()
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Packet>> {
        self.shared.heard.lock().unwrap()
    }
}

impl Drop for Rtp {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn speak(shared: Arc<Shared>) {
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    loop {
        clock.tick().await;
        let next = shared.voice.lock().unwrap().next();
        if let Some((packet, to)) = next {
            // A node that is gone does not listen.
            let _ = shared.socket.send_to(&packet, to).await;
        }
    }
}

async fn listen(shared: Arc<Shared>) {
    let mut datagram = [0; 2_048];
    loop {
        // An ICMP error of an earlier packet is none of what comes.
        let Ok((len, source)) = shared.socket.recv_from(&mut datagram).await else {
            continue;
        };
        if let Some(packet) = Packet::parse(&datagram[..len], source) {
            shared.heard.lock().unwrap().push(packet);
            shared.came.notify_waiters();
        }
    }
}

impl Voice {
    fn say(&mut self, hertz: Option<u32>) {
        let encode = if self.payload_type == PCMA { to_a_law } else { to_mu_law };
        let sample = |hertz: u32, i: usize| (TAU * f64::from(hertz) * i as f64 / 8_000.0).sin() * LOUDNESS;
        self.hertz = hertz;
        self.frame = hertz
            .map_or_else(Vec::new, |hertz| (0..FRAME).map(|i| encode(sample(hertz, i) as i16)).collect());
    }

    /// The next 20 ms of a key, in what is said.
    fn sounding(&self, key: char) -> Vec<u8> {
        let place = |row: &&str| row.find(key);
        let (row, column) = KEYS.iter().enumerate().find_map(|(n, row)| Some((n, place(row)?))).unwrap();
        let decode = if self.payload_type == PCMA { from_a_law } else { from_mu_law };
        let encode = if self.payload_type == PCMA { to_a_law } else { to_mu_law };
        let sample = |n: usize| {
            let at = TAU * (self.sounded as usize * FRAME + n) as f64 / 8_000.0;
            let [low, high] =
                [KEY_TONES[row], KEY_TONES[4 + column]].map(|hertz| (at * f64::from(hertz)).sin());
            let down = if self.sounded < KEY_DOWN { KEY_LOUDNESS } else { 0.0 };
            encode((f64::from(decode(self.frame[n])) + down * (low + high)) as i16)
        };
        (0..FRAME).map(sample).collect()
    }

    /// A sample in some two hundred is a click.
    fn clicking(&self, sample: u32) -> u8 {
        let mixed = (sample ^ self.ssrc).wrapping_mul(0x9e37_79b9);
        let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca6b);
        to_mu_law(if (mixed ^ mixed >> 13).is_multiple_of(211) { CLICK } else { 0 })
    }

    fn next(&mut self) -> Option<(Vec<u8>, SocketAddr)> {
        self.hertz?;
        let to = self.to?;
        let mut packet = header(self.payload_type, self.sequence, self.timestamp, self.ssrc);
        if let Some(&key) = self.keys.front() {
            packet.extend(self.sounding(key));
            self.sounded += 1;
            if self.sounded == KEY_DOWN + KEY_UP {
                self.sounded = 0;
                self.keys.pop_front();
            }
        } else if self.clicks {
            packet.extend((0..FRAME as u32).map(|n| self.clicking(self.timestamp.wrapping_add(n))));
        } else {
            packet.extend_from_slice(&self.frame);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        Some((packet, to))
    }
}

fn header(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet
}

pub(crate) fn from_mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 132) << (byte >> 4 & 7);
    if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }
}

fn from_a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let step = i16::from(byte & 0x0f) << 4;
    let magnitude = match byte >> 4 & 7 {
        0 => step + 8,
        exponent => (step + 0x108) << (exponent - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The nearest of the 256 values, which is what the tables of G.711 amount to.
fn nearest(sample: i16, decode: fn(u8) -> i16) -> u8 {
    let distance = |&byte: &u8| (i32::from(decode(byte)) - i32::from(sample)).abs();
    (0..=255).min_by_key(distance).unwrap_or_default()
}

fn to_mu_law(sample: i16) -> u8 {
    nearest(sample, from_mu_law)
}

fn to_a_law(sample: i16) -> u8 {
    nearest(sample, from_a_law)
}
