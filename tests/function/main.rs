//! The built function as a process, against local servers; faults are made on the wire.

// A test may fail by panicking, and shows its tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod alerts;
mod bad_input;
mod crashes;
mod deliveries;
mod deployed;
mod docs;
mod faults;
mod incidents;
mod limits;
#[path = "../support/mod.rs"]
mod support;
mod template;
mod way;
