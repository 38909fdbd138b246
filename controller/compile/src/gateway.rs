//! Gateways: where to listen, and the bounds on every request.
//!
//! In: an ApiGateway. Out: its unit with all defaults filled in. What routes read of it is
//! [`admission`]'s part. A gateway at fault is held and has no stand-in: without listeners there is
//! nothing to answer on.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;
use tollgate_crds::{
    ApiGateway,
    api_gateway::{self as crd, Protocol},
    value::Size,
};
use tollgate_snapshot::{
    Payload,
    gateway::{Gateway, Limits, Listener},
};

use crate::{
    Reason, admission,
    compiler::Outcome,
    findings::{Field, Findings},
    hosts, value,
};

const SPEC: Field<'_> = Field::Root("spec");

/// Smallest and largest bound on a request head, in bytes.
const HEADER_BYTES: (u64, u64) = (8 << 10, 1 << 20);

/// Smallest and largest bound on the number of header fields.
const HEADER_COUNT: (u32, u32) = (1, 1000);

/// The unit of a gateway.
pub(crate) fn compile(gateway: &ApiGateway, findings: &mut Findings<'_>) -> Outcome {
    let spec = &gateway.spec;
    let listeners = listeners(&spec.listeners, findings);
    admission::check(&spec.allow, SPEC.key("allow"), findings);
    let trusted_cidrs = trusted_cidrs(spec.client_ip.as_ref(), findings);
    let limits = limits(spec.limits.as_ref(), findings);
    if findings.hold() {
        return Outcome::Held(None);
    }
    let log = spec.access_log.as_ref();
    Outcome::Unit(Payload::Gateway(Gateway {
        created: value::created(&gateway.metadata),
        listeners,
        trusted_cidrs,
        limits,
        access_log: log.and_then(|log| log.enabled).unwrap_or(true),
    }))
}

fn listeners(written: &[crd::Listener], findings: &mut Findings<'_>) -> Vec<Listener> {
    let field = SPEC.key("listeners");
    if written.is_empty() {
        findings.invalid(field, "at least one listener");
    }
    let mut names = BTreeSet::new();
    let mut places = BTreeSet::new();
    let mut listeners = Vec::with_capacity(written.len());
    for (i, one) in written.iter().enumerate() {
        let field = field.index(i);
        if !names.insert(&one.name) {
            let message = format!("another listener is named {:?}", one.name);
            findings.add(Reason::Duplicate, field.key("name"), message);
        }
        let Some(listener) = listener(one, field, findings) else {
            continue;
        };
        let place = (
            listener.address.clone(),
            listener.port,
            listener.hostname.clone(),
        );
        if !places.insert(place) {
            let message = "another listener has this address, port and hostname";
            findings.add(Reason::Duplicate, field, message);
        }
        listeners.push(listener);
    }
    listeners
}

fn listener(
    written: &crd::Listener,
    field: Field<'_>,
    findings: &mut Findings<'_>,
) -> Option<Listener> {
    let Protocol::HTTP = written.protocol;
    let name = findings.parsed(field.key("name"), value::name(&written.name));
    let port = findings.parsed(field.key("port"), value::port(written.port));
    let hostname = match &written.hostname {
        None => Some(None),
        Some(text) => findings
            .parsed(field.key("hostname"), hosts::parse(text))
            .map(Some),
    };
    let address = match &written.address {
        None => Some(None),
        Some(text) => findings
            .parsed(field.key("address"), address(text))
            .map(Some),
    };
    Some(Listener {
        name: name?.to_owned(),
        address: address?,
        port: port?,
        hostname: hostname?,
    })
}

fn address(text: &str) -> Result<String, &'static str> {
    let address: IpAddr = text.parse().map_err(|_| "not an IP address")?;
    Ok(address.to_string())
}

fn trusted_cidrs(written: Option<&crd::ClientIp>, findings: &mut Findings<'_>) -> Vec<String> {
    let client_ip = SPEC.key("clientIp");
    let field = client_ip.key("trustedCidrs");
    let written = written.map_or(&[][..], |client_ip| &client_ip.trusted_cidrs);
    let mut networks = Vec::with_capacity(written.len());
    for (i, text) in written.iter().enumerate() {
        let network = text
            .parse::<IpNet>()
            .map_err(|_| "not a network such as 10.0.0.0/8");
        let network = findings.parsed(field.index(i), network);
        networks.extend(network.map(|network| network.trunc().to_string()));
    }
    networks
}

fn limits(written: Option<&crd::Limits>, findings: &mut Findings<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(written) = written else {
        return limits;
    };
    let field = SPEC.key("limits");
    if let Some(body) = &written.body {
        let bytes = body.bytes();
        limits.body_bytes = findings
            .parsed(field.key("body"), bytes)
            .unwrap_or_default();
    }
    if let Some(headers) = &written.headers {
        let bytes = header_bytes(headers);
        limits.header_bytes = findings
            .parsed(field.key("headers"), bytes)
            .unwrap_or_default();
    }
    if let Some(count) = written.header_count {
        let count = header_count(count);
        let field = field.key("headerCount");
        limits.header_count = findings.parsed(field, count).unwrap_or_default();
    }
    timeouts(written, &mut limits, findings);
    limits
}

fn timeouts(written: &crd::Limits, limits: &mut Limits, findings: &mut Findings<'_>) {
    let field = SPEC.key("limits");
    if let Some(header) = &written.header_timeout {
        let millis = findings.parsed(field.key("headerTimeout"), value::above_zero(header));
        limits.header_timeout_ms = millis.unwrap_or_default();
    }
    if let Some(idle) = &written.idle_timeout {
        let millis = findings.parsed(field.key("idleTimeout"), value::above_zero(idle));
        limits.idle_timeout_ms = millis.unwrap_or_default();
    }
    if let Some(request) = &written.request_timeout {
        let millis = findings.parsed(field.key("requestTimeout"), value::timeout(request));
        limits.request_timeout_ms = millis.unwrap_or_default();
    }
}

fn header_bytes(size: &Size) -> Result<u64, String> {
    let bytes = size.bytes().map_err(|invalid| invalid.to_string())?;
    if bytes < HEADER_BYTES.0 || bytes > HEADER_BYTES.1 {
        return Err("must be 8Ki to 1Mi".to_owned());
    }
    Ok(bytes)
}

fn header_count(count: i32) -> Result<u32, &'static str> {
    match u32::try_from(count) {
        Ok(count) if (HEADER_COUNT.0..=HEADER_COUNT.1).contains(&count) => Ok(count),
        Ok(_) | Err(_) => Err("must be 1 to 1000"),
    }
}
