//! A conference lives on one media thread, from its first participant to its last: real threads, seen through the
//! figures that each publishes of itself. No sound is needed to see where legs are.

use std::collections::BTreeMap;
use std::time::Duration;

use confab::call::{
    self, AccountSid, CallEnd, CallSid, ConferenceFilter, ConferenceStatus, Destination, DialRules, Handle,
    IncomingCall, JoinTerms, Limits, PageRequest, Signal,
};
use confab::config::{OutboundAllow, RtpPorts};
use confab::telemetry::Metrics;
use confab::worker::{Ports, WorkerSettings, Workers};
use confab_media::playout::PlayoutSettings;
use confab_media::{Codec, DigitPassage, Direction, EngineSettings, LegMedia, LegTerms};
use tokio::sync::mpsc;

const THREADS: usize = 3;

/// A thread publishes after each tick, 50 times a second; so long is waited for what it must publish.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn all_legs_of_a_conference_are_on_the_thread_of_its_first() {
    let mut node = Node::start();
    let mut home = BTreeMap::new();
    // Callers come to many conferences in turn, as on a busy node, so that the least loaded thread is another each
    // time.
    for _ in 0..4 {
        for conference in ["a", "b", "c", "d", "e", "f", "g"] {
            let (_, thread) = node.call(conference).await;
            let first = *home.entry(conference).or_insert(thread);
            assert_eq!(thread, first, "a leg of conference {conference} is elsewhere");
        }
    }
    let used: std::collections::BTreeSet<usize> = home.into_values().collect();
    assert_eq!(used.len(), THREADS, "new conferences go where there is least");
    assert_eq!(node.conferences().iter().sum::<usize>(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_stays_where_it_is_when_its_thread_has_the_most_to_do() {
    let mut node = Node::start();
    let (first, home) = node.call("stays").await;
    for _ in 0..8 {
        assert_eq!(node.call("stays").await.1, home);
    }
    // The first, who brought it here, leaves; others have come and gone; the other threads are idle.
    let (second, _) = node.call("stays").await;
    for leaver in [first, second] {
        assert_eq!(node.hang_up(leaver).await, home);
    }
    assert_eq!(node.legs().iter().sum::<usize>(), 8);
    assert_eq!(node.call("stays").await.1, home);
    assert_eq!(node.conferences()[home], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_last_leaves_nothing_stays_on_the_thread_and_the_next_of_that_name_may_live_elsewhere() {
    let mut node = Node::start();
    let (only, home) = node.call("again").await;
    assert_eq!(node.hang_up(only).await, home);
    node.wait_until("the conference is gone", |node| node.conferences() == [0; THREADS]).await;
    let (_, neighbour) = node.call("neighbour").await;
    let (_, again) = node.call("again").await;
    assert_ne!(again, neighbour, "a new conference goes where there is least");
    let finished = ConferenceFilter { status: Some(ConferenceStatus::Completed), ..Default::default() };
    let page =
        node.handle.list_conferences(finished, PageRequest { page: 0, size: 10 }).await.expect("a list");
    assert_eq!(page.items.len(), 1, "the first of the name is over for good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_conference_lives_on_another_thread_moves_there() {
    let mut node = Node::start();
    let (_, home) = node.call("desk").await;
    // Calls without a conference go where there is least: of three, one is on each thread at most.
    let mut moved = 0;
    for _ in 0..THREADS {
        let (call, thread) = node.call_without_conference().await;
        let seat = node.handle.join_conference(call, JoinTerms::named("desk")).await.expect("a seat");
        assert_eq!(seat.call_sid, call);
        moved += usize::from(thread != home);
        node.wait_until("the leg is where its conference is", |node| {
            node.legs()[home] == node.signals.len() && node.legs().iter().sum::<usize>() == node.signals.len()
        })
        .await;
        node.legs = node.legs();
    }
    assert!(moved > 0, "all of them were there already");
    let (last, _) = node.call_without_conference().await;
    node.handle.join_conference(last, JoinTerms::named("desk")).await.expect("a seat");
    node.handle.leave_conference(last).await.expect("it leaves and goes on");
    assert_eq!(node.handle.leave_conference(last).await, Err(call::CallError::NoParticipant));
}

/// Media threads and the model over them.
struct Node {
    account: AccountSid,
    handle: Handle,
    metrics: Metrics,
    /// Where the adapter of each call would listen.
    signals: Vec<mpsc::Receiver<Signal>>,
    legs: Vec<usize>,
}

impl Node {
    fn start() -> Self {
        let metrics = Metrics::new();
        let settings = WorkerSettings {
            threads: THREADS,
            engine: EngineSettings { legs_max: 64, conferences_max: 64, tap_frames_max: 0 },
            #[cfg(feature = "planted-faults")]
            fault: None,
        };
        let (workers, reports) = Workers::start(settings, Vec::new(), &metrics).expect("threads");
        let range = RtpPorts::new(47_400, 47_999).expect("a range");
        // Tests run beside each other: what one has is passed over by the next.
        let ports = Ports::new([127, 0, 0, 1].into(), range, 0);
        let limits = Limits { calls: 64, participants: 16, talkers: 16, lasting: Default::default() };
        let receiving = call::Receiving {
            timeout: Duration::from_secs(60),
            playout: PlayoutSettings::default(),
            digits: DigitPassage::default(),
        };
        let allow = DialRules::allowing(OutboundAllow::default());
        let (handle, _) = call::start(workers, reports, ports, receiving, limits, allow, &metrics);
        Self { account: AccountSid::generate(), handle, metrics, signals: Vec::new(), legs: vec![0; THREADS] }
    }

    /// Connects a call, and says on which thread its leg is.
    async fn call(&mut self, conference: &str) -> (CallSid, usize) {
        let (signals, listening) = mpsc::channel(4);
        self.signals.push(listening);
        let (from, to) = ("caller".to_owned(), format!("conf-{conference}"));
        let incoming = IncomingCall {
            account: self.account,
            from,
            to,
            trunk: None,
            destination: Destination::Conference(JoinTerms::named(conference)),
            status: None,
            signals,
        };
        let admission = self.handle.admit_call(incoming).await.expect("a call is let in");
        let media = call::CallMedia { leg: media(), srtp: None, ice: None };
        self.handle.connect_call(admission.call, media).await.expect("a call is connected");
        (admission.call, self.changed().await)
    }

    /// Connects a call that waits in no conference, and says on which thread its leg is.
    async fn call_without_conference(&mut self) -> (CallSid, usize) {
        let (signals, listening) = mpsc::channel(4);
        self.signals.push(listening);
        let (from, to) = ("caller".to_owned(), "nobody".to_owned());
        let account = self.account;
        let incoming = IncomingCall {
            account,
            from,
            to,
            trunk: None,
            destination: Destination::Wait,
            status: None,
            signals,
        };
        let admission = self.handle.admit_call(incoming).await.expect("a call is let in");
        let media = call::CallMedia { leg: media(), srtp: None, ice: None };
        self.handle.connect_call(admission.call, media).await.expect("a call is connected");
        (admission.call, self.changed().await)
    }

    /// Ends a call, and says from which thread its leg is gone.
    async fn hang_up(&mut self, call: CallSid) -> usize {
        self.handle.call_ended(call, CallEnd::HungUp, None).await;
        self.changed().await
    }

    /// Waits until a thread has one leg more or less, and no other thread has another number than before.
    async fn changed(&mut self) -> usize {
        let before = self.legs.clone();
        self.wait_until("a leg comes or goes", |node| node.legs() != before).await;
        self.legs = self.legs();
        let changed: Vec<usize> =
            (0..THREADS).filter(|&thread| self.legs[thread] != before[thread]).collect();
        let [thread] = changed[..] else {
            panic!("legs were {before:?} and are {:?}", self.legs);
        };
        assert_eq!(self.legs[thread].abs_diff(before[thread]), 1);
        thread
    }

    async fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("it never was so that {what}:\n{}", self.metrics.render());
        }
    }

    fn legs(&self) -> Vec<usize> {
        self.figures("confab_media_legs")
    }

    fn conferences(&self) -> Vec<usize> {
        self.figures("confab_media_conferences")
    }

    /// A figure of each thread.
    fn figures(&self, name: &str) -> Vec<usize> {
        let text = self.metrics.render();
        let figure = |thread: usize| {
            let series = format!("{name}{{worker=\"{thread}\"}} ");
            let value = text.lines().find_map(|line| line.strip_prefix(&series)).expect("a figure");
            value.parse().expect("a number")
        };
        (0..THREADS).map(figure).collect()
    }
}

/// A far end that never says anything, and to which packets go nowhere.
fn media() -> LegMedia {
    LegMedia {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: None,
        telephone_event_offered: None,
        remote: ([127, 0, 0, 1], 9).into(),
        signalling: None,
        direction: Direction::BOTH,
        terms: LegTerms::default(),
    }
}
