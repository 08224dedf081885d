//! What became of the payments of a run, and who learned of them: as data and as lines of a table.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::keys::Way;

/// In which way a payment is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PayFault {
    /// A key can be made out where nobody but the customer should learn of it.
    KeyHeard,
    /// Somebody is sent telephone events.
    EventRelayed,
    /// More is left in the bands of keys than may be.
    Residual,
    /// Half of a card's number or more is where it should not be.
    CardTold,
    /// A payment did not come to what the customer typed.
    NotCaptured,
    /// An attestation is missing, or leaves out somebody who listened.
    NotAttested,
    /// What agents say is not heard by their customers while these type.
    SpeechLost,
    /// Of somebody, a recording or a stream nothing was heard that could have been searched.
    NothingHeard,
}

impl PayFault {
    pub(in crate::load::floor) const fn words(self) -> &'static str {
        match self {
            Self::KeyHeard => "a customer's keys can be made out",
            Self::EventRelayed => "a customer's keys come as events",
            Self::Residual => "too much is left in the bands of keys",
            Self::CardTold => "a card's number is told",
            Self::NotCaptured => "a payment is not what was typed",
            Self::NotAttested => "an attestation does not say what was",
            Self::SpeechLost => "what is said while somebody types is lost",
            Self::NothingHeard => "nothing was heard that could be searched",
        }
    }
}

/// Payments whose cards were typed in one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PaidBy {
    /// How many were begun.
    pub payments: u64,
    /// How many came to what was typed.
    pub right: u64,
    /// Keys that were pressed.
    pub keys: u64,
    /// Packets to agents while payments were on.
    pub packets: u64,
    /// Those of them in which the customer is heard.
    pub speech: u64,
}

/// A kind of place that was searched for keys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Listened {
    /// What was searched, in seconds.
    pub seconds: f64,
    /// Keys that were made out.
    pub keys: u64,
    /// The most in a band of a key, as the peak of a tone relative to full scale.
    pub residual_dbfs: f64,
}

impl Default for Listened {
    fn default() -> Self {
        Self { seconds: 0.0, keys: 0, residual_dbfs: f64::NEG_INFINITY }
    }
}

/// What became of all payments of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Paid {
    /// By the way in which keys were pressed.
    pub by_way: BTreeMap<Way, PaidBy>,
    /// Where keys were searched for: `legs`, `recordings`, `streams`.
    pub listened: BTreeMap<&'static str, Listened>,
    /// Packets to customers while payments were on.
    pub packets: u64,
    /// Those of them in which the agent is heard.
    pub speech: u64,
    /// Callbacks that were searched for card numbers.
    pub callbacks: u64,
    /// Answers of the API that were.
    pub answers: u64,
    /// Events of the live feed that were.
    pub events: u64,
    /// Files of the node that were, where they could be read.
    pub files: Option<u64>,
}

impl Paid {
    /// Its lines of the table.
    pub(in crate::load::floor) fn tell(
        &self,
        mut line: impl FnMut(&str, &str) -> fmt::Result,
    ) -> fmt::Result {
        for (way, paid) in &self.by_way {
            let PaidBy { payments, right, keys, packets, speech } = paid;
            let kept = percent(*speech, *packets);
            let what = format!(
                "{right} of {payments} right, {keys} keys; {kept:.1} % of the customers' speech kept"
            );
            line(&format!("payments by {}", way.words()), &what)?;
        }
        line("agents' speech kept", &format!("{:.1} %", percent(self.speech, self.packets)))?;
        for (place, Listened { seconds, keys, residual_dbfs }) in &self.listened {
            let what = format!("{keys} keys made out, at most {residual_dbfs:.1} dBFS left ({seconds:.1} s)");
            line(&format!("in {place}"), &what)?;
        }
        let Self { callbacks, answers, events, .. } = self;
        let files = self.files.map_or_else(String::new, |files| format!(", {files} files"));
        let searched = format!("{callbacks} callbacks, {answers} answers, {events} events{files}");
        line("searched for card numbers", &searched)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
