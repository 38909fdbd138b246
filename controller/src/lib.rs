//! The operator: custom resources in, units to the proxies and a truthful status out.
//!
//! ```text
//! API server ──watch──> Change ──compile──> Delta ──publish──> UnitSet ──stream──> proxies
//!      ^                                      │problems                               │verdicts
//!      └───────────────── status <────────────┴───────────────── proxies <────────────┘
//! ```
//!
//! All replicas watch, compile and serve streams; the holder of the Lease alone writes.

pub mod watch;

pub mod publish;

pub mod stream;

pub mod ca;
pub mod token;

pub mod bootstrap;
mod names;
mod secrets;

pub mod proxies;
pub mod relay;

pub mod holder;
pub mod lease;

pub mod events;
pub mod status;

mod causes;

#[cfg(test)]
mod fake;

pub mod admin;
pub mod metrics;

pub mod cli;
pub mod run;

#[cfg(test)]
mod fake_api;

/// The service of the push protocol; its messages are in `tollgate_snapshot::wire`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::use_self,
    reason = "generated; the docs are in the proto file"
)]
pub mod push {
    include!(concat!(env!("OUT_DIR"), "/tollgate.push.v1.rs"));
}
