//! What a network does to packets, as numbers and as names for usual mixtures of them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

/// What one caller's network does to the packets on their way to the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Impairment {
    /// The share of packets lost, 0 to 1.
    pub loss: f64,
    /// The mean number of packets lost in a row; each packet for itself if there is none.
    pub burst: Option<f64>,
    /// What every packet takes, in ms.
    pub delay_ms: f64,
    /// The mean of what a packet takes besides, exponentially distributed and cut at five times the mean, in ms. A
    /// packet waits for the one before it.
    pub jitter_ms: f64,
    /// The share of packets that are held back until one to three others have passed.
    pub reorder: f64,
    /// The share of packets that come twice.
    pub duplicate: f64,
    /// How fast the caller's clock runs, in parts in a million. Legs with odd numbers run as much slow.
    pub drift_ppm: f64,
    /// When nothing gets through.
    pub blackouts: Vec<Blackout>,
}

/// A time when nothing gets through, counted from when measuring began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Blackout {
    /// How long.
    #[serde(serialize_with = "as_seconds")]
    pub length: Duration,
    /// When the first begins.
    #[serde(serialize_with = "as_seconds")]
    pub at: Duration,
    /// From the beginning of one to the beginning of the next, if there is more than one.
    #[serde(serialize_with = "as_maybe_seconds")]
    pub every: Option<Duration>,
}

/// Usual networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum NetworkProfile {
    /// Delay 0.2 ms, jitter 0.1 ms.
    Lan,
    /// Delay 3 ms, jitter 4 ms, loss 0.5 % in bursts of 2, reordering 0.1 %.
    Wifi,
    /// Delay 40 ms, jitter 12 ms, loss 2 % in bursts of 2.5, reordering 0.2 %, drift 20 ppm.
    Mobile,
    /// Delay 45 ms, jitter 2 ms, loss 0.3 %, reordering 0.1 %, drift 20 ppm.
    Transatlantic,
    /// Delay 100 ms, jitter 30 ms, loss 8 % in bursts of 3, reordering 2 %, duplicates 1 %, drift 100 ppm, nothing for 300 ms
    /// in every 10 s.
    Terrible,
}

impl NetworkProfile {
    /// The numbers behind the name. They stand for what is often met, not for any one measurement.
    pub fn impairment(self) -> Impairment {
        let none = Impairment::default();
        match self {
            Self::Lan => Impairment { delay_ms: 0.2, jitter_ms: 0.1, ..none },
            Self::Wifi => Impairment {
                delay_ms: 3.0,
                jitter_ms: 4.0,
                loss: 0.005,
                burst: Some(2.0),
                reorder: 0.001,
                ..none
            },
            Self::Mobile => Impairment {
                delay_ms: 40.0,
                jitter_ms: 12.0,
                loss: 0.02,
                burst: Some(2.5),
                reorder: 0.002,
                drift_ppm: 20.0,
                ..none
            },
            Self::Transatlantic => Impairment {
                delay_ms: 45.0,
                jitter_ms: 2.0,
                loss: 0.003,
                reorder: 0.001,
                drift_ppm: 20.0,
                ..none
            },
            Self::Terrible => Impairment {
                delay_ms: 100.0,
                jitter_ms: 30.0,
                loss: 0.08,
                burst: Some(3.0),
                reorder: 0.02,
                duplicate: 0.01,
                drift_ppm: 100.0,
                blackouts: vec![Blackout {
                    length: Duration::from_millis(300),
                    at: Duration::from_secs(5),
                    every: Some(Duration::from_secs(10)),
                }],
            },
        }
    }
}

/// The chances with which a burst of loss begins and ends, packet by packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burst {
    pub(super) begin: f64,
    pub(super) end: f64,
}

/// The longest that a caller's own network may take: the callers hold what is on the way in memory.
const DELAY_MAX_MS: f64 = 2_000.0;
/// A quartz is off by some hundred parts in a million at worst; above this the flag was misunderstood.
const DRIFT_MAX_PPM: f64 = 10_000.0;
/// Frames that one lost, late or doubled packet may break: itself, its neighbours that are joined to what stands in for it,
/// and one more when the sound has found another place. Of a plain jitter buffer 1 to 1.5 were measured.
const BROKEN_EACH: f64 = 4.0;
/// The share of frames that a buffer may break while it finds its depth, where packets do not come evenly.
const SETTLING_SHARE: f64 = 0.1;
/// Jitter below this is within what one tick of a mixer hides, in ms.
const EVEN_MS: f64 = 1.0;

impl Impairment {
    /// Whether packets go out just as they are made.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether packets fail to come, or come too unevenly to be played as they were sent.
    pub(super) fn harms(&self) -> bool {
        let even = Self { delay_ms: 0.0, jitter_ms: 0.0, ..self.clone() };
        !even.is_none() || self.jitter_ms > EVEN_MS
    }

    /// What is out of range, in words that name the flag.
    pub(super) fn problem(&self) -> Option<String> {
        let shares = [("--loss", self.loss), ("--reorder", self.reorder), ("--duplicate", self.duplicate)];
        if let Some((flag, share)) = shares.into_iter().find(|(_, share)| !(0.0..1.0).contains(share)) {
            return Some(format!("{flag} must be 0% or more and less than 100%, not {}%", share * 100.0));
        }
        if let Some(burst) = self.burst.filter(|burst| !(1.0..=1_000.0).contains(burst)) {
            return Some(format!("--burst must be 1 to 1000 packets, not {burst}"));
        }
        if self.burst_chances().is_some_and(|chances| chances.begin > 1.0) {
            return Some("--loss is too high for bursts so short: between two there is a packet".to_owned());
        }
        if self.delay_max_ms() > DELAY_MAX_MS {
            return Some(format!(
                "--delay and five times --jitter must be at most {DELAY_MAX_MS} ms together"
            ));
        }
        if self.drift_ppm.abs() > DRIFT_MAX_PPM {
            return Some(format!("--drift must be at most {DRIFT_MAX_PPM} ppm either way"));
        }
        None
    }

    pub(super) fn burst_chances(&self) -> Option<Burst> {
        let end = 1.0 / self.burst.filter(|_| self.loss > 0.0)?;
        Some(Burst { begin: self.loss * end / (1.0 - self.loss), end })
    }

    /// The most that any packet takes, in ms: delay, five times the jitter, held back, once more.
    pub(super) fn delay_max_ms(&self) -> f64 {
        let held_back = if self.reorder > 0.0 { 65.0 } else { 0.0 };
        let again = if self.duplicate > 0.0 { 10.0 } else { 0.0 };
        self.delay_ms + 5.0 * self.jitter_ms + held_back + again
    }

    /// Whether nothing gets through, so long after measuring began.
    pub(super) fn is_black(&self, since_ns: i64) -> bool {
        let Ok(since) = u64::try_from(since_ns).map(Duration::from_nanos) else {
            return false;
        };
        self.blackouts.iter().any(|blackout| blackout.covers(since))
    }

    /// The clock of a leg, in parts in a million.
    pub(super) fn drift_of(&self, leg: usize) -> f64 {
        if leg.is_multiple_of(2) { self.drift_ppm } else { -self.drift_ppm }
    }

    /// What Opus is told to arm itself against.
    pub(super) fn loss_percent(&self) -> u8 {
        (self.loss * 100.0).ceil() as u8
    }

    /// The share of its frames that a listener may find broken, with so many talkers who have such a network, in a run of so
    /// many seconds. 1 where there is no bound.
    ///
    /// Each packet that is lost, reordered or blacked out may break [`BROKEN_EACH`] frames; uneven arrival and a clock that
    /// drifts cost another tenth while buffers find their depth, and a frame for each that the clock gains.
    pub(super) fn broken_share_max(&self, talkers: usize, seconds: f64) -> f64 {
        if !self.harms() {
            return 0.0;
        }
        let black: f64 = self.blackouts.iter().map(|blackout| blackout.share(seconds)).sum();
        let events = self.loss + self.reorder + self.duplicate + black + self.drift_ppm.abs() * 1e-6;
        let hit = 1.0 - (1.0 - events.min(1.0)).powi(talkers.try_into().unwrap_or(i32::MAX));
        (SETTLING_SHARE + BROKEN_EACH * hit).min(1.0)
    }
}

impl Blackout {
    fn covers(&self, since: Duration) -> bool {
        let Some(since) = since.checked_sub(self.at) else {
            return false;
        };
        let since = match self.every {
            Some(every) => Duration::from_nanos((since.as_nanos() % every.as_nanos()) as u64),
            None => since,
        };
        since < self.length
    }

    /// The share of a run of so many seconds.
    fn share(&self, seconds: f64) -> f64 {
        let once = self.length.as_secs_f64();
        let times = self.every.map_or(1.0, |every| (seconds / every.as_secs_f64()).ceil());
        (once * times / seconds).min(1.0)
    }
}

/// `5%` or `0.05`, as a share.
pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let value = parse_number(number).ok_or_else(|| format!("{text} is no share such as 5% or 0.05"))?;
    Ok(value * scale)
}

/// `20ms` or `1.5s`, in milliseconds.
pub(super) fn parse_ms(text: &str) -> Result<f64, String> {
    let problem = || format!("{text} is no time such as 20ms or 1.5s");
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s').ok_or_else(problem)?, 1_000.0),
    };
    parse_number(number).map(|number| number * scale).ok_or_else(problem)
}

/// `100ppm`, `-100ppm` or `100`.
pub(super) fn parse_ppm(text: &str) -> Result<f64, String> {
    let (sign, number) = text.strip_prefix('-').map_or((1.0, text), |number| (-1.0, number));
    let number = parse_number(number.strip_suffix("ppm").unwrap_or(number));
    number.map(|number| sign * number).ok_or_else(|| format!("{text} is no drift such as 100ppm"))
}

/// A number that is finite and not negative.
fn parse_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

impl FromStr for Blackout {
    type Err = String;

    /// `2s@10s`: for two seconds, ten seconds after measuring began. `2s@10s/30s`: and again every thirty.
    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("{text} is no blackout such as 2s@10s or 500ms@5s/10s");
        let (length, rest) = text.split_once('@').ok_or_else(problem)?;
        let (at, every) = rest.split_once('/').map_or((rest, None), |(at, every)| (at, Some(every)));
        let time = |text| parse_ms(text).map(|ms| Duration::from_secs_f64(ms.min(1e9) / 1e3));
        let every = every.map(time).transpose()?;
        let blackout = Self { length: time(length)?, at: time(at)?, every };
        if blackout.length.is_zero() || every.is_some_and(|every| every <= blackout.length) {
            return Err(problem());
        }
        Ok(blackout)
    }
}

impl fmt::Display for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| format!("{} %", (share * 1e4).round() / 1e2);
        let mut parts = Vec::new();
        if self.loss > 0.0 {
            let burst = self.burst.map(|burst| format!(" in bursts of {burst}")).unwrap_or_default();
            parts.push(format!("loss {}{burst}", percent(self.loss)));
        }
        let times = [("delay", self.delay_ms), ("jitter", self.jitter_ms)];
        parts.extend(times.iter().filter(|(_, ms)| *ms > 0.0).map(|(name, ms)| format!("{name} {ms} ms")));
        let shares = [("reordering", self.reorder), ("duplicates", self.duplicate)];
        let shares = shares.iter().filter(|(_, share)| *share > 0.0);
        parts.extend(shares.map(|(name, share)| format!("{name} {}", percent(*share))));
        if self.drift_ppm != 0.0 {
            parts.push(format!("drift {} ppm", self.drift_ppm));
        }
        for Blackout { length, at, every } in &self.blackouts {
            let every = every.map(|every| format!(", every {every:?}")).unwrap_or_default();
            parts.push(format!("nothing for {length:?} at {at:?}{every}"));
        }
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

fn as_seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn as_maybe_seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_units() {
        assert_eq!(parse_share("5%"), Ok(0.05));
        assert_eq!(parse_share("0.5"), Ok(0.5));
        assert_eq!(parse_ms("20ms"), Ok(20.0));
        assert_eq!(parse_ms("1.5s"), Ok(1_500.0));
        assert_eq!(parse_ppm("-100ppm"), Ok(-100.0));
        for wrong in ["", "%", "-1%", "nan", "1e999", "five"] {
            assert!(parse_share(wrong).is_err(), "{wrong}");
            assert!(parse_ms(wrong).is_err(), "{wrong}");
        }
        assert!(parse_ms("20").is_err(), "a time without a unit could be either");
    }

    #[test]
    fn blackouts_are_read_and_begin_when_they_say() {
        let blackout: Blackout = "2s@10s/30s".parse().unwrap();
        let covers = |seconds: u64| blackout.covers(Duration::from_secs(seconds));
        assert_eq!(
            [9, 10, 11, 12, 39, 40, 41, 42].map(covers),
            [false, true, true, false, false, true, true, false]
        );
        assert!("2s".parse::<Blackout>().is_err());
        assert!("10s@2s/5s".parse::<Blackout>().is_err());
        assert!("0s@2s".parse::<Blackout>().is_err());
    }

    #[test]
    fn what_no_network_does_is_refused_by_its_flag() {
        let none = Impairment::default;
        for (wrong, flag) in [
            (Impairment { loss: 1.0, ..none() }, "--loss"),
            (Impairment { reorder: 2.0, ..none() }, "--reorder"),
            (Impairment { loss: 0.1, burst: Some(0.5), ..none() }, "--burst"),
            (Impairment { loss: 0.9, burst: Some(1.0), ..none() }, "--loss"),
            (Impairment { jitter_ms: 500.0, ..none() }, "--jitter"),
            (Impairment { drift_ppm: 1e6, ..none() }, "--drift"),
        ] {
            assert!(wrong.problem().is_some_and(|problem| problem.contains(flag)), "{wrong:?}");
        }
        for profile in <NetworkProfile as clap::ValueEnum>::value_variants() {
            assert_eq!(profile.impairment().problem(), None);
        }
    }

    #[test]
    fn an_even_network_may_break_nothing() {
        assert_eq!(NetworkProfile::Lan.impairment().broken_share_max(3, 10.0), 0.0);
        let mobile = NetworkProfile::Mobile.impairment().broken_share_max(1, 10.0);
        assert!((0.1..0.5).contains(&mobile), "{mobile}");
        assert!(NetworkProfile::Terrible.impairment().broken_share_max(10, 10.0) >= 1.0);
    }

    #[test]
    fn it_says_what_it_does() {
        let text = NetworkProfile::Mobile.impairment().to_string();
        assert_eq!(
            text,
            "loss 2 % in bursts of 2.5, delay 40 ms, jitter 12 ms, reordering 0.2 %, drift 20 ppm"
        );
        assert_eq!(Impairment::default().to_string(), "none");
    }
}
