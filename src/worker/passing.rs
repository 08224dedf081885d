//! What came to one thread's port and is for another thread: a ring of bytes from each thread to each other one. What is for
//! legs goes to where they live; what somebody found at another's port and cannot tell goes back to whose port it is.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use confab_media::{LegId, Time};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::WorkerIndex;

/// Bytes that may wait to be passed on: 160 ms of 250 browsers who are all in one conference of another thread than the one they
/// called at, at 200 bytes a packet. What finds no room is dropped and counted.
const RING_LEN: usize = 250 * 8 * (size_of::<Head>() + 200);

/// The longest datagram that is passed on. Sound of 120 ms is shorter.
pub(super) const PASSED_LEN_MAX: usize = 1_500;

/// For whom a datagram is that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A leg that lives there. Empty, it only tells where the far end is.
    Leg(LegId),
    /// Whoever can tell for whom it is: it came to that thread's port.
    Port,
}

/// A datagram for another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed<'a> {
    pub(super) to: For,
    /// Where the leg's far end is; of one for the port, where it came from.
    pub(super) source: SocketAddr,
    /// When it came, on the monotonic clock that all threads share.
    pub(super) received_at: Time,
    pub(super) payload: &'a [u8],
}

/// What stands before a payload in the ring.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Head {
    leg: u64,
    received_at: u64,
    /// Of IPv4 in the last four.
    ip: [u8; 16],
    scope: u32,
    port: u16,
    len: u16,
    is_v4: u8,
    is_for_port: u8,
    unused: [u8; 6],
}

impl Head {
    fn of(passed: &Passed<'_>) -> Option<Self> {
        let len =
            u16::try_from(passed.payload.len()).ok().filter(|len| usize::from(*len) <= PASSED_LEN_MAX)?;
        let (leg, is_for_port) = match passed.to {
            For::Leg(leg) => (leg.0, false),
            For::Port => (0, true),
        };
        let (ip, scope, is_v4) = match passed.source {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_compatible(), 0, true),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id(), false),
        };
        Some(Self {
            leg,
            received_at: passed.received_at.as_nanos(),
            ip: ip.octets(),
            scope,
            port: passed.source.port(),
            len,
            is_v4: is_v4.into(),
            is_for_port: is_for_port.into(),
            unused: [0; 6],
        })
    }

    fn to(&self) -> For {
        match self.is_for_port {
            0 => For::Leg(LegId(self.leg)),
            _ => For::Port,
        }
    }

    fn source(&self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        match self.is_v4 {
            0 => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
            _ => SocketAddr::from((Ipv4Addr::from_bits(ip.to_bits() as u32), self.port)),
        }
    }
}

/// The end of a ring at the thread that found a datagram.
pub(super) struct Outgoing(rtrb::Producer<u8>);

impl Outgoing {
    /// Puts a datagram into the ring. `false` if there is no room, or it is too long.
    pub(super) fn put(&mut self, passed: &Passed<'_>) -> bool {
        let Some(head) = Head::of(passed) else {
            return false;
        };
        // Who may send to a port whatever they like cannot take more than half of the room.
        let kept = match passed.to {
            For::Leg(_) => 0,
            For::Port => self.0.buffer().capacity() / 2,
        };
        let has_room = self.0.slots() >= kept + size_of::<Head>() + passed.payload.len();
        has_room
            && self.0.push_entire_slice(head.as_bytes()).is_ok()
            && self.0.push_entire_slice(passed.payload).is_ok()
    }
}

/// The end of a ring at the thread that it is for.
pub(super) struct Incoming {
    ring: rtrb::Consumer<u8>,
    /// What stands before a payload that was not there yet.
    begun: Option<Head>,
}

impl Incoming {
    const fn new(ring: rtrb::Consumer<u8>) -> Self {
        Self { ring, begun: None }
    }

    /// The next datagram, which is copied into `payload`.
    pub(super) fn take<'p>(&mut self, payload: &'p mut [u8; PASSED_LEN_MAX]) -> Option<Passed<'p>> {
        let head = match self.begun.take() {
            Some(head) => head,
            None => self.take_head()?,
        };
        let payload = payload.get_mut(..usize::from(head.len))?;
        if self.ring.pop_entire_slice(payload).is_err() {
            self.begun = Some(head);
            return None;
        }
        Some(Passed {
            to: head.to(),
            source: head.source(),
            received_at: Time::from_nanos(head.received_at),
            payload,
        })
    }

    fn take_head(&mut self) -> Option<Head> {
        let mut head = [0; size_of::<Head>()];
        self.ring.pop_entire_slice(&mut head).ok()?;
        Head::read_from_bytes(&head).ok()
    }
}

/// The rings between one thread and all others.
#[derive(Default)]
pub(super) struct Neighbours {
    pub(super) to: Others,
    pub(super) from: Vec<Incoming>,
}

/// The rings to all others, by the thread's number; none to itself.
#[derive(Default)]
pub(super) struct Others(Vec<Option<Outgoing>>);

impl Neighbours {
    /// Those of so many threads.
    pub(super) fn of_all(threads: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..threads).map(|_| Self::default()).collect();
        for from in 0..threads {
            for to in 0..threads {
                let ring = (from != to).then(|| rtrb::RingBuffer::new(RING_LEN));
                let (put, taken) = ring.unzip();
                all[from].to.0.push(put.map(Outgoing));
                all[to].from.extend(taken.map(Incoming::new));
            }
        }
        all
    }
}

impl Others {
    /// The ring to the thread of this number, if there is one.
    pub(super) fn at(&mut self, worker: WorkerIndex) -> Option<&mut Outgoing> {
        self.0.get_mut(worker)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(n: u64, payload: &[u8]) -> Passed<'_> {
        let source = SocketAddr::from(([127, 0, 0, 1], 9));
        Passed { to: For::Leg(LegId(n)), source, received_at: Time::from_millis(n), payload }
    }

    #[test]
    fn a_conference_of_browsers_that_called_at_another_thread_may_wait_for_eight_packets_each() {
        let mut threads = Neighbours::of_all(2);
        let sound = [7; 200];
        let mut passed = 0;
        while threads[0].to.at(1).unwrap().put(&datagram(passed, &sound)) {
            passed += 1;
        }
        assert_eq!(passed, 250 * 8);
        let mut buffer = [0; PASSED_LEN_MAX];
        let ring = &mut threads[1].from[0];
        for n in 0..passed {
            assert_eq!(ring.take(&mut buffer), Some(datagram(n, &sound)));
        }
        assert_eq!(ring.take(&mut buffer), None);
    }

    #[test]
    fn what_is_too_long_is_refused_and_nobody_passes_to_themselves() {
        let mut threads = Neighbours::of_all(2);
        let ring = threads[0].to.at(1).unwrap();
        assert!(
            !ring.put(&datagram(1, &[0; PASSED_LEN_MAX + 1])) && ring.put(&datagram(2, &[0; PASSED_LEN_MAX]))
        );
        assert!(threads[0].to.at(0).is_none() && threads[0].to.at(2).is_none());
    }

    #[test]
    fn what_nobody_could_tell_leaves_half_of_the_room_to_legs() {
        let mut threads = Neighbours::of_all(2);
        let ring = threads[0].to.at(1).unwrap();
        let sound = [7; 200];
        let mut strangers = 0;
        while ring.put(&Passed { to: For::Port, ..datagram(0, &sound) }) {
            strangers += 1;
        }
        let legs = (0..).take_while(|&n| ring.put(&datagram(n, &sound))).count();
        assert_eq!((strangers, legs), (250 * 4, 250 * 4));
    }

    proptest! {
        #[test]
        fn what_is_put_comes_out_in_order_wherever_the_ring_ends(
            datagrams in prop::collection::vec((any::<SocketAddr>(), any::<[u64; 2]>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 1..64),
            rounds in 1..64_usize,
        ) {
            let to = |leg, is_leg| if is_leg { For::Leg(LegId(leg)) } else { For::Port };
            let (put, taken) = rtrb::RingBuffer::new(2 * 4_001);
            let (mut put, mut taken) = (Outgoing(put), Incoming::new(taken));
            let mut buffer = [0; PASSED_LEN_MAX];
            for _ in 0..rounds {
                for some in datagrams.chunks(8) {
                    for (source, [leg, at], is_leg, payload) in some {
                        let source = match *source {
                            // What flow it is of is not passed on, since nothing is sent with it.
                            SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
                            v4 @ SocketAddr::V4(_) => v4,
                        };
                        let passed = Passed { to: to(*leg, *is_leg), source, received_at: Time::from_nanos(*at), payload };
                        prop_assert!(put.put(&passed));
                    }
                    for (_, [leg, at], is_leg, payload) in some {
                        let passed = taken.take(&mut buffer).unwrap();
                        prop_assert_eq!((passed.to, passed.received_at.as_nanos()), (to(*leg, *is_leg), *at));
                        prop_assert_eq!(passed.payload, payload);
                    }
                    prop_assert!(taken.take(&mut buffer).is_none());
                }
            }
        }
    }
}
