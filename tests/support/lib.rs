//! What several tests need: builders, the proxy in this process, the real binaries. No test is
//! here.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod client;
pub mod frames;
pub mod function;
pub mod gateway;
pub mod h2;
pub mod load;
pub mod manifests;
pub mod process;
pub mod property;
pub mod session;
pub mod trial;
pub mod upstream;
pub mod write;
