//! The journey of a request, as one straight function: each stage's result is an argument of a
//! later one, so that skipping a stage does not compile.
//!
//! In: a request as hyper parsed it. Out: the answer, whose body records the outcome when it ends.
//! It reads the active configuration and never knows where that came from.
//!
//! ```text
//! normalise ──> route ──> integrate ──> respond ──> record
//! ```

pub(crate) mod fields;
mod glimpse;
pub(crate) mod integrate;
pub(crate) mod normalise;
pub(crate) mod record;
pub(crate) mod respond;
pub(crate) mod route;

use std::{convert::Infallible, rc::Rc};

use http::{Method, Request, Response, request};
use hyper::body::Incoming;

use self::record::{Answer, Pending};
use crate::{
    core::{Core, link::Link},
    refusal::Refusal,
    upstream::body::Upload,
};

/// Answers one request. It never fails: whatever goes wrong is an answer, too.
pub(crate) async fn handle(
    core: Rc<Core>,
    link: Rc<Link>,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let is_head = parts.method == Method::HEAD;
    let mut pending = Pending::begin(core, link, &parts, Upload::new(&body));
    let response = match serve(&mut pending, &mut parts, body).await {
        Ok(response) => response,
        Err(refusal) => respond::refuse(&mut pending, refusal),
    };
    Ok(respond::seal(pending, is_head, response))
}

/// The stages, in their order.
async fn serve(
    pending: &mut Pending,
    parts: &mut request::Parts,
    body: Incoming,
) -> Result<Response<respond::Source>, Refusal> {
    let core = Rc::clone(&pending.core);
    // One look at the configuration: what follows sees one version of it.
    let (target, matched, choice) = core.with_active(|active| {
        let (link, mut last) = (Rc::clone(&pending.link), None);
        let port = link.door.port(active, &mut last);
        pending.enter(port, parts);
        let target = normalise::target(parts, &pending.link, &port.gateway.limits)
            .inspect_err(|_| pending.misaimed(port, parts))?;
        pending.aim(port, &target);
        let matched = route::find(port, &target, parts)?;
        pending.matched(&matched);
        let choice = integrate::choose(&core, active, &port.gateway.limits, &matched)?;
        Ok::<_, Refusal>((target, matched, choice))
    })?;
    integrate::run(pending, choice, &matched, &target, parts, body).await
}
