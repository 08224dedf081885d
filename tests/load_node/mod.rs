//! A node of a few hundred lines for testing the load tester: answers every call, mixes exactly, and can be told
//! to do one thing wrong. It shares no code with the node or the load tester, except for G.711's tables.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use confab::load::Law;

const FRAME: usize = 160;
/// Frames held before a leg is first heard: enough for a machine that runs other tests at the same time.
const DEPTH: usize = 5;
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
    pub(crate) fn start(law: Law, fault: Fault) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let sip = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let node = Node { law, fault, socket, legs: Vec::new(), by_call_id: HashMap::new(), tick: 0 };
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
    law: Law,
    fault: Fault,
    socket: UdpSocket,
    legs: Vec<Leg>,
    by_call_id: HashMap<String, usize>,
    tick: u64,
}

struct Leg {
    conference: String,
    rtp: UdpSocket,
    heard: VecDeque<[i16; FRAME]>,
    playing: bool,
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
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP {}\r\n",
            rtp.local_addr().unwrap().port(),
            self.law.payload_type()
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
            heard: VecDeque::new(),
            playing: false,
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
        let frames: Vec<[i16; FRAME]> = self.legs.iter_mut().map(|leg| leg.hear(self.law)).collect();
        let frames: Vec<_> = (0..frames.len()).map(|leg| self.input(leg, &frames)).collect();
        let mut sums: BTreeMap<&str, [i32; FRAME]> = BTreeMap::new();
        for (leg, frame) in self.legs.iter().zip(&frames) {
            let sum = sums.entry(&leg.conference).or_insert([0; FRAME]);
            sum.iter_mut().zip(frame).for_each(|(sum, &sample)| *sum += i32::from(sample));
        }
        let mixes: Vec<_> = (0..frames.len())
            .map(|leg| {
                let mut mix = sums[self.legs[leg].conference.as_str()];
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

    fn input(&self, leg: usize, frames: &[[i16; FRAME]]) -> [i16; FRAME] {
        let silent = [0; FRAME];
        match self.fault {
            Fault::NotMixed(mute) if mute == leg => silent,
            Fault::TalkerFrame { leg: mute, every } if mute == leg && self.tick.is_multiple_of(every) => {
                silent
            }
            Fault::InputsSwapped(a, b) if frames.len() > a.max(b) => frames[swap(leg, a, b)],
            Fault::Quiet(quiet) if quiet == leg => frames[leg].map(|sample| sample / 4),
            _ => frames[leg],
        }
    }

    fn output(&mut self, leg: usize, mixes: &[[i32; FRAME]]) {
        let (law, tick, fault, legs) = (self.law, self.tick, self.fault, mixes.len());
        let due = |every: u64| tick.is_multiple_of(every) && (tick / every) as usize % legs == leg;
        let source = match fault {
            Fault::OutputsSwapped(a, b) if legs > a.max(b) => swap(leg, a, b),
            _ => leg,
        };
        let mut packet = [0; 12 + FRAME];
        let to = &mut self.legs[leg];
        packet[0] = 0x80;
        packet[1] = law.payload_type();
        packet[2..4].copy_from_slice(&to.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&to.timestamp.to_be_bytes());
        packet[8] = leg as u8;
        for (octet, &sample) in packet[12..].iter_mut().zip(&mixes[source]) {
            *octet = law.encode(sample.clamp(-32_768, 32_767) as i16);
        }
        if matches!(fault, Fault::SilentFrame { every } if due(every)) {
            packet[12..].fill(law.encode(0));
        }
        if matches!(fault, Fault::Omitted { every } if due(every)) {
            return;
        }
        to.sequence = to.sequence.wrapping_add(1);
        to.timestamp = to.timestamp.wrapping_add(FRAME as u32);
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
    /// The next frame from this leg.
    fn hear(&mut self, law: Law) -> [i16; FRAME] {
        let mut packet = [0; 1_500];
        while let Ok(length) = self.rtp.recv(&mut packet) {
            assert_eq!(length, 12 + FRAME);
            self.heard.push_back(std::array::from_fn(|n| law.decode(packet[12 + n])));
        }
        self.playing |= self.heard.len() >= DEPTH;
        if !self.playing || !self.up {
            return [0; FRAME];
        }
        self.heard.pop_front().unwrap_or([0; FRAME])
    }
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
