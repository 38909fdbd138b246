//! Where configuration comes from.
//!
//! In: manifests below a folder. Out: changes to objects, which compile takes. What is done with
//! them, and how units are adopted, is not known here.

pub mod directory;
