//! The data that CloudTrail writes: object keys, log files, records and their times.

pub mod key;
pub mod log_file;
pub mod partition;
pub mod record;
pub mod time;
