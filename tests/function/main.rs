//! The built function as a process, against local servers; faults are made on the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may fail by panicking.

mod bad_input;
mod deployed;
mod support;
mod way;
