//! A browser's leg between two media threads: where its far end is it learns wherever it is, and whenever that was found.

use std::time::Duration;

use confab::telemetry::Metrics;
use confab::worker::{BrowserPort, LegWay, Order, Report, WorkerIndex, WorkerSettings, Workers};
use confab_media::ice::IceCredentials;
use confab_media::{Codec, CommandId, EngineSettings, Event, LegEvent, LegId, LegMedia, LegTerms};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::peer::within;
use crate::stun;

#[path = "../engine_leg/mod.rs"]
mod engine_leg;

const LEG: LegId = LegId(7);

/// Two threads, each with a port for browsers, and one browser at the port of the first.
struct Stage {
    workers: Workers,
    reports: mpsc::Receiver<(WorkerIndex, Report)>,
    ports: Vec<BrowserPort>,
    browser: UdpSocket,
    credentials: IceCredentials,
    requests: u64,
    metrics: Metrics,
}

impl Stage {
    async fn new() -> Self {
        let engine = EngineSettings { legs_max: 4, conferences_max: 1, tap_frames_max: 0 };
        let settings = WorkerSettings {
            threads: 2,
            engine,
            #[cfg(feature = "planted-faults")]
            fault: None,
        };
        let ports: Vec<BrowserPort> =
            (0..2).map(|_| BrowserPort::bind("127.0.0.1".parse().unwrap(), 0).unwrap()).collect();
        let metrics = Metrics::new();
        let (mut workers, reports) = Workers::start(settings, ports.clone(), &metrics).unwrap();
        let credentials = IceCredentials::new(&[9; IceCredentials::ENTROPY]);
        workers.send(0, Order::AnswerFor(LEG, credentials.clone())).unwrap();
        let browser = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { workers, reports, ports, browser, credentials, requests: 0, metrics }
    }

    /// The browser asks whether it may send, until it is answered.
    async fn asks(&mut self) {
        let mut answer = [0; 2_048];
        within("an answer", async {
            loop {
                self.requests += 1;
                let user = format!("{}:them", self.credentials.ufrag());
                let request = stun::request(self.requests, &user, self.credentials.expose_password(), true);
                self.browser.send_to(&request, self.ports[0].address()).await.unwrap();
                let answered = self.browser.recv_from(&mut answer);
                if tokio::time::timeout(Duration::from_millis(200), answered).await.is_ok() {
                    return;
                }
            }
        })
        .await;
    }

    /// The leg comes to a thread.
    fn comes_to(&mut self, worker: WorkerIndex) {
        let nowhere = "0.0.0.0:9".parse().unwrap();
        let terms = LegTerms { ice: true, rtcp_mux: true, rtcp: Some(nowhere), ..LegTerms::default() };
        let media = LegMedia { remote: nowhere, terms, ..engine_leg::media(LEG.0, Codec::Pcmu) };
        let leg = engine_leg::leg(LEG.0, media);
        let way = LegWay::Shared(self.ports[0].clone());
        self.workers.send(worker, Order::AddLeg(CommandId(1), leg, way)).unwrap();
    }

    /// The next thing that a leg tells, and on which thread.
    async fn event(&mut self) -> (WorkerIndex, LegEvent) {
        within("an event", async {
            loop {
                let (worker, report) = self.reports.recv().await.unwrap();
                if let Report::Event(Event::Leg { leg: LEG, event }) = report {
                    return (worker, event);
                }
            }
        })
        .await
    }

    /// A figure of a thread.
    fn figure(&self, name: &str, worker: WorkerIndex) -> u64 {
        let (rendered, line) = (self.metrics.render(), format!("{name}{{worker=\"{worker}\"}} "));
        let figure = rendered.lines().find_map(|found| found.strip_prefix(&line));
        figure.expect("such a figure").parse().expect("a number")
    }

    /// Its thread is told where its browser is.
    async fn is_found_on(&mut self, worker: WorkerIndex) {
        let source = self.browser.local_addr().unwrap();
        assert_eq!(self.event().await, (worker, LegEvent::Latched { source }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_was_found_while_its_leg_was_on_no_thread_is_told_to_the_next() {
    let mut stage = Stage::new().await;
    // As in a move: it has left the first thread, and is not on the second yet.
    stage.asks().await;
    stage.comes_to(1);
    stage.workers.send(0, Order::LegIsAt(LEG, 1)).unwrap();
    stage.is_found_on(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_comes_after_its_browser_was_found_is_told_with_the_next_request() {
    let mut stage = Stage::new().await;
    stage.asks().await;
    stage.comes_to(0);
    stage.asks().await;
    stage.is_found_on(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_for_a_leg_elsewhere_is_taken_from_the_port_by_its_own_thread_too_and_its_checks_are_answered()
 {
    const RECEIVED: &str = "confab_media_datagrams_received_total";
    const ANSWERED: &str = "confab_browser_stun_answers_total";
    let mut stage = Stage::new().await;
    stage.comes_to(1);
    stage.workers.send(0, Order::LegIsAt(LEG, 1)).unwrap();
    stage.asks().await;
    stage.is_found_on(1).await;
    let mut sent = 0;
    // At all times of a tick, until both threads have found some; checks in between, which only one can answer.
    within("both threads at the port", async {
        while stage.figure("confab_browser_datagrams_fetched_total", 1) < 20
            || stage.figure("confab_browser_datagrams_passed_total", 0) < 20
        {
            for _ in 0..7 {
                stage.browser.send_to(&[0x80; 60], stage.ports[0].address()).await.unwrap();
                sent += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stage.asks().await;
        }
        // None is lost. With each check the leg is told where its browser is.
        while stage.figure(RECEIVED, 1) != sent + stage.figure(ANSWERED, 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(stage.figure(RECEIVED, 0), 0, "the leg is elsewhere");
    assert_eq!(stage.figure("confab_browser_datagrams_not_passed_total", 0), 0);
}
