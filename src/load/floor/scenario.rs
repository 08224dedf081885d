//! Which scenario is run, and how large.

use std::net::SocketAddr;

use super::palette::visits;
use super::pay;
use super::script::PEOPLE_EACH;
use super::voices::pairs;
use crate::load::codec::Codec;

/// Voices that music takes.
const MUSIC_VOICES: usize = 2;
/// Conferences that churn can tell apart: each has a tone of its own.
pub(super) const CHURN_CONFERENCES_MAX: usize = 20;
/// Participants that one conference has room for.
const MUSIC_LEGS_MAX: usize = 250;
/// Pairs of callers of which no two have the same two voices in the same order, and some.
const RECORD_LEGS_MAX: usize = 1_000;
/// A quarter of it is two seconds, enough for a dozen clicks.
const RECORD_SECONDS_MIN: u64 = 8;
/// One round of parts without and with recordings lasts about so long.
const RECORD_ROUND_SECONDS: u64 = 60;
/// Desks whose sound, of up to two minutes at 48 kHz each, takes 1 GB at most.
const PAY_DESKS_MAX: usize = 30;
/// Calls that may come in a second.
const CHURN_MAX: u32 = 200;
/// Streams that are asked for at once; memory of the callers sets this, some half a megabyte each.
const STREAMS_MAX: usize = 1_000;
/// Streams that misbehave beside each that listens: a call has room for two more tracks.
const MISBEHAVING_EACH: usize = 2;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Customers, agents and supervisors: hold, transfer, queue, listen in, coach, barge.
    Floor,
    /// Callers who come and go all the time.
    Churn,
    /// How strong a supervisor is where they should not be heard, through each codec.
    Leak,
    /// What music on hold costs.
    Music,
    /// What recording two-party calls costs, and whether the files hold what was said, where it was said.
    Record,
    /// What streams tell their servers, and what those say, and how soon.
    #[value(skip)]
    Streams,
    /// Cards typed while both talk, in each of the ways to press a key: who learns of them beside the connector.
    Pay,
}

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Churn => "churn",
            Self::Leak => "leak",
            Self::Music => "music",
            Self::Record => "record",
            Self::Streams => "streams",
            Self::Pay => "pay",
        }
    }
}

/// How streams are shared out, and where their servers are.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamShare {
    /// Streams whose servers speak too; half of all if it is not said.
    pub talking: Option<usize>,
    /// Streams beside them whose servers misbehave.
    pub misbehaving: usize,
    /// Where the servers listen; at the address that calls come from, on any port, if it is not said.
    pub listen: Option<SocketAddr>,
    /// Where the node is told that they are, if that is elsewhere.
    pub told: Option<SocketAddr>,
}

/// A scenario that can be run.
#[derive(Clone, Debug)]
pub struct ScenarioPlan {
    pub(super) what: What,
    pub(super) legs: usize,
    pub(super) conferences: usize,
    pub(super) seconds: u64,
    /// Calls that come, and as many that go, in a second.
    pub(super) churn: u32,
    pub(super) codecs: Vec<Codec>,
    pub(super) seed: u64,
    pub(super) streams: StreamShare,
}

impl ScenarioPlan {
    /// So many legs (of desks with four people each), or so many conferences and joins in a second.
    ///
    /// # Errors
    /// When it cannot be judged, in words that speak of the command line's flags.
    pub fn new(what: What, legs: usize, conferences: usize, seconds: u64, seed: u64) -> Result<Self, String> {
        let (codecs, streams) = (vec![Codec::Pcmu], StreamShare::default());
        let plan = Self { what, legs, conferences, seconds, churn: 50, codecs, seed, streams };
        let desks_max = (pairs().len() - MUSIC_VOICES) / PEOPLE_EACH;
        match what {
            What::Floor if !(1..=desks_max).contains(&plan.desks()) => Err(format!(
                "--legs must be {PEOPLE_EACH} to {} with --scenario floor, four at each desk, not {legs}",
                desks_max * PEOPLE_EACH
            )),
            What::Churn if !(1..=CHURN_CONFERENCES_MAX).contains(&conferences) => Err(format!(
                "--conferences must be 1 to {CHURN_CONFERENCES_MAX} with --scenario churn, not {conferences}"
            )),
            What::Music if !(2..=MUSIC_LEGS_MAX).contains(&legs) => {
                Err(format!("--legs must be 2 to {MUSIC_LEGS_MAX} with --scenario music, not {legs}"))
            }
            What::Record if !(2..=RECORD_LEGS_MAX).contains(&legs) || legs % 2 == 1 => Err(format!(
                "--legs must be an even number up to {RECORD_LEGS_MAX} with --scenario record, two in each call, not {legs}"
            )),
            What::Record if seconds < RECORD_SECONDS_MIN => Err(format!(
                "--seconds must be {RECORD_SECONDS_MIN} at least with --scenario record, not {seconds}"
            )),
            What::Streams if !(1..=STREAMS_MAX).contains(&legs) => {
                Err(format!("--streams must be 1 to {STREAMS_MAX}, not {legs}"))
            }
            What::Pay if !(1..=PAY_DESKS_MAX).contains(&(legs / pay::PEOPLE_EACH)) => Err(format!(
                "--legs must be {0} to {1} with --scenario pay, {0} at each desk, not {legs}",
                pay::PEOPLE_EACH,
                PAY_DESKS_MAX * pay::PEOPLE_EACH
            )),
            What::Floor
            | What::Churn
            | What::Leak
            | What::Music
            | What::Record
            | What::Streams
            | What::Pay => Ok(plan),
        }
    }

    /// The same with so many calls that come, and as many that go, in a second.
    ///
    /// # Errors
    /// When that is none, or too many to be told apart.
    pub fn with_churn(self, churn: u32) -> Result<Self, String> {
        if !(1..=CHURN_MAX).contains(&churn) {
            return Err(format!("--churn must be 1 to {CHURN_MAX}, not {churn}"));
        }
        let plan = Self { churn, ..self };
        if plan.what == What::Churn {
            visits(&plan)?;
        }
        Ok(plan)
    }

    /// The same with its streams shared out so.
    ///
    /// # Errors
    /// When that leaves somebody without one to talk to, or asks for more streams than calls have.
    pub fn with_streams(self, streams: StreamShare) -> Result<Self, String> {
        let plan = Self { streams, ..self };
        let (of, talking) = (plan.legs, plan.streams.talking);
        if talking.is_some_and(|talking| talking > of || (of - talking) % 2 == 1) {
            return Err(format!(
                "--streams-talking must leave an even number of the {of} streams, which listen in calls of two"
            ));
        }
        let room = plan.forks() * MISBEHAVING_EACH;
        if plan.streams.misbehaving > room {
            return Err(format!(
                "--streams-misbehaving must be {room} at most, two in each call that is listened to, not {}",
                plan.streams.misbehaving
            ));
        }
        Ok(plan)
    }

    /// Callers whose streams only listen, two in each call; the streams of the others talk.
    pub(super) fn forks(&self) -> usize {
        self.streams.talking.map_or(self.legs / 4 * 2, |talking| self.legs - talking)
    }

    /// The same, speaking these codecs in turn.
    ///
    /// # Errors
    /// When one of them does not tell packet by packet who is heard.
    pub fn with_codecs(self, codecs: &[Codec]) -> Result<Self, String> {
        if self.what == What::Streams && codecs.iter().any(|codec| *codec != Codec::Pcmu) {
            return Err("--streams wants --codec pcmu: its sound is told sample for sample".to_owned());
        }
        let takes_any = matches!(self.what, What::Leak | What::Pay);
        if let Some(lossy) = codecs.iter().find(|codec| !codec.is_stateless() && !takes_any) {
            return Err(format!(
                "--codec {} does not tell packet by packet who is heard, as --scenario {} needs: pcmu, pcma or l16",
                lossy.name().to_lowercase(),
                self.what.name()
            ));
        }
        Ok(Self { codecs: codecs.to_vec(), ..self })
    }

    /// Whether the node's API is asked.
    pub fn needs_api(&self) -> bool {
        self.what != What::Churn
    }

    pub(super) fn desks(&self) -> usize {
        self.legs / PEOPLE_EACH
    }

    /// How often everybody is recorded, with as much time around it in which nobody is.
    pub(super) fn rounds(&self) -> u32 {
        u32::try_from(self.seconds / RECORD_ROUND_SECONDS).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_judged_is_refused_by_its_flag() {
        let plan = |what, legs, conferences| ScenarioPlan::new(what, legs, conferences, 10, 1);
        let streams = |legs, talking, misbehaving| {
            let share = StreamShare { talking, misbehaving, ..StreamShare::default() };
            plan(What::Streams, legs, 1).unwrap().with_streams(share)
        };
        let shares = |legs, talking| streams(legs, talking, 0).map(|plan| plan.forks());
        assert_eq!([shares(500, None), shares(6, None), shares(1, None)], [Ok(250), Ok(2), Ok(0)]);
        assert_eq!([shares(6, Some(0)), shares(7, Some(3))], [Ok(6), Ok(4)]);
        assert_eq!(plan(What::Floor, 11, 1).map(|plan| plan.desks()), Ok(2));
        for (refused, flag) in [
            (plan(What::Floor, 3, 1).unwrap_err(), "--legs"),
            (plan(What::Floor, 250, 1).unwrap_err(), "--legs"),
            (plan(What::Churn, 10, 21).unwrap_err(), "--conferences"),
            (plan(What::Churn, 10, 5).unwrap().with_churn(0).unwrap_err(), "--churn"),
            (plan(What::Floor, 8, 1).unwrap().with_codecs(&[Codec::Opus]).unwrap_err(), "--codec opus"),
            (plan(What::Record, 7, 1).unwrap_err(), "--legs"),
            (ScenarioPlan::new(What::Record, 8, 1, 7, 1).unwrap_err(), "--seconds"),
            (plan(What::Streams, 0, 1).unwrap_err(), "--streams"),
            (plan(What::Streams, 8, 1).unwrap().with_codecs(&[Codec::Pcma]).unwrap_err(), "--codec pcmu"),
            (streams(8, Some(5), 0).unwrap_err(), "--streams-talking"),
            (streams(8, Some(10), 0).unwrap_err(), "--streams-talking"),
            (streams(8, None, 9).unwrap_err(), "--streams-misbehaving"),
        ] {
            assert!(refused.contains(flag), "{refused}");
        }
    }
}
