//! Flows: the proxy in this process, real sockets on both sides.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what several tests share"
)]

mod bad_function;
mod bad_request;
mod bad_upstream;
mod forward;
