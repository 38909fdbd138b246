//! Answers that the rule itself holds: `respond` and `redirect`.

use std::fmt::Write;

use http::{HeaderValue, Response, header};

use super::super::{normalise::Target, respond::Source};
use crate::{
    active::rule::{Redirect, Respond},
    refusal::{Reason, Refusal},
};

/// The fixed answer.
pub(super) fn respond(respond: &Respond) -> Response<Source> {
    let mut response = Response::new(Source::full(respond.body.clone()));
    *response.status_mut() = respond.status;
    *response.headers_mut() = respond.headers.clone();
    response
}

/// An answer that sends the client to the redirect's target. What the redirect does not say is the
/// request's own, the query always.
pub(super) fn redirect(redirect: &Redirect, target: &Target) -> Result<Response<Source>, Refusal> {
    let location = HeaderValue::try_from(location(redirect, target));
    let location = location.map_err(|_| Reason::Internal)?;
    let mut response = Response::new(Source::Full(None));
    *response.status_mut() = redirect.status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn location(redirect: &Redirect, target: &Target) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or("http");
    let own_port = if scheme == "https" { 443 } else { 80 };
    let elsewhere = redirect.scheme.is_some() || redirect.host.is_some();
    let kept = if elsewhere { None } else { target.port };
    let port = redirect.port.or(kept).filter(|port| *port != own_port);
    let host = redirect.host.as_deref().unwrap_or(&target.host);
    let mut location = format!("{scheme}://{host}");
    // Writing to a String does not fail.
    if let Some(port) = port {
        let _ = write!(location, ":{port}");
    }
    let path = redirect.path.as_deref();
    location.push_str(path.unwrap_or_else(|| target.path()));
    if let Some(query) = target.path.query() {
        let _ = write!(location, "?{query}");
    }
    location
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn absent_parts_are_the_requests() {
        let target = Target {
            host: "a.example".into(),
            port: Some(8080),
            authority: None,
            path: "/old?q=1".parse().unwrap(),
        };
        let same = Redirect {
            status: StatusCode::FOUND,
            scheme: None,
            host: None,
            port: None,
            path: None,
        };
        let with = |change: fn(&mut Redirect)| {
            let mut redirect = Redirect {
                status: same.status,
                ..clone(&same)
            };
            change(&mut redirect);
            location(&redirect, &target)
        };
        type Row = (&'static str, fn(&mut Redirect), &'static str);
        let rows: [Row; 5] = [
            (
                "path",
                |r| r.path = Some("/new".into()),
                "http://a.example:8080/new?q=1",
            ),
            (
                "host",
                |r| r.host = Some("b.example".into()),
                "http://b.example/old?q=1",
            ),
            (
                "scheme",
                |r| r.scheme = Some("https".into()),
                "https://a.example/old?q=1",
            ),
            ("port", |r| r.port = Some(81), "http://a.example:81/old?q=1"),
            (
                "own port",
                |r| r.port = Some(80),
                "http://a.example/old?q=1",
            ),
        ];
        for (name, change, expected) in rows {
            assert_eq!(with(change), expected, "{name}");
        }
    }

    fn clone(redirect: &Redirect) -> Redirect {
        let Redirect {
            status,
            scheme,
            host,
            port,
            path,
        } = redirect;
        Redirect {
            status: *status,
            scheme: scheme.clone(),
            host: host.clone(),
            port: *port,
            path: path.clone(),
        }
    }
}
