//! A leg's sockets, and the few system calls that the standard library does not have: receiving in
//! batches with the kernel's arrival stamps, sleeping until a deadline or a wake-up, waking. The crate's unsafe
//! code is here and nowhere else.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::ports::Taken;

/// Datagrams taken from a socket at a time. A leg gets one each 20 ms; after a stall of the network some
/// come at once. What is more waits in the kernel for the next look, so a flood costs only its own leg.
pub(crate) const BATCH: usize = 8;

/// The longest datagram taken whole: an Ethernet frame's worth and some. Longer ones are no audio packets and
/// are cut, which their parser finds out.
const DATAGRAM_MAX: usize = 2_048;

/// Expedited Forwarding (RFC 3246) in the upper six bits of the TOS byte: voice goes first where the network
/// looks.
const TOS_EXPEDITED: u32 = 0xb8;

/// A leg's RTP and RTCP sockets, on an even port and the next.
#[derive(Debug)]
pub struct LegSockets {
    /// RTP.
    pub(crate) rtp: UdpSocket,
    /// RTCP.
    pub(crate) rtcp: UdpSocket,
    port: u16,
    /// That they are counted among those that somebody has.
    _taken: Option<Taken>,
}

impl LegSockets {
    /// Binds `port` and the next at `ip`.
    pub(crate) fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        let rtp = bind(SocketAddr::new(ip, port))?;
        let rtcp = bind(SocketAddr::new(ip, port + 1))?;
        Ok(Self { rtp, rtcp, port, _taken: None })
    }

    /// The same, counted.
    pub(super) fn taken(self, taken: Taken) -> Self {
        Self { _taken: Some(taken), ..self }
    }

    /// The RTP port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Lets the kernel drop what comes from elsewhere, and look the route up once and not for each packet.
    pub(crate) fn connect(&self, far_end: SocketAddr) -> io::Result<()> {
        self.rtp.connect(far_end)
    }

    /// Lets any source in again: the far end is about to be another.
    pub(crate) fn disconnect(&self) -> io::Result<()> {
        sys::disconnect(self.rtp.as_raw_fd())
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv4() {
        // Best effort: a network that does not let us mark packets still carries them.
        let _ = socket.set_tos_v4(TOS_EXPEDITED);
    }
    sys::enable_receive_stamps(SockRef::from(&socket).as_raw_fd())?;
    Ok(socket)
}

/// What the kernel may keep of what came to a port that many share: 20 ms of 2,000 browsers, and a flood beside.
const SHARED_BUFFER: usize = 4 << 20;

/// Binds a port that many far ends share. On the unspecified address of IPv6 it takes IPv4 as well.
pub(super) fn bind_shared(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Best effort: with less, a flood pushes out more.
    let _ = socket.set_recv_buffer_size(SHARED_BUFFER);
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// What one look at a socket brought.
pub(crate) struct Received<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) source: SocketAddr,
    /// The kernel's stamp on the wall clock.
    pub(crate) stamp: Option<Duration>,
}

/// Room for one batch; made once for each thread.
pub(crate) struct Batch<const N: usize = BATCH>(Box<sys::Buffers<N>>);

impl<const N: usize> Batch<N> {
    pub(crate) fn new() -> Self {
        Self(sys::Buffers::new())
    }

    /// Takes what has come, at most `N` datagrams, and hands each to `take`. How many there were.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, mut take: impl FnMut(Received<'_>)) -> usize {
        let count = self.0.receive(socket.as_raw_fd());
        for i in 0..count {
            if let Some(received) = self.0.get(i) {
                take(received);
            }
        }
        count
    }
}

/// Room for datagrams that are sent together.
pub(crate) struct SendBatch<const N: usize> {
    buffers: Box<sys::SendBuffers<N>>,
    /// On which they go.
    socket: Option<Arc<UdpSocket>>,
}

impl<const N: usize> SendBatch<N> {
    pub(crate) fn new() -> Self {
        Self { buffers: sys::SendBuffers::new(), socket: None }
    }

    /// Puts a datagram beside those that wait. Without room, or for another socket, those are sent first. How many the kernel
    /// did not take.
    pub(crate) fn push(&mut self, socket: &Arc<UdpSocket>, to: SocketAddr, datagram: &[u8]) -> u64 {
        let is_same = self.socket.as_ref().is_some_and(|current| Arc::ptr_eq(current, socket));
        let mut failed = 0;
        if !is_same || self.buffers.is_full() {
            failed = self.flush();
            self.socket = Some(Arc::clone(socket));
        }
        failed + u64::from(!self.buffers.push(to, datagram))
    }

    /// Sends what waits. How many the kernel did not take.
    pub(crate) fn flush(&mut self) -> u64 {
        match self.socket.take() {
            Some(socket) => self.buffers.send(socket.as_raw_fd()),
            None => 0,
        }
    }
}

/// Wakes a sleeper in another thread, or a task.
#[derive(Debug)]
pub(crate) struct Waker(std::os::fd::OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        sys::eventfd().map(Self)
    }

    /// Never blocks: a wake-up that is already due is enough.
    pub(crate) fn wake(&self) {
        sys::eventfd_write(self.0.as_raw_fd());
    }

    /// Takes the wake-ups that are due.
    pub(crate) fn drain(&self) {
        sys::eventfd_read(self.0.as_raw_fd());
    }

    /// Sleeps until woken, or until `timeout` has passed.
    pub(crate) fn sleep(&self, timeout: Duration) {
        sys::poll(self.0.as_raw_fd(), timeout);
    }
}

/// A waker as a task waits for it.
pub(crate) type AsyncWaker = AsyncFd<Arc<Waker>>;

/// Lets a task of the current tokio runtime wait for a waker.
///
/// # Errors
/// When the runtime's reactor does not take it.
pub(crate) fn awaitable(waker: Arc<Waker>) -> io::Result<AsyncWaker> {
    sys::register(waker)
}

impl AsRawFd for Waker {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

/// Lets the process open `wanted` files, or as many as it may. Returns how many that is.
///
/// # Errors
/// The system's refusal.
pub fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
    sys::raise_descriptor_limit(wanted)
}

/// Asks for the scheduler's attention for the calling thread. Returns whether it was granted.
pub(crate) fn raise_priority() -> bool {
    sys::timer_slack_min();
    sys::nice(NICE_MEDIA)
}

/// Media before everything that can wait; above the desktop's -11 or so that sound servers use, and far from
/// real-time priorities, which would let a defect of ours freeze the machine.
const NICE_MEDIA: i32 = -10;

#[expect(unsafe_code, reason = "system calls; each wrapped in a safe function with its reason")]
pub(crate) mod sys {
    use super::{DATAGRAM_MAX, Received, Waker};
    use std::io;
    use std::mem::{self, MaybeUninit};
    use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
    use std::os::fd::{FromRawFd, OwnedFd, RawFd};
    use std::ptr;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Room for one control message with a `timespec`, and to spare: `CMSG_SPACE(16)` is 32 on Linux.
    const CONTROL_LEN: usize = 64;

    #[derive(Clone, Copy)]
    pub(crate) enum Clock {
        Monotonic,
        Wall,
    }

    pub(crate) fn clock_nanos(clock: Clock) -> u64 {
        let id = match clock {
            Clock::Monotonic => libc::CLOCK_MONOTONIC,
            Clock::Wall => libc::CLOCK_REALTIME,
        };
        let mut time = MaybeUninit::<libc::timespec>::zeroed();
        // SAFETY: the pointer is to a timespec that lives through the call; both clocks always exist, and
        // all-zero is a valid timespec should the call fail.
        let time = unsafe {
            libc::clock_gettime(id, time.as_mut_ptr());
            time.assume_init()
        };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    pub(crate) fn enable_receive_stamps(fd: RawFd) -> io::Result<()> {
        let on: libc::c_int = 1;
        // SAFETY: the option's value is an int that lives through the call.
        let done = unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_TIMESTAMPNS,
                ptr::from_ref(&on).cast(),
                size_of_val(&on) as libc::socklen_t,
            )
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(crate) fn disconnect(fd: RawFd) -> io::Result<()> {
        // SAFETY: a zeroed sockaddr of family AF_UNSPEC is what connect(2) wants to dissolve an association; it
        // lives through the call.
        let done = unsafe {
            let mut none: libc::sockaddr = mem::zeroed();
            none.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
            libc::connect(fd, &raw const none, size_of_val(&none) as libc::socklen_t)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    pub(crate) fn eventfd() -> io::Result<OwnedFd> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nothing else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub(crate) fn register(waker: Arc<Waker>) -> io::Result<AsyncFd<Arc<Waker>>> {
        // SAFETY: the waker owns its descriptor for as long as it lives, never swaps it, and the AsyncFd holds it.
        unsafe { AsyncFd::register_with_interest(waker, Interest::READABLE) }.map_err(io::Error::from)
    }

    pub(crate) fn eventfd_write(fd: RawFd) {
        let one = 1_u64;
        // SAFETY: eight bytes are read from a u64 that lives through the call. The only failure is a full
        // counter, which means that a wake-up is due.
        unsafe { libc::write(fd, ptr::from_ref(&one).cast(), size_of_val(&one)) };
    }

    pub(crate) fn eventfd_read(fd: RawFd) {
        let mut count = 0_u64;
        // SAFETY: eight bytes are written to a u64 that lives through the call; nothing due is no error to us.
        unsafe { libc::read(fd, ptr::from_mut(&mut count).cast(), size_of_val(&count)) };
    }

    pub(crate) fn poll(fd: RawFd, timeout: Duration) {
        let mut set = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: one pollfd and one timespec that live through the call; no signal mask. Returning early (a
        // signal) is harmless: the caller looks at the clock.
        unsafe { libc::ppoll(&raw mut set, 1, &raw const timeout, ptr::null()) };
    }

    pub(crate) fn raise_descriptor_limit(wanted: u64) -> io::Result<u64> {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer is to an rlimit that lives through the call.
        if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        if limit.rlim_cur >= wanted {
            return Ok(limit.rlim_cur);
        }
        limit.rlim_cur = wanted.min(limit.rlim_max);
        // SAFETY: as above.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(limit.rlim_cur)
    }

    pub(crate) fn timer_slack_min() {
        // SAFETY: no pointers. One nanosecond: by default the kernel may wake us 50 us late.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong) };
    }

    pub(crate) fn nice(value: i32) -> bool {
        // SAFETY: no pointers; 0 is the calling thread on Linux.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value) == 0 }
    }

    /// Buffers for `recvmmsg`. The headers point into the same box; they are pointed anew before each call, so
    /// moving the box cannot leave one dangling.
    pub(crate) struct Buffers<const N: usize> {
        headers: [libc::mmsghdr; N],
        vectors: [libc::iovec; N],
        sources: [libc::sockaddr_storage; N],
        control: [Control; N],
        payloads: [[u8; DATAGRAM_MAX]; N],
    }

    /// Aligned as `cmsghdr` must be.
    #[repr(C, align(8))]
    struct Control([u8; CONTROL_LEN]);

    // SAFETY: what its pointers point to is in the same box, and they are pointed anew before each use.
    unsafe impl<const N: usize> Send for Buffers<N> {}

    impl<const N: usize> Buffers<N> {
        pub(crate) fn new() -> Box<Self> {
            // SAFETY: all-zero is a valid value of each field: null pointers and zero lengths.
            unsafe { Box::new(mem::zeroed()) }
        }

        pub(crate) fn receive(&mut self, fd: RawFd) -> usize {
            for i in 0..N {
                self.vectors[i] =
                    libc::iovec { iov_base: self.payloads[i].as_mut_ptr().cast(), iov_len: DATAGRAM_MAX };
                let header = &mut self.headers[i].msg_hdr;
                header.msg_name = ptr::from_mut(&mut self.sources[i]).cast();
                header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
                header.msg_iov = &raw mut self.vectors[i];
                header.msg_iovlen = 1;
                header.msg_control = self.control[i].0.as_mut_ptr().cast();
                header.msg_controllen = CONTROL_LEN;
                header.msg_flags = 0;
            }
            // SAFETY: each header points to buffers of self with their true lengths, which outlive the call.
            let count = unsafe {
                libc::recvmmsg(
                    fd,
                    self.headers.as_mut_ptr(),
                    N as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    ptr::null_mut(),
                )
            };
            usize::try_from(count).unwrap_or(0)
        }

        pub(crate) fn get(&self, i: usize) -> Option<Received<'_>> {
            let header = &self.headers[i];
            let len = (header.msg_len as usize).min(DATAGRAM_MAX);
            Some(Received {
                payload: &self.payloads[i][..len],
                source: address(&self.sources[i])?,
                stamp: stamp(&header.msg_hdr),
            })
        }
    }

    /// Datagrams for `sendmmsg`. The headers point into the same box; they are pointed anew before each call.
    pub(crate) struct SendBuffers<const N: usize> {
        headers: [libc::mmsghdr; N],
        vectors: [libc::iovec; N],
        destinations: [libc::sockaddr_storage; N],
        payloads: [[u8; DATAGRAM_MAX]; N],
        lens: [usize; N],
        count: usize,
    }

    // SAFETY: as for `Buffers`.
    unsafe impl<const N: usize> Send for SendBuffers<N> {}

    impl<const N: usize> SendBuffers<N> {
        pub(crate) fn new() -> Box<Self> {
            // SAFETY: all-zero is a valid value of each field: null pointers and zero lengths.
            unsafe { Box::new(mem::zeroed()) }
        }

        pub(crate) const fn is_full(&self) -> bool {
            self.count == N
        }

        /// Whether there was room for it.
        pub(crate) fn push(&mut self, to: SocketAddr, datagram: &[u8]) -> bool {
            let i = self.count;
            let Some(room) = self.payloads.get_mut(i).and_then(|room| room.get_mut(..datagram.len())) else {
                return false;
            };
            room.copy_from_slice(datagram);
            self.lens[i] = datagram.len();
            self.headers[i].msg_hdr.msg_namelen = write_address(to, &mut self.destinations[i]);
            self.count += 1;
            true
        }

        /// Sends all. How many were not taken.
        pub(crate) fn send(&mut self, fd: RawFd) -> u64 {
            for i in 0..self.count {
                self.vectors[i] =
                    libc::iovec { iov_base: self.payloads[i].as_mut_ptr().cast(), iov_len: self.lens[i] };
                let header = &mut self.headers[i].msg_hdr;
                header.msg_name = ptr::from_mut(&mut self.destinations[i]).cast();
                header.msg_iov = &raw mut self.vectors[i];
                header.msg_iovlen = 1;
            }
            let (count, mut done, mut failed) = (mem::take(&mut self.count), 0, 0);
            while done < count {
                let headers = &mut self.headers[done..count];
                // SAFETY: each header points to buffers of self with their true lengths, which outlive the call.
                let sent = unsafe {
                    let len = headers.len() as libc::c_uint;
                    libc::sendmmsg(fd, headers.as_mut_ptr(), len, libc::MSG_DONTWAIT)
                };
                match usize::try_from(sent) {
                    Ok(sent) if sent > 0 => done += sent,
                    // The first of them is not taken; those behind it may be.
                    _ => (done, failed) = (done + 1, failed + 1),
                }
            }
            failed
        }
    }

    /// Writes an address as the kernel wants it; how long it is.
    fn write_address(address: SocketAddr, storage: &mut libc::sockaddr_storage) -> libc::socklen_t {
        match address {
            SocketAddr::V4(v4) => {
                // SAFETY: the storage is larger than a sockaddr_in and aligned for any of them.
                let to = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in>() };
                to.sin_family = libc::AF_INET as libc::sa_family_t;
                to.sin_port = v4.port().to_be();
                to.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(v6) => {
                // SAFETY: as above, for sockaddr_in6.
                let to = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in6>() };
                to.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                to.sin6_port = v6.port().to_be();
                to.sin6_flowinfo = v6.flowinfo();
                to.sin6_addr.s6_addr = v6.ip().octets();
                to.sin6_scope_id = v6.scope_id();
                size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }

    fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
        match i32::from(storage.ss_family) {
            libc::AF_INET => {
                // SAFETY: the family says that the kernel wrote a sockaddr_in, and the storage is larger and
                // aligned for any of them.
                let v4 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                // SAFETY: as above, for sockaddr_in6.
                let v6 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    fn stamp(header: &libc::msghdr) -> Option<Duration> {
        // SAFETY: the header and its control buffer were filled by the kernel in the call before; the macros
        // walk within msg_controllen, and the data of SCM_TIMESTAMPNS is a timespec, read unaligned.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while let Some(control) = message.as_ref() {
                if control.cmsg_level == libc::SOL_SOCKET && control.cmsg_type == libc::SCM_TIMESTAMPNS {
                    let time = ptr::read_unaligned(libc::CMSG_DATA(message).cast::<libc::timespec>());
                    return Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32));
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_with_their_source_and_the_kernels_stamp() {
        let near = LegSockets::bind("127.0.0.1".parse().unwrap(), free_port()).unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        // The kernel begins to stamp a moment after the first socket of the machine asked for it; until then it stamps
        // when a datagram is fetched. So sooner or later one must carry the time at which it came.
        let patience = std::time::Instant::now() + Duration::from_secs(20);
        let mut tries = std::iter::repeat_with(std::thread::yield_now);
        let is_stamped_on_arrival =
            tries.by_ref().take_while(|()| std::time::Instant::now() < patience).any(|()| {
                let clock = || Duration::from_nanos(sys::clock_nanos(sys::Clock::Wall));
                let before = clock();
                far.send_to(b"hello", ("127.0.0.1", near.port())).unwrap();
                let after = clock();
                let mut stamp = None;
                Batch::<BATCH>::new().receive(&near.rtp, |received| {
                    assert_eq!(received.payload, b"hello");
                    assert_eq!(received.source, far.local_addr().unwrap());
                    stamp = received.stamp;
                });
                (before..=after).contains(&stamp.expect("a stamp"))
            });
        assert!(is_stamped_on_arrival);
    }

    #[test]
    fn a_connected_leg_hears_only_its_far_end_until_it_is_disconnected() {
        let near = LegSockets::bind("127.0.0.1".parse().unwrap(), free_port()).unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        let count = |near: &LegSockets| {
            let mut seen = 0;
            Batch::<BATCH>::new().receive(&near.rtp, |_| seen += 1);
            seen
        };
        near.connect(far.local_addr().unwrap()).unwrap();
        stranger.send_to(b"x", ("127.0.0.1", near.port())).unwrap();
        far.send_to(b"x", ("127.0.0.1", near.port())).unwrap();
        assert_eq!(count(&near), 1);
        near.disconnect().unwrap();
        stranger.send_to(b"x", ("127.0.0.1", near.port())).unwrap();
        assert_eq!(count(&near), 1);
    }

    /// An even port that was free a moment ago, with the next free too.
    fn free_port() -> u16 {
        (0..100)
            .filter_map(|_| UdpSocket::bind("127.0.0.1:0").ok()?.local_addr().ok())
            .map(|address| address.port() & !1)
            .find(|&port| LegSockets::bind("127.0.0.1".parse().unwrap(), port).is_ok())
            .unwrap()
    }
}
