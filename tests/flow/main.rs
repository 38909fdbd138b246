//! Flows: the proxy in this process, real sockets on both sides.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what tests share"
)]

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
