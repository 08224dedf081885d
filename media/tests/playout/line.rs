//! An emulated network in virtual time: what makes packets, what carries and plays them, and what
//! judges the sound that comes out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use confab_media::codec::Codec;
use confab_media::playout::{Playout, PlayoutCounters, PlayoutSettings, Sound};
use confab_media::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};
use confab_media::{Frame, SampleRate};
use confab_media::{Tick, Time};

pub(crate) const fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

pub(crate) const fn us(micros: u64) -> Time {
    Time::from_nanos(micros * 1_000)
}

pub(crate) fn zero() -> PlayoutCounters {
    PlayoutCounters::default()
}

/// splitmix64: the same numbers from the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn micros_below(&mut self, limit: u64) -> Duration {
        Duration::from_micros(self.below(limit))
    }
}

/// Makes the packets of one stream. All its counts wrap soon after the start.
pub(crate) struct Sender {
    pub(crate) codec: Codec,
    pub(crate) ssrc: Ssrc,
    pub(crate) number: SequenceNumber,
    pub(crate) timestamp: u32,
    /// Code bits that are always set: 0x50 turns µ-law noise down to a whisper.
    pub(crate) always_set: u8,
    /// All that was sent, decoded. Not kept for labels.
    pub(crate) sent: Vec<i16>,
    packet_len: usize,
    labels: bool,
    random: Random,
    count: u64,
}

impl Sender {
    /// Sends packets of `ptime` ms in which every sample differs, so that what is played can be
    /// compared bit for bit.
    pub(crate) fn noise(ptime: u64) -> Self {
        Self {
            codec: Codec::Pcmu,
            ssrc: Ssrc(1),
            number: SequenceNumber(65_500),
            timestamp: 0u32.wrapping_sub(9_000),
            always_set: 0,
            sent: Vec::new(),
            packet_len: ptime as usize * 8,
            labels: false,
            random: Random(1),
            count: 0,
        }
    }

    /// Fills each packet with one A-law code: a frame that is played says which packet it came from,
    /// and so, without asking the playout, how long that packet waited.
    pub(crate) fn labels(ptime: u64) -> Self {
        Self { codec: Codec::Pcma, labels: true, ..Self::noise(ptime) }
    }

    pub(crate) fn next(&mut self) -> Vec<u8> {
        self.packet(false)
    }

    pub(crate) fn next_marked(&mut self) -> Vec<u8> {
        self.packet(true)
    }

    fn packet(&mut self, marker: bool) -> Vec<u8> {
        let header = RtpHeader {
            marker,
            payload_type: self.codec.static_payload_type().expect("G.711 has one"),
            sequence_number: self.number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let payload = self.payload();
        self.count += 1;
        self.number = self.number.next();
        self.timestamp = self.timestamp.wrapping_add(self.packet_len as u32);
        [header.to_bytes().to_vec(), payload].concat()
    }

    fn payload(&mut self) -> Vec<u8> {
        if self.labels {
            return vec![self.count as u8; self.packet_len];
        }
        let mut noise = || self.random.next() as u8 | self.always_set;
        let payload: Vec<u8> = (0..self.packet_len).map(|_| noise()).collect();
        let from = self.sent.len();
        self.sent.resize(from + payload.len(), 0);
        self.codec.decode(&payload, &mut self.sent[from..]);
        payload
    }
}

struct Arrival {
    at: Time,
    datagram: Vec<u8>,
    event: bool,
}

/// A playout, what is on the way to it, and what it has played.
pub(crate) struct Line {
    pub(crate) playout: Playout,
    pub(crate) played: Vec<i16>,
    pub(crate) sounds: Vec<Sound>,
    /// The longest delay it has claimed.
    pub(crate) delay_max: Duration,
    on_the_way: VecDeque<Arrival>,
    in_order: bool,
    next_tick: Time,
    /// When the packet of each label came last.
    label_came: [Option<Time>; 256],
    /// Label and measured delay of each voiced frame.
    heard: Vec<(u8, Duration)>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self {
            playout: Playout::new(PlayoutSettings::default()),
            played: Vec::new(),
            sounds: Vec::new(),
            delay_max: Duration::ZERO,
            on_the_way: VecDeque::new(),
            in_order: true,
            next_tick: Time::ZERO,
            label_came: [None; 256],
            heard: Vec::new(),
        }
    }

    pub(crate) fn counters(&self) -> PlayoutCounters {
        *self.playout.counters()
    }

    pub(crate) fn arrive(&mut self, at: Time, datagram: &[u8]) {
        self.in_order = false;
        self.on_the_way.push_back(Arrival { at, datagram: datagram.to_vec(), event: false });
    }

    pub(crate) fn event_arrives(&mut self, at: Time, datagram: &[u8]) {
        self.in_order = false;
        self.on_the_way.push_back(Arrival { at, datagram: datagram.to_vec(), event: true });
    }

    /// Plays a step every 20 ms up to and including `end`, each after what has arrived by then.
    pub(crate) fn play_until(&mut self, end: Time) {
        if !self.in_order {
            self.on_the_way.make_contiguous().sort_by_key(|a| a.at);
            self.in_order = true;
        }
        while self.next_tick <= end {
            while self.on_the_way.front().is_some_and(|a| a.at <= self.next_tick) {
                if let Some(arrival) = self.on_the_way.pop_front() {
                    self.hand_in(&arrival);
                }
            }
            self.play_one();
            self.next_tick += Tick::DURATION;
        }
    }

    /// Time passes and nothing is done, as when the thread is held up.
    pub(crate) fn sleep_until(&mut self, end: Time) {
        while self.next_tick < end {
            self.next_tick += Tick::DURATION;
        }
    }

    fn hand_in(&mut self, arrival: &Arrival) {
        let packet = PacketView::parse(&arrival.datagram).expect("senders make packets");
        if arrival.event {
            self.playout.note_event(&packet);
            return;
        }
        let codec = if packet.payload_type() == 8 { Codec::Pcma } else { Codec::Pcmu };
        if let Some(&label) = packet.payload().first() {
            self.label_came[usize::from(label)] = Some(arrival.at);
        }
        self.playout.receive(&packet, codec, arrival.at);
    }

    fn play_one(&mut self) {
        let mut frame = Frame::silence(SampleRate::Hz8000);
        let sound = self.playout.play(self.next_tick, &mut frame);
        match sound {
            Sound::Silence => assert!(frame.samples().iter().all(|&s| s == 0)),
            Sound::Voice => self.read_label(frame.samples()),
            Sound::Concealed => (),
        }
        self.played.extend(frame.samples());
        self.sounds.push(sound);
        self.delay_max = self.delay_max.max(self.playout.delay());
    }

    fn read_label(&mut self, samples: &[i16]) {
        // Joins are at a frame's beginning or middle; its last sample is one packet's own.
        let mut label = [0];
        Codec::Pcma.encode(&samples[159..], &mut label);
        if let Some(came) = self.label_came[usize::from(label[0])] {
            self.heard.push((label[0], self.next_tick.since(came)));
        }
    }

    pub(crate) fn first_voice(&self) -> usize {
        self.sounds.iter().position(|&s| s == Sound::Voice).expect("something is heard")
    }

    /// From the first voice on, all of `sent` was played as it was sent.
    pub(crate) fn expect_same_sound(&self, sent: &[i16], case: impl Debug) {
        let played = &self.played[self.first_voice() * 160..];
        assert!(played.len() >= sent.len(), "{case:?}: {} of {}", played.len(), sent.len());
        let differs = (0..sent.len()).find(|&i| played[i] != sent[i]);
        assert_eq!(differs, None, "{case:?}: the first sample that differs");
    }

    /// The same, and nothing else happened than that the stream's end, of which nobody told, was
    /// concealed.
    pub(crate) fn expect_exactly(&self, sent: &[i16], case: impl Debug) {
        self.expect_same_sound(sent, &case);
        let counters = self.counters();
        let (received, concealed) = (counters.received, counters.concealed.min(4));
        assert_eq!(counters, PlayoutCounters { received, concealed, ..zero() }, "{case:?}");
    }

    /// Compares what was played last with the beginning of `sent`, and forgets both.
    pub(crate) fn expect_and_forget(&mut self, sent: &mut Vec<i16>, case: impl Debug) {
        let silent = self.sounds.iter().take_while(|&&s| s == Sound::Silence).count() * 160;
        let played = &self.played[silent..];
        assert!(sent[..played.len()] == *played, "{case:?}");
        sent.drain(..played.len());
        self.played.clear();
        self.sounds.clear();
    }

    /// Whether a stretch of sound was played without a change.
    pub(crate) fn has_played(&self, sought: &[i16]) -> bool {
        self.played.windows(sought.len()).any(|w| w == sought)
    }

    /// Measured from outside, for labels in packets of 20 ms: from the arrival of a packet to the tick
    /// that played it.
    pub(crate) fn expect_delay_below(&self, limit: Duration, case: impl Debug) {
        let longest = self.heard.iter().map(|h| h.1).max();
        assert!(longest.is_some_and(|d| d <= limit), "{case:?}: {longest:?}");
        assert!(self.delay_max <= limit, "{case:?}: {:?}", self.delay_max);
    }

    /// Labels only go forward, by little.
    pub(crate) fn expect_order(&self, case: impl Debug) {
        for pair in self.heard.windows(2) {
            let step = pair[1].0.wrapping_sub(pair[0].0);
            assert!((1..100).contains(&step), "{case:?}: {pair:?}");
        }
    }
}
