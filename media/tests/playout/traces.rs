//! The arrival traces of `sip-fixtures/capture`, each at several phases of the tick: what its README says must happen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use confab_media::playout::PlayoutCounters;

use super::line::{Line, Sender, us};
use super::{CEILING, FLOOR};

/// Traces begin so late, so that packets can come before they were due.
const START_US: u64 = 1_000_000;

/// Phases of the tick at which each trace is played.
const PHASES_US: [u64; 4] = [500, 5_500, 10_500, 15_500];

/// One word of a trace.
enum Word {
    Packet { delay_us: i64 },
    Lost,
    Pause { packets: u64 },
}

/// What became of a trace at one phase.
struct Outcome {
    /// Packets that the network lost.
    lost: u64,
    /// Packets that came.
    came: u64,
    counters: PlayoutCounters,
    /// After each tick.
    delays: Vec<Duration>,
    steepest: u16,
}

#[test]
fn a_recorded_network_without_trouble_costs_a_tick_and_little_more() {
    for outcome in play("lan") {
        assert_eq!((outcome.counters.lost, outcome.counters.discarded), (0, 0), "{:?}", outcome.counters);
        assert!(outcome.delay(50) < FLOOR, "{:?}", outcome.delay(50));
    }
}

#[test]
fn wifi_loses_no_more_than_the_network_did() {
    for outcome in play("wifi") {
        outcome.expect_all_played();
        assert!(outcome.delay(95) < Duration::from_millis(120), "{:?}", outcome.delay(95));
        assert!(outcome.delay(50) < Duration::from_millis(80), "{:?}", outcome.delay(50));
    }
}

#[test]
fn a_mobile_network_loses_no_more_than_it_lost_itself() {
    for outcome in play("mobile") {
        outcome.expect_all_played();
        assert!(outcome.delay(100) <= CEILING, "{:?}", outcome.delay(100));
        assert!(outcome.delay(50) < Duration::from_millis(100), "{:?}", outcome.delay(50));
    }
}

#[test]
fn the_delay_is_back_at_the_floor_3_s_after_a_spike() {
    for outcome in play("spikes") {
        // At some phases, 190 ms and the wait for the tick are a packet more than the ceiling.
        assert!(outcome.counters.lost == 0 && outcome.counters.discarded <= 1, "{:?}", outcome.counters);
        for spike in [10.3, 20.2] {
            assert!(outcome.delay_at(spike) > Duration::from_millis(80), "{:?}", outcome.delay_at(spike));
            outcome.expect_floor(spike + 2.9, spike + 8.0);
        }
        let counters = outcome.counters;
        assert!(counters.concealed < 20 && counters.shrunk > 0, "{counters:?}");
    }
}

#[test]
fn sound_resumes_at_once_after_a_blackout_and_at_the_floor_3_s_after_a_stall() {
    for outcome in play("blackout") {
        outcome.expect_floor(12.0, 24.9);
        outcome.expect_floor(29.0, 39.0);
        assert_eq!(outcome.counters.lost, outcome.lost);
        assert!(outcome.counters.discarded < 45, "{:?}", outcome.counters);
    }
}

#[test]
fn drift_is_followed_without_a_gap() {
    for (name, slow) in [("drift-slow-sender", true), ("drift-fast-sender", false)] {
        for outcome in play(name) {
            outcome.expect_all_played();
            let counters = outcome.counters;
            // Only the stream's end was.
            assert!(counters.concealed <= 4 && counters.late == 0, "{name}: {counters:?}");
            // 45 ms in all, of which the start had some to give.
            let (followed, other) = if slow {
                (counters.inserted, counters.removed)
            } else {
                (counters.removed, counters.inserted)
            };
            assert!((18..=65).contains(&followed.as_millis()), "{name}: {counters:?}");
            assert_eq!(other, Duration::ZERO, "{name}: {counters:?}");
            assert!(outcome.delay(100) < Duration::from_millis(45), "{name}: {:?}", outcome.delay(100));
        }
    }
}

#[test]
fn overtaken_packets_are_waited_for() {
    for outcome in play("reorder") {
        let counters = outcome.counters;
        assert_eq!(counters.lost, 0, "{counters:?}");
        assert!(counters.late <= 30 && counters.reordered > 100, "{counters:?}");
        assert!(outcome.delay(100) < Duration::from_millis(110), "{:?}", outcome.delay(100));
    }
}

#[test]
fn pauses_fit_the_delay_and_no_spurt_loses_its_beginning() {
    for outcome in play("dtx") {
        outcome.expect_all_played();
        assert!(outcome.delay(95) < Duration::from_millis(60), "{:?}", outcome.delay(95));
    }
}

/// Plays a trace at each phase, and prints what became of it.
fn play(name: &str) -> Vec<Outcome> {
    let trace = read(name);
    PHASES_US.iter().map(|&phase| play_at(name, &trace, phase)).collect()
}

fn play_at(name: &str, trace: &[Word], phase_us: u64) -> Outcome {
    let mut sender = Sender::voice(confab_media::codec::Codec::Pcmu, 20);
    let mut line = Line::new();
    let (mut due_us, mut lost, mut came) = (START_US + phase_us, 0, 0);
    for word in trace {
        match word {
            Word::Pause { packets } => {
                sender.pause(*packets as u32);
                due_us += packets * 20_000;
                continue;
            }
            Word::Lost => {
                sender.next();
                lost += 1;
            }
            Word::Packet { delay_us } => {
                line.arrive(us(due_us.saturating_add_signed(*delay_us)), &sender.next());
                came += 1;
            }
        }
        due_us += 20_000;
    }
    line.play_until(us(due_us + 500_000));
    let outcome =
        Outcome { lost, came, counters: line.counters(), steepest: line.steepest(), delays: line.delays };
    outcome.print(name, phase_us);
    outcome
}

fn read(name: &str) -> Vec<Word> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-fixtures/capture").join(name);
    let text = fs::read_to_string(path.with_extension("txt")).expect("a trace");
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("ptime 20"), "{name}");
    lines.flat_map(str::split_whitespace).map(word).collect()
}

fn word(word: &str) -> Word {
    match (word, word.strip_prefix('+')) {
        ("-", _) => Word::Lost,
        (_, Some(packets)) => Word::Pause { packets: packets.parse().expect("a number of packets") },
        (delay, None) => Word::Packet { delay_us: delay.parse().expect("a delay in microseconds") },
    }
}

impl Outcome {
    /// The delay that so many per cent of the ticks do not exceed.
    fn delay(&self, percent: usize) -> Duration {
        let mut sorted = self.delays.clone();
        sorted.sort();
        sorted[(sorted.len() - 1) * percent / 100]
    }

    fn delay_at(&self, second: f64) -> Duration {
        let from_start = second + START_US as f64 / 1e6;
        self.delays[(from_start * 50.0) as usize]
    }

    fn expect_floor(&self, from: f64, to: f64) {
        let mut second = from;
        while second < to {
            let delay = self.delay_at(second);
            assert!(delay < FLOOR, "at {second} s: {delay:?}");
            second += 0.02;
        }
    }

    /// What came was played, and only what the network lost is missing.
    fn expect_all_played(&self) {
        let counters = self.counters;
        assert_eq!(counters.received, self.came);
        assert_eq!((counters.lost, counters.discarded, counters.resets), (self.lost, 0, 0), "{counters:?}");
        // The voice itself has steps of 9,000; a click would be twice that.
        assert!(self.steepest < 14_000, "{}", self.steepest);
    }

    #[expect(clippy::print_stdout, reason = "figures are read, not asserted")]
    fn print(&self, name: &str, phase_us: u64) {
        let [p50, p95, most] = [50, 95, 100].map(|percent| self.delay(percent).as_millis());
        let c = self.counters;
        println!(
            "{name:18} {phase_us:6}: delay {p50:3} {p95:3} {most:3} ms, concealed {:3} ({} short, {} long), late {}, \
             discarded {}, stretched {} shrunk {}, +{} -{} ms, steepest {}",
            c.concealed,
            c.concealed_short,
            c.concealed_long,
            c.late,
            c.discarded,
            c.stretched,
            c.shrunk,
            c.inserted.as_millis(),
            c.removed.as_millis(),
            self.steepest,
        );
    }
}
