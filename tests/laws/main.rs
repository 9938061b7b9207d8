//! Laws: properties of every input, checked against an oracle that is too simple to be wrong.

#![allow(clippy::unwrap_used, clippy::panic)] // A test may panic.

mod bad_files;
mod incidents;
mod oracle;
mod scan;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};

/// Checks a law for this many inputs.
fn run<S: Strategy>(cases: u32, strategy: S, law: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, law).unwrap_or_else(|error| panic!("{error}"));
}
