//! The data plane: adopts units and serves requests.

pub mod config;
