//! Who calls where, who talks, and how long each part of the run takes.
//!
//! Leg `i` dials conference `i mod C`. The first `K` to dial into each conference are its talkers, so the
//! talkers of the whole run are the legs `0 .. C·K`.
//!
//! ```text
//! ramp ──▶ settle ──▶ beeps: one talker at a time ──▶ tones: all talkers ──▶ hang up
//!                     (delay is measured)             (who hears whom)
//!                     ╰────────── packets are counted, CPU is sampled ──────╯
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::codec::Codec;
use super::impairment::Impairment;
use super::plan_error::PlanError;
use super::record;
use super::speech::Speech;
use super::srtp::Suite;
use super::tone::{self, ToneError};

/// The length of an RTP packet's sound, in milliseconds.
pub(super) const FRAME_MS: u64 = 20;
/// Samples in a packet at 8 kHz: 20 ms.
pub(super) const FRAME_SAMPLES: usize = 160;
/// 20 ms in nanoseconds.
pub(super) const FRAME_NS: u64 = FRAME_MS * 1_000_000;

/// Frames from one beep to the next in a conference: 300 ms. A delay is told apart from the next beep's up
/// to this length; it is twice the delay of the slowest bridge we measured.
pub(super) const BEEP_SLOT_FRAMES: u64 = 15;
/// Frames before the first beep and before tones are judged: half a second, in which playout buffers
/// come to rest.
pub(super) const SETTLE_FRAMES: u64 = 25;
/// The shortest speech that is judged, in frames: time to settle, and one segment of 4.1 s.
const SPEECH_FRAMES_MIN: u64 = SETTLE_FRAMES + 210;
/// In the sum of so many talkers Opus was measured to leave each within 6 dB, and 23 dB above what it makes up; in that of
/// twice as many it is 21 dB, and no leak could be told.
pub(super) const OPUS_TALKERS_MAX: usize = 32;
/// The fewest windows that make a verdict.
const WINDOWS_MIN: u64 = 2;
/// Sockets, memory and one sending thread per 500 legs set this; nobody has asked for more.
pub(super) const LEGS_MAX: usize = 4_000;
/// Calls or requests in a second: as many as the fastest ramp dials.
pub(super) const PER_SECOND_MAX: u32 = 1_000;
/// A day. Longer is a mistyped number.
pub(super) const SECONDS_MAX: u64 = 86_400;

/// One caller, numbered from 0 in the order of dialling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LegNumber(pub usize);

impl fmt::Display for LegNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "leg {}", self.0)
    }
}

/// What a run is to do. [`Plan::new`] refuses what cannot be judged.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    legs: usize,
    conferences: usize,
    talkers: usize,
    codecs: Vec<Codec>,
    suites: Vec<Suite>,
    audio_levels: bool,
    microphones: bool,
    network: Impairment,
    seed: u64,
    speech: Option<Speech>,
    record: Option<PathBuf>,
    browsers: usize,
    ramp: u32,
    passers_by: u32,
    mutes: u32,
    name: String,
    beep_slots: u64,
    tone_frames: u64,
}

impl Plan {
    /// `legs` callers spread over `conferences`, `talkers` of them talking in each, listened to for
    /// `seconds` once all are there. PCMU, 50 calls a second.
    ///
    /// # Errors
    /// When such a run cannot be judged; the message speaks of the command line's flags.
    pub fn new(legs: usize, conferences: usize, talkers: usize, seconds: u64) -> Result<Self, PlanError> {
        if !(1..=LEGS_MAX).contains(&legs) {
            return Err(PlanError::Legs(legs));
        }
        if !(1..=legs).contains(&conferences) {
            return Err(PlanError::Conferences { legs, conferences });
        }
        let legs_each = legs / conferences;
        if !(1..=legs_each).contains(&talkers) {
            return Err(PlanError::Talkers { legs_each, talkers });
        }
        let (beep_slots, tone_frames) = share_out(seconds, conferences * talkers)?;
        let name = format!("load-{:08x}", random_u32());
        Ok(Self {
            legs,
            conferences,
            talkers,
            codecs: vec![Codec::Pcmu],
            suites: Vec::new(),
            audio_levels: true,
            microphones: true,
            network: Impairment::default(),
            seed: 0,
            speech: None,
            record: None,
            browsers: 0,
            ramp: 50,
            passers_by: 0,
            mutes: 0,
            name,
            beep_slots,
            tone_frames,
        })
    }

    #[cfg(test)]
    pub(super) fn with_codec(self, codec: Codec) -> Self {
        Self { codecs: vec![codec], ..self }
    }

    /// The same, speaking these codecs in turn: the legs of a conference alternate among them, and each conference
    /// begins with another. None at all leaves the plan as it was.
    ///
    /// # Errors
    /// When one of them is lossy and there are too many talkers to find each in what it leaves of them.
    pub fn with_codecs(self, codecs: &[Codec]) -> Result<Self, PlanError> {
        if codecs.is_empty() {
            return Ok(self);
        }
        if codecs.contains(&Codec::Opus) && self.talkers > OPUS_TALKERS_MAX {
            return Err(PlanError::OpusTalkers(self.talkers));
        }
        Ok(Self { codecs: codecs.to_vec(), ..self })
    }

    /// The same, with SRTP by one of these suites; without, if there are none.
    #[must_use]
    pub fn with_suites(self, suites: &[Suite]) -> Self {
        Self { suites: suites.to_vec(), ..self }
    }

    /// The same, with callers who do not say how loud their packets are. Otherwise those who speak Opus do, as browsers
    /// do and telephones do not.
    #[must_use]
    pub fn without_audio_levels(self) -> Self {
        Self { audio_levels: false, ..self }
    }

    /// The same, with browsers that send no sound if they only listen.
    #[must_use]
    pub fn without_microphones(self) -> Self {
        Self { microphones: false, ..self }
    }

    /// The same, with each caller behind such a network; the seed decides what becomes of each packet.
    ///
    /// # Errors
    /// When no network is like that; the message names the command line's flag.
    pub fn with_network(self, network: Impairment, seed: u64) -> Result<Self, PlanError> {
        match network.problem() {
            Some(problem) => Err(PlanError::Network(problem)),
            None if self.browsers > 0 && !network.is_none() => Err(PlanError::BrowserNetwork),
            None => Ok(Self { network, seed, ..self }),
        }
    }

    /// The same, with so many of the callers in browsers: they speak Opus, and are spread evenly over those who talk and
    /// those who listen in each conference.
    ///
    /// # Errors
    /// When there are fewer callers, too many talkers for Opus, or a network of our making, which they do not go through.
    pub fn with_browsers(self, browsers: usize) -> Result<Self, PlanError> {
        if browsers > self.legs {
            return Err(PlanError::Browsers { legs: self.legs, browsers });
        }
        if browsers > 0 && self.talkers > OPUS_TALKERS_MAX {
            return Err(PlanError::OpusTalkers(self.talkers));
        }
        if browsers > 0 && !self.network.is_none() {
            return Err(PlanError::BrowserNetwork);
        }
        Ok(Self { browsers, ..self })
    }

    /// The same, with talkers who say this instead of giving tones, each from another place of it.
    ///
    /// # Errors
    /// When it is too short to tell so many talkers apart, or the run too short to recognise anybody.
    pub fn with_speech(self, speech: Speech) -> Result<Self, PlanError> {
        let (talkers, max) = (self.talkers(), speech.talkers_max());
        if talkers > max {
            let seconds = speech.seconds();
            return Err(PlanError::Speech(format!(
                "--speech: {seconds} s of speech tell at most {max} talkers apart, not {talkers}"
            )));
        }
        if self.tone_frames < SPEECH_FRAMES_MIN {
            let min = (SPEECH_FRAMES_MIN + 50).div_ceil(40);
            return Err(PlanError::Speech(format!("--seconds must be {min} or more with --speech")));
        }
        Ok(Self { speech: Some(speech), ..self })
    }

    /// The same, with recordings of what each leg hears, in this directory. It must have the codecs already.
    ///
    /// # Errors
    /// When the recordings would be larger than 2 GiB.
    pub fn with_record(self, directory: PathBuf) -> Result<Self, PlanError> {
        let bytes = record::bytes_for(&self);
        if bytes > record::BYTES_MAX {
            return Err(PlanError::Record(bytes));
        }
        Ok(Self { record: Some(directory), ..self })
    }

    /// The same, dialling this many calls a second.
    ///
    /// # Errors
    /// When the rate is 0 or over 1,000.
    pub fn with_ramp(self, ramp: u32) -> Result<Self, PlanError> {
        if !(1..=1_000).contains(&ramp) {
            return Err(PlanError::Ramp(ramp));
        }
        Ok(Self { ramp, ..self })
    }

    /// The same, with so many calls a second that come and go while the others are listened to.
    ///
    /// # Errors
    /// When the rate is over 1,000.
    pub fn with_passers_by(self, passers_by: u32) -> Result<Self, PlanError> {
        if passers_by > PER_SECOND_MAX {
            return Err(PlanError::PassersBy(passers_by));
        }
        Ok(Self { passers_by, ..self })
    }

    /// The same, with so many listeners a second who are muted or unmuted while they listen.
    ///
    /// # Errors
    /// When the rate is over 1,000, or nobody only listens: muting a talker would change who hears whom.
    pub fn with_mutes(self, mutes: u32) -> Result<Self, PlanError> {
        if mutes > PER_SECOND_MAX || mutes > 0 && self.talkers() == self.legs {
            return Err(PlanError::Mutes(mutes));
        }
        Ok(Self { mutes, ..self })
    }

    /// Calls that come and go in a second.
    pub fn passers_by(&self) -> u32 {
        self.passers_by
    }

    /// Listeners muted or unmuted in a second.
    pub fn mutes(&self) -> u32 {
        self.mutes
    }

    /// Callers in all.
    pub fn legs(&self) -> usize {
        self.legs
    }

    /// Conferences they are spread over.
    pub fn conferences(&self) -> usize {
        self.conferences
    }

    /// Talkers in each conference.
    pub fn talkers_each(&self) -> usize {
        self.talkers
    }

    /// Talkers in all: the legs from 0 up to here.
    pub fn talkers(&self) -> usize {
        self.talkers * self.conferences
    }

    /// The codecs that telephones speak.
    pub fn codecs(&self) -> &[Codec] {
        &self.codecs
    }

    /// All codecs spoken, browsers' among them.
    pub(super) fn codecs_spoken(&self) -> BTreeSet<Codec> {
        let of_phones = self.codecs.iter().copied().filter(|_| self.browsers < self.legs);
        of_phones.chain((self.browsers > 0).then_some(Codec::Opus)).collect()
    }

    /// Callers in browsers.
    pub fn browsers(&self) -> usize {
        self.browsers
    }

    /// Whether a leg is a caller in a browser. Each conference has as many as another, but for one; there the first to dial is
    /// one, and the others follow in even steps.
    pub fn is_browser(&self, leg: LegNumber) -> bool {
        let turn = leg.0 / self.conferences;
        let (browsers, legs) = self.browsers_among(self.conference_of(leg));
        turn * browsers % legs < browsers
    }

    /// How many of a conference's legs are browsers, and how many there are.
    fn browsers_among(&self, conference: usize) -> (usize, usize) {
        let share = |of: usize| of / self.conferences + usize::from(conference < of % self.conferences);
        (share(self.browsers), share(self.legs))
    }

    /// The codec that a leg speaks.
    pub fn codec_of(&self, leg: LegNumber) -> Codec {
        if self.is_browser(leg) {
            return Codec::Opus;
        }
        let (turn, conference) = (leg.0 / self.conferences, self.conference_of(leg));
        let (browsers, legs) = self.browsers_among(conference);
        // Telephones alternate, whoever is between them.
        let phones_before = turn - (turn * browsers).div_ceil(legs);
        self.codecs[(phones_before + conference) % self.codecs.len()]
    }

    /// The SRTP suites offered.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// Whether a leg offers to say how loud each packet is (RFC 6464).
    pub(super) fn says_level(&self, leg: LegNumber) -> bool {
        self.audio_levels && self.codec_of(leg) == Codec::Opus
    }

    /// What talkers say, if not tones.
    pub fn speech(&self) -> Option<&Speech> {
        self.speech.as_ref()
    }

    /// Where recordings go, if anywhere.
    pub fn record(&self) -> Option<&Path> {
        self.record.as_deref()
    }

    /// What is between each caller and the node.
    pub fn network(&self) -> &Impairment {
        &self.network
    }

    /// What decides the fate of each packet.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The talkers that a leg should hear.
    pub(super) fn heard_by(&self, listener: LegNumber) -> impl Iterator<Item = LegNumber> {
        let conference = self.conference_of(listener);
        let talkers = (0..self.talkers).map(move |turn| LegNumber(conference + turn * self.conferences));
        talkers.filter(move |talker| *talker != listener)
    }

    /// Calls dialled in a second.
    pub fn ramp(&self) -> u32 {
        self.ramp
    }

    /// What callers in this run put in front of their conference's number; no two runs have the same.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who a leg says it is: the user of its From.
    pub(super) fn caller(&self, leg: LegNumber) -> String {
        format!("{}-leg-{}", self.name, leg.0)
    }

    /// Who the node's API says that a leg is.
    pub(super) fn told_caller(&self, leg: LegNumber) -> String {
        let caller = self.caller(leg);
        if self.is_browser(leg) { format!("client:{caller}") } else { caller }
    }

    /// The conference a leg dials.
    pub fn conference_of(&self, leg: LegNumber) -> usize {
        leg.0 % self.conferences
    }

    /// The SIP user that leads to the leg's conference.
    pub fn dialled(&self, leg: LegNumber) -> String {
        format!("conf-{}-{}", self.name, self.conference_of(leg))
    }

    /// Whether the leg talks.
    pub fn is_talker(&self, leg: LegNumber) -> bool {
        leg.0 < self.talkers()
    }

    /// Whether everybody sends sound, were it silence.
    pub(super) fn all_have_microphones(&self) -> bool {
        self.microphones
    }

    /// Whether a leg sends sound, were it silence.
    pub fn has_microphone(&self, leg: LegNumber) -> bool {
        self.microphones || self.is_talker(leg) || !self.is_browser(leg)
    }

    /// Whether `listener` should hear `talker`.
    pub fn should_hear(&self, listener: LegNumber, talker: LegNumber) -> bool {
        listener != talker
            && self.is_talker(talker)
            && self.conference_of(listener) == self.conference_of(talker)
    }

    /// The talker whose beep fills this slot of the leg's conference.
    pub(super) fn beeper(&self, conference: usize, slot: u64) -> LegNumber {
        let turn = (slot % self.talkers as u64) as usize;
        LegNumber(conference + turn * self.conferences)
    }

    pub(super) fn beep_slots(&self) -> u64 {
        self.beep_slots
    }

    pub(super) fn beep_frames(&self) -> u64 {
        self.beep_slots * BEEP_SLOT_FRAMES
    }

    /// Frames from the first beep to the end of the tones.
    pub(super) fn measured_frames(&self) -> u64 {
        self.beep_frames() + self.tone_frames
    }
}

/// Divides the measuring time: a fifth for beeps, 0.6 to 4 s, and the rest for tones.
fn share_out(seconds: u64, talkers: usize) -> Result<(u64, u64), PlanError> {
    let period = tone::period_for(talkers).map_err(|ToneError| PlanError::Tones(talkers))?;
    // Two more than are judged: silence is believed after one, and then learned from another.
    let judged_min = (WINDOWS_MIN + 2) * period as u64 / FRAME_SAMPLES as u64 + 1;
    let tones_min = SETTLE_FRAMES + judged_min;
    let min = (2 * BEEP_SLOT_FRAMES + tones_min).div_ceil(50);
    if !(min..=SECONDS_MAX).contains(&seconds) {
        return Err(PlanError::Seconds { min, seconds });
    }
    let frames = seconds * 50;
    let beep_slots = (frames / 5).clamp(30, 200).min(frames - tones_min) / BEEP_SLOT_FRAMES;
    Ok((beep_slots, frames - beep_slots * BEEP_SLOT_FRAMES))
}

/// Four bytes of the system's entropy, for what must differ from run to run.
///
/// # Panics
/// When the system has no entropy to give, which Linux does not let happen after boot.
pub(super) fn random_u32() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system gives entropy");
    u32::from_ne_bytes(bytes)
}

/// What is asked of the callers, as a duration for people.
pub(super) fn frames_to_duration(frames: u64) -> Duration {
    Duration::from_millis(frames * FRAME_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talkers_are_the_first_of_each_conference() {
        let plan = Plan::new(10, 3, 2, 10).unwrap();
        let talkers: Vec<_> = (0..10).filter(|&leg| plan.is_talker(LegNumber(leg))).collect();
        assert_eq!(talkers, [0, 1, 2, 3, 4, 5]);
        assert!(plan.should_hear(LegNumber(9), LegNumber(3)));
        assert!(!plan.should_hear(LegNumber(3), LegNumber(3)));
        assert!(!plan.should_hear(LegNumber(9), LegNumber(4)));
        assert!(!plan.should_hear(LegNumber(0), LegNumber(9)));
    }

    #[test]
    fn beeps_go_round_the_talkers_of_a_conference() {
        let plan = Plan::new(10, 2, 3, 10).unwrap();
        let turns: Vec<_> = (0..4).map(|slot| plan.beeper(1, slot).0).collect();
        assert_eq!(turns, [1, 3, 5, 1]);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        assert_eq!(Plan::new(0, 1, 1, 10).unwrap_err(), PlanError::Legs(0));
        assert!(matches!(Plan::new(4, 5, 1, 10), Err(PlanError::Conferences { .. })));
        let error = Plan::new(10, 3, 4, 10).unwrap_err();
        assert_eq!(error, PlanError::Talkers { legs_each: 3, talkers: 4 });
        assert!(error.to_string().contains("smallest conference (3)"));
        assert!(matches!(Plan::new(10, 1, 3, 1), Err(PlanError::Seconds { min: 2, .. })));
        assert!(matches!(Plan::new(4_000, 400, 10, 10), Err(PlanError::Tones(4_000))));
        assert!(Plan::new(2, 1, 2, 10).unwrap().with_ramp(0).is_err());
        let crowd = Plan::new(40, 1, 33, 10).unwrap();
        assert!(crowd.clone().with_codecs(&[Codec::G722]).is_ok());
        assert_eq!(crowd.with_codecs(&[Codec::Pcmu, Codec::Opus]).unwrap_err(), PlanError::OpusTalkers(33));
        let long = Plan::new(250, 1, 1, 3_600).unwrap();
        assert!(matches!(long.with_record("x".into()), Err(PlanError::Record(_))));
    }

    #[test]
    fn browsers_are_spread_over_conferences_and_over_talkers_and_listeners() {
        for (legs, conferences, browsers) in
            [(10, 1, 2), (10, 1, 5), (10, 3, 4), (250, 25, 125), (7, 2, 7), (9, 4, 0)]
        {
            let plan = Plan::new(legs, conferences, 1, 10).unwrap().with_browsers(browsers).unwrap();
            let of = |conference: usize| {
                let legs = (conference..legs).step_by(conferences).map(LegNumber);
                legs.filter(|leg| plan.is_browser(*leg)).count()
            };
            let counts: Vec<_> = (0..conferences).map(of).collect();
            assert_eq!(counts.iter().sum::<usize>(), browsers);
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
        let plan = Plan::new(10, 1, 4, 10).unwrap().with_browsers(5).unwrap();
        let browsers: Vec<_> = (0..10).filter(|leg| plan.is_browser(LegNumber(*leg))).collect();
        assert_eq!(browsers, [0, 2, 4, 6, 8]);
        assert_eq!((plan.codec_of(LegNumber(2)), plan.codec_of(LegNumber(3))), (Codec::Opus, Codec::Pcmu));
        assert!(plan.told_caller(LegNumber(2)).starts_with("client:load-"));
    }

    #[test]
    fn what_browsers_cannot_do_is_refused_by_its_flag() {
        let plan = |talkers| Plan::new(40, 1, talkers, 10).unwrap();
        assert!(plan(3).with_browsers(41).unwrap_err().to_string().contains("--browser"));
        assert_eq!(plan(33).with_browsers(1).unwrap_err(), PlanError::OpusTalkers(33));
        let lossy = Impairment { loss: 0.01, ..Impairment::default() };
        let refused = plan(3).with_browsers(1).unwrap().with_network(lossy.clone(), 1);
        assert_eq!(refused.unwrap_err(), PlanError::BrowserNetwork);
        let refused = plan(3).with_network(lossy, 1).unwrap().with_browsers(1);
        assert_eq!(refused.unwrap_err(), PlanError::BrowserNetwork);
    }

    #[test]
    fn measuring_time_is_what_was_asked_for() {
        for seconds in 2..30 {
            let plan = Plan::new(10, 1, 3, seconds).unwrap();
            assert_eq!(plan.measured_frames(), seconds * 50);
            assert!(plan.beep_slots() >= 2);
        }
    }

    #[test]
    fn no_two_plans_share_a_name() {
        let (a, b) = (Plan::new(1, 1, 1, 5).unwrap(), Plan::new(1, 1, 1, 5).unwrap());
        assert_ne!(a.dialled(LegNumber(0)), b.dialled(LegNumber(0)));
    }
}
