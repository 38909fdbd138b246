//! A rule made executable: everything parsed that the request path would otherwise parse.
//!
//! In: a rule of a route unit. Out: the same with typed statuses, headers and addresses, or what in
//! it can't be used. Unit fields were checked by `compile`; they are checked again because a unit
//! may come from another version.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use tollgate_snapshot::{
    ObjectName,
    integrate::{self, EventFormat},
    route,
};

use super::Unusable;

/// Some requests and what answers them.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The route, as `namespace/name`.
    pub(crate) route: Arc<str>,
    /// The route's name.
    pub(crate) object: ObjectName,
    /// Name of the rule in the route.
    pub(crate) name: Box<str>,
    /// What answers.
    pub(crate) action: Action,
    /// Longest time to the head of the answer; none: the gateway's.
    pub(crate) timeout: Option<Duration>,
}

/// What answers a request.
#[derive(Debug)]
pub(crate) enum Action {
    /// One of some backends.
    Forward(Forward),
    /// A fixed answer.
    Respond(Respond),
    /// An answer that sends the client elsewhere.
    Redirect(Redirect),
    /// Nothing: 503.
    Closed,
}

/// Backends that share the requests by weight.
#[derive(Debug)]
pub(crate) struct Forward {
    /// At least one; the sum of the weights is above zero.
    pub(crate) backends: Box<[Backend]>,
    /// Sum of the weights.
    pub(crate) total_weight: u32,
    /// Leading segments to take off the path.
    pub(crate) strip_prefix: Option<Box<str>>,
}

/// One backend.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) weight: u32,
    pub(crate) target: Target,
}

/// Where a backend is.
#[derive(Debug)]
pub(crate) enum Target {
    /// A function.
    Function {
        function: ObjectName,
        event: EventFormat,
    },
    /// A port of a Service.
    Service { service: ObjectName, port: u16 },
    /// An HTTP endpoint.
    Url(Url),
}

/// An HTTP endpoint.
#[derive(Debug)]
pub(crate) struct Url {
    pub(crate) host: UrlHost,
    pub(crate) port: u16,
    /// What the endpoint is sent as its Host.
    pub(crate) authority: HeaderValue,
    /// Path in front of the request's.
    pub(crate) path: Box<str>,
}

/// The host of an HTTP endpoint.
#[derive(Clone, Debug)]
pub(crate) enum UrlHost {
    /// An address.
    Ip(IpAddr),
    /// A name to resolve.
    Name(Arc<str>),
}

/// A fixed answer.
#[derive(Debug)]
pub(crate) struct Respond {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An answer that sends the client elsewhere.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) status: StatusCode,
    pub(crate) scheme: Option<Box<str>>,
    pub(crate) host: Option<Box<str>>,
    pub(crate) port: Option<u16>,
    pub(crate) path: Option<Box<str>>,
}

impl Rule {
    /// Arms a rule of the route `object`.
    pub(super) fn arm(
        object: &ObjectName,
        route: &Arc<str>,
        rule: &route::Rule,
    ) -> Result<Self, Unusable> {
        let unusable = |what: &str| Unusable(format!("rule {}: {what}", rule.name));
        Ok(Self {
            route: Arc::clone(route),
            object: object.clone(),
            name: rule.name.as_str().into(),
            action: Action::arm(&rule.action).map_err(unusable)?,
            timeout: rule.timeout_ms.map(Duration::from_millis),
        })
    }
}

impl Action {
    fn arm(action: &integrate::Action) -> Result<Self, &'static str> {
        Ok(match action {
            integrate::Action::Forward(forward) => Self::Forward(Forward::arm(forward)?),
            integrate::Action::Respond(respond) => Self::Respond(Respond::arm(respond)?),
            integrate::Action::Redirect(redirect) => Self::Redirect(Redirect::arm(redirect)?),
            integrate::Action::Closed => Self::Closed,
        })
    }
}

impl Forward {
    fn arm(forward: &integrate::Forward) -> Result<Self, &'static str> {
        let backends = forward
            .backends
            .iter()
            .map(Backend::arm)
            .collect::<Result<Box<[_]>, _>>()?;
        let weights = backends
            .iter()
            .try_fold(0_u32, |sum, b| sum.checked_add(b.weight));
        let total_weight = weights
            .filter(|sum| *sum > 0)
            .ok_or("weights without a usable sum")?;
        let strip_prefix = forward.strip_prefix.as_deref().map(Into::into);
        Ok(Self {
            backends,
            total_weight,
            strip_prefix,
        })
    }
}

impl Backend {
    fn arm(backend: &integrate::Backend) -> Result<Self, &'static str> {
        let target = match &backend.target {
            integrate::Target::Function { function, event } => Target::Function {
                function: function.clone(),
                event: *event,
            },
            integrate::Target::Service { service, port } => Target::Service {
                service: service.clone(),
                port: *port,
            },
            integrate::Target::Url { host, port, path } => {
                Target::Url(Url::arm(host, *port, path)?)
            }
        };
        Ok(Self {
            weight: backend.weight,
            target,
        })
    }
}

impl Url {
    fn arm(host: &str, port: u16, path: &str) -> Result<Self, &'static str> {
        let ip: Option<IpAddr> = host.parse().ok();
        let shown = match ip {
            Some(IpAddr::V6(v6)) => format!("[{v6}]"),
            Some(IpAddr::V4(_)) | None => host.to_owned(),
        };
        let authority = if port == 80 {
            shown
        } else {
            format!("{shown}:{port}")
        };
        Ok(Self {
            host: ip.map_or_else(|| UrlHost::Name(host.into()), UrlHost::Ip),
            port,
            authority: HeaderValue::try_from(authority).map_err(|_| "url host")?,
            path: path.into(),
        })
    }
}

impl Respond {
    fn arm(respond: &integrate::Respond) -> Result<Self, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in &respond.headers {
            let name = HeaderName::try_from(name).map_err(|_| "respond header name")?;
            headers.insert(
                name,
                HeaderValue::try_from(value).map_err(|_| "respond header value")?,
            );
        }
        if !respond.body.is_empty() && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let status = StatusCode::from_u16(respond.status).map_err(|_| "respond status")?;
        Ok(Self {
            status,
            headers,
            body: Bytes::copy_from_slice(respond.body.as_bytes()),
        })
    }
}

impl Redirect {
    fn arm(redirect: &integrate::Redirect) -> Result<Self, &'static str> {
        let boxed = |part: &Option<String>| part.as_deref().map(Into::into);
        Ok(Self {
            status: StatusCode::from_u16(redirect.status).map_err(|_| "redirect status")?,
            scheme: boxed(&redirect.scheme),
            host: boxed(&redirect.host),
            port: redirect.port,
            path: boxed(&redirect.path),
        })
    }
}
