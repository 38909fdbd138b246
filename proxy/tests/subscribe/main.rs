//! A proxy that is fed by a controller: the binary, a controller that the test plays, real sockets.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "the functions that tests share fail them too"
)]

mod support;

mod bootstrap;
mod crash;
mod dial;
mod disk;
mod follow;
mod refuse;
mod start;
