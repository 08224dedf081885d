//! The 20 ms path allocates nothing once its legs are in: a counting allocator watches a thousand steady ticks
//! with all the engine does in them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use confab_media::codec::{PACKET_SAMPLES_MAX, PAYLOAD_MAX};
use confab_media::dsp::resample::{Downsampler, Upsampler};
use confab_media::dsp::tone::{COLUMNS, ROWS};
use confab_media::srtp::{Profile, Protector, SrtpKeys, SrtpPair};
use confab_media::{
    Ask, Audience, Capture, CaptureId, CapturedDigits, Codec, ComfortNoise, Command, CommandId, ConferenceId,
    ConferenceSettings, ConferenceTap, Datagram, Decoder, Digit, DigitMethod, DigitSender, Encoder,
    EncoderSettings, Engine, EngineSettings, Event, FRAME_LEN_MAX, FeedWriter, Leg, LegEvent, LegId, LegSet,
    LegSrtp, Player, PlayerId, Plays, Port, PressedDigit, Programme, ProgrammeId, QualityReport, Retired,
    SampleRate, Seat, Sound, TapParts, TickTimes, Time, feed,
};

mod engine_leg;

use engine_leg::address;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of the thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Freeing takes the allocator's lock just as well.
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const LEGS: u64 = 20;

#[test]
fn a_thousand_steady_ticks_allocate_nothing() {
    let mut engine = Engine::new(EngineSettings { legs_max: 64, conferences_max: 4, tap_frames_max: 64 });
    let ask = |engine: &mut Engine, ask| {
        engine.handle_command(Command { id: CommandId(1), ask });
        while engine.poll_event().is_some() {}
    };
    let conference = engine_leg::conference(1, ConferenceSettings::seats(64), &[SampleRate::Hz8000]);
    ask(&mut engine, Ask::AddConference(conference));
    for id in 0..LEGS {
        let codec = if id.is_multiple_of(2) { Codec::Pcmu } else { Codec::Pcma };
        let mut media = engine_leg::media(id, codec);
        media.telephone_event = media.telephone_event.filter(|_| id < LEGS - 1);
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(id, media)));
        ask(&mut engine, Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
    }
    // One in the conference, and one in none.
    ask(&mut engine, Ask::AddLeg(engine_leg::leg(LEGS, engine_leg::media(LEGS, Codec::Pcmu))));
    for id in [3, LEGS] {
        ask(&mut engine, Ask::SetTap(LegId(id), true));
    }
    ask(&mut engine, Ask::TapConference(ConferenceId(1), recorded(SampleRate::Hz8000)));
    // As events, and where those were not agreed as tones.
    for id in [4, LEGS - 1] {
        ask(&mut engine, Ask::PressDigits(LegId(id), dialling()));
    }

    let (mut now, mut report) = (Time::from_millis(1), Some(QualityReport::about(LegId(3))));
    for sequence in 0..100 {
        step(&mut engine, &mut now, sequence, &mut report, &mut Vec::new());
    }
    let before = ALLOCATIONS.with(Cell::get);
    let mut keys = 0;
    for sequence in 100..1_100 {
        keys += step(&mut engine, &mut now, sequence, &mut report, &mut Vec::new());
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(allocations, 0, "allocations and frees in a thousand ticks");
    assert!(engine.counters().transmitted >= 1_000 * LEGS, "and the ticks did their work");
    assert!(keys >= 50, "with keys heard as tones: {keys}");
}

/// All codecs, a coach, an announcement, more talkers than are mixed, those who wait, SRTP and RTCP.
#[test]
fn a_thousand_ticks_of_a_mixed_conference_allocate_nothing() {
    let mut engine = Engine::new(EngineSettings { legs_max: 64, conferences_max: 4, tap_frames_max: 0 });
    let ask = |engine: &mut Engine, ask| {
        engine.handle_command(Command { id: CommandId(1), ask });
        while engine.poll_event().is_some() {}
    };
    let settings = ConferenceSettings { seats_max: 64, talkers_max: 4 };
    ask(&mut engine, Ask::AddConference(engine_leg::conference(1, settings, &SampleRate::ALL)));
    let keys = SrtpKeys::new(Profile::AeadAes128Gcm, &[7; 28]).unwrap();
    let mut callers = Vec::new();
    for (id, codec) in Codec::ALL.into_iter().enumerate() {
        let id = id as u64;
        let mut media = engine_leg::media(id, codec);
        media.terms.rtcp = Some(address(id + 1_000));
        let mut settings = engine_leg::settings(id, media);
        settings.srtp = Some(LegSrtp::new(&SrtpPair { send: keys.clone(), receive: keys.clone() }));
        ask(&mut engine, Ask::AddLeg(Leg::new(settings)));
        ask(&mut engine, Ask::Join(LegId(id), ConferenceId(1), Seat::default()));
        callers.push(Caller::new(codec, &keys));
    }
    // Nobody takes the frames; they are made all the same.
    ask(&mut engine, Ask::TapConference(ConferenceId(1), recorded(SampleRate::Hz16000)));
    let coached = LegSet::new(&[LegId(1), LegId(2)]).unwrap();
    ask(&mut engine, Ask::SetAudience(LegId(0), Audience::Only(coached)));
    let sound = Sound::new(SampleRate::Hz16000, vec![100; 16_000 * 15]);
    for id in [1, 2] {
        ask(&mut engine, Ask::PutOn(ProgrammeId(id), Programme::new(&sound).unwrap()));
    }
    ask(&mut engine, Ask::PlayToAll(ConferenceId(1), Player::new(PlayerId(1), sound, Plays::ONCE)));
    // Those who wait.
    for (id, codec) in (30..).zip(Codec::ALL) {
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec))));
        ask(&mut engine, Ask::Tune(LegId(id), ProgrammeId(1 + id % 2)));
    }
    // Those who hear somebody who is no phone.
    let mut writers = Vec::new();
    for (id, codec) in (40..).zip(Codec::ALL) {
        let (writer, feed) = feed(SampleRate::Hz8000);
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(id, engine_leg::media(id, codec))));
        ask(&mut engine, Ask::Play(LegId(id), Player::of_feed(PlayerId(id), feed)));
        writers.push(writer);
    }

    let (mut now, mut before) = (Time::from_millis(1), 0);
    for tick in 0..1_200 {
        now += Duration::from_millis(8);
        for (id, caller) in callers.iter_mut().enumerate() {
            let mut packet = [0; 2_048];
            let len = caller.packet(tick, &mut packet);
            give(&mut engine, now, id as u64, address(id as u64), &packet[..len]);
        }
        writers.iter_mut().for_each(|writer| talk(writer, tick));
        now += Duration::from_millis(12);
        engine.tick(now);
        while engine.poll_transmit().is_some() {}
        while engine.poll_event().is_some() {}
        if tick == 200 {
            before = ALLOCATIONS.with(Cell::get);
        }
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "allocations and frees in a thousand ticks");
    assert!(writers.iter().all(|writer| writer.passed() > 100), "marks were passed");
    assert!(engine.counters().crowded > 500, "there were more talkers than are mixed");
    assert!(engine.counters().transmitted > 1_200 * callers.len() as u64, "and reports beside the packets");
}

/// Now and then more than is played, with a mark behind it, and sometimes not for long.
fn talk(writer: &mut FeedWriter, tick: u32) {
    if tick.is_multiple_of(7) {
        writer.write(&[5_000; 900]);
        writer.mark(1);
    }
    if tick.is_multiple_of(31) {
        writer.clear(1);
    }
}

/// One captures the keys of the one who dials, again and again.
#[test]
fn ticks_with_a_capture_allocate_nothing() {
    let mut engine = Engine::new(EngineSettings { legs_max: 64, conferences_max: 4, tap_frames_max: 64 });
    let ask = |engine: &mut Engine, ask| {
        engine.handle_command(Command { id: CommandId(1), ask });
        while engine.poll_event().is_some() {}
    };
    for id in 0..LEGS {
        let mut media = engine_leg::media(id, Codec::Pcmu);
        media.telephone_event = None;
        ask(&mut engine, Ask::AddLeg(engine_leg::leg(id, media)));
    }
    ask(&mut engine, Ask::SetTap(LegId(DIALS), true));
    let (mut now, mut report) = (Time::from_millis(1), Some(QualityReport::about(LegId(3))));
    let mut captures: Vec<_> = (0..5).map(|id| Capture::new(CaptureId(id))).collect();
    let (mut digits, mut home) = (Vec::with_capacity(captures.len()), Vec::with_capacity(captures.len()));
    let (mut allocations, mut taken) = (0, 0);
    for sequence in 0..1_200 {
        let before = ALLOCATIONS.with(Cell::get);
        match sequence {
            100.. if sequence % 200 == 100 => {
                if let Some((capture, its_digits)) = captures.pop() {
                    digits.push(its_digits);
                    ask(&mut engine, Ask::StartCapture(LegId(DIALS), capture));
                }
            }
            100.. if sequence % 200 == 0 => ask(&mut engine, Ask::StopCapture(LegId(DIALS))),
            _ => {}
        }
        step(&mut engine, &mut now, sequence, &mut report, &mut home);
        taken += digits.iter_mut().filter_map(CapturedDigits::take).count();
        if sequence >= 100 {
            allocations += ALLOCATIONS.with(Cell::get) - before;
        }
    }
    assert_eq!(allocations, 0, "allocations and frees in a thousand ticks");
    assert!(home.len() >= 4, "captures came home: {}", home.len());
    assert!(taken >= 20, "with keys captured: {taken}");
}

/// A far end over SRTP that talks half of the time.
struct Caller {
    codec: Codec,
    encoder: Encoder,
    protector: Protector,
}

impl Caller {
    fn new(codec: Codec, keys: &SrtpKeys) -> Self {
        let encoder = Encoder::new(codec, EncoderSettings::default()).expect("memory for a codec");
        Self { codec, encoder, protector: Protector::new(keys) }
    }

    fn packet(&mut self, tick: u32, out: &mut [u8]) -> usize {
        let mut samples = [0_i16; FRAME_LEN_MAX];
        let samples = &mut samples[..self.codec.sample_rate().frame_len()];
        if (tick / 50).is_multiple_of(2) {
            samples.iter_mut().enumerate().for_each(|(i, s)| *s = (i as i16).wrapping_mul(997) / 4);
        }
        let mut packet = [0x80; 2_048];
        packet[1] = self.codec.static_payload_type().unwrap_or(engine_leg::DYNAMIC);
        packet[2..4].copy_from_slice(&(tick as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(tick * (self.codec.clock_rate() / 50)).to_be_bytes());
        packet[8..12].copy_from_slice(&[0, 0, 0, 9]);
        let len = 12 + self.encoder.encode(samples, &mut packet[12..]);
        self.protector.protect_rtp(&packet[..len], out).expect("keys that last").len()
    }
}

/// A conference recorded in all ways at once.
fn recorded(rate: SampleRate) -> Box<ConferenceTap> {
    ConferenceTap::new(rate, TapParts { mix: true, apart: Some(LegId(1)), each: true })
}

/// Keys that take longer than the test.
fn dialling() -> Box<DigitSender> {
    let mut sender = Box::new(DigitSender::new());
    let digit = Digit::from_event(5).expect("a key");
    while sender.press(digit, Duration::from_millis(700)).is_ok() {}
    sender
}

#[test]
fn the_watch_itself_sees_allocations() {
    let before = ALLOCATIONS.with(Cell::get);
    drop(std::hint::black_box(vec![0_u8; 100]));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 2);
}

/// One who only presses keys, as tones.
const DIALS: u64 = 6;

/// 20 ms of a key that is pressed for 100 ms of every 200.
fn tone(sequence: u16, payload: &mut [u8]) {
    let mut samples = [0; 160];
    let turn = |hertz: f64, n: usize| std::f64::consts::TAU * hertz * n as f64 / 8_000.0;
    for (n, sample) in samples.iter_mut().enumerate().filter(|_| sequence % 10 < 5) {
        let at = usize::from(sequence) * 160 + n;
        *sample = (4_000.0 * (turn(ROWS[1], at).sin() + turn(COLUMNS[1], at).sin())) as i16;
    }
    Codec::Pcmu.encode(&samples, payload);
}

/// A tick with everything in it (captures that come home are put with the others): talkers, listeners, loss, a duplicate, a stranger, junk, keys, a report of quality. Says
/// how many keys were told of as tones.
fn step(
    engine: &mut Engine,
    now: &mut Time,
    sequence: u16,
    report: &mut Option<Box<QualityReport>>,
    captures: &mut Vec<Box<Capture>>,
) -> u64 {
    let mut keys = 0;
    *now += Duration::from_millis(8);
    for id in 0..LEGS {
        let is_lost = (u64::from(sequence) + id) % 17 == 0;
        if is_lost {
            continue;
        }
        let mut packet = [0x80; 172];
        packet[1] = 0;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
        packet[8..12].copy_from_slice(&(id as u32).to_be_bytes());
        if id == DIALS {
            tone(sequence, &mut packet[12..]);
        }
        give(engine, *now, id, address(id), &packet);
        if sequence.is_multiple_of(13) {
            give(engine, *now, id, address(id), &packet);
            give(engine, *now, id, address(id + 1_000), &packet);
            give(engine, *now, id, address(id), &[0xff; 30]);
        }
        if sequence % 50 == 7 {
            let mut key = [0_u8; 16];
            key.copy_from_slice(&packet[..16]);
            key[1] = 101;
            key[12..].copy_from_slice(&[5, 0x8a, 1, 0]);
            give(engine, *now, id, address(id), &key);
        }
    }
    *now += Duration::from_millis(12);
    engine.tick(*now);
    while let Some(transmit) = engine.poll_transmit() {
        std::hint::black_box(transmit);
    }
    engine.note_times(TickTimes::default());
    if let Some(report) = report.take() {
        engine.handle_command(Command { id: CommandId(2), ask: Ask::ReportQuality(report) });
    }
    while let Some(event) = engine.poll_event() {
        if let Event::Leg { event: LegEvent::Digit(PressedDigit { method: DigitMethod::Tone, .. }), .. } =
            event
        {
            keys += 1;
        }
    }
    while let Some(tap) = engine.poll_tap() {
        std::hint::black_box(tap);
    }
    while let Some(retired) = engine.poll_retired() {
        let retired = std::hint::black_box(retired);
        if let Retired::Quality(filled_in) = retired {
            *report = Some(filled_in);
        } else if let Retired::Capture(capture) = retired {
            captures.push(capture);
        } else {
            panic!("nothing else was asked for");
        }
    }
    keys
}

fn give(engine: &mut Engine, received_at: Time, leg: u64, source: SocketAddr, payload: &[u8]) {
    engine.handle_datagram(LegId(leg), &Datagram { port: Port::Rtp, source, payload, received_at });
}

/// libopus keeps its state in one block and works on the stack; only what is ours can be counted here.
#[test]
fn codecs_and_resamplers_allocate_only_when_they_are_made() {
    let samples = [1_000; PACKET_SAMPLES_MAX];
    let (mut payload, mut out) = ([0; PAYLOAD_MAX], [0; PACKET_SAMPLES_MAX]);
    for codec in Codec::ALL {
        let frame = &samples[..codec.sample_rate().frame_len()];
        let mut encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
        let mut decoder = Decoder::new(codec).unwrap();
        let before = ALLOCATIONS.with(Cell::get);
        for _ in 0..20 {
            let len = encoder.encode(frame, &mut payload);
            decoder.decode(&payload[..len], &mut out);
            decoder.recover(&payload[..len], &mut out[..960]);
            decoder.conceal(&mut out[..960]);
            decoder.decode(&[0xff; 3], &mut out);
        }
        encoder.warm_up(&samples[..2 * frame.len()]);
        encoder.set_expected_loss(100);
        decoder.reset();
        assert_eq!(ALLOCATIONS.with(Cell::get), before, "{codec:?}");
    }
    let before = ALLOCATIONS.with(Cell::get);
    let mut up = Upsampler::new(SampleRate::Hz8000, SampleRate::Hz48000);
    let mut down = Downsampler::new(SampleRate::Hz48000, SampleRate::Hz8000);
    let mut noise = ComfortNoise::new(SampleRate::Hz8000, 1);
    up.resample(&samples[..160], &mut out[..960]);
    down.resample(&samples[..960], &mut out[..160]);
    noise.update(&[60, 100]);
    noise.fill(&mut out);
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
}
