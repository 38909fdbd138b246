//! Manifests below a folder to changes of objects, live: the standalone source of configuration.

pub mod document;
mod lines;
mod name;
mod schema;
