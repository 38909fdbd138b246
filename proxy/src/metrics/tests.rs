//! What a scrape shows of what happened.

use std::{collections::BTreeSet, time::Duration};

use prometheus::proto::MetricFamily;

use super::*;
use crate::refusal::Reason;

const DOC: &str = include_str!("../../../docs/metrics.md");

fn outcome() -> Outcome {
    Outcome {
        protocol: Protocol::Http11,
        status: 200,
        reason: None,
        duration: Duration::from_millis(2),
        upstream_duration: Some(Duration::from_millis(1)),
        bytes_in: 3,
        bytes_out: 5,
    }
}

fn refused(reason: Reason) -> Outcome {
    Outcome {
        status: reason.status().as_u16(),
        reason: Some(reason),
        upstream_duration: None,
        ..outcome()
    }
}

/// The lines of a scrape that hold a number.
fn scraped(metrics: &Metrics) -> BTreeSet<String> {
    let text = metrics.encode().unwrap();
    let numbers = text.lines().filter(|line| !line.starts_with('#'));
    numbers.map(Into::into).collect()
}

fn assert_scraped(metrics: &Metrics, expected: &[&str]) {
    let lines = scraped(metrics);
    for line in expected {
        assert!(lines.contains(*line), "{line} is not in {lines:#?}");
    }
}

#[test]
fn a_request_is_counted_by_protocol_and_status() {
    let metrics = Metrics::new("1.2.3").unwrap();
    let core = metrics.core();
    core.request(&outcome());
    core.request(&outcome());
    core.request(&Outcome {
        protocol: Protocol::H2,
        status: 1_000,
        ..outcome()
    });
    assert_scraped(
        &metrics,
        &[
            r#"tollgate_requests_total{protocol="HTTP/1.1",status="200"} 2"#,
            r#"tollgate_requests_total{protocol="HTTP/2",status="999"} 1"#,
            r#"tollgate_request_duration_seconds_bucket{le="0.001"} 0"#,
            r#"tollgate_request_duration_seconds_bucket{le="0.0025"} 3"#,
            r#"tollgate_request_duration_seconds_bucket{le="+Inf"} 3"#,
            "tollgate_request_duration_seconds_sum 0.006",
            "tollgate_request_duration_seconds_count 3",
            r#"tollgate_upstream_duration_seconds_bucket{le="0.001"} 3"#,
            "tollgate_request_bytes_total 9",
            "tollgate_response_bytes_total 15",
        ],
    );
}

#[test]
fn a_refusal_is_counted_by_reason_and_blame() {
    let metrics = Metrics::new("1.2.3").unwrap();
    let core = metrics.core();
    core.request(&refused(Reason::NotFound));
    core.request(&refused(Reason::UpstreamReset));
    assert_scraped(
        &metrics,
        &[
            r#"tollgate_requests_total{protocol="HTTP/1.1",status="404"} 1"#,
            r#"tollgate_refusals_total{reason="NotFound",blame="client"} 1"#,
            r#"tollgate_refusals_total{reason="UpstreamReset",blame="upstream"} 1"#,
            r#"tollgate_refusals_total{reason="Internal",blame="gateway"} 0"#,
            "tollgate_upstream_duration_seconds_count 0",
        ],
    );
}

#[test]
fn a_scrape_sums_the_cores() {
    let metrics = Metrics::new("1.2.3").unwrap();
    let cores = [metrics.core(), metrics.core()];
    std::thread::scope(|scope| {
        for core in cores {
            scope.spawn(move || (0..1_000).for_each(|_| core.request(&outcome())));
        }
    });
    assert_scraped(
        &metrics,
        &[r#"tollgate_requests_total{protocol="HTTP/1.1",status="200"} 2000"#],
    );
}

#[test]
fn levels_go_up_and_down() {
    let metrics = Metrics::new("1.2.3").unwrap();
    let core = metrics.core();
    core.connection_opened();
    core.connection_opened();
    core.connection_closed();
    // One too many: a level never falls below none.
    core.connection_closed();
    core.connection_closed();
    core.connection_opened();
    core.upstream_opened();
    core.upstreams_open(3);
    core.request_started();
    core.request_started();
    core.request_ended();
    assert_scraped(
        &metrics,
        &[
            "tollgate_connections_open 1",
            "tollgate_connections_total 3",
            "tollgate_upstream_connections_open 3",
            "tollgate_upstream_connections_total 1",
            "tollgate_requests_in_flight 1",
        ],
    );
}

#[test]
fn the_control_side_sets_its_own() {
    let metrics = Metrics::new("1.2.3").unwrap();
    for (count, kind) in (1..).zip(UnitKind::ALL) {
        metrics.set_units(kind, count);
    }
    metrics.set_config_held(7);
    metrics.access_log_dropped().inc_by(8);
    assert_scraped(
        &metrics,
        &[
            r#"tollgate_units{kind="gateway"} 1"#,
            r#"tollgate_units{kind="route"} 2"#,
            r#"tollgate_units{kind="function"} 3"#,
            r#"tollgate_units{kind="endpoints"} 4"#,
            "tollgate_config_held 7",
            "tollgate_access_log_dropped_total 8",
            r#"tollgate_build_info{version="1.2.3"} 1"#,
        ],
    );
}

fn seen() -> SnapshotSeen {
    SnapshotSeen {
        connected: true,
        snapshot: Some(("00ff".to_owned(), "disk", 7.5)),
        refused: false,
        persist_failed: true,
    }
}

#[test]
fn the_controllers_snapshot_is_shown_where_there_is_one() {
    let metrics = Metrics::new("1.2.3").unwrap();
    assert!(!metrics.encode().unwrap().contains("tollgate_snapshot"));
    metrics.show_snapshot(seen).unwrap();
    assert_scraped(
        &metrics,
        &[
            "tollgate_controller_connected 1",
            r#"tollgate_snapshot_info{root="00ff",source="disk"} 1"#,
            "tollgate_snapshot_age_seconds 7.5",
            "tollgate_snapshot_refused 0",
            "tollgate_snapshot_persist_failed 1",
        ],
    );
    let metrics = Metrics::new("1.2.3").unwrap();
    metrics.show_snapshot(SnapshotSeen::default).unwrap();
    assert_scraped(&metrics, &["tollgate_controller_connected 0"]);
}

/// `name | type | labels | meaning` as a row of the table in the document.
fn row(family: &MetricFamily) -> String {
    let kind = format!("{:?}", family.get_field_type()).to_lowercase();
    let labels = family.get_metric()[0].get_label().iter();
    let labels: Vec<_> = labels.map(|label| format!("`{}`", label.name())).collect();
    let labels = if labels.is_empty() {
        "–".into()
    } else {
        labels.join(", ")
    };
    format!(
        "| `{}` | {kind} | {labels} | {} |",
        family.name(),
        family.help()
    )
}

#[test]
fn the_document_lists_what_is_scraped() {
    let metrics = Metrics::new("1.2.3").unwrap();
    metrics.core().request(&outcome());
    metrics.show_snapshot(seen).unwrap();
    let scraped: BTreeSet<_> = metrics.registry.gather().iter().map(row).collect();
    let documented: BTreeSet<_> = DOC
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, scraped);
}
