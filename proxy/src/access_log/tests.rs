//! Lines as `docs/access-log.md` shows them, whatever a client sends.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::*;
use crate::access_log::clock::Clock;

const DOC: &str = include_str!("../../../docs/access-log.md");

const UPSTREAM: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80));

/// 2026-01-02T12:00:01.000250Z.
fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(1_767_355_201_000_250)
}

/// A request that was answered by an upstream.
fn served() -> Record<'static> {
    Record {
        time: time(),
        request_id: "019b7e9c-0a40-7123-8abc-0123456789ab",
        client_ip: Ipv4Addr::new(192, 0, 2, 7).into(),
        method: "GET",
        host: "shop.example.com",
        path: "/products/7",
        protocol: Protocol::Http11,
        status: 200,
        reason: None,
        gateway: "default/public",
        listener: Some("http"),
        route: Some("default/products"),
        rule: Some("get"),
        upstream: Some(Upstream::Address(UPSTREAM)),
        duration: Duration::from_micros(1_234),
        upstream_duration: Some(Duration::from_micros(1_100)),
        bytes_in: 0,
        bytes_out: 512,
        user_agent: Some(b"curl/8.5.0"),
    }
}

/// The same request, its upstream broken.
fn refused() -> Record<'static> {
    Record {
        status: 502,
        reason: Some(Reason::UpstreamReset),
        ..served()
    }
}

/// A head that could not be read.
fn unread() -> Record<'static> {
    Record {
        request_id: "",
        method: "",
        host: "",
        path: "",
        status: 400,
        reason: Some(Reason::BadRequest),
        route: None,
        rule: None,
        upstream: None,
        duration: Duration::ZERO,
        upstream_duration: None,
        bytes_out: 0,
        user_agent: None,
        ..served()
    }
}

fn line(format: Format, record: &Record<'_>) -> String {
    let (mut out, mut clock) = (Vec::new(), Clock::default());
    match format {
        Format::Json => json::push(&mut out, &mut clock, record),
        Format::Readable { colour } => readable::push(&mut out, &mut clock, record, colour),
    }
    String::from_utf8(out).unwrap()
}

fn parsed(record: &Record<'_>) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(&line(Format::Json, record)).unwrap()
}

/// Backquoted words that begin the rows of the document's table.
fn documented() -> Vec<&'static str> {
    let rows = DOC.lines().filter_map(|row| row.strip_prefix("| `"));
    rows.filter_map(|row| Some(row.split_once('`')?.0))
        .collect()
}

#[test]
fn the_document_lists_the_fields_in_their_order() {
    let line = line(Format::Json, &refused());
    let places: Vec<_> = documented()
        .iter()
        .map(|key| line.find(&format!("\"{key}\":")).expect(key))
        .collect();
    assert!(places.is_sorted());
    assert_eq!(documented().len(), parsed(&refused()).len());
}

#[test]
fn the_examples_of_the_document_are_what_is_written() {
    let readable = Format::Readable { colour: false };
    let rows = [
        ("served", Format::Json, served()),
        ("refused", Format::Json, refused()),
        ("unread", Format::Json, unread()),
        ("served, readable", readable, served()),
        ("refused, readable", readable, refused()),
    ];
    for (name, format, record) in rows {
        let line = line(format, &record);
        assert!(DOC.contains(&format!("\n{line}")), "{name}: {line}");
    }
}

#[test]
fn what_a_client_sends_stays_one_field_of_one_line() {
    let hostile = Record {
        method: "GET\"",
        host: "a\\b",
        path: "/\",\"status\":999,\"x\":\"",
        upstream: Some(Upstream::Name("a\"b")),
        user_agent: Some(b"x\"}\n{\"time\":\"\xff"),
        ..served()
    };
    assert_eq!(line(Format::Json, &hostile).matches('\n').count(), 1);
    let fields = parsed(&hostile);
    assert_eq!(fields.len(), parsed(&served()).len());
    assert_eq!(fields["status"], 200);
    assert_eq!(fields["path"], "/\",\"status\":999,\"x\":\"");
    assert_eq!(fields["upstream"], "a\"b");
    assert_eq!(fields["userAgent"], "x\"}\n{\"time\":\"\u{fffd}");
}

#[test]
fn long_fields_are_cut() {
    let long = "x".repeat(5_000);
    let fields = parsed(&Record {
        host: &long,
        path: &long,
        user_agent: Some(long.as_bytes()),
        ..served()
    });
    for key in ["host", "path", "userAgent"] {
        assert_eq!(fields[key], format!("{}…", "x".repeat(2048)), "{key}");
    }
}

#[test]
fn an_ipv6_client_is_written_in_its_short_form() {
    let fields = parsed(&Record {
        client_ip: "2001:db8:0:0::1".parse().unwrap(),
        ..served()
    });
    assert_eq!(fields["clientIp"], "2001:db8::1");
}

#[test]
fn only_a_coloured_line_holds_escape_sequences() {
    let plain = line(Format::Readable { colour: false }, &refused());
    assert!(!plain.contains('\x1b'));
    let coloured = line(Format::Readable { colour: true }, &refused());
    assert!(coloured.contains("\x1b[31m502\x1b[0m"));
    assert!(coloured.ends_with("\x1b[31mUpstreamReset\x1b[0m\n"));
    let hostile = Record {
        user_agent: None,
        path: "/\x1b[2J",
        ..served()
    };
    assert!(line(Format::Readable { colour: false }, &hostile).contains("/\\u001b[2J"));
}

#[test]
fn durations_are_short_for_people() {
    let rows = [
        ("none", Duration::ZERO, " 0.0ms "),
        ("rounded", Duration::from_micros(1_250), " 1.3ms "),
        ("long", Duration::from_millis(29_040), " 29.0s "),
    ];
    for (name, duration, expected) in rows {
        let record = Record {
            duration,
            ..served()
        };
        let line = line(Format::Readable { colour: false }, &record);
        assert!(line.contains(expected), "{name}: {line}");
    }
}
