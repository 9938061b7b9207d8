//! A trace, for people and for programs.

pub mod page;
pub mod text;
pub mod timeline;
mod tree;
mod verdict;
mod work;

use quarantine_alert::{alert::Alert, trace::report::Report};
use serde::Serialize;
use time::OffsetDateTime;

use crate::coverage::Seen;

/// Everything that a trace shows. The names are those of the JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    pub schema_version: &'static str,
    #[serde(flatten)]
    pub report: Report,
    /// The alerts of `find` for the users and roles behind the calls.
    pub quarantine: Vec<Alert>,
    pub coverage: Seen,
    #[serde(skip)]
    pub quarantined: Option<OffsetDateTime>,
    /// Whether filters may hide calls and edges.
    #[serde(skip)]
    pub is_filtered: bool,
}
