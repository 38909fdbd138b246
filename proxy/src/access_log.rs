//! The access log: one line for each request, whatever became of it.
//!
//! In: a [`Record`] from the core that served the request. Out: a line of JSON, or a readable one
//! when a person watches; `docs/access-log.md` lists the fields. The query of a request is not
//! among them, since it may hold secrets. A core only ever appends to memory of its own: when the
//! log is not taken as fast as it comes, lines are dropped and counted, and requests go on.

mod address;
mod clock;
mod escape;
mod json;
mod readable;
mod sink;

use std::{
    io::{IsTerminal, stdout},
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

pub use self::sink::{AccessLog, CoreLog, Unwritten};
use crate::{metrics::Protocol, refusal::Reason};

/// What the log says of one request. Text that is empty is left out, like what is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When the request's head had been read.
    pub time: SystemTime,
    /// The id that client and upstream were told.
    pub request_id: &'a str,
    /// The client, behind trusted proxies.
    pub client_ip: IpAddr,
    /// The method as the client sent it.
    pub method: &'a str,
    /// The host that was asked for.
    pub host: &'a str,
    /// The path in its canonical form, without the query.
    pub path: &'a str,
    /// What the client spoke.
    pub protocol: Protocol,
    /// Status of the answer.
    pub status: u16,
    /// Why we answered, if it was a refusal.
    pub reason: Option<Reason>,
    /// The gateway, as `namespace/name`.
    pub gateway: &'a str,
    /// The name of the gateway's listener.
    pub listener: Option<&'a str>,
    /// The ApiRoute, as `namespace/name`.
    pub route: Option<&'a str>,
    /// The name of the route's rule.
    pub rule: Option<&'a str>,
    /// Who was asked.
    pub upstream: Option<Upstream<'a>>,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// The part of it that the upstream took.
    pub upstream_duration: Option<Duration>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// The field `User-Agent` as it came.
    pub user_agent: Option<&'a [u8]>,
}

/// Who was asked for the answer.
#[derive(Clone, Copy, Debug)]
pub enum Upstream<'a> {
    /// The address of an endpoint.
    Address(SocketAddr),
    /// A function, or a host that has no address.
    Name(&'a str),
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// For people.
    Readable {
        /// Whether the status is coloured.
        colour: bool,
    },
}

impl Format {
    /// Readable on a terminal, in colour unless `NO_COLOR` is set (<https://no-color.org>); else
    /// JSON.
    pub fn for_stdout() -> Self {
        if stdout().is_terminal() {
            let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Self::Readable { colour }
        } else {
            Self::Json
        }
    }
}

#[cfg(test)]
mod tests;
