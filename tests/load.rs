//! The load tester's judges, judged, by calls over loopback that last a few seconds: what is sound is found right, and each
//! defect is named. Defects are in a node made for it (`load/fake_node`), planted in the real one, or on the way to it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "in a test a panic is the report, helpers included; the load report is shown with a failure, faults are picked out"
)]

mod running;

#[path = "load/fake_node/mod.rs"]
mod fake_node;
#[path = "load/floor.rs"]
mod floor;
#[path = "load/gateway.rs"]
mod gateway;
#[path = "load/ledger.rs"]
mod ledger;
#[path = "load/meanwhile.rs"]
mod meanwhile;
#[path = "load/pay.rs"]
mod pay;
#[cfg(feature = "planted-faults")]
#[path = "load/planted_faults.rs"]
mod planted_faults;
#[path = "load/record.rs"]
mod record;
#[path = "load/stalls.rs"]
mod stalls;
#[path = "load/streams.rs"]
mod streams;
#[path = "load/verdict.rs"]
mod verdict;
