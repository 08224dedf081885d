//! The life of a capture: what it takes, what it leaves to others, how it begins and ends, and what may happen meanwhile.

use confab_media::{
    Ask, Capture, CaptureId, CapturedDigits, Codec, Digit, DigitMethod, DigitPassage, Engine, EngineSettings,
    LegChange, LegId, PressedDigit, Refusal, Retired, SampleRate, Tap, TapSide,
};

use crate::corpus::{DELAY_TICKS, KEYS, Line, heard};
use crate::ear;
use crate::phone::{Says, Stage, coding, media};

const CUSTOMER: LegId = LegId(0);
const RATE: u32 = 8_000;

fn stage(passage: DigitPassage, events: bool) -> Stage {
    Stage::new(passage, &[Codec::Pcmu, Codec::Pcmu], events)
}

fn start(stage: &mut Stage, id: u64) -> CapturedDigits {
    let (capture, digits) = Capture::new(CaptureId(id));
    stage.ask(Ask::StartCapture(CUSTOMER, capture));
    digits
}

fn taken(digits: &mut CapturedDigits) -> String {
    std::iter::from_fn(|| digits.take()).map(|digit| digit.expose()).collect()
}

fn typed(stage: &mut Stage, keys: &str) {
    for key in keys.chars() {
        stage.play(&ear::tone(key, RATE, 90.0, -10.0));
        stage.quiet(5);
    }
}

/// A key as an event of 100 ms, its end told three times.
fn event(stage: &mut Stage, key: char) {
    let code = Digit::from_char(key).unwrap().event();
    let begun = stage.phones[0].timestamp;
    for step in 1..=5u16 {
        let [high, low] = (step * 160).to_be_bytes();
        stage.tick(&[Says::Event(begun, [code, if step == 5 { 0x80 } else { 0 }, high, low])]);
    }
}

fn info(stage: &mut Stage, key: char) {
    let digit = Digit::from_char(key).unwrap();
    let told =
        PressedDigit { digit, duration: std::time::Duration::from_millis(100), method: DigitMethod::Info };
    stage.ask(Ask::HearDigit(CUSTOMER, told));
}

fn captures_home(stage: &Stage) -> Vec<(usize, u64)> {
    let at = |(n, retired): (usize, &Retired)| {
        if let Retired::Capture(capture) = retired { Some((n, capture.id().0)) } else { None }
    };
    stage.retired.iter().enumerate().filter_map(at).collect()
}

#[test]
fn keys_told_in_any_way_reach_the_holder_and_nobody_else() {
    for passage in [DigitPassage::Withheld, DigitPassage::Heard] {
        let mut stage = stage(passage, true);
        stage.quiet(5);
        let mut digits = start(&mut stage, 1);
        typed(&mut stage, "41");
        event(&mut stage, '7');
        info(&mut stage, '#');
        stage.quiet(40);
        assert_eq!(taken(&mut digits), "417#", "{passage:?}");
        assert!(stage.pressed.is_empty(), "{passage:?}: {:?}", stage.pressed);
        assert!(stage.captured.iter().all(|news| *news == (0, CaptureId(1))));
        assert!((1..=4).contains(&stage.captured.len()), "told of once for all that wait");
        assert_eq!(heard(&stage.phones[1].heard, SampleRate::Hz8000), 0, "{passage:?}");
        let peak = stage.phones[1].heard.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak < Some(60), "{passage:?}: {peak:?}");
    }
}

#[test]
fn a_press_told_in_three_ways_is_captured_once() {
    let mut stage = stage(DigitPassage::Withheld, true);
    let mut digits = start(&mut stage, 1);
    for key in "5505".chars() {
        event(&mut stage, key);
        info(&mut stage, key);
        typed(&mut stage, &key.to_string());
        stage.quiet(55);
    }
    assert_eq!(taken(&mut digits), "5505");
}

#[test]
fn keys_before_and_after_are_as_any_others() {
    let mut stage = stage(DigitPassage::Withheld, true);
    stage.quiet(5);
    // Where events were agreed, a tone waits for one: the capture begins before it is given.
    typed(&mut stage, "1");
    let mut digits = start(&mut stage, 1);
    typed(&mut stage, "234");
    stage.quiet(20);
    stage.ask(Ask::StopCapture(CUSTOMER));
    stage.quiet(40);
    assert_eq!(captures_home(&stage).len(), 1);
    typed(&mut stage, "5");
    stage.quiet(20);
    let given: String = stage.keys().iter().map(|key| key.0).collect();
    assert_eq!((given.as_str(), taken(&mut digits).as_str()), ("15", "234"));
}

#[test]
fn a_key_that_is_down_at_the_stop_is_still_captured() {
    let mut stage = stage(DigitPassage::Withheld, false);
    stage.quiet(5);
    let mut digits = start(&mut stage, 1);
    let key = ear::tone('9', RATE, 900.0, -10.0);
    stage.play(&key[..1_600]);
    stage.ask(Ask::StopCapture(CUSTOMER));
    stage.play(&key[1_600..]);
    assert!(captures_home(&stage).is_empty(), "while it is down the capture stays");
    stage.quiet(40);
    assert_eq!(taken(&mut digits), "9");
    assert!(stage.pressed.is_empty());
    assert_eq!(heard(&stage.phones[1].heard, SampleRate::Hz8000), 0);
    let [(at, 1)] = captures_home(&stage)[..] else { panic!("{:?}", stage.retired) };
    let Retired::Capture(capture) = &stage.retired[at] else { unreachable!() };
    let attestation = capture.attestation();
    assert_eq!((attestation.digits, attestation.digits_lost, attestation.keys_let_through), (1, 0, 0));
    assert!((45..=attestation.ticks).contains(&attestation.masked_ticks), "{attestation:?}");
    let lasted = attestation.until.unwrap().since(attestation.from.unwrap());
    assert_eq!(lasted.as_millis() as u64, (attestation.ticks - 1) * 20);
}

#[test]
fn a_leg_has_one_capture_at_a_time() {
    let mut stage = stage(DigitPassage::Withheld, false);
    stage.ask(Ask::StopCapture(CUSTOMER));
    let mut first = start(&mut stage, 1);
    let _refused = start(&mut stage, 2);
    stage.ask(Ask::StopCapture(LegId(9)));
    assert_eq!(stage.refused, [Refusal::NotCapturing, Refusal::Capturing, Refusal::NoLeg]);
    assert_eq!(captures_home(&stage), [(0, 2)], "the refused one comes home");
    typed(&mut stage, "1");
    stage.ask(Ask::StopCapture(CUSTOMER));
    // Until that has ended another takes its place.
    let mut third = start(&mut stage, 3);
    typed(&mut stage, "2");
    stage.quiet(10);
    assert_eq!((taken(&mut first).as_str(), taken(&mut third).as_str()), ("1", "2"));
    assert_eq!(captures_home(&stage), [(0, 2), (1, 1)]);
    assert_eq!(heard(&stage.phones[1].heard, SampleRate::Hz8000), 0);
}

#[test]
fn a_leg_that_is_removed_leaves_its_capture_before_itself() {
    let mut stage = stage(DigitPassage::Withheld, false);
    let mut digits = start(&mut stage, 1);
    typed(&mut stage, "37");
    stage.ask(Ask::RemoveLeg(CUSTOMER));
    stage.quiet(1);
    assert_eq!(captures_home(&stage), [(0, 1)]);
    assert!(stage.retired.iter().skip(1).any(|retired| matches!(retired, Retired::Leg(_))));
    assert_eq!(taken(&mut digits), "37", "what was captured can be taken after it");
}

#[test]
fn what_is_said_passes_bit_for_bit_and_without_delay_once_it_is_over() {
    let mut lines = [false, true].map(|capture| Line::new(Codec::Pcmu, capture));
    let mut random = crate::corpus::Random::new(4);
    let noise: Vec<i16> = (0..RATE).map(|_| random.below(2_000) as i16 - 1_000).collect();
    for line in &mut lines {
        line.play(&noise, &[]);
        line.quiet(10);
        if line.digits.is_some() {
            line.stage.ask(Ask::StopCapture(CUSTOMER));
        }
        line.quiet(30);
        line.play(&noise, &[]);
        line.quiet(10);
    }
    let [open, masked] = lines.map(|line| line.egress);
    let (delay, second) = (DELAY_TICKS * 160, RATE as usize);
    assert_eq!(masked[delay + 160..][..second], open[160..][..second], "later, and otherwise as it was");
    let after = open.len() - second - 11 * 160;
    assert_eq!(masked[after..], open[after..], "as if it had never been");
}

#[test]
fn nothing_leaks_while_the_call_is_renegotiated_muted_and_moved() {
    let mut stage = stage(DigitPassage::Heard, false);
    let mut digits = start(&mut stage, 1);
    stage.ask(Ask::SetTap(CUSTOMER, true));
    typed(&mut stage, "12");
    stage.ask(Ask::SetAudience(CUSTOMER, confab_media::Audience::Nobody));
    typed(&mut stage, "3");
    stage.ask(Ask::SetAudience(CUSTOMER, confab_media::Audience::Everyone));
    stage.ask(Ask::Leave(CUSTOMER));
    typed(&mut stage, "4");
    let other = media(0, Codec::Pcma, false);
    let change = LegChange { coding: Some(coding(&other)), srtp: None, media: other };
    stage.ask(Ask::SetLegMedia(CUSTOMER, Box::new(change)));
    stage.ask(Ask::Join(CUSTOMER, confab_media::ConferenceId(1), confab_media::Seat::default()));
    typed(&mut stage, "5");
    stage.quiet(10);
    assert_eq!(taken(&mut digits), "12345");
    assert!(stage.pressed.is_empty());
    assert_eq!(heard(&stage.phones[1].heard, SampleRate::Hz8000), 0);
    let taps: Vec<Tap> = std::iter::from_fn(|| stage.engine.poll_tap()).collect();
    let received = taps.iter().filter(|tap| tap.side == TapSide::Received);
    let received: Vec<i16> = received.flat_map(|tap| tap.frame.samples().to_vec()).collect();
    assert_eq!(heard(&received, SampleRate::Hz8000), 0);
}

#[test]
fn a_capture_moves_with_its_leg() {
    let mut stage = stage(DigitPassage::Heard, false);
    let mut digits = start(&mut stage, 1);
    typed(&mut stage, "12");
    stage.ask(Ask::DetachLeg(CUSTOMER));
    let Some(Retired::Leg(leg)) = stage.retired.pop() else { panic!("{:?}", stage.retired) };
    stage.engine = Engine::new(EngineSettings { legs_max: 4, conferences_max: 1, tap_frames_max: 64 });
    stage.ask(Ask::AddLeg(leg));
    stage.ask(Ask::SetTap(CUSTOMER, true));
    typed(&mut stage, "34");
    stage.quiet(10);
    assert_eq!(taken(&mut digits), "1234");
    assert!(stage.pressed.is_empty());
    let taps = std::iter::from_fn(|| stage.engine.poll_tap()).filter(|tap| tap.side == TapSide::Received);
    let received: Vec<i16> = taps.flat_map(|tap| tap.frame.samples().to_vec()).collect();
    assert!(!received.is_empty());
    assert_eq!(heard(&received, SampleRate::Hz8000), 0);
}

#[test]
fn digits_that_nobody_takes_are_lost_and_counted_and_nothing_else_suffers() {
    let mut stage = stage(DigitPassage::Withheld, false);
    let digits = start(&mut stage, 1);
    for n in 0..70 {
        info(&mut stage, KEYS.chars().nth(n % 16).unwrap());
        stage.quiet(1);
    }
    drop(digits);
    stage.ask(Ask::RemoveLeg(CUSTOMER));
    let attestations = stage.retired.iter().filter_map(|retired| {
        if let Retired::Capture(capture) = retired { Some(capture.attestation()) } else { None }
    });
    let attestations: Vec<_> = attestations.collect();
    assert_eq!((attestations[0].digits, attestations[0].digits_lost), (64, 6));
    assert!(stage.pressed.is_empty());
}
