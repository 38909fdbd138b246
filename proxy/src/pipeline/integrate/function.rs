//! Function: the request as an event, and the function's answer back.
//!
//! In: the request and the function's name. Out: the answer that the event format's rules make of
//! what the function returned; or which of its ways to fail it took.

use std::rc::Rc;

use http::{HeaderValue, Response, Version, header};
use http_body_util::BodyExt;
use tollgate_snapshot::ObjectName;

use super::{
    super::{fields, record::Pending, respond::Source, route::Matched},
    Inbound,
    forward::join_cookies,
};
use crate::{
    function::{CallError, EVENT_BODY_MAX, answer, event},
    refusal::{Reason, Refusal},
    upstream::body::{Progress, RequestBody},
};

/// Calls the function. The body is read whole before: an event holds it.
pub(super) async fn call(
    pending: &mut Pending,
    function: &ObjectName,
    matched: &Matched,
    request: Inbound<'_>,
) -> Result<Response<Source>, Refusal> {
    let Inbound {
        target,
        parts,
        body,
        body_bytes_max,
    } = request;
    let bytes_max = body_bytes_max.min(EVENT_BODY_MAX as u64);
    let body = RequestBody::new(body, Rc::clone(pending.upload()), bytes_max);
    let body = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(_) => return Err(Refusal::closing(broken(pending.upload().progress.get()))),
    };
    pending.forwarded(&mut parts.headers, target.authority.as_ref());
    if let Some(authority) = &target.authority {
        parts.headers.insert(header::HOST, authority.clone());
    }
    if !parts.headers.contains_key(fields::X_FORWARDED_PORT) {
        let port = HeaderValue::from(target.port.unwrap_or(80));
        parts.headers.insert(fields::X_FORWARDED_PORT, port);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    let candidate = matched.candidate();
    let request_id = pending.request_id();
    let event = event::v2(&event::Request {
        api: &candidate.rule.object,
        route_key: &event::route_key(candidate.method(), &candidate.template),
        parameters: &candidate.parameters(target.path()),
        method: &parts.method,
        path: target.path(),
        query: target.path.query().unwrap_or_default(),
        headers: &parts.headers,
        host: &target.host,
        client_ip: pending.client_ip(),
        protocol: parts.version,
        request_id: request_id.to_str().unwrap_or_default(),
        time: jiff::Timestamp::try_from(pending.time()).map_err(|_| Reason::Internal)?,
        body: &body,
    });
    pending.calling(function);
    let functions = pending.core.functions.clone();
    let outcome = functions.call(function, event).await;
    pending.upstream_answered();
    let bytes = outcome.map_err(|error| refused(function, &error))?;
    let answer = answer::v2(&bytes).map_err(|error| {
        tracing::warn!(%function, %error, "a function's answer can't be sent");
        Refusal::from(Reason::FunctionAnswer)
    })?;
    Ok(answer.map(Source::full))
}

fn broken(progress: Progress) -> Reason {
    match progress {
        Progress::TooLarge => Reason::BodyTooLarge,
        Progress::Gone => Reason::ClientGone,
        Progress::Open | Progress::Complete | Progress::Broken => Reason::BadRequest,
    }
}

fn refused(function: &ObjectName, error: &CallError) -> Refusal {
    let reason = match error {
        CallError::NotFound => Reason::NoEndpoint,
        CallError::QueueFull | CallError::Stopping => Reason::FunctionBusy,
        CallError::Init { .. } => Reason::FunctionInit,
        CallError::Crashed => Reason::FunctionCrashed,
        CallError::TimedOut => Reason::FunctionTimeout,
        CallError::FunctionError { .. } => Reason::FunctionError,
        CallError::AnswerTooLarge => Reason::FunctionAnswer,
    };
    tracing::debug!(%function, %error, "a call failed");
    reason.into()
}
