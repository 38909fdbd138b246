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

    /// Status, blame and label of the reason. The body is [`Reason::message`].
    fn row(self) -> (StatusCode, Blame, &'static str) {
        use Blame::{Client, Gateway, Upstream};
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, Client, "BadRequest"),
            Self::NotFound => (StatusCode::NOT_FOUND, Client, "NotFound"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, Client, "MethodNotAllowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, Client, "RequestTimeout"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Client, "BodyTooLarge"),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, Client, "UriTooLong"),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Client,
                "HeadersTooLarge",
            ),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, Client, "NotImplemented"),
            Self::RuleClosed => (StatusCode::SERVICE_UNAVAILABLE, Gateway, "RuleClosed"),
            Self::NoEndpoint => (StatusCode::SERVICE_UNAVAILABLE, Upstream, "NoEndpoint"),
            Self::FunctionBusy => (StatusCode::SERVICE_UNAVAILABLE, Upstream, "FunctionBusy"),
            Self::EgressDenied => (StatusCode::BAD_GATEWAY, Gateway, "EgressDenied"),
            Self::UpstreamUnresolved => (StatusCode::BAD_GATEWAY, Upstream, "UpstreamUnresolved"),
            Self::UpstreamUnreachable => (StatusCode::BAD_GATEWAY, Upstream, "UpstreamUnreachable"),
            Self::UpstreamReset => (StatusCode::BAD_GATEWAY, Upstream, "UpstreamReset"),
            Self::UpstreamGarbage => (StatusCode::BAD_GATEWAY, Upstream, "UpstreamGarbage"),
            Self::UpstreamAborted => (StatusCode::BAD_GATEWAY, Upstream, "UpstreamAborted"),
            Self::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, Upstream, "UpstreamTimeout"),
            Self::FunctionInit => (StatusCode::INTERNAL_SERVER_ERROR, Upstream, "FunctionInit"),
            Self::FunctionCrashed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Upstream,
                "FunctionCrashed",
            ),
            Self::FunctionError => (StatusCode::INTERNAL_SERVER_ERROR, Upstream, "FunctionError"),
            Self::FunctionTimeout => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Upstream,
                "FunctionTimeout",
            ),
            Self::FunctionAnswer => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Upstream,
                "FunctionAnswer",
            ),
            // Nobody reads the status: it is only logged. 499 is nginx's word for it.
            Self::ClientGone => (CLIENT_CLOSED_REQUEST, Client, "ClientGone"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, Gateway, "Internal"),
        }
    }

    /// Status of the answer.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// Who is to blame.
    pub fn blame(self) -> Blame {
        self.row().1
    }

    /// Name in metrics and logs.
    pub fn label(self) -> &'static str {
        self.row().2
    }

    /// The `message` of the JSON body.
    pub fn message(self) -> &'static str {
        match self {
            Self::UpstreamTimeout => "Endpoint request timed out",
            Self::BodyTooLarge => "Request Entity Too Large",
            Self::UriTooLong => "URI Too Long",
            Self::ClientGone => "Client Closed Request",
            Self::BadRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::HeadersTooLarge
            | Self::NotImplemented
            | Self::RuleClosed
            | Self::NoEndpoint
            | Self::FunctionBusy
            | Self::EgressDenied
            | Self::UpstreamUnresolved
            | Self::UpstreamUnreachable
            | Self::UpstreamReset
            | Self::UpstreamGarbage
            | Self::UpstreamAborted
            | Self::FunctionInit
            | Self::FunctionCrashed
            | Self::FunctionError
            | Self::FunctionTimeout
            | Self::FunctionAnswer
            | Self::Internal => self.status().canonical_reason().unwrap_or("Error"),
        }
    }

    /// Seconds after which it may help to try again (RFC 9110 section 10.2.3).
    pub fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::NoEndpoint | Self::FunctionBusy => Some("1"),
            Self::BadRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::UriTooLong
            | Self::HeadersTooLarge
            | Self::NotImplemented
            | Self::RuleClosed
            | Self::EgressDenied
            | Self::UpstreamUnresolved
            | Self::UpstreamUnreachable
            | Self::UpstreamReset
            | Self::UpstreamGarbage
            | Self::UpstreamAborted
            | Self::UpstreamTimeout
            | Self::FunctionInit
            | Self::FunctionCrashed
            | Self::FunctionError
            | Self::FunctionTimeout
            | Self::FunctionAnswer
            | Self::ClientGone
            | Self::Internal => None,
        }
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

const CLIENT_CLOSED_REQUEST: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

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
    fn labels_are_distinct() {
        let labels: std::collections::BTreeSet<_> = Reason::ALL.map(Reason::label).into();
        assert_eq!(labels.len(), Reason::ALL.len());
    }
}
