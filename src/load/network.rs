//! The network between a caller and the node, as far as it is made up: loss, jitter, reordering, duplicates, a
//! clock that runs fast or slow, times when nothing gets through. Pure: a schedule goes in and comes out as it would
//! arrive, the same from the same seed.
//!
//! ```text
//! drift: when the caller's own clock says that 20 ms are over
//!   ─▶ blackout? loss? ─▶ gone
//!   ─▶ delay + jitter, in order ─▶ held back? overtaken by up to three ─▶ twice? once more, up to 10 ms later
//! ```

use super::impairment::{Burst, Impairment};

/// Nanoseconds in a millisecond.
const MS: f64 = 1e6;
/// Of the mean jitter: the most that one packet is delayed. One in 150 would be delayed more, and no queue is endless.
const JITTER_CUT: f64 = 5.0;
/// A packet that is held back is overtaken by at most so many.
const OVERTAKEN_MAX: u64 = 3;
/// A duplicate comes at most so much later, in ns.
const AGAIN_NS: u64 = 10_000_000;
/// The time from one packet to the next, in ns.
const FRAME_NS: i64 = 20_000_000;

/// What becomes of one packet: when it arrives, and when once more. Times are those of the schedule, in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) first: Option<i64>,
    pub(super) again: Option<i64>,
}

/// What the network has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Toll {
    pub(super) lost: u64,
    pub(super) blacked_out: u64,
    pub(super) reordered: u64,
    pub(super) duplicated: u64,
}

/// One caller's way to the node.
#[derive(Clone, Debug)]
pub(super) struct Network {
    impairment: Impairment,
    random: Random,
    /// The burst of loss that has begun is not over.
    in_burst: bool,
    /// When the latest packet that was not held back arrives.
    latest_ns: i64,
    pub(super) toll: Toll,
}

impl Network {
    /// The way of this leg in a run with this seed. No two legs have the same luck.
    pub(super) fn new(impairment: &Impairment, seed: u64, leg: usize) -> Self {
        let mut random = Random(seed ^ (leg as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Seeds that differ in a bit are far apart after some steps.
        for _ in 0..4 {
            random.next();
        }
        Self {
            impairment: impairment.clone(),
            random,
            in_burst: false,
            latest_ns: i64::MIN,
            toll: Toll::default(),
        }
    }

    /// Lets a packet through that leaves at `sent_ns`; measuring began at `begin_ns`, if it has.
    pub(super) fn pass(&mut self, sent_ns: i64, begin_ns: Option<i64>) -> Passage {
        if begin_ns.is_some_and(|begin| self.impairment.is_black(sent_ns - begin)) {
            self.toll.blacked_out += 1;
            return Passage::default();
        }
        if self.is_lost() {
            self.toll.lost += 1;
            return Passage::default();
        }
        let arrival = self.arrival(sent_ns);
        let again = self.chance(self.impairment.duplicate).then(|| {
            self.toll.duplicated += 1;
            arrival + (self.random.next() % AGAIN_NS) as i64
        });
        Passage { first: Some(arrival), again }
    }

    /// Gilbert's model (1960) with a mean length of bursts, or each packet for itself.
    fn is_lost(&mut self) -> bool {
        let loss = self.impairment.loss;
        let Some(Burst { begin, end }) = self.impairment.burst_chances() else {
            return self.chance(loss);
        };
        self.in_burst = if self.in_burst { !self.chance(end) } else { self.chance(begin) };
        self.in_burst
    }

    /// Packets keep their order, as in a queue, but for those that are held back.
    fn arrival(&mut self, sent_ns: i64) -> i64 {
        let mean = self.impairment.jitter_ms;
        let jitter = (-mean * (1.0 - self.random.share()).ln()).min(mean * JITTER_CUT);
        let arrival = sent_ns + ((self.impairment.delay_ms + jitter) * MS) as i64;
        if self.chance(self.impairment.reorder) {
            self.toll.reordered += 1;
            let overtaken = 1 + self.random.next() % OVERTAKEN_MAX;
            return arrival + overtaken as i64 * FRAME_NS + FRAME_NS / 4;
        }
        self.latest_ns = self.latest_ns.max(arrival);
        self.latest_ns
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.share() < share
    }
}

/// When this packet of a caller leaves, in ns since its first: by a clock that is `ppm` parts in a million fast.
pub(super) fn due_ns(packet: u64, ppm: f64) -> i64 {
    (packet as f64 * FRAME_NS as f64 / (1.0 + ppm * 1e-6)).round() as i64
}

/// SplitMix64 (Steele, Lea, Flood 2014): one addition, good enough for any statistics here.
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Lets a whole schedule through: when each packet that arrives does, and which it is, in the order of arrival.
#[cfg(test)]
fn through(impairment: &Impairment, seed: u64, schedule: &[i64]) -> Vec<(i64, usize)> {
    let mut network = Network::new(impairment, seed, 0);
    let mut arrivals: Vec<_> = schedule
        .iter()
        .enumerate()
        .flat_map(|(n, &sent)| {
            let Passage { first, again } = network.pass(sent, Some(0));
            first.into_iter().chain(again).map(move |arrival| (arrival, n))
        })
        .collect();
    arrivals.sort_unstable();
    arrivals
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::load::impairment::Blackout;

    const PACKETS: usize = 200_000;
    const SEED: u64 = 20_261_121;

    fn schedule() -> Vec<i64> {
        (0..PACKETS as u64).map(|n| due_ns(n, 0.0)).collect()
    }

    fn arrivals(impairment: &Impairment) -> Vec<(i64, usize)> {
        through(impairment, SEED, &schedule())
    }

    /// Lengths of the gaps in what arrived.
    fn bursts(arrivals: &[(i64, usize)]) -> Vec<usize> {
        arrivals.windows(2).map(|pair| pair[1].1 - pair[0].1 - 1).filter(|gap| *gap > 0).collect()
    }

    fn mean(values: &[usize]) -> f64 {
        values.iter().sum::<usize>() as f64 / values.len() as f64
    }

    #[test]
    fn nothing_impaired_arrives_as_it_left() {
        let expected: Vec<_> = schedule().into_iter().zip(0..).collect();
        assert_eq!(arrivals(&Impairment::default()), expected);
    }

    #[test]
    fn random_loss_has_its_share_and_short_bursts() {
        let lossy = Impairment { loss: 0.05, ..Impairment::default() };
        let arrived = arrivals(&lossy);
        let share = 1.0 - arrived.len() as f64 / PACKETS as f64;
        assert!((share - 0.05).abs() < 0.003, "{share}");
        // A burst goes on with the chance of any loss: 1 / (1 - 0.05) on average.
        let burst = mean(&bursts(&arrived));
        assert!((burst - 1.053).abs() < 0.02, "{burst}");
    }

    #[test]
    fn burst_loss_has_its_share_and_its_mean_length() {
        for (loss, length) in [(0.02, 3.0), (0.10, 4.0), (0.05, 1.0)] {
            let arrived = arrivals(&Impairment { loss, burst: Some(length), ..Impairment::default() });
            let share = 1.0 - arrived.len() as f64 / PACKETS as f64;
            assert!((share - loss).abs() < loss / 8.0, "{share} for {loss}");
            let burst = mean(&bursts(&arrived));
            assert!((burst - length).abs() < length / 12.0, "{burst} for {length}");
        }
    }

    #[test]
    fn jitter_is_exponential_cut_at_five_times_and_keeps_the_order() {
        let jittery = Impairment { jitter_ms: 3.0, delay_ms: 40.0, ..Impairment::default() };
        let arrived = arrivals(&jittery);
        assert!(arrived.windows(2).all(|pair| pair[0].1 < pair[1].1));
        let schedule = schedule();
        let extra: Vec<f64> = arrived.iter().map(|&(at, n)| (at - schedule[n]) as f64 / 1e6 - 40.0).collect();
        let mean = extra.iter().sum::<f64>() / extra.len() as f64;
        assert!((mean - 3.0).abs() < 0.1, "{mean}");
        let over = |ms: f64| extra.iter().filter(|extra| **extra > ms).count() as f64 / extra.len() as f64;
        assert!((over(3.0) - (-1.0_f64).exp()).abs() < 0.01);
        assert!((over(9.0) - (-3.0_f64).exp()).abs() < 0.005);
        assert!(extra.iter().all(|extra| (0.0..=15.001).contains(extra)));
    }

    #[test]
    fn a_packet_held_back_is_overtaken_by_one_to_three() {
        let arrived = arrivals(&Impairment { reorder: 0.01, ..Impairment::default() });
        assert_eq!(arrived.len(), PACKETS);
        let mut late = [0; 5];
        for (place, &(_, n)) in arrived.iter().enumerate().filter(|(place, (_, n))| n < place) {
            late[(place - n).min(4)] += 1;
        }
        let all: usize = late.iter().sum();
        assert!((all as f64 / PACKETS as f64 - 0.01).abs() < 0.001, "{late:?}");
        assert!(late[1..4].iter().all(|&count| count * 4 > all), "{late:?}");
    }

    #[test]
    fn a_duplicate_follows_within_ten_milliseconds() {
        let arrived = arrivals(&Impairment { duplicate: 0.02, ..Impairment::default() });
        let twice = arrived.windows(2).filter(|pair| pair[0].1 == pair[1].1);
        let gaps: Vec<_> = twice.map(|pair| pair[1].0 - pair[0].0).collect();
        assert!((gaps.len() as f64 / PACKETS as f64 - 0.02).abs() < 0.002);
        assert!(gaps.iter().all(|gap| (0..10_000_000).contains(gap)));
        assert_eq!(arrived.len(), PACKETS + gaps.len());
    }

    #[test]
    fn nothing_gets_through_a_blackout() {
        let blackouts = vec![
            Blackout { length: Duration::from_secs(2), at: Duration::from_secs(10), every: None },
            Blackout {
                length: Duration::from_millis(500),
                at: Duration::from_secs(60),
                every: Some(Duration::from_secs(10)),
            },
        ];
        let arrived = arrivals(&Impairment { blackouts, ..Impairment::default() });
        let gaps = bursts(&arrived);
        assert_eq!(gaps[0], 100);
        assert!(gaps[1..].iter().all(|gap| *gap == 25));
        assert_eq!(gaps.len(), 1 + (PACKETS / 50 - 60) / 10);
        let mut network = Network::new(&Impairment { loss: 1.0, ..Impairment::default() }, SEED, 0);
        assert_eq!(network.pass(0, None), Passage::default());
        assert_eq!((network.toll.lost, network.toll.blacked_out), (1, 0));
    }

    #[test]
    fn a_clock_that_is_fast_gains_what_it_says() {
        let hour = 3_600 * 50;
        assert_eq!(due_ns(hour, 0.0), 3_600_000_000_000);
        let gained_ms = (due_ns(hour, 0.0) - due_ns(hour, 100.0)) as f64 / 1e6;
        assert!((gained_ms - 360.0).abs() < 0.1, "{gained_ms}");
        assert!(due_ns(hour, -100.0) > due_ns(hour, 0.0));
    }

    proptest! {
        #[test]
        fn the_same_seed_is_the_same_network_and_another_leg_is_not(seed: u64) {
            let impairment = Impairment {
                loss: 0.05, burst: Some(2.0), jitter_ms: 20.0, reorder: 0.05, duplicate: 0.05,
                ..Impairment::default()
            };
            let schedule: Vec<_> = (0..1_000).map(|n| due_ns(n, 0.0)).collect();
            let once = through(&impairment, seed, &schedule);
            prop_assert_eq!(&once, &through(&impairment, seed, &schedule));
            let mut other = Network::new(&impairment, seed, 1);
            let elsewhere: Vec<_> = schedule.iter().map(|&sent| other.pass(sent, Some(0)).first).collect();
            let mut here = Network::new(&impairment, seed, 0);
            let here: Vec<_> = schedule.iter().map(|&sent| here.pass(sent, Some(0)).first).collect();
            prop_assert_ne!(here, elsewhere);
        }

        #[test]
        fn no_packet_arrives_before_it_left_or_later_than_the_bound(seed: u64, jitter_ms in 0.0..200.0_f64) {
            let impairment = Impairment { jitter_ms, reorder: 0.1, duplicate: 0.1, ..Impairment::default() };
            let schedule: Vec<_> = (0..500).map(|n| due_ns(n, 0.0)).collect();
            for (arrival, n) in through(&impairment, seed, &schedule) {
                let delay = arrival - schedule[n];
                prop_assert!((0..=(impairment.delay_max_ms() * 1e6) as i64).contains(&delay), "{}", delay);
            }
        }
    }
}
