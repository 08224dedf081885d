//! What the standard library does not offer and the judge needs: kernel receive stamps, the raw monotonic
//! clock, a higher limit of open sockets. All `unsafe` of the load tester is here.

#![expect(unsafe_code, reason = "system calls; each block says why it is sound")]

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr;

/// Nanoseconds in a second.
const NS: i64 = 1_000_000_000;

/// Room for a control message with one `timespec`, aligned as `cmsghdr` must be.
type Control = [u64; 8];

/// Asks the kernel to stamp what arrives on this socket (`SO_TIMESTAMPNS`).
pub(super) fn enable_stamps(socket: &UdpSocket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is a live c_int and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes one datagram without waiting: its length, and when the kernel received it (wall clock, in
/// nanoseconds; `None` if it did not say). `None` when nothing is there.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(usize, Option<i64>)>> {
    let mut control: Control = [0; 8];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is plain data for which all zeroes is a valid, empty value.
    let mut header: libc::msghdr = unsafe { zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    // SAFETY: the header points at `part` and `control`, which outlive the call, with their true sizes;
    // `part` points at `buffer`, which is borrowed exclusively.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    if length < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
    }
    Ok(Some((length as usize, stamp_in(&header))))
}

/// The kernel's stamp among the control messages.
fn stamp_in(header: &libc::msghdr) -> Option<i64> {
    // SAFETY: the kernel has filled `msg_control` and set `msg_controllen`; the CMSG macros stay within them.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::SOL_SOCKET && (*message).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(message).cast());
                return Some(time.tv_sec * NS + time.tv_nsec);
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

/// The monotonic clock, in nanoseconds.
pub(super) fn monotonic_ns() -> i64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// What to add to a kernel stamp to get monotonic time. Read afresh for each batch, because the
/// wall clock may be set.
pub(super) fn stamp_to_monotonic() -> i64 {
    monotonic_ns() - read_clock(libc::CLOCK_REALTIME)
}

fn read_clock(clock: libc::clockid_t) -> i64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `time` is valid for writing, and zeroes are a valid value should the call fail (it cannot
    // for these clocks).
    let time = unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    };
    time.tv_sec * NS + time.tv_nsec
}

/// Raises the limit of open files as far as it may, for one socket per leg. Returns the limit.
pub(super) fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a live rlimit.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 0;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
            limit = raised;
        }
    }
    limit.rlim_cur
}

/// Puts the calling thread in front of the ordinary ones (`SCHED_FIFO`, lowest urgency), so that callers
/// keep their schedule beside a busy node. Refused without the privilege, and then nothing changes.
pub(super) fn prefer_this_thread() {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is live; 0 means the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const lowest) };
}

/// Clock ticks in a second, the unit of `/proc/PID/stat`.
pub(super) fn ticks_per_second() -> u64 {
    // SAFETY: takes and returns plain values.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100)
}

/// Asks a child process of ours to stop (SIGTERM). The child must not have been waited for.
pub(super) fn terminate(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: plain values.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_comes_whole_and_stamped_between_sending_and_taking() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        enable_stamps(&receiver).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut buffer = [0; 64];
        assert!(receive(&receiver, &mut buffer).unwrap().is_none());

        let before = monotonic_ns();
        sender.send_to(b"hello", receiver.local_addr().unwrap()).unwrap();
        let (length, stamp) = receive(&receiver, &mut buffer).unwrap().unwrap();
        let stamp = stamp.unwrap() + stamp_to_monotonic();
        assert_eq!(&buffer[..length], b"hello");
        // The two clocks are read one after the other: allow the time between.
        assert!((before - 50_000_000..=monotonic_ns() + 50_000_000).contains(&stamp));
    }
}
