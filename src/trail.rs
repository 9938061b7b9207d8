//! The data that CloudTrail writes: object keys, log files, records.

pub mod key;
pub mod log_file;
pub mod record;
