//! Lines on their way to a writer: in order, in time, dropped and counted when it is slow.

use std::{
    io::{Read, pipe},
    net::Ipv4Addr,
    time::SystemTime,
};

use super::*;
use crate::metrics::Protocol;

/// Long enough for any writer that writes at all.
const DEADLINE: Duration = Duration::from_secs(30);

fn counter() -> IntCounter {
    IntCounter::new("dropped", "lines").unwrap()
}

fn start(out: impl Write + Send + 'static, dropped: &IntCounter) -> AccessLog {
    AccessLog::start(Format::Json, out, dropped.clone()).unwrap()
}

fn write_line(log: &mut CoreLog, core: &str, number: u32) {
    log.record(&Record {
        time: SystemTime::UNIX_EPOCH,
        request_id: &number.to_string(),
        client_ip: Ipv4Addr::LOCALHOST.into(),
        method: "GET",
        host: core,
        path: "/",
        protocol: Protocol::Http11,
        status: 200,
        reason: None,
        gateway: "default/public",
        listener: None,
        route: None,
        rule: None,
        upstream: None,
        duration: Duration::ZERO,
        upstream_duration: None,
        bytes_in: 0,
        bytes_out: 0,
        user_agent: None,
    });
}

/// The numbers of the lines of a core, in the order in which they were written.
fn numbers(text: &[u8], core: &str) -> Vec<u32> {
    let lines = std::str::from_utf8(text).unwrap().lines();
    let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .filter(|line| line["host"] == core)
        .map(|line| line["request.id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// A writer that keeps everything.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that is gone.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blocked_reader_costs_lines_and_never_time() {
    const LINES: u32 = 100_000;
    let (mut reader, writer) = pipe().unwrap();
    let dropped = counter();
    let log = start(writer, &dropped);
    let mut core = log.core();
    // Nobody reads the pipe until all lines are recorded: a core that waited would wait forever.
    (0..LINES).for_each(|number| write_line(&mut core, "a", number));
    core.finish();
    assert!(dropped.get() > 0);
    let text = thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut text = Vec::new();
            reader.read_to_end(&mut text).map(|_| text)
        });
        log.stop(DEADLINE).unwrap();
        reading.join().unwrap().unwrap()
    });
    let written = numbers(&text, "a");
    assert_eq!(written.len() as u64 + dropped.get(), u64::from(LINES));
    assert!(written.is_sorted_by(|a, b| a < b));
}

#[test]
fn nothing_is_lost_at_stop_and_each_core_keeps_its_order() {
    const LINES: u32 = 2_000;
    let (kept, dropped) = (Kept::default(), counter());
    let log = start(kept.clone(), &dropped);
    thread::scope(|scope| {
        for name in ["a", "b"] {
            let mut core = log.core();
            scope.spawn(move || {
                (0..LINES).for_each(|number| write_line(&mut core, name, number));
                core.finish();
            });
        }
    });
    log.stop(DEADLINE).unwrap();
    let text = kept.0.lock().unwrap();
    for name in ["a", "b"] {
        assert!(numbers(&text, name).into_iter().eq(0..LINES), "{name}");
    }
    assert_eq!(dropped.get(), 0);
}

#[test]
fn a_flush_brings_a_line_out_at_once() {
    let (mut reader, writer) = pipe().unwrap();
    let log = start(writer, &counter());
    let mut core = log.core();
    write_line(&mut core, "a", 1);
    core.flush();
    let mut first = [0];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(first, *b"{");
}

#[test]
fn a_flush_is_due_after_50_ms() {
    let log = start(Kept::default(), &counter());
    let mut core = log.core();
    let now = Instant::now();
    let rows = [
        ("first", 0, 0),
        ("too soon", 49, 1),
        ("due", 50, 0),
        ("too soon again", 99, 1),
        ("late", 500, 0),
    ];
    for (name, millis, left) in rows {
        write_line(&mut core, "a", 1);
        core.flush_due(now + Duration::from_millis(millis));
        assert_eq!(core.lines, left, "{name}");
    }
}

#[test]
fn lines_that_cannot_be_written_are_counted() {
    let dropped = counter();
    let log = start(Gone, &dropped);
    let mut core = log.core();
    (0..3).for_each(|number| write_line(&mut core, "a", number));
    core.flush();
    write_line(&mut core, "a", 3);
    core.finish();
    log.stop(DEADLINE).unwrap();
    assert_eq!(dropped.get(), 4);
}

#[test]
fn stop_gives_up_on_a_reader_that_never_reads() {
    let (reader, writer) = pipe().unwrap();
    let log = start(writer, &counter());
    let mut core = log.core();
    // More than a pipe holds.
    (0..10_000).for_each(|number| write_line(&mut core, "a", number));
    core.finish();
    assert_eq!(log.stop(Duration::from_millis(1)), Err(Unwritten));
    drop(reader);
}
