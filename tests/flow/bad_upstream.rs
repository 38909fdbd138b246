//! Bad upstreams: what the client is told, that it never takes a part for the whole, and that
//! nothing of one exchange gets into the next.

mod answer;
mod connection;
mod target;
