//! The data plane: adopts units and serves requests.

pub mod check;
pub mod config;
