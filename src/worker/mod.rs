//! Media threads: sockets, clocks and queues around the engine. Control and media meet here and nowhere else.

mod browser_port;
mod clock;
mod deadline;
mod door;
mod fan_out;
mod guests;
mod passing;
mod ports;
mod queue;
mod socket;
mod stats;
mod taps;
mod thread;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use confab_media::{EngineSettings, Tick};
use tokio::sync::mpsc;

pub use self::browser_port::{BrowserPort, HandshakeDatagram, HandshakeReader};
pub use self::clock::{now, wall_clock};
use self::door::Door;
pub use self::fan_out::{Bell, FanOut, Listener};
use self::passing::Neighbours;
pub use self::ports::Ports;
#[cfg(test)]
pub(crate) use self::queue::Desk;
use self::queue::Reports;
pub use self::queue::{LegWay, Order, Orders, Report};
use self::socket::awaitable;
pub use self::socket::{LegSockets, raise_descriptor_limit};
use self::stats::WorkerStats;
pub use self::taps::TapReader;
use crate::telemetry::Metrics;

/// Which media thread.
pub type WorkerIndex = usize;

/// How many media threads, and how much each can hold.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Media threads.
    pub threads: usize,
    /// What each holds at most.
    pub engine: EngineSettings,
    /// A defect to plant in each engine.
    #[cfg(feature = "planted-faults")]
    pub fault: Option<confab_media::Fault>,
}

/// The media threads, as their one owner sees them.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    /// Rung by all of them when something was tapped.
    bell: Bell,
    /// Where browsers come in, a port a thread; none if none may.
    ports: Vec<BrowserPort>,
    handshakes: Vec<HandshakeReader>,
}

#[derive(Debug)]
struct Worker {
    orders: Orders,
    thread: Option<JoinHandle<()>>,
    /// What it says and hears where it is tapped, until somebody takes this end.
    taps: Option<TapReader>,
}

impl Workers {
    /// Starts the threads, each with a port for browsers if there are so many. What they report comes out of the receiver, in
    /// each thread's order; the tasks that carry it run on the current tokio runtime.
    ///
    /// Their ticks are spread over the 20 ms, so that not all streams, recorders and sockets of the node have their work at the
    /// same moment.
    ///
    /// # Errors
    /// When the system refuses threads or event descriptors.
    pub fn start(
        settings: WorkerSettings,
        ports: Vec<BrowserPort>,
        metrics: &Metrics,
    ) -> io::Result<(Self, mpsc::Receiver<(WorkerIndex, Report)>)> {
        let (reported, reports) = mpsc::channel(REPORTS_MAX);
        let (mut workers, bell) = (Vec::new(), Bell::default());
        let mut handshakes = Vec::new();
        let mut neighbours = Neighbours::of_all(ports.len()).into_iter();
        let began = now();
        for index in 0..settings.threads {
            let door = match neighbours.next() {
                Some(neighbours) => {
                    let (sink, reader) = browser_port::handshakes(metrics, &index.to_string())?;
                    handshakes.push(reader);
                    let legs_max = settings.engine.legs_max;
                    Some(Door::new(index, &ports, legs_max, sink, neighbours, metrics))
                }
                None => None,
            };
            let (orders, reports, desk) = queue::rings()?;
            let (tapped, taps) = taps::tap_ring();
            let start = thread::Start {
                settings: settings.engine,
                desk,
                taps: tapped,
                bell: bell.clone(),
                door,
                phase: began + Tick::DURATION * index as u32 / settings.threads.max(1) as u32,
                stats: WorkerStats::new(metrics, index),
                #[cfg(feature = "planted-faults")]
                fault: settings.fault,
            };
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || thread::run(start))?;
            tokio::spawn(carry(index, reports, reported.clone())?);
            workers.push(Worker { orders, thread: Some(thread), taps: Some(taps) });
        }
        Ok((Self { workers, bell, ports, handshakes }, reports))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// The ends from which what is tapped is taken, a thread each; once. While nobody takes them they are full, and
    /// what is tapped is dropped and counted.
    pub fn take_taps(&mut self) -> Vec<TapReader> {
        self.workers.iter_mut().filter_map(|worker| worker.taps.take()).collect()
    }

    /// Where browsers of a thread's legs come in, if they may.
    pub fn browser_port(&self, worker: WorkerIndex) -> Option<&BrowserPort> {
        self.ports.get(worker)
    }

    /// The ends from which handshakes of browsers are taken, with their ports; once. While nobody takes them there are none.
    pub fn take_handshakes(&mut self) -> Vec<(BrowserPort, HandshakeReader)> {
        self.ports.iter().cloned().zip(std::mem::take(&mut self.handshakes)).collect()
    }

    /// What rings when something was tapped.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Puts an order before a thread; gives it back if its ring is full.
    ///
    /// # Errors
    /// The order.
    pub fn send(&mut self, worker: WorkerIndex, order: Order) -> Result<(), Order> {
        match self.workers.get_mut(worker) {
            Some(worker) => worker.orders.send(order),
            None => Err(order),
        }
    }

    /// How many orders still fit before a thread.
    pub fn room(&self, worker: WorkerIndex) -> usize {
        self.workers.get(worker).map_or(0, |worker| worker.orders.room())
    }
}

#[cfg(test)]
impl Workers {
    /// Workers whose threads stand still: whoever has their desks may do what a thread would.
    pub(crate) fn stalled(threads: usize) -> (Self, Vec<Desk>) {
        let rings = (0..threads).map(|_| queue::rings().expect("the system gives event descriptors"));
        let (workers, desks) =
            rings.map(|(orders, _, desk)| (Worker { orders, thread: None, taps: None }, desk)).unzip();
        (Self { workers, bell: Bell::default(), ports: Vec::new(), handshakes: Vec::new() }, desks)
    }
}

impl Drop for Workers {
    /// Stops the threads and waits for them: at most a tick.
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // A full ring belongs to a thread that no longer takes orders; nothing is left to wait for.
            if worker.orders.send(Order::Stop).is_ok()
                && let Some(thread) = worker.thread.take()
            {
                // A panic has been reported by the thread itself.
                let _ = thread.join();
            }
        }
    }
}

/// Reports on their way from the rings to the owner. While this many wait, they stay in the rings.
const REPORTS_MAX: usize = 1_024;

/// Carries one thread's reports until the owner or the thread is gone.
fn carry(
    worker: WorkerIndex,
    mut reports: Reports,
    reported: mpsc::Sender<(WorkerIndex, Report)>,
) -> io::Result<impl Future<Output = ()>> {
    let waker = awaitable(Arc::clone(&reports.waker))?;
    Ok(async move {
        loop {
            let Ok(mut ready) = waker.readable().await else {
                return;
            };
            waker.get_ref().drain();
            ready.clear_ready();
            while let Some(report) = reports.take() {
                if reported.send((worker, report)).await.is_err() {
                    return;
                }
            }
        }
    })
}
