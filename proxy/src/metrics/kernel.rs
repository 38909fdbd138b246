//! What the kernel says of this process, under the names that Prometheus clients agree on.
//!
//! In: `/proc/self`. Out: memory, CPU time, open files, start. What can't be read is left out.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Clock ticks a second in `/proc`: the kernel's `USER_HZ`, 100 wherever we run.
const TICKS: f64 = 100.0;

/// Bytes of physical memory that the process has.
pub(super) fn resident_memory_bytes() -> Option<f64> {
    resident_bytes(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Seconds of CPU that the process has used, in user and kernel mode.
pub(super) fn cpu_seconds() -> Option<f64> {
    ticks(&fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks as f64 / TICKS)
}

/// Files and sockets that the process has open, without the one that counts them.
pub(super) fn open_fds() -> Option<f64> {
    let all = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(all.saturating_sub(1) as f64)
}

/// A time as seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs_f64()
}

fn resident_bytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}

/// `utime` and `stime`, fields 14 and 15 of proc(5)'s stat. Field 2 is a name in parentheses that
/// may hold spaces and parentheses, so that counting starts after the last one, at field 3.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_time_and_files() {
        assert!(resident_memory_bytes().is_some_and(|bytes| bytes > 100_000.0));
        assert!(cpu_seconds().is_some());
        assert!(open_fds().is_some_and(|count| count >= 3.0));
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194304 100 0 0 0 31 11 0 0 20 0 3 0 5 6 7";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t   12 kB\n"),
            Some(12_288.0)
        );
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}
