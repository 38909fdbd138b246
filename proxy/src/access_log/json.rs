//! A record as one line of JSON.
//!
//! In: a record. Out: an object with the keys of `docs/access-log.md`, in that order, and a line
//! feed.

use crate::access_log::{
    Record,
    address::{push_ip, push_upstream},
    clock::{Clock, push_seconds},
    escape,
};

/// Appends the line.
pub(super) fn push(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.push_timestamp(out, record.time);
    out.push(b'"');
    text(out, b",\"request.id\":\"", record.request_id);
    out.extend_from_slice(b",\"clientIp\":\"");
    push_ip(out, record.client_ip);
    out.push(b'"');
    text(out, b",\"method\":\"", record.method);
    text(out, b",\"host\":\"", record.host);
    text(out, b",\"path\":\"", record.path);
    text(out, b",\"protocol\":\"", record.protocol.as_str());
    number(out, b",\"status\":", record.status);
    text(
        out,
        b",\"reason\":\"",
        record.reason.map_or("", |reason| reason.label()),
    );
    text(out, b",\"gateway\":\"", record.gateway);
    text(
        out,
        b",\"listener\":\"",
        record.listener.unwrap_or_default(),
    );
    text(out, b",\"route\":\"", record.route.unwrap_or_default());
    text(out, b",\"rule\":\"", record.rule.unwrap_or_default());
    if let Some(upstream) = record.upstream {
        out.extend_from_slice(b",\"upstream\":\"");
        push_upstream(out, upstream);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"duration\":");
    push_seconds(out, record.duration);
    if let Some(duration) = record.upstream_duration {
        out.extend_from_slice(b",\"upstreamDuration\":");
        push_seconds(out, duration);
    }
    number(out, b",\"bytesIn\":", record.bytes_in);
    number(out, b",\"bytesOut\":", record.bytes_out);
    if let Some(user_agent) = record.user_agent.filter(|value| !value.is_empty()) {
        out.extend_from_slice(b",\"userAgent\":\"");
        escape::push_bytes_capped(out, user_agent);
        out.push(b'"');
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a key with what stands around it, and its text; nothing for no text.
fn text(out: &mut Vec<u8>, key: &[u8], text: &str) {
    if !text.is_empty() {
        out.extend_from_slice(key);
        escape::push_capped(out, text);
        out.push(b'"');
    }
}

fn number(out: &mut Vec<u8>, key: &[u8], number: impl itoa::Integer) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
