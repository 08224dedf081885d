//! The two rings between a media thread and the control side. Both are bounded and without locks; a wake-up
//! goes beside each.

use std::io;
use std::sync::Arc;

use confab_media::{Command, CommandId, Event, Leg, Retired};

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
    /// A leg for the engine, with the sockets it is polled on.
    AddLeg(CommandId, Box<Leg>, LegSockets),
    /// End the thread.
    Stop,
}

/// What a media thread tells.
#[derive(Debug)]
pub enum Report {
    /// From the engine.
    Event(Event),
    /// Memory of the engine to be freed here, and a leg's sockets to be closed here.
    Retired(Retired, Option<LegSockets>),
    /// A defect made the thread panic. Its legs and conferences are gone; it runs again, empty.
    Restarted,
}

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
