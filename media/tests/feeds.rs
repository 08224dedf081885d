//! What a leg hears of a feed, by what its packets hold once a far end has decoded them: in every codec, at every rate,
//! in packets of every length, and after all that can be asked of a leg meanwhile.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::f64::consts::TAU;
use std::time::Duration;

use confab_media::codec::PACKET_SAMPLES_MAX;
use confab_media::{
    Ask, Codec, Coding, Command, CommandId, Decoder, Direction, EncoderSettings, Engine, EngineSettings,
    Event, FeedWriter, Leg, LegEvent, LegId, PlayEnd, Player, PlayerId, Retired, SampleRate, Time, feed,
};
use proptest::prelude::*;

#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;

const LEG: LegId = LegId(1);
const PLAYER: PlayerId = PlayerId(9);

/// What the tones are made of: loud enough that 40 dB less is heard as nothing beside it.
const HERTZ: f64 = 400.0;
const AMPLITUDE: f64 = 12_000.0;

/// Of sound that is gone in a codec that adds noise of its own.
const SILENT: f64 = AMPLITUDE / 100.0;

/// Of a full scale: -60 dB.
const NOTHING: f64 = 32_768.0 / 1_000.0;

/// One leg that hears a feed, and its far end.
struct Stage {
    engine: Engine,
    writer: FeedWriter,
    codec: Codec,
    decoder: Decoder,
    now: Time,
    /// All that the far end decoded.
    heard: Vec<i16>,
    /// Packets that were fetched.
    packets: usize,
    /// Marks, with the samples that the far end had when they were told of.
    marks: Vec<(u64, usize)>,
    ends: Vec<PlayEnd>,
    written: usize,
    rate: SampleRate,
    /// Whether its far end wants to be sent anything.
    is_sent: bool,
}

impl Stage {
    fn new(codec: Codec, ptime: u8, rate: SampleRate) -> Self {
        let settings = EngineSettings { legs_max: 4, conferences_max: 1, tap_frames_max: 0 };
        let (writer, feed) = feed(rate);
        let mut stage = Self {
            engine: Engine::new(settings),
            writer,
            codec,
            decoder: Decoder::new(codec).unwrap(),
            now: Time::from_millis(1_000),
            heard: Vec::new(),
            packets: 0,
            marks: Vec::new(),
            ends: Vec::new(),
            written: 0,
            rate,
            is_sent: true,
        };
        let mut media = engine_leg::media(LEG.0, codec);
        media.terms.ptime = ptime;
        let mut settings = engine_leg::settings(LEG.0, media);
        settings.coding = Coding::new(codec, ptime, EncoderSettings::default()).unwrap();
        stage.ask(Ask::AddLeg(Leg::new(settings)));
        stage.ask(Ask::Play(LEG, Player::of_feed(PLAYER, feed)));
        stage
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(0), ask });
        assert!(matches!(self.engine.poll_event(), Some(Event::Applied { .. })));
    }

    /// Writes so many milliseconds of the tone.
    fn write(&mut self, millis: usize) {
        self.write_samples(millis * self.rate.hertz() as usize / 1_000);
    }

    fn write_samples(&mut self, len: usize) {
        let hertz = f64::from(self.rate.hertz());
        let tone = |n| ((n as f64 * HERTZ * TAU / hertz).sin() * AMPLITUDE) as i16;
        let samples: Vec<i16> = (self.written..self.written + len).map(tone).collect();
        assert_eq!(self.writer.write(&samples), len);
        self.written += len;
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.now += Duration::from_millis(20);
            self.engine.tick(self.now);
            let early = self.more_marks();
            assert!(early.is_none() || !self.is_sent, "told of before the packets were fetched");
            self.marks.extend(early.map(|marks| (marks, self.heard.len())));
            let mut packet = [0; PACKET_SAMPLES_MAX];
            while let Some(transmit) = self.engine.poll_transmit() {
                let len = self.decoder.decode(&transmit.datagram[12..], &mut packet).samples;
                self.heard.extend_from_slice(&packet[..len]);
                self.packets += 1;
            }
            let marks = self.more_marks();
            self.marks.extend(marks.map(|marks| (marks, self.heard.len())));
            self.note_ends();
        }
    }

    /// How many marks were passed, if these are more than before.
    fn more_marks(&self) -> Option<u64> {
        let before = self.marks.last().map_or(0, |(marks, _)| *marks);
        Some(self.writer.passed()).filter(|passed| *passed != before)
    }

    fn note_ends(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            match event {
                Event::Leg { event: LegEvent::Played { player: PLAYER, end }, .. } => self.ends.push(end),
                Event::Leg { .. }
                | Event::Applied { .. }
                | Event::Refused { .. }
                | Event::Conference { .. } => panic!("{event:?}"),
            }
        }
    }

    /// Samples that the far end hears in so many milliseconds.
    fn samples(&self, millis: usize) -> usize {
        millis * self.codec.sample_rate().hertz() as usize / 1_000
    }
}

/// Every codec, with every length of packets and every rate of what is fed.
fn ways() -> impl Strategy<Value = (Codec, u8, SampleRate)> {
    let codecs = prop::sample::select(Codec::ALL.to_vec());
    let lengths = prop::sample::select(vec![10_u8, 20, 30, 40, 60]);
    let rates = prop::sample::select(SampleRate::ALL.to_vec());
    (codecs, lengths, rates).prop_map(|(codec, length, rate)| match (codec, length) {
        // Opus has no packets of 30 ms.
        (Codec::Opus, 30) => (codec, 60, rate),
        _ => (codec, length, rate),
    })
}

fn loudest(samples: &[i16]) -> f64 {
    samples.iter().map(|sample| f64::from(sample.unsigned_abs())).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A mark that stands where sound ends is told of when the packet is fetched that has the last of it: what comes later
    /// is silent, and without that packet there would be less than all of it.
    #[test]
    fn a_mark_is_told_of_with_the_packet_that_holds_the_last_sound_before_it(
        (codec, ptime, rate) in ways(),
        len in 200_usize..6_000,
        before in 0_usize..4,
    ) {
        let mut stage = Stage::new(codec, ptime, rate);
        stage.run(before);
        let len = len * rate.hertz() as usize / 8_000;
        stage.write_samples(len);
        stage.writer.mark(1);
        stage.run(len * 50 / rate.hertz() as usize + 12);
        let &[(1, heard)] = &stage.marks[..] else {
            panic!("{:?}", stage.marks);
        };
        // What rings out behind the end, and what a codec makes of it.
        let ringing = stage.samples(10) + 2 * codec.delay();
        let later = &stage.heard[(heard + ringing).min(stage.heard.len())..];
        prop_assert!(loudest(later) < SILENT, "{} after the mark", loudest(later));
        let lasts = before * 20 + len * 1_000 / rate.hertz() as usize;
        let earliest = stage.samples(lasts);
        prop_assert!(heard >= earliest, "{heard} samples when {earliest} were to be heard");
        let packet = usize::from(ptime.max(20));
        // A frame, what a longer packet waits for, and 10 ms of resampler and encoder.
        let latest = earliest + stage.samples(20 + packet + 10);
        prop_assert!(heard <= latest, "{heard} samples, {latest} at the latest");
    }

    /// What is cleared at any moment is over with the next 20 ms, in whatever a decoder made of it too, and its marks are
    /// told of with them. What is said then is heard as before.
    #[test]
    fn a_clear_is_silence_within_a_frame((codec, ptime, rate) in ways(), ticks in 5_usize..30, more in 0_u64..3) {
        let mut stage = Stage::new(codec, ptime, rate);
        stage.write(900);
        stage.writer.mark(1);
        stage.run(ticks);
        prop_assert!(loudest(&stage.heard) > AMPLITUDE * 0.7);
        stage.writer.clear(more);
        stage.run(12);
        prop_assert_eq!(stage.marks.last().map(|(marks, _)| *marks), Some(1 + more));
        let silent = if codec == Codec::Opus { NOTHING } else { SILENT };
        // All that the far end hears from 20 ms after the tick before the clear.
        let later = &stage.heard[stage.samples((ticks + 1) * 20)..];
        prop_assert!(later.len() > stage.samples(80));
        prop_assert!(loudest(later) < silent, "{} after the clear", loudest(later));
        // Within those 20 ms an Opus decoder has 5 to fade out.
        let fading = &stage.heard[stage.samples(ticks * 20 + 6)..stage.samples((ticks + 1) * 20)];
        prop_assert!(loudest(fading) < silent, "{} in the packet behind the clear", loudest(fading));
        let before = stage.heard.len();
        stage.write(400);
        stage.run(30);
        prop_assert!(loudest(&stage.heard[before..]) > AMPLITUDE * 0.7);
    }
}

#[test]
fn after_a_clear_the_packets_of_codecs_without_a_memory_are_digital_silence() {
    for codec in Codec::ALL.into_iter().filter(|codec| !codec.is_stateful()) {
        let mut stage = Stage::new(codec, 20, SampleRate::Hz8000);
        stage.write(900);
        stage.run(10);
        stage.writer.clear(0);
        stage.run(5);
        let later = &stage.heard[stage.samples(11 * 20)..];
        assert_eq!(later.len(), stage.samples(4 * 20));
        // A-law has no zero.
        assert!(loudest(later) <= 8.0, "{codec:?}: {}", loudest(later));
    }
}

#[test]
fn a_feed_is_heard_at_exact_pace_whatever_comes_when() {
    let mut stage = Stage::new(Codec::Pcmu, 20, SampleRate::Hz8000);
    // As one who sends 10 times as fast as it is played, in pieces of 7 ms.
    for _ in 0..5 {
        for _ in 0..29 {
            stage.write(7);
        }
        stage.run(10);
    }
    stage.run(5);
    let end = stage.samples(5 * 29 * 7);
    let hertz = f64::from(SampleRate::Hz8000.hertz());
    for (n, sample) in stage.heard.iter().enumerate().take(end).skip(40) {
        let expected = (n as f64 * HERTZ * TAU / hertz).sin() * AMPLITUDE;
        let error = (f64::from(*sample) - expected).abs();
        assert!(error < AMPLITUDE / 30.0, "sample {n}: {sample} for {expected}");
    }
    assert!(loudest(&stage.heard[end + 40..]) <= 8.0);
}

#[test]
fn a_feed_that_runs_dry_makes_no_click() {
    let mut stage = Stage::new(Codec::Pcmu, 20, SampleRate::Hz8000);
    for millis in [33, 20, 17, 50, 2, 90, 20] {
        stage.write(millis);
        stage.run(millis / 20 + 3);
    }
    // The steepest of the tone between two samples, and as much again for the edges and the codec.
    let steepest = AMPLITUDE * HERTZ * TAU / 8_000.0;
    let step = stage.heard.windows(2).map(|pair| f64::from(pair[0]) - f64::from(pair[1])).fold(0.0, f64::max);
    assert!(step < 2.0 * steepest, "{step} between two samples; the tone has {steepest}");
}

#[test]
fn marks_go_on_for_one_who_may_not_be_sent_anything() {
    let mut stage = Stage::new(Codec::Opus, 60, SampleRate::Hz8000);
    let mut media = engine_leg::media(LEG.0, Codec::Opus);
    media.terms.ptime = 60;
    media.direction = Direction { send: false, receive: true };
    let mut change = engine_leg::change(media);
    change.coding = None;
    stage.ask(Ask::SetLegMedia(LEG, change));
    while stage.engine.poll_event().is_some() {}
    stage.is_sent = false;
    stage.write(100);
    stage.writer.mark(1);
    stage.run(6);
    assert_eq!((stage.marks.as_slice(), stage.packets), (&[(1, 0)][..], 0));
}

#[test]
fn a_feed_that_is_stopped_fades_out_and_one_that_is_replaced_comes_home() {
    let mut stage = Stage::new(Codec::Pcmu, 20, SampleRate::Hz8000);
    stage.write(500);
    stage.writer.mark(1);
    stage.run(3);
    stage.ask(Ask::StopPlaying(LEG));
    stage.run(3);
    assert_eq!(stage.ends, [PlayEnd::Stopped]);
    assert!(loudest(&stage.heard[4 * 160..]) <= 8.0);
    assert!(stage.marks.is_empty(), "what was not heard is not told of");
    let (_, other) = feed(SampleRate::Hz8000);
    stage.ask(Ask::Play(LEG, Player::of_feed(PlayerId(10), other)));
    let home = stage.engine.poll_retired();
    assert!(matches!(home, Some(Retired::Player(player)) if player.id() == PLAYER));
}
