//! What browsers send to one thread's port for legs that live on another: a ring of bytes from each thread to each other one.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use confab_media::ice::Place;
use confab_media::{LegId, Time};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::WorkerIndex;

/// Bytes that may wait to be passed on: 160 ms of 250 browsers who are all in one conference of another thread than the one they
/// called at, at 200 bytes a packet. What finds no room is dropped and counted.
const RING_LEN: usize = 250 * 8 * (size_of::<Head>() + 200);

/// The longest datagram that is passed on. Sound of 120 ms is shorter.
pub(super) const PASSED_LEN_MAX: usize = 1_500;

/// A datagram for a leg that lives on another thread than the one that looks at its port. Empty, it only tells where the far
/// end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed<'a> {
    pub(super) leg: LegId,
    pub(super) far_end: SocketAddr,
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
    unused: [u8; 7],
}

impl Head {
    fn of(passed: &Passed<'_>) -> Option<Self> {
        let len =
            u16::try_from(passed.payload.len()).ok().filter(|len| usize::from(*len) <= PASSED_LEN_MAX)?;
        let (ip, scope, is_v4) = match passed.far_end {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_compatible(), 0, true),
            SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id(), false),
        };
        Some(Self {
            leg: passed.leg.0,
            received_at: passed.received_at.as_nanos(),
            ip: ip.octets(),
            scope,
            port: passed.far_end.port(),
            len,
            is_v4: is_v4.into(),
            unused: [0; 7],
        })
    }

    fn far_end(&self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        match self.is_v4 {
            0 => SocketAddrV6::new(ip, self.port, 0, self.scope).into(),
            _ => SocketAddr::from((Ipv4Addr::from_bits(ip.to_bits() as u32), self.port)),
        }
    }
}

/// The end of a ring at the thread that looks at the port.
pub(super) struct Outgoing(rtrb::Producer<u8>);

impl Outgoing {
    /// Puts a datagram into the ring. `false` if there is no room, or it is too long.
    pub(super) fn put(&mut self, passed: &Passed<'_>) -> bool {
        let Some(head) = Head::of(passed) else {
            return false;
        };
        let has_room = self.0.slots() >= size_of::<Head>() + passed.payload.len();
        has_room
            && self.0.push_entire_slice(head.as_bytes()).is_ok()
            && self.0.push_entire_slice(passed.payload).is_ok()
    }
}

/// The end of a ring at the thread where legs live.
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
            leg: LegId(head.leg),
            far_end: head.far_end(),
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
    /// By the thread's number; none to itself.
    to: Vec<Option<Outgoing>>,
    pub(super) from: Vec<Incoming>,
}

impl Neighbours {
    /// Those of so many threads.
    pub(super) fn of_all(threads: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..threads).map(|_| Self::default()).collect();
        for from in 0..threads {
            for to in 0..threads {
                let ring = (from != to).then(|| rtrb::RingBuffer::new(RING_LEN));
                let (put, taken) = ring.unzip();
                all[from].to.push(put.map(Outgoing));
                all[to].from.extend(taken.map(Incoming::new));
            }
        }
        all
    }

    /// The ring to the thread of this number, if there is one.
    pub(super) fn to(&mut self, place: Place) -> Option<&mut Outgoing> {
        let place: WorkerIndex = place;
        self.to.get_mut(place)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn datagram(n: u64, payload: &[u8]) -> Passed<'_> {
        let far_end = SocketAddr::from(([127, 0, 0, 1], 9));
        Passed { leg: LegId(n), far_end, received_at: Time::from_millis(n), payload }
    }

    #[test]
    fn a_conference_of_browsers_that_called_at_another_thread_may_wait_for_eight_packets_each() {
        let mut threads = Neighbours::of_all(2);
        let sound = [7; 200];
        let mut passed = 0;
        while threads[0].to(1).unwrap().put(&datagram(passed, &sound)) {
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
        let ring = threads[0].to(1).unwrap();
        assert!(
            !ring.put(&datagram(1, &[0; PASSED_LEN_MAX + 1])) && ring.put(&datagram(2, &[0; PASSED_LEN_MAX]))
        );
        assert!(threads[0].to(0).is_none() && threads[0].to(2).is_none());
    }

    proptest! {
        #[test]
        fn what_is_put_comes_out_in_order_wherever_the_ring_ends(
            datagrams in prop::collection::vec((any::<SocketAddr>(), any::<[u64; 2]>(), prop::collection::vec(any::<u8>(), 0..300)), 1..64),
            rounds in 1..64_usize,
        ) {
            let (put, taken) = rtrb::RingBuffer::new(4_001);
            let (mut put, mut taken) = (Outgoing(put), Incoming::new(taken));
            let mut buffer = [0; PASSED_LEN_MAX];
            for _ in 0..rounds {
                for some in datagrams.chunks(8) {
                    for (far_end, [leg, at], payload) in some {
                        let far_end = match *far_end {
                            // What flow it is of is not passed on, since nothing is sent with it.
                            SocketAddr::V6(v6) => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
                            v4 @ SocketAddr::V4(_) => v4,
                        };
                        let passed = Passed { leg: LegId(*leg), far_end, received_at: Time::from_nanos(*at), payload };
                        prop_assert!(put.put(&passed));
                    }
                    for (_, [leg, at], payload) in some {
                        let passed = taken.take(&mut buffer).unwrap();
                        prop_assert_eq!((passed.leg, passed.received_at.as_nanos()), (LegId(*leg), *at));
                        prop_assert_eq!(passed.payload, payload);
                    }
                    prop_assert!(taken.take(&mut buffer).is_none());
                }
            }
        }
    }
}
