//! Why we, and not an upstream, answer: one exhaustive table from reason to answer.
//!
//! In: a reason that a stage of the pipeline gives. Out: status, body, blame and the label under
//! which metrics and the access log show it. How the answer is sent is `pipeline::respond`'s.

use http::{StatusCode, header::HeaderName};

/// Why a request was refused.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The request line, the path, the Host or the framing is malformed.
    BadRequest,
    /// No rule takes the request.
    NotFound,
    /// Rules take the path, but none the method.
    MethodNotAllowed,
    /// The client did not send what it announced in time.
    RequestTimeout,
    /// The body is larger than the gateway's limit or, for a function, than 6 MiB.
    BodyTooLarge,
    /// The request target is too long.
    UriTooLong,
    /// The head is larger than the gateway's limits.
    HeadersTooLarge,
    /// CONNECT, or a protocol that is not built yet.
    NotImplemented,
    /// The rule is closed: what it needs is missing or refused.
    RuleClosed,
    /// The backend has no endpoint that is ready.
    NoEndpoint,
    /// The function's queue is full, or it is stopping.
    FunctionBusy,
    /// The address of the upstream is one that may not be reached.
    EgressDenied,
    /// The host name of the upstream has no address.
    UpstreamUnresolved,
    /// No connection to the upstream.
    UpstreamUnreachable,
    /// The upstream closed or broke the connection before its answer's head.
    UpstreamReset,
    /// What the upstream sent is not an HTTP answer.
    UpstreamGarbage,
    /// The upstream's answer broke off; its head had been sent on already.
    UpstreamAborted,
    /// No answer within the rule's timeout.
    UpstreamTimeout,
    /// The function could not be started, or failed while starting.
    FunctionInit,
    /// The function's process ended during the call.
    FunctionCrashed,
    /// The function returned an error.
    FunctionError,
    /// The function took longer than its own timeout.
    FunctionTimeout,
    /// The function's answer is none that the event format allows.
    FunctionAnswer,
    /// The client went away before the answer was complete.
    ClientGone,
    /// Our own fault.
    Internal,
}

/// Who is to blame: what to look at first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The client sent it wrong.
    Client,
    /// The backend did not do its part.
    Upstream,
    /// The gateway or its configuration.
    Gateway,
}

/// What [`Reason::row`] says of a reason.
type Row = (u16, &'static str, Blame, &'static str, Option<&'static str>);

impl Reason {
    /// Every reason, in the order of their metric index.
    pub const ALL: [Self; 25] = [
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::NotImplemented,
        Self::RuleClosed,
        Self::NoEndpoint,
        Self::FunctionBusy,
        Self::EgressDenied,
        Self::UpstreamUnresolved,
        Self::UpstreamUnreachable,
        Self::UpstreamReset,
        Self::UpstreamGarbage,
        Self::UpstreamAborted,
        Self::UpstreamTimeout,
        Self::FunctionInit,
        Self::FunctionCrashed,
        Self::FunctionError,
        Self::FunctionTimeout,
        Self::FunctionAnswer,
        Self::ClientGone,
        Self::Internal,
    ];

    /// Its place in [`Reason::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The table: status, message, blame, label, and seconds after which to try again.
    // Formatted by hand: a table is read by its columns.
    #[rustfmt::skip]
    fn row(self) -> Row {
        use Blame::{Client, Gateway, Upstream};
        match self {
            Self::BadRequest => (400, "Bad Request", Client, "BadRequest", None),
            Self::NotFound => (404, "Not Found", Client, "NotFound", None),
            Self::MethodNotAllowed => (405, "Method Not Allowed", Client, "MethodNotAllowed", None),
            Self::RequestTimeout => (408, "Request Timeout", Client, "RequestTimeout", None),
            Self::BodyTooLarge => (413, "Request Entity Too Large", Client, "BodyTooLarge", None),
            Self::UriTooLong => (414, "URI Too Long", Client, "UriTooLong", None),
            Self::HeadersTooLarge =>
                (431, "Request Header Fields Too Large", Client, "HeadersTooLarge", None),
            Self::NotImplemented => (501, "Not Implemented", Client, "NotImplemented", None),
            Self::RuleClosed => (503, "Service Unavailable", Gateway, "RuleClosed", None),
            Self::NoEndpoint => (503, "Service Unavailable", Upstream, "NoEndpoint", Some("1")),
            Self::FunctionBusy => (503, "Service Unavailable", Upstream, "FunctionBusy", Some("1")),
            Self::EgressDenied => (502, "Bad Gateway", Gateway, "EgressDenied", None),
            Self::UpstreamUnresolved => (502, "Bad Gateway", Upstream, "UpstreamUnresolved", None),
            Self::UpstreamUnreachable =>
                (502, "Bad Gateway", Upstream, "UpstreamUnreachable", None),
            Self::UpstreamReset => (502, "Bad Gateway", Upstream, "UpstreamReset", None),
            Self::UpstreamGarbage => (502, "Bad Gateway", Upstream, "UpstreamGarbage", None),
            Self::UpstreamAborted => (502, "Bad Gateway", Upstream, "UpstreamAborted", None),
            Self::UpstreamTimeout =>
                (504, "Endpoint request timed out", Upstream, "UpstreamTimeout", None),
            Self::FunctionInit => (500, "Internal Server Error", Upstream, "FunctionInit", None),
            Self::FunctionCrashed =>
                (500, "Internal Server Error", Upstream, "FunctionCrashed", None),
            Self::FunctionError => (500, "Internal Server Error", Upstream, "FunctionError", None),
            Self::FunctionTimeout =>
                (500, "Internal Server Error", Upstream, "FunctionTimeout", None),
            Self::FunctionAnswer =>
                (500, "Internal Server Error", Upstream, "FunctionAnswer", None),
            // Nobody reads the answer: it is only logged. 499 is nginx's word for it.
            Self::ClientGone => (499, "Client Closed Request", Client, "ClientGone", None),
            Self::Internal => (500, "Internal Server Error", Gateway, "Internal", None),
        }
    }

    /// Status of the answer.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The `message` of the JSON body.
    pub fn message(self) -> &'static str {
        self.row().1
    }

    /// Who is to blame.
    pub fn blame(self) -> Blame {
        self.row().2
    }

    /// Name in metrics and logs.
    pub fn label(self) -> &'static str {
        self.row().3
    }

    /// Seconds after which it may help to try again (RFC 9110 section 10.2.3).
    pub fn retry_after(self) -> Option<&'static str> {
        self.row().4
    }
}

/// A refusal: the reason and what only this request knows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// A header field that belongs to the reason, such as `Allow` of a 405.
    pub header: Option<(HeaderName, String)>,
    /// Whether the connection can't be used for another request (HTTP/1.1 only).
    pub close: bool,
}

impl Refusal {
    /// A refusal that ends the connection: where the next request begins is not sure.
    pub fn closing(reason: Reason) -> Self {
        Self {
            close: true,
            ..reason.into()
        }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self {
            reason,
            header: None,
            close: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_reason_is_its_place() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), place, "{}", reason.label());
        }
    }

    #[test]
    fn every_row_has_a_status_that_is_one() {
        for reason in Reason::ALL {
            assert_eq!(reason.status().as_u16(), reason.row().0, "{reason:?}");
        }
    }

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::BTreeSet<_> = Reason::ALL.map(Reason::label).into();
        assert_eq!(labels.len(), Reason::ALL.len());
    }
}
