//! How properties are tried.
//!
//! In: how often. Out: a runner with new chances at every run, which leaves no file behind.

use proptest::test_runner::{Config, TestRunner};

/// A runner of this many cases.
pub fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}
