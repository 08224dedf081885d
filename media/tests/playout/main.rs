//! Playout behind an emulated network in virtual time: a [`Sender`](line::Sender) makes packets, a test says when
//! each of them arrives, and a [`Line`](line::Line) hands them in and plays a step every 20 ms.

mod codecs;
mod hostile;
mod latency;
mod line;
mod network;
mod steady;
mod streams;
mod traces;

use std::time::Duration;

/// The ceiling that is set if nothing else is said.
const CEILING: Duration = Duration::from_millis(200);

/// What a stream of 20 ms packets without jitter waits at most after trouble: 4 ms and a tick, 5 ms in reserve, and
/// a rest shorter than the shortest piece that is left out of sound.
const FLOOR: Duration = Duration::from_millis(32);

const PTIMES: [u64; 6] = [10, 20, 30, 40, 50, 60];
