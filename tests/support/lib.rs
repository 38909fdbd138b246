//! What the tests share.

pub mod manifests;
