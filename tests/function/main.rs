//! Tests of the built function as a process against local servers. Faults are injected on the wire.

// A test may panic and print its tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod alerts;
mod bad_input;
mod cases;
mod crashes;
mod crowds;
mod deliveries;
mod deployed;
mod docs;
mod faults;
mod floods;
mod forgeries;
mod health;
mod https;
mod incidents;
mod limits;
mod pipeline;
mod slow_reads;
#[path = "../support/mod.rs"]
mod support;
mod template;
