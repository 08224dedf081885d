//! Why a plan cannot be run, in words that speak of the command line's flags.

use super::plan::{LEGS_MAX, OPUS_TALKERS_MAX, PER_SECOND_MAX, SECONDS_MAX};
use super::{record, tone};

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No legs or too many.
    #[error("--legs must be 1 to {LEGS_MAX}, not {0}")]
    Legs(usize),
    /// No conferences, or some would stay empty.
    #[error("--conferences must be 1 to the number of legs ({legs}), not {conferences}")]
    Conferences {
        /// Legs asked for.
        legs: usize,
        /// Conferences asked for.
        conferences: usize,
    },
    /// No talkers, or more than a conference has legs.
    #[error(
        "--talkers must be 1 to the legs of the smallest conference ({legs_each}), not {talkers}: \
         it counts the talkers in each conference"
    )]
    Talkers {
        /// Legs in the smallest conference.
        legs_each: usize,
        /// Talkers asked for.
        talkers: usize,
    },
    /// More talkers than can be found in what Opus leaves of them.
    #[error(
        "--codec opus and --browser tell at most {OPUS_TALKERS_MAX} talkers in each conference apart, not {0}"
    )]
    OpusTalkers(usize),
    /// More callers in browsers than callers.
    #[error("--browser must be 0 to the number of legs ({legs}), not {browsers}")]
    Browsers {
        /// Legs asked for.
        legs: usize,
        /// Of those, the ones in browsers.
        browsers: usize,
    },
    /// A network of our making, which callers in browsers do not go through.
    #[error(
        "--browser: callers in browsers are behind no network of your making; leave out --network, --loss, --delay and \
         their like"
    )]
    BrowserNetwork,
    /// More talkers than there are tones to tell them apart.
    #[error("{0} talkers in all are more than there are tones: at most {max}", max = tone::TALKERS_MAX)]
    Tones(usize),
    /// Too short to judge so many tones, or longer than a day.
    #[error("--seconds must be {min} to {SECONDS_MAX} with this many talkers, not {seconds}")]
    Seconds {
        /// The shortest that works.
        min: u64,
        /// What was asked for, in whole seconds.
        seconds: u64,
    },
    /// A speech with which talkers could not be told apart.
    #[error("{0}")]
    Speech(String),
    /// Recordings would fill the disk.
    #[error("--record would write up to {} MiB, more than {} MiB: fewer legs, or a shorter run", .0 >> 20, record::BYTES_MAX >> 20)]
    Record(u64),
    /// A network that no packet would survive, or that does not exist.
    #[error("{0}")]
    Network(String),
    /// Nobody would ever call.
    #[error("--ramp must be 1 to 1000 calls a second, not {0}")]
    Ramp(u32),
    /// More calls that come and go than anybody has asked for.
    #[error("--set-ups must be at most {PER_SECOND_MAX} calls a second, not {0}")]
    PassersBy(u32),
    /// Too many mutes, or nobody to mute.
    #[error(
        "--mutes must be at most {PER_SECOND_MAX} a second, and somebody must only listen (--talkers below the legs of a \
         conference), not {0}"
    )]
    Mutes(u32),
}
