//! Flows: the proxy in this process, real sockets on both sides.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what several tests share"
)]

mod bad_function;
mod bad_request;
mod bad_upstream;
mod body;
mod client_ip;
mod drain;
mod edit;
mod fixed;
mod forward;
mod function;
mod h2;
mod hold;
mod route;
