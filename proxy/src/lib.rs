//! The data plane: adopts units and serves requests.
//!
//! Reading order follows a request, after the configuration that decides its fate.

pub mod client_ip;
pub mod request_id;

pub mod refusal;

pub mod access_log;
pub mod admin;
pub mod metrics;
