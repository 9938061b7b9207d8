//! Reads every CloudTrail log file as it is delivered and publishes one alert for each quarantine of an IAM
//! access key.
//!
//! 1. [`delivery`] decodes what triggered the function into items: [`log_file`]s, and records that came alone.
//! 2. [`scan`] streams each log file past the rules' needles and hands out candidates: [`record`]s that hold one.
//! 3. [`rule`] judges a candidate by its parsed fields: a match, or nothing.
//! 4. [`dedup`] decides whether a match is a new incident; the claim on it is kept in a table under [`aws`].
//! 5. A claim makes an [`alert`], with [`related`] activity for context, and the [`message`] that it becomes is
//!    published.
//!
//! The command line `quarantine-scan` (feature `cli`) goes the same way over old log files: `src/bin/quarantine-scan/`.
//!
//! [`handler`] is that way as code, and [`metrics`] counts what came of it. [`config`] is read once, at init. What
//! a log says is [`untrusted`] everywhere.

pub mod alert;
pub mod aws;
pub mod config;
pub mod dedup;
pub mod delivery;
pub mod handler;
pub mod log_file;
pub mod message;
pub mod metrics;
pub mod record;
pub mod related;
pub mod rule;
pub mod scan;
pub mod untrusted;
