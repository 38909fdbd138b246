//! A function, compiled: how it is called. Where and how it runs is not said here.

use serde::{Deserialize, Serialize};

/// A Function, compiled.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Function {
    /// Longest time for one call.
    pub timeout_ms: u64,
    /// Memory that the function is told it has, in MiB.
    pub memory_mb: u64,
}

impl Default for Function {
    fn default() -> Self {
        Self {
            timeout_ms: 3_000,
            memory_mb: 128,
        }
    }
}
