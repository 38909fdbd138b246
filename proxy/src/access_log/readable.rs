//! A record as one line for a person.
//!
//! In: a record. Out: time of day (UTC), status, what was asked for, how long it took, who
//! answered:
//!
//! ```text
//! 12:00:01 200 GET shop.example.com/products/7 1.2ms products.default/get -> 10.0.0.1:80
//! ```

use std::time::Duration;

use crate::access_log::{Record, address::push_upstream, clock::Clock, escape};

/// Appends the line.
pub(super) fn push(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>, colour: bool) {
    clock.push_time_of_day(out, record.time);
    out.push(b' ');
    let paint = if colour { paint(record.status) } else { "" };
    let unpaint = if colour { "\x1b[0m" } else { "" };
    out.extend_from_slice(paint.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(record.status).as_bytes());
    out.extend_from_slice(unpaint.as_bytes());
    if !record.method.is_empty() {
        out.push(b' ');
        escape::push_capped(out, record.method);
    }
    if !record.host.is_empty() || !record.path.is_empty() {
        out.push(b' ');
        escape::push_capped(out, record.host);
        escape::push_capped(out, record.path);
    }
    push_duration(out, record.duration);
    push_route(out, record);
    if let Some(upstream) = record.upstream {
        out.extend_from_slice(b" -> ");
        push_upstream(out, upstream);
    }
    if let Some(reason) = record.reason {
        out.push(b' ');
        out.extend_from_slice(paint.as_bytes());
        out.extend_from_slice(reason.label().as_bytes());
        out.extend_from_slice(unpaint.as_bytes());
    }
    out.push(b'\n');
}

/// `products.default/get`: the name first, since it says more than the namespace.
fn push_route(out: &mut Vec<u8>, record: &Record<'_>) {
    let Some(route) = record.route else { return };
    out.push(b' ');
    if let Some((namespace, name)) = route.split_once('/') {
        escape::push(out, name);
        out.push(b'.');
        escape::push(out, namespace);
    } else {
        escape::push(out, route);
    }
    if let Some(rule) = record.rule {
        out.push(b'/');
        escape::push(out, rule);
    }
}

/// ` 1.2ms`, or ` 1.2s` from a second on.
fn push_duration(out: &mut Vec<u8>, duration: Duration) {
    let (tenths, unit) = if duration < Duration::from_secs(1) {
        (duration.as_micros().saturating_add(50) / 100, "ms")
    } else {
        (duration.as_millis().saturating_add(50) / 100, "s")
    };
    let tenths = u64::try_from(tenths).unwrap_or(u64::MAX);
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(tenths / 10).as_bytes());
    out.push(b'.');
    out.extend_from_slice(itoa::Buffer::new().format(tenths % 10).as_bytes());
    out.extend_from_slice(unit.as_bytes());
}

/// Green for success, cyan for a redirect, yellow for the client's fault, red for ours and an
/// upstream's.
fn paint(status: u16) -> &'static str {
    match status {
        ..300 => "\x1b[32m",
        300..400 => "\x1b[36m",
        400..500 => "\x1b[33m",
        500.. => "\x1b[31m",
    }
}
