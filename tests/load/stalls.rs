//! A machine that stalls callers or node proves nothing about either: such a run is repeated.

use std::fmt::Display;

use tokio::sync::Semaphore;

/// Repetitions before we believe that the machine is too busy for any of this. One that is shared with others may be held up
/// for seconds, again and again.
const TRIES: usize = 12;

/// Runs under way at a time. Each keeps time and weighs what it has heard, so more would stall each other; all other tests
/// only wait, and may be as many as there are threads for them.
static RUNS: Semaphore = Semaphore::const_new(2);

/// Runs until a report `is_fit` to be believed. Each is shown.
///
/// # Panics
/// If none is.
pub(crate) async fn repeat<R: Display>(
    mut run: impl AsyncFnMut() -> R,
    mut is_fit: impl FnMut(&R) -> bool,
) -> R {
    for _ in 0..TRIES {
        let turn = RUNS.acquire().await.expect("it is never closed");
        let report = run().await;
        drop(turn);
        println!("{report}");
        if is_fit(&report) {
            return report;
        }
        println!("stalled: once more");
    }
    panic!("this machine stalls too often to judge anything");
}
