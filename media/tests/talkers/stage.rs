//! Far ends that say what they are told to, and what the engine reports of them.

use std::time::Duration;

use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceEvent, ConferenceId, ConferenceSettings, Datagram, Encoder,
    EncoderSettings, Engine, EngineSettings, Event, LegChange, LegEvent, LegId, LevelReport, Port, Refusal,
    Retired, SampleRate, Seat, SpeechChange, Tick, Time,
};

use super::engine_leg;
use super::sound::Sound;

pub(crate) const CONFERENCE: ConferenceId = ConferenceId(1);

/// Ticks a second.
pub(crate) const SECOND: u64 = 50;

/// A packet comes so long before the tick that plays it: the middle of the 20 ms, where the receive buffer has no
/// reason to wait for a later one.
const AHEAD: Duration = Duration::from_millis(12);

/// One conference, its far ends, and what was reported, by the tick after which it was fetched.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) far_ends: Vec<FarEnd>,
    pub(crate) ticks: u64,
    pub(crate) fetches: bool,
    pub(crate) speech: Vec<(u64, u64, SpeechChange)>,
    pub(crate) active: Vec<(u64, Option<u64>)>,
    /// What the last thing asked sent home.
    retired: Vec<Retired>,
}

/// One far end. It goes on sending whatever it says, as a telephone does.
pub(crate) struct FarEnd {
    codec: Codec,
    encoder: Encoder,
    sound: Sound,
    /// Samples since the sound began; it begins when this is not negative any more.
    at: i64,
    pub(crate) sends: bool,
    sequence: u16,
    timestamp: u32,
    /// The last packet that it was sent.
    pub(crate) heard: Vec<u8>,
}

impl Stage {
    pub(crate) fn new(legs: usize) -> Self {
        Self::with(legs, ConferenceSettings::seats(legs.max(8)))
    }

    pub(crate) fn with(legs: usize, settings: ConferenceSettings) -> Self {
        let engine = Engine::new(EngineSettings { legs_max: 260, conferences_max: 2, tap_frames_max: 0 });
        let mut stage = Self {
            engine,
            far_ends: Vec::new(),
            ticks: 0,
            fetches: true,
            speech: Vec::new(),
            active: Vec::new(),
            retired: Vec::new(),
        };
        // The rates of all codecs but Opus where there are many: a seat takes memory for each.
        let rates = if legs > 100 { &SampleRate::ALL[..1] } else { &SampleRate::ALL };
        let conference = engine_leg::conference(CONFERENCE.0, settings, rates);
        stage.ask(Ask::AddConference(conference)).unwrap();
        (0..legs).for_each(|_| stage.add(Codec::Pcmu));
        stage
    }

    pub(crate) fn add(&mut self, codec: Codec) {
        let id = self.far_ends.len() as u64;
        let leg = engine_leg::leg(id, engine_leg::media(id, codec));
        self.ask(Ask::AddLeg(leg)).unwrap();
        self.join(id).unwrap();
        self.far_ends.push(FarEnd::new(codec));
    }

    pub(crate) fn join(&mut self, leg: u64) -> Result<(), Refusal> {
        self.ask(Ask::Join(LegId(leg), CONFERENCE, Seat::default()))
    }

    /// Goes on in another codec, in the middle of what is said.
    pub(crate) fn recode(&mut self, leg: u64, codec: Codec) {
        let before = &self.far_ends[leg as usize];
        let rate = |codec: Codec| i64::from(codec.sample_rate().hertz());
        let coding = engine_leg::coding(codec).coming_from(before.codec);
        let media = engine_leg::media(leg, codec);
        let after = FarEnd {
            sound: before.sound,
            at: before.at * rate(codec) / rate(before.codec),
            sequence: before.sequence,
            timestamp: before.timestamp,
            ..FarEnd::new(codec)
        };
        self.far_ends[leg as usize] = after;
        let change = LegChange { media, coding: Some(coding), srtp: None };
        self.ask(Ask::SetLegMedia(LegId(leg), Box::new(change))).unwrap();
    }

    pub(crate) fn says(&mut self, leg: u64, sound: Sound) {
        self.says_after(leg, Duration::ZERO, sound);
    }

    /// From so long after the beginning of the next packet on; silence before.
    pub(crate) fn says_after(&mut self, leg: u64, wait: Duration, sound: Sound) {
        let far_end = &mut self.far_ends[leg as usize];
        let rate = f64::from(far_end.codec.sample_rate().hertz());
        (far_end.sound, far_end.at) = (sound, -(wait.as_secs_f64() * rate).round() as i64);
    }

    pub(crate) fn ask(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        let answer = match self.engine.poll_event() {
            Some(Event::Applied { .. }) => Ok(()),
            Some(Event::Refused { refusal, .. }) => Err(refusal),
            other @ (Some(Event::Leg { .. } | Event::Conference { .. }) | None) => panic!("{other:?}"),
        };
        self.retired.clear();
        self.retired.extend(std::iter::from_fn(|| self.engine.poll_retired()));
        self.drain();
        answer
    }

    pub(crate) fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            let now = Time::from_millis(1_000 + 20 * self.ticks);
            for (id, far_end) in (0..).zip(&mut self.far_ends) {
                let packet = far_end.packet(id);
                let source = engine_leg::address(u64::from(id));
                let datagram =
                    Datagram { port: Port::Rtp, source, payload: &packet, received_at: now - AHEAD };
                if far_end.sends {
                    self.engine.handle_datagram(LegId(u64::from(id)), &datagram);
                }
            }
            self.engine.tick(now);
            self.ticks += 1;
            while let Some(transmit) = self.engine.poll_transmit() {
                let far_end = &mut self.far_ends[transmit.leg.0 as usize];
                far_end.heard.clear();
                far_end.heard.extend(&transmit.datagram[12..]);
            }
            self.drain();
        }
    }

    /// Fetches what was reported, if somebody does.
    pub(crate) fn drain(&mut self) {
        while self.fetches
            && let Some(event) = self.engine.poll_event()
        {
            match event {
                Event::Leg { leg, event: LegEvent::Speech(change) } => {
                    self.speech.push((self.ticks, leg.0, change));
                }
                Event::Conference { event: ConferenceEvent::ActiveSpeaker(leg), .. } => {
                    self.active.push((self.ticks, leg.map(|leg| leg.0)));
                }
                Event::Leg { .. } | Event::Conference { event: ConferenceEvent::Played { .. }, .. } => {}
                Event::Applied { .. } | Event::Refused { .. } => panic!("nothing was asked: {event:?}"),
            }
        }
    }

    /// The levels that were asked for last.
    pub(crate) fn levels(&mut self) -> Box<LevelReport> {
        match self.retired.pop() {
            Some(Retired::Levels(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    /// What was reported of a leg's speech.
    pub(crate) fn speech_of(&self, leg: u64) -> Vec<SpeechChange> {
        self.speech.iter().filter(|(_, of, _)| *of == leg).map(|(.., change)| *change).collect()
    }

    /// Who was shown as speaking, one after the other.
    pub(crate) fn shown(&self) -> Vec<Option<u64>> {
        self.active.iter().map(|(_, leg)| *leg).collect()
    }
}

impl FarEnd {
    fn new(codec: Codec) -> Self {
        Self {
            codec,
            encoder: Encoder::new(codec, EncoderSettings::default()).unwrap(),
            sound: Sound::Silence,
            at: 0,
            sends: true,
            sequence: 0,
            timestamp: 0,
            heard: Vec::new(),
        }
    }

    fn packet(&mut self, ssrc: u32) -> Vec<u8> {
        let rate = f64::from(self.codec.sample_rate().hertz());
        let samples: Vec<i16> = (0..self.codec.sample_rate().frame_len())
            .map(|_| {
                let at = self.at;
                self.at += 1;
                if at < 0 { 0 } else { self.sound.at(at as f64 / rate) }
            })
            .collect();
        let mut payload = [0; 1_920];
        let len = self.encoder.encode(&samples, &mut payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.codec.clock_rate() / SECOND as u32);
        let payload_type = self.codec.static_payload_type().unwrap_or(engine_leg::DYNAMIC);
        engine_leg::rtp(payload_type, self.sequence, self.timestamp, ssrc, &payload[..len])
    }
}

/// A duration in whole ticks, as milliseconds.
pub(crate) const fn millis(ticks: u64) -> u64 {
    ticks * Tick::DURATION.as_millis() as u64
}
