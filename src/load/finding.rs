//! What is not as it should be, in words and as data.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::plan::LegNumber;

/// One way in which the truth differs from what should be heard. `Display` is a sentence for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Calls were answered with a final status that is not 2xx.
    Refused {
        /// The SIP status.
        status: u16,
        /// The reason phrase that came with it.
        reason: String,
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// Calls were never answered.
    Unanswered {
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// Answers were accepted but carried no usable SDP.
    BadAnswer {
        /// What was wrong with the first.
        problem: String,
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// Browsers were answered, and their media did not get through to the node.
    NotReached {
        /// What was wrong with the first.
        problem: String,
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// The node hung up before the caller did.
    EndedEarly {
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// The node did not answer the caller's BYE.
    HangUpUnanswered {
        /// The callers.
        legs: Vec<LegNumber>,
    },
    /// No sound at all arrived.
    NothingReceived {
        /// The legs.
        legs: Vec<LegNumber>,
    },
    /// Legs hear themselves.
    OwnVoice {
        /// The legs.
        legs: Vec<LegNumber>,
    },
    /// A talker is not heard by some who should hear them.
    Unheard {
        /// Who is not heard.
        talker: LegNumber,
        /// By whom.
        listeners: Vec<LegNumber>,
        /// How many should have heard them.
        should: usize,
    },
    /// A talker is heard with the wrong strength.
    WrongLevel {
        /// Who is heard.
        talker: LegNumber,
        /// By whom.
        listeners: Vec<LegNumber>,
        /// The worst, in dB of what was sent.
        worst_db: f32,
    },
    /// Each of two legs receives exactly what is meant for the other.
    LegsSwapped {
        /// One.
        a: LegNumber,
        /// The other.
        b: LegNumber,
    },
    /// Each of two talkers is heard where the other should be.
    TalkersSwapped {
        /// One.
        a: LegNumber,
        /// The other.
        b: LegNumber,
    },
    /// A talker is heard in another conference.
    CrossTalk {
        /// Who is heard.
        talker: LegNumber,
        /// The talker's own conference.
        from: usize,
        /// By whom they must not be heard.
        listeners: Vec<LegNumber>,
    },
    /// Frames were replaced by silence.
    SilentFrames {
        /// How many, over all legs.
        frames: u64,
        /// Frames judged, over all legs.
        of: u64,
        /// Who received them.
        legs: Vec<LegNumber>,
    },
    /// One talker's frames were missing from the mix.
    TalkerFramesMissing {
        /// The talker.
        talker: LegNumber,
        /// How many, as heard by the listener who lost most.
        frames: u64,
        /// Who missed them.
        listeners: Vec<LegNumber>,
    },
    /// Frames were replaced by something that does not belong there.
    BrokenFrames {
        /// How many, over all legs.
        frames: u64,
        /// Frames judged, over all legs.
        of: u64,
        /// Who received them.
        legs: Vec<LegNumber>,
    },
    /// More frames were not what belonged there than the callers' own networks explain.
    TooMuchConcealed {
        /// Of 100 frames, at the leg that has most.
        percent: f64,
        /// What the networks explain, of 100 frames.
        allowed: f64,
        /// Who received more.
        legs: Vec<LegNumber>,
    },
    /// The sound jumped: frames were dropped, repeated or stretched.
    Slips {
        /// How often, over all legs.
        times: u64,
        /// Who heard it.
        legs: Vec<LegNumber>,
    },
    /// Sequence numbers promise packets that did not come.
    SequenceGaps {
        /// Jumps of the sequence number, over all legs.
        gaps: u64,
        /// Packets that did not come, over all legs.
        lost: u64,
        /// Who missed them.
        legs: Vec<LegNumber>,
    },
    /// Packets came more than once.
    Duplicates {
        /// How many, over all legs.
        packets: u64,
        /// Who received them.
        legs: Vec<LegNumber>,
    },
    /// The stream's source or sequence changed in the middle.
    StreamRestarted {
        /// Whose.
        legs: Vec<LegNumber>,
    },
    /// Fewer packets than the time holds, though the sequence is whole: they were never sent.
    NeverSent {
        /// How many, over all legs.
        packets: u64,
        /// Who should have received them.
        legs: Vec<LegNumber>,
    },
    /// Datagrams that are no RTP in the agreed format.
    Foreign {
        /// How many, over all legs.
        packets: u64,
        /// Who received them.
        legs: Vec<LegNumber>,
    },
    /// SRTP packets that do not prove to be from who has the key.
    NotGenuine {
        /// How many, over all legs.
        packets: u64,
        /// Who received them.
        legs: Vec<LegNumber>,
    },
    /// So much was missing that not one window could be judged.
    NotJudged {
        /// The legs.
        legs: Vec<LegNumber>,
    },
    /// What the node says of its own delay is not what was measured.
    Ledger {
        /// What it says, ms.
        told_ms: f64,
        /// What was measured, ms.
        measured_ms: f64,
    },
    /// Calls that came and went meanwhile did not fare as they should.
    SetUpsFailed {
        /// Refused, by SIP status.
        refused: BTreeMap<u16, u64>,
        /// Never answered.
        unanswered: u64,
        /// Ended by the node.
        ended_early: u64,
        /// Whose BYE was not answered.
        hang_up_unanswered: u64,
        /// Of so many.
        of: u64,
    },
    /// Requests to the node's API were not done.
    RequestsFailed {
        /// How many.
        failed: u64,
        /// Of so many.
        of: u64,
        /// What was wrong with the first.
        problem: String,
    },
    /// The run was cut short, so it proves nothing.
    Interrupted,
    /// The callers themselves could not keep their schedule, so the run proves nothing.
    CallersLate {
        /// Packets of ours that left more than 10 ms late, of 100.
        percent: f64,
        /// The latest, in ms.
        worst_ms: f64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { status, reason, legs } => {
                write!(f, "refused with {status} {reason}: {}", Legs(legs))
            }
            Self::Unanswered { legs } => write!(f, "never answered: {}", Legs(legs)),
            Self::BadAnswer { problem, legs } => {
                write!(f, "answered with unusable SDP ({problem}): {}", Legs(legs))
            }
            Self::NotReached { problem, legs } => {
                write!(f, "answered, and no media got through ({problem}): {}", Legs(legs))
            }
            Self::EndedEarly { legs } => write!(f, "ended early by the node: {}", Legs(legs)),
            Self::HangUpUnanswered { legs } => {
                write!(f, "the node did not answer when these hung up: {}", Legs(legs))
            }
            Self::NothingReceived { legs } => write!(f, "nothing received by {}", Legs(legs)),
            Self::OwnVoice { legs } => write!(f, "own voice heard by {}", Legs(legs)),
            Self::Unheard { talker, listeners, should } => unheard(f, *talker, listeners, *should),
            Self::WrongLevel { talker, listeners, worst_db } => {
                write!(f, "{talker} is heard at {worst_db:+.1} dB by {}", Legs(listeners))
            }
            Self::LegsSwapped { a, b } => {
                write!(f, "{a} and {b} are swapped: each receives what is meant for the other")
            }
            Self::TalkersSwapped { a, b } => {
                write!(f, "{a} and {b} are swapped: each is heard where the other should be")
            }
            Self::CrossTalk { talker, from, listeners } => write!(
                f,
                "cross-talk: {talker} of conference {from} is heard in another, by {}",
                Legs(listeners)
            ),
            Self::SilentFrames { frames, of, legs } => {
                write!(f, "{frames} of {of} frames replaced by silence, at {}", Legs(legs))
            }
            Self::TalkerFramesMissing { talker, frames, listeners } => {
                write!(f, "{frames} frames of {talker} missing from what {} heard", Legs(listeners))
            }
            Self::BrokenFrames { frames, of, legs } => {
                write!(f, "{frames} of {of} frames broken, at {}", Legs(legs))
            }
            Self::TooMuchConcealed { percent, allowed, legs } => concealed(f, *percent, *allowed, legs),
            Self::Slips { times, legs } => {
                write!(f, "the sound jumped {times} times, at {}", Legs(legs))
            }
            Self::SequenceGaps { .. }
            | Self::Duplicates { .. }
            | Self::StreamRestarted { .. }
            | Self::NeverSent { .. }
            | Self::Foreign { .. }
            | Self::NotGenuine { .. } => self.write_packets(f),
            Self::NotJudged { legs } => {
                write!(f, "too little arrived to judge what was heard by {}", Legs(legs))
            }
            Self::Ledger { told_ms, measured_ms } => ledger(f, *told_ms, *measured_ms),
            Self::SetUpsFailed { .. } | Self::RequestsFailed { .. } => self.write_meanwhile(f),
            Self::Interrupted => f.write_str("interrupted before the end: nothing is proved"),
            Self::CallersLate { percent, worst_ms } => callers_late(f, *percent, *worst_ms),
        }
    }
}

impl Finding {
    /// Of packets.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have sentences of their own")]
    fn write_packets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SequenceGaps { gaps, lost, legs } => {
                write!(f, "{gaps} sequence gaps, {lost} packets lost, at {}", Legs(legs))
            }
            Self::Duplicates { packets, legs } => {
                write!(f, "{packets} packets came twice, at {}", Legs(legs))
            }
            Self::StreamRestarted { legs } => {
                write!(f, "the stream began anew in the middle, at {}", Legs(legs))
            }
            Self::NeverSent { packets, legs } => {
                write!(f, "{packets} packets were never sent to {}", Legs(legs))
            }
            Self::Foreign { packets, legs } => {
                write!(f, "{packets} datagrams were no RTP as agreed, at {}", Legs(legs))
            }
            Self::NotGenuine { packets, legs } => {
                write!(f, "{packets} SRTP packets do not fit the key that was agreed, at {}", Legs(legs))
            }
            _ => Ok(()),
        }
    }

    /// Of what happened while others were listened to.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others have sentences of their own")]
    fn write_meanwhile(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetUpsFailed { refused, unanswered, ended_early, hang_up_unanswered, of } => {
                let statuses: Vec<_> =
                    refused.iter().map(|(status, n)| format!("{n} with {status}")).collect();
                write!(
                    f,
                    "of {of} calls that came and went, refused: {}; {unanswered} never answered, {ended_early} ended by the \
                     node, {hang_up_unanswered} whose BYE was not answered",
                    if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") }
                )
            }
            Self::RequestsFailed { failed, of, problem } => {
                write!(f, "{failed} of {of} requests to the API failed, the first because {problem}")
            }
            _ => Ok(()),
        }
    }
}

fn concealed(f: &mut fmt::Formatter<'_>, percent: f64, allowed: f64, legs: &[LegNumber]) -> fmt::Result {
    write!(
        f,
        "{percent:.1} % of frames broken, though the callers' own networks explain {allowed:.1} % at most, at {}",
        Legs(legs)
    )
}

fn ledger(f: &mut fmt::Formatter<'_>, told_ms: f64, measured_ms: f64) -> fmt::Result {
    write!(f, "the node says that it adds {told_ms:.1} ms, and {measured_ms:.1} ms were measured")
}

fn callers_late(f: &mut fmt::Formatter<'_>, percent: f64, worst_ms: f64) -> fmt::Result {
    write!(
        f,
        "our own callers were late: {percent:.2} % of packets left over 10 ms late, the worst {worst_ms:.0} ms; this \
         machine is too busy and the run proves nothing"
    )
}

fn unheard(
    f: &mut fmt::Formatter<'_>,
    talker: LegNumber,
    listeners: &[LegNumber],
    should: usize,
) -> fmt::Result {
    if listeners.len() == should {
        write!(f, "{talker} is heard by nobody ({should} should hear it)")
    } else {
        write!(f, "{talker} is not heard by {} (of {should})", Legs(listeners))
    }
}

/// Names the first legs of a list, and counts the rest.
struct Legs<'a>(&'a [LegNumber]);

/// A line of a terminal holds about so many.
const NAMED: usize = 8;

impl fmt::Display for Legs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().take(NAMED).map(|leg| leg.0.to_string()).collect();
        f.write_str(if self.0.len() == 1 { "leg " } else { "legs " })?;
        f.write_str(&numbers.join(", "))?;
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_the_legs() {
        let legs: Vec<_> = (0..10).map(LegNumber).collect();
        let own = Finding::OwnVoice { legs: legs.clone() };
        assert_eq!(own.to_string(), "own voice heard by legs 0, 1, 2, 3, 4, 5, 6, 7 and 2 more");
        let one = Finding::OwnVoice { legs: vec![LegNumber(4)] };
        assert_eq!(one.to_string(), "own voice heard by leg 4");
        let unheard = Finding::Unheard { talker: LegNumber(3), listeners: legs, should: 10 };
        assert_eq!(unheard.to_string(), "leg 3 is heard by nobody (10 should hear it)");
    }

    #[test]
    fn data_carries_the_kind() {
        let swapped = Finding::LegsSwapped { a: LegNumber(1), b: LegNumber(2) };
        let json = serde_json::to_value(swapped).unwrap();
        assert_eq!(json, serde_json::json!({"kind": "legs_swapped", "a": 1, "b": 2}));
    }
}
