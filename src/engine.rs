//! Reads log files in S3, claims matches and publishes alerts, for both programs.

pub mod error;
pub mod ledger;
pub mod pending;
pub mod processor;
pub mod publisher;
pub mod reader;
pub mod resources;
