//! Reads every CloudTrail log file as it is delivered, and publishes one alert for each quarantine of an IAM access key.
//!
//! 1. [`delivery`] decodes the payload that triggered the function into items: log files, single records, and events of
//!    AWS [`health`].
//! 2. [`scan`] streams each log file ([`trail`]) past the rules' needles and returns candidates: records that contain one.
//! 3. [`rule`] judges a candidate, or an event of AWS Health, by its parsed fields and makes a match of it, or nothing.
//! 4. [`dedup`] decides whether a match is a new incident. The claim on it is kept in DynamoDB.
//! 5. A claim makes an [`alert`], with [`related`] activity for context, and the [`message`] made from it is published.
//!
//! [`handler`] is this pipeline as code. [`engine`] is the part of it that the command line `quarantine-scan` (`cli/`)
//! uses too, on old log files; its [`trace`] follows a key through them. [`aws`] has the SDK clients. [`config`] is read once, at init. Every string of a log is
//! [`untrusted`].
//!
//! `docs/architecture.md` follows one log file through the modules, and shows where each kind of change belongs.

pub mod alert;
pub mod aws;
pub mod config;
pub mod dedup;
pub mod delivery;
pub mod engine;
pub mod handler;
pub mod health;
pub mod json;
pub mod message;
pub mod related;
pub mod rule;
pub mod scan;
pub mod trace;
pub mod trail;
pub mod untrusted;
