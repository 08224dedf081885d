//! Whatever is asked of those who type, while they type: nobody else gets a key or hears anything of one, and whose a key is
//! gets it once, in order.
//!
//! Two customers type and say nothing else, an agent and whoever records listen. With a capture on a key is told as a tone, an
//! event or in signalling; without one not as a tone, so that whatever can be made out in anybody's sound at any time was let
//! through.

use std::collections::VecDeque;
use std::time::Duration;

use confab_media::codec::L16Rate;
use confab_media::dsp::goertzel::BandMeter;
use confab_media::{
    Ask, Audience, Capture, CaptureId, CapturedDigits, Codec, ConferenceId, ConferenceTap, Dbfs, Digit,
    DigitMethod, DigitPassage, Direction, Frame, Hearing, LegChange, LegId, LegMedia, LegSet, Player,
    PlayerId, Plays, PressedDigit, Refusal, Retired, SampleRate, Seat, Sound, TapParts,
};
use proptest::prelude::*;

use crate::corpus::{KEYS, LIMIT};
use crate::ear;
use crate::phone::{Says, Stage, media};

/// Those who type; the one after them listens.
const CUSTOMERS: usize = 2;
const LEGS: usize = CUSTOMERS + 1;
const HERE: ConferenceId = ConferenceId(1);

/// Wide enough for all, and for none of them another codec.
const CODECS: [Codec; LEGS] = [Codec::Pcmu, Codec::G722, Codec::L16(L16Rate::Hz8000)];

/// From one key to the next: so long that sixteen keys of one customer take more than the second in which the same key,
/// told in another way, is the same press.
const PAUSE_TICKS: usize = 5;

/// Enough for all that waits to be given, and for captures to end.
const LAST_TICKS: u64 = 60;

#[derive(Clone, Copy, Debug)]
enum Step {
    Start(usize),
    Stop(usize),
    Press(usize, DigitMethod),
    Join(usize, Audience, Hearing),
    Leave(usize),
    Audience(usize, Audience),
    Hearing(usize, Hearing),
    Play(usize),
    StopPlaying(usize),
    Hold(usize, bool),
    Move(usize),
    Tap(TapParts),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn keys_reach_whose_they_are_and_nobody_else_whatever_is_asked(
        passage in prop_oneof![Just(DigitPassage::Withheld), Just(DigitPassage::Heard)],
        steps in prop::collection::vec((step(), 0_u64..8), 0..60),
    ) {
        let mut typing = Typing::new(passage);
        for (step, ticks) in steps {
            typing.ask(step);
            typing.run(ticks);
        }
        typing.run(LAST_TICKS);
        typing.all_have_theirs();
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (customer, leg) = (0..CUSTOMERS, 0..LEGS);
    let way = prop_oneof![3 => Just(DigitMethod::Tone), 1 => Just(DigitMethod::Event), 1 => Just(DigitMethod::Info)];
    let apart = prop::option::of((0..LEGS as u64).prop_map(LegId));
    prop_oneof![
        4 => customer.clone().prop_map(Step::Start),
        2 => customer.clone().prop_map(Step::Stop),
        12 => (customer.clone(), way).prop_map(|(customer, way)| Step::Press(customer, way)),
        2 => (leg.clone(), audience(), hearing()).prop_map(|(leg, says, hears)| Step::Join(leg, says, hears)),
        1 => leg.clone().prop_map(Step::Leave),
        1 => (leg.clone(), audience()).prop_map(|(leg, audience)| Step::Audience(leg, audience)),
        1 => (leg.clone(), hearing()).prop_map(|(leg, hearing)| Step::Hearing(leg, hearing)),
        1 => leg.clone().prop_map(Step::Play),
        1 => leg.prop_map(Step::StopPlaying),
        1 => (customer.clone(), any::<bool>()).prop_map(|(customer, on)| Step::Hold(customer, on)),
        1 => customer.prop_map(Step::Move),
        1 => (any::<bool>(), apart, any::<bool>())
            .prop_map(|(mix, apart, each)| Step::Tap(TapParts { mix, apart, each })),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    let only = |leg: usize| Audience::Only(LegSet::new(&[LegId(leg as u64)]).unwrap());
    prop_oneof![3 => Just(Audience::Everyone), 1 => (0..LEGS).prop_map(only), 1 => Just(Audience::Nobody)]
}

fn hearing() -> impl Strategy<Value = Hearing> {
    prop_oneof![3 => Just(Hearing::Conference), 1 => Just(Hearing::Played), 1 => Just(Hearing::Nothing)]
}

/// Who types, what became of it, and everybody's sound.
struct Typing {
    stage: Stage,
    passage: DigitPassage,
    customers: [Customer; CUSTOMERS],
    captures: u64,
    /// Of the retired, those that were looked at.
    seen: usize,
    /// Of the keys that were told to all, those that were looked at.
    told: usize,
}

#[derive(Default)]
struct Customer {
    pressing: Option<Pressing>,
    pause: usize,
    keys: usize,
    /// Those that are to be captured, and those that anybody may be told of.
    captures: Expected,
    open: Expected,
    /// The holders of their captures, the oldest first.
    holders: Vec<CapturedDigits>,
    /// The one that is on.
    on: Option<CaptureId>,
    /// Those that were told to stop, and are not home.
    leaving: Vec<CaptureId>,
    on_hold: bool,
}

/// A key that is down.
enum Pressing {
    Tone(VecDeque<Vec<i16>>),
    /// Its event code, when it was pressed, and how many packets told of it.
    Event(u8, u32, u16),
}

/// Keys in their order: each is given once, but for those that were disturbed.
#[derive(Default)]
struct Expected {
    keys: Vec<Key>,
    given: String,
}

struct Key {
    key: char,
    /// It was not held or moved meanwhile: a hold may make two of a key, or none.
    is_sure: bool,
}

impl Expected {
    fn disturb(&mut self) {
        if let Some(key) = self.keys.last_mut() {
            key.is_sure = false;
        }
    }

    fn check(&self, what: &str) {
        let mut given = self.given.chars().peekable();
        for Key { key, is_sure } in &self.keys {
            let came = given.next_if_eq(key).is_some();
            assert!(came || !is_sure, "{what}: a key is missing in {:?}", self.given);
            while !is_sure && given.next_if_eq(key).is_some() {}
        }
        assert_eq!(given.next(), None, "{what}: a key too many, or another one, in {:?}", self.given);
    }
}

fn leg(n: usize) -> LegId {
    LegId(n as u64)
}

impl Typing {
    fn new(passage: DigitPassage) -> Self {
        let mut stage = Stage::new(passage, &CODECS, true);
        (0..LEGS).for_each(|n| stage.ask(Ask::SetTap(leg(n), true)));
        let mut typing =
            Self { stage, passage, customers: Default::default(), captures: 0, seen: 0, told: 0 };
        typing.run(10);
        typing
    }

    fn ask(&mut self, step: Step) {
        match step {
            Step::Start(who) => self.start(who),
            Step::Stop(who) => self.stop(who),
            Step::Press(who, way) => self.press(who, way),
            Step::Join(who, audience, hearing) => {
                self.stage.ask(Ask::Join(leg(who), HERE, Seat { audience, hearing }))
            }
            Step::Leave(who) => self.stage.ask(Ask::Leave(leg(who))),
            Step::Audience(who, audience) => self.stage.ask(Ask::SetAudience(leg(who), audience)),
            Step::Hearing(who, hearing) => self.stage.ask(Ask::SetHearing(leg(who), hearing)),
            Step::Play(who) => {
                // As good as nothing, so that it hides nothing.
                let sound = Sound::new(SampleRate::Hz8000, vec![1; 1_000]);
                self.stage.ask(Ask::Play(leg(who), Player::new(PlayerId(1), sound, Plays::Forever)));
            }
            Step::StopPlaying(who) => self.stage.ask(Ask::StopPlaying(leg(who))),
            Step::Hold(who, on) => self.hold(who, on),
            Step::Move(who) => self.detach_and_add(who),
            Step::Tap(parts) => {
                self.stage.ask(Ask::TapConference(HERE, ConferenceTap::new(SampleRate::Hz8000, parts)));
            }
        }
    }

    fn start(&mut self, who: usize) {
        let customer = &mut self.customers[who];
        if customer.pressing.is_some() {
            // A key that is down when a capture begins may be anybody's.
            return;
        }
        self.captures += 1;
        let id = CaptureId(self.captures);
        let (capture, digits) = Capture::new(id);
        let refused = self.refused_by(Ask::StartCapture(leg(who), capture));
        let customer = &mut self.customers[who];
        assert_eq!(refused, customer.on.map(|_| Refusal::Capturing));
        if refused.is_none() {
            customer.on = Some(id);
            customer.holders.push(digits);
        }
    }

    fn stop(&mut self, who: usize) {
        let refused = self.refused_by(Ask::StopCapture(leg(who)));
        let customer = &mut self.customers[who];
        assert_eq!(refused, customer.on.is_none().then_some(Refusal::NotCapturing));
        customer.leaving.extend(customer.on.take());
    }

    fn refused_by(&mut self, ask: Ask) -> Option<Refusal> {
        let before = self.stage.refused.len();
        self.stage.ask(ask);
        self.stage.refused.get(before).copied()
    }

    /// Presses the next key, if none is down, and whose it is can be said.
    fn press(&mut self, who: usize, way: DigitMethod) {
        let customer = &mut self.customers[who];
        let is_open = customer.on.is_none();
        let would_be_heard = match way {
            DigitMethod::Tone => true,
            DigitMethod::Event => self.passage == DigitPassage::Heard,
            DigitMethod::Info => false,
        };
        let is_unsaid = is_open && (would_be_heard || !customer.leaving.is_empty());
        if customer.pressing.is_some() || customer.pause > 0 || is_unsaid {
            return;
        }
        let key = KEYS.chars().nth(customer.keys % KEYS.len()).unwrap();
        customer.keys += 1;
        let digit = Digit::from_char(key).unwrap();
        let expected = if is_open { &mut customer.open } else { &mut customer.captures };
        expected.keys.push(Key { key, is_sure: way == DigitMethod::Info || !customer.on_hold });
        customer.pause = PAUSE_TICKS;
        let phone = &self.stage.phones[who];
        let rate = phone.media.codec.sample_rate();
        match way {
            DigitMethod::Info => {
                let told = PressedDigit { digit, duration: Duration::from_millis(100), method: way };
                self.stage.ask(Ask::HearDigit(leg(who), told));
            }
            DigitMethod::Event => {
                customer.pressing = Some(Pressing::Event(digit.event(), phone.timestamp, 0))
            }
            DigitMethod::Tone => {
                let tone = ear::tone(key, rate.hertz(), 80.0 + (customer.keys % 40) as f64, -10.0);
                customer.pressing =
                    Some(Pressing::Tone(tone.chunks(rate.frame_len()).map(<[i16]>::to_vec).collect()));
            }
        }
    }

    /// What comes of a key that is down, or was just now, is not foretold.
    fn disturb(&mut self, who: usize) {
        let customer = &mut self.customers[who];
        if customer.pressing.is_some() || customer.pause > 0 {
            customer.captures.disturb();
            customer.open.disturb();
        }
    }

    fn hold(&mut self, who: usize, on: bool) {
        self.disturb(who);
        self.customers[who].on_hold = on;
        let direction = Direction { send: true, receive: !on };
        let media = LegMedia { direction, ..media(who as u64, CODECS[who], true) };
        self.stage.ask(Ask::SetLegMedia(leg(who), Box::new(LegChange { coding: None, srtp: None, media })));
    }

    fn detach_and_add(&mut self, who: usize) {
        self.disturb(who);
        self.stage.ask(Ask::DetachLeg(leg(who)));
        let at = self.stage.retired.iter().position(|retired| matches!(retired, Retired::Leg(_))).unwrap();
        let Retired::Leg(moved) = self.stage.retired.remove(at) else { unreachable!() };
        self.stage.ask(Ask::AddLeg(moved));
        self.stage.ask(Ask::SetTap(leg(who), true));
    }

    fn run(&mut self, ticks: u64) {
        for _ in 0..ticks {
            let sounds: Vec<_> = (0..LEGS).map(|n| self.sound_of(n)).collect();
            let says: Vec<_> = sounds.iter().map(Saying::says).collect();
            self.stage.tick(&says);
            self.look_at_what_came_home();
            self.take_keys();
            self.nothing_is_heard();
        }
    }

    fn sound_of(&mut self, who: usize) -> Saying {
        let silence = vec![0; CODECS[who].sample_rate().frame_len()];
        let Some(customer) = self.customers.get_mut(who) else {
            return Saying::Sound(silence);
        };
        let said = match &mut customer.pressing {
            Some(Pressing::Tone(left)) => left.pop_front().map(|mut sound| {
                sound.resize(silence.len(), 0);
                Saying::Sound(sound)
            }),
            Some(Pressing::Event(event, begun, packets)) if *packets < 7 => {
                *packets += 1;
                // Its end is told three times.
                let end = if *packets >= 5 { 0x80 } else { 0 };
                let [high, low] = ((*packets).min(5) * 160).to_be_bytes();
                Some(Saying::Event(*begun, [*event, end, high, low]))
            }
            Some(Pressing::Event(..)) | None => None,
        };
        if said.is_none() {
            customer.pressing = None;
            customer.pause = customer.pause.saturating_sub(1);
        }
        said.unwrap_or(Saying::Sound(silence))
    }

    fn look_at_what_came_home(&mut self) {
        for retired in &self.stage.retired[self.seen.min(self.stage.retired.len())..] {
            if let Retired::Capture(capture) = retired {
                for customer in &mut self.customers {
                    customer.leaving.retain(|leaving| *leaving != capture.id());
                }
                assert_eq!(capture.attestation().keys_let_through, 0);
                let residual = capture.attestation().residual_max;
                assert!(
                    residual.is_none_or(|level| f64::from(level.hundredths()) / 100.0 <= LIMIT),
                    "{residual:?}"
                );
            }
        }
        self.seen = self.stage.retired.len();
    }

    fn take_keys(&mut self) {
        for customer in &mut self.customers {
            let taken = customer.holders.iter_mut().flat_map(|digits| std::iter::from_fn(|| digits.take()));
            customer.captures.given.extend(taken.map(|digit| digit.expose()));
        }
        for (who, key) in &self.stage.pressed[self.told..] {
            self.customers[*who as usize].open.given.push(key.digit.expose());
        }
        self.told = self.stage.pressed.len();
    }

    /// In no sound of anybody's is anything in the bands of keys.
    fn nothing_is_heard(&mut self) {
        for phone in &mut self.stage.phones {
            let heard = std::mem::take(&mut phone.heard);
            for samples in heard.chunks_exact(phone.media.codec.sample_rate().frame_len()) {
                assert_clear(phone.media.codec.sample_rate(), samples, "a telephone");
            }
        }
        while let Some(tap) = self.stage.engine.poll_tap() {
            assert_clear(tap.frame.rate(), tap.frame.samples(), &format!("{:?} {:?}", tap.of, tap.side));
        }
    }

    fn all_have_theirs(&self) {
        for (who, customer) in self.customers.iter().enumerate() {
            customer.captures.check(&format!("captures of {who}"));
            customer.open.check(&format!("told of {who}"));
        }
    }
}

/// What a telephone says in a tick.
enum Saying {
    Sound(Vec<i16>),
    Event(u32, [u8; 4]),
}

impl Saying {
    fn says(&self) -> Says<'_> {
        match self {
            Self::Sound(samples) => Says::Sound(samples),
            Self::Event(begun, payload) => Says::Event(*begun, *payload),
        }
    }
}

fn assert_clear(rate: SampleRate, samples: &[i16], whose: &str) {
    let mut frame = Frame::silence(rate);
    frame.samples_mut().copy_from_slice(samples);
    let level = Dbfs::of_peak(BandMeter::default().measure(&frame).into());
    assert!(f64::from(level.hundredths()) / 100.0 <= LIMIT, "{whose} hears {level:?} of a key");
}
