//! What several tests need: builders and the real binaries. No test is here.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

pub mod process;
