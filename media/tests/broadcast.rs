//! What is on for all who wait: one packet for each codec, whoever hears it and wherever they sit, and no break for those
//! who come to it from a conference or go back.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::f64::consts::TAU;
use std::time::Duration;

use confab_media::{
    Ask, Audience, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Decoder, Engine,
    EngineSettings, Event, Hearing, LegId, PROGRAMMES_MAX, Player, PlayerId, Plays, Port, Programme,
    ProgrammeId, Refusal, Retired, SampleRate, Seat, Sound, Time,
};

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

const CONFERENCE: ConferenceId = ConferenceId(1);

/// Codecs that remember, and one that does not.
const CODECS: [Codec; 3] = [Codec::Pcmu, Codec::G722, Codec::Opus];

/// What is on, and what is played to one alone.
const MUSIC: f64 = 450.0;
const OTHER: f64 = 650.0;

/// What is on, by name.
const FIRST: ProgrammeId = ProgrammeId(1);
const SECOND: ProgrammeId = ProgrammeId(2);

/// What the talker says.
const TALK: f64 = 1_050.0;

struct Stage {
    engine: Engine,
    codecs: Vec<Codec>,
    /// All that each was sent.
    heard: Vec<Vec<Vec<u8>>>,
    /// Who says something.
    talker: Option<u64>,
    now: Time,
    ticks: u32,
    /// Programmes that came home.
    gone: usize,
}

impl Stage {
    fn new() -> Self {
        let settings = EngineSettings { legs_max: 32, conferences_max: 1, tap_frames_max: 0 };
        let mut stage = Self {
            engine: Engine::new(settings),
            codecs: Vec::new(),
            heard: Vec::new(),
            talker: None,
            now: Time::from_millis(1_000),
            ticks: 0,
            gone: 0,
        };
        let seats = ConferenceSettings::seats(32);
        stage.ask(Ask::AddConference(engine_leg::conference(CONFERENCE.0, seats, &SampleRate::ALL)));
        stage
    }

    /// One with something on.
    fn on() -> Self {
        let mut stage = Self::new();
        stage.put_on(FIRST, MUSIC);
        stage
    }

    fn put_on(&mut self, id: ProgrammeId, hertz: f64) {
        self.ask(Ask::PutOn(id, Programme::new(&tone(hertz, 1.0)).unwrap()));
    }

    fn add(&mut self, codec: Codec) -> LegId {
        let id = self.codecs.len() as u64;
        self.ask(Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec))));
        self.codecs.push(codec);
        self.heard.push(Vec::new());
        LegId(id)
    }

    /// One with a seat.
    fn seat(&mut self, codec: Codec) -> LegId {
        let leg = self.add(codec);
        self.ask(Ask::Join(leg, CONFERENCE, Seat::default()));
        leg
    }

    fn hold(&mut self, leg: LegId) {
        self.ask(Ask::SetAudience(leg, Audience::Nobody));
        self.ask(Ask::SetHearing(leg, Hearing::Played));
    }

    fn resume(&mut self, leg: LegId) {
        self.ask(Ask::SetHearing(leg, Hearing::Conference));
    }

    fn ask(&mut self, ask: Ask) {
        assert_eq!(self.try_ask(ask), Ok(()));
    }

    fn try_ask(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        let mut answer = None;
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Applied { .. } => answer = Some(Ok(())),
                Event::Refused { refusal, .. } => answer = Some(Err(refusal)),
                Event::Leg { .. } | Event::Conference { .. } => {}
            }
        }
        self.retire();
        answer.unwrap()
    }

    fn retire(&mut self) {
        while let Some(retired) = self.engine.poll_retired() {
            self.gone += usize::from(matches!(retired, Retired::Programme(_)));
        }
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.ticks += 1;
            if let Some(talker) = self.talker {
                self.talk(talker);
            }
            self.now += Duration::from_millis(20);
            self.engine.tick(self.now);
            while let Some(transmit) = self.engine.poll_transmit() {
                if engine_leg::is_audio(transmit.datagram) {
                    self.heard[transmit.leg.0 as usize].push(transmit.datagram[12..].to_vec());
                }
            }
            while self.engine.poll_event().is_some() {}
            self.retire();
        }
    }

    /// Whole periods of a tone in each packet of µ-law.
    fn talk(&mut self, talker: u64) {
        let samples: Vec<i16> = (0..160).map(|n| wave(TALK, n, 8_000)).collect();
        let mut payload = [0; 160];
        Codec::Pcmu.encode(&samples, &mut payload);
        let packet = engine_leg::rtp(0, self.ticks as u16, self.ticks * 160, 9, &payload);
        let (source, received_at) = (engine_leg::address(talker), self.now + Duration::from_millis(8));
        let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
        self.engine.handle_datagram(LegId(talker), &datagram);
    }

    /// What a leg heard, decoded, 20 ms for 20 ms.
    fn sound(&self, leg: LegId) -> Vec<Vec<i16>> {
        let codec = self.codecs[leg.0 as usize];
        let mut decoder = Decoder::new(codec).unwrap();
        let frame = codec.sample_rate().frame_len();
        let decode = |payload: &Vec<u8>| {
            let mut samples = vec![0; frame];
            decoder.decode(payload, &mut samples);
            samples
        };
        self.heard[leg.0 as usize].iter().map(decode).collect()
    }

    /// What a tick encodes.
    fn encoded(&mut self) -> u64 {
        let before = self.engine.counters().encoded;
        self.run(1);
        self.engine.counters().encoded - before
    }
}

fn wave(hertz: f64, n: usize, rate: u32) -> i16 {
    ((n as f64 * hertz / f64::from(rate) * TAU).sin() * 6_000.0) as i16
}

fn tone(hertz: f64, seconds: f64) -> Sound {
    let rate = SampleRate::Hz16000;
    let len = (f64::from(rate.hertz()) * seconds) as usize;
    Sound::new(rate, (0..len).map(|n| wave(hertz, n, rate.hertz())).collect::<Vec<_>>())
}

/// How loud a tone is in a frame.
fn loudness(frame: &[i16], hertz: f64) -> f64 {
    let rate = frame.len() as f64 * 50.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in frame.iter().enumerate() {
        let angle = n as f64 * hertz / rate * TAU;
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    2.0 * re.hypot(im) / frame.len() as f64
}

/// The power in a frame of all that is not one of these tones, against the whole, in dB.
fn noise(frame: &[i16], tones: &[f64]) -> f64 {
    let power = frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / frame.len() as f64;
    let known: f64 = tones.iter().map(|&hertz| loudness(frame, hertz).powi(2) / 2.0).sum();
    10.0 * ((power - known).max(1.0) / power.max(1.0)).log10()
}

#[test]
fn all_who_wait_are_sent_one_packet_of_each_codec_wherever_they_are() {
    let mut stage = Stage::on();
    for codec in CODECS {
        for n in 0..6 {
            let leg = if n % 2 == 0 { stage.seat(codec) } else { stage.add(codec) };
            stage.hold_or_wait(leg, n % 2 == 0);
        }
    }
    stage.run(10);
    assert_eq!(stage.encoded(), CODECS.len() as u64);
    for legs in [0..6, 6..12, 12..18] {
        let last = |leg: usize| stage.heard[leg].last().unwrap();
        assert!(legs.clone().all(|leg| last(leg) == last(legs.start)), "{legs:?}");
        let sound = stage.sound(LegId(legs.start as u64));
        assert!(loudness(sound.last().unwrap(), MUSIC) > 5_000.0, "{legs:?}");
    }
}

impl Stage {
    fn hold_or_wait(&mut self, leg: LegId, is_seated: bool) {
        self.ask(Ask::Tune(leg, FIRST));
        if is_seated {
            self.hold(leg);
        }
    }
}

#[test]
fn whoever_comes_from_a_conference_and_goes_back_hears_no_break() {
    for codec in CODECS {
        let mut stage = Stage::on();
        let talker = stage.seat(Codec::Pcmu);
        stage.talker = Some(talker.0);
        // One more listens to each all the while.
        let (leg, other, _) = (stage.seat(codec), stage.seat(codec), stage.seat(codec));
        stage.ask(Ask::SetAudience(leg, Audience::Nobody));
        stage.ask(Ask::Tune(other, FIRST));
        stage.hold(other);
        stage.run(50);
        stage.ask(Ask::Tune(leg, FIRST));
        stage.hold(leg);
        stage.run(50);
        stage.resume(leg);
        stage.run(50);
        let sound = stage.sound(leg);
        // Opus finds its voice for a steady tone in a few frames, when it goes over to another encoder.
        let most = if codec == Codec::Opus { -10.0 } else { -20.0 };
        // The tones change from one frame to the next, and codecs carry a frame's end into the next. Apart from those two
        // there is nothing but tones.
        for (n, frame) in sound.iter().enumerate().skip(15) {
            let changes = [50, 100].iter().any(|at| (0..4).contains(&(n as i32 - at)));
            let noise = noise(frame, &[MUSIC, TALK]);
            assert!(changes || noise < most, "{codec:?}: {noise:.1} dB of noise in frame {n}");
        }
        assert!(loudness(&sound[45], TALK) > 4_000.0 && loudness(&sound[45], MUSIC) < 200.0, "{codec:?}");
        assert!(loudness(&sound[95], MUSIC) > 4_000.0 && loudness(&sound[95], TALK) < 200.0, "{codec:?}");
        assert!(loudness(&sound[145], TALK) > 4_000.0 && loudness(&sound[145], MUSIC) < 200.0, "{codec:?}");
    }
}

#[test]
fn it_goes_on_for_whoever_comes_back_and_stands_still_while_nobody_listens() {
    let mut stage = Stage::new();
    // Half a second of one tone, and half a second of another.
    let halves = [tone(MUSIC, 0.5), tone(OTHER, 0.5)];
    let samples: Vec<i16> = halves.iter().flat_map(|half| half.samples().to_vec()).collect();
    stage.ask(Ask::PutOn(FIRST, Programme::new(&Sound::new(SampleRate::Hz16000, samples)).unwrap()));
    let leg = stage.add(Codec::Pcmu);
    stage.ask(Ask::Tune(leg, FIRST));
    stage.run(20);
    stage.ask(Ask::StopPlaying(leg));
    stage.run(100);
    stage.ask(Ask::Tune(leg, FIRST));
    stage.run(20);
    let sound = stage.sound(leg);
    assert!(loudness(&sound[19], MUSIC) > 5_000.0);
    // The frame in which it ended fades out.
    let last = &sound[20];
    assert!(last[..40].iter().any(|s| s.abs() > 3_000) && last[150..].iter().all(|s| s.abs() < 500));
    assert!(sound[21..120].iter().flatten().all(|&s| s == 0));
    // 21 of 25 frames of the first half were heard.
    assert!(loudness(&sound[122], MUSIC) > 5_000.0 && loudness(&sound[122], OTHER) < 300.0);
    assert!(loudness(&sound[130], OTHER) > 5_000.0 && loudness(&sound[130], MUSIC) < 300.0);
}

#[test]
fn what_is_played_to_one_alone_takes_its_place_and_the_other_way_round() {
    let mut stage = Stage::on();
    let leg = stage.add(Codec::G722);
    stage.ask(Ask::Tune(leg, FIRST));
    stage.run(20);
    stage.ask(Ask::Play(leg, Player::new(PlayerId(1), tone(OTHER, 60.0), Plays::ONCE)));
    stage.run(20);
    stage.ask(Ask::Tune(leg, FIRST));
    stage.run(20);
    let sound = stage.sound(leg);
    for (frame, heard, gone) in [(18, MUSIC, OTHER), (38, OTHER, MUSIC), (58, MUSIC, OTHER)] {
        assert!(loudness(&sound[frame], heard) > 4_000.0, "{heard} in {frame}");
        assert!(loudness(&sound[frame], gone) < 300.0, "{gone} in {frame}");
    }
}

#[test]
fn where_nothing_is_on_nobody_can_hear_it() {
    let mut stage = Stage::new();
    let leg = stage.add(Codec::Pcmu);
    assert_eq!(stage.try_ask(Ask::Tune(leg, FIRST)), Err(Refusal::NotEquipped));
    assert_eq!(stage.try_ask(Ask::StopPlaying(leg)), Err(Refusal::NotPlaying));
    stage.run(2);
    assert!(stage.sound(leg).iter().flatten().all(|&s| s == 0));
}

#[test]
fn two_that_are_on_are_heard_by_those_who_are_tuned_to_them_and_encoded_once_each() {
    let mut stage = Stage::on();
    stage.put_on(SECOND, OTHER);
    let mut legs = Vec::new();
    for codec in CODECS {
        for n in 0..6 {
            let leg = if n % 2 == 0 { stage.seat(codec) } else { stage.add(codec) };
            stage.ask(Ask::Tune(leg, if n < 3 { FIRST } else { SECOND }));
            if n % 2 == 0 {
                stage.hold(leg);
            }
            legs.push((leg, if n < 3 { (MUSIC, OTHER) } else { (OTHER, MUSIC) }));
        }
    }
    stage.run(20);
    assert_eq!(stage.encoded(), 2 * CODECS.len() as u64);
    for (leg, (heard, not_heard)) in legs {
        let sound = stage.sound(leg);
        let last = sound.last().unwrap();
        assert!(loudness(last, heard) > 5_000.0 && loudness(last, not_heard) < 100.0, "{leg}: {heard}");
    }
}

#[test]
fn whoever_goes_from_one_that_is_on_to_another_hears_no_break() {
    for codec in CODECS {
        let mut stage = Stage::on();
        stage.put_on(SECOND, OTHER);
        // One more listens to each all the while: the encoders remember what the newcomer's did not.
        let [leg, first, second] = [(); 3].map(|()| stage.add(codec));
        stage.ask(Ask::Tune(first, FIRST));
        stage.ask(Ask::Tune(second, SECOND));
        for to in [FIRST, SECOND, FIRST] {
            stage.ask(Ask::Tune(leg, to));
            stage.run(50);
        }
        assert_eq!(stage.heard[leg.0 as usize].len(), 150, "a packet a tick");
        let sound = stage.sound(leg);
        let most = if codec == Codec::Opus { -10.0 } else { -20.0 };
        for (n, frame) in sound.iter().enumerate().skip(15) {
            let changes = [50, 100].iter().any(|at| (0..4).contains(&(n as i32 - at)));
            let noise = noise(frame, &[MUSIC, OTHER]);
            assert!(changes || noise < most, "{codec:?}: {noise:.1} dB of noise in frame {n}");
        }
        for (frame, heard, gone) in [(45, MUSIC, OTHER), (95, OTHER, MUSIC), (145, MUSIC, OTHER)] {
            let (heard, gone) = (loudness(&sound[frame], heard), loudness(&sound[frame], gone));
            assert!(heard > 4_000.0 && gone < 200.0, "{codec:?}: {heard}, {gone} in {frame}");
        }
        let last = |leg: LegId| stage.heard[leg.0 as usize].last().unwrap();
        assert_eq!(last(leg), last(first), "{codec:?}: they share a packet again");
    }
}

#[test]
fn one_that_is_taken_off_fades_out_for_who_left_it_with_it_and_comes_home() {
    for codec in CODECS {
        let mut stage = Stage::on();
        let leg = stage.add(codec);
        stage.ask(Ask::Tune(leg, FIRST));
        stage.run(20);
        stage.ask(Ask::StopPlaying(leg));
        stage.ask(Ask::TakeOff(FIRST));
        assert_eq!(stage.try_ask(Ask::Tune(leg, FIRST)), Err(Refusal::NotEquipped));
        assert_eq!(stage.try_ask(Ask::TakeOff(FIRST)), Err(Refusal::NotPlaying));
        stage.run(1);
        assert_eq!(stage.gone, 0, "it is still heard");
        stage.run(9);
        assert_eq!(stage.gone, 1);
        let sound = stage.sound(leg);
        let peak = |frame: usize| sound[frame].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!(peak(20) > 3_000 && peak(26) < 500, "{codec:?}: {} and {}", peak(20), peak(26));
        // Under its name another can be put on.
        stage.put_on(FIRST, OTHER);
        stage.ask(Ask::Tune(leg, FIRST));
        stage.run(20);
        assert!(loudness(stage.sound(leg).last().unwrap(), OTHER) > 4_000.0, "{codec:?}");
    }
}

#[test]
fn who_is_tuned_to_what_was_taken_off_hears_silence_and_nothing_else() {
    for codec in CODECS {
        let mut stage = Stage::on();
        stage.put_on(SECOND, OTHER);
        let leg = stage.add(codec);
        stage.ask(Ask::Tune(leg, FIRST));
        stage.run(20);
        stage.ask(Ask::TakeOff(FIRST));
        stage.run(20);
        let sound = stage.sound(leg);
        assert_eq!((sound.len(), stage.gone), (40, 1));
        let last = sound.last().unwrap();
        assert!(last.iter().all(|s| s.unsigned_abs() < 100), "{codec:?}");
    }
}

#[test]
fn so_many_are_on_at_a_time_and_one_that_goes_makes_room() {
    let mut stage = Stage::new();
    let ids = (0..PROGRAMMES_MAX as u64).map(ProgrammeId);
    ids.for_each(|id| stage.put_on(id, MUSIC));
    let more = |hertz| Ask::PutOn(ProgrammeId(99), Programme::new(&tone(hertz, 0.1)).unwrap());
    assert_eq!(stage.try_ask(more(OTHER)), Err(Refusal::EngineFull));
    assert_eq!(stage.gone, 1, "it came home");
    // In place of what is on under the same name, there is room.
    stage.put_on(FIRST, MUSIC);
    assert_eq!(stage.gone, 2);
    stage.ask(Ask::TakeOff(SECOND));
    stage.ask(more(OTHER));
    assert_eq!(stage.gone, 3, "what goes has gone at once");
    let leg = stage.add(Codec::Pcmu);
    stage.ask(Ask::Tune(leg, ProgrammeId(99)));
    stage.run(10);
    assert!(loudness(stage.sound(leg).last().unwrap(), OTHER) > 5_000.0);
    stage.run(10);
    assert_eq!(stage.gone, 3);
}
