//! Flows: the proxy in this process, real sockets on both sides.

mod bad_function;
mod bad_request;
mod bad_upstream;
mod forward;
