//! Style that a test checks is style that stays: what the compiler and clippy don't see.
//!
//! Each test reads the whole tree and lists all that is wrong, as `path:line: why`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/size.rs"]
mod size;
#[path = "tidy/source.rs"]
mod source;

/// Fails with all that is wrong.
fn none_wrong(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
