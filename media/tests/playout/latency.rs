//! How long a talker's packets wait on a clean network, over all phases of their clock to the ticks. The figures are
//! printed: `cargo test -p confab-media --test playout latency -- --nocapture`.

use std::time::Duration;

use confab_media::playout::PlayoutCounters;

use super::line::{Line, Random, Sender, us, zero};

/// Streams, each at a phase of its own.
const STREAMS: u64 = 2_000;

#[test]
fn on_a_clean_network_packets_wait_half_a_tick_and_the_floor() {
    for (ptime, jitter_us) in [(20, 1), (20, 1_000), (20, 4_000), (10, 1_000), (30, 1_000), (60, 1_000)] {
        let delays = delays(ptime, jitter_us);
        let at = |percent: usize| delays[(delays.len() - 1) * percent / 100];
        print(ptime, jitter_us, [at(50), at(99), at(100)]);
        let is_clean = jitter_us <= 1_000;
        assert!(at(50) <= Duration::from_millis(18), "{ptime} {jitter_us}");
        assert!(!is_clean || at(99) <= Duration::from_millis(25), "{ptime} {jitter_us}");
    }
}

/// The delays of all packets' first samples, sorted: a packet of 20 ms begins with a tick, so that is when it is sent
/// on as well.
fn delays(ptime: u64, jitter_us: u64) -> Vec<Duration> {
    let mut random = Random(ptime + jitter_us);
    let mut delays = Vec::new();
    for _ in 0..STREAMS {
        let mut sender = Sender::labels(ptime);
        let mut line = Line::new();
        let phase = random.below(20_000);
        for n in 0..20 {
            line.arrive(us(phase + n * ptime * 1_000) + random.micros_below(jitter_us), &sender.next());
        }
        line.play_until(us(18 * ptime * 1_000));
        let received = line.counters().received;
        assert_eq!(line.counters(), PlayoutCounters { received, ..zero() });
        delays.extend(line.delays.iter().filter(|&&delay| delay > Duration::ZERO));
    }
    delays.sort();
    delays
}

#[expect(clippy::print_stdout, reason = "figures are read, not asserted")]
fn print(ptime: u64, jitter_us: u64, [p50, p99, most]: [Duration; 3]) {
    println!("ptime {ptime:2} ms, jitter {jitter_us:4} µs: p50 {p50:5.1?}, p99 {p99:5.1?}, most {most:5.1?}");
}
