//! The board against a model that is a list per key, over random sequences of everything that can happen to it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tokio::time::Instant;

use crate::webhook::board::{Board, Bounds};
use crate::webhook::{Admission, Job, Request};

const BOUNDS: Bounds = Bounds { waiting: 12, under_way: 4, under_way_per_host: 2 };

#[derive(Clone, Debug)]
enum Step {
    Admit { key: u8, host: u8, is_last: bool },
    Start,
    Done { which: usize },
    Again { which: usize, seconds: u64 },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, 0..3_u8, prop::bool::weighted(0.3))
            .prop_map(|(key, host, is_last)| Step::Admit { key, host, is_last }),
        4 => Just(Step::Start),
        2 => (0..4_usize).prop_map(|which| Step::Done { which }),
        2 => (0..4_usize, 0..9_u64).prop_map(|(which, seconds)| Step::Again { which, seconds }),
        1 => (0..9_u64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

struct Play {
    board: Board,
    now: Instant,
    next_id: usize,
    owed: BTreeMap<String, VecDeque<String>>,
    is_last: HashMap<String, bool>,
    /// Key, id and host.
    under_way: Vec<(String, String, String)>,
}

impl Play {
    fn new() -> Self {
        Self {
            board: Board::new(BOUNDS),
            now: Instant::now(),
            next_id: 0,
            owed: BTreeMap::new(),
            is_last: HashMap::new(),
            under_way: Vec::new(),
        }
    }

    fn play(&mut self, step: &Step) {
        match step {
            Step::Admit { key, host, is_last } => self.admit(*key, *host, *is_last),
            Step::Start => self.start(),
            Step::Done { which } if *which < self.under_way.len() => {
                let (key, _, _) = self.under_way.swap_remove(*which);
                self.board.done(&key);
                self.owed.get_mut(&key).unwrap().pop_front();
            }
            Step::Again { which, seconds } if *which < self.under_way.len() => {
                let (key, _, _) = self.under_way.swap_remove(*which);
                self.board.again(&key, self.now + Duration::from_secs(*seconds));
            }
            Step::Done { .. } | Step::Again { .. } => {}
            Step::Pass { seconds } => {
                self.now += Duration::from_secs(*seconds);
                self.board.wake(self.now);
            }
        }
        let owed: usize = self.owed.values().map(VecDeque::len).sum();
        assert_eq!((self.board.len(), self.board.under_way()), (owed, self.under_way.len()));
        assert!(owed <= BOUNDS.waiting);
    }

    fn admit(&mut self, key: u8, host: u8, is_last: bool) {
        let (id, key) = (self.next_id.to_string(), format!("CA{key}"));
        self.next_id += 1;
        let job = Job {
            id: id.clone(),
            key: key.clone(),
            is_last,
            request: Request::post(format!("http://host{host}.example/"), "AC", Vec::new()),
            accepted_at: SystemTime::now(),
        };
        let admission = self.board.admit(Arc::new(job), format!("host{host}"), self.now);
        self.is_last.insert(id.clone(), is_last);
        match admission {
            Admission::Accepted => {}
            Admission::InPlaceOf(dropped) => {
                assert!(!self.is_last[&dropped]);
                assert!(self.under_way.iter().all(|(_, id, _)| *id != dropped));
                self.owed.values_mut().for_each(|ids| ids.retain(|id| *id != dropped));
            }
            Admission::SetAside => return assert!(is_last),
            Admission::Dropped => return assert!(!is_last),
            Admission::Known => panic!("{id} is new"),
        }
        self.owed.entry(key).or_default().push_back(id);
    }

    fn start(&mut self) {
        let Some(going) = self.board.next() else { return };
        let (id, key) = (going.job.id.clone(), going.job.key.clone());
        assert_eq!(self.owed[&key].front(), Some(&id), "in order");
        assert!(self.under_way.iter().all(|(of, _, _)| *of != key), "one at a time");
        self.under_way.push((key, id, going.job.request.url.clone()));
        let of_host = |url: &str| self.under_way.iter().filter(|(_, _, of)| of == url).count();
        assert!(of_host(&going.job.request.url) <= BOUNDS.under_way_per_host);
        assert!(self.under_way.len() <= BOUNDS.under_way);
    }

    /// Everything that is owed goes in the end.
    fn drain(&mut self) {
        for _ in 0..1_000 {
            self.play(&Step::Pass { seconds: 10 });
            self.play(&Step::Start);
            self.play(&Step::Done { which: 0 });
        }
        assert_eq!(self.board.len(), 0);
        assert_eq!(self.board.next_wake(), None);
    }
}

proptest! {
    #[test]
    fn every_job_goes_once_in_its_order_within_the_bounds(steps in prop::collection::vec(step(), 0..200)) {
        let mut play = Play::new();
        for step in &steps {
            play.play(step);
        }
        play.drain();
    }
}
