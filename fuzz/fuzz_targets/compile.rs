//! Any text: read as manifests, compiled, edited back and forth. It must not panic, and what an
//! edit leads to must be what a start from scratch gives.
//!
//! Seeds: `cargo +nightly fuzz run compile fuzz/corpus/compile tests/golden`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_compile::{Compiler, compile};

#[path = "../../tests/support/manifests.rs"]
mod manifests;

fuzz_target!(|text: &str| {
    let changes = manifests::changes(text);
    let scratch = compile(changes.iter().cloned());
    let mut compiler = Compiler::default();
    for change in changes {
        compiler.apply(change);
    }
    assert_eq!(compiler.compiled(), scratch);
});
