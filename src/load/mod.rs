//! The load tester: synthetic callers, telephones and browsers, that prove who hears whom. It never takes the node's word: it judges
//! by what arrives on its own sockets, with codecs, SRTP, SIP and a clock of its own.
//!
//! ```text
//! plan ─▶ signalling (one task: call, message, sdp) ──answered legs──▶ media (threads)
//!             ╰─ browser (a task each until media flows) ────────────────┤
//!                                                                        │ voice ─▶ srtp ─▶ network ─▶ packets out
//!                              stage: plan, tones, sounds, time ─────────┤
//!                                                                        │ packets in ─▶ srtp ─▶ ear:
//!                                                                        │   codec, arrivals, continuity, spectrum
//!                                               record (a thread) ◀──────┤
//! report ◀─ verdict ◀─ hearing (the oracle: who should hear whom) ◀──────╯
//!               ├─ damage (frames)   ╰─ likeness (who spoke, of speech)
//!               ╰─ ledger (is the node right about its own delay? asked by node_api)
//! instead of it, if asked for: floor (scenarios in which who hears whom changes all the time)
//! beside it, if asked for: passers_by (calls that come and go), muting (requests over node_api)
//! ```
//!
//! From a test: make a [`Plan`], give it to [`execute`], look at [`Report::findings`].

mod args;
mod arrivals;
mod browser;
mod call;
mod caller;
mod codec;
mod continuity;
mod damage;
mod delay_line;
mod ear;
mod finding;
mod floor;
mod hearing;
mod histogram;
mod impairment;
mod law;
mod ledger;
mod likeness;
mod media;
mod message;
mod muting;
mod network;
mod network_args;
mod node_api;
mod passers_by;
mod plan;
mod plan_error;
mod process;
mod progress;
mod record;
mod reflector;
mod report;
mod rtp;
mod run;
mod sdp;
mod signalling;
mod sound;
mod spawn;
mod spectrum;
mod speech;
mod srtp;
mod stage;
mod tally;
mod tone;
mod verdict;
mod voice;
mod wire;

pub use args::{LoadArgs, run};
pub use browser::BrowserCalls;
pub use codec::Codec;
pub use finding::Finding;
pub use floor::{
    Fault, FloorFinding, FloorReport, Group, Heard, Lateness, Leak, Listened, MusicCost, Paid, PaidBy,
    PayFault, RecordingCost, ScenarioPlan, StreamFault, StreamShare, Streamed, Taped, Way, What, Wrong,
    run_scenario,
};
pub use histogram::Times;
pub use impairment::{Blackout, Impairment, NetworkProfile};
pub use law::Law;
pub use ledger::LedgerCheck;
pub use muting::Muting;
pub use network_args::NetworkArgs;
pub use node_api::NodeApi;
pub use passers_by::PassersBy;
pub use plan::{LegNumber, Plan};
pub use plan_error::PlanError;
pub use progress::Progress;
pub use reflector::{REFLECTOR_COMMAND, ReflectorArgs, run_reflector};
pub use report::{Calls, Cost, Hearing, LegKind, LegReport, Packets, Report};
pub use run::{Surroundings, execute, execute_in};
pub use speech::Speech;
pub use srtp::Suite;
