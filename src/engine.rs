//! What both programs use to read log files in S3, claim matches and publish alerts.

pub mod error;
pub mod ledger;
pub mod pending;
pub mod processor;
pub mod publisher;
pub mod reader;
pub mod resources;
