//! Bad requests: each is refused as it should be, leaves one line in the access log, and nothing of
//! it gets into the next request, into the upstream or into the life of the proxy.

mod framing;
mod h2;
mod head;
mod host;
mod log;
mod path;
mod protocol;
mod slow;
