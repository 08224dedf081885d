//! What is copied of a conference as a whole, held against what is copied of its legs: the mix is their sum, sample for
//! sample, the one apart and the rest make it up, and all are aligned whatever the rates.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

use std::time::Duration;

use confab_media::codec::L16Rate;
use confab_media::dsp::converter::RateConverter;
use confab_media::dsp::limiter::Limiter;
use confab_media::{
    Ask, Audience, Codec, Coding, Command, CommandId, Conference, ConferenceId, ConferenceSettings,
    ConferenceTap, Datagram, Encoder, EncoderSettings, Engine, EngineSettings, Event, Hearing, LegChange,
    LegId, Player, PlayerId, Plays, Port, Refusal, Retired, SampleRate, Seat, Sound, Tap, TapHead, TapParts,
    TapSide, TapSink, Tapped, Time,
};

const CONFERENCE: ConferenceId = ConferenceId(7);
const L16_WIDE: Codec = Codec::L16(L16Rate::Hz16000);
const NARROW: SampleRate = SampleRate::Hz8000;
const WIDE: SampleRate = SampleRate::Hz16000;

/// Samples by which the whole is late at 8 kHz.
const LATE: usize = 24;

/// Everything at once.
const ALL: TapParts = TapParts { mix: true, apart: Some(LegId(0)), each: true };

struct Stage {
    engine: Engine,
    far_ends: Vec<FarEnd>,
    taps: Vec<Tap>,
    retired: Vec<Retired>,
    now: Time,
    ticks: u32,
    /// Where copies go at once, if they are not to be fetched.
    sink: Option<Sink>,
}

/// Keeps all it is given.
#[derive(Default)]
struct Sink(Vec<Tap>);

impl TapSink for Sink {
    fn put(&mut self, head: &TapHead, samples: &[i16]) {
        let mut tap = Tap::empty();
        tap.begin(*head).copy_from_slice(samples);
        self.0.push(tap);
    }
}

/// One that says something else in each sample, so that nothing passes for anything else.
struct FarEnd {
    codec: Codec,
    encoder: Encoder,
    samples: u32,
    loudness: i32,
    talks: bool,
    clicks: bool,
}

#[test]
fn the_mix_is_the_sum_of_what_all_say_and_the_one_apart_and_the_rest_make_it_up() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcma, Codec::Pcmu], NARROW, ALL);
    stage.run(100);
    let said: Vec<Vec<i16>> =
        (0..3).map(|leg| stage.of(Tapped::Leg(LegId(leg)), TapSide::Received)).collect();
    let sum = |legs: &[usize]| -> Vec<i16> {
        (0..said[0].len()).map(|n| legs.iter().map(|&leg| said[leg][n]).sum()).collect()
    };
    assert!(said.iter().all(|said| said.iter().any(|sample| *sample != 0)));
    for (side, expected) in
        [(TapSide::Mix, sum(&[0, 1, 2])), (TapSide::Apart, sum(&[0])), (TapSide::Rest, sum(&[1, 2]))]
    {
        let copied = stage.whole(side);
        assert_eq!(copied.len(), expected.len(), "{side:?} in every tick");
        assert_eq!(copied[LATE..], expected[..expected.len() - LATE], "{side:?}");
    }
    for leg in 0..3 {
        assert_eq!(stage.whole(TapSide::Seat(LegId(leg))), said[leg as usize], "by themselves, not late");
    }
    let ticks = |side| -> Vec<u64> {
        let of_side = stage.taps.iter().filter(|tap| tap.side == side);
        of_side.map(|tap| tap.tick.0).collect()
    };
    assert_eq!(ticks(TapSide::Mix), ticks(TapSide::Apart));
}

#[test]
fn copies_are_the_same_whether_they_are_fetched_or_go_somewhere_at_once() {
    let [fetched, given] = [None, Some(Sink::default())].map(|sink| {
        let mut stage = Stage::new(&[Codec::Pcmu, L16_WIDE, Codec::Pcmu], NARROW, ALL);
        stage.sink = sink;
        stage.run(20);
        stage.taps
    });
    assert_eq!(fetched.len(), given.len());
    // Of the conference and of each of three legs, both ways.
    assert_eq!(given.len(), 20 * (6 + 6));
    for (fetched, given) in fetched.iter().zip(&given) {
        assert_eq!(
            (fetched.head(), fetched.frame.samples(), given.at),
            (given.head(), given.frame.samples(), fetched.at)
        );
    }
}

#[test]
fn who_is_not_heard_by_everyone_or_hears_something_else_is_left_out_as_for_all_others() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcmu, Codec::Pcmu], NARROW, ALL);
    let music = Sound::new(NARROW, vec![9_000; 8_000 * 4]);
    stage.ask(Ask::Play(LegId(0), Player::new(PlayerId(1), music, Plays::ONCE))).unwrap();
    stage.ask(Ask::SetHearing(LegId(0), Hearing::Played)).unwrap();
    stage.ask(Ask::SetAudience(LegId(0), Audience::Nobody)).unwrap();
    let one = confab_media::LegSet::new(&[LegId(2)]).unwrap();
    stage.ask(Ask::SetAudience(LegId(1), Audience::Only(one))).unwrap();
    stage.run(100);
    let said = stage.of(Tapped::Leg(LegId(2)), TapSide::Received);
    assert_eq!(stage.whole(TapSide::Mix)[LATE..], said[..said.len() - LATE], "neither music nor whispers");
    for side in [TapSide::Apart, TapSide::Seat(LegId(0)), TapSide::Seat(LegId(1))] {
        assert!(stage.whole(side).iter().all(|sample| *sample == 0), "{side:?}");
    }
    let announcement = Sound::new(NARROW, vec![5_000; 160 * 20]);
    stage.far_ends[2].talks = false;
    stage.run(50);
    stage.taps.clear();
    stage.ask(Ask::PlayToAll(CONFERENCE, Player::new(PlayerId(2), announcement, Plays::ONCE))).unwrap();
    stage.run(50);
    let loud = stage.whole(TapSide::Mix).iter().filter(|sample| **sample == 5_000).count();
    assert_eq!(loud, 160 * 20, "what all are told is heard by all");
}

#[test]
fn all_are_aligned_to_the_sample_whatever_their_rates() {
    for rate in [NARROW, WIDE] {
        let mut stage = Stage::new(&[L16_WIDE, Codec::Pcmu], rate, TapParts { each: false, ..ALL });
        stage.far_ends.iter_mut().for_each(|far_end| far_end.clicks = true);
        stage.run(150);
        let peaks = [TapSide::Apart, TapSide::Rest].map(|side| peaks(&stage.whole(side)));
        let settled = |peaks: &[usize]| peaks[peaks.len() - 20..].to_vec();
        assert_eq!(settled(&peaks[0]), settled(&peaks[1]), "{rate:?}");
    }
}

#[test]
fn a_codec_that_changes_in_the_middle_moves_nothing() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcmu], NARROW, TapParts { each: false, ..ALL });
    stage.far_ends.iter_mut().for_each(|far_end| far_end.clicks = true);
    for codec in [L16_WIDE, Codec::Pcma, L16_WIDE, Codec::Pcmu] {
        stage.change(0, codec);
        stage.run(100);
        stage.taps.clear();
        stage.run(100);
        let peaks = [TapSide::Apart, TapSide::Rest].map(|side| peaks(&stage.whole(side)));
        assert!(peaks[0].len() >= 10, "{peaks:?}");
        assert_eq!(peaks[0], peaks[1], "{codec:?}");
    }
}

#[test]
fn what_is_converted_is_what_a_converter_makes_of_it() {
    let mut stage = Stage::new(&[L16_WIDE, Codec::Pcmu], NARROW, ALL);
    stage.run(100);
    let said = stage.of(Tapped::Leg(LegId(0)), TapSide::Received);
    let mut expected = vec![0; said.len() / 2];
    let mut converter = RateConverter::new(WIDE, NARROW);
    for (from, to) in said.chunks(320).zip(expected.chunks_mut(160)) {
        converter.convert(from, to);
    }
    assert_eq!(stage.whole(TapSide::Apart), expected);
    let mix = stage.whole(TapSide::Mix);
    let halves = stage.whole(TapSide::Apart).into_iter().zip(stage.whole(TapSide::Rest));
    let differs = |(mix, (apart, rest)): (&i16, (i16, i16))| {
        (i32::from(*mix) - i32::from(apart) - i32::from(rest)) != 0
    };
    assert_eq!(mix.iter().zip(halves).filter(|both| differs(*both)).count(), 0);
}

#[test]
fn copies_are_what_sum_converter_and_limiter_make_of_it_whatever_begins_and_ends() {
    let others = [TapParts { mix: false, each: false, ..ALL }, TapParts { apart: None, ..ALL }, ALL];
    for (rate, parts) in [NARROW, WIDE].into_iter().flat_map(|rate| others.map(|parts| (rate, parts))) {
        let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcmu, Codec::Pcma, L16_WIDE], rate, parts);
        let mut dice = 7_u32;
        for _ in 0..60 {
            for far_end in &mut stage.far_ends {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                far_end.talks = dice >> 30 != 0;
                far_end.loudness = if dice >> 28 & 3 == 0 { 31_000 } else { 4_000 };
            }
            stage.run(1 + (dice >> 20) % 4);
        }
        let said: Vec<Vec<i16>> =
            (0..4).map(|leg| stage.of(Tapped::Leg(LegId(leg)), TapSide::Received)).collect();
        let (all, one) = (brought_together(&said, &[0, 1, 2, 3], rate), brought_together(&said, &[0], rate));
        // Converted, a sum is not what its parts are, to the last bit.
        let rest = all.iter().zip(&one).map(|(all, one)| all - one).collect();
        for (side, sum) in [(TapSide::Mix, all), (TapSide::Apart, one), (TapSide::Rest, rest)] {
            let is_copied = if side == TapSide::Mix { parts.mix } else { parts.apart.is_some() };
            let expected = if is_copied { limited(&sum, rate.frame_len()) } else { Vec::new() };
            let copied = stage.whole(side);
            let other = copied.iter().zip(&expected).position(|(copied, expected)| copied != expected);
            let context = format!("{side:?} at {rate:?}, {parts:?}");
            assert_eq!((copied.len(), other), (expected.len(), None), "{context}");
        }
    }
}

/// What these legs said, as one: added by their rates, each sum brought to this rate and by as much as the others late.
fn brought_together(said: &[Vec<i16>], legs: &[usize], to: SampleRate) -> Vec<i32> {
    let (len, late) = (to.frame_len(), to.frame_len() * LATE / 160);
    let ticks = said[0].len() / 160;
    let mut sum = vec![0; ticks * len];
    for from in [NARROW, WIDE] {
        let samples = ticks * from.frame_len();
        let mut sound = vec![0; samples];
        for said in legs.iter().map(|leg| &said[*leg]).filter(|said| said.len() == samples) {
            sound.iter_mut().zip(said).for_each(|(sound, sample)| *sound += i32::from(*sample));
        }
        let mut brought = vec![0; ticks * len];
        if from == to {
            brought[late..].copy_from_slice(&sound[..ticks * len - late]);
        } else {
            // It makes it as late as all are.
            let mut converter = RateConverter::new(from, to);
            for (from, to) in sound.chunks(from.frame_len()).zip(brought.chunks_mut(len)) {
                converter.convert(from, to);
            }
        }
        sum.iter_mut().zip(brought).for_each(|(sum, sample)| *sum += sample);
    }
    sum
}

fn limited(sum: &[i32], len: usize) -> Vec<i16> {
    let (mut limiter, mut limited) = (Limiter::default(), vec![0; sum.len()]);
    for (mix, out) in sum.chunks(len).zip(limited.chunks_mut(len)) {
        limiter.follow(mix).apply(mix, out);
    }
    limited
}

#[test]
fn who_is_too_loud_together_is_turned_down_and_not_clipped() {
    let mut stage = Stage::new(&[Codec::Pcmu; 6], NARROW, ALL);
    stage.far_ends.iter_mut().for_each(|far_end| far_end.loudness = 30_000);
    stage.run(100);
    for side in [TapSide::Mix, TapSide::Rest] {
        let copied = stage.whole(side);
        assert!(copied.iter().all(|sample| sample.unsigned_abs() < 32_750), "{side:?}");
        assert!(copied.iter().any(|sample| sample.unsigned_abs() > 30_000), "{side:?}");
    }
}

#[test]
fn who_comes_and_goes_has_copies_for_as_long_as_they_are_there_and_the_whole_goes_on() {
    let mut stage = Stage::new(&[Codec::Pcmu, Codec::Pcmu], NARROW, ALL);
    stage.run(20);
    stage.ask(Ask::Leave(LegId(0))).unwrap();
    stage.run(20);
    stage.ask(Ask::Join(LegId(0), CONFERENCE, Seat::default())).unwrap();
    stage.run(20);
    let ticks = |side: TapSide| stage.taps.iter().filter(|tap| tap.side == side).count();
    assert_eq!((ticks(TapSide::Seat(LegId(0))), ticks(TapSide::Seat(LegId(1)))), (40, 60));
    assert_eq!((ticks(TapSide::Mix), ticks(TapSide::Apart), ticks(TapSide::Rest)), (60, 60, 60));
    let apart = stage.whole(TapSide::Apart);
    assert!(apart[160 * 21..160 * 40].iter().all(|sample| *sample == 0), "gone is silent");
    assert!(apart[160 * 41..].iter().any(|sample| *sample != 0));
}

#[test]
fn a_tap_ends_and_what_was_not_needed_comes_home() {
    let mut stage = Stage::new(&[Codec::Pcmu], NARROW, TapParts { mix: true, ..TapParts::default() });
    stage.run(5);
    let other = |rate, parts| Ask::TapConference(CONFERENCE, ConferenceTap::new(rate, parts));
    stage.ask(other(NARROW, ALL)).unwrap();
    stage.ask(other(WIDE, ALL)).unwrap();
    let nowhere = Ask::TapConference(ConferenceId(99), ConferenceTap::new(NARROW, ALL));
    assert_eq!(stage.ask(nowhere), Err(Refusal::NoConference));
    stage.run(5);
    assert_eq!(stage.whole(TapSide::Mix).len(), 5 * 160 + 5 * 320);
    stage.ask(Ask::UntapConference(CONFERENCE)).unwrap();
    stage.ask(Ask::UntapConference(CONFERENCE)).unwrap();
    stage.taps.clear();
    stage.run(5);
    assert!(stage.taps.iter().all(|tap| matches!(tap.of, Tapped::Leg(_))));
    let home = stage.retired.iter().filter(|retired| matches!(retired, Retired::ConferenceTap(_)));
    assert_eq!(home.count(), 4);
}

impl Stage {
    fn new(codecs: &[Codec], rate: SampleRate, parts: TapParts) -> Self {
        let settings = EngineSettings { legs_max: 16, conferences_max: 2, tap_frames_max: 64 };
        let (now, taps, retired) = (Time::from_millis(1_000), Vec::new(), Vec::new());
        let engine = Engine::new(settings);
        let mut stage = Self { engine, far_ends: Vec::new(), taps, retired, now, ticks: 0, sink: None };
        let seats = ConferenceSettings::seats(8);
        let conference = Conference::equipped(CONFERENCE, seats, &SampleRate::ALL).unwrap();
        stage.ask(Ask::AddConference(conference)).unwrap();
        codecs.iter().for_each(|codec| stage.add(*codec));
        stage.ask(Ask::TapConference(CONFERENCE, ConferenceTap::new(rate, parts))).unwrap();
        stage
    }

    fn add(&mut self, codec: Codec) {
        let id = self.far_ends.len() as u64;
        self.ask(Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec)))).unwrap();
        self.ask(Ask::Join(LegId(id), CONFERENCE, Seat::default())).unwrap();
        self.ask(Ask::SetTap(LegId(id), true)).unwrap();
        self.far_ends.push(FarEnd::new(codec));
    }

    fn change(&mut self, leg: u64, codec: Codec) {
        let far_end = &mut self.far_ends[leg as usize];
        let coding = Coding::new(codec, 20, EncoderSettings::default()).unwrap().coming_from(far_end.codec);
        (far_end.codec, far_end.encoder) = (codec, Encoder::new(codec, EncoderSettings::default()).unwrap());
        let change = LegChange { media: engine_leg::media(leg, codec), coding: Some(coding), srtp: None };
        self.ask(Ask::SetLegMedia(LegId(leg), Box::new(change))).unwrap();
    }

    fn ask(&mut self, ask: Ask) -> Result<(), Refusal> {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        self.retired.extend(std::iter::from_fn(|| self.engine.poll_retired()));
        loop {
            match self.engine.poll_event().expect("a command is answered") {
                Event::Applied { .. } => return Ok(()),
                Event::Refused { refusal, .. } => return Err(refusal),
                Event::Leg { .. } | Event::Conference { .. } => {}
            }
        }
    }

    fn run(&mut self, ticks: u32) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(8);
            for (id, far_end) in self.far_ends.iter_mut().enumerate() {
                let packet = far_end.packet(self.ticks, id as u32);
                let (source, received_at) = (engine_leg::address(id as u64), self.now);
                let datagram = Datagram { port: Port::Rtp, source, payload: &packet, received_at };
                self.engine.handle_datagram(LegId(id as u64), &datagram);
            }
            self.ticks += 1;
            self.now += Duration::from_millis(12);
            match &mut self.sink {
                Some(sink) => self.engine.mix_into(self.now, sink).encode(),
                None => self.engine.tick(self.now),
            }
            while self.engine.poll_transmit().is_some() {}
            while self.engine.poll_event().is_some() {}
            self.taps.extend(std::iter::from_fn(|| self.engine.poll_tap()));
            self.taps.extend(self.sink.iter_mut().flat_map(|sink| sink.0.drain(..)));
        }
    }

    fn whole(&self, side: TapSide) -> Vec<i16> {
        self.of(Tapped::Conference(CONFERENCE), side)
    }

    fn of(&self, of: Tapped, side: TapSide) -> Vec<i16> {
        let taps = self.taps.iter().filter(|tap| tap.of == of && tap.side == side);
        taps.flat_map(|tap| tap.frame.samples().to_vec()).collect()
    }
}

/// Time between clicks, in ticks and a part of one.
const CLICK_EVERY: u32 = 1_021;

impl FarEnd {
    fn new(codec: Codec) -> Self {
        let encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
        Self { codec, encoder, samples: codec.clock_rate(), loudness: 4_000, talks: true, clicks: false }
    }

    fn packet(&mut self, tick: u32, ssrc: u32) -> Vec<u8> {
        let len = self.codec.sample_rate().frame_len();
        let samples: Vec<i16> = (0..len as u32)
            .map(|n| {
                self.samples = self.samples.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 + ssrc);
                // In samples at 8 kHz, at which all click in the same.
                let (at, part) = (tick * 160 + n * 160 / len as u32, n * 160 % len as u32);
                let clicks = at.is_multiple_of(CLICK_EVERY) && part == 0;
                let noise = (self.samples >> 16) as i32 % (2 * self.loudness) - self.loudness;
                match (self.talks, self.clicks) {
                    (false, _) => 0,
                    (true, true) => i16::from(clicks) * 7_932,
                    (true, false) => noise as i16,
                }
            })
            .collect();
        let mut payload = [0; 1_920];
        let len = self.encoder.encode(&samples, &mut payload);
        let mut packet = vec![0x80, engine_leg::payload_type(self.codec)];
        packet.extend((tick as u16).to_be_bytes());
        packet.extend((tick * (self.codec.clock_rate() / 50)).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        packet.extend(&payload[..len]);
        packet
    }
}

/// Where clicks are: the loudest sample of each.
fn peaks(sound: &[i16]) -> Vec<usize> {
    let is_peak = |&n: &usize| {
        let around = &sound[n.saturating_sub(40)..(n + 40).min(sound.len())];
        sound[n] > 1_500 && around.iter().all(|sample| *sample <= sound[n])
    };
    (0..sound.len()).filter(is_peak).collect()
}
