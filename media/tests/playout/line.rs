//! An emulated network in virtual time: what makes packets, what carries and plays them, and what
//! judges the sound that comes out.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use confab_media::codec::{Codec, Decoder, Encoder, EncoderSettings};
use confab_media::playout::{Decoding, Playout, PlayoutCounters, PlayoutSettings, Sound};
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

/// A voice that never pauses: harmonics of a pitch that goes up and down between 90 and 150 Hz, in syllables, three a
/// second. It repeats after ten seconds, at whose end it is where it was.
pub(crate) struct Voice {
    rate: u32,
    /// What was said so far, up to ten seconds.
    samples: Vec<i16>,
    next: usize,
    gain: f64,
}

impl Voice {
    pub(crate) fn new(rate: SampleRate) -> Self {
        Self { rate: rate.hertz(), samples: Vec::new(), next: 0, gain: 1.0 }
    }

    pub(crate) fn next(&mut self) -> i16 {
        if self.next == 10 * self.rate as usize {
            self.next = 0;
        }
        if self.next == self.samples.len() {
            self.samples.push(self.sample());
        }
        self.next += 1;
        (f64::from(self.samples[self.next - 1]) * self.gain) as i16
    }

    fn sample(&self) -> i16 {
        let tau = std::f64::consts::TAU;
        let at = self.next as f64 / f64::from(self.rate);
        let turn = (120.0 * at - 30.0 / (0.7 * tau) * (at * tau * 0.7).cos()) * tau;
        let harmonics = (1..12).map(|n| (turn * f64::from(n)).sin() / f64::from(n));
        let loudness = 3_500.0 - 2_500.0 * (at * tau * 3.0).cos();
        (loudness * harmonics.sum::<f64>()) as i16
    }
}

/// What a sender says.
enum Speech {
    /// Bytes in which nothing repeats, so that what is played can be compared bit for bit.
    Noise(Random),
    /// Each packet is one byte's repetition, so that a frame tells which packet it came from.
    Labels,
    /// A tone of 1,004 Hz in µ-law, whose samples repeat after a quarter of a second only.
    Tone(Vec<u8>),
    /// A voice, encoded.
    Voice(Voice, Box<Encoder>),
}

/// A packet on its way, and what is in it.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) codec: Codec,
}

/// Makes the packets of one stream. All its counts wrap soon after the start.
pub(crate) struct Sender {
    pub(crate) codec: Codec,
    pub(crate) ssrc: Ssrc,
    pub(crate) number: SequenceNumber,
    pub(crate) timestamp: u32,
    /// Code bits that are always set: 0x50 turns µ-law noise down to a whisper.
    pub(crate) always_set: u8,
    /// All that was sent, decoded without a break. Not kept for labels.
    pub(crate) sent: Vec<i16>,
    ptime: u64,
    speech: Speech,
    decoder: Decoder,
    count: u64,
}

impl Sender {
    fn new(codec: Codec, ptime: u64, speech: Speech) -> Self {
        Self {
            codec,
            ssrc: Ssrc(1),
            number: SequenceNumber(65_500),
            timestamp: 0u32.wrapping_sub(9_000),
            always_set: 0,
            sent: Vec::new(),
            ptime,
            speech,
            decoder: Decoder::new(codec).expect("memory"),
            count: 0,
        }
    }

    /// Sends packets of `ptime` ms of G.711 in which every sample differs.
    pub(crate) fn noise(ptime: u64) -> Self {
        Self::noise_of(Codec::Pcmu, ptime)
    }

    /// The same of another codec whose every byte means something.
    pub(crate) fn noise_of(codec: Codec, ptime: u64) -> Self {
        Self::new(codec, ptime, Speech::Noise(Random(1)))
    }

    /// Fills each packet with one A-law code: a frame that is played says which packet it came from,
    /// and so, without asking the playout, how long that packet waited.
    pub(crate) fn labels(ptime: u64) -> Self {
        Self::new(Codec::Pcma, ptime, Speech::Labels)
    }

    /// Sends a tone.
    pub(crate) fn tone() -> Self {
        let turn = |i: usize| i as f64 * 1_004.0 / 8_000.0 * std::f64::consts::TAU;
        let samples: Vec<i16> = (0..2_000).map(|i| (9_000.0 * turn(i).sin()) as i16).collect();
        let mut codes = vec![0; samples.len()];
        Codec::Pcmu.encode(&samples, &mut codes);
        Self::new(Codec::Pcmu, 20, Speech::Tone(codes))
    }

    /// Sends a voice, with copies of lost packets where the codec has such.
    pub(crate) fn voice(codec: Codec, ptime: u64) -> Self {
        let settings = EncoderSettings { fec: true, expected_loss_percent: 20, ..EncoderSettings::default() };
        let encoder = Encoder::new(codec, settings).expect("memory");
        Self::new(codec, ptime, Speech::Voice(Voice::new(codec.sample_rate()), Box::new(encoder)))
    }

    /// Another codec from the next packet on.
    pub(crate) fn change_codec(&mut self, codec: Codec) {
        self.codec = codec;
        self.decoder = Decoder::new(codec).expect("memory");
    }

    pub(crate) fn next(&mut self) -> Packet {
        self.packet(false)
    }

    pub(crate) fn next_marked(&mut self) -> Packet {
        self.packet(true)
    }

    /// The next packet, of a voice that is turned down by so many dB.
    pub(crate) fn next_quiet(&mut self, decibels: i32) -> Packet {
        if let Speech::Voice(voice, _) = &mut self.speech {
            voice.gain = 10f64.powf(f64::from(-decibels) / 20.0);
        }
        let packet = self.next();
        if let Speech::Voice(voice, _) = &mut self.speech {
            voice.gain = 1.0;
        }
        packet
    }

    /// Says nothing for so many packets.
    pub(crate) fn pause(&mut self, packets: u32) {
        self.timestamp =
            self.timestamp.wrapping_add(packets * self.ptime as u32 * self.codec.clock_rate() / 1_000);
    }

    fn packet(&mut self, marker: bool) -> Packet {
        let header = RtpHeader {
            marker,
            payload_type: 0,
            sequence_number: self.number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let payload = self.payload();
        self.count += 1;
        self.number = self.number.next();
        let units = self.codec.timestamp_units(&payload) as u32;
        self.timestamp = self.timestamp.wrapping_add(units);
        Packet { bytes: [header.to_bytes().to_vec(), payload].concat(), codec: self.codec }
    }

    fn payload(&mut self) -> Vec<u8> {
        let samples = self.codec.sample_rate().hertz() as usize * self.ptime as usize / 1_000;
        let len = match self.codec {
            Codec::L16(_) => samples * 2,
            Codec::G722 => samples / 2,
            Codec::Pcmu | Codec::Pcma | Codec::Opus => samples,
        };
        let payload = match &mut self.speech {
            Speech::Labels => return vec![self.count as u8; len],
            Speech::Noise(random) => (0..len).map(|_| random.next() as u8 | self.always_set).collect(),
            Speech::Tone(codes) => {
                let from = self.count as usize * samples;
                (from..from + samples).map(|i| codes[i % codes.len()]).collect()
            }
            Speech::Voice(voice, encoder) => {
                let frame: Vec<i16> = (0..samples).map(|_| voice.next()).collect();
                let mut payload = vec![0; 1_920];
                let len = encoder.encode(&frame, &mut payload);
                payload.truncate(len);
                payload
            }
        };
        let from = self.sent.len();
        self.sent.resize(from + samples, 0);
        self.decoder.decode(&payload, &mut self.sent[from..]);
        payload
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Sound(Codec),
    Silent(Codec),
    Event,
    Noise,
}

struct Arrival {
    at: Time,
    datagram: Vec<u8>,
    kind: Kind,
}

/// A playout, what is on the way to it, and what it has played.
pub(crate) struct Line {
    pub(crate) playout: Playout,
    pub(crate) played: Vec<i16>,
    pub(crate) sounds: Vec<Sound>,
    /// The delay it claimed after each tick.
    pub(crate) delays: Vec<Duration>,
    /// The longest delay it has claimed.
    pub(crate) delay_max: Duration,
    frame: Frame,
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
        Self::with(PlayoutSettings::default(), Decoding::g711())
    }

    pub(crate) fn of(codec: Codec) -> Self {
        Self::with(PlayoutSettings::default(), Decoding::new(Decoder::new(codec).expect("memory")))
    }

    pub(crate) fn with(settings: PlayoutSettings, decoding: Decoding) -> Self {
        Self {
            playout: Playout::new(settings, decoding),
            played: Vec::new(),
            sounds: Vec::new(),
            delays: Vec::new(),
            delay_max: Duration::ZERO,
            frame: Frame::silence(SampleRate::Hz8000),
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

    pub(crate) fn arrive(&mut self, at: Time, packet: &Packet) {
        self.send(at, packet, Kind::Sound(packet.codec));
    }

    /// The packet says that it is silent.
    pub(crate) fn silent_arrives(&mut self, at: Time, packet: &Packet) {
        self.send(at, packet, Kind::Silent(packet.codec));
    }

    pub(crate) fn event_arrives(&mut self, at: Time, packet: &Packet) {
        self.send(at, packet, Kind::Event);
    }

    pub(crate) fn noise_arrives(&mut self, at: Time, packet: &Packet) {
        self.send(at, packet, Kind::Noise);
    }

    fn send(&mut self, at: Time, packet: &Packet, kind: Kind) {
        self.in_order = false;
        self.on_the_way.push_back(Arrival { at, datagram: packet.bytes.clone(), kind });
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
        let codec = match arrival.kind {
            Kind::Event => return self.playout.note_event(&packet),
            Kind::Noise => return self.playout.receive_comfort_noise(&packet, 8_000, arrival.at),
            Kind::Silent(codec) => return self.playout.receive_silent(&packet, codec, arrival.at),
            Kind::Sound(codec) => codec,
        };
        if let Some(&label) = packet.payload().first() {
            self.label_came[usize::from(label)] = Some(arrival.at);
        }
        self.playout.receive(&packet, codec, arrival.at);
    }

    fn play_one(&mut self) {
        let sound = self.playout.play(self.next_tick, &mut self.frame);
        match sound {
            Sound::Silence => assert!(self.frame.samples().iter().all(|&s| s == 0)),
            Sound::Voice => self.read_label(),
            Sound::Concealed | Sound::Noise => (),
        }
        self.played.extend(self.frame.samples());
        self.sounds.push(sound);
        self.delays.push(self.playout.delay());
        self.delay_max = self.delay_max.max(self.playout.delay());
    }

    fn read_label(&mut self) {
        // A frame's last sample is one packet's own, even where packets are joined in it.
        let mut label = [0];
        // No code of A-law is zero: such a frame ended in silence. One whose end is not level was faded out.
        let samples = self.frame.samples();
        let (Some(last), Some(end)) = (samples.last().filter(|&&s| s != 0), samples.last_chunk::<8>()) else {
            return;
        };
        if end.iter().any(|sample| sample != last) {
            return;
        }
        Codec::Pcma.encode(&[*last], &mut label);
        if let Some(came) = self.label_came[usize::from(label[0])] {
            self.heard.push((label[0], self.next_tick.since(came)));
        }
    }

    /// The number of the first tick in which something is heard.
    pub(crate) fn first_voice(&self) -> usize {
        self.sounds.iter().position(|&s| s == Sound::Voice).expect("something is heard")
    }

    /// The first sample that is heard: a stream may begin within a tick.
    fn first_sample(&self) -> usize {
        let len = self.frame.samples().len();
        let tick = &self.played[self.first_voice() * len..][..len];
        self.first_voice() * len + tick.iter().position(|&s| s != 0).unwrap_or(0)
    }

    /// From the first voice on, all of `sent` was played as it was sent.
    pub(crate) fn expect_same_sound(&self, sent: &[i16], case: impl Debug) {
        let silent = sent.iter().position(|&s| s != 0).unwrap_or(0);
        let (sent, played) = (&sent[silent..], &self.played[self.first_sample()..]);
        assert!(played.len() >= sent.len(), "{case:?}: {} of {}", played.len(), sent.len());
        let differs = (0..sent.len()).find(|&i| played[i] != sent[i]);
        assert_eq!(differs, None, "{case:?}: the first sample that differs");
    }

    /// The same, and nothing else happened than that the stream's end, of which nobody told, was
    /// concealed.
    pub(crate) fn expect_exactly(&self, sent: &[i16], case: impl Debug) {
        self.expect_same_sound(sent, &case);
        let counters = self.counters();
        let expected = PlayoutCounters {
            received: counters.received,
            concealed: counters.concealed.min(7),
            concealed_short: counters.concealed_short.min(1),
            concealed_long: counters.concealed_long.min(1),
            ..zero()
        };
        assert_eq!(counters, expected, "{case:?}");
    }

    /// Compares what was played last with the beginning of `sent`, and forgets both.
    pub(crate) fn expect_and_forget(&mut self, sent: &mut Vec<i16>, case: impl Debug) {
        let len = self.frame.samples().len();
        let silent = self.sounds.iter().take_while(|&&s| s == Sound::Silence).count() * len;
        let played = &self.played[silent..];
        assert!(sent[..played.len()] == *played, "{case:?}");
        sent.drain(..played.len());
        self.forget();
    }

    pub(crate) fn forget(&mut self) {
        self.played.clear();
        self.sounds.clear();
        self.delays.clear();
    }

    /// Whether a stretch of sound was played without a change.
    pub(crate) fn has_played(&self, sought: &[i16]) -> bool {
        self.played.windows(sought.len()).any(|w| w == sought)
    }

    /// The steepest step between neighbours in what was played.
    pub(crate) fn steepest(&self) -> u16 {
        steepest(&self.played)
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
            assert!(step < 100, "{case:?}: {pair:?}");
        }
    }
}

pub(crate) fn steepest(sound: &[i16]) -> u16 {
    sound.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap_or(0)
}
