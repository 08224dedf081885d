//! Scenarios in which who hears whom changes all the time, and is judged all the time: what the people of a contact centre do
//! all day, callers who come and go, what leaks from a supervisor who should not be heard, and what of a card that is typed.
//!
//! ```text
//! script, palette (what happens: pure, from a seed)
//!    │
//!    ▼
//! drive ──▶ switchboard (calls), the node's API ──▶ served (scripts and music that the node fetches)
//!    │ journal: what was asked, when, answered when
//!    │                       phones (a thread) ──▶ voices: who is in each packet
//!    ▼                                                │
//! judge (pure) ◀── truth (pure: who must hear whom) ◀─╯ ──▶ finding, reaction ──▶ report
//! ```

mod churn;
mod drive;
mod finding;
mod judge;
mod leak;
mod music;
mod naming;
mod palette;
mod pay;
mod phones;
mod reaction;
mod recording;
mod report;
mod run;
mod scenario;
mod script;
mod served;
mod streams;
mod switchboard;
mod truth;
mod voices;

pub use finding::{FloorFinding, Wrong};
pub use leak::Leak;
pub use music::MusicCost;
pub use pay::{Listened, Paid, PaidBy, PayFault, Way};
pub use reaction::Group;
pub use recording::{Fault, Lateness, RecordingCost, Taped};
pub use report::{FloorReport, Heard};
pub use run::run_scenario;
pub use scenario::{ScenarioPlan, StreamShare, What};
pub use streams::{StreamFault, Streamed};
