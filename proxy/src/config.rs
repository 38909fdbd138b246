//! Where the configuration comes from and how it takes effect.
//!
//! In: manifests in a folder; or a controller's stream, and what was kept of it. Out: an active
//! configuration, swapped in one step.

pub mod adopt;
pub mod directory;

pub mod holding;
pub mod last_good;
pub mod subscribe;
