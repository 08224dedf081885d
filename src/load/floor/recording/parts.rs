//! The parts of a run in which nobody is recorded, and in which everybody is: what the node's process took in each, and how late
//! packets came.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::clicks::Note;
use crate::load::arrivals::Arrivals;
use crate::load::histogram::Histogram;
use crate::load::process;
use crate::load::rtp::Header;
use crate::load::run::Surroundings;
use crate::load::wire;

/// How often it is looked whether the run is to end.
const STEP: Duration = Duration::from_millis(100);

/// What the node's process took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RecordingCost {
    /// While nobody was recorded, in µs for each leg in a second.
    pub without_us: f64,
    /// While all were.
    pub with_us: f64,
    /// By how much the second is more, in per cent of the first.
    pub added_percent: f64,
}

/// How late packets came, in ms behind the best schedule of half a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// How many came.
    pub packets: u64,
    /// The median.
    pub p50: f64,
    /// 99 of 100 were at most this late.
    pub p99: f64,
    /// 999 of 1,000 were.
    pub p999: f64,
    /// The latest.
    pub max: f64,
}

/// One part.
#[derive(Clone, Copy, Debug)]
struct Part {
    is_recorded: bool,
    from_ns: i64,
    until_ns: i64,
    seconds: f64,
    took_us: Option<f64>,
}

/// All of them.
pub(super) struct Parts<'a> {
    surroundings: &'a Surroundings,
    legs: usize,
    parts: Vec<Part>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(surroundings: &'a Surroundings, legs: usize) -> Self {
        Self { surroundings, legs, parts: Vec::new() }
    }

    /// Lets so much time pass, in which everybody is recorded or nobody.
    pub(super) async fn measure(&mut self, is_recorded: bool, time: Duration) {
        let read = || self.surroundings.node_pid.and_then(|pid| process::read(pid).ok());
        let (first, from_ns, start) = (read(), wire::monotonic_ns(), Instant::now());
        let is_over = || self.surroundings.interrupt.load(std::sync::atomic::Ordering::Relaxed);
        while start.elapsed() < time && !is_over() {
            tokio::time::sleep(STEP.min(time.saturating_sub(start.elapsed()))).await;
        }
        let (last, until_ns, seconds) = (read(), wire::monotonic_ns(), start.elapsed().as_secs_f64());
        let took_us = first.zip(last).map(|(first, last)| last.cpu_us - first.cpu_us);
        self.parts.push(Part { is_recorded, from_ns, until_ns, seconds, took_us });
    }

    /// What the process took, if it could be looked at.
    pub(super) fn cost(&self) -> Option<RecordingCost> {
        let per_leg_second = |is_recorded: bool| {
            let parts = self.parts.iter().filter(|part| part.is_recorded == is_recorded);
            let (took, seconds) = parts.fold((Some(0.0), 0.0), |(took, seconds), part| {
                (took.zip(part.took_us).map(|(took, more)| took + more), seconds + part.seconds)
            });
            Some(took? / (seconds * self.legs as f64)).filter(|us| us.is_finite() && *us > 0.0)
        };
        let (without_us, with_us) = (per_leg_second(false)?, per_leg_second(true)?);
        Some(RecordingCost { without_us, with_us, added_percent: 100.0 * (with_us / without_us - 1.0) })
    }

    /// How late packets came while nobody was recorded, and while all were.
    pub(super) fn lateness(&self, notes: &[Vec<Note>]) -> [Lateness; 2] {
        [false, true].map(|is_recorded| {
            let mut all = Histogram::default();
            for part in self.parts.iter().filter(|part| part.is_recorded == is_recorded) {
                notes.iter().for_each(|notes| all.merge(&lateness_in(notes, part)));
            }
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| all.percentile(share));
            Lateness { packets: all.total(), p50, p99, p999, max: all.max() }
        })
    }
}

fn lateness_in(notes: &[Note], part: &Part) -> Histogram {
    let mut arrivals = Arrivals::default();
    for note in notes.iter().filter(|note| (part.from_ns..part.until_ns).contains(&note.at_ns)) {
        let (sequence, timestamp) = (note.sequence, note.timestamp);
        arrivals.note(&Header { payload_type: 0, marker: false, sequence, timestamp, ssrc: 0 }, note.at_ns);
    }
    arrivals.lateness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_one_kind_are_added_and_the_two_kinds_compared() {
        let surroundings = Surroundings::default();
        let mut parts = Parts::new(&surroundings, 10);
        assert_eq!(parts.cost(), None);
        for (n, is_recorded) in [false, true, true, false].into_iter().enumerate() {
            let from_ns = n as i64 * 1_000_000_000;
            let took_us = Some(if is_recorded { 3_300.0 } else { 3_000.0 });
            parts.parts.push(Part {
                is_recorded,
                from_ns,
                until_ns: from_ns + 1_000_000_000,
                seconds: 1.0,
                took_us,
            });
        }
        let cost = parts.cost().unwrap();
        assert!((cost.without_us - 300.0).abs() < 1e-9 && (cost.added_percent - 10.0).abs() < 1e-9);

        let note = |n: i64| {
            // While it is recorded every tenth packet is 5 ms late.
            let late = if (50..150).contains(&n) && n % 10 == 3 { 5_000_000 } else { 0 };
            let header = Header {
                payload_type: 0,
                marker: false,
                sequence: n as u16,
                timestamp: n as u32 * 160,
                ssrc: 1,
            };
            Note::of(&header, n * 20_000_000 + late, &[0; 160])
        };
        let [without, with] = parts.lateness(&[(0..200).map(note).collect()]);
        assert_eq!((without.packets, with.packets), (100, 100));
        assert!(without.max < 0.01 && with.p50 < 0.1 && (4.9..5.2).contains(&with.p99), "{with:?}");
    }
}
