//! What a process costs, read from `/proc` (proc(5)): processor time and resident memory.

use std::fs;
use std::io;

use super::wire;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// User and system time of all threads so far, µs.
    pub(super) cpu_us: f64,
    /// Of that, system time, µs.
    pub(super) system_us: f64,
    /// Resident memory, KiB.
    pub(super) rss_kib: u64,
}

/// Reads the process's figures.
///
/// # Errors
/// When there is no such process.
pub(super) fn read(pid: u32) -> io::Result<Reading> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let odd = || io::Error::new(io::ErrorKind::InvalidData, "odd /proc file");
    let (user, system) = ticks_in(&stat).ok_or_else(odd)?;
    let us = |ticks: u64| ticks as f64 * 1e6 / wire::ticks_per_second() as f64;
    Ok(Reading {
        cpu_us: us(user + system),
        system_us: us(system),
        rss_kib: rss_in(&status).ok_or_else(odd)?,
    })
}

/// utime and stime, fields 14 and 15. The command's name in field 2 may hold anything, even brackets.
fn ticks_in(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user, system))
}

fn rss_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_process_names_do_not_confuse() {
        let stat = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 0 0 20 0 1 0 9";
        assert_eq!(ticks_in(stat), Some((250, 50)));
        assert_eq!(rss_in("Name:\tx\nVmRSS:\t   1234 kB\n"), Some(1_234));
        assert_eq!(ticks_in("nothing"), None);
    }

    #[test]
    fn our_own_figures_can_be_read() {
        assert!(read(std::process::id()).unwrap().rss_kib > 0);
        assert!(read(u32::MAX).is_err());
    }
}
