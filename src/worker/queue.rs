//! The two rings between a media thread and the control side. Both are bounded and without locks; a wake-up
//! goes beside each.

use std::io;
use std::sync::Arc;

use confab_media::ice::IceCredentials;
use confab_media::{Command, CommandId, Event, Leg, LegId, Retired};

use super::WorkerIndex;
use super::browser_port::BrowserPort;
use super::socket::{LegSockets, Waker};

/// Commands that may wait for a media thread. It takes 64 a pass and passes at least every 20 ms; 1,024 are a
/// burst of hundreds of calls. One more is refused, and the API says 503.
const COMMANDS_MAX: usize = 1_024;

/// Reports that may wait for the control side. When full, reports stay in the engine, where a leg's merge.
const REPORTS_MAX: usize = 4_096;

/// What a media thread is told.
#[derive(Debug)]
pub enum Order {
    /// Something for the engine.
    Command(Command),
    /// A leg for the engine, with its way to its far end.
    AddLeg(CommandId, Box<Leg>, LegWay),
    /// Answer for a browser's leg at this thread's port under these credentials, until told otherwise.
    AnswerFor(LegId, IceCredentials),
    /// A leg whose browser comes to this thread's port lives on that thread now.
    LegIsAt(LegId, WorkerIndex),
    /// Answer for it no more.
    AnswerForNoMore(LegId),
    /// End the thread.
    Stop,
}

/// How a leg's datagrams come and go.
#[derive(Debug)]
pub enum LegWay {
    /// By sockets of its own, which are polled where it lives.
    Own(LegSockets),
    /// By a port that it shares with others. They go from where it lives; they come to the thread that looks at the port.
    Shared(BrowserPort),
}

/// What a media thread tells.
#[derive(Debug)]
pub enum Report {
    /// From the engine.
    Event(Event),
    /// Memory of the engine to be freed here, and a leg's way to be closed here.
    Retired(Retired, Option<LegWay>),
    /// The browser of a leg has not said for [`CONSENT`](confab_media::ice::CONSENT) that it wants to be sent anything.
    ConsentLost(LegId),
    /// A defect made the thread panic. Its legs and conferences are gone; it runs again, empty.
    Restarted,
}

/// As many of them as may wait are kept ready, so a report is small: what is larger comes home in a box.
const _: () = assert!(size_of::<Report>() <= 64);

/// The control side's end.
#[derive(Debug)]
pub struct Orders {
    ring: rtrb::Producer<Order>,
    waker: Arc<Waker>,
}

impl Orders {
    /// Puts an order before the thread; gives it back if there is no room.
    ///
    /// # Errors
    /// The order, when the ring is full.
    pub fn send(&mut self, order: Order) -> Result<(), Order> {
        let pushed = self.ring.push(order).map_err(|rtrb::PushError::Full(order)| order);
        self.waker.wake();
        pushed
    }

    /// How many orders still fit.
    pub fn room(&self) -> usize {
        self.ring.slots()
    }
}

/// The control side's end of the reports.
#[derive(Debug)]
pub(crate) struct Reports {
    ring: rtrb::Consumer<Report>,
    pub(crate) waker: Arc<Waker>,
}

impl Reports {
    pub(crate) fn take(&mut self) -> Option<Report> {
        self.ring.pop().ok()
    }
}

/// The media thread's ends.
pub(crate) struct Desk {
    orders: rtrb::Consumer<Order>,
    pub(crate) orders_waker: Arc<Waker>,
    reports: rtrb::Producer<Report>,
    reports_waker: Arc<Waker>,
    reported: bool,
}

impl Desk {
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        self.orders.pop().ok()
    }

    pub(crate) fn has_room(&self) -> bool {
        !self.reports.is_full()
    }

    /// Reports, when [`has_room`](Self::has_room); gives it back otherwise.
    pub(crate) fn report(&mut self, report: Report) -> Option<Report> {
        self.reported = true;
        self.reports.push(report).err().map(|rtrb::PushError::Full(report)| report)
    }

    /// Wakes the control side once for all that was reported.
    pub(crate) fn flush(&mut self) {
        if std::mem::take(&mut self.reported) {
            self.reports_waker.wake();
        }
    }
}

/// Both rings.
pub(crate) fn rings() -> io::Result<(Orders, Reports, Desk)> {
    let (orders_in, orders_out) = rtrb::RingBuffer::new(COMMANDS_MAX);
    let (reports_in, reports_out) = rtrb::RingBuffer::new(REPORTS_MAX);
    let orders_waker = Arc::new(Waker::new()?);
    let reports_waker = Arc::new(Waker::new()?);
    Ok((
        Orders { ring: orders_in, waker: Arc::clone(&orders_waker) },
        Reports { ring: reports_out, waker: Arc::clone(&reports_waker) },
        Desk { orders: orders_out, orders_waker, reports: reports_in, reports_waker, reported: false },
    ))
}

#[cfg(test)]
mod tests {
    use confab_media::{Ask, ConferenceId, Tick};

    use super::*;

    fn order(number: u64) -> Order {
        let ask = Ask::RemoveConference(ConferenceId(number));
        Order::Command(Command { id: CommandId(number), ask })
    }

    fn number(order: &Order) -> u64 {
        match order {
            Order::Command(command) => command.id.0,
            Order::AddLeg(id, ..) => id.0,
            Order::AnswerFor(leg, _) | Order::LegIsAt(leg, _) | Order::AnswerForNoMore(leg) => leg.0,
            Order::Stop => u64::MAX,
        }
    }

    #[test]
    fn an_order_without_room_comes_back_and_the_others_keep_their_order() {
        let (mut orders, _reports, mut desk) = rings().unwrap();
        for n in 0..COMMANDS_MAX as u64 {
            assert_eq!(orders.room(), COMMANDS_MAX - n as usize);
            orders.send(order(n)).unwrap();
        }
        assert_eq!(number(&orders.send(order(7_777)).unwrap_err()), 7_777);
        assert_eq!(number(&desk.next_order().unwrap()), 0);
        orders.send(order(COMMANDS_MAX as u64)).unwrap();
        let rest: Vec<u64> = std::iter::from_fn(|| desk.next_order()).map(|o| number(&o)).collect();
        assert_eq!(rest, (1..=COMMANDS_MAX as u64).collect::<Vec<_>>());
    }

    #[test]
    fn a_report_without_room_stays_with_the_thread_and_none_is_lost() {
        let (_orders, mut reports, mut desk) = rings().unwrap();
        let report = |n| Report::Event(Event::Applied { command: CommandId(n), tick: Tick(n) });
        let mut given = 0;
        while desk.has_room() {
            assert!(desk.report(report(given)).is_none());
            given += 1;
        }
        assert_eq!(given, REPORTS_MAX as u64);
        assert!(desk.report(report(given)).is_some());
        for n in 0..given {
            let taken = reports.take();
            assert!(
                matches!(taken, Some(Report::Event(Event::Applied { tick: Tick(tick), .. })) if tick == n),
                "{taken:?}"
            );
        }
        assert!(reports.take().is_none() && desk.has_room());
    }
}
