//! Queues against a plain list of who came when: whatever is done, in whatever order, nobody is lost, nobody is given twice,
//! and who came first is given first.

use proptest::prelude::*;

use super::*;

/// Few, so that they meet.
const CALLS: usize = 12;

#[derive(Clone, Debug)]
enum Step {
    Enqueue(usize, usize),
    Leave(usize),
    Take(usize, usize),
    Release(usize),
    Connect(usize),
    Wait(u64),
}

/// What is known of one who waits.
#[derive(Clone, Debug)]
struct Waits {
    call: usize,
    queue: usize,
    since: Instant,
    taker: Option<usize>,
}

struct World {
    queues: Queues,
    sids: [QueueSid; 2],
    names: [QueueName; 2],
    calls: Vec<CallSid>,
    now: Moment,
    /// In the order they came.
    waiting: Vec<Waits>,
    /// Those who were given nobody, in the order in which they will be.
    idle: Vec<(usize, usize)>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..CALLS, 0..2usize).prop_map(|(call, queue)| Step::Enqueue(call, queue)),
        2 => (0..CALLS).prop_map(Step::Leave),
        3 => (0..CALLS, 0..2usize).prop_map(|(call, queue)| Step::Take(call, queue)),
        1 => (0..CALLS).prop_map(Step::Release),
        2 => (0..CALLS).prop_map(Step::Connect),
        1 => (0..5_000u64).prop_map(Step::Wait),
    ]
}

fn moment() -> Moment {
    Moment { at: Utc::now(), clock: Instant::now() }
}

fn world(size_max: usize) -> World {
    let (now, account) = (moment(), AccountSid::generate());
    let names = ["one", "two"].map(|name| QueueName { account, name: name.to_owned() });
    let sids = [QueueSid::generate(), QueueSid::generate()];
    let mut queues = Queues::default();
    for (sid, name) in sids.iter().zip(&names) {
        queues.define(*sid, name.clone(), size_max, now).unwrap();
    }
    let calls = (0..CALLS).map(|_| CallSid::generate()).collect();
    World { queues, sids, names, calls, now, waiting: Vec::new(), idle: Vec::new() }
}

impl World {
    fn is_busy(&self, call: usize) -> bool {
        self.waiting.iter().any(|waits| waits.call == call || waits.taker == Some(call))
            || self.idle.iter().any(|(taker, _)| *taker == call)
    }

    fn apply(&mut self, step: &Step, size_max: usize) {
        match *step {
            Step::Enqueue(call, queue) => self.enqueue(call, queue, size_max),
            Step::Leave(call) => self.leave(call),
            Step::Take(call, queue) => self.take(call, queue),
            Step::Release(call) => self.release(call),
            Step::Connect(call) => self.connect(call),
            Step::Wait(ms) => self.now.clock += Duration::from_millis(ms),
        }
        for queue in 0..2 {
            self.pair(queue);
        }
    }

    fn enqueue(&mut self, call: usize, queue: usize, size_max: usize) {
        let done = self.queues.enqueue(self.sids[queue], self.calls[call], self.now);
        let size = self.waiting.iter().filter(|waits| waits.queue == queue).count();
        if self.is_busy(call) {
            assert_eq!(done, Err(QueueRefusal::Busy));
        } else if size >= size_max {
            assert_eq!(done, Err(QueueRefusal::Full(self.sids[queue])));
        } else {
            assert_eq!(done, Ok(()));
            self.waiting.push(Waits { call, queue, since: self.now.clock, taker: None });
        }
    }

    fn leave(&mut self, call: usize) {
        let left = self.queues.leave(self.calls[call], self.now);
        let at = self.waiting.iter().position(|waits| waits.call == call);
        assert_eq!(left.is_some(), at.is_some());
        if let Some(at) = at {
            let waits = self.waiting.remove(at);
            if let Some(taker) = waits.taker {
                self.idle.insert(0, (taker, waits.queue));
            }
        }
    }

    fn take(&mut self, call: usize, queue: usize) {
        let done = self.queues.take(self.names[queue].clone(), self.calls[call], None);
        assert_eq!(done.is_err(), self.is_busy(call));
        if done.is_ok() {
            self.idle.push((call, queue));
        }
    }

    fn release(&mut self, taker: usize) {
        let was = self.idle.iter().any(|(idle, _)| *idle == taker);
        let given = self.waiting.iter_mut().find(|waits| waits.taker == Some(taker));
        let released = self.queues.release(self.calls[taker]);
        assert_eq!(released.is_some(), was || given.is_some());
        let caller = given.map(|waits| {
            waits.taker = None;
            self.calls[waits.call]
        });
        assert_eq!(released.and_then(|(_, caller)| caller), caller);
        self.idle.retain(|(idle, _)| *idle != taker);
    }

    fn connect(&mut self, call: usize) {
        let done = self.queues.connect(self.calls[call], self.now);
        let at = self.waiting.iter().position(|waits| waits.call == call && waits.taker.is_some());
        assert_eq!(done.is_some(), at.is_some());
        if let Some(at) = at {
            self.waiting.remove(at);
        }
    }

    fn pair(&mut self, queue: usize) {
        while let Some(pair) = self.queues.pair(&self.names[queue]) {
            let first = self.waiting.iter().position(|waits| waits.queue == queue && waits.taker.is_none());
            let taker = self.idle.iter().position(|(_, wanted)| *wanted == queue);
            let (first, taker) = (first.expect("somebody waits"), taker.expect("somebody takes"));
            let (taker, _) = self.idle.remove(taker);
            assert_eq!(pair.caller, self.calls[self.waiting[first].call]);
            assert_eq!(pair.taker, self.calls[taker]);
            self.waiting[first].taker = Some(taker);
        }
        let waits = self.waiting.iter().any(|waits| waits.queue == queue && waits.taker.is_none());
        assert!(!waits || self.idle.iter().all(|(_, wanted)| *wanted != queue));
    }

    fn check(&self) {
        for queue in 0..2 {
            let line: Vec<&Waits> = self.waiting.iter().filter(|waits| waits.queue == queue).collect();
            let all = PageRequest { page: 0, size: CALLS };
            let listed = self.queues.waiters(self.sids[queue], all, self.now).expect("a queue");
            let expected: Vec<(CallSid, usize, Duration)> = line
                .iter()
                .enumerate()
                .map(|(at, waits)| (self.calls[waits.call], at + 1, self.now.clock - waits.since))
                .collect();
            let found: Vec<(CallSid, usize, Duration)> =
                listed.items.iter().map(|waiter| (waiter.call, waiter.position, waiter.waited)).collect();
            assert_eq!(found, expected);
            for waiter in &listed.items {
                assert_eq!(self.queues.waiter(waiter.call, self.now).as_ref(), Some(waiter));
            }
            let view = self.queues.view(self.sids[queue], self.now).expect("a queue");
            assert_eq!(view.current_size, line.len());
            let sum: Duration = line.iter().map(|waits| self.now.clock - waits.since).sum();
            let mean = sum.checked_div(u32::try_from(line.len()).unwrap()).unwrap_or_default();
            assert!(view.average_wait.abs_diff(mean) < Duration::from_micros(1));
            let front = line.iter().find(|waits| waits.taker.is_none()).map(|waits| self.calls[waits.call]);
            assert_eq!(self.queues.find(self.sids[queue], WaiterKey::Front), Ok(front));
            let removable = self.queues.all[&self.sids[queue]].line.is_empty();
            assert_eq!(removable, line.is_empty());
        }
        for waits in &self.waiting {
            let taker = self.queues.taker_of(self.calls[waits.call]);
            assert_eq!(taker, waits.taker.map(|taker| self.calls[taker]));
        }
    }
}

proptest! {
    #[test]
    fn nobody_is_lost_given_twice_or_overtaken(
        steps in proptest::collection::vec(step(), 1..200),
        size_max in 1..8usize,
    ) {
        let mut world = world(size_max);
        for step in &steps {
            world.apply(step, size_max);
            world.check();
        }
    }
}

#[test]
fn a_name_is_unique_within_its_account_and_free_again_when_its_queue_is_gone() {
    let (mut queues, now) = (Queues::default(), moment());
    let [ours, theirs] = [AccountSid::generate(), AccountSid::generate()];
    let name = |account| QueueName { account, name: "support".to_owned() };
    let sid = QueueSid::generate();
    queues.define(sid, name(ours), 5, now).unwrap();
    assert_eq!(queues.define(QueueSid::generate(), name(ours), 5, now), Err(QueueRefusal::NameTaken));
    queues.define(QueueSid::generate(), name(theirs), 5, now).unwrap();
    let page = PageRequest { page: 0, size: 50 };
    assert_eq!(queues.list(ours, page, now).items.len(), 1);

    queues.enqueue(sid, CallSid::generate(), now).unwrap();
    assert_eq!(queues.remove(sid), Err(QueueRefusal::NotEmpty));
    let [waiter] = &queues.waiters(sid, page, now).unwrap().items[..] else { panic!("one waits") };
    queues.leave(waiter.call, now).unwrap();
    queues.remove(sid).unwrap();
    assert_eq!(queues.remove(sid), Err(QueueRefusal::NoQueue));
    queues.define(QueueSid::generate(), name(ours), 5, now).unwrap();
}

#[test]
fn a_renamed_queue_is_found_by_its_new_name_only_and_a_smaller_one_lets_nobody_in() {
    let (mut queues, now) = (Queues::default(), moment());
    let account = AccountSid::generate();
    let name = |name: &str| QueueName { account, name: name.to_owned() };
    let sid = QueueSid::generate();
    queues.define(sid, name("old"), 5, now).unwrap();
    queues.define(QueueSid::generate(), name("other"), 5, now).unwrap();
    queues.enqueue(sid, CallSid::generate(), now).unwrap();
    let to = |name: &str| QueueUpdate { friendly_name: Some(name.to_owned()), max_size: Some(1) };
    assert_eq!(queues.update(sid, &to("other"), now), Err(QueueRefusal::NameTaken));
    queues.update(sid, &to("new"), now).unwrap();
    assert_eq!((queues.named(&name("old")), queues.named(&name("new"))), (None, Some(sid)));
    assert_eq!(queues.enqueue(sid, CallSid::generate(), now), Err(QueueRefusal::Full(sid)));
}

#[test]
fn queues_without_end_are_not_made() {
    let (mut queues, now, account) = (Queues::default(), moment(), AccountSid::generate());
    for n in 0..QUEUES_MAX {
        queues.define(QueueSid::generate(), QueueName { account, name: n.to_string() }, 1, now).unwrap();
    }
    let one_more = QueueName { account, name: "one more".to_owned() };
    assert_eq!(queues.define(QueueSid::generate(), one_more, 1, now), Err(QueueRefusal::TooMany));
}

#[test]
fn ten_thousand_wait_each_at_their_place_and_are_given_in_the_order_they_came() {
    const EACH: usize = 5_000;
    let World { mut queues, sids, names, now, .. } = world(EACH);
    let callers: Vec<[CallSid; 2]> = (0..EACH).map(|_| sids.map(|_| CallSid::generate())).collect();
    for (n, pair) in callers.iter().enumerate() {
        for (sid, call) in sids.iter().zip(pair) {
            assert_eq!(queues.enqueue(*sid, *call, now), Ok(()));
            if n % 500 == 0 {
                assert_eq!(queues.waiter(*call, now).map(|waiter| waiter.position), Some(n + 1));
            }
        }
    }
    for sid in sids {
        assert_eq!(queues.enqueue(sid, CallSid::generate(), now), Err(QueueRefusal::Full(sid)));
    }
    // Every third has no more patience.
    for pair in callers.iter().step_by(3) {
        assert!(queues.leave(pair[0], now).is_some());
    }
    let patient = callers.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, pair)| pair[0]);
    for (n, call) in patient.enumerate() {
        assert_eq!(queues.find(sids[0], WaiterKey::Front), Ok(Some(call)), "the {n}th");
        let taker = CallSid::generate();
        assert_eq!(queues.take(names[0].clone(), taker, None), Ok(()));
        assert_eq!(queues.pair(&names[0]).map(|pair| pair.caller), Some(call));
        queues.connect(call, now).expect("they were given");
        queues.release(taker);
    }
    assert_eq!(queues.find(sids[0], WaiterKey::Front), Ok(None));
    assert_eq!(queues.view(sids[1], now).map(|view| view.current_size), Some(EACH));
}
