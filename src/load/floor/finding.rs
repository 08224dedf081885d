//! What is not as it should be on the floor, in words and as data.

use std::fmt;

use serde::Serialize;

use super::pay::PayFault;
use super::recording::Fault;
use super::streams::StreamFault;

/// In which way somebody heard what they should not, or did not hear what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Somebody hears themselves.
    OwnVoice,
    /// One on hold hears people: the hold is not there.
    HoldNotApplied,
    /// One on hold is heard.
    HeldHeard,
    /// One who waits in a queue hears people.
    WaitingHears,
    /// A supervisor who only listens is heard.
    MonitorHeard,
    /// A coach is heard by others than the one they coach.
    CoachHeard,
    /// One who is muted is heard.
    MutedHeard,
    /// One who was taken out of a conference is heard there.
    StillThere,
    /// Somebody of another conference is heard.
    CrossTalk,
    /// Somebody is not heard who should be.
    Unheard,
    /// There is no music where it should be.
    NoMusic,
    /// There is music where it should not be.
    StrayMusic,
}

impl Wrong {
    fn words(self) -> &'static str {
        match self {
            Self::OwnVoice => "hears their own voice",
            Self::HoldNotApplied => "is to be on hold and hears people",
            Self::HeldHeard => "is on hold and is heard",
            Self::WaitingHears => "waits in a queue and hears people",
            Self::MonitorHeard => "is only to listen and is heard",
            Self::CoachHeard => "coaches and is heard by others",
            Self::MutedHeard => "is muted and is heard",
            Self::StillThere => "was taken out and is still heard there",
            Self::CrossTalk => "is heard by people of another conference",
            Self::Unheard => "is not heard by all who should hear them",
            Self::NoMusic => "should hear music and does not",
            Self::StrayMusic => "hears music that is not for them",
        }
    }
}

/// One way in which the floor is not as it was asked to be. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FloorFinding {
    /// Who hears whom is wrong.
    Hearing {
        /// In which way.
        wrong: Wrong,
        /// Whose seat or voice it is.
        who: String,
        /// Who else is concerned: listeners, or those who are heard.
        others: Vec<String>,
        /// In how many packets.
        packets: u64,
        /// What had been asked for last.
        after: String,
        /// When it was first so, in seconds from the beginning.
        at_s: f64,
    },
    /// A request was not answered with success.
    RequestFailed {
        /// What was asked for.
        act: String,
        /// What came back.
        problem: String,
    },
    /// The node hung up on somebody who should have stayed.
    EndedEarly {
        /// On whom.
        who: Vec<String>,
    },
    /// Packets are missing by sequence number.
    Lost {
        /// How many.
        packets: u64,
    },
    /// Nothing that could be judged was heard.
    NothingJudged,
    /// The callers' own packets were late too often for a verdict.
    CallersLate {
        /// How many of 100.
        percent: f64,
    },
    /// Somebody is heard who should not be, however faintly.
    Leak {
        /// How the supervisor sits.
        mode: String,
        /// The codec of all.
        codec: String,
        /// How strong, in dB of what is heard when they may be heard.
        db: f64,
    },
    /// A recording is not what it should be.
    Recording {
        /// In which way.
        fault: Fault,
        /// Of which conferences.
        conferences: Vec<String>,
        /// What exactly, of the first.
        what: String,
    },
    /// A stream is not what it should be.
    Stream {
        /// In which way.
        fault: StreamFault,
        /// Of which callers; of all, if of none.
        streams: Vec<String>,
        /// What exactly, of the first.
        what: String,
    },
    /// A payment is not what it should be, or somebody learned of it.
    Pay {
        /// In which way.
        fault: PayFault,
        /// Who or what.
        whose: Vec<String>,
        /// What exactly, of the first.
        what: String,
    },
    /// The run was ended before its time.
    Interrupted,
}

/// Names that a sentence can hold.
const NAMED_MAX: usize = 6;

fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let named = names[..names.len() - more].join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

impl fmt::Display for FloorFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hearing { wrong, who, others, packets, after, at_s } => {
                write!(f, "{who} {}", wrong.words())?;
                if !others.is_empty() {
                    write!(f, " ({})", list(others))?;
                }
                write!(f, ": {packets} packets, first at {at_s:.2} s, after: {after}")
            }
            Self::RequestFailed { act, problem } => write!(f, "the node would not do this: {act}: {problem}"),
            Self::EndedEarly { who } => write!(f, "the node hung up on {}", list(who)),
            Self::Lost { packets } => write!(f, "{packets} packets are missing by sequence number"),
            Self::NothingJudged => f.write_str("nothing that could be judged was heard"),
            Self::CallersLate { percent } => {
                write!(f, "{percent:.1} % of the callers' own packets were late: the run proves nothing")
            }
            Self::Leak { mode, codec, db } => {
                write!(f, "a supervisor who is {mode} is heard at {db:.1} dB through {codec}")
            }
            Self::Recording { fault, conferences, what } => {
                write!(f, "{} ({}): {what}", fault.words(), list(conferences))
            }
            Self::Stream { fault, streams, what } if streams.is_empty() => {
                write!(f, "{}: {what}", fault.words())
            }
            Self::Stream { fault, streams, what } => {
                write!(f, "{} ({}): {what}", fault.words(), list(streams))
            }
            Self::Pay { fault, whose, what } => write!(f, "{} ({}): {what}", fault.words(), list(whose)),
            Self::Interrupted => f.write_str("interrupted: what was heard until then is not judged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_who_how_often_and_after_what() {
        let finding = FloorFinding::Hearing {
            wrong: Wrong::MonitorHeard,
            who: "the supervisor of desk 0".into(),
            others: vec!["the customer of desk 0".into()],
            packets: 12,
            after: "the supervisor of desk 0 listens".into(),
            at_s: 3.456,
        };
        assert_eq!(
            finding.to_string(),
            "the supervisor of desk 0 is only to listen and is heard (the customer of desk 0): 12 packets, \
             first at 3.46 s, after: the supervisor of desk 0 listens"
        );
        let names: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        assert_eq!(list(&names), "0, 1, 2, 3, 4, 5 and 3 more");
    }
}
