//! When packets came and which did not: sequence gaps, duplicates, jitter (RFC 3550 §6.4.1) and lateness.
//!
//! Lateness is measured against the best schedule that the stream itself has shown in the last half second:
//! arrival less sequence number times 20 ms. A node that slips by a frame is late for half a second and not
//! for ever.

use super::histogram::Histogram;
use super::plan::FRAME_NS;
use super::rtp::Header;

/// Packets in half a second.
const MEMORY: usize = 25;
/// More than this behind the best schedule is late: one frame, which the smallest jitter buffer holds.
const ON_TIME_NS: i64 = FRAME_NS as i64;
/// A jump of the sequence number by more than this is a new stream (RFC 3550 appendix A.1 has 3000).
const JUMP_MAX: i64 = 3_000;

/// What one leg has received, in the time measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    stream: Option<Stream>,
    /// Packets taken, without duplicates.
    pub(super) received: u64,
    pub(super) duplicates: u64,
    pub(super) reordered: u64,
    /// Times the sequence number went on by more than one.
    pub(super) gaps: u64,
    /// Times another SSRC or a far sequence number began.
    pub(super) restarts: u64,
    /// Packets no later than 20 ms after the best schedule.
    pub(super) on_time: u64,
    /// Lateness of each packet, ms.
    pub(super) lateness: Histogram,
    lost_before: u64,
    jitter_sum_ns: f64,
}

#[derive(Clone, Debug)]
struct Stream {
    ssrc: u32,
    first: i64,
    highest: i64,
    /// Bit `n` is set when `highest - n` has come.
    seen: u64,
    taken: u64,
    schedules: [i64; MEMORY],
    transit: i64,
    jitter_ns: f64,
}

impl Arrivals {
    /// Takes note of a packet that arrived at `arrival_ns` (monotonic).
    pub(super) fn note(&mut self, header: &Header, arrival_ns: i64) {
        match self.place(header) {
            Some(sequence) => self.count(sequence, arrival_ns),
            None => self.begin(header, arrival_ns),
        }
    }

    /// Takes note of a packet if it has come before; whether it has.
    pub(super) fn note_again(&mut self, header: &Header) -> bool {
        let place = self.place(header);
        let is_again = place.zip(self.stream.as_ref()).is_some_and(|(place, stream)| stream.has(place));
        self.duplicates += u64::from(is_again);
        is_again
    }

    /// Packets that the sequence numbers promise and that did not come.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before + self.stream.as_ref().map_or(0, Stream::lost)
    }

    /// The mean of the interarrival jitter, in ms.
    pub(super) fn jitter_ms(&self) -> f64 {
        self.jitter_sum_ns / self.received.max(1) as f64 / 1e6
    }

    /// The packet's sequence number without wrap, if it belongs to the stream we know.
    fn place(&self, header: &Header) -> Option<i64> {
        let stream = self.stream.as_ref().filter(|stream| stream.ssrc == header.ssrc)?;
        let step = header.sequence.wrapping_sub(stream.highest as u16).cast_signed();
        (i64::from(step).abs() <= JUMP_MAX).then(|| stream.highest + i64::from(step))
    }

    fn begin(&mut self, header: &Header, arrival_ns: i64) {
        if let Some(old) = &self.stream {
            self.restarts += 1;
            self.lost_before += old.lost();
        }
        let sequence = i64::from(header.sequence);
        let schedule = arrival_ns - sequence * FRAME_NS as i64;
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            first: sequence,
            highest: sequence,
            seen: 1,
            taken: 1,
            schedules: [schedule; MEMORY],
            transit: schedule,
            jitter_ns: 0.0,
        });
        self.received += 1;
        self.on_time += 1;
        self.lateness.add(0.0);
    }

    fn count(&mut self, sequence: i64, arrival_ns: i64) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        match stream.take(sequence) {
            Taken::Next(step) => self.gaps += u64::from(step > 1),
            Taken::Late => self.reordered += 1,
            Taken::Again => {
                self.duplicates += 1;
                return;
            }
        }
        self.received += 1;
        let late = stream.lateness(sequence, arrival_ns);
        self.on_time += u64::from(late <= ON_TIME_NS);
        self.lateness.add(late as f64 / 1e6);
        self.jitter_sum_ns += stream.jitter_ns;
    }
}

enum Taken {
    /// Newer than all before, by this many.
    Next(i64),
    /// Older than one before.
    Late,
    Again,
}

impl Stream {
    fn take(&mut self, sequence: i64) -> Taken {
        let ahead = sequence - self.highest;
        if ahead > 0 {
            self.seen = self.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
            self.highest = sequence;
            self.taken += 1;
            return Taken::Next(ahead);
        }
        if self.has(sequence) {
            return Taken::Again;
        }
        self.seen |= 1 << ahead.unsigned_abs();
        self.taken += 1;
        Taken::Late
    }

    /// Whether it has come, or is too old to tell.
    fn has(&self, sequence: i64) -> bool {
        let Ok(behind) = u32::try_from(self.highest - sequence) else {
            return false;
        };
        let bit = 1_u64.checked_shl(behind).unwrap_or(0);
        bit == 0 || self.seen & bit != 0 || sequence < self.first
    }

    /// Nanoseconds behind the best schedule of the last half second; moves the jitter on.
    fn lateness(&mut self, sequence: i64, arrival_ns: i64) -> i64 {
        let schedule = arrival_ns - sequence * FRAME_NS as i64;
        self.jitter_ns += ((schedule - self.transit).abs() as f64 - self.jitter_ns) / 16.0;
        self.transit = schedule;
        self.schedules[sequence.rem_euclid(MEMORY as i64) as usize] = schedule;
        let best = self.schedules.iter().copied().min().unwrap_or(schedule);
        schedule - best
    }

    fn lost(&self) -> u64 {
        ((self.highest - self.first + 1) as u64).saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> Header {
        Header { payload_type: 0, marker: false, sequence, timestamp: 0, ssrc: 1 }
    }

    fn after(packets: &[(u16, i64)]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        packets.iter().for_each(|&(sequence, ms)| arrivals.note(&packet(sequence), ms * 1_000_000));
        arrivals
    }

    #[test]
    fn a_steady_stream_is_whole_and_on_time_across_the_wrap() {
        let packets: Vec<_> = (0..100).map(|n| (65_500_u16.wrapping_add(n), i64::from(n) * 20)).collect();
        let arrivals = after(&packets);
        assert_eq!((arrivals.received, arrivals.lost(), arrivals.gaps), (100, 0, 0));
        assert_eq!(arrivals.on_time, 100);
        assert!(arrivals.jitter_ms() < 1e-9);
    }

    #[test]
    fn gaps_duplicates_and_reordering_are_told_apart() {
        let arrivals = after(&[(1, 0), (2, 20), (5, 80), (4, 81), (5, 82), (6, 100)]);
        assert_eq!(arrivals.received, 5);
        assert_eq!(arrivals.lost(), 1);
        assert_eq!((arrivals.gaps, arrivals.reordered, arrivals.duplicates), (1, 1, 1));
    }

    #[test]
    fn a_stall_is_late_for_half_a_second_only() {
        let mut packets: Vec<(u16, i64)> = (0..50).map(|n| (n, i64::from(n) * 20)).collect();
        packets.extend((50..150).map(|n| (n, i64::from(n) * 20 + 30)));
        let arrivals = after(&packets);
        assert_eq!(arrivals.received - arrivals.on_time, 24);
        assert!((arrivals.lateness.max() - 30.0).abs() < 0.1);
    }

    #[test]
    fn another_source_is_a_restart_and_no_loss() {
        let mut arrivals = after(&[(1, 0), (2, 20)]);
        arrivals.note(&Header { ssrc: 2, ..packet(40_000) }, 40_000_000);
        assert_eq!((arrivals.restarts, arrivals.lost(), arrivals.received), (1, 0, 3));
    }
}
