//! Where the configuration comes from and how it takes effect.
//!
//! In: manifests in a folder. Out: an active configuration, swapped in one step.

pub mod adopt;
pub mod directory;
