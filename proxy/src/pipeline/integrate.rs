//! Integrate: what answers the request.
//!
//! In: the matched rule. Out: the answer of a backend or of the rule itself, or why there is none.
//! It decides in two steps: `choose` reads the configuration and waits for nothing; `run` waits and
//! reads no configuration.

mod fixed;
mod forward;
mod function;

use std::{pin::pin, rc::Rc, time::Duration};

use http::{Response, Version, request::Parts};
use hyper::body::Incoming;
use tollgate_snapshot::integrate::EventFormat;

use super::{normalise::Target, record::Pending, respond::Source, route::Matched};
use crate::{
    active::{
        Active,
        port::Limits,
        rule::{self, Action, Forward},
    },
    core::{Core, alarm},
    refusal::{Reason, Refusal},
    upstream::{
        body::{Progress, Upload},
        pool::Upstream,
    },
};

/// Which backend will answer, and in what time.
pub(crate) struct Choice {
    /// Its place among the rule's.
    backend: usize,
    /// Whom to connect to, if that is known without asking anybody; the second in case the first
    /// can't be reached.
    upstreams: Option<(Rc<Upstream>, Option<Rc<Upstream>>)>,
    timeout: Duration,
    body_bytes_max: u64,
}

/// Decides which backend will answer.
pub(crate) fn choose(
    core: &Core,
    active: &Active,
    limits: &Limits,
    matched: &Matched,
) -> Result<Choice, Refusal> {
    let rule = matched.rule();
    let (mut backend, mut upstreams) = (0, None);
    match &rule.action {
        Action::Closed => return Err(Reason::RuleClosed.into()),
        Action::Respond(_) | Action::Redirect(_) => {}
        Action::Forward(forward) => {
            backend = draw(forward);
            if let rule::Target::Service { service, port } = &forward.backends[backend].target {
                let addresses = active.addresses(service, *port);
                upstreams = Some(core.pool.choose(addresses).ok_or(Reason::NoEndpoint)?);
            }
        }
    }
    let timeout = rule.timeout.unwrap_or(limits.request_timeout);
    Ok(Choice {
        backend,
        upstreams,
        timeout,
        body_bytes_max: limits.body_bytes,
    })
}

/// The place of one of the backends, as often as its weight says.
fn draw(forward: &Forward) -> usize {
    if forward.backends.len() == 1 {
        return 0;
    }
    let mut ticket = fastrand::u32(..forward.total_weight);
    let drawn =
        forward
            .backends
            .iter()
            .position(|backend| match ticket.checked_sub(backend.weight) {
                Some(rest) => {
                    ticket = rest;
                    false
                }
                None => true,
            });
    drawn.unwrap_or(0)
}

/// Gets the answer, within the rule's time.
pub(crate) async fn run(
    pending: &mut Pending,
    choice: Choice,
    matched: &Matched,
    target: &Target,
    parts: &mut Parts,
    body: Incoming,
) -> Result<Response<Source>, Refusal> {
    let forward = match &matched.rule().action {
        // `choose` has refused it.
        Action::Closed => return Err(Reason::RuleClosed.into()),
        Action::Respond(respond) => return Ok(fixed::respond(respond)),
        Action::Redirect(redirect) => return fixed::redirect(redirect, target),
        Action::Forward(forward) => forward,
    };
    let upload = Rc::clone(pending.upload());
    let core = Rc::clone(&pending.core);
    let due = pending.started() + choice.timeout;
    let request = Inbound {
        target,
        parts,
        body,
        body_bytes_max: choice.body_bytes_max,
    };
    let answer = pin!(async {
        match &forward.backends[choice.backend].target {
            rule::Target::Function {
                function,
                event: EventFormat::V2,
            } =>
            // Boxed, like whatever not every request needs: a future is as large as its largest
            // part.
            {
                Box::pin(function::call(pending, function, matched, request)).await
            }
            rule::Target::Service { .. } => {
                let (first, second) = choice.upstreams.ok_or(Reason::NoEndpoint)?;
                // HTTP/1.1 names the host in its fields already, unless the target has it in full.
                let named = parts_name_host(request.parts);
                let host = if named {
                    None
                } else {
                    target.authority.clone()
                };
                let mut request = request.outbound(pending, forward, "", host)?;
                forward::send(pending, first, second, &mut request).await
            }
            rule::Target::Url(url) => {
                let resolving = pending.core.resolver.resolve(&url.host, url.port);
                let addresses = Box::pin(resolving).await?;
                let chosen = pending.core.pool.choose(&addresses);
                let (first, second) = chosen.ok_or(Reason::UpstreamUnresolved)?;
                let host = Some(url.authority.clone());
                let mut request = request.outbound(pending, forward, &url.path, host)?;
                forward::send(pending, first, second, &mut request).await
            }
        }
    });
    let outcome = alarm::until(&core, due, &upload.alarm, answer).await;
    outcome.unwrap_or_else(|_| Err(overdue(&upload)))
}

/// Whether the request's fields hold the host that its target is for.
fn parts_name_host(parts: &Parts) -> bool {
    parts.version != Version::HTTP_2 && parts.uri.authority().is_none()
}

/// A request as it came, with what was read from it.
struct Inbound<'a> {
    target: &'a Target,
    parts: &'a mut Parts,
    body: Incoming,
    body_bytes_max: u64,
}

/// Who let the time run out: a client that was asked for more of its body, or the backend.
fn overdue(upload: &Upload) -> Refusal {
    match upload.progress.get() {
        Progress::Open if upload.awaited.get() => Refusal::closing(Reason::RequestTimeout),
        // What is left of the body is in the way of the next request.
        Progress::Open => Refusal::closing(Reason::UpstreamTimeout),
        Progress::Complete | Progress::TooLarge | Progress::Broken | Progress::Gone => {
            Reason::UpstreamTimeout.into()
        }
    }
}
