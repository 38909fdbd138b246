//! The record of a head so broken that there is no request.
//!
//! In: why it was refused. Out: metrics and, if the gateway logs, one line with what the connection
//! alone tells.

use std::{sync::Arc, time::Duration};

use crate::{
    access_log::Record,
    core::{Core, link::Link},
    metrics::{Outcome, Protocol},
    refusal::Reason,
};

/// Counts and logs a head so broken that there is no request: hyper or `listen` has answered it.
pub(crate) fn bare(core: &Core, link: &Link, reason: Reason) {
    let status = reason.status().as_u16();
    let protocol = if link.vigil.is_h2() {
        Protocol::H2
    } else {
        Protocol::Http11
    };
    core.metrics.request(&Outcome {
        protocol,
        status,
        reason: Some(reason),
        duration: Duration::ZERO,
        upstream_duration: None,
        bytes_in: 0,
        bytes_out: 0,
    });
    let (_, time) = core.now();
    let line = core.with_active(|active| {
        let mut last = None;
        let port = link.door.port(active, &mut last);
        let listener = port.listeners().next().cloned();
        let line = (Arc::clone(&port.shown), listener);
        port.gateway.access_log.then_some(line)
    });
    let Some((gateway, listener)) = line else {
        return;
    };
    core.log(&Record {
        time,
        request_id: "",
        client_ip: link.peer.ip().to_canonical(),
        method: "",
        host: "",
        path: "",
        protocol,
        status,
        reason: Some(reason),
        gateway: &gateway,
        listener: listener.as_deref(),
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
