//! A node of a few hundred lines for testing the load tester: answers every call, mixes exactly, and can be told
//! to do one thing wrong. It shares no code with the node or the load tester, except for G.711's tables.

mod coding;

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use coding::Coding;
use confab::load::Codec;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

/// Samples of 20 ms at 8 kHz.
const NARROW: usize = 160;
/// Frames held before a leg is first heard: enough for a machine that runs other tests at the same time, and is held up
/// itself by others.
const DEPTH: usize = 10;
const TICK: Duration = Duration::from_millis(20);

/// What the node does wrong. Legs are numbered in the order of their calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    OwnVoice,
    NotMixed(usize),
    OutputsSwapped(usize, usize),
    InputsSwapped(usize, usize),
    /// Every so many ticks one leg, in turn, is sent silence.
    SilentFrame {
        every: u64,
    },
    /// Every so many ticks one talker's frame is missing from the mix.
    TalkerFrame {
        leg: usize,
        every: u64,
    },
    /// Every so many ticks one packet is left out.
    SequenceGap {
        every: u64,
    },
    /// Every so many ticks nothing is sent, and the sequence hides it.
    Omitted {
        every: u64,
    },
    /// Every so many ticks one packet is changed after it was protected.
    Forged {
        every: u64,
    },
    CrossTalk {
        from: usize,
        to: usize,
    },
    Quiet(usize),
    Refuse,
    HangUp(usize),
}

/// Runs until dropped.
pub(crate) struct FakeNode {
    pub(crate) sip: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeNode {
    /// One that mixes at 8 kHz.
    pub(crate) fn start(fault: Fault) -> Self {
        Self::mixing(NARROW, fault)
    }

    /// One that mixes at 16 kHz.
    pub(crate) fn start_wide(fault: Fault) -> Self {
        Self::mixing(2 * NARROW, fault)
    }

    fn mixing(frame: usize, fault: Fault) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let sip = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let node = Node { frame, fault, socket, legs: Vec::new(), by_call_id: HashMap::new(), tick: 0 };
        let stopped = Arc::clone(&stop);
        let thread = Some(std::thread::spawn(move || node.run(&stopped)));
        Self { sip, stop, thread }
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Node {
    /// Samples in 20 ms, as it mixes them.
    frame: usize,
    fault: Fault,
    socket: UdpSocket,
    legs: Vec<Leg>,
    by_call_id: HashMap<String, usize>,
    tick: u64,
}

struct Leg {
    conference: String,
    rtp: UdpSocket,
    coding: Coding,
    payload_type: u8,
    protection: Option<(Context, Context)>,
    /// Payloads that have come, by sequence number without wrap.
    heard: BTreeMap<u64, Vec<u8>>,
    highest: Option<u64>,
    /// The next to play, once it plays.
    next: Option<u64>,
    last: Vec<i16>,
    up: bool,
    sequence: u16,
    timestamp: u32,
    answer: String,
    invite: String,
    from: SocketAddr,
}

impl Node {
    fn run(mut self, stop: &AtomicBool) {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            self.signal();
            if Instant::now() >= due {
                self.play();
                due += TICK;
            }
            let wait = due.saturating_duration_since(Instant::now());
            std::thread::sleep(wait.min(Duration::from_millis(2)));
        }
    }

    fn signal(&mut self) {
        let mut buffer = [0; 4_096];
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let reply = match text.split(' ').next() {
                Some("INVITE") if self.fault == Fault::Refuse => {
                    Some(reply(&text, "503 Service Unavailable", "", ""))
                }
                Some("INVITE") => Some(self.answer(&text, from)),
                Some("BYE") => {
                    let leg = self.by_call_id[header(&text, "Call-ID")];
                    self.legs[leg].up = false;
                    Some(reply(&text, "200 OK", "", ""))
                }
                _ => None,
            };
            if let Some(reply) = reply {
                self.socket.send_to(reply.as_bytes(), from).unwrap();
            }
        }
    }

    fn answer(&mut self, invite: &str, from: SocketAddr) -> String {
        let call_id = header(invite, "Call-ID").to_owned();
        if let Some(&leg) = self.by_call_id.get(&call_id) {
            return self.legs[leg].answer.clone();
        }
        let rtp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port: u16 = invite.split("m=audio ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        rtp.connect(("127.0.0.1", port)).unwrap();
        rtp.set_nonblocking(true).unwrap();
        let (codec, payload_type) = offered_codec(invite);
        let (profile, crypto, protection) = protect(invite);
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} {profile} {payload_type}\r\n{crypto}",
            rtp.local_addr().unwrap().port(),
        );
        let contact = format!(
            "Contact: <sip:node@{}>\r\nContent-Type: application/sdp\r\n",
            self.socket.local_addr().unwrap()
        );
        let answer = reply(invite, "200 OK", &contact, &sdp);
        let conference = invite.split(['@', ' ']).nth(1).unwrap().to_owned();
        self.by_call_id.insert(call_id, self.legs.len());
        self.legs.push(Leg {
            conference,
            rtp,
            coding: Coding::new(codec, self.frame),
            payload_type,
            protection,
            heard: BTreeMap::new(),
            highest: None,
            next: None,
            last: vec![0; self.frame],
            up: true,
            sequence: 65_000,
            timestamp: u32::MAX - 5_000,
            answer: answer.clone(),
            invite: invite.to_owned(),
            from,
        });
        answer
    }

    /// One tick: hear all, mix each conference, send to all.
    fn play(&mut self) {
        self.tick += 1;
        let frames: Vec<Vec<i16>> = self.legs.iter_mut().map(|leg| leg.hear(self.frame)).collect();
        let frames: Vec<_> = (0..frames.len()).map(|leg| self.input(leg, &frames)).collect();
        let mut sums: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for (leg, frame) in self.legs.iter().zip(&frames) {
            let sum = sums.entry(&leg.conference).or_insert_with(|| vec![0; self.frame]);
            sum.iter_mut().zip(frame).for_each(|(sum, &sample)| *sum += i32::from(sample));
        }
        let mixes: Vec<_> = (0..frames.len())
            .map(|leg| {
                let mut mix = sums[self.legs[leg].conference.as_str()].clone();
                if self.fault != Fault::OwnVoice {
                    mix.iter_mut().zip(&frames[leg]).for_each(|(mix, &own)| *mix -= i32::from(own));
                }
                if let Fault::CrossTalk { from, to } = self.fault
                    && leg == to
                {
                    mix.iter_mut().zip(&frames[from]).for_each(|(mix, &own)| *mix += i32::from(own));
                }
                mix
            })
            .collect();
        for leg in 0..mixes.len() {
            self.output(leg, &mixes);
        }
        self.hang_up();
    }

    fn input(&self, leg: usize, frames: &[Vec<i16>]) -> Vec<i16> {
        let silent = vec![0; self.frame];
        match self.fault {
            Fault::NotMixed(mute) if mute == leg => silent,
            Fault::TalkerFrame { leg: mute, every } if mute == leg && self.tick.is_multiple_of(every) => {
                silent
            }
            Fault::InputsSwapped(a, b) if frames.len() > a.max(b) => frames[swap(leg, a, b)].clone(),
            Fault::Quiet(quiet) if quiet == leg => frames[leg].iter().map(|sample| sample / 4).collect(),
            _ => frames[leg].clone(),
        }
    }

    fn output(&mut self, leg: usize, mixes: &[Vec<i32>]) {
        let (tick, fault, legs) = (self.tick, self.fault, mixes.len());
        let due = |every: u64| tick.is_multiple_of(every) && (tick / every) as usize % legs == leg;
        let source = match fault {
            Fault::OutputsSwapped(a, b) if legs > a.max(b) => swap(leg, a, b),
            _ => leg,
        };
        let to = &mut self.legs[leg];
        let mut sound: Vec<i16> =
            mixes[source].iter().map(|&sample| sample.clamp(-32_768, 32_767) as i16).collect();
        if matches!(fault, Fault::SilentFrame { every } if due(every)) {
            sound.fill(0);
        }
        if matches!(fault, Fault::Omitted { every } if due(every)) {
            return;
        }
        let payload = to.coding.encode(&sound);
        let mut packet = vec![0x80, to.payload_type];
        packet.extend(to.sequence.to_be_bytes());
        packet.extend(to.timestamp.to_be_bytes());
        packet.extend([leg as u8, 0, 0, 0]);
        packet.extend(payload);
        to.sequence = to.sequence.wrapping_add(1);
        to.timestamp = to.timestamp.wrapping_add(to.coding.ticks());
        if let Some((_, sending)) = &mut to.protection {
            packet = sending.encrypt_rtp(&packet).unwrap().to_vec();
            if matches!(fault, Fault::Forged { every } if due(every)) {
                packet[20] ^= 1;
            }
        }
        if to.up && !matches!(fault, Fault::SequenceGap { every } if due(every)) {
            let _ = to.rtp.send(&packet);
        }
    }

    /// Ends one call about a second after the last has come.
    fn hang_up(&mut self) {
        let Fault::HangUp(leg) = self.fault else {
            return;
        };
        if self.tick != 100 || !self.legs[leg].up {
            return;
        }
        let Leg { invite, from, .. } = &self.legs[leg];
        let bye = format!(
            "BYE sip:leg SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKbye\r\nFrom: {};tag=node\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            self.socket.local_addr().unwrap(),
            header(invite, "To"),
            header(invite, "From"),
            header(invite, "Call-ID"),
        );
        self.socket.send_to(bye.as_bytes(), from).unwrap();
        self.legs[leg].up = false;
    }
}

impl Leg {
    /// The next frame from this leg. A packet that is not there is replaced by a fainter echo of the one before.
    fn hear(&mut self, frame: usize) -> Vec<i16> {
        self.take();
        let Some(highest) = self.highest.filter(|_| self.up) else {
            return vec![0; frame];
        };
        let first = self.heard.keys().next().copied();
        let is_filled = first.is_some_and(|first| highest + 1 >= first + DEPTH as u64);
        if self.next.is_none() && !is_filled {
            return vec![0; frame];
        }
        let next = *self.next.get_or_insert_with(|| first.unwrap());
        if next > highest + 2 * DEPTH as u64 {
            // Nothing has come for long.
            (self.next, self.highest) = (None, None);
            return vec![0; frame];
        }
        self.next = Some(next + 1);
        let sound = match self.heard.remove(&next) {
            Some(payload) => self.coding.decode(&payload),
            None => self.last.iter().map(|sample| sample / 2).collect(),
        };
        self.last.clone_from(&sound);
        sound
    }

    fn take(&mut self) {
        let mut packet = [0; 1_500];
        while let Ok(length) = self.rtp.recv(&mut packet) {
            let plain = match &mut self.protection {
                Some((receiving, _)) => receiving.decrypt_rtp(&packet[..length]).unwrap().to_vec(),
                None => packet[..length].to_vec(),
            };
            assert_eq!(plain[1] & 0x7f, self.payload_type);
            let sequence = u16::from_be_bytes([plain[2], plain[3]]);
            let near = self.highest.unwrap_or_else(|| u64::from(sequence) + 0x1_0000);
            let step = i64::from(sequence.wrapping_sub(near as u16).cast_signed());
            let number = near.wrapping_add_signed(step);
            self.highest = Some(number.max(self.highest.unwrap_or(0)));
            if self.next.is_none_or(|next| number >= next) {
                self.heard.insert(number, plain[12..].to_vec());
            }
        }
    }
}

/// The first codec of an offer.
fn offered_codec(invite: &str) -> (Codec, u8) {
    let media = invite.split("m=audio ").nth(1).unwrap();
    let payload_type: u8 = media.split_ascii_whitespace().nth(2).unwrap().parse().unwrap();
    let name = invite.split(&format!("a=rtpmap:{payload_type} ")).nth(1).unwrap().split('/').next().unwrap();
    let all = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16];
    (all.into_iter().find(|codec| codec.name() == name).unwrap(), payload_type)
}

/// What the answer says of protection, and the ways in and out, if the offer asks for it. The last suite is chosen.
fn protect(invite: &str) -> (&'static str, String, Option<(Context, Context)>) {
    let Some(line) = invite.lines().filter_map(|line| line.strip_prefix("a=crypto:")).next_back() else {
        return ("RTP/AVP", String::new(), None);
    };
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let profile = match words[1] {
        "AEAD_AES_128_GCM" => ProtectionProfile::AeadAes128Gcm,
        _ => ProtectionProfile::Aes128CmHmacSha1_80,
    };
    let theirs = BASE64.decode(words[2].strip_prefix("inline:").unwrap()).unwrap();
    let ours: Vec<u8> = theirs.iter().map(|octet| octet ^ 0x5a).collect();
    let context = |keys: &[u8]| {
        let crypto = &rtc_srtp::crypto::providers::RingCrypto;
        Context::new(&keys[..16], &keys[16..], profile, None, None, crypto).unwrap()
    };
    let crypto = format!("a=crypto:{} {} inline:{}\r\n", words[0], words[1], BASE64.encode(&ours));
    ("RTP/SAVP", crypto, Some((context(&theirs), context(&ours))))
}

fn swap(leg: usize, a: usize, b: usize) -> usize {
    if leg == a {
        b
    } else if leg == b {
        a
    } else {
        leg
    }
}

fn header<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap()
}

fn reply(request: &str, status: &str, extra: &str, body: &str) -> String {
    let h = |name| header(request, name);
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=node\r\nCall-ID: {}\r\nCSeq: {}\r\n{extra}\
         Content-Length: {}\r\n\r\n{body}",
        h("Via"),
        h("From"),
        h("To"),
        h("Call-ID"),
        h("CSeq"),
        body.len()
    )
}
