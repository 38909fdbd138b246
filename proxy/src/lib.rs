//! The data plane: adopts units and serves requests.
//!
//! Reading order follows a request, after the configuration that decides its fate.

pub mod config;

pub mod active;

#[cfg(feature = "failpoints")]
mod failpoint;

mod core;
pub mod listen;

pub mod client_ip;
pub mod pipeline;
pub mod refusal;
pub mod request_id;

pub mod function;
pub mod upstream;

pub mod access_log;
pub mod admin;
pub mod metrics;

pub mod check;
pub mod cli;
pub mod serve;
