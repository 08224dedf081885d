//! Playout behind an emulated network in virtual time: a [`Sender`](line::Sender) makes packets, a test says when
//! each of them arrives, and a [`Line`](line::Line) hands them in and plays a step every 20 ms.

mod hostile;
mod line;
mod network;
mod steady;
mod streams;

use std::time::Duration;

/// The ceiling that is set if nothing else is said.
const CEILING: Duration = Duration::from_millis(200);

/// What a stream of 20 ms packets without jitter waits at most: 4 ms and a tick, 5 ms in reserve.
const FLOOR: Duration = Duration::from_millis(29);

const PTIMES: [u64; 6] = [10, 20, 30, 40, 50, 60];
