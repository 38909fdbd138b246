//! Record: the outcome of every request, counted and logged once, however it ends.
//!
//! In: what the stages learn on the way. Out: metrics and, if the gateway logs, one line. It
//! happens when the answer's body is dropped: a client that goes away mid-body is seen nowhere
//! else. Nothing here waits.

mod bare;

use std::{
    mem,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant, SystemTime},
};

pub(crate) use bare::bare;
use bytes::{Buf, Bytes};
use http::{
    HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts, uri::PathAndQuery,
};
use hyper::body::{Body, Frame, SizeHint};
use tollgate_snapshot::ObjectName;

use super::{
    fields::{self, Identity},
    glimpse::Glimpse,
    normalise::Target,
    respond::Source,
    route::Matched,
};
use crate::{
    access_log::{self, Record},
    active::{port::Port, table::Candidate},
    client_ip::{ClientAddress, client_ip},
    core::{Core, link::Link},
    metrics::{Outcome, Protocol},
    refusal::Reason,
    request_id,
    upstream::{
        body::{Progress, Upload},
        pool::Upstream,
    },
};

/// What is known of a request that is being answered.
pub(crate) struct Pending {
    pub(crate) core: Rc<Core>,
    pub(crate) link: Rc<Link>,
    time: SystemTime,
    started: Instant,
    version: Version,
    request_id: HeaderValue,
    client: ClientAddress,
    upload: Rc<Upload>,
    asked: Option<Asked>,
    upstream: Option<Asking>,
    status: StatusCode,
    reason: Option<Reason>,
    bytes_out: u64,
    /// The head of the answer is known.
    answered: bool,
    complete: bool,
}

/// What was asked for: what the log says beside the outcome. Kept only if the gateway logs.
struct Asked {
    gateway: Arc<str>,
    listener: Option<Arc<str>>,
    candidate: Option<Arc<Candidate>>,
    method: Method,
    host: Box<str>,
    path: Option<PathAndQuery>,
    user_agent: Option<HeaderValue>,
}

/// Who was asked for the answer, and when.
struct Asking {
    whom: Whom,
    since: Instant,
    took: Option<Duration>,
}

impl Asking {
    /// How long it took, or has taken when there is no answer.
    fn took(&self) -> Duration {
        self.took.unwrap_or_else(|| self.since.elapsed())
    }
}

enum Whom {
    Upstream(Rc<Upstream>),
    Function(ObjectName),
}

impl Pending {
    /// A request's head is complete. What is known of it is boxed, because it travels with the
    /// answer.
    pub(super) fn begin(
        core: Rc<Core>,
        link: Rc<Link>,
        parts: &Parts,
        upload: Rc<Upload>,
    ) -> Box<Self> {
        let (started, time) = core.now();
        link.vigil.begin();
        core.metrics.request_started();
        let request_id = core.ids.borrow_mut().next(time).to_header_value();
        let client = ClientAddress {
            ip: link.peer.ip().to_canonical(),
            peer_trusted: false,
        };
        Box::new(Self {
            core,
            link,
            time,
            started,
            version: parts.version,
            request_id,
            client,
            upload,
            asked: None,
            upstream: None,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            reason: None,
            bytes_out: 0,
            answered: false,
            complete: false,
        })
    }

    /// The gateway is known: whom it believes, and whether it logs.
    pub(super) fn enter(&mut self, port: &Port, parts: &Parts) {
        // Without a trusted network, which is the default, nobody's word is looked at.
        if !port.gateway.trusted.is_empty() {
            self.believe(port, parts);
        }
        if port.gateway.access_log {
            self.asked = Some(Asked {
                gateway: Arc::clone(&port.shown),
                listener: port.listeners().next().cloned(),
                candidate: None,
                method: parts.method.clone(),
                host: "".into(),
                path: None,
                user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            });
        }
    }

    fn believe(&mut self, port: &Port, parts: &Parts) {
        let chain = parts.headers.get_all(fields::X_FORWARDED_FOR).iter();
        self.client = client_ip(self.client.ip, &port.gateway.trusted, chain);
        if self.client.peer_trusted
            && let Some(id) = parts.headers.get(fields::X_REQUEST_ID)
            && request_id::accepted(id)
        {
            self.request_id = id.clone();
        }
    }

    /// The target is known.
    pub(super) fn aim(&mut self, port: &Port, target: &Target) {
        if let Some(asked) = &mut self.asked {
            asked.listener = port.listener_for(&target.host).cloned();
            asked.host = target.host.clone();
            asked.path = Some(target.path.clone());
        }
    }

    /// There is no target: the head is refused. What can be read of it is logged nevertheless.
    pub(super) fn misaimed(&mut self, port: &Port, parts: &Parts) {
        if let Some(asked) = &mut self.asked {
            let seen = Glimpse::of(parts);
            if let Some(host) = seen.host {
                asked.listener = port.listener_for(&host).cloned();
                asked.host = host;
            }
            asked.path = seen.path;
        }
    }

    /// The rule is known.
    pub(super) fn matched(&mut self, matched: &Matched) {
        if let Some(asked) = &mut self.asked {
            asked.candidate = Some(Arc::clone(matched.candidate()));
        }
    }

    /// A request is about to be sent to an upstream.
    pub(super) fn sending(&mut self, upstream: &Rc<Upstream>) {
        self.ask(Whom::Upstream(Rc::clone(upstream)));
        upstream.in_flight.set(upstream.in_flight.get() + 1);
    }

    /// A function is about to be called.
    pub(super) fn calling(&mut self, function: &ObjectName) {
        self.ask(Whom::Function(function.clone()));
    }

    fn ask(&mut self, whom: Whom) {
        self.leave_upstream();
        self.upstream = Some(Asking {
            whom,
            since: Instant::now(),
            took: None,
        });
    }

    /// The head of the upstream's or the function's answer is here. Tells the time.
    pub(super) fn upstream_answered(&mut self) -> Instant {
        let now = Instant::now();
        if let Some(asking) = &mut self.upstream {
            asking.took = Some(now.duration_since(asking.since));
        }
        now
    }

    /// The answer broke off after its head: by whose fault, the request's body knows first.
    fn broke_off(&mut self) {
        match self.upload.progress.get() {
            Progress::TooLarge => self.refused(Reason::BodyTooLarge),
            Progress::Broken => self.refused(Reason::BadRequest),
            Progress::Gone => self.abandoned(),
            Progress::Open | Progress::Complete => self.refused(Reason::UpstreamAborted),
        }
    }

    /// The client went away.
    fn abandoned(&mut self) {
        self.reason = Some(Reason::ClientGone);
        self.status = Reason::ClientGone.status();
    }

    /// The request is refused, or its answer broke off.
    pub(super) fn refused(&mut self, reason: Reason) {
        self.reason = Some(reason);
    }

    /// The head of the answer is known.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = status;
        self.answered = true;
        self.link.vigil.answer();
    }

    /// The protocol of the request.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The id of the request.
    pub(super) fn request_id(&self) -> HeaderValue {
        self.request_id.clone()
    }

    /// The client's address, behind trusted proxies.
    pub(super) fn client_ip(&self) -> IpAddr {
        self.client.ip
    }

    /// When the request's head was complete.
    pub(super) fn time(&self) -> SystemTime {
        self.time
    }

    /// The same, on the clock that deadlines are on.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The progress of the request's body.
    pub(super) fn upload(&self) -> &Rc<Upload> {
        &self.upload
    }

    /// Makes the fields of a request those that are forwarded.
    pub(super) fn forwarded(&self, headers: &mut HeaderMap, authority: Option<&HeaderValue>) {
        fields::strip_request(headers, self.client.peer_trusted);
        let identity = Identity {
            peer: &self.link.peer_ip,
            peer_trusted: self.client.peer_trusted,
            host: authority,
            request_id: &self.request_id,
        };
        fields::identify(headers, &identity);
    }

    fn leave_upstream(&mut self) {
        if let Some(Asking {
            whom: Whom::Upstream(upstream),
            ..
        }) = &self.upstream
        {
            upstream
                .in_flight
                .set(upstream.in_flight.get().saturating_sub(1));
        }
    }

    fn record(&mut self) {
        self.leave_upstream();
        self.core.cancel_alarm(&self.upload.alarm);
        if !self.complete && self.reason.is_none() {
            self.abandoned();
        }
        let outcome = Outcome {
            protocol: protocol(self.version),
            status: self.status.as_u16(),
            reason: self.reason,
            duration: self.started.elapsed(),
            upstream_duration: self.upstream.as_ref().map(Asking::took),
            bytes_in: self.upload.bytes.get(),
            bytes_out: self.bytes_out,
        };
        self.core.metrics.request(&outcome);
        self.core.metrics.request_ended();
        if let Some(asked) = self.asked.take() {
            self.log(&asked, &outcome);
        }
        self.link.vigil.end(self.answered);
    }

    fn log(&self, asked: &Asked, outcome: &Outcome) {
        let candidate = asked.candidate.as_deref();
        let function;
        let upstream = match self.upstream.as_ref().map(|asking| &asking.whom) {
            None => None,
            Some(Whom::Upstream(upstream)) => Some(access_log::Upstream::Address(upstream.address)),
            Some(Whom::Function(name)) => {
                function = format!("function/{name}");
                Some(access_log::Upstream::Name(&function))
            }
        };
        self.core.log(&Record {
            time: self.time,
            request_id: self.request_id.to_str().unwrap_or_default(),
            client_ip: self.client.ip,
            method: asked.method.as_str(),
            host: &asked.host,
            path: asked.path.as_ref().map_or("", PathAndQuery::path),
            protocol: outcome.protocol,
            status: outcome.status,
            reason: outcome.reason,
            gateway: &asked.gateway,
            listener: candidate
                .map(|c| &*c.listener)
                .or(asked.listener.as_deref()),
            route: candidate.map(|c| &*c.rule.route),
            rule: candidate.map(|c| &*c.rule.name),
            upstream,
            duration: outcome.duration,
            upstream_duration: outcome.upstream_duration,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            user_agent: asked.user_agent.as_ref().map(HeaderValue::as_bytes),
        });
    }
}

/// The one `Drop` that does work: see the head of this file.
impl Drop for Pending {
    fn drop(&mut self) {
        self.record();
    }
}

fn protocol(version: Version) -> Protocol {
    if version == Version::HTTP_2 {
        Protocol::H2
    } else if version == Version::HTTP_10 {
        Protocol::Http10
    } else {
        Protocol::Http11
    }
}

/// The body of every answer, with the record of its request.
pub(crate) struct Answer {
    source: Source,
    pending: Box<Pending>,
}

impl Answer {
    /// Binds the body to the record.
    pub(super) fn new(source: Source, mut pending: Box<Pending>) -> Self {
        pending.complete = match &source {
            Source::Full(bytes) => bytes.is_none(),
            Source::Upstream(body, _) => body.is_end_stream(),
        };
        Self { source, pending }
    }

    /// The last byte is out.
    fn finish(&mut self) {
        self.pending.complete = true;
        // A connection that still takes this request's body would let the next request wait for it.
        if let Source::Upstream(_, connection) = &mut self.source
            && self.pending.upload.progress.get() == Progress::Complete
        {
            connection.release(self.pending.core.coarse_now());
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let (frame, last) = match &mut this.source {
            Source::Full(bytes) => (mem::take(bytes).map(|bytes| Ok(Frame::data(bytes))), true),
            Source::Upstream(body, connection) => {
                // The connection brings what is asked for, and is asked by polling the body.
                let mut polled = Pin::new(&mut *body).poll_frame(cx);
                if polled.is_pending() {
                    connection.drive(cx);
                    polled = Pin::new(&mut *body).poll_frame(cx);
                }
                let frame = ready!(polled);
                // Nothing comes after trailers, and hyper does not ask.
                let trailers = matches!(&frame, Some(Ok(frame)) if frame.is_trailers());
                let last = frame.is_none() || trailers || body.is_end_stream();
                (frame, last)
            }
        };
        match &frame {
            Some(Ok(data)) => {
                this.pending.link.vigil.progress();
                this.pending.bytes_out += data.data_ref().map_or(0, Buf::remaining) as u64;
            }
            Some(Err(_)) => this.pending.broke_off(),
            None => {}
        }
        if last && !matches!(frame, Some(Err(_))) {
            this.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Full(bytes) => bytes.is_none(),
            Source::Upstream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Source::Upstream(body, _) => body.size_hint(),
        }
    }
}
