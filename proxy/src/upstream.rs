//! The connection side: from an address to an answer.
//!
//! In: a request that is ready to be sent and the addresses that may answer it. Out: the head of
//! the answer with its streaming body, or why there is none. Everything here belongs to one core:
//! its connections, its counts, its cache of names. Which backend is meant, and what of the request
//! is forwarded, is decided by `pipeline::integrate`.

pub(crate) mod body;
pub(crate) mod egress;
pub(crate) mod pool;
mod relay;
pub(crate) mod resolve;
