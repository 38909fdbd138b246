//! Sees to it that Tollgate did under load what its row in the table says: count every request, and
//! where the access log is on, write a line for each.
//!
//! In: the number of requests served. Out: nothing, or what was lost; then the row would be untrue.

use std::{
    io::{self, Read},
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::{probe, running::Running};

/// How long the last lines may take to be written.
const WRITTEN: Duration = Duration::from_secs(5);

/// The metrics count at least the requests served.
pub(crate) fn counted(admin: u16, served: u64) -> anyhow::Result<()> {
    let body = probe::get(admin, "/metrics")?;
    let counted = total(&String::from_utf8_lossy(&body));
    ensure!(
        counted >= served as f64,
        "the metrics count {counted} requests of {served}"
    );
    Ok(())
}

/// The sum of all series of the counter of requests.
fn total(metrics: &str) -> f64 {
    metrics
        .lines()
        .filter(|line| line.starts_with("tollgate_requests_total"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The access log has at least a line for each request served.
pub(crate) fn logged(running: &Running, served: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut log = running.stdout();
    let mut written = 0;
    loop {
        written += lines(&mut log)?;
        if written >= served {
            return Ok(());
        }
        ensure!(
            started.elapsed() < WRITTEN,
            "the access log has {written} lines for {served} requests"
        );
        thread::sleep(Duration::from_millis(100));
    }
}

/// The lines from here to the end.
fn lines(log: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut count = 0;
    loop {
        let length = log.read(&mut buffer)?;
        if length == 0 {
            return Ok(count);
        }
        let ends = buffer[..length].iter().filter(|byte| **byte == b'\n');
        count += ends.count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_of_the_counter_counts() {
        let metrics = "# TYPE tollgate_requests_total counter\n\
            tollgate_requests_total{status=\"200\"} 7\n\
            tollgate_requests_total{status=\"404\"} 2\n\
            tollgate_log_lines_total 99\n";
        assert!((total(metrics) - 9.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_line_counts_when_it_has_ended() {
        assert_eq!(lines(&mut b"one\ntwo\nthr".as_slice()).unwrap(), 2);
    }
}
